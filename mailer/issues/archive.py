"""What anybody may see: issues that went out, without any reader's token and without what was redacted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import NamedTuple
from xml.etree import ElementTree

from sqlalchemy import Connection

from mailer.context import App, find
from mailer.errors import NoSuchArticle, NoSuchIssue, WrongState
from mailer.issues import draft, variants
from mailer.lifecycle import STARTED
from mailer.mail import placeholders, view
from mailer.model import DeliveryKind, Issue, Variant
from mailer.store import issues
from mailer.text import calendar
from mailer.text.clean import clean
from mailer.text.locales import FA, Locale

FEED = 30  # issues in the feed
_LOCALE = {"fa": "fa_IR"}


# --- the page --------------------------------------------------------------------------------------------------------
# Made from the very HTML that was mailed, without what belongs to one reader: mail and archive cannot differ.
_READER = re.compile(r"<!--reader-->.*?<!--/reader-->", re.DOTALL)


def public(html: str, locale: Locale = FA, base_url: str = "") -> str:
    """The frozen HTML without any reader's part: no slot, so no token, is left. Pictures under `base_url`, our own, are
    named from the page `/archive/SLOT`, so that they are seen by whatever name somebody reaches our pages.

    ValueError: a mark is unpaired, or a slot other than the greeting stands outside the marks.
    """
    cut = _READER.sub("", html)
    if "<!--reader-->" in cut or "<!--/reader-->" in cut:
        raise ValueError("a <!--reader--> mark of the template has no partner")
    if base_url:
        cut = cut.replace(f' src="{base_url}/media/', ' src="../media/')
    return placeholders.fill(cut, {"greeting": view.greeting("", locale)}, "html")


# --- previews and feed -----------------------------------------------------------------------------------------------
# Tags for link previews in chats and social networks, and the Atom feed of issues.
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One public issue, in words for others. `image` may be empty."""

    url: str
    title: str
    summary: str
    image: str
    site: str
    locale: str
    published: datetime
    updated: datetime


def with_tags(html: str, told: Told, feed_url: str) -> str:
    """The page with Open Graph tags, its canonical address and the feed in its head."""
    tags = {
        "og:type": "article",
        "og:title": told.title,
        "og:description": told.summary,
        "og:url": told.url,
        "og:site_name": told.site,
        "og:locale": told.locale,
        "article:published_time": told.published.isoformat(),
        **({"og:image": told.image} if told.image else {}),
    }
    lines = [f'<meta property="{name}" content="{escape(clean(value))}">' for name, value in tags.items()]
    lines += [
        f'<meta name="description" content="{escape(clean(told.summary))}">',
        f'<link rel="canonical" href="{escape(told.url)}">',
        f'<link rel="alternate" type="application/atom+xml" href="{escape(feed_url)}">',
    ]
    head = _HEAD.search(html)
    if head is None:
        raise ValueError("the page has no head")
    return html[: head.end()] + "\n" + "\n".join(lines) + html[head.end() :]


