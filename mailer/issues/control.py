"""The actions of editors and admins on an issue: hold, release, approve, pause, resume, cancel. This module sends no
mail."""

from collections.abc import Callable

from sqlalchemy import Connection

from mailer import reasons
from mailer.context import App, alert, find_issue, get_issue
from mailer.errors import NotEnoughStories, WrongState
from mailer.issues.draft import is_approval_missing
from mailer.lifecycle import ARROWS, MAYBE_RECEIVED, IssueEvent
from mailer.model import DeliveryState, Issue, IssueState, Skip
from mailer.reasons import Reason, ReasonCode
from mailer.store import deliveries, issues, lanes

_APPROVAL = Reason(ReasonCode.APPROVAL_REQUIRED)


def hold(app: App, slot: str | None, reason: str = "") -> Issue:
    """Keeps an issue from being sent until an editor releases it. `reason` may be an editor's own words."""
    issue = find_issue(app, slot)
    why = Reason(ReasonCode.TEXT, {"words": reason}) if reason else Reason(ReasonCode.HELD_BY_EDITOR)
    event = IssueEvent.HOLD
    return _change(app, issue, event, "held", lambda tx: issues.step(tx, issue.id, event, reason=why))


def release(app: App, slot: str | None) -> Issue:
    """Releases a held issue, so that the issue is sent at its time even with few stories.

    If approval is required and missing, the issue stays held and then waits for approval. Raises NotEnoughStories if
    the issue has no story at all, and WrongState if the issue already waits for approval.
    """
    found = find_issue(app, slot)

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
        if held and issue.reason == _APPROVAL:
            raise WrongState(f"The issue {issue.slot} waits for approval.", "Use `mailer issue approve`.")
        event, why = (IssueEvent.HOLD, _APPROVAL) if is_approval_missing(app, issue) else (IssueEvent.RELEASE, None)
        few = issue.reason is not None and issue.reason.code is ReasonCode.TOO_FEW_STORIES
        return issues.step(tx, issue.id, event, reason=why, released=True if few else None)

    return _change(app, found, IssueEvent.RELEASE, "released", change)


def approve(app: App, slot: str | None) -> Issue:
    """Records an editor's approval. Raises WrongState if the issue is held for a reason other than missing approval."""
    found = find_issue(app, slot)

    def change(tx: Connection) -> bool:
        issue = issues.lock(tx, found.id, ARROWS[IssueEvent.RELEASE][0])
        if issue and issue.state is IssueState.HELD and issue.reason != _APPROVAL:
            why = reasons.english(issue.reason)
            raise WrongState(f"The issue {issue.slot} is held: {why}.", "Use `mailer issue release`.")
        return issues.step(tx, found.id, IssueEvent.RELEASE, approved=True)

    return _change(app, found, IssueEvent.RELEASE, "approved", change)


def pause(app: App, slot: str | None) -> Issue:
    """Stops sending. Mails already being handed to a relay are finished, but no further mail is started."""
    issue = find_issue(app, slot)
    return _change(app, issue, IssueEvent.PAUSE, "paused", lambda tx: issues.step(tx, issue.id, IssueEvent.PAUSE))


def resume(app: App, slot: str | None) -> Issue:
    """Resumes a paused issue, and the lanes that were paused because their provider refused this sender."""
    issue = find_issue(app, slot)

    def change(tx: Connection) -> bool:
        was_paused = issues.step(tx, issue.id, IssueEvent.RESUME)
        under_way = issues.lock(tx, issue.id, (IssueState.SENDING,))
        return (under_way is not None and bool(lanes.resume(tx, app.now()))) or was_paused

    return _change(app, issue, IssueEvent.RESUME, "resumed", change)


def cancel(app: App, slot: str | None) -> Issue:
    """Cancels an issue. Its deliveries that are not sent yet become skipped, with the reason "cancelled"."""
    issue = find_issue(app, slot)

    def change(tx: Connection) -> bool:
        now, why = app.now(), Reason(ReasonCode.CANCELLED_BY_ADMIN)
        if not issues.step(tx, issue.id, IssueEvent.CANCEL, at=now, reason=why):
            return False
        deliveries.end_waiting(tx, issue.id, DeliveryState.SKIPPED, Skip.CANCELLED, now)
        deliveries.end_batches(tx, issue.id)
        counts = deliveries.counts(tx, issue.id)
        if not any(counts[state] for state in MAYBE_RECEIVED):
            issues.give_number_back(tx, issue.id)
        return True

    return _change(app, issue, IssueEvent.CANCEL, "cancelled", change)


def skip(app: App, issue: Issue, reason: Reason, *, warn: bool = True) -> bool:
    """Skips an issue that is too late or has no story, and alerts the admin if `warn` is true.

    Returns False if the issue can no longer be skipped, because it is frozen or has ended.
    """
    at = app.now()
    done = app.store.write(lambda tx: issues.step(tx, issue.id, IssueEvent.SKIP, at=at, reason=reason))
    if done and warn:
        alert(app, f"The issue {issue.slot} was skipped: {reasons.english(reason)}.", "No reader was mailed.")
    return done


def _change(app: App, issue: Issue, event: IssueEvent, done: str, change: Callable[[Connection], bool]) -> Issue:
    """Runs `change` in a transaction and returns the changed issue.

    Raises WrongState if `change` returns False, which means that the state of the issue does not allow `event`.
    """
    if not app.store.write(change):
        states = " or ".join(sorted(ARROWS[event][0]))
        state = get_issue(app, issue.id).state
        raise WrongState(f"The issue {issue.slot} is {state}: only one that is {states} can be {done}.")
    return get_issue(app, issue.id)
