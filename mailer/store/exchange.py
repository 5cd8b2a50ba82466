"""Many subscribers at once: what an import asks and writes for a whole chunk, and the pages of an export.

Sets, not rows: a statement for each of a million rows would take hours. Decides nothing; `app.importing` does.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Text, TextClause, bindparam, case, func, select, text, update

from mailer.model import EventKind, SubscriberStatus
from mailer.store import arrays
from mailer.store.schema import events, subscribers, suppressions
from mailer.store.subscribers import sections_text, suppressing

PAGE = 5000
_KEY: arrays.Columns = (("key", "text"),)
_NEW: arrays.Columns = (
    *(("address", "text"), ("key", "text"), ("hash", "text"), ("domain", "text"), ("name", "text")),
    *(("sections", "text"), ("source", "text"), ("consent_at", "timestamp")),
)
_KNOWN = """
SELECT address_key, id, name, status, sections FROM {rows} JOIN subscribers ON subscribers.address_key = m.key
"""
_SUPPRESSED = """
SELECT hash, reason, at FROM {rows} JOIN suppressions ON suppressions.hash = m.key
"""
_ADD = """
INSERT INTO subscribers
  (address, address_key, address_hash, domain, name, sections, source, consent_at, status, created_at)
SELECT m.address, m.key, m.hash, m.domain, m.name, m.sections, m.source, {utc}, :status, :now FROM {rows}
"""
_RECORD = """
INSERT INTO events (at, subscriber_id, kind, method)
SELECT :now, subscribers.id, :kind, :method FROM {rows} JOIN subscribers ON subscribers.address_key = m.key
ORDER BY subscribers.id
"""
_UTC = {"sqlite": "m.consent_at", "postgresql": "m.consent_at AT TIME ZONE 'UTC'"}


def _asked(tx: Connection, template: str, columns: arrays.Columns) -> TextClause:
    which = arrays.dialect(tx)
    return text(template.format(rows=arrays.source(which, columns), utc=_UTC[which]))


class Known(NamedTuple):
    """Somebody who is on the list already."""

    id: int
    name: str
    status: SubscriberStatus
    sections: tuple[str, ...]


class New(NamedTuple):  # which is made in half the time; there are millions
    """Somebody to be put on the list."""

    address: str
    key: str
    hash: str
    domain: str
    name: str
    sections: tuple[str, ...]
    source: str
    consent_at: datetime | None


def known(tx: Connection, keys: Collection[str]) -> dict[str, Known]:
    """Who of these (by normalised address) is on the list."""
    rows = tx.execute(_asked(tx, _KNOWN, _KEY), {"rows": arrays.packed([key] for key in keys)})
    return {
        key: Known(number, name, SubscriberStatus(status), tuple(json.loads(sections)) if sections != "[]" else ())
        for key, number, name, status, sections in rows
    }


def suppressed(tx: Connection, hashes: Collection[str]) -> dict[str, tuple[EventKind, datetime]]:
    """Which of these are suppressed, why and since when."""
    statement = _asked(tx, _SUPPRESSED, _KEY).columns(hash=Text, reason=Text, at=suppressions.c.at.type)
    rows = tx.execute(statement, {"rows": arrays.packed([each] for each in hashes)})
    return {row.hash: (EventKind(row.reason), row.at) for row in rows}


def add(tx: Connection, new: Sequence[New], status: SubscriberStatus, now: datetime) -> None:
    """Puts all of them on the list, each with its event. None of them may be there yet."""
    if not new:
        return
    rows = [
        (
            each.address,
            each.key,
            each.hash,
            each.domain,
            each.name,
            sections_text(each.sections) if each.sections else "[]",
            each.source,
            _stored(each.consent_at) if each.consent_at else None,
        )
        for each in new
    ]
    statement = _asked(tx, _ADD, _NEW).bindparams(bindparam("now", type_=subscribers.c.created_at.type))
    tx.execute(statement, {"rows": arrays.packed(rows), "status": status.value, "now": now})
    record(tx, [each.key for each in new], EventKind.ADDED, now)


def _stored(instant: datetime) -> str:
    """An instant as the column `Instant` keeps it on SQLite; PostgreSQL is told its zone by the statement."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def record(tx: Connection, keys: Iterable[str], kind: EventKind, now: datetime) -> None:
    """The same event, by an import, for all of these."""
    statement = _asked(tx, _RECORD, _KEY).bindparams(bindparam("now", type_=events.c.at.type))
    values = {"rows": arrays.packed([key] for key in keys), "now": now, "kind": kind.value, "method": "import"}
    tx.execute(statement, values)


