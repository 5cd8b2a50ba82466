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
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from mailer import delivery as rules
from mailer.app import message
from mailer.app.circuit import Circuits
from mailer.app.context import App, Session
from mailer.delivery import Change
from mailer.errors import RelayDown
from mailer.model import (
    Batch,
    Delivery,
    DeliveryState,
    EventKind,
    Method,
    NotSent,
    Outcome,
    Reply,
    SubscriberStatus,
    Unknown,
)
from mailer.store import deliveries, issues, subscribers
from mailer.store.database import Work
from mailer.store.deliveries import Mark

log = logging.getLogger(__name__)
T = TypeVar("T")
DRAIN_S = 8.0  # of the ten seconds that SIGTERM leaves: an unanswered mail is unknown after that


@dataclass
class _Claim:
    """A batch this process holds, and how many of its deliveries are not settled yet."""

    batch: Batch
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
    _claims: dict[int, _Claim] = field(default_factory=dict)
    _compiled: dict[int, message.Compiled] = field(default_factory=dict)
    _claiming: asyncio.Lock = field(default_factory=asyncio.Lock)

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
            while not self.stop.is_set() and (job := await self._next()):
                if session is None or session.lost:
                    if session:
                        await session.close()
                        session = None
                    try:
                        relay, session = await self.circuits.connect(self.app.relays)
                    except RelayDown:
                        self._jobs.appendleft(job)
                        raise
                if await self._intend(job):
                    await self._record(await self._send(session, relay, job))
                    if self.circuits.open(relay):
                        await session.close()  # the relay refuses our sender: this line is of no use
                        session = None
        finally:
            if session:
                await session.close()

    async def _send(self, session: Session, relay: str, job: Delivery) -> Mark:
        """One mail on an open line. Whatever happens here, an outcome is written: even when we are stopped."""
        content = (await self._compile(job)).message(job, self.app.now())
        outcome: Outcome
        try:
            outcome = await session.send(self.app.sender[1], job.address, content)
        except asyncio.CancelledError:
            # The time that SIGTERM leaves is over and the relay has not answered, so nobody knows.
            self.stop.set()
            outcome = Unknown(Reply("dot", 0, "", "stopped while waiting for the answer"))
        return self._mark(job, outcome, relay)

    def _mark(self, job: Delivery, outcome: Outcome, relay: str) -> Mark:
        now = self.app.now()
        change = rules.after(
            attempts=job.attempts,
            losses=job.losses,
            unknowns=job.unknowns,
            first_reply_at=job.first_reply_at,
            outcome=outcome,
            now=now,
            rules=self.app.settings.delivery,
            jitter=random.random() * 0.1,  # noqa: S311 - spreads retries, hides nothing
        )
        if change.state is DeliveryState.ACCEPTED:
            self.accepted += 1
        if isinstance(outcome, NotSent) and outcome.relay_fault:
            self.circuits.fault(relay, outcome.reply)
        after = replace(
            job,
            attempts=change.attempts,
            losses=change.losses,
            unknowns=change.unknowns,
            first_reply_at=change.first_reply_at,
        )
        return Mark(after, {**_columns(change, now), "relay": relay})

    # --- the ledger
    async def _intend(self, job: Delivery) -> bool:
        """Records that the mail may be on its way; False: it must not be sent, and the ledger says why."""

        def work(tx: Connection) -> tuple[bool, bool]:
            now = self.app.now()
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

        def work(tx: Connection) -> bool:
            if not deliveries.mark(tx, mark):
                return False
            if mark.values["state"] is DeliveryState.REJECTED and job.subscriber_id is not None:
                _consequence(tx, job, mark, self.app.now())
            return True

        ours = await self._write(work)
        if not ours:
            log.warning("delivery %d: its claim was lost before the outcome was written", job.id)
            self._drop(job.batch)
        elif mark.values["state"] is DeliveryState.QUEUED and not self._stale(job.batch):
            self._jobs.appendleft(job)
            return
        await self._settled(job)

    async def _next(self) -> Delivery | None:
        """The next mail; claims a batch when none is left. None: nothing can be claimed now."""
        async with self._claiming:
            while not self._jobs and not self.stop.is_set():
                claimed = await self._write(self._claim)
                if claimed is None:
                    return None
                batch, jobs = claimed
                if not jobs:
                    await self._write(partial(self._end, batch=batch))
                    continue
                self._claims[batch.id] = _Claim(batch, len(jobs))
                self._jobs.extend(jobs)
            return self._jobs.popleft() if self._jobs else None

    def _claim(self, tx: Connection) -> tuple[Batch, list[Delivery]] | None:
        now = self.app.now()
        deliveries.requeue_due(tx, now)
        batch = deliveries.claim(tx, self.app.worker, now, self.app.lease, self.issue_id)
        if batch is None:
            return None
        for number, attempts, unknowns, first in deliveries.left_in_sending(tx, batch):
            change = rules.after_crash(
                attempts=attempts, unknowns=unknowns, first_reply_at=first, rules=self.app.settings.delivery
            )
            log.warning("delivery %d was left half sent: it is %s now", number, change.state)
            deliveries.settle_left(tx, number, _columns(change, now))
        return batch, deliveries.queued(tx, batch)

    def _end(self, tx: Connection, batch: Batch) -> None:
        if not deliveries.close(tx, batch):
            deliveries.release(tx, batch, self.app.now())

    async def _settled(self, job: Delivery) -> None:
        """One delivery less to do in its batch; the last one ends it."""
        claim = self._claims.get(job.batch.id)
        if claim is None:
            return
        claim.left -= 1
        if claim.left <= 0:
            del self._claims[job.batch.id]
            await self._write(partial(self._end, batch=claim.batch))

    def _drop(self, batch: Batch) -> None:
        """Lets go of the rest of a batch: it is not ours any more, or its issue does not run."""
        claim = self._claims.get(batch.id)
        if claim is None or claim.stale:
            return
        claim.stale = True
        kept = [job for job in self._jobs if job.batch.id != batch.id]
        claim.left -= len(self._jobs) - len(kept)
        self._jobs = deque(kept)

    def _stale(self, batch: Batch) -> bool:
        claim = self._claims.get(batch.id)
        return claim is None or claim.stale

    async def _give_back(self) -> None:
        """What was claimed and not done is free for others at once."""
        held = [claim.batch for claim in self._claims.values()]
        self._claims.clear()
        self._jobs.clear()
        for batch in held:
            await self._write(partial(self._end, batch=batch))

    async def _renew(self) -> None:
        """Keeps the leases alive; runs beside the connections."""
        while True:
            await asyncio.sleep(self.app.lease.total_seconds() / 3)
            held = [claim.batch for claim in self._claims.values()]
            if held:
                await self._write(partial(deliveries.renew, held=held, now=self.app.now(), lease=self.app.lease))

    async def _compile(self, job: Delivery) -> message.Compiled:
        if job.variant_id not in self._compiled:
            work = partial(issues.variant, variant_id=job.variant_id)
            variant = await asyncio.to_thread(self.app.store.read, work)
            self._compiled[job.variant_id] = await asyncio.to_thread(message.compile, self.app, variant, job.kind)
        return self._compiled[job.variant_id]

    async def _write(self, work: Work[T]) -> T:
        # Shielded: a transaction that has begun is finished even when its connection is told to stop.
        return await asyncio.shield(asyncio.wrap_future(self.app.store.submit(work)))


