"""The sender: sends the mails of one process over several connections to relays.

A connection sends each mail in three steps:

1. It announces the envelope to the relay, at the latest when the relay has answered the previous mail.
2. Meanwhile one transaction, shared with the other connections, records the outcome of the previous mail and the intent
   to send this mail (`group_commit`). The transaction is also the last check: it checks that the reader may still be
   mailed. The content is sent only after the transaction is on disk, so that a killed process leaves at most one mail
   per connection with an unknown outcome.
3. It sends the content and the final dot. The relay's answer decides the outcome.

Deliveries come from `queue`. `replies` decides which outcome an answer means, `retry_schedule` decides the delivery's
next state, and `outcome` records that state.
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

from mailer import address, reasons
from mailer.context import App, alert, sample_settings
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
from mailer.reasons import Reason, ReasonCode
from mailer.sending import retry_schedule
from mailer.sending.group_commit import GroupCommit, Result, Written
from mailer.sending.lane_pauses import LaneBreaker
from mailer.sending.message import Mails
from mailer.sending.pace import Pace
from mailer.sending.queue import CHECK_S, Queue
from mailer.sending.relays import PAUSES_S, Circuits
from mailer.smtp.session import Session
from mailer.store import issues
from mailer.store.hot_path import AcceptedMail

log = logging.getLogger(__name__)
_COMPILE_TRIES = 30  # number of times that compiling is retried, once a second, if the database or the machine fails
_RESUME = "Fix it, then run `mailer issue resume`."
_RESTART = "Set them, start `mailer run` again, then run `mailer issue resume`."
DRAIN_S = 7.0  # seconds to wait for relays' answers after SIGTERM; a mail not answered by then is unknown
SHUTDOWN_S = 1.5  # further seconds to wait for the last writes; a claim not given back by then ends with its lease


@dataclass(slots=True)
class _Mail:
    """A delivery that a connection has taken, and the bytes of its mail in pieces."""

    job: Delivery
    content: Sequence[bytes]


@dataclass
class Sender:
    """Sends mails over the connections of one process. `run` returns when no delivery can be claimed now, or after
    `stop` is set."""

    app: App
    circuits: Circuits
    issue_id: int | None = None  # send only this issue, and service mails; None sends every issue
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    accepted: int = 0

    drain_s: float = DRAIN_S
    # Seconds that a worker waits after the first, second, … refused connection in a row.
    pauses_s: Sequence[float] = PAUSES_S

    _connecting: set["asyncio.Future[None]"] = field(default_factory=set)
    _connected: set["asyncio.Task[None] | None"] = field(default_factory=set)  # the workers that have a connection
    # Set while no worker has a connection and no worker is opening one.
    _none_connected: asyncio.Event = field(default_factory=asyncio.Event)
    _unbuildable: int = 0  # number of mails that could not be built for their reader
    _compile_failures: int = 0  # number of consecutive failures caused by the database or the machine

    def __post_init__(self) -> None:
        self._pace = Pace(self.app.store, self.app.settings)
        self._queue = Queue(self.app, self.issue_id)
        self._breaker = LaneBreaker(self.app, self._queue)
        self._mails = Mails(self.app, self._queue)
        self._commit = GroupCommit(self.app)

    async def run(self) -> None:
        """Sends everything that can be sent now. Raises RelayDown if no relay accepts mail; the unsent mails stay
        queued."""
        if self.app.settings.delivery.warm_up:
            self._pace.issue = await asyncio.to_thread(self.app.store.read, _number_of_issue)
        beside = [asyncio.create_task(self._queue.renew()), asyncio.create_task(self._breaker.watch())]
        workers = [asyncio.create_task(self._work()) for _ in range(self.app.settings.delivery.connections)]
        try:
            await self._finish(workers)
        finally:
            unsent = await self._close_in_time(asyncio.create_task(self._close((*beside, *workers))))
        failures = [error for worker in workers if not worker.cancelled() and (error := worker.exception())]
        for failure in failures:
            # It is not an error if a relay accepted fewer connections than configured and the other connections sent
            # everything.
            if not isinstance(failure, RelayDown) or unsent:
                raise failure

    async def _finish(self, workers: Sequence["asyncio.Task[None]"]) -> None:
        """Waits for the workers. Once `stop` is set, waits for at most `drain_s` more seconds."""
        stopping = asyncio.create_task(self.stop.wait())
        everyone = asyncio.gather(*workers, return_exceptions=True)
        try:
            both: list[asyncio.Future[Any]] = [stopping, everyone]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not everyone.done():
                self.app.store.hurry()
                await asyncio.wait((everyone,), timeout=self.drain_s)
        finally:
            stopping.cancel()

    async def _close(self, tasks: Sequence["asyncio.Task[None]"]) -> bool:
        """Ends all tasks, waits until the outcomes are written and gives back the claims. Returns whether claimed
        deliveries are left unsent."""
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._breaker.close()
        await self._mails.close()
        # Outcomes must be written before the batches are given back. Otherwise a batch could contain a mail in the
        # state `sending`, and it would look as if this process had died.
        await self._commit.empty()
        unsent = bool(self._queue.untaken)
        await self._queue.give_back()
        return unsent

    async def _close_in_time(self, closing: "asyncio.Task[bool]") -> bool:
        if self.stop.is_set():
            _, late = await asyncio.wait({closing}, timeout=SHUTDOWN_S)
            if late:
                log.warning("the database did not answer in time: leases run out by themselves, a mail may be unknown")
                closing.cancel()
                await asyncio.gather(closing, return_exceptions=True)
                return True
        return await closing

    # --- one worker and its connection
    async def _work(self) -> None:
        """Sends until nothing is left to do. If no relay accepts this worker's connection while other workers have
        connections, this worker tries again later: a relay's limit may be temporary, and sending an issue takes
        hours."""
        failures = 0
        worker = asyncio.current_task()
        try:
            while True:
                try:
                    return await self._serve()
                except RelayDown:
                    failures = 1 if worker in self._connected else failures + 1
                    self._disconnected(worker)
                    if self.stop.is_set() or not (self._connected or self._connecting):
                        raise
                    self._none_connected.clear()
                    await self._wait_to_reconnect(self.pauses_s[min(failures, len(self.pauses_s)) - 1])
        finally:
            self._disconnected(worker)

    def _disconnected(self, worker: "asyncio.Task[None] | None") -> None:
        self._connected.discard(worker)
        if not self._connected and not self._connecting:
            self._none_connected.set()

    async def _wait_to_reconnect(self, seconds: float) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (self.stop, self._none_connected)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _serve(self) -> None:
        session: Session | None = None
        relay = ""
        try:
            while not self.stop.is_set() and (job := await self._next(connected=session is not None)):
                if session and (session.lost or session.spent or self.circuits.open(relay)):
                    closing, session = session, None
                    self._queue.put_back(job)
                    await self.circuits.disconnect(relay, closing)
                    continue
                if session is None:
                    relay, session = await self._connect(job)
                if await self._may_go(relay, job) and (mail := await self._build(job)):
                    await self._send_in_turn(session, relay, mail)
        finally:
            if session:
                await self.circuits.disconnect(relay, session)

    async def _next(self, *, connected: bool) -> Delivery | None:
        """Returns the next delivery, or None if nothing can be claimed now. Before a `connected` worker gets
        None, this method waits for the workers that are connecting: if one of them gets no connection, its delivery is
        put back, and the `connected` worker can send it."""
        while not self.stop.is_set():
            job = await self._queue.next()
            if job:
                return job
            if self._mails.building:
                await self._mails.some_built()
                continue
            seconds = self._queue.rest_s()
            if seconds is not None:
                await self._rest(seconds)
                continue
            if not connected or not self._connecting:
                return None
            await asyncio.wait(self._connecting, return_when=asyncio.FIRST_COMPLETED)
        return None

    async def _connect(self, job: Delivery) -> tuple[str, Session]:
        """Opens a connection for a delivery. Returns the relay's name and the session. If no relay accepts, puts the
        delivery back for the workers that wait in `_next`, and raises RelayDown."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connecting.add(ended)
        try:
            connection = await self.circuits.connect(self.app.relays)
            self._connected.add(asyncio.current_task())
            self._none_connected.clear()
            return connection
        except BaseException:
            self._queue.put_back(job)
            raise
        finally:
            self._connecting.discard(ended)
            ended.set_result(None)

    async def _may_go(self, relay: str, job: Delivery) -> bool:
        """Returns whether the mail of a delivery may be sent now under the configured rates. If only the lane is full,
        puts the delivery aside, so that mails of other lanes can be sent. If no mail may go over this relay, puts the
        delivery back and waits."""
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
        """Waits for the given number of seconds, but at most for one second, because a service mail may arrive
        meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), min(max(seconds, 0.01), CHECK_S))

    # --- sending
    async def _send_in_turn(self, session: Session, relay: str, first: _Mail) -> None:
        """Sends `first` and then mail after mail, until no mail follows or the connection is lost. The result of the
        last mail is always written, even after a cancellation."""
        mail: _Mail | None = first
        result: Result | None = None
        session.begin(self._envelope(first))
        while mail is not None:
            outcome, follow, written = await self._send_one(session, relay, mail, result)
            if written:
                await self._conclude(result, written)
            result = self._result(mail.job, outcome, relay) if outcome else None
            if follow and (outcome is None or session.lost or self.circuits.open(relay)):
                self._queue.put_back(follow.job)
                follow = None
            mail = follow
        if result:
            await self._conclude(result, await self._commit.write(result, None).written())

    async def _send_one(
        self, session: Session, relay: str, mail: _Mail, last: Result | None
    ) -> tuple[Outcome | None, _Mail | None, Written | None]:
        """Sends a mail whose envelope was announced before, and writes `last`, the result of the previous mail. Returns
        three values: the outcome of the mail, or None if the mail must not be sent; the next mail, if its envelope was
        announced together with the content; and how the writing of `last` ended."""
        writing = self._commit.write(last, mail.job)
        # The next mail is built now, while the disk is busy, so that the relay does not have to wait for it later. But
        # no mail is taken while a service mail waits in the queue: a person waits for the service mail, and this busy
        # connection would delay it.
        follow = None if session.spent or self._queue.service_mail_waits else self._follow(relay)
        written: Written | None = None
        announced = False
        try:
            refused = await session.ready()
            written = await writing.written()
            if not written.may_go:
                await self._not_sent(mail.job, written)
                if refused is None:
                    await session.close()  # the relay waits for content that must not be sent
                return None, None, written
            if refused is not None:
                return refused, None, written
            if follow is None and not session.spent:
                follow = self._follow(relay)
            announced = follow is not None and not self.stop.is_set() and self._queue.holds(follow.job.batch)
            session.content(mail.content, self._envelope(follow) if follow and announced else None)
        except asyncio.CancelledError:
            self.stop.set()
            written = written or await writing.written()
            return NotSent(Reply("DATA", 0, "", "stopped before the content")), None, written
        finally:
            if follow and not announced:
                self._mails.keep(follow.job, follow.content)
                self._queue.put_back(follow.job)
        try:
            return await session.outcome(), follow if announced else None, written
        except asyncio.CancelledError:
            # The relay has not answered within `drain_s` seconds after SIGTERM.
            self.stop.set()
            reply = Reply("dot", 0, "", "stopped while waiting for the answer")
            return Unknown(reply), follow if announced else None, written

    def _follow(self, relay: str) -> _Mail | None:
        """Returns the next mail. Does not wait, because the relay waits meanwhile. Returns None if no delivery is
        claimed, if the mail cannot be built at once, or if a rate applies to the mail, which then needs a permit."""
        if self.stop.is_set():
            return None
        job = self._queue.take()
        self._mails.build_ahead()
        if job is None:
            return None
        if not self._pace.limits(relay, job.lane):
            # If the mail cannot be built, `_build` reports the error when this delivery is taken again.
            with contextlib.suppress(ValueError):
                address.check_for_smtp(job.address)
                if content := self._mails.build(job):
                    return _Mail(job, content)
        self._queue.put_back(job)
        return None

    def _envelope(self, mail: _Mail) -> Envelope:
        return Envelope(self.app.sender[1], self.app.redirect or mail.job.address, sum(map(len, mail.content)))

    # --- building the mail
    async def _build(self, job: Delivery) -> _Mail | None:
        """Returns the mail of a delivery. If the mail cannot be built, returns None, after putting the delivery back,
        rejecting the delivery or pausing its issue."""
        try:
            first = job.kind is DeliveryKind.ISSUE and not self._mails.is_compiled(job)
            if first and (stopping := await asyncio.to_thread(self._sample_settings, job)):
                await self._pause_issue(job, stopping, _RESTART)
                return None
            await self._mails.compile(job)
            self._compile_failures = 0
        except (StoreUnavailable, OSError, MemoryError) as error:
            self._queue.put_back(job)
            self._compile_failures += 1
            if self._compile_failures > _COMPILE_TRIES:
                raise
            log.warning("the mails cannot be built now: %s", error)
            await self._rest(1.0)
            return None
        except Exception as error:
            if job.kind is not DeliveryKind.ISSUE:
                await self._reject(job, error)
                return None
            # Every reader of this variant is affected, so the issue is paused, and no delivery is rejected.
            log.exception("the mails of an issue cannot be built")
            await self._pause_issue(job, Reason(ReasonCode.MAILS_CANNOT_BE_MADE, {"error": str(error)}))
            return None
        try:
            address.check_for_smtp(job.address)
            content = self._mails.build(job)
        except ValueError as error:
            await self._reject(job, error)
            return None
        return _Mail(job, content) if content else None

    async def _reject(self, job: Delivery, error: Exception) -> None:
        """Rejects a delivery whose mail cannot be built. For a mail of an issue, the cause must be the reader's name or
        address, because the variant was compiled without an error. So the issue's other mails can be sent."""
        written = await self._commit.write(None, job).written()
        if not written.may_go:
            await self._not_sent(job, written)
            return
        log.error("delivery %d cannot be built: %s", job.id, type(error).__name__)
        self._unbuildable += 1
        if self._unbuildable == 1:
            alert(self.app, "A mail could not be built for its reader.", "See `mailer issue status --failed`.")
        rejected = Rejected(Rejection.OTHER, Reply("MAIL", 0, "", f"the mail cannot be made: {error}"[:500]))
        result = self._result(job, rejected, "")
        await self._conclude(result, await self._commit.write(result, None).written())

    async def _not_sent(self, job: Delivery, written: Written) -> None:
        """Finishes a delivery that the last check stopped, because its reader may not be mailed or the claim was lost.
        If the claim was lost, drops the whole batch."""
        if not written.claim_held:
            self._queue.drop(job.batch)
        await self._queue.finished(job)

    def _sample_settings(self, job: Delivery) -> Reason | None:
        """Returns the reason why the delivery's issue must not go out: settings that still have sample values. Returns
        None if there are no such settings.

        The settings are checked here too, because the process that froze the issue may have had other settings.
        """
        issue = self.app.store.read(partial(issues.get, issue_id=job.issue_id or 0))
        if issue is None:
            return None
        stopping = self.app.store.read(partial(sample_settings, self.app, day=issue.day))
        names = ", ".join(each.setting for each in stopping)
        return Reason(ReasonCode.SAMPLE_SETTINGS, {"settings": names}) if stopping else None

    async def _pause_issue(self, job: Delivery, reason: Reason, fix: str = _RESUME) -> None:
        pause = partial(issues.step, issue_id=job.issue_id or 0, event=IssueEvent.PAUSE, reason=reason)
        if await asyncio.shield(asyncio.wrap_future(self.app.store.submit(pause))):
            alert(self.app, f"An issue was paused: {reasons.english(reason)}.", fix)
        self._queue.drop(job.batch)
        await self._queue.finished(job)

    # --- after the outcome
    def _result(self, job: Delivery, outcome: Outcome, relay: str) -> Result:
        """Returns the change that the ledger will record. Counts the outcome for the lane and for the relay."""
        if not self.app.redirect:
            self._breaker.heard(job, outcome)
        elif isinstance(outcome, Rejected):
            # The staging deployment's own mailbox refused the mail. This refusal must not penalise the reader, and says
            # nothing about the reader's provider.
            outcome = Rejected(Rejection.OTHER, outcome.reply)
        if relay:
            self.circuits.heard(relay, outcome)
        if isinstance(outcome, Accepted):
            self.accepted += 1
            return AcceptedMail(job, outcome.reply, relay)
        if isinstance(outcome, NotSent) and outcome.relay_fault:
            error = self.circuits.open_for_sender(relay, outcome.reply)
            if error:
                alert(self.app, error.message, error.fix)
        jitter = random.random() * 0.1  # noqa: S311 - spreads retries; nothing is secret
        rules = self.app.settings.delivery
        return retry_schedule.after(job, outcome, self.app.now(), rules, relay=relay, jitter=jitter)

    async def _conclude(self, result: Result | None, written: Written) -> None:
        """Finishes a delivery after its result was written, or puts it back if its new state is queued. Drops the batch
        if the claim on it was lost."""
        if result is None:
            return
        job = result.delivery
        if written.state is None:
            log.warning("delivery %d: its claim was lost before the outcome was written", job.id)
            self._queue.drop(job.batch)
        elif written.state is DeliveryState.QUEUED and self._queue.holds(job.batch):
            self._queue.put_back(job)
            return
        await self._queue.finished(job)


def _number_of_issue(tx: Connection) -> int | None:
    """Returns the number of the issue being sent, or None if no issue is being sent. This is not always the newest
    issue, which may already be next week's draft."""
    sending = issues.recent(tx, states=(IssueState.SENDING,), limit=1)
    return sending[0].number if sending else None
