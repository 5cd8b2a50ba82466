"""Several senders on one database, of which one dies or sleeps: the others take over within its lease, and the fence
keeps a sleeper from continuing."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import deployment
import ledger
import make
import pytest
from deployment import Deployment, chance, drafted, taken, until
from verdict import judge

from mailer.context import newest_issue
from mailer.issues import delivery, draft

READERS, CONNECTIONS = 1700, 4  # four batches
ONE_BATCH = 450
LEASE_S = 3.0
LEASE = ("--lease", str(LEASE_S))
PROCESSES = (2, 3, 4) if "KHABARNAMEH_KILLS" in os.environ else (3,)

pytestmark = pytest.mark.slow


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "taken.txt"


@pytest.fixture
def port(record: Path) -> Iterator[int]:
    with deployment.recorder(record) as listening:
        yield listening


def begun(folder: Path, url: str, port: int, count: int = READERS) -> Deployment:
    """An issue whose recipients are frozen."""
    made = drafted(folder, url, port, count, connections=CONNECTIONS)
    with made.app() as app:
        delivery.start(app, draft.freeze(app, newest_issue(app)))
    return made


@contextmanager
def senders(made: Deployment, *words: tuple[str, ...]) -> "Iterator[list[subprocess.Popen[str]]]":
    """Run a process for each of `words`, which are its arguments; at the end none is left, not even a stopped one."""
    processes = [made.start("send", *LEASE, *each) for each in words]
    try:
        yield processes
    finally:
        for each in processes:
            each.kill()
            each.communicate()


def at_work(made: Deployment, process: "subprocess.Popen[str]") -> bool:
    """True while it holds a batch."""
    with made.app() as app:
        return f":{process.pid}" in "".join(ledger.workers(app.store))


@pytest.mark.parametrize("processes", PROCESSES)
def test_one_of_several_is_killed(store_url: str, tmp_path: Path, port: int, record: Path, processes: int) -> None:
    made, rng = begun(tmp_path, store_url, port), chance()
    with senders(made, *[()] * processes) as running:
        victim, *others = running
        until(lambda: at_work(made, victim), victim)
        wanted = taken(record) + rng.randint(10, 200)
        until(lambda: taken(record) >= wanted, victim)
        deployment.end(victim, signal.SIGKILL)
        killed = time.monotonic()
        assert [deployment.finished(each)[0] for each in others] == [0] * len(others)
    with made.app() as app:
        assert max(ledger.fences(app.store)) > 1, "what the dead one held was claimed anew"
    assert time.monotonic() - killed < LEASE_S + 50, "less than the usual lease: none waited longer than it had to"
    assert judge(made, record, READERS, doubles=CONNECTIONS) == 0


def stopped(process: "subprocess.Popen[str]") -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_one_that_sleeps_past_its_lease_does_not_go_on(store_url: str, tmp_path: Path, port: int, record: Path) -> None:
    # One batch, and a relay for each: mails of the sleeper after it woke can be recognised, and the other sender is in
    # the middle of that batch then. Without the fence both would send it.
    made, rng = begun(tmp_path, store_url, port, ONE_BATCH), chance()
    second = tmp_path / "second"
    second.mkdir()
    with deployment.recorder(second / "taken.txt", "--delay", "0.05") as slow:
        beside = deployment.deployment(second, store_url, slow, connections=CONNECTIONS)
        shutil.copy(tmp_path / "secret.key", second)
        # Between two transactions: with SQLite's lock it would block all others, and PostgreSQL's is tested below.
        with senders(made, ("--stop-between", str(rng.randint(5, 60)))) as (sleeper,):
            until(lambda: stopped(sleeper), sleeper)
            with senders(beside, ()) as (other,):
                until(lambda: taken(second / "taken.txt") >= 2 * CONNECTIONS, other)
                before = taken(record)
                sleeper.send_signal(signal.SIGCONT)
                assert deployment.finished(other)[0] == 0
            deployment.finished(sleeper)
    assert taken(record) - before <= CONNECTIONS, "only what had been announced already can still go out"
    assert "its claim was lost" in made.log
    with record.open("a", encoding="utf-8") as both:
        both.write((second / "taken.txt").read_text("utf-8"))
    assert judge(made, record, ONE_BATCH, doubles=CONNECTIONS) == 0


@make.only_postgresql
def test_one_that_sleeps_in_a_transaction_keeps_its_locks_for_a_while_only(
    store_url: str, tmp_path: Path, port: int, record: Path
) -> None:
    # The server ends such a transaction after a minute (here: two seconds). Otherwise no process could claim that batch
    # while this one sleeps, and no reader in it could unsubscribe.
    made = begun(tmp_path, f"{store_url}&options=-c%20idle_in_transaction_session_timeout%3D2000", port)
    with senders(made, ("--stop-in-transaction", "9"), ()) as (sleeper, other):
        assert deployment.finished(other)[0] == 0, "the other one does all the rest"
        assert sleeper.poll() is None
        assert "cannot be reached" not in made.log
        sleeper.send_signal(signal.SIGCONT)
        deployment.finished(sleeper)  # by itself, with or without an error: for this process the database was away
    assert "cannot be reached" in made.log
    assert judge(made, record, READERS, doubles=CONNECTIONS) == 0
