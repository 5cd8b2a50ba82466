"""Pauses lanes. If a provider refuses this sender (spam, policy, authentication), no mail of an issue is sent in the
provider's lane for a while, and the admin is alerted.

Without the pause, the lane's other mails could be refused, too. A refused mail is rejected with the reason "block", and
its reader does not get the issue. No reader is penalised, because these refusals are about the sender. The counts and
the pauses are stored in the database, where all processes see them (`store.lanes`). `mailer.lanes` defines how many
refusals pause a lane.
"""

import asyncio
import logging
import re
from collections import Counter
from functools import partial

from sqlalchemy import Connection

from mailer import lanes as rules
from mailer.address import without_addresses
from mailer.context import App, alert
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
from mailer.reasons import Reason, ReasonCode
from mailer.replies import answered
from mailer.sending.queue import Queue
from mailer.store import issues, lanes

log = logging.getLogger(__name__)
# Google and Microsoft answer with these codes if a mail is not authenticated. Every mail of the issue has the same
# fault, so the whole issue is paused.
UNAUTHENTICATED = ("5.7.26", "5.7.515")
_CHECK_S = 1.0  # seconds between two checks for lanes that other processes paused


class LaneBreaker:
    """Counts the answers of providers during one run of a sender, and pauses the lane of a provider that refuses this
    sender. `queue` then gives up the mails of that lane."""

    def __init__(self, app: App, queue: Queue) -> None:
        self._app = app
        self._queue = queue
        self._heard: Counter[tuple[int, str]] = Counter()  # (issue id, lane) → number of answers not written yet
        self._writing: set[asyncio.Task[None]] = set()

    def heard(self, job: Delivery, result: Outcome) -> None:
        """Counts an answer to a mail of an issue. Service mails are neither counted nor held back."""
        if job.kind is not DeliveryKind.ISSUE or job.issue_id is None or not answered(result):
            return
        key = (job.issue_id, job.lane)
        self._heard[key] += 1
        blocked = isinstance(result, Rejected) and result.why is Rejection.BLOCK
        if blocked or self._heard[key] >= rules.COUNTED_ANSWERS:
            self._write_soon(key, result.reply if blocked else None)

    def _write_soon(self, key: tuple[int, str], refusal: Reply | None) -> None:
        task = asyncio.create_task(self._write(*key, self._heard.pop(key, 0), refusal))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, issue_id: int, lane: str, answers: int, refusal: Reply | None) -> None:
        work = partial(self._count, issue_id=issue_id, lane=lane, answers=answers, refusal=refusal)
        try:
            lane_paused, issue_paused = await asyncio.wrap_future(self._app.store.submit(work))
            if lane_paused:
                await self._queue.drop_lanes({lane})
        except StoreUnavailable as error:
            log.warning("answers of the lane %s are not counted: %s", lane, error)
            return
        said = _without_addresses(refusal) if refusal else ""
        if issue_paused:
            alert(
                self._app,
                f"The issue was paused: a provider says that this sender's mails are not authenticated: {said}",
                "Fix SPF, DKIM and DMARC of the sender's domain, then run `mailer issue resume`.",
            )
        if lane_paused:
            alert(
                self._app,
                f"The lane {lane} is paused and its mails wait: the provider refuses this sender: {said}",
                "Fix what it complains about, then run `mailer issue resume`; otherwise it is tried again after a day.",
            )

    def _count(
        self, tx: Connection, *, issue_id: int, lane: str, answers: int, refusal: Reply | None
    ) -> tuple[bool, bool]:
        """Adds answers to the counts of a lane. A `refusal` may pause the lane, the issue or both. Returns two flags:
        whether this call paused the lane, and whether it paused the issue."""
        now = self._app.now()
        counted = lanes.Tally(answers, int(refusal is not None))
        total = lanes.add(tx, lane, issue_id, counted, rules.COUNTED_ANSWERS, now)
        if refusal is None:
            return False, False
        said = _without_addresses(refusal)
        too_many = rules.refuses_sender(total.answered, total.blocked)
        lane_paused = too_many and lanes.pause(tx, lane, now + rules.PAUSE, said)
        why = Reason(ReasonCode.NOT_AUTHENTICATED, {"reply": said})
        issue_paused = unauthenticated(refusal) and issues.step(tx, issue_id, IssueEvent.PAUSE, reason=why)
        return lane_paused, issue_paused

    async def watch(self) -> None:
        """Gives up the claimed mails of lanes that another process has paused, so that these mails wait in the ledger.
        Runs beside the connections until it is cancelled."""
        while True:
            await asyncio.sleep(_CHECK_S)
            try:
                paused = await asyncio.to_thread(self._app.store.read, partial(lanes.paused, now=self._app.now()))
                await self._queue.drop_lanes({each.lane for each in paused})
            except StoreUnavailable:
                continue  # the sender logs this failure

    async def close(self) -> None:
        """Writes all counts that are not in the database yet. The sender calls this method at the end of a run."""
        for key in list(self._heard):
            self._write_soon(key, None)
        await asyncio.gather(*self._writing, return_exceptions=True)


def unauthenticated(reply: Reply) -> bool:
    # A relay that passes on another server's refusal writes its own code first. So the other server's code is also
    # searched for in the text.
    return reply.enhanced in UNAUTHENTICATED or any(
        re.search(rf"(?<![\d.]){re.escape(code)}(?![\d.])", reply.text) for code in UNAUTHENTICATED
    )


def _without_addresses(reply: Reply) -> str:
    """Returns the reply as a text for logs and alerts, which must not contain a reader's address."""
    return f"{reply.code} {without_addresses(reply.text, '…')}"[:300].strip()


def paused(app: App, issue: Issue) -> list[tuple[PausedLane, int]]:
    """Returns the paused lanes, each with the number of the issue's mails that wait for the lane."""

    def read(tx: Connection) -> list[tuple[PausedLane, int]]:
        now = app.now()
        waiting = lanes.waiting(tx, issue.id, now)
        return [(each, waiting.get(each.lane, 0)) for each in lanes.paused(tx, now)]

    return app.store.read(read)
