"""Records the outcome of a mail: changes the delivery, penalises the reader if necessary, and ends the waiting
deliveries of an issue that is over.

`replies` and `retry_schedule` decide what a reply means. This module sends nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from mailer.model import (
    ON_LIST,
    Delivery,
    DeliveryChange,
    DeliveryKind,
    DeliveryState,
    EventKind,
    Expiry,
    IssueState,
    Method,
    NewEvent,
    Rejection,
    Skip,
    SubscriberStatus,
)
from mailer.store import deliveries, events, issues, subscribers
from mailer.store.deliveries import WAITING


def record(tx: Connection, change: DeliveryChange, now: datetime) -> DeliveryState | None:
    """Records an outcome and its consequences for the reader. Returns the delivery's new state, or None if the claim
    was lost and nothing was written."""
    job = change.delivery
    end = end_of_issue(tx, job.issue_id) if job.kind is DeliveryKind.ISSUE and change.state in WAITING else None
    if end and job.unknowns:
        # An earlier attempt may have reached the reader, so the delivery must not be counted as never sent.
        change = replace(change, state=DeliveryState.UNKNOWN, due_at=None)
    if not deliveries.finish_attempt(tx, change, now):
        return None
    if change.state is DeliveryState.REJECTED:
        _penalise_reader(tx, change, now)
    if end and job.issue_id is not None:
        deliveries.end_waiting(tx, job.issue_id, *end, now)
        return DeliveryState.UNKNOWN if job.unknowns else end[0]
    return change.state


def end_of_issue(tx: Connection, issue_id: int | None) -> tuple[DeliveryState, Skip | Expiry] | None:
    """Returns the final state for the waiting deliveries of an issue that was cancelled or replaced by a newer issue,
    and the reason for that state. Returns None if the issue is not over. Must be called before a delivery returns to a
    waiting state, because its issue may have ended while the mail was on its way."""
    issue = issues.get(tx, issue_id) if issue_id is not None else None
    if issue is None:
        return None
    if issue.state is IssueState.CANCELLED:
        return DeliveryState.SKIPPED, Skip.CANCELLED
    if issues.superseded(tx, issue):
        return DeliveryState.EXPIRED, Expiry.SUPERSEDED
    return None


def end_if_over(tx: Connection, jobs: Sequence[Delivery], now: datetime) -> bool:
    """Ends the waiting deliveries of an issue that is over. `jobs` are the queued deliveries of one batch that a dead
    process left. Returns True if no delivery of the batch may be sent now, because the issue is over or paused."""
    issue_id = jobs[0].issue_id
    if jobs[0].kind is not DeliveryKind.ISSUE or issue_id is None:
        return False
    end = end_of_issue(tx, issue_id)
    if end is None:
        issue = issues.get(tx, issue_id)
        return issue is not None and issue.state is IssueState.PAUSED
    deliveries.end_waiting(tx, issue_id, *end, now)
    return True


def _penalise_reader(tx: Connection, change: DeliveryChange, now: datetime) -> None:
    """Records the consequences of a rejection for the subscriber.

    A hard rejection means that the address does not exist: all mail to it stops, even confirmations. A soft rejection
    is only counted. Other rejections have no consequence.
    """
    job = change.delivery
    if job.subscriber_id is None:
        return
    if change.reason is Rejection.SOFT:
        subscribers.count_soft(tx, job.subscriber_id, job.id)
    if change.reason is not Rejection.HARD:
        return
    if subscribers.move(tx, job.subscriber_id, SubscriberStatus.BOUNCED, from_=ON_LIST):
        reason = change.reply.text[:200] if change.reply else ""
        event = NewEvent(EventKind.BOUNCED, now, Method.BOUNCE, job.issue_id, reason)
        events.record(tx, [job.subscriber_id], event)
