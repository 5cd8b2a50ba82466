"""The mails of one process, made when they are wanted; where we sign, a little ahead, on threads.

An RSA signature takes longer than all the rest of a mail, and does not hold the interpreter's lock. Mails are handed to
the threads in small chunks: each by itself would cost more than it gains. A connection whose mail is not made yet makes
it itself. Where a mail goes and what becomes of it is not known here.
"""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from mailer.context import App
from mailer.model import Batch, Delivery
from mailer.sending import message
from mailer.sending.queue import Claims
from mailer.store import issues

CHUNK = 16
AHEAD = 2 * CHUNK  # mails made and not yet wanted, at most, when the next chunk is begun


class Mails:
    """Content for deliveries. It works ahead on what `claims` has at hand."""

    def __init__(self, app: App, claims: Claims) -> None:
        self._app = app
        self._claims = claims
        self._compiled: dict[int, message.Compiled] = {}
        self._threads = min(2, os.cpu_count() or 1) if app.signer else 0
        self._pool = ThreadPoolExecutor(self._threads, "sign") if self._threads else None
        self._made: dict[int, tuple[Batch, Sequence[bytes]]] = {}
        self._making: set[asyncio.Task[None]] = set()

    async def compile(self, job: Delivery) -> None:
        """Makes the variant of a delivery ready. ValueError and others: it cannot be, for anybody."""
        if job.variant_id not in self._compiled:
            variant = await asyncio.to_thread(self._app.store.read, partial(issues.variant, variant_id=job.variant_id))
            self._compiled[job.variant_id] = await asyncio.to_thread(message.compile, self._app, variant, job.kind)

    def make(self, job: Delivery) -> Sequence[bytes] | None:
        """The mail of a delivery, at once; None: its variant is not compiled. ValueError: it cannot be made for this
        reader."""
        made = self._made.pop(job.id, None)
        if made:
            return made[1]
        compiled = self._compiled.get(job.variant_id)
        return compiled.pieces(job, self._app.now()) if compiled else None

    def keep(self, job: Delivery, content: Sequence[bytes]) -> None:
        """A mail that was made, and is put back to go later."""
        self._forget()
        if self._claims.holds(job.batch):
            self._made[job.id] = job.batch, content

    def _forget(self) -> None:
        self._made = {number: made for number, made in self._made.items() if self._claims.holds(made[0])}

    # --- ahead
    @property
    def making(self) -> bool:
        """Whether mails are away to be made, and will be at hand again."""
        return bool(self._making)

    async def made(self) -> None:
        """Waits until some of those are."""
        await asyncio.wait(self._making, return_when=asyncio.FIRST_COMPLETED)

    def work_ahead(self) -> None:
        while self._pool and len(self._making) < self._threads and len(self._made) < AHEAD:
            jobs = self._claims.cut(len(self._made), CHUNK)
            if not jobs:
                return
            task = asyncio.create_task(self._ahead(self._pool, jobs))
            self._making.add(task)
            task.add_done_callback(self._making.discard)

    async def _ahead(self, pool: ThreadPoolExecutor, jobs: Sequence[Delivery]) -> None:
        contents: Sequence[Sequence[bytes] | None] = [None] * len(jobs)
        try:
            contents = await asyncio.get_running_loop().run_in_executor(pool, self._chunk, jobs)
        finally:
            self._forget()
            for job, content in zip(reversed(jobs), reversed(contents), strict=True):
                self._claims.put_back(job)
                if content and self._claims.holds(job.batch):
                    self._made[job.id] = job.batch, content

    def _chunk(self, jobs: Sequence[Delivery]) -> list[Sequence[bytes] | None]:
        return [self._made_or_not(job) for job in jobs]

    def _made_or_not(self, job: Delivery) -> Sequence[bytes] | None:
        compiled = self._compiled.get(job.variant_id)
        try:
            return compiled.pieces(job, self._app.now()) if compiled else None
        except ValueError:
            return None  # its connection finds out the same, and says so

    async def close(self) -> None:
        """Whatever is away comes back."""
        await asyncio.gather(*self._making, return_exceptions=True)
        if self._pool:
            self._pool.shutdown(wait=False)
