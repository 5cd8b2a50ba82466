"""What is known of the sources that are asked again and again: when next, what they said last, what went wrong.

A claim is one guarded statement, so that several collectors ask a source once. Knows no network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from mailer.store.database import inserting
from mailer.store.schema import articles, feeds

_LEASE = timedelta(minutes=10)  # how long a source counts as being asked when its collector dies


@dataclass(frozen=True, slots=True)
class FeedState:
    etag: str
    modified: str
    failures: int  # in a row
    problem: str
    fetched_at: datetime | None  # the last try that went well
    next_at: datetime


def claim(tx: Connection, name: str, now: datetime, *, at_once: bool = False) -> FeedState | None:
    """Takes a source that is due, or any `at_once`; None: it is not due, or another collector has it."""
    tx.execute(inserting(tx, feeds).values(url=name, next_at=now).on_conflict_do_nothing())
    statement = update(feeds).where(feeds.c.url == name).values(next_at=now + _LEASE)
    if not at_once:
        statement = statement.where(feeds.c.next_at <= now)
    row = tx.execute(statement.returning(feeds)).first()
    return _state(row) if row else None


def went_well(tx: Connection, name: str, *, etag: str, modified: str, now: datetime, next_at: datetime) -> None:
    values = {"etag": etag, "modified": modified, "failures": 0, "problem": "", "fetched_at": now}
    tx.execute(update(feeds).where(feeds.c.url == name).values(next_at=next_at, looked_at=now, **values))


def went_wrong(tx: Connection, name: str, *, problem: str, failures: int, now: datetime, next_at: datetime) -> None:
    """Its last good state stays: what it said then, and all its articles."""
    values = {"failures": failures, "problem": problem, "next_at": next_at, "looked_at": now}
    tx.execute(update(feeds).where(feeds.c.url == name).values(**values))


def get(tx: Connection, name: str) -> FeedState | None:
    row = tx.execute(select(feeds).where(feeds.c.url == name)).first()
    return _state(row) if row else None


def add_prominence(tx: Connection, shares: Mapping[str, float]) -> None:
    """Adds to the prominence of articles, by identity: what their place on the front page was worth since last time."""
    for identity, share in shares.items():
        so_far = articles.c.prominence
        tx.execute(update(articles).where(articles.c.identity == identity, so_far.is_(None)).values(prominence=0.0))
        tx.execute(update(articles).where(articles.c.identity == identity).values(prominence=so_far + share))


def _state(row: Row[Any]) -> FeedState:
    return FeedState(
        etag=row.etag or "",
        modified=row.modified or "",
        failures=row.failures,
        problem=row.problem,
        fetched_at=row.fetched_at,
        next_at=row.next_at,
    )
