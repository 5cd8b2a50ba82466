"""The actions of editors and admins on an issue: hold, release, approve, pause, resume, cancel. This module sends no
mail."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from mailer import reasons, week
from mailer.context import App, alert, get_issue
from mailer.errors import NotEnoughStories, UsageError, WrongState
from mailer.issues import draft, which
from mailer.lifecycle import ARROWS, CHOOSABLE, MAYBE_RECEIVED, IssueEvent
from mailer.model import DeliveryState, Issue, IssueState, Skip
from mailer.reasons import Reason, ReasonCode
from mailer.store import deliveries, issues, lanes

_APPROVAL = Reason(ReasonCode.APPROVAL_REQUIRED)
_EDITORS = (ReasonCode.HELD_BY_EDITOR, ReasonCode.TEXT)  # the reasons that `hold` gives
_NOT_STARTED = CHOOSABLE | {IssueState.FROZEN}


def hold(app: App, slot: str | None, reason: str = "") -> Issue:
    """Keeps an issue from being sent until an editor releases it. `reason` may be an editor's own words."""
    issue = which.to_edit(app, slot)
    why = Reason(ReasonCode.TEXT, {"words": reason}) if reason else Reason(ReasonCode.HELD_BY_EDITOR)
    event = IssueEvent.HOLD
    return _change(app, issue, event, "held", lambda tx: issues.step(tx, issue.id, event, reason=why))


def release(app: App, slot: str | None, *, held_by_editor: bool = True) -> Issue:
    """Releases a held issue, so that the issue is sent at its time even with few stories.

    If approval is required and missing, the issue stays held and then waits for approval. Raises NotEnoughStories if
    the issue has no story at all, and WrongState if the issue already waits for approval. If `held_by_editor` is false,
    also raises WrongState if an editor holds the issue.
    """
    found = which.to_edit(app, slot)

    def change(tx: Connection) -> bool:
        issue = issues.lock(tx, found.id, ARROWS[IssueEvent.RELEASE][0])
        if issue is None:
            return False
        held = issue.state is IssueState.HELD
        if held and not issue.stories:
            raise NotEnoughStories(
                f"The issue {issue.slot} has no stories; it cannot be released.",
                "Import articles, then run `mailer issue draft`.",
            )
        by_editor = issue.reason is not None and issue.reason.code in _EDITORS
        if held and by_editor and not held_by_editor:
            raise WrongState(
                f"The issue {issue.slot} is held: {reasons.english(issue.reason)}.", "Use `mailer issue release`."
            )
        if held and issue.reason == _APPROVAL:
            raise WrongState(f"The issue {issue.slot} waits for approval.", "Use `mailer issue approve`.")
        missing = draft.is_approval_missing(app, issue)
        event, why = (IssueEvent.HOLD, _APPROVAL) if missing else (IssueEvent.RELEASE, None)
        few = issue.reason is not None and issue.reason.code in draft.TOO_FEW
        return issues.step(tx, issue.id, event, reason=why, released=True if few else None)

    return _change(app, found, IssueEvent.RELEASE, "released", change)


def approve(app: App, slot: str | None) -> Issue:
    """Records an editor's approval. Raises WrongState if the issue is held for a reason other than missing approval."""
    found = which.to_edit(app, slot)

    def change(tx: Connection) -> bool:
        issue = issues.lock(tx, found.id, ARROWS[IssueEvent.RELEASE][0])
        if issue and issue.state is IssueState.HELD and issue.reason != _APPROVAL:
            why = reasons.english(issue.reason)
            raise WrongState(f"The issue {issue.slot} is held: {why}.", "Use `mailer issue release`.")
        return issues.step(tx, found.id, IssueEvent.RELEASE, approved=True)

    return _change(app, found, IssueEvent.RELEASE, "approved", change)


def pause(app: App, slot: str | None) -> Issue:
    """Stops sending. Mails already being handed to a relay are finished, but no further mail is started."""
    issue = which.under_way(app, slot)
    return _change(app, issue, IssueEvent.PAUSE, "paused", lambda tx: issues.step(tx, issue.id, IssueEvent.PAUSE))


