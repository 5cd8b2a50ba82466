"""Subscribers by an admin's hand: add, import, list, show. Who left is never brought back here: only the person can."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from mailer import address, tokens
from mailer.address import Address
from mailer.app.context import App, local_day
from mailer.errors import BadAddress, LeftBefore, NoSuchSubscriber
from mailer.mail.text import clean
from mailer.model import Event, EventKind, Method, Subscriber, SubscriberStatus
from mailer.store import deliveries, subscribers

LONGEST_NAME = 200  # characters
CHUNK = 500  # rows of an import in one transaction


@dataclass(frozen=True, slots=True)
class NewSubscriber:
    """One row of an import, as the file tells it. `line` is where it stood."""

    line: int
    email: str
    name: str = ""
    sections: tuple[str, ...] = ()
    consent_at: datetime | None = None
    source: str = ""


@dataclass(slots=True)
class Imported:
    """What became of the rows; `refusals` says which line and why."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    suppressed: int = 0
    refusals: list[tuple[int, str, str]] = field(default_factory=list)  # line, address, reason


def add(app: App, email: str, *, name: str = "", sections: Sequence[str] = ()) -> tuple[Subscriber, str]:
    """Somebody is active at once: "added", "updated" (a new name, say) or "unchanged". LeftBefore: they left, and the
    message says when and the way back."""
    parsed = address.parse(email)

    def work(tx: Connection) -> tuple[Subscriber, str]:
        outcome = _place(app, tx, parsed, name, tuple(sections), Method.ADMIN, "admin", None)
        found = subscribers.find(tx, parsed.key)
        if found is None:
            raise NoSuchSubscriber(f"{parsed.written} could not be stored.")
        return found, outcome

    return app.store.write(work)


def _place(
    app: App,
    tx: Connection,
    parsed: Address,
    name: str,
    sections: tuple[str, ...],
    method: Method,
    source: str,
    consent_at: datetime | None,
) -> str:
    """Puts one address on the list: "added", "updated" or "unchanged". LeftBefore: it must not be."""
    name = clean(name)[:LONGEST_NAME]  # it stands in mails and tables: no line end, no sign that turns the direction
    now = app.now()
    hash_ = tokens.address_hash(app.keys, parsed.key)
    found = subscribers.find(tx, parsed.key)
    _refuse_who_left(app, tx, parsed, hash_, found)
    if found is None:
        new = subscribers.add(
            tx,
            address=parsed.written,
            key=parsed.key,
            hash_=hash_,
            domain=parsed.domain,
            name=name,
            sections=sections,
            status=SubscriberStatus.ACTIVE,
            source=source,
            now=now,
            consent_at=consent_at,
        )
        subscribers.record(tx, new, EventKind.ADDED, at=now, method=method)
        return "added"
    changed_name = name if name and name != found.name else None
    changed_sections = sections if sections and tuple(sorted(set(sections))) != found.sections else None
    if found.status is SubscriberStatus.PENDING and method is Method.ADMIN:
        subscribers.move(tx, found.id, SubscriberStatus.ACTIVE, from_=(SubscriberStatus.PENDING,))
        subscribers.record(tx, found.id, EventKind.CONFIRMED, at=now, method=method)
    elif changed_name is None and changed_sections is None:
        return "unchanged"
    subscribers.change(tx, found.id, name=changed_name, sections=changed_sections)
    if changed_name is not None or changed_sections is not None:
        subscribers.record(tx, found.id, EventKind.CHANGED, at=now, method=method)
    return "updated"


_ENDED = {
    SubscriberStatus.UNSUBSCRIBED: "left",
    SubscriberStatus.COMPLAINED: "reported our mail as spam",
    SubscriberStatus.SUPPRESSED: "must not be mailed",
    SubscriberStatus.BOUNCED: "bounced: the address is dead",
}


def _refuse_who_left(app: App, tx: Connection, parsed: Address, hash_: str, found: Subscriber | None) -> None:
    barred = subscribers.suppressed(tx, hash_)
    if found is not None and found.status in _ENDED:
        what = _ENDED[found.status]
        kinds = (EventKind.UNSUBSCRIBED, EventKind.COMPLAINED, EventKind.SUPPRESSED, EventKind.BOUNCED)
        event = subscribers.last_event(tx, found.id, kinds)
        when = event.at if event else (barred[1] if barred else None)
    elif barred is not None:
        what, when = "left" if barred[0] is EventKind.UNSUBSCRIBED else "must not be mailed", barred[1]
    else:
        return
    since = f" on {local_day(app, when).isoformat()}" if when else ""
    raise LeftBefore(
        f"{parsed.written} {what}{since}.",
        "Only the person can come back, by signing up and confirming; nobody else can do it for them.",
    )


def import_rows(app: App, rows: Iterable[NewSubscriber], *, default_source: str = "import") -> Imported:
    """Puts many on the list, in transactions of 500. A bad row is refused with its line and never stops the rest."""
    report = Imported()
    for chunk in _chunks(rows):

        def work(tx: Connection, chunk: list[NewSubscriber] = chunk) -> Imported:
            part = Imported()
            for row in chunk:
                _import_row(app, tx, row, default_source, part)
            return part

        part = app.store.write(work)
        report.added += part.added
        report.updated += part.updated
        report.unchanged += part.unchanged
        report.refused += part.refused
        report.suppressed += part.suppressed
        report.refusals += part.refusals
    return report


def _import_row(app: App, tx: Connection, row: NewSubscriber, default_source: str, part: Imported) -> None:
    try:
        parsed = address.parse(row.email)
        outcome = _place(
            app, tx, parsed, row.name, row.sections, Method.IMPORT, row.source or default_source, row.consent_at
        )
    except LeftBefore as error:
        part.suppressed += 1
        part.refusals.append((row.line, row.email, error.message))
    except BadAddress as error:
        part.refused += 1
        part.refusals.append((row.line, row.email, error.message))
    else:
        setattr(part, outcome, getattr(part, outcome) + 1)


def _chunks(rows: Iterable[NewSubscriber]) -> Iterator[list[NewSubscriber]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


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
        return found, subscribers.history(tx, found.id), deliveries.of_subscriber(tx, found.id)

    return app.store.read(work)
