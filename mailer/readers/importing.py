"""Many subscribers into the list and out of it. Who left is never revived, and a bad row never stops the rest.

Chunks of a few thousand rows are asked and written as sets; each chunk is a transaction, so that the sending beside it
waits for milliseconds and memory stays flat.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from mailer import address, tokens
from mailer.address import Address
from mailer.context import App
from mailer.errors import BadAddress
from mailer.model import NewSubscriber, SubscriberStatus
from mailer.readers import joining
from mailer.readers.admin import since, tidy_name, why_not
from mailer.store import subscribers
from mailer.store.subscribers import New

CHUNK = 2000  # rows in one transaction
TOLD = 10_000  # refusals that are told one by one

# RFC 2142: read by whoever is on duty, if at all; such a mailbox may join by itself, never by a list from somewhere.
_ROLES = frozenset(
    {
        "abuse",
        "postmaster",
        "hostmaster",
        "noc",
        "security",
        "mailer-daemon",
        "noreply",
        "no-reply",
        "webmaster",
        "root",
    }
)
_JOINED = frozenset({"", "active", "enabled", "subscribed", "confirmed", "فعال", "عضو", "true", "1", "yes"})
_LEFT = frozenset(
    {"unsubscribed", "blocklisted", "blacklisted", "disabled", "inactive", "bounced", "complained", "suppressed"}
    | {"cleaned", "غیرفعال", "لغو", "لغو شده", "لغوشده", "false", "0", "no"}
)


@dataclass(slots=True)
class Imported:
    """What became of the rows; `refusals` says which line and why, `more` how many were not told one by one."""

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

    def refuse(self, row: NewSubscriber, reason: str) -> None:
        if len(self.refusals) < TOLD:
            self.refusals.append((row.line, row.email, reason))
        else:
            self.more += 1

    def take(self, part: "Imported") -> None:
        for count in ("added", "updated", "unchanged", "refused", "suppressed", "more"):
            setattr(self, count, getattr(self, count) + getattr(part, count))
        room = TOLD - len(self.refusals)
        self.refusals += part.refusals[:room]
        self.more += len(part.refusals[room:])


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How an import is meant."""

    source: str = "import"
    invite: bool = False  # ask each one by a mail first
    suppress: bool = False  # these left the old system: never mail them
    dry_run: bool = False  # only say what would happen


def import_rows(
    app: App, rows: Iterable[NewSubscriber], how: How | None = None, *, progress: Callable[[int], None] | None = None
) -> Imported:
    """Takes the rows in; with `dry_run`, only tells what would become of them."""
    how = how or How()
    report = Imported()
    met: set[int] = set()  # of a dry run: what earlier chunks would have stored, as short hashes
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        work = partial(_chunk, app, chunk, how, met)
        report.take(app.store.read(work) if how.dry_run else app.store.write(work))
        if progress:
            progress(report.rows)
    return report


def _chunk(app: App, chunk: list[NewSubscriber], how: How, met: set[int], tx: Connection) -> Imported:
    part = Imported()
    wanted: dict[str, tuple[NewSubscriber, Address]] = {}
    leaving: dict[str, Address] = {}
    for row in chunk:
        try:
            parsed, leaves = _read(row, how)
        except BadAddress as error:
            part.refused += 1
            part.refuse(row, error.message)
            continue
        if leaves:
            leaving[parsed.key] = parsed
        elif parsed.key in wanted:
            part.unchanged += 1
            wanted[parsed.key] = (_fuller(wanted[parsed.key][0], row), parsed)
        else:
            wanted[parsed.key] = (row, parsed)
    part.suppressed += _leave(app, tx, leaving, how)
    _join(app, tx, wanted, how, met, part)
    return part


