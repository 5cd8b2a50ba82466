"""One mail for each choice of sections; archive, feed, redaction and report of an issue afterwards."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from xml.etree import ElementTree

import make
import pytest
from make import Clock

from mailer import tokens
from mailer.context import App, get_issue
from mailer.demo.inbox import Inbox
from mailer.errors import NoSuchArticle, NoSuchIssue, WrongState
from mailer.issues import archive, control, delivery, draft, editing, report, variants
from mailer.model import Issue, IssueState, Method
from mailer.operations import figures
from mailer.readers import admin, leaving
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.store import issues
from mailer.tokens import Purpose

ATOM = "{http://www.w3.org/2005/Atom}"


def frozen(app: App, clock: Clock) -> Issue:
    make.week_of_articles(app.store, now=clock())
    return draft.freeze(app, draft.draft(app, make.SLOT))


def sent(app: App, clock: Clock) -> Issue:
    issue = delivery.start(app, frozen(app, clock))
    asyncio.run(Sender(app, Circuits()).run())
    delivery.finish(app)
    return get_issue(app, issue.id)


def text_of(raw: bytes) -> str:
    body = message_from_bytes(raw, policy=policy.default).get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def test_readers_get_the_sections_they_chose(sending_app: App, inbox: Inbox, clock: Clock) -> None:
    app = sending_app
    sections = {story.section for story in frozen(app, clock).stories}
    assert {"سیاست", "اقتصاد"} <= sections
    admin.add(app, "all@example.org")
    admin.add(app, "two@example.org", sections=["سیاست", "اقتصاد"])
    admin.add(app, "same@example.org", sections=["اقتصاد", "سیاست"])
    admin.add(app, "none@example.org", sections=["بخش نابوده"])
    issue = get_issue(app, 1)
    delivery.start(app, issue)
    asyncio.run(Sender(app, Circuits()).run())
    mails = {mail.recipient: text_of(mail.raw) for mail in inbox.mails}
    assert len(mails) == 4
    for story in issue.stories:
        wanted = story.section in ("سیاست", "اقتصاد")
        assert (story.url in mails["two@example.org"]) is wanted
        assert story.url in mails["all@example.org"]
        assert story.url in mails["none@example.org"]  # fewer than three left: the full issue
    subjects = {mail.recipient: message_from_bytes(mail.raw, policy=policy.default)["Subject"] for mail in inbox.mails}
    assert subjects["two@example.org"] == subjects["same@example.org"]
    lead = next(story for story in issue.stories if story.section in ("سیاست", "اقتصاد"))
    assert subjects["two@example.org"].split()[:3] == lead.title.split()[:3]
    assert app.store.read(lambda tx: len(issues.made_for(tx, issue.id))) == 2


def test_variants_are_made_once(app: App, clock: Clock) -> None:
    admin.add(app, "two@example.org", sections=["سیاست", "اقتصاد"])
    issue = frozen(app, clock)
    assert variants.make(app, issue) == 1
    assert variants.make(app, issue) == 0
    assert variants.make(app, replace(issue, state=IssueState.SENDING)) == 0


def test_too_little_left_is_no_issue_of_its_own(app: App, clock: Clock) -> None:
    issue = frozen(app, clock)
    assert variants.of_sections(issue, ("بخش نابوده",)) is None
    assert variants.of_sections(issue, tuple({story.section for story in issue.stories})) is None
    two = replace(issue, stories=issue.stories[:2])
    assert variants.of_sections(two, (two.stories[0].section,)) is None


# --- what the public sees --------------------------------------------------------------------------------------------
def test_the_archive_shows_the_frozen_mail_without_any_token(sending_app: App, clock: Clock, inbox: Inbox) -> None:
    app = sending_app
    with pytest.raises(NoSuchIssue):
        archive.page(app, frozen(app, clock).slot)
    admin.add(app, "reader@example.org")
    issue = delivery.start(app, get_issue(app, 1))
    asyncio.run(Sender(app, Circuits()).run())
    page = archive.page(app, issue.slot)
    assert "/unsubscribe/" not in page.html
    assert "/preferences/" not in page.html
    for story in issue.stories:
        assert story.url in page.html
    assert f'<meta property="og:url" content="{app.archive_url(issue.slot)}">' in page.html
    assert '<meta property="og:title" content="' in page.html
    assert page.etag == archive.page(app, issue.slot).etag


def test_the_feed_lists_each_public_issue_once(sending_app: App, clock: Clock, inbox: Inbox) -> None:
    app = sending_app
    assert ElementTree.fromstring(archive.feed(app)).findall(f"{ATOM}entry") == []
    issue = sent(app, clock)
    root = ElementTree.fromstring(archive.feed(app))
    (entry,) = root.findall(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}id") == app.archive_url(issue.slot)
    assert entry.findtext(f"{ATOM}title") == issue.stories[0].title
    assert root.findtext(f"{ATOM}updated") == entry.findtext(f"{ATOM}updated")


def test_a_redacted_story_is_in_no_public_place(sending_app: App, clock: Clock, inbox: Inbox) -> None:
    app = sending_app
    admin.add(app, "reader@example.org")
    issue = sent(app, clock)
    lead, second = issue.stories[0], issue.stories[1]
    before = archive.page(app, issue.slot)
    archive.redact(app, issue.slot, 1)
    archive.redact(app, issue.slot, 1)
    after = archive.page(app, issue.slot)
    assert after.etag != before.etag
    public = after.html + archive.feed(app).decode() + repr(archive.public_issues(app))
    assert f'"{lead.url}"' not in public
    assert lead.title[:30] not in public
    assert second.url in public
    archive.redact(app, None, 2)
    left = archive.page(app, issue.slot).html
    assert f'"{second.url}"' not in left
    assert f'"{lead.url}"' not in left
    with pytest.raises(NoSuchArticle):
        archive.redact(app, issue.slot, 99)
    for story in issue.stories[2:-1]:
        archive.redact(app, issue.slot, story.position)
    with pytest.raises(WrongState):
        archive.redact(app, issue.slot, issue.stories[-1].position)
    assert lead.url in text_of(inbox.mails[0].raw)  # what went out stays


def test_what_editors_wrote_over_a_redacted_issue_goes_with_the_story(app: App, clock: Clock) -> None:
    make.readers(app.store, 3)
    make.week_of_articles(app.store, now=clock())
    issue = draft.draft(app, make.SLOT)
    editing.subject(app, issue.slot, "ماجرای شگفت")
    issue = editing.intro(app, issue.slot, "ماجرای شگفت را بخوانید")
    issue = delivery.start(app, draft.freeze(app, issue))
    before = ElementTree.fromstring(archive.feed(app)).findtext(f"{ATOM}entry/{ATOM}updated")
    assert "ماجرای شگفت" in archive.page(app, issue.slot).html
    clock.turn(hours=5)
    archive.redact(app, issue.slot, 3)
    public = archive.page(app, issue.slot).html + archive.feed(app).decode() + repr(archive.public_issues(app))
    assert "ماجرای شگفت" not in public
    after = ElementTree.fromstring(archive.feed(app)).findtext(f"{ATOM}entry/{ATOM}updated")
    assert before is not None
    assert after is not None
    assert after > before, "or no feed reader would look again"


def test_two_redactions_at_once_both_count(app: App, clock: Clock) -> None:
    make.readers(app.store, 3)
    issue = delivery.start(app, frozen(app, clock))
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda position: archive.redact(app, issue.slot, position), (1, 2, 3)))
    assert app.store.read(lambda tx: issues.redacted(tx, issue.id)) == [1, 2, 3]
    page = archive.page(app, issue.slot).html
    assert not any(f'"{story.url}"' in page for story in issue.stories[:3])


def test_a_leaving_that_was_taken_back_is_none(sending_app: App, clock: Clock) -> None:
    app = sending_app
    number = admin.add(app, "reader@example.org")[0].id
    issue = sent(app, clock)
    link = tokens.make(app.keys, Purpose.UNSUBSCRIBE, number, issue.id)
    for _ in range(3):
        left = leaving.leave(app, link, Method.PAGE)
        assert leaving.undo(app, left.undo)
        clock.turn(minutes=1)
    assert report.report(app, issue).left == 0
    assert report.rates(app)[0].left == 0
    assert not figures.gather(app).left_in_a_week
    leaving.leave(app, link, Method.ONE_CLICK)
    assert report.report(app, issue).left == report.rates(app)[0].left == 1
    assert figures.gather(app).left_in_a_week == {"one_click": 1}


def test_only_public_issues_can_be_redacted(app: App, clock: Clock) -> None:
    frozen(app, clock)
    with pytest.raises(WrongState):
        archive.redact(app, None, 1)


def test_an_issue_that_is_opened_again_is_whole(app: App, clock: Clock) -> None:
    make.readers(app.store, 3)
    issue = delivery.start(app, frozen(app, clock))
    archive.redact(app, issue.slot, 1)
    control.cancel(app, issue.slot)
    clock.turn(minutes=1)
    again = draft.freeze(app, draft.draft(app, issue.slot))
    assert app.store.read(lambda tx: issues.redacted(tx, again.id)) == []
    page = archive.page(app, delivery.start(app, again).slot).html
    assert all(story.url in page for story in again.stories)


# --- the report ------------------------------------------------------------------------------------------------------
def test_the_report_adds_up(sending_app: App, clock: Clock, inbox: Inbox) -> None:
    app = sending_app
    ids = make.readers(app.store, 20)
    issue = sent(app, clock)
    clock.turn(seconds=20)
    for who in ids[:6]:  # a scanner that presses buttons
        leaving.leave(app, tokens.make(app.keys, Purpose.UNSUBSCRIBE, who, issue.id), Method.ONE_CLICK)
    clock.turn(hours=3)
    left = leaving.leave(app, tokens.make(app.keys, Purpose.UNSUBSCRIBE, ids[6], issue.id), Method.PAGE)
    leaving.explain(app, left.why, "too_often", "هر روز")
    admin.add(app, "new@example.org")
    found = report.report(app, issue)
    assert (found.recipients, found.sent, found.left, found.joined) == (20, 20, 7, 1)
    assert found.rate == 7 / 20
    assert sum(found.outcomes.values()) == found.recipients
    assert found.methods == {"one_click": 6, "page": 1}
    assert found.reasons == {"too_often": 1}
    bars = {bar.until: (bar.left, bar.scanner) for bar in found.histogram}
    assert bars["1 min"] == (6, True)
    assert bars["6 h"] == (1, False)
    assert sum(bar.left for bar in found.histogram) == 7
    assert [(rate.slot, rate.sent, rate.left) for rate in report.rates(app)] == [(issue.slot, 20, 7)]
    assert figures.gather(app).subscribers == {"active": 14, "unsubscribed": 7}
    assert figures.gather(app).left_in_a_week == {"one_click": 6, "page": 1}


@pytest.mark.parametrize(
    ("minutes", "scanner"), [([0.1] * 4, False), ([0.1] * 5, True), ([0.1] * 5 + [90] * 16, False), ([2] * 50, False)]
)
def test_a_spike_in_the_first_minute_is_marked(minutes: list[float], scanner: bool) -> None:
    bars = report.histogram([timedelta(minutes=each) for each in minutes])
    assert [bar.until for bar in bars if bar.scanner] == (["1 min"] if scanner else [])
