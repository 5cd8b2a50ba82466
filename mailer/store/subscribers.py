"""Subscribers: who is on the list, with status, sections and pause.

Decides nothing about who may join or come back: the use cases in `readers/` do. A subscriber is looked up by the
normalised key of the address. `bury` leaves a tombstone, a row without an address: links in old mails still find it,
and its id is never used again.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, TextClause, bindparam, case, func, null, or_, select, text, update

from mailer.model import DeliveryKind, EventKind, Rejection, Subscriber, SubscriberStatus
from mailer.store import arrays
from mailer.store.schema import deliveries, events, subscribers, suppressions

PAGE = 5000  # subscribers in one page of an export
STAYING = (SubscriberStatus.PENDING, SubscriberStatus.ACTIVE, SubscriberStatus.BOUNCED)  # those who can still leave
_COLUMNS = (
    subscribers.c.id,
    subscribers.c.address,
    subscribers.c.address_hash,
    subscribers.c.name,
    subscribers.c.status,
    subscribers.c.sections,
    subscribers.c.paused_until,
    subscribers.c.source,
    subscribers.c.created_at,
)


def _subscriber(row: Row[*tuple[Any, ...]]) -> Subscriber:
    return Subscriber(
        id=row.id,
        address=row.address or "",
        address_hash=row.address_hash,
        name=row.name,
        status=SubscriberStatus(row.status),
        sections=tuple(json.loads(row.sections)),
        paused_until=row.paused_until,
        source=row.source,
        created_at=row.created_at,
    )


def sections_text(sections: Sequence[str]) -> str:
    """A choice of sections as the tables store it: equal choices are equal text."""
    return json.dumps(sorted(set(sections)), ensure_ascii=False) if sections else "[]"


def _first(tx: Connection, *conditions: Any) -> Subscriber | None:
    row = tx.execute(select(*_COLUMNS).where(*conditions).limit(1)).first()
    return _subscriber(row) if row else None


def find(tx: Connection, key: str) -> Subscriber | None:
    """The subscriber with this normalised address."""
    return _first(tx, subscribers.c.address_key == key)


def get(tx: Connection, subscriber_id: int) -> Subscriber | None:
    return _first(tx, subscribers.c.id == subscriber_id)


def with_hash(tx: Connection, hash_: str) -> Subscriber | None:
    """The subscriber whose address has this hash now; tombstones have no address."""
    return _first(tx, subscribers.c.address_hash == hash_, subscribers.c.address.is_not(None))


def matching(
    tx: Connection, *, status: SubscriberStatus | None = None, search: str = "", limit: int | None = None
) -> list[Subscriber]:
    """Subscribers, the newest first. `search` is a part of the address or of the name."""
    query = select(*_COLUMNS).where(subscribers.c.address.is_not(None)).order_by(subscribers.c.id.desc())
    if status:
        query = query.where(subscribers.c.status == status)
    if search:
        query = query.where(
            or_(
                subscribers.c.address_key.contains(search.lower(), autoescape=True),
                subscribers.c.name.contains(search, autoescape=True),
            )
        )
    return [_subscriber(row) for row in tx.execute(query.limit(limit))]


def counts(tx: Connection) -> dict[str, int]:
    """How many subscribers have each status, without tombstones."""
    query = select(subscribers.c.status, func.count()).where(subscribers.c.address.is_not(None))
    return {row[0]: row[1] for row in tx.execute(query.group_by(subscribers.c.status))}


def choices(tx: Connection, limit: int) -> list[tuple[str, ...]]:
    """The choices of sections that active readers have made, the most common first, without the choice of all."""
    query = (
        select(subscribers.c.sections)
        .where(subscribers.c.status == SubscriberStatus.ACTIVE, subscribers.c.sections != "[]")
        .group_by(subscribers.c.sections)
        .order_by(func.count().desc(), subscribers.c.sections)
        .limit(limit)
    )
    return [tuple(json.loads(chosen)) for chosen in tx.execute(query).scalars()]


def page(tx: Connection, *, after: int, status: SubscriberStatus | None) -> list[dict[str, Any]]:
    """The next PAGE subscribers with an id above `after`, for an export.

    A pending subscriber who left before, or whose address was dead, is exported as that: the program that reads the
    file does not know our suppressions.
    """
    columns = ("id", "address", "name", "sections", "consent_at", "created_at", "source")
    dead, left = SubscriberStatus.BOUNCED.value, SubscriberStatus.UNSUBSCRIBED.value
    former = select(case((suppressions.c.reason == EventKind.BOUNCED, dead), else_=left)).where(
        suppressions.c.hash == subscribers.c.address_hash
    )
    pending = subscribers.c.status == SubscriberStatus.PENDING
    exported = case(
        (pending, func.coalesce(former.scalar_subquery(), subscribers.c.status)), else_=subscribers.c.status
    )
    query = (
        select(*(subscribers.c[name] for name in columns), exported.label("status"))
        .where(subscribers.c.id > after, subscribers.c.address.is_not(None))
        .order_by(subscribers.c.id)
        .limit(PAGE)
    )
    if status:
        query = query.where(exported == status)
    return [{**row._mapping, "sections": json.loads(row.sections)} for row in tx.execute(query)]


# --- adding and changing ---------------------------------------------------------------------------------------------
# Each function takes many subscribers and runs one statement: one for each row would make a large import take hours.
_NEW: arrays.Columns = (
    *(("address", "text"), ("key", "text"), ("hash", "text"), ("domain", "text"), ("name", "text")),
    *(("sections", "text"), ("source", "text"), ("status", "text"), ("consent_at", "timestamp")),
)
_ADD = """
INSERT INTO subscribers
  (address, address_key, address_hash, domain, name, sections, source, status, consent_at, created_at)
