"""Computes figures from the ledger and the events: about an issue, one reader or all mails. Changes nothing."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from mailer.model import DeliveryState, EventKind, Issue, IssueState, Method
from mailer.store.issues import recent
from mailer.store.schema import batches, deliveries, events, feeds, issues, of_issue, subscribers

FAILED = (DeliveryState.REJECTED, DeliveryState.EXPIRED, DeliveryState.UNKNOWN)


def outcomes(tx: Connection, issue_id: int) -> dict[tuple[DeliveryState, str | None], int]:
    """Returns the number of deliveries of an issue for each combination of state and reason."""
    query = (
        select(deliveries.c.state, deliveries.c.reason, func.count())
        .where(of_issue(issue_id))
        .group_by(deliveries.c.state, deliveries.c.reason)
    )
    return {(DeliveryState(state), reason): count for state, reason, count in tx.execute(query)}


def _not_undone() -> ColumnElement[bool]:
    """Returns the condition that the reader did not undo an unsubscription later with the undo button."""
    back = events.alias()
    return ~exists().where(
        back.c.subscriber_id == events.c.subscriber_id,
        back.c.id > events.c.id,
        back.c.kind == EventKind.RETURNED,
        func.coalesce(back.c.issue_id, 0) == func.coalesce(events.c.issue_id, 0),
    )


class Leaving(NamedTuple):
    """An unsubscription through a link in the mail of an issue."""

    method: Method | None
    reason: str
    at: datetime
    accepted_at: datetime | None  # when the relay accepted the mail with the link


def leavings(tx: Connection, issue_id: int) -> list[Leaving]:
    """Returns the unsubscriptions by links in the mails of an issue, without undone ones, the oldest first."""
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
    """Returns the number of spam complaints about an issue."""
    about = events.c.issue_id == issue_id, events.c.kind == EventKind.COMPLAINED
    return int(tx.execute(select(func.count()).select_from(events).where(*about)).scalar_one())


def joined(tx: Connection, started: datetime) -> int:
    """Returns how many different readers were added or confirmed between `started` and the start of the next issue."""
    following = select(func.min(issues.c.started_at)).where(issues.c.started_at > started).scalar_subquery()
    query = select(func.count(func.distinct(events.c.subscriber_id))).where(
        events.c.kind.in_((EventKind.ADDED, EventKind.CONFIRMED)),
        events.c.at >= started,
        or_(following.is_(None), events.c.at < following),
    )
    return int(tx.execute(query).scalar_one())


def leaving_rates(tx: Connection, limit: int) -> list[tuple[str, int, int]]:
    """Returns (slot, number of accepted mails, number of unsubscriptions through a link) for each of the latest issues.
    Unsubscriptions that were undone are not counted."""
    mails = of_issue(issues.c.id), deliveries.c.state == DeliveryState.ACCEPTED
    accepted = select(func.count()).where(*mails).scalar_subquery()
    leavers = events.c.issue_id == issues.c.id, events.c.kind == EventKind.UNSUBSCRIBED, _not_undone()
    left = select(func.count()).where(*leavers).scalar_subquery()
    query = select(issues.c.slot, accepted, left).where(issues.c.started_at.is_not(None))
    return [(row[0], row[1], row[2]) for row in tx.execute(query.order_by(issues.c.day.desc()).limit(limit))]


def leaving_methods(tx: Connection, since: datetime) -> dict[str, int]:
    """Returns the number of unsubscriptions since `since` for each method. Does not count undone unsubscriptions."""
    query = (
        select(events.c.method, func.count())
        .where(events.c.kind == EventKind.UNSUBSCRIBED, events.c.at >= since, _not_undone())
        .group_by(events.c.method)
    )
    return {method or "": count for method, count in tx.execute(query)}


def failed(tx: Connection, issue_id: int, limit: int | None = None) -> list[dict[str, Any]]:
    """Returns the rejected, expired and unknown deliveries of an issue, each with the reader's address, the reason and
    the last reply."""
    outcome = (deliveries.c[name] for name in ("state", "reason", "code", "enhanced", "reply"))
    query = (
        select(subscribers.c.address.label("email"), *outcome)
        .select_from(deliveries.join(subscribers, deliveries.c.subscriber_id == subscribers.c.id))
        .where(of_issue(issue_id), deliveries.c.state.in_(FAILED))
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    return [dict(row._mapping) for row in tx.execute(query)]


def of_subscriber(tx: Connection, subscriber_id: int, limit: int = 100) -> list[dict[str, Any]]:
    """Returns the deliveries to one reader, the newest first."""
    columns = (deliveries.c[name] for name in ("kind", "state", "reason", "finished_at", "reply"))
    query = (
        select(issues.c.slot, *columns)
        .select_from(deliveries.outerjoin(issues, deliveries.c.issue_id == issues.c.id))
        .where(deliveries.c.subscriber_id == subscriber_id)
        .order_by(deliveries.c.id.desc())
        .limit(limit)
    )
    return [dict(row._mapping) for row in tx.execute(query)]


def states_of(tx: Connection, ids: Iterable[int]) -> dict[int, tuple[DeliveryState, str | None, str | None]]:
    """Returns the state, the reason and the last reply of these deliveries, by id."""
    query = select(deliveries.c.id, deliveries.c.state, deliveries.c.reason, deliveries.c.reply)
    rows = tx.execute(query.where(deliveries.c.id.in_(list(ids))))
    return {row.id: (DeliveryState(row.state), row.reason, row.reply) for row in rows}


# --- figures of the whole deployment ---------------------------------------------------------------------------------
# These functions are for metrics. Their queries read only indexes and open batches, never the whole ledger.
_UNDER_WAY = (IssueState.SENDING, IssueState.PAUSED)


def current_issue(tx: Connection) -> Issue | None:
    """Returns the issue that is being sent or is paused. If there is none, returns the newest issue, or None."""
    running = recent(tx, states=_UNDER_WAY, limit=1) or recent(tx, limit=1)
    return running[0] if running else None


def queue(tx: Connection) -> tuple[int, datetime | None]:
    """Returns how many mails of any kind are queued, and when the oldest of them was added to the ledger."""
    waiting = deliveries.c.state == DeliveryState.QUEUED
    oldest = func.min(deliveries.c.created_at, type_=deliveries.c.created_at.type)
    query = select(func.count(), oldest).select_from(batches.join(deliveries, deliveries.c.batch_id == batches.c.id))
    count, since = tx.execute(query.where(~batches.c.done, waiting)).one()
    return int(count), since


def failing_sources(tx: Connection) -> dict[str, int]:
    """Returns how many fetches in a row have failed for each source of articles, or 0 if the last fetch succeeded."""
    return {row.url: row.failures for row in tx.execute(select(feeds.c.url, feeds.c.failures))}
