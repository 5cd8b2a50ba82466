"""A small statement on the caller's own thread: it is done here and now, or not at all, and nobody is waited for."""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import make
import pytest
from make import only_postgresql, only_sqlite
from sqlalchemy import Connection, text

from mailer.store.database import Store, by_driver


def rename(name: str) -> Callable[[Connection], int]:
    return lambda alone: int(by_driver(alone, "UPDATE subscribers SET name = ?", (name,)).rowcount)


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
def test_a_server_is_not_waited_for(three: Store) -> None:
    assert three.at_once(lambda alone: pytest.fail("it was asked")) is None


@only_sqlite
def test_another_process_is_not_waited_for(three: Store, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "subscribers.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert three.at_once(rename("سارا")) is None
    other.execute("ROLLBACK")
    other.close()
    assert "سارا" not in names(three)
    assert three.at_once(rename("سارا")) == 3


@only_sqlite
def test_our_own_writer_is_not_waited_for(three: Store) -> None:
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
    assert three.at_once(rename("سارا")) == 3


@only_sqlite
def test_what_fails_is_left_to_the_writer_and_changes_nothing(three: Store) -> None:
    assert three.at_once(lambda alone: by_driver(alone, "UPDATE subscribers SET status = 'nonsense'", ())) is None
    assert three.at_once(lambda alone: 1 // 0) is None
    assert three.at_once(rename("سارا")) == 3


@only_sqlite
def test_a_slow_disk_is_left_to_the_writer_for_a_while(three: Store) -> None:
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
    assert time.monotonic() - begun >= 2, "a loop that waits a hundredth of its time"


@only_sqlite
def test_the_log_is_carried_over_by_the_next_work_of_the_writer(three: Store, tmp_path: Path) -> None:
    """Or it would grow for as long as an issue is sent; and who is here must not have to wait for it."""
    file = tmp_path / "subscribers.db"
    three.write(lambda tx: tx.execute(text("CREATE TABLE much (page)")))
    before = file.stat().st_size
    for _ in range(20):
        assert three.at_once(lambda alone: by_driver(alone, "INSERT INTO much VALUES (zeroblob(400000))", ()).rowcount)
    assert file.stat().st_size == before
    assert (tmp_path / "subscribers.db-wal").stat().st_size > 20 * 400_000
    three.write(lambda tx: tx.execute(text("UPDATE subscribers SET name = 'سارا'")))
    assert file.stat().st_size > 20 * 400_000


@only_sqlite
def test_after_its_end_there_is_nothing(three: Store) -> None:
    assert three.at_once(rename("سارا")) == 3

    def slow(_alone: Connection) -> None:
        begun.set()
        time.sleep(0.1)

    begun = threading.Event()
    other = threading.Thread(target=three.at_once, args=(slow,))
    other.start()
    assert begun.wait(10)
    three.close()  # waits for who is still at it
    other.join()
    assert three.at_once(rename("سارا")) is None
