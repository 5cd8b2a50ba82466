"""What anybody may see: issues that went out, without any reader's token and without what was redacted."""

from dataclasses import dataclass

from sqlalchemy import Connection

from mailer.app.context import App, find
from mailer.errors import NoSuchIssue
from mailer.mail import archive as public
from mailer.mail import calendar, choice, opengraph, view
from mailer.mail.opengraph import Told
from mailer.model import Issue, IssueState, Variant
from mailer.store import issues

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
    variant, kept = shown
    html = public.public(variant.html, app.renderer.locale, app.settings.newsletter.base_url)
    return Page(opengraph.with_tags(html, _told(app, kept, variant), feed_url(app)), variant.sha256[:32])


def listing(app: App, limit: int | None = None) -> list[dict[str, str]]:
    """Public issues, the latest first: address, subject, number and date as readers see them."""
    return [
        {
            "url": app.archive_url(issue.slot),
            "subject": variant.subject,
            "number": app.renderer.locale.number(issue.number) if issue.number else "",
            "date": calendar.long_date(issue.day, app.settings.newsletter.calendar, app.renderer.locale),
        }
        for issue, variant in _public(app, limit)
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
        [_told(app, issue, variant) for issue, variant in _public(app, FEED)],
        url=feed_url(app),
        page_url=app.url("/archive"),
        title=f"{newsletter.title} {newsletter.name}",
        author=newsletter.name,
        language=newsletter.locale,
    )


def _public(app: App, limit: int | None) -> list[tuple[Issue, Variant]]:
    def work(tx: Connection) -> list[tuple[Issue, Variant]]:
        shown = (_shown(app, tx, issue) for issue in issues.listing(tx, states=PUBLIC, limit=limit))
        return [(issue, variant) for each in shown if each for variant, issue in [each]]

    return app.store.read(work)


def _shown(app: App, tx: Connection, issue: Issue) -> tuple[Variant, Issue] | None:
    """What is public of an issue: the mail, and the issue with the stories that stand in it."""
    variant = issues.public_variant(tx, issue.id)
    if issue.state not in PUBLIC or variant is None:
        return None
    out = issues.redacted(tx, issue.id)
    left = [story for story in issue.stories if story.position not in out]
    return variant, choice.only(issue, left, app.renderer.locale)


def _told(app: App, issue: Issue, variant: Variant) -> Told:
    newsletter = app.settings.newsletter
    sent = issue.started_at or issue.send_at
    return Told(
        url=app.archive_url(issue.slot),
        title=variant.subject,
        summary=view.preheader(issue, newsletter, app.renderer.locale),
        image=next(filter(None, (view.picture_of(story, newsletter) for story in issue.stories)), ""),
        site=newsletter.name,
        locale=_LOCALE.get(newsletter.locale, newsletter.locale),
        published=sent,
        updated=sent,
    )