def change(tx: Connection, changed: Mapping[str, tuple[str, tuple[str, ...]]], now: datetime) -> None:
    """Other names and sections, by normalised address."""
    if not changed:
        return
    statement = (
        update(subscribers)
        .where(subscribers.c.address_key == bindparam("b_key"))
        .values(name=bindparam("b_name"), sections=bindparam("b_sections"))
    )
    rows = [{"b_key": k, "b_name": name, "b_sections": sections_text(s)} for k, (name, s) in changed.items()]
    tx.execute(statement, rows)
    record(tx, list(changed), EventKind.CHANGED, now)


def ids(tx: Connection, keys: Collection[str]) -> list[int]:
    query = select(subscribers.c.id).where(subscribers.c.address_key.in_(list(keys))).order_by(subscribers.c.id)
    return list(tx.execute(query).scalars())


def suppress(tx: Connection, hashes: Collection[str], now: datetime) -> None:
    """The unsubscribes of another system: none of these is mailed again."""
    if not hashes:
        return
    rows = [{"hash": each, "reason": EventKind.UNSUBSCRIBED, "at": now} for each in hashes]
    tx.execute(suppressing(tx, EventKind.UNSUBSCRIBED), rows)


def leave(tx: Connection, keys: Collection[str], now: datetime) -> None:
    """Who of these is on the list is so no more."""
    staying = (SubscriberStatus.PENDING, SubscriberStatus.ACTIVE, SubscriberStatus.BOUNCED)
    query = select(subscribers.c.address_key).where(
        subscribers.c.address_key.in_(list(keys)), subscribers.c.status.in_(staying)
    )
    gone = list(tx.execute(query).scalars())
    if gone:
        statement = update(subscribers).where(subscribers.c.address_key.in_(gone))
        tx.execute(statement.values(status=SubscriberStatus.UNSUBSCRIBED))
        record(tx, gone, EventKind.UNSUBSCRIBED, now)


def page(tx: Connection, after: int, status: SubscriberStatus | None) -> Iterator[Mapping[str, Any]]:
    """The next PAGE subscribers by id: id, address, name, sections, status, consent_at, created_at, source. Who left,
    or whose address was dead, and who has only been asked since, is told as that: whoever reads it knows nothing of our
    suppressions."""
    columns = ("id", "address", "name", "sections", "consent_at", "created_at", "source")
    dead, left = SubscriberStatus.BOUNCED.value, SubscriberStatus.UNSUBSCRIBED.value
    why = select(case((suppressions.c.reason == EventKind.BOUNCED, dead), else_=left)).where(
        suppressions.c.hash == subscribers.c.address_hash
    )
    asked = subscribers.c.status == SubscriberStatus.PENDING
    told = case((asked, func.coalesce(why.scalar_subquery(), subscribers.c.status)), else_=subscribers.c.status)
    query = (
        select(*(subscribers.c[name] for name in columns), told.label("status"))
        .where(subscribers.c.id > after, subscribers.c.address.is_not(None))
        .order_by(subscribers.c.id)
        .limit(PAGE)
    )
    if status:
        query = query.where(told == status)
    for row in tx.execute(query):
        yield {**row._mapping, "sections": json.loads(row.sections)}
