"""What is written into the ledger when the fate of a mail is known: the row, its reader, and its issue's end.

What a reply means is decided in `delivery`; this room hands nothing to a relay.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from mailer.model import (
    Delivery,
    DeliveryKind,
    DeliveryState,
    EventKind,
    Expiry,
    IssueState,
    Method,
    Rejection,
    Skip,
    SubscriberStatus,
)
from mailer.sending.retry_schedule import Change
from mailer.store import deliveries, issues, subscribers
from mailer.store.deliveries import WAITING, Mark

_MAILED = (SubscriberStatus.ACTIVE, SubscriberStatus.PENDING)


def mark(job: Delivery, change: Change, relay: str, now: datetime) -> Mark:
    """A change in the words of the ledger; the delivery in it carries the new counts, for the next try."""
    after = job._replace(
        attempts=change.attempts,
        losses=change.losses,
        unknowns=change.unknowns,
        first_reply_at=change.first_reply_at,
    )
    return Mark(after, {**columns(change, now), "relay": relay})


def columns(change: Change, now: datetime) -> dict[str, object]:
    """The columns of a row that a change sets."""
    ended = change.state not in (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.SENDING)
    values: dict[str, object] = {
        "state": change.state,
        "reason": change.reason,
        "due_at": change.due_at,
        "attempts": change.attempts,
        "losses": change.losses,
        "unknowns": change.unknowns,
        "first_reply_at": change.first_reply_at,
        "code": change.code,
        "enhanced": change.enhanced,
        "reply": change.reply_text,
        "finished_at": now if ended else None,
    }
    if change.state is DeliveryState.DEFERRED:
        values["batch_id"] = None  # it gets a new batch when it is due
    return values


def write(tx: Connection, marked: Mark, now: datetime) -> DeliveryState | None:
    """Writes an outcome, and what it means for the reader. The state the delivery is in after it; None: the claim was
    lost meanwhile, and nothing was written."""
    job, values = marked.delivery, marked.values
    end = over(tx, job.issue_id) if job.kind is DeliveryKind.ISSUE and values["state"] in WAITING else None
    if end and job.unknowns:
        # The reader may have this mail: it must not be counted among those that were never sent.
        values = {**values, "state": DeliveryState.UNKNOWN, "due_at": None, "finished_at": now}
    if not deliveries.mark(tx, Mark(job, values)):
        return None
    if values["state"] is DeliveryState.REJECTED:
        _bounced(tx, job, values, now)
    if end and job.issue_id is not None:
        deliveries.end_waiting(tx, job.issue_id, *end, now)
        return DeliveryState.UNKNOWN if job.unknowns else end[0]
    return DeliveryState(str(values["state"]))


def over(tx: Connection, issue_id: int | None) -> tuple[DeliveryState, Skip | Expiry] | None:
    """How the deliveries of an issue end that was cancelled, or after which a newer one began, while mails of it were
    on their way: those that come back must not wait for another try. None: it runs."""
    issue = issues.get(tx, issue_id) if issue_id is not None else None
    if issue is None:
        return None
    if issue.state is IssueState.CANCELLED:
        return DeliveryState.SKIPPED, Skip.CANCELLED
    if issues.superseded(tx, issue):
        return DeliveryState.EXPIRED, Expiry.SUPERSEDED
    return None


def end_if_over(tx: Connection, jobs: Sequence[Delivery], now: datetime) -> bool:
    """Ends what a dead process left of an issue that is over; `jobs` are the queued mails of one batch of it. True:
    nothing of them is to be sent now, because the issue is over or paused."""
    issue_id = jobs[0].issue_id
    if jobs[0].kind is not DeliveryKind.ISSUE or issue_id is None:
        return False
    end = over(tx, issue_id)
    if end is None:
        issue = issues.get(tx, issue_id)
        return issue is not None and issue.state is IssueState.PAUSED
    deliveries.end_waiting(tx, issue_id, *end, now)
    return True


def _bounced(tx: Connection, job: Delivery, values: Mapping[str, object], now: datetime) -> None:
    """A dead address is mailed no more, neither an issue nor the question whether it wants one. One that takes nothing
    just now is counted; every other refusal costs the subscriber nothing."""
    if job.subscriber_id is None:
        return
    if values["reason"] == Rejection.SOFT:
        subscribers.count_soft(tx, job.subscriber_id, job.id)
    if values["reason"] != Rejection.HARD:
        return
    if subscribers.move(tx, job.subscriber_id, SubscriberStatus.BOUNCED, from_=_MAILED):
        subscribers.record(
            tx,
            job.subscriber_id,
            EventKind.BOUNCED,
            at=now,
            method=Method.BOUNCE,
            issue_id=job.issue_id,
            reason=str(values["reply"] or "")[:200],
        )
