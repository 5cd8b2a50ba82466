"""Relays for tests of the sender: the scripted one as a relay of an App, and one without a socket."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from scripted_relay import PATIENT
from whole import Whole

from mailer.errors import RelayDown
from mailer.model import Accepted, Outcome, Reply
from mailer.settings import Smtp
from mailer.smtp.relay import Relay
from mailer.smtp.session import Waits

OK = Accepted(Reply("dot", 250, "2.0.0", "2.0.0 ok"))
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)


def relay_at(port: int, waits: Waits = PATIENT) -> Relay:
    """A relay on 127.0.0.1."""
    return Relay(
        Smtp(host="127.0.0.1", port=port), password="", ca_file=None, local_hostname="mail.example.org", waits=waits
    )


def message_id(content: bytes) -> str:
    found = _MESSAGE_ID.search(content)
    assert found is not None
    return found[1].decode()


async def _accept(_recipient: str) -> Outcome:
    return OK


@dataclass
class Fake(Relay):
    """A relay without a socket. `answer` gives the outcome of each mail; `most` limits the connections."""

    answer: Callable[[str], Awaitable[Outcome]] = _accept
    name: str = "fake:25"
    down: bool = False
    most: int = 1000
    lines: int = 0
    taken: list[tuple[str, str]] = field(default_factory=list)  # (recipient, Message-ID) of the accepted mails
    tried: list[str] = field(default_factory=list)  # recipients, in order

    async def connect(self) -> "FakeSession":
        await asyncio.sleep(0)
        if self.down or self.lines >= self.most:
            raise RelayDown(f"{self.name} accepts no more connections")
        self.lines += 1
        return FakeSession(self)


@dataclass
class FakeSession(Whole):
    relay: Fake
    lost: bool = False
    closed: bool = False

    async def send(self, sender: str, recipient: str, message: bytes) -> Outcome:
        self.relay.tried.append(recipient)
        outcome = await self.relay.answer(recipient)
        if isinstance(outcome, Accepted):
            self.relay.taken.append((recipient, message_id(message)))
        if outcome.reply.code == 0:
            self.lost = True
        return outcome

    async def close(self) -> None:
        if not self.closed:
            self.closed, self.lost = True, True
            self.relay.lines -= 1


@asynccontextmanager
async def limited(most: int) -> AsyncIterator[tuple[int, list[str]]]:
    """A real server that accepts `most` connections at once and greets the others with 421. Yields its port and the
    recipients of the mails that it took."""
    taken: list[str] = []
    lines = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lines
        lines += 1
        try:
            if lines > most:
                await asyncio.sleep(0.02)  # the others are at work by now
                writer.write(b"421 4.7.0 too many connections\r\n")
                await writer.drain()
                return
            writer.write(b"220 limited.example\r\n")
            recipient = ""
            while line := await reader.readline():
                if line.startswith(b"QUIT"):
                    return
                if line.startswith(b"RCPT"):
                    recipient = line[9:-3].decode()
                if line.startswith(b"DATA"):
                    writer.write(b"354 go\r\n")
                    await reader.readuntil(b"\r\n.\r\n")
                    await asyncio.sleep(0.003)
                    taken.append(recipient)
                writer.write(b"250 ok\r\n")
        finally:
            lines -= 1
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], taken
    finally:
        server.close()
        await server.wait_closed()
