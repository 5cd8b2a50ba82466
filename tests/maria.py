"""A throw-away MariaDB for the tests: no network, a socket in a temporary folder, gone at the end.

It is started without system tables, and so without users: nothing has to be installed or configured for it, and it is
there in a third of a second. Debian's package mariadb-server-core is enough.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_START_S, _STOP_S = 60.0, 60.0
_FAST = ("--skip-networking", "--skip-grant-tables", "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin")


class NoMariaDB(Exception):
    """There is no MariaDB that could be started here; says why."""


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of a running server, to which the name of a database is added. NoMariaDB says why there is none."""
    program = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise NoMariaDB("no mariadbd found: install Debian's mariadb-server-core")
    # Not under pytest's own folder: a socket's path may have 107 letters.
    folder = Path(tempfile.mkdtemp(prefix="mailer-maria-"))
    (folder / "data").mkdir()
    socket = folder / "socket"
    command = [program, "--no-defaults", f"--datadir={folder / 'data'}", f"--socket={socket}", *_FAST]
    command += ["--user=root"] if os.geteuid() == 0 else []
    try:
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            end = time.monotonic() + _START_S
            while b"ready for connections" not in (said := (folder / "log").read_bytes()):
                if process.poll() is not None or time.monotonic() > end:
                    raise NoMariaDB(f"MariaDB did not start: {said[-500:].decode(errors='replace')}")
                time.sleep(0.05)
            yield f"mysql+pymysql://root@localhost/{{name}}?unix_socket={socket}&charset=utf8mb4"
        finally:
            process.terminate()
            process.wait(_STOP_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