def resume(app: App, slot: str | None) -> Issue:
    """Resumes a paused issue, and the lanes that were paused because their provider refused this sender.

    Raises ConfigError if sample settings keep the issue from going out.
    """
    issue = which.under_way(app, slot, first=IssueState.PAUSED)
    draft.check_settings(app, issue)

    def change(tx: Connection) -> bool:
        was_paused = issues.step(tx, issue.id, IssueEvent.RESUME)
        under_way = issues.lock(tx, issue.id, (IssueState.SENDING,))
        return (under_way is not None and bool(lanes.resume(tx, app.now()))) or was_paused

    return _change(app, issue, IssueEvent.RESUME, "resumed", change)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The result of `cancel`.

    `window_opens` is the time at which the service will draft a new issue for this slot. It is None if the service will
    not draft the slot again. `reached` is True if any reader has or may have the mail.
    """

    issue: Issue
    window_opens: datetime | None = None
    reached: bool = False


def cancel(app: App, slot: str | None) -> Cancelled:
    """Cancels an issue. Its deliveries that are not sent yet become skipped, with the reason "cancelled".

    Before the draft window of the slot opens, an issue that has not been started is deleted instead. A draft made by
    mistake for a later week then does not keep the clock from drafting that week.
    """
    issue = which.to_cancel(app, slot)
    opens = _window_opens(app, issue)
    why = Reason(ReasonCode.CANCELLED_BY_ADMIN)

    def delete_early(tx: Connection) -> bool:
        early = opens is not None and app.now() < opens and issues.lock(tx, issue.id, _NOT_STARTED)
        return bool(early) and issues.remove(tx, issue.id)

    if app.store.write(delete_early):
        return Cancelled(replace(issue, state=IssueState.CANCELLED, reason=why, number=None), opens)

    def change(tx: Connection) -> bool:
        now = app.now()
        if not issues.step(tx, issue.id, IssueEvent.CANCEL, at=now, reason=why):
            return False
        deliveries.end_waiting(tx, issue.id, DeliveryState.SKIPPED, Skip.CANCELLED, now)
        deliveries.end_batches(tx, issue.id)
        if not _reached(tx, issue):
            issues.give_number_back(tx, issue.id)
        return True

    cancelled = _change(app, issue, IssueEvent.CANCEL, "cancelled", change)
    return Cancelled(cancelled, reached=app.store.read(lambda tx: _reached(tx, cancelled)))


def _reached(tx: Connection, issue: Issue) -> bool:
    counts = deliveries.counts(tx, issue.id)
    return any(counts[state] for state in MAYBE_RECEIVED)


def _window_opens(app: App, issue: Issue) -> datetime | None:
    """Returns when the clock first drafts the slot of an issue, or None if the slot is not of the current calendar."""
    try:
        slot = week.slot(issue.slot, app.settings.newsletter, app.settings.schedule)
    except UsageError:
        return None
    return draft.window_opens(app, slot)


def skip(app: App, issue: Issue, reason: Reason, *, warn: bool = True) -> bool:
    """Skips an issue that is too late or has no story, and alerts the admin if `warn` is true.

    Returns False if the issue can no longer be skipped, because it is frozen or has ended.
    """
    at = app.now()
    done = app.store.write(lambda tx: issues.step(tx, issue.id, IssueEvent.SKIP, at=at, reason=reason))
    if done and warn:
        alert(app, f"The issue {issue.slot} was skipped: {reasons.english(reason)}.", "No reader was mailed.")
    return done


# The condition for each action, for the message that refuses the action.
_NEEDS: Mapping[IssueEvent, str] = {
    IssueEvent.HOLD: "only a draft can be held",
    IssueEvent.RELEASE: "only a draft or a held issue can be {done}",
    IssueEvent.PAUSE: "only an issue that is being sent can be paused",
    IssueEvent.RESUME: "only a paused issue can be resumed",
    IssueEvent.CANCEL: "only an issue that has not ended can be cancelled",
}


def _change(app: App, issue: Issue, event: IssueEvent, done: str, change: Callable[[Connection], bool]) -> Issue:
    """Runs `change` in a transaction and returns the changed issue.

    Raises WrongState if `change` returns False, which means that the state of the issue does not allow `event`.
    """
    if not app.store.write(change):
        state = get_issue(app, issue.id).state
        raise WrongState(f"The issue {issue.slot} is {state}: {_NEEDS[event].format(done=done)}.")
    return get_issue(app, issue.id)
