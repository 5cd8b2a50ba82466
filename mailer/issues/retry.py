"""`issue retry`: what failed of an issue that is over is queued once more. Sends nothing; a sender finds it due."""

from dataclasses import dataclass

from sqlalchemy import Connection

from mailer import lifecycle
from mailer.context import App, find, get, step
from mailer.errors import WrongState
from mailer.issues.report import worded
from mailer.lifecycle import IssueEvent
from mailer.model import Issue, IssueState
from mailer.store import deliveries, issues, reports


@dataclass(frozen=True, slots=True)
class Retried:
    """`queued`: how many go out once more. `left`: what failed and stays so, in the ledger's words."""

    issue: Issue
    queued: int
    left: dict[str, int]


def retry(app: App, slot: str | None, *, unknown: bool) -> Retried:
    """partial → sending, when there is something that may go again. WrongState: the issue is not over, or a newer one
    went out since."""
    found = find(app, slot)

    def work(tx: Connection) -> int:
        now = app.now()
        issue = issues.get(tx, found.id) or found
        if issue.state not in (IssueState.SENT, IssueState.PARTIAL):
            over = " or ".join(sorted((IssueState.SENT, IssueState.PARTIAL)))
            fix = "`mailer issue status` says how far it is." if issue.state not in lifecycle.FINAL else ""
            raise WrongState(f"The issue {issue.slot} is {issue.state}: only one that is {over} can be retried.", fix)
        if issues.superseded(tx, issue):
            raise WrongState(f"The issue {issue.slot} is not sent any more: a newer one went out since.")
        if not step(tx, issue.id, IssueEvent.RETRY):
            return 0  # sent: all who stayed have it
        queued = deliveries.requeue(tx, issue.id, now, unknown=unknown)
        if queued:
            issues.move(tx, issue.id, (IssueState.SENDING,), IssueState.SENDING, finished_at=None)
        else:
            step(tx, issue.id, IssueEvent.FINISH_PARTIAL)
        return queued

    queued = app.store.write(work, snapshot=True)  # who is given a batch and who is queued must be the same
    ended = app.store.read(lambda tx: reports.outcomes(tx, found.id))
    left = worded({which: count for which, count in ended.items() if which[0] in reports.FAILED})
    return Retried(get(app, found.id), queued, left)
