"""What an editor or an admin does to an issue: hold, release, approve, pause, resume, cancel. Sends nothing."""

from sqlalchemy import Connection

from mailer.context import App, alert, find, get, step
from mailer.errors import NotEnoughStories, WrongState
from mailer.issues.draft import APPROVAL, TOO_FEW, unapproved
from mailer.lifecycle import ARROWS, IssueEvent
from mailer.model import DeliveryState, Issue, IssueState, Skip
from mailer.store import deliveries, issues, lanes

MAYBE_READ = (DeliveryState.ACCEPTED, DeliveryState.UNKNOWN, DeliveryState.SENDING)  # somebody has it, or may have it


def hold(app: App, slot: str | None, reason: str = "held by an editor") -> Issue:
    """Keeps a draft back until it is released."""
    issue = find(app, slot)
    return _moved(app, issue, IssueEvent.HOLD, "held", reason=reason)


def release(app: App, slot: str | None) -> Issue:
    """Lets a held issue go out at T although there are few stories; never one without any. Where approval is required
    and missing, it is held for that from then on."""
    found = find(app, slot)

    def work(tx: Connection) -> bool:
        issue = issues.get(tx, found.id) or found
        if issue.state is IssueState.HELD and not issue.stories:
            raise NotEnoughStories(
                f"The issue {issue.slot} has no stories; it cannot be released.",
                "Import articles, then run `mailer issue draft`.",
            )
        if issue.state is IssueState.HELD and issue.reason == APPROVAL:
            raise WrongState(f"The issue {issue.slot} waits for approval.", "Use `mailer issue approve`.")
        if issue.state not in ARROWS[IssueEvent.RELEASE][0]:
            return False
        values = {"released": True} if issue.reason.startswith(TOO_FEW) else {}
        if unapproved(app, issue):
            return step(tx, issue.id, IssueEvent.HOLD, reason=APPROVAL, **values)
        return step(tx, issue.id, IssueEvent.RELEASE, reason="", **values)

    if not app.store.write(work):
        raise _refused(app, found, IssueEvent.RELEASE, "released")
    return get(app, found.id)


def approve(app: App, slot: str | None) -> Issue:
    """An editor's yes. An issue that is held for other reasons stays held."""
    found = find(app, slot)

    def work(tx: Connection) -> bool:
        issue = issues.get(tx, found.id) or found
        if issue.state is IssueState.HELD and issue.reason != APPROVAL:
            raise WrongState(f"The issue {issue.slot} is held: {issue.reason}.", "Use `mailer issue release`.")
        return step(tx, issue.id, IssueEvent.RELEASE, reason="", approved=True)

    if not app.store.write(work):
        raise _refused(app, found, IssueEvent.RELEASE, "approved")
    return get(app, found.id)


def pause(app: App, slot: str | None) -> Issue:
    """Stops sending: nothing more begins; a mail on its way gets its answer."""
    return _moved(app, find(app, slot), IssueEvent.PAUSE, "paused")


def resume(app: App, slot: str | None) -> Issue:
    """Goes on sending, also to the lanes that were paused because their provider refused us."""
    issue = find(app, slot)

    def work(tx: Connection) -> bool:
        paused = step(tx, issue.id, IssueEvent.RESUME, reason="")
        under_way = issues.move(tx, issue.id, (IssueState.SENDING,), IssueState.SENDING)
        return (under_way and bool(lanes.resume(tx, app.now()))) or paused

    if not app.store.write(work):
        raise _refused(app, issue, IssueEvent.RESUME, "resumed")
    return get(app, issue.id)


def cancel(app: App, slot: str | None, reason: str = "cancelled by an admin") -> Issue:
    """Ends an issue for good; what is unsent becomes skipped(cancelled)."""
    issue = find(app, slot)

    def work(tx: Connection) -> bool:
        if not step(tx, issue.id, IssueEvent.CANCEL, reason=reason, finished_at=app.now()):
            return False
        deliveries.end_waiting(tx, issue.id, DeliveryState.SKIPPED, Skip.CANCELLED, app.now())
        deliveries.end_batches(tx, issue.id)
        counts = deliveries.counts(tx, issue.id)
        if not any(counts[state] for state in MAYBE_READ):
            issues.give_number_back(tx, issue.id)
        return True

    if not app.store.write(work):
        raise _refused(app, issue, IssueEvent.CANCEL, "cancelled")
    return get(app, issue.id)


def skip(app: App, issue: Issue, reason: str, *, tell: bool = True) -> bool:
    """Ends an issue that is too late or has nothing to say, and tells the newsroom, unless the caller will."""
    done = app.store.write(lambda tx: step(tx, issue.id, IssueEvent.SKIP, reason=reason, finished_at=app.now()))
    if done and tell:
        alert(app, f"The issue {issue.slot} was skipped: {reason}.", "Nobody was mailed.")
    return done


def _moved(app: App, issue: Issue, event: IssueEvent, word: str, **values: object) -> Issue:
    if not app.store.write(lambda tx: step(tx, issue.id, event, **values)):
        raise _refused(app, issue, event, word)
    return get(app, issue.id)


def _refused(app: App, issue: Issue, event: IssueEvent, word: str) -> WrongState:
    from_ = " or ".join(sorted(ARROWS[event][0]))
    return WrongState(f"The issue {issue.slot} is {get(app, issue.id).state}: only one that is {from_} can be {word}.")
