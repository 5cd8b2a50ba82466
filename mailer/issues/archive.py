"""What anybody may see: issues that went out, without any reader's token and without what was redacted."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from mailer.context import App, find
from mailer.errors import NoSuchIssue
from mailer.mail import archive as public
from mailer.mail import choice, opengraph, view
from mailer.mail.opengraph import Told
from mailer.model import Issue, IssueState, Variant
from mailer.store import issues
from mailer.text import calendar

PUBLIC = (IssueState.SENDING, IssueState.PAUSED, IssueState.SENT, IssueState.PARTIAL)
FEED = 30  # issues in the feed
_LOCALE = {"fa": "fa_IR"}


@dataclass(frozen=True, slots=True)
class Page:
    """A public page, and a mark that changes when its content does."""

    html: str
    mark: str


def page(app: App, slot: str) -> Page:
    """An issue as it was mailed, without any reader's part. NoSuchIssue: there is none, or nobody got it."""
    issue = find(app, slot)
    shown = app.store.read(lambda tx: _shown(app, tx, issue))
    if shown is None:
        raise NoSuchIssue(f"The issue {slot} is not public.")
    html = public.public(shown.variant.html, app.renderer.locale, app.settings.newsletter.base_url)
    return Page(opengraph.with_tags(html, _told(app, shown), feed_url(app)), shown.variant.sha256[:32])


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
    return opengraph.feed(
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
        shown = (_shown(app, tx, issue) for issue in issues.listing(tx, states=PUBLIC, limit=limit))
        return [each for each in shown if each]

    return app.store.read(work)


def _shown(app: App, tx: Connection, issue: Issue) -> _Shown | None:
    variant = issues.public_variant(tx, issue.id)
    if issue.state not in PUBLIC or variant is None:
        return None
    out = issues.redacted(tx, issue.id)
    left = [story for story in issue.stories if story.position not in out]
    kept = choice.redacted(issue, left, app.renderer.locale)
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
