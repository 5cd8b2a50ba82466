"""Leaving: by a link in a mail, or by an admin; and the undo that takes it back at once. Renders no page.

Whoever left is suppressed: neither the last look before a mail nor an import brings them back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailer import address, tokens
from mailer.context import App, find
from mailer.errors import LeftBefore, NoSuchSubscriber
from mailer.model import Event, EventKind, Method, Subscriber, SubscriberStatus
from mailer.store import signups, subscribers
from mailer.text.clean import clean, shorten
from mailer.tokens import Claim, Purpose

UNDO_FOR = timedelta(hours=1)
_STAYING = (SubscriberStatus.PENDING, SubscriberStatus.ACTIVE, SubscriberStatus.BOUNCED)


@dataclass(frozen=True, slots=True)
class Left:
    """The result of leaving. `undo` is a token for the undo button, `why` one for saying why; empty when there is
    nothing to undo or nobody to ask."""

    masked: str
    undo: str
    why: str


@dataclass(frozen=True, slots=True)
class Look:
    """Whose link it is: masked, and a token for their preferences; both empty when there is nothing to choose."""

    masked: str
    preferences: str


def look(app: App, token: str) -> Look:
    """Whose link this is. Changes nothing. BadToken: not our link."""
    claim = tokens.read(app.keys, Purpose.UNSUBSCRIBE, token)
    found = app.store.read(lambda tx: subscribers.get(tx, claim.subscriber_id))
    stays = found is not None and found.status is SubscriberStatus.ACTIVE
    return Look(_masked(found), tokens.make(app.keys, Purpose.PREFERENCES, claim.subscriber_id) if stays else "")


def leave(app: App, token: str, method: Method, *, agent: str = "", network: str = "") -> Left:
    """The holder of the link leaves. Once this returns, no mail begins that had not begun; a second time is the same.

    Works when the issue, or even the person, is known no more. BadToken: not our link.
    """
    claim = tokens.read(app.keys, Purpose.UNSUBSCRIBE, token)

    def work(tx: Connection) -> Left:
        found = subscribers.get(tx, claim.subscriber_id)
        if found is None:
            return Left("", "", "")
        left = _end(app, tx, found, claim, method, agent, network)
        gone = bool(found.address) and (left or found.status is SubscriberStatus.UNSUBSCRIBED)
        # Only what this very call did can be undone: not what an admin, or an earlier click, has done. And only to
        # what was before: who had not confirmed, or whose address was dead, is not active by pressing a button.
        undo = gone and left and found.status is SubscriberStatus.ACTIVE
        return Left(
            _masked(found), _undo_token(app, tx, claim) if undo else "", _reason_token(app, claim) if gone else ""
        )

    return app.store.write(work)


def _end(
    app: App, tx: Connection, found: Subscriber, claim: Claim, method: Method, agent: str = "", network: str = ""
) -> bool:
    """Ends the subscription if it runs, and suppresses the address in any case. False: that was so already."""
    now, news = app.now(), False
    hash_ = subscribers.hash_of(tx, found.id)
    if hash_:
        news = subscribers.suppress(tx, hash_, EventKind.UNSUBSCRIBED, at=now, issue_id=claim.issue_id)
        again = subscribers.living(tx, hash_) if not found.address else None
        if again is not None:
            # A link from before the person was forgotten; they have joined again since, and mean the list as it is.
            found = again
    # Whom an admin has suppressed stays so, but that they left counts, also when the admin lifts it again.
    barred = news and found.status in (SubscriberStatus.SUPPRESSED, SubscriberStatus.COMPLAINED)
    if not subscribers.move(tx, found.id, SubscriberStatus.UNSUBSCRIBED, from_=_STAYING) and not barred:
        return False
    subscribers.record(
        tx,
        found.id,
        EventKind.UNSUBSCRIBED,
        at=now,
        method=method,
        issue_id=claim.issue_id,
        agent=agent or None,
        network=network or None,
    )
    return True


def _undo_token(app: App, tx: Connection, claim: Claim) -> str:
    """For the leaving that was just recorded. Its stamp says which of the reader's events that is, counted from 1."""
    number = len(subscribers.history(tx, claim.subscriber_id))
    return tokens.make(app.keys, Purpose.UNDO, claim.subscriber_id, claim.issue_id, number)


def _undone(found: Subscriber, past: Sequence[Event], number: int) -> bool:
    """Whether the leaving was taken back already, and nothing happened since."""
    back = len(past) == number + 1 and past[-1].kind is EventKind.RETURNED
    return back and found.status is SubscriberStatus.ACTIVE


def _may_undo(app: App, past: Sequence[Event], number: int) -> bool:
    """Whether the event with this number is a leaving by a link, the last thing that happened, and not long ago."""
    if not past or len(past) != number:
        return False
    last = past[-1]
    by_link = last.kind is EventKind.UNSUBSCRIBED and last.method in (Method.ONE_CLICK, Method.PAGE)
    return by_link and app.now() <= last.at + UNDO_FOR


def _reason_token(app: App, claim: Claim) -> str:
    until = int((app.now() + UNDO_FOR).timestamp())
    return tokens.make(app.keys, Purpose.REASON, claim.subscriber_id, claim.issue_id, until)


REASONS = ("too_often", "not_relevant", "never_joined", "elsewhere", "other")


def explain(app: App, token: str, reason: str, text: str = "") -> bool:
    """Why somebody left, if they like to say so within the hour: one of REASONS, and words. False: too late, or not
    one of them. BadToken: not our link."""
    claim = tokens.read(app.keys, Purpose.REASON, token)
    if reason not in REASONS or app.now().timestamp() > claim.stamp:
        return False
    said = shorten(clean(text), 500)
    since = app.now() - UNDO_FOR
    whole = f"{reason}: {said}" if said else reason
    return app.store.write(lambda tx: subscribers.explain(tx, claim.subscriber_id, whole, since=since))


