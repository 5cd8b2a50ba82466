"""One session with a relay: mails go over one after the other, each with an `Outcome` that says who can have got it.

It walks MAIL, RCPT, DATA, the final dot (RFC 5321 §3.3), in groups where the relay offers PIPELINING, and knows on
which side of the dot a line was lost. What a relay's answer means is decided by `delivery.classify`. It never tries
again, never reconnects and keeps no record.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from mailer.address import check_for_smtp, without_addresses
from mailer.model import Envelope, NotSent, Outcome, Rejected, Rejection, Reply, Unknown
from mailer.replies import classify
from mailer.smtp.line import Line, Step
from mailer.smtp.replies import silence

# What a relay says that did not expect the commands of a group together (Postfix: «Improper use of SMTP command
# pipelining», Exim: «SMTP synchronization error»).
_CONFUSED = re.compile(r"pipelin|synchroni[sz]ation|bad sequence", re.IGNORECASE)
_GOODBYE = 2.0  # seconds to wait for the answer to QUIT
_DOT = b".\r\n"


# --- what a relay copes with -----------------------------------------------------------------------------------------
# Learned from earlier sessions and shared by all sessions with one relay. A relay may offer PIPELINING and then discard
# what followed the first command, or only what followed the final dot. Such a relay is recognised by the failures and
# from then on gets one command at a time. Kept in memory: a new process learns it again.
log = logging.getLogger(__name__)
DOUBTS = 3  # groups in a row that broke for a reason that may also be the net's


@dataclass
class Manners:
    """`pipelining`: several commands in one group. `overlap`: the next mail's group rides with the final dot."""

    name: str
    pipelining: bool = True
    overlap: bool = False
    doubts: int = 0

    def kept(self) -> None:
        """A group was answered as it should."""
        self.doubts = 0

    def broke(self, *, overlapped: bool, surely: bool, why: str) -> None:
        """A group was not. `surely`: it cannot have been the net. The boldest thing is given up first."""
        self.doubts += 1
        if not surely and self.doubts < DOUBTS:
            return
        self.doubts = 0
        if overlapped:
            self.overlap = False
        else:
            self.pipelining = False
        given_up = "the next mail with the final dot" if overlapped else "several commands at once"
        log.warning("the relay %s does not cope with %s (%s); it is spared that from now on", self.name, given_up, why)


