"""Sends an issue as a whole, from frozen to sent: starts it, runs senders until its end, and records how it ended.

`deliver` is used by `mailer issue send`, `keep_sending` by the service. `sending.sender` sends the single mails.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailer import lifecycle
from mailer.context import App, alert, get_issue
from mailer.errors import RelayDown, StoreUnavailable, WrongState
from mailer.issues import variants
from mailer.lifecycle import IssueEvent
from mailer.model import DeliveryState, Expiry, Issue, IssueState, IssueStatus
from mailer.reasons import Reason, ReasonCode
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.store import deliveries, issues, reports

log = logging.getLogger(__name__)
SOON = timedelta(minutes=5)  # `--wait` waits for what is due within this
_IDLE_S = 1.0  # between looks for work when there is none
_POLL_S = 0.25
_RATE_OVER_S = 10
_ALERT_AFTER_S = 600.0  # an outage of all relays

Progress = Callable[[IssueStatus], None]


def start(app: App, issue: Issue) -> Issue:
    """Moves a frozen issue to sending and writes down all its recipients at once. A second process changes nothing.

    The unsent mails of older issues expire, and an older issue that is frozen is cancelled.
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
    """Ends an older issue because that of `slot` began. Returns True if it was cancelled before it began."""
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
    """Moves every issue without open deliveries to sent or partial; returns those issues."""
    under_way = app.store.read(lambda tx: issues.recent(tx, states=(IssueState.SENDING, IssueState.PAUSED)))
    return [get_issue(app, issue.id) for issue in under_way if _finish(app, issue)]


def _finish(app: App, issue: Issue) -> bool:
    if app.store.read(lambda tx: deliveries.anything_open(tx, issue.id)):
        return False

    def end(tx: Connection) -> bool:
        state = lifecycle.end_of(deliveries.counts(tx, issue.id))
        if state is None:
            return False
        if issue.state is IssueState.PAUSED:  # superseded while it was paused
            issues.step(tx, issue.id, IssueEvent.RESUME, reason=issue.reason)
        event = IssueEvent.FINISH_SENT if state is IssueState.SENT else IssueEvent.FINISH_PARTIAL
        return issues.step(tx, issue.id, event, at=app.now(), reason=issue.reason)

    return app.store.write(end)


def weights(app: App) -> dict[str, int]:
    """How the connections are shared among the relays."""
    return {smtp.name: smtp.weight for smtp in app.settings.smtp}


async def deliver(
    app: App, issue: Issue, *, wait: bool, stop: asyncio.Event, progress: Progress | None = None
) -> IssueStatus:
    """Sends what is left of an issue.

    With `wait` it also sends deferred mails that are due within five minutes; otherwise they are left to the service.
    Raises RelayDown if no relay takes mail; all mails stay queued.
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
                await asyncio.to_thread(finish, app)  # another process may have ended the last batch meanwhile
                break
            await _sleep(stop, min(max((due - app.now()).total_seconds(), _POLL_S), _IDLE_S))
    finally:
        if watching:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    return await asyncio.to_thread(status, app, issue)


def _next_step(app: App, issue: Issue, wait: bool) -> datetime | None:
    """When a mail of the issue can be sent again, or None if this process has nothing more to send."""
    if get_issue(app, issue.id).state is not IssueState.SENDING:
        return None
    # Always wait for a batch that another process holds: if that process died, the lease ends within a minute.
    times = [app.store.read(lambda tx: deliveries.claimable_at(tx, issue.id))]
    if wait:
        times.append(app.store.read(lambda tx: deliveries.next_due(tx, issue.id)))
    return min((time for time in times if time), default=None)


async def _watch(app: App, issue: Issue, progress: Progress) -> None:
    """Reports progress every second. The rate is that of the last seconds: an average since the start would hide it."""
    clock = asyncio.get_running_loop().time
    seen: deque[tuple[float, int]] = deque(maxlen=_RATE_OVER_S)
    while True:
        begun = clock()
        now = await asyncio.to_thread(status, app, issue)
        seen.append((clock(), now.counts[DeliveryState.ACCEPTED]))
        (first, before), (last, accepted) = seen[0], seen[-1]
        rate = round((accepted - before) / (last - first), 1) if last > first else 0.0
        progress(replace(now, rate=rate))
        # Counting a million deliveries takes half a second, in which less is sent, so do it less often then.
        await asyncio.sleep(max(1.0, 10 * (clock() - begun)))


async def keep_sending(app: App, stop: asyncio.Event, circuits: Circuits | None = None) -> None:
    """Sends whatever is due until `stop` is set, through outages of relays and of the database."""
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
            # A bug must not stop the week's issue for all readers: log it and go on.
            log.exception("sending failed")
            pause = 10.0
        await _sleep(stop, pause)


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def status(app: App, issue: Issue) -> IssueStatus:
    """The counts of an issue as they are now."""

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
    """The deliveries that did not reach their readers, with the reasons."""
    return app.store.read(lambda tx: reports.failed(tx, issue.id))


def ready(app: App, issue: Issue) -> Issue:
    """The issue, started if it is frozen. Raises WrongState if it is paused."""
    if issue.state is IssueState.PAUSED:
        raise WrongState(f"The issue {issue.slot} is paused.", "Use `mailer issue resume`.")
    return start(app, issue) if issue.state is IssueState.FROZEN else issue
