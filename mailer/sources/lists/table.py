"""Finds the rows of a list and their headings in a text file or a workbook, and counts what is in each column."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from mailer.errors import UndecidedList, UnreadableInput
from mailer.sources.lists import container, encoding, text, words
from mailer.sources.lists.columns import Seen
from mailer.sources.lists.container import Content
from mailer.sources.lists.encoding import Encoding
from mailer.sources.lists.headings import (
    HEADINGS,
    RANKS,
    heading_key,
    is_email_heading,
    is_interesting,
    is_known,
    leaving_meaning,
)
from mailer.sources.lists.records import Record, is_address, quoted
from mailer.sources.lists.xlsx import Sheet, Workbook
from mailer.text.search_key import key

_FIRST_ROWS = 40  # number of rows at the beginning that are searched for the heading
_ROWS_OF_A_SHEET = 1000  # number of rows at the beginning of a sheet that are searched for an address
_BEGINNING = 64 * 1024  # number of bytes that are read to recognise the kind of a text file


@dataclass(slots=True)
class Table:
    """The rows of a file under their headings."""

    shown: str  # how the file was read, in words for the admin: "UTF-8, separated by commas"
    encoding: str
    headings: list[str]  # one for each column; names of JSON members are appended while the rows are read
    repeated: list[str]  # the cells of the heading; a later row with the same cells repeats the heading
    fixed: bool  # True if each row should have as many cells as the heading, as in CSV
    rows: Callable[[], Iterator[Record]]  # each call yields all rows below the heading
    notes: list[str] = field(default_factory=list)
    sheet: str = ""
    leavers: tuple[str, ...] = ()  # other sheets that hold addresses and whose names say that their people left
    titles: list[str] = field(default_factory=list)  # the name of the sheet, and the texts above the heading


# --- the heading -----------------------------------------------------------------------------------------------------
def _heading(first: Sequence[Record]) -> tuple[int, list[str]] | None:
    """Return the line number and the cells of the heading, or None if the list begins with a person.

    Raises ValueError if there is neither a heading nor an address.
    """
    rows = [each for each in first if not each.problem]
    people = next((place for place, row in enumerate(rows) if any(map(is_address, row.cells))), len(rows))
    best, most = None, 0
    for row in rows[:people]:
        names = [heading_key(cell) for cell in row.cells if cell and "@" not in cell]
        known = sum(map(is_known, names))
        if any(map(is_email_heading, names)) and known > most:
            best, most = row, known
    if best is None and 0 < people < len(rows):
        above = rows[people - 1]
        filled = [cell for cell in above.cells if cell]
        if len(filled) > 1 or any(is_known(heading_key(cell)) for cell in filled):
            best = above
    if best is not None:
        return best.line, best.cells
    if people == len(rows):
        raise ValueError
    return None


def _headed(shown: str, first: Sequence[Record]) -> tuple[int, list[str], bool]:
    """Return the line number of the heading row, the headings of the columns, and True.

    If there is no heading row, returns 0, empty headings, and False. Raises UnreadableInput if the rows are not a list
    of people.
    """
    try:
        found = _heading(first)
    except ValueError:
        begins = next((" | ".join(filter(None, each.cells)) for each in first if each.cells), "")
        raise UnreadableInput(
            f'{shown}: it has no column "email" and no address (it begins: {begins[:80]!r}).',
            "Put a heading line on top, for example: email,name",
        ) from None
    if found is None:
        return 0, [""] * max(len(each.cells) for each in first), False
    return found[0], list(found[1]), True


# --- text ------------------------------------------------------------------------------------------------------------
def of_text(content: Content, given: str) -> Table:
    """Return the table in a text file. `given` is the name of its encoding, or "" to detect the encoding.

    Raises UnreadableInput if the text is not a list of people.
    """
    with content.opened() as raw:
        head = raw.read(_BEGINNING)
    if not head.strip(b"\0 \t\r\n\xef\xbb\xbf"):
        raise UnreadableInput(
            f"{content.shown}: the file is empty.", 'It should have a heading line with a column "email".'
        )
    chosen = encoding.named(given) if given else encoding.detect(content)
    begins = head.decode(chosen.codec, "replace").lstrip("\ufeff \r\n\t\0")
    container.check_text(content.shown, begins)
    if begins.startswith("{"):
        return _json_lines(content, chosen)
    return _separated(content, chosen)


def _json_lines(content: Content, chosen: Encoding) -> Table:
    headings: list[str] = []

    def rows() -> Iterator[Record]:
        for source in text.lines(content, chosen):
            yield from text.objects(source, headings)

    return Table(f"{chosen.shown}, JSON Lines", chosen.shown, headings, [], False, rows)


def _separated(content: Content, chosen: Encoding) -> Table:
    sample = [line for source in text.lines(content, chosen) for _, line in islice(source, _FIRST_ROWS)]
    by = text.separator(sample, HEADINGS)

    def records() -> Iterator[Record]:
        for source in text.lines(content, chosen):
            yield from text.records(source, by)

    first = list(islice(records(), _FIRST_ROWS))
    last, headings, has_heading = _headed(content.shown, first)
    table = Table(
        f"{chosen.shown}, separated by {text.SEPARATORS[by]}",
        chosen.shown,
        headings,
        list(headings) if has_heading else [],
        has_heading,
        lambda: (each for each in records() if each.line > last),
    )
    if chosen.doubtful:
        table.notes.append(
            f"It is doubtful that the encoding is {chosen.shown}. Look at the names, and name it with --encoding."
        )
    _note_above(table, first, last)
    return table


def _note_above(table: Table, first: Sequence[Record], last: int) -> None:
    above = [each for each in first if each.line < last]
    table.titles += [cell for each in above for cell in each.cells if cell]
    if above:
        table.notes.append(f"The lines above the heading in line {last} were passed over.")


# --- workbooks -------------------------------------------------------------------------------------------------------
def of_workbook(content: Content, wanted: Sequence[str]) -> Table:
    """Return the table in the one sheet that has addresses, or in the sheet that is named in `wanted`.

    Raises UnreadableInput if no sheet has an address, and UndecidedList if several sheets could be meant.
    """
    book = Workbook(content)
    sheet, leavers, notes = _sheet(content, book, wanted)
    first = list(islice(book.rows(sheet), _FIRST_ROWS))
    last, headings, has_heading = _headed(content.shown, first)
    table = Table(
        f"Excel, sheet {quoted(sheet.name)}",
        "Excel",
        headings,
        list(headings) if has_heading else [],
        False,
        lambda: (each for each in book.rows(sheet) if each.line > last),
        notes,
        sheet.name,
        leavers,
        [sheet.name],
    )
    _note_above(table, first, last)
    return table


def _sheet(content: Content, book: Workbook, wanted: Sequence[str]) -> tuple[Sheet, tuple[str, ...], list[str]]:
    """Return the sheet to read, the other sheets whose people left, and a note that names the sheets passed over."""
    keys = set(map(key, wanted))
    people = [each for each in book.sheets if _holds_people(book, each)]
    left = [each for each in people if leaving_meaning(heading_key(each.name))]
    named = [each for each in book.sheets if key(each.name) in keys]
    holding = named or [each for each in people if not each.hidden or each in left] or people
    if not holding:
        names = ", ".join(quoted(each.name) for each in book.sheets[:10])
        raise UnreadableInput(
            f"{content.shown}: no sheet has addresses in its first rows ({names}).", "Save it as CSV."
        )
    if len(holding) > 1:
        raise _several_sheets(content, holding, left)
    chosen = holding[0]
    leavers = tuple(each.name for each in left if each is not chosen)
    notes = [
        f"The people on the sheet {quoted(name)} are kept off the list, because its name says that they left."
        for name in leavers
    ]
    others = [quoted(each.name) for each in book.sheets if each is not chosen and each.name not in leavers]
    if others:
        notes.append(f"Only the sheet {quoted(chosen.name)} is read, not {', '.join(others[:10])}.")
    return chosen, leavers, notes


def _several_sheets(content: Content, holding: Sequence[Sheet], left: Sequence[Sheet]) -> UndecidedList:
    """Return the error for a workbook with several sheets that could be meant."""
    names = ", ".join(quoted(each.name) + (" (hidden)" if each.hidden else "") for each in holding[:20])
    fix = "Choose one of them with --list NAME."
    gone = [each for each in holding if each in left]
    if gone and len(gone) < len(holding):
        fix += f" Then the people on {', '.join(quoted(each.name) for each in gone[:20])} are kept off the list."
    return UndecidedList(f"{content.shown}: {len(holding)} sheets hold addresses: {names}.", fix)


def _holds_people(book: Workbook, sheet: Sheet) -> bool:
    return any(is_address(cell) for row in islice(book.rows(sheet), _ROWS_OF_A_SHEET) for cell in row.cells)


# --- what is in the columns ------------------------------------------------------------------------------------------
_MOST_SUSPECTS = 5  # lines that a message names
_LONGEST_TITLE = 80  # characters of a line that announces people who left


@dataclass(slots=True)
class Survey:
    """Counts of what is in a table."""

    rows: int = 0
    headings: int = 0  # number of rows that repeat the heading
    seen: list[Seen] = field(default_factory=list)  # one for each column
    other_headings: list[str] = field(default_factory=list)  # rows that look like the heading of another list
    leaving_titles: list[str] = field(default_factory=list)  # rows such as "Unsubscribed:" above the people who left


def people_rows(table: Table) -> Iterator[Record]:
    """Yield the rows of a table, without those that repeat the heading."""
    repeated = table.repeated
    if not repeated:
        return table.rows()
    return (each for each in table.rows() if each.cells != repeated)


def survey(table: Table) -> Survey:
    """Read the whole table once and count what is in it. Adds an empty heading for each column without one.

    Raises UnreadableInput if there is no heading row and most lines hold several addresses.
    """
    found = Survey()
    for record in table.rows():
        if table.repeated and record.cells == table.repeated:
            found.headings += 1
            continue
        found.rows += 1
        has_address = False
        for place, cell in enumerate(record.cells):
            if cell:
                while place >= len(found.seen):
                    _add_column(table, found.seen)
                found.seen[place].add(cell)
                has_address = has_address or "@" in cell
        if not has_address:
            _examine_title(record, found)
    if found.rows and not table.headings:  # all rows are broken; go on, so that each is reported
        table.headings.append("email")
    while len(found.seen) < len(table.headings):
        _add_column(table, found.seen)
    for each in found.seen:
        each.examine()
    if table.fixed:  # cells beyond the heading belong to no column
        del found.seen[len(table.headings) :]
    else:
        table.headings += [""] * (len(found.seen) - len(table.headings))
    if not any(table.headings) and sum(each.addresses * 2 > found.rows for each in found.seen) > 1:
        raise UnreadableInput("The lines hold several addresses each.", "Write one address on each line.")
    if found.headings:
        table.notes.append(f"{found.headings:,} rows that repeat the heading were passed over.")
    return found


def _examine_title(record: Record, found: Survey) -> None:
    """Note a row without an address if it may change the meaning of the rows below it."""
    filled = [cell for cell in record.cells if cell]
    shown = f"line {record.line}: {quoted(' | '.join(filled)[:_LONGEST_TITLE])}"
    if len(filled) == 1:
        if says_left(filled[0]) and len(found.leaving_titles) < _MOST_SUSPECTS:
            found.leaving_titles.append(shown)
    elif len(found.other_headings) < _MOST_SUSPECTS:
        names = [heading_key(cell) for cell in filled]
        if any(map(is_email_heading, names)) and sum(map(is_known, names)) * 2 >= len(names):
            found.other_headings.append(shown)


def says_left(title: str) -> bool:
    """Return True if a title, such as the name of a file or a sheet, says that the people below it left."""
    if len(title) > _LONGEST_TITLE:
        return False
    return leaving_meaning(heading_key(title)) is not None or bool(words.tells_of_leaving([title]))


def _add_column(table: Table, seen: list[Seen]) -> None:
    heading = table.headings[len(seen)] if len(seen) < len(table.headings) else ""
    name = heading_key(heading)
    seen.append(Seen(classified=bool(name) and is_interesting(name), watched=name not in RANKS))
