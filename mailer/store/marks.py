# ruff: noqa: S608 - made of our own names only; every value is bound
"""The two statements of the hot path: many intents, and many accepted mails, each in one UPDATE.

Everything else that can become of a delivery is rarer and is written row by row in `deliveries`. The rules are the same
as there: a claimed row changes only under its batch's fence, and an intent only after the last look.

They go to the driver as they are: what SQLAlchemy does for an expression costs more here than the statement itself. As
a rule every row is changed, and the count alone tells it; which ones were not is asked only when some were not.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect

from mailer.model import Delivery, DeliveryState, Reply
from mailer.store.database import by_driver
from mailer.store.schema import Instant


class Taken(NamedTuple):
    """A mail that a relay took: the outcome of nearly all."""

    delivery: Delivery
    reply: Reply
    relay: str


# {lock}: on PostgreSQL the batch's row is locked against a take-over until we commit, and the reader's against leaving:
# between the look and the commit another process could otherwise do either. SQLite has one writer, so nobody can.
# {among}: see `_for_postgresql`.
_INTEND = """
UPDATE deliveries SET state = 'sending' FROM {rows}
WHERE {among} AND deliveries.id = m.id AND deliveries.state = 'queued' AND deliveries.batch_id = m.batch
  AND {held}
  AND (deliveries.kind IN ('test', 'notice')
       OR (deliveries.kind = 'confirmation'
           AND EXISTS (SELECT 1 FROM subscribers WHERE subscribers.id = deliveries.subscriber_id
                       AND subscribers.status = 'pending'{lock}))
       OR (deliveries.kind = 'issue'
           AND EXISTS (SELECT 1 FROM issues WHERE issues.id = deliveries.issue_id AND issues.state = 'sending')
           AND EXISTS (SELECT 1 FROM subscribers WHERE subscribers.id = deliveries.subscriber_id
                       AND subscribers.status = 'active'
                       AND (subscribers.paused_until IS NULL OR subscribers.paused_until
                            <= (SELECT issues.day FROM issues WHERE issues.id = deliveries.issue_id))
                       AND NOT EXISTS (SELECT 1 FROM suppressions
                                       WHERE suppressions.hash = subscribers.address_hash){lock})))
"""

# What `delivery.after` says of an accepted mail, for many.
_ACCEPT = """
UPDATE deliveries SET state = 'accepted', attempts = deliveries.attempts + 1, losses = 0,
  code = m.code, enhanced = m.enhanced, reply = m.reply, relay = m.relay,
  finished_at = :now, first_reply_at = coalesce(deliveries.first_reply_at, :now)
FROM {rows}
WHERE {among} AND deliveries.id = m.id AND deliveries.state = 'sending' AND deliveries.batch_id = m.batch
  AND {held}
