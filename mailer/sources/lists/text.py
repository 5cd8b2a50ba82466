"""Reads the rows of a text file: values with a separator (CSV), or one JSON object on each line.

CSV is read in all its forms: any separator, `sep=` lines, rows of different lengths, quotation marks that are never
closed. A broken row does not affect other rows. Each line is read at most three times, so the time is linear.
"""

import csv
import io
import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence

from mailer.sources.lists.container import Content
from mailer.sources.lists.encoding import Encoding
from mailer.sources.lists.headings import heading_key, looks_like_opt_out
from mailer.sources.lists.records import LONGEST_CELL, MOST_COLUMNS, Record, is_address
from mailer.text.characters import EDGES

_LONGEST_LINE = 256 * 1024  # characters; the rest of a longer line is dropped
_LONGEST_RECORD = LONGEST_CELL  # maximum number of characters of a row of several lines
_MOST_LINES = 200  # maximum number of lines of one row
_SAMPLE = 40  # number of lines from which the separator is detected
SEPARATORS = {
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
    "|": "bars",
    "،": "Persian commas",
    "؛": "Persian semicolons",
}

csv.field_size_limit(2 * _LONGEST_LINE)


class Lines:
    """The lines of a text file with their numbers. Lines can be put back, and are then read again."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self._number = 0
        self._back: deque[tuple[int, str]] = deque()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while (found := self.next()) is not None:
            yield found

    def next(self) -> tuple[int, str] | None:
        """Return the next line, or None at the end. A line that is too long is cut."""
        if self._back:
            return self._back.popleft()
        line = self._text.readline(_LONGEST_LINE)
        if not line:
            return None
        rest = line
        while len(rest) == _LONGEST_LINE and not rest.endswith(("\n", "\r")):
            rest = self._text.readline(_LONGEST_LINE)
        self._number += 1
        if line[0] == "\ufeff":  # the byte order mark of another file that was appended to this one
            line = line.lstrip("\ufeff")
        return self._number, line

    def put_back(self, lines: Sequence[tuple[int, str]]) -> None:
        self._back.extendleft(reversed(lines))


def lines(content: Content, encoding: Encoding) -> Iterator[Lines]:
    """Yield one `Lines` object for the file, and close the file afterwards."""
    with content.opened() as raw:
        yield Lines(io.TextIOWrapper(raw, encoding.codec, encoding.errors, newline=""))


# --- values with a separator -----------------------------------------------------------------------------------------
def separator(sample: Sequence[str], headings: frozenset[str]) -> str:
    """Return the separator that a `sep=` line gives, or else the separator that fits these lines best.

    The best separator gives the most known headings and, if several do, the most rows of equal length.
    """
    given = stated(sample[0]) if sample else ""
    if given and any(given in line for line in sample[1:]):
        return given
    return max(SEPARATORS, key=lambda each: _fitness(sample[:_SAMPLE], each, headings))


def stated(line: str) -> str:
    """Return the separator in a line such as `sep=;`, which Excel writes, or "" for any other line."""
    plain = line.strip("\ufeff\r\n \"'")
    return plain[4] if len(plain) == 5 and plain[:4].lower() == "sep=" and plain[4] in SEPARATORS else ""


def _fitness(sample: Sequence[str], by: str, headings: frozenset[str]) -> tuple[int, int, int]:
    rows = [cells(line[:4096], by) for line in sample]
    known = max((sum(heading_key(cell) in headings for cell in row[:MOST_COLUMNS]) for row in rows[:20]), default=0)
    lengths = Counter(len(row) for row in rows if len(row) > 1)
    if not lengths:
        return known, 0, 0
    length, agreeing = max(lengths.items(), key=lambda each: (each[1], each[0]))
    return known, agreeing, length


def cells(line: str, by: str) -> list[str]:
    """Return the cells of one line. A quoted cell that is not closed ends with the line."""
    if '"' not in line:
        return line.rstrip("\r\n").split(by)
    if '\\"' in line and (found := _strict(line, by) or _strict(line, by, escape="\\")):
        return found  # some programs, such as MailPoet, write a quotation mark inside a quoted cell as \"
    try:
        return next(csv.reader((line,), delimiter=by, skipinitialspace=True), [])
    except csv.Error:
        return line.rstrip("\r\n").split(by)


def records(source: Lines, by: str) -> Iterator[Record]:
    """Yield all rows, including the heading, with stripped cells. Leaves out empty rows and `sep=` lines."""
    width = 0  # number of cells of the widest row so far; only the first lines count
    for number, line in source:
        if line.isspace():
            continue
        is_open = line.count('"') % 2
        record = _open(source, number, line, by, width) if is_open else Record(number, cells(line, by))
        if len(record.cells) > MOST_COLUMNS:
            record = Record(number, [], f"it has more than {MOST_COLUMNS:,} cells")
        if number <= _SAMPLE:
            width = max(width, len(record.cells))
            if number <= 2 and stated(line):
                continue
        stripped = [cell.strip(EDGES) for cell in record.cells]
        if record.problem or any(stripped):
            yield Record(record.line, stripped, record.problem)


def _open(source: Lines, number: int, line: str, by: str, width: int) -> Record:
    """Return the row that begins with a line that has an odd number of quotation marks.

    If this line is not a complete row, the row continues until the quotation mark is closed. That must happen soon, the
    row must not have more cells than other rows, and no line in the quoted text may look like a row. Otherwise, only
    the first line is broken, and the next lines are read as rows.
    """
    closed = _one_line(line, by, width)
    if closed is not None:
        return Record(number, closed)
    taken: list[tuple[int, str]] = []
    text, open_ = line, True
    while open_ and len(taken) < _MOST_LINES and len(text) <= _LONGEST_RECORD:
        following = source.next()
        if following is None:
            break
        taken.append(following)
        text += following[1]
        open_ = following[1].count('"') % 2 == 0
        if open_ and any(_holds_address(part, by) for part in _quoted_parts(following[1])):
            break
    whole = None if open_ else _strict(text, by)
    if whole is not None and (not width or len(whole) <= width):
        within = (part for cell in whole if "\n" in cell or "\r" in cell for part in cell.splitlines())
        if not any(_holds_address(part, by) for part in within):
            return Record(number, whole)
    source.put_back(taken)
    return Record(number, [], f"a quotation mark is left open in this row: {line.strip()[:60]!r}")


def _holds_address(line: str, by: str) -> bool:
    """Return True if one of the cells of this line is an address, so that the line could be a row."""
    return "@" in line and any(is_address(cell.strip(f'{EDGES}\r\n"')) for cell in cells(line, by)[:MOST_COLUMNS])


def _quoted_parts(line: str) -> tuple[str, str]:
    """Return the two quoted parts, the beginning and the end, of a line that begins and ends inside quotation marks."""
    before, mark, after = line.partition('"')
    return (before, after.rpartition('"')[2]) if mark else (line, "")


def _one_line(line: str, by: str, width: int) -> list[str] | None:
    """Return the cells of a line with an odd number of quotation marks, or None if the line is not a complete row.

    A quotation mark in the middle of an unquoted cell does not begin a quoted text.
    """
    before, _, after = line.partition('"')
    if '"' not in after:  # the usual case, decided without parsing
        opens = not before.strip(" ") or before.rstrip(" ").endswith(by)
        return None if opens else cells(line, by)
    found = _strict(line, by)
    if found is None and '\\"' in line:
        found = _strict(line, by, escape="\\")
    if found is None:
        loose = cells(line.rstrip("\r\n") + "\n", by)
        # Accept a line with stray quotation marks, such as `"a "b" c",d`, unless a quotation mark in its last cell
        # is never closed. That cell would then contain the line feed that was added above.
        if len(loose) == width and "\n" not in loose[-1]:
            found = loose
    return found


def _strict(text: str, by: str, escape: str | None = None) -> list[str] | None:
    """Return the cells of a row, or None if the text is not exactly one well-formed row."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=by, escapechar=escape, skipinitialspace=True, strict=True)
    try:
        found = next(reader, [])
        return found if next(reader, None) is None else None
    except csv.Error:
        return None


