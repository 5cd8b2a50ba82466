"""Reads lists of subscribers from CSV, TSV and JSON Lines files, and writes lists as CSV.

Addresses are not checked here; the import checks them. A row that cannot be read is returned with its `problem`, and
the rows after it are still read.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from mailer.address import looks_like_one
from mailer.errors import UnreadableInput
from mailer.model import NewSubscriber
from mailer.text import dates
from mailer.text.search_key import key

# The names that files use for each column, in English and Persian. The clearest name comes first.
_COLUMNS = {
    "email": ("email", "e-mail", "mail", "address", "email address", "ایمیل", "رایانامه", "پست الکترونیکی", "نشانی"),
    "name": ("name", "full name", "نام", "نام و نام خانوادگی"),
    "sections": ("sections", "section", "بخش", "بخش‌ها"),
    "status": ("status", "state", "وضعیت"),
    "consent_at": ("consent date", "consent_at", "consent", "subscribed_at", "created_at", "تاریخ عضویت"),
    "source": ("source", "منبع"),
}
# Maps the key of each name to its column and to the rank of the name; rank 0 is the clearest name.
_NAMES = {key(name): (column, rank) for column, names in _COLUMNS.items() for rank, name in enumerate(names)}
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_LONGEST = 256 * 1024  # characters read from a line at most, so that a file that is not a list cannot fill the memory
# Maximum number of characters of a cell, so that an unclosed quotation mark cannot take in the whole file.
_LONGEST_CELL = 131_072
_FORMULA = re.compile(r"[=+\-@\t\r]")  # a spreadsheet program would run a cell that begins with one of these
_INSTANT = re.compile(r"(?:19|20)\d\d-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)")
_SEPARATORS = re.compile("[|،,;]")  # between the sections of one cell


def read(file: Path) -> Iterator[NewSubscriber]:
    """Yield the rows of a file. Raises UnreadableInput if the file is empty, has no column "email", or is not text."""
    try:
        with file.open("rb") as raw:
            head = raw.read(64 * 1024)
        if not head.strip():
            raise UnreadableInput(f"{file}: the file is empty.", 'It should have a heading line with a column "email".')
        encoding = _encoding(file, head)
        with file.open(encoding=encoding, newline="") as lines:
            begins = head.decode(encoding, "replace").lstrip("\ufeff \r\n\t")
            yield from _json_lines(lines) if begins.startswith("{") else _table(file, lines)
    except UnicodeDecodeError as error:
        raise UnreadableInput(f"{file}: it is neither UTF-8 nor Windows-1256 text ({error.reason}).") from error
    except OSError as error:
        raise UnreadableInput(f"{file}: it cannot be read ({error.strerror}).") from error


def lines_in(file: Path) -> int | None:
    """Return the approximate number of rows in a file, for a progress bar, or None if the file cannot be read."""
    try:
        with file.open("rb") as raw:
            return sum(part.count(b"\n") for part in iter(lambda: raw.read(1 << 20), b""))
    except OSError:
        return None


def _encoding(file: Path, head: bytes) -> str:
    for mark, name in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return name
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        # In UTF-16, the high byte of a character is 0 (Latin), 6 (Persian) or 0x20 (ZWNJ). In no other encoding does
        # nearly every second byte have one of these values.
        high = head[first:400:2]
        if len(high) > 3 and sum(each in (0, 6, 0x20) for each in high) > 0.9 * len(high):
            return name
    # Check that the whole file is UTF-8, because the first Persian name may be far below the beginning of an old
    # export.
    try:
        with file.open(encoding="utf-8") as lines:
            while lines.read(1024 * 1024):
                pass
    except UnicodeDecodeError:
        return "cp1256"
    return "utf-8"


def _lines(lines: IO[str]) -> Iterator[str]:
    """Yield the lines, each cut to at most `_LONGEST` characters."""
    while line := lines.readline(_LONGEST):
        yield line
        while line and len(line) == _LONGEST and not line.endswith("\n"):
            line = lines.readline(_LONGEST)


def _table(file: Path, lines: IO[str]) -> Iterator[NewSubscriber]:
    heading = lines.readline(_LONGEST)
    lines.seek(0)
    delimiter = max(",;\t،؛", key=heading.count)
    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.reader(_lines(lines), delimiter=delimiter)
    try:
        first = next(rows, [])
    except csv.Error:
        first = []
    at = _columns(first)
    if "email" not in at:
        found = next((i for i, cell in enumerate(first) if looks_like_one(cell.strip("\ufeff"))), None)
        if found is None:
            raise UnreadableInput(
                f'{file}: the first line has no column "email" (it is: {heading.strip()[:80]!r}).',
                "Put a heading line on top, for example: email,name",
            )
        at = {"email": found}  # a list of addresses without a heading line
        yield _person(1, {"email": first[found].strip("\ufeff \t")})
    while True:
        try:
            cells = next(rows, None)
        except csv.Error as error:
            problem = f"the row cannot be read: {error}; is a quotation mark left open?"
            yield NewSubscriber(rows.line_num, "", problem=problem)
            continue
        if cells is None:
            return
        if any(cell and not cell.isspace() for cell in cells):
            yield _person(rows.line_num, {name: cells[i].strip() for name, i in at.items() if i < len(cells)})


def _columns(heading: Sequence[str]) -> dict[str, int]:
    """Return the position of each known column. If two columns match the same field, the clearer name counts.

    For example, a column "address" beside a column "email" is ignored, because it contains postal addresses.
    """
    # Maps each field to the rank of its column's name and to the position of the column.
    found: dict[str, tuple[int, int]] = {}
    for place, cell in enumerate(heading):
        column, rank = _NAMES.get(key(cell), ("", 0))
        if column and (rank, place) < found.get(column, (rank + 1, 0)):
            found[column] = (rank, place)
    return {column: place for column, (_, place) in found.items()}


def _json_lines(lines: IO[str]) -> Iterator[NewSubscriber]:
    for number, line in enumerate(_lines(lines), 1):
        if not line.strip("\ufeff \r\n\t"):
            continue
        try:
            values = json.loads(line.lstrip("\ufeff"))
        except (ValueError, RecursionError) as error:
            yield NewSubscriber(number, "", problem=f"the row is not JSON ({error})")
            continue
        if not isinstance(values, dict):
            yield NewSubscriber(number, "", problem='the row should be an object with a member "email"')
            continue
        members = list(values.items())
        at = _columns([str(name) for name, _ in members])
        yield _person(number, {name: _text(members[i][1]) for name, i in at.items()})


def _text(value: object) -> str:
    if isinstance(value, list):
        return "|".join(str(each) for each in value)
    return "" if value is None else str(value)


def _person(line: int, values: Mapping[str, str]) -> NewSubscriber:
    plain = {name: _unescaped(value) for name, value in values.items() if value}
    get = plain.get
    return NewSubscriber(  # positional arguments take half the time of keywords, and a list may have a million rows
        line,
        get("email", ""),
        get("name", ""),
        _parts(get("sections", "")),
        _instant(get("consent_at", "")),
        get("source", ""),
        get("status", ""),
    )


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _SEPARATORS.split(text) if part.strip()) if text else ()


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    if _INSTANT.fullmatch(text):  # a fast path for the form that most programs write; a million dates take a second
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None
    return dates.parse(text, zone=UTC)


# --- writing ---------------------------------------------------------------------------------------------------------
_HEADINGS = ("email", "name", "sections", "status", "consent date", "source")


def _cells(row: Mapping[str, Any]) -> list[str]:
    """Return a subscriber's row as texts that are safe in a spreadsheet program and can be read back unchanged."""
    consent = row["consent_at"].strftime("%Y-%m-%dT%H:%M:%SZ") if row["consent_at"] else ""
    texts = (row["address"], row["name"], "|".join(row["sections"]), str(row["status"]), consent, row["source"])
    return list(map(_escaped, texts))


def _escaped(text: str) -> str:
    """Put an apostrophe before a text that begins like a formula (OWASP, CSV injection).

    A text that begins with an apostrophe gets a second apostrophe, so that `_unescaped` can restore every text.
    """
    return f"'{text}" if _FORMULA.match(text) or text.startswith("'") else text


def _unescaped(text: str) -> str:
    return text[1:] if len(text) > 1 and text[0] == "'" and (_FORMULA.match(text[1]) or text[1] == "'") else text


def write(rows: Iterator[Mapping[str, Any]], to: IO[str]) -> int:
    """Write the subscribers as CSV. Returns the number of subscribers."""
    writer = csv.writer(to, lineterminator="\r\n")  # RFC 4180
    writer.writerow(_HEADINGS)
    count = 0
    for row in rows:
        writer.writerow(_cells(row))
        count += 1
    return count
