"""A few numbers of the whole deployment, for metrics. Asks indexes and open batches, never all mails ever sent."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from mailer.model import DeliveryState, Issue, IssueState
from mailer.store.issues import listing
from mailer.store.schema import batches, deliveries, feeds

_UNDER_WAY = (IssueState.SENDING, IssueState.PAUSED)


def issue(tx: Connection) -> Issue | None:
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
