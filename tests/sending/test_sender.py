"""Sending mails: what each reply means for a delivery, and everything that may happen between claim and outcome."""

import asyncio
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import ledger
import make
import pytest
from make import Clock
from relays import OK, Fake, limited, message_id, relay_at
from scripted_relay import DROP, PATIENT, SILENCE, scripted_relay
from sqlalchemy import Connection, select, update

from mailer.context import App
from mailer.errors import RelayDown, StoreUnavailable
from mailer.issues import control
from mailer.issues import delivery as delivering
from mailer.model import (
    DeliveryKind,
    DeliveryState,
    EventKind,
    Issue,
    IssueState,
    NotSent,
    Outcome,
    Rejected,
    Rejection,
    Rendered,
    Reply,
    SubscriberStatus,
    Unknown,
)
from mailer.reasons import english
from mailer.sending.queue import CHECK_S, Queue
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Delivery
from mailer.smtp.session import Waits
from mailer.store import deliveries, events, hot_path, issues, subscribers, suppressions
from mailer.store.database import Store, Work
from mailer.store.schema import subscribers as subscribers_table
from mailer.store.schema import variants

T = TypeVar("T")
S = DeliveryState
ONE = Delivery(connections=1)
HARD = "550 5.1.1 no such user here"


async def send(app: App, issue: Issue, circuits: Circuits | None = None) -> None:
    await Sender(app, circuits or Circuits(), issue.id).run()


def state(app: App, issue: Issue) -> Counter[DeliveryState]:
    """How many deliveries are in each state; they always add up."""
    found = delivering.status(app, issue)
    assert sum(found.counts.values()) == found.recipients
    return Counter({state: count for state, count in found.counts.items() if count})


def one_reader(
    store: Store, folder: Path, clock: Clock, port: int, delivery: Delivery = ONE, waits: Waits = PATIENT
) -> tuple[App, Issue]:
    make.readers(store, 1)
    return make.app(store, folder, clock, relays=[relay_at(port, waits)], delivery=delivery), make.under_way(store)


def frozen(store: Store, key: str) -> Issue:
    """An issue that is ready to start."""
    made = make.issue(store, key, state=IssueState.FROZEN)
    mail = Rendered("خبرهای تازه", "<p>خبرهای تازه</p>", "خبرهای تازه")
    store.write(lambda tx: issues.add_variant(tx, DeliveryKind.ISSUE, made.id, mail, make.NOW))
    return made


# --- what each reply means -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("answers", "expected", "reason", "status"),
    [
        ({}, S.ACCEPTED, None, SubscriberStatus.ACTIVE),
        ({"RCPT": [HARD]}, S.REJECTED, "hard", SubscriberStatus.BOUNCED),
        ({"dot": [HARD]}, S.REJECTED, "hard", SubscriberStatus.BOUNCED),
        ({"RCPT": ["552 5.2.2 mailbox full"]}, S.REJECTED, "soft", SubscriberStatus.ACTIVE),
        ({"dot": ["552 5.3.4 too big"]}, S.REJECTED, "soft", SubscriberStatus.ACTIVE),
        ({"dot": ["554 5.7.1 looks like spam"]}, S.REJECTED, "block", SubscriberStatus.ACTIVE),
        ({"RCPT": ["550 5.7.1 your address is on a blocklist"]}, S.REJECTED, "block", SubscriberStatus.ACTIVE),
        ({"RCPT": ["553 5.3.0 not today"]}, S.REJECTED, "other", SubscriberStatus.ACTIVE),
        ({"MAIL": ["451 4.3.0 later"]}, S.DEFERRED, None, SubscriberStatus.ACTIVE),
        ({"RCPT": ["450 4.2.0 greylisted"]}, S.DEFERRED, None, SubscriberStatus.ACTIVE),
        ({"DATA": ["451 4.3.0 later"]}, S.DEFERRED, None, SubscriberStatus.ACTIVE),
        ({"dot": ["451 4.3.0 later"]}, S.DEFERRED, None, SubscriberStatus.ACTIVE),
    ],
    ids=str,
)
@make.only_sqlite
async def test_a_reply_becomes_a_state(
    store: Store,
    tmp_path: Path,
    clock: Clock,
    answers: Mapping[str, Sequence[str]],
    expected: DeliveryState,
    reason: str | None,
    status: SubscriberStatus,
) -> None:
    async with scripted_relay(answers) as scripted:
        app, issue = one_reader(store, tmp_path, clock, scripted.port)
        await send(app, issue)
    row = ledger.rows(store)[0]
    assert (row["state"], row["reason"], row["attempts"]) == (expected, reason, 1)
    reader = store.read(lambda tx: subscribers.get(tx, row["subscriber_id"]))
    assert reader is not None
    assert reader.status is status
    kinds = store.read(lambda tx: [event.kind for event in events.history(tx, reader.id)])
    assert (EventKind.BOUNCED in kinds) is (status is SubscriberStatus.BOUNCED)
    assert ledger.leases(store) == 0


