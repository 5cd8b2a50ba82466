"""Sending at a set pace: never faster, nobody missed, and a full lane lets the others pass."""

import asyncio
from pathlib import Path

import ledger
import make
import pytest
from make import Clock
from relays import Fake

from mailer.app.circuit import Circuits
from mailer.app.send import Sender
from mailer.model import DeliveryState
from mailer.settings import Delivery
from mailer.store.database import Store

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
async def test_a_full_lane_lets_the_others_pass(store: Store, tmp_path: Path, clock: Clock) -> None:
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
