"""The public archive and feed: issues that went out, without any reader's token and without redacted stories."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from xml.etree import ElementTree

from sqlalchemy import Connection

from mailer.context import App, find_issue
from mailer.errors import NoSuchArticle, NoSuchIssue, WrongState
from mailer.issues import draft, variants
from mailer.lifecycle import STARTED
from mailer.mail import placeholders, view
from mailer.model import DeliveryKind, Issue, Variant
from mailer.store import issues
from mailer.text import calendar
from mailer.text.clean import clean
from mailer.text.locales import FA, Locale

_FEED = 30  # issues in the feed
_OG_LOCALE = {"fa": "fa_IR"}
_ATOM = "http://www.w3.org/2005/Atom"
_READER = re.compile(r"<!--reader-->.*?<!--/reader-->", re.DOTALL)
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)


# --- public issues ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _PublicIssue:
    """The public part of an issue: the mail, and the issue with the stories that are left in it."""

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
    """Public issues, the latest slot first."""

    def read(tx: Connection) -> list[_PublicIssue]:
        found = (_public_issue(app, tx, issue) for issue in issues.recent(tx, states=STARTED, limit=limit))
        return [each for each in found if each]

    return app.store.read(read)


def _summary(app: App, issue: Issue) -> str:
    return clean(view.preheader(issue, app.settings.newsletter, app.renderer.locale))


def public_issues(app: App, limit: int | None = None) -> list[dict[str, str]]:
    """Public issues, the latest first: address, subject, number and date as readers see them."""
    locale, newsletter = app.renderer.locale, app.settings.newsletter
    return [
        {
            "url": app.archive_url(each.issue.slot),
            "subject": each.variant.subject,
            "number": locale.number(each.issue.number) if each.issue.number else "",
            "date": calendar.long_date(each.issue.day, newsletter.calendar, locale),
        }
        for each in _public_issues(app, limit)
    ]


def latest(app: App) -> str:
    """The address of the latest public issue, or an empty text if there is none."""
    found = public_issues(app, 1)
    return found[0]["url"] if found else ""


# --- the page --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Page:
    """A public page; `etag` changes when its content does."""

    html: str
    etag: str


def page(app: App, slot: str) -> Page:
    """An issue as it was mailed, without the parts for one reader. Raises NoSuchIssue if it is not public."""
    issue = find_issue(app, slot)
    shown = app.store.read(lambda tx: _public_issue(app, tx, issue))
    if shown is None:
        raise NoSuchIssue(f"The issue {slot} is not public.")
    html = public(shown.variant.html, app.renderer.locale, app.settings.newsletter.base_url)
    return Page(_with_tags(app, html, shown), shown.variant.sha256[:32])


def public(html: str, locale: Locale = FA, base_url: str = "") -> str:
    """The frozen HTML without any part for one reader, so that no placeholder and no token is left.

    The page is made from the very HTML that was mailed, so mail and archive cannot differ. Addresses of pictures under
    `base_url` become relative to `/archive/SLOT`, so that they work under each name of this server. Raises ValueError
    if a reader comment has no partner, or if a placeholder other than the greeting is outside of them.
    """
    cut = _READER.sub("", html)
    if "<!--reader-->" in cut or "<!--/reader-->" in cut:
        raise ValueError("a <!--reader--> comment of the template has no partner")
    if base_url:
        cut = cut.replace(f' src="{base_url}/media/', ' src="../media/')
    return placeholders.fill(cut, {"greeting": view.greeting("", locale)}, "html")


def _with_tags(app: App, html: str, shown: _PublicIssue) -> str:
    """The page with Open Graph tags for link previews, its canonical address and the feed in its head."""
    newsletter = app.settings.newsletter
    url, summary = app.archive_url(shown.issue.slot), _summary(app, shown.issue)
    image = next(filter(None, (view.picture_of(story, newsletter) for story in shown.issue.stories)), "")
    tags = {
        "og:type": "article",
        "og:title": shown.variant.subject,
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
    """The Atom feed (RFC 4287) of the public issues, the latest first; each entry's id is the address of its page."""
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
        _put(entry, "title", clean(each.variant.subject))
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
# The page is rendered again from the frozen stories that are left, so that title, summary and contents agree. The
# subject and the opening words that an editor wrote may mention the story, so they are left out. Mails that went out
# stay as they are.
def redact(app: App, slot: str | None, position: int) -> Issue:
    """Takes story number `position` of a public issue out of archive and feed. Doing it twice changes nothing more.

    Raises WrongState if the issue is not public or no story would be left, NoSuchArticle if it has no such story.
    """
    issue = find_issue(app, slot)
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
    """Returns False if another process took a story out meanwhile, so that the page has to be rendered again."""
    before = app.store.read(lambda tx: issues.redacted(tx, issue.id))
    out = {*before, position}
    stories = [story for story in issue.stories if story.position not in out]
    if not stories:
        raise WrongState(f"{position} is the last story that is left of the issue {issue.slot}.")
    kept = variants.redacted(issue, stories, app.renderer.locale)
    rendered = app.store.read(lambda tx: draft.render(app, tx, kept, full=issue))

    def write(tx: Connection) -> bool:
        if issues.redacted(tx, issue.id, lock=True) != before:
            return False
        issues.redact(tx, issue.id, out)
        issues.add_variant(tx, DeliveryKind.ISSUE, issue.id, rendered, app.now(), sections=issues.REDACTED)
        return True

    return app.store.write(write)