async def test_soft_rejections_in_a_row_are_counted(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 1)
    full = "552 5.2.2 mailbox full"
    counted = []
    async with scripted_relay({"RCPT": [full, full, "250 ok", full]}) as scripted:
        app = make.app(store, tmp_path, clock, relays=[relay_at(scripted.port)], delivery=ONE)
        for week in range(36, 40):
            await send(app, make.under_way(store, f"1405-W{week}", now=clock.turn(days=7)))
            counted.append(store.read(lambda tx: tx.execute(select(subscribers_table.c.soft_bounces)).scalar()))
    assert counted == [1, 2, 2, 1]


@make.only_sqlite
async def test_an_address_beyond_ascii_does_not_count_as_a_bounce(store: Store, tmp_path: Path, clock: Clock) -> None:
    reader = make.subscriber(store, "کاربر@example.org")
    make.under_way(store)
    async with scripted_relay({}) as scripted:
        app = make.app(store, tmp_path, clock, relays=[relay_at(scripted.port)], delivery=ONE)
        await Sender(app, Circuits()).run()
        assert "MAIL" not in scripted.verbs
    row = ledger.rows(store)[0]
    assert (row["state"], row["reason"]) == (S.REJECTED, "other")
    assert "SMTPUTF8" in row["reply"]
    found = store.read(lambda tx: subscribers.get(tx, reader))
    assert found is not None
    assert found.status is SubscriberStatus.ACTIVE


async def test_greylisting_only_delays(store: Store, tmp_path: Path, clock: Clock) -> None:
    async with scripted_relay({"RCPT": ["450 4.2.0 greylisted", "450 4.2.0 still"]}) as scripted:
        app, issue = one_reader(store, tmp_path, clock, scripted.port)
        await send(app, issue)
        row = ledger.rows(store)[0]
        assert row["state"] is S.DEFERRED
        assert clock() + timedelta(seconds=59) < row["due_at"] <= clock() + timedelta(seconds=67)
        await send(app, issue)
        assert scripted.verbs.count("RCPT") == 1, "not before its time"
        clock.turn(minutes=2)
        await send(app, issue)
        clock.turn(minutes=6)
        await send(app, issue)
    assert (state(app, issue), ledger.rows(store)[0]["attempts"]) == ({S.ACCEPTED: 1}, 3)
    assert [done.state for done in delivering.finish(app)] == [IssueState.SENT]


@make.only_sqlite
async def test_a_deferred_mail_expires_after_two_days(store: Store, tmp_path: Path, clock: Clock) -> None:
    async with scripted_relay({"RCPT": ["450 4.2.0 greylisted"] * 30}) as scripted:
        app, issue = one_reader(store, tmp_path, clock, scripted.port)
        for _ in range(60):
            await send(app, issue)
            clock.turn(hours=1)
    row = ledger.rows(store)[0]
    assert (row["state"], row["reason"]) == (S.EXPIRED, "gave_up")
    assert [done.state for done in delivering.finish(app)] == [IssueState.PARTIAL]


@pytest.mark.parametrize(
    "answers",
    [
        {"CONNECT": ["421 4.3.2 shutting down"] * 9},
        {"CONNECT": ["554 5.7.1 go away"] * 9},
        {"EHLO": ["502 5.5.1 no"] * 9},
        {"MAIL": ["550 5.7.1 your sender is not allowed here"] * 9},
    ],
    ids=str,
)
async def test_an_outage_costs_no_attempt(
    store: Store, tmp_path: Path, clock: Clock, answers: Mapping[str, Sequence[str]]
) -> None:
    make.readers(store, 3)
    issue = make.under_way(store)
    time = [0.0]
    circuits = Circuits(clock=lambda: time[0])
    async with scripted_relay(answers) as scripted:
        app = make.app(store, tmp_path, clock, relays=[relay_at(scripted.port)], delivery=ONE)
        with pytest.raises(RelayDown):
            await send(app, issue, circuits)
        assert state(app, issue) == {S.QUEUED: 3}
        assert {(row["attempts"], row["first_reply_at"]) for row in ledger.rows(store)} == {(0, None)}
        assert (ledger.leases(store), circuits.wait_s()) == (0, 30)
        asked = len(scripted.lines)
        with pytest.raises(RelayDown):
            await send(app, issue, circuits)
        assert len(scripted.lines) == asked, "the relay is left alone"
        time[0] += 31
        scripted.answers.clear()
        await send(app, issue, circuits)
    assert state(app, issue) == {S.ACCEPTED: 3}
    assert circuits.down_s() == 0


