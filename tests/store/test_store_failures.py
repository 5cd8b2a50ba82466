"""A database fails: one sentence says what, where and how to fix it, and nothing stored is lost."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import make
import pg
import pytest
from make import NOW, only_postgresql, only_sqlite
from sqlalchemy import Connection, Engine, create_engine, event, text

from mailer.errors import StoreUnavailable
from mailer.lifecycle import IssueEvent
from mailer.model import (
    DeliveryKind,
    DeliveryState,
    EventKind,
    NewEvent,
    Rendered,
    Skip,
    SubscriberStatus,
    TimeSpan,
)
from mailer.store import articles, deliveries, events, issues, reports, subscribers, suppressions, upgrade
from mailer.store.database import Store
from mailer.store.schema import subscribers as people

LEASE = timedelta(seconds=60)
Work = Callable[[Connection], Any]
FAILS_FAST = 100  # ms to wait for a lock

# One of each public function that writes, and of each that reads.
WRITES: dict[str, Work] = {
    "add": lambda tx: subscribers.add(tx, [make.new_subscriber("new@example.org")], NOW),
    "leave": lambda tx: subscribers.move(tx, 1, SubscriberStatus.UNSUBSCRIBED, from_=(SubscriberStatus.ACTIVE,)),
    "change": lambda tx: subscribers.change(tx, {1: ("سارا", ())}),
    "record": lambda tx: events.record(tx, [1], NewEvent(EventKind.CHANGED, NOW)),
    "suppress": lambda tx: suppressions.add(tx, ["ab"], EventKind.COMPLAINED, at=NOW),
    "merge": lambda tx: articles.merge(tx, [make.named(make.article(99))], NOW),
    "reserve": lambda tx: articles.reserve(tx, 1, [1], []),
    "plan": lambda tx: issues.plan(tx, make.slot("1405-W40"), NOW, NOW),
    "step": lambda tx: issues.step(tx, 1, IssueEvent.PAUSE),
    "variant": lambda tx: issues.add_variant(tx, DeliveryKind.TEST, 1, Rendered("", "", ""), NOW),
    "claim": lambda tx: deliveries.claim(tx, "one", NOW, LEASE),
    "end": lambda tx: deliveries.end_waiting(tx, 1, DeliveryState.SKIPPED, Skip.CANCELLED, NOW),
    "owe": lambda tx: deliveries.owe(tx, DeliveryKind.TEST, "t.1", "a@b.example", 1, None, NOW),
}
READS: dict[str, Work] = {
    "find": lambda tx: subscribers.find(tx, "reader0001@example.org"),
    "list": lambda tx: subscribers.matching(tx),
    "history": lambda tx: events.history(tx, 1),
    "window": lambda tx: articles.in_span(tx, TimeSpan(NOW - timedelta(days=7), NOW), NOW - timedelta(days=14)),
    "issues": lambda tx: issues.recent(tx),
    "counts": lambda tx: deliveries.counts(tx, 1),
    "open": lambda tx: deliveries.anything_open(tx, 1),
    "failed": lambda tx: reports.failed(tx, 1),
}


def filled(store: Store) -> None:
    make.readers(store, 3)
    make.keep(store, make.article(1))
    make.under_way(store)


def contents(path: Path) -> list[str]:
    """All rows of a SQLite file, read without the Store."""
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


@pytest.fixture
def file(store_url: str, tmp_path: Path) -> Path:
    """A closed SQLite file with some rows."""
    store = Store(store_url)
    filled(store)
    store.close()
    return tmp_path / "subscribers.db"


@contextmanager
def opened(url: object) -> Iterator[Store]:
    store = Store(str(url) if "://" in str(url) else f"sqlite:///{url}", busy_ms=FAILS_FAST)
    try:
        yield store
    finally:
        store.close()


def one_sentence(failed: "pytest.ExceptionInfo[StoreUnavailable]", *words: str) -> None:
    said = str(failed.value)
    for word in words:
        assert word in said
    assert "\n" not in said
    assert "Traceback" not in said
    assert "sqlalche.me" not in said
    assert failed.value.fix


# --- locked ----------------------------------------------------------------------------------------------------------
@pytest.mark.slow
@only_sqlite
def test_a_writer_gets_in_between_the_transactions_of_another_process(file: Path) -> None:
    """A sender in another process commits one group after the other, and a reader who unsubscribes gets in soon."""
    stop, turns = threading.Event(), 0

    def commit_on_and_on() -> None:
        nonlocal turns
        other = sqlite3.connect(file, isolation_level=None, timeout=10)
        while not stop.is_set():
            other.execute("BEGIN IMMEDIATE")
            time.sleep(0.03)
            other.execute("COMMIT")
            turns += 1
            time.sleep(0.002)
        other.close()

    store = Store(f"sqlite:///{file}")
    beside = threading.Thread(target=commit_on_and_on)
    beside.start()
    waited = []
    try:
        for _ in range(10):
            before = turns
            store.write(lambda tx: tx.execute(text("UPDATE subscribers SET name = name")))
            waited.append(turns - before)
    finally:
        stop.set()
        beside.join()
        store.close()
    # With SQLite's busy timeout, more than a hundred of the other's transactions go before these ten.
    assert sum(waited) <= 2 * len(waited), waited


@only_sqlite
def test_a_locked_file_is_reported_by_every_write_and_read_goes_on(file: Path) -> None:
    before = contents(file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with opened(file) as store:
            for work in WRITES.values():
                with pytest.raises(StoreUnavailable, match="is locked by another program") as failed:
                    store.write(work)
                one_sentence(failed, str(file), "End what holds it")
            for work in READS.values():
                store.read(work)  # a writer never blocks readers
            assert contents(file) == before
            other.execute("ROLLBACK")
            for name in ("add", "plan", "claim"):
                assert store.write(WRITES[name])  # and the store still works
    finally:
        other.close()


@only_sqlite
def test_a_file_locked_for_readers_too_is_reported_by_every_read(file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute(
        "PRAGMA journal_mode=DELETE"
    )  # without WAL, which some backup tools switch off, a writer blocks readers
    other.execute("BEGIN EXCLUSIVE")
    try:
        with opened(file) as store:
            for work in (*READS.values(), *WRITES.values()):
                with pytest.raises(StoreUnavailable, match="is locked by another program") as failed:
                    (store.read if work in READS.values() else store.write)(work)
                one_sentence(failed, str(file))
    finally:
        other.close()


@only_sqlite
def test_a_writer_waits_for_another_one(store_url: str, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    store = Store(store_url)  # it waits as long as in production
    began = time.monotonic()
    threading.Timer(0.2, lambda: other.execute("ROLLBACK")).start()
    assert store.write(WRITES["plan"])
    assert time.monotonic() - began > 0.1
    store.close()
    other.close()


# --- read-only -------------------------------------------------------------------------------------------------------
@only_sqlite
def test_a_read_only_file_can_be_read_and_says_why_it_is_not_written(file: Path) -> None:
    before = contents(file)
    # Opened as by a user without write permission: chmod has no effect on root.
    url = f"sqlite:///file:{file}?mode=ro&uri=true"
    with opened(url) as store:
        for work in READS.values():
            store.read(work)
        for work in WRITES.values():
            with pytest.raises(StoreUnavailable, match="is read-only") as failed:
                store.write(work)
            one_sentence(failed, str(file), "Allow this user")
    assert contents(file) == before


@only_sqlite
def test_a_reading_transaction_cannot_write(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="read-only"):
        store.read(WRITES["add"])


@only_postgresql
def test_a_server_that_is_read_only_says_so(store_url: str) -> None:
    with opened(f"{store_url}&options=-c%20default_transaction_read_only%3Don") as store:
        with pytest.raises(StoreUnavailable, match="is read-only") as failed:
            store.write(WRITES["add"])
        one_sentence(failed)
        assert store.read(subscribers.counts) == {}


# --- full ------------------------------------------------------------------------------------------------------------
@only_sqlite
def test_a_full_disk_is_reported_and_undoes_the_whole_transaction(store: Store, tmp_path: Path) -> None:
    filled(store)
    store.close()
    event.listen(Engine, "connect", _no_more_pages)
    try:
        with opened(tmp_path / "subscribers.db") as full:
            fill(full)
    finally:
        event.remove(Engine, "connect", _no_more_pages)


def fill(store: Store) -> None:
    """Write more than fits into the few pages left."""

    def much(tx: Connection) -> None:
        WRITES["add"](tx)
        for number in range(100, 400):
            articles.merge(tx, [make.named(make.article(number, body="متن " * 2000))], NOW)

    with pytest.raises(StoreUnavailable, match="has no room: the disk is full") as failed:
        store.write(much)
    one_sentence(failed, "subscribers.db", "Free some space")
    assert len(store.read(articles.newest)) == 1
    assert store.read(subscribers.counts) == {"active": 3}
    assert store.read(lambda tx: tx.execute(text("PRAGMA integrity_check")).scalar()) == "ok"
    assert store.write(WRITES["change"]) is None  # what needs no space still works: readers can unsubscribe


def _no_more_pages(connection: sqlite3.Connection, _record: object) -> None:
    used = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={used + 8}")


# --- not there, or not what it should be -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "held", [b"These are not the tables you are looking for. " * 100, b"SQLite format 3\0" + b"x" * 4096]
)
def test_a_file_that_is_not_a_database_is_not_changed(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / "subscribers.db"
    path.write_bytes(held)
    with opened(path) as store:
        for use in (
            upgrade.ensure,
            upgrade.revision,
            lambda s: s.write(WRITES["add"]),
            lambda s: s.read(READS["list"]),
        ):
            with pytest.raises(StoreUnavailable, match="is damaged, or is not a SQLite database") as failed:
                use(store)
            one_sentence(failed, str(path), "Restore a backup")
        with pytest.raises(StoreUnavailable, match="is damaged, or is not a SQLite database"):
            upgrade.upgrade(store)
    assert path.read_bytes() == held


@only_sqlite
def test_a_damaged_file_is_reported(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with opened(file) as store, pytest.raises(StoreUnavailable, match="is damaged") as failed:
        store.read(READS["list"])
    one_sentence(failed, str(file))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "subscribers.db"
    for use in (upgrade.ensure, upgrade.upgrade):
        with opened(path) as store, pytest.raises(StoreUnavailable, match="cannot be opened") as failed:
            use(store)
        one_sentence(failed, str(path), "folder")
    assert not path.parent.exists()


# --- a server that goes away -----------------------------------------------------------------------------------------
def test_a_server_that_is_down_is_named_without_its_password() -> None:
    with opened("postgresql://mailer:secret@/news?host=/nowhere") as store:
        for use in (upgrade.ensure, lambda s: s.write(WRITES["add"]), lambda s: s.read(READS["list"])):
            with pytest.raises(StoreUnavailable, match="cannot be reached") as failed:
                use(store)
            one_sentence(failed, "/news", "Start it")
            assert "secret" not in str(failed.value)


def test_a_database_that_the_server_does_not_have_is_reported(cluster: pg.Cluster) -> None:
    url = cluster.url.set(database="no_such_newsroom").render_as_string(hide_password=False)
    with opened(url) as store, pytest.raises(StoreUnavailable, match="no_such_newsroom") as failed:
        upgrade.ensure(store)
    one_sentence(failed, "[database] url")


@only_postgresql
def test_a_connection_cut_by_the_server_undoes_the_transaction_and_the_next_one_works(
    store_url: str, cluster: pg.Cluster
) -> None:
    admin = create_engine(cluster.url, isolation_level="AUTOCOMMIT")

    def cut(tx: Connection) -> None:
        WRITES["add"](tx)
        number = tx.execute(text("SELECT pg_backend_pid()")).scalar()
        with admin.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:n)"), {"n": number})
        time.sleep(0.05)
        WRITES["plan"](tx)

    with opened(store_url) as store:
        with pytest.raises(StoreUnavailable, match="cannot be reached") as failed:
            store.write(cut)
        one_sentence(failed)
        assert store.read(subscribers.counts) == {}
        assert store.write(WRITES["add"])
    admin.dispose()


# --- transactions ----------------------------------------------------------------------------------------------------
def test_an_error_inside_undoes_everything(store: Store) -> None:
    def half(tx: Connection) -> None:
        WRITES["add"](tx)
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        store.write(half)
    assert store.read(subscribers.counts) == {}


def test_a_transaction_inside_a_transaction_is_refused(store: Store) -> None:
    with pytest.raises(RuntimeError, match="inside a transaction"):
        store.write(lambda _: store.write(WRITES["add"]))
    assert store.read(subscribers.counts) == {}


@only_postgresql
def test_a_transaction_that_conflicts_with_another_one_is_repeated(store_url: str, store: Store) -> None:
    make.subscriber(store)
    other = Store(store_url)
    runs: list[str] = []

    def rename(tx: Connection) -> None:
        runs.append(str(tx.execute(people.select()).one().name))
        if len(runs) == 1:
            other.write(lambda tx: subscribers.change(tx, {1: ("سارا", ())}))
        subscribers.change(tx, {1: ("لیلا", ())})

    store.write(rename, snapshot=True)
    other.close()
    assert runs == ["نرگس", "سارا"]
    found = store.read(lambda tx: subscribers.get(tx, 1))
    assert found is not None
    assert found.name == "لیلا"


@pytest.mark.slow
def test_a_killed_process_loses_nothing_it_had_committed(store_url: str, store: Store) -> None:
    program = (
        "import sys, make; from mailer.store.database import Store;"
        "store = Store(sys.argv[1]);\n"
        "for number in range(10000):\n"
        "    make.subscriber(store, f'reader{number}@example.org'); print(number, flush=True)"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", program, store_url],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
        text=True,
    )
    assert running.stdout
    for line in running.stdout:
        if int(line) >= 20:
            break
    running.kill()
    printed = [int(line) for line in running.stdout]
    running.wait()
    running.stdout.close()
    count = store.read(subscribers.counts)["active"]
    assert count >= max(printed, default=20) + 1
    assert count <= max(printed, default=20) + 2  # at most one more: stored, and killed before it was printed


@only_postgresql
def test_a_writer_that_does_nothing_loses_its_transaction_and_a_reader_does_not(store: Store) -> None:
    asked = text("SELECT current_setting('idle_in_transaction_session_timeout')")
    assert store.write(lambda tx: tx.execute(asked).scalar()) == "1min"
    assert store.read(lambda tx: tx.execute(asked).scalar()) == "0"
