"""Which relay is next: by weight, without those that are down, and with them again later; and what an outage costs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from ledger import NEW
from make import NOW, Clock
from whole import Whole

from mailer.errors import RelayDown
from mailer.model import Accepted, Deferred, DeliveryState, NotSent, Outcome, Reply
from mailer.sending import retry_schedule
from mailer.sending.relays import Circuits
from mailer.settings import Delivery
from mailer.smtp.relay import Relay


class FakeSession(Whole):
    lost = False

    async def send(self, sender: str, recipient: str, message: bytes) -> Outcome:
        return Accepted(Reply("dot", 250, "2.0.0", "2.0.0 ok"))

    async def close(self) -> None:
        return


@dataclass
class FakeRelay(Relay):
    """A relay that is up or down; counts the connections asked for."""

    name: str = ""
    up: bool = True
    asked: int = field(default=0)

    async def connect(self) -> FakeSession:
        self.asked += 1
        if not self.up:
            raise RelayDown(f"{self.name}: CONNECT failed: connection refused.")
        return FakeSession()


def circuits(clock: Clock, **weights: int) -> Circuits:
    return Circuits(clock=lambda: clock().timestamp(), weights=weights)


async def connections(over: Circuits, relays: list[FakeRelay], count: int) -> Counter[str]:
    return Counter([(await over.connect(relays))[0] for _ in range(count)])


async def test_each_relay_gets_connections_by_its_weight(clock: Clock) -> None:
    relays = [FakeRelay("a"), FakeRelay("b"), FakeRelay("spare")]
    over = circuits(clock, a=3, b=1, spare=0)
    assert await connections(over, relays, 40) == {"a": 30, "b": 10}
    # And not thirty of one first: any few connections are divided alike.
    for _ in range(5):
        assert await connections(over, relays, 4) == {"a": 3, "b": 1}


async def test_without_weights_relays_share_evenly(clock: Clock) -> None:
    assert await connections(circuits(clock), [FakeRelay("a"), FakeRelay("b")], 10) == {"a": 5, "b": 5}


async def test_other_relays_take_over_and_give_back(clock: Clock) -> None:
    first, second, spare = relays = [FakeRelay("a"), FakeRelay("b"), FakeRelay("spare")]
    over = circuits(clock, a=1, b=1, spare=0)
    first.up = False
    assert await connections(over, relays, 10) == {"b": 10}
    assert first.asked == 1, "left alone after its failure"
    second.up = False
    assert await connections(over, relays, 4) == {"spare": 4}
    spare.up = False
    with pytest.raises(RelayDown, match="connection refused"):
        await over.connect(relays)
    clock.turn(seconds=31)
    first.up = second.up = spare.up = True
    # Back to normal at once: a relay that was down has nothing to catch up.
    assert await connections(over, relays, 10) == {"a": 5, "b": 5}


async def test_two_minutes_without_a_relay_cost_no_attempt(clock: Clock) -> None:
    relay = FakeRelay("a", up=False)
    over = circuits(clock)
    tried = []
    while (clock() - NOW).total_seconds() < 120:
        before = relay.asked
        with pytest.raises(RelayDown):
            await over.connect([relay])
        if relay.asked > before:
            tried.append((clock() - NOW).total_seconds())
        clock.turn(seconds=5)
    assert tried == [0, 30, 90]
    assert over.down_s() == pytest.approx(120)
    relay.up = True
    clock.turn(seconds=over.wait_s())
    assert (await over.connect([relay]))[0] == "a"


def walk(outcomes: Sequence[Outcome]) -> tuple[DeliveryState, int, timedelta]:
    """A delivery after these outcomes, each as soon as it is due: its state, its attempts, the time it took."""
    clock, job, state = Clock(), NEW, DeliveryState.QUEUED
    for outcome in outcomes:
        change = retry_schedule.after(job, outcome, clock(), Delivery())
        state, job = change.state, change.delivery
        if change.due_at:
            clock.set(change.due_at)
    return state, job.attempts, clock() - NOW


ACCEPTED = Accepted(Reply("dot", 250, "2.0.0", "2.0.0 ok"))


def test_451_to_every_first_attempt_delays_by_a_minute() -> None:
    greylisted = Deferred(Reply("RCPT", 451, "4.7.1", "4.7.1 greylisted"))
    assert walk([greylisted, ACCEPTED]) == (DeliveryState.ACCEPTED, 2, timedelta(minutes=1))


def test_a_storm_of_421_ends_in_delivery() -> None:
    storm = Deferred(Reply("MAIL", 421, "4.7.0", "4.7.0 too busy"))
    assert walk([storm] * 5 + [ACCEPTED])[0] is DeliveryState.ACCEPTED


def test_connections_lost_before_the_dot_cost_no_attempt() -> None:
    lost = NotSent(Reply("RCPT", 0, "", "the relay closed the connection"))
    assert walk([lost] * 3 + [ACCEPTED]) == (DeliveryState.ACCEPTED, 1, timedelta(0))
