"""A temporary MariaDB for the tests, without network, with a socket in a temporary folder.

It runs without system tables and so without users: nothing has to be set up, and it starts in a third of a second.
Debian's package mariadb-server-core is enough.
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
    """No MariaDB can be started here; the message says why."""


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Run a server; yields its URL with a place for the database's name. Raises NoMariaDB if there is none."""
    program = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise NoMariaDB("no mariadbd found: install Debian's mariadb-server-core")
    # Not under pytest's folder: the path of a socket is limited to 107 bytes.
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
