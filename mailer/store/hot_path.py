"""The statement of the hot path: many intents and many accepted mails in one UPDATE.

Everything else that can become of a delivery is rarer and is written row by row in `deliveries`. A claimed row changes
only under its batch's fence, and an intent only after the last look, which stands here and nowhere else.

It goes to the driver as it is: what SQLAlchemy does for an expression costs more here than the statement itself. And it
is one, so that it needs no transaction around it: each further word to the database gives the interpreter away once
more, or is a way to the server and back. As a rule every row is changed, and the count alone tells it.
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


class Taken(NamedTuple):
    """A mail that a relay took: the outcome of nearly all."""

    delivery: Delivery
    reply: Reply
    relay: str


# A row of `m` asks for one change: to `sending`, which records the intent to send and is the last look, or to
# `accepted`, with the same values that `retry_schedule.after` gives an accepted delivery.
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
      ELSE deliveries.state = 'queued' AND held.lease_until > :now AND ({may_go}) END
"""

# Under a fence that is still ours nobody else can have written it.
_WRITTEN = """
SELECT deliveries.id, m.state FROM {rows} JOIN deliveries ON deliveries.id = m.id AND deliveries.batch_id = m.batch
WHERE deliveries.state = m.state AND {among}
"""

_COLUMNS = {
    **{"id": "bigint", "batch": "bigint", "fence": "bigint", "state": "text"},
    **{"code": "bigint", "enhanced": "text", "reply": "text", "relay": "text"},
}
_OURS = "AS held ON held.id = m.batch AND held.fence = m.fence"
_Row = tuple[Any, ...]  # in the order of _COLUMNS


@lru_cache(1000)
def _for_sqlite(template: str, count: int) -> str:
    """A row of binds for each: SQLite reads them twice as fast as an array, and the driver keeps the statement."""
    width = len(_COLUMNS)
    rows = (", ".join(f"?{2 + row * width + n}" for n in range(width)) for row in range(count))
    named = ", ".join(f"column{n} AS {name}" for n, name in enumerate(_COLUMNS, 1))
    table = f"(SELECT {named} FROM (VALUES ({'), ('.join(rows)}))) AS m JOIN batches {_OURS}"  # noqa: S608 - our names
    return _filled(template, "sqlite", table, "TRUE").replace(":now", "?1")


@lru_cache(10)
def _for_postgresql(template: str) -> str:
    """An array for each column, so that any number of rows is one statement, prepared once by the driver. The ids are
    named twice: told only through a join, the planner would rather read the whole table than look them up. The batches
    stand in front, or they would be looked at, and locked against a take-over, for every pair of rows."""
    held = "SELECT id, fence, lease_until FROM batches WHERE id = ANY(%(batch)s::bigint[]) FOR SHARE"
    arrays = ", ".join(f"%({name})s::{kind}[]" for name, kind in _COLUMNS.items())
    table = f"unnest({arrays}) AS m({', '.join(_COLUMNS)}) JOIN held {_OURS}"
    among = "deliveries.id = ANY(%(id)s::bigint[])"
    whole = _filled(template, "postgresql", table, among).replace(":now", "%(now)s")
    return f"WITH held AS ({held}) {whole}"


def _filled(template: str, dialect: str, rows: str, among: str) -> str:
    """A template with its rows and with the rule of `eligibility`, as text of one of the two dialects."""
    speaks: Dialect = {"sqlite": sqlite, "postgresql": postgresql}[dialect].dialect()
    rule = may_go().compile(dialect=speaks, compile_kwargs={"literal_binds": True})
    return template.format(rows=rows, among=among, may_go=rule)


def write_all(tx: Connection, taken: Sequence[Taken], jobs: Sequence[Delivery], now: datetime) -> bool:
    """Writes that relays took these mails, and that those of `jobs` may be on their way from now on, after the last
    look. One statement. False: it was not so for all of them; `write` tells for which."""
    rows = [*_rows(taken, jobs)]
    return not rows or _run(tx, _WRITE, rows, now).rowcount == len(rows)


def write(tx: Connection, taken: Sequence[Taken], jobs: Sequence[Delivery], now: datetime) -> tuple[set[int], set[int]]:
    """The same, even when some of it was written before. Returns the ids of those taken that were still ours (the rest
    is another process's), and of those that may go; `deliveries.hindrance` tells about the others."""
    if write_all(tx, taken, jobs, now):
        return {mail.delivery.id for mail in taken}, {job.id for job in jobs}
    found = {(row[0], row[1]) for row in _run(tx, _WRITTEN, [*_rows(taken, jobs)], now)}
    accepted, sending = DeliveryState.ACCEPTED.value, DeliveryState.SENDING.value
    return {number for number, state in found if state == accepted}, {
        number for number, state in found if state == sending
    }


def _rows(taken: Sequence[Taken], jobs: Sequence[Delivery]) -> Iterator[_Row]:
    for job, reply, relay in taken:
        outcome = (reply.code, reply.enhanced, reply.text, relay)
        yield job.id, job.batch.id, job.batch.fence, DeliveryState.ACCEPTED.value, *outcome
    for job in jobs:
        yield job.id, job.batch.id, job.batch.fence, DeliveryState.SENDING.value, None, None, None, None


def _run(tx: Connection, template: str, rows: Sequence[_Row], now: datetime) -> Any:
    """The driver's cursor."""
    instant = _bound(tx.dialect)(now)
    if tx.dialect.name == "sqlite":
        return by_driver(tx, _for_sqlite(template, len(rows)), (instant, *chain.from_iterable(rows)))
    columns = {name: list(cells) for name, cells in zip(_COLUMNS, zip(*rows, strict=True), strict=True)}
    return by_driver(tx, _for_postgresql(template), {"now": instant, **columns})


@lru_cache(8)
def _bound(dialect: Dialect) -> Callable[[datetime], Any]:
    """How the driver takes an instant."""
    return Instant().dialect_impl(dialect).bind_processor(dialect) or (lambda now: now)
