"""Queuing once more what failed, when an issue is over and a person says so. Decides only whose mail may go again.

Whoever has the mail is never asked for; nor is an address that is dead, or one whose provider refuses us: the same mail
from the same sender would be refused again, and make things worse.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, exists, insert, literal, or_, select, update

from mailer.model import DeliveryKind, DeliveryState, Expiry, Rejection, SubscriberStatus
from mailer.store.deliveries import BARRED, BATCH, PRIORITY
from mailer.store.schema import batches, deliveries, of_issue, subscribers


def requeue(tx: Connection, issue_id: int, now: datetime, *, unknown: bool) -> int:
    """Queues rejected(soft, other) and expired(gave_up), and with `unknown` what nobody knows of, in new batches. Only
    of an issue whose batches are all done. Returns how many.

    The key stays, and with it the Message-ID. The count of unknowns stays too: who may have the mail already must not
    be counted as never sent, nor be sent it a third time by itself.
    """
    again = _again(issue_id, unknown)
    ordinal = deliveries.c.subscriber_id // BATCH  # neighbours share a batch, as when the issue was frozen
    priority = PRIORITY[DeliveryKind.ISSUE]
    columns = ["issue_id", "ordinal", "priority", "due_at"]
    at = literal(now, batches.c.due_at.type)
    rows = select(literal(issue_id), ordinal, literal(priority), at).where(again).distinct().order_by(ordinal)
    tx.execute(insert(batches).from_select(columns, rows))
    made = select(batches.c.id).where(
        batches.c.issue_id == issue_id, ~batches.c.done, batches.c.ordinal == deliveries.c.subscriber_id // BATCH
    )
    fresh = {"attempts": 0, "losses": 0, "first_reply_at": None, "finished_at": None, "reason": None}
    statement = update(deliveries).where(again)
    values = {"state": DeliveryState.QUEUED, "batch_id": made.scalar_subquery(), **fresh}
    return tx.execute(statement.values(values)).rowcount


def _again(issue_id: int, unknown: bool) -> ColumnElement[bool]:
    state, reason = deliveries.c.state, deliveries.c.reason
    which = [
        and_(state == DeliveryState.REJECTED, reason.in_((Rejection.SOFT, Rejection.OTHER))),
        and_(state == DeliveryState.EXPIRED, reason == Expiry.GAVE_UP),
    ]
    if unknown:
        which.append(state == DeliveryState.UNKNOWN)
    # The last look would stop them too, but then the issue would count as sending for nothing.
    wanted = exists().where(
        subscribers.c.id == deliveries.c.subscriber_id, subscribers.c.status == SubscriberStatus.ACTIVE, ~BARRED
    )
    return and_(of_issue(issue_id), or_(*which), wanted)
