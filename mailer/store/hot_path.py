"""Runs the statement of the hot path: a single UPDATE that records the intents and the accepted mails of many
connections.

All other outcomes are rarer, and `deliveries` writes them row by row. The statement changes a row only if the claim on
the row's batch has not been lost. It records an intent only if the last check allows the mail. That check is the rule
of `eligibility`, compiled to SQL text.

The driver gets the statement as text, because SQLAlchemy would need more time to process an expression than the
database needs to run it. A single statement needs no BEGIN and COMMIT, and every call that is saved matters: with
SQLite each call releases the interpreter lock, and with PostgreSQL each is a round trip. Usually every row changes, so
the row count is the only result that is needed.
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
    """A delivery whose mail a relay accepted, with the relay's reply and name. Acceptance is by far the most frequent
    outcome."""

    delivery: Delivery
    reply: Reply
    relay: str


# Each row of `m` requests one change of a delivery. A change to `sending` records the intent to send, if the last check
# allows it. A change to `accepted` sets the same values as `retry_schedule.after` does for an accepted mail.
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
      ELSE deliveries.state = 'queued' AND held.lease_until > :now AND ({last_check}) END
"""

# Finds the rows that already have the requested state. As long as the fence number of the batch is the same, only this
# process can have written that state.
_WRITTEN = """
SELECT deliveries.id, m.state FROM {rows} JOIN deliveries ON deliveries.id = m.id AND deliveries.batch_id = m.batch
WHERE deliveries.state = m.state AND {among}
"""

_COLUMNS = {
    **{"id": "bigint", "batch": "bigint", "fence": "bigint", "state": "text"},
    **{"code": "bigint", "enhanced": "text", "reply": "text", "relay": "text"},
}
_FENCED = "AS held ON held.id = m.batch AND held.fence = m.fence"
_Row = tuple[Any, ...]  # the values of a row of `m`, in the order of _COLUMNS


@lru_cache(1000)
def _for_sqlite(template: str, count: int) -> str:
    """Returns the statement for `count` rows, with a parameter for each value. SQLite reads parameters twice as fast as
    a JSON array, and the driver caches the prepared statement."""
    width = len(_COLUMNS)
    rows = (", ".join(f"?{2 + row * width + n}" for n in range(width)) for row in range(count))
    named = ", ".join(f"column{n} AS {name}" for n, name in enumerate(_COLUMNS, 1))
    table = f"(SELECT {named} FROM (VALUES ({'), ('.join(rows)}))) AS m JOIN batches {_FENCED}"  # noqa: S608 - constants only
    return _filled(template, "sqlite", table, "TRUE").replace(":now", "?1")


@lru_cache(2)
def _for_postgresql(template: str) -> str:
    """Returns the statement, with an array parameter for each column. So the text is the same for any number of rows,
    and the driver prepares it once.

    The ids are both in the join and in a condition: with the join alone, the planner would read the whole table instead
    of using the index. The subquery `held` reads each batch once, and locks it against a claim by another process. A
    plain join would read and lock the batches many times.
    """
    held = "SELECT id, fence, lease_until FROM batches WHERE id = ANY(%(batch)s::bigint[]) FOR SHARE"
    arrays = ", ".join(f"%({name})s::{kind}[]" for name, kind in _COLUMNS.items())
    table = f"unnest({arrays}) AS m({', '.join(_COLUMNS)}) JOIN held {_FENCED}"
    among = "deliveries.id = ANY(%(id)s::bigint[])"
    return f"WITH held AS ({held}) " + _filled(template, "postgresql", table, among).replace(":now", "%(now)s")


def _filled(template: str, dialect: str, rows: str, among: str) -> str:
    return template.format(rows=rows, among=among, last_check=_last_check(dialect))


@lru_cache(2)
def _last_check(dialect: str) -> str:
    """Returns the rule of `eligibility` as SQL text."""
    compiler: Dialect = {"sqlite": sqlite, "postgresql": postgresql}[dialect].dialect()
    return str(may_go().compile(dialect=compiler, compile_kwargs={"literal_binds": True}))


def write_all(tx: Connection, accepted: Sequence[AcceptedMail], intents: Sequence[Delivery], now: datetime) -> bool:
    """Records in one statement that the mails in `accepted` were accepted, and that the deliveries in `intents` are
    about to be sent. Records an intent only if the last check allows the mail. Returns False if some rows did not
    change; `write` finds out which rows."""
    rows = [*_rows(accepted, intents)]
    return not rows or _run(tx, _WRITE, rows, now).rowcount == len(rows)


def write(
    tx: Connection, accepted: Sequence[AcceptedMail], intents: Sequence[Delivery], now: datetime
) -> tuple[set[int], set[int]]:
    """Does the same as `write_all`, even if some of the rows were written before. Returns two sets of ids: the accepted
    deliveries that are now recorded as accepted, and the intents that may be sent. An accepted delivery is missing if
    its claim was lost; for a missing intent, `deliveries.hindrance` returns the reason."""
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
    """Runs a statement and returns the driver's cursor."""
    instant = _bound(tx.dialect)(now)
    if tx.dialect.name == "sqlite":
        return by_driver(tx, _for_sqlite(template, len(rows)), (instant, *chain.from_iterable(rows)))
    columns = {name: list(cells) for name, cells in zip(_COLUMNS, zip(*rows, strict=True), strict=True)}
    return by_driver(tx, _for_postgresql(template), {"now": instant, **columns})


@lru_cache(8)
def _bound(dialect: Dialect) -> Callable[[datetime], Any]:
    """Returns the function that converts a datetime to the value that the driver expects."""
    return Instant().dialect_impl(dialect).bind_processor(dialect) or (lambda now: now)
