"""Endings: deliveries that are not to go out any more, and the batches in which nothing is left. Decides none of it."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, select, update

from mailer.model import DeliveryState, Expiry, Skip
from mailer.store.deliveries import OPEN, WAITING
from mailer.store.schema import batches, deliveries, of_issue


def end_waiting(tx: Connection, issue_id: int, state: DeliveryState, reason: Skip | Expiry, now: datetime) -> int:
    """Ends what is queued or deferred of an issue. What is on its way gets its outcome all the same, and what waits to
    be sent once more, because nobody knows whether it arrived, stays unknown: it must not count as never sent."""
    return _end(tx, of_issue(issue_id), state, reason, now)


def drop(tx: Connection, ids: Iterable[int], now: datetime) -> None:
    """Ends what is queued or deferred of these deliveries, and their batches: they are not to go out later."""
    these = deliveries.c.id.in_(list(ids))
    _end(tx, these, DeliveryState.SKIPPED, Skip.CANCELLED, now)
    _end_batches(tx, batches.c.id.in_(select(deliveries.c.batch_id).where(these)))


def _end(tx: Connection, which: ColumnElement[bool], state: DeliveryState, reason: Skip | Expiry, now: datetime) -> int:
    statement = update(deliveries).where(which, deliveries.c.state.in_(WAITING))
    uncertain = statement.where(deliveries.c.unknowns > 0)
    unknown = tx.execute(uncertain.values(state=DeliveryState.UNKNOWN, due_at=None, finished_at=now)).rowcount
    return unknown + tx.execute(statement.values(state=state, reason=reason, due_at=None, finished_at=now)).rowcount


def withdraw(tx: Connection, issue_id: int) -> None:
    """Takes back what was owed for an issue that nobody got, so that it may be owed anew."""
    tx.execute(delete(deliveries).where(of_issue(issue_id)))
    tx.execute(delete(batches).where(batches.c.issue_id == issue_id))


def end_batches(tx: Connection, issue_id: int) -> None:
    """Ends the batches of an issue in which nothing waits and nothing is on its way."""
    _end_batches(tx, batches.c.issue_id == issue_id)


def _end_batches(tx: Connection, which: ColumnElement[bool]) -> None:
    left = exists().where(deliveries.c.batch_id == batches.c.id, deliveries.c.state.in_(OPEN))
    tx.execute(update(batches).where(which, ~batches.c.done, ~left).values(done=True))
