"""What an admin can do about addresses that must not be mailed: suppress, lift that again, forget a person.

None of it brings back who left: that takes the person's own sign-up (`joining`), or the undo button at once.
"""

from sqlalchemy import Connection

from mailer import address, tokens
from mailer.context import App
from mailer.errors import LeftBefore, NoSuchSubscriber
from mailer.model import EventKind, Method, SubscriberStatus
from mailer.store import signups, subscribers


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
