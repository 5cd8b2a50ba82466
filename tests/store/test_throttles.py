"""Never above the limit in any span of time: with a test clock in any order of requests, and with real processes."""

import math
from datetime import datetime, timedelta

import make
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make import NOW, Clock
from sqlalchemy import Connection

from mailer.model import Limit, Rate
from mailer.settings import rate_of
from mailer.store import throttles
from mailer.store.database import Store

RATES = [Rate(1, 1), Rate(10, 1), Rate(200, 1), Rate(3, 60), Rate(500, 3600), Rate(1, 86400), Rate(36_000, 3600)]


def reserve(store: Store, limits: list[Limit], count: int, now: datetime) -> tuple[int, float]:
    return store.write(lambda tx: throttles.reserve(tx, limits, count, now))


def most_in_a_window(times: list[float], seconds: float) -> int:
    """The largest number of `times` (sorted) in any span of `seconds`, its end excluded."""
    most = first = 0
    for last, time in enumerate(times):
        while time - times[first] >= seconds - 1e-7:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_the_measure_itself() -> None:
    assert most_in_a_window([0, 0.5, 1.0, 1.4], 1) == 3
    assert most_in_a_window([0, 1, 2], 1) == 1


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_the_arithmetic_of_a_rate(rate: Rate) -> None:
    burst, interval = throttles.burst(rate), throttles.interval(rate).total_seconds()
    span = rate.seconds + throttles.grace(rate).total_seconds()
    assert burst + math.ceil(span / interval) - 1 <= rate.count
    # And yet most of the rate can be used.
    assert 1 / interval >= 0.85 * rate.count / rate.seconds or rate.count == 1


# What one asker does: waits so long, asks for so many, and sends them so late (a share of the grace).
ASKS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.001, 0.05, 0.2, 1.0, 3.0]), st.integers(1, 20), st.floats(0, 0.99)), max_size=80
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rate=st.sampled_from(RATES), asks=ASKS, patient=st.booleans())
@make.only_sqlite
def test_never_above_the_rate_in_any_span_of_time(
    store: Store, rate: Rate, asks: list[tuple[float, int, float]], patient: bool
) -> None:
    make.wipe(store)
    clock = Clock()
    limits = [Limit("all", rate)]
    sent: list[float] = []
    for pause, count, lateness in asks:
        clock.turn(seconds=pause)
        granted, wait = reserve(store, limits, count, clock())
        assert (granted > 0) != (wait > 0)
        if not granted and patient:
            clock.turn(seconds=wait)
            granted, _ = reserve(store, limits, count, clock())
            assert granted, "what it was told to wait for"
        late = lateness * throttles.grace(rate).total_seconds()
        sent += [(clock() - NOW).total_seconds() + late] * granted
    assert most_in_a_window(sorted(sent), rate.seconds) <= rate.count


@pytest.mark.parametrize("text", ["10/s", "100/s", "100/hour"])
def test_a_sender_that_keeps_asking_uses_most_of_the_rate(store: Store, text: str) -> None:
    rate = rate_of(text)
    clock, sent = Clock(), 0
    while (clock() - NOW).total_seconds() < rate.seconds:
        granted, wait = reserve(store, [Limit("all", rate)], 20, clock())
        sent += granted
        clock.turn(seconds=wait)
    assert 0.85 * rate.count <= sent <= rate.count


def test_a_slow_lane_takes_nothing_from_its_relay(store: Store) -> None:
    relay, slow, quick = (
        Limit("relay:a:25", Rate(100, 1)),
        Limit("lane:slow", Rate(1, 60)),
        Limit("lane:b", Rate(50, 1)),
    )
    assert reserve(store, [relay, slow], 1, NOW) == (1, 0.0)
    for _ in range(50):
        granted, wait = reserve(store, [relay, slow], 1, NOW)
        assert granted == 0
        assert 50 < wait < 70
    granted, _ = reserve(store, [relay, quick], 4, NOW)
    assert granted == min(throttles.burst(relay.rate) - 1, throttles.burst(quick.rate), 4)


def test_without_a_limit_the_database_is_not_asked(store: Store) -> None:
    def work(tx: Connection) -> tuple[int, float]:
        return throttles.reserve(tx, [], 7)

    assert store.write(work) == (7, 0.0)


def test_a_clock_that_steps_back_does_not_stop_the_mails(store: Store) -> None:
    limit = Limit("all", Rate(500, 3600))
    assert reserve(store, [limit], 1, NOW)[0] == 1
    back = NOW - timedelta(hours=1)
    granted, wait = reserve(store, [limit], 1, back)
    assert granted == 0
    assert wait <= throttles.interval(limit.rate).total_seconds()
    assert reserve(store, [limit], 1, back + timedelta(seconds=wait))[0] == 1


def test_a_rate_that_was_raised_counts_at_once(store: Store) -> None:
    assert reserve(store, [Limit("all", Rate(1, 86400))], 1, NOW)[0] == 1
    granted, wait = reserve(store, [Limit("all", Rate(10, 1))], 1, NOW)
    assert granted or wait < 1


def test_the_databases_own_clock(store: Store) -> None:
    limit = [Limit("all", Rate(1, 3600))]
    assert store.write(lambda tx: throttles.reserve(tx, limit, 1)) == (1, 0.0)
    granted, wait = store.write(lambda tx: throttles.reserve(tx, limit, 1))
    assert granted == 0
    assert 3500 < wait < 3700
