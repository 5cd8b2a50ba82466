"""Opens the database and runs functions in transactions. This module does not depend on any table.

Only one thread of a process writes at a time. On SQLite a writing transaction takes the write lock when it begins, so a
second process waits for the lock instead of failing. Reading transactions never wait. A function that runs in a
transaction must not wait for the network.
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

from mailer import files
from mailer.errors import StoreUnavailable

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

T = TypeVar("T")
Work = Callable[[Connection], T]
BUSY_MS = 5000  # the milliseconds that a writer waits for another process's transaction
_BUSY_AT_EXIT_S = 0.5  # the seconds that a writer waits once its process is about to exit
_MIGRATION_PATIENCE = 12  # a migration waits for 12 times BUSY_MS, because another process may be migrating
_POLL_S = 0.0005  # seconds between two attempts to get SQLite's lock, which a sender releases for about 1 ms
_IDLE_S = 1.0  # the seconds of idleness after which the pool checks the writing connection before its next use
_SLOW_COMMIT_S = 0.01  # the seconds above which a commit is slow; `at_once` then does nothing for a while
_PAUSE_FACTOR = 100  # the pause of `at_once` after a slow commit, as a multiple of the commit's duration
_ATTEMPTS = 5  # maximum number of attempts for a transaction that conflicts with another transaction
_ABANDONED_S = 60  # the seconds of idleness after which PostgreSQL ends a writing transaction
# PostgreSQL's codes for a serialization failure, a deadlock, and a unique violation, which happens if another process
# has just inserted the same row. The failed transaction changed nothing, and another attempt may succeed.
_CONFLICTS = ("40001", "40P01", "23505")


class Store:
    """A database. `write` and `read` run a function in one transaction and may be called from any thread.

    Both raise StoreUnavailable if the database fails. A function that writes may run several times, because a
    transaction that conflicts with another transaction is rolled back and repeated.

    Opening a Store creates a missing SQLite file, and raises StoreUnavailable if the file is empty. `busy_ms` is the
    number of milliseconds that a transaction waits for SQLite's lock.
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
        self._write_lock = threading.Lock()  # only the thread that holds this lock may write
        # The connection for writing is kept, because taking one from the pool costs as much as a small transaction.
        self._kept: Connection | None = None
        self._kept_used = 0.0
        self._direct: Connection | None = None  # the connection that `at_once` uses
        self._direct_from = 0.0  # `at_once` does nothing before this time of the monotonic clock

    @property
    def name(self) -> str:
        """Returns the name to show: the name of the SQLite file, or the URL of the server without the password."""
        return Path(str(self.url.database)).name if self.sqlite else _without_password(self.url)

    def answers(self) -> bool:
        """Returns True if the database answers a query. Raises StoreUnavailable, with the reason, if it does not."""
        return self.read(lambda tx: tx.execute(text("SELECT 1")).scalar()) == 1

    def submit(self, work: Work[T], *, snapshot: bool = False, short: Work[T | None] | None = None) -> "Future[T]":
        """Queues a function that writes, and returns a future of its result. The writer's thread runs the function.
        With `snapshot`, all statements of the function see the same state of the database.

        If `short` is given, the thread first runs `short`, outside a transaction. `short` must run a single statement
        with `by_driver`. If it returns None, `work` runs as well; otherwise the future has the result of `short`.
        """
        return self._thread.submit(self._run, work, snapshot, short)

    def at_once(self, short: Work[T | None]) -> T | None:
        """Runs a function that executes a single statement with `by_driver`, on the caller's own thread. Returns None
        if the caller must submit the work instead; in that case the statement may or may not have been executed.

        This method is faster than `submit`: waking another thread, which then competes for the interpreter lock, takes
        longer than a small commit. Always call it from the same thread, such as the event loop's. The method never
        waits for a server or for another writer. If commits are slow, the method uses at most 1 % of
        the calling thread's time in total.
        """
        if not self.sqlite or not self._write_lock.acquire(blocking=False):
            return None
        started = time.monotonic()
        try:
            if started < self._direct_from:
                return None
            if self._direct is None:
                self._direct = self._writer.connect()
                self._direct.detach()  # so that the pool does not give this connection to another thread
                # A checkpoint takes long, so only the writer's thread makes checkpoints, not this connection.
                by_driver(self._direct, "PRAGMA wal_autocheckpoint=0", ())
            return short(self._direct)
        except Exception as error:
            if not (isinstance(error, exc.DBAPIError) and _is_busy(error)):
                self._close_direct()
            return None  # the caller then submits the work; if the error occurs again, it is reported there
        finally:
            took = time.monotonic() - started
            if took > _SLOW_COMMIT_S:
                self._direct_from = started + _PAUSE_FACTOR * took
            self._write_lock.release()

    def write(self, work: Work[T], *, snapshot: bool = False) -> T:
        """Runs a function that writes, and returns its result. `snapshot` has the same meaning as in `submit`."""
        if threading.get_ident() == self._thread_id:
            raise RuntimeError("a transaction inside a transaction")
        return self.submit(work, snapshot=snapshot).result()

    def read(self, work: Work[T]) -> T:
        """Runs a function that only reads, and returns its result."""
        with _readable_errors(self.url), self._reader.begin() as tx:
            return work(tx)

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Opens a transaction that may rebuild tables. Waits longer for the lock than other transactions do."""
        with _readable_errors(self.url), self._writer.connect() as connection:
            if self.sqlite:
                connection.detach()  # a connection with changed settings must not return to the pool
                # To rebuild a table, Alembic copies the table and drops the original. With foreign keys on, SQLite
                # would first delete the rows of the original, although rows of other tables refer to them.
                by_driver(connection, "PRAGMA foreign_keys=OFF", ())
            with connection.execution_options(patience=_MIGRATION_PATIENCE).begin():
                yield connection

    def hurry(self) -> None:
        """Shortens the wait for SQLite's lock, because the process is about to exit and a function that waits for the
        lock cannot be interrupted."""
        self._busy_s = min(self._busy_s, _BUSY_AT_EXIT_S)

    def close(self) -> None:
        """Waits for the running function, drops the queued functions, and closes all connections."""
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
        """Runs `short`, whose single statement is a transaction by itself. Returns the result of `short`, or None if
        the statement conflicted with another transaction."""
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
            self._release_kept()  # so that the pool checks the connection before its next use
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
            with suppress(Exception):  # closing a connection fails if the database has failed
                direct.close()


def inserting(tx: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Returns an INSERT that supports ON CONFLICT on both databases."""
    if tx.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # slow to import, and not needed on SQLite

    return postgresql.insert(table)


