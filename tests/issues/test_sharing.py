"""How an issue spreads and is answered: the footer of the mail, and the page in the archive."""

import re
from dataclasses import replace
from html import unescape
from urllib.parse import parse_qs, urlsplit

import mail_samples as samples
import make
from make import only_sqlite

from mailer.context import App
from mailer.issues import archive, delivery, draft, preview
from mailer.model import Issue


def sent(app: App) -> Issue:
    make.subscriber(app.store)
    make.week_of_articles(app.store)
    return delivery.start(app, draft.freeze(app, draft.draft(app)))


def test_the_mail_says_how_to_subscribe_without_a_token() -> None:
    html, text = samples.merged(samples.rendered())
    url = f"{samples.NEWSLETTER.base_url}/subscribe"
    assert f'href="{url}"' in html
    assert f"\n{url}\n" in text
    for part in (html, text):
        assert "کسی این نامه را برایتان فرستاده است؟" in part
        assert "t.me" not in part
        assert "wa.me" not in part
        assert part.count(samples.ARCHIVE) == 1
        assert part.count("نمایش در مرورگر") == 1


def test_replies_are_invited_only_if_they_are_read() -> None:
    words = "به همین نامه پاسخ دهید"
    answered = samples.NEWSLETTER.model_copy(update={"reply_to": "editors@iran.example"})
    for newsletter, invited in ((samples.NEWSLETTER, False), (answered, True)):
        mail = samples.rendered(newsletter=newsletter)
        assert (words in mail.html, words in mail.text) == (invited, invited)


@only_sqlite
def test_the_page_in_the_archive_can_be_shared_and_copied(sending_app: App) -> None:
    app = sending_app
    issue = sent(app)
    html, url = archive.page(app, issue.slot).html, app.archive_url(issue.slot)
    telegram, whatsapp = (
        urlsplit(unescape(found)) for found in re.findall(r'href="(https://(?:t|wa)\.me/[^"]+)"', html)
    )
    assert (telegram.netloc, parse_qs(telegram.query)) == ("t.me", {"url": [url], "text": [issue.stories[0].title]})
    assert (whatsapp.netloc, parse_qs(whatsapp.query)) == ("wa.me", {"text": [f"{issue.stories[0].title}\n{url}"]})
    assert f'dir="ltr">{url}</span>' in html
    assert f'href="{app.url("/subscribe")}"' in html
    assert "font-size:13px" in html[html.index("t.me") - 500 : html.index("t.me")], "styles are inlined"
    assert "t.me" not in preview.preview(app, issue).html


@only_sqlite
def test_a_redacted_page_shares_what_it_shows(sending_app: App) -> None:
    app = sending_app
    issue = sent(app)
    before = archive.page(app, issue.slot)
    archive.redact(app, issue.slot, 1)
    after = archive.page(app, issue.slot)
    assert issue.stories[0].title not in unescape(after.html)
    assert before.etag != after.etag


@only_sqlite
def test_the_tag_of_a_page_changes_with_the_name_of_the_newsroom(sending_app: App) -> None:
    """Not only with the mail, or a browser would keep the old page."""
    issue = sent(sending_app)
    newsletter = sending_app.settings.newsletter.model_copy(update={"base_url": "https://new.iran.example"})
    moved = replace(sending_app, settings=sending_app.settings.model_copy(update={"newsletter": newsletter}))
    assert archive.page(sending_app, issue.slot).etag != archive.page(moved, issue.slot).etag
