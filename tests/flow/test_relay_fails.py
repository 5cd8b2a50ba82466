"""A relay fails for a while: in the end every reader has the mail, and an outage costs no attempt."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import ledger
import make
import pytest
from deployment import readers
from make import Clock

from mailer.context import App
from mailer.errors import RelayDown
from mailer.issues import delivery as delivering
from mailer.model import DeliveryState, Issue, IssueState
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Delivery, Smtp
from mailer.smtp.relay import Relay
from mailer.store.database import Store

READERS, CONNECTIONS = 600, 4  # deferred deliveries come back in two batches


@dataclass
class Moody:
    """A relay that decides by command: `answer` gets the command and the recipient, and returns None to accept. A 421
    ends the connection."""

    answer: Callable[[str, str], str | None] = lambda _verb, _recipient: None
    port: int = 0
    taken: list[str] = field(default_factory=list)
    lines: "set[asyncio.StreamWriter]" = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Stop listening, and cut every connection."""
        if self._server:
            self._server.close()
        for line in list(self.lines):
            line.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            if await self._say(writer, "CONNECT", "", "220 moody.example ESMTP"):
                await self._talk(reader, writer)
        self.lines.discard(writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipient, known = "", False
        while line := await reader.readline():
            verb = line[:4].decode().upper().strip()
            if verb == "EHLO":
                writer.write(b"250-moody.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n")
                continue
            if verb == "RCPT":
                recipient = line.partition(b"<")[2].partition(b">")[0].decode()
                known = True
            wanted = {"DATA": "354 go" if known else "503 5.5.1 nobody", "QUIT": "221 2.0.0 bye"}
            said = await self._say(writer, verb, recipient, wanted.get(verb, "250 2.0.0 ok"))
            if not said or verb == "QUIT":
                return
            known = known and not (verb == "RCPT" and said[0] != "2") and verb != "RSET"
            if said.startswith("354"):
                await reader.readuntil(b"\r\n.\r\n")
                said = self.answer("dot", recipient) or "250 2.0.0 kept"
                if said.startswith("250"):
                    self.taken.append(recipient)
                known = False
                writer.write(said.encode() + b"\r\n")
                if said.startswith("421"):
                    return

    async def _say(self, writer: asyncio.StreamWriter, verb: str, recipient: str, wanted: str) -> str:
        said = self.answer(verb, recipient) or wanted
        writer.write(said.encode() + b"\r\n")
        await writer.drain()
        return "" if said.startswith("421") else said


@asynccontextmanager
async def moody(answer: Callable[[str, str], str | None] = lambda _verb, _recipient: None) -> AsyncIterator[Moody]:
    relay = Moody(answer)
    await relay.open()
    try:
        yield relay
    finally:
        relay.shut()
        await asyncio.sleep(0)


@dataclass
class Run:
    """An issue being sent to 600 readers through one relay."""

    app: App
    issue: Issue
    circuits: Circuits
    seconds: list[float]  # the circuits' time

    async def go(self) -> None:
        with suppress(RelayDown):
            await Sender(self.app, self.circuits, self.issue.id).run()

    def counts(self) -> dict[DeliveryState, int]:
        found = delivering.status(self.app, self.issue)
        assert sum(found.counts.values()) == found.recipients == READERS
        return {state: count for state, count in found.counts.items() if count}

    def of_all(self, column: str) -> set[int]:
        return {row[column] for row in ledger.rows(self.app.store)}

    def sent(self, taken: Iterable[str]) -> None:
        """Every reader has it once, and the issue is sent."""
        assert Counter(taken) == Counter(readers(READERS))
        assert self.counts() == {DeliveryState.ACCEPTED: READERS}
        assert [done.state for done in delivering.finish(self.app)] == [IssueState.SENT]


def run(store: Store, folder: Path, clock: Clock, port: int, *, overlap: bool = True) -> Run:
    make.readers(store, READERS)
    smtp = Smtp(host="127.0.0.1", port=port, overlap="on" if overlap else "off")
    relay = Relay(smtp, password="", ca_file=None, local_hostname="mail.example.org")
    app = make.app(store, folder, clock, relays=[relay], delivery=Delivery(connections=CONNECTIONS))
    seconds = [0.0]
    return Run(app, make.under_way(store), Circuits(clock=lambda: seconds[0]), seconds)


@pytest.mark.slow
async def test_an_outage_in_the_middle(store: Store, tmp_path: Path, clock: Clock) -> None:
    async with moody() as relay:

        def cut(verb: str, _recipient: str) -> str | None:
            # Between two mails, so that none becomes unknown.
            if verb == "MAIL" and len(relay.taken) >= 300:
                relay.shut()
            return None

        relay.answer = cut
        here = run(store, tmp_path, clock, relay.port, overlap=False)
        for _ in range(4):  # two minutes
            await here.go()
            here.seconds[0] += 31
            clock.turn(seconds=31)
        assert here.circuits.down_s() > 90
        before = len(relay.taken)
        unknown = [row for row in ledger.rows(store) if row["unknowns"]]
        assert 300 <= before < 300 + CONNECTIONS
        assert len(unknown) <= CONNECTIONS
        waiting = [row for row in ledger.rows(store) if row["state"] is DeliveryState.QUEUED and not row["unknowns"]]
        assert len(waiting) >= READERS - before - CONNECTIONS
        assert {row["attempts"] for row in waiting} == {0}, "an outage burns nothing"
        assert {row["first_reply_at"] for row in waiting} == {None}
        relay.answer = lambda _verb, _recipient: None
        await relay.open()
        here.seconds[0] += 600
        clock.turn(minutes=10)
        await here.go()
        doubles = Counter(relay.taken)
        assert set(doubles) == readers(READERS)
        assert doubles.total() - READERS <= len(unknown)
    assert here.counts() == {DeliveryState.ACCEPTED: READERS}


@pytest.mark.slow
async def test_451_to_every_first_attempt(store: Store, tmp_path: Path, clock: Clock) -> None:
    seen: set[str] = set()

    def greylist(verb: str, recipient: str) -> str | None:
        if verb != "RCPT" or recipient in seen:
            return None
        seen.add(recipient)
        return "451 4.7.1 greylisted, come back later"

    async with moody(greylist) as relay:
        here = run(store, tmp_path, clock, relay.port)
        await here.go()
        assert (here.counts(), relay.taken) == ({DeliveryState.DEFERRED: READERS}, [])
        await here.go()
        assert here.counts() == {DeliveryState.DEFERRED: READERS}, "not before its time"
        clock.turn(minutes=2)
        await here.go()
        here.sent(relay.taken)
    assert (here.of_all("attempts"), here.of_all("losses"), here.of_all("unknowns")) == ({2}, {0}, {0})


@pytest.mark.slow
@make.only_sqlite
@pytest.mark.parametrize("where", ["CONNECT", "MAIL", "RCPT", "DATA", "dot"])
async def test_421_in_the_middle(store: Store, tmp_path: Path, clock: Clock, where: str) -> None:
    asked, each = 0, 2 if where == "CONNECT" else 50

    def busy(verb: str, _recipient: str) -> str | None:
        nonlocal asked
        asked += verb == where
        return "421 4.7.0 too much at once" if verb == where and asked % each == 0 else None

    async with moody(busy) as relay:
        here = run(store, tmp_path, clock, relay.port)
        for _ in range(5):
            await here.go()
            here.seconds[0] += 700
            clock.turn(minutes=40)
        here.sent(relay.taken)
    assert asked >= each, "it did say so"
    assert here.of_all("unknowns") == {0}, "a 421 is an answer"
    if where == "CONNECT":
        assert here.of_all("attempts") == {1}, "no word of any mail was said"
    if where == "dot":
        assert here.of_all("attempts") == {1, 2}, "these were tried, and put off"
