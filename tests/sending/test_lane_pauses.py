"""A lane whose provider refuses this sender is paused, its mails wait, and no subscriber is penalised."""

import asyncio
import logging
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import ledger
import make
import pytest
from make import Clock
from relays import OK, Fake
from sqlalchemy import Connection

from mailer import lanes as rules
from mailer.context import App, get_issue
from mailer.errors import WrongState
from mailer.issues import control
from mailer.issues import delivery as delivering
from mailer.model import (
    DeliveryKind,
    DeliveryState,
    Issue,
    IssueState,
    Outcome,
    Rejected,
    Rejection,
    Reply,
    SubscriberStatus,
)
from mailer.reasons import english
from mailer.sending import lane_pauses
from mailer.sending.queue import Queue
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Delivery
from mailer.store import deliveries, lanes, subscribers
from mailer.store.database import Store

S = DeliveryState
SPAM = Rejected(Rejection.BLOCK, Reply("dot", 550, "5.7.1", "5.7.1 likely unsolicited: reader7@gmail.com"))
ONE = Delivery(connections=1)


class Provider(Fake):
    """A relay that refuses every `nth` mail to the domains it blocks."""

    def __init__(self, *blocked: str, nth: int = 1, refusal: Outcome = SPAM) -> None:
        super().__init__(answer=self._said)
        self.blocked, self.nth, self.refusal, self._count = blocked, nth, refusal, Counter[str]()

    async def _said(self, recipient: str) -> Outcome:
        domain = recipient.rpartition("@")[2]
        self._count[domain] += 1
        return self.refusal if domain in self.blocked and self._count[domain] % self.nth == 0 else OK

    def said_yes_to(self, domain: str) -> int:
        return sum(to.endswith("@" + domain) for to, _ in self.taken)


def owe(store: Store, **counts: int) -> Issue:
    """An issue to that many readers at each domain, mixed: gmail=3 means three readers at gmail.com."""
    make.subscribers_of(
        store,
        [f"reader{n}@{lane}.com" for n in range(max(counts.values())) for lane, most in counts.items() if n < most],
    )
    return make.under_way(store)


async def run(app: App) -> None:
    await Sender(app, Circuits()).run()


def states(app: App, domain: str) -> Counter[DeliveryState]:
    return Counter(row["state"] for row in ledger.rows(app.store) if str(row["email"]).endswith("@" + domain))


def paused(app: App) -> list[str]:
    return [each.lane for each in app.store.read(lambda tx: lanes.paused(tx, app.now()))]


async def test_a_lane_that_refuses_this_sender_waits_and_the_others_go_on(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    issue = owe(store, gmail=40, googlemail=5, outlook=40)
    relay = Provider("gmail.com", "googlemail.com")
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=Delivery(connections=2))
    with caplog.at_level(logging.WARNING):
        await run(app)
    await run(app)
    assert paused(app) == ["gmail"]
    assert states(app, "outlook.com") == {S.ACCEPTED: 40}
    gone = states(app, "gmail.com")[S.REJECTED] + states(app, "googlemail.com")[S.REJECTED]
    assert rules.LEAST_BLOCKED <= gone <= rules.LEAST_BLOCKED + 6, "those on their way when it was paused, and no more"
    assert states(app, "gmail.com")[S.QUEUED] + states(app, "googlemail.com")[S.QUEUED] == 45 - gone
    status = delivering.status(app, issue)
    assert (status.state, sum(status.counts.values())) == (IssueState.SENDING, 85)
    assert lane_pauses.paused(app, issue)[0][1] == 45 - gone
    alerts = [r.getMessage() for r in caplog.records if r.name == "mailer.alert"]
    assert len(alerts) == 1
    for word in ("gmail", "550", "likely unsolicited", "`mailer issue resume`", "after a day"):
        assert word in alerts[0]
    assert "@" not in caplog.text, "no address in the log"
    ours = store.read(lambda tx: [subscribers.get(tx, row["subscriber_id"]) for row in ledger.rows(store)])
    assert {reader.status for reader in ours if reader} == {SubscriberStatus.ACTIVE}, "a block costs no subscriber"


