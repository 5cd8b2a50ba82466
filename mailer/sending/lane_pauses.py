"""The lane breaker: a provider that refuses *us* (spam, policy, authentication) is left alone, and somebody is told.

Each refused mail is rejected(block) and costs its reader this issue, so the others of the lane wait. Nobody's fault is
a reader's: no subscriber pays for it. The counts and the pauses are in the database, for all processes (`store.lanes`);
what is enough for a pause stands in `mailer.lanes`.
"""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby

from sqlalchemy import Connection

from mailer import lanes as rules
from mailer.context import App, alert, step
from mailer.errors import StoreUnavailable
from mailer.lifecycle import IssueEvent
from mailer.model import (
    Delivery,
    DeliveryKind,
    Issue,
    Outcome,
    PausedLane,
    Rejected,
    Rejection,
    Reply,
)
from mailer.replies import answered
from mailer.store import lanes

log = logging.getLogger(__name__)
# Google's and Microsoft's words for «your mails are not authenticated»: that is wrong with every mail of the issue.
UNAUTHENTICATED = ("5.7.26", "5.7.515")
_FLUSH = rules.WINDOW  # answers of one lane after which the database is told, also when all went well
_LOOK_S = 1.0  # how often we look whether another process, or an admin, paused or resumed a lane
_ADDRESSES = re.compile(r"\S*@\S*")


@dataclass
class Breaker:
    """What one run of a sender hears. `let_go`: gives back the mails at hand that are of paused lanes."""

    app: App
    let_go: Callable[[Callable[[Delivery], bool]], Awaitable[None]]
    _heard: Counter[tuple[int, str]] = field(default_factory=Counter)  # (issue, lane) → answers not yet told
    _telling: set["asyncio.Task[None]"] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._lanes = rules.table(self.app.settings.delivery.lanes)

    def lane(self, job: Delivery) -> str:
        return rules.lane_of(job.address, self._lanes)

    def heard(self, job: Delivery, result: Outcome) -> None:
        """Counts an answer to a mail of an issue. Tests and confirmations count for nothing, and are never held up."""
        if job.kind is not DeliveryKind.ISSUE or job.issue_id is None:
            return
        if not answered(result):
            return
        key = (job.issue_id, self.lane(job))
        self._heard[key] += 1
        blocked = isinstance(result, Rejected) and result.why is Rejection.BLOCK
        if blocked or self._heard[key] >= _FLUSH:
            self._begin(key, result.reply if blocked else None)

    def _begin(self, key: tuple[int, str], refusal: Reply | None) -> None:
        task = asyncio.create_task(self._tell(*key, self._heard.pop(key, 0), refusal))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, issue_id: int, lane: str, answered: int, refusal: Reply | None) -> None:
        work = partial(self._count, issue_id=issue_id, lane=lane, answered=answered, refusal=refusal)
        try:
            paused, halted = await asyncio.wrap_future(self.app.store.submit(work))
            if paused:
                await self._let_go_of(frozenset({lane}))
        except StoreUnavailable as error:
            log.warning("answers of the lane %s are not counted: %s", lane, error)
            return
        said = _said(refusal) if refusal else ""
        if halted:
            fix = "Mend SPF, DKIM and DMARC of the sender's domain, then run `mailer issue resume`."
            alert(self.app, f"The issue was paused: a provider says that our mails are not authenticated: {said}", fix)
        if paused:
            alert(
                self.app,
                f"The lane {lane} is paused, its mails wait: its provider refuses us: {said}",
                "Mend what it complains of, then run `mailer issue resume`; without, it is tried again after a day.",
            )

    def _count(
        self, tx: Connection, *, issue_id: int, lane: str, answered: int, refusal: Reply | None
    ) -> tuple[bool, bool]:
        """Whether the lane, and whether the issue, was paused by this."""
        now = self.app.now()
        more = lanes.Tally(answered, int(refusal is not None))
        found = lanes.add(tx, lane, issue_id, more, rules.WINDOW, now)
        if refusal is None:
            return False, False
        said = _said(refusal)
        full = rules.refuses_us(found.answered, found.blocked)
        paused = full and lanes.pause(tx, lane, now + rules.PAUSE, said)
        halted = unauthenticated(refusal) and step(tx, issue_id, IssueEvent.PAUSE, reason=f"not authenticated: {said}")
        return paused, halted

    async def watch(self) -> None:
        """Sees what other processes paused; runs beside the connections until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                found = await asyncio.to_thread(self.app.store.read, partial(lanes.paused, now=self.app.now()))
                await self._let_go_of(frozenset(each.lane for each in found))
            except StoreUnavailable:
                continue  # whoever sends says so

    async def _let_go_of(self, paused: frozenset[str]) -> None:
        if paused:
            await self.let_go(lambda job: job.kind is DeliveryKind.ISSUE and self.lane(job) in paused)

    async def settle(self) -> None:
        """Tells the database what it was not told yet: at the end of a run."""
        for key in list(self._heard):
            self._begin(key, None)
        await asyncio.gather(*self._telling, return_exceptions=True)


def set_aside(app: App, tx: Connection, jobs: list[Delivery], full: frozenset[str], now: datetime) -> list[Delivery]:
    """Mails of a claimed batch without those of paused lanes, and of those of which enough wait: they wait in batches
    of their own from now on."""
    paused = {each.lane for each in lanes.paused(tx, now)} | full
    if not paused or not jobs or jobs[0].kind is not DeliveryKind.ISSUE:
        return jobs
    known = rules.table(app.settings.delivery.lanes)

    def lane(job: Delivery) -> str:
        return rules.lane_of(job.address, known)

    waiting = sorted((job for job in jobs if lane(job) in paused), key=lane)
    for name, group in groupby(waiting, lane):
        lanes.set_aside(tx, list(group), name, now)
    return [job for job in jobs if lane(job) not in paused]


def unauthenticated(reply: Reply) -> bool:
    # A relay that passes another server's refusal on gives its own code first.
    return reply.enhanced in UNAUTHENTICATED or any(
        re.search(rf"(?<![\d.]){re.escape(code)}(?![\d.])", reply.text) for code in UNAUTHENTICATED
    )


def _said(reply: Reply) -> str:
    """For logs and alerts: no reader's address."""
    return f"{reply.code} {_ADDRESSES.sub('…', reply.text)}"[:300].strip()


def paused(app: App, issue: Issue) -> list[tuple[PausedLane, int]]:
    """The lanes that are paused, and how many mails of the issue were set aside for each."""

    def work(tx: Connection) -> list[tuple[PausedLane, int]]:
        now = app.now()
        waiting = lanes.waiting(tx, issue.id, now)
        return [(each, waiting.get(each.lane, 0)) for each in lanes.paused(tx, now)]

    return app.store.read(work)
