"""Sending at a set pace: never faster, no reader missed, and a full lane does not stop the others."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ledger
import make
import pytest
from make import Clock
from relays import Fake

from mailer.model import DeliveryKind, DeliveryState, IssueState
from mailer.sending.queue import CLAIM_BELOW
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Delivery
from mailer.store import deliveries
from mailer.store.database import Store
from mailer.store.deliveries import BATCH

pytestmark = make.only_sqlite


async def test_mails_go_no_faster_than_the_rate(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 24)
    issue = make.under_way(store)
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=Delivery(connections=4, rate="20/s"))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await Sender(app, Circuits(), issue.id).run()
    assert len({recipient for recipient, _ in relay.taken}) == len(relay.taken) == 24
    assert loop.time() - begun > 0.15  # four more than one second's worth, however the machine feels


@pytest.mark.slow
async def test_a_full_lane_does_not_stop_the_others(store: Store, tmp_path: Path, clock: Clock) -> None:
    for number in range(4):
        make.subscriber(store, f"slow{number}@gmail.com")
    for number in range(20):
        make.subscriber(store, f"quick{number}@example.org")
    issue = make.under_way(store)
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=Delivery(connections=2, lanes={"gmail": "1/2s"}))
    sender = Sender(app, Circuits(), issue.id)
    running = asyncio.create_task(sender.run())
    while len([1 for recipient, _ in relay.taken if recipient.startswith("quick")]) < 20:
        await asyncio.sleep(0.01)
        assert not running.done()
    assert len([1 for recipient, _ in relay.taken if recipient.startswith("slow")]) < 4
    sender.stop.set()
    await running
    states = [row["state"] for row in ledger.rows(store)]
    assert states.count(DeliveryState.ACCEPTED) == len(relay.taken)
    assert states.count(DeliveryState.QUEUED) == 24 - len(relay.taken)


async def until(done: Callable[[], bool], running: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(30):
        while not done():
            assert not running.done()
            await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_a_slow_lane_with_hundreds_of_mails_stops_no_other(store: Store, tmp_path: Path, clock: Clock) -> None:
    count = 2400
    make.subscribers_of(store, [f"r{n}@{'gmail.com' if n % 3 == 0 else 'example.org'}" for n in range(count)])
    issue = make.under_way(store)
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=Delivery(connections=4, lanes={"gmail": "60/m"}))
    sender = Sender(app, Circuits(), issue.id)
    running = asyncio.create_task(sender.run())
    await until(lambda: sum("gmail" not in to for to, _ in relay.taken) == count * 2 // 3, running)
    waiting = sender._queue.untaken
    assert waiting < CLAIM_BELOW + 2 * BATCH, "the rest waits in the ledger"
    assert sum("gmail" in to for to, _ in relay.taken) < 60
    sender.stop.set()
    await running
    states = Counter(row["state"] for row in ledger.rows(store))
    assert states == {
        DeliveryState.ACCEPTED: len({to for to, _ in relay.taken}),
        DeliveryState.QUEUED: count - len(relay.taken),
    }


@pytest.mark.slow
async def test_a_lane_set_aside_is_fetched_again_when_it_runs_short(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.subscribers_of(store, [f"r{n}@{'gmail.com' if n % 2 else 'example.org'}" for n in range(1200)])
    issue = make.under_way(store)
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=Delivery(connections=4, lanes={"gmail": "300/s"}))
    await Sender(app, Circuits(), issue.id).run()
    assert len({to for to, _ in relay.taken}) == len(relay.taken) == 1200


@pytest.mark.slow
@pytest.mark.parametrize("rates", [{"rate": "20/s"}, {"lanes": {"default": "20/s"}}])
async def test_a_service_mail_does_not_wait_behind_a_paced_issue(
    store: Store, tmp_path: Path, clock: Clock, rates: dict[str, Any]
) -> None:
    make.readers(store, 300)
    issue = make.under_way(store)
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=Delivery(connections=4, **rates))
    sender = Sender(app, Circuits(), issue.id)
    running = asyncio.create_task(sender.run())
    await until(lambda: len(relay.taken) > 3, running)
    owe = partial(deliveries.owe, kind=DeliveryKind.TEST, recipient="editor@example.org", variant_id=1, issue_id=None)
    store.write(lambda tx: [owe(tx, key=f"test.{n}", now=clock()) for n in range(3)])
    owed = len(relay.taken)
    await until(lambda: [to for to, _ in relay.taken].count("editor@example.org") == 3, running)
    assert len(relay.taken) - owed < 150, "not behind the rest of the issue's 300"
    sender.stop.set()
    await running


async def test_the_warm_up_counts_the_issue_being_sent_not_the_next_draft(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    make.readers(store, 1)
    issue = make.under_way(store)
    store.write(lambda tx: make.put(tx, issue.id, IssueState.SENDING, number=2))
    make.issue(store, "1405-W37", state=IssueState.DRAFT)
    rules = Delivery(connections=1, rate="100/s", warm_up=(0.1, 0.5))
    app = make.app(store, tmp_path, clock, relays=[Fake()], delivery=rules)
    sender = Sender(app, Circuits(), issue.id)
    await sender.run()
    assert sender._pace.issue == 2
