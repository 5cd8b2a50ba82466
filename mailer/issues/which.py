"""Decides which issue a command means if its user gives no slot, and which slot is drafted next.

Each function takes the slot that the user gave, or None. With a slot, every function returns the issue of that slot.
All functions raise NoSuchIssue if there is no such issue, and WrongState if there are issues, but none of the wanted
kind.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailer import week
from mailer.context import App, find_issue, newest_issue
from mailer.errors import UsageError, WrongState
from mailer.lifecycle import CHOOSABLE, FINAL
from mailer.model import Issue, IssueState, Slot
from mailer.store import deliveries, issues

# The states of issues under way. A command without a slot prefers them in this order.
_UNDER_WAY = (IssueState.SENDING, IssueState.PAUSED, IssueState.FROZEN)
# An issue may start up to this long after its sending time, even if `max_late` is shorter.
_GRACE = timedelta(minutes=10)


def to_show(app: App, slot: str | None) -> Issue:
    """Returns the issue that `to_edit` would return, so that an editor sees what the editor's next command changes. If
    no issue can be edited, returns the issue that is being sent, or else the newest issue."""
    return _found(app, slot, lambda: _due_next(app) or _under_way(app) or newest_issue(app))


def to_edit(app: App, slot: str | None) -> Issue:
    """Returns the draft or held issue that is due next, for `hold`, `release`, `approve` and edits.

    If there is none, returns the issue that is being sent, so that the refusal names that issue and its state.
    """
    return _found(app, slot, lambda: _due_next(app) or _under_way(app), "No issue is a draft or held.")


def under_way(app: App, slot: str | None, *, first: IssueState = IssueState.SENDING) -> Issue:
    """Returns the issue that is sending, paused or frozen, or else the next draft, for `pause`, `resume` and `status`.

    If several issues are under way, prefers one in the state `first`. If no issue is open, returns the newest issue, so
    that `status` shows how it ended.
    """
    return _found(app, slot, lambda: _under_way(app, first) or _due_next(app) or newest_issue(app))


def to_send(app: App, slot: str | None) -> Issue:
    """Returns the issue that is under way, so that `send` can finish sending it after a crash. If there is none,
    returns the next draft, or else the last issue that went out."""
    return _found(app, slot, lambda: _under_way(app) or _due_next(app) or _last_gone_out(app) or newest_issue(app))


def to_cancel(app: App, slot: str | None) -> Issue:
    """Returns the only open issue. Raises UsageError if more than one issue is open, because a wrong guess could not be
    undone."""
    if slot is None and len(opened := _open(app)) > 1:
        listed = ", ".join(f"{each.slot} ({each.state})" for each in opened)
        raise UsageError(f"{len(opened)} issues are open: {listed}.", "Give the SLOT of the issue to cancel.")
    return _found(app, slot, lambda: next(iter(_open(app)), None), "No issue is open.")


def gone_out(app: App, slot: str | None) -> Issue:
    """Returns the issue that most recently began to go out, for `report`, `retry`, `redact` and `status --failed`.

    If none has gone out, returns the newest issue, so that a refusal names that issue and its state.
    """
    return _found(app, slot, lambda: _last_gone_out(app) or newest_issue(app))


def to_draft(app: App, slot: str | None, now: datetime, *, ahead: bool = False) -> Issue | Slot:
    """Returns what to draft at the time `now`: the issue that is nearest to sending, or else the next slot without an
    issue. If `slot` is given, returns that slot.

    Raises UsageError if `slot` is later than the next slot and has no issue yet, unless `ahead` is true: editors nearly
    always mean the next issue. Raises WrongState if the nearest issue is being sent or the slot is past its `max_late`.
    """
    due = next_slot(app, now)
    if slot is not None:
        wanted = week.slot(slot, app.settings.newsletter, app.settings.schedule)
        if now > wanted.at + app.settings.schedule.max_late:
            raise WrongState(
                f"{wanted.key} is past: its time was more than max_late ago, and an issue of it would be skipped.",
                f"`mailer issue draft` drafts the next one, {due.key}; `--as-of` drafts a past one as a trial.",
            )
        if wanted.day > due.day and not ahead and app.store.read(lambda tx: issues.find(tx, wanted.key)) is None:
            raise UsageError(
                f"{wanted.key} is further ahead than the next slot, {due.key}.",
                f"`mailer issue draft` drafts {due.key}; --ahead drafts {wanted.key} now all the same.",
            )
        return wanted
    waiting = _due_in_time(app)
    if waiting and waiting.day <= due.day:
        return waiting
    sending = _under_way(app)
    if sending:
        raise WrongState(
            f"The issue {sending.slot} is {sending.state}: its stories can no longer be chosen.",
            f"`mailer issue draft {due.key}` drafts the next one.",
        )
    return due


@dataclass(frozen=True, slots=True)
class Next:
    """The slot that goes out next, whether it has an issue yet or not. `readers` is how many would get it now."""

    slot: str
    state: IssueState | None  # None before the issue is drafted
    draft_at: datetime  # when the clock drafts or drafted the issue
    planned_at: datetime  # the slot's sending time
    send_at: datetime  # the planned time, or a later one if the service was down at draft time
    readers: int


def coming(app: App) -> Next:
    """Returns the slot that goes out next.

    This is the slot of the draft or held issue that is due next or, without such an issue, the next slot.
    """
    now, waiting = app.now(), _due_in_time(app)
    slot = next_slot(app, now)
    if waiting and waiting.day <= slot.day:
        slot = week.slot(waiting.slot, app.settings.newsletter, app.settings.schedule)
    else:
        waiting = None
    return Next(
        slot=slot.key,
        state=waiting.state if waiting else None,
        draft_at=slot.at - app.settings.schedule.draft_before,
        planned_at=slot.at,
        send_at=waiting.send_at if waiting else slot.at,
        readers=app.store.read(lambda tx: deliveries.expected(tx, slot.day)),
    )


def next_slot(app: App, now: datetime) -> Slot:
    """Returns the first slot, not before `now`, that can still be drafted: its issue does not exist yet, or the program
    still chooses the stories of its issue."""
    newsletter, schedule = app.settings.newsletter, app.settings.schedule
    slot = week.slot_of(now, newsletter, schedule)
    while slot.at < now or not _can_be_drafted(app, slot):
        slot = week.following(slot, newsletter, schedule)
    return slot


def is_too_late(app: App, issue: Issue) -> bool:
    """Returns True if an issue is so late that the clock skips it, so that only `send --now` can still send it.

    An issue that is frozen or has ended is never too late.
    """
    if issue.state not in CHOOSABLE:
        return False
    schedule, at = app.settings.schedule, issue.send_at
    with suppress(UsageError):  # the setting `calendar` has changed, and this slot belongs to the old calendar
        at = week.slot(issue.slot, app.settings.newsletter, schedule).at
    return app.now() > max(at + schedule.max_late, issue.send_at + _GRACE)


def _can_be_drafted(app: App, slot: Slot) -> bool:
    found = app.store.read(lambda tx: issues.find(tx, slot.key))
    return found is None or found.state in CHOOSABLE


# --- the kinds of issues ---------------------------------------------------------------------------------------------
def _found(app: App, slot: str | None, choose: Callable[[], Issue | None], none: str = "") -> Issue:
    """Returns the issue of the slot, or what `choose` returns if there is no slot. `none` is the error message for
    the case that `choose` finds no issue."""
    found = find_issue(app, slot) if slot is not None else choose()
    if found is None:
        newest = newest_issue(app)
        raise WrongState(none, f"The newest issue is {newest.slot}, which is {newest.state}.")
    return found


def _open(app: App) -> list[Issue]:
    """Returns the issues that have not ended. The issue of the earliest slot comes first."""
    states = [state for state in IssueState if state not in FINAL]
    return app.store.read(lambda tx: issues.recent(tx, states=states))[::-1]


def _due_next(app: App) -> Issue | None:
    """Returns the first issue whose stories the program still chooses, or None.

    Issues that are too late to go out do not count, because the clock will skip them. If all are too late, returns
    the latest.
    """
    waiting = [issue for issue in _open(app) if issue.state in CHOOSABLE]
    return _due_in_time(app) or next(iter(waiting[::-1]), None)


def _due_in_time(app: App) -> Issue | None:
    """Returns the first issue that is not too late to go out and whose stories can still be chosen, or None."""
    return next((each for each in _open(app) if each.state in CHOOSABLE and not is_too_late(app, each)), None)


def _under_way(app: App, first: IssueState = IssueState.SENDING) -> Issue | None:
    under_way = [issue for issue in _open(app) if issue.state in _UNDER_WAY]
    return min(under_way, key=lambda issue: (issue.state is not first, _UNDER_WAY.index(issue.state)), default=None)


def _last_gone_out(app: App) -> Issue | None:
    return app.store.read(issues.last_started)