async def test_resume_continues_with_the_lane(store: Store, tmp_path: Path, clock: Clock) -> None:
    issue = owe(store, gmail=40)
    relay = Provider("gmail.com")
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=ONE)
    await run(app)
    gone = states(app, "gmail.com")[S.REJECTED]
    before = len(relay.tried)
    await run(app)
    assert len(relay.tried) == before, "it is left alone"
    relay.blocked = ()
    assert control.resume(app, None).state is IssueState.SENDING
    await run(app)
    assert states(app, "gmail.com") == {S.ACCEPTED: 40 - gone, S.REJECTED: gone}
    assert [done.state for done in delivering.finish(app)] == [IssueState.PARTIAL]
    assert (paused(app), ledger.open_batches(store)) == ([], 0)
    with pytest.raises(WrongState):
        control.resume(app, issue.slot)


async def test_after_a_day_it_is_tried_again_by_itself(store: Store, tmp_path: Path, clock: Clock) -> None:
    owe(store, gmail=60)
    relay = Provider("gmail.com")
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=ONE)
    await run(app)
    first = len(relay.tried)
    clock.turn(hours=23)
    await run(app)
    assert len(relay.tried) == first
    clock.turn(hours=2)
    await run(app)
    again = len(relay.tried) - first
    assert rules.LEAST_BLOCKED <= again <= rules.LEAST_BLOCKED + 3, (
        "the counts were reset, and the lane is paused again"
    )
    assert paused(app) == ["gmail"]
    clock.turn(hours=25)
    relay.blocked = ()
    await run(app)
    assert states(app, "gmail.com")[S.QUEUED] == 0


@pytest.mark.parametrize(("nth", "stopped"), [(25, False), (15, True)], ids=["4 %", "6.7 %"])
@make.only_sqlite
async def test_the_share_counts(store: Store, tmp_path: Path, clock: Clock, nth: int, stopped: bool) -> None:
    owe(store, gmail=600)
    app = make.app(store, tmp_path, clock, relays=[Provider("gmail.com", nth=nth)], delivery=ONE)
    await run(app)
    assert bool(paused(app)) is stopped
    assert (states(app, "gmail.com")[S.QUEUED] > 0) is stopped


async def test_nine_refusals_are_the_readers_own_filters(store: Store, tmp_path: Path, clock: Clock) -> None:
    owe(store, gmail=9, outlook=9)
    app = make.app(store, tmp_path, clock, relays=[Provider("gmail.com", "outlook.com")], delivery=ONE)
    await run(app)
    assert paused(app) == []
    assert states(app, "gmail.com") == states(app, "outlook.com") == {S.REJECTED: 9}


async def test_two_processes_count_together(store: Store, tmp_path: Path, clock: Clock) -> None:
    """Each alone hears too few refusals: one stops after five, the other goes on."""
    issue = owe(store, gmail=40)
    stop = asyncio.Event()
    refused: list[str] = []

    async def refuse(recipient: str) -> Outcome:
        refused.append(recipient)
        if len(refused) == 5:
            stop.set()
        return SPAM

    first, second = (
        make.app(store, tmp_path, clock, relays=[Fake(answer=refuse)], delivery=ONE, worker=name)
        for name in ("first", "second")
    )
    await Sender(first, Circuits(), issue.id, stop).run()
    assert (len(refused) in (5, 6), paused(first)) == (True, []), "one may have been announced already"
    await run(second)
    assert paused(second) == ["gmail"]
    assert len(refused) <= rules.LEAST_BLOCKED + 3


async def test_another_process_sees_the_pause_within_seconds(store: Store, tmp_path: Path, clock: Clock) -> None:
    owe(store, gmail=400)

    async def slowly(recipient: str) -> Outcome:
        await asyncio.sleep(0.02)
        return OK

    relay = Fake(answer=slowly)
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=ONE)
    store.write(lambda tx: lanes.add(tx, "gmail", 1, lanes.Tally(0, 0), 1000, clock()))
    sending = asyncio.create_task(run(app))
    while not relay.taken:  # noqa: ASYNC110 - a relay without a socket sets no event
        await asyncio.sleep(0.01)
    store.write(lambda tx: lanes.pause(tx, "gmail", clock() + timedelta(hours=1), "550 no"))
    await asyncio.wait_for(sending, 30)
    assert 0 < len(relay.taken) < 300
    assert states(app, "gmail.com")[S.QUEUED] == 400 - len(relay.taken)


