"""Figures made from the ledger and the events: of an issue, of one reader, of the whole deployment. Changes nothing."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from mailer.model import DeliveryKind, DeliveryState, EventKind, Issue, IssueState, Method
from mailer.store.issues import recent
from mailer.store.schema import batches, deliveries, events, feeds, issues, of_issue, subscribers

FAILED = (DeliveryState.REJECTED, DeliveryState.EXPIRED, DeliveryState.UNKNOWN)


def outcomes(tx: Connection, issue_id: int) -> dict[tuple[DeliveryState, str | None], int]:
    """The number of deliveries of an issue by state and reason."""
    query = (
        select(deliveries.c.state, deliveries.c.reason, func.count())
        .where(of_issue(issue_id))
        .group_by(deliveries.c.state, deliveries.c.reason)
    )
    return {(DeliveryState(state), reason): count for state, reason, count in tx.execute(query)}


def _not_undone() -> ColumnElement[bool]:
    """A leaving that was not taken back with the undo button."""
    back = events.alias()
    return ~exists().where(
        back.c.subscriber_id == events.c.subscriber_id,
        back.c.id > events.c.id,
        back.c.kind == EventKind.RETURNED,
        func.coalesce(back.c.issue_id, 0) == func.coalesce(events.c.issue_id, 0),
    )


class Leaving(NamedTuple):
    """A reader who left through an issue."""

    method: Method | None
    reason: str
    at: datetime
    accepted_at: datetime | None  # when the relay accepted the mail with the link


def leavings(tx: Connection, issue_id: int) -> list[Leaving]:
    """The readers who left through an issue for good, in the order of leaving."""
    mail = (deliveries.c.issue_id == events.c.issue_id) & (deliveries.c.subscriber_id == events.c.subscriber_id)
    query = (
        select(events.c.method, events.c.reason, events.c.at, deliveries.c.finished_at)
        .select_from(events.outerjoin(deliveries, mail))
        .where(events.c.issue_id == issue_id, events.c.kind == EventKind.UNSUBSCRIBED, _not_undone())
        .order_by(events.c.id)
    )
    return [
        Leaving(Method(method) if method else None, reason or "", at, accepted_at)
        for method, reason, at, accepted_at in tx.execute(query)
    ]


def complaints(tx: Connection, issue_id: int) -> int:
    """The number of spam complaints about an issue."""
    about = events.c.issue_id == issue_id, events.c.kind == EventKind.COMPLAINED
    return int(tx.execute(select(func.count()).select_from(events).where(*about)).scalar_one())


def joined(tx: Connection, started: datetime) -> int:
    """The number of readers, each counted once, who were added or confirmed from `started` to the start of the next
    issue."""
    following = select(func.min(issues.c.started_at)).where(issues.c.started_at > started).scalar_subquery()
    query = select(func.count(func.distinct(events.c.subscriber_id))).where(
        events.c.kind.in_((EventKind.ADDED, EventKind.CONFIRMED)),
        events.c.at >= started,
        or_(following.is_(None), events.c.at < following),
    )
    return int(tx.execute(query).scalar_one())


def leaving_rates(tx: Connection, limit: int) -> list[tuple[str, int, int]]:
    """Slot, accepted mails and readers who left through a link, for the latest issues."""
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
        .where(events.c.issue_id == issues.c.id, events.c.kind == EventKind.UNSUBSCRIBED, _not_undone())
        .scalar_subquery()
    )
    query = select(issues.c.slot, accepted, left).where(issues.c.started_at.is_not(None))
    return [(row[0], row[1], row[2]) for row in tx.execute(query.order_by(issues.c.day.desc()).limit(limit))]


def leaving_methods(tx: Connection, since: datetime) -> dict[str, int]:
    """The number of readers who left after `since`, by method."""
    query = (
        select(events.c.method, func.count())
        .where(events.c.kind == EventKind.UNSUBSCRIBED, events.c.at >= since, _not_undone())
        .group_by(events.c.method)
    )
    return {method or "": count for method, count in tx.execute(query)}


def failed(tx: Connection, issue_id: int, limit: int | None = None) -> list[dict[str, Any]]:
    """The readers who did not get an issue, and why: rejected, expired and unknown deliveries."""
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
    """The mails to one reader, the newest first."""
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
    """State, reason and reply of these deliveries."""
    query = select(deliveries.c.id, deliveries.c.state, deliveries.c.reason, deliveries.c.reply)
    rows = tx.execute(query.where(deliveries.c.id.in_(list(ids))))
    return {row.id: (DeliveryState(row.state), row.reason, row.reply) for row in rows}


# --- figures of the whole deployment ---------------------------------------------------------------------------------
# For metrics. These queries read indexes and open batches only, never the whole ledger.
_UNDER_WAY = (IssueState.SENDING, IssueState.PAUSED)


def current_issue(tx: Connection) -> Issue | None:
    """The issue that is being sent or paused, else the newest."""
    running = recent(tx, states=_UNDER_WAY, limit=1) or recent(tx, limit=1)
    return running[0] if running else None


def queue(tx: Connection) -> tuple[int, datetime | None]:
    """The number of mails of any kind queued in open batches, and when the first of them was queued."""
    waiting = deliveries.c.state == DeliveryState.QUEUED
    oldest = func.min(deliveries.c.created_at, type_=deliveries.c.created_at.type)
    query = select(func.count(), oldest).select_from(batches.join(deliveries, deliveries.c.batch_id == batches.c.id))
    count, since = tx.execute(query.where(~batches.c.done, waiting)).one()
    return int(count), since


def failing_sources(tx: Connection) -> dict[str, int]:
    """The failures in a row of each source of articles; 0 if its last try succeeded."""
    return {row.url: row.failures for row in tx.execute(select(feeds.c.url, feeds.c.failures))}