@make.only_sqlite
async def test_the_pauses_grow_while_a_relay_refuses_the_sender(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    # That it takes our connections proves nothing.
    make.readers(store, 1)
    issue, time = make.under_way(store), [0.0]
    circuits = Circuits(clock=lambda: time[0])
    pauses = []
    async with scripted_relay({"MAIL": ["550 5.7.1 not you"] * 5}) as scripted:
        app = make.app(store, tmp_path, clock, relays=[relay_at(scripted.port)])
        for _ in range(5):
            with pytest.raises(RelayDown, match="refuses our sender"):
                await send(app, issue, circuits)
            pauses.append(circuits.wait_s())
            time[0] += circuits.wait_s() + 1
    assert pauses == [30, 60, 120, 300, 600]
    assert circuits.down_s() > 600
    assert [record.getMessage() for record in caplog.records if "ALERT" in record.getMessage()] == [
        f"ALERT The relay 127.0.0.1:{scripted.port} refuses our sender at MAIL: 550 5.7.1 not you. "
        "Check [newsletter] from, and whether this relay may be used for it."
    ]


@make.only_sqlite
async def test_without_a_relay_all_stays_queued(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 2)
    issue = make.under_way(store)
    app = make.app(store, tmp_path, clock, relays=[])
    with pytest.raises(RelayDown, match="No relay is configured"):
        await send(app, issue)
    assert state(app, issue) == {S.QUEUED: 2}
    assert {row["attempts"] for row in ledger.rows(store)} == {0}


# --- lost lines ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@make.only_sqlite
async def test_a_connection_lost_before_the_dot_costs_nothing(
    store: Store, tmp_path: Path, clock: Clock, verb: str
) -> None:
    async with scripted_relay({verb: [DROP, DROP]}) as scripted:
        app, issue = one_reader(store, tmp_path, clock, scripted.port)
        await send(app, issue)
        assert len(scripted.contents) == 1
    row = ledger.rows(store)[0]
    assert (row["state"], row["attempts"], row["unknowns"]) == (S.ACCEPTED, 1, 0)


@make.only_sqlite
async def test_a_mail_that_breaks_every_connection_is_deferred(store: Store, tmp_path: Path, clock: Clock) -> None:
    async with scripted_relay({"DATA": [DROP] * 4}) as scripted:
        app, issue = one_reader(store, tmp_path, clock, scripted.port)
        await send(app, issue)
        assert scripted.verbs.count("DATA") == 4
    assert state(app, issue) == {S.DEFERRED: 1}


@pytest.mark.parametrize("answer", [DROP, SILENCE])
async def test_a_connection_lost_after_the_dot_makes_an_unknown_that_is_sent_once_more(
    store: Store, tmp_path: Path, clock: Clock, answer: str
) -> None:
    async with scripted_relay({"dot": [answer]}) as scripted:
        waits = replace(PATIENT, dot=1.0) if answer is SILENCE else PATIENT
        app, issue = one_reader(store, tmp_path, clock, scripted.port, waits=waits)
        await send(app, issue)
        first, second = scripted.contents
        assert message_id(first) == message_id(second)
    row = ledger.rows(store)[0]
    assert (row["state"], row["attempts"], row["unknowns"]) == (S.ACCEPTED, 2, 1)


@make.only_sqlite
async def test_a_second_unknown_is_terminal_and_listed(store: Store, tmp_path: Path, clock: Clock) -> None:
    async with scripted_relay({"dot": [DROP] * 5}) as scripted:
        app, issue = one_reader(store, tmp_path, clock, scripted.port)
        await send(app, issue)
        assert len(scripted.contents) == 2
    assert state(app, issue) == {S.UNKNOWN: 1}
    assert [done.state for done in delivering.finish(app)] == [IssueState.PARTIAL]
    assert [each["email"] for each in delivering.failures(app, issue)] == ["reader0001@example.org"]


@make.only_sqlite
async def test_with_hold_an_unknown_is_never_repeated(store: Store, tmp_path: Path, clock: Clock) -> None:
    async with scripted_relay({"dot": [DROP]}) as scripted:
        delivery = Delivery(connections=1, on_unknown="hold")
        app, issue = one_reader(store, tmp_path, clock, scripted.port, delivery)
        await send(app, issue)
        assert len(scripted.contents) == 1
    assert state(app, issue) == {S.UNKNOWN: 1}


# --- several lines, several relays -----------------------------------------------------------------------------------
@make.only_sqlite
async def test_a_relay_that_accepts_two_connections_gets_all_mails_over_two(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    make.readers(store, 60)
    issue = make.under_way(store)
    async with limited(2) as (port, taken):
        app = make.app(store, tmp_path, clock, relays=[make.relay(port)], delivery=Delivery(connections=10))
        await send(app, issue)
    assert Counter(taken) == Counter(f"reader{number:04}@example.org" for number in range(1, 61))
    assert state(app, issue) == {S.ACCEPTED: 60}


@make.only_sqlite
async def test_a_connected_worker_waits_for_the_mails_of_workers_that_get_no_connection(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    make.readers(store, 2)
    issue = make.under_way(store)

    class Slow(Fake):
        asked = 0

        async def connect(self):  # type: ignore[no-untyped-def]
            self.asked += 1
            if self.asked > 1:
                while not self.taken:  # noqa: ASYNC110 - the other connection sends its mail first
                    await asyncio.sleep(0.01)
                raise RelayDown("one line only")
            return await super().connect()

    relay = Slow()
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=Delivery(connections=2))
    await send(app, issue)
    assert (relay.asked, len(relay.taken)) == (2, 2)


@make.only_sqlite
async def test_the_second_relay_is_used_when_the_first_is_down(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 8)
    issue = make.under_way(store)
    first, second = Fake(name="first:25", down=True), Fake(name="second:25")
    app = make.app(store, tmp_path, clock, relays=[first, second])
    await send(app, issue)
    assert len(second.taken) == 8
    assert {row["relay"] for row in ledger.rows(store)} == {"second:25"}


@make.only_sqlite
async def test_the_second_relay_is_used_when_the_first_refuses_the_sender(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    async def refuse(_recipient: str) -> Outcome:
        return NotSent(Reply("MAIL", 550, "5.7.1", "not you"), relay_fault=True)

    make.readers(store, 8)
    issue = make.under_way(store)
    first, second = Fake(refuse, "first:25"), Fake(name="second:25")
    app = make.app(store, tmp_path, clock, relays=[first, second])
    await send(app, issue)
    assert len(second.taken) == 8
    assert len(first.tried) <= 3, "one for each line that was open"
    assert (first.lines, second.lines) == (0, 0)


# --- stops in the middle ---------------------------------------------------------------------------------------------
def at_mail(number: int, act: Callable[[], object], outcome: Outcome = OK) -> Fake:
    """A relay that does something in the middle of the mail with this number, and then gives this outcome for it."""
    fake = Fake()

    async def answer(_recipient: str) -> Outcome:
        if len(fake.tried) == number:
            await asyncio.to_thread(act)
            return outcome
        await asyncio.sleep(0.002)
        return OK

    fake.answer = answer
    return fake


async def test_a_pause_stops_at_once_and_resume_continues(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 50)
    issue = make.under_way(store)
    relay = at_mail(20, lambda: control.pause(app, issue.slot))
    app = make.app(store, tmp_path, clock, relays=[relay])
    began = asyncio.get_running_loop().time()
    await send(app, issue)
    assert asyncio.get_running_loop().time() - began < 5
    assert 20 <= len(relay.taken) < 20 + 30, "what was on its way gets its answer, and no more begins"
    assert state(app, issue) == {S.ACCEPTED: len(relay.taken), S.QUEUED: 50 - len(relay.taken)}
    assert ledger.leases(store) == 0
    await send(app, issue)
    assert delivering.finish(app) == []
    control.resume(app, issue.slot)
    await send(app, issue)
    assert Counter(dict(Counter(recipient for recipient, _ in relay.taken))).total() == 50
    assert len(set(relay.taken)) == 50
    assert [done.state for done in delivering.finish(app)] == [IssueState.SENT]


async def test_a_pause_takes_effect_within_a_second_at_full_speed(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 5000)
    issue = make.under_way(store)
    taken: list[float] = []

    async def note(_recipient: str) -> Outcome:
        taken.append(time.monotonic())
        return OK

    app = make.app(store, tmp_path, clock, relays=[Fake(note)], delivery=Delivery(connections=10))
    sending = asyncio.create_task(send(app, issue))
    while len(taken) < 300:  # noqa: ASYNC110 - a relay without a socket sets no event
        await asyncio.sleep(0.001)
    await asyncio.to_thread(control.pause, app, issue.slot)
    paused = time.monotonic()
    await asyncio.wait_for(sending, 10)
    assert taken[-1] - paused < 1
    assert sum(at > paused for at in taken) <= 10, "at most the mail that each connection was busy with"
    assert state(app, issue) == {S.ACCEPTED: len(taken), S.QUEUED: 5000 - len(taken)}


async def test_a_cancellation_skips_the_unsent_deliveries(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 30)
    issue = make.under_way(store)
    relay = at_mail(10, lambda: control.cancel(app, issue.slot))
    app = make.app(store, tmp_path, clock, relays=[relay])
    await send(app, issue)
    taken = len(relay.taken)
    assert taken < 30
    assert state(app, issue) == {S.ACCEPTED: taken, S.SKIPPED: 30 - taken}
    assert {row["reason"] for row in ledger.rows(store) if row["state"] is S.SKIPPED} == {"cancelled"}
    assert ledger.open_batches(store) == 0


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (NotSent(Reply("RCPT", 0, "", "line lost")), (S.SKIPPED, "cancelled")),
        (Unknown(Reply("dot", 0, "", "line lost")), (S.UNKNOWN, None)),
        (Rejected(Rejection.OTHER, Reply("RCPT", 550, "", "no")), (S.REJECTED, "other")),
    ],
    ids=["lost before the dot", "lost after the dot", "rejected"],
)
async def test_a_mail_on_its_way_when_its_issue_is_cancelled(
    store: Store, tmp_path: Path, clock: Clock, outcome: Outcome, expected: tuple[DeliveryState, str | None]
) -> None:
    make.readers(store, 1)
    issue = make.under_way(store)
    relay = at_mail(1, lambda: control.cancel(app, issue.slot), outcome)
    app = make.app(store, tmp_path, clock, relays=[relay])
    await send(app, issue)
    row = ledger.rows(store)[0]
    assert (row["state"], row["reason"]) == expected
    assert len(relay.tried) == 1
    assert ledger.open_batches(store) == 0


async def test_a_cancelled_issue_whose_sender_died_ends(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 3)
    issue = make.under_way(store)
    app = make.app(store, tmp_path, clock, relays=[Fake()])

    def die_in_the_middle(tx: Connection) -> None:
        batch = deliveries.claim(tx, "elsewhere:1", clock(), app.lease)
        assert batch is not None
        assert hot_path.write_all(tx, (), [deliveries.queued(tx, batch)[0]], clock())

    store.write(die_in_the_middle)
    control.cancel(app, issue.slot)
    assert state(app, issue) == {S.SENDING: 1, S.SKIPPED: 2}
    clock.turn(minutes=2)
    relay = Fake()
    await send(make.app(store, tmp_path, clock, relays=[relay]), issue)
    assert state(app, issue) == {S.UNKNOWN: 1, S.SKIPPED: 2}
    assert relay.tried == []
    assert ledger.open_batches(store) == 0


async def test_a_delivery_that_is_queued_again_after_a_newer_issue_began_expires(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    make.readers(store, 3)
    issue = make.under_way(store)

    def begin_next() -> None:
        week.append(delivering.start(app, frozen(store, "1405-W37")))

    week: list[Issue] = []
    relay = at_mail(1, begin_next, NotSent(Reply("RCPT", 0, "", "line lost")))
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=ONE)
    await send(app, issue)
    assert state(app, issue) == {S.EXPIRED: 3}
    assert {row["reason"] for row in ledger.rows(store) if row["state"] is S.EXPIRED} == {"superseded"}
    assert [done.state for done in delivering.finish(app)] == [IssueState.PARTIAL]
    await send(app, week[0])
    assert state(app, week[0]) == {S.ACCEPTED: 3}


@pytest.mark.parametrize("newer", [True, False], ids=["superseded", "only paused"])
async def test_a_paused_issue_whose_sender_died_gets_its_unknowns(
    store: Store, tmp_path: Path, clock: Clock, newer: bool
) -> None:
    make.readers(store, 3)
    issue = make.under_way(store)
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay])

    def die_in_the_middle(tx: Connection) -> None:
        batch = deliveries.claim(tx, "elsewhere:1", clock(), app.lease)
        assert batch is not None
        assert hot_path.write_all(tx, (), [deliveries.queued(tx, batch)[0]], clock())

    store.write(die_in_the_middle)
    control.pause(app, issue.slot)
    if newer:
        delivering.start(app, frozen(store, "1405-W37"))
    clock.turn(minutes=2)
    await send(app, issue)
    assert relay.tried == []
    assert relay.lines == 0
    if newer:
        assert state(app, issue) == {S.UNKNOWN: 1, S.EXPIRED: 2}
        assert [done.state for done in delivering.finish(app)] == [IssueState.PARTIAL]
        return
    assert state(app, issue) == {S.QUEUED: 3}
    control.resume(app, issue.slot)
    await send(app, issue)
    assert state(app, issue) == {S.ACCEPTED: 3}


