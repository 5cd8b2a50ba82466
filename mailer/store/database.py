"""Opens the database and runs work in transactions. Knows no table.

One thread of a process writes at a time; every writing transaction takes the lock at its beginning, so two processes on
one SQLite file wait for each other instead of failing. Reading goes on beside it. No transaction waits for the net.
"""

import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event, exc, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url

from mailer.errors import StoreUnavailable

T = TypeVar("T")
Work = Callable[[Connection], T]
BUSY_MS = 5000  # how long a writer waits for another process's transaction
_HURRIED_S = 0.5  # the same, while the process is to end
_LOOK_S = 0.0005  # between two looks whether SQLite's lock is free; a sender leaves it so for a millisecond
_IDLE_S = 1.0  # a writing connection that was idle for longer is asked whether it is still alive
_SLOW_S = 0.01  # when a disk took longer over a commit, the next ones are the writer's thread's,
_REST = 100  # for so many times as long
_TRIES = 5  # of a transaction that lost against another one
_ABANDONED_S = 60  # after which PostgreSQL ends a writing transaction that does nothing
# PostgreSQL: could not serialize, deadlock, and a row that another process has just put in where we looked and found
# none. Nothing was done, and again it may work.
_LOST = ("40001", "40P01", "23505")


class Store:
    """A database of the given URL. `write` and `read` run a function in one transaction; both may be called from any
    thread, and raise StoreUnavailable when the database fails us. A SQLite file is made where there is none; an empty
    one is refused with StoreUnavailable. `busy_ms`: how long SQLite waits for a lock.

    Writing work may be run again, when its transaction lost against another one and was undone."""

    def __init__(self, url: str, *, busy_ms: int = BUSY_MS) -> None:
        self.url: URL = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        if file := _file(self.url):
            _make_private(file)
        self._busy_s = busy_ms / 1000
        self._writer = _engine(self.url, "BEGIN IMMEDIATE", busy_ms, lambda: self._busy_s)
        self._reader = _engine(self.url, "BEGIN", busy_ms, lambda: self._busy_s)
        self._thread = ThreadPoolExecutor(1, "store-writer")
        self._ident = 0
        self._turn = threading.Lock()  # whose holder writes
        self._kept: Connection | None = None  # the writer's; taking one from the pool costs as much as a small work
        self._used = 0.0
        self._near: Connection | None = None  # the same for `at_once`
        self._near_from = 0.0

    @property
    def name(self) -> str:
        """The file or the server, for people: never with a password."""
        return Path(str(self.url.database)).name if self.sqlite else _shown(self.url)

    def answers(self) -> bool:
        """Whether the database can be asked just now; raises StoreUnavailable with the reason when it cannot."""
        return self.read(lambda tx: tx.execute(text("SELECT 1")).scalar()) == 1

    def submit(self, work: Work[T], *, snapshot: bool = False, short: Work[T | None] | None = None) -> "Future[T]":
        """Queue writing work. `snapshot`: all its statements see one state of the database (REPEATABLE READ). `short`:
        tried first, without a transaction: a single statement `by_driver`; when it gives None, the work is done."""
        return self._thread.submit(self._run, work, snapshot, short)

    def at_once(self, short: Work[T | None]) -> T | None:
        """Runs a single statement `by_driver` here and now; None: it is to be submitted, whether it was tried or not.

        No other thread has to be woken for it, and none contends for the interpreter, which costs more than a small
        commit. For one thread, as the loop's, which waits for nobody here: not for a server, not for who writes just
        now, and for a disk that is slow at most a hundredth of the time.
        """
        if not self.sqlite or not self._turn.acquire(blocking=False):
            return None
        begun = time.monotonic()
        try:
            if begun < self._near_from:
                return None
            if self._near is None:
                self._near = self._writer.connect()
                self._near.detach()  # or the pool would give it to others
                # To carry the log over into the file takes long: it is for the next commit of the thread.
                by_driver(self._near, "PRAGMA wal_autocheckpoint=0", ())
            return short(self._near)
        except Exception as error:
            if not (isinstance(error, exc.DBAPIError) and _busy(error)):
                self._leave()
            return None  # it will happen again, where there is time to wait and somebody to be told
        finally:
            took = time.monotonic() - begun
            if took > _SLOW_S:
                self._near_from = begun + _REST * took
            self._turn.release()

    def write(self, work: Work[T], *, snapshot: bool = False) -> T:
        if threading.get_ident() == self._ident:
            raise RuntimeError("a transaction inside a transaction")
        return self.submit(work, snapshot=snapshot).result()

    def read(self, work: Work[T]) -> T:
        with plainly(self.url), self._reader.begin() as tx:
            return work(tx)

    def hurry(self) -> None:
        """From now on no lock of SQLite is waited for long: the process is to end, and a work that waits cannot be
        stopped."""
        self._busy_s = min(self._busy_s, _HURRIED_S)

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)  # nobody waits for what is queued
        with self._turn:
            self._near_from = float("inf")
            self._leave()
            self._let_go()
        self._writer.dispose()
        self._reader.dispose()

    def _run(self, work: Work[T], snapshot: bool, short: Work[T | None] | None) -> T:
        self._ident = threading.get_ident()
        with self._turn, plainly(self.url):
            if short is not None and (done := self._alone(short)) is not None:
                return done
            for _ in range(_TRIES - 1):
                try:
                    return self._transaction(work, snapshot)
                except (exc.OperationalError, exc.IntegrityError) as error:
                    if getattr(error.orig, "sqlstate", None) not in _LOST:
                        raise
            return self._transaction(work, snapshot)

    def _alone(self, short: Work[T | None]) -> T | None:
        """A statement that is a transaction by itself. None also when it lost against another one."""
        with self._writing() as connection:
            if self.sqlite:
                return _when_free(lambda: short(connection), lambda: self._busy_s)
            driver: Any = connection.connection.driver_connection
            driver.autocommit = True
            try:
                return short(connection)
            except exc.OperationalError as error:
                if getattr(error.orig, "sqlstate", None) in _LOST:
                    return None
                raise
            finally:
                if not driver.closed:
                    driver.autocommit = False

    def _transaction(self, work: Work[T], snapshot: bool) -> T:
        if snapshot and not self.sqlite:
            with self._writer.execution_options(isolation_level="REPEATABLE READ").begin() as tx:
                return work(tx)
        with self._writing() as connection, connection.begin():
            return work(connection)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self._kept is None or time.monotonic() - self._used > _IDLE_S:
            self._let_go()
            self._kept = self._writer.connect()
        try:
            yield self._kept
        except BaseException:
            self._let_go()  # whatever it was, the pool knows how to look at a connection
            raise
        finally:
            self._used = time.monotonic()

    def _let_go(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _leave(self) -> None:
        near, self._near = self._near, None
        if near is not None:
            with suppress(Exception):  # of a database that failed already
                near.close()


def inserting(tx: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that may say what is done about rows that are there already."""
    return sqlite.insert(table) if tx.dialect.name == "sqlite" else postgresql.insert(table)


def by_driver(tx: Connection, statement: str, values: Any) -> Any:
    """Runs a statement on the driver's own cursor, and returns that: for those few that run so often that SQLAlchemy's
    part in them costs as much as the database's. Errors are SQLAlchemy's."""
    cursor = tx.connection.cursor()
    try:
        return cursor.execute(statement, values)
    except tx.dialect.loaded_dbapi.Error as error:
        if tx.dialect.is_disconnect(error, tx.connection, cursor):
            tx.invalidate(error)  # or SQLAlchemy would say ROLLBACK to a server that is gone
        wrapped = exc.DBAPIError.instance(
            statement, None, error, tx.dialect.loaded_dbapi.Error, hide_parameters=True, dialect=tx.dialect
        )
        raise wrapped from error


@contextmanager
def plainly(url: URL) -> Iterator[None]:
    """Turns what the driver says into one sentence for a person."""
    try:
        yield
    except (exc.OperationalError, exc.InternalError, exc.TimeoutError) as error:
        raise unavailable(url, error) from error
    except exc.DatabaseError as error:
        # Everything else is a bug of ours, but for a file that is no database at all.
        if "not a database" in str(error) or "malformed" in str(error):
            raise unavailable(url, error) from error
        raise


def _engine(url: URL, begin: str, busy_ms: int, patience_s: Callable[[], float]) -> Engine:
    if url.get_backend_name() != "sqlite":
        # A server that does not answer at all would be waited for for minutes.
        patience = {} if "connect_timeout" in url.query else {"connect_timeout": 10}
        server = create_engine(url, pool_pre_ping=True, pool_size=10, connect_args=patience)
        if begin == "BEGIN IMMEDIATE" and "options" not in url.query:
            event.listen(server, "connect", _end_idle)
        return server
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": busy_ms / 1000})

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the module's own guesses break transactional DDL
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={busy_ms}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # an outcome lost in a power cut is a mail sent twice
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA query_only=ON" if begin == "BEGIN" else "PRAGMA busy_timeout=0")  # see `_when_free`
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if begin == "BEGIN IMMEDIATE":
            _lock(connection, patience_s)
        else:
            connection.exec_driver_sql(begin)

    return engine


def _lock(connection: Connection, patience_s: Callable[[], float]) -> None:
    """Begins a writing transaction."""
    _when_free(lambda: by_driver(connection, "BEGIN IMMEDIATE", ()), patience_s)


def _when_free(attempt: Callable[[], T], patience_s: Callable[[], float]) -> T:
    """Does what needs SQLite's lock. Its own waiting sleeps longer each time, up to 100 ms, and a sender commits every
    few: whoever wants to leave would wait for many of its transactions. So we look ourselves, and often."""
    begun = time.monotonic()
    while True:
        try:
            return attempt()
        except exc.OperationalError as error:
            if not _busy(error) or time.monotonic() >= begun + patience_s():  # less when the process is to end
                raise
        time.sleep(_LOOK_S)


def _busy(error: exc.DBAPIError) -> bool:
    """Whether another holds SQLite's lock; the rest of the code says what kind of busy."""
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _end_idle(connection: Any, _record: Any) -> None:
    # A process that was stopped, or whose machine lost its power, would keep its locks: its mails would wait for hours,
    # and so would readers who want to leave. Said here, because PgBouncer takes no such word at the beginning.
    connection.autocommit = True
    connection.execute(f"SET idle_in_transaction_session_timeout = '{_ABANDONED_S}s'")
    connection.autocommit = False


_REASONS: tuple[tuple[str, str, str], ...] = (
    (
        r"locked|busy",
        "is locked by another program",
        "End what holds it (a backup, an editor), then try again.",
    ),
    (r"readonly|read-only", "is read-only", "Give this user the right to write the file and its folder."),
    (
        r"disk is full|No space left",
        "has no room: the disk is full",
        "Free some space; nothing stored is lost.",
    ),
    (r"unable to open", "cannot be opened", "Check that its folder exists and may be written to."),
    (r"not a database|malformed", "is damaged, or is no SQLite database", "Restore a backup, or name another file."),
    (
        r"Connection refused|could not connect|connection failed|connection to server|connection timeout"
        r"|terminating connection|closed the connection|connection is lost|shutting down|starting up",
        "cannot be reached",
        "Start it, or mend [database] url.",
    ),
)


def unavailable(url: URL, error: Exception) -> StoreUnavailable:
    """The error for a person: which database, what is wrong, how to mend it."""
    where = (url.database or "in memory") if url.get_backend_name() == "sqlite" else _shown(url)
    said = str(getattr(error, "orig", error)).strip().splitlines()[0]
    for pattern, what, fix in _REASONS:
        if re.search(pattern, said, re.IGNORECASE):
            return StoreUnavailable(f"The database {where} {what} ({said}).", fix)
    return StoreUnavailable(f"The database {where} failed: {said}.")


def exists(url: str) -> bool:
    """Whether a SQLite file is there; a server's database counts as there."""
    file = _file(make_url(url))
    return file is None or file.exists()


def _shown(url: URL) -> str:
    """A server's address for people. libpq takes a password among the parameters too, and SQLAlchemy hides only one."""
    secrets = {name: "***" for name in url.query if "password" in name.lower()}
    return url.update_query_dict(secrets).render_as_string(hide_password=True).replace("%2A%2A%2A", "***")


def _file(url: URL) -> Path | None:
    """The file of a SQLite database; None for a server, for memory, and for SQLite's own «file:» addresses."""
    name = url.database or ""
    if url.get_backend_name() != "sqlite" or name in ("", ":memory:") or name.startswith("file:"):
        return None
    return Path(name)


def _make_private(file: Path) -> None:
    """Makes the file where there is none, for this user's eyes only: readers' addresses are in it. SQLite gives its
    -wal and -shm the same rights. StoreUnavailable: there is a file, and it is empty, which no database ever is."""
    try:
        place = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        _refuse_empty(file)
    except OSError:
        return  # SQLite will fail for the same reason, and then the error tells it
    else:
        with os.fdopen(place, "wb") as out:
            out.write(_no_tables())


def _no_tables() -> bytes:
    """A SQLite file without tables. Written at once, so that an empty file always means that something went wrong."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        memory.execute("CREATE TABLE first_page (x)")
        memory.execute("DROP TABLE first_page")
        memory.execute("VACUUM")
        return memory.serialize()


def _refuse_empty(file: Path) -> None:
    for _ in range(20):  # another process may be about to write its first page
        try:
            if not file.is_file() or file.stat().st_size:
                return
        except OSError:
            return
        time.sleep(0.05)
    raise StoreUnavailable(
        f"The database {file} is empty: was it lost?", "Restore a backup, or remove the file to begin anew."
    )
