"""A real SMTP server on loopback that keeps the mails it receives, in order of arrival.

The server is made for the demo, but is useful in tests, too. The server accepts every recipient, checks nothing and
forwards nothing. `letter` parses the mails.
"""

import asyncio
import re
import socket
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

MAX_BYTES = 10 * 1024 * 1024
_HOST = "127.0.0.1"
_UNSAFE = re.compile(r"[^A-Za-z0-9@._+-]")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it was received for one recipient. A mail to two recipients becomes two `Mail` objects."""

    number: int  # counted from 1 in order of arrival
    sender: str  # the envelope's sender; empty for a delivery report
    recipient: str  # one recipient of the envelope
    raw: bytes  # with CRLF line ends, and without the dots that SMTP adds at the start of lines
    arrived: datetime  # in UTC


class Inbox:
    """The server and the mails it received. Any thread may use it."""

    def __init__(self, folder: Path | None = None) -> None:
        """Makes a server, which does not run yet.

        If `folder` is given, the server writes each mail to <NN>-<recipient>.eml in this folder before it replies 250.
        """
        self._folder = folder
        self._mails: list[Mail] = []
        self._lock = threading.Lock()
        self.port = 0  # the port of the server; 0 before `start`
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._sessions: WeakSet[SMTP] = WeakSet()

    @property
    def mails(self) -> list[Mail]:
        """Returns a list of the mails received so far, in order of arrival."""
        with self._lock:
            return list(self._mails)

    def start(self) -> None:
        """Starts the server on a free port of 127.0.0.1. Raises OSError if the server cannot start."""
        if self._thread is not None:
            raise RuntimeError("the inbox is open already")
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
        listening = socket.create_server((_HOST, 0))
        self.port = listening.getsockname()[1]
        ready = threading.Event()
        serving = self._serve(listening, ready)
        self._thread = threading.Thread(target=asyncio.run, args=(serving,), name="inbox", daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Closes the server and its connections, but keeps the mails. Does nothing if the server is not running."""
        if self._thread is None:
            return
        if self._loop and self._stop and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = None

    async def _serve(self, listening: socket.socket, ready: threading.Event) -> None:
        # aiosmtpd's Controller cannot use port 0, and another process could take a port that was found to be free. So
        # `start` opens the socket, and the protocol is served without a Controller.
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(self._session, sock=listening)
        ready.set()
        await self._stop.wait()
        server.close()
        for session in list(self._sessions):
            if session.transport:
                session.transport.close()
        await asyncio.sleep(0)  # gives the closed connections a chance to finish

    def _session(self) -> SMTP:
        # Without `hostname`, aiosmtpd would ask the DNS for this machine's name, which may take long.
        session = SMTP(self, data_size_limit=MAX_BYTES, enable_SMTPUTF8=True, hostname="localhost", loop=self._loop)
        self._sessions.add(session)
        return session

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keeps the mail and returns the SMTP reply. aiosmtpd calls this method after the final dot of a mail."""
        try:
            self._keep(envelope)
        except OSError as error:
            return f"452 4.3.1 The mail cannot be written: {error.strerror}"  # RFC 3463: storage full
        return "250 2.0.0 Kept"

    def _keep(self, envelope: Envelope) -> None:
        raw = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        now = datetime.now(UTC)
        with self._lock:
            first = len(self._mails) + 1
            new = [
                Mail(number, envelope.mail_from or "", recipient, raw, now)
                for number, recipient in enumerate(envelope.rcpt_tos, first)
            ]
            if self._folder:
                for mail in new:
                    (self._folder / file_name(mail)).write_bytes(raw)
            # Add the mails last: a mail that cannot be written is sent again, and must not be in the list twice.
            self._mails += new


def file_name(mail: Mail) -> str:
    """Returns a name such as 01-reader@example.org.eml; characters that are special in file names become "_"."""
    return f"{mail.number:02}-{_UNSAFE.sub('_', mail.recipient)[:100]}.eml"
