"""What this process has claimed: the mails at hand, the batches they are of, and the leases on those.

A connection takes its next mail here. Nothing is known here that is not in the ledger: when the process dies, another
claims the same batches. It writes no outcome.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from mailer import lanes
from mailer.context import App
from mailer.errors import StoreUnavailable
from mailer.model import Batch, Delivery, DeliveryKind
from mailer.sending import lane_pauses, outcome, retry_schedule
from mailer.store import deliveries
from mailer.store.database import Work

log = logging.getLogger(__name__)
T = TypeVar("T")
LOW = 100  # mails at hand below which the next batch is claimed; of a full lane, so many are enough
LOOK_S = 1.0  # how often it is looked for mails that go before others, and again for any after there were none


@dataclass
class _Claim:
    """A batch this process holds, and how many of its deliveries are not settled yet."""

    left: int
    stale: bool = False  # lost, paused or cancelled: give it back when the last connection is done with it


@dataclass
class _Lane:
    """The mails at hand of a lane that is full until then (the loop's time); letters go first."""

    until: float = 0.0
    letters: deque[Delivery] = field(default_factory=deque)
    jobs: deque[Delivery] = field(default_factory=deque)

    def line(self, job: Delivery) -> deque[Delivery]:
        return self.jobs if job.kind is DeliveryKind.ISSUE else self.letters


class Claims:
    """The mails of one process, for all its connections. `issue_id`: only of this issue (and mails of none)."""

    def __init__(self, app: App, issue_id: int | None) -> None:
        self._app = app
        self._issue_id = issue_id
        self._jobs: deque[Delivery] = deque()
        self._letters: deque[Delivery] = deque()  # of no issue: they go first
        self._full: dict[str, _Lane] = {}
        self._lanes = lanes.table(app.settings.delivery.lanes)
        self._held: dict[Batch, _Claim] = {}
        self._fetching: asyncio.Task[bool] | None = None
        self._looked = 0.0
        self._dry_until = 0.0  # the last claim found nothing
        self._dry_without: frozenset[str] = frozenset()
        self._forgetting: set[asyncio.Task[None]] = set()

    @property
    def unsent(self) -> bool:
        """Whether there are mails at hand that nobody has taken."""
        return any(True for _ in self._at_hand())

    @property
    def letters(self) -> bool:
        """Whether mails are at hand that go before others."""
        return bool(self._letters) or any(lane.letters for lane in self._full.values())

    def _at_hand(self) -> Iterator[Delivery]:
        yield from self._letters
        yield from self._jobs
        for lane in self._full.values():
            yield from lane.letters
            yield from lane.jobs

    def take(self) -> Delivery | None:
        """The next mail that is at hand. Never waits: a connection that has announced a mail waits for nobody."""
        self._look()
        return self._pick()

    def _pick(self) -> Delivery | None:
        """The next mail whose lane is not known to be full: letters first, then who waited for its lane."""
        if not self._full:
            jobs = self._letters or self._jobs
            return jobs.popleft() if jobs else None
        now = asyncio.get_running_loop().time()
        return self._first(self._letters, now) or self._waited(now) or self._first(self._jobs, now)

    def _first(self, jobs: deque[Delivery], now: float) -> Delivery | None:
        while jobs:
            job = jobs.popleft()
            lane = self._full.get(self._lane(job))
            if lane is None or lane.until <= now:
                return job
            lane.line(job).append(job)
        return None

    def _waited(self, now: float) -> Delivery | None:
        free = [lane for lane in self._full.values() if lane.until <= now]
        waiting = [lane.letters for lane in free] + [lane.jobs for lane in free]
        return next((jobs.popleft() for jobs in waiting if jobs), None)

    def _lane(self, job: Delivery) -> str:
        return lanes.lane_of(job.address, self._lanes)

    def _look(self) -> None:
        """Begins a claim when mails run short, and else once a second for those that go before others: a mail that
        somebody waits for must not stand behind an issue that takes hours."""
        if self._fetching is not None:
            return
        now = asyncio.get_running_loop().time()
        short = len(self._jobs) < LOW
        if not short and now < self._looked + LOOK_S:
            return
        # A full lane takes no other's place: of it no more is claimed than is at hand.
        without = frozenset(name for name, lane in self._full.items() if lane.until > now and len(lane.jobs) >= LOW)
        if short and (now >= self._dry_until or not self._dry_without <= without):
            letters = False
        elif now >= self._looked + LOOK_S:
            letters = True
        else:
            return
        self._looked = now
        self._fetching = asyncio.create_task(self._fetch(without, letters=letters))
        self._fetching.add_done_callback(lambda task: task.cancelled() or task.exception())

    def cut(self, after: int, count: int) -> list[Delivery]:
        """Up to `count` mails at hand, behind the first `after`, to be put back soon."""
        self._jobs.rotate(-after)
        taken = [self._jobs.popleft() for _ in range(min(count, len(self._jobs) - after))]
        self._jobs.rotate(after)
        return taken

    async def next(self) -> Delivery | None:
        """The next mail, claimed if need be. None: nothing can be claimed now, and what is at hand waits for its lanes
        (`rest_s`). That is found out once for all connections, or each of an idle process would write every second."""
        while True:
            self._look()
            job = self._pick()
            if job or self._fetching is None:
                return job
            await asyncio.shield(self._fetching)

    def rest_s(self) -> float | None:
        """In how many seconds a mail at hand may be tried again whose lane is full; None: there is none."""
        times = [lane.until for lane in self._full.values() if lane.letters or lane.jobs]
        return max(0.0, min(times) - asyncio.get_running_loop().time()) if times else None

    def put_back(self, job: Delivery) -> None:
        """A mail that was taken and not sent is the next one; but nobody's, when its batch was dropped."""
        if self.holds(job.batch):
            self._line(job).appendleft(job)
        else:
            self._forget(job)

    def _line(self, job: Delivery) -> deque[Delivery]:
        return self._jobs if job.kind is DeliveryKind.ISSUE else self._letters

    def put_aside(self, job: Delivery, seconds: float) -> None:
        """A mail whose lane is full for so long; the others go on, and no more of the lane is tried until then."""
        lane = self._full.setdefault(self._lane(job), _Lane())
        lane.until = asyncio.get_running_loop().time() + seconds
        if self.holds(job.batch):
            lane.line(job).appendleft(job)
        else:
            self._forget(job)

    def _forget(self, job: Delivery) -> None:
        # Or its batch would be held, and its lease renewed, until the run ends.
        task = asyncio.create_task(self.settled(job))
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)

    def holds(self, batch: Batch) -> bool:
        claim = self._held.get(batch)
        return claim is not None and not claim.stale

    async def settled(self, job: Delivery) -> None:
        """One delivery less to do in its batch; the last one ends it."""
        claim = self._held.get(job.batch)
        if claim is None:
            return
        claim.left -= 1
        await self._end_if_done(job.batch, claim)

    async def _end_if_done(self, batch: Batch, claim: _Claim) -> None:
        if claim.left <= 0:
            del self._held[batch]
            await self._write(partial(self._end, batch=batch))

    async def let_go(self, unwanted: Callable[[Delivery], bool]) -> None:
        """Gives back the batches with unwanted mails; whoever claims them next sets those aside."""
        for batch in {job.batch for job in self._at_hand() if unwanted(job)}:
            self.drop(batch)
            if claim := self._held.get(batch):  # another connection may have ended it while we wrote
                await self._end_if_done(batch, claim)

    def drop(self, batch: Batch) -> None:
        """Lets go of the rest of a batch: it is not ours any more, or its issue does not run."""
        claim = self._held.get(batch)
        if claim is None or claim.stale:
            return
        claim.stale = True
        for jobs in (
            self._letters,
            self._jobs,
            *(jobs for lane in self._full.values() for jobs in (lane.letters, lane.jobs)),
        ):
            kept = [job for job in jobs if job.batch != batch]
            claim.left -= len(jobs) - len(kept)
            jobs.clear()
            jobs.extend(kept)

    async def give_back(self) -> None:
        """What was claimed and not done is free for others at once."""
        await asyncio.gather(*self._forgetting, *([self._fetching] if self._fetching else []), return_exceptions=True)
        held = list(self._held)
        self._held.clear()
        for jobs in (self._letters, self._jobs, self._full):
            jobs.clear()
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

    async def _fetch(self, without: frozenset[str], *, letters: bool) -> bool:
        """Claims a batch with something to do; False: there is none. `letters`: only of mails that go before others."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                claimed = await self._write(partial(self._claim, without=without, letters=letters))
                if claimed is None:
                    if not letters:
                        self._dry_until, self._dry_without = loop.time() + LOOK_S, without
                    return False
                self._dry_until = 0.0
                batch, jobs = claimed
                if jobs:
                    self._held[batch] = _Claim(len(jobs))
                    self._line(jobs[0]).extend(jobs)
                    if letters:
                        self._looked = 0.0  # there may be more of them
                    return True
                await self._write(partial(self._end, batch=batch))
        finally:
            self._fetching = None

    def _claim(self, tx: Connection, *, without: frozenset[str], letters: bool) -> tuple[Batch, list[Delivery]] | None:
        now = self._app.now()
        # Our own batches first: a claim that ran out while the machine slept must not be taken by ourselves.
        deliveries.renew(tx, list(self._held), now, self._app.lease)
        deliveries.requeue_due(tx, now)
        batch = deliveries.claim(
            tx, self._app.worker, now, self._app.lease, self._issue_id, without=without, letters=letters
        )
        if batch is None:
            return None
        left = deliveries.left_in_sending(tx, batch)
        for number, attempts, unknowns, first in left:
            change = retry_schedule.after_crash(
                attempts=attempts, unknowns=unknowns, first_reply_at=first, rules=self._app.settings.delivery
            )
            log.warning("delivery %d was left half sent: it is %s now", number, change.state)
            deliveries.settle_left(tx, number, outcome.columns(change, now))
        jobs = deliveries.queued(tx, batch)
        if left and jobs and outcome.end_if_over(tx, jobs, now):
            jobs = []
        return batch, lane_pauses.set_aside(self._app, tx, jobs, without, now)

    def _end(self, tx: Connection, batch: Batch) -> None:
        if not deliveries.close(tx, batch):
            deliveries.release(tx, batch, self._app.now())

    async def _write(self, work: Work[T]) -> T:
        # Shielded: a transaction that has begun is finished even when its connection is told to stop.
        return await asyncio.shield(asyncio.wrap_future(self._app.store.submit(work)))
