"""The line to a relay: questions go out, every answer is paired with its question, and no silence lasts for ever.

It takes over the transport that aiosmtplib opened, because aiosmtplib asks one question at a time, raises the same
error for a line lost before and after the final dot, and throws away answers that come early. It knows nothing of what
an answer means.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from mailer.model import Reply
from mailer.smtp.replies import Answer, Reader, reply

_LONGER = 512  # bytes, at most, by which TLS makes a tail longer
CLOSING = 421  # RFC 5321 §3.8: said at any moment, and the line is closed after it


class Step(NamedTuple):
    """An answer that is owed: at which phase, and how many seconds it may take once the answer before it is there."""

    phase: str
    seconds: float


class Line(asyncio.Protocol):
    """`lost` says why the line can no longer be used; it is empty while it can. `silent`: because no answer came;
    `closing`: because the relay said so (421).

    `left`: whether the end of the last content may have left this process. False is a proof, True is not: behind TLS,
    and in the system's own buffers, bytes may lie that nobody got.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._reader = Reader()
        self._owed: deque[Step] = deque()
        self._replies: deque[Reply] = deque()
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._roomy = 0  # bytes of the longest content taken at one go; 0 after one that got stuck with its tail
        self._stuck = False
        self._tail: tuple[bytes, tuple[Step, ...]] = (b"", ())
        self._block = 0.0  # seconds in which some of the content must move on
        self._unmoved = 0  # bytes of it that were still here when last looked at
        self._behind = 0  # bytes of a tail that went with the content: while no more than these are here, the dot left
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.left = True
        self.silent = self.closing = False
        self.lost = "" if not transport.is_closing() else "the relay closed the line"
        # With these limits «paused» means that bytes are still in our own buffer. (high=0 would not do: behind TLS,
        # asyncio then calls pause and resume by turns even when the buffer is empty.)
        transport.set_write_buffer_limits(high=1, low=0)
        transport.set_protocol(self)

    # --- what goes out
    def ask(self, question: bytes, *steps: Step) -> None:
        """Write whole commands; an answer is owed for each step. On a lost line nothing happens."""
        if self.lost:
            return
        if not self._owed:
            self._watch(steps[0].seconds)
        self._owed.extend(steps)
        self._transport.write(question)

    def hand_over(self, content: Iterable[bytes], step: Step, block: float, tail: bytes = b"", *steps: Step) -> None:
        """Write a content that ends with the final dot. Some of it must move on every `block` seconds; `step` waits
        from the moment it has left. The `tail`, more commands, follows then; with it only where the system took such a
        content at one go before: on a lost line nobody can tell whether a tail was stuck or the dot too."""
        self.left, self._behind = False, 0
        if self.lost:
            return
        if self._owed:
            raise RuntimeError("a content in the middle of other answers would break the pairs")
        self._owed.append(step)
        self._block = block
        pieces = list(content)
        size = sum(map(len, pieces))
        # In one packet, or the relay answers the two by themselves: and as we say nothing in between, its second answer
        # waits for an acknowledgement that our system puts off for 40 ms (RFC 896, RFC 1122 §4.2.3.2).
        together = bool(tail) and size <= self._roomy
        self._tail = (b"", ()) if together else (tail, steps)
        if together:
            self._owed.extend(steps)
            pieces.append(tail)
            self._behind = len(tail)
        self._transport.write(b"".join(pieces))
        if not self._stuck:
            self._roomy = max(self._roomy, size)
            self._gone()
        else:
            if together:
                self._roomy = 0
            self._unmoved = self._transport.get_write_buffer_size()
            self._watch(block)

    def _gone(self) -> None:
        """The content has left."""
        self.left = True
        self._watch(self._owed[0].seconds)
        tail, steps = self._tail
        if tail:
            self._owed.extend(steps)
            self._transport.write(tail)

    # --- what comes back
    async def answers(self, count: int) -> list[Reply]:
        """The next `count` replies; fewer when the line was lost before them. When this is cancelled the line is lost
        too: a late answer would be taken for that of the next question."""
        if len(self._replies) < count and not self.lost:
            if self._waiter:
                raise RuntimeError("one question at a time: the answers would be mixed up")
            self._wanted, self._waiter = count, self._loop.create_future()
            try:
                await self._waiter
            except asyncio.CancelledError:
                self.drop("given up while waiting for an answer")
                raise
            finally:
                self._waiter = None
        return [self._replies.popleft() for _ in range(min(count, len(self._replies)))]

    def _take(self, answer: Answer) -> None:
        if not self._owed:
            # For example «421 idle for too long». Whatever it is, answers and questions no longer pair.
            self.drop(f"it said, unasked: {answer.code} {answer.text}")
            return
        self.left = self.left or self._dot_left()
        step = self._owed.popleft()
        self._replies.append(reply(step.phase, answer.code, answer.text))
        if answer.code == CLOSING:
            self.closing = True
            self.drop(f"it closes the line: {answer.text}")
        elif not self.left:
            # The end of the content is still here, so nobody has the whole mail, and the rest must never follow.
            self.drop("it answered before it had the whole mail")

    def drop(self, why: str) -> None:
        """Give the line up at once; what is still in our buffer is never sent."""
        self.lost = self.lost or why
        self.left = self.left or self._dot_left()
        self._transport.abort()
        self._end()

    async def closed(self) -> None:
        """Wait until the transport of a dropped line is gone."""
        await self._closed

    def _end(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    # --- patience
    def _watch(self, seconds: float) -> None:
        """Expect the next sign of life within `seconds`.

        There is one timer a line, and as a rule it is left as it is: it looks at the deadline when it fires. A timer
        made and taken back at each phase of each mail would cost more than the phase.
        """
        self._deadline = self._loop.time() + seconds
        if self._timer and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._owed:
            return  # nothing is waited for; the next question sets the timer again
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
        elif not self.left and self._moves():
            self._watch(self._block)
        else:
            self.silent = True
            seconds = self._owed[0].seconds if self.left else self._block
            self.drop(f"no answer within {seconds:g} seconds")

    def _dot_left(self) -> bool:
        """Whether, of a content that is stuck together with its tail, only the tail may be here."""
        return bool(self._behind) and self._transport.get_write_buffer_size() <= self._behind + _LONGER

    def _moves(self) -> bool:
        """Whether a slow relay took some of the content since the last look."""
        here = self._transport.get_write_buffer_size()
        moved, self._unmoved = here < self._unmoved, here
        return moved

    # --- what the transport calls
    def data_received(self, data: bytes) -> None:
        # An answer that came whole before any nonsense is believed.
        for answer in self._reader.feed(data):
            if self.lost:
                return
            self._take(answer)
        if self._reader.nonsense:
            self.drop(self._reader.nonsense)
        elif self._owed:
            self._watch(self._owed[0].seconds if self.left else self._block)
        if len(self._replies) >= self._wanted:
            self._wake()

    def eof_received(self) -> None:
        self.drop("the relay closed the line")

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost and self._behind:
            self.left = True  # perhaps: what was still here is thrown away by now
        self.lost = self.lost or (f"the line broke: {exc}" if exc else "the relay closed the line")
        if not self._closed.done():
            self._closed.set_result(None)
        self._end()

    def pause_writing(self) -> None:
        self._stuck = True

    def resume_writing(self) -> None:
        self._stuck = False
        if not self.left and not self.lost:
            self._gone()
