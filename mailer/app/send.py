"""The way out for every mail: claim a batch, record the intent, hand the mail to a relay, record the outcome.

How one mail goes (promise 2):
1. A batch of up to 500 deliveries is claimed: a lease and a fence. What its dead owner left half sent is settled first.
2. The intent to send one mail is committed, with the last look, before the relay hears a word of it.
3. The outcome is committed before the same connection begins the next mail. So a kill leaves at most one mail a
   connection whose fate is not known.
4. A batch with nothing left in it is closed; what is put off leaves it and gets a new one when its time comes.

Nothing about a delivery is kept in memory that is not in the ledger; any number of processes may do this at once.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from mailer import delivery as rules
from mailer.app import message, outcome
from mailer.app.alert import alert
from mailer.app.circuit import Circuits
from mailer.app.context import App, Session, step
from mailer.errors import RelayDown, StoreUnavailable
from mailer.lifecycle import IssueEvent
from mailer.model import (
    Accepted,
    Batch,
    Deferred,
    Delivery,
    DeliveryKind,
    DeliveryState,
    NotSent,
    Outcome,
    Rejected,
    Rejection,
    Reply,
    Unknown,
    Variant,
)
from mailer.store import deliveries, issues
from mailer.store.database import Work
from mailer.store.deliveries import Mark

log = logging.getLogger(__name__)
T = TypeVar("T")
DRAIN_S = 8.0  # of the ten seconds that SIGTERM leaves: an unanswered mail is unknown after that
_AGAIN_S = 0.5  # between two attempts to write an outcome down


@dataclass
class _Claim:
    """A batch this process holds, and how many of its deliveries are not settled yet."""

    left: int
    stale: bool = False  # lost, paused or cancelled: give it back when the last connection is done with it


@dataclass
class Sender:
    """One process's share of the sending. `run` returns when nothing can be claimed now, or when told to stop."""

    app: App
    circuits: Circuits
    issue_id: int | None = None  # only this issue (and mails of none)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    accepted: int = 0

    _jobs: deque[Delivery] = field(default_factory=deque)
    _claims: dict[Batch, _Claim] = field(default_factory=dict)
    _variants: dict[int, Variant] = field(default_factory=dict)
    _claiming: asyncio.Lock = field(default_factory=asyncio.Lock)
    _connecting: set[asyncio.Future[None]] = field(default_factory=set)
    _unmade: int = 0

    async def run(self) -> None:
        """Sends all that can be sent now. RelayDown: no relay takes mail; what is unsent stays queued."""
        renewing = asyncio.create_task(self._renew())
        count = self.app.settings.delivery.connections
        workers = [asyncio.create_task(self._work()) for _ in range(count)]
        try:
            await self._finish(workers)
        finally:
            renewing.cancel()
            for worker in workers:
                worker.cancel()
            await asyncio.gather(renewing, *workers, return_exceptions=True)
            unsent = bool(self._jobs)
            await self._give_back()
        failures = [error for worker in workers if not worker.cancelled() and (error := worker.exception())]
        for failure in failures:
            # A relay that takes fewer connections than we would like is no trouble while the others do the work.
            if not isinstance(failure, RelayDown) or unsent:
                raise failure

    async def _finish(self, workers: Sequence["asyncio.Task[None]"]) -> None:
        """Waits for the connections; after `stop`, only so long as SIGTERM allows."""
        stopping = asyncio.create_task(self.stop.wait())
        everyone = asyncio.gather(*workers, return_exceptions=True)
        try:
            either: tuple[asyncio.Future[Any], ...] = (stopping, everyone)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not everyone.done():
                await asyncio.wait((everyone,), timeout=DRAIN_S)
        finally:
            stopping.cancel()

    # --- one connection
    async def _work(self) -> None:
        session: Session | None = None
        relay = ""
        try:
            while not self.stop.is_set() and (job := await self._next(ready=session is not None)):
                if session and (session.lost or self.circuits.open(relay)):
                    # Broken, or the relay refuses our sender: this line is of no use.
                    parting, session = session, None
                    self._jobs.appendleft(job)
                    await self.circuits.part(relay, parting)
                    continue
                if session is None:
                    relay, session = await self._connect(job)
                variant = await self._variant(job)
                if variant and await self._intend(job):
                    await self._record(await self._send(session, relay, job, variant))
        finally:
            if session:
                await self.circuits.part(relay, session)

    async def _connect(self, job: Delivery) -> tuple[str, Session]:
        """A line for a mail. RelayDown: there is none, and the mail is the others' to send; those that have a line wait
        for how this ends (`_next`)."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connecting.add(ended)
        try:
            return await self.circuits.connect(self.app.relays)
        except BaseException:
            self._jobs.appendleft(job)
            raise
        finally:
            self._connecting.discard(ended)
            ended.set_result(None)

    async def _send(self, session: Session, relay: str, job: Delivery, variant: Variant) -> Mark:
        """One mail on an open line. Whatever happens here, an outcome is written: even when we are stopped."""
        result: Outcome
        try:
            content = message.build(self.app, job, variant, self.app.now())
        except Exception as error:
            return self._mark(job, self._unmakable(job, error), relay)
        try:
            result = await session.send(self.app.sender[1], job.address, content)
        except asyncio.CancelledError:
            # The time that SIGTERM leaves is over and the relay has not answered, so nobody knows.
            self.stop.set()
            result = Unknown(Reply("dot", 0, "", "stopped while waiting for the answer"))
        except ValueError as error:  # raised before a byte of the mail is written
            result = self._unmakable(job, error)
        return self._mark(job, result, relay)

    def _unmakable(self, job: Delivery, error: Exception) -> Rejected:
        """The variant itself is sound (`_variant`), so it is this one reader's name or address: nobody else waits."""
        log.error("delivery %d cannot be made: %s", job.id, type(error).__name__)
        self._unmade += 1
        if self._unmade == 1:
            alert(self.app, "A mail could not be made for its reader.", "See `mailer issue status --failed`.")
        return Rejected(Rejection.OTHER, Reply("MAIL", 0, "", f"the mail cannot be made: {error}"[:500]))

    def _mark(self, job: Delivery, result: Outcome, relay: str) -> Mark:
        now = self.app.now()
        change = rules.after(
            attempts=job.attempts,
            losses=job.losses,
            unknowns=job.unknowns,
            first_reply_at=job.first_reply_at,
            outcome=result,
            now=now,
            rules=self.app.settings.delivery,
            jitter=random.random() * 0.1,  # noqa: S311 - spreads retries, hides nothing
        )
        if change.state is DeliveryState.ACCEPTED:
            self.accepted += 1
        if isinstance(result, Accepted | Deferred | Rejected) and result.reply.code:
            self.circuits.well(relay)
        if isinstance(result, NotSent) and result.relay_fault and (error := self.circuits.fault(relay, result.reply)):
            alert(self.app, error.message, error.fix)
        return outcome.mark(job, change, relay, now)

    # --- the ledger
    async def _variant(self, job: Delivery) -> Variant | None:
        """What the mail is made of. None: nothing can be made of it, and its issue is paused; that would hit every
        reader alike, so none of them has to pay for it."""
        if job.variant_id not in self._variants:
            work = partial(issues.variant, variant_id=job.variant_id)
            variant = await asyncio.to_thread(self.app.store.read, work)
            if job.kind is DeliveryKind.ISSUE:
                try:
                    message.trial(self.app, variant, self.app.now())
                except Exception as error:
                    log.exception("the mails of an issue cannot be made")
                    await self._pause(job, f"its mails cannot be made: {error}")
                    return None
            self._variants[job.variant_id] = variant
        return self._variants[job.variant_id]

    async def _pause(self, job: Delivery, why: str) -> None:
        issue_id = job.issue_id or 0
        if await self._write(lambda tx: step(tx, issue_id, IssueEvent.PAUSE, reason=why)):
            alert(self.app, f"An issue was paused: {why}", "Mend it, then run `mailer issue resume`.")
        self._drop(job.batch)
        await self._settled(job)

    async def _intend(self, job: Delivery) -> bool:
        """Records that the mail may be on its way; False: it must not be sent, and the ledger says why."""

        def work(tx: Connection) -> tuple[bool, bool]:
            now = self.app.now()
            if deliveries.intend(tx, job, now):
                return True, True
            # After a machine slept, or its clock jumped, the lease is over although nobody took the batch: the fence
            # tells. Giving it back would leave our other lines without work until their mails are answered.
            deliveries.renew(tx, [job.batch], now, self.app.lease)
            if deliveries.intend(tx, job, now):
                return True, True
            why = deliveries.hindrance(tx, job, now)
            if why is None:
                return False, False
            values = {"state": DeliveryState.SKIPPED, "reason": why, "finished_at": now}
            deliveries.mark(tx, Mark(job, values), from_=DeliveryState.QUEUED)
            return False, True

        go, ours = await self._write(work)
        if not ours:
            self._drop(job.batch)
        if not go:
            await self._settled(job)
        return go

    async def _record(self, mark: Mark) -> None:
        """Writes an outcome, with what it means for the subscriber; a mail that is queued again is tried again."""
        job = mark.delivery
        state = await self._write_surely(lambda tx: outcome.write(tx, mark, self.app.now()))
        if state is None:
            log.warning("delivery %d: its claim was lost before the outcome was written", job.id)
            self._drop(job.batch)
        elif state is DeliveryState.QUEUED and not self._stale(job.batch):
            self._jobs.appendleft(job)
            return
        await self._settled(job)

    async def _write_surely(self, work: Work[T]) -> T:
        """Tries for as long as the lease holds: an outcome that is lost because a backup locks the database for a
        while is a mail sent twice."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.app.lease.total_seconds()
        while True:
            try:
                return await self._write(work)
            except StoreUnavailable as error:
                if loop.time() > until:
                    raise
                log.warning("an outcome waits to be written: %s", error)
            await asyncio.sleep(_AGAIN_S)

    async def _next(self, *, ready: bool) -> Delivery | None:
        """The next mail; claims a batch when none is left. None: nothing can be claimed now. `ready`: the caller has a
        line, and stays for the mails of those who may not get one."""
        while True:
            async with self._claiming:
                while not self._jobs and not self.stop.is_set():
                    claimed = await self._write(self._claim)
                    if claimed is None:
                        break
                    batch, jobs = claimed
                    if not jobs:
                        await self._write(partial(self._end, batch=batch))
                        continue
                    self._claims[batch] = _Claim(len(jobs))
                    self._jobs.extend(jobs)
                if self._jobs:
                    return self._jobs.popleft()
            if not ready or not self._connecting or self.stop.is_set():
                return None
            await asyncio.wait(self._connecting, return_when=asyncio.FIRST_COMPLETED)

    def _claim(self, tx: Connection) -> tuple[Batch, list[Delivery]] | None:
        now = self.app.now()
        # Our own batches first: a claim that ran out while the machine slept must not be taken by ourselves.
        deliveries.renew(tx, list(self._claims), now, self.app.lease)
        deliveries.requeue_due(tx, now)
        batch = deliveries.claim(tx, self.app.worker, now, self.app.lease, self.issue_id)
        if batch is None:
            return None
        left = deliveries.left_in_sending(tx, batch)
        for number, attempts, unknowns, first in left:
            change = rules.after_crash(
                attempts=attempts, unknowns=unknowns, first_reply_at=first, rules=self.app.settings.delivery
            )
            log.warning("delivery %d was left half sent: it is %s now", number, change.state)
            deliveries.settle_left(tx, number, outcome.columns(change, now))
        jobs = deliveries.queued(tx, batch)
        if left and jobs and outcome.end_if_over(tx, jobs, now):
            jobs = []
        return batch, jobs

    def _end(self, tx: Connection, batch: Batch) -> None:
        if not deliveries.close(tx, batch):
            deliveries.release(tx, batch, self.app.now())

    async def _settled(self, job: Delivery) -> None:
        """One delivery less to do in its batch; the last one ends it."""
        claim = self._claims.get(job.batch)
        if claim is None:
            return
        claim.left -= 1
        if claim.left <= 0:
            del self._claims[job.batch]
            await self._write(partial(self._end, batch=job.batch))

    def _drop(self, batch: Batch) -> None:
        """Lets go of the rest of a batch: it is not ours any more, or its issue does not run."""
        claim = self._claims.get(batch)
        if claim is None or claim.stale:
            return
        claim.stale = True
        kept = [job for job in self._jobs if job.batch != batch]
        claim.left -= len(self._jobs) - len(kept)
        self._jobs = deque(kept)

    def _stale(self, batch: Batch) -> bool:
        claim = self._claims.get(batch)
        return claim is None or claim.stale

    async def _give_back(self) -> None:
        """What was claimed and not done is free for others at once."""
        held = list(self._claims)
        self._claims.clear()
        self._jobs.clear()
        for batch in held:
            await self._write(partial(self._end, batch=batch))

    async def _renew(self) -> None:
        """Keeps the leases alive; runs beside the connections."""
        while True:
            await asyncio.sleep(self.app.lease.total_seconds() / 3)
            held = list(self._claims)
            if not held:
                continue
            try:
                await self._write(partial(deliveries.renew, held=held, now=self.app.now(), lease=self.app.lease))
            except StoreUnavailable as error:
                log.warning("the claims could not be renewed: %s", error)

    async def _write(self, work: Work[T]) -> T:
        # Shielded: a transaction that has begun is finished even when its connection is told to stop.
        return await asyncio.shield(asyncio.wrap_future(self.app.store.submit(work)))
