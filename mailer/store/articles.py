"""The stored articles: what the newsroom published, one row an item.

An item keeps its identity for ever. When it comes again, what it says replaces what is stored, and what it leaves out
stays. So importing the same file twice changes nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from mailer.model import Article, Dating, FoundArticle, IssueState, Merged, NamedArticle, TimeSpan
from mailer.store.database import inserting
from mailer.store.schema import REACHED, articles, issue_articles, issues, view_snapshots

REMEMBERED = 4  # issues whose stories are recognised when they come again
YOUNG, OLD = timedelta(hours=72), timedelta(days=10)  # how long counts are recorded hourly, and how long at all
FUTURE = timedelta(hours=2)  # a later date is a mistake of the source
_TEXTS = ("title", "url", "lead", "body", "category", "author", "image_url", "image_alt", "published_raw")
_COUNTS = ("views", "comments", "shares")
_FLAGS = ("front_page", "closed")
_GIVEN = ("title_given", "lead_given", "alt_given")
_SHARED = (*_TEXTS, *_COUNTS, *_FLAGS, *_GIVEN, "news_value")  # the same name in FoundArticle and in the table


def merge(tx: Connection, found: Iterable[NamedArticle], now: datetime) -> Merged:
    """Store new articles and update known ones with what is new about them."""
    added = updated = unchanged = 0
    for named in found:
        row = _known(tx, named)
        if row is None:
            tx.execute(insert(articles).values(_fresh(named, now)))
            added += 1
        elif changes := _changes(row, named.article):
            tx.execute(update(articles).where(articles.c.id == row.id).values(updated_at=now, **changes))
            updated += 1
        else:
            unchanged += 1
    return Merged(added, updated, unchanged)


def _known(tx: Connection, named: NamedArticle) -> Row[Any] | None:
    row = tx.execute(select(articles).where(articles.c.identity == named.identity)).first()
    if row is None and named.link:
        # The same item may come once with a guid and once without. Two different guids stay two items, because some
        # feeds give every item the same link.
        query = select(articles).where(articles.c.link_key == named.link).order_by(articles.c.id)
        if named.identity.startswith("guid:"):
            # The stored item may have got this guid after its identity.
            query = query.where(articles.c.guid.in_(("", named.article.guid)))
        row = tx.execute(query.limit(1)).first()
    return row


def _dated(published: datetime | None, seen: datetime) -> tuple[datetime, Dating]:
    if published is None:
        return seen, Dating.MISSING
    if published > seen + FUTURE:
        return seen, Dating.CLAMPED
    return published, Dating.GIVEN


def _values(article: FoundArticle) -> dict[str, Any]:
    return {**{name: getattr(article, name) for name in _SHARED}, "tags": list(article.tags)}


def _fresh(named: NamedArticle, now: datetime) -> dict[str, Any]:
    """Return the row of an article that is not stored yet."""
    article, values = named.article, _values(named.article)
    dated, dating = _dated(article.published, now)
    return {
        **values,
        **{name: values[name] or None for name in _GIVEN},
        **{name: bool(values[name]) for name in _FLAGS},
        "identity": named.identity,
        "link_key": named.link,
        "source": article.source,
        "guid": article.guid,
        "published_at": article.published,
        "dated": dated,
        "dating": dating,
        "first_seen_at": now,
        "updated_at": now,
    }


def _changes(row: Row[Any], article: FoundArticle) -> dict[str, Any]:
    """Return what is new about a stored article. Whatever the source does not say is left as it is."""
    said = {name: value for name, value in _values(article).items() if value not in (None, "", [])}
    if article.published and article.published != row.published_at:
        dated, dating = _dated(article.published, row.first_seen_at)
        said |= {"published_at": article.published, "dated": dated, "dating": dating}
    if article.guid and not row.guid:
        said["guid"] = article.guid
    return {name: value for name, value in said.items() if getattr(row, name) != value}


_NAMES = tuple(each.name for each in fields(Article))
_COLUMNS = tuple(articles.c["first_seen_at" if name == "first_seen" else name] for name in _NAMES)
# A choice reads at most a thousand characters of a text, and a week of whole texts is many megabytes.
_SHORT = tuple(func.substr(each, 1, 1000) if each is articles.c.body else each for each in _COLUMNS)


def _article(row: Row[Any]) -> Article:
    """Make an article of a row of _COLUMNS, by place and not by name, because a choice reads five thousand."""
    values = dict(zip(_NAMES, row, strict=True))
    values |= {"dating": Dating(values["dating"]), "tags": tuple(values["tags"])}
    return Article(**values)


def in_span(tx: Connection, span: TimeSpan, earliest: datetime, limit: int = 5000) -> list[Article]:
    """Return the articles that a choice needs; of each text only the beginning.

    They are the articles dated in the span; late ones, first seen in it and dated from `earliest` on; pinned ones; and
    those of the last four issues, so that a repetition is recognised.
    """
    dated = articles.c.dated
    within = (dated >= span.start) & (dated < span.end)
    between = (dated >= earliest) & (dated < span.start)
    late = between & (articles.c.first_seen_at >= span.start) & (articles.c.first_seen_at < span.end)
    other = articles.alias()  # a separate query, or the planner walks through every article
    pinned = articles.c.id.in_(select(other.c.id).where(other.c.pinned)) & (dated < span.end)
    query = select(*_SHORT).where(or_(within, late, pinned))
    # There may be too many to compare: take the most viewed, or the newest where views are unknown.
    query = query.order_by(
        articles.c.pinned.desc(), func.coalesce(articles.c.views, 0).desc(), dated.desc(), articles.c.id
    )
    # Not under the limit: among many articles these would come last, and a choice must not miss them.
    earlier = _in_earlier_issues(tx, span.start)
    found = [_article(row) for row in tx.execute(query.limit(limit))]
    return found + by_ids(tx, earlier - {article.id for article in found})


def _in_earlier_issues(tx: Connection, before: datetime) -> set[int]:
    """Return the articles of the last four issues that reached a reader and whose time span ended by then."""
    last = (
        select(issues.c.id)
        .where(issues.c.window_end <= before, REACHED)
        .order_by(issues.c.window_end.desc())
        .limit(REMEMBERED)
    )
    return set(tx.execute(select(issue_articles.c.article_id).where(issue_articles.c.issue_id.in_(last))).scalars())


def by_ids(tx: Connection, numbers: Collection[int]) -> list[Article]:
    """Return these articles, the newest first; of each text only the beginning."""
    if not numbers:
        return []
    query = select(*_SHORT).where(articles.c.id.in_(numbers)).order_by(articles.c.dated.desc(), articles.c.id)
    return [_article(row) for row in tx.execute(query)]


def most_read(tx: Connection, span: TimeSpan, besides: Collection[int], limit: int) -> list[Article]:
    """Return the most viewed articles of the time span, without those in `besides`. Articles without views are out."""
    query = (
        select(*_COLUMNS)
        .where(articles.c.dated >= span.start, articles.c.dated < span.end)
        .where(~articles.c.banned, articles.c.url != "", articles.c.views > 0, articles.c.id.not_in(besides))
        .order_by(articles.c.views.desc(), articles.c.id)
    )
    return [_article(row) for row in tx.execute(query.limit(limit))]


def used(tx: Connection, *, besides: int, leads_only: bool = False) -> frozenset[int]:
    """Return the articles that an issue other than `besides` has sent or reserved; with `leads_only`, its first ones.

    An issue that ended without reaching a reader gives its articles back.
    """
    ended = issues.c.state.in_((IssueState.CANCELLED, IssueState.SKIPPED, IssueState.SENT, IssueState.PARTIAL))
    query = (
        select(issue_articles.c.article_id)
        .select_from(issue_articles.join(issues, issue_articles.c.issue_id == issues.c.id))
        .where(issues.c.id != besides, or_(~ended, REACHED))
    )
    if leads_only:
        query = query.where(issue_articles.c.first)
    return frozenset(tx.execute(query).scalars())


def reserve(tx: Connection, issue_id: int, leads: Sequence[int], others: Sequence[int]) -> None:
    """Replace the reserved articles of an issue."""
    tx.execute(issue_articles.delete().where(issue_articles.c.issue_id == issue_id))
    rows = [{"issue_id": issue_id, "article_id": a, "lead": True, "first": a == leads[0]} for a in leads]
    rows += [{"issue_id": issue_id, "article_id": a, "lead": False, "first": False} for a in set(others) - set(leads)]
    if rows:
        tx.execute(insert(issue_articles), rows)


def pin(tx: Connection, numbers: Sequence[int], *, pinned: bool) -> None:
    """Set or clear the pin of articles. A pin clears a ban."""
    values = {"pinned": True, "banned": False} if pinned else {"pinned": False}
    tx.execute(update(articles).where(articles.c.id.in_(numbers)).values(**values))


def ban(tx: Connection, numbers: Sequence[int], *, banned: bool) -> None:
    """Set or clear the ban of articles. A ban clears a pin."""
    values = {"banned": True, "pinned": False} if banned else {"banned": False}
    tx.execute(update(articles).where(articles.c.id.in_(numbers)).values(**values))


def snapshot(tx: Connection, now: datetime) -> int:
    """Record the current counts of articles: hourly for the first three days of an article, daily until the tenth.

    Two processes that do this at once record each article once. Returns how many were recorded.
    """
    last = select(func.max(view_snapshots.c.at)).where(view_snapshots.c.article_id == articles.c.id).scalar_subquery()
    counted = or_(articles.c.views.is_not(None), articles.c.comments.is_not(None), articles.c.shares.is_not(None))
    young, old = articles.c.dated > now - YOUNG, articles.c.dated > now - OLD
    due = or_(
        last.is_(None), young & (last <= now - timedelta(minutes=55)), ~young & (last <= now - timedelta(hours=23))
    )
    query = select(articles.c.id, articles.c.views, articles.c.comments, articles.c.shares).where(old, counted, due)
    rows = [{"article_id": r.id, "at": now, **{n: getattr(r, n) for n in _COUNTS}} for r in tx.execute(query)]
    if rows:
        tx.execute(inserting(tx, view_snapshots).on_conflict_do_nothing(), rows)
    return len(rows)


def histories(tx: Connection, since: datetime, limit: int = 2000) -> list[list[tuple[float, int]]]:
    """Return (hours after publication, views) in order of time for the newest `limit` articles dated since then."""
    watched = (
        select(articles.c.id, articles.c.dated)
        .where(articles.c.dated >= since, articles.c.id.in_(select(view_snapshots.c.article_id)))
        .order_by(articles.c.dated.desc())
        .limit(limit)
        .subquery()
    )
    query = (
        select(watched.c.id, watched.c.dated, view_snapshots.c.at, view_snapshots.c.views)
        .join(view_snapshots, view_snapshots.c.article_id == watched.c.id)
        .where(view_snapshots.c.views.is_not(None))
        .order_by(watched.c.id, view_snapshots.c.at)
    )
    found: dict[int, list[tuple[float, int]]] = {}
    for row in tx.execute(query):
        hours = (row.at - row.dated).total_seconds() / 3600
        found.setdefault(row.id, []).append((max(hours, 0.0), row.views))
    return list(found.values())


def get(tx: Connection, article_id: int) -> Article | None:
    row = tx.execute(select(*_COLUMNS).where(articles.c.id == article_id)).first()
    return _article(row) if row else None


def newest(
    tx: Connection, *, since: datetime | None = None, until: datetime | None = None, search: str = "", limit: int = 50
) -> list[Article]:
    """Return articles, the newest first: dated `since` ≤ date < `until`, with `search` in the title."""
    query = select(*_COLUMNS).order_by(articles.c.dated.desc(), articles.c.id.desc()).limit(limit)
    if since:
        query = query.where(articles.c.dated >= since)
    if until:
        query = query.where(articles.c.dated < until)
    if search:
        query = query.where(articles.c.title.contains(search, autoescape=True))
    return [_article(row) for row in tx.execute(query)]