SELECT m.address, m.key, m.hash, m.domain, m.name, m.sections, m.source, m.status, {utc}, :now FROM {rows}
RETURNING id
"""
_KNOWN = """
SELECT address_key, id, name, status, sections FROM {rows} JOIN subscribers ON subscribers.address_key = m.key
"""
_UTC = {"sqlite": "m.consent_at", "postgresql": "m.consent_at AT TIME ZONE 'UTC'"}


class New(NamedTuple):  # twice as fast to create as a dataclass; an import creates millions
    """A subscriber to be added."""

    address: str
    key: str
    hash: str
    domain: str
    name: str
    sections: tuple[str, ...]
    source: str
    status: SubscriberStatus
    consent_at: datetime | None = None


class Known(NamedTuple):
    """A subscriber of the list, as far as adding needs to know them."""

    id: int
    name: str
    status: SubscriberStatus
    sections: tuple[str, ...]


def _statement(tx: Connection, template: str, columns: arrays.Columns) -> TextClause:
    return text(template.format(rows=arrays.source(tx, columns), utc=_UTC[tx.dialect.name]))


def known(tx: Connection, keys: Collection[str]) -> dict[str, Known]:
    """Those of these normalised addresses that are on the list."""
    rows = tx.execute(_statement(tx, _KNOWN, (("key", "text"),)), {"rows": arrays.packed(zip(keys))})
    return {
        key: Known(number, name, SubscriberStatus(status), tuple(json.loads(sections)) if sections != "[]" else ())
        for key, number, name, status, sections in rows
    }


def add(tx: Connection, new: Collection[New], now: datetime) -> list[int]:
    """Adds subscribers, none of whom may be on the list. Returns their ids, ascending."""
    if not new:
        return []
    rows = [
        (
            *(each.address, each.key, each.hash, each.domain, each.name, sections_text(each.sections), each.source),
            *(each.status.value, _stored(each.consent_at) if each.consent_at else None),
        )
        for each in new
    ]
    statement = _statement(tx, _ADD, _NEW).bindparams(bindparam("now", type_=subscribers.c.created_at.type))
    return sorted(tx.execute(statement, {"rows": arrays.packed(rows), "now": now}).scalars())


def _stored(instant: datetime) -> str:
    """An instant as the column type `Instant` stores it on SQLite; for PostgreSQL the statement adds the time zone."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def change(tx: Connection, changed: Mapping[int, tuple[str, Sequence[str]]]) -> None:
    """Sets name and sections of subscribers, given by id."""
    if not changed:
        return
    statement = (
        update(subscribers)
        .where(subscribers.c.id == bindparam("b_id"))
        .values(name=bindparam("b_name"), sections=bindparam("b_sections"))
    )
    rows = [{"b_id": id_, "b_name": name, "b_sections": sections_text(s)} for id_, (name, s) in changed.items()]
    tx.execute(statement, rows)


def move(tx: Connection, subscriber_id: int, to: SubscriberStatus, *, from_: Sequence[SubscriberStatus]) -> bool:
    """Changes the status if it is one of `from_`. Returns whether it was."""
    current = subscribers.c.status.in_(from_)
    moved = tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id, current).values(status=to))
    return moved.rowcount == 1


def unsubscribe(tx: Connection, keys: Collection[str]) -> list[int]:
    """Unsubscribes those of these normalised addresses that are still on the list. Returns their ids."""
    staying = subscribers.c.address_key.in_(list(keys)), subscribers.c.status.in_(STAYING)
    statement = update(subscribers).where(*staying).values(status=SubscriberStatus.UNSUBSCRIBED)
    return sorted(tx.execute(statement.returning(subscribers.c.id)).scalars())


def set_consent(tx: Connection, subscriber_id: int, at: datetime) -> None:
    tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(consent_at=at))


def set_pause(tx: Connection, subscriber_id: int, until: date | None) -> None:
    tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(paused_until=until))


def count_soft(tx: Connection, subscriber_id: int, delivery_id: int) -> None:
    """Counts a mail that the mailbox refused for a while.

    The count goes on only if the issue before was refused in the same way; otherwise it starts at 1. So an accepted
    mail needs no statement to reset it.
    """
    before = (
        select(deliveries.c.reason)
        .where(deliveries.c.subscriber_id == subscriber_id, deliveries.c.id < delivery_id)
        .where(deliveries.c.kind == DeliveryKind.ISSUE)
        .order_by(deliveries.c.id.desc())
        .limit(1)
    )
    so_far = subscribers.c.soft_bounces if tx.execute(before).scalar() == Rejection.SOFT else 0
    tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(soft_bounces=so_far + 1))


def bury(tx: Connection, subscriber_id: int, now: datetime) -> None:
    """Erases a person. The row stays as a tombstone (id and hash); the events keep what happened and when."""
    values: dict[str, Any] = {
        "address": None,
        "address_key": None,
        "domain": None,
        "name": "",
        "sections": "[]",
        "paused_until": None,
        "source": "",
        "consent_at": None,
        "status": SubscriberStatus.UNSUBSCRIBED,
        "forgotten_at": now,
    }
    tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(values))
    # A relay's reply often contains the address, and a reason for leaving may contain a name.
    tx.execute(
        update(events)
        .where(events.c.subscriber_id == subscriber_id)
        .values(reason=None, agent=None, network=None, details=null())
    )
    tx.execute(update(deliveries).where(deliveries.c.subscriber_id == subscriber_id).values(reply=None))
