"""The database fails during a run, or the clock steps back: nothing is lost, the log says what is wrong, and the
service recovers by itself."""

import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import deployment
import make
import pg
import pytest
from deployment import Deployment, chance, drafted, taken, until
from sqlalchemy import create_engine, text
from verdict import judge

from mailer.context import newest_issue
from mailer.issues import delivery, draft
from mailer.model import IssueState

READERS, CONNECTIONS = 1700, 5  # four batches

pytestmark = pytest.mark.slow


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "taken.txt"


@pytest.fixture
def port(record: Path) -> Iterator[int]:
    with deployment.recorder(record) as listening:
        yield listening


def begun(folder: Path, url: str, port: int) -> Deployment:
    """An issue whose recipients are frozen."""
    made = drafted(folder, url, port, READERS, connections=CONNECTIONS)
    with made.app() as app:
        delivery.start(app, draft.freeze(app, newest_issue(app)))
    return made


@contextmanager
def service(made: Deployment, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """Run `mailer run --only sender`; it must finish the issue, and then end on a signal."""
    process = made.start("serve", *words)
    try:
        yield process
        until(lambda: made.status().state is not IssueState.SENDING, process)
        assert deployment.end(process) == 0
    finally:
        process.kill()
        process.communicate()


def said(made: Deployment, words: str) -> Callable[[], bool]:
    return lambda: words in made.log


def clear(log: str) -> bool:
    """The log is plain sentences: a traceback would mean a bug, and no address may appear."""
    return "Traceback" not in log and not re.search(r"\S@example\.org", log)


# --- a server that restarts ------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def own_cluster() -> Iterator[pg.Cluster]:
    """A server that this test may stop. Its commits reach the disk, which is what is tested."""
    try:
        with pg.cluster(durable=True, own=True) as running:
            yield running
    except pg.NoPostgres as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_postgresql_is_restarted(own_cluster: pg.Cluster, tmp_path: Path, port: int, record: Path, how: str) -> None:
    made, rng = begun(tmp_path, own_cluster.create(f"restarted_{how}"), port), chance()
    with service(made) as process:
        wanted = rng.randint(50, 600)
        until(lambda: taken(record) >= wanted, process)
        own_cluster.stop(how)
        until(said(made, "cannot be reached"), process)
        time.sleep(rng.uniform(0.5, 2))
        own_cluster.start()
    assert clear(made.log)
    assert judge(made, record, READERS, doubles=0) == 0


# --- a file that cannot be written -----------------------------------------------------------------------------------
@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes. Only root can create one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no small disk can be made here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(ballast: Path) -> None:
    with suppress(OSError), ballast.open("wb", buffering=0) as out:
        while True:
            out.write(bytes(4096))


@make.only_sqlite
def test_the_disk_is_full_for_a_while(
    store_url: str, sqlite_template: Path, small_disk: Path, tmp_path: Path, port: int, record: Path
) -> None:
    file, ballast = small_disk / "subscribers.db", small_disk / "ballast"
    file.write_bytes(sqlite_template.read_bytes())
    made = begun(tmp_path, f"sqlite:///{file}", port)
    with service(made) as process:
        until(lambda: taken(record) >= 20, process)
        fill(ballast)
        until(said(made, "has no room: the disk is full"), process)
        before = taken(record)
        time.sleep(1.5)
        assert taken(record) <= before + 2 * CONNECTIONS, "what cannot be written down is not sent"
        ballast.unlink()
    assert clear(made.log)
    assert judge(made, record, READERS, doubles=0) == 0


@make.only_sqlite
def test_a_backup_locks_the_file(store_url: str, tmp_path: Path, port: int, record: Path) -> None:
    made = begun(tmp_path, store_url, port)
    with service(made) as process:
        until(lambda: taken(record) >= 100, process)
        backup = sqlite3.connect(store_url.removeprefix("sqlite:///"), isolation_level=None, timeout=30)
        backup.execute("BEGIN IMMEDIATE")
        until(said(made, "is locked by another program"), process)
        backup.execute("ROLLBACK")
        backup.close()
    assert clear(made.log)
    assert judge(made, record, READERS, doubles=0) == 0


@make.only_postgresql
def test_a_locked_ledger_is_waited_for(store_url: str, tmp_path: Path, port: int, record: Path) -> None:
    made = begun(tmp_path, store_url, port)
    engine = create_engine(store_url)
    with service(made, "--lease", "2") as process:
        until(lambda: taken(record) >= 100, process)
        with engine.begin() as other:
            other.execute(text("LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE"))
            time.sleep(3)  # longer than the lease
    engine.dispose()
    assert clear(made.log)
    assert judge(made, record, READERS, doubles=0) == 0


# --- a clock that steps back -----------------------------------------------------------------------------------------
def test_the_clock_is_set_back_by_an_hour(store_url: str, tmp_path: Path, port: int, record: Path) -> None:
    made = begun(tmp_path, store_url, port)
    with service(made) as process:
        until(lambda: taken(record) >= 100, process)
        process.send_signal(signal.SIGUSR1)
    assert clear(made.log)
    assert judge(made, record, READERS, doubles=0) == 0