def _columns(change: Change, now: datetime) -> dict[str, object]:
    """A change in the words of the ledger."""
    ended = change.state not in (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.SENDING)
    values: dict[str, object] = {
        "state": change.state,
        "reason": change.reason,
        "due_at": change.due_at,
        "attempts": change.attempts,
        "losses": change.losses,
        "unknowns": change.unknowns,
        "first_reply_at": change.first_reply_at,
        "code": change.code,
        "enhanced": change.enhanced,
        "reply": change.reply_text,
        "finished_at": now if ended else None,
    }
    if change.state is DeliveryState.DEFERRED:
        values["batch_id"] = None  # it gets a new batch when it is due
    return values


def _consequence(tx: Connection, job: Delivery, mark: Mark, now: datetime) -> None:
    """A dead address is mailed no more; every other refusal costs the subscriber nothing."""
    if mark.values["reason"] != "hard" or job.subscriber_id is None:
        return
    if subscribers.move(tx, job.subscriber_id, SubscriberStatus.BOUNCED, from_=(SubscriberStatus.ACTIVE,)):
        subscribers.record(
            tx,
            job.subscriber_id,
            EventKind.BOUNCED,
            at=now,
            method=Method.BOUNCE,
            issue_id=job.issue_id,
            reason=str(mark.values["reply"] or "")[:200],
        )
