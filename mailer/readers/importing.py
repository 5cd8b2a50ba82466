"""Imports and exports lists of subscribers.

A bad row is refused and does not stop the import. Readers who left, here or in the old system, are not brought back.
If the list may hold people who must not be mailed, the import has two passes: the first pass records these people, and
the second pass adds the others. Therefore, if several rows have the same address and one of them says that it must not
be mailed, that row wins, even if it comes last. The address then gets no mail during the import either.

Rows are imported in chunks of a few thousand, each chunk in its own transaction. Therefore a sender never waits long
for the database, and memory use does not grow with the list.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from mailer import address
from mailer.address import Address
from mailer.context import App
from mailer.errors import BadAddress
from mailer.model import ON_LIST, EventKind, ListRow, Method, SubscriberStatus
from mailer.readers import adding, keeping_off
from mailer.readers.keeping_off import Leaver
from mailer.store import subscribers
from mailer.store.subscribers import New

CHUNK = 2000  # rows that are imported in one transaction
MOST_REMARKS = 10_000  # remarks that are listed one by one; further remarks are only counted

# Names before the @ that belong to an office and not to a person (RFC 2142 and common use). Such addresses may sign up,
# but are not imported.
_ROLES = frozenset(
    {"abuse", "postmaster", "hostmaster", "noc", "security", "mailer-daemon", "noreply", "no-reply"}
    | {"webmaster", "root"}
)
_MAY_BE_MAILED = (SubscriberStatus.ACTIVE, None)  # None if the row belongs to a list that was not chosen
_DISAGREE = "another row says that this person must not be mailed"
_MAY_DISAGREE = "another row with this address is not understood, and may say that this person must not be mailed"


@dataclass(slots=True)
class Imported:
    """The counts of an import. Each row is counted exactly once; `remarks` says what happened to some of the rows.

    `suppressed` counts people who must not be mailed, `pending` those who never confirmed in the old system, and
    `passed_over` rows of lists that were not chosen. `more` counts the remarks after the first MOST_REMARKS.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    suppressed: int = 0
    pending: int = 0
    passed_over: int = 0
    remarks: list[tuple[int, str, str]] = field(default_factory=list)  # line, address, sentence
    more: int = 0

    @property
    def rows(self) -> int:
        return sum(getattr(self, count) for count in _COUNTS)

    def include(self, part: "Imported") -> None:
        for count in _COUNTS:
            setattr(self, count, getattr(self, count) + getattr(part, count))
        room = MOST_REMARKS - len(self.remarks)
        self.remarks += part.remarks[:room]
        self.more += len(part.remarks[room:])

    def refuse(self, row: ListRow, why: str) -> None:
        self.refused += 1
        self.remark(row, why)

    def remark(self, row: ListRow, words: str) -> None:
        self.remarks.append((row.line, row.email, words))


_COUNTS = ("added", "updated", "unchanged", "refused", "suppressed", "pending", "passed_over")


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """The options of an import."""

    source: str = "import"
    invite: bool = False  # add new readers as pending, and mail each of them a confirmation link
    suppress: bool = False  # everyone in the file left the old system's list and must never be mailed
    dry_run: bool = False  # only count, and write nothing


class _Addresses:
    """A set of addresses that takes eight bytes for each address. Add all addresses before looking one up."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, key: str) -> None:
        self._hashes.append(hash(key))

    def sort(self) -> None:
        """Must be called after the last address was added."""
        self._hashes = array("q", sorted(self._hashes))

    def __contains__(self, key: str) -> bool:
        number = hash(key)
        place = bisect_left(self._hashes, number)
        return place < len(self._hashes) and self._hashes[place] == number


class _Met:
    """The addresses that an import must remember from one chunk to the next, as hashes to save memory."""

    def __init__(self) -> None:
        self.added: set[int] = set()  # addresses that earlier chunks of a dry run would have added
        self.kept_off = _Addresses()  # addresses that must not be mailed
        self.doubtful = _Addresses()  # addresses that unclear rows may mean; these people may have left

    def doubt(self, email: str) -> None:
        """Remember the addresses that a row may mean. They are not added in this import."""
        for each in address.look_alikes(email):
            self.doubtful.add(each.key)


def import_rows(
    app: App,
    rows: Iterable[ListRow],
    how: How | None = None,
    *,
    may_hold_leavers: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Imports the rows and returns the counts.

    `may_hold_leavers` must be true unless everyone in `rows` may be mailed. `rows` is iterated twice, or only once if
    both `may_hold_leavers` and `how.suppress` are false. After each chunk, calls `progress` with the number of rows
    handled so far.
    """
    how = how or How()
    report, met = Imported(), _Met()
    if may_hold_leavers or how.suppress:
        _import(app, _leavers(rows, how, met), partial(_keep_off, app, how, met), how, report, progress)
        met.kept_off.sort()
        met.doubtful.sort()
    others = (each for each in rows if each.problem or _status(each, how) in _MAY_BE_MAILED)
    _import(app, others, partial(_add, app, how, met), how, report, progress)
    report.remarks.sort(key=lambda each: each[0])
    return report


def _leavers(rows: Iterable[ListRow], how: How, met: _Met) -> Iterator[ListRow]:
    """Yields the rows of people who must not be mailed. Remembers the addresses of rows that are not understood."""
    for row in rows:
        if row.problem:
            met.doubt(row.email)
        elif _status(row, how) not in _MAY_BE_MAILED:
            yield row


