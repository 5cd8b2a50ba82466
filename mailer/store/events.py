"""The history of each subscriber: when and how they joined, changed something, unsubscribed or bounced.

Events are never deleted. `reports` computes figures from the events.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Connection, Row, bindparam, exists, func, select, text, update

from mailer.model import ON_LIST, Event, EventKind, Method, NewEvent, SubscriberStatus
from mailer.store import arrays
from mailer.store.schema import events, issues, subscribers

# A link in an old mail must work even if the issue of that mail has been deleted since. The subquery on `issues` then
# gives NULL, so the event is recorded without an issue.
_RECORD = """
INSERT INTO events (at, subscriber_id, kind, method, issue_id, reason, agent, network, details)
SELECT :at, m.id, :kind, :method, (SELECT id FROM issues WHERE id = :issue_id), :reason, :agent, :network, :details
FROM {rows} ORDER BY m.id
"""
_TYPES = (bindparam("at", type_=events.c.at.type), bindparam("details", type_=JSON(none_as_null=True)))
_EVENT = (events.c.at, events.c.kind, events.c.method, issues.c.slot, events.c.reason)


def record(tx: Connection, subscriber_ids: Collection[int], event: NewEvent) -> None:
    """Records the same event for each of these subscribers."""
    if not subscriber_ids:
        return
    statement = text(_RECORD.format(rows=arrays.source(tx, (("id", "bigint"),)))).bindparams(*_TYPES)
    values: dict[str, Any] = {
        "rows": arrays.packed(zip(subscriber_ids)),
        "at": event.at,
        "kind": event.kind.value,
        "method": event.method.value if event.method else None,
        "issue_id": event.issue_id,
        "reason": event.reason or None,
        "agent": event.agent or None,
        "network": event.network or None,
        "details": event.details,
    }
    tx.execute(statement, values)


_RECORD_EACH = """
INSERT INTO events (at, subscriber_id, kind, method, reason)
SELECT {at}, m.id, :kind, :method, NULLIF(m.reason, '') FROM {rows} ORDER BY m.id
"""


def record_each(
    tx: Connection, happened: Collection[tuple[int, datetime, str]], kind: EventKind, method: Method
) -> None:
    """Records an event of this kind for each (subscriber id, time, reason)."""
    if not happened:
        return
    rows = arrays.source(tx, (("id", "bigint"), ("at", "timestamp"), ("reason", "text")))
    values = arrays.packed((number, arrays.instant(at), reason) for number, at, reason in happened)
    statement = text(_RECORD_EACH.format(at=arrays.utc(tx, "at"), rows=rows))
    tx.execute(statement, {"rows": values, "kind": kind.value, "method": method.value})


def _event(row: Row[*tuple[Any, ...]]) -> Event:
    return Event(row.at, EventKind(row.kind), Method(row.method) if row.method else None, row.slot, row.reason)


def history(tx: Connection, subscriber_id: int) -> list[Event]:
    """Returns all events of a subscriber, in the order in which they were recorded."""
    query = (
        select(*_EVENT)
        .select_from(events.outerjoin(issues, events.c.issue_id == issues.c.id))
        .where(events.c.subscriber_id == subscriber_id)
        .order_by(events.c.id)
    )
    return [_event(row) for row in tx.execute(query)]


def last(tx: Connection, subscriber_id: int, kinds: Sequence[EventKind]) -> Event | None:
    found = [event for event in history(tx, subscriber_id) if event.kind in kinds]
    return found[-1] if found else None


def leavings(tx: Connection, *, since: datetime | None = None, slot: str | None = None) -> Iterator[tuple[str, Event]]:
    """Yields the address and the event of each unsubscription, the oldest first. The address is '' if the subscriber
    was forgotten. With `since`, yields only unsubscriptions from that time on; with `slot`, only unsubscriptions
    through a mail of that slot's issue."""
    subscriber = events.c.subscriber_id == subscribers.c.id
    query = (
        select(subscribers.c.address, *_EVENT)
        .select_from(events.join(subscribers, subscriber).outerjoin(issues, events.c.issue_id == issues.c.id))
        .where(events.c.kind == EventKind.UNSUBSCRIBED)
        .order_by(events.c.id)
    )
    if since:
        query = query.where(events.c.at >= since)
    if slot:
        query = query.where(issues.c.slot == slot)
    for row in tx.execute(query):
        yield row.address or "", _event(row)


def explain(tx: Connection, subscriber_id: int, reason: str, *, since: datetime) -> bool:
    """Adds a reader's reason to the event that recorded their last unsubscription.

    Returns False, and stores nothing, if the reader did not unsubscribe at `since` or later, has come back or was
    forgotten.
    """
    gone = exists().where(
        subscribers.c.id == subscriber_id, subscribers.c.address.is_not(None), subscribers.c.status.not_in(ON_LIST)
    )
    latest = select(func.max(events.c.id)).where(
        events.c.subscriber_id == subscriber_id, events.c.kind == EventKind.UNSUBSCRIBED, events.c.at >= since, gone
    )
    return tx.execute(update(events).where(events.c.id == latest.scalar_subquery()).values(reason=reason)).rowcount == 1


def status_before_suppression(tx: Connection, subscriber_id: int) -> SubscriberStatus:
    """Returns the status that a subscriber had just before an admin last suppressed their address. Returns UNSUBSCRIBED
    if that status was not recorded."""
    query = (
        select(events.c.details)
        .where(events.c.subscriber_id == subscriber_id, events.c.kind == EventKind.SUPPRESSED)
        .order_by(events.c.id.desc())
        .limit(1)
    )
    details = tx.execute(query).scalar() or {}
    return SubscriberStatus(details.get("before", SubscriberStatus.UNSUBSCRIBED))
