"""Many subscribers at once: what an import asks and writes for a whole chunk, and the pages of an export.

Sets, not rows: a statement for each of a million rows would take hours. Decides nothing; `app.importing` does.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, literal, select, update

from mailer.model import EventKind, Method, SubscriberStatus
from mailer.store.schema import events, subscribers, suppressions
from mailer.store.subscribers import sections_text

PAGE = 5000


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody who is on the list already."""

    id: int
    name: str
    status: SubscriberStatus
    sections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class New:
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
    columns = (
        subscribers.c.address_key,
        subscribers.c.id,
        subscribers.c.name,
        subscribers.c.status,
        subscribers.c.sections,
    )
    rows = tx.execute(select(*columns).where(subscribers.c.address_key.in_(list(keys))))
    return {
        row[0]: Known(row[1], row[2], SubscriberStatus(row[3]), tuple(json.loads(row[4])) if row[4] != "[]" else ())
        for row in rows
    }


def suppressed(tx: Connection, hashes: Collection[str]) -> dict[str, tuple[EventKind, datetime]]:
    """Which of these are suppressed, why and since when."""
    columns = (suppressions.c.hash, suppressions.c.reason, suppressions.c.at)
    rows = tx.execute(select(*columns).where(suppressions.c.hash.in_(list(hashes))))
    return {row.hash: (EventKind(row.reason), row.at) for row in rows}


def add(tx: Connection, new: Sequence[New], status: SubscriberStatus, now: datetime) -> None:
    """Puts all of them on the list, each with its event. None of them may be there yet."""
    if not new:
        return
    common = {"status": status, "created_at": now}
    rows = [
        {
            **common,
            "address": each.address,
            "address_key": each.key,
            "address_hash": each.hash,
            "domain": each.domain,
            "name": each.name,
            "sections": sections_text(each.sections) if each.sections else "[]",
            "source": each.source,
            "consent_at": each.consent_at,
        }
        for each in new
    ]
    tx.execute(insert(subscribers), rows)
    record(tx, [each.key for each in new], EventKind.ADDED, now)


def record(tx: Connection, keys: Sequence[str], kind: EventKind, now: datetime) -> None:
    """The same event, by an import, for all of these."""
    who = select(
        literal(now, events.c.at.type), subscribers.c.id, literal(kind.value), literal(Method.IMPORT.value)
    ).where(subscribers.c.address_key.in_(list(keys)))
    columns = ["at", "subscriber_id", "kind", "method"]
    tx.execute(insert(events).from_select(columns, who.order_by(subscribers.c.id)))


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
    """The unsubscribes of another system: none of these, which are not suppressed yet, is mailed again."""
    if not hashes:
        return
    rows = [{"hash": each, "reason": EventKind.UNSUBSCRIBED, "at": now} for each in hashes]
    tx.execute(insert(suppressions), rows)


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
    """The next PAGE subscribers by id: id, address, name, sections, status, consent_at, created_at, source."""
    columns = ("id", "address", "name", "sections", "status", "consent_at", "created_at", "source")
    query = (
        select(*(subscribers.c[name] for name in columns))
        .where(subscribers.c.id > after, subscribers.c.address.is_not(None))
        .order_by(subscribers.c.id)
        .limit(PAGE)
    )
    if status:
        query = query.where(subscribers.c.status == status)
    for row in tx.execute(query):
        yield {**row._mapping, "sections": json.loads(row.sections)}


def count(tx: Connection) -> int:
    return int(tx.execute(select(func.count()).select_from(subscribers)).scalar_one())
