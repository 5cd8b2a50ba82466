"""What the clock does to issues: plan, choose, freeze, start, skip, finish. Every 30 s, in any number of processes.

A tick looks at what the store says and at what time it is; it remembers nothing. Each step is a guarded statement, so
it does no harm when another process has just taken it, and a missed tick is made up for by the next one.
"""

import contextlib
import logging
from datetime import datetime, timedelta
from functools import partial

from mailer import week
from mailer.app import compose, deliver, edit, joining
from mailer.app.alert import alert
from mailer.app.context import App, get
from mailer.errors import OutsideError, WrongState
from mailer.model import Issue, IssueState, Slot
from mailer.store import issues

log = logging.getLogger(__name__)
GRACE = timedelta(minutes=10)  # for an issue whose time was moved to the very end of max_late
_MISSED_WEEKS = 60  # slots that nobody was there to plan, in one tick


def tick(app: App) -> None:
    """One look at all that may be due now. StoreUnavailable: the database fails us; the next tick tries again."""
    now = app.now()
    _plan(app, now)
    unfinished = (IssueState.PLANNED, IssueState.DRAFT, IssueState.HELD, IssueState.FROZEN)
    for issue in reversed(app.store.read(lambda tx: issues.listing(tx, states=unfinished))):
        try:
            _advance(app, issue, now)
        except OutsideError:
            raise
        except WrongState as error:
            log.info("issue %s: another process, or a person, was faster: %s", issue.slot, error)
        except Exception as error:
            # A template that cannot be rendered, say: held, so that editors see it, and the other issues go on.
            log.exception("issue %s cannot be made", issue.slot)
            with contextlib.suppress(WrongState):
                _hold(app, issue, f"cannot be made: {error}")
    deliver.finish(app)
    joining.settle(app)  # what the pages took and did not come to decide
    joining.tidy(app)


def _hold(app: App, issue: Issue, reason: str) -> None:
    if issue.state is not IssueState.HELD:
        edit.hold(app, issue.slot, reason)
        alert(app, f"The issue {issue.slot} is held: {reason}", "Mend it, then run `mailer issue release`.")


def _plan(app: App, now: datetime) -> None:
    """Rows for the slots that are in their draft window or just past their time, and for those that were missed."""
    schedule = app.settings.schedule
    newest = app.store.read(issues.newest)
    missed = _missed(app, newest, now)
    # More than one tick can take: first those, so that none between them and this week is left out.
    near = () if len(missed) == _MISSED_WEEKS else week.around(now, app.settings.newsletter, schedule)
    for slot in (*missed, *near):
        # The first issue is for a slot still to come, never for a week before the newsletter was set up.
        late = schedule.max_late if newest else timedelta(0)
        wanted = now <= slot.at + late or (newest is not None and slot.day > newest.day)
        begun = slot.at - schedule.draft_before <= now
        if wanted and begun and app.store.read(partial(issues.find, slot=slot.key)) is None:
            compose.plan(app, slot, now)


def _missed(app: App, newest: Issue | None, now: datetime) -> list[Slot]:
    """Slots after the newest issue that passed while no process was running; they end as skipped, with an alert."""
    if newest is None:
        return []
    newsletter, schedule = app.settings.newsletter, app.settings.schedule
    slot = week.following(week.slot(newest.slot, newsletter, schedule), newsletter, schedule)
    missed: list[Slot] = []
    while slot.at + schedule.max_late < now and len(missed) < _MISSED_WEEKS:
        missed.append(slot)
        slot = week.following(slot, newsletter, schedule)
    return missed


def _advance(app: App, issue: Issue, now: datetime) -> None:
    schedule = app.settings.schedule
    if issue.state is IssueState.FROZEN:
        deliver.start(app, issue)
        return
    slot = week.slot(issue.slot, app.settings.newsletter, schedule)
    if now > max(slot.at + schedule.max_late, issue.send_at + GRACE):
        edit.skip(app, issue, f"too late: more than max_late after {slot.at:%Y-%m-%d %H:%M}Z")
        return
    if _to_be_chosen(issue, now):
        issue = compose.choose(app, issue)
    if now < issue.send_at:
        return
    if not issue.stories:
        edit.skip(app, issue, "nothing to say: no story in its window")
    elif issue.state is IssueState.DRAFT:
        frozen = compose.freeze(app, issue)
        if frozen.state is IssueState.FROZEN:
            deliver.start(app, get(app, issue.id))


def _to_be_chosen(issue: Issue, now: datetime) -> bool:
    if issue.approved:
        return False  # what an editor said yes to is what goes out
    # The clock may have stepped back: a draft «of the future» is chosen anew as well.
    age = abs(now - issue.drafted_at) if issue.drafted_at else None
    return age is None or age >= compose.REDRAFT
