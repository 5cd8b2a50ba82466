"""The article store: an item is stored once, and storing it again changes nothing."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import make
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make import NOW, article, keep
from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from mailer.model import Article, Dating, FoundArticle, IssueState, Merged, TimeSpan
from mailer.store import articles
from mailer.store.database import Store
from mailer.store.schema import articles as table
from mailer.store.schema import deliveries
from mailer.store.schema import issues as issue_table

DAY = timedelta(days=1)
WEEK = TimeSpan(NOW - 7 * DAY, NOW)
EARLIEST = NOW - 14 * DAY


def only(store: Store) -> Article:
    (found,) = store.read(lambda tx: articles.newest(tx))
    return found


def seen(store: Store, span: TimeSpan = WEEK, **how: Any) -> list[str]:
    """The last part of each link in the time span, in the store's order."""
    found = store.read(lambda tx: articles.in_span(tx, span, EARLIEST, **how))
    return [each.url.rpartition("/")[2] for each in found]


# --- merge -----------------------------------------------------------------------------------------------------------
found_articles = st.builds(
    article,
    st.integers(1, 4),
    published=st.none() | st.datetimes(datetime(2026, 11, 1), datetime(2026, 12, 1)).map(lambda at: at.astimezone()),  # noqa: DTZ001
    guid=st.sampled_from(["", "one", "two"]),
    lead=st.sampled_from(["", "یک", "دو"]),
    tags=st.sampled_from([(), ("آب",), ("آب", "برق")]),
    views=st.none() | st.integers(0, 10**12),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(found_articles, min_size=1, max_size=6, unique_by=lambda each: make.named(each).identity))
def test_the_same_file_twice_changes_nothing(store: Store, found: list[FoundArticle]) -> None:
    make.wipe(store)
    first = keep(store, *found)
    before = store.read(lambda tx: tx.execute(select(table).order_by(table.c.id)).all())
    assert first.added + first.updated + first.unchanged == len(found)

    again = keep(store, *found, now=NOW + DAY)
    rows = store.read(lambda tx: tx.execute(select(table).order_by(table.c.id)).all())
    assert again.added == 0
    if again.updated == 0:
        assert rows == before
    # One item may be in a file with and without its guid; then the two tellings take turns, but no row is added.
    assert len(rows) == len(before) == first.added
    assert again.updated == 0 or len({each.url for each in found}) < len(found)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(found_articles, max_size=12), st.integers(0, 12))
def test_many_together_are_stored_as_one_by_one(store: Store, found: list[FoundArticle], stored_before: int) -> None:
    def stored(steps: list[list[FoundArticle]]) -> tuple[Merged, list[Any]]:
        make.wipe(store)
        counts = [keep(store, *step) for step in steps]
        rows = store.read(lambda tx: tx.execute(select(table).order_by(table.c.id)).mappings().all())
        return sum(counts, Merged()), [{name: value for name, value in row.items() if name != "id"} for row in rows]

    before, after = found[:stored_before], found[stored_before:]
    assert stored([before, after]) == stored([[each] for each in found])


def test_a_link_that_thousands_of_items_share_is_not_read_thousands_of_times(store: Store) -> None:
    url = "https://iran.example/live"
    shared = [article(number, guid=f"n-{number}", url=url) for number in range(300)]
    assert keep(store, *shared) == Merged(added=300)
    read: list[int] = []

    def again(tx: Connection) -> Merged:
        counting = Counting(tx, read)
        named = [make.named(each) for each in shared[:100]] + [make.named(article(999, guid="n-999", url=url))]
        return articles.merge(counting, named, NOW)  # type: ignore[arg-type]

    assert store.write(again) == Merged(added=1, unchanged=100)
    assert sum(read) == 100
    assert len(read) <= 3, "the number of queries does not grow with the number of articles"


class Counting:
    """Records how many rows each query returns."""

    def __init__(self, tx: Connection, read: list[int]) -> None:
        self._tx, self._read = tx, read

    def execute(self, query: Any, *more: Any) -> Any:
        result = self._tx.execute(query, *more)
        if not result.returns_rows:
            return result
        frozen = result.freeze()
        self._read.append(len(frozen().all()))
        return frozen()