# --- JSON Lines ------------------------------------------------------------------------------------------------------
def objects(source: Lines, headings: list[str]) -> Iterator[Record]:
    """Yield a row for each line, which should be a JSON object. Appends new names of members to `headings`."""
    places = {_same(name): place for place, name in enumerate(headings)}
    for number, line in source:
        if not line.strip(f"{EDGES}\r\n"):
            continue
        try:
            values = json.loads(line)
            if not isinstance(values, dict):
                yield Record(number, [], 'the row should be an object with a member "email"')
                continue
            members = {name: _plain(value).strip(EDGES) for name, value in _flat(values).items()}
        except (ValueError, RecursionError) as error:
            yield Record(number, [], f"the row is not JSON ({str(error)[:100]})")
            continue
        for name in members:
            if _same(name) not in places and len(headings) < MOST_COLUMNS:
                places[_same(name)] = len(headings)
                headings.append(name)
        row = [""] * len(headings)
        for name, cell in members.items():
            if cell and _same(name) in places:
                row[places[_same(name)]] = cell
        too_many = any(cell and _same(name) not in places for name, cell in members.items())
        yield Record(number, row, f"the file has more than {MOST_COLUMNS:,} different members" if too_many else "")


def _same(name: str) -> str:
    """Return the form of a member's name that is used to compare names: "Email" and "email" are one column."""
    return name.strip(EDGES).casefold()


def _flat(values: dict[str, object]) -> dict[str, object]:
    """Return an object's members, and the members of inner objects that may say that a person must not be mailed."""
    found = dict(values)
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            for inner, said in each.items() if isinstance(each, dict) else ():
                if looks_like_opt_out(heading_key(inner)):
                    found[f"{name} {inner}"] = [*found.get(f"{name} {inner}", ()), said]  # type: ignore[misc]
    return found


def _plain(value: object) -> str:
    """Return a JSON value as the text that a cell would hold."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "|".join(map(_plain, value))
    if isinstance(value, dict):
        named = value.get("name")
        return named if isinstance(named, str) else json.dumps(value, ensure_ascii=False)
    return str(value)
