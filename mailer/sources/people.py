"""Reads lists of subscribers from CSV, JSON Lines, Excel workbooks and ZIP archives, and writes lists as CSV.

A list is read several times: once to find out what its columns mean, then as often as the import needs its rows. So an
import can find problems before it writes anything. Addresses are not checked here; the import checks them. A row that
cannot be read gets a `problem`, and the next rows are still read.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mailer.errors import UndecidedList, UnreadableInput, UsageError
from mailer.model import ListRow, SubscriberStatus
from mailer.sources.lists import columns, container, words
from mailer.sources.lists.columns import DECISIVE, LEAVING, Decision
from mailer.sources.lists.container import Content
from mailer.sources.lists.headings import Meaning, heading_key, leaving_meaning
from mailer.sources.lists.records import quoted
from mailer.sources.lists.rows import FORMULA, TELLING_TAGS, Meanings, in_list, is_joined, parts
from mailer.sources.lists.table import Survey, Table, of_text, of_workbook, people_rows, says_left, survey
from mailer.text.search_key import key

ALL_LISTS = "*"
_SAMPLES = 3  # rows that a dry run shows
_SHOWN = 30  # columns or lists that a message names
_MAILCHIMP = frozenset({"leid", "euid", "member rating", "optin time"})  # headings that only Mailchimp writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The decisions of an admin about things that the content of a list does not show."""

    encoding: str = ""
    lists: Sequence[str] = ()  # the names of the lists or sheets to import; ALL_LISTS for all
    meanings: Mapping[str, str] = field(default_factory=dict)  # heading or number of a column → `Meaning`
    ignored: Sequence[str] = ()  # headings or numbers of columns
    suppress: bool = False  # the list holds only people who left
    sections: Sequence[str] = ()  # the newsletter's sections; a tag may be the name of one


class PeopleList:
    """A list of people whose columns are understood. Iterating over it reads the file again and yields its rows."""

    def __init__(
        self,
        file: Path,
        table: Table,
        found: Survey,
        decision: Decision,
        meanings: Meanings,
        leavers: Sequence["PeopleList"] = (),
    ) -> None:
        """Prepare the list. `leavers` are lists of people who left, on other sheets of the same workbook."""
        self.name = file.name
        self.shown = table.shown  # how the file was read, in words for the admin
        self.encoding = table.encoding
        self.count: int = found.rows + sum(each.count for each in leavers)
        self.notes = tuple(table.notes)  # what was guessed or passed over
        # False if every row is a person who may be mailed.
        self.may_hold_leavers = meanings.may_hold_leavers or bool(leavers)
        self._leavers = leavers
        self._table, self._decision, self._meanings, self._seen = table, decision, meanings, found.seen

    def __iter__(self) -> Iterator[ListRow]:
        yield from map(self._meanings.row, people_rows(self._table))
        for each in self._leavers:
            yield from each

    @property
    def columns(self) -> dict[str, str]:
        """The meaning of each column, by heading. The meaning is "ignored" if the column is passed over."""
        return {self._heading(each.place): each.meaning.value for each in self._decision.columns}

    @property
    def passed_over(self) -> dict[str, int]:
        """The number of filled cells in each column that is passed over, by heading."""
        ignored = [each.place for each in self._decision.columns if each.meaning is Meaning.IGNORED]
        return {self._heading(place): self._seen[place].filled for place in ignored}

    def samples(self) -> list[ListRow]:
        """Return the first rows, for a dry run."""
        return list(islice(self, _SAMPLES))

    def _heading(self, place: int) -> str:
        heading = self._table.headings[place]
        repeated = heading in self._table.headings[:place]
        return f"{heading} (column {place + 1})" if heading and repeated else heading or f"column {place + 1}"


def read(file: Path, choices: Choices | None = None) -> PeopleList:
    """Return the list in a file.

    Raises UnreadableInput if the file holds no list, UsageError if the choices do not fit the list, and UndecidedList
    if an admin has to decide what a column means or which list is wanted.
    """
    return _read(file, choices or Choices())


def _read(file: Path, choices: Choices, all_left: bool = False) -> PeopleList:
    """Return what `read` returns. With `all_left`, all people in the list count as having left."""
    try:
        content = container.content(file)
        table = of_workbook(content, choices.lists) if content.workbook else of_text(content, choices.encoding)
        found = survey(table)
        if not table.headings:
            raise UnreadableInput(f"{content.shown}: it has no rows.")
        decision = columns.decide(table.headings, found.seen, _given(table, choices), found.rows)
        _check_titles(content, found, choices)
        _check(content, table, decision, choices)
        every = SubscriberStatus.UNSUBSCRIBED if all_left else _every(content, table, decision, choices)
        lists = _chosen_lists(content, table, found, decision, choices)
        _note_blanks(table, found, decision)
        _note_tags(table, found, decision, choices)
        width = len(table.headings)
        sections = {key(name): name for name in choices.sections}
        meanings = Meanings(decision, width=width, fixed=table.fixed, lists=lists, sections=sections, every=every)
        leavers = () if all_left else tuple(_left(file, name, choices) for name in table.leavers)
        return PeopleList(file, table, found, decision, meanings, leavers)
    except UnicodeError as error:
        raise UnreadableInput(
            f"{file}: it cannot be read in this encoding ({error}).", "Try another --encoding."
        ) from None


