"""What this process has claimed: the mails at hand, the batches they are of, and the leases on those.

A connection takes its next mail here. Nothing is known here that is not in the ledger: when the process dies, another
claims the same batches. It writes no outcome.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from mailer import delivery as rules
from mailer.app import outcome
from mailer.app.context import App
from mailer.errors import StoreUnavailable
from mailer.model import Batch, Delivery
from mailer.store import deliveries
from mailer.store.database import Work

log = logging.getLogger(__name__)
T = TypeVar("T")
LOW = 100  # mails at hand below which the next batch is claimed


@dataclass
class _Claim:
    """A batch this process holds, and how many of its deliveries are not settled yet."""

    left: int
    stale: bool = False  # lost, paused or cancelled: give it back when the last connection is done with it


class Claims:
    """The mails of one process, for all its connections. `issue_id`: only of this issue (and mails of none)."""

    def __init__(self, app: App, issue_id: int | None) -> None:
        self._app = app
        self._issue_id = issue_id
        self._jobs: deque[Delivery] = deque()
        self._held: dict[Batch, _Claim] = {}
        self._fetching: asyncio.Task[bool] | None = None
        self._dry = False  # the last claim found nothing

    @property
    def unsent(self) -> bool:
        """Whether there are mails at hand that nobody has taken."""
        return bool(self._jobs)

    def take(self) -> Delivery | None:
        """The next mail that is at hand. Never waits: a connection that has announced a mail waits for nobody."""
        if len(self._jobs) < LOW and self._fetching is None and not self._dry:
            self._fetching = asyncio.create_task(self._fetch())
        return self._jobs.popleft() if self._jobs else None

    def cut(self, after: int, count: int) -> list[Delivery]:
        """Up to `count` mails at hand, behind the first `after`, to be put back soon."""
        self._jobs.rotate(-after)
        taken = [self._jobs.popleft() for _ in range(min(count, len(self._jobs) - after))]
        self._jobs.rotate(after)
        return taken

    async def next(self) -> Delivery | None:
        """The next mail, claimed if need be. None: nothing can be claimed now. That is found out once in a run, or each
        connection of an idle process would write every second."""
        while True:
            if self._jobs:
                return self._jobs.popleft()
            if self._fetching is None:
                if self._dry:
                    return None
                self._fetching = asyncio.create_task(self._fetch())
            if not await asyncio.shield(self._fetching) and not self._jobs:
                return None

    def put_back(self, job: Delivery) -> None:
        """A mail that was taken and not sent is the next one; but nobody's, when its batch was dropped."""
        if self.holds(job.batch):
            self._jobs.appendleft(job)

    def put_last(self, job: Delivery) -> None:
        """A mail that must wait for its lane makes room for the others."""
        if self.holds(job.batch):
            self._jobs.append(job)

    def any(self, wanted: Callable[[Delivery], bool]) -> bool:
        """Whether one of the mails at hand is wanted."""
        return any(wanted(job) for job in self._jobs)

    def holds(self, batch: Batch) -> bool:
        claim = self._held.get(batch)
        return claim is not None and not claim.stale

    async def settled(self, job: Delivery) -> None:
        """One delivery less to do in its batch; the last one ends it."""
        claim = self._held.get(job.batch)
        if claim is None:
            return
        claim.left -= 1
        if claim.left <= 0:
            del self._held[job.batch]
            await self._write(partial(self._end, batch=job.batch))

    def drop(self, batch: Batch) -> None:
        """Lets go of the rest of a batch: it is not ours any more, or its issue does not run."""
        claim = self._held.get(batch)
        if claim is None or claim.stale:
            return
        claim.stale = True
        kept = [job for job in self._jobs if job.batch != batch]
        claim.left -= len(self._jobs) - len(kept)
        self._jobs = deque(kept)

    async def give_back(self) -> None:
        """What was claimed and not done is free for others at once."""
        if self._fetching:
            await asyncio.gather(self._fetching, return_exceptions=True)
        held = list(self._held)
        self._held.clear()
        self._jobs.clear()
        for batch in held:
            await self._write(partial(self._end, batch=batch))

    async def renew(self) -> None:
        """Keeps the leases alive; runs beside the connections until it is cancelled."""
        while True:
            await asyncio.sleep(self._app.lease.total_seconds() / 3)
            if not self._held:
                continue
            held = list(self._held)
            try:
                await self._write(partial(deliveries.renew, held=held, now=self._app.now(), lease=self._app.lease))
            except StoreUnavailable as error:
                log.warning("the claims could not be renewed: %s", error)

    async def _fetch(self) -> bool:
        """Claims a batch with something to do; False: there is none."""
        try:
            while True:
                claimed = await self._write(self._claim)
                self._dry = claimed is None
                if claimed is None:
                    return False
                batch, jobs = claimed
                if jobs:
                    self._held[batch] = _Claim(len(jobs))
                    self._jobs.extend(jobs)
                    return True
                await self._write(partial(self._end, batch=batch))
        finally:
            self._fetching = None

    def _claim(self, tx: Connection) -> tuple[Batch, list[Delivery]] | None:
        now = self._app.now()
        # Our own batches first: a claim that ran out while the machine slept must not be taken by ourselves.
        deliveries.renew(tx, list(self._held), now, self._app.lease)
        deliveries.requeue_due(tx, now)
        batch = deliveries.claim(tx, self._app.worker, now, self._app.lease, self._issue_id)
        if batch is None:
            return None
        left = deliveries.left_in_sending(tx, batch)
        for number, attempts, unknowns, first in left:
            change = rules.after_crash(
                attempts=attempts, unknowns=unknowns, first_reply_at=first, rules=self._app.settings.delivery
            )
            log.warning("delivery %d was left half sent: it is %s now", number, change.state)
            deliveries.settle_left(tx, number, outcome.columns(change, now))
        jobs = deliveries.queued(tx, batch)
        if left and jobs and outcome.end_if_over(tx, jobs, now):
            jobs = []
        return batch, jobs

    def _end(self, tx: Connection, batch: Batch) -> None:
        if not deliveries.close(tx, batch):
            deliveries.release(tx, batch, self._app.now())

    async def _write(self, work: Work[T]) -> T:
        # Shielded: a transaction that has begun is finished even when its connection is told to stop.
        return await asyncio.shield(asyncio.wrap_future(self._app.store.submit(work)))