def undo(app: App, token: str) -> bool:
    """Takes the leaving back, within the hour and only if nothing happened since. False: too late, or done already."""
    claim = tokens.read(app.keys, Purpose.UNDO, token)

    def work(tx: Connection) -> bool:
        found = subscribers.get(tx, claim.subscriber_id)
        if found is None or not found.address:
            return False
        past = subscribers.history(tx, found.id)
        if _undone(found, past, claim.stamp):
            return True
        if not _may_undo(app, past, claim.stamp):
            return False
        hash_ = subscribers.hash_of(tx, found.id)
        barred = subscribers.suppressed(tx, hash_) if hash_ else None
        if barred and barred[0] is not EventKind.UNSUBSCRIBED:
            return False
        from_ = (SubscriberStatus.UNSUBSCRIBED,)
        if not subscribers.move(tx, found.id, SubscriberStatus.ACTIVE, from_=from_):
            return False
        if hash_:
            subscribers.unsuppress(tx, hash_)
        subscribers.record(tx, found.id, EventKind.RETURNED, at=app.now(), method=Method.PAGE, issue_id=claim.issue_id)
        return True

    return app.store.write(work)


def by_admin(app: App, email: str) -> bool:
    """An admin takes somebody off the list; False: they had left already."""
    key = address.parse(email).key

    def work(tx: Connection) -> bool:
        found = subscribers.find(tx, key)
        if found is None:
            raise NoSuchSubscriber(f"{email} is not on the list.")
        return _end(app, tx, found, Claim(found.id, 0, 0), Method.ADMIN)

    return app.store.write(work)


def leavings(app: App, *, since: datetime | None = None, slot: str | None = None) -> list[tuple[str, Event]]:
    """Who left, oldest first: the address ('' when forgotten) and the event."""
    key = find(app, slot).slot if slot else None
    return app.store.read(lambda tx: list(subscribers.leavings(tx, since=since, slot=key)))


def _masked(found: Subscriber | None) -> str:
    return address.mask(found.address) if found and found.address else ""


# --- suppressing and forgetting --------------------------------------------------------------------------------------
# None of these brings back someone who left. That takes the person's own sign-up (`joining`) or the undo button.
def suppress(app: App, email: str) -> bool:
    """This address is never mailed, whether it is known or not; False: that was so already."""
    parsed = address.parse(email)

    def work(tx: Connection) -> bool:
        now = app.now()
        hash_ = tokens.address_hash(app.keys, parsed.key)
        barred = subscribers.suppressed(tx, hash_)
        subscribers.suppress(tx, hash_, EventKind.SUPPRESSED, at=now)
        found = subscribers.find(tx, parsed.key)
        keep = (SubscriberStatus.COMPLAINED, SubscriberStatus.SUPPRESSED)
        from_ = tuple(status for status in SubscriberStatus if status not in keep)
        if found is not None and subscribers.move(tx, found.id, SubscriberStatus.SUPPRESSED, from_=from_):
            # What `unsuppress` goes back to.
            before = {"before": str(found.status)}
            subscribers.record(tx, found.id, EventKind.SUPPRESSED, at=now, method=Method.ADMIN, details=before)
        return barred is None or barred[0] not in subscribers.STRONG

    return app.store.write(work)


def unsuppress(app: App, email: str) -> SubscriberStatus | None:
    """Lifts what `suppress` did; returns the status the person has again, None when nobody is known.

    LeftBefore: they left by themselves or complained, and no admin can take that back. NoSuchSubscriber: the address
    is not suppressed.
    """
    parsed = address.parse(email)

    def work(tx: Connection) -> SubscriberStatus | None:
        hash_ = tokens.address_hash(app.keys, parsed.key)
        barred = subscribers.suppressed(tx, hash_)
        if barred is None:
            raise NoSuchSubscriber(f"{parsed.written} is not suppressed.")
        if barred[0] is not EventKind.SUPPRESSED:
            raise LeftBefore(
                f"{parsed.written} was not suppressed by an admin, but: {barred[0]}.",
                "Only the person can come back, by signing up and confirming.",
            )
        replaced = subscribers.restore(tx, hash_)
        found = subscribers.find(tx, parsed.key)
        if found is None:
            return None
        if replaced is None:
            to = subscribers.before_suppression(tx, found.id)
        else:
            to = SubscriberStatus.BOUNCED if replaced is EventKind.BOUNCED else SubscriberStatus.UNSUBSCRIBED
        if subscribers.move(tx, found.id, to, from_=(SubscriberStatus.SUPPRESSED,)):
            subscribers.record(tx, found.id, EventKind.UNSUPPRESSED, at=app.now(), method=Method.ADMIN)
        return to

    return app.store.write(work)


def forget(app: App, email: str) -> bool:
    """Erases a person; what stays is a number without a name, and a keyed hash by which the address is never mailed.

    Links in old mails go on working. False: nobody is known; the address is suppressed all the same.
    """
    parsed = address.parse(email)

    def work(tx: Connection) -> bool:
        now = app.now()
        hash_ = tokens.address_hash(app.keys, parsed.key)
        subscribers.suppress(tx, hash_, EventKind.FORGOTTEN, at=now)
        signups.forget(tx, hash_)
        found = subscribers.find(tx, parsed.key)
        if found is None:
            return False
        subscribers.bury(tx, found.id, now)
        subscribers.record(tx, found.id, EventKind.FORGOTTEN, at=now, method=Method.ADMIN)
        return True

    return app.store.write(work)
