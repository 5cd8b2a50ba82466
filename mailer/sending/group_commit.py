"""Group commit: what all connections have to write at one moment goes into one transaction. Decides nothing.

The disk is asked once for many mails: who has something to write waits a moment for others, and while a transaction
runs, the next group gathers. What is written, and under which rules, is in `store.marks` and `outcome`.
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
from mailer.model import Delivery, DeliveryState
from mailer.sending import outcome
from mailer.store import deliveries, hot_path
from mailer.store.deliveries import Mark
from mailer.store.hot_path import Taken

log = logging.getLogger(__name__)
TURNS = 4  # of the loop, for others to come; from a relay's answer to here it takes two
_AGAIN_S = 0.5  # between two attempts while the database fails us

Done = Mark | Taken  # what became of a mail


class Written(NamedTuple):
    """What became of an entry. `state`: of the delivery whose outcome was written; None: its claim was lost (or there
    was none). `go`: the intended mail may be sent. `ours`: its batch is."""

    state: DeliveryState | None
    go: bool
    ours: bool


class Entry:
    """What one connection wants to be written, and what became of it."""

    __slots__ = ("_told", "_waiter", "done", "intent")

    def __init__(self, done: Done | None, intent: Delivery | None) -> None:
        self.done, self.intent = done, intent
        self._told: Written | Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def written(self) -> Written:
        """What became of it, when it is on disk. Who is cancelled while waiting may ask again: it is written all the
        same. StoreUnavailable: the database failed us for as long as a claim holds."""
        if self._told is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if isinstance(self._told, Written):
            return self._told
        raise self._told or RuntimeError("nobody told")

    def tell(self, told: Written | Exception) -> None:
        self._told = told
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


class GroupCommit:
    """The ledger as the connections of one process see it."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._waiting: deque[Entry] = deque()
        self._asked = False  # a group was begun and has not gathered yet
        self._under_way = 0  # groups with the writer's thread that are not settled
        self._again: set[asyncio.Task[None]] = set()

    def write(self, done: Done | None, intent: Delivery | None) -> Entry:
        """The outcome of a connection's last mail and the intent of its next one, in one transaction: so a kill leaves
        at most one mail of a connection whose fate is not known."""
        entry = Entry(done, intent)
        self._waiting.append(entry)
        if not self._asked:
            self._asked = True
            asyncio.get_running_loop().call_soon(self._ask, TURNS)
        return entry

    async def empty(self) -> None:
        """Until nothing is left to be written."""
        while self._asked or self._under_way:  # noqa: ASYNC110 - at the end of a run, once
            await asyncio.sleep(0.01)

    def _ask(self, turns: int) -> None:
        """Writes a group: here and now if that can be, and else in the writer's thread. There it gathers when it
        begins, so that those who come while another is written go with it."""
        loop = asyncio.get_running_loop()
        if turns:
            loop.call_soon(self._ask, turns - 1)
            return
        group: list[Entry] = []
        short, work = partial(self._shortly, group), partial(self._work, group)
        written = self._app.store.at_once(short)
        if written is not None:
            _tell(group, written)
            return

        def ended(writing: "Future[list[Written]]") -> None:  # in the writer's thread
            loop.call_soon_threadsafe(self._settle, group, writing)

        try:
            writing = self._app.store.submit(work, short=short)
        except RuntimeError as error:  # it is closed
            self._gather(group)
            _tell(group, [error] * len(group))
            return
        self._under_way += 1
        writing.add_done_callback(ended)

    def _settle(self, group: list[Entry], writing: "Future[list[Written]]") -> None:
        error = asyncio.CancelledError() if writing.cancelled() else writing.exception()
        if error is None:
            self._under_way -= 1
            _tell(group, writing.result())
            return
        if not group:  # it did not even begin
            self._gather(group)
        again = asyncio.create_task(self._recover(group, error))
        self._again.add(again)
        again.add_done_callback(self._recovered)

    def _recovered(self, again: "asyncio.Task[None]") -> None:
        self._again.discard(again)
        self._under_way -= 1

    # --- when the database fails us
    async def _recover(self, group: Sequence[Entry], error: BaseException) -> None:
        """After a group failed: again while the database is away, and else each by itself. What is wrong with one row
        must not cost the others theirs."""
        away = error if isinstance(error, StoreUnavailable) else None
        for part in [group] if away else [[entry] for entry in group]:
            try:
                results = await self._surely(part, away)
            except Exception as failure:
                if len(part) > 1 and not isinstance(failure, StoreUnavailable):
                    await self._recover(part, failure)
                    continue
                _tell(part, [failure] * len(part))
            else:
                _tell(part, results)

    async def _surely(self, group: Sequence[Entry], error: StoreUnavailable | None) -> list[Written]:
        """Tries for as long as a claim holds: an outcome that is lost because a backup locks the database for a while
        is a mail sent twice."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._app.lease.total_seconds()
        while True:
            if error:
                if loop.time() > until:
                    raise error
                log.warning("outcomes wait to be written: %s", error)
                await asyncio.sleep(_AGAIN_S)
            try:
                return await asyncio.wrap_future(self._app.store.submit(partial(self._work, group)))
            except StoreUnavailable as failure:
                error = failure

    # --- writing, mostly in the writer's thread
    def _gather(self, group: list[Entry]) -> None:
        self._asked = False  # first, so that whoever comes while we look asks for the next one
        try:
            while True:  # not by its length: loop and thread may gather at once
                group.append(self._waiting.popleft())
        except IndexError:
            return

    def _shortly(self, group: list[Entry], alone: Connection) -> list[Written] | None:
        """Gathers what waits by now, and writes it as one statement. None: that is not all there is to say of it; some
        of it may be written by then, and is told by `_work` as what it is. Perhaps a second time for the same group."""
        self._gather(group)
        if any(isinstance(entry.done, Mark) for entry in group):
            return None
        if not hot_path.write_all(alone, *_taken_and_intended(group), self._app.now()):
            return None
        return [
            Written(DeliveryState.ACCEPTED if entry.done else None, entry.intent is not None, True) for entry in group
        ]

    def _work(self, group: Sequence[Entry], tx: Connection) -> list[Written]:
        """Perhaps a second time for the same group."""
        now = self._app.now()
        states: dict[int, DeliveryState | None] = {}
        still_ours, going = hot_path.write(tx, *_taken_and_intended(group), now)
        for entry in group:
            if isinstance(entry.done, Mark):
                states[entry.done.delivery.id] = outcome.write(tx, entry.done, now)
            elif entry.done and entry.done.delivery.id in still_ours:
                states[entry.done.delivery.id] = DeliveryState.ACCEPTED
        results = []
        for entry in group:
            state = states.get(entry.done.delivery.id) if entry.done else None
            if entry.intent is None or entry.intent.id in going:
                results.append(Written(state, entry.intent is not None, True))
            else:
                go, ours = self._hindered(tx, entry.intent)
                results.append(Written(state, go, ours))
        return results

    def _hindered(self, tx: Connection, job: Delivery) -> tuple[bool, bool]:
        """A mail that the statement for many passed over, looked at by itself: (it may go, its batch is ours)."""
        now = self._app.now()
        # After a machine slept, or its clock jumped, the lease is over although nobody took the batch: the fence
        # tells. Giving it back would make the mails on our other lines look like those of a dead process.
        deliveries.renew(tx, [job.batch], now, self._app.lease)
        if hot_path.write_all(tx, (), [job], now):
            return True, True
        why = deliveries.hindrance(tx, job, now)
        if why is None:
            return False, False
        values = {"state": DeliveryState.SKIPPED, "reason": why, "finished_at": now}
        deliveries.mark(tx, Mark(job, values), from_=DeliveryState.QUEUED)
        return False, True


def _tell(group: Sequence[Entry], told: Sequence[Written | Exception]) -> None:
    for entry, each in zip(group, told, strict=True):
        entry.tell(each)


def _taken_and_intended(group: Sequence[Entry]) -> tuple[list[Taken], list[Delivery]]:
    taken = [entry.done for entry in group if isinstance(entry.done, Taken)]
    return taken, [entry.intent for entry in group if entry.intent is not None]
