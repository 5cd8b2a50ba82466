"""The stored articles: one row for each item that the newsroom published.

The identity of an article never changes. When a source delivers the article again, the new values replace the stored
ones, and values that the source leaves out this time are kept. So importing the same file twice changes nothing.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, or_, select, union_all, update

from mailer.lifecycle import CHOOSABLE
from mailer.model import Article, Dating, FoundArticle, IssueState, Merged, NamedArticle, TimeSpan
from mailer.store.database import inserting
from mailer.store.schema import REACHED, articles, issue_articles, issues, view_snapshots

REMEMBERED = 4  # the number of past issues in which the choice of stories looks for repetitions
# The counts of an article are recorded hourly up to the age YOUNG, and then daily up to the age OLD.
YOUNG, OLD = timedelta(hours=72), timedelta(days=10)
FUTURE = timedelta(hours=2)  # a date further ahead than this is a mistake of the source
_TEXTS = ("title", "url", "lead", "body", "category", "author", "image_url", "image_alt", "published_raw")
_COUNTS = ("views", "comments", "shares")
_FLAGS = ("front_page", "closed")
_GIVEN = ("title_given", "lead_given", "alt_given")
_SHARED = (*_TEXTS, *_COUNTS, *_FLAGS, *_GIVEN, "news_value")  # fields of FoundArticle that are also columns
_DATES = ("published_at", "dated", "dating", "estimated", "first_seen_at")
_COMPARED = (*_SHARED, *_DATES, "tags", "guid")  # the columns that `_changes` compares


@dataclass(slots=True)
class _Stored:
    """A row that is stored, or is about to be. `changed` has the names of the values that are not stored yet."""

    values: dict[str, Any]
    is_new: bool = False
    changed: set[str] = field(default_factory=set)


def merge(tx: Connection, found: Iterable[NamedArticle], now: datetime, *, later: bool = False) -> Merged:
    """Stores new articles and updates known articles. Returns how many were added, updated and left unchanged.

    Pass `later` if the source has been collected before. A new article without a date is then assumed to be newer than
    that earlier collection. All articles are looked up and written together, so pass about a hundred at a time.
    """
    found = list(found)
    known = _Known(tx, found)
    added = updated = unchanged = 0
    for named in found:
        stored = known.find(named)
        if stored is None:
            known.add(_Stored(_fresh(named, now, later=later), is_new=True))
            added += 1
        elif changes := _changes(stored.values, named.article):
            stored.values.update(changes, updated_at=now)
            stored.changed.update(changes, ("updated_at",))
            updated += 1
        else:
            unchanged += 1
    _write(tx, known.rows)
    return Merged(added, updated, unchanged)


def unchanged(tx: Connection, found: Sequence[NamedArticle]) -> set[str]:
    """Returns the identities of the articles that `merge` would not change, as all their values are stored."""
    names = (*_COMPARED, "identity")
    query = select(*(articles.c[name] for name in names))
    rows = tx.execute(query.where(articles.c.identity.in_([named.identity for named in found])))
    stored = {row.identity: dict(zip(names, row, strict=True)) for row in rows}
    return {
        named.identity
        for named in found
        if (values := stored.get(named.identity)) and not _changes(values, named.article)
    }


def titles_and_links(tx: Connection, identities: Collection[str]) -> dict[str, tuple[str, str]]:
    """Returns the title and the URL of the stored articles with these identities, by identity."""
    query = select(articles.c.identity, articles.c.title, articles.c.url).where(articles.c.identity.in_(identities))
    return {row.identity: (row.title, row.url) for row in tx.execute(query)}


class _Known:
    """The stored rows that may be the same articles as those in `found`, and the rows that are added to them."""

    def __init__(self, tx: Connection, found: Sequence[NamedArticle]) -> None:
        self.rows: list[_Stored] = []
        self._by_identity: dict[str, _Stored] = {}
        self._by_link: dict[str, list[_Stored]] = defaultdict(list)  # in the order in which they were stored
        query = select(articles).where(articles.c.identity.in_([named.identity for named in found]))
        rows = {row.id: row for row in tx.execute(query)}
        identities = {row.identity for row in rows.values()}
        others = [named for named in found if named.link and named.identity not in identities]
        rows |= {row.id: row for row in _with_links(tx, others)}
        for _, row in sorted(rows.items()):
            self.add(_Stored(dict(row._mapping)))

    def add(self, stored: _Stored) -> None:
        self.rows.append(stored)
        self._by_identity[stored.values["identity"]] = stored
        self._by_link[stored.values["link_key"]].append(stored)

    def find(self, named: NamedArticle) -> _Stored | None:
        """Returns the row of an article, or None if the article is new.

        A source may deliver the same item once with a guid and once without, so the link is compared too. Items with
        two different guids are two articles even if their links are equal, because some feeds give every item the same
        link. So an article with a guid matches only a row with this guid or without a guid. An article whose source
        adds a guid later keeps the identity that was made from its link.
        """
        if found := self._by_identity.get(named.identity):
            return found
        same_link = self._by_link.get(named.link, ()) if named.link else ()
        if named.identity.startswith("guid:"):
            guids = ("", named.article.guid)
            return next((stored for stored in same_link if stored.values["guid"] in guids), None)
        return next(iter(same_link), None)


def _with_links(tx: Connection, found: Sequence[NamedArticle]) -> Sequence[Row[Any]]:
    """Returns the stored rows that may be the same articles because their links are equal.

    For an article without a guid, this is the first row with its link. For an article with a guid, these are the first
    row with its link and guid, and the first row with its link and no guid. Not all rows with a link are read, because
    a feed may give thousands of items one link.
    """
    link, guid, first = articles.c.link_key, articles.c.guid, func.min(articles.c.id)
    queries = []
    if named := [each for each in found if each.identity.startswith("guid:")]:
        guids = {"", *(each.article.guid for each in named)}
        same = link.in_({each.link for each in named}) & guid.in_(guids)
        queries.append(select(first).where(same).group_by(link, guid))
    if unnamed := {each.link for each in found if not each.identity.startswith("guid:")}:
        queries.append(select(first).where(link.in_(unnamed)).group_by(link))
    if not queries:
        return ()
    return tx.execute(select(articles).where(articles.c.id.in_(union_all(*queries)))).all()


def _write(tx: Connection, rows: Iterable[_Stored]) -> None:
    """Inserts the new rows and updates the changed columns of the others.

    Rows in which the same columns have changed are updated together.
    """
    new = [stored.values for stored in rows if stored.is_new]
    if new:
        tx.execute(insert(articles), new)
    changed: dict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
    for stored in rows:
        if stored.changed and not stored.is_new:
            changed[frozenset(stored.changed)].append(stored.values)
    for names, group in changed.items():
        columns = {name: bindparam(f"new_{name}", type_=articles.c[name].type) for name in names}
        statement = update(articles).where(articles.c.id == bindparam("row_id")).values(columns)
        tx.execute(
            statement,
            [{"row_id": values["id"], **{f"new_{name}": values[name] for name in names}} for values in group],
        )


def categories(tx: Connection, since: datetime | None = None) -> dict[str, int]:
    """Returns the number of articles in each raw category, the most frequent category first. With `since`, counts only
    articles dated at this time or later."""
    query = select(articles.c.category, func.count().label("number")).group_by(articles.c.category)
    if since is not None:
        query = query.where(articles.c.dated >= since)
    return {row.category: row.number for row in tx.execute(query.order_by(func.count().desc(), articles.c.category))}


def identities(tx: Connection, links: Sequence[str]) -> dict[str, str]:
    """Returns the identities of stored articles by canonical link. Leaves out links that no stored article has."""
    query = select(articles.c.link_key, articles.c.identity).where(articles.c.link_key.in_(links))
    found = tx.execute(query.order_by(articles.c.id.desc()))
    return {row.link_key: row.identity for row in found}


def _dated(published: datetime | None, seen: datetime) -> tuple[datetime, Dating]:
    if published is None:
        return seen, Dating.MISSING
    if published > seen + FUTURE:
        return seen, Dating.CLAMPED
    return published, Dating.GIVEN


def _values(article: FoundArticle) -> dict[str, Any]:
    return {**{name: getattr(article, name) for name in _SHARED}, "tags": list(article.tags)}


def _fresh(named: NamedArticle, now: datetime, *, later: bool) -> dict[str, Any]:
    """Returns the row of an article that is not stored yet."""
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
        "estimated": later and dating is Dating.MISSING,
        "first_seen_at": now,
        "updated_at": now,
    }


def _changes(row: Mapping[str, Any], article: FoundArticle) -> dict[str, Any]:
    """Returns the new values that differ from those of the row. Ignores values that the source leaves out."""
    said = {name: value for name, value in _values(article).items() if value not in (None, "", [])}
    if article.published and article.published != row["published_at"]:
        dated, dating = _dated(article.published, row["first_seen_at"])
        said |= {"published_at": article.published, "dated": dated, "dating": dating, "estimated": False}
    if article.guid and not row["guid"]:
        said["guid"] = article.guid
    return {name: value for name, value in said.items() if row[name] != value}


_MOST_READ = (func.coalesce(articles.c.views, 0).desc(), func.coalesce(articles.c.list_hours, 0.0).desc())
_NAMES = tuple(each.name for each in fields(Article))
_COLUMNS = tuple(articles.c["first_seen_at" if name == "first_seen" else name] for name in _NAMES)
# All columns, but only the first 1000 characters of the body. The choice of stories needs no more, and the whole bodies
# of a week are many megabytes.
_SHORT = tuple(func.substr(each, 1, 1000) if each is articles.c.body else each for each in _COLUMNS)


def _article(row: Row[Any]) -> Article:
    """Makes an article from a row of _COLUMNS. Reads the values by position, which is faster than by name, because one
    choice of stories reads up to 5000 articles."""
    values = dict(zip(_NAMES, row, strict=True))
    values |= {"dating": Dating(values["dating"]), "tags": tuple(values["tags"])}
    return Article(**values)


def in_span(tx: Connection, span: TimeSpan, earliest: datetime, limit: int = 5000) -> list[Article]:
    """Returns the articles that a choice of stories needs, each with only the beginning of its body.

    These are the articles dated in the span, late articles (first seen in the span, but dated between `earliest` and
    the start of the span), and pinned articles. The articles of the last four issues are included, so that the choice
    can recognise repetitions.
    """
    dated = articles.c.dated
    within = (dated >= span.start) & (dated < span.end)
    between = (dated >= earliest) & (dated < span.start)
    late = between & (articles.c.first_seen_at >= span.start) & (articles.c.first_seen_at < span.end)
    other = articles.alias()  # without this subquery, the planner would read every article
    pinned = articles.c.id.in_(select(other.c.id).where(other.c.pinned)) & (dated < span.end)
    query = select(*_SHORT).where(or_(within, late, pinned))
    # There may be too many articles to compare. Take the articles with the most views, then those that were longest on
    # a list of the most read, and among equals the newest.
    query = query.order_by(articles.c.pinned.desc(), *_MOST_READ, dated.desc(), articles.c.id)
    # The articles of earlier issues are read separately and without the limit, because the choice needs all of them to
    # recognise repetitions.
    earlier = _in_earlier_issues(tx, span.start)
    found = [_article(row) for row in tx.execute(query.limit(limit))]
    return found + by_ids(tx, earlier - {article.id for article in found})


def titles_before(tx: Connection, moment: datetime, limit: int = 2000) -> list[str]:
    """Returns titles of articles dated in the four weeks before `moment`, a sample if there are more than `limit`.

    The sample has articles of all four weeks, and is the same every time.
    """
    dated = articles.c.dated
    # Neighbouring ids get distant numbers, so that a sample has articles of all weeks.
    scattered = articles.c.id * 7919 % 1009
    query = select(articles.c.title).where(dated >= moment - 4 * timedelta(weeks=1), dated < moment)
    return list(tx.execute(query.order_by(scattered, articles.c.id).limit(limit)).scalars())


def _in_earlier_issues(tx: Connection, before: datetime) -> set[int]:
    """Returns the ids of the articles in the last four issues. Considers only issues that reached a reader and whose
    time span ended at `before` or earlier."""
    last = (
        select(issues.c.id)
        .where(issues.c.window_end <= before, REACHED)
        .order_by(issues.c.window_end.desc())
        .limit(REMEMBERED)
    )
    return set(tx.execute(select(issue_articles.c.article_id).where(issue_articles.c.issue_id.in_(last))).scalars())


def by_ids(tx: Connection, numbers: Collection[int]) -> list[Article]:
    """Returns the articles with these ids, the newest first, each with only the beginning of its body."""
    if not numbers:
        return []
    query = select(*_SHORT).where(articles.c.id.in_(numbers)).order_by(articles.c.dated.desc(), articles.c.id)
    return [_article(row) for row in tx.execute(query)]


def most_read(tx: Connection, span: TimeSpan, besides: Collection[int], limit: int) -> list[Article]:
    """Returns the articles of the time span that have the most views, and then those that were longest on a list of the
    most read. Leaves out articles that have neither views nor such hours, and those whose ids are in `besides`."""
    query = (
        select(*_COLUMNS)
        .where(articles.c.dated >= span.start, articles.c.dated < span.end)
        .where(or_(articles.c.views > 0, articles.c.list_hours > 0))
        .where(~articles.c.banned, articles.c.url != "", articles.c.id.not_in(besides))
        .order_by(*_MOST_READ, articles.c.id)
    )
    return [_article(row) for row in tx.execute(query.limit(limit))]


def used(tx: Connection, *, besides: int, leads_only: bool = False, before: date | None = None) -> frozenset[int]:
    """Returns the ids of the articles that any issue other than `besides` has sent or reserved. With `leads_only`,
    returns only the lead article of the first story of each issue.

    Does not return the articles of an issue that ended without reaching a reader. If `before` is given, an issue of a
    later day reserves its articles only once it is final or approved: a draft made ahead must not take the stories of
    the weeks before it.
    """
    ended = issues.c.state.in_((IssueState.CANCELLED, IssueState.SKIPPED, IssueState.SENT, IssueState.PARTIAL))
    query = (
        select(issue_articles.c.article_id)
        .select_from(issue_articles.join(issues, issue_articles.c.issue_id == issues.c.id))
        .where(issues.c.id != besides, or_(~ended, REACHED))
    )
    if before is not None:
        query = query.where(or_(issues.c.day <= before, issues.c.state.not_in(tuple(CHOOSABLE)), issues.c.approved))
    if leads_only:
        query = query.where(issue_articles.c.first)
    return frozenset(tx.execute(query).scalars())


def reserve(tx: Connection, issue_id: int, leads: Sequence[int], others: Sequence[int]) -> None:
    """Replaces the articles that an issue reserves. `leads` contains the lead articles of its stories in order, and
    `others` the other articles of these stories."""
    tx.execute(issue_articles.delete().where(issue_articles.c.issue_id == issue_id))
    rows = [{"issue_id": issue_id, "article_id": a, "lead": True, "first": a == leads[0]} for a in leads]
    rows += [{"issue_id": issue_id, "article_id": a, "lead": False, "first": False} for a in set(others) - set(leads)]
    if rows:
        tx.execute(insert(issue_articles), rows)


def pin(tx: Connection, numbers: Sequence[int], *, pinned: bool) -> None:
    """Pins articles, or clears their pins. Pinning an article clears its ban."""
    values = {"pinned": True, "banned": False} if pinned else {"pinned": False}
    tx.execute(update(articles).where(articles.c.id.in_(numbers)).values(**values))


def ban(tx: Connection, numbers: Sequence[int], *, banned: bool) -> None:
    """Bans articles, or clears their bans. Banning an article clears its pin."""
    values = {"banned": True, "pinned": False} if banned else {"banned": False}
    tx.execute(update(articles).where(articles.c.id.in_(numbers)).values(**values))


def snapshot(tx: Connection, now: datetime) -> int:
    """Records the current counts of each article: hourly until the article is three days old, and then daily until it
    is ten days old.

    If two processes do this at the same time, each article is recorded only once. Returns how many articles were due.
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
    """Returns for each article a list of (hours after publication, views) in the order of time. Considers the newest
    `limit` articles that are dated at `since` or later."""
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
    """Returns articles with `since` ≤ date < `until` and with `search` in the title, the newest first."""
    query = select(*_COLUMNS).order_by(articles.c.dated.desc(), articles.c.id.desc()).limit(limit)
    if since:
        query = query.where(articles.c.dated >= since)
    if until:
        query = query.where(articles.c.dated < until)
    if search:
        query = query.where(articles.c.title.contains(search, autoescape=True))
    return [_article(row) for row in tx.execute(query)]
