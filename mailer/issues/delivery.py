"""Sends a whole issue: starts it when it is frozen, runs senders until all mails are sent, and records how it ended.

`mailer issue send` uses `deliver`, and the service uses `keep_sending`. In both, `sending.sender` sends the single
mails.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailer import lifecycle
from mailer.context import App, alert, get_issue
from mailer.errors import RelayDown, StoreUnavailable, WrongState
from mailer.issues import draft, variants
from mailer.lifecycle import IssueEvent
from mailer.model import DeliveryState, Expiry, Issue, IssueState, IssueStatus
from mailer.reasons import Reason, ReasonCode
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.store import deliveries, issues, reports

log = logging.getLogger(__name__)
SOON = timedelta(minutes=5)  # `--wait` waits for deferred mails that are due within this time
_IDLE_S = 1.0  # seconds between two searches for work while there is none
_POLL_S = 0.25  # the shortest wait, in seconds, for a mail that is due soon
_RATE_REPORTS = 10  # the shown sending rate is an average over this many reports
_ALERT_AFTER_S = 600.0  # the admin is alerted if all relays fail for this many seconds

Progress = Callable[[IssueStatus], None]


def start(app: App, issue: Issue) -> Issue:
    """Moves a frozen issue to sending and adds a delivery for every recipient, in one transaction.

    If another process has already started the issue, nothing changes. Older issues end: if an older issue is being sent
    or paused, its unsent mails expire; if it is frozen, it is cancelled.
    """
    variants.make(app, issue)

    def begin(tx: Connection) -> list[str]:
        now = app.now()
        variant = issues.full_variant(tx, issue.id)
        if variant is None or not issues.step(tx, issue.id, IssueEvent.START, at=now):
            return []
        count = deliveries.freeze_recipients(tx, issue.id, issue.slot, issue.day, variant.id, now)
        issues.set_recipients(tx, issue.id, count)
        unfinished = issues.recent(tx, states=(IssueState.FROZEN, IssueState.SENDING, IssueState.PAUSED))
        older = [other for other in unfinished if other.day < issue.day]
        return [other.slot for other in older if _supersede(tx, other, issue.slot, now)]

    for slot in app.store.write(begin, snapshot=True):
        alert(app, f"The issue {slot} was cancelled: the issue {issue.slot} began before it.", "No reader was mailed.")
    return get_issue(app, issue.id)


def _supersede(tx: Connection, older: Issue, slot: str, now: datetime) -> bool:
    """Ends an older issue, because the issue of `slot` is being sent. Returns True if the older issue was cancelled."""
    if older.state is not IssueState.FROZEN:
        deliveries.end_waiting(tx, older.id, DeliveryState.EXPIRED, Expiry.SUPERSEDED, now)
        deliveries.end_batches(tx, older.id)
        return False
    why = Reason(ReasonCode.SUPERSEDED, {"slot": slot})
    cancelled = issues.step(tx, older.id, IssueEvent.CANCEL, at=now, reason=why)
    if cancelled:
        issues.give_number_back(tx, older.id)
    return cancelled


def finish(app: App) -> list[Issue]:
    """Marks as sent or partial every issue whose deliveries have all ended. Returns these issues."""
    under_way = app.store.read(lambda tx: issues.recent(tx, states=(IssueState.SENDING, IssueState.PAUSED)))
    return [get_issue(app, issue.id) for issue in under_way if _finish(app, issue)]


def _finish(app: App, issue: Issue) -> bool:
    if app.store.read(lambda tx: deliveries.anything_open(tx, issue.id)):
        return False

    def end(tx: Connection) -> bool:
        state = lifecycle.end_of(deliveries.counts(tx, issue.id))
        if state is None:
            return False
        current = issues.lock(tx, issue.id, (IssueState.SENDING, IssueState.PAUSED))
        if current is None:
            return False
        if current.state is IssueState.PAUSED:  # its mails expired during the pause, because a newer issue began
            issues.step(tx, issue.id, IssueEvent.RESUME, reason=current.reason)
        event = IssueEvent.FINISH_SENT if state is IssueState.SENT else IssueEvent.FINISH_PARTIAL
        return issues.step(tx, issue.id, event, at=app.now(), reason=current.reason)

    return app.store.write(end)


def weights(app: App) -> dict[str, int]:
    """Returns the weight of each relay: its share of the connections, relative to the other relays."""
    return {smtp.name: smtp.weight for smtp in app.settings.smtp}


async def deliver(
    app: App, issue: Issue, *, wait: bool, stop: asyncio.Event, progress: Progress | None = None
) -> IssueStatus:
    """Sends the mails of an issue that are not yet sent, and returns its counts.

    If `wait` is true, also waits for deferred mails that are due within five minutes, and sends them. Otherwise the
    service sends these mails later. Raises RelayDown if no relay takes mail; all mails then stay queued.
    """
    circuits = Circuits(weights=weights(app))
    watching = asyncio.create_task(_watch(app, issue, progress)) if progress else None
    try:
        while not stop.is_set():
            try:
                await Sender(app, circuits, issue.id, stop).run()
            except RelayDown:
                if not wait or circuits.down_s() + circuits.wait_s() > SOON.total_seconds():
                    raise
                await _sleep(stop, max(circuits.wait_s(), _IDLE_S))
                continue
            await asyncio.to_thread(finish, app)
            due = await asyncio.to_thread(_next_step, app, issue, wait)
            if due is None or due > app.now() + SOON:
                await asyncio.to_thread(finish, app)  # another process may have sent the last mails in the meantime
                break
            await _sleep(stop, min(max((due - app.now()).total_seconds(), _POLL_S), _IDLE_S))
    finally:
        if watching:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    return await asyncio.to_thread(status, app, issue)


def _next_step(app: App, issue: Issue, wait: bool) -> datetime | None:
    """Returns the time at which the next mail of the issue can be sent, or None if this process has nothing more to
    send."""
    if get_issue(app, issue.id).state is not IssueState.SENDING:
        return None
    # Also wait for a batch that another process has claimed. If that process died, the lease ends within a minute, and
    # then this process must send the batch.
    times = [app.store.read(lambda tx: deliveries.claimable_at(tx, issue.id))]
    if wait:
        times.append(app.store.read(lambda tx: deliveries.next_due(tx, issue.id)))
    return min((time for time in times if time), default=None)


async def _watch(app: App, issue: Issue, progress: Progress) -> None:
    """Reports progress every second. The rate is an average over the last seconds, so that a slowdown is visible."""
    clock = asyncio.get_running_loop().time
    seen: deque[tuple[float, int]] = deque(maxlen=_RATE_REPORTS)
    while True:
        begun = clock()
        now = await asyncio.to_thread(status, app, issue)
        seen.append((clock(), now.counts[DeliveryState.ACCEPTED]))
        (first, before), (last, accepted) = seen[0], seen[-1]
        rate = round((accepted - before) / (last - first), 1) if last > first else 0.0
        progress(replace(now, rate=rate))
        # Counting a million deliveries takes half a second and slows down sending, so the pause before the next count
        # grows with the time that a count takes.
        await asyncio.sleep(max(1.0, 10 * (clock() - begun)))


async def keep_sending(app: App, stop: asyncio.Event, circuits: Circuits | None = None) -> None:
    """Sends all mails that are due until `stop` is set. Keeps running when relays or the database fail."""
    circuits = circuits or Circuits(weights=weights(app))
    alerted = False
    while not stop.is_set():
        pause = _IDLE_S
        try:
            await Sender(app, circuits, stop=stop).run()
            await asyncio.to_thread(finish, app)
            alerted = False
        except RelayDown as error:
            log.warning("%s", error)
            pause = max(circuits.wait_s(), _IDLE_S)
            if circuits.down_s() + pause > _ALERT_AFTER_S and not alerted:
                alerted = True
                alert(app, "No relay has taken a mail for ten minutes; all stays queued.", str(error))
        except StoreUnavailable as error:
            log.error("%s", error)
            pause = 5.0
        except Exception:
            # A bug must not keep the week's issue from all readers, so log the error and go on.
            log.exception("sending failed")
            pause = 10.0
        await _sleep(stop, pause)


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def expected(app: App, issue: Issue) -> int:
    """Returns how many readers would get the issue if its sending began now."""
    return app.store.read(lambda tx: deliveries.expected(tx, issue.day))


def status(app: App, issue: Issue) -> IssueStatus:
    """Returns the current state and counts of an issue. `rate` is the average number of mails per second since the
    issue's start."""

    def read(tx: Connection) -> IssueStatus:
        current = issues.get(tx, issue.id) or issue
        counts = deliveries.counts(tx, issue.id)
        accepted = counts[DeliveryState.ACCEPTED]
        rate = 0.0
        if current.started_at:
            seconds = ((current.finished_at or app.now()) - current.started_at).total_seconds()
            rate = round(accepted / seconds, 1) if seconds > 0 else 0.0
        return IssueStatus(
            slot=current.slot,
            state=current.state,
            recipients=current.recipients,
            counts=counts,
            started_at=current.started_at,
            finished_at=current.finished_at,
            rate=rate,
        )

    return app.store.read(read)


def failures(app: App, issue: Issue) -> list[dict[str, object]]:
    """Returns the rejected, expired and unknown deliveries of an issue, with the reasons."""
    return app.store.read(lambda tx: reports.failed(tx, issue.id))


def ready(app: App, issue: Issue) -> Issue:
    """Starts the issue if it is frozen, and returns the issue.

    Raises WrongState if the issue is paused, and ConfigError if sample settings keep it from going out.
    """
    if issue.state is IssueState.PAUSED:
        raise WrongState(f"The issue {issue.slot} is paused.", "Use `mailer issue resume`.")
    draft.check_settings(app, issue)
    return start(app, issue) if issue.state is IssueState.FROZEN else issue
