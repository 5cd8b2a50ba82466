"""What the ledger and the events tell: of an issue, of its readers, of one reader. Asked as sets; changes nothing."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from mailer.model import DeliveryKind, DeliveryState, EventKind, Issue, IssueState, Method
from mailer.store.issues import listing
from mailer.store.schema import batches, deliveries, events, feeds, issues, of_issue, subscribers

FAILED = (DeliveryState.REJECTED, DeliveryState.EXPIRED, DeliveryState.UNKNOWN)


def outcomes(tx: Connection, issue_id: int) -> dict[tuple[DeliveryState, str | None], int]:
    """How many deliveries of an issue ended in each state, by reason."""
    query = (
        select(deliveries.c.state, deliveries.c.reason, func.count())
        .where(of_issue(issue_id))
        .group_by(deliveries.c.state, deliveries.c.reason)
    )
    return {(DeliveryState(state), reason): count for state, reason, count in tx.execute(query)}


def _for_good() -> ColumnElement[bool]:
    """A leaving that was not taken back by the undo button."""
    back = events.alias()
    return ~exists().where(
        back.c.subscriber_id == events.c.subscriber_id,
        back.c.id > events.c.id,
        back.c.kind == EventKind.RETURNED,
        func.coalesce(back.c.issue_id, 0) == func.coalesce(events.c.issue_id, 0),
    )


def leavings(
    tx: Connection, issue_id: int
) -> Iterator[tuple[EventKind, Method | None, str, datetime, datetime | None]]:
    """Who left for good or complained by an issue: kind, method, reason, when, and when their mail was accepted."""
    query = (
        select(events.c.kind, events.c.method, events.c.reason, events.c.at, deliveries.c.finished_at)
        .select_from(
            events.outerjoin(
                deliveries,
                (deliveries.c.issue_id == events.c.issue_id) & (deliveries.c.subscriber_id == events.c.subscriber_id),
            )
        )
        .where(events.c.issue_id == issue_id, events.c.kind.in_((EventKind.UNSUBSCRIBED, EventKind.COMPLAINED)))
        .where(or_(events.c.kind == EventKind.COMPLAINED, _for_good()))
        .order_by(events.c.id)
    )
    for kind, method, reason, at, accepted in tx.execute(query):
        yield EventKind(kind), Method(method) if method else None, reason or "", at, accepted


def counted(tx: Connection, issue_id: int, kind: EventKind) -> int:
    query = select(func.count()).select_from(events).where(events.c.issue_id == issue_id, events.c.kind == kind)
    return int(tx.execute(query).scalar_one())


def joined(tx: Connection, start: datetime, end: datetime | None) -> int:
    """How many came between two instants, or since the first: added by the newsroom or confirmed by themselves, each
    counted once."""
    kinds = (EventKind.ADDED, EventKind.CONFIRMED)
    query = select(func.count(func.distinct(events.c.subscriber_id))).where(
        events.c.at >= start, events.c.kind.in_(kinds)
    )
    if end is not None:
        query = query.where(events.c.at < end)
    return int(tx.execute(query).scalar_one())


def started_after(tx: Connection, started: datetime) -> datetime | None:
    """When the next issue began to be sent."""
    return tx.execute(select(func.min(issues.c.started_at)).where(issues.c.started_at > started)).scalar()


def leaving_rates(tx: Connection, limit: int) -> list[tuple[str, int, int]]:
    """Of the latest issues: slot, accepted mails, and how many left by a link in them."""
    accepted = (
        select(func.count())
        .where(
            deliveries.c.issue_id == issues.c.id,
            deliveries.c.kind == DeliveryKind.ISSUE,
            deliveries.c.state == DeliveryState.ACCEPTED,
        )
        .scalar_subquery()
    )
    left = (
        select(func.count())
        .where(events.c.issue_id == issues.c.id, events.c.kind == EventKind.UNSUBSCRIBED, _for_good())
        .scalar_subquery()
    )
    query = select(issues.c.slot, accepted, left).where(issues.c.started_at.is_not(None))
    return [(row[0], row[1], row[2]) for row in tx.execute(query.order_by(issues.c.day.desc()).limit(limit))]


def leaving_methods(tx: Connection, since: datetime) -> dict[str, int]:
    """How many left since then, by method; for metrics."""
    query = (
        select(events.c.method, func.count())
        .where(events.c.kind == EventKind.UNSUBSCRIBED, events.c.at >= since, _for_good())
        .group_by(events.c.method)
    )
    return {method or "": count for method, count in tx.execute(query)}


def failed(tx: Connection, issue_id: int, limit: int | None = None) -> list[dict[str, Any]]:
    """Who did not get an issue, and why: rejected, expired and unknown deliveries."""
    query = (
        select(
            subscribers.c.address.label("email"),
            deliveries.c.state,
            deliveries.c.reason,
            deliveries.c.code,
            deliveries.c.enhanced,
            deliveries.c.reply,
        )
        .select_from(deliveries.join(subscribers, deliveries.c.subscriber_id == subscribers.c.id))
        .where(of_issue(issue_id), deliveries.c.state.in_(FAILED))
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    return [dict(row._mapping) for row in tx.execute(query)]


def of_subscriber(tx: Connection, subscriber_id: int, limit: int = 100) -> list[dict[str, Any]]:
    """The mails of one reader, the newest first."""
    query = (
        select(
            issues.c.slot,
            deliveries.c.kind,
            deliveries.c.state,
            deliveries.c.reason,
            deliveries.c.finished_at,
            deliveries.c.reply,
        )
        .select_from(deliveries.outerjoin(issues, deliveries.c.issue_id == issues.c.id))
        .where(deliveries.c.subscriber_id == subscriber_id)
        .order_by(deliveries.c.id.desc())
        .limit(limit)
    )
    return [dict(row._mapping) for row in tx.execute(query)]


def states_of(tx: Connection, ids: Iterable[int]) -> dict[int, tuple[DeliveryState, str | None, str | None]]:
    """State, reason and reply of some deliveries."""
    query = select(deliveries.c.id, deliveries.c.state, deliveries.c.reason, deliveries.c.reply)
    rows = tx.execute(query.where(deliveries.c.id.in_(list(ids))))
    return {row.id: (DeliveryState(row.state), row.reason, row.reply) for row in rows}


# --- figures of the whole deployment ---------------------------------------------------------------------------------
# For metrics. They read indexes and open batches only, never every delivery ever made.
_UNDER_WAY = (IssueState.SENDING, IssueState.PAUSED)


def current_issue(tx: Connection) -> Issue | None:
    """The issue that is under way; when none is, the newest."""
    running = listing(tx, states=_UNDER_WAY, limit=1) or listing(tx, limit=1)
    return running[0] if running else None


def queue(tx: Connection) -> tuple[int, datetime | None]:
    """How many mails of any kind wait in open batches, and since when the first of them is owed."""
    waiting = deliveries.c.state == DeliveryState.QUEUED
    oldest = func.min(deliveries.c.created_at, type_=deliveries.c.created_at.type)
    query = select(func.count(), oldest).select_from(batches.join(deliveries, deliveries.c.batch_id == batches.c.id))
    count, since = tx.execute(query.where(~batches.c.done, waiting)).one()
    return int(count), since


def failing_sources(tx: Connection) -> dict[str, int]:
    """How often in a row each source of articles failed; 0: its last try went well."""
    return {row.url: row.failures for row in tx.execute(select(feeds.c.url, feeds.c.failures))}
