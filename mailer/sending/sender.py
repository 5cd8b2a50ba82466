"""The way out for every mail: the connections of one process.

How one mail goes (promise 2), on each connection:
1. Its envelope is announced to the relay, at the latest when the mail before it is answered.
2. Meanwhile one transaction, shared with the other connections, holds the outcome of the mail before and the intent of
   this one, with the last look (`commit`). The content leaves only when it is on disk: so a kill leaves at most one
   mail of a connection whose fate is not known.
3. The content and the final dot go out, and the relay's answer is the outcome.

What is to be sent comes from `queue`; what an answer means is decided in `delivery` and written by `outcome`.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection

from mailer import address
from mailer.context import App, alert, step
from mailer.errors import RelayDown, StoreUnavailable
from mailer.lifecycle import IssueEvent
from mailer.model import (
    Accepted,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Envelope,
    IssueState,
    NotSent,
    Outcome,
    Rejected,
    Rejection,
    Reply,
    Unknown,
)
from mailer.sending import outcome, retry_schedule
from mailer.sending.group_commit import Done, GroupCommit, Written
from mailer.sending.lane_pauses import LaneBreaker
from mailer.sending.message import Mails
from mailer.sending.pace import Pace
from mailer.sending.queue import CHECK_S, Queue
from mailer.sending.relays import PAUSES_S, Circuits
from mailer.smtp.session import Session
from mailer.store import issues
from mailer.store.hot_path import Taken

log = logging.getLogger(__name__)
_TRIES = 30  # a second apart, in which the database or the machine may come to itself
DRAIN_S = 7.0  # of the ten seconds that SIGTERM leaves: an unanswered mail is unknown after that
TIDY_S = 1.5  # and then for what is to be written; a claim that is not given back runs out by itself


@dataclass(slots=True)
class _Mail:
    """A mail on a connection: the delivery and its bytes, in pieces."""

    job: Delivery
    content: Sequence[bytes]


@dataclass
class Sender:
    """One process's share of the sending. `run` returns when nothing can be claimed now, or when told to stop."""

    app: App
    circuits: Circuits
    issue_id: int | None = None  # only this issue (and mails of none)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    accepted: int = 0

    drain_s: float = DRAIN_S
    pauses_s: Sequence[float] = PAUSES_S  # before a connection that the relay did not take is tried again

    _connecting: set["asyncio.Future[None]"] = field(default_factory=set)
    _serving: set["asyncio.Task[None] | None"] = field(default_factory=set)  # workers that got a line when they tried
    _alone: asyncio.Event = field(default_factory=asyncio.Event)  # none of them is left
    _unmade: int = 0
    _failed: int = 0  # times in a row that nothing could be compiled, through no fault of the mails

    def __post_init__(self) -> None:
        self._pace = Pace(self.app.store, self.app.settings)
        self._queue = Queue(self.app, self.issue_id)
        self._breaker = LaneBreaker(self.app, self._queue)
        self._mails = Mails(self.app, self._queue)
        self._commit = GroupCommit(self.app)

    async def run(self) -> None:
        """Sends all that can be sent now. RelayDown: no relay takes mail; what is unsent stays queued."""
        if self.app.settings.delivery.warm_up:
            self._pace.issue = await asyncio.to_thread(self.app.store.read, _number)
        beside = [asyncio.create_task(self._queue.renew()), asyncio.create_task(self._breaker.watch())]
        count = self.app.settings.delivery.connections
        workers = [asyncio.create_task(self._work()) for _ in range(count)]
        try:
            await self._finish(workers)
        finally:
            unsent = await self._tidied(asyncio.create_task(self._tidy((*beside, *workers))))
        failures = [error for worker in workers if not worker.cancelled() and (error := worker.exception())]
        for failure in failures:
            # A relay that takes fewer connections than we would like is no trouble while the others do the work.
            if not isinstance(failure, RelayDown) or unsent:
                raise failure

    async def _tidy(self, tasks: Sequence["asyncio.Task[None]"]) -> bool:
        """Ends everything; whether something is left unsent."""
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._breaker.close()
        await self._mails.close()
        # A batch that is given back while an outcome of it is still to be written looks like a dead process's.
        await self._commit.empty()
        unsent = bool(self._queue.unsent)
        await self._queue.give_back()
        return unsent

    async def _tidied(self, tidying: "asyncio.Task[bool]") -> bool:
        if self.stop.is_set():
            _, late = await asyncio.wait({tidying}, timeout=TIDY_S)
            if late:
                log.warning("the database did not answer in time: claims run out by themselves, a mail may be unknown")
                tidying.cancel()
                await asyncio.gather(tidying, return_exceptions=True)
                return True
        return await tidying

    async def _finish(self, workers: Sequence["asyncio.Task[None]"]) -> None:
        """Waits for the connections; after `stop`, only so long as SIGTERM allows."""
        stopping = asyncio.create_task(self.stop.wait())
        everyone = asyncio.gather(*workers, return_exceptions=True)
        try:
            either: tuple[asyncio.Future[Any], ...] = (stopping, everyone)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not everyone.done():
                self.app.store.hurry()
                await asyncio.wait((everyone,), timeout=self.drain_s)
        finally:
            stopping.cancel()

    # --- one connection
    async def _work(self) -> None:
        """Serves until there is nothing to do. A relay that takes fewer lines than we would like is tried again after a
        while, for as long as others have one: it may be only just now, and an issue takes hours."""
        failures = 0
        me = asyncio.current_task()
        try:
            while True:
                try:
                    return await self._serve()
                except RelayDown:
                    failures = 1 if me in self._serving else failures + 1
                    self._gone(me)
                    if self.stop.is_set() or not (self._serving or self._connecting):
                        raise
                    self._alone.clear()
                    await self._until_alone(self.pauses_s[min(failures, len(self.pauses_s)) - 1])
        finally:
            self._gone(me)

    def _gone(self, worker: "asyncio.Task[None] | None") -> None:
        self._serving.discard(worker)
        if not self._serving and not self._connecting:
            self._alone.set()

    async def _until_alone(self, seconds: float) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (self.stop, self._alone)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _serve(self) -> None:
        session: Session | None = None
        relay = ""
        try:
            while not self.stop.is_set() and (job := await self._next(ready=session is not None)):
                if session and (session.lost or session.spent or self.circuits.open(relay)):
                    # Broken, used enough, or the relay refuses our sender: this line is of no use.
                    parting, session = session, None
                    self._queue.put_back(job)
                    await self.circuits.part(relay, parting)
                    continue
                if session is None:
                    relay, session = await self._connect(job)
                if not await self._may_go(relay, job):
                    continue
                mail = await self._make(job)
                if mail:
                    await self._stream(session, relay, mail)
        finally:
            if session:
                await self.circuits.part(relay, session)

    async def _next(self, *, ready: bool) -> Delivery | None:
        """The next mail; None: nothing can be claimed now. `ready`: the caller has a line, and stays for the mails of
        those who may not get one."""
        while not self.stop.is_set():
            job = await self._queue.next()
            if job:
                return job
            if self._mails.making:
                await self._mails.made()
                continue
            seconds = self._queue.rest_s()
            if seconds is not None:
                await self._rest(seconds)
                continue
            if not ready or not self._connecting:
                return None
            await asyncio.wait(self._connecting, return_when=asyncio.FIRST_COMPLETED)
        return None

    async def _connect(self, job: Delivery) -> tuple[str, Session]:
        """A line for a mail. RelayDown: there is none, and the mail is the others' to send; those that have a line wait
        for how this ends (`_next`)."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connecting.add(ended)
        try:
            found = await self.circuits.connect(self.app.relays)
            self._serving.add(asyncio.current_task())
            self._alone.clear()
            return found
        except BaseException:
            self._queue.put_back(job)
            raise
        finally:
            self._connecting.discard(ended)
            ended.set_result(None)

    async def _may_go(self, relay: str, job: Delivery) -> bool:
        """Whether a mail may go at the set pace. False: it makes room for mails of other lanes; or nothing may go over
        this relay just now, and that was waited for."""
        seconds = await self._pace.ask(relay, job.lane)
        if not seconds:
            return True
        if self._pace.lane_is_full(relay, job.lane):
            self._queue.put_aside(job, seconds)
        else:
            self._queue.put_back(job)
            await self._rest(seconds)
        return False

    async def _rest(self, seconds: float) -> None:
        """For so long, but at most a second: by then there may be a mail that goes before others."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), min(max(seconds, 0.01), CHECK_S))

    async def _stream(self, session: Session, relay: str, first: _Mail) -> None:
        """Mails one after the other, for as long as there is one at hand and the line is good. Whatever happens, the
        outcome of the last one is written: even when we are stopped."""
        mail: _Mail | None = first
        mark: Done | None = None
        session.begin(self._envelope(first))
        while mail is not None:
            result, follow, written = await self._one(session, relay, mail, mark)
            if written:
                await self._told(mark, written)
            mark = self._mark(mail.job, result, relay) if result else None
            if follow and (result is None or session.lost or self.circuits.open(relay)):
                self._queue.put_back(follow.job)
                follow = None
            mail = follow
        if mark:
            await self._told(mark, await self._commit.write(mark, None).written())

    async def _one(
        self, session: Session, relay: str, mail: _Mail, last: Done | None
    ) -> tuple[Outcome | None, _Mail | None, Written | None]:
        """The mail that was begun: what became of it (None: it was not to be sent), the one begun behind it, and what
        became of the outcome of the `last` one."""
        writing = self._commit.write(last, mail.job)
        # Made while the disk is busy, so that the relay waits for nothing but its content. Not a letter: somebody waits
        # for it, and it is still open whether this line gets on.
        follow = None if session.spent or self._queue.service_mail_waits else self._follow(relay)
        written: Written | None = None
        begun = False
        try:
            refused = await session.ready()
            written = await writing.written()
            if not written.go:
                await self._passed_over(mail.job, written)
                if refused is None:
                    await session.close()  # the relay waits for a content that must not come
                return None, None, written
            if refused is not None:
                return refused, None, written
            if follow is None and not session.spent:
                follow = self._follow(relay)
            begun = follow is not None and not self.stop.is_set() and self._queue.holds(follow.job.batch)
            session.content(mail.content, self._envelope(follow) if follow and begun else None)
        except asyncio.CancelledError:
            self.stop.set()
            written = written or await writing.written()
            return NotSent(Reply("DATA", 0, "", "stopped before the content")), None, written
        finally:
            if follow and not begun:
                self._mails.keep(follow.job, follow.content)
                self._queue.put_back(follow.job)
        try:
            return await session.outcome(), follow if begun else None, written
        except asyncio.CancelledError:
            # The time that SIGTERM leaves is over and the relay has not answered, so nobody knows.
            self.stop.set()
            reply = Reply("dot", 0, "", "stopped while waiting for the answer")
            return Unknown(reply), follow if begun else None, written

    def _follow(self, relay: str) -> _Mail | None:
        """The next mail, if it is at hand and can be made at once: nobody waits while a relay waits for us. Where a
        pace is set, each mail has to ask first."""
        if self.stop.is_set():
            return None
        job = self._queue.take()
        self._mails.work_ahead()
        if job is None:
            return None
        if self._pace.limits(relay, job.lane):
            self._queue.put_back(job)
            return None
        try:
            address.check_for_smtp(job.address)
            content = self._mails.make(job)
            if content:
                return _Mail(job, content)
        except ValueError:
            pass  # `_make` says so, in its turn
        self._queue.put_back(job)
        return None

    def _envelope(self, mail: _Mail) -> Envelope:
        return Envelope(self.app.sender[1], self.app.redirect or mail.job.address, sum(map(len, mail.content)))

    # --- making it
    async def _make(self, job: Delivery) -> _Mail | None:
        """The mail of a delivery. None: it cannot be made, or its variant cannot, and the ledger knows."""
        try:
            await self._mails.compile(job)
            self._failed = 0
        except (StoreUnavailable, OSError, MemoryError) as error:
            self._queue.put_back(job)
            self._failed += 1
            if self._failed > _TRIES:
                raise
            log.warning("the mails cannot be made just now: %s", error)
            await self._rest(1.0)
            return None
        except Exception as error:
            if job.kind is not DeliveryKind.ISSUE:
                await self._refuse(job, error)
                return None
            # That would hit every reader alike, so none of them has to pay for it.
            log.exception("the mails of an issue cannot be made")
            await self._pause(job, f"its mails cannot be made: {error}")
            return None
        try:
            address.check_for_smtp(job.address)
            content = self._mails.make(job)
        except ValueError as error:
            await self._refuse(job, error)
            return None
        return _Mail(job, content) if content else None

    async def _refuse(self, job: Delivery, error: Exception) -> None:
        """A mail that cannot be made for its reader ends as rejected; nobody else waits for it."""
        written = await self._commit.write(None, job).written()
        if not written.go:
            await self._passed_over(job, written)
            return
        mark = self._mark(job, self._unmakable(job, error), "")
        await self._told(mark, await self._commit.write(mark, None).written())

    async def _passed_over(self, job: Delivery, written: Written) -> None:
        """A mail that must not be sent: its reader left, or its batch is not ours any more."""
        if not written.ours:
            self._queue.drop(job.batch)
        await self._queue.finished(job)

    def _unmakable(self, job: Delivery, error: Exception) -> Rejected:
        """The variant itself is sound, so it is this one reader's name or address: nobody else waits."""
        log.error("delivery %d cannot be made: %s", job.id, type(error).__name__)
        self._unmade += 1
        if self._unmade == 1:
            alert(self.app, "A mail could not be made for its reader.", "See `mailer issue status --failed`.")
        return Rejected(Rejection.OTHER, Reply("MAIL", 0, "", f"the mail cannot be made: {error}"[:500]))

    async def _pause(self, job: Delivery, why: str) -> None:
        issue_id = job.issue_id or 0
        work = partial(step, issue_id=issue_id, event=IssueEvent.PAUSE, reason=why)
        if await asyncio.shield(asyncio.wrap_future(self.app.store.submit(work))):
            alert(self.app, f"An issue was paused: {why}", "Mend it, then run `mailer issue resume`.")
        self._queue.drop(job.batch)
        await self._queue.finished(job)

    # --- what became of it
    def _mark(self, job: Delivery, result: Outcome, relay: str) -> Done:
        if not self.app.redirect:
            self._breaker.heard(job, result)
        elif isinstance(result, Rejected):
            # The staging mailbox said it: it must cost no reader anything, and tells nothing of a provider.
            result = Rejected(Rejection.OTHER, result.reply)
        if relay:
            self.circuits.heard(relay, result)
        if isinstance(result, Accepted):
            self.accepted += 1
            return Taken(job, result.reply, relay)
        now = self.app.now()
        change = retry_schedule.after(
            attempts=job.attempts,
            losses=job.losses,
            unknowns=job.unknowns,
            first_reply_at=job.first_reply_at,
            outcome=result,
            now=now,
            rules=self.app.settings.delivery,
            jitter=random.random() * 0.1,  # noqa: S311 - spreads retries, hides nothing
        )
        if isinstance(result, NotSent) and result.relay_fault and (error := self.circuits.fault(relay, result.reply)):
            alert(self.app, error.message, error.fix)
        return outcome.mark(job, change, relay, now)

    async def _told(self, mark: Done | None, written: Written) -> None:
        """After an outcome was written: a mail that is queued again is tried again, and a batch may be at its end."""
        if mark is None:
            return
        job = mark.delivery
        if written.state is None:
            log.warning("delivery %d: its claim was lost before the outcome was written", job.id)
            self._queue.drop(job.batch)
        elif written.state is DeliveryState.QUEUED and self._queue.holds(job.batch):
            self._queue.put_back(job)
            return
        await self._queue.finished(job)


def _number(tx: Connection) -> int | None:
    """Which issue of the newsroom is under way; not the newest one, that is the next week's draft soon. None: none."""
    sending = issues.listing(tx, states=(IssueState.SENDING,), limit=1)
    return sending[0].number if sending else None
