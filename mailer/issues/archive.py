"""The public archive and the feed. Both show the issues that were sent, without readers' tokens and without redacted
stories."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from sqlalchemy import Connection

from mailer.context import App, find_issue
from mailer.errors import NoSuchArticle, NoSuchIssue, WrongState
from mailer.issues import clicks, draft, variants, which
from mailer.lifecycle import STARTED
from mailer.mail import placeholders, view
from mailer.model import DeliveryKind, Issue, Variant
from mailer.store import issues
from mailer.text import calendar
from mailer.text.clean import clean
from mailer.text.locales import FA, Locale

_FEED = 30  # largest number of issues in the feed
_OG_LOCALE = {"fa": "fa_IR", "he": "he_IL", "ur": "ur_PK", "ckb": "ckb_IQ"}
_ATOM = "http://www.w3.org/2005/Atom"
_READER = re.compile(r"<!--reader-->(?:[^<]++|<(?!!--/?reader-->))*+<!--/reader-->")
_HEAD = re.compile(r"<head\b[^<>]*>", re.IGNORECASE)


# --- public issues ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _PublicIssue:
    """The part of an issue that the public may see: the issue without its redacted stories, and its rendered mail."""

    issue: Issue
    variant: Variant
    redacted_at: datetime | None

    @property
    def published(self) -> datetime:
        return self.issue.started_at or self.issue.send_at

    @property
    def updated(self) -> datetime:
        return self.redacted_at or self.published


def _public_issue(app: App, tx: Connection, issue: Issue) -> _PublicIssue | None:
    variant = issues.public_variant(tx, issue.id)
    if issue.state not in STARTED or variant is None:
        return None
    out = issues.redacted(tx, issue.id)
    left = [story for story in issue.stories if story.position not in out]
    return _PublicIssue(variants.redacted(issue, left, app.renderer.locale), variant, issues.redacted_at(tx, issue.id))


def _public_issues(app: App, limit: int | None) -> list[_PublicIssue]:
    """Returns at most `limit` public issues, ordered by slot from the latest to the oldest."""

    def read(tx: Connection) -> list[_PublicIssue]:
        found = (_public_issue(app, tx, issue) for issue in issues.recent(tx, states=STARTED, limit=limit))
        return [each for each in found if each]

    return app.store.read(read)


def _summary(app: App, issue: Issue) -> str:
    return clean(view.preheader(issue, app.settings.newsletter, app.renderer.locale))


def public_issues(app: App, limit: int | None = None) -> list[dict[str, str]]:
    """Returns the address, headline, number and date of each public issue as readers see them, the latest first.

    The headline is also given as `subject`, because a newsroom's own templates may come from an older version, which
    used that name.
    """
    locale, newsletter = app.renderer.locale, app.settings.newsletter
    return [
        {
            "url": app.archive_url(each.issue.slot),
            "headline": (headline := view.headline(each.issue, locale)),
            "subject": headline,
            "number": locale.number(each.issue.number) if each.issue.number else "",
            "date": calendar.long_date(each.issue.day, newsletter.calendar, locale),
        }
        for each in _public_issues(app, limit)
    ]


def latest(app: App) -> str:
    """Returns the address of the latest public issue, or an empty string if there is none."""
    found = public_issues(app, 1)
    return found[0]["url"] if found else ""


# --- the page --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Page:
    """A public page. `etag` changes whenever the content changes."""

    html: str
    etag: str


def page(app: App, slot: str) -> Page:
    """Returns the page of an issue: the mail without the parts for a single reader.

    Raises NoSuchIssue if the issue is not public.
    """
    issue = find_issue(app, slot)
    shown = app.store.read(lambda tx: _public_issue(app, tx, issue))
    if shown is None:
        raise NoSuchIssue(f"The issue {slot} is not public.")
    mailed = clicks.direct(issue, shown.variant.html, html=True)
    html = public(mailed, app.renderer.locale, app.settings.newsletter.base_url, _share(app, shown))
    html = _with_tags(app, html, shown)
    return Page(html, sha256(html.encode()).hexdigest()[:32])


def _share(app: App, shown: _PublicIssue) -> str:
    """Returns the HTML with the links for sharing the page. A messenger is contacted only when a visitor opens its
    link, so no messenger learns who reads the page."""
    url, title = app.archive_url(shown.issue.slot), view.headline(shown.issue, app.renderer.locale)
    values = {
        "url": url,
        "telegram_url": "https://t.me/share/url?" + urlencode({"url": url, "text": title}, quote_via=quote),
        "whatsapp_url": "https://wa.me/?" + urlencode({"text": f"{title}\n{url}"}, quote_via=quote),
        "subscribe_url": app.url("/subscribe"),
    }
    return app.renderer.share(values)


def public(html: str, locale: Locale = FA, base_url: str = "", share: str = "") -> str:
    """Returns the HTML of a mail without the parts for a single reader, so that no placeholder and no token remains.

    Those parts are enclosed in <!--reader--> and <!--/reader-->. Only these parts are removed from the mailed HTML, so
    the archive shows the same as the mail. Picture addresses under `base_url` become relative to `/archive/SLOT`, so
    that the pictures load under every host name of this server. The last of those parts is replaced by `share`. Raises
    ValueError if one of the two comments lacks its counterpart, or if a placeholder other than the greeting remains.
    """
    parts = _READER.split(html)
    cut = "".join(parts[:-1]) + (share if len(parts) > 1 else "") + parts[-1]
    if "<!--reader-->" in cut or "<!--/reader-->" in cut:
        raise ValueError("a <!--reader--> comment of the template has no partner")
    if base_url:
        cut = cut.replace(f' src="{base_url}/media/', ' src="../media/')
    return placeholders.fill(cut, {"greeting": view.greeting("", locale)}, "html")


def _with_tags(app: App, html: str, shown: _PublicIssue) -> str:
    """Returns the page with more tags in its head: Open Graph for link previews, the canonical address and the feed."""
    newsletter = app.settings.newsletter
    url, summary = app.archive_url(shown.issue.slot), _summary(app, shown.issue)
    image = next(filter(None, (view.picture_of(story, newsletter) for story in shown.issue.stories)), "")
    tags = {
        "og:type": "article",
        "og:title": view.headline(shown.issue, app.renderer.locale),
        "og:description": summary,
        "og:url": url,
        "og:site_name": newsletter.name,
        "og:locale": _OG_LOCALE.get(newsletter.locale, newsletter.locale),
        "article:published_time": shown.published.isoformat(),
        **({"og:image": image} if image else {}),
    }
    lines = [f'<meta property="{name}" content="{escape(clean(value))}">' for name, value in tags.items()]
    lines += [
        f'<meta name="description" content="{escape(summary)}">',
        f'<link rel="canonical" href="{escape(url)}">',
        f'<link rel="alternate" type="application/atom+xml" href="{escape(feed_url(app))}">',
    ]
    head = _HEAD.search(html)
    if head is None:
        raise ValueError("the page has no head")
    return html[: head.end()] + "\n" + "\n".join(lines) + html[head.end() :]


# --- the feed --------------------------------------------------------------------------------------------------------
def feed_url(app: App) -> str:
    return app.url("/archive/feed.xml")


def feed(app: App) -> bytes:
    """Returns the Atom feed (RFC 4287) of the latest public issues. The id of an entry is the address of its page."""
    newsletter, shown = app.settings.newsletter, _public_issues(app, _FEED)
    ElementTree.register_namespace("", _ATOM)
    root = ElementTree.Element(f"{{{_ATOM}}}feed")
    root.set("{http://www.w3.org/XML/1998/namespace}lang", newsletter.locale)
    latest_change = max((each.updated for each in shown), default=datetime(1970, 1, 1, tzinfo=UTC))
    _put(root, "id", feed_url(app))
    _put(root, "title", clean(f"{newsletter.title} {newsletter.name}"))
    _put(root, "updated", latest_change.isoformat())
    _put(root, "link", rel="self", href=feed_url(app))
    _put(root, "link", rel="alternate", href=app.url("/archive"))
    _put(_put(root, "author"), "name", clean(newsletter.name))
    for each in shown:
        url, entry = app.archive_url(each.issue.slot), _put(root, "entry")
        _put(entry, "id", url)
        _put(entry, "title", view.headline(each.issue, app.renderer.locale))
        _put(entry, "link", rel="alternate", href=url)
        _put(entry, "published", each.published.isoformat())
        _put(entry, "updated", each.updated.isoformat())
        _put(entry, "summary", _summary(app, each.issue))
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _put(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> ElementTree.Element:
    made = ElementTree.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
    made.text = text or None
    return made


# --- redaction -------------------------------------------------------------------------------------------------------
# The page is rendered again from the remaining frozen stories, so that its title, summary and contents agree. An
# editor's subject and opening words are left out of the page, because they may mention the redacted story. Mails that
# were already sent cannot be changed.
def redact(app: App, slot: str | None, position: int) -> Issue:
    """Removes the story at `position` of a public issue from the archive and the feed.

    Redacting a story twice has no further effect. Raises WrongState if the issue is not public or if no story would
    remain, and NoSuchArticle if the issue has no story at this position.
    """
    issue = which.gone_out(app, slot)
    if issue.state not in STARTED:
        raise WrongState(f"The issue {issue.slot} is {issue.state}, not public: there is nothing to redact.")
    if position not in {story.position for story in issue.stories}:
        raise NoSuchArticle(
            f"The issue {issue.slot} has no story {position}.", "`mailer issue show` shows their numbers."
        )
    while not _redact(app, issue, position):
        pass
    return issue


def _redact(app: App, issue: Issue, position: int) -> bool:
    """Renders the public page without the story and stores the page.

    Returns False if another process redacted a story meanwhile; the page must then be rendered again.
    """
    before = app.store.read(lambda tx: issues.redacted(tx, issue.id))
    out = {*before, position}
    stories = [story for story in issue.stories if story.position not in out]
    if not stories:
        raise WrongState(f"{position} is the last story that is left of the issue {issue.slot}.")
    kept = variants.redacted(issue, stories, app.renderer.locale)
    rendered = app.store.read(lambda tx: draft.render(app, tx, kept, full=issue, counted=False))

    def write(tx: Connection) -> bool:
        if issues.redacted(tx, issue.id, lock=True) != before:
            return False
        issues.redact(tx, issue.id, out)
        issues.add_variant(tx, DeliveryKind.ISSUE, issue.id, rendered, app.now(), sections=issues.REDACTED)
        return True

    return app.store.write(write)
