"""Readers: who they are and whether they want mail. Decides nothing about who may come back: the verbs do.

A subscriber is looked up by the normalised key of the address. `forget` leaves a row without an address, a tombstone,
so that links in old mails still find something and an id is never given to somebody else.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Row,
    Text,
    TextClause,
    and_,
    bindparam,
    case,
    delete,
    exists,
    false,
    func,
    insert,
    not_,
    null,
    or_,
    select,
    text,
    true,
    update,
)

from mailer.model import DeliveryKind, Event, EventKind, Method, Rejection, Subscriber, SubscriberStatus
from mailer.store import arrays
from mailer.store.database import inserting
from mailer.store.schema import deliveries, events, issues, subscribers, suppressions

_COLUMNS = (
    subscribers.c.id,
    subscribers.c.address,
    subscribers.c.name,
    subscribers.c.status,
    subscribers.c.sections,
    subscribers.c.source,
    subscribers.c.created_at,
)


def _subscriber(row: Row[Any, Any, Any, Any, Any, Any, Any]) -> Subscriber:
    return Subscriber(
        id=row.id,
        address=row.address or "",
        name=row.name,
        status=SubscriberStatus(row.status),
        sections=tuple(json.loads(row.sections)),
        source=row.source,
        created_at=row.created_at,
    )


def sections_text(sections: Sequence[str]) -> str:
    """The one spelling of a choice of sections, so that equal choices are equal text."""
    return json.dumps(sorted(set(sections)), ensure_ascii=False)


def find(tx: Connection, key: str) -> Subscriber | None:
    row = tx.execute(select(*_COLUMNS).where(subscribers.c.address_key == key)).first()
    return _subscriber(row) if row else None


def get(tx: Connection, subscriber_id: int) -> Subscriber | None:
    row = tx.execute(select(*_COLUMNS).where(subscribers.c.id == subscriber_id)).first()
    return _subscriber(row) if row else None


def hash_of(tx: Connection, subscriber_id: int) -> str | None:
    """The keyed hash of somebody's address; still there when the address is forgotten."""
    return tx.execute(select(subscribers.c.address_hash).where(subscribers.c.id == subscriber_id)).scalar()


def living(tx: Connection, hash_: str) -> Subscriber | None:
    """Whoever has the address of this hash now. Not the tombstones: those have none."""
    query = select(*_COLUMNS).where(subscribers.c.address_hash == hash_, subscribers.c.address.is_not(None))
    row = tx.execute(query.limit(1)).first()
    return _subscriber(row) if row else None


def add(
    tx: Connection,
    *,
    address: str,
    key: str,
    hash_: str,
    domain: str,
    name: str,
    sections: Sequence[str],
    status: SubscriberStatus,
    source: str,
    now: datetime,
    consent_at: datetime | None = None,
) -> int:
    values = {
        "address": address,
        "address_key": key,
        "address_hash": hash_,
        "domain": domain,
        "name": name,
        "sections": sections_text(sections),
        "status": status,
        "source": source,
        "created_at": now,
        "consent_at": consent_at,
    }
    return int(tx.execute(insert(subscribers).values(values).returning(subscribers.c.id)).scalar_one())


def change(
    tx: Connection, subscriber_id: int, *, name: str | None = None, sections: Sequence[str] | None = None
) -> None:
    values = {}
    if name is not None:
        values["name"] = name
    if sections is not None:
        values["sections"] = sections_text(sections)
    if values:
        tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(values))


def count_soft(tx: Connection, subscriber_id: int, delivery_id: int) -> None:
    """One more mail that the mailbox would not take for a while: a row of them when the issue before was refused alike,
    else the first. So nothing has to be written when all goes well."""
    before = (
        select(deliveries.c.reason)
        .where(deliveries.c.subscriber_id == subscriber_id, deliveries.c.id < delivery_id)
        .where(deliveries.c.kind == DeliveryKind.ISSUE)
        .order_by(deliveries.c.id.desc())
        .limit(1)
    )
    so_far = subscribers.c.soft_bounces if tx.execute(before).scalar() == Rejection.SOFT else 0
    tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(soft_bounces=so_far + 1))


def move(tx: Connection, subscriber_id: int, to: SubscriberStatus, *, from_: Sequence[SubscriberStatus]) -> bool:
    """Changes the status if it is one of `from_`; tells whether it was."""
    found = tx.execute(
        update(subscribers).where(subscribers.c.id == subscriber_id, subscribers.c.status.in_(from_)).values(status=to)
    )
    return found.rowcount == 1


def listing(
    tx: Connection, *, status: SubscriberStatus | None = None, search: str = "", limit: int | None = None
) -> list[Subscriber]:
    """Subscribers by id, the newest first. `search` is a part of the address or the name."""
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
    """How many have each status; who was forgotten is nobody any more."""
    query = select(subscribers.c.status, func.count()).where(subscribers.c.address.is_not(None))
    rows = tx.execute(query.group_by(subscribers.c.status))
    return {row[0]: row[1] for row in rows}


