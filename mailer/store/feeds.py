"""The state of each source that is fetched regularly: the time of the next fetch, the validators (ETag, Last-Modified),
and the last problem.

A single guarded UPDATE claims a source, so that only one of several processes fetches it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, delete, func, select, update

from mailer.store.database import Store, inserting
from mailer.store.schema import articles, feeds, visited_pages

TRIES = 3  # after this many failed requests for a page, the page counts as visited
_PIECE = 500  # links or identities in one statement
_LEASE = timedelta(minutes=10)  # if the process that claimed a source dies, the source is free again after this time


@dataclass(frozen=True, slots=True)
class FeedState:
    etag: str
    modified: str
    failures: int  # how many fetches in a row have failed
    fetched_at: datetime | None  # the time of the last fetch that succeeded
    problem: str = ""  # why the last fetch failed, "" if it succeeded
    notes: tuple[str, ...] = ()  # of the last successful fetch whose answer had changed


def claim(tx: Connection, name: str, now: datetime, *, at_once: bool = False) -> FeedState | None:
    """Claims a source that is due and returns its state. Returns None if the source is not due, for example because
    another process has just claimed it. With `at_once`, claims the source even if it is not due."""
    tx.execute(inserting(tx, feeds).values(url=name, next_at=now).on_conflict_do_nothing())
    statement = update(feeds).where(feeds.c.url == name).values(next_at=now + _LEASE)
    if not at_once:
        statement = statement.where(feeds.c.next_at <= now)
    row = tx.execute(statement.returning(feeds)).first()
    return _state(row) if row else None


def states(tx: Connection) -> dict[str, FeedState]:
    """Returns the state of each source that was ever claimed, by name."""
    return {row.url: _state(row) for row in tx.execute(select(feeds))}


def _state(row: Row[Any]) -> FeedState:
    return FeedState(
        row.etag or "", row.modified or "", row.failures, row.fetched_at, row.problem or "", tuple(row.notes)
    )


def succeeded(
    tx: Connection,
    name: str,
    *,
    etag: str,
    modified: str,
    now: datetime,
    next_at: datetime,
    notes: Sequence[str] | None = None,
) -> None:
    """Records a successful fetch. Pass None for `notes` if nothing has changed; the earlier notes are then kept."""
    values: dict[str, Any] = {"etag": etag, "modified": modified, "failures": 0, "problem": "", "fetched_at": now}
    if notes is not None:
        values["notes"] = list(notes)
    tx.execute(update(feeds).where(feeds.c.url == name).values(next_at=next_at, looked_at=now, **values))


def failed(tx: Connection, name: str, *, problem: str, failures: int, now: datetime, next_at: datetime) -> None:
    """Records a failed fetch. The validators of the last successful fetch are kept, and so are all articles."""
    values = {"failures": failures, "problem": problem, "next_at": next_at, "looked_at": now}
    tx.execute(update(feeds).where(feeds.c.url == name).values(**values))


def release(tx: Connection, name: str, now: datetime) -> None:
    """Gives up the claim on a source that was not read, so that the source is due again."""
    tx.execute(update(feeds).where(feeds.c.url == name).values(next_at=now))


def visit(tx: Connection, source: str, visits: Sequence[tuple[str, bool]], now: datetime) -> None:
    """Records pages that a source now knows. `visits` has each page's link and whether the page was fetched.

    Pass about a hundred pages at a time.
    """
    rows = [{"source": source, "link": link, "at": now, "fetched": fetched} for link, fetched in visits]
    if rows:
        tx.execute(inserting(tx, visited_pages).on_conflict_do_nothing(), rows)


def forget_visits(tx: Connection, source: str, before: datetime) -> None:
    """Forgets the pages of a source that were fetched earlier than `before`.

    If the source still lists such a page, the page is fetched again. This does no harm, because its article is stored.
    The links of the first collection that were never fetched stay known: without an article, such a page would look
    new. They are recorded only once, so they do not become more.
    """
    names = [after_failures(source, failures) for failures in range(TRIES)]
    old = visited_pages.c.source.in_(names), visited_pages.c.at < before
    tx.execute(delete(visited_pages).where(*old, visited_pages.c.fetched))


def first(source: str) -> str:
    """Returns the name under which the table of visited pages has the links of a source's first collection."""
    return f"{source} (first)"