def test_an_article_without_a_date_that_a_later_collection_brings_is_estimated(store: Store) -> None:
    def merge(*found: FoundArticle, later: bool) -> None:
        store.write(lambda tx: articles.merge(tx, [make.named(each) for each in found], NOW, later=later))

    merge(article(1, published=None), later=False)
    merge(article(1, published=None), article(2, published=None), article(3, published=NOW - DAY), later=True)
    merge(article(4, published=NOW + DAY), later=True)
    found = {each.url.rpartition("/")[2]: each for each in store.read(articles.newest)}
    assert {number: each.estimated for number, each in found.items()} == {"1": False, "2": True, "3": False, "4": False}
    assert {number: each.undated for number, each in found.items()} == {"1": True, "2": False, "3": False, "4": False}


def test_a_second_sighting_adds_and_removes_nothing(store: Store) -> None:
    keep(store, article(1, lead="", views=None, tags=("آب",)))
    fuller = article(1, lead="خلاصه", views=0, image_alt="سد", category="", tags=())
    assert keep(store, fuller, now=NOW + DAY) == Merged(updated=1)
    assert keep(store, article(1, lead="", views=None, title="")) == Merged(unchanged=1)
    found = only(store)
    assert (found.lead, found.views, found.image_alt) == ("خلاصه", 0, "سد")
    assert found.title == article(1).title
    assert found.category == article(1).category
    assert found.first_seen == NOW


def test_a_source_can_withdraw_what_it_said(store: Store) -> None:
    closed = make.article(1, closed=True, front_page=True)
    for told, flags in (
        (closed, (True, True)),
        (replace(closed, closed=None, front_page=None), (True, True)),  # another source that does not say
        (replace(closed, closed=False, front_page=False), (False, False)),
    ):
        store.write(partial(articles.merge, found=[make.named(told)], now=NOW))
        (kept,) = store.read(lambda tx: articles.newest(tx))
        assert (kept.closed, kept.front_page) == flags


def test_one_item_with_and_without_its_guid_is_one(store: Store) -> None:
    keep(store, article(1))
    assert keep(store, article(1, guid="n-1")) == Merged(updated=1)  # and it has its guid from now on
    assert keep(store, article(1)) == Merged(unchanged=1)
    assert keep(store, article(1, guid="n-1")) == Merged(unchanged=1)
    assert len(store.read(articles.newest)) == 1


def test_two_guids_are_two_items_though_they_share_a_link(store: Store) -> None:
    url = "https://iran.example/live"
    assert keep(store, article(1, guid="n-1", url=url), article(2, guid="n-2", url=url)) == Merged(added=2)


def test_items_without_any_link_are_not_taken_for_each_other(store: Store) -> None:
    one, two = article(1, guid="n-1", url=""), article(2, guid="n-2", url="")
    assert keep(store, one, two) == Merged(added=2)
    assert len(store.read(articles.newest)) == 2


# --- dates -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("published", "dated", "dating"),
    [
        (NOW - DAY, NOW - DAY, Dating.GIVEN),
        (NOW + timedelta(hours=2), NOW + timedelta(hours=2), Dating.GIVEN),  # clocks differ
        (NOW + timedelta(hours=2, seconds=1), NOW, Dating.CLAMPED),
        (None, NOW, Dating.MISSING),
    ],
)
def test_the_instant_an_article_counts_from(
    store: Store, published: datetime | None, dated: datetime, dating: Dating
) -> None:
    keep(store, article(1, published=published))
    assert keep(store, article(1, published=published), now=NOW + 3 * DAY) == Merged(unchanged=1)
    found = only(store)
    assert (found.dated, found.dating) == (dated, dating)


def test_a_date_that_comes_later_counts(store: Store) -> None:
    keep(store, article(1, published=None))
    keep(store, article(1, published=NOW - DAY), now=NOW + DAY)
    assert (only(store).dated, only(store).dating) == (NOW - DAY, Dating.GIVEN)
    # Even a date in the future of the first sighting is measured against that sighting, not against today.
    keep(store, article(1, published=NOW + 3 * DAY), now=NOW + 4 * DAY)
    assert (only(store).dated, only(store).dating) == (NOW, Dating.CLAMPED)