def atom_feed(issues: Sequence[Told], *, url: str, page_url: str, title: str, author: str, language: str) -> bytes:
    """The Atom feed (RFC 4287), the latest issue first; each entry's id is the address of its page."""
    ElementTree.register_namespace("", _ATOM)
    root = ElementTree.Element(f"{{{_ATOM}}}feed", {"{http://www.w3.org/XML/1998/namespace}lang": language})
    latest = max((issue.updated for issue in issues), default=None)
    _put(root, "id", url)
    _put(root, "title", clean(title))
    _put(root, "updated", (latest or datetime.fromisoformat("1970-01-01T00:00:00+00:00")).isoformat())
    _put(root, "link", rel="self", href=url)
    _put(root, "link", rel="alternate", href=page_url)
    _put(_put(root, "author"), "name", clean(author))
    for issue in issues:
        entry = _put(root, "entry")
        _put(entry, "id", issue.url)
        _put(entry, "title", clean(issue.title))
        _put(entry, "link", rel="alternate", href=issue.url)
        _put(entry, "published", issue.published.isoformat())
        _put(entry, "updated", issue.updated.isoformat())
        _put(entry, "summary", clean(issue.summary))
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _put(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> ElementTree.Element:
    made = ElementTree.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
    made.text = text or None
    return made


# --- public issues ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Page:
    """A public page, and its ETag, which changes when the content does."""

    html: str
    etag: str


def page(app: App, slot: str) -> Page:
    """An issue as it was mailed, without any reader's part. NoSuchIssue: there is none, or nobody got it."""
    issue = find(app, slot)
    shown = app.store.read(lambda tx: _shown(app, tx, issue))
    if shown is None:
        raise NoSuchIssue(f"The issue {slot} is not public.")
    html = public(shown.variant.html, app.renderer.locale, app.settings.newsletter.base_url)
    return Page(with_tags(html, _told(app, shown), feed_url(app)), shown.variant.sha256[:32])


def listing(app: App, limit: int | None = None) -> list[dict[str, str]]:
    """Public issues, the latest first: address, subject, number and date as readers see them."""
    return [
        {
            "url": app.archive_url(each.issue.slot),
            "subject": each.variant.subject,
            "number": app.renderer.locale.number(each.issue.number) if each.issue.number else "",
            "date": calendar.long_date(each.issue.day, app.settings.newsletter.calendar, app.renderer.locale),
        }
        for each in _public(app, limit)
    ]


def latest(app: App) -> str:
    """The address of the latest public issue; empty when there is none."""
    found = listing(app, 1)
    return found[0]["url"] if found else ""


def feed_url(app: App) -> str:
    return app.url("/archive/feed.xml")


def feed(app: App) -> bytes:
    """The Atom feed of the latest public issues."""
    newsletter = app.settings.newsletter
    return atom_feed(
        [_told(app, each) for each in _public(app, FEED)],
        url=feed_url(app),
        page_url=app.url("/archive"),
        title=f"{newsletter.title} {newsletter.name}",
        author=newsletter.name,
        language=newsletter.locale,
    )


class _Shown(NamedTuple):
    """What is public of an issue: the mail, the issue with the stories that stand in it, and when it changed."""

    variant: Variant
    issue: Issue
    changed_at: datetime | None


def _public(app: App, limit: int | None) -> list[_Shown]:
    def work(tx: Connection) -> list[_Shown]:
        shown = (_shown(app, tx, issue) for issue in issues.listing(tx, states=STARTED, limit=limit))
        return [each for each in shown if each]

    return app.store.read(work)


def _shown(app: App, tx: Connection, issue: Issue) -> _Shown | None:
    variant = issues.public_variant(tx, issue.id)
    if issue.state not in STARTED or variant is None:
        return None
    out = issues.redacted(tx, issue.id)
    left = [story for story in issue.stories if story.position not in out]
    kept = variants.redacted(issue, left, app.renderer.locale)
    return _Shown(variant, kept, issues.redacted_at(tx, issue.id))


def _told(app: App, shown: _Shown) -> Told:
    newsletter, issue = app.settings.newsletter, shown.issue
    sent = issue.started_at or issue.send_at
    return Told(
        url=app.archive_url(issue.slot),
        title=shown.variant.subject,
        summary=view.preheader(issue, newsletter, app.renderer.locale),
        image=next(filter(None, (view.picture_of(story, newsletter) for story in issue.stories)), ""),
        site=newsletter.name,
        locale=_LOCALE.get(newsletter.locale, newsletter.locale),
        published=sent,
        updated=shown.changed_at or sent,
    )


# --- redaction -------------------------------------------------------------------------------------------------------
# Takes a story out of the public page and the feed. Mails that were sent stay as they are. The page is rendered again
# from the issue's frozen stories, so that title, summary and contents agree. The subject and opening words that an
# editor wrote may mention the story, so they are left out.
def redact(app: App, slot: str | None, position: int) -> Issue:
    """Story number `position` of a public issue is in archive and feed no more. Doing it twice is the same.

    WrongState: the issue is not public, or nothing would be left. NoSuchArticle: it has no such story.
    """
    issue = find(app, slot)
    if issue.state not in STARTED:
        raise WrongState(f"The issue {issue.slot} is {issue.state}, not public: there is nothing to redact.")
    if position not in {story.position for story in issue.stories}:
        raise NoSuchArticle(
            f"The issue {issue.slot} has no story {position}.", "`mailer issue show` tells their numbers."
        )
    while not _redact(app, issue, position):
        pass
    return issue


def _redact(app: App, issue: Issue, position: int) -> bool:
    """False: somebody else took a story out meanwhile, and the page has to be made anew."""
    before = app.store.read(lambda tx: issues.redacted(tx, issue.id))
    out = {*before, position}
    stories = [story for story in issue.stories if story.position not in out]
    if not stories:
        raise WrongState(f"{position} is the last story that is left of the issue {issue.slot}.")
    kept = variants.redacted(issue, stories, app.renderer.locale)
    rendered = app.store.read(lambda tx: draft.render(app, tx, kept, full=issue))

    def work(tx: Connection) -> bool:
        if issues.redacted(tx, issue.id, lock=True) != before:
            return False
        issues.redact(tx, issue.id, out)
        issues.add_variant(tx, DeliveryKind.ISSUE, issue.id, rendered, app.now(), sections=issues.REDACTED)
        return True

    return app.store.write(work)
