"""Leaving: by a link in a mail or by an admin, and the undo button that takes it back within the hour.

The address of a reader who left is suppressed: neither the last look before a mail nor an import brings them back.
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
    """The reader of a link: the masked address, and a token for their preferences (empty if not active)."""

    masked: str
    preferences: str


def link_holder(app: App, token: str) -> LinkHolder:
    """The reader of an unsubscribe link. Changes nothing. Raises BadToken if the token is not valid."""
    claim = tokens.read(app.keys, Purpose.UNSUBSCRIBE, token)
    found = app.store.read(lambda tx: subscribers.get(tx, claim.subscriber_id))
    active = found is not None and found.status is SubscriberStatus.ACTIVE
    preferences = tokens.make(app.keys, Purpose.PREFERENCES, claim.subscriber_id) if active else ""
    return LinkHolder(address.mask(found.address) if found and found.address else "", preferences)


@dataclass(frozen=True, slots=True)
class Left:
    """Tokens for the undo button and for giving a reason; empty if there is nothing to undo or no reader to ask."""

    undo: str
    why: str


def leave(app: App, token: str, method: Method, *, agent: str = "", network: str = "") -> Left:
    """Unsubscribes the reader of the link. Once this returns, no further mail to them begins. May be repeated.

    Works even if the issue or the person has been deleted. Raises BadToken if the token is not valid.
    """
    claim = tokens.read(app.keys, Purpose.UNSUBSCRIBE, token)

    def end(tx: Connection) -> Left:
        found = subscribers.get(tx, claim.subscriber_id)
        if found is None:
            return Left("", "")
        event = NewEvent(EventKind.UNSUBSCRIBED, app.now(), method, claim.issue_id, agent=agent, network=network)
        left = _end(tx, found, event)
        gone = bool(found.address) and (left or found.status is SubscriberStatus.UNSUBSCRIBED)
        # The button undoes only this leaving, not an admin's or an earlier one; and it only restores an active reader:
        # pressing it must not replace a confirmation or make a dead address alive.
        undo = gone and left and found.status is SubscriberStatus.ACTIVE
        return Left(_undo_token(app, tx, claim) if undo else "", _reason_token(app, claim) if gone else "")

    return app.store.write(end)


def by_admin(app: App, email: str) -> bool:
    """Unsubscribes a reader by an admin's command. Returns False if they had left before. Raises NoSuchSubscriber."""
    key = address.parse(email).key

    def end(tx: Connection) -> bool:
        found = subscribers.find(tx, key)
        if found is None:
            raise NoSuchSubscriber(f"{email} is not on the list.")
        return _end(tx, found, NewEvent(EventKind.UNSUBSCRIBED, app.now(), Method.ADMIN))

    return app.store.write(end)


def _end(tx: Connection, found: Subscriber, event: NewEvent) -> bool:
    """Suppresses the address and ends the subscription. Returns False if it had ended already."""
    news = suppressions.add(tx, [found.address_hash], event.kind, at=event.at, issue_id=event.issue_id)
    if not found.address:
        # A link from before the person was forgotten: if they have joined again since, end the new subscription.
        found = subscribers.with_hash(tx, found.address_hash) or found
    # An admin's suppression stays, but the leaving is recorded: it counts again if the admin lifts the suppression.
    kept = news and found.status in (SubscriberStatus.SUPPRESSED, SubscriberStatus.COMPLAINED)
    if not subscribers.move(tx, found.id, SubscriberStatus.UNSUBSCRIBED, from_=subscribers.STAYING) and not kept:
        return False
    events.record(tx, [found.id], event)
    return True


def leavings(app: App, *, since: datetime | None = None, slot: str | None = None) -> list[tuple[str, Event]]:
    """The address ('' if forgotten) and the event of each unsubscription, the oldest first."""
    key = find_issue(app, slot).slot if slot else None
    return app.store.read(lambda tx: list(events.leavings(tx, since=since, slot=key)))


# --- the undo button -------------------------------------------------------------------------------------------------
def _undo_token(app: App, tx: Connection, claim: Claim) -> str:
    """A token for the leaving just recorded. Its stamp is the number of that event among the reader's, from 1."""
    number = len(events.history(tx, claim.subscriber_id))
    return tokens.make(app.keys, Purpose.UNDO, claim.subscriber_id, claim.issue_id, number)


def undo(app: App, token: str) -> bool:
    """Takes the leaving back. Pressing the button twice is the same as once.

    Returns False after an hour, or if anything else has happened to the reader since. Raises BadToken.
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
    """Returns True if the leaving was taken back already and nothing has happened since."""
    back = len(past) == number + 1 and past[-1].kind is EventKind.RETURNED
    return back and found.status is SubscriberStatus.ACTIVE


def _may_undo(app: App, past: Sequence[Event], number: int) -> bool:
    """Returns True if the event with this number is the last one, a leaving by a link, and recent enough."""
    if not past or len(past) != number:
        return False
    last = past[-1]
    by_link = last.kind is EventKind.UNSUBSCRIBED and last.method in (Method.ONE_CLICK, Method.PAGE)
    return by_link and app.now() <= last.at + UNDO_FOR


# --- why they left ---------------------------------------------------------------------------------------------------
REASONS = ("too_often", "not_relevant", "never_joined", "elsewhere", "other")
_LONGEST_REASON = 500  # characters


def _reason_token(app: App, claim: Claim) -> str:
    until = int((app.now() + UNDO_FOR).timestamp())
    return tokens.make(app.keys, Purpose.REASON, claim.subscriber_id, claim.issue_id, until)


def explain(app: App, token: str, reason: str, text: str = "") -> bool:
    """Stores why a reader left: one of REASONS, and perhaps a text of their own.

    Returns False after an hour, or if the reason is none of these. Raises BadToken.
    """
    claim = tokens.read(app.keys, Purpose.REASON, token)
    if reason not in REASONS or app.now().timestamp() > claim.stamp:
        return False
    given = shorten(clean(text), _LONGEST_REASON)
    whole = f"{reason}: {given}" if given else reason
    since = app.now() - UNDO_FOR
    return app.store.write(lambda tx: events.explain(tx, claim.subscriber_id, whole, since=since))


# --- suppressing and forgetting --------------------------------------------------------------------------------------
# None of these brings back a reader who left. Only their own sign-up (`joining`) or the undo button does.
def suppress(app: App, email: str) -> bool:
    """Never mails this address again, whether it is on the list or not.

    Returns False if an admin had suppressed it before, or its reader had complained.
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
            details = {"before": str(found.status)}  # `unsuppress` restores it
            events.record(tx, [found.id], NewEvent(EventKind.SUPPRESSED, now, Method.ADMIN, details=details))
        return before is None or not before.strong

    return app.store.write(suppress_one)


def unsuppress(app: App, email: str) -> SubscriberStatus | None:
    """Lifts what `suppress` did. Returns the status that the subscriber has again, or None if the address is not known.

    Raises LeftBefore if the reader left or complained, which no admin can take back, and NoSuchSubscriber if the
    address is not suppressed.
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
        weaker = suppressions.lift(tx, hash_)
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
    """Erases a person. The id and a keyed hash stay, so that the address is never mailed and old links still work.

    Returns False if the address is not on the list; it is suppressed all the same.
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