# --- the window ------------------------------------------------------------------------------------------------------
def test_a_time_span_includes_its_start_and_not_its_end(store: Store) -> None:
    instants = {1: WEEK.start, 2: WEEK.end, 3: WEEK.end - timedelta(microseconds=1), 4: WEEK.start - timedelta(1)}
    # All first seen long ago, so that none is late.
    keep(store, *(article(number, published=at) for number, at in instants.items()), now=WEEK.start - 2 * DAY)
    store.write(lambda tx: tx.execute(update(table).values(dated=table.c.published_at)))  # those were the future then
    assert seen(store) == ["1", "3"]


def test_late_articles_count_for_fourteen_days(store: Store) -> None:
    keep(store, article(1, published=EARLIEST), article(2, published=EARLIEST - timedelta(seconds=1)), now=NOW - DAY)
    keep(store, article(3, published=NOW - 8 * DAY), now=NOW - 8 * DAY)  # it had its chance
    assert seen(store) == ["1"]


def test_of_too_many_articles_the_most_read_and_then_the_newest_are_taken(store: Store) -> None:
    keep(
        store,
        article(1, views=None, published=NOW - DAY),
        article(2, views=None, published=NOW - timedelta(hours=1)),
        article(3, views=7, published=NOW - 6 * DAY),
        article(4, views=9, published=NOW - 6 * DAY),
    )
    assert seen(store) == ["4", "3", "2", "1"]
    assert seen(store, limit=3) == ["4", "3", "2"]


def test_a_pinned_article_is_there_before_all_others_and_from_any_time(store: Store) -> None:
    keep(store, article(1), now=NOW - 90 * DAY)
    keep(store, article(2, views=10**6), article(3, published=NOW - 90 * DAY), now=NOW)
    store.write(lambda tx: tx.execute(update(table).where(table.c.id == 3).values(pinned=True)))
    assert seen(store)[0] == "3"
    assert seen(store, limit=1) == ["3"]


def test_choosing_needs_no_walk_through_the_whole_store(store: Store) -> None:
    make.week_of_articles(store)

    def plan(tx: Connection) -> str:
        if not store.sqlite:  # with a few rows, walking them all is right: what is asked is whether it must
            tx.execute(text("SET LOCAL enable_seqscan = off"))
        statements: list[str] = []
        articles.in_span(Spy(tx, statements), WEEK, EARLIEST)  # type: ignore[arg-type]
        return "\n".join(statements)

    said = store.write(plan)
    if store.sqlite:
        steps = [line for line in said.splitlines() if "articles" in line]
        assert steps
        assert [line for line in steps if line.startswith("SCAN articles") and "INDEX" not in line] == []
        assert "ix_articles_dated" in said
    else:
        assert "Seq Scan on articles" not in said
        assert "ix_articles_dated" in said


class Spy:
    """Record the plan of each query before it runs."""

    def __init__(self, tx: Connection, plans: list[str]) -> None:
        self._tx, self._plans = tx, plans

    def execute(self, query: Any) -> Any:
        explain = "EXPLAIN QUERY PLAN " if self._tx.dialect.name == "sqlite" else "EXPLAIN "
        compiled = query.compile(self._tx)
        processed = {
            name: compiled._bind_processors.get(name, lambda value: value)(value)
            for name, value in compiled.construct_params().items()
        }
        order = compiled.positiontup
        values = tuple(processed[name] for name in order) if order is not None else processed
        rows = self._tx.exec_driver_sql(explain + str(compiled), values)
        self._plans += [str(row[-1]) for row in rows]
        return self._tx.execute(query)


# --- earlier issues -------------------------------------------------------------------------------------------
def test_an_issue_that_reached_no_reader_gives_its_articles_back(store: Store) -> None:
    keep(store, *(article(number) for number in (1, 2, 3)))
    issue = make.issue(store, state=IssueState.DRAFT)
    store.write(lambda tx: articles.reserve(tx, issue.id, [1], [2, 1]))

    def used(besides: int = 0) -> frozenset[int]:
        return store.read(lambda tx: articles.used(tx, besides=besides))

    assert used() == {1, 2}
    assert used(besides=issue.id) == frozenset()
    store.write(lambda tx: articles.reserve(tx, issue.id, [3], []))
    assert used() == {3}
    store.write(lambda tx: articles.reserve(tx, issue.id, [1], [2]))
    kept = {state for state in IssueState if used_in(store, issue.id, state)}
    assert kept == {
        IssueState.PLANNED,
        IssueState.DRAFT,
        IssueState.HELD,
        IssueState.FROZEN,
        IssueState.SENDING,
        IssueState.PAUSED,
    }


