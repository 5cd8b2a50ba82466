"""Promise 2, with processes that die: nobody is missed, and nobody twice but for what a kill left unknown."""

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
from deployment import Deployment, recorded

from mailer.app import compose, deliver
from mailer.app.context import find
from mailer.model import DeliveryState, IssueState, IssueStatus

READERS, CONNECTIONS, KILLS = 600, 5, 3
LEASE_S = "1"  # what a killed process held is free after this

pytestmark = pytest.mark.slow


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "taken.txt"


@pytest.fixture
def port(record: Path) -> Iterator[int]:
    with deployment.recorder(record) as listening:
        yield listening


def drafted(folder: Path, url: str, port: int, count: int, on_unknown: str = "resend") -> Deployment:
    """A deployment with readers and a draft of the next issue."""
    made = deployment.deployment(folder, url, port, connections=CONNECTIONS, on_unknown=on_unknown)
    app = made.app()
    try:
        make.readers(app.store, count)
        make.week_of_articles(app.store, app.now(), count=4)
        assert compose.draft(app).state is IssueState.DRAFT
    finally:
        app.store.close()
    return made


def status(made: Deployment) -> IssueStatus:
    app = made.app()
    try:
        found = deliver.status(app, find(app, None))
    finally:
        app.store.close()
    assert sum(found.counts.values()) == found.recipients
    return found


def kill_in_the_middle(made: Deployment, record: Path, wanted: int) -> None:
    """Starts sending and kills it −9 once about `wanted` mails more were taken."""
    before = len(recorded(record))
    process = made.start("send", LEASE_S)
    end = time.monotonic() + 30
    while len(recorded(record)) < before + wanted and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    assert process.poll() is None, "it was over before it could be killed"
    deployment.end(process, signal.SIGKILL)


def ids_of(mails: list[tuple[str, str]]) -> dict[str, set[str]]:
    ids: dict[str, set[str]] = {}
    for recipient, number in mails:
        ids.setdefault(recipient, set()).add(number)
    return ids


def test_after_three_kills_everybody_has_it(store_url: str, tmp_path: Path, port: int, record: Path) -> None:
    made = drafted(tmp_path, store_url, port, READERS)
    rng = random.Random(7)
    for _ in range(KILLS):
        kill_in_the_middle(made, record, rng.randint(20, 150))
        status(made)
    assert deployment.finished(made.start("send", LEASE_S))[0] == 0

    mails = recorded(record)
    ids = ids_of(mails)
    assert set(ids) == {f"reader{number:04}@example.org" for number in range(1, READERS + 1)}
    assert all(len(each) == 1 for each in ids.values()), "a repeated mail carries the same Message-ID"
    assert len({next(iter(each)) for each in ids.values()}) == READERS, "and nobody else's"
    doubles = Counter(Counter(recipient for recipient, _ in mails).values())
    assert len(mails) - READERS <= KILLS * CONNECTIONS
    assert set(doubles) <= {1, 2}, "an unknown is repeated once"
    done = status(made)
    assert (done.state, done.counts[DeliveryState.ACCEPTED]) == (IssueState.SENT, READERS)


def test_with_hold_nobody_gets_it_twice_and_every_hole_is_listed(
    store_url: str, tmp_path: Path, port: int, record: Path
) -> None:
    made = drafted(tmp_path, store_url, port, 300, "hold")
    for wanted in (90,):
        kill_in_the_middle(made, record, wanted)
    assert deployment.finished(made.start("send", LEASE_S))[0] == 0

    recipients = [recipient for recipient, _ in recorded(record)]
    assert len(recipients) == len(set(recipients))
    app = made.app()
    try:
        listed = {str(each["email"]) for each in deliver.failures(app, find(app, None))}
    finally:
        app.store.close()
    done = status(made)
    assert len(listed) == done.counts[DeliveryState.UNKNOWN] <= 2 * CONNECTIONS
    assert done.counts[DeliveryState.ACCEPTED] + len(listed) == 300
    assert set(recipients) | listed == {f"reader{number:04}@example.org" for number in range(1, 301)}
    assert done.state is (IssueState.PARTIAL if listed else IssueState.SENT)


@make.only_sqlite
def test_sigterm_in_the_middle_loses_nothing(store_url: str, tmp_path: Path, port: int, record: Path) -> None:
    made = drafted(tmp_path, store_url, port, 400)
    process = made.start("issue", "send", "--now", cli=True)
    end = time.monotonic() + 30
    while len(recorded(record)) < 60 and time.monotonic() < end:
        time.sleep(0.002)
    began = time.monotonic()
    assert deployment.end(process) == 5, "done in part"
    assert time.monotonic() - began < 10
    middle = status(made)
    assert middle.counts[DeliveryState.SENDING] == 0
    assert middle.counts[DeliveryState.QUEUED] > 0
    # What it held is free at once: no lease has to run out.
    assert deployment.finished(made.start("issue", "send", "--now", cli=True), 30)[0] == 0
    assert Counter(recipient for recipient, _ in recorded(record)) == Counter(
        f"reader{number:04}@example.org" for number in range(1, 401)
    )


@make.only_sqlite
def test_sigterm_while_a_relay_never_answers(store_url: str, tmp_path: Path, record: Path) -> None:
    with deployment.recorder(record, "--deaf") as port:
        made = drafted(tmp_path, store_url, port, 1)
        process = made.start("issue", "send", "--now", cli=True)
        while not recorded(record):
            time.sleep(0.01)
        began = time.monotonic()
        assert deployment.end(process) == 5
        assert time.monotonic() - began < 10
    after = status(made)
    assert after.counts[DeliveryState.QUEUED] == 1, "nobody knows whether it was taken, so it is sent once more"
    app = made.app()
    try:
        job = ledger.rows(app.store)[0]
    finally:
        app.store.close()
    assert (job["unknowns"], job["attempts"]) == (1, 1)