async def test_wait_ends_when_only_paused_lanes_are_left(store: Store, tmp_path: Path, clock: Clock) -> None:
    issue = owe(store, gmail=40, outlook=10)
    app = make.app(store, tmp_path, clock, relays=[Provider("gmail.com")], delivery=ONE)
    done = await asyncio.wait_for(delivering.deliver(app, issue, wait=True, stop=asyncio.Event()), 60)
    assert (done.state, done.counts[S.ACCEPTED]) == (IssueState.SENDING, 10)
    assert done.counts[S.QUEUED] > 0


def _owe(tx: Connection, kind: DeliveryKind, now: datetime) -> None:
    deliveries.owe(tx, kind, kind, f"{kind}@gmail.com", 1, None, now)


async def test_tests_and_notices_are_never_held_up(store: Store, tmp_path: Path, clock: Clock) -> None:
    owe(store, gmail=40)
    relay = Provider("gmail.com")
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=ONE)
    await run(app)
    assert paused(app) == ["gmail"]
    relay.blocked = ()
    owed = [DeliveryKind.TEST, DeliveryKind.NOTICE]
    for kind in owed:
        store.write(partial(_owe, kind=kind, now=clock()))
    relay.tried.clear()
    await run(app)
    assert sorted(relay.tried) == ["notice@gmail.com", "test@gmail.com"], "so an admin sees whether the block is over"


@pytest.mark.parametrize(
    "reply",
    [
        Reply("dot", 550, "5.7.26", "550 5.7.26 this mail is unauthenticated"),
        Reply("dot", 550, "5.7.515", "550 5.7.515 access denied, sending domain does not meet the level"),
        Reply("dot", 554, "5.7.1", "554 5.7.1 host said: 550-5.7.26 unauthenticated"),
    ],
    ids=lambda reply: reply.text,
)
@make.only_sqlite
async def test_mails_that_are_not_authenticated_stop_the_issue(
    store: Store, tmp_path: Path, clock: Clock, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    issue = owe(store, gmail=30, outlook=30)
    relay = Provider("gmail.com", refusal=Rejected(Rejection.BLOCK, reply))
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=ONE)
    with caplog.at_level(logging.WARNING):
        await run(app)
    now = get_issue(app, issue.id)
    assert (now.state, len(relay.tried) < 8) == (IssueState.PAUSED, True)
    assert "not authenticated" in english(now.reason)
    alerts = [r.getMessage() for r in caplog.records if r.name == "mailer.alert"]
    assert len(alerts) == 1
    assert "SPF, DKIM and DMARC" in alerts[0]
    relay.blocked = ()
    control.resume(app, None)
    await run(app)
    assert sum(states(app, "outlook.com").values()) == states(app, "outlook.com")[S.ACCEPTED]


def test_similar_codes_are_not_taken_for_missing_authentication() -> None:
    for text in ("550 5.7.2 no", "550 5.7.260 no", "550 15.7.26 no", "550 5.7.5151 no"):
        assert not lane_pauses.unauthenticated(Reply("dot", 550, text.split()[1], text))


def test_a_new_issue_resets_the_counts_and_old_answers_fade(store: Store, clock: Clock) -> None:
    make.issue(store)
    make.issue(store, "1405-W37")

    def add(issue: int, answered: int, blocked: int) -> lanes.Tally:
        return store.write(lambda tx: lanes.add(tx, "gmail", issue, lanes.Tally(answered, blocked), 1000, clock()))

    assert add(1, 900, 9) == lanes.Tally(900, 9)
    assert add(1, 200, 0) == lanes.Tally(1100, 9)
    assert add(1, 50, 50) == lanes.Tally(600, 54), "half of what was before counts"
    assert add(2, 1, 1) == lanes.Tally(1, 1)


async def test_a_delivery_put_back_after_its_batch_was_dropped_does_not_hold_the_batch(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    owe(store, gmail=3)
    queue = Queue(make.app(store, tmp_path, clock), 1)
    jobs = [await queue.next(), await queue.next()]
    await queue.drop_lanes({"gmail"})
    assert ledger.leases(store) == 1, "two are still with a connection"
    for job in jobs:
        assert job is not None
        queue.put_back(job)
    async with asyncio.timeout(10):
        while ledger.leases(store):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await queue.give_back()