# --- sessions ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait, in seconds: `answer` for a connection and all that comes before mails; `mail`, `rcpt`, `data`
    for the answers to these; `block` for a part of the content to move on; `dot` for the answer to the whole of it. A
    mail given up too early after the dot is sent twice."""

    answer: float
    mail: float
    rcpt: float
    data: float
    block: float
    dot: float

    @classmethod
    def of(cls, seconds: float) -> "Waits":
        """By the one setting that people know; with 60 seconds these are the times of RFC 5321 §4.5.3.2. After the dot
        it is never less than a minute."""
        return cls(
            answer=seconds,
            mail=5 * seconds,
            rcpt=5 * seconds,
            data=2 * seconds,
            block=3 * seconds,
            dot=max(60.0, 10 * seconds),
        )


class _Stage(Enum):
    IDLE = auto()  # `begin` may come
    BEGUN = auto()  # `ready`
    READY = auto()  # `content`: the relay waits for it
    CONTENT = auto()  # `outcome`


class Session:
    """An open, secured and authenticated line. `extensions` is what the relay's EHLO offered: lower-case keyword to
    parameters. `served` counts the mails begun on it, and after `most` of them it is `spent`.

    One mail: `begin` its envelope, wait until the relay is `ready`, hand over its `content`, wait for the `outcome`.
    With the content the next envelope may be announced, and then `ready` follows at once; between the two there is
    time to write down what came of the last mail and that the next one is on its way. `send` does all of it.
    """

    def __init__(
        self,
        line: Line,
        extensions: Mapping[str, str],
        waits: Waits,
        manners: Manners | None = None,
        most: int | None = None,
    ) -> None:
        self._line = line
        self._offers_pipelining = "pipelining" in extensions
        self._speaks_utf8 = "smtputf8" in extensions
        self._limit = size_limit(extensions)
        self._waits = waits
        self._manners = manners or Manners("")
        self._most = most
        self._steps = (Step("MAIL", waits.mail), Step("RCPT", waits.rcpt), Step("DATA", waits.data))
        self._stage = _Stage.IDLE
        self._commands: tuple[bytes, ...] = ()  # MAIL, RCPT, DATA of the mail begun
        self._unfit: Outcome | None = None  # why it is not even tried
        self._clearing = False  # RSET goes before them
        self._grouped = self._overlapped = self._follows = False  # how they go, or went, over
        self._open = False  # a refused mail leaves its transaction open
        self.served = 0

    @property
    def lost(self) -> bool:
        """True: this session is over, and the next mail needs a new one."""
        return bool(self._line.lost)

    @property
    def spent(self) -> bool:
        """True: as many mails went over it as should; a new session is the next mail's, and may be another relay's."""
        return self._most is not None and self.served >= self._most

    @property
    def overlaps(self) -> bool:
        """Whether an envelope that follows a content goes out together with its end."""
        return self._offers_pipelining and self._manners.pipelining and self._manners.overlap

    async def send(self, sender: str, recipient: str, message: bytes) -> Outcome:
        """Hand over one mail for one recipient; `message` arrives byte for byte.

        The addresses are bare (`a@b.example`), the message is 7-bit, its lines end in CRLF, the last one too;
        anything else is a ValueError, raised before a byte is written. When this is cancelled the session is lost, and
        the mail may have been taken.
        """
        content = on_the_wire(message)
        self.begin(Envelope(sender, recipient, len(message)))
        refused = await self.ready()
        if refused is not None:
            return refused
        self.content((content,))
        return await self.outcome()

    # --- the envelope
    def begin(self, envelope: Envelope) -> None:
        """Announce a mail. ValueError: an address that cannot be written; nothing has happened then."""
        self._at(_Stage.IDLE)
        self._prepare(envelope)
        self._start()

    def _prepare(self, envelope: Envelope) -> None:
        ascii_only = (envelope.sender + envelope.recipient).isascii()
        mail = b"MAIL FROM:" + path(envelope.sender) + (b"\r\n" if ascii_only else b" SMTPUTF8\r\n")  # RFC 6531 §3.4
        self._commands = (mail, b"RCPT TO:" + path(envelope.recipient) + b"\r\n", b"DATA\r\n")
        # The size is not told in MAIL: a refusal there is of our sender, and at the dot it is of this mail.
        self._unfit = None
        if not ascii_only and not self._speaks_utf8:
            text = "the address has letters beyond ASCII, and the relay does not offer SMTPUTF8 (RFC 6531)"
            self._unfit = Rejected(Rejection.OTHER, Reply("MAIL", 0, "5.6.7", text))
        elif self._limit and envelope.size > self._limit:
            text = f"the mail has {envelope.size} bytes, and the relay takes {self._limit} at most (RFC 1870)"
            self._unfit = Rejected(Rejection.SOFT, Reply("MAIL", 0, "5.3.4", text))

    def _start(self, *, overlapped: bool = False) -> None:
        """Begin what is prepared; write its group, but for one that rides with the content."""
        self._stage = _Stage.BEGUN
        self._overlapped = overlapped
        self._grouped = overlapped or (self._offers_pipelining and self._manners.pipelining)
        self._clearing = self._open
        if self._unfit is None:
            self.served += not self.lost
            if self._grouped and not overlapped:
                self._line.ask(b"".join(self._all_commands()), *self._all_steps())

    def _all_commands(self) -> tuple[bytes, ...]:
        # A refused recipient leaves the transaction open, and a second MAIL in it is an error (RFC 5321 §4.1.4). It is
        # cleared now and not at once, so that no outcome has to wait for it; RSET may lead a group (RFC 2920 §3.1).
        return (b"RSET\r\n", *self._commands) if self._clearing else self._commands

    def _all_steps(self) -> tuple[Step, ...]:
        return (self._steps[0], *self._steps) if self._clearing else self._steps

    async def ready(self) -> Outcome | None:
        """None: the relay waits for the content. Else what became of the mail that was begun, and it is over."""
        self._at(_Stage.BEGUN)
        if self._unfit is not None:
            self._stage = _Stage.IDLE
            return self._unfit
        count = 3 + self._clearing
        replies = await (self._line.answers(count) if self._grouped else self._one_by_one())
        if self._grouped:
            self._learn(len(replies), count)
        refused = await self._envelope(replies)
        self._stage = _Stage.IDLE if refused else _Stage.READY
        return refused

    async def _one_by_one(self) -> list[Reply]:
        replies: list[Reply] = []
        for command, step in zip(self._all_commands(), self._all_steps(), strict=True):
            self._line.ask(command, step)
            answers = await self._line.answers(1)
            replies += answers
            if not answers or not _is(answers[0], 2):
                break
        return replies

    async def _envelope(self, replies: list[Reply]) -> Outcome | None:
        """What the answers to an envelope mean. The first refusal is the true one; the others follow from it."""
        if self._clearing:
            cleared = replies.pop(0) if replies else silence("MAIL", self._line.lost)
            if not _is(cleared, 2):
                self._line.drop(f"it did not clear a refused mail: {cleared.code} {cleared.text}")
                return NotSent(cleared)
            self._open = False
        for phase, wanted in (("MAIL", 2), ("RCPT", 2), ("DATA", 3)):
            reply = replies.pop(0) if replies else silence(phase, self._line.lost)
            if not _is(reply, wanted):
                if self._confused(reply):
                    # Said of the order of our commands, not of this mail.
                    why = f"{reply.code} {reply.text}"
                    self._manners.broke(overlapped=self._overlapped, surely=True, why=why)
                    self._line.drop(f"it was confused: {why}")
                    return NotSent(reply)
                outcome = self._judged(reply)
                if replies and _is(replies[-1], 3):
                    await self._say_nothing()
                return outcome
            self._open = True
        return None

    async def _say_nothing(self) -> None:
        """RFC 2920 §3.1: refused and yet «go ahead»; an empty mail to nobody ends it."""
        self._line.ask(_DOT, Step("dot", self._waits.dot))
        await self._line.answers(1)
        self._open = False

    def _confused(self, reply: Reply) -> bool:
        """Whether the first refusal in a group says that a command came at the wrong moment: its forerunners were
        taken, so only the group can be meant."""
        if not self._grouped or (reply.phase == "MAIL" and not self._overlapped):
            return False
        return reply.code == 503 or (reply.code == 554 and bool(_CONFUSED.search(without_addresses(reply.text))))

    def _learn(self, answered: int, count: int) -> None:
        """What the answers to a group tell of the relay's manners."""
        if answered == count:
            self._manners.kept()
        elif (answered or self._overlapped) and not self._line.closing:
            # It answered some of the group and then fell silent; or closed the line, as a dying relay does too.
            self._manners.broke(overlapped=self._overlapped, surely=self._line.silent, why=self._line.lost)

    # --- the content
    def content(self, segments: Sequence[bytes], follow: Envelope | None = None) -> None:
        """Hand over the content in ready bytes: leading dots doubled, 7-bit, every line ended by CRLF; the final dot
        is added. `follow` is the next mail's envelope: it goes with the final dot where the relay copes with that, and
        else as soon as the answer is there. ValueError: nothing has happened."""
        self._at(_Stage.READY)
        if not segments or not segments[-1].endswith(b"\r\n"):
            raise ValueError("a content must end in CRLF, or its last line would swallow the final dot")
        tail: tuple[bytes, tuple[Step, ...]] = (b"", ())
        self._follows = follow is not None
        self._overlapped = False
        if follow is not None:
            self._prepare(follow)
            if self.overlaps and self._unfit is None:
                self._overlapped = True
                tail = b"".join(self._commands), self._steps
        # RFC 2920 §3.1: DATA must end a group, but a content may lead one.
        step = Step("dot", self._waits.dot)
        self._line.hand_over((*segments, _DOT), step, self._waits.block, tail[0], *tail[1])
        self._stage = _Stage.CONTENT

    async def outcome(self) -> Outcome:
        """What became of the mail whose content was handed over. The one that follows is begun then."""
        self._at(_Stage.CONTENT)
        replies = await self._line.answers(1)
        reply = replies[0] if replies else silence("dot", self._line.lost)
        outcome = self._at_the_dot(reply)
        self._open = False
        if self._follows:
            # Lost by now: that says nothing of how the relay copes with what follows a dot.
            self._start(overlapped=self._overlapped and not self.lost)
        else:
            self._stage = _Stage.IDLE
        return outcome

    def _at_the_dot(self, reply: Reply) -> Outcome:
        if not self._line.left:
            # Nobody has the whole mail. A relay may refuse it midway and is believed; that it took the mail, or fell
            # silent over it, cannot make it taken.
            return self._judged(reply) if _is(reply, 4) or _is(reply, 5) else NotSent(reply)
        if self._overlapped and reply.enhanced.startswith("2.1."):
            # RFC 3463 §3.2: said of an address, so this is the answer to the next MAIL, and the dot's never came.
            self._manners.broke(overlapped=True, surely=True, why=f"{reply.code} {reply.text}")
            self._line.drop("its answers do not pair with what it was asked")
            return Unknown(reply)
        return self._judged(reply, possible=(2, 4, 5))

    # --- what the relay means
    def _judged(self, reply: Reply, possible: tuple[int, ...] = (4, 5)) -> Outcome:
        """What the reply means. When it is no possible answer at its phase, questions and answers no longer pair, and
        the line must not be used again."""
        if reply.code // 100 not in possible:
            self._line.drop(f"it made no sense at {reply.phase}: {reply.code} {reply.text}")
        return classify(reply)

    def _at(self, stage: _Stage) -> None:
        if self._stage is not stage:
            raise RuntimeError(f"one mail at a time: this one is {self._stage.name.lower()}, not {stage.name.lower()}")

    async def close(self) -> None:
        """Say QUIT, wait a moment for the answer, close. A mail whose content was not handed over is given up: the
        relay must forget it (RFC 5321 §4.1.1.4). Never raises, and may be called again."""
        if not self.lost and self._stage is _Stage.IDLE:
            self._line.ask(b"QUIT\r\n", Step("QUIT", min(_GOODBYE, self._waits.answer)))
            await self._line.answers(1)
        self._line.drop("closed by us")
        await self._line.closed()