# --- events ----------------------------------------------------------------------------------------------------------
def record(
    tx: Connection,
    subscriber_id: int,
    kind: EventKind,
    *,
    at: datetime,
    method: Method | None = None,
    issue_id: int | None = None,
    reason: str | None = None,
    agent: str | None = None,
    network: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    known = issue_id and tx.execute(select(issues.c.id).where(issues.c.id == issue_id)).scalar()
    values = {
        "at": at,
        "subscriber_id": subscriber_id,
        "kind": kind,
        "method": method,
        # A link works even when the issue's row is gone; only the attribution is lost then.
        "issue_id": known or None,
        "reason": reason,
        "agent": agent,
        "network": network,
        "details": dict(details) if details else null(),  # not JSON's own null
    }
    tx.execute(insert(events).values(values))


def history(tx: Connection, subscriber_id: int) -> list[Event]:
    query = (
        select(events.c.at, events.c.kind, events.c.method, issues.c.slot, events.c.reason)
        .select_from(events.outerjoin(issues, events.c.issue_id == issues.c.id))
        .where(events.c.subscriber_id == subscriber_id)
        .order_by(events.c.id)
    )
    return [
        Event(row.at, EventKind(row.kind), Method(row.method) if row.method else None, row.slot, row.reason)
        for row in tx.execute(query)
    ]


def last_event(tx: Connection, subscriber_id: int, kinds: Sequence[EventKind]) -> Event | None:
    found = [event for event in history(tx, subscriber_id) if event.kind in kinds]
    return found[-1] if found else None


def leavings(tx: Connection, *, since: datetime | None = None, slot: str | None = None) -> Iterator[tuple[str, Event]]:
    """Who left, oldest first: the address ('' when forgotten) and the event."""
    query = (
        select(subscribers.c.address, events.c.at, events.c.kind, events.c.method, issues.c.slot, events.c.reason)
        .select_from(
            events.join(subscribers, events.c.subscriber_id == subscribers.c.id).outerjoin(
                issues, events.c.issue_id == issues.c.id
            )
        )
        .where(events.c.kind == EventKind.UNSUBSCRIBED)
        .order_by(events.c.id)
    )
    if since:
        query = query.where(events.c.at >= since)
    if slot:
        query = query.where(issues.c.slot == slot)
    for row in tx.execute(query):
        yield row.address or "", Event(row.at, EventKind(row.kind), Method(row.method), row.slot, row.reason)


def explain(tx: Connection, subscriber_id: int, reason: str, *, since: datetime) -> bool:
    """Writes why somebody left to the event of it; False: they did not leave since then, are back, or are forgotten."""
    back = (SubscriberStatus.ACTIVE, SubscriberStatus.PENDING)
    gone = exists().where(
        subscribers.c.id == subscriber_id, subscribers.c.address.is_not(None), subscribers.c.status.not_in(back)
    )
    last = select(func.max(events.c.id)).where(
        events.c.subscriber_id == subscriber_id, events.c.kind == EventKind.UNSUBSCRIBED, events.c.at >= since, gone
    )
    return tx.execute(update(events).where(events.c.id == last.scalar_subquery()).values(reason=reason)).rowcount == 1


def set_consent(tx: Connection, subscriber_id: int, at: datetime) -> None:
    tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(consent_at=at))


def set_pause(tx: Connection, subscriber_id: int, until: date | None) -> None:
    tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(paused_until=until))


def bury(tx: Connection, subscriber_id: int, now: datetime) -> None:
    """Erases a person: the row stays as a tombstone (id and hash), the events keep what happened and when."""
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
    # A relay's words often hold the address, and so may what a person wrote about why they left.
    tx.execute(
        update(events)
        .where(events.c.subscriber_id == subscriber_id)
        .values(reason=None, agent=None, network=None, details=null())
    )
    tx.execute(update(deliveries).where(deliveries.c.subscriber_id == subscriber_id).values(reply=None))


def before_suppression(tx: Connection, subscriber_id: int) -> SubscriberStatus:
    """The status somebody had when an admin suppressed them last."""
    query = (
        select(events.c.details)
        .where(events.c.subscriber_id == subscriber_id, events.c.kind == EventKind.SUPPRESSED)
        .order_by(events.c.id.desc())
        .limit(1)
    )
    details = tx.execute(query).scalar() or {}
    return SubscriberStatus(details.get("before", SubscriberStatus.UNSUBSCRIBED))


def choices(tx: Connection, limit: int) -> list[tuple[str, ...]]:
    """The choices of sections that active readers have made, the most common first; «all» is none of them."""
    query = (
        select(subscribers.c.sections)
        .where(subscribers.c.status == SubscriberStatus.ACTIVE, subscribers.c.sections != "[]")
        .group_by(subscribers.c.sections)
        .order_by(func.count().desc(), subscribers.c.sections)
        .limit(limit)
    )
    return [tuple(json.loads(text)) for text in tx.execute(query).scalars()]


# --- suppressions ----------------------------------------------------------------------------------------------------
STRONG = (EventKind.COMPLAINED, EventKind.SUPPRESSED)  # not even the person's own sign-up lifts these