def used_in(store: Store, issue_id: int, state: IssueState) -> bool:
    make.issue(store, state=state)
    return bool(store.read(lambda tx: articles.used(tx, besides=0)))


def test_one_accepted_mail_uses_its_articles_up(store: Store) -> None:
    keep(store, article(1))
    make.readers(store, 2)
    issue = make.under_way(store)
    store.write(lambda tx: articles.reserve(tx, issue.id, [1], []))
    store.write(lambda tx: tx.execute(update(deliveries).where(deliveries.c.id == 1).values(state="accepted")))
    for state in (IssueState.CANCELLED, IssueState.PARTIAL, IssueState.SENT):
        assert used_in(store, issue.id, state), state


def test_articles_of_earlier_issues_are_there_however_many_others_there_are(store: Store) -> None:
    keep(store, article(1, published=WEEK.start - 50 * DAY), now=WEEK.start - 50 * DAY)
    keep(store, article(2, views=10**6), article(3, views=10**6))
    make.readers(store, 1)
    issue = make.under_way(store)
    store.write(lambda tx: articles.reserve(tx, issue.id, [1], []))
    ended = update(issue_table).values(window_end=WEEK.start)
    store.write(lambda tx: tx.execute(ended))
    assert seen(store, limit=1) == ["2"], "nobody got it"
    store.write(lambda tx: tx.execute(update(deliveries).values(state="accepted")))
    assert seen(store, limit=1) == ["2", "1"]


# --- looking ---------------------------------------------------------------------------------------------------------
def test_the_list_is_newest_first_and_can_be_narrowed(store: Store) -> None:
    for number in (1, 2, 3):
        keep(store, article(number, title=f"خبر {number}٪_", published=NOW - number * DAY))

    def found(**how: Any) -> list[int]:
        return [each.id for each in store.read(lambda tx: articles.newest(tx, **how))]

    assert found() == [1, 2, 3]
    assert found(limit=2) == [1, 2]
    assert found(since=NOW - 2 * DAY) == [1, 2]
    assert found(until=NOW - 2 * DAY) == [3]
    assert found(search="۲") == []
    assert found(search="خبر 2") == [2]
    assert found(search="_") == [1, 2, 3]
    assert found(search="%") == []
    assert store.read(lambda tx: articles.get(tx, 2)) is not None
    assert store.read(lambda tx: articles.get(tx, 4711)) is None


@pytest.mark.parametrize("wrong", [{"dating": "guessed"}, {"news_value": 3}, {"identity": "link:there"}])
def test_rows_that_make_no_sense_are_refused(store: Store, wrong: dict[str, Any]) -> None:
    values = {"identity": "link:there", "link_key": "", "source": "s", "title": "t", "dated": NOW, "dating": "given"}
    values |= {"first_seen_at": NOW, "updated_at": NOW}

    def work(tx: Connection) -> None:
        tx.execute(insert(table).values(values))
        tx.execute(insert(table).values({**values, "identity": "link:other", **wrong}))

    with pytest.raises(IntegrityError):
        store.write(work)


# --- the weeks before ------------------------------------------------------------------------------------------------
def test_the_titles_of_the_four_weeks_before_are_the_same_every_time(store: Store) -> None:
    ages = {1: 1, 2: 8, 3: 20, 4: 34, 5: 36, 6: 60}
    keep(store, *(article(number, published=NOW - age * DAY, guid=str(number)) for number, age in ages.items()))
    before = {number: article(number).title for number in ages}
    found = store.read(lambda tx: articles.titles_before(tx, NOW - 7 * DAY))
    assert sorted(found) == sorted(before[number] for number in (2, 3, 4))
    assert store.read(lambda tx: articles.titles_before(tx, NOW - 7 * DAY)) == found
    assert len(store.read(lambda tx: articles.titles_before(tx, NOW - 7 * DAY, limit=2))) == 2
