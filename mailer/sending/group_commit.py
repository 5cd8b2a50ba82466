"""Group commit: writes the waiting requests of all connections in one transaction.

Many mails thus share one write to disk. A group is written a few turns of the event loop after its first request, so
that other connections can add requests. While one transaction runs, the next group gathers. `store.hot_path` and
`outcome` define what is written and under which conditions.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from mailer.context import App
from mailer.errors import StoreUnavailable
from mailer.model import Delivery, DeliveryChange, DeliveryState
from mailer.sending import outcome
from mailer.store import deliveries, hot_path
from mailer.store.hot_path import AcceptedMail

log = logging.getLogger(__name__)
# The number of turns of the event loop for which a group waits for more entries. A relay's answer takes two turns to
# become an entry.
LOOP_TURNS = 4
_RETRY_S = 0.5  # seconds between two attempts to write while the database is unavailable

Result = AcceptedMail | DeliveryChange


class Written(NamedTuple):
    """The result of writing an entry."""

    # New state of the result's delivery; None if the claim was lost or the entry has no result.
    state: DeliveryState | None
    may_go: bool  # whether the intended mail may be sent
    claim_held: bool  # whether this process still holds the batch of the intended mail


class Entry:
    """A request of one connection to write a result, an intent or both."""

    __slots__ = ("_outcome", "_waiter", "intent", "result")

    def __init__(self, result: Result | None, intent: Delivery | None) -> None:
        self.result, self.intent = result, intent
        self._outcome: Written | Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def written(self) -> Written:
        """Waits until the entry is on disk and returns a `Written`. If the caller is cancelled while waiting, the entry
        is written anyway, and the caller may call this method again. Raises StoreUnavailable if the database was
        unavailable for longer than a lease lasts."""
        if self._outcome is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if isinstance(self._outcome, Written):
            return self._outcome
        raise self._outcome or RuntimeError("the waiter was woken without an outcome")

    def end(self, outcome: Written | Exception) -> None:
        self._outcome = outcome
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


class GroupCommit:
    """Writes to the ledger for all connections of one process."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._waiting: deque[Entry] = deque()
        self._gathering = False  # whether a group is scheduled that has not taken its entries yet
        self._running = 0  # number of groups that are being written or retried
        self._recovering: set[asyncio.Task[None]] = set()

    def write(self, result: Result | None, intent: Delivery | None) -> Entry:
        """Queues the result of a connection's last mail and the intent to send its next mail, and returns the entry to
        wait for. One transaction writes both, so a killed process leaves at most one mail per connection with an
        unknown outcome."""
        entry = Entry(result, intent)
        self._waiting.append(entry)
        if not self._gathering:
            self._gathering = True
            asyncio.get_running_loop().call_soon(self._begin, LOOP_TURNS)
        return entry

    async def empty(self) -> None:
        """Waits until all entries are written."""
        while self._gathering or self._running:  # noqa: ASYNC110 - polls only at the end of a run
            await asyncio.sleep(0.01)

    def _begin(self, turns: int) -> None:
        """Waits for `turns` turns of the event loop and then writes a group: on this thread if the store can write at
        once, and otherwise on the writer's thread. On the writer's thread, a group takes its entries only when its
        transaction begins, so that it includes the entries that arrive while another group is being written."""
        loop = asyncio.get_running_loop()
        if turns:
            loop.call_soon(self._begin, turns - 1)
            return
        group: list[Entry] = []
        short = partial(self._write_in_one_statement, group)
        written = self._app.store.at_once(short)
        if written is not None:
            _end(group, written)
            return

        def ended(writing: "Future[list[Written]]") -> None:  # called on the writer's thread
            loop.call_soon_threadsafe(self._ended, group, writing)

        try:
            writing = self._app.store.submit(partial(self._write, group), short=short)
        except RuntimeError as error:  # the store is closed
            self._gather(group)
            _end(group, [error] * len(group))
            return
        self._running += 1
        writing.add_done_callback(ended)

    def _ended(self, group: list[Entry], writing: "Future[list[Written]]") -> None:
        error = asyncio.CancelledError() if writing.cancelled() else writing.exception()
        if error is None:
            self._running -= 1
            _end(group, writing.result())
            return
        if not group:  # the write failed before the group took its entries
            self._gather(group)
        recovering = asyncio.create_task(self._recover(group, error))
        self._recovering.add(recovering)
        recovering.add_done_callback(self._recovered)

    def _recovered(self, recovering: "asyncio.Task[None]") -> None:
        self._recovering.discard(recovering)
        self._running -= 1

    # --- after a failure
    async def _recover(self, group: Sequence[Entry], error: BaseException) -> None:
        """Writes a failed group again. If the database was unavailable, the group is written as a whole; otherwise each
        entry is written in a separate transaction, so that one faulty entry does not keep the other entries from being
        written."""
        unavailable = error if isinstance(error, StoreUnavailable) else None
        for part in [group] if unavailable else [[entry] for entry in group]:
            try:
                results = await self._write_patiently(part, unavailable)
            except Exception as failure:
                if len(part) > 1 and not isinstance(failure, StoreUnavailable):
                    await self._recover(part, failure)
                    continue
                _end(part, [failure] * len(part))
            else:
                _end(part, results)

    async def _write_patiently(self, group: Sequence[Entry], error: StoreUnavailable | None) -> list[Written]:
        """Writes a group and returns the results. While the database is unavailable, for example locked by a backup,
        retries for as long as a lease lasts, because a mail whose outcome is lost may be sent twice."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._app.lease.total_seconds()
        while True:
            if error:
                if loop.time() > deadline:
                    raise error
                log.warning("outcomes wait to be written: %s", error)
                await asyncio.sleep(_RETRY_S)
            try:
                return await asyncio.wrap_future(self._app.store.submit(partial(self._write, group)))
            except StoreUnavailable as failure:
                error = failure

    # --- writing, mostly on the writer's thread, and perhaps twice for the same group
    def _gather(self, group: list[Entry]) -> None:
        self._gathering = False  # reset first: an entry that arrives during the loop must begin the next group
        try:
            # The length is not checked first, because the event loop and the writer's thread may take entries at the
            # same time.
            while True:
                group.append(self._waiting.popleft())
        except IndexError:
            return

    def _write_in_one_statement(self, group: list[Entry], connection: Connection) -> list[Written] | None:
        """Takes the waiting entries and writes them in one statement. Returns None if some of the entries were not
        written; `_write` must then run for the whole group, including the entries that were written."""
        self._gather(group)
        if any(isinstance(entry.result, DeliveryChange) for entry in group):
            return None
        if not hot_path.write_all(connection, *_accepted_and_intended(group), self._app.now()):
            return None
        return [
            Written(DeliveryState.ACCEPTED if entry.result else None, entry.intent is not None, True) for entry in group
        ]

    def _write(self, group: Sequence[Entry], tx: Connection) -> list[Written]:
        now = self._app.now()
        states: dict[int, DeliveryState | None] = {}
        accepted, may_go = hot_path.write(tx, *_accepted_and_intended(group), now)
        for entry in group:
            if isinstance(entry.result, DeliveryChange):
                states[entry.result.delivery.id] = outcome.record(tx, entry.result, now)
            elif entry.result and entry.result.delivery.id in accepted:
                states[entry.result.delivery.id] = DeliveryState.ACCEPTED
        results = []
        for entry in group:
            state = states.get(entry.result.delivery.id) if entry.result else None
            if entry.intent is None or entry.intent.id in may_go:
                results.append(Written(state, entry.intent is not None, True))
            else:
                results.append(Written(state, *self._try_alone(tx, entry.intent)))
        return results

    def _try_alone(self, tx: Connection, job: Delivery) -> tuple[bool, bool]:
        """Tries again, in a separate statement, to record an intent that the group's statement did not record. Skips
        the delivery if its reader may not be mailed. Returns two flags: whether the mail may be sent, and whether this
        process still holds the claim."""
        now = self._app.now()
        # If the machine slept or its clock jumped, the lease may have expired although no other process has claimed the
        # batch. The batch's fence is then unchanged, so `renew` can renew the lease. If the batch were given back
        # instead, its mails on other connections would look as if a dead process had left them.
        deliveries.renew(tx, [job.batch], now, self._app.lease)
        if hot_path.write_all(tx, (), [job], now):
            return True, True
        reason = deliveries.hindrance(tx, job, now)
        if reason is not None:
            deliveries.skip(tx, job, reason, now)
        return False, reason is not None


def _end(group: Sequence[Entry], outcomes: Sequence[Written | Exception]) -> None:
    for entry, each in zip(group, outcomes, strict=True):
        entry.end(each)


def _accepted_and_intended(group: Sequence[Entry]) -> tuple[list[AcceptedMail], list[Delivery]]:
    accepted = [entry.result for entry in group if isinstance(entry.result, AcceptedMail)]
    return accepted, [entry.intent for entry in group if entry.intent is not None]
