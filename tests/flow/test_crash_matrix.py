"""Kills at random moments over 5,000 recipients. `make soak` does four times as many of them.

KHABARNAMEH_KILLS says how many, KHABARNAMEH_SEED repeats their moments.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import deployment
import pytest
from admin import Deployment as Admin
from deployment import Deployment, chance, drafted, taken, until
from verdict import judge

KILLS = int(os.environ.get("KHABARNAMEH_KILLS", "5"))
READERS, CONNECTIONS = 5000, 5
LEASE = ("--lease", "1")  # what a killed process had claimed is free after this
LAST = 40  # mails left when it is killed in the last batch

pytestmark = pytest.mark.slow


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "taken.txt"


@pytest.fixture
def port(record: Path) -> Iterator[int]:
    with deployment.recorder(record) as listening:
        yield listening


def kill_at_random(made: Deployment, record: Path, count: int, rng: random.Random) -> None:
    """Kill a sender with SIGKILL at random moments, evenly spread; the last time in the last batch."""
    for number in range(KILLS):
        last = number == KILLS - 1
        left = count - LAST - taken(record)
        more = left if last else rng.randint(20, max(20, 2 * left // (KILLS - number + 1)))
        at = min(taken(record) + more, count - LAST)
        process = made.start("send", *LEASE)
        until(lambda at=at: taken(record) >= at, process)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.003))
        assert process.poll() is None, "it was over before it could be killed"
        deployment.end(process, signal.SIGKILL)
        made.status()
    assert deployment.finished(made.start("send", *LEASE))[0] in (0, 5)


def test_after_kills_every_reader_has_it(store_url: str, tmp_path: Path, port: int, record: Path) -> None:
    made = drafted(tmp_path, store_url, port, READERS, connections=CONNECTIONS)
    kill_at_random(made, record, READERS, chance())
    judge(made, record, READERS, doubles=KILLS * CONNECTIONS)


def test_with_hold_no_reader_gets_it_twice_and_every_gap_is_listed(
    store_url: str, tmp_path: Path, port: int, record: Path
) -> None:
    made = drafted(tmp_path, store_url, port, READERS, connections=CONNECTIONS, on_unknown="hold")
    kill_at_random(made, record, READERS, chance())
    unknown = judge(made, record, READERS, doubles=0)
    assert 1 <= unknown <= KILLS * CONNECTIONS, "a kill leaves some unknown, and at most one for each connection"
    shown = Admin(tmp_path).json("issue", "status", "--failed")
    assert shown["unknown"] == unknown == len(shown["failed"])