async def test_an_older_issue_that_begins_after_a_newer_one_waits_for_its_relay(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    make.readers(store, 3)
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=ONE)
    newer = delivering.start(app, frozen(store, "1405-W37"))
    await send(app, newer)
    assert [done.state for done in delivering.finish(app)] == [IssueState.SENT]
    clock.turn(minutes=1)
    older = delivering.start(app, frozen(store, "1405-W36"))
    async with scripted_relay({"MAIL": ["550 5.7.1 not you"] * 3}) as scripted:
        with pytest.raises(RelayDown):
            await send(make.app(store, tmp_path, clock, relays=[relay_at(scripted.port)], delivery=ONE), older)
    assert state(app, older) == {S.QUEUED: 3}
    await send(app, older)
    assert state(app, older) == {S.ACCEPTED: 3}


async def test_mails_that_a_dead_process_left_of_an_older_issue_are_unknown(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    make.readers(store, 3)
    issue = make.under_way(store)

    def die(tx: Connection) -> None:
        batch = deliveries.claim(tx, "dead:1", clock(), timedelta(seconds=60))
        assert batch is not None
        assert hot_path.write_all(tx, (), [deliveries.queued(tx, batch)[0]], clock())

    store.write(die)
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay])
    delivering.start(app, frozen(store, "1405-W37"))
    clock.turn(minutes=2)
    await send(app, issue)
    assert state(app, issue) == {S.UNKNOWN: 1, S.EXPIRED: 2}
    assert relay.tried == []
    assert [done.state for done in delivering.finish(app)] == [IssueState.PARTIAL]


