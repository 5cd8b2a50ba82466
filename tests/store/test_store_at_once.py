"""`Store.at_once` runs a small statement on the caller's own thread or not at all, and waits for no other writer."""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import make
import pytest
from make import only_postgresql, only_sqlite
from sqlalchemy import Connection, text

from mailer.store.database import Store, by_driver

T = TypeVar("T")


def rename(name: str) -> Callable[[Connection], int]:
    return lambda alone: int(by_driver(alone, "UPDATE subscribers SET name = ?", (name,)).rowcount)


def done(store: Store, work: Callable[[Connection], T]) -> T:
    """The result of `work` by `at_once`, as soon as it is accepted: it is refused for a while after a slow commit."""
    end = time.monotonic() + 60
    while (result := store.at_once(work)) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    return result


def names(store: Store) -> set[str]:
    return store.read(lambda tx: set(tx.execute(text("SELECT name FROM subscribers")).scalars()))


@pytest.fixture
def three(store: Store) -> Store:
    make.readers(store, 3)
    return store


@only_sqlite
def test_it_is_on_disk_when_it_returns(three: Store, tmp_path: Path) -> None:
    threads = []

    def work(alone: Connection) -> int:
        threads.append(threading.current_thread())
        return rename("سارا")(alone)

    assert three.at_once(work) == 3
    assert threads == [threading.current_thread()]
    other = sqlite3.connect(tmp_path / "subscribers.db")
    assert other.execute("SELECT DISTINCT name FROM subscribers").fetchall() == [("سارا",)]
    other.close()


@only_postgresql
def test_it_does_not_wait_for_a_server(three: Store) -> None:
    assert three.at_once(lambda alone: pytest.fail("the server was asked")) is None


@only_sqlite
def test_it_does_not_wait_for_another_process(three: Store, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "subscribers.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert three.at_once(rename("سارا")) is None
    other.execute("ROLLBACK")
    other.close()
    assert "سارا" not in names(three)
    assert done(three, rename("سارا")) == 3


@only_sqlite
def test_it_does_not_wait_for_the_writers_thread(three: Store) -> None:
    begun, end = threading.Event(), threading.Event()

    def work(tx: Connection) -> None:
        begun.set()
        end.wait(10)
        tx.execute(text("UPDATE subscribers SET name = 'نرگس'"))

    written = three.submit(work)
    assert begun.wait(10)
    assert three.at_once(rename("سارا")) is None
    end.set()
    written.result()
    assert names(three) == {"نرگس"}
    assert done(three, rename("سارا")) == 3


@only_sqlite
def test_a_statement_that_fails_is_left_to_the_writers_thread(three: Store) -> None:
    assert three.at_once(lambda alone: by_driver(alone, "UPDATE subscribers SET status = 'nonsense'", ())) is None
    assert three.at_once(lambda alone: 1 // 0) is None
    assert done(three, rename("سارا")) == 3


@only_sqlite
def test_a_slow_disk_is_left_to_the_writers_thread_for_a_while(three: Store) -> None:
    def slow(_alone: Connection) -> int:
        time.sleep(0.02)
        return 1

    begun = time.monotonic()
    assert three.at_once(slow) == 1
    refused = 0
    while three.at_once(rename("سارا")) is None:
        refused += 1
        time.sleep(0.05)
    assert refused
    assert time.monotonic() - begun >= 2, "the caller would wait for more than a hundredth of its time"


@only_sqlite
def test_the_next_commit_of_the_writers_thread_makes_the_checkpoint(three: Store, tmp_path: Path) -> None:
    """`at_once` makes none, because a checkpoint takes long. The log must not grow for as long as an issue is sent."""
    file = tmp_path / "subscribers.db"
    three.write(lambda tx: tx.execute(text("CREATE TABLE much (page)")))
    before = file.stat().st_size
    # One statement, however slow the disk is; SQLite by itself makes a checkpoint after 4 MB.
    assert three.at_once(lambda alone: by_driver(alone, "INSERT INTO much VALUES (zeroblob(8000000))", ()).rowcount)
    assert file.stat().st_size == before
    assert (tmp_path / "subscribers.db-wal").stat().st_size > 8_000_000
    three.write(lambda tx: tx.execute(text("UPDATE subscribers SET name = 'سارا'")))
    assert file.stat().st_size > 8_000_000


@only_sqlite
def test_a_closed_store_finishes_what_runs_and_refuses_the_rest(three: Store) -> None:
    begun = threading.Event()
    finished = []

    def slow(_alone: Connection) -> None:
        begun.set()
        time.sleep(0.1)
        finished.append(True)

    other = threading.Thread(target=three.at_once, args=(slow,))
    other.start()
    assert begun.wait(10)
    three.close()
    assert finished
    other.join()
    assert three.at_once(rename("سارا")) is None
