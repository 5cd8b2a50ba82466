"""`issue retry`: queues the failed deliveries of an ended issue again, so that a sender tries them once more."""

from dataclasses import dataclass

from sqlalchemy import Connection

from mailer import lifecycle
from mailer.context import App, get_issue
from mailer.errors import WrongState
from mailer.issues import draft, which
from mailer.issues.report import by_outcome
from mailer.lifecycle import IssueEvent
from mailer.model import Issue, IssueState
from mailer.store import deliveries, issues, reports


@dataclass(frozen=True, slots=True)
class Retried:
    """The result of a retry. `queued` is the number of deliveries that were queued again. `left` counts the other
    failed deliveries by state and reason."""

    issue: Issue
    queued: int
    left: dict[str, int]


def retry(app: App, slot: str | None, *, unknown: bool) -> Retried:
    """Queues the failed deliveries of a partial issue again, except those that must not be sent again.

    If any are queued, the issue moves back to sending. Deliveries whose outcome is unknown are queued only if `unknown`
    is true. Raises WrongState if the issue has not ended, or if a newer issue has gone out since, and ConfigError if
    sample settings keep the issue from going out.
    """
    found = which.gone_out(app, slot)
    draft.check_settings(app, found)

    def queue_failed(tx: Connection) -> int:
        issue = issues.get(tx, found.id) or found
        if issue.state not in (IssueState.SENT, IssueState.PARTIAL):
            fix = "`mailer issue status` says how far it is." if issue.state not in lifecycle.FINAL else ""
            raise WrongState(
                f"The issue {issue.slot} is {issue.state}: only an issue that has gone out can be retried.", fix
            )
        if issues.superseded(tx, issue):
            raise WrongState(f"The issue {issue.slot} can no longer be sent: a newer one has gone out.")
        if not issues.step(tx, issue.id, IssueEvent.RETRY):
            return 0  # the state is SENT: no delivery has failed
        queued = deliveries.requeue(tx, issue.id, app.now(), unknown=unknown)
        if not queued:
            issues.step(tx, issue.id, IssueEvent.FINISH_PARTIAL, at=issue.finished_at, reason=issue.reason)
        return queued

    # Use a snapshot, so that all statements of the transaction see the same failed deliveries.
    queued = app.store.write(queue_failed, snapshot=True)
    ended = app.store.read(lambda tx: reports.outcomes(tx, found.id))
    left = by_outcome({which: count for which, count in ended.items() if which[0] in reports.FAILED})
    return Retried(get_issue(app, found.id), queued, left)
