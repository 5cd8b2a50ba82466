"""Issues: one row for one slot, and only the arrows of `lifecycle` can be walked, by one walker each."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import Any

import ledger
import make
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make import NOW
from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError

from mailer.lifecycle import ARROWS, IssueEvent
from mailer.model import (
    ChosenStory,
    DeliveryKind,
    Edits,
    IssueState,
    RejectedStory,
    Rendered,
    SubscriberStatus,
    TimeSpan,
    Variant,
)
from mailer.reasons import Reason, ReasonCode
from mailer.store import articles, issues
from mailer.store import deliveries as ledger_of
from mailer.store.database import Store
from mailer.store.schema import deliveries
from mailer.store.schema import issues as table

STORY = ChosenStory(
    position=1,
    article_id=7,
    url="https://iran.example/news/7",
    title="جشنوارهٔ انار «ساوه»",
    lead="",
    section="فرهنگ",
    source="outlet.example",
    image_url="",
    image_alt="",
    dated=datetime(2026, 11, 23, 6, 30, 15, 250_000, tzinfo=UTC),
    also=((8, "https://iran.example/news/8", "انار"),),
    score=1.25,
    parts={"views": 1.0, "fresh": 0.25},
    pinned=False,
)


def test_one_issue_for_one_slot(store: Store) -> None:
    slot = make.slot()
    assert store.write(lambda tx: issues.plan(tx, slot, slot.at, NOW))
    assert not store.write(lambda tx: issues.plan(tx, slot, slot.at + timedelta(hours=1), NOW))
    found = store.read(lambda tx: issues.find(tx, slot.key))
    assert found is not None
    assert (found.slot, found.day, found.send_at, found.state) == (slot.key, slot.day, slot.at, IssueState.PLANNED)
    assert (found.span, found.number, found.stories, found.recipients) == (None, None, (), 0)


def test_of_eight_who_plan_a_slot_at_once_one_wins(store_url: str) -> None:
    slot, start = make.slot(), threading.Barrier(8)

    def plan(_: int) -> bool:
        store = Store(store_url)
        try:
            start.wait()
            return store.write(lambda tx: issues.plan(tx, slot, slot.at, NOW))
        finally:
            store.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(plan, range(8))) == [False] * 7 + [True]


def test_of_four_who_walk_the_same_arrow_at_once_one_wins(store_url: str, store: Store) -> None:
    issue = make.issue(store, state=IssueState.FROZEN)
    start = threading.Barrier(4)

    def walk(snapshot: bool) -> bool:
        own = Store(store_url)
        try:
            start.wait()
            return own.write(lambda tx: issues.step(tx, issue.id, IssueEvent.START, at=NOW), snapshot=snapshot)
        finally:
            own.close()

    with ThreadPoolExecutor(4) as pool:
        # Starting an issue uses a snapshot; PostgreSQL lets such a transaction fail when it comes second.
        assert sorted(pool.map(walk, [True, True, True, False])) == [False] * 3 + [True]


MAIL = Rendered("خبرها", "<p>خبرها</p>", "خبرها")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(IssueEvent), min_size=1, max_size=12))
def test_only_the_arrows_can_be_walked(store: Store, events: list[IssueEvent]) -> None:
    issue = make.issue(store, state=IssueState.PLANNED)
    state = IssueState.PLANNED
    for event in events:
        from_, to = ARROWS[event]
        moved = store.write(lambda tx, event=event: issues.step(tx, issue.id, event))  # type: ignore[misc]
        assert moved is (state in from_), (state, event)
        state = to if moved else state
        found = store.read(lambda tx: issues.get(tx, issue.id))
        assert found is not None
        assert found.state is state


@pytest.mark.parametrize("event", IssueEvent)
def test_each_arrow_from_each_state(store: Store, event: IssueEvent) -> None:
    from_, to = ARROWS[event]
    for state in IssueState:
        issue = make.issue(store, state=state)
        moved = store.write(lambda tx, number=issue.id: issues.step(tx, number, event))  # type: ignore[misc]
        assert moved is (state in from_), state
        after = store.read(lambda tx: issues.find(tx, make.SLOT))
        assert after is not None
        assert after.state is (to if moved else state)


def test_no_other_state_can_be_written(store: Store) -> None:
    issue = make.issue(store)
    with pytest.raises(IntegrityError):
        store.write(lambda tx: tx.execute(update(table).where(table.c.id == issue.id).values(state="lost")))


def test_a_choice_is_read_back_as_it_was_made(store: Store) -> None:
    issue = make.issue(store)
    span = TimeSpan(NOW - timedelta(days=7), NOW)
    reason = Reason(ReasonCode.TOO_FEW_STORIES, {"found": 1, "least": 5})
    chosen = replace(
        issue,
        state=IssueState.HELD,
        stories=(replace(STORY, why=(Reason(ReasonCode.WHY_READ, {"percent": 90, "views": 12}),)),),
        rejected=(
            RejectedStory(
                "u", "t", 0.5, Reason(ReasonCode.SAME_TITLE, {"title": "انار"}), (Reason(ReasonCode.BANNED),)
            ),
        ),
        notes=(Reason(ReasonCode.NO_VIEW_COUNTS), Reason(ReasonCode.TEXT, {"words": "بدون شمار بازدید"})),
        span=span,
        subject="انار و خبرهای دیگر",
        reason=reason,
        drafted_at=NOW,
    )
    assert store.write(lambda tx: issues.save_choice(tx, chosen, IssueState.PLANNED))
    assert not store.write(lambda tx: issues.save_choice(tx, issue, IssueState.PLANNED)), "it is held now"
    assert store.read(lambda tx: issues.get(tx, issue.id)) == chosen


@pytest.mark.parametrize("code", ReasonCode)
def test_every_reason_is_read_back_as_it_was_written(store: Store, code: ReasonCode) -> None:
    issue = make.issue(store)
    inner = Reason(ReasonCode.NOT_AMONG_BEST, {"count": 12})
    values: tuple[str | int | Reason, ...] = (3, "«نام» {x}", inner)
    reason = Reason(
        code,
        {
            name: values[len(name) % 3]
            for name in ("why", "x", *(name for _, name, *_ in Formatter().parse(code.english) if name))
        },
    )
    assert store.write(lambda tx: issues.step(tx, issue.id, IssueEvent.HOLD, reason=reason))
    found = store.read(lambda tx: issues.get(tx, issue.id))
    assert found is not None
    assert found.reason == reason
    assert store.write(lambda tx: issues.step(tx, issue.id, IssueEvent.RELEASE))
    assert store.read(lambda tx: issues.get(tx, issue.id)) == replace(issue, state=IssueState.DRAFT), (
        "no reason is left"
    )


def test_edits_are_read_back_as_they_were_written_in_the_order_of_the_moves(store: Store) -> None:
    issue = make.issue(store, state=IssueState.DRAFT)
    edits = Edits(
        dropped=frozenset({7, 3}),
        places={12: 1, 4: 2, 9: 1},
        titles={4: "تیتر"},
        subject="س",
        intro="م",
        gone={5: "رفت"},
        checked=True,
    )
    store.write(lambda tx: issues.set_edits(tx, issue.id, edits))
    found = store.write(lambda tx: issues.lock(tx, issue.id, (IssueState.DRAFT,)))
    assert found == replace(issue, edits=edits)
    assert found is not None
    assert list(found.edits.places) == [12, 4, 9]
    assert store.write(lambda tx: issues.lock(tx, issue.id, (IssueState.HELD,))) is None


def test_the_newest_issue_is_that_of_the_latest_slot(store: Store) -> None:
    assert store.read(issues.newest) is None
    for key in ("1405-W37", "1405-W36", "1405-W35"):
        make.issue(store, key)
    newest = store.read(issues.newest)
    assert newest is not None
    assert newest.slot == "1405-W37"
    listed = store.read(lambda tx: issues.recent(tx, states=(IssueState.PLANNED,), limit=2))
    assert [issue.slot for issue in listed] == ["1405-W37", "1405-W36"]
    assert store.read(lambda tx: issues.recent(tx, states=(IssueState.SENT,))) == []
    assert store.read(lambda tx: issues.find(tx, "1405-W01")) is None


def test_the_newest_issue_up_to_a_day_and_the_last_that_went_out(store: Store) -> None:
    for key in ("1405-W35", "1405-W36", "1405-W38"):
        make.issue(store, key)
    early = store.read(lambda tx: issues.newest(tx, until=make.slot("1405-W37").day))
    assert early is not None
    assert early.slot == "1405-W36"
    assert store.read(issues.last_started) is None
    make.under_way(store, "1405-W37", now=NOW)
    make.under_way(store, "1405-W34", now=NOW + timedelta(days=1))
    last = store.read(issues.last_started)
    assert last is not None
    assert last.slot == "1405-W34"


def test_an_issue_is_removed_with_all_that_belongs_to_it_but_its_test_mails(store: Store) -> None:
    make.week_of_articles(store, count=3)
    issue = make.issue(store, state=IssueState.FROZEN)
    kept = make.issue(store, "1405-W37")

    def work(tx: Connection) -> None:
        articles.reserve(tx, issue.id, [1], [2])
        issues.add_variant(tx, DeliveryKind.ISSUE, issue.id, MAIL, NOW)
        trial = issues.add_variant(tx, DeliveryKind.TEST, issue.id, MAIL, NOW)
        ledger_of.owe(tx, DeliveryKind.TEST, "test.1", "editor@iran.example", trial, issue.id, NOW)

    store.write(work)
    assert store.write(lambda tx: issues.remove(tx, issue.id)) is True
    assert [each.slot for each in store.read(issues.recent)] == [kept.slot]
    assert store.read(lambda tx: articles.used(tx, besides=0)) == frozenset()
    assert [(row["key"], row["issue_id"]) for row in ledger.rows(store)] == [("test.1", None)]
    assert store.write(lambda tx: issues.plan(tx, make.slot(), NOW, NOW)) is True
    assert store.write(lambda tx: issues.remove(tx, issue.id)) is False


def test_readers_to_expect_and_whether_any_address_is_real(store: Store) -> None:
    day = make.slot().day

    def seen() -> tuple[int, bool]:
        return store.read(lambda tx: (ledger_of.expected(tx, day), ledger_of.anyone_real(tx, day)))

    assert seen() == (0, False)
    for number, domain in enumerate(("iran.example", "a.b.test", "example.org", "news.example.com", "x.invalid")):
        make.subscriber(store, f"r{number}@{domain}")
    make.subscriber(store, "left@gmail.com", status=SubscriberStatus.UNSUBSCRIBED)
    assert seen() == (5, False)
    make.subscriber(store, "r@notexample.org")
    assert seen() == (6, True)


def test_the_next_window_begins_where_somebody_was_last_told(store: Store) -> None:
    make.readers(store, 1)
    ends = {}
    for number, key in enumerate(("1405-W34", "1405-W35", "1405-W36")):
        issue = make.under_way(store, key)
        ends[key] = NOW - timedelta(days=21 - 7 * number)
        values = {"window_start": ends[key] - timedelta(days=7), "window_end": ends[key]}
        store.write(lambda tx, i=issue, v=values: tx.execute(update(table).where(table.c.id == i.id).values(**v)))  # type: ignore[misc]

    def previous(key: str) -> datetime | None:
        return store.read(lambda tx: issues.previous_end(tx, make.slot(key).day))

    assert previous("1405-W37") is None  # nothing was accepted yet
    store.write(lambda tx: tx.execute(update(deliveries).where(deliveries.c.id != 3).values(state="accepted")))
    assert previous("1405-W37") == ends["1405-W35"]
    assert previous("1405-W35") == ends["1405-W34"]
    assert previous("1405-W34") is None


def test_numbers_count_up_and_are_given_once(store: Store) -> None:
    assert store.read(issues.next_number) == 1
    first, second = make.issue(store, "1405-W35"), make.issue(store, "1405-W36")
    store.write(lambda tx: make.put(tx, first.id, IssueState.FROZEN, number=46))
    assert store.read(issues.next_number) == 47
    with pytest.raises(IntegrityError):
        store.write(lambda tx: make.put(tx, second.id, IssueState.FROZEN, number=46))


def test_the_frozen_bytes_are_kept_and_forgotten_on_reopening(store: Store) -> None:
    issue = make.issue(store)

    def add(kind: DeliveryKind, subject: str) -> int:
        mail = Rendered(subject, "<p>\r\n۱", "۱")
        return store.write(lambda tx: issues.add_variant(tx, kind, issue.id, mail, NOW))

    assert store.read(lambda tx: issues.full_variant(tx, issue.id)) is None
    test, own = add(DeliveryKind.TEST, "آزمایشی"), add(DeliveryKind.ISSUE, "خبرها")
    full = store.read(lambda tx: issues.full_variant(tx, issue.id))
    assert full == store.read(lambda tx: issues.variant(tx, own))
    assert full is not None
    kept = Rendered("خبرها", "<p>\r\n۱", "۱")
    assert full == Variant(own, kept.subject, kept.html, kept.text, kept.sha256)

    store.write(lambda tx: issues.drop_variants(tx, issue.id))
    assert store.read(lambda tx: issues.full_variant(tx, issue.id)) is None
    assert store.read(lambda tx: issues.variant(tx, test)).subject == "آزمایشی"


def test_bytes_that_are_owed_to_somebody_cannot_be_forgotten(store: Store) -> None:
    make.readers(store, 1)
    issue = make.under_way(store)
    with pytest.raises(IntegrityError):
        store.write(lambda tx: issues.drop_variants(tx, issue.id))


@pytest.mark.parametrize("wrong", [{"slot": None}, {"day": None}, {"send_at": None}, {"planned_at": None}])
def test_rows_that_make_no_sense_are_refused(store: Store, wrong: dict[str, Any]) -> None:
    slot = make.slot()
    values = {"slot": slot.key, "day": slot.day, "state": "planned", "send_at": slot.at, "planned_at": NOW, **wrong}
    with pytest.raises(IntegrityError):
        store.write(lambda tx: tx.execute(insert(table).values(values)))
