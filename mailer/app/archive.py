"""What anybody may see: issues that went out, without any reader's token."""

from mailer.app.context import App, find
from mailer.errors import NoSuchIssue
from mailer.mail import archive as public
from mailer.mail import calendar
from mailer.model import Issue, IssueState
from mailer.store import issues

PUBLIC = (IssueState.SENDING, IssueState.PAUSED, IssueState.SENT, IssueState.PARTIAL)


def page(app: App, slot: str) -> str:
    """The HTML of an issue as it was mailed. NoSuchIssue: there is none, or nobody got it."""
    issue = find(app, slot)
    frozen = app.store.read(lambda tx: issues.full_variant(tx, issue.id))
    if issue.state not in PUBLIC or frozen is None:
        raise NoSuchIssue(f"The issue {slot} is not public.")
    return public.public(frozen.html, app.renderer.locale, app.settings.newsletter.base_url)


def listing(app: App) -> list[dict[str, str]]:
    """Public issues, the latest first: address, subject, number and date as readers see them."""
    found = app.store.read(lambda tx: issues.listing(tx, states=PUBLIC))
    return [_line(app, issue) for issue in found]


def _line(app: App, issue: Issue) -> dict[str, str]:
    return {
        "url": app.archive_url(issue.slot),
        "subject": issue.subject,
        "number": app.renderer.locale.number(issue.number) if issue.number else "",
        "date": calendar.long_date(issue.day, app.settings.newsletter.calendar, app.renderer.locale),
    }