async def test_a_reader_who_unsubscribes_after_the_freeze_gets_nothing(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    leaver, barred, stays = make.readers(store, 3)
    issue = make.under_way(store)

    def leave(tx):  # type: ignore[no-untyped-def]
        subscribers.move(tx, leaver, SubscriberStatus.UNSUBSCRIBED, from_=(SubscriberStatus.ACTIVE,))
        suppressions.add(tx, [make.hash_of("reader0002@example.org")], EventKind.COMPLAINED, at=clock())

    store.write(leave)
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay])
    await send(app, issue)
    assert [recipient for recipient, _ in relay.taken] == ["reader0003@example.org"]
    found = {row["subscriber_id"]: (row["state"], row["reason"]) for row in ledger.rows(store)}
    assert found == {leaver: (S.SKIPPED, "unsubscribed"), barred: (S.SKIPPED, "suppressed"), stays: (S.ACCEPTED, None)}


async def test_stop_ends_in_good_order(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 40)
    issue = make.under_way(store)
    relay = at_mail(10, lambda: loop.call_soon_threadsafe(stop.set))
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    app = make.app(store, tmp_path, clock, relays=[relay])
    await Sender(app, Circuits(), issue.id, stop).run()
    assert state(app, issue) == {S.ACCEPTED: len(relay.taken), S.QUEUED: 40 - len(relay.taken)}
    assert 0 < len(relay.taken) < 40
    assert ledger.leases(store) == 0


