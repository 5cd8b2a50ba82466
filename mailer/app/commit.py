"""Group commit: what all connections have to write at one moment goes into one transaction. Decides nothing.

The disk is asked once for many mails: a connection that wants to write waits half a millisecond for others, and while a
transaction runs, the next group gathers. What is written, and under which rules, is in `store.marks` and `outcome`.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from mailer.app import outcome
from mailer.app.context import App
from mailer.errors import StoreUnavailable
from mailer.model import Delivery, DeliveryState
from mailer.store import deliveries, marks
from mailer.store.deliveries import Mark

log = logging.getLogger(__name__)
LINGER_S = {"sqlite": 0.0005, "postgresql": 0.001}  # more starves ten connections, none costs a third more CPU
_AGAIN_S = 0.5  # between two attempts while the database fails us


@dataclass(frozen=True, slots=True)
class Written:
    """What became of an entry. `state`: of the delivery whose outcome was written; None: its claim was lost (or there
    was none). `go`: the intended mail may be sent. `ours`: its batch is."""

    state: DeliveryState | None
    go: bool
    ours: bool


@dataclass(slots=True)
class _Entry:
    done: Mark | None
    intent: Delivery | None
    result: "asyncio.Future[Written]"


class GroupCommit:
    """The ledger as the connections of one process see it."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._linger = LINGER_S["sqlite" if app.store.sqlite else "postgresql"]
        self._waiting: list[_Entry] = []
        self._task: asyncio.Task[None] | None = None

    def write(self, done: Mark | None, intent: Delivery | None) -> "asyncio.Future[Written]":
        """The outcome of a connection's last mail and the intent of its next one, in one transaction: so a kill leaves
        at most one mail of a connection whose fate is not known. The result comes when it is on disk.

        StoreUnavailable: the database failed us for as long as a claim holds.
        """
        result: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(done, intent, result))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return result

    async def _run(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._linger)
            group, self._waiting = self._waiting, []
            try:
                results = await self._surely(group)
            except Exception as error:
                await self._one_by_one(group, error)
                continue
            for entry, written in zip(group, results, strict=True):
                _tell(entry, written)

    async def _surely(self, group: Sequence[_Entry]) -> list[Written]:
        """Tries for as long as a claim holds: an outcome that is lost because a backup locks the database for a while
        is a mail sent twice."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._app.lease.total_seconds()
        while True:
            try:
                return await asyncio.wrap_future(self._app.store.submit(lambda tx: self._work(tx, group)))
            except StoreUnavailable as error:
                if loop.time() > until:
                    raise
                log.warning("outcomes wait to be written: %s", error)
            await asyncio.sleep(_AGAIN_S)

    async def _one_by_one(self, group: Sequence[_Entry], error: Exception) -> None:
        """After a group failed as a whole: what is wrong with one row must not cost the others theirs."""
        if isinstance(error, StoreUnavailable) or len(group) == 1:
            for entry in group:
                if not entry.result.done():
                    entry.result.set_exception(error)
            return
        for entry in group:
            try:
                _tell(entry, (await self._surely([entry]))[0])
            except Exception as own:
                if not entry.result.done():
                    entry.result.set_exception(own)

    def _work(self, tx: Connection, group: Sequence[_Entry]) -> list[Written]:
        now = self._app.now()
        states: dict[int, DeliveryState | None] = {}
        done = [entry.done for entry in group if entry.done]
        taken = [mark for mark in done if mark.values["state"] is DeliveryState.ACCEPTED]
        still_ours = marks.accept(tx, taken, now)
        for mark in done:
            if mark.values["state"] is DeliveryState.ACCEPTED:
                states[mark.delivery.id] = DeliveryState.ACCEPTED if mark.delivery.id in still_ours else None
            else:
                states[mark.delivery.id] = outcome.write(tx, mark, now)
        going = marks.intend(tx, [entry.intent for entry in group if entry.intent], now)
        results = []
        for entry in group:
            state = states[entry.done.delivery.id] if entry.done else None
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
        if deliveries.intend(tx, job, now):
            return True, True
        why = deliveries.hindrance(tx, job, now)
        if why is None:
            return False, False
        values = {"state": DeliveryState.SKIPPED, "reason": why, "finished_at": now}
        deliveries.mark(tx, Mark(replace(job), values), from_=DeliveryState.QUEUED)
        return False, True


def _tell(entry: _Entry, written: Written) -> None:
    if not entry.result.done():  # its connection may have been told to stop meanwhile
        entry.result.set_result(written)
