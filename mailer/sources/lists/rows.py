"""Turns the cells of a row into a `ListRow`, once the meanings of the columns are known.

If columns disagree about whether a person may be mailed, the person is not mailed, unless they left and consented again
later. An import runs this code twice for every row, so everything that is the same for all rows is computed once.
"""

import html
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from mailer.model import ListRow, SubscriberStatus
from mailer.sources.lists import words
from mailer.sources.lists.columns import DECISIVE, LEAVING, Column, Decision
from mailer.sources.lists.encoding import BAD_BYTE
from mailer.sources.lists.headings import Meaning
from mailer.sources.lists.records import LONGEST_MAILBOX, Record, mailbox, quoted
from mailer.sources.lists.words import Said
from mailer.text.clean import clean, shorten
from mailer.text.search_key import key

_ACTIVE, _PENDING = SubscriberStatus.ACTIVE, SubscriberStatus.PENDING
_LEFT = SubscriberStatus.UNSUBSCRIBED
_OF_THE_ADDRESS = (SubscriberStatus.BOUNCED, SubscriberStatus.COMPLAINED)  # about the address, so true in every list
FORMULA = re.compile(r"[=+\-@\t\r]")  # a spreadsheet program would run a cell that begins with one of these
_PARTS = re.compile(r"[|،,;]|:::")
_LONGEST_NAME = 1000  # characters; the import later cuts names to fewer characters
_LONGEST_REASON = 200
_LONGEST_VALUE = 100  # only this many characters of a cell are used to find its meaning
# The beginning of a Persian, Arabic or Latin character that was encoded in UTF-8, read as Windows-1252, and encoded
# again.
_TWICE = re.compile("[\u00c2\u00c3\u00d8-\u00db][\u0080-\u00bf\u0152-\u2122]")
# Tags that mean "do not mail". Other tags are the newsroom's own words, even if they contain one of these.
TELLING_TAGS = {
    key(tag): status
    for status, tags in (
        (_LEFT, "unsubscribed|unsubscribe|opted out|opt out|do not mail|do not email|do not contact|dnc|blacklisted"),
        (_LEFT, "لغو عضویت|لغو شده|انصراف"),
        (SubscriberStatus.BOUNCED, "bounced|hard bounce|cleaned|برگشتی"),
        (SubscriberStatus.COMPLAINED, "complained|spam complaint|marked as spam"),
    )
    for tag in tags.split("|")
}


def unescaped(text: str) -> str:
    """Return a cell without the apostrophe that an export puts before a text that looks like a formula."""
    return text[1:] if len(text) > 1 and text[0] == "'" and (FORMULA.match(text[1]) or text[1] == "'") else text


def parts(cell: str) -> tuple[str, ...]:
    """Return the names in a cell that may contain several names, such as sections, tags or lists."""
    return tuple(part for each in _PARTS.split(cell) if (part := each.strip(' *"')))


@lru_cache(maxsize=4096)
def _tags(cell: str) -> tuple[tuple[str, str], ...]:
    """Return the tags in a cell, each with its key. Cached: many people have the same tags, and keys take long."""
    return tuple((tag, key(tag)) for tag in parts(cell))


@dataclass(slots=True)
class _Verdict:
    """The status that the columns give a person: `status` in the list of the row, and `everywhere` in all lists."""

    status: SubscriberStatus = _ACTIVE
    everywhere: SubscriberStatus = _ACTIVE
    why: str = ""  # the heading and the cell that decided the status
    left_at: datetime | None = None
    said_active: bool = False  # True if a status column says that the person is active
    undated: bool = False  # True if something other than a date says that the person left
    problem: str = ""
    unread: str = ""  # a date of leaving that cannot be read

    def add(self, status: SubscriberStatus, column: Column, cell: str, at: datetime | None, everywhere: bool) -> None:
        """Include the status that one cell gives."""
        if words.strongest(status, self.status) is not self.status:
            # A date is left out here: it is stored with the event of leaving, in the time zone of the newsletter.
            self.status, self.why = status, column.heading if at else f"{column.heading}: {cell}"
        if everywhere or status in _OF_THE_ADDRESS:
            self.everywhere = words.strongest(status, self.everywhere)
        self.left_at = self.left_at or at
        self.undated |= at is None and status not in (_ACTIVE, _PENDING)


