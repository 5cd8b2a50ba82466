"""The state of each source that is asked again and again: when next, its validators, and what went wrong.

A claim is one guarded statement, so that of several collectors only one asks a source.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, update

from mailer.store.database import inserting
from mailer.store.schema import articles, feeds

_LEASE = timedelta(minutes=10)  # how long a source counts as being asked if its collector dies


@dataclass(frozen=True, slots=True)
class FeedState:
    etag: str
    modified: str
    failures: int  # in a row
    fetched_at: datetime | None  # the last time that it worked


def claim(tx: Connection, name: str, now: datetime, *, at_once: bool = False) -> FeedState | None:
    """Claim a source that is due, or with `at_once` any. Returns None if it is not due or another collector has it."""
    tx.execute(inserting(tx, feeds).values(url=name, next_at=now).on_conflict_do_nothing())
    statement = update(feeds).where(feeds.c.url == name).values(next_at=now + _LEASE)
    if not at_once:
        statement = statement.where(feeds.c.next_at <= now)
    row = tx.execute(statement.returning(feeds)).first()
    return FeedState(row.etag or "", row.modified or "", row.failures, row.fetched_at) if row else None


def succeeded(tx: Connection, name: str, *, etag: str, modified: str, now: datetime, next_at: datetime) -> None:
    values = {"etag": etag, "modified": modified, "failures": 0, "problem": "", "fetched_at": now}
    tx.execute(update(feeds).where(feeds.c.url == name).values(next_at=next_at, looked_at=now, **values))


def failed(tx: Connection, name: str, *, problem: str, failures: int, now: datetime, next_at: datetime) -> None:
    """Record a failure. The validators of the last success stay, and so do all its articles."""
    values = {"failures": failures, "problem": problem, "next_at": next_at, "looked_at": now}
    tx.execute(update(feeds).where(feeds.c.url == name).values(**values))


def add_prominence(tx: Connection, shares: Mapping[str, float]) -> None:
    """Add to the prominence of articles, by identity: what their place on the front page since last time was worth."""
    for identity, share in shares.items():
        so_far = articles.c.prominence
        tx.execute(update(articles).where(articles.c.identity == identity, so_far.is_(None)).values(prominence=0.0))
        tx.execute(update(articles).where(articles.c.identity == identity).values(prominence=so_far + share))
