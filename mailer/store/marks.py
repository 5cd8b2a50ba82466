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
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect

from mailer.model import Delivery, DeliveryState, Reply
from mailer.store import arrays
from mailer.store.schema import Instant


class Taken(NamedTuple):
    """A mail that a relay took: the outcome of nearly all."""

    delivery: Delivery
    reply: Reply
    relay: str


# On PostgreSQL the batch's row is locked against a take-over until we commit, and the reader's against leaving: between
# the look and the commit another process could otherwise do either. SQLite has one writer, so nobody can.
_LOCK = {"sqlite": "", "postgresql": " FOR SHARE"}

_INTEND = """
UPDATE deliveries SET state = 'sending' FROM {rows}
WHERE deliveries.id = m.id AND deliveries.state = 'queued' AND deliveries.batch_id = m.batch
  AND EXISTS (SELECT 1 FROM batches WHERE batches.id = m.batch AND batches.fence = m.fence
              AND batches.lease_until > :now{lock})
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
WHERE deliveries.id = m.id AND deliveries.state = 'sending' AND deliveries.batch_id = m.batch
  AND EXISTS (SELECT 1 FROM batches WHERE batches.id = m.batch AND batches.fence = m.fence{lock})
"""

# Under a fence that is still ours nobody else can have written it.
_WRITTEN = """
SELECT deliveries.id FROM {rows} JOIN deliveries ON deliveries.id = m.id AND deliveries.batch_id = m.batch
JOIN batches ON batches.id = m.batch AND batches.fence = m.fence
WHERE deliveries.state = :state
"""

_CLAIM = (("id", "bigint"), ("batch", "bigint"), ("fence", "bigint"))
_REPLY = (("code", "bigint"), ("enhanced", "text"), ("reply", "text"), ("relay", "text"))


def _statement(dialect: str, template: str, columns: arrays.Columns) -> str:
    whole = template.format(rows=arrays.source(dialect, columns), lock=_LOCK[dialect])
    # The drivers write a parameter in their own ways; no statement above holds a colon for anything else.
    return whole if dialect == "sqlite" else re.sub(r":(\w+)", r"%(\1)s", whole)


_INTENDS = {dialect: _statement(dialect, _INTEND, _CLAIM) for dialect in _LOCK}
_ACCEPTS = {dialect: _statement(dialect, _ACCEPT, (*_CLAIM, *_REPLY)) for dialect in _LOCK}
_WRITTENS = {dialect: _statement(dialect, _WRITTEN, _CLAIM) for dialect in _LOCK}


def intend(tx: Connection, jobs: Iterable[Delivery], now: datetime) -> set[int]:
    """Records for each mail that it may be on its way from now on, with the last look. Returns the ids of those that
    may go; `deliveries.hindrance` tells about the others."""
    rows = [(job.id, job.batch.id, job.batch.fence) for job in jobs]
    return _write(tx, _INTENDS, rows, DeliveryState.SENDING, now)


def accept(tx: Connection, taken: Iterable[Taken], now: datetime) -> set[int]:
    """Writes that relays took these mails. Returns the ids that were still ours; the rest is another process's."""
    rows = [
        (job.id, job.batch.id, job.batch.fence, reply.code, reply.enhanced, reply.text, relay)
        for job, reply, relay in taken
    ]
    return _write(tx, _ACCEPTS, rows, DeliveryState.ACCEPTED, now)


def _write(
    tx: Connection, statements: dict[str, str], rows: Sequence[tuple[Any, ...]], state: DeliveryState, now: datetime
) -> set[int]:
    if not rows:
        return set()
    dialect = tx.dialect.name
    values = {"rows": arrays.packed(rows), "now": _bound(tx.dialect)(now)}
    if tx.exec_driver_sql(statements[dialect], values).rowcount == len(rows):
        return {row[0] for row in rows}
    values = {"rows": arrays.packed(row[:3] for row in rows), "state": state.value}
    return {row[0] for row in tx.exec_driver_sql(_WRITTENS[dialect], values)}


@lru_cache(8)
def _bound(dialect: Dialect) -> Callable[[datetime], Any]:
    """How the driver takes an instant."""
    return Instant().dialect_impl(dialect).bind_processor(dialect) or (lambda now: now)
