"""An SMTP server whose answers a test chooses, also those no real one should give; it keeps what it receives."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from mailer.model import Envelope, Outcome
from mailer.settings import Smtp
from mailer.smtp.relay import Relay
from mailer.smtp.session import Session, Waits

DROP = "(drops the line)"
HALF_CLOSE = "(says that it will say no more)"
SILENCE = "(says nothing)"
DEAF = "(says 354, reads no further, and then says) "
STAY = " (and keeps the line)"

# Waits are short only for the phase in which a relay is silent: a busy machine must not be taken for a silent relay.
PATIENT = Waits(answer=20, mail=20, rcpt=20, data=20, block=20, dot=20)
QUICK = replace(PATIENT, answer=2.0)


def impatient(*phases: str) -> Waits:
    """A short wait for the answers in these phases: "MAIL", "RCPT", "DATA", "block" or "dot"."""
    return replace(PATIENT, **{phase.lower(): 0.2 for phase in phases})


DEFAULTS = {
    "EHLO": "250-relay.example.org\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go",
    "dot": "250 2.0.0 queued as A1",
    "RSET": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
}


class ScriptedRelay:
    """`answers`: verb (or CONNECT, dot) → its answers the first time, the second time …; then it accepts everything.
    `by_mail`: the same for the first mail, the second, …, each verb once. An answer may hold several lines, or none;
    after one that begins with 421 the connection is closed, unless it ends in `STAY`."""

    def __init__(
        self,
        answers: Mapping[str, Sequence[str]],
        tls: ssl.SSLContext | None,
        *,
        starttls: bool,
        by_mail: Sequence[Mapping[str, str]] = (),
    ) -> None:
        self.answers = {verb: list(said) for verb, said in answers.items()}
        self.by_mail = list(by_mail)
        self._this_mail: dict[str, str] = {}
        self.tls, self.starttls = tls, starttls
        self.port = 0
        self.lines: list[bytes] = []  # commands, over all connections
        self.contents: list[bytes] = []  # as they came: dots still doubled, without the final one
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def verbs(self) -> list[str]:
        return [line.split(b" ")[0].decode() for line in self.lines]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._say(writer, "CONNECT", "220 relay.example.org ESMTP"):
            return
        while line := (await reader.readline()).removesuffix(b"\r\n"):
            self.lines.append(line)
            verb = line.split(b" ")[0].decode()
            if verb == "MAIL" and self.by_mail:
                self._this_mail = dict(self.by_mail.pop(0))
            default = "220 go" if verb == "STARTTLS" and self.starttls else DEFAULTS.get(verb, "502 5.5.2 what?")
            said = await self._say(writer, verb, default)
            if not said:
                return
            if verb == "STARTTLS" and said == "220 go":
                assert self.tls is not None
                await writer.start_tls(self.tls)
            if verb == "DATA" and said.startswith("354"):
                content = []
                while (part := await reader.readline()) != b".\r\n":
                    if not part:
                        return
                    content.append(part)
                self.contents.append(b"".join(content))
                if not await self._say(writer, "dot", DEFAULTS["dot"]):
                    return

    async def _say(self, writer: asyncio.StreamWriter, verb: str, default: str) -> str:
        """Returns the answer, or an empty text when the conversation is over."""
        said = self.answers[verb].pop(0) if self.answers.get(verb) else self._this_mail.pop(verb, default)
        if said == DROP:
            return ""
        if said == HALF_CLOSE:
            writer.write_eof()
        elif said.startswith(DEAF):
            # From here on the server does not read, and the buffers of both sides fill up.
            writer.write(b"354 go\r\n")
            await asyncio.sleep(0.1)
            self._say_midway(writer, said.removeprefix(DEAF))
        elif said != SILENCE:
            writer.write(said.removesuffix(STAY).encode() + b"\r\n" if said else b"")
            await writer.drain()
            return "" if said.startswith("421") and not said.endswith(STAY) else said or "nothing"
        await asyncio.sleep(30)
        return ""

    def _say_midway(self, writer: asyncio.StreamWriter, said: str) -> None:
        if said == HALF_CLOSE:
            writer.write_eof()
        elif said:
            writer.write(said.encode() + b"\r\n")

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def scripted_relay(
    answers: Mapping[str, Sequence[str]] | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    starttls: bool = False,
    by_mail: Sequence[Mapping[str, str]] = (),
) -> AsyncIterator[ScriptedRelay]:
    """A running `ScriptedRelay` on a port of its own; with `tls` and not `starttls`, TLS begins at once."""
    scripted = ScriptedRelay(answers or {}, tls, starttls=starttls, by_mail=by_mail)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server = await asyncio.start_server(scripted.serve, sock=listener, ssl=None if starttls else tls)
    scripted.port = listener.getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
        scripted.stop()
        await server.wait_closed()
        await asyncio.sleep(0)


@asynccontextmanager
async def session_with(scripted: ScriptedRelay, waits: Waits = PATIENT) -> AsyncIterator[Session]:
    """A session in clear with a scripted relay."""
    relay = Relay(
        Smtp(host="127.0.0.1", port=scripted.port),
        password="",
        ca_file=None,
        local_hostname="mail.example.org",
        waits=waits,
    )
    session = await relay.connect()
    try:
        yield session
    finally:
        await session.close()


async def send(session: Session, sender: str, recipient: str, message: bytes) -> Outcome:
    """Sends one mail. The lines of `message` end in CRLF; leading dots are doubled here (RFC 5321 section 4.5.2)."""
    session.begin(Envelope(sender, recipient, len(message)))
    refused = await session.ready()
    if refused is not None:
        return refused
    session.content(((b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:],))
    return await session.outcome()


async def drive(
    session: Session, recipients: Sequence[str], content: Callable[[int], Sequence[bytes]]
) -> list[Outcome]:
    """Sends a mail to each recipient in turn, and announces the next one with each content, as a sender does."""
    envelopes = [Envelope("news@example.org", recipient) for recipient in recipients]
    outcomes: list[Outcome] = []
    session.begin(envelopes[0])
    for number, after in enumerate([*envelopes[1:], None]):
        outcome = await session.ready()
        if outcome is None:
            session.content(content(number), after)
            outcome = await session.outcome()
        elif after:
            session.begin(after)
        outcomes.append(outcome)
    return outcomes