def _is(reply: Reply, kind: int) -> bool:
    # RFC 5321 §4.2.1: a client goes by the first digit.
    return reply.code // 100 == kind


# --- bytes on the wire -----------------------------------------------------------------------------------------------
# Addresses as MAIL and RCPT write them, and a message as it follows DATA. Nothing that could end a command or a message
# early passes these functions.
def path(address: str) -> bytes:
    """The address as MAIL and RCPT have it. ValueError: it would end the command, or begin another."""
    check_for_smtp(address)
    return b"<" + address.encode() + b">"


def on_the_wire(message: bytes) -> bytes:
    """The content as it is written after DATA, without the final dot: leading dots doubled (RFC 5321 §4.5.2)."""
    lines = message.count(b"\r\n")
    # A bare CR or LF is where relays disagree on what ends a mail: somebody's text could smuggle a second one in.
    if not message.endswith(b"\r\n") or message.count(b"\r") != lines or message.count(b"\n") != lines:
        raise ValueError("every line of a message must end in CRLF, the last one too, without a CR or LF elsewhere")
    if not message.isascii():
        raise ValueError("a message must be 7-bit: the relay may not offer 8BITMIME")
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def size_limit(extensions: Mapping[str, str]) -> int:
    """Bytes the relay takes; 0 when it names none (RFC 1870 §4 gives «SIZE» and «SIZE 0» that meaning)."""
    limit = extensions.get("size", "").strip()
    return int(limit) if re.fullmatch(r"[0-9]{1,20}", limit) else 0