def _import(
    app: App,
    rows: Iterable[ListRow],
    one_chunk: Callable[[list[ListRow], Connection], Imported],
    how: How,
    report: Imported,
    progress: Callable[[int], None] | None,
) -> None:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        run = partial(one_chunk, chunk)
        report.include(app.store.read(run) if how.dry_run else app.store.write(run))
        if progress:
            progress(report.rows)


def _status(row: ListRow, how: How) -> SubscriberStatus | None:
    """Returns the status of a row. With `--suppress`, PENDING, ACTIVE and None become UNSUBSCRIBED."""
    if how.suppress and row.status in (*ON_LIST, None):
        return SubscriberStatus.UNSUBSCRIBED
    return row.status


def _parsed(row: ListRow, part: Imported) -> Address | None:
    """Returns the address of a row. If the row has a problem or no valid address, refuses the row and returns None."""
    if row.problem:
        part.refuse(row, row.problem)
        return None
    try:
        return address.parse(row.email)
    except BadAddress as error:
        part.refuse(row, error.message)
        return None


# --- people who must not be mailed -----------------------------------------------------------------------------------
def _keep_off(app: App, how: How, met: _Met, chunk: list[ListRow], tx: Connection) -> Imported:
    """Records the people of a chunk who left, bounced, complained or never confirmed in the old system."""
    part = Imported()
    found: dict[str, tuple[ListRow, Leaver]] = {}
    keys: list[str] = []
    for row in chunk:
        parsed = _parsed(row, part)
        if parsed is None or not row.email.isascii():
            met.doubt(row.email)
        if parsed is None:
            continue
        if row.note:
            part.remark(row, row.note)
        keys.append(parsed.key)
        status = _status(row, how) or SubscriberStatus.UNSUBSCRIBED
        earlier = found.get(parsed.key)
        if earlier is None or keeping_off.is_stronger(status, earlier[1].person.status):
            source = row.source or how.source
            person = adding.person(app, parsed, row.name, row.sections, source, status, row.consent_at)
            left_at = min(row.left_at, app.now()) if row.left_at else None
            found[parsed.key] = row, Leaver(person, left_at, row.reason)
    plan = keeping_off.plan(tx, [leaver for _, leaver in found.values()])
    for key, consent in plan.staying.items():
        row = found[key][0]
        part.remark(row, f"stays active: the consent here ({consent:%Y-%m-%d}) is later than the leaving there")
    for key in keys:
        after = plan.after[key]
        if after is SubscriberStatus.ACTIVE:
            part.unchanged += 1
        elif after is SubscriberStatus.PENDING:
            part.pending += 1
        else:
            part.suppressed += 1
    for key, after in plan.after.items():
        if after is not SubscriberStatus.ACTIVE:
            met.kept_off.add(key)
    if not how.dry_run:
        keeping_off.carry_out(tx, plan, app.now())
    return part


# --- people who may be mailed ----------------------------------------------------------------------------------------
def _add(app: App, how: How, met: _Met, chunk: list[ListRow], tx: Connection) -> Imported:
    """Adds the people of a chunk."""
    part = Imported()
    rows: dict[str, ListRow] = {}  # `rows` and `people` have the same keys: normalised addresses
    people: dict[str, New] = {}
    status = SubscriberStatus.PENDING if how.invite else SubscriberStatus.ACTIVE
    for row in chunk:
        if row.status is None and not row.problem:
            part.passed_over += 1
            continue
        parsed = _parsed(row, part)
        if parsed is None:
            continue
        if parsed.local.lower() in _ROLES:
            part.refuse(row, f"{parsed.local}@ is the mailbox of an office, not of a reader")
            continue
        key = parsed.key
        if key in met.kept_off:
            part.suppressed += 1
            part.remark(row, _DISAGREE)
            continue
        if key in met.doubtful:
            part.suppressed += 1
            part.remark(row, _MAY_DISAGREE)
            continue
        if row.note:
            part.remark(row, row.note)
        if suspicion := address.suspicion(parsed):
            part.remark(row, f"is {suspicion} meant? The address was not changed")
        if key in rows:
            part.unchanged += 1
            row = _merged(rows[key], row)
        rows[key] = row
        people[key] = adding.person(
            app, parsed, row.name, row.sections, row.source or how.source, status, row.consent_at
        )
    plan = adding.plan(tx, people.values())
    for new, reason, when in plan.refused:
        part.suppressed += 1
        part.remark(rows[new.key], f"{reason}{adding.since(app, when)}")
    for waiting in plan.pending.values():
        part.remark(rows[waiting], "is on the list already, and has not confirmed yet")
    _join(app, tx, plan, how, met, part)
    return part


def _merged(one: ListRow, other: ListRow) -> ListRow:
    """Merges two rows with the same address; `other` is the later row.

    The name and the sections come from the later row if that row has them, otherwise from the earlier row. The consent
    time and the source come from the earlier row if that row has them, otherwise from the later row.
    """
    return one._replace(
        name=other.name or one.name,
        sections=other.sections or one.sections,
        consent_at=one.consent_at or other.consent_at,
        source=one.source or other.source,
    )


def _join(app: App, tx: Connection, plan: adding.Plan, how: How, met: _Met, part: Imported) -> None:
    added = len(plan.new)
    if how.dry_run:
        fresh = {number for new in plan.new if (number := hash(new.key)) not in met.added}
        met.added |= fresh
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