# --- clocks ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("span", [{"minutes": 5}, {"hours": -3}, {"days": 400}], ids=str)
async def test_a_clock_that_jumps_sends_no_mail_twice(
    store: Store, tmp_path: Path, clock: Clock, span: Mapping[str, float]
) -> None:
    # A lease that ran out while the machine slept, or that ends in a far future, is still ours while the fence is.
    make.readers(store, 12)
    issue = make.under_way(store)
    relay = Fake()

    async def answer(_recipient: str) -> Outcome:
        number = len(relay.tried)
        if number in (5, 11):
            clock.turn(**span)
        await asyncio.sleep(0.03 * (number % 3))  # so that some end, and ask for more, while others are on their way
        return OK

    relay.answer = answer
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=Delivery(connections=4))
    await send(app, issue)
    if span.get("hours", 0) < 0:
        clock.turn(days=1)  # a batch that was put back is due at the old time
        await send(app, issue)
    assert Counter(recipient for recipient, _ in relay.taken) == Counter(
        f"reader{number:04}@example.org" for number in range(1, 13)
    )
    assert {row["unknowns"] for row in ledger.rows(store)} == {0}
    if span.get("hours", 0) >= 0:
        assert ledger.fences(store) == [1], "it was never given back"


async def test_a_claim_that_was_taken_over_writes_nothing(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 3)
    issue = make.under_way(store)
    other = Fake(name="other:25")

    def take_over() -> None:
        # This process was suspended for longer than its lease.
        clock.turn(minutes=2)
        asyncio.run(Sender(second, Circuits(), issue.id).run())

    relay = at_mail(2, take_over)
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=ONE, worker="one")
    second = make.app(store, tmp_path, clock, relays=[other], delivery=ONE, worker="two")
    await send(app, issue)
    # The mail that was on its way is unknown to the other one, which sends it once more under the same Message-ID.
    both = Counter(relay.taken + other.taken)
    assert len(both) == 3
    assert both.total() == 4
    assert (len(relay.tried), state(app, issue)) == (2, {S.ACCEPTED: 3})
    assert max(row["unknowns"] for row in ledger.rows(store)) == 1


# --- mails that cannot be built --------------------------------------------------------------------------------------
async def test_a_mail_that_cannot_be_built_stops_no_other(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ids = make.readers(store, 6)
    broken = update(subscribers_table).where(subscribers_table.c.id.in_(ids[:2])).values(address="not an address")
    store.write(lambda tx: tx.execute(broken))
    issue = make.under_way(store)
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=ONE)
    await send(app, issue)
    assert state(app, issue) == {S.REJECTED: 2, S.ACCEPTED: 4}
    row = ledger.rows(store)[0]
    assert (row["reason"], row["reply"].startswith("the mail cannot be made: ")) == ("other", True)
    assert len([each for each in caplog.records if "ALERT" in each.getMessage()]) == 1
    assert not any("not an address" in each.getMessage() for each in caplog.records)


