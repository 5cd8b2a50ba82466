"""View counts that an admin imports: from exports of web analytics, and from the access logs of a web server."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, CursorResult, delete, insert, or_, select, text

from mailer.model import LogSpan
from mailer.store import arrays
from mailer.store.schema import articles, counted_logs

# Each statement updates all given articles at once, because other writers on SQLite wait until the transaction ends.
_COLUMNS = (("number", "bigint"), ("given", "bigint"))
_REPLACE = """
UPDATE articles SET views = m.given FROM {rows}
 WHERE articles.id = m.number AND (articles.views IS NULL OR articles.views <> m.given)"""
_FROM_LOGS = "(articles.views IS NULL OR articles.views = articles.log_views)"
_COUNT = f"SELECT count(*) FROM articles JOIN {{rows}} ON articles.id = m.number WHERE {_FROM_LOGS}"  # noqa: S608
_ADD = f"""
UPDATE articles SET log_views = coalesce(articles.log_views, 0) + m.given,
       views = CASE WHEN {_FROM_LOGS} THEN coalesce(articles.log_views, 0) + m.given ELSE articles.views END
  FROM {{rows}} WHERE articles.id = m.number"""  # noqa: S608


_FORGET = """
UPDATE articles SET views = CASE WHEN views = log_views THEN NULL ELSE views END, log_views = NULL
 WHERE log_views IS NOT NULL"""


class Link(NamedTuple):
    """A stored article, with its canonical link and its guid."""

    id: int
    link: str
    guid: str


class Replaced(NamedTuple):
    """How many articles have another number of views now, and how many of these have fewer."""

    updated: int
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
    changed = [number for number, count in before.items() if views[number] != count]
    _run(tx, _REPLACE, views)
    fewer = sum((before[number] or 0) > views[number] for number in changed)
    return Replaced(len(changed), fewer)


def counted_spans(tx: Connection, server: str) -> list[LogSpan]:
    """Returns the periods that were counted before in the logs of one server, in order."""
    query = select(counted_logs).where(counted_logs.c.server == server).order_by(counted_logs.c.first_at)
    return [
        LogSpan(
            int(row.first_at.timestamp()),
            int(row.last_at.timestamp()),
            {int(second): lines for second, lines in row.edges.items()},
        )
        for row in tx.execute(query)
    ]


def forget_logs(tx: Connection) -> int:
    """Forgets all views that were counted in logs, and which periods were counted. Views from elsewhere stay.

    Returns how many articles had views from logs.
    """
    tx.execute(delete(counted_logs))
    return tx.execute(text(_FORGET)).rowcount


def add(
    tx: Connection, server: str, spans: Sequence[LogSpan], views: Mapping[int, int], known: Sequence[LogSpan]
) -> int | None:
    """Adds the views in a log, and records the periods that it covers.

    Returns how many articles have another number of views now.
    Returns None if another process has counted a log of this server since `known` was read; then nothing is changed.
    The views of a log count only for articles that have no view count from elsewhere. One transaction writes all of
    them, so that an interruption cannot lose or double some.
    """
    if counted_spans(tx, server) != list(known):
        return None
    tx.execute(delete(counted_logs).where(counted_logs.c.server == server))
    joined = [
        {"server": server, "first_at": _instant(each.first), "last_at": _instant(each.last), "edges": each.edges}
        for each in _joined([*known, *spans])
    ]
    tx.execute(insert(counted_logs), joined)
    updated: int = _run(tx, _COUNT, views).scalar_one()
    _run(tx, _ADD, views)
    return updated


def _joined(spans: Sequence[LogSpan]) -> list[LogSpan]:
    """Returns the spans in order. Spans that overlap become one."""
    found: list[LogSpan] = []
    for span in sorted(spans, key=lambda each: (each.first, each.last)):
        if found and span.first <= found[-1].last:
            found[-1] = _one(found[-1], span)
        else:
            found.append(span)
    return found


def _one(one: LogSpan, other: LogSpan) -> LogSpan:
    """Returns one span for two that overlap. A second inside of it is no longer an edge, so all its lines count as
    counted."""
    first, last = min(one.first, other.first), max(one.last, other.last)
    edges = {}
    for at in {first, last}:
        every = [each.edges.get(at) for each in (one, other) if at in (each.first, each.last)]
        lines: Counter[int] = Counter()
        for each in every:
            lines |= Counter(each or ())
        if None not in every:
            edges[at] = sorted(lines.elements())
    return LogSpan(first, last, edges)


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _run(tx: Connection, statement: str, views: Mapping[int, int]) -> CursorResult[Any]:
    rows = arrays.packed(sorted(views.items()))
    return tx.execute(text(statement.format(rows=arrays.source(tx, _COLUMNS))), {"rows": rows})
