"""The clock: plans issues, chooses their stories, and freezes, starts, skips or finishes issues, each at the right
time.

`tick` runs every 30 seconds, in any number of processes. Each tick reads the database and the time, and keeps nothing
in memory. Every change of state is one UPDATE guarded by the old state, so two processes cannot both make the same
change. A missed tick does no harm, because the next tick does the same work.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from mailer import reasons, week
from mailer.context import App, alert, get_issue, local_day, sample_settings
from mailer.errors import NoSuchIssue, OutsideError, StoreUnavailable, UnreadableInput, WrongState
from mailer.issues import control, delivery, draft, editing, notice, welcome, which
from mailer.lifecycle import EDITABLE, IssueEvent
from mailer.model import Issue, IssueState, Slot
from mailer.readers import joining
from mailer.reasons import Reason, ReasonCode
from mailer.store import issues

log = logging.getLogger(__name__)
CHECK_BEFORE = timedelta(minutes=15)  # how long before the sending time the stories' pages are checked once more
TOO_LATE = Reason(ReasonCode.TOO_LATE)
_MISSED_WEEKS = 60  # largest number of missed slots that one tick plans after a long outage


def tick(app: App) -> None:
    """Does what is due for all issues. Raises StoreUnavailable if the database fails; the next tick tries again."""
    now = app.now()
    try:
        _plan(app, now)
    except StoreUnavailable:
        raise
    except Exception:
        log.exception("the next issues cannot be planned")
    too_late: list[Issue] = []
    unfinished = (IssueState.PLANNED, IssueState.DRAFT, IssueState.HELD, IssueState.FROZEN)
    for issue in reversed(app.store.read(lambda tx: issues.recent(tx, states=unfinished))):
        try:
            if issue.state is not IssueState.FROZEN:
                # Raises an error if the calendar has changed, so that the issue is held.
                week.slot(issue.slot, app.settings.newsletter, app.settings.schedule)
            if which.is_too_late(app, issue):
                too_late += [issue] if control.skip(app, issue, TOO_LATE, warn=False) else []
            else:
                _advance(app, issue, now)
        except StoreUnavailable:
            raise
        except OutsideError as error:
            log.warning("issue %s: the next tick tries again: %s", issue.slot, error)
        except (WrongState, NoSuchIssue) as error:
            log.info("issue %s: another process, or a person, was faster: %s", issue.slot, error)
        except Exception as error:
            # For example, a template cannot be rendered. Hold this issue so that editors notice, and go on with the
            # next issue.
            log.exception("issue %s cannot be made", issue.slot)
            reason = Reason(ReasonCode.CANNOT_BE_MADE, {"error": str(error)})
            _hold(app, issue, reason, "Correct it, then run `mailer issue release`.")
    _warn_of_skipped(app, too_late)
    delivery.finish(app)
    # Decide on sign-ups that a web process accepted but could not decide on before it ended.
    joining.decide_signups(app)
    joining.tidy(app)
    for mails, queue in (("reminders", joining.remind), ("welcome mails", welcome.queue)):
        try:
            queue(app)
        except StoreUnavailable:
            raise
        except UnreadableInput as error:  # a template of the newsroom is wrong
            log.error("%s cannot be made: %s", mails, error)
        except Exception:
            log.exception("%s cannot be made", mails)


def _hold(app: App, issue: Issue, reason: Reason, fix: str) -> None:
    """Holds the issue and alerts the admin, unless the issue is already held or frozen.

    The issue is found by its id, because an invalid slot may be the reason why the issue is held.
    """
    free = issue.state is not IssueState.HELD
    if free and app.store.write(lambda tx: issues.step(tx, issue.id, IssueEvent.HOLD, reason=reason)):
        alert(app, f"The issue {issue.slot} is held: {reasons.english(reason)}.", fix)


def _warn_of_skipped(app: App, skipped: Sequence[Issue]) -> None:
    """Sends one alert for all skipped issues together."""
    if not skipped:
        return
    what = f"The issue {skipped[0].slot} was skipped"
    if len(skipped) > 1:
        what = f"{len(skipped)} issues, from {skipped[0].slot} to {skipped[-1].slot}, were skipped"
    alert(app, f"{what}: {reasons.english(TOO_LATE)}.", "No reader was mailed.")


def _plan(app: App, now: datetime) -> None:
    """Adds an issue for each slot whose draft time has come, and for each slot that was missed."""
    schedule = app.settings.schedule
    # Look only at slots up to today. Otherwise a draft made ahead for a later week would hide missed weeks before it.
    newest = app.store.read(partial(issues.newest, until=local_day(app, now)))
    # `since` is the time at which the first issue was planned, not the date of that issue's slot. A test draft may have
    # a slot of years ago, when the newsletter did not exist yet.
    since = min(app.store.read(issues.began) or now, now)
    missed = _missed(app, newest, now, since)
    # If more slots may have been missed than one tick plans, leave the current weeks to a later tick. Planning them now
    # would lose the other missed slots, because `_missed` looks only at slots after the newest issue.
    near = () if len(missed) == _MISSED_WEEKS else week.around(now, app.settings.newsletter, schedule)
    for slot in (*missed, *near):
        # If there is no earlier issue, plan only future slots, because the newsletter has just been set up.
        late = schedule.max_late if newest else timedelta(0)
        wanted = now <= slot.at + late or (newest is not None and slot.day > newest.day)
        wanted = wanted and slot.at >= since
        begun = draft.window_opens(app, slot) <= now
        if wanted and begun and app.store.read(partial(issues.find, slot=slot.key)) is None:
            draft.plan(app, slot, now)


def _missed(app: App, newest: Issue | None, now: datetime, since: datetime) -> list[Slot]:
    """Returns the slots that were missed while no process was running: after the newest issue's slot, and not before
    `since`.

    The issues of these slots are planned and then skipped with an alert, because they are too late.
    """
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


def _advance(app: App, issue: Issue, now: datetime) -> None:
    if issue.state is IssueState.FROZEN:
        delivery.start(app, issue)
        return
    if _to_be_chosen(issue, now):
        first = issue.drafted_at is None
        issue = draft.choose(app, issue)
        if first:  # check first, so that the notice lists no story whose page is gone
            issue = editing.check_links(app, issue, last=False)
    if issue.drafted_at and now >= issue.send_at - app.settings.schedule.draft_before:
        notice.queue(app, issue)
    if now >= issue.send_at - CHECK_BEFORE and issue.state in EDITABLE:
        issue = editing.check_links(app, issue, last=True)
    if now < issue.send_at:
        return
    if not issue.stories:
        control.skip(app, issue, Reason(ReasonCode.NO_STORY))
    elif issue.state is IssueState.DRAFT and draft.is_approval_missing(app, issue):
        # This happens if the settings did not yet require approval when the draft was made.
        _hold(app, issue, Reason(ReasonCode.APPROVAL_REQUIRED), "Use `mailer issue approve`.")
    elif issue.state is IssueState.DRAFT and (
        stopping := app.store.read(lambda tx: sample_settings(app, tx, issue.day))
    ):
        reason = Reason(ReasonCode.SAMPLE_SETTINGS, {"settings": ", ".join(each.setting for each in stopping)})
        _hold(app, issue, reason, "Set them, start `mailer run` again, then run `mailer issue release`.")
    elif issue.state is IssueState.DRAFT:
        frozen = draft.freeze(app, issue)
        if frozen.state is IssueState.FROZEN:
            delivery.start(app, get_issue(app, issue.id))


def _to_be_chosen(issue: Issue, now: datetime) -> bool:
    if issue.approved:
        return False  # exactly the stories that the editor approved must go out
    # abs(): if the clock was turned back, `drafted_at` may be in the future.
    return issue.drafted_at is None or abs(now - issue.drafted_at) >= draft.REDRAFT