async def test_an_issue_that_cannot_be_built_is_paused_and_penalises_no_reader(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    make.readers(store, 6)
    issue = make.under_way(store)
    store.write(lambda tx: tx.execute(update(variants).values(html="<p>\x02nobody_knows\x03</p>")))
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay])
    await send(app, issue)
    found = store.read(lambda tx: issues.get(tx, issue.id))
    assert found is not None
    assert (found.state, "nobody_knows" in english(found.reason)) == (IssueState.PAUSED, True)
    assert state(app, issue) == {S.QUEUED: 6}
    assert {row["attempts"] for row in ledger.rows(store)} == {0}
    assert (relay.tried, ledger.leases(store)) == ([], 0)
    assert len([each for each in caplog.records if "ALERT" in each.getMessage()]) == 1
    # Once fixed, it goes out to every reader.
    store.write(lambda tx: tx.execute(update(variants).values(html="<p>خبرها</p>")))
    control.resume(app, issue.slot)
    await send(app, issue)
    assert len(relay.taken) == 6


@make.only_sqlite
async def test_a_test_mail_that_cannot_be_built_is_not_retried_for_ever(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    make.readers(store, 1)
    issue = make.under_way(store)

    def owe(tx):  # type: ignore[no-untyped-def]
        kind, mail = DeliveryKind.TEST, Rendered("آزمایشی", "\x02nobody_knows\x03", "")
        made = issues.add_variant(tx, kind, issue.id, mail, clock())
        deliveries.owe(tx, kind, "test.1", "editor@example.org", made, issue.id, clock())

    store.write(owe)
    relay = Fake()
    await send(make.app(store, tmp_path, clock, relays=[relay]), issue)
    assert [row["state"] for row in ledger.rows(store)] == [S.ACCEPTED, S.REJECTED]
    assert len(relay.tried) == 1


# --- a database that fails -------------------------------------------------------------------------------------------
class Flaky(Store):
    """A database that fails for a while when an outcome is written."""

    failures = 0

    def at_once(self, short: Work[T | None]) -> T | None:
        return None if self.failures else super().at_once(short)

    def submit(self, work: Work[T], **how: Any) -> "Future[T]":
        if self.failures:
            self.failures -= 1
            failed: Future[T] = Future()
            failed.set_exception(StoreUnavailable("The database is locked by another program."))
            return failed
        return super().submit(work, **how)


@make.only_sqlite
async def test_an_outcome_waits_for_a_locked_database(store_url: str, tmp_path: Path, clock: Clock) -> None:
    flaky = Flaky(store_url)
    try:
        make.readers(flaky, 3)
        issue = make.under_way(flaky)
        relay = Fake()

        async def answer(_recipient: str) -> Outcome:
            flaky.failures = 1 if len(relay.tried) == 2 else 0
            return OK

        relay.answer = answer
        app = make.app(flaky, tmp_path, clock, relays=[relay], delivery=ONE)
        await send(app, issue)
        assert len(relay.tried) == 3, "a mail that was taken is not sent again because a backup held the database"
        assert state(app, issue) == {S.ACCEPTED: 3}
    finally:
        flaky.close()


@make.only_sqlite
async def test_a_database_that_stays_unavailable_ends_the_sending(store_url: str, tmp_path: Path, clock: Clock) -> None:
    flaky = Flaky(store_url)
    try:
        make.readers(flaky, 3)
        issue = make.under_way(flaky)
        relay = Fake()

        async def answer(_recipient: str) -> Outcome:
            flaky.failures = 10**6
            return OK

        relay.answer = answer
        app = make.app(flaky, tmp_path, clock, relays=[relay], delivery=ONE, lease=timedelta(seconds=1))
        with pytest.raises(StoreUnavailable):
            await send(app, issue)
        flaky.failures = 0
        relay.answer = Fake().answer
        clock.turn(minutes=1)
        await send(app, issue)
        assert Counter(relay.tried) == {
            "reader0001@example.org": 2,
            "reader0002@example.org": 1,
            "reader0003@example.org": 1,
        }
        assert len(set(relay.taken)) == 3
    finally:
        flaky.close()


@make.only_sqlite
async def test_the_log_holds_no_address(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with scripted_relay({"RCPT": [HARD], "dot": [DROP]}) as scripted:
        make.readers(store, 3)
        issue = make.under_way(store)
        app = make.app(store, tmp_path, clock, relays=[relay_at(scripted.port)], delivery=ONE)
        await send(app, issue)
    assert not [record.getMessage() for record in caplog.records if "@example.org" in record.getMessage()]


@make.only_sqlite
async def test_idle_connections_ask_the_ledger_once_a_second(store: Store, tmp_path: Path, clock: Clock) -> None:
    app = make.app(store, tmp_path, clock)
    make.readers(store, 1)
    waiting = frozen(store, make.SLOT)
    queue = Queue(app, None)
    asked = time.monotonic()
    assert await queue.next() is None
    delivering.start(app, waiting)
    found = await queue.next()
    if time.monotonic() < asked + CHECK_S:  # unless the machine was too busy
        assert found is None
    elif found is not None:
        queue.put_back(found)
    await asyncio.sleep(CHECK_S)
    assert await queue.next() is not None
    await queue.give_back()


class Stumbles(Store):
    """A store where the first read of a variant fails."""

    def __init__(self, url: str, error: Exception) -> None:
        super().__init__(url)
        self.error: Exception | None = error

    def read(self, work: Work[T]) -> T:
        if getattr(work, "func", None) is issues.variant and self.error:
            error, self.error = self.error, None
            raise error
        return super().read(work)


@make.only_sqlite
@pytest.mark.parametrize("error", [StoreUnavailable("The database failed."), OSError("no"), MemoryError()])
async def test_trouble_while_compiling_pauses_nothing_and_ends_no_test(
    store: Store, tmp_path: Path, clock: Clock, error: Exception
) -> None:
    make.readers(store, 2)
    issue = make.under_way(store)
    relay = Fake()
    stumbling = Stumbles(str(store.url), error)
    app = make.app(stumbling, tmp_path, clock, relays=[relay], delivery=ONE)
    await send(app, issue)
    assert state(app, issue) == {S.ACCEPTED: 2}

    stumbling.error = error
    store.write(lambda tx: deliveries.owe(tx, DeliveryKind.TEST, "test.1", "editor@example.org", 1, None, clock()))
    await send(app, issue)
    assert [to for to, _ in relay.taken][2:] == ["editor@example.org"]
    stumbling.close()


@make.only_sqlite
async def test_a_relay_that_accepts_fewer_connections_for_a_while_gets_them_again(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    make.readers(store, 400)
    issue = make.under_way(store)

    async def slowly(_: str) -> Outcome:
        await asyncio.sleep(0.02)
        return OK

    relay = Fake(slowly, most=2)
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=Delivery(connections=6))
    sender = Sender(app, Circuits(), issue.id, pauses_s=(0.05, 0.1))
    running = asyncio.create_task(sender.run())
    async with asyncio.timeout(60):
        while relay.lines < 2:  # noqa: ASYNC110 - a relay without a socket sets no event
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        assert relay.lines == 2
        relay.most = 1000
        while relay.lines < 6:
            assert not running.done()
            await asyncio.sleep(0.01)
    await running
    assert Counter(to for to, _ in relay.taken) == {f"reader{n:04}@example.org": 1 for n in range(1, 401)}


@make.only_sqlite
async def test_a_worker_that_waits_for_a_connection_does_not_keep_a_run_from_ending(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    make.readers(store, 20)
    issue = make.under_way(store)
    relay = Fake(most=1)
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=Delivery(connections=4))
    async with asyncio.timeout(30):
        await send(app, issue)
    assert len(relay.taken) == 20


@contextmanager
def locked(store: Store) -> Iterator[None]:
    with closing(sqlite3.connect(str(store.url.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def stopped_while_locked(
    store: Store, folder: Path, clock: Clock, seconds: float
) -> tuple[App, Issue, Fake, float]:
    """A mail is answered while the database is locked, for so long after the end was asked for; how long it took."""
    make.readers(store, 3)
    issue = make.under_way(store)
    answered = asyncio.Event()

    async def answer(_: str) -> Outcome:
        await answered.wait()
        return OK

    relay = Fake(answer)
    app = make.app(store, folder, clock, relays=[relay], delivery=ONE)
    sender = Sender(app, Circuits(), issue.id, drain_s=0.3)
    running = asyncio.create_task(sender.run())
    while not relay.tried:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    with locked(store):
        answered.set()
        await asyncio.sleep(0.05)
        sender.stop.set()
        begun = time.monotonic()
        await asyncio.wait({running}, timeout=seconds)
        took = time.monotonic() - begun
    await running
    return app, issue, relay, took


@make.only_sqlite
async def test_an_outcome_that_waits_for_the_disk_is_written_before_its_batch_is_given_back(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    app, issue, relay, _ = await stopped_while_locked(store, tmp_path, clock, 0.8)
    await send(app, issue)
    assert Counter(to for to, _ in relay.taken) == {f"reader{n:04}@example.org": 1 for n in range(1, 4)}
    assert state(app, issue) == {S.ACCEPTED: 3}


@make.only_sqlite
@pytest.mark.slow
async def test_a_locked_database_does_not_keep_a_process_from_ending(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    _, _, _, took = await stopped_while_locked(store, tmp_path, clock, 20)
    assert took < 4
    assert "did not answer in time" in caplog.text


@make.only_sqlite
@pytest.mark.slow
def test_a_store_that_hurries_closes_soon_though_it_is_locked(store: Store) -> None:
    other = Store(str(store.url))
    other.hurry()
    with locked(store):
        waiting = [other.submit(lambda tx: None) for _ in range(20)]
        begun = time.monotonic()
        other.close()
        assert time.monotonic() - begun < 3
    assert sum(each.cancelled() for each in waiting) >= 18