def after_failures(source: str, failures: int) -> str:
    """Returns the name under which a page is recorded after this many failed requests. For 0, it is `source` itself."""
    return f"{source} (failed {failures})" if failures else source


def _recorded(tx: Connection, source: str, links: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(links), _PIECE):
        wanted = visited_pages.c.link.in_(links[start : start + _PIECE])
        yield from tx.execute(select(visited_pages.c.link).where(visited_pages.c.source == source, wanted)).scalars()


class PageVisits:
    """The pages that one source has fetched, or knows and will never fetch."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self._source = store, source

    def known(self, links: Sequence[str]) -> set[str]:
        """Returns those of the links that the source knows."""
        return self._store.read(lambda tx: set(_recorded(tx, self._source, links)))

    def failures(self, links: Sequence[str]) -> dict[str, tuple[int, datetime]]:
        """Returns the number of failed requests for each of the links, and the time of the last failure. Leaves out
        links without a failed request."""
        found: dict[str, tuple[int, datetime]] = {}
        row = visited_pages.c

        def read(tx: Connection) -> None:
            for count in range(1, TRIES):
                for start in range(0, len(links), _PIECE):
                    wanted = (
                        row.source == after_failures(self._source, count),
                        row.link.in_(links[start : start + _PIECE]),
                    )
                    found.update(
                        (each.link, (count, each.at)) for each in tx.execute(select(row.link, row.at).where(*wanted))
                    )

        self._store.read(read)
        return found

    def listed_first(self, links: Sequence[str]) -> set[str]:
        """Returns those of the links that the source listed at its first collection."""
        return self._store.read(lambda tx: set(_recorded(tx, first(self._source), links)))

    def fetched_since(self, moment: datetime) -> int:
        """Returns how many pages were requested since a moment."""
        names = [after_failures(self._source, failures) for failures in range(TRIES)]
        requested = visited_pages.c.source.in_(names), visited_pages.c.fetched
        query = select(func.count()).where(*requested, visited_pages.c.at >= moment)
        return self._store.read(lambda tx: tx.execute(query).scalar_one())

    def is_empty(self) -> bool:
        """Returns True before the first visit."""
        query = select(visited_pages.c.link).where(self._own).limit(1)
        return self._store.read(lambda tx: tx.execute(query).first() is None)

    @property
    def _own(self) -> ColumnElement[bool]:
        return visited_pages.c.source == self._source


def add_prominence(tx: Connection, shares: Mapping[str, float]) -> None:
    """Adds to the prominence of articles. `shares` maps the identity of an article to the prominence that the article
    has gained on the front page since the last fetch."""
    _add(tx, articles.c.prominence, shares)


def add_list_hours(tx: Connection, shares: Mapping[str, float]) -> None:
    """Adds to the hours that articles were on the list of the most read. `shares` maps the identity of an article to
    the hours that the article has gained since the last fetch."""
    _add(tx, articles.c.list_hours, shares)


def _add(tx: Connection, column: Column[float | None], shares: Mapping[str, float]) -> None:
    # On a long front page, most places give no hours. Their articles only need a 0 in place of NULL, which one
    # statement writes for many of them.
    names = list(shares)
    for start in range(0, len(names), _PIECE):
        seen_first = articles.c.identity.in_(names[start : start + _PIECE]) & column.is_(None)
        tx.execute(update(articles).where(seen_first).values({column.name: 0.0}))
    for identity, share in shares.items():
        if share:
            tx.execute(update(articles).where(articles.c.identity == identity).values({column.name: column + share}))