def _left(file: Path, sheet: str, choices: Choices) -> PeopleList:
    """Return the people on a sheet whose name says that they left."""
    return _read(file, Choices(lists=(sheet,), suppress=True, sections=choices.sections), all_left=True)


# --- what the admin decides ------------------------------------------------------------------------------------------
def _given(table: Table, choices: Choices) -> dict[int, Meaning]:
    """Return the meanings that the admin gave, by column index. Raises UsageError for an unknown meaning or column."""
    given: dict[int, Meaning] = {}
    for name, word in choices.meanings.items():
        meaning = next((each for each in Meaning if key(each.value) == key(word)), None)
        meaning = Meaning.IGNORED if key(word) == "ignore" else meaning
        if meaning is None:
            known = ", ".join(Meaning)
            raise UsageError(f"--map {name}={word}: {word!r} is not a meaning.", f"The meanings are: {known}.")
        given[_place(table, name)] = meaning
    for name in choices.ignored:
        given[_place(table, name)] = Meaning.IGNORED
    return given


def _place(table: Table, name: str) -> int:
    wanted = heading_key(name)
    for place, heading in enumerate(table.headings):
        if heading and heading_key(heading) == wanted:
            return place
    if name.strip().isdecimal() and 1 <= int(name.strip()[:9]) <= len(table.headings):
        return int(name.strip()) - 1
    there = ", ".join(quoted(each[:60]) for each in table.headings[:_SHOWN] if each) or "without headings; use a number"
    raise UsageError(f"There is no column {quoted(name)}.", f"The columns are: {there}.")


def _check(content: Content, table: Table, decision: Decision, choices: Choices) -> None:
    """Raises an error if no column has addresses, or if a column that may say who left is not understood."""
    if not decision.of(Meaning.EMAIL):
        headings = ", ".join(filter(None, table.headings))
        raise UnreadableInput(
            f'{content.shown}: no column "email", and no column has addresses (the columns are: {headings[:200]!r}).',
            "Put a heading line on top, for example: email,name",
        )
    if decision.undecided and not choices.suppress:
        lines = [f"  «{each.heading or 'a column without a heading'}»: {each.values}" for each in decision.undecided]
        example = decision.undecided[0].heading or "2"
        raise UndecidedList(
            "\n".join(
                [
                    f"{content.shown}: nothing was imported, because these columns may say who must not be mailed:",
                    *lines,
                ]
            ),
            f'Say what they mean: --map "{example}=unsubscribed" if what is in it means that the person left (or '
            f'"=status", "=subscribed"); --ignore-column "{example}" if it means nothing; --suppress if everyone in '
            "the file left.",
        )


def _check_titles(content: Content, found: Survey, choices: Choices) -> None:
    """Raises UndecidedList if the file has several lists below each other and one of them may be a list of leavers."""
    if choices.suppress or not (found.other_headings or found.leaving_titles):
        return
    if found.other_headings:
        what = "another list with other columns begins in the middle"
    else:
        what = "a line in the middle says that the people below it left"
    raise UndecidedList(
        f"{content.shown}: nothing was imported, because {what} "
        f"({', '.join(found.other_headings or found.leaving_titles)}).",
        "Save each list as a file of its own. Import a list of people who left with --suppress.",
    )


def _every(content: Content, table: Table, decision: Decision, choices: Choices) -> SubscriberStatus:
    """Return the status that each row has unless a column gives another: active, or what a Mailchimp file's name says.

    Raises UndecidedList if no column gives a status, but the name of another file, or a title in any file, suggests
    that its people must not be mailed.
    """
    name = heading_key(PurePosixPath(content.name).stem)
    meaning = leaving_meaning(name)
    never = re.match(r"non ?subscribed\b", name)
    if choices.suppress or any(each.meaning in DECISIVE for each in decision.columns):
        return SubscriberStatus.ACTIVE
    if (meaning or never) and _MAILCHIMP & set(map(heading_key, table.headings)):
        status = LEAVING[meaning] if meaning else SubscriberStatus.PENDING
        table.notes.append(f"The name of the file says that everyone in it is {status}.")
        return status
    title = PurePosixPath(content.name).name if meaning or never else _leaving_title(table, decision)
    if not title:
        return SubscriberStatus.ACTIVE
    raise UndecidedList(
        f"{content.shown}: nothing was imported, because its name or title ({quoted(title[:80])}) looks like a list of "
        "people who must not be mailed, and no column says who they are.",
        "Use --suppress if everyone in it left; otherwise rename it.",
    )


