"""View counts that an admin gives: from exports of web analytics, and from the access logs of a web server."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, case, delete, func, insert, or_, select, update

from mailer.store.schema import articles, counted_logs

_PIECE = 500  # ids in one statement


class Link(NamedTuple):
    """A stored article, with its canonical link and its guid."""

    id: int
    link: str
    guid: str


class Span(NamedTuple):
    """A time whose lines of a log were counted. Both ends belong to it."""

    first: datetime
    last: datetime


class Replaced(NamedTuple):
    """Counts the articles whose views were replaced, and those whose views became fewer."""

    updated: int
    unchanged: int
    fewer: int


def newest_links(tx: Connection, limit: int) -> list[Link]:
    """Returns the newest articles that have a link or a guid, the newest first."""
    query = select(articles.c.id, articles.c.link_key, articles.c.guid).where(
        or_(articles.c.link_key != "", articles.c.guid != "")
    )
    found = tx.execute(query.order_by(articles.c.dated.desc(), articles.c.id).limit(limit))
    return [Link(*row) for row in found]


def replace(tx: Connection, views: Mapping[int, int]) -> Replaced:
    """Replaces the views of articles. `views` maps article ids to views; pass about a hundred at a time."""
    query = select(articles.c.id, articles.c.views).where(articles.c.id.in_(views))
    before = {row.id: row.views for row in tx.execute(query)}
    changed = {number: count for number, count in views.items() if number in before and before[number] != count}
    _set(tx, {"views": bindparam("count")}, changed)
    fewer = sum((before[number] or 0) > count for number, count in changed.items())
    return Replaced(len(changed), len(before) - len(changed), fewer)


def counted_spans(tx: Connection, server: str) -> list[Span]:
    """Returns the times whose lines were counted before, of the logs of one server."""
    query = select(counted_logs.c.first_at, counted_logs.c.last_at).where(counted_logs.c.server == server)
    return [Span(*row) for row in tx.execute(query.order_by(counted_logs.c.first_at))]


def add(tx: Connection, server: str, span: Span, views: Mapping[int, int], known: Sequence[Span]) -> int | None:
    """Adds the views in a log, and records its time. Returns how many articles have other views now.

    Returns None if another process has counted a log of this server since `known` was read; then nothing is changed.

    The views of a log count only for articles that have no view count from elsewhere. One transaction writes all of
    them, so that an interruption cannot lose or double some.
    """
    if counted_spans(tx, server) != list(known):
        return None
    touching = [each for each in known if each.first <= span.last and span.first <= each.last]
    for each in touching:
        tx.execute(delete(counted_logs).where(counted_logs.c.server == server, counted_logs.c.first_at == each.first))
    first, last = min(each.first for each in (span, *touching)), max(each.last for each in (span, *touching))
    tx.execute(insert(counted_logs).values(server=server, first_at=first, last_at=last))
    total = func.coalesce(articles.c.log_views, 0) + bindparam("count")
    from_logs = or_(articles.c.views.is_(None), articles.c.views == articles.c.log_views)
    updated, numbers = 0, sorted(views)
    for start in range(0, len(numbers), _PIECE):
        wanted = articles.c.id.in_(numbers[start : start + _PIECE])
        updated += tx.execute(select(func.count()).select_from(articles).where(wanted, from_logs)).scalar_one()
    _set(tx, {"views": case((from_logs, total), else_=articles.c.views), "log_views": total}, views)
    return updated


def _set(tx: Connection, values: Mapping[str, object], counts: Mapping[int, int]) -> None:
    rows = [{"number": number, "count": count} for number, count in sorted(counts.items())]
    if rows:
        tx.execute(update(articles).where(articles.c.id == bindparam("number")).values(values), rows)
