"""The subscribers: the people on the list, each with status, chosen sections and pause.

`readers/` decides who may join or come back; this module only stores the result. A subscriber is found by the
normalised form of their address, the key. `bury` erases a person but leaves a tombstone, a row without an address. So
links in old mails still find a row, and the id of that row is never given to another person.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Text,
    TextClause,
    bindparam,
    case,
    func,
    null,
    or_,
    select,
    text,
    update,
)

from mailer.model import ON_LIST, DeliveryKind, EventKind, Rejection, Subscriber, SubscriberStatus
from mailer.store import arrays
from mailer.store.schema import deliveries, events, subscribers, suppressions

PAGE = 5000  # the number of subscribers that an export reads at a time
# A subscriber with one of these statuses can unsubscribe.
STAYING = (*ON_LIST, SubscriberStatus.BOUNCED)
_COLUMNS = tuple(subscribers.c[each.name] for each in fields(Subscriber))


def _subscriber(row: Row[*tuple[Any, ...]]) -> Subscriber:
    values: dict[str, Any] = {**row._mapping, "status": SubscriberStatus(row.status)}
    values |= {"address": row.address or "", "sections": tuple(json.loads(row.sections))}
    return Subscriber(**values)


def sections_text(sections: Sequence[str]) -> str:
    """Returns a choice of sections as the text that the tables store. Equal choices give equal texts."""
    return json.dumps(sorted(set(sections)), ensure_ascii=False) if sections else "[]"


def _first(tx: Connection, *conditions: Any, lock: bool = False) -> Subscriber | None:
    query = select(*_COLUMNS).where(*conditions).limit(1)
    row = tx.execute(query.with_for_update() if lock else query).first()
    return _subscriber(row) if row else None


def find(tx: Connection, key: str, *, lock: bool = False) -> Subscriber | None:
    """Returns the subscriber with this normalised address, or None. With `lock`, no other process can change the
    subscriber before the end of this transaction."""
    return _first(tx, subscribers.c.address_key == key, lock=lock)


def get(tx: Connection, subscriber_id: int, *, lock: bool = False) -> Subscriber | None:
    """Returns a subscriber, or None. `lock` has the same meaning as in `find`."""
    return _first(tx, subscribers.c.id == subscriber_id, lock=lock)


def with_hash(tx: Connection, hash_: str) -> Subscriber | None:
    """Returns the subscriber whose address has this hash, or None. Ignores tombstones, which have a hash but no
    address."""
    return _first(tx, subscribers.c.address_hash == hash_, subscribers.c.address.is_not(None))


def matching(
    tx: Connection, *, status: SubscriberStatus | None = None, search: str = "", limit: int | None = None
) -> list[Subscriber]:
    """Returns subscribers, the newest first. With `status`, returns only subscribers with that status. With `search`,
    returns only subscribers whose address or name contains the text of `search`."""
    query = select(*_COLUMNS).where(*_wanted(status, search)).order_by(subscribers.c.id.desc())
    return [_subscriber(row) for row in tx.execute(query.limit(limit))]


def count(tx: Connection, *, status: SubscriberStatus | None = None, search: str = "") -> int:
    """Returns how many subscribers `matching` would return without a limit."""
    return tx.execute(select(func.count()).select_from(subscribers).where(*_wanted(status, search))).scalar_one()


def _wanted(status: SubscriberStatus | None, search: str) -> list[ColumnElement[bool]]:
    """Returns the conditions of `matching` and `count`. Tombstones are never wanted."""
    conditions: list[ColumnElement[bool]] = [subscribers.c.address.is_not(None)]
    if status:
        conditions.append(subscribers.c.status == status)
    if search:
        conditions.append(
            or_(
                subscribers.c.address_key.contains(search.lower(), autoescape=True),
                subscribers.c.name.contains(search, autoescape=True),
            )
        )
    return conditions


def counts(tx: Connection) -> dict[str, int]:
    """Returns how many subscribers have each status. Tombstones are not counted."""
    query = select(subscribers.c.status, func.count()).where(subscribers.c.address.is_not(None))
    return {row[0]: row[1] for row in tx.execute(query.group_by(subscribers.c.status))}


def choices(tx: Connection, limit: int) -> list[tuple[str, ...]]:
    """Returns the choices of sections that active readers have made, the most common first. Readers who get all
    sections are not included."""
    query = (
        select(subscribers.c.sections)
        .where(subscribers.c.status == SubscriberStatus.ACTIVE, subscribers.c.sections != "[]")
        .group_by(subscribers.c.sections)
        .order_by(func.count().desc(), subscribers.c.sections)
        .limit(limit)
    )
    return [tuple(json.loads(chosen)) for chosen in tx.execute(query).scalars()]


def page(tx: Connection, *, after: int, status: SubscriberStatus | None) -> list[dict[str, Any]]:
    """Returns the next PAGE subscribers with an id above `after`, for an export.

    If a pending subscriber's address is suppressed, because the subscriber unsubscribed or the address was dead, the
    exported status is "unsubscribed" or "bounced" instead. The program that reads the file does not get the
    suppressions, so "pending" would hide them.
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
# The functions for an import take many subscribers and run one statement for all of them. With one statement for each
# row, a large import would take hours.
_ADD = """
INSERT INTO subscribers
  (address, address_key, address_hash, domain, name, sections, source, status, consent_at, created_at)
SELECT m.address, m.key, m.hash, m.domain, m.name, m.sections, m.source, m.status, {utc}, :now FROM {rows}
RETURNING id
"""
_KNOWN = """
SELECT address_key, id, name, status, sections FROM {rows} JOIN subscribers ON subscribers.address_key = m.key
"""


