"""A connection to a relay: sends commands, pairs every answer with its command, and limits every wait.

The connection takes over the transport that aiosmtplib opened, because aiosmtplib sends one command at a time, raises
the same error whether a connection is lost before or after the final dot, and discards answers that arrive early. This
module does not know what an answer means.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from mailer.model import Reply
from mailer.smtp.reply_parser import Answer, Reader, reply

_TLS_OVERHEAD = 512  # largest number of bytes that TLS adds to a tail (the commands after the mail data)
CLOSING = 421  # RFC 5321 section 3.8: a relay may send this code at any time, and then closes the connection


class Step(NamedTuple):
    """An expected answer: its phase, and its time limit in seconds after the previous answer."""

    phase: str
    seconds: float


class Connection(asyncio.Protocol):
    """An open connection to a relay.

    `lost` says why the connection can no longer be used, and is empty while the connection works. `silent` is true if
    the connection was lost because an answer did not come in time. `closing` is true if the relay announced that it
    closes the connection (421).

    `content_left` says whether the last content may have been sent completely. It is false only if the end of the
    content has certainly not been handed to the buffers of TLS or of the operating system.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._reader = Reader()
        self._due: deque[Step] = deque()  # the answers that are due, in the order of their commands
        self._replies: deque[Reply] = deque()
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._buffer_full = False
        # Size of the longest content that left the buffer at once. Reset to 0 if a content with a tail did not do so.
        self._fits = 0
        # The commands to write after the content, and the answers to expect to them.
        self._tail: tuple[bytes, tuple[Step, ...]] = (b"", ())
        # Size in bytes of a tail that was written together with the content, else 0. When at most this many bytes are
        # still buffered, the final dot has been sent.
        self._tail_size = 0
        self._block_s = 0.0  # seconds within which some of the content must leave the buffer
        self._buffered = 0  # bytes in the buffer at the last check
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.content_left = True
        self.silent = self.closing = False
        self.lost = "" if not transport.is_closing() else "the relay closed the connection"
        # With these limits, asyncio calls `pause_writing` if bytes are left in the write buffer. (With high=0,
        # asyncio's TLS transport would pause and resume in turn even with an empty buffer.)
        transport.set_write_buffer_limits(high=1, low=0)
        transport.set_protocol(self)

    # --- what goes out
    def ask(self, commands: bytes, *steps: Step) -> None:
        """Writes complete commands and expects one answer for each step. Does nothing if the connection is lost."""
        if self.lost:
            return
        if not self._due:
            self._expect(steps[0].seconds)
        self._due.extend(steps)
        self._transport.write(commands)

    def hand_over(self, content: Iterable[bytes], step: Step, block_s: float, tail: bytes = b"", *steps: Step) -> None:
        """Writes the content of a mail, including the final dot. Some of the content must leave the buffer every
        `block_s` seconds. `step` is the answer to the content; its time limit begins when all of the content has left.

        `tail` contains the commands that follow the content, and `steps` are the answers to these commands. The tail is
        written together with the content only if a content that was at least as large as this one left the buffer
        immediately. Otherwise the tail is written after the content has left: if the connection were lost while both
        were buffered, it would be unclear whether the dot had been sent.
        """
        self.content_left, self._tail_size = False, 0
        if self.lost:
            return
        if self._due:
            raise RuntimeError("mail data between other answers would break the pairing")
        self._due.append(step)
        self._block_s = block_s
        pieces = list(content)
        size = sum(map(len, pieces))
        # Content and tail are written together, so that they share a packet. Otherwise the relay would send two
        # answers, and the second answer would wait until this system has acknowledged the first. Systems delay that
        # acknowledgement by 40 ms (RFC 896, RFC 1122 section 4.2.3.2).
        together = bool(tail) and size <= self._fits
        self._tail = (b"", ()) if together else (tail, steps)
        if together:
            self._due.extend(steps)
            pieces.append(tail)
            self._tail_size = len(tail)
        self._transport.write(b"".join(pieces))
        if not self._buffer_full:
            self._fits = max(self._fits, size)
            self._content_has_left()
        else:
            if together:
                self._fits = 0
            self._buffered = self._transport.get_write_buffer_size()
            self._expect(block_s)

    def _content_has_left(self) -> None:
        self.content_left = True
        self._expect(self._due[0].seconds)
        tail, steps = self._tail
        if tail:
            self._due.extend(steps)
            self._transport.write(tail)

    # --- what comes back
    async def answers(self, count: int) -> list[Reply]:
        """Waits for `count` replies and returns them. Returns fewer if the connection is lost first. If the caller is
        cancelled, gives up the connection, because a late answer would be taken for the answer to the next command."""
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

    def _answered(self, answer: Answer) -> None:
        if not self._due:
            # This answer belongs to no command, such as "421 idle for too long". Further answers could not be paired
            # with their commands.
            self.drop(f"it said, unasked: {answer.code} {answer.text}")
            return
        self.content_left = self.content_left or self._only_tail_buffered()
        step = self._due.popleft()
        self._replies.append(reply(step.phase, answer.code, answer.text))
        if answer.code == CLOSING:
            self.closing = True
            self.drop(f"it closes the connection: {answer.text}")
        elif not self.content_left:
            # The end of the content is still in this process, so the relay cannot have the whole mail. The rest of the
            # mail must not be sent.
            self.drop("it answered before it had the whole mail")

    def drop(self, why: str) -> None:
        """Gives up the connection at once for the reason `why`. Bytes that are still in the buffer are never sent."""
        self.lost = self.lost or why
        self.content_left = self.content_left or self._only_tail_buffered()
        self._transport.abort()
        self._end()

    async def closed(self) -> None:
        """Waits until the transport of a dropped connection is closed."""
        await self._closed

    def _end(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    # --- time limits
    def _expect(self, seconds: float) -> None:
        """Requires that the relay answers, or takes more of the content, within `seconds`.

        A connection has a single timer. A later deadline does not replace the timer: when the timer fires,
        `_check_deadline` sets it again for the current deadline. Creating and cancelling a timer for each phase of each
        mail would take longer than the work of the phase.
        """
        self._deadline = self._loop.time() + seconds
        if self._timer and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if not self._due:
            return  # the next command sets the timer again
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)
        elif not self.content_left and self._content_moved():
            self._expect(self._block_s)
        else:
            self.silent = True
            seconds = self._due[0].seconds if self.content_left else self._block_s
            self.drop(f"no answer within {seconds:g} seconds")

    def _only_tail_buffered(self) -> bool:
        """Returns whether content and tail were written together and at most the tail is still in the buffer."""
        return bool(self._tail_size) and self._transport.get_write_buffer_size() <= self._tail_size + _TLS_OVERHEAD

    def _content_moved(self) -> bool:
        """Returns whether some of the content has left the buffer since the last check. If so, the relay is only
        slow."""
        before, self._buffered = self._buffered, self._transport.get_write_buffer_size()
        return self._buffered < before

    # --- called by the transport
    def data_received(self, data: bytes) -> None:
        # A complete answer counts even if invalid bytes follow it.
        for answer in self._reader.feed(data):
            if self.lost:
                return
            self._answered(answer)
        if self._reader.nonsense:
            self.drop(self._reader.nonsense)
        elif self._due:
            self._expect(self._due[0].seconds if self.content_left else self._block_s)
        if len(self._replies) >= self._wanted:
            self._wake()

    def eof_received(self) -> None:
        self.drop("the relay closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost and self._tail_size:
            self.content_left = True  # the content may have left; the discarded buffer no longer shows whether it has
        self.lost = self.lost or (f"the connection broke: {exc}" if exc else "the relay closed the connection")
        if not self._closed.done():
            self._closed.set_result(None)
        self._end()

    def pause_writing(self) -> None:
        self._buffer_full = True

    def resume_writing(self) -> None:
        self._buffer_full = False
        if not self.content_left and not self.lost:
            self._content_has_left()