class Meanings:
    """Turns rows into `ListRow`s, given the meanings of all columns."""

    def __init__(
        self,
        decision: Decision,
        *,
        width: int,
        fixed: bool,
        lists: Collection[str] | None = None,
        sections: Mapping[str, str] | None = None,
        every: SubscriberStatus = _ACTIVE,
    ) -> None:
        """Prepare the meanings.

        `width` is the number of cells of a complete row. With `fixed`, as in CSV, the cells of a row with more or fewer
        cells may be under wrong headings. `lists` has the keys of the chosen lists; None means all lists. `sections`
        maps keys to the newsletter's sections. `every` is the status of each row, unless a cell gives a stronger one.
        """
        self._every = every
        self._decision, self._width, self._fixed = decision, width, fixed
        self._lists = lists
        self._sections_by_key = sections or {}
        self.decisive = tuple(each for each in decision.columns if each.meaning in DECISIVE)
        self._needed = max(self.decisive, key=lambda each: each.place, default=None) if fixed else None
        places = {meaning: tuple(each.place for each in decision.of(meaning)) for meaning in Meaning}
        self.email = places[Meaning.EMAIL][0]
        self._named, self._first_names = places[Meaning.NAME], places[Meaning.FIRST_NAME]
        self._last_names, self._consents = places[Meaning.LAST_NAME], places[Meaning.CONSENT]
        self._sources, self._reasons = places[Meaning.SOURCE], places[Meaning.REASON]
        self._section_places, self._tags = places[Meaning.SECTIONS], places[Meaning.TAGS]
        self._list_columns = decision.of(Meaning.LIST)
        # False if every row is a person who may be mailed.
        self.may_hold_leavers = bool(self.decisive or self._tags or every is not _ACTIVE)
        # A status counts in every list if the file names no lists, or has a separate column for the status in a list.
        self._status_everywhere = not self._list_columns or bool(places[Meaning.LIST_STATUS])

    def row(self, record: Record) -> ListRow:
        """Return the row in the form that the import needs."""
        cells = record.cells
        if record.problem:
            return ListRow(record.line, "", problem=record.problem)
        email = cells[self.email] if self.email < len(cells) else ""
        within, address = mailbox(email[:LONGEST_MAILBOX])
        address = unescaped(address)
        problem = self._misplaced(cells) if self._fixed and len(cells) != self._width else ""
        if BAD_BYTE.search(address):
            address, problem = BAD_BYTE.sub("\ufffd", address), "the address has bytes that cannot be read"
        verdict = self._verdict(cells) if self.may_hold_leavers else None
        problem = problem or (verdict.problem if verdict else "")
        if problem:
            return ListRow(record.line, address, problem=problem)
        consent, unread = self._consent(cells)
        name, bad_name = self._name(cells, within)
        notes = [each for each in (bad_name, unread) if each]
        if len(cells) > self._width and any(cells[self._width :]):
            notes.append("it has more cells than the heading, and the others are passed over")
        if ":::" in email:
            notes.append("it has several addresses, and the first is taken")
        note = "; ".join(notes)
        source = self._first(cells, self._sources)
        sections = self._sections(cells) if self._section_places or self._tags else ()
        if verdict is None and self._lists is None:
            return ListRow(record.line, address, name, sections, consent, source, note=note)
        verdict = verdict or _Verdict(self._every)
        status = self._status(cells, verdict, consent)
        gone = status not in (_ACTIVE, _PENDING, None)
        reason = self._reason(cells, verdict) if gone else ""
        left_at = verdict.left_at if gone else None
        if gone and left_at is None and verdict.unread:
            unread = (
                f"the date of leaving {quoted(verdict.unread[:40])} cannot be read; the date of this import is taken"
            )
            note = "; ".join(filter(None, [note, unread]))
        return ListRow(record.line, address, name, sections, consent, source, status, left_at, reason, "", note)

    # --- names and dates -----------------------------------------------------------------------------------------
    def _first(self, cells: Sequence[str], places: Sequence[int]) -> str:
        """Return the first cell at these places that is neither empty nor an error, or "" if there is none."""
        for place in places:
            if place < len(cells) and cells[place] and not words.is_error(cells[place]):
                return unescaped(cells[place])
        return ""

    def _name(self, cells: Sequence[str], within: str) -> tuple[str, str]:
        """Return the name, and a note if the name is left out or corrected."""
        name = self._first(cells, self._named)
        if not name and (self._first_names or self._last_names):
            both = (self._first(cells, self._first_names), self._first(cells, self._last_names))
            name = " ".join(filter(None, both))
        name = (name or within)[:_LONGEST_NAME]
        if "&" in name:
            name = html.unescape(name)
        if not name.isascii():
            if BAD_BYTE.search(name):
                return "", "the name has bytes that cannot be read, and is left out"
            if _TWICE.search(name) and (once := _decoded_again(name)):
                return once, "the name was encoded twice, which is corrected"
        if name.strip("?؟ ") == "":
            return "", "the name is only question marks, and is left out" if name else ""
        return name, ""

    def _consent(self, cells: Sequence[str]) -> tuple[datetime | None, str]:
        """Return the date of consent, and a note if the date cannot be read."""
        unread = ""
        for place in self._consents:
            cell = cells[place] if place < len(cells) else ""
            if not cell:
                continue
            if found := words.instant(cell):
                return found, ""
            if not words.is_nothing(cell) or words.is_error(cell):
                unread = unread or f"the date {quoted(cell[:40])} cannot be read"
        return None, unread

    def _sections(self, cells: Sequence[str]) -> tuple[str, ...]:
        """Return the sections that the row names, and the tags that are names of sections."""
        found = [
            name for place in self._section_places if place < len(cells) for name in parts(unescaped(cells[place]))
        ]
        for place in self._tags:
            tags = _tags(cells[place]) if place < len(cells) and cells[place] else ()
            found += [self._sections_by_key[name] for _, name in tags if name in self._sections_by_key]
        return tuple(found)

    # --- whether the person may be mailed ------------------------------------------------------------------------
    def _misplaced(self, cells: Sequence[str]) -> str:
        """Return a problem if cells may be missing or in a wrong column, and one of the columns says who left.

        Returns "" if there is no problem.
        """
        if self._needed is None:
            return ""
        if len(cells) <= self._needed.place:
            return f"the row ends before the column «{self._needed.heading}»"
        if any(cells[self._width :]):
            return "the row has more cells than the heading; is a quotation mark missing?"
        return ""

    def _verdict(self, cells: Sequence[str]) -> _Verdict:
        verdict = _Verdict(self._every)
        for column in self.decisive:
            cell = cells[column.place] if column.place < len(cells) else ""
            if column.meaning in LEAVING:
                _add_leaving(verdict, column, cell)
            elif column.meaning in (Meaning.SUBSCRIBED, Meaning.CONFIRMED):
                _add_flag(verdict, column, cell)
            elif not words.is_blank(cell):
                self._add_status(verdict, column, cell)
        for place in self._tags:
            for tag, name in _tags(cells[place]) if place < len(cells) and cells[place] else ():
                if found := TELLING_TAGS.get(name):
                    verdict.add(found, Column(place, "tag", Meaning.TAGS), tag, None, True)
        given = (cells[place] for place in self._reasons if place < len(cells))
        if verdict.status is _LEFT and any(map(words.is_complaint, given)):
            verdict.status = verdict.everywhere = SubscriberStatus.COMPLAINED
        return verdict

    def _add_status(self, verdict: _Verdict, column: Column, cell: str) -> None:
        found = words.status(cell[:_LONGEST_VALUE], self._decision.codes)
        if found is None:
            verdict.problem = f"the status {quoted(cell[:40])} is not known"
            return
        everywhere = column.meaning is Meaning.STATUS and (
            self._status_everywhere or "global" in column.heading.casefold()
        )
        verdict.said_active |= found is _ACTIVE
        verdict.add(found, column, cell, None, everywhere)

    def _status(self, cells: Sequence[str], verdict: _Verdict, consent: datetime | None) -> SubscriberStatus | None:
        """Return the status of a row, or None if the row does not matter for the chosen lists."""
        if self._lists is not None and not self._is_chosen(cells):
            return verdict.everywhere if verdict.everywhere not in (_ACTIVE, _PENDING) else None
        left_at = verdict.left_at
        # Some systems keep the date of leaving when a person comes back. A later date of consent then counts.
        back = verdict.said_active and not verdict.undated and consent is not None and left_at is not None
        if verdict.status is _LEFT and back and consent > left_at:  # type: ignore[operator]
            return _ACTIVE
        return verdict.status

    def _is_chosen(self, cells: Sequence[str]) -> bool:
        chosen = self._lists or ()
        return any(
            in_list(cells[each.place], chosen, joined=is_joined(each.heading))
            for each in self._list_columns
            if each.place < len(cells)
        )

    def _reason(self, cells: Sequence[str], verdict: _Verdict) -> str:
        """Return why the person left, in the words of the old system."""
        given = [cells[place] for place in self._reasons if place < len(cells) and not words.is_nothing(cells[place])]
        return shorten(clean(BAD_BYTE.sub("", " · ".join(filter(None, [verdict.why, *given])))), _LONGEST_REASON)