class New(NamedTuple):  # a tuple is created twice as fast as a dataclass, and an import creates millions
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


_NEW: arrays.Columns = (*((name, "text") for name in New._fields[:-1]), ("consent_at", "timestamp"))


class Known(NamedTuple):
    """The stored values of a subscriber that matter if the same person is added or imported again."""

    id: int
    name: str
    status: SubscriberStatus
    sections: tuple[str, ...]


def _statement(tx: Connection, template: str, columns: arrays.Columns) -> TextClause:
    return text(template.format(rows=arrays.source(tx, columns), utc=arrays.utc(tx, "consent_at")))


def known(tx: Connection, keys: Collection[str]) -> dict[str, Known]:
    """Returns the subscribers with these normalised addresses, keyed by normalised address. Addresses that are not on
    the list are missing from the result."""
    rows = tx.execute(_statement(tx, _KNOWN, (("key", "text"),)), {"rows": arrays.packed(zip(keys))})
    return {
        key: Known(number, name, SubscriberStatus(status), tuple(json.loads(sections)) if sections != "[]" else ())
        for key, number, name, status, sections in rows
    }


def consents(tx: Connection, keys: Collection[str]) -> dict[str, datetime]:
    """Returns the consent times of the subscribers with these normalised addresses, by address. Subscribers without a
    consent time are missing from the result."""
    if not keys:
        return {}
    query = select(subscribers.c.address_key, subscribers.c.consent_at)
    rows = tx.execute(query.where(subscribers.c.address_key.in_(list(keys)), subscribers.c.consent_at.is_not(None)))
    return {row.address_key: row.consent_at for row in rows}


def add(tx: Connection, new: Collection[New], now: datetime) -> list[int]:
    """Adds subscribers and returns their ids in ascending order. None of them may be on the list already."""
    if not new:
        return []
    rows = [
        (*each[:5], sections_text(each.sections), each.source, each.status.value, arrays.instant(each.consent_at))
        for each in new
    ]
    statement = _statement(tx, _ADD, _NEW).bindparams(bindparam("now", type_=subscribers.c.created_at.type))
    return sorted(tx.execute(statement, {"rows": arrays.packed(rows), "now": now}).scalars())


def change(tx: Connection, changed: Mapping[int, tuple[str | None, Sequence[str] | None]]) -> None:
    """Changes names and sections. `changed` maps a subscriber's id to the new name and the new sections.

    None leaves the stored value as it is, so that two processes that change different values do not undo each other.
    """
    if not changed:
        return
    name, sections = bindparam("b_name", type_=Text), bindparam("b_sections", type_=Text)
    statement = (
        update(subscribers)
        .where(subscribers.c.id == bindparam("b_id"))
        .values(name=func.coalesce(name, subscribers.c.name), sections=func.coalesce(sections, subscribers.c.sections))
    )
    rows = [
        {"b_id": id_, "b_name": name, "b_sections": None if sections is None else sections_text(sections)}
        for id_, (name, sections) in changed.items()
    ]
    tx.execute(statement, rows)


def move(tx: Connection, subscriber_id: int, to: SubscriberStatus, *, from_: Sequence[SubscriberStatus]) -> bool:
    """Changes the status of a subscriber to `to` if the status is one of `from_`. Returns whether it was changed."""
    current = subscribers.c.status.in_(from_)
    moved = tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id, current).values(status=to))
    return moved.rowcount == 1


def move_all(
    tx: Connection, keys: Collection[str], to: SubscriberStatus, *, from_: Sequence[SubscriberStatus]
) -> dict[str, int]:
    """Does the same as `move`, for all subscribers with these normalised addresses. Returns the ids of the subscribers
    whose status changed, by address."""
    if not keys:
        return {}
    current = subscribers.c.address_key.in_(list(keys)), subscribers.c.status.in_(from_)
    statement = update(subscribers).where(*current).values(status=to)
    rows = tx.execute(statement.returning(subscribers.c.address_key, subscribers.c.id))
    return {row.address_key: row.id for row in rows}


def set_consent(tx: Connection, subscriber_id: int, at: datetime) -> None:
    tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(consent_at=at))


def set_pause(tx: Connection, subscriber_id: int, until: date | None) -> None:
    tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(paused_until=until))


def count_soft(tx: Connection, subscriber_id: int, delivery_id: int) -> None:
    """Counts a soft bounce of a subscriber: the mailbox is full or disabled, or the mail is too large for the mailbox.

    The count grows only if the mail of the previous issue also bounced softly; otherwise the count starts again at 1.
    So no statement has to reset the count when a mail is accepted.
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
    """Erases a person's data. The row stays as a tombstone (id and hash), and the events still show what happened and
    when."""
    values: dict[str, Any] = dict.fromkeys(("address", "address_key", "domain", "paused_until", "consent_at"))
    values |= {"name": "", "source": "", "sections": "[]"}
    values |= {"status": SubscriberStatus.UNSUBSCRIBED, "forgotten_at": now}
    tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(values))
    # A relay's reply often contains the address, and the reason for an unsubscription may contain a name.
    emptied = update(events).values(reason=None, agent=None, network=None, details=null())
    tx.execute(emptied.where(events.c.subscriber_id == subscriber_id))
    tx.execute(update(deliveries).where(deliveries.c.subscriber_id == subscriber_id).values(reply=None))