def _leaving_title(table: Table, decision: Decision) -> str:
    """Return a title of the table that says that its people left, or the heading of the addresses if it says so."""
    headings = [each.heading for each in decision.of(Meaning.EMAIL)]
    return next((title for title in (*table.titles, *headings) if says_left(title)), "")


def _note_blanks(table: Table, found: Survey, decision: Decision) -> None:
    """Add a note for each column that gives a status for some rows and is empty in the other rows."""
    for each in decision.columns:
        seen = found.seen[each.place]
        blank = found.rows - seen.filled + sum(count for cell, count in seen.values.items() if words.is_blank(cell))
        if not blank or not seen.filled:
            continue
        if each.meaning in (Meaning.STATUS, Meaning.LIST_STATUS):
            table.notes.append(
                f"{blank:,} rows have nothing in «{each.heading}». Those that are not refused are taken as active."
            )
        elif each.meaning in (Meaning.SUBSCRIBED, Meaning.CONFIRMED) and each.blank_is_no:
            table.notes.append(
                f"{blank:,} rows have nothing in «{each.heading}», where the others say yes. Those that are not "
                "refused are taken as not confirmed."
            )


def _note_tags(table: Table, found: Survey, decision: Decision, choices: Choices) -> None:
    """Add a note that lists the tags without a meaning for this program."""
    understood = set(map(key, choices.sections)) | set(TELLING_TAGS)
    others: Counter[str] = Counter()
    for column in decision.of(Meaning.TAGS):
        for cell, count in found.seen[column.place].values.items():
            others.update({tag: count for tag in parts(cell) if key(tag) not in understood})
    if others:
        table.notes.append(f"Tags that are not names of sections were passed over: {_shown(others)}.")


# --- lists -----------------------------------------------------------------------------------------------------------
def _chosen_lists(
    content: Content, table: Table, found: Survey, decision: Decision, choices: Choices
) -> frozenset[str] | None:
    """Return the keys of the lists that the admin chose, or None for all lists.

    Raises UndecidedList if there are several lists and none is chosen, and UsageError if a chosen list does not exist.
    """
    names = _list_names(found, decision)
    wanted = frozenset(map(key, choices.lists))
    if choices.suppress or ALL_LISTS in choices.lists or (table.sheet and key(table.sheet) in wanted):
        return None
    if not wanted:
        if len(names) < 2:
            return None
        raise UndecidedList(
            f"{content.shown}: nothing was imported, because the file holds several lists: {_shown(names)}.",
            "Choose with --list NAME, which may be repeated, or take them all with --list '*'.",
        )
    joined = any(is_joined(each.heading) for each in decision.of(Meaning.LIST))
    for each in choices.lists:
        if not any(in_list(name, {key(each)}, joined=joined) for name in names):
            raise UsageError(
                f"{content.shown}: there is no list {quoted(each)}.", f"The lists are: {_shown(names) or 'none'}."
            )
    return wanted


def _list_names(found: Survey, decision: Decision) -> Counter[str]:
    """Return the names of the lists, with the number of their rows."""
    names: Counter[str] = Counter()
    for column in decision.of(Meaning.LIST):
        for cell, count in found.seen[column.place].values.items():
            for name in (cell,) if is_joined(column.heading) else parts(cell) or (cell,):
                names[name] += count
        if names and (blank := found.rows - found.seen[column.place].filled):
            names[""] += blank
    return names


def _shown(names: Counter[str]) -> str:
    texts = [
        f"{quoted(name)} ({count:,})" if name else f"none ({count:,})" for name, count in names.most_common(_SHOWN)
    ]
    return ", ".join([*texts, "…"] if len(names) > _SHOWN else texts)


# --- writing ---------------------------------------------------------------------------------------------------------
_HEADINGS = ("email", "name", "sections", "status", "consent date", "source")


def _cells(row: Mapping[str, Any]) -> list[str]:
    """Return a subscriber's row as texts that are safe in a spreadsheet program and can be read back unchanged."""
    consent = row["consent_at"].strftime("%Y-%m-%dT%H:%M:%SZ") if row["consent_at"] else ""
    texts = (row["address"], row["name"], "|".join(row["sections"]), str(row["status"]), consent, row["source"])
    return list(map(escaped, texts))


def escaped(text: str) -> str:
    """Put an apostrophe before a text that begins like a formula (OWASP, CSV injection).

    A text that begins with an apostrophe gets another one, so that `rows.unescaped` can undo this.
    """
    return f"'{text}" if FORMULA.match(text) or text.startswith("'") else text


def write(rows: Iterator[Mapping[str, Any]], to: IO[str]) -> int:
    """Write the subscribers as CSV. Returns the number of subscribers."""
    writer = csv.writer(to, lineterminator="\r\n")  # RFC 4180
    writer.writerow(_HEADINGS)
    count = 0
    for row in rows:
        writer.writerow(_cells(row))
        count += 1
    return count