def _add_leaving(verdict: _Verdict, column: Column, cell: str) -> None:
    """Add to the verdict what a cell of a column such as "deleted" or "unsubscribed_at" says."""
    said = words.flag(cell[:_LONGEST_VALUE])
    status = LEAVING[column.meaning]
    if said.kind is Said.DATE and said.at is None:
        verdict.unread = cell
    if said.kind in (Said.YES, Said.DATE):
        verdict.add(status, column, cell, said.at, True)
    elif said.kind is Said.WORD and said.status is not None:
        verdict.add(said.status, column, cell, None, True)
    elif said.kind is Said.TEXT:
        if column.sure:
            verdict.add(status, column, cell, None, True)
        else:
            verdict.problem = f"«{column.heading}» is {quoted(cell[:40])}, which is not understood"


def _add_flag(verdict: _Verdict, column: Column, cell: str) -> None:
    """Add to the verdict what a cell of a column such as "subscribed" or "confirmed" says."""
    said = words.flag(cell[:_LONGEST_VALUE])
    if said.kind is Said.NO:
        verdict.add(_LEFT if column.meaning is Meaning.SUBSCRIBED else _PENDING, column, cell, None, True)
    elif said.kind is Said.NOTHING and column.blank_is_no:
        verdict.add(_PENDING, column, cell, None, True)
    elif said.kind is Said.WORD and said.status is not None:
        verdict.add(said.status, column, cell, None, True)


def _decoded_again(name: str) -> str:
    """Return the original of a name that was encoded twice, or "" if the name was not encoded twice."""
    try:
        once = b"".join(char.encode("latin-1" if char < "\u0100" else "cp1252") for char in name)
        return once.decode("utf-8")
    except UnicodeError:
        return ""


# --- lists -----------------------------------------------------------------------------------------------------------
def is_joined(heading: str) -> bool:
    """Return True if blanks join the names of lists in this column, as in files from phpList."""
    return key(heading) == "list membership"


def in_list(cell: str, chosen: Collection[str], *, joined: bool) -> bool:
    """Return True if a cell names one of the chosen lists. `chosen` contains the keys of their names."""
    if joined:
        return any(f" {name} " in f" {key(cell)} " for name in chosen)
    return any(key(part) in chosen for part in parts(cell)) or key(cell) in chosen
