"""One session with a relay: mails go over one after the other, each with an `Outcome` that says who can have got it.

It walks MAIL, RCPT, DATA, the final dot (RFC 5321 §3.3) and knows on which side of the dot a line was lost. What a
relay's answer means is decided by `delivery.classify`. It never tries again, never reconnects and keeps no record.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mailer.delivery import classify
from mailer.model import NotSent, Outcome, Rejected, Rejection, Reply
from mailer.smtp.line import Line

# A blank or an angle bracket would end the path of MAIL or RCPT, CR or LF the command itself.
_UNSAFE = re.compile(r"[\s<>\x00-\x1f\x7f-\x9f]")
_GOODBYE = 2.0  # seconds to wait for the answer to QUIT


@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait, in seconds: `answer` for a connection and for each answer before the final dot; `dot` for the
    content to be taken and answered. RFC 5321 §4.5.3.2.6 asks for ten minutes after the dot, because a mail given up
    too early is sent twice."""

    answer: float
    dot: float

    @classmethod
    def of(cls, seconds: float) -> "Waits":
        """By the one setting that people know: five times as long for the dot, and never less than a minute."""
        return cls(answer=seconds, dot=max(60.0, 5 * seconds))


class Session:
    """An open, secured and authenticated line. `extensions` is what the relay's EHLO offered: lower-case keyword to
    parameters. `served` counts the mails begun on it."""

    def __init__(self, line: Line, extensions: Mapping[str, str], waits: Waits) -> None:
        self._line = line
        self._speaks_utf8 = "smtputf8" in extensions
        self._limit = _size_limit(extensions)
        self._waits = waits
        self._open = False
        self.served = 0

    @property
    def lost(self) -> bool:
        """True: this session is over, and the next mail needs a new one."""
        return bool(self._line.lost)

    async def send(self, sender: str, recipient: str, message: bytes) -> Outcome:
        """Hand over one mail for one recipient; `message` arrives byte for byte.

        The addresses are bare (`a@b.example`), the message is 7-bit, its lines end in CRLF, the last one too;
        anything else is a ValueError, raised before a byte is written. When this is cancelled the session is lost, and
        the mail may have been taken.
        """
        content = _on_the_wire(message)
        arguments = b" SMTPUTF8" if not (sender + recipient).isascii() else b""  # RFC 6531 §3.4
        mail = b"MAIL FROM:" + _path(sender) + arguments + b"\r\n"
        rcpt = b"RCPT TO:" + _path(recipient) + b"\r\n"
        if arguments and not self._speaks_utf8:
            text = "the address has letters beyond ASCII, and the relay does not offer SMTPUTF8 (RFC 6531)"
            return Rejected(Rejection.OTHER, Reply("MAIL", 0, "5.6.7", text))
        if self._limit and len(message) > self._limit:
            text = f"the mail has {len(message)} bytes, and the relay takes {self._limit} at most (RFC 1870)"
            return Rejected(Rejection.SOFT, Reply("MAIL", 0, "5.3.4", text))
        refused = await self._envelope(mail, rcpt)
        return refused if refused else await self._content(content)

    async def _envelope(self, mail: bytes, rcpt: bytes) -> Outcome | None:
        """Everything up to the relay's «go ahead»; None is «go ahead»."""
        if self._open:
            # A refused recipient leaves the transaction open, and a second MAIL in it is an error (RFC 5321 §4.1.4).
            # It is cleared now and not at once, so that no outcome has to wait for it.
            cleared = await self._line.ask("MAIL", b"RSET\r\n", self._waits.answer)
            if not _is(cleared, 2):
                self._line.drop(f"it did not clear a refused mail: {cleared.code} {cleared.text}")
                return NotSent(cleared)
            self._open = False
        self.served += not self.lost
        for phase, command, wanted in (("MAIL", mail, 2), ("RCPT", rcpt, 2), ("DATA", b"DATA\r\n", 3)):
            reply = await self._line.ask(phase, command, self._waits.answer)
            if not _is(reply, wanted):
                return self._judged(reply)
            self._open = True
        return None

    async def _content(self, content: bytes) -> Outcome:
        reply = await self._line.ask("dot", content, self._waits.dot)
        self._open = False
        if self._line.left:
            return self._judged(reply, possible=(2, 4, 5))
        # The end of the content is still here, so nobody has the whole mail. A relay may refuse it midway and is
        # believed; that it took the mail, or fell silent over it, cannot make it taken. The rest must never follow.
        self._line.drop("it answered before it had the whole mail")
        return self._judged(reply) if _is(reply, 4) or _is(reply, 5) else NotSent(reply)

    def _judged(self, reply: Reply, possible: tuple[int, ...] = (4, 5)) -> Outcome:
        """What the reply means. When it is no possible answer at its phase, questions and answers no longer pair, and
        the line must not be used again."""
        if reply.code // 100 not in possible:
            self._line.drop(f"it made no sense at {reply.phase}: {reply.code} {reply.text}")
        return classify(reply)

    async def close(self) -> None:
        """Say QUIT, wait a moment for the answer, close. Never raises, and may be called again."""
        if not self.lost:
            await self._line.ask("QUIT", b"QUIT\r\n", min(_GOODBYE, self._waits.answer))
        self._line.drop("closed by us")
        await self._line.closed()


def _is(reply: Reply, kind: int) -> bool:
    # RFC 5321 §4.2.1: a client goes by the first digit.
    return reply.code // 100 == kind


def _path(address: str) -> bytes:
    # The address stays out of the message: it would end up in a log.
    if not address or _UNSAFE.search(address):
        raise ValueError("an address for SMTP must not be empty or hold blanks, control characters or angle brackets")
    return b"<" + address.encode() + b">"


def _on_the_wire(message: bytes) -> bytes:
    """The content as it is written after DATA: leading dots doubled (RFC 5321 §4.5.2), the final dot added."""
    lines = message.count(b"\r\n")
    # A bare CR or LF is where relays disagree on what ends a mail: somebody's text could smuggle a second one in.
    if not message.endswith(b"\r\n") or message.count(b"\r") != lines or message.count(b"\n") != lines:
        raise ValueError("every line of a message must end in CRLF, the last one too, without a CR or LF elsewhere")
    if not message.isascii():
        raise ValueError("a message must be 7-bit: the relay may not offer 8BITMIME")
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return (b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n"


def _size_limit(extensions: Mapping[str, str]) -> int:
    """Bytes the relay takes; 0 when it names none (RFC 1870 §4 gives «SIZE» and «SIZE 0» that meaning)."""
    limit = extensions.get("size", "").strip()
    return int(limit) if re.fullmatch(r"[0-9]{1,20}", limit) else 0
