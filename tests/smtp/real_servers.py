"""Postfix and Exim as relays for a test: unpacked from Debian's packages, never installed, with all they write in a
temporary folder. Postfix hands on what it takes to a given port; Exim keeps it, because its deliverers, which change
their user, would not find the libraries that lie beside it.

`bench/postfix-tools.sh DIR exim` fetches them; POSTFIX, EXIM and EXIM_LIBS say where they are. Postfix must be started
by root, and Exim wants a user of its own, which it gets in a mount namespace.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from admin import free_port

POSTFIX = os.environ.get("POSTFIX", "")
EXIM = os.environ.get("EXIM", "")
# A user that Debian has and that owns nothing; Postfix refuses one that it would share.
_OWNER, _GROUP = "list", "games"
_UID = 64_999
_START_S = 60.0

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
_FOLDERS = "active bounce corrupt defer deferred flush hold incoming maildrop pid private public saved trace"

_EXIM = """\
primary_hostname = relay.example.org
exim_path = {exim}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
tls_advertise_hosts =
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = check
queue_only = true
never_users =
keep_environment =
{extra}
begin acl
check:
  deny message = 5.1.1 no such user
       local_parts = nobody
  accept
"""


@contextmanager
def postfix(folder: Path, onward: int, **settings: str) -> Iterator[int]:
    """Runs a Postfix that accepts every recipient except one, and yields its port."""
    root = Path(POSTFIX)
    etc, queue, data = folder / "etc", folder / "queue", folder / "data"
    for made in (etc, queue, data, *(queue / name for name in _FOLDERS.split())):
        made.mkdir()
        shutil.chown(made, _OWNER, _GROUP)
    shutil.chown(queue, "root")
    shutil.chown(queue / "pid", "root")
    _open(folder)
    main = {
        "compatibility_level": "3.6",
        "queue_directory": str(queue),
        "data_directory": str(data),
        "daemon_directory": str(root / "usr/lib/postfix/sbin"),
        "command_directory": str(root / "usr/sbin"),
        "shlib_directory": str(root / "usr/lib/postfix"),
        "meta_directory": str(etc),
        "mail_owner": _OWNER,
        "setgid_group": _GROUP,
        "import_environment": "LD_LIBRARY_PATH MAIL_CONFIG TZ",
        "export_environment": "LD_LIBRARY_PATH MAIL_CONFIG TZ",
        "maillog_file": str(folder / "mail.log"),
        "maillog_file_prefixes": str(folder),
        "myhostname": "relay.example.org",
        "mydestination": "",
        "alias_maps": "",
        "local_recipient_maps": "",
        "mynetworks": "127.0.0.0/8",
        "inet_interfaces": "loopback-only",
        "inet_protocols": "ipv4",
        "smtp_dns_support_level": "disabled",
        "smtp_host_lookup": "native",
        "smtpd_peername_lookup": "no",
        "relayhost": f"[127.0.0.1]:{onward}",
        "smtpd_recipient_restrictions": f"check_recipient_access texthash:{etc}/rcpt, permit_mynetworks, reject",
        **settings,
    }
    (etc / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in main.items()))
    (etc / "rcpt").write_text("nobody@example.com 550 5.1.1 no such user\n")
    environ = {**os.environ, "LD_LIBRARY_PATH": str(root / "usr/lib/postfix"), "MAIL_CONFIG": str(etc)}
    master = [str(root / "usr/lib/postfix/sbin/master"), "-c", str(etc), "-d"]
    with ExitStack() as started:
        # Between the choice of a port and the start another process may take the port, so a second one is tried.
        for is_last in (False, False, True):
            port = free_port()
            (etc / "master.cf").write_text(_MASTER.format(port=port))
            try:
                started.enter_context(running(master, port, environ, folder))
                break
            except AssertionError:
                if is_last:
                    raise
        yield port


@contextmanager
def exim(folder: Path, extra: str = "") -> Iterator[int]:
    """Runs an Exim that accepts the same and keeps it, and yields its port."""
    port = free_port()
    for made in (folder / "spool", folder / "log"):
        made.mkdir()
        os.chown(made, _UID, _UID)
    _open(folder)
    config = folder / "exim.conf"
    config.write_text(_EXIM.format(exim=EXIM, folder=folder, port=port, extra=extra))
    passwd, group = folder / "passwd", folder / "group"
    passwd.write_text(
        Path("/etc/passwd").read_text() + f"Debian-exim:x:{_UID}:{_UID}::/nonexistent:/usr/sbin/nologin\n"
    )
    group.write_text(Path("/etc/group").read_text() + f"Debian-exim:x:{_UID}:\n")
    inside = f"mount --bind {passwd} /etc/passwd && mount --bind {group} /etc/group && exec {EXIM} -C {config} -bdf"
    environ = {**os.environ, "LD_LIBRARY_PATH": os.environ.get("EXIM_LIBS", "")}
    with running(["unshare", "-m", "sh", "-c", inside], port, environ, folder):
        yield port


def kept_by_exim(folder: Path) -> list[tuple[str, bytes]]:
    """Recipient and content (without the headers that Exim added) of each mail in its spool."""
    mails = []
    for header in (folder / "spool" / "input").glob("*-H"):
        found = re.search(r"^XX\n1\n(\S+)\n", header.read_text(), re.MULTILINE)
        message_id = re.search(r"Message-ID: \S+", header.read_text())
        assert found, header.read_text()
        assert message_id
        body = header.with_name(header.name[:-1] + "D").read_bytes().partition(b"\n")[2]
        mails.append((found[1], message_id[0].encode() + b"\r\n\r\n" + body.replace(b"\n", b"\r\n")))
    return mails


def _open(folder: Path) -> None:
    """pytest's folders are not readable for the daemons, which are not root."""
    for above in (folder, *folder.parents):
        if above.stat().st_mode & 0o777 == 0o700:
            above.chmod(0o711)


@contextmanager
def running(command: list[str], port: int, environ: dict[str, str], folder: Path) -> Iterator[None]:
    """Yields the process once it listens, and ends it with its children."""
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        end = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "out").read_text() + logs(folder)
                assert time.monotonic() < end, (folder / "out").read_text() + logs(folder)
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def logs(folder: Path) -> str:
    """The logs of the servers, for a failing test."""
    return "\n".join(path.read_text()[-3000:] for path in (*folder.glob("*.log"), *folder.glob("log/*")))
