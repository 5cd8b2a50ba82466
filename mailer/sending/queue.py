"""The queue of one process: the deliveries that the process has claimed, their batches, and the leases on these
batches.

Every connection takes its next delivery from this queue. Everything in the queue is also in the ledger: if the process
dies, another process claims the same batches. This module does not record the outcomes of mails.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from sqlalchemy import Connection

from mailer.context import App
from mailer.errors import StoreUnavailable
from mailer.model import Batch, Delivery, DeliveryKind
from mailer.sending import outcome, retry_schedule
from mailer.store import deliveries, lanes
from mailer.store.database import Work

log = logging.getLogger(__name__)
T = TypeVar("T")
# The next batch is claimed when fewer than this many issue mails are waiting. A full lane with at least this many
# waiting mails is left out of the claim.
CLAIM_BELOW = 100
CHECK_S = 1.0  # seconds between two checks for service mails, and between a claim that found nothing and the next claim


@dataclass
class _Claim:
    """A batch that this process holds."""

    unfinished: int  # number of deliveries of the batch that are not finished
    # True if this process gave up the batch, except the deliveries that a connection had taken. The claim ends when
    # these deliveries are finished.
    dropped: bool = False


@dataclass
class _Waiting:
    """Deliveries that no connection has taken. If they wait for a full lane, `full_until` is the event loop's time at
    which the lane has room again; otherwise `full_until` is 0."""

    full_until: float = 0.0
    service_mails: deque[Delivery] = field(default_factory=deque)
    issue_mails: deque[Delivery] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self.service_mails) + len(self.issue_mails)

    def of_kind(self, job: Delivery) -> deque[Delivery]:
        return self.issue_mails if job.kind is DeliveryKind.ISSUE else self.service_mails


class Queue:
    """Claims deliveries for one process and gives them to the process's connections. If `issue_id` is given, claims
    only deliveries of that issue, and service mails."""

    def __init__(self, app: App, issue_id: int | None) -> None:
        self._app = app
        self._issue_id = issue_id
        self._ready = _Waiting()
        self._full: dict[str, _Waiting] = {}  # lane that was full → its waiting deliveries
        self._claims: dict[Batch, _Claim] = {}
        self._claiming: asyncio.Task[bool] | None = None
        self._checked_at = 0.0
        # The event loop's time before which issue mails are not claimed again, because the last claim found nothing.
        self._empty_until = 0.0
        # The lanes that the last claim left out, if it found nothing.
        self._empty_without: frozenset[str] = frozenset()
        self._finishing: set[asyncio.Task[None]] = set()

    @property
    def untaken(self) -> int:
        """Returns the number of claimed deliveries that no connection has taken."""
        return sum(map(len, self._waiting()))

    @property
    def service_mail_waits(self) -> bool:
        return any(waiting.service_mails for waiting in self._waiting())

    def _waiting(self) -> list[_Waiting]:
        return [self._ready, *self._full.values()]

    # --- taking one delivery
    def take(self) -> Delivery | None:
        """Returns the next delivery, or None if none is claimed yet. Does not wait, because the caller has announced a
        mail to its relay, and the relay waits for the content."""
        self._claim_if_short()
        return self._pick()

    async def next(self) -> Delivery | None:
        """Returns the next delivery, after claiming a batch if necessary. Returns None if nothing can be claimed now;
        the queue may then still hold deliveries that wait for their lanes (`rest_s`). All connections wait for the
        same claim, because otherwise each connection of an idle process would write to the database every second."""
        while True:
            self._claim_if_short()
            job = self._pick()
            if job or self._claiming is None:
                return job
            await asyncio.shield(self._claiming)

    def _pick(self) -> Delivery | None:
        """Returns the next delivery whose lane is not known to be full. Service mails come first, then the deliveries
        that waited for their lane."""
        if not self._full:
            jobs = self._ready.service_mails or self._ready.issue_mails
            return jobs.popleft() if jobs else None
        now = asyncio.get_running_loop().time()
        return (
            self._first(self._ready.service_mails, now)
            or self._first_that_waited(now)
            or self._first(self._ready.issue_mails, now)
        )

    def _first(self, jobs: deque[Delivery], now: float) -> Delivery | None:
        while jobs:
            job = jobs.popleft()
            lane = self._full.get(job.lane)
            if lane is None or lane.full_until <= now:
                return job
            lane.of_kind(job).append(job)
        return None

    def _first_that_waited(self, now: float) -> Delivery | None:
        free = [lane for lane in self._full.values() if lane.full_until <= now]
        by_kind = [lane.service_mails for lane in free] + [lane.issue_mails for lane in free]
        return next((jobs.popleft() for jobs in by_kind if jobs), None)

    def take_ahead(self, skip: int, count: int) -> list[Delivery]:
        """Takes up to `count` deliveries of issue mails from the queue and returns them. The first `skip` deliveries
        stay in the queue. The caller must soon put the returned deliveries back."""
        jobs = self._ready.issue_mails
        jobs.rotate(-skip)
        taken = [jobs.popleft() for _ in range(min(count, len(jobs) - skip))]
        jobs.rotate(skip)
        return taken

    def rest_s(self) -> float | None:
        """Returns the number of seconds until a lane has room again, so that its next delivery may be tried. Returns
        None if no delivery waits for its lane."""
        times = [lane.full_until for lane in self._full.values() if lane]
        return max(0.0, min(times) - asyncio.get_running_loop().time()) if times else None

    # --- putting a delivery back
    def put_back(self, job: Delivery) -> None:
        """Puts back a delivery that was taken and not sent. The delivery becomes the next one, unless its batch was
        dropped."""
        self._return(job, self._ready)

    def put_aside(self, job: Delivery, seconds: float) -> None:
        """Puts back a delivery because its lane is full. For the given number of seconds no mail of that lane is tried,
        while mails of other lanes are sent."""
        lane = self._full.setdefault(job.lane, _Waiting())
        lane.full_until = asyncio.get_running_loop().time() + seconds
        self._return(job, lane)

    def _return(self, job: Delivery, waiting: _Waiting) -> None:
        if self.holds(job.batch):
            waiting.of_kind(job).appendleft(job)
            return
        # The batch was dropped. If this delivery were not finished here, this process would hold the batch, and renew
        # its lease, until the run ends.
        task = asyncio.create_task(self.finished(job))
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    def holds(self, batch: Batch) -> bool:
        claim = self._claims.get(batch)
        return claim is not None and not claim.dropped

    async def finished(self, job: Delivery) -> None:
        """Records that nothing is left to do for a delivery. The last delivery of a batch ends the claim on the
        batch."""
        claim = self._claims.get(job.batch)
        if claim:
            claim.unfinished -= 1
            await self._end_if_finished(job.batch, claim)

    async def _end_if_finished(self, batch: Batch, claim: _Claim) -> None:
        if claim.unfinished <= 0:
            del self._claims[batch]
            await self._write(partial(self._end, batch=batch))

    # --- giving up batches
    def drop(self, batch: Batch) -> None:
        """Gives up a batch, except the deliveries that a connection has taken. Called if another process has claimed
        the batch, if the batch's issue was paused or cancelled, or if a lane was paused."""
        claim = self._claims.get(batch)
        if claim is None or claim.dropped:
            return
        claim.dropped = True
        for waiting in self._waiting():
            for jobs in (waiting.service_mails, waiting.issue_mails):
                kept = [job for job in jobs if job.batch != batch]
                claim.unfinished -= len(jobs) - len(kept)
                jobs.clear()
                jobs.extend(kept)

    async def drop_lanes(self, paused: Collection[str]) -> None:
        """Gives up every batch with waiting issue mails in these lanes. The next claim of such a batch moves the mails
        of the paused lanes to separate batches."""
        jobs = [job for waiting in self._waiting() for job in waiting.issue_mails]
        for batch in {job.batch for job in jobs if job.lane in paused}:
            self.drop(batch)
            if claim := self._claims.get(batch):  # another connection may have ended the batch meanwhile
                await self._end_if_finished(batch, claim)

    async def give_back(self) -> None:
        """Gives back every claim, so that other processes can claim the batches at once."""
        pending = [*self._finishing, *([self._claiming] if self._claiming else [])]
        await asyncio.gather(*pending, return_exceptions=True)
        held = list(self._claims)
        self._claims.clear()
        self._ready, self._full = _Waiting(), {}
        for batch in held:
            await self._write(partial(self._end, batch=batch))

    async def renew(self) -> None:
        """Renews the leases at regular intervals. Runs beside the connections until it is cancelled."""
        while True:
            await asyncio.sleep(self._app.lease.total_seconds() / 3)
            if not self._claims:
                continue
            held = list(self._claims)
            try:
                await self._write(partial(deliveries.renew, held=held, now=self._app.now(), lease=self._app.lease))
            except StoreUnavailable as error:
                log.warning("the claims could not be renewed: %s", error)

    # --- claiming
    def _claim_if_short(self) -> None:
        """Starts a claim if few issue mails are left. Otherwise starts a claim of service mails only, once a second: a
        person waits for each service mail, and sending an issue takes hours."""
        if self._claiming is not None:
            return
        now = asyncio.get_running_loop().time()
        short = len(self._ready.issue_mails) < CLAIM_BELOW
        check_due = now >= self._checked_at + CHECK_S
        if not short and not check_due:
            return
        # A full lane with CLAIM_BELOW waiting mails is left out of the claim, so that it does not fill the queue.
        without = frozenset(
            name for name, lane in self._full.items() if lane.full_until > now and len(lane.issue_mails) >= CLAIM_BELOW
        )
        claim_issue = short and (now >= self._empty_until or not self._empty_without <= without)
        if not claim_issue and not check_due:
            return
        self._checked_at = now
        self._claiming = asyncio.create_task(self._claim(without, service_only=not claim_issue))
        self._claiming.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _claim(self, without: frozenset[str], *, service_only: bool) -> bool:
        """Claims a batch that has deliveries to send. Returns False if there is no such batch."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                claimed = await self._write(partial(self._claim_batch, without=without, service_only=service_only))
                if claimed is None:
                    if not service_only:
                        self._empty_until, self._empty_without = loop.time() + CHECK_S, without
                    return False
                self._empty_until = 0.0
                batch, jobs = claimed
                if jobs:
                    self._claims[batch] = _Claim(len(jobs))
                    self._ready.of_kind(jobs[0]).extend(jobs)
                    if service_only:
                        self._checked_at = 0.0  # check again at once: there may be more service mails
                    return True
                await self._write(partial(self._end, batch=batch))
        finally:
            self._claiming = None

    def _claim_batch(
        self, tx: Connection, *, without: frozenset[str], service_only: bool
    ) -> tuple[Batch, list[Delivery]] | None:
        now, lease = self._app.now(), self._app.lease
        # First renew the leases of the batches that this process holds. If these leases expired while the machine
        # slept, this process would otherwise claim its own batches again.
        deliveries.renew(tx, list(self._claims), now, lease)
        deliveries.requeue_due(tx, now)
        batch = deliveries.claim(
            tx, self._app.worker, now, lease, self._issue_id, without=without, service_only=service_only
        )
        if batch is None:
            return None
        left = deliveries.left_in_sending(tx, batch)
        for job in left:
            change = retry_schedule.after_crash(job, self._app.settings.delivery)
            log.warning("delivery %d was left half sent: it is %s now", job.id, change.state)
            deliveries.finish_attempt(tx, change, now)
        jobs = deliveries.queued(tx, batch, self._app.lanes)
        if left and jobs and outcome.end_if_over(tx, jobs, now):
            jobs = []
        if jobs and jobs[0].kind is DeliveryKind.ISSUE:
            jobs = _without_lanes(tx, jobs, {each.lane for each in lanes.paused(tx, now)} | without, now)
        return batch, jobs

    def _end(self, tx: Connection, batch: Batch) -> None:
        if not deliveries.close(tx, batch):
            deliveries.release(tx, batch, self._app.now())

    async def _write(self, work: Work[T]) -> T:
        # Shielded, so that a transaction that has begun is finished even if the caller is cancelled.
        return await asyncio.shield(asyncio.wrap_future(self._app.store.submit(work)))


def _without_lanes(tx: Connection, jobs: list[Delivery], waiting: Collection[str], now: datetime) -> list[Delivery]:
    """Moves the mails of each `waiting` lane to a new batch, and returns the other mails."""
    by_lane = attrgetter("lane")
    for lane, group in groupby(sorted((job for job in jobs if job.lane in waiting), key=by_lane), by_lane):
        lanes.set_aside(tx, list(group), lane, now)
    return [job for job in jobs if job.lane not in waiting]
