"""Pace: which rates limit a mail, and that four processes together keep them."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mailer.model import Limit, Rate
from mailer.sending.pace import Pace, warm_share
from mailer.settings import Delivery, Settings, Smtp
from mailer.store.database import Store

WORKER = Path(__file__).with_name("pace_worker.py")


def pace(store: Store, *, issue: int | None = None, **delivery: Any) -> Pace:
    settings = Settings(delivery=Delivery(**delivery), smtp=(Smtp(port=25, rate="500/hour"), Smtp(port=26)))
    return Pace(store, settings, issue)


def test_a_mail_is_limited_by_the_rates_of_all_mails_its_relay_and_its_lane(store: Store) -> None:
    paced = pace(store, rate="10/s", lanes={"gmail": "100/m"})
    every, relay, lane = Limit("all", Rate(10, 1)), Limit("relay:127.0.0.1:25", Rate(500, 3600)), Rate(100, 60)
    assert paced.limits("127.0.0.1:25", "gmail") == (every, relay, Limit("lane:gmail", lane))
    assert paced.limits("127.0.0.1:26", "gmail") == (every, Limit("lane:gmail", lane))
    assert paced.limits("127.0.0.1:26", "yahoo") == (every,)


def test_while_warming_up_only_a_share_of_each_rate_may_be_used(store: Store) -> None:
    shares = (0.1, 0.5)
    rates = {
        issue: pace(store, issue=issue, rate="100/s", warm_up=shares).limits("127.0.0.1:26", "x")[0].rate
        for issue in (1, 2, 3)
    }
    assert rates == {1: Rate(10, 1), 2: Rate(50, 1), 3: Rate(100, 1)}
    assert warm_share(shares, None) == 1.0  # a confirmation, a test
    assert pace(store, issue=1, rate="3/s", warm_up=(0.01,)).limits("127.0.0.1:26", "x")[0].rate == Rate(1, 1)


async def test_without_a_rate_the_database_is_not_asked(store: Store) -> None:
    paced = pace(store)
    store.close()
    for _ in range(1000):
        assert await paced.ask("127.0.0.1:26", "gmail") == 0.0


async def test_a_permit_that_is_not_used_in_time_is_requested_again(store: Store) -> None:
    now = 0.0
    paced = Pace(store, Settings(delivery=Delivery(rate="40/s")), clock=lambda: now)
    assert await paced.ask("r", "default") == 0.0
    held = paced._held["r", "default"]
    assert (held.count, held.until) == (1, 0.05)  # two may go together, and the second one is reserved
    now = 0.04
    assert await paced.ask("r", "default") == 0.0
    assert (held.count, held.until) == (0, 0.05)

    await asyncio.sleep(0.1)
    now = 1.0
    assert await paced.ask("r", "default") == 0.0
    assert (held.count, held.until) == (1, 1.05)
    await asyncio.sleep(0.1)
    now = 2.0  # too late for the second
    assert await paced.ask("r", "default") == 0.0
    assert held.until == 2.05


def start(url: str, rate: str, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, str(WORKER), url, rate, str(seconds), "5"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_four_processes_keep_one_rate_even_if_killed_and_restarted(store_url: str) -> None:
    workers = [start(store_url, "40/s", 3.0) for _ in range(4)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    time.sleep(1.0)
    for worker in workers[:2]:
        worker.kill()
    workers += [start(store_url, "40/s", 1.5) for _ in range(2)]
    sent = []
    for worker in workers:
        lines = worker.communicate(timeout=30)[0].splitlines()
        sent.append([float(line) for line in lines if line[:1].isdigit() and "." in line])
    times = sorted(time for each in sent for time in each)
    assert all(sent[:4]), "every process got its share"
    # What a busy machine does between the permit and the line printed here is not the pace's.
    jitter = 0.05
    for first, last in zip(times, times[40:], strict=False):
        assert last - first >= 1 - jitter
    assert len(times) > 0.7 * 40 * 3
