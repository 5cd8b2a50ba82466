"""Opens the database and runs functions in transactions. Knows no table.

One thread of a process writes at a time. Every writing transaction takes the lock when it begins, so two processes on
one SQLite file wait for each other instead of failing; readers are not blocked. No transaction waits for the network.
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
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event, exc, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, make_url

from mailer.errors import StoreUnavailable

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

T = TypeVar("T")
Work = Callable[[Connection], T]
BUSY_MS = 5000  # how long a writer waits for another process's transaction
_BUSY_AT_EXIT_S = 0.5  # the same, once the process is about to exit
_MIGRATION_PATIENCE = 12  # migrations wait this many times as long: another process may be creating the tables
_POLL_S = 0.0005  # between two attempts to get SQLite's lock; a sender releases it for about a millisecond
_IDLE_S = 1.0  # a writing connection that was idle for longer is checked by the pool before use
_SLOW_COMMIT_S = 0.01  # after a commit slower than this, `at_once` leaves the next ones to the writer's thread,
_PAUSE_FACTOR = 100  # for this many times as long as that commit took
_ATTEMPTS = 5  # at a transaction that conflicts with another one
_ABANDONED_S = 60  # PostgreSQL ends a writing transaction that has been idle for this long
# PostgreSQL's codes for a serialization failure, a deadlock, and a row that another process inserted after this
# transaction had looked for it. Nothing was changed, and a second attempt may succeed.
_CONFLICTS = ("40001", "40P01", "23505")


class Store:
    """A database. `write` and `read` run a function in one transaction and may be called from any thread.

    Both raise StoreUnavailable if the database fails. A missing SQLite file is created; an empty one is refused with
    StoreUnavailable. `busy_ms` is how long SQLite waits for a lock. A function that writes may run several times:
    its transaction is rolled back and repeated when it conflicts with another one.
    """

    def __init__(self, url: str, *, busy_ms: int = BUSY_MS) -> None:
        self.url: URL = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        if self.sqlite:
            _create_private(self.url)
        self._busy_s = busy_ms / 1000
        self._writer = _engine(self.url, busy_ms, lambda: self._busy_s, writes=True)
        self._reader = _engine(self.url, busy_ms, lambda: self._busy_s, writes=False)
        self._thread = ThreadPoolExecutor(1, "store-writer")
        self._thread_id = 0
        self._write_lock = threading.Lock()  # its holder may write
        # The writer's connection is kept: taking one from the pool costs as much as a small transaction.
        self._kept: Connection | None = None
        self._kept_used = 0.0
        self._direct: Connection | None = None  # the connection of `at_once`
        self._direct_from = 0.0  # `at_once` does nothing before this time

    @property
    def name(self) -> str:
        """The name of the file, or the server's URL without its password."""
        return Path(str(self.url.database)).name if self.sqlite else _without_password(self.url)

    def answers(self) -> bool:
        """Return True if the database answers a query; raise StoreUnavailable with the reason if it does not."""
        return self.read(lambda tx: tx.execute(text("SELECT 1")).scalar()) == 1

    def submit(self, work: Work[T], *, snapshot: bool = False, short: Work[T | None] | None = None) -> "Future[T]":
        """Queue a function that writes. With `snapshot`, all its statements see one state of the database.

        `short` is tried first, outside a transaction. It runs a single statement `by_driver`, and returns None if
        `work` has to run instead.
        """
        return self._thread.submit(self._run, work, snapshot, short)

    def at_once(self, short: Work[T | None]) -> T | None:
        """Run a single statement `by_driver` on the caller's own thread. Returns None if it has to be submitted
        instead, whether it was tried or not.

        This wakes no other thread, and none competes for the interpreter: together that costs more than a small
        commit. Call it from one thread only, such as the event loop's. It never waits for a server or for another
        writer, and for a slow disk at most a hundredth of the time.
        """
        if not self.sqlite or not self._write_lock.acquire(blocking=False):
            return None
        started = time.monotonic()
        try:
            if started < self._direct_from:
                return None
            if self._direct is None:
                self._direct = self._writer.connect()
                self._direct.detach()  # so that the pool does not give it to another thread
                # A checkpoint takes long, so it is left to the next commit of the writer's thread.
                by_driver(self._direct, "PRAGMA wal_autocheckpoint=0", ())
            return short(self._direct)
        except Exception as error:
            if not (isinstance(error, exc.DBAPIError) and _is_busy(error)):
                self._close_direct()
            return None  # the caller submits it, and the error occurs again where it is reported
        finally:
            took = time.monotonic() - started
            if took > _SLOW_COMMIT_S:
                self._direct_from = started + _PAUSE_FACTOR * took
            self._write_lock.release()

    def write(self, work: Work[T], *, snapshot: bool = False) -> T:
        """Run a function that writes and return its result. `snapshot` is that of `submit`."""
        if threading.get_ident() == self._thread_id:
            raise RuntimeError("a transaction inside a transaction")
        return self.submit(work, snapshot=snapshot).result()

    def read(self, work: Work[T]) -> T:
        """Run a function that only reads and return its result."""
        with _readable_errors(self.url), self._reader.begin() as tx:
            return work(tx)

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A transaction that may rebuild tables. It waits longer for the lock than other transactions do."""
        with _readable_errors(self.url), self._writer.connect() as connection:
            if self.sqlite:
                connection.detach()  # its settings are changed, so it must not return to the pool
                # Alembic rebuilds a table by copy and drop; with foreign keys on, the drop deletes the child rows.
                by_driver(connection, "PRAGMA foreign_keys=OFF", ())
            with connection.execution_options(patience=_MIGRATION_PATIENCE).begin():
                yield connection

    def hurry(self) -> None:
        """Stop waiting long for SQLite's lock: the process is about to exit, and a waiting function cannot be
        interrupted."""
        self._busy_s = min(self._busy_s, _BUSY_AT_EXIT_S)

    def close(self) -> None:
        """Finish what is running, drop what is queued, and close all connections."""
        self._thread.shutdown(cancel_futures=True)
        with self._write_lock:
            self._direct_from = float("inf")
            self._close_direct()
            self._release_kept()
        self._writer.dispose()
        self._reader.dispose()

    def _run(self, work: Work[T], snapshot: bool, short: Work[T | None] | None) -> T:
        self._thread_id = threading.get_ident()
        with self._write_lock, _readable_errors(self.url):
            if short is not None and (done := self._run_short(short)) is not None:
                return done
            for _ in range(_ATTEMPTS - 1):
                try:
                    return self._transaction(work, snapshot)
                except (exc.OperationalError, exc.IntegrityError) as error:
                    if getattr(error.orig, "sqlstate", None) not in _CONFLICTS:
                        raise
            return self._transaction(work, snapshot)

    def _run_short(self, short: Work[T | None]) -> T | None:
        """Run a statement that is a transaction by itself. Also returns None if it conflicted with another one."""
        with self._kept_connection() as connection:
            if self.sqlite:
                return _when_free(lambda: short(connection), lambda: self._busy_s)
            driver: Any = connection.connection.driver_connection
            driver.autocommit = True
            try:
                return short(connection)
            except exc.OperationalError as error:
                if getattr(error.orig, "sqlstate", None) in _CONFLICTS:
                    return None
                raise
            finally:
                if not driver.closed:
                    driver.autocommit = False

    def _transaction(self, work: Work[T], snapshot: bool) -> T:
        if snapshot and not self.sqlite:
            with self._writer.execution_options(isolation_level="REPEATABLE READ").begin() as tx:
                return work(tx)
        with self._kept_connection() as connection, connection.begin():
            return work(connection)

    @contextmanager
    def _kept_connection(self) -> Iterator[Connection]:
        if self._kept is None or time.monotonic() - self._kept_used > _IDLE_S:
            self._release_kept()
            self._kept = self._writer.connect()
        try:
            yield self._kept
        except BaseException:
            self._release_kept()  # the pool checks it before the next use
            raise
        finally:
            self._kept_used = time.monotonic()

    def _release_kept(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _close_direct(self) -> None:
        direct, self._direct = self._direct, None
        if direct is not None:
            with suppress(Exception):  # the database has failed already
                direct.close()


def inserting(tx: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """An INSERT that supports ON CONFLICT on both databases."""
    if tx.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # slow to import, and not needed on SQLite

    return postgresql.insert(table)


def by_driver(tx: Connection, statement: str, values: Any) -> Any:
    """Run a statement on a cursor of the driver and return the cursor; errors are SQLAlchemy's.

    For the few statements that run so often that SQLAlchemy's share of the time equals the database's.
    """
    cursor = tx.connection.cursor()
    try:
        return cursor.execute(statement, values)
    except tx.dialect.loaded_dbapi.Error as error:
        if tx.dialect.is_disconnect(error, tx.connection, cursor):
            tx.invalidate(error)  # or SQLAlchemy would send ROLLBACK over a connection that is lost
        wrapped = exc.DBAPIError.instance(
            statement, None, error, tx.dialect.loaded_dbapi.Error, hide_parameters=True, dialect=tx.dialect
        )
        raise wrapped from error


# --- engines ---------------------------------------------------------------------------------------------------------
def _engine(url: URL, busy_ms: int, patience_s: Callable[[], float], *, writes: bool) -> Engine:
    if url.get_backend_name() != "sqlite":
        # Without a limit, connecting to a server that does not answer takes minutes.
        timeout = {} if "connect_timeout" in url.query else {"connect_timeout": 10}
        server = create_engine(url, pool_pre_ping=True, pool_size=10, connect_args=timeout)
        if writes and "options" not in url.query:
            event.listen(server, "connect", _limit_idle_transactions)
        return server
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": busy_ms / 1000})

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # `_begin` says BEGIN: the module's own guesses break transactional DDL
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={busy_ms}")
        # Ignores the busy timeout, and fails while another process makes the same switch in a new file.
        _when_free(lambda: cursor.execute("PRAGMA journal_mode=WAL"), patience_s)
        cursor.execute("PRAGMA synchronous=FULL")  # an outcome lost in a power cut would send a mail twice
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA busy_timeout=0" if writes else "PRAGMA query_only=ON")  # see `_when_free`
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if not writes:
            connection.exec_driver_sql("BEGIN")
            return
        times = connection.get_execution_options().get("patience", 1)
        _when_free(lambda: by_driver(connection, "BEGIN IMMEDIATE", ()), lambda: times * patience_s())

    return engine


def _when_free(attempt: Callable[[], T], patience_s: Callable[[], float]) -> T:
    """Repeat what needs SQLite's lock until it succeeds or `patience_s` have passed, which may become less meanwhile.

    SQLite's own busy timeout sleeps up to 100 ms between two attempts. A sender commits every few milliseconds, so
    another writer would miss many chances.
    """
    started = time.monotonic()
    while True:
        try:
            return attempt()
        except (exc.OperationalError, sqlite3.OperationalError) as error:
            if not _is_busy(error) or time.monotonic() >= started + patience_s():
                raise
        time.sleep(_POLL_S)


def _is_busy(error: Exception) -> bool:
    """True if another connection holds SQLite's lock. The upper bits of the code only say which kind of lock."""
    return getattr(getattr(error, "orig", error), "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _limit_idle_transactions(connection: Any, _record: Any) -> None:
    # A stopped process, or a machine without power, would keep its locks for hours: its mails would wait, and so would
    # readers who unsubscribe. This is a statement because PgBouncer accepts no such option when a connection starts.
    connection.autocommit = True
    connection.execute(f"SET idle_in_transaction_session_timeout = '{_ABANDONED_S}s'")
    connection.autocommit = False


# --- errors ----------------------------------------------------------------------------------------------------------
_REASONS = (  # the driver's message, what is wrong, how to fix it
    (r"locked|busy", "is locked by another program", "End what holds it (a backup, an editor), then try again."),
    (r"readonly|read-only", "is read-only", "Allow this user to write the file and its folder."),
    (r"disk is full|No space left", "has no room: the disk is full", "Free some space; nothing stored is lost."),
    (r"unable to open", "cannot be opened", "Check that its folder exists and is writable."),
    (r"not a database|malformed", "is damaged, or is not a SQLite database", "Restore a backup, or use another file."),
    (
        r"Connection refused|could not connect|connection failed|connection to server|connection timeout"
        r"|terminating connection|closed the connection|connection is lost|shutting down|starting up",
        "cannot be reached",
        "Start it, or correct [database] url.",
    ),
)


@contextmanager
def _readable_errors(url: URL) -> Iterator[None]:
    """Raise StoreUnavailable, with one readable sentence, for errors of the driver."""
    try:
        yield
    except (exc.DatabaseError, exc.TimeoutError) as error:
        # Any other error is a bug in this program, except for a file that is not a database.
        failed = isinstance(error, (exc.OperationalError, exc.InternalError, exc.TimeoutError))
        if failed or re.search("not a database|malformed", str(error)):
            raise _unavailable(url, error) from error
        raise


def _unavailable(url: URL, error: Exception) -> StoreUnavailable:
    where = (url.database or "in memory") if url.get_backend_name() == "sqlite" else _without_password(url)
    message = str(getattr(error, "orig", error)).strip().splitlines()[0]
    for pattern, what, fix in _REASONS:
        if re.search(pattern, message, re.IGNORECASE):
            return StoreUnavailable(f"The database {where} {what} ({message}).", fix)
    return StoreUnavailable(f"The database {where} failed: {message}.")


def _without_password(url: URL) -> str:
    """A server's URL to show. libpq also takes a password as a parameter, which SQLAlchemy would not hide."""
    secrets = {name: "***" for name in url.query if "password" in name.lower()}
    return url.update_query_dict(secrets).render_as_string(hide_password=True).replace("%2A%2A%2A", "***")


# --- the file --------------------------------------------------------------------------------------------------------
def _create_private(url: URL) -> None:
    """Create a missing SQLite file, readable by this user only: it will hold readers' addresses. SQLite gives its -wal
    and -shm files the same permissions. Raises StoreUnavailable if the file exists and is empty."""
    name = url.database or ""
    if name in ("", ":memory:") or name.startswith("file:"):
        return
    file = Path(name)
    if os.access(file, os.F_OK):
        _refuse_empty(file)
        return
    content = _no_tables()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        _refuse_empty(file)
    except OSError:
        return  # SQLite will fail for the same reason, and that error is reported
    else:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)


def _no_tables() -> bytes:
    """A SQLite file without tables: a new file is never empty, so that an empty one always means a fault."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        memory.execute("CREATE TABLE first_page (x)")
        memory.execute("DROP TABLE first_page")
        memory.execute("VACUUM")
        return memory.serialize()


def _refuse_empty(file: Path) -> None:
    for _ in range(20):
        with suppress(OSError):
            if file.is_file() and file.stat().st_size == 0:
                time.sleep(0.05)  # another process may be about to write the first page
                continue
        return
    raise StoreUnavailable(
        f"The database {file} is empty: was it lost?", "Restore a backup, or delete the file to start with a new one."
    )
