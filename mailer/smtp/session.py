"""A session with a relay: sends one mail after another and returns an `Outcome` for each mail. The outcome says whether
the relay accepted the mail, refused it, or may have accepted it.

A session sends MAIL, RCPT, DATA and the final dot (RFC 5321 section 3.3), in groups if the relay offers PIPELINING. If
the connection is lost, the session knows whether that happened before or after the dot. `replies.classify` decides what
an answer means. A session never retries, never reconnects and stores nothing.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from mailer.address import check_for_smtp, without_addresses
from mailer.model import Envelope, NotSent, Outcome, Rejected, Rejection, Reply, Unknown
from mailer.replies import classify
from mailer.smtp.connection import Connection, Step
from mailer.smtp.reply_parser import silence

# Matches the answers of relays that do not accept several commands in one group (Postfix: "Improper use of SMTP command
# pipelining", Exim: "SMTP synchronization error").
_CONFUSED = re.compile(r"pipelin|synchroni[sz]ation|bad sequence", re.IGNORECASE)
_QUIT_S = 2.0  # seconds to wait for the answer to QUIT
_DOT = b".\r\n"


# --- what a relay can handle -----------------------------------------------------------------------------------------
# Sessions learn which groups of commands a relay can handle, and share this knowledge with later sessions. Some relays
# offer PIPELINING but discard what follows the first command of a group. Others discard only what follows the final
# dot. Failed groups reveal both kinds. A relay of the first kind then gets one command at a time. A relay of the second
# kind gets no further command until it has answered the dot. The knowledge is in memory only, so a new process learns
# it again.
log = logging.getLogger(__name__)
MAX_DOUBTS = 3  # after this many failed groups in a row, the cause is assumed to be the relay, not the network


@dataclass
class Tolerance:
    """The limits of a relay. `pipelining` says whether the relay can handle several commands in one group. `overlap`
    says whether the relay can handle the next mail's commands directly after the final dot. `doubts` is the number of
    failed groups in a row."""

    name: str
    pipelining: bool = True
    overlap: bool = False
    doubts: int = 0

    def group_answered(self) -> None:
        self.doubts = 0

    def group_failed(self, *, overlapped: bool, certain: bool, why: str) -> None:
        """Records a group that was not answered properly. Gives up overlap if the group was `overlapped`, and
        pipelining if not. Does so at once if the cause is `certain` to be the relay, and otherwise after MAX_DOUBTS
        failures in a row."""
        self.doubts += 1
        if not certain and self.doubts < MAX_DOUBTS:
            return
        self.doubts = 0
        if overlapped:
            self.overlap = False
        else:
            self.pipelining = False
        given_up = "the next mail with the final dot" if overlapped else "several commands at once"
        log.warning("the relay %s does not cope with %s (%s); this is not tried again", self.name, given_up, why)


# --- sessions ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Waits:
    """The longest waits, in seconds. `answer` applies to the connection and to the answers before the first mail;
    `mail`, `rcpt`, `data` and `dot` apply to the answers to these commands and to the final dot. `block` is the time
    within which some of the content must leave the buffer. `dot` is long, because a mail that is given up too early
    after the dot may be sent twice."""

    answer: float
    mail: float
    rcpt: float
    data: float
    block: float
    dot: float

    @classmethod
    def of(cls, seconds: float) -> "Waits":
        """Returns the waits for a `timeout` setting of that many seconds. A setting of 60 gives the times of RFC 5321
        section 4.5.3.2. The wait after the dot is at least a minute."""
        return cls(
            answer=seconds,
            mail=5 * seconds,
            rcpt=5 * seconds,
            data=2 * seconds,
            block=3 * seconds,
            dot=max(60.0, 10 * seconds),
        )


class _Stage(Enum):
    """The state of a session. The comment on each state names the method that the caller may call next."""

    IDLE = auto()  # next: `begin`
    BEGUN = auto()  # next: `ready`
    READY = auto()  # next: `content`, for which the relay waits
    CONTENT = auto()  # next: `outcome`


class Session:
    """An open session, ready for mail. `extensions` maps each keyword that the relay offered after EHLO, in lower case,
    to its parameters. `served` is the number of mails begun in the session; after `max_mails` mails, the session is
    `spent`.

    For each mail, the caller must `begin` the envelope, wait until the relay is `ready`, hand over the `content` and
    wait for the `outcome`. If the caller gave the next envelope to `content`, `ready` follows directly after `outcome`.
    Between `outcome` and the next `content`, the caller can record the outcome and the intent to send the next mail.
    """

    def __init__(
        self,
        connection: Connection,
        extensions: Mapping[str, str],
        waits: Waits,
        tolerance: Tolerance,
        max_mails: int | None = None,
    ) -> None:
        self._connection = connection
        self._offers_pipelining = "pipelining" in extensions
        self._speaks_utf8 = "smtputf8" in extensions
        self._limit = size_limit(extensions)
        self._waits = waits
        self._tolerance = tolerance
        self._max_mails = max_mails
        self._steps = (Step("MAIL", waits.mail), Step("RCPT", waits.rcpt), Step("DATA", waits.data))
        self._stage = _Stage.IDLE
        self._commands: tuple[bytes, ...] = ()  # MAIL, RCPT and DATA of the mail announced last
        self._not_tried: Outcome | None = None  # the outcome of the announced mail if this relay cannot take that mail
        self._resetting = False  # whether RSET is sent before the commands
        self._grouped = False  # whether the commands are written together
        self._overlapped = False  # whether the commands are sent together with the content of the previous mail
        self._follows = False  # whether the caller gave the next envelope with the content
        self._transaction_open = False  # whether a transaction is open at the relay, as after a refused mail
        self.served = 0

    @property
    def lost(self) -> bool:
        """Returns whether the session can no longer be used, so that the next mail needs a new session."""
        return bool(self._connection.lost)

    @property
    def spent(self) -> bool:
        """Returns whether the session has served as many mails as allowed, so that the next mail needs a new session,
        perhaps with another relay."""
        return self._max_mails is not None and self.served >= self._max_mails

    @property
    def overlaps(self) -> bool:
        """Returns whether the next mail's envelope is written together with the final dot."""
        return self._pipelines and self._tolerance.overlap

    @property
    def _pipelines(self) -> bool:
        return self._offers_pipelining and self._tolerance.pipelining

    # --- the envelope
    def begin(self, envelope: Envelope) -> None:
        """Announces a mail. Raises ValueError, before anything is written, if an address is not safe in a command."""
        self._require(_Stage.IDLE)
        self._prepare(envelope)
        self._start()

    def _prepare(self, envelope: Envelope) -> None:
        ascii_only = (envelope.sender + envelope.recipient).isascii()
        # MAIL has no SIZE parameter, so that a refusal of MAIL is about this sender and never about this mail.
        mail = b"MAIL FROM:" + path(envelope.sender) + (b"\r\n" if ascii_only else b" SMTPUTF8\r\n")
        self._commands = (mail, b"RCPT TO:" + path(envelope.recipient) + b"\r\n", b"DATA\r\n")
        self._not_tried = None
        if not ascii_only and not self._speaks_utf8:
            text = "the address has characters beyond ASCII, and the relay does not offer SMTPUTF8 (RFC 6531)"
            self._not_tried = Rejected(Rejection.OTHER, Reply("MAIL", 0, "5.6.7", text))
        elif self._limit and envelope.size > self._limit:
            text = f"the mail has {envelope.size} bytes, and the relay takes {self._limit} at most (RFC 1870)"
            self._not_tried = Rejected(Rejection.SOFT, Reply("MAIL", 0, "5.3.4", text))

    def _start(self, *, overlapped: bool = False) -> None:
        """Begins the prepared mail. If its commands form a group, writes the group, unless the group was already
        written together with the content of the previous mail."""
        self._stage = _Stage.BEGUN
        self._overlapped = overlapped
        self._grouped = overlapped or self._pipelines
        self._resetting = self._transaction_open
        if self._not_tried is None:
            self.served += not self.lost
            if self._grouped and not overlapped:
                self._connection.ask(b"".join(self._all_commands()), *self._all_steps())

    def _all_commands(self) -> tuple[bytes, ...]:
        # A refused recipient leaves the transaction open, and a second MAIL in an open transaction is an error (RFC
        # 5321 section 4.1.4). RSET is sent only with the next mail, so that no outcome waits for the answer to RSET. A
        # group may begin with RSET (RFC 2920 section 3.1).
        return (b"RSET\r\n", *self._commands) if self._resetting else self._commands

    def _all_steps(self) -> tuple[Step, ...]:
        return (self._steps[0], *self._steps) if self._resetting else self._steps

    async def ready(self) -> Outcome | None:
        """Returns None if the relay waits for the content. Otherwise returns the outcome of the mail, and nothing more
        of the mail is sent."""
        self._require(_Stage.BEGUN)
        if self._not_tried is not None:
            self._stage = _Stage.IDLE
            return self._not_tried
        count = 3 + self._resetting
        replies = await (self._connection.answers(count) if self._grouped else self._one_by_one())
        if self._grouped:
            self._judge_group(len(replies), count)
        refused = await self._envelope(replies)
        self._stage = _Stage.IDLE if refused else _Stage.READY
        return refused

    async def _one_by_one(self) -> list[Reply]:
        replies: list[Reply] = []
        for command, step in zip(self._all_commands(), self._all_steps(), strict=True):
            self._connection.ask(command, step)
            answers = await self._connection.answers(1)
            replies += answers
            if not answers or not _is(answers[0], 2):
                break
        return replies

    async def _envelope(self, replies: list[Reply]) -> Outcome | None:
        """Returns the outcome of a mail whose envelope was refused, or None if the relay waits for the content. Only
        the first refusal counts, because it is the cause of any later refusals."""
        if self._resetting:
            reset = replies.pop(0) if replies else silence("MAIL", self._connection.lost)
            if not _is(reset, 2):
                self._connection.drop(f"it did not reset after a refused mail: {reset.code} {reset.text}")
                return NotSent(reset)
            self._transaction_open = False
        for phase, wanted in (("MAIL", 2), ("RCPT", 2), ("DATA", 3)):
            reply = replies.pop(0) if replies else silence(phase, self._connection.lost)
            if not _is(reply, wanted):
                if self._confused(reply):
                    # The refusal is about the order of the commands, not about this mail.
                    why = f"{reply.code} {reply.text}"
                    self._tolerance.group_failed(overlapped=self._overlapped, certain=True, why=why)
                    self._connection.drop(f"it was confused: {why}")
                    return NotSent(reply)
                outcome = self._classified(reply)
                if replies and _is(replies[-1], 3):
                    await self._send_empty_mail()
                return outcome
            self._transaction_open = True
        return None

    async def _send_empty_mail(self) -> None:
        """Ends a transaction in which the relay refused the recipient and yet waits for content (RFC 2920 section 3.1).
        To do so, sends empty mail data, which reaches no one because the mail has no recipient."""
        self._connection.ask(_DOT, Step("dot", self._waits.dot))
        await self._connection.answers(1)
        self._transaction_open = False

    def _confused(self, reply: Reply) -> bool:
        """Returns whether the first refusal in a group says that a command came at the wrong moment. Such a refusal can
        only be about the group, because the commands before the refused command were accepted."""
        if not self._grouped or (reply.phase == "MAIL" and not self._overlapped):
            return False
        return reply.code == 503 or (reply.code == 554 and bool(_CONFUSED.search(without_addresses(reply.text))))

    def _judge_group(self, answered: int, count: int) -> None:
        """Records whether the relay handled a group of commands. `answered` is the number of answers, and `count` the
        number of commands."""
        connection = self._connection
        if answered == count:
            self._tolerance.group_answered()
        elif (answered or self._overlapped) and not connection.closing:
            # The relay answered only a part of the group. If the relay announced that it closes the connection, the
            # missing answers say nothing about groups.
            self._tolerance.group_failed(overlapped=self._overlapped, certain=connection.silent, why=connection.lost)

    # --- the content
    def content(self, segments: Sequence[bytes], follow: Envelope | None = None) -> None:
        """Hands over the content, in 7-bit bytes, with doubled leading dots and CRLF line ends. This method adds the
        final dot. `follow` is the next mail's envelope, which is written together with the final dot if the relay can
        handle that, and otherwise after the answer to the dot. Raises ValueError, before anything is written, if the
        content does not end in CRLF or an address is not safe in a command."""
        self._require(_Stage.READY)
        if not segments or not segments[-1].endswith(b"\r\n"):
            raise ValueError("mail data must end in CRLF, or its last line would swallow the final dot")
        tail: tuple[bytes, tuple[Step, ...]] = (b"", ())
        self._follows = follow is not None
        self._overlapped = False
        if follow is not None:
            self._prepare(follow)
            if self.overlaps and self._not_tried is None:
                self._overlapped = True
                tail = b"".join(self._commands), self._steps
        # RFC 2920 section 3.1: DATA must be the last command of a group, but a group may begin with mail data.
        step = Step("dot", self._waits.dot)
        self._connection.hand_over((*segments, _DOT), step, self._waits.block, tail[0], *tail[1])
        self._stage = _Stage.CONTENT

    async def outcome(self) -> Outcome:
        """Waits for the answer to the content of a mail and returns the outcome of that mail. If the commands of the
        next mail were sent with the content, the next mail begins here."""
        self._require(_Stage.CONTENT)
        replies = await self._connection.answers(1)
        reply = replies[0] if replies else silence("dot", self._connection.lost)
        outcome = self._at_dot(reply)
        self._transaction_open = False
        if self._follows:
            # If the connection is lost by now, the missing answers do not show whether the relay can handle overlap.
            self._start(overlapped=self._overlapped and not self.lost)
        else:
            self._stage = _Stage.IDLE
        return outcome

    def _at_dot(self, reply: Reply) -> Outcome:
        if not self._connection.content_left:
            # The relay cannot have the whole mail, so it cannot have accepted the mail. Only a reply that refuses the
            # mail is believed.
            return self._classified(reply) if _is(reply, 4) or _is(reply, 5) else NotSent(reply)
        if self._overlapped and reply.enhanced.startswith("2.1."):
            # A status of 2.1.x is about an address (RFC 3463 section 3.2), so this is the answer to the next MAIL. The
            # answer to the dot is missing.
            self._tolerance.group_failed(overlapped=True, certain=True, why=f"{reply.code} {reply.text}")
            self._connection.drop("its answers do not pair with what it was asked")
            return Unknown(reply)
        return self._classified(reply, possible=(2, 4, 5))

    def _classified(self, reply: Reply, possible: tuple[int, ...] = (4, 5)) -> Outcome:
        """Returns the outcome that a reply means. `possible` contains the first digits of the codes that are possible
        in this phase. Any other code shows that answers and commands no longer pair, so the connection is dropped."""
        if reply.code // 100 not in possible:
            self._connection.drop(f"it made no sense at {reply.phase}: {reply.code} {reply.text}")
        return classify(reply)

    def _require(self, stage: _Stage) -> None:
        if self._stage is not stage:
            raise RuntimeError(f"one mail at a time: this one is {self._stage.name.lower()}, not {stage.name.lower()}")

    async def close(self) -> None:
        """Closes the session, and sends QUIT first if no mail is being sent. Gives up a mail whose content was not
        handed over; the relay must discard that mail (RFC 5321 section 4.1.1.4). Never raises, and may be called more
        than once."""
        if not self.lost and self._stage is _Stage.IDLE:
            self._connection.ask(b"QUIT\r\n", Step("QUIT", min(_QUIT_S, self._waits.answer)))
            await self._connection.answers(1)
        self._connection.drop("closed by this program")
        await self._connection.closed()


def _is(reply: Reply, kind: int) -> bool:
    # RFC 5321 section 4.2.1: the first digit of a code decides its meaning.
    return reply.code // 100 == kind


# --- bytes on the wire -----------------------------------------------------------------------------------------------
def path(address: str) -> bytes:
    """Returns the address in the form that MAIL and RCPT use. Raises ValueError if the address could end the command or
    begin another command."""
    check_for_smtp(address)
    return b"<" + address.encode() + b">"


def size_limit(extensions: Mapping[str, str]) -> int:
    """Returns the largest size in bytes of a mail that the relay accepts, or 0 if the relay names no limit ("SIZE" and
    "SIZE 0" in RFC 1870 section 4)."""
    limit = extensions.get("size", "").strip()
    return int(limit) if re.fullmatch(r"[0-9]{1,20}", limit) else 0
