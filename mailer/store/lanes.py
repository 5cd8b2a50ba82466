"""Counts the answers to mails in each lane, and stores which lanes are paused. All processes share these rows.

A mail of a paused lane stays queued in a batch of that lane, and no process can claim the batch during the pause.
`mailer.lanes` decides when a lane is paused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, func, select, update

from mailer.model import Delivery, DeliveryState, PausedLane
from mailer.store.database import inserting
from mailer.store.deliveries import fenced, new_batch
from mailer.store.schema import batches, deliveries, lanes


@dataclass(frozen=True, slots=True)
class Tally:
    """The number of answers to mails of one issue in one lane, and how many of these answers refused this sender."""

    answered: int
    blocked: int


def add(tx: Connection, lane: str, issue_id: int, more: Tally, limit: int, now: datetime) -> Tally:
    """Adds `more` to the counts of an issue in a lane, and returns the new counts. After a pause of the lane, the
    counts start again from zero.

    If there are now more than `limit` answers, half of each count is stored, so that recent answers outweigh old ones.
    """
    tx.execute(inserting(tx, lanes).values(lane=lane, issue_id=issue_id).on_conflict_do_nothing())
    row = tx.execute(select(lanes).where(lanes.c.lane == lane).with_for_update()).one()
    ended = row.paused_until is not None and row.paused_until <= now
    stale = ended or row.issue_id != issue_id
    answered = (0 if stale else row.answered) + more.answered
    blocked = (0 if stale else row.blocked) + more.blocked
    divisor = 2 if answered > limit else 1
    values = {"issue_id": issue_id, "answered": answered // divisor, "blocked": blocked // divisor}
    if ended:
        values |= {"paused_until": None, "reply": ""}
    tx.execute(update(lanes).where(lanes.c.lane == lane).values(values))
    return Tally(answered, blocked)


def pause(tx: Connection, lane: str, until: datetime, reply: str) -> bool:
    """Pauses a lane for which `add` has counted answers. Returns False if the lane is already paused."""
    free = update(lanes).where(lanes.c.lane == lane, lanes.c.paused_until.is_(None))
    return tx.execute(free.values(paused_until=until, reply=reply)).rowcount == 1


def paused(tx: Connection, now: datetime) -> list[PausedLane]:
    query = select(lanes.c.lane, lanes.c.paused_until, lanes.c.reply).where(lanes.c.paused_until > now)
    return [PausedLane(*row) for row in tx.execute(query.order_by(lanes.c.lane))]


def resume(tx: Connection, now: datetime) -> list[str]:
    """Ends every pause and resets all counts. Returns the names of the lanes that were paused."""
    ended = [each.lane for each in paused(tx, now)]
    tx.execute(update(lanes).values(answered=0, blocked=0, paused_until=None, reply=""))
    return ended


def set_aside(tx: Connection, jobs: Sequence[Delivery], lane: str, now: datetime) -> None:
    """Moves queued deliveries, all of the same claimed batch, to a new batch of the lane."""
    first = jobs[0]
    batch_id = new_batch(tx, first.kind, now, issue_id=first.issue_id, ordinal=-1, lane=lane)
    tx.execute(
        update(deliveries)
        .where(deliveries.c.id.in_([job.id for job in jobs]), deliveries.c.batch_id == first.batch.id)
        .where(deliveries.c.state == DeliveryState.QUEUED, exists().where(fenced(first.batch)))
        .values(batch_id=batch_id)
    )


def waiting(tx: Connection, issue_id: int, now: datetime) -> dict[str, int]:
    """Returns how many mails of an issue wait in each paused lane."""
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
