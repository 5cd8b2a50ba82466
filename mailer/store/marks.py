"""The two statements of the hot path: many intents, and many accepted mails, each in one UPDATE.

Everything else that can become of a delivery is rarer and is written row by row in `deliveries`. The rules are the same
as there: a claimed row changes only under its batch's fence, and an intent only after the last look.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, TextClause, bindparam, text

from mailer.model import Delivery
from mailer.store import arrays
from mailer.store.deliveries import Mark
from mailer.store.schema import Instant

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
RETURNING deliveries.id
"""

_ACCEPT = """
UPDATE deliveries SET state = 'accepted', attempts = m.attempts, losses = 0, unknowns = m.unknowns,
  code = m.code, enhanced = m.enhanced,
  reply = m.reply, relay = m.relay, finished_at = :now, first_reply_at = coalesce(deliveries.first_reply_at, :now)
FROM {rows}
WHERE deliveries.id = m.id AND deliveries.state = 'sending' AND deliveries.batch_id = m.batch
  AND EXISTS (SELECT 1 FROM batches WHERE batches.id = m.batch AND batches.fence = m.fence{lock})
RETURNING deliveries.id
"""


def _statement(dialect: str, template: str, columns: arrays.Columns) -> TextClause:
    rows = arrays.source(dialect, columns)
    # A colon before a word would be a bind: ->> and casts hold none.
    return text(template.format(rows=rows, lock=_LOCK[dialect])).bindparams(bindparam("now", type_=Instant()))


_CLAIM = (("id", "bigint"), ("batch", "bigint"), ("fence", "bigint"))
_REPLY = (
    ("attempts", "bigint"),
    ("unknowns", "bigint"),
    ("code", "bigint"),
    ("enhanced", "text"),
    ("reply", "text"),
    ("relay", "text"),
)
_INTENDS = {dialect: _statement(dialect, _INTEND, _CLAIM) for dialect in _LOCK}
_ACCEPTS = {dialect: _statement(dialect, _ACCEPT, (*_CLAIM, *_REPLY)) for dialect in _LOCK}


def intend(tx: Connection, jobs: Iterable[Delivery], now: datetime) -> set[int]:
    """Records for each mail that it may be on its way from now on, with the last look. Returns the ids of those that
    may go; `deliveries.hindrance` tells about the others."""
    rows = [(job.id, job.batch.id, job.batch.fence) for job in jobs]
    if not rows:
        return set()
    found = tx.execute(_INTENDS[tx.dialect.name], {"rows": arrays.packed(rows), "now": now})
    return {row[0] for row in found}


def accept(tx: Connection, marked: Iterable[Mark], now: datetime) -> set[int]:
    """Writes that relays took these mails. Returns the ids that were still ours; the rest is another process's."""
    rows = [
        (m.delivery.id, m.delivery.batch.id, m.delivery.batch.fence, *(m.values[name] for name, _ in _REPLY))
        for m in marked
    ]
    if not rows:
        return set()
    found = tx.execute(_ACCEPTS[tx.dialect.name], {"rows": arrays.packed(rows), "now": now})
    return {row[0] for row in found}
