"""Processes die, and no reader is missed; only a mail that a kill left unknown may come twice."""

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import deployment
import ledger
import make
import pytest
from deployment import Deployment, drafted, readers, recorded, taken, until

from mailer.context import newest_issue
from mailer.issues import delivery
from mailer.model import DeliveryState, IssueState

READERS, CONNECTIONS, KILLS = 600, 5, 3
LEASE = ("--lease", "1")  # what a killed process had claimed is free after this

pytestmark = pytest.mark.slow


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "taken.txt"


@pytest.fixture
def port(record: Path) -> Iterator[int]:
    with deployment.recorder(record) as listening:
        yield listening


def kill_in_the_middle(made: Deployment, record: Path, wanted: int) -> None:
    """Start sending, and kill it with SIGKILL once about `wanted` more mails were accepted."""
    before = taken(record)
    process = made.start("send", *LEASE)
    until(lambda: taken(record) >= before + wanted, process)
    deployment.end(process, signal.SIGKILL)


def ids_of(mails: list[tuple[str, str]]) -> dict[str, set[str]]:
    ids: dict[str, set[str]] = {}
    for recipient, number in mails:
        ids.setdefault(recipient, set()).add(number)
    return ids


def test_after_three_kills_every_reader_has_it(store_url: str, tmp_path: Path, port: int, record: Path) -> None:
    made = drafted(tmp_path, store_url, port, READERS)
    rng = random.Random(7)
    for _ in range(KILLS):
        kill_in_the_middle(made, record, rng.randint(20, 150))
        made.status()
    assert deployment.finished(made.start("send", *LEASE))[0] == 0

    mails = recorded(record)
    ids = ids_of(mails)
    assert set(ids) == readers(READERS)
    assert all(len(each) == 1 for each in ids.values()), "a repeated mail carries the same Message-ID"
    assert len({next(iter(each)) for each in ids.values()}) == READERS, "and nobody else's"
    doubles = Counter(Counter(recipient for recipient, _ in mails).values())
    assert len(mails) - READERS <= KILLS * CONNECTIONS
    assert set(doubles) <= {1, 2}, "an unknown is repeated once"
    done = made.status()
    assert (done.state, done.counts[DeliveryState.ACCEPTED]) == (IssueState.SENT, READERS)


def test_with_hold_no_reader_gets_it_twice_and_every_gap_is_listed(
    store_url: str, tmp_path: Path, port: int, record: Path
) -> None:
    made = drafted(tmp_path, store_url, port, 300, on_unknown="hold")
    kill_in_the_middle(made, record, 90)
    assert deployment.finished(made.start("send", *LEASE))[0] == 0

    recipients = [recipient for recipient, _ in recorded(record)]
    assert len(recipients) == len(set(recipients))
    with made.app() as app:
        listed = {str(each["email"]) for each in delivery.failures(app, newest_issue(app))}
    done = made.status()
    assert len(listed) == done.counts[DeliveryState.UNKNOWN] <= 2 * CONNECTIONS
    assert done.counts[DeliveryState.ACCEPTED] + len(listed) == 300
    assert set(recipients) | listed == readers(300)
    assert done.state is (IssueState.PARTIAL if listed else IssueState.SENT)


@make.only_sqlite
def test_sigterm_in_the_middle_loses_nothing(store_url: str, tmp_path: Path, port: int, record: Path) -> None:
    made = drafted(tmp_path, store_url, port, 400)
    process = made.start("issue", "send", "--now", "--yes", cli=True)
    until(lambda: taken(record) >= 60, process)
    began = time.monotonic()
    assert deployment.end(process) == 5, "done in part"
    assert time.monotonic() - began < 10
    middle = made.status()
    assert middle.counts[DeliveryState.SENDING] == 0
    assert middle.counts[DeliveryState.QUEUED] > 0
    # What it had claimed is free at once, without waiting for the lease.
    assert deployment.finished(made.start("issue", "send", "--now", "--yes", cli=True))[0] == 0
    assert Counter(recipient for recipient, _ in recorded(record)) == Counter(readers(400))


@make.only_sqlite
def test_sigterm_while_a_relay_never_answers(store_url: str, tmp_path: Path, record: Path) -> None:
    with deployment.recorder(record, "--deaf") as port:
        made = drafted(tmp_path, store_url, port, 1)
        process = made.start("issue", "send", "--now", "--yes", cli=True)
        until(lambda: taken(record) == 1, process)
        began = time.monotonic()
        assert deployment.end(process) == 5
        assert time.monotonic() - began < 10
    after = made.status()
    assert after.counts[DeliveryState.QUEUED] == 1, "nobody knows whether it was taken, so it is sent once more"
    with made.app() as app:
        job = ledger.rows(app.store)[0]
    assert (job["unknowns"], job["attempts"]) == (1, 1)
