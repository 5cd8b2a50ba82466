"""Imports and exports lists of subscribers.

A bad row is refused and does not stop the import. Readers who left are not brought back. Rows are imported in chunks of
a few thousand, each chunk in its own transaction. Therefore a sender never waits long for the database, and memory use
does not grow with the list.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from mailer import address, tokens
from mailer.address import Address
from mailer.context import App
from mailer.errors import BadAddress
from mailer.model import EventKind, Method, NewEvent, NewSubscriber, SubscriberStatus
from mailer.readers import adding
from mailer.store import events, subscribers, suppressions
from mailer.store.subscribers import New

CHUNK = 2000  # rows that are imported in one transaction
MOST_REFUSALS = 10_000  # refused rows that are listed one by one; further refused rows are only counted

# Names before the @ (RFC 2142 and common use) that belong to an office. Such addresses may sign up, but are not
# imported.
_ROLES = frozenset(
    {"abuse", "postmaster", "hostmaster", "noc", "security", "mailer-daemon", "noreply", "no-reply"}
    | {"webmaster", "root"}
)
_JOINED = frozenset({"", "active", "enabled", "subscribed", "confirmed", "فعال", "عضو", "true", "1", "yes"})
_LEFT = frozenset(
    {"unsubscribed", "blocklisted", "blacklisted", "disabled", "inactive", "bounced", "complained", "suppressed"}
    | {"cleaned", "غیرفعال", "لغو", "لغو شده", "لغوشده", "false", "0", "no"}
)


@dataclass(slots=True)
class Imported:
    """The counts of an import.

    `refusals` lists the first refused rows, and `more` is the number of refused rows that are not listed.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    suppressed: int = 0
    refusals: list[tuple[int, str, str]] = field(default_factory=list)  # line, address, reason
    more: int = 0

    @property
    def rows(self) -> int:
        return self.added + self.updated + self.unchanged + self.refused + self.suppressed

    def include(self, part: "Imported") -> None:
        for count in ("added", "updated", "unchanged", "refused", "suppressed"):
            setattr(self, count, getattr(self, count) + getattr(part, count))
        room = MOST_REFUSALS - len(self.refusals)
        self.refusals += part.refusals[:room]
        self.more += len(part.refusals[room:])


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """The options of an import."""

    source: str = "import"
    invite: bool = False  # add new readers as pending, and mail each of them a confirmation link
    suppress: bool = False  # never mail these people, because they left the list of the old system
    dry_run: bool = False  # only count, and write nothing


def import_rows(
    app: App, rows: Iterable[NewSubscriber], how: How | None = None, *, progress: Callable[[int], None] | None = None
) -> Imported:
    """Imports the rows and returns the counts.

    Calls `progress` after each chunk with the number of rows imported so far.
    """
    how = how or How()
    report = Imported()
    # For a dry run: the hashes of the addresses that earlier chunks would add. Hashes need less memory than addresses.
    met: set[int] = set()
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        import_chunk = partial(_import_chunk, app, chunk, how, met)
        report.include(app.store.read(import_chunk) if how.dry_run else app.store.write(import_chunk))
        if progress:
            progress(report.rows)
    return report


def _import_chunk(app: App, chunk: list[NewSubscriber], how: How, met: set[int], tx: Connection) -> Imported:
    part = Imported()
    rows: dict[str, NewSubscriber] = {}  # `rows` and `people` have the same keys: normalised addresses
    people: dict[str, New] = {}
    leaving: set[str] = set()
    for row in chunk:
        try:
            parsed, status = _read(row, how)
        except BadAddress as error:
            part.refused += 1
            part.refusals.append((row.line, row.email, error.message))
            continue
        key = parsed.key
        if status is SubscriberStatus.UNSUBSCRIBED:
            leaving.add(key)
            continue
        if key in rows:
            part.unchanged += 1
            row, status = _merged(rows[key], row), people[key].status
        rows[key] = row
        source = row.source or how.source
        people[key] = adding.person(app, parsed, row.name, row.sections, source, status, row.consent_at)
    part.suppressed += len(leaving)
    if not how.dry_run:
        _leave(app, tx, leaving)
    plan = adding.plan(tx, people.values())
    for new, reason, when in plan.refused:
        part.suppressed += 1
        row = rows[new.key]
        part.refusals.append((row.line, row.email, f"{new.address} {reason}{adding.since(app, when)}"))
    _join(app, tx, plan, how, met, part)
    return part


def _read(row: NewSubscriber, how: How) -> tuple[Address, SubscriberStatus]:
    """Returns the address of a row, and the status for its subscriber: UNSUBSCRIBED, PENDING or ACTIVE.

    Raises BadAddress if the row must be refused, even if the cause is not the address.
    """
    if row.problem:
        raise BadAddress(row.problem)
    given = row.status.strip().casefold()
    parsed = address.parse(row.email)
    if how.suppress or given in _LEFT:
        return parsed, SubscriberStatus.UNSUBSCRIBED
    if given not in _JOINED and given != "pending":
        raise BadAddress(f"the status {row.status[:40]!r} is not known", "Write active or unsubscribed.")
    if parsed.local.lower() in _ROLES:
        raise BadAddress(f"{parsed.local}@ is the mailbox of an office, not of a reader", "It may sign up by itself.")
    return parsed, SubscriberStatus.PENDING if how.invite or given == "pending" else SubscriberStatus.ACTIVE


def _merged(one: NewSubscriber, other: NewSubscriber) -> NewSubscriber:
    """Merges two rows with the same address.

    The name and the sections come from the later row if that row has them, otherwise from the earlier row. The consent
    time and the source come from the earlier row if that row has them, otherwise from the later row.
    """
    return one._replace(
        name=other.name or one.name,
        sections=other.sections or one.sections,
        consent_at=one.consent_at or other.consent_at,
        source=one.source or other.source,
    )


def _leave(app: App, tx: Connection, keys: set[str]) -> None:
    if not keys:
        return
    now = app.now()
    hashes = {tokens.address_hash(app.keys, key) for key in keys}
    suppressions.add(tx, hashes, EventKind.UNSUBSCRIBED, at=now)
    events.record(tx, subscribers.unsubscribe(tx, keys), NewEvent(EventKind.UNSUBSCRIBED, now, Method.IMPORT))


def _join(app: App, tx: Connection, plan: adding.Plan, how: How, met: set[int], part: Imported) -> None:
    added = len(plan.new)
    if how.dry_run:
        fresh = {number for new in plan.new if (number := hash(new.key)) not in met}
        met |= fresh
        added = len(fresh)
    else:
        adding.carry_out(app, tx, plan, app.now(), kind=EventKind.ADDED, method=Method.IMPORT, invite=how.invite)
    part.added += added
    part.updated += len(plan.changed)
    part.unchanged += plan.unchanged + len(plan.new) - added


def export_rows(app: App, status: SubscriberStatus | None = None) -> Iterator[Mapping[str, Any]]:
    """Yields all subscribers with address, name, sections, status, consent_at and source.

    The subscribers are read in pages, each page in its own transaction.
    """
    after = 0
    while rows := app.store.read(partial(subscribers.page, after=after, status=status)):
        yield from rows
        after = rows[-1]["id"]