"""

# Under a fence that is still ours nobody else can have written it.
_WRITTEN = """
SELECT deliveries.id FROM {rows} JOIN deliveries ON deliveries.id = m.id AND deliveries.batch_id = m.batch
WHERE {among} AND deliveries.state = :state AND {held}
"""

_CLAIM = (("id", "bigint"), ("batch", "bigint"), ("fence", "bigint"))
_REPLY = (*_CLAIM, ("code", "bigint"), ("enhanced", "text"), ("reply", "text"), ("relay", "text"))
_Columns = Sequence[tuple[str, str]]  # name and PostgreSQL type


class _Many(NamedTuple):
    """A statement for many rows: `{rows}` stands for a table `m` of these columns, `{held}` for that their batches are
    ours, `:now` and `:state` for values. `lease`: and our lease on them is not over."""

    template: str
    columns: _Columns
    lease: bool = False


_INTEND_MANY, _ACCEPT_MANY, _WRITTEN_MANY = (
    _Many(_INTEND, _CLAIM, lease=True),
    _Many(_ACCEPT, _REPLY),
    _Many(_WRITTEN, _CLAIM),
)


@lru_cache(1000)
def _for_sqlite(many: _Many, count: int) -> str:
    """A row of binds for each: SQLite reads them twice as fast as an array, and the driver keeps the statement."""
    width = len(many.columns)
    rows = (", ".join(f"?{3 + row * width + n}" for n in range(width)) for row in range(count))
    named = ", ".join(f"column{n} AS {name}" for n, (name, _) in enumerate(many.columns, 1))
    table = f"(SELECT {named} FROM (VALUES ({'), ('.join(rows)}))) AS m"
    lease = " AND batches.lease_until > :now" if many.lease else ""
    held = f"EXISTS (SELECT 1 FROM batches WHERE batches.id = m.batch AND batches.fence = m.fence{lease})"
    whole = many.template.format(rows=table, lock="", among="TRUE", held=held)
    return whole.replace(":now", "?1").replace(":state", "?2")


@lru_cache(10)
def _for_postgresql(many: _Many) -> str:
    """An array for each column, so that any number of rows is one statement, prepared once by the driver. The ids are
    named twice: told only through a join, the planner would rather read the whole table than look them up. The batches
    stand in front, or they would be looked at, and locked, for every pair of rows."""
    arrays = ", ".join(f"%({name})s::{kind}[]" for name, kind in many.columns)
    table = f"unnest({arrays}) AS m({', '.join(name for name, _ in many.columns)})"
    among = "deliveries.id = ANY(%(id)s::bigint[])"
    lease = " AND batches.lease_until > :now" if many.lease else ""
    locked = f"SELECT id, fence FROM batches WHERE id = ANY(%(batch)s::bigint[]){lease} FOR SHARE"
    held = "(m.batch, m.fence) IN (SELECT id, fence FROM held)"
    whole = f"WITH held AS ({locked}) " + many.template.format(rows=table, lock=" FOR SHARE", among=among, held=held)
    return re.sub(r":(now|state)\b", r"%(\1)s", whole)


def intend(tx: Connection, jobs: Iterable[Delivery], now: datetime) -> set[int]:
    """Records for each mail that it may be on its way from now on, with the last look. Returns the ids of those that
    may go; `deliveries.hindrance` tells about the others."""
    rows = [(job.id, job.batch.id, job.batch.fence) for job in jobs]
    return _write(tx, _INTEND_MANY, rows, DeliveryState.SENDING, now)


def accept(tx: Connection, taken: Iterable[Taken], now: datetime) -> set[int]:
    """Writes that relays took these mails. Returns the ids that were still ours; the rest is another process's."""
    rows = [
        (job.id, job.batch.id, job.batch.fence, reply.code, reply.enhanced, reply.text, relay)
        for job, reply, relay in taken
    ]
    return _write(tx, _ACCEPT_MANY, rows, DeliveryState.ACCEPTED, now)


def _write(
    tx: Connection, many: _Many, rows: Sequence[tuple[Any, ...]], state: DeliveryState, now: datetime
) -> set[int]:
    if not rows:
        return set()
    if _run(tx, many, rows, state, now).rowcount == len(rows):
        return {row[0] for row in rows}
    return {row[0] for row in _run(tx, _WRITTEN_MANY, [row[:3] for row in rows], state, now)}


def _run(tx: Connection, many: _Many, rows: Sequence[tuple[Any, ...]], state: DeliveryState, now: datetime) -> Any:
    """The driver's cursor."""
    instant = _bound(tx.dialect)(now)
    if tx.dialect.name == "sqlite":
        return by_driver(tx, _for_sqlite(many, len(rows)), (instant, state.value, *chain.from_iterable(rows)))
    arrays = {name: list(cells) for (name, _), cells in zip(many.columns, zip(*rows, strict=True), strict=True)}
    return by_driver(tx, _for_postgresql(many), {"now": instant, "state": state.value, **arrays})


@lru_cache(8)
def _bound(dialect: Dialect) -> Callable[[datetime], Any]:
    """How the driver takes an instant."""
    return Instant().dialect_impl(dialect).bind_processor(dialect) or (lambda now: now)
