"""What the clock does to issues: plan, choose, freeze, start, skip, finish. Every 30 s, in any number of processes.

A tick looks at what the store says and at what time it is; it remembers nothing. Each step is a guarded statement, so
it does no harm when another process has just taken it, and a missed tick is made up for by the next one.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from mailer import week
from mailer.context import App, alert, get, step
from mailer.errors import OutsideError, StoreUnavailable, WrongState
from mailer.issues import control, delivery, draft, editing, notice
from mailer.lifecycle import IssueEvent
from mailer.model import Issue, IssueState, Slot
from mailer.readers import joining
from mailer.store import issues

log = logging.getLogger(__name__)
LOOK = timedelta(minutes=15)  # before T the stories' pages are looked at
GRACE = timedelta(minutes=10)  # for an issue whose time was moved to the very end of max_late
TOO_LATE = "too late: more than max_late after its time"
_MISSED_WEEKS = 60  # slots that nobody was there to plan, in one tick


def tick(app: App) -> None:
    """One look at all that may be due now. StoreUnavailable: the database fails us; the next tick tries again."""
    now = app.now()
    try:
        _plan(app, now)
    except StoreUnavailable:
        raise
    except Exception:
        log.exception("the next issues cannot be planned")
    too_late: list[Issue] = []
    unfinished = (IssueState.PLANNED, IssueState.DRAFT, IssueState.HELD, IssueState.FROZEN)
    for issue in reversed(app.store.read(lambda tx: issues.listing(tx, states=unfinished))):
        try:
            if _is_too_late(app, issue, now):
                too_late += [issue] if control.skip(app, issue, TOO_LATE, tell=False) else []
            else:
                _advance(app, issue, now)
        except StoreUnavailable:
            raise
        except OutsideError as error:
            log.warning("issue %s: the next tick tries again: %s", issue.slot, error)
        except WrongState as error:
            log.info("issue %s: another process, or a person, was faster: %s", issue.slot, error)
        except Exception as error:
            # A template that cannot be rendered, say: held, so that editors see it, and the other issues go on.
            log.exception("issue %s cannot be made", issue.slot)
            _hold(app, issue, f"cannot be made: {error}", "Mend it, then run `mailer issue release`.")
    _tell(app, too_late)
    delivery.finish(app)
    joining.decide_wishes(app)  # what the pages took and did not come to decide
    joining.tidy(app)


def _hold(app: App, issue: Issue, reason: str, fix: str) -> None:
    """By its number: its slot may be what is wrong with it. One that is frozen already stays as it is."""
    free = issue.state is not IssueState.HELD
    if free and app.store.write(lambda tx: step(tx, issue.id, IssueEvent.HOLD, reason=reason)):
        alert(app, f"The issue {issue.slot} is held: {reason}", fix)


def _tell(app: App, skipped: Sequence[Issue]) -> None:
    """One alert, however many weeks nobody was there."""
    if len(skipped) == 1:
        alert(app, f"The issue {skipped[0].slot} was skipped: {TOO_LATE}.", "Nobody was mailed.")
    elif skipped:
        span = f"{len(skipped)} issues, from {skipped[0].slot} to {skipped[-1].slot}"
        alert(app, f"{span}, were skipped: {TOO_LATE}.", "Nobody was mailed.")


def _plan(app: App, now: datetime) -> None:
    """Rows for the slots that are in their draft window or just past their time, and for those that were missed."""
    schedule = app.settings.schedule
    newest = app.store.read(issues.newest)
    # An issue drafted as of years ago does not mean that there was a newsletter then.
    since = min(app.store.read(issues.began) or now, now)
    missed = _missed(app, newest, now, since)
    # More than one tick can take: first those, so that none between them and this week is left out.
    near = () if len(missed) == _MISSED_WEEKS else week.around(now, app.settings.newsletter, schedule)
    for slot in (*missed, *near):
        # The first issue is for a slot still to come, never for a week before the newsletter was set up.
        late = schedule.max_late if newest else timedelta(0)
        wanted = now <= slot.at + late or (newest is not None and slot.day > newest.day)
        wanted = wanted and slot.at >= since
        begun = slot.at - schedule.draft_before <= now
        if wanted and begun and app.store.read(partial(issues.find, slot=slot.key)) is None:
            draft.plan(app, slot, now)


def _missed(app: App, newest: Issue | None, now: datetime, since: datetime) -> list[Slot]:
    """Slots after the newest issue that passed while no process was running; they end as skipped, with an alert.
    None of them was before `since`."""
    if newest is None:
        return []
    newsletter, schedule = app.settings.newsletter, app.settings.schedule
    slot = week.following(week.slot(newest.slot, newsletter, schedule), newsletter, schedule)
    missed: list[Slot] = []
    while slot.at + schedule.max_late < now and len(missed) < _MISSED_WEEKS:
        if slot.at >= since:
            missed.append(slot)
        slot = week.following(slot, newsletter, schedule)
    return missed


def _is_too_late(app: App, issue: Issue, now: datetime) -> bool:
    if issue.state is IssueState.FROZEN:
        return False
    schedule = app.settings.schedule
    slot = week.slot(issue.slot, app.settings.newsletter, schedule)
    return now > max(slot.at + schedule.max_late, issue.send_at + GRACE)


def _advance(app: App, issue: Issue, now: datetime) -> None:
    if issue.state is IssueState.FROZEN:
        delivery.start(app, issue)
        return
    if _to_be_chosen(issue, now):
        first = issue.drafted_at is None
        issue = draft.choose(app, issue)
        if first:  # so that editors read of stories that are there
            issue = editing.check_links(app, issue, last=False)
    if issue.drafted_at and now >= issue.send_at - app.settings.schedule.draft_before:
        notice.tell(app, issue)
    if now >= issue.send_at - LOOK and issue.state in (IssueState.DRAFT, IssueState.HELD):
        issue = editing.check_links(app, issue, last=True)
    if now < issue.send_at:
        return
    if not issue.stories:
        control.skip(app, issue, "nothing to say: no story in its window")
    elif issue.state is IssueState.DRAFT and draft.unapproved(app, issue):
        _hold(app, issue, draft.APPROVAL, "Use `mailer issue approve`.")  # the setting is younger than the draft
    elif issue.state is IssueState.DRAFT:
        frozen = draft.freeze(app, issue)
        if frozen.state is IssueState.FROZEN:
            delivery.start(app, get(app, issue.id))


def _to_be_chosen(issue: Issue, now: datetime) -> bool:
    if issue.approved:
        return False  # what an editor said yes to is what goes out
    # The clock may have stepped back: a draft «of the future» is chosen anew as well.
    age = abs(now - issue.drafted_at) if issue.drafted_at else None
    return age is None or age >= draft.REDRAFT
