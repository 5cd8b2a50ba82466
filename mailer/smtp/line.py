"""The line to a relay: one question, one answer, and whether the question can have left this process.

It takes over the transport that aiosmtplib opened, because aiosmtplib raises the same error for a line lost before and
after the final dot, and throws away answers that come early. It knows nothing of mails and of what an answer means.
"""

import asyncio
from collections import deque

from mailer.model import Reply
from mailer.smtp.replies import Answer, Reader, reply, silence

CLOSING = 421  # RFC 5321 §3.8: said at any moment, and the line is closed after it


class Line(asyncio.Protocol):
    """`lost` says why the line can no longer be used; it is empty while it can."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._reader = Reader()
        self._answers: deque[Answer] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._written = False
        self._stuck = False
        self.lost = "" if not transport.is_closing() else "the relay closed the line"
        # With these limits «paused» means that bytes are still in our own buffer. (high=0 would not do: behind TLS,
        # asyncio then calls pause and resume by turns even when the buffer is empty.)
        transport.set_write_buffer_limits(high=1, low=0)
        transport.set_protocol(self)

    @property
    def left(self) -> bool:
        """Whether the end of what was last asked may have left this process. False is a proof, True is not: behind
        TLS, and in the system's own buffers, bytes may lie that nobody got."""
        return self._written and not self._stuck

    async def ask(self, phase: str, question: bytes, seconds: float) -> Reply:
        """Write `question`, with its CRLF, and wait for its answer at most `seconds`. Code 0: no readable answer came,
        and the line is lost. When cancelled, the line is lost too: a late answer would be taken for that of the
        next question."""
        if self._waiter:
            raise RuntimeError("one question at a time: the answers would be mixed up")
        self._written = False
        if self._answers:
            # For example «421 idle for too long». Whatever it is, answers and questions no longer pair.
            early = self._answers.popleft()
            self.drop(f"it said, unasked: {early.code} {early.text}")
        if self.lost:
            return silence(phase, self.lost)
        self._written = True
        self._transport.write(question)
        await self._wait(seconds)
        if not self._answers:
            return silence(phase, self.lost)
        answer = self._answers.popleft()
        if answer.code == CLOSING:
            self.drop(f"it closes the line: {answer.text}")
        return reply(phase, answer.code, answer.text)

    async def _wait(self, seconds: float) -> None:
        if self._answers or self.lost:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._waiter
        except TimeoutError:
            self.drop(f"no answer within {seconds:g} seconds")
        except asyncio.CancelledError:
            self.drop("given up while waiting for an answer")
            raise
        finally:
            self._waiter = None

    def drop(self, why: str) -> None:
        """Give the line up at once; what is still in our buffer is never sent."""
        self.lost = self.lost or why
        self._transport.abort()
        self._wake()

    async def closed(self) -> None:
        """Wait until the transport of a dropped line is gone."""
        await self._closed

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    # --- what the transport calls
    def data_received(self, data: bytes) -> None:
        if self.lost:
            return
        # An answer that came whole before any nonsense is believed.
        self._answers.extend(self._reader.feed(data))
        if self._reader.nonsense:
            self.drop(self._reader.nonsense)
        if self._answers:
            self._wake()

    def eof_received(self) -> None:
        self.drop("the relay closed the line")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = self.lost or (f"the line broke: {exc}" if exc else "the relay closed the line")
        if not self._closed.done():
            self._closed.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        self._stuck = True

    def resume_writing(self) -> None:
        self._stuck = False