def by_driver(tx: Connection, statement: str, values: Any) -> Any:
    """Runs a statement on a cursor of the driver, and returns the cursor. Errors are raised as SQLAlchemy's exceptions.

    Use this function only for statements that run very often, because SQLAlchemy would double their time.
    """
    cursor = tx.connection.cursor()
    try:
        return cursor.execute(statement, values)
    except tx.dialect.loaded_dbapi.Error as error:
        if tx.dialect.is_disconnect(error, tx.connection, cursor):
            tx.invalidate(error)  # otherwise SQLAlchemy would send ROLLBACK over the lost connection
        wrapped = exc.DBAPIError.instance(
            statement, None, error, tx.dialect.loaded_dbapi.Error, hide_parameters=True, dialect=tx.dialect
        )
        raise wrapped from error


# --- engines ---------------------------------------------------------------------------------------------------------
def _engine(url: URL, busy_ms: int, patience_s: Callable[[], float], *, writes: bool) -> Engine:
    if url.get_backend_name() != "sqlite":
        # Without a timeout, an attempt to connect to a server that does not answer would take minutes.
        timeout = {} if "connect_timeout" in url.query else {"connect_timeout": 10}
        server = create_engine(url, pool_pre_ping=True, pool_size=10, connect_args=timeout)
        if writes and "options" not in url.query:
            event.listen(server, "connect", _limit_idle_transactions)
        return server
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": busy_ms / 1000})

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # `_begin` issues BEGIN, because sqlite3 issues no BEGIN before DDL
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={busy_ms}")
        # This PRAGMA ignores the busy timeout, and fails while another process switches the same new file to WAL.
        _when_free(lambda: cursor.execute("PRAGMA journal_mode=WAL"), patience_s)
        cursor.execute("PRAGMA synchronous=FULL")  # if a power cut lost an outcome, the mail would be sent twice
        cursor.execute("PRAGMA foreign_keys=ON")
        # In a writing connection, SQLite does not wait for the lock, because `_when_free` waits.
        cursor.execute("PRAGMA busy_timeout=0" if writes else "PRAGMA query_only=ON")
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
    """Repeats `attempt`, which needs SQLite's lock, until `attempt` succeeds or `patience_s()` seconds have passed.

    The result of `patience_s` may become smaller while this function waits.

    SQLite's own busy timeout would sleep up to 100 ms between two attempts. A sender releases the lock every few
    milliseconds, so another writer would miss many chances to get the lock.
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
    """Returns True if the error means that another connection holds SQLite's lock. Only the low 8 bits of the code
    matter: the other bits give the kind of the lock."""
    return getattr(getattr(error, "orig", error), "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _limit_idle_transactions(connection: Any, _record: Any) -> None:
    # Without this limit, a stopped process or a machine that lost power would keep its locks for hours. During that
    # time, its mails could not be sent and readers could not unsubscribe. PgBouncer does not accept the limit as an
    # option of a new connection, so a statement sets the limit.
    connection.autocommit = True
    connection.execute(f"SET idle_in_transaction_session_timeout = '{_ABANDONED_S}s'")
    connection.autocommit = False


# --- errors ----------------------------------------------------------------------------------------------------------
_REASONS = (  # each: a pattern for the driver's message, the problem, and the way to fix it
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
    """Turns an error of the driver into StoreUnavailable with a readable sentence."""
    try:
        yield
    except (exc.DatabaseError, exc.TimeoutError) as error:
        # These types mean that the database failed. A file that is damaged or is not a database is recognised by the
        # message. An error without a statement happened while connecting, perhaps because of a parameter of the URL.
        # All other errors are bugs in this program, and are raised again unchanged.
        failed = isinstance(error, (exc.OperationalError, exc.InternalError, exc.TimeoutError))
        failed = failed or getattr(error, "statement", "") is None
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
    """Returns the URL of a server with every password hidden. SQLAlchemy hides only the password before the host, but
    libpq also accepts a password as a parameter of the URL."""
    secrets = {name: "***" for name in url.query if "password" in name.lower()}
    return url.update_query_dict(secrets).render_as_string(hide_password=True).replace("%2A%2A%2A", "***")


# --- the file --------------------------------------------------------------------------------------------------------
def file_of(url: str | URL) -> Path | None:
    """Returns the SQLite file of a URL, or None for a server and for a database in memory."""
    parsed = make_url(url)
    name = parsed.database or ""
    on_disk = parsed.get_backend_name() == "sqlite" and name not in ("", ":memory:") and not name.startswith("file:")
    if not on_disk:
        return None
    # Follow a symbolic link, so that the real file gets private permissions. SQLite would make it readable to all.
    return Path(name).resolve() if Path(name).is_symlink() else Path(name)


def _create_private(url: URL) -> None:
    """Creates the SQLite file if it is missing. Only this user can read it, because it will contain addresses. SQLite
    gives the -wal and -shm files the same permissions. Raises StoreUnavailable if the file exists and is empty."""
    file = file_of(url)
    if file is None:
        return
    if os.access(file, os.F_OK):
        _refuse_empty(file)
        return
    with suppress(OSError):  # SQLite will fail for the same reason, and that error is reported
        files.write_new(file, _no_tables())  # does nothing if another process has just made it


def _no_tables() -> bytes:
    """Returns the content of a SQLite file without tables. New files get this content and are never empty, so that an
    empty file always means that data was lost."""
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
        f"The database {file} is empty: was it lost?",
        "Restore a backup, or delete the file and start with a new one: `mailer init --new-database`.",
    )
