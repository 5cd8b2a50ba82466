"""The statement of the hot path: the intents and the accepted mails of many connections in one UPDATE.

Every other outcome is rarer and is written row by row in `deliveries`. A row changes only under the fence of its batch.
An intent is recorded only after the last look: the rule of `eligibility`, compiled to text.

The statement is text for the driver, because SQLAlchemy's share of an expression would cost more than running it. It is
a single statement, so that it needs no transaction around it: each further call releases the interpreter lock once more
(SQLite) or costs a round trip (PostgreSQL). Usually every row changes, and the row count is all that is needed.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect
from sqlalchemy.dialects import postgresql, sqlite

from mailer.model import Delivery, DeliveryState, Reply
from mailer.store.database import by_driver
from mailer.store.eligibility import may_go
from mailer.store.schema import Instant


class AcceptedMail(NamedTuple):
    """A mail that a relay accepted: by far the most frequent outcome."""

    delivery: Delivery
    reply: Reply
    relay: str


# A row of `m` asks for one change: to `sending`, which records the intent to send and is the last look, or to
# `accepted`, with the values that `retry_schedule.after` gives an accepted delivery.
_WRITE = """
UPDATE deliveries SET state = m.state,
  attempts = deliveries.attempts + CASE m.state WHEN 'accepted' THEN 1 ELSE 0 END,
  losses = CASE m.state WHEN 'accepted' THEN 0 ELSE deliveries.losses END,
  code = coalesce(m.code, deliveries.code), enhanced = coalesce(m.enhanced, deliveries.enhanced),
  reply = coalesce(m.reply, deliveries.reply), relay = coalesce(m.relay, deliveries.relay),
  finished_at = CASE m.state WHEN 'accepted' THEN :now ELSE deliveries.finished_at END,
  first_reply_at = CASE m.state WHEN 'accepted' THEN coalesce(deliveries.first_reply_at, :now)
                                ELSE deliveries.first_reply_at END
FROM {rows}
WHERE deliveries.id = m.id AND deliveries.batch_id = m.batch AND {among}
  AND CASE m.state WHEN 'accepted' THEN deliveries.state = 'sending'
      ELSE deliveries.state = 'queued' AND held.lease_until > :now AND ({last_look}) END
"""

# While the fence holds, no other process can have written these states.
_WRITTEN = """
SELECT deliveries.id, m.state FROM {rows} JOIN deliveries ON deliveries.id = m.id AND deliveries.batch_id = m.batch
WHERE deliveries.state = m.state AND {among}
"""

_COLUMNS = {
    **{"id": "bigint", "batch": "bigint", "fence": "bigint", "state": "text"},
    **{"code": "bigint", "enhanced": "text", "reply": "text", "relay": "text"},
}
_FENCED = "AS held ON held.id = m.batch AND held.fence = m.fence"
_Row = tuple[Any, ...]  # in the order of _COLUMNS


@lru_cache(1000)
def _for_sqlite(template: str, count: int) -> str:
    """Each row as a tuple of parameters: SQLite reads these twice as fast as an array, and the driver caches the
    statement."""
    width = len(_COLUMNS)
    rows = (", ".join(f"?{2 + row * width + n}" for n in range(width)) for row in range(count))
    named = ", ".join(f"column{n} AS {name}" for n, name in enumerate(_COLUMNS, 1))
    table = f"(SELECT {named} FROM (VALUES ({'), ('.join(rows)}))) AS m JOIN batches {_FENCED}"  # noqa: S608 - our names
    return _filled(template, "sqlite", table, "TRUE").replace(":now", "?1")


@lru_cache(2)
def _for_postgresql(template: str) -> str:
    """An array for each column, so that any number of rows is one statement, which the driver prepares once.

    The ids are given twice: with the join alone, the planner would rather read the whole table than look them up. The
    batches come first: otherwise they would be read, and locked against a take-over, for every pair of rows.
    """
    held = "SELECT id, fence, lease_until FROM batches WHERE id = ANY(%(batch)s::bigint[]) FOR SHARE"
    arrays = ", ".join(f"%({name})s::{kind}[]" for name, kind in _COLUMNS.items())
    table = f"unnest({arrays}) AS m({', '.join(_COLUMNS)}) JOIN held {_FENCED}"
    among = "deliveries.id = ANY(%(id)s::bigint[])"
    return f"WITH held AS ({held}) " + _filled(template, "postgresql", table, among).replace(":now", "%(now)s")


def _filled(template: str, dialect: str, rows: str, among: str) -> str:
    return template.format(rows=rows, among=among, last_look=_last_look(dialect))


@lru_cache(2)
def _last_look(dialect: str) -> str:
    """The rule of `eligibility` as SQL text."""
    compiler: Dialect = {"sqlite": sqlite, "postgresql": postgresql}[dialect].dialect()
    return str(may_go().compile(dialect=compiler, compile_kwargs={"literal_binds": True}))


def write_all(tx: Connection, accepted: Sequence[AcceptedMail], intents: Sequence[Delivery], now: datetime) -> bool:
    """Records in one statement that these mails were accepted and that those of `intents` may be on their way from now
    on, after the last look. Returns False if some rows did not change; `write` finds out which."""
    rows = [*_rows(accepted, intents)]
    return not rows or _run(tx, _WRITE, rows, now).rowcount == len(rows)


def write(
    tx: Connection, accepted: Sequence[AcceptedMail], intents: Sequence[Delivery], now: datetime
) -> tuple[set[int], set[int]]:
    """The same, also if some of it was written before. Returns the ids of the accepted deliveries whose claim still
    held, and of the intents that may go; `deliveries.hindrance` explains the others."""
    if write_all(tx, accepted, intents, now):
        return {mail.delivery.id for mail in accepted}, {job.id for job in intents}
    found = {(row[0], row[1]) for row in _run(tx, _WRITTEN, [*_rows(accepted, intents)], now)}
    return (
        {number for number, state in found if state == DeliveryState.ACCEPTED},
        {number for number, state in found if state == DeliveryState.SENDING},
    )


def _rows(accepted: Sequence[AcceptedMail], intents: Sequence[Delivery]) -> Iterator[_Row]:
    for job, reply, relay in accepted:
        outcome = (reply.code, reply.enhanced, reply.text, relay)
        yield job.id, job.batch.id, job.batch.fence, DeliveryState.ACCEPTED.value, *outcome
    for job in intents:
        yield job.id, job.batch.id, job.batch.fence, DeliveryState.SENDING.value, None, None, None, None


def _run(tx: Connection, template: str, rows: Sequence[_Row], now: datetime) -> Any:
    """Returns the driver's cursor."""
    instant = _bound(tx.dialect)(now)
    if tx.dialect.name == "sqlite":
        return by_driver(tx, _for_sqlite(template, len(rows)), (instant, *chain.from_iterable(rows)))
    columns = {name: list(cells) for name, cells in zip(_COLUMNS, zip(*rows, strict=True), strict=True)}
    return by_driver(tx, _for_postgresql(template), {"now": instant, **columns})


@lru_cache(8)
def _bound(dialect: Dialect) -> Callable[[datetime], Any]:
    """How the driver takes an instant."""
    return Instant().dialect_impl(dialect).bind_processor(dialect) or (lambda now: now)
