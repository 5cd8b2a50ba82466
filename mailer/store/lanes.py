"""What the providers said of us, lane by lane, and which lanes are paused: for all processes, and over restarts.

A mail of a paused lane stays queued, in a batch of its own that nobody can claim while the pause lasts. When a lane is
to be paused is decided elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, func, insert, select, update

from mailer.model import Delivery, DeliveryKind, DeliveryState, PausedLane
from mailer.store.database import inserting
from mailer.store.deliveries import PRIORITY
from mailer.store.schema import batches, deliveries, lanes


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers to mails of one issue in one lane, and how many of them refused us."""

    answered: int
    blocked: int


def add(tx: Connection, lane: str, issue_id: int, more: Tally, window: int, now: datetime) -> Tally:
    """Counts answers, and returns the sums. They are those of one issue, since the lane's last pause; and when more
    than `window` were counted both are halved, so that what a provider says now outweighs what it said before."""
    tx.execute(inserting(tx, lanes).values(lane=lane, issue_id=issue_id).on_conflict_do_nothing())
    row = tx.execute(select(lanes).where(lanes.c.lane == lane).with_for_update()).one()
    ended = row.paused_until is not None and row.paused_until <= now
    stale = ended or row.issue_id != issue_id
    answered = (0 if stale else row.answered) + more.answered
    blocked = (0 if stale else row.blocked) + more.blocked
    kept = {"answered": answered, "blocked": blocked}
    if answered > window:
        kept = {"answered": answered // 2, "blocked": blocked // 2}
    values = {"issue_id": issue_id, **kept, **({"paused_until": None, "reply": ""} if ended else {})}
    tx.execute(update(lanes).where(lanes.c.lane == lane).values(values))
    return Tally(answered, blocked)


def pause(tx: Connection, lane: str, until: datetime, reply: str) -> bool:
    """Pauses a lane for which answers were counted; False: it is paused already."""
    free = update(lanes).where(lanes.c.lane == lane, lanes.c.paused_until.is_(None))
    return tx.execute(free.values(paused_until=until, reply=reply)).rowcount == 1


def paused(tx: Connection, now: datetime) -> list[PausedLane]:
    query = select(lanes.c.lane, lanes.c.paused_until, lanes.c.reply).where(lanes.c.paused_until > now)
    return [PausedLane(*row) for row in tx.execute(query.order_by(lanes.c.lane))]


def resume(tx: Connection, now: datetime) -> list[str]:
    """Ends every pause, and forgets what led to it. Returns the names of the lanes."""
    ended = [each.lane for each in paused(tx, now)]
    tx.execute(update(lanes).values(answered=0, blocked=0, paused_until=None, reply=""))
    return ended


def set_aside(tx: Connection, jobs: Sequence[Delivery], lane: str, now: datetime) -> None:
    """Moves mails of one claimed batch, still queued, to a batch of the lane's own."""
    batch, issue_id = jobs[0].batch, jobs[0].issue_id
    made = insert(batches).values(
        issue_id=issue_id, lane=lane, ordinal=-1, priority=PRIORITY[DeliveryKind.ISSUE], due_at=now
    )
    number = tx.execute(made.returning(batches.c.id)).scalar_one()
    mine = exists().where(batches.c.id == batch.id, batches.c.fence == batch.fence)
    tx.execute(
        update(deliveries)
        .where(deliveries.c.id.in_([job.id for job in jobs]), deliveries.c.batch_id == batch.id, mine)
        .where(deliveries.c.state == DeliveryState.QUEUED)
        .values(batch_id=number)
    )


def waiting(tx: Connection, issue_id: int, now: datetime) -> dict[str, int]:
    """How many mails of an issue wait for each paused lane."""
    query = (
        select(batches.c.lane, func.count())
        .select_from(
            batches.join(deliveries, deliveries.c.batch_id == batches.c.id).join(lanes, lanes.c.lane == batches.c.lane)
        )
        .where(batches.c.issue_id == issue_id, ~batches.c.done, lanes.c.paused_until > now)
        .where(deliveries.c.state == DeliveryState.QUEUED)
        .group_by(batches.c.lane)
    )
    return {row[0]: row[1] for row in tx.execute(query)}
