"""Subscribers by an admin's hand: add, list, show. Who left is never brought back here: only the person can."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from mailer import address, tokens
from mailer.address import Address
from mailer.context import App, local_day
from mailer.errors import LeftBefore, NoSuchSubscriber
from mailer.model import Event, EventKind, Method, Subscriber, SubscriberStatus
from mailer.readers import joining
from mailer.store import reports, subscribers
from mailer.text.clean import clean

LONGEST_NAME = 200  # characters


def add(
    app: App, email: str, *, name: str = "", sections: Sequence[str] = (), invite: bool = False
) -> tuple[Subscriber, str]:
    """Somebody is active at once, or with `invite` asked by a mail first: "added", "updated" (a new name, say) or
    "unchanged". LeftBefore: they left, and the message says when and the way back."""
    parsed = address.parse(email)
    name = tidy_name(name)

    def work(tx: Connection) -> tuple[Subscriber, str]:
        now = app.now()
        hash_ = tokens.address_hash(app.keys, parsed.key)
        found = subscribers.find(tx, parsed.key)
        _refuse_who_left(app, tx, parsed, hash_, found)
        outcome = "added"
        if found is None:
            _new(app, tx, parsed, hash_, name, sections, now, invite=invite)
        else:
            outcome = "updated" if _change(tx, found, name, sections, now, confirmed=not invite) else "unchanged"
        after = subscribers.find(tx, parsed.key)
        if after is None:
            raise NoSuchSubscriber(f"{parsed.written} could not be stored.")
        return after, outcome

    return app.store.write(work)


def tidy_name(name: str) -> str:
    """A name as it may stand in mails and tables: no line end, no sign that turns the direction."""
    return clean(name)[:LONGEST_NAME]


def _new(
    app: App,
    tx: Connection,
    parsed: Address,
    hash_: str,
    name: str,
    sections: Sequence[str],
    now: datetime,
    *,
    invite: bool,
) -> None:
    new = subscribers.add(
        tx,
        address=parsed.written,
        key=parsed.key,
        hash_=hash_,
        domain=parsed.domain,
        name=name,
        sections=sections,
        status=SubscriberStatus.PENDING if invite else SubscriberStatus.ACTIVE,
        source="admin",
        now=now,
    )
    subscribers.record(tx, new, EventKind.INVITED if invite else EventKind.ADDED, at=now, method=Method.ADMIN)
    if invite:
        joining.owe(app, tx, [new], now)


def _change(
    tx: Connection, found: Subscriber, name: str, sections: Sequence[str], now: datetime, *, confirmed: bool
) -> bool:
    """Somebody who is there already gets another name or other sections, and is no longer waited for; False: all that
    was so already."""
    pending = (SubscriberStatus.PENDING,)
    changed = confirmed and subscribers.move(tx, found.id, SubscriberStatus.ACTIVE, from_=pending)
    if changed:
        subscribers.record(tx, found.id, EventKind.CONFIRMED, at=now, method=Method.ADMIN)
    changed_name = name if name and name != found.name else None
    changed_sections = sections if sections and tuple(sorted(set(sections))) != found.sections else None
    if changed_name is not None or changed_sections is not None:
        subscribers.change(tx, found.id, name=changed_name, sections=changed_sections)
        subscribers.record(tx, found.id, EventKind.CHANGED, at=now, method=Method.ADMIN)
        changed = True
    return changed


def _refuse_who_left(app: App, tx: Connection, parsed: Address, hash_: str, found: Subscriber | None) -> None:
    barred = subscribers.suppressed(tx, hash_)
    what = why_not(found.status if found else None, barred[0] if barred else None)
    if not what:
        return
    kinds = (EventKind.UNSUBSCRIBED, EventKind.COMPLAINED, EventKind.SUPPRESSED, EventKind.BOUNCED)
    event = subscribers.last_event(tx, found.id, kinds) if found else None
    when = event.at if event else (barred[1] if barred else None)
    raise LeftBefore(
        f"{parsed.written} {what}{since(app, when)}.",
        "Only the person can come back, by signing up and confirming; nobody else can do it for them.",
    )


_ENDED = {
    SubscriberStatus.UNSUBSCRIBED: "left",
    SubscriberStatus.COMPLAINED: "reported our mail as spam",
    SubscriberStatus.SUPPRESSED: "must not be mailed",
    SubscriberStatus.BOUNCED: "bounced: the address is dead",
}


def why_not(status: SubscriberStatus | None, barred: EventKind | None) -> str:
    """Why nobody but the person can put them on the list, in words; empty when nothing speaks against it."""
    if status in _ENDED:
        return _ENDED[status]
    if barred is None:
        return ""
    if barred is EventKind.BOUNCED:
        return _ENDED[SubscriberStatus.BOUNCED]
    return "left" if barred in (EventKind.UNSUBSCRIBED, EventKind.FORGOTTEN) else "must not be mailed"


def since(app: App, when: datetime | None) -> str:
    return f" on {local_day(app, when).isoformat()}" if when else ""


def listing(
    app: App, *, status: SubscriberStatus | None = None, search: str = "", limit: int | None = None
) -> list[Subscriber]:
    return app.store.read(lambda tx: subscribers.listing(tx, status=status, search=search, limit=limit))


def counts(app: App) -> dict[str, int]:
    return app.store.read(subscribers.counts)


def show(app: App, email: str) -> tuple[Subscriber, list[Event], list[dict[str, Any]]]:
    """Everything that is known of one reader: who, what happened, and which mails."""
    key = address.parse(email).key

    def work(tx: Connection) -> tuple[Subscriber, list[Event], list[dict[str, Any]]]:
        found = subscribers.find(tx, key)
        if found is None:
            raise NoSuchSubscriber(f"{email} is not on the list.", "`mailer subscribers list --search …` may find it.")
        return found, subscribers.history(tx, found.id), reports.of_subscriber(tx, found.id)

    return app.store.read(work)
