"""The ledger: who is owed a mail, who may change a row, and what the database refuses in any case."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import make
import pytest
from make import NOW
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from mailer.model import (
    Batch,
    Delivery,
    DeliveryChange,
    DeliveryKind,
    DeliveryState,
    EventKind,
    Expiry,
    Issue,
    IssueState,
    Rejection,
    Rendered,
    Reply,
    Skip,
    SubscriberStatus,
)
from mailer.store import deliveries, hot_path, issues, reports, subscribers, suppressions
from mailer.store.database import Store
from mailer.store.schema import batches
from mailer.store.schema import deliveries as table
from mailer.store.schema import subscribers as people

LEASE = timedelta(seconds=60)
Q, S = DeliveryState.QUEUED, DeliveryState.SENDING


def claim(store: Store, now: datetime = NOW, worker: str = "one", issue_id: int | None = None) -> Batch | None:
    return store.write(lambda tx: deliveries.claim(tx, worker, now, LEASE, issue_id))


def claimed(store: Store, now: datetime = NOW, worker: str = "one") -> Batch:
    batch = claim(store, now, worker)
    assert batch is not None
    return batch


def queued(store: Store, batch: Batch) -> list[Delivery]:
    return store.read(lambda tx: deliveries.queued(tx, batch))


def intend(store: Store, delivery: Delivery, now: datetime = NOW) -> bool:
    return store.write(lambda tx: hot_path.write_all(tx, (), [delivery], now))


def hindrance(store: Store, delivery: Delivery, now: datetime = NOW) -> Skip | None:
    return store.read(lambda tx: deliveries.hindrance(tx, delivery, now))


def record(store: Store, delivery: Delivery, state: DeliveryState, **fields: Any) -> bool:
    change = DeliveryChange(delivery=delivery, state=state, **fields)
    return store.write(lambda tx: deliveries.finish_attempt(tx, change, NOW))


def defer(store: Store, delivery: Delivery, until: datetime) -> bool:
    return record(store, delivery, DeliveryState.DEFERRED, due_at=until)


def close(store: Store, batch: Batch) -> bool:
    return store.write(lambda tx: deliveries.close(tx, batch))


def is_open(store: Store, issue: Issue) -> bool:
    return store.read(lambda tx: deliveries.anything_open(tx, issue.id))


def counts(store: Store, issue: Issue) -> dict[DeliveryState, int]:
    """The states that occur."""
    found = store.read(lambda tx: deliveries.counts(tx, issue.id))
    assert set(found) == set(DeliveryState)
    return {state: count for state, count in found.items() if count}


def one(store: Store) -> tuple[Issue, Batch, Delivery]:
    """An issue under way to one reader, claimed."""
    make.readers(store, 1)
    issue = make.under_way(store)
    batch = claimed(store)
    (delivery,) = queued(store, batch)
    return issue, batch, delivery


# --- who is owed it --------------------------------------------------------------------------------------------------
def test_exactly_the_eligible_are_owed_the_issue(store: Store) -> None:
    day = make.slot().day
    wanted = make.readers(store, 3)
    for status in SubscriberStatus:
        if status is not SubscriberStatus.ACTIVE:
            make.subscriber(store, f"{status}@example.org", status=status)
    make.subscriber(store, "barred@example.org")
    barred = make.hash_of("barred@example.org")
    store.write(lambda tx: suppressions.add(tx, [barred], EventKind.COMPLAINED, at=NOW))
    back_on_the_day = make.subscriber(store, "back@example.org")
    away = make.subscriber(store, "away@example.org")

    def pause(number: int, until: date) -> None:
        store.write(lambda tx: tx.execute(update(people).where(people.c.id == number).values(paused_until=until)))

    pause(back_on_the_day, day)
    pause(away, day + timedelta(days=1))

    issue = make.under_way(store)
    owed = store.read(lambda tx: list(tx.execute(select(table.c.subscriber_id).order_by(table.c.id)).scalars()))
    assert owed == [*wanted, back_on_the_day]
    assert issue.recipients == 4
    assert counts(store, issue) == {Q: 4}

    make.subscriber(store, "later@example.org")  # gets the next one
    assert counts(store, issue) == {Q: 4}
    keys = store.read(lambda tx: set(tx.execute(select(table.c.key)).scalars()))
    assert keys == {f"issue.{make.SLOT}.{number}" for number in owed}


def test_an_issue_without_readers_owes_nothing(store: Store) -> None:
    issue = make.under_way(store)
    assert issue.recipients == 0
    assert claim(store) is None
    assert not is_open(store, issue)


def test_a_claim_holds_at_most_five_hundred(store: Store) -> None:
    make.readers(store, 1203)
    issue = make.under_way(store)
    held = [batch for batch in (claim(store) for _ in range(6)) if batch]
    sizes = [len(queued(store, batch)) for batch in held]
    assert sum(sizes) == issue.recipients == 1203
    assert max(sizes) <= deliveries.BATCH
    assert len(sizes) == 3
    first = queued(store, held[0])
    assert [each.subscriber_id for each in first] == sorted(each.subscriber_id or 0 for each in first)


def test_no_reader_can_be_owed_an_issue_twice(store: Store) -> None:
    issue, _, delivery = one(store)
    for work in (
        lambda tx: deliveries.freeze_recipients(tx, issue.id, issue.slot, issue.day, delivery.variant_id, NOW),
        lambda tx: tx.execute(insert(table).values(row(store, issue, delivery, key="another"))),
        lambda tx: tx.execute(insert(table).values(row(store, issue, delivery, subscriber_id=None, recipient="a@b.c"))),
    ):
        with pytest.raises(IntegrityError):
            store.write(work)
    assert counts(store, issue) == {Q: 1}


def row(store: Store, issue: Issue, delivery: Delivery, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "issue",
        "key": delivery.key,
        "issue_id": issue.id,
        "subscriber_id": delivery.subscriber_id,
        "variant_id": delivery.variant_id,
        "batch_id": delivery.batch.id,
        "state": "queued",
        "created_at": NOW,
        **changes,
    }


LATER = NOW + timedelta(hours=1)


WRONG: list[dict[str, Any]] = [
    *({"state": state, "reason": None} for state in ("rejected", "skipped", "expired")),
    {"state": "rejected", "reason": "unsubscribed"},
    {"state": "skipped", "reason": "hard"},
    {"state": "expired", "reason": "paused"},
    {"state": "accepted", "reason": "hard"},
    {"state": "queued", "reason": "cancelled"},
    {"state": "unknown", "reason": ""},
    {"state": "deferred", "due_at": None},
    {"state": "queued", "due_at": LATER},
    {"state": "accepted", "due_at": LATER},
    {"state": "queued", "batch_id": None},  # no claim would ever find it
    {"state": "sending", "batch_id": None},
    {"state": "posted"},
    {"state": None},
    {"kind": "advertisement"},
    {"recipient": "somebody@example.org"},  # it goes to the subscriber
    {"subscriber_id": None},  # then it must say to whom
    {"variant_id": None},
    {"variant_id": 4711},
    {"batch_id": 4711},
]


def test_rows_that_make_no_sense_are_refused(store: Store) -> None:
    issue, _, _ = one(store)
    for wrong in WRONG:
        with pytest.raises(IntegrityError):
            store.write(lambda tx, w=wrong: tx.execute(update(table).values(**w)))  # type: ignore[misc]
    assert counts(store, issue) == {Q: 1}


@pytest.mark.parametrize(
    ("state", "reasons"),
    [
        (DeliveryState.REJECTED, Rejection),
        (DeliveryState.SKIPPED, Skip),
        (DeliveryState.EXPIRED, Expiry),
        (DeliveryState.ACCEPTED, (None,)),
        (DeliveryState.UNKNOWN, (None,)),
    ],
)
def test_every_end_with_its_reasons_can_be_written(store: Store, state: DeliveryState, reasons: Any) -> None:
    issue, _, delivery = one(store)
    for reason in reasons:
        store.write(lambda tx, r=reason: tx.execute(update(table).values(state=state, reason=r)))  # type: ignore[misc]
        found = store.read(lambda tx: reports.states_of(tx, [delivery.id, 4711]))
        assert found == {delivery.id: (state, reason, None)}
    assert not [each for each in counts(store, issue) if each is not state]


# --- claiming --------------------------------------------------------------------------------------------------------
def test_a_claim_is_exclusive(store_url: str, store: Store) -> None:
    make.readers(store, 40)
    make.under_way(store)
    # Twelve batches out of one, so that there is something to fight for.
    store.write(_scatter)
    start = threading.Barrier(4)

    def take(worker: int) -> list[tuple[int, int]]:
        own, got = Store(store_url), []
        try:
            start.wait()
            while batch := claim(own, worker=str(worker)):
                got += [(each.id, batch.fence) for each in queued(own, batch)]
        finally:
            own.close()
        return got

    with ThreadPoolExecutor(4) as pool:
        taken = [each for got in pool.map(take, range(4)) for each in got]
    assert sorted(number for number, _ in taken) == list(range(1, 41))
    assert {fence for _, fence in taken} == {1}


def _scatter(tx: Connection) -> None:
    for ordinal in range(1, 13):
        made = tx.execute(
            insert(batches).values(issue_id=1, ordinal=ordinal, priority=5, due_at=NOW).returning(batches.c.id)
        ).scalar_one()
        tx.execute(update(table).where(table.c.id % 12 == ordinal % 12).values(batch_id=made))


def test_a_held_batch_is_free_again_when_its_lease_ends_and_the_old_owner_is_shut_out(store: Store) -> None:
    _, batch, delivery = one(store)
    assert intend(store, delivery)
    assert claim(store, NOW + LEASE - timedelta(seconds=1)) is None
    later = NOW + LEASE
    assert not intend(store, delivery, later)  # its own lease is over, though no other process has taken it yet

    taken = claimed(store, later, "two")
    assert (taken.id, taken.fence) == (batch.id, batch.fence + 1)
    (left,) = store.read(lambda tx: deliveries.left_in_sending(tx, taken))
    assert (left.id, left.batch) == (delivery.id, taken)

    # The old owner wakes up: whatever it does changes nothing.
    assert not record(store, delivery, DeliveryState.ACCEPTED)
    assert not close(store, batch)
    store.write(lambda tx: deliveries.renew(tx, [batch], NOW + timedelta(days=1), LEASE))
    store.write(lambda tx: deliveries.release(tx, batch, NOW))
    assert claim(store, later) is None
    assert hindrance(store, delivery, later) is None
    assert store.read(lambda tx: reports.states_of(tx, [delivery.id]))[delivery.id][0] is S

    assert record(store, left._replace(unknowns=1), Q)
    (again,) = queued(store, taken)
    assert again.unknowns == 1
    assert again.key == delivery.key
    assert not intend(store, delivery, later)
    assert intend(store, again, later)
    assert record(store, again, DeliveryState.ACCEPTED)
    assert not record(store, again, DeliveryState.UNKNOWN)  # an outcome is written once


def test_an_outcome_that_was_written_is_not_overwritten(store: Store) -> None:
    _, _, delivery = one(store)
    intend(store, delivery)
    record(store, delivery, DeliveryState.ACCEPTED)
    assert not record(store, delivery, Q)
    assert store.read(lambda tx: reports.states_of(tx, [delivery.id]))[delivery.id][0] is DeliveryState.ACCEPTED


def test_a_renewed_lease_lasts(store: Store) -> None:
    _, batch, delivery = one(store)
    store.write(lambda tx: deliveries.renew(tx, [batch], NOW + timedelta(seconds=40), LEASE))
    assert claim(store, NOW + timedelta(seconds=99)) is None
    assert intend(store, delivery, NOW + timedelta(seconds=99))
    assert claimed(store, NOW + timedelta(seconds=100)).fence == batch.fence + 1


def test_a_lease_that_ends_in_the_far_future_is_ignored(store: Store) -> None:
    make.readers(store, 1)
    make.under_way(store, now=NOW - timedelta(hours=2))
    batch = claimed(store, NOW)
    stepped_back = NOW - timedelta(hours=1)
    assert claimed(store, stepped_back, "two").fence == batch.fence + 1
    assert claim(store, stepped_back) is None  # this one is real


def test_a_batch_that_is_due_in_a_far_future_is_due(store: Store) -> None:
    # It was made before the clock stepped back by an hour; nothing is put off by its batch for that long.
    make.readers(store, 1)
    make.under_way(store, now=NOW + timedelta(hours=1))
    assert claim(store, NOW) is not None


def test_a_released_batch_is_free_when_it_is_due(store: Store) -> None:
    _, batch, _ = one(store)
    due = NOW + timedelta(minutes=1)
    store.write(lambda tx: deliveries.release(tx, batch, due))
    assert claim(store, due - timedelta(seconds=1)) is None
    assert claimed(store, due).fence == batch.fence + 1


def test_service_mails_go_first(store: Store) -> None:
    make.readers(store, 1)
    issue = make.under_way(store)
    variant = store.write(lambda tx: issues.add_variant(tx, DeliveryKind.TEST, issue.id, Rendered("آ", "آ", "آ"), NOW))

    def owe(kind: DeliveryKind, at: datetime) -> int:
        key = f"{kind}.{at:%s}"
        return store.write(lambda tx: deliveries.owe(tx, kind, key, "editor@iran.example", variant, issue.id, at))

    later = NOW + timedelta(minutes=1)
    test, confirmation = owe(DeliveryKind.TEST, NOW), owe(DeliveryKind.CONFIRMATION, later)
    order = [queued(store, claimed(store, later))[0] for _ in range(3)]
    assert [each.id for each in order[:2]] == [confirmation, test]
    assert order[2].kind is DeliveryKind.ISSUE
    assert (order[1].address, order[1].subscriber_id, order[1].issue_id) == ("editor@iran.example", None, issue.id)

    # What is no mail of the issue is in none of its counts, and goes out whatever becomes of it.
    assert counts(store, issue) == {Q: 1}
    move(store, issue, IssueState.CANCELLED)
    assert intend(store, order[1], later)
    assert not intend(store, order[2], later)


def move(store: Store, issue: Issue, to: IssueState) -> None:
    store.write(lambda tx: make.put(tx, issue.id, to))


def test_a_claim_may_be_narrowed_to_one_issue(store: Store) -> None:
    make.readers(store, 1)
    first, second = make.under_way(store, "1405-W35"), make.under_way(store, "1405-W36")
    batch = claim(store, issue_id=second.id)
    assert batch is not None
    assert [each.issue_id for each in queued(store, batch)] == [second.id]
    assert claim(store, issue_id=second.id) is None
    assert claim(store, issue_id=first.id) is not None


@pytest.mark.parametrize("state", [state for state in IssueState if state is not IssueState.SENDING])
def test_only_an_issue_under_way_can_be_claimed_or_sent(store: Store, state: IssueState) -> None:
    issue, batch, delivery = one(store)
    move(store, issue, state)
    assert not intend(store, delivery)
    assert hindrance(store, delivery) is None  # it stays as it is
    store.write(lambda tx: deliveries.release(tx, batch, NOW))
    assert claim(store) is None
    assert store.read(lambda tx: deliveries.claimable_at(tx, issue.id)) is None
    move(store, issue, IssueState.SENDING)
    assert claim(store) is not None


def test_a_claim_says_nothing_about_a_row_of_another_batch(store: Store) -> None:
    issue, _, delivery = one(store)
    store.write(_scatter)  # it is in another batch now, while the first is still held
    assert not intend(store, delivery)
    moved = claimed(store, worker="two")
    while not queued(store, moved):
        moved = claimed(store, worker="two")
    assert intend(store, queued(store, moved)[0])
    assert not record(store, delivery, DeliveryState.ACCEPTED)
    assert counts(store, issue) == {S: 1}


# --- the last check ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "barred", "why"),
    [
        (SubscriberStatus.UNSUBSCRIBED, False, Skip.UNSUBSCRIBED),
        (SubscriberStatus.UNSUBSCRIBED, True, Skip.UNSUBSCRIBED),
        (SubscriberStatus.ACTIVE, True, Skip.SUPPRESSED),
        (SubscriberStatus.COMPLAINED, False, Skip.SUPPRESSED),
        (SubscriberStatus.BOUNCED, False, Skip.SUPPRESSED),
        (SubscriberStatus.SUPPRESSED, True, Skip.SUPPRESSED),
        (SubscriberStatus.PENDING, False, Skip.SUPPRESSED),
    ],
)
def test_a_reader_who_may_no_longer_be_mailed_after_the_freeze_gets_nothing(
    store: Store, status: SubscriberStatus, barred: bool, why: Skip
) -> None:
    issue, batch, delivery = one(store)
    store.write(lambda tx: tx.execute(update(people).values(status=status)))
    if barred:
        hash_ = make.hash_of(delivery.address)
        store.write(lambda tx: suppressions.add(tx, [hash_], EventKind.UNSUBSCRIBED, at=NOW))
    assert not intend(store, delivery)
    assert hindrance(store, delivery) is why
    assert store.write(lambda tx: deliveries.skip(tx, delivery, why, NOW))
    assert counts(store, issue) == {DeliveryState.SKIPPED: 1}
    assert close(store, batch)
    assert not is_open(store, issue)


def test_nothing_hinders_a_mail_that_may_go(store: Store) -> None:
    _, _, delivery = one(store)
    assert hindrance(store, delivery) is None
    assert intend(store, delivery)
    assert not intend(store, delivery)  # it is on its way already


def test_leaving_waits_for_an_intent_that_is_being_written(store_url: str, store: Store) -> None:
    # Once the reader's request has been answered, nothing may begin to be sent: so it is answered after the intent.
    _, _, delivery = one(store)
    intended, written = threading.Event(), threading.Event()
    order: list[str] = []

    def slowly(tx: Connection) -> None:
        assert hot_path.write_all(tx, (), [delivery], NOW)
        intended.set()
        written.wait(0.3)
        order.append("intended")

    def leave() -> None:
        own = Store(store_url)
        intended.wait()
        to, from_ = SubscriberStatus.UNSUBSCRIBED, (SubscriberStatus.ACTIVE,)
        own.write(lambda tx: subscribers.move(tx, delivery.subscriber_id or 0, to, from_=from_))
        order.append("left")
        written.set()
        own.close()

    leaving = threading.Thread(target=leave)
    leaving.start()
    store.write(slowly)
    leaving.join()
    assert order == ["intended", "left"]


# --- deferred --------------------------------------------------------------------------------------------------------
def test_a_deferred_mail_leaves_its_batch_and_comes_back(store: Store) -> None:
    make.readers(store, 2)
    issue = make.under_way(store)
    batch = claimed(store)
    first, second = queued(store, batch)
    intend(store, first)
    due = NOW + timedelta(minutes=5)
    assert defer(store, first, due)
    assert not close(store, batch)
    intend(store, second)
    record(store, second, DeliveryState.ACCEPTED)
    assert close(store, batch)

    assert is_open(store, issue)
    assert store.read(lambda tx: deliveries.next_due(tx, issue.id)) == due
    assert store.read(lambda tx: deliveries.next_due(tx, issue.id + 1)) is None
    assert store.write(lambda tx: deliveries.requeue_due(tx, due - timedelta(seconds=1))) == 0
    assert store.write(lambda tx: deliveries.requeue_due(tx, due)) == 1
    assert store.write(lambda tx: deliveries.requeue_due(tx, due)) == 0
    assert store.read(lambda tx: deliveries.next_due(tx, issue.id)) is None

    new = claimed(store, due)
    assert new.id != batch.id
    (again,) = queued(store, new)
    assert (again.id, again.key) == (first.id, first.key)
    assert not record(store, first, DeliveryState.ACCEPTED)


def test_deferred_mails_of_two_issues_come_back_in_separate_batches(store: Store) -> None:
    make.readers(store, 3)
    shown = {make.under_way(store, key).id for key in ("1405-W35", "1405-W36")}
    for _ in shown:
        for delivery in queued(store, claimed(store)):
            intend(store, delivery)
            defer(store, delivery, NOW)
    assert store.write(lambda tx: deliveries.requeue_due(tx, NOW)) == 6
    back = [queued(store, claimed(store)) for _ in shown]
    assert [len(each) for each in back] == [3, 3]
    assert {each.issue_id for group in back for each in group} == shown
    assert all(len({each.issue_id for each in group}) == 1 for group in back)


def test_not_more_than_a_batch_comes_back_at_once(store: Store) -> None:
    make.readers(store, 520)
    make.under_way(store)
    store.write(lambda tx: tx.execute(update(table).values(state="deferred", due_at=NOW, batch_id=None)))
    assert [store.write(lambda tx: deliveries.requeue_due(tx, NOW)) for _ in range(3)] == [500, 20, 0]


# --- the end ---------------------------------------------------------------------------------------------------------
def test_ending_affects_waiting_deliveries_but_not_those_on_their_way(store: Store) -> None:
    make.readers(store, 4)
    issue = make.under_way(store)
    batch = claimed(store)
    on_its_way, done, put_off, _ = queued(store, batch)
    for each in (on_its_way, done, put_off):
        intend(store, each)
    record(store, done, DeliveryState.ACCEPTED)
    defer(store, put_off, LATER)

    ended = store.write(lambda tx: deliveries.end_waiting(tx, issue.id, DeliveryState.SKIPPED, Skip.CANCELLED, NOW))
    assert ended == 2
    assert counts(store, issue) == {S: 1, DeliveryState.ACCEPTED: 1, DeliveryState.SKIPPED: 2}
    store.write(lambda tx: deliveries.end_batches(tx, issue.id))
    assert is_open(store, issue)  # one is on its way
    assert record(store, on_its_way, DeliveryState.ACCEPTED)
    store.write(lambda tx: deliveries.end_batches(tx, issue.id))
    assert not is_open(store, issue)
    assert claim(store, LATER) is None


def test_an_issue_that_no_reader_got_can_be_frozen_again(store: Store) -> None:
    issue, _, delivery = one(store)
    store.write(lambda tx: deliveries.withdraw(tx, issue.id))
    assert counts(store, issue) == {}
    again = store.write(
        lambda tx: deliveries.freeze_recipients(tx, issue.id, issue.slot, issue.day, delivery.variant_id, NOW)
    )
    assert again == 1
    assert queued(store, claimed(store))[0].id > delivery.id


def test_when_something_can_be_claimed(store: Store) -> None:
    issue, batch, _ = one(store)

    def at() -> datetime | None:
        found = store.read(lambda tx: deliveries.claimable_at(tx, issue.id))
        assert found is None or found.tzinfo is UTC
        return found

    assert at() == NOW + LEASE
    store.write(lambda tx: deliveries.release(tx, batch, LATER))
    assert at() == LATER
    taken = claimed(store, LATER)
    assert at() == LATER + LEASE
    store.write(lambda tx: tx.execute(update(table).values(state="accepted")))
    assert close(store, taken)
    assert at() is None


def test_a_batch_with_something_left_cannot_be_closed(store: Store) -> None:
    issue, batch, delivery = one(store)
    assert not close(store, batch)
    intend(store, delivery)
    assert not close(store, batch)
    record(store, delivery, DeliveryState.UNKNOWN)
    assert close(store, batch)
    assert not is_open(store, issue)


# --- looking ---------------------------------------------------------------------------------------------------------
def test_the_failed_deliveries_of_an_issue_and_the_mails_of_a_reader(store: Store) -> None:
    make.readers(store, 3)
    issue = make.under_way(store)
    first, second, third = queued(store, claimed(store))
    for each in (first, second, third):
        intend(store, each)
    refused = Reply("RCPT", 550, "5.1.1", "no such user")
    record(store, first, DeliveryState.REJECTED, reason=Rejection.HARD, reply=refused)
    record(store, second, DeliveryState.ACCEPTED)
    record(store, third, DeliveryState.UNKNOWN)

    failed = store.read(lambda tx: reports.failed(tx, issue.id))
    assert [(each["email"], each["state"], each["code"]) for each in failed] == [
        ("reader0001@example.org", "rejected", 550),
        ("reader0003@example.org", "unknown", None),
    ]
    assert len(store.read(lambda tx: reports.failed(tx, issue.id, limit=1))) == 1
    (got,) = store.read(lambda tx: reports.of_subscriber(tx, second.subscriber_id or 0))
    assert (got["slot"], got["kind"], got["state"], got["finished_at"]) == (make.SLOT, "issue", "accepted", NOW)


def test_the_queries_run_for_each_mail_use_an_index(store: Store) -> None:
    make.readers(store, 1)
    make.under_way(store)
    plans: list[str] = []

    def work(tx: Connection) -> None:
        if not store.sqlite:
            tx.execute(text("SET LOCAL enable_seqscan = off"))
        for statement in (
            "SELECT id FROM batches WHERE %s AND due_at <= '2026-11-24' ORDER BY priority, due_at, id LIMIT 1",
            "SELECT id FROM deliveries WHERE state = 'deferred' AND due_at <= '2026-11-24' ORDER BY due_at LIMIT 1",
            "SELECT id FROM deliveries WHERE batch_id = 1 AND state = 'queued'",
        ):
            explain = "EXPLAIN QUERY PLAN " if store.sqlite else "EXPLAIN "
            rows = tx.exec_driver_sql(explain + statement.replace("%s", "done = 0" if store.sqlite else "NOT done"))
            plans.append(" ".join(str(each[-1]) for each in rows))

    store.write(work)
    assert "ix_batches_open" in plans[0]
    assert "ix_deliveries_due_at" in plans[1] or "ix_deliveries_deferred" in plans[1]
    assert "ix_deliveries_batch_id" in plans[2]
    assert store.read(lambda tx: tx.execute(select(func.count()).select_from(batches)).scalar()) == 1
