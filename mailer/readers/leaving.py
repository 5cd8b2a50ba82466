"""Unsubscribes readers by a link in a mail or by an admin's command, and undoes unsubscriptions by a link.

The address of a reader who left is suppressed. Therefore no mail is sent to the address, and an import does not add it
again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailer import address, tokens
from mailer.context import App, find_issue
from mailer.errors import LeftBefore, NoSuchSubscriber
from mailer.model import Event, EventKind, Method, NewEvent, Subscriber, SubscriberStatus
from mailer.store import events, signups, subscribers, suppressions
from mailer.text.clean import clean, shorten
from mailer.tokens import Claim, Purpose

UNDO_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class LinkHolder:
    """The reader to whom a link belongs: the masked address, and a token for the preferences.

    The token is "" if the reader is not active.
    """

    masked: str
    preferences: str


def link_holder(app: App, token: str) -> LinkHolder:
    """Returns the reader to whom an unsubscribe link belongs. Raises BadToken if the token is invalid."""
    claim = tokens.read(app.keys, Purpose.UNSUBSCRIBE, token)
    found = app.store.read(lambda tx: subscribers.get(tx, claim.subscriber_id))
    active = found is not None and found.status is SubscriberStatus.ACTIVE
    preferences = tokens.make(app.keys, Purpose.PREFERENCES, claim.subscriber_id) if active else ""
    return LinkHolder(address.mask(found.address) if found and found.address else "", preferences)


@dataclass(frozen=True, slots=True)
class Left:
    """The tokens that a reader gets after leaving: `undo` for the undo button, and `why` for giving a reason.

    `undo` is "" if this unsubscription cannot be undone. `why` is "" if there is no reader who could give a reason.
    """

    undo: str
    why: str


def leave(app: App, token: str, method: Method, *, agent: str = "", network: str = "") -> Left:
    """Unsubscribes the reader of a link. After this call, no further mail to the reader is started.

    This function may be called again for the same link, and works even if the issue or the reader has been deleted.
    Raises BadToken if the token is invalid.
    """
    claim = tokens.read(app.keys, Purpose.UNSUBSCRIBE, token)

    def end(tx: Connection) -> Left:
        found = subscribers.get(tx, claim.subscriber_id)
        if found is None:
            return Left("", "")
        event = NewEvent(EventKind.UNSUBSCRIBED, app.now(), method, claim.issue_id, agent=agent, network=network)
        left = _end(tx, found, event)
        gone = bool(found.address) and (left or found.status is SubscriberStatus.UNSUBSCRIBED)
        # The undo button undoes only this unsubscription, not an earlier one and not one by an admin. Only a reader who
        # was active gets the button, because undoing must neither replace a missing confirmation nor revive an address
        # that bounced.
        undo = gone and left and found.status is SubscriberStatus.ACTIVE
        return Left(_undo_token(app, tx, claim) if undo else "", _reason_token(app, claim) if gone else "")

    return app.store.write(end)


def by_admin(app: App, email: str) -> bool:
    """Unsubscribes a reader by an admin's command. Returns False if the reader had already left.

    Raises NoSuchSubscriber if the address is not on the list.
    """
    key = address.parse(email).key

    def end(tx: Connection) -> bool:
        found = subscribers.find(tx, key)
        if found is None:
            raise NoSuchSubscriber(f"{email} is not on the list.")
        return _end(tx, found, NewEvent(EventKind.UNSUBSCRIBED, app.now(), Method.ADMIN))

    return app.store.write(end)


def _end(tx: Connection, found: Subscriber, event: NewEvent) -> bool:
    """Suppresses the address and ends the subscription. Returns False if the subscription had already ended."""
    added = suppressions.add(tx, [found.address_hash], event.kind, at=event.at, issue_id=event.issue_id)
    if not found.address:
        # The link was made before the person was forgotten. If the person has joined again since, end the new
        # subscription.
        found = subscribers.with_hash(tx, found.address_hash) or found
    # A reader who complained, or whom an admin suppressed, keeps that status. The unsubscription is still recorded,
    # because it takes effect if the admin lifts the suppression later.
    kept = added and found.status in (SubscriberStatus.SUPPRESSED, SubscriberStatus.COMPLAINED)
    if not subscribers.move(tx, found.id, SubscriberStatus.UNSUBSCRIBED, from_=subscribers.STAYING) and not kept:
        return False
    events.record(tx, [found.id], event)
    return True


def leavings(app: App, *, since: datetime | None = None, slot: str | None = None) -> list[tuple[str, Event]]:
    """Returns the address and the event of each unsubscription, the oldest first.

    The address is "" if the person was forgotten.
    """
    key = find_issue(app, slot).slot if slot else None
    return app.store.read(lambda tx: list(events.leavings(tx, since=since, slot=key)))


# --- the undo button -------------------------------------------------------------------------------------------------
def _undo_token(app: App, tx: Connection, claim: Claim) -> str:
    """Returns a token for undoing the unsubscription that was just recorded.

    The token's stamp is the number of the unsubscription in the reader's history, counted from 1.
    """
    number = len(events.history(tx, claim.subscriber_id))
    return tokens.make(app.keys, Purpose.UNDO, claim.subscriber_id, claim.issue_id, number)


def undo(app: App, token: str) -> bool:
    """Undoes an unsubscription. Pressing the button twice has the same effect and result as pressing it once.

    Returns False if more than an hour has passed, or if anything else has happened to the reader since. Raises BadToken
    if the token is invalid.
    """
    claim = tokens.read(app.keys, Purpose.UNDO, token)

    def bring_back(tx: Connection) -> bool:
        found = subscribers.get(tx, claim.subscriber_id)
        if found is None or not found.address:
            return False
        past = events.history(tx, found.id)
        if _undone(found, past, claim.stamp):
            return True
        suppression = suppressions.find(tx, found.address_hash)
        if not _may_undo(app, past, claim.stamp) or (suppression and suppression.reason is not EventKind.UNSUBSCRIBED):
            return False
        if not subscribers.move(tx, found.id, SubscriberStatus.ACTIVE, from_=(SubscriberStatus.UNSUBSCRIBED,)):
            return False
        suppressions.remove(tx, found.address_hash)
        events.record(tx, [found.id], NewEvent(EventKind.RETURNED, app.now(), Method.PAGE, claim.issue_id))
        return True

    return app.store.write(bring_back)


def _undone(found: Subscriber, past: Sequence[Event], number: int) -> bool:
    """Returns True if event `number`, an unsubscription, was undone and nothing else has happened since."""
    back = len(past) == number + 1 and past[-1].kind is EventKind.RETURNED
    return back and found.status is SubscriberStatus.ACTIVE


def _may_undo(app: App, past: Sequence[Event], number: int) -> bool:
    """Returns True if event `number` is an unsubscription by link in the last hour, with no later event."""
    if not past or len(past) != number:
        return False
    last = past[-1]
    by_link = last.kind is EventKind.UNSUBSCRIBED and last.method in (Method.ONE_CLICK, Method.PAGE)
    return by_link and app.now() <= last.at + UNDO_FOR


# --- why they left ---------------------------------------------------------------------------------------------------
REASONS = ("too_often", "not_relevant", "never_joined", "elsewhere", "other")
_LONGEST_REASON = 500  # the reader's own text is cut to this many characters


def _reason_token(app: App, claim: Claim) -> str:
    until = int((app.now() + UNDO_FOR).timestamp())
    return tokens.make(app.keys, Purpose.REASON, claim.subscriber_id, claim.issue_id, until)


def explain(app: App, token: str, reason: str, text: str = "") -> bool:
    """Stores why a reader left: one of REASONS, and optionally the reader's own text.

    Returns False if more than an hour has passed, if `reason` is not in REASONS, or if the reader has come back or been
    forgotten. Raises BadToken if the token is invalid.
    """
    claim = tokens.read(app.keys, Purpose.REASON, token)
    if reason not in REASONS or app.now().timestamp() > claim.stamp:
        return False
    given = shorten(clean(text), _LONGEST_REASON)
    whole = f"{reason}: {given}" if given else reason
    since = app.now() - UNDO_FOR
    return app.store.write(lambda tx: events.explain(tx, claim.subscriber_id, whole, since=since))


# --- suppressing and forgetting --------------------------------------------------------------------------------------
# No function below brings back a reader who left. Only the reader's own sign-up (`joining`) or the undo button does.
def suppress(app: App, email: str) -> bool:
    """Suppresses an address, so that no mail is sent to it again. The address need not be on the list.

    Returns False if an admin had already suppressed the address, or if the reader had complained.
    """
    parsed = address.parse(email)

    def suppress_one(tx: Connection) -> bool:
        now = app.now()
        hash_ = tokens.address_hash(app.keys, parsed.key)
        before = suppressions.find(tx, hash_)
        suppressions.add(tx, [hash_], EventKind.SUPPRESSED, at=now)
        found = subscribers.find(tx, parsed.key)
        keep = (SubscriberStatus.COMPLAINED, SubscriberStatus.SUPPRESSED)
        from_ = tuple(status for status in SubscriberStatus if status not in keep)
        if found is not None and subscribers.move(tx, found.id, SubscriberStatus.SUPPRESSED, from_=from_):
            details = {"before": str(found.status)}  # the status that `unsuppress` restores
            events.record(tx, [found.id], NewEvent(EventKind.SUPPRESSED, now, Method.ADMIN, details=details))
        return before is None or not before.strong

    return app.store.write(suppress_one)


def unsuppress(app: App, email: str) -> SubscriberStatus | None:
    """Lifts a suppression made by `suppress`.

    Returns the status that the subscriber then has, or None if the address is not on the list. Raises NoSuchSubscriber
    if the address is not suppressed. Raises LeftBefore if the address is suppressed for another reason: the reader left
    or complained, or the address bounced.
    """
    parsed = address.parse(email)

    def lift(tx: Connection) -> SubscriberStatus | None:
        hash_ = tokens.address_hash(app.keys, parsed.key)
        suppression = suppressions.find(tx, hash_)
        if suppression is None:
            raise NoSuchSubscriber(f"{parsed.written} is not suppressed.")
        if suppression.reason is not EventKind.SUPPRESSED:
            raise LeftBefore(
                f"{parsed.written} was not suppressed by an admin, but: {suppression.reason}.",
                "Only the person can come back, by signing up and confirming.",
            )
        weaker = suppressions.end_strong(tx, hash_)
        found = subscribers.find(tx, parsed.key)
        if found is None:
            return None
        if weaker is None:
            to = events.status_before_suppression(tx, found.id)
        else:
            to = SubscriberStatus.BOUNCED if weaker is EventKind.BOUNCED else SubscriberStatus.UNSUBSCRIBED
        if subscribers.move(tx, found.id, to, from_=(SubscriberStatus.SUPPRESSED,)):
            events.record(tx, [found.id], NewEvent(EventKind.UNSUPPRESSED, app.now(), Method.ADMIN))
        return to

    return app.store.write(lift)


def forget(app: App, email: str) -> bool:
    """Erases a person's data, except the id and a keyed hash of the address.

    Because of the hash, the address stays suppressed; because of the id, old unsubscribe links still work. Returns
    False if the address is not on the list; even then, the address is suppressed.
    """
    parsed = address.parse(email)

    def erase(tx: Connection) -> bool:
        now = app.now()
        hash_ = tokens.address_hash(app.keys, parsed.key)
        suppressions.add(tx, [hash_], EventKind.FORGOTTEN, at=now)
        signups.forget(tx, hash_)
        found = subscribers.find(tx, parsed.key)
        if found is None:
            return False
        subscribers.bury(tx, found.id, now)
        events.record(tx, [found.id], NewEvent(EventKind.FORGOTTEN, now, Method.ADMIN))
        return True

    return app.store.write(erase)