def _read(row: NewSubscriber, how: How) -> tuple[Address, bool]:
    """The address of a row, and whether the row says that its person left. BadAddress: it must not be taken in."""
    if row.problem:
        raise BadAddress(row.problem)
    status = row.status.strip().casefold()
    parsed = address.parse(row.email)
    if how.suppress or status in _LEFT:
        return parsed, True
    if status not in _JOINED and status != "pending":
        raise BadAddress(f"the status {row.status[:40]!r} is not known", "Write active or unsubscribed.")
    if parsed.local.lower() in _ROLES:
        raise BadAddress(f"{parsed.local}@ belongs to an office, not to a reader", "It may sign up by itself.")
    return parsed, False


@lru_cache(maxsize=1000)  # a million rows have a few of them
def _sections(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({tidy for name in given if (tidy := tidy_name(name))}))


@lru_cache(maxsize=1000)
def _source(given: str) -> str:
    return tidy_name(given)


def _fuller(one: NewSubscriber, other: NewSubscriber) -> NewSubscriber:
    """Of two rows about one address the later counts, but for what it leaves out."""
    return NewSubscriber(
        one.line,
        one.email,
        other.name or one.name,
        other.sections or one.sections,
        one.consent_at or other.consent_at,
        one.source or other.source,
        one.status,
    )


def _leave(app: App, tx: Connection, leaving: Mapping[str, Address], how: How) -> int:
    if not leaving:
        return 0
    if not how.dry_run:
        now = app.now()
        subscribers.suppress_many(tx, {tokens.address_hash(app.keys, key) for key in leaving}, now)
        subscribers.leave(tx, leaving, now)
    return len(leaving)


def _join(
    app: App,
    tx: Connection,
    wanted: Mapping[str, tuple[NewSubscriber, Address]],
    how: How,
    met: set[int],
    part: Imported,
) -> None:
    """Adds, changes or leaves alone; who left is counted as suppressed and told."""
    hashes = {key: tokens.address_hash(app.keys, key) for key in wanted}
    barred = subscribers.suppressed_among(tx, hashes.values())
    known = subscribers.known(tx, wanted)
    new: dict[SubscriberStatus, list[New]] = {SubscriberStatus.ACTIVE: [], SubscriberStatus.PENDING: []}
    changed: dict[str, tuple[str, tuple[str, ...]]] = {}
    for key, (row, parsed) in wanted.items():
        there = known.get(key)
        bar = barred.get(hashes[key])
        if what := why_not(there.status if there else None, bar[0] if bar else None):
            part.suppressed += 1
            part.refuse(row, f"{parsed.written} {what}{since(app, bar[1] if bar else None)}")
            continue
        name = tidy_name(row.name) if row.name else ""
        sections = _sections(row.sections) if row.sections else ()
        if there is None and how.dry_run and hash(key) in met:
            part.unchanged += 1
        elif there is None:
            if how.dry_run:
                met.add(hash(key))
            waits = how.invite or row.status.strip().casefold() == "pending"
            status = SubscriberStatus.PENDING if waits else SubscriberStatus.ACTIVE
            source = _source(row.source or how.source)
            new[status].append(
                New(parsed.written, key, hashes[key], parsed.domain, name, sections, source, row.consent_at)
            )
        elif (name and name != there.name) or (sections and sections != there.sections):
            changed[key] = (name or there.name, sections or there.sections)
        else:
            part.unchanged += 1
    part.added += sum(map(len, new.values()))
    part.updated += len(changed)
    if how.dry_run:
        return
    now = app.now()
    for status, rows in new.items():
        subscribers.add_many(tx, rows, status, now)
    subscribers.change_many(tx, changed, now)
    if how.invite:
        asked = [each.key for each in new[SubscriberStatus.PENDING]]
        joining.owe(app, tx, subscribers.ids(tx, asked), now)


def export_rows(app: App, status: SubscriberStatus | None = None) -> Iterator[Mapping[str, Any]]:
    """Everybody, page by page: address, name, sections, status, consent_at, source."""
    after = 0
    while rows := app.store.read(partial(_page, after=after, status=status)):
        yield from rows
        after = rows[-1]["id"]


def _page(tx: Connection, *, after: int, status: SubscriberStatus | None) -> list[Mapping[str, Any]]:
    return list(subscribers.page(tx, after, status))