def suppress(tx: Connection, hash_: str, reason: EventKind, *, at: datetime, issue_id: int | None = None) -> bool:
    """The address of this hash must not be mailed any more; False: that was known already, for this reason or another
    as good. The first reason stands, but gives way to a strong one."""
    known = issue_id and tx.execute(select(issues.c.id).where(issues.c.id == issue_id)).scalar()
    values = {"hash": hash_, "reason": reason, "at": at, "issue_id": known or None}
    # Kept: of an INSERT the count is gone with the cursor else, on PostgreSQL.
    done = tx.execute(suppressing(tx, reason).values(values), execution_options={"preserve_rowcount": True})
    return done.rowcount == 1


def suppressing(tx: Connection, reason: EventKind) -> Any:
    """The INSERT that suppresses for this reason, whatever the row of the same address says already."""
    statement = inserting(tx, suppressions)
    strong = or_(*(suppressions.c.reason == each for each in STRONG))  # not IN: it may run for many rows
    if reason in STRONG:
        return statement.on_conflict_do_update(
            index_elements=["hash"],
            set_={"reason": reason, "at": statement.excluded.at, "replaced": suppressions.c.reason},
            where=not_(strong),
        )
    # Under a strong one it is kept, and stands when that one is lifted. What a person wants counts more than that the
    # address was dead, and to be forgotten is the last word.
    dead = EventKind.BOUNCED
    above = false() if reason is dead else suppressions.c.reason == dead
    last = true() if reason is EventKind.FORGOTTEN else false()
    below = or_(suppressions.c.replaced.is_(None), suppressions.c.replaced == dead, last)
    return statement.on_conflict_do_update(
        index_elements=["hash"],
        set_={
            "reason": case((strong, suppressions.c.reason), else_=statement.excluded.reason),
            "at": case((strong, suppressions.c.at), else_=statement.excluded.at),
            "replaced": case((strong, statement.excluded.reason), else_=suppressions.c.replaced),
        },
        where=or_(above, and_(strong, below)),
    )


def restore(tx: Connection, hash_: str) -> EventKind | None:
    """Lifts a suppression down to the weaker reason it had replaced; None: there was none, and nothing is left."""
    replaced = tx.execute(select(suppressions.c.replaced).where(suppressions.c.hash == hash_)).scalar()
    if replaced is None:
        unsuppress(tx, hash_)
        return None
    values = {"reason": replaced, "replaced": None}
    tx.execute(update(suppressions).where(suppressions.c.hash == hash_).values(values))
    return EventKind(replaced)


def unsuppress(tx: Connection, hash_: str) -> bool:
    return tx.execute(delete(suppressions).where(suppressions.c.hash == hash_)).rowcount == 1


def suppressed(tx: Connection, hash_: str) -> tuple[EventKind, datetime] | None:
    """Why and since when the address of this hash is suppressed."""
    row = tx.execute(select(suppressions.c.reason, suppressions.c.at).where(suppressions.c.hash == hash_)).first()
    return (EventKind(row.reason), row.at) if row else None


def paused_until(tx: Connection, subscriber_id: int) -> date | None:
    return tx.execute(select(subscribers.c.paused_until).where(subscribers.c.id == subscriber_id)).scalar()


# --- many subscribers at once ----------------------------------------------------------------------------------------
# What an import reads and writes for a whole chunk, and the pages of an export. One statement for each chunk: one for
# each of a million rows would take hours.
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


def suppressed_among(tx: Connection, hashes: Collection[str]) -> dict[str, tuple[EventKind, datetime]]:
    """Which of these are suppressed, why and since when."""
    statement = _asked(tx, _SUPPRESSED, _KEY).columns(hash=Text, reason=Text, at=suppressions.c.at.type)
    rows = tx.execute(statement, {"rows": arrays.packed([each] for each in hashes)})
    return {row.hash: (EventKind(row.reason), row.at) for row in rows}


def add_many(tx: Connection, new: Sequence[New], status: SubscriberStatus, now: datetime) -> None:
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
    record_many(tx, [each.key for each in new], EventKind.ADDED, now)


def _stored(instant: datetime) -> str:
    """An instant as the column `Instant` keeps it on SQLite; PostgreSQL is told its zone by the statement."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def record_many(tx: Connection, keys: Iterable[str], kind: EventKind, now: datetime) -> None:
    """The same event, by an import, for all of these."""
    statement = _asked(tx, _RECORD, _KEY).bindparams(bindparam("now", type_=events.c.at.type))
    values = {"rows": arrays.packed([key] for key in keys), "now": now, "kind": kind.value, "method": "import"}
    tx.execute(statement, values)


def change_many(tx: Connection, changed: Mapping[str, tuple[str, tuple[str, ...]]], now: datetime) -> None:
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
    record_many(tx, list(changed), EventKind.CHANGED, now)


def ids(tx: Connection, keys: Collection[str]) -> list[int]:
    query = select(subscribers.c.id).where(subscribers.c.address_key.in_(list(keys))).order_by(subscribers.c.id)
    return list(tx.execute(query).scalars())


def suppress_many(tx: Connection, hashes: Collection[str], now: datetime) -> None:
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
        record_many(tx, gone, EventKind.UNSUBSCRIBED, now)


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
