"""A list of subscribers from a file, CSV, TSV or JSON Lines, read line by line; and one written so that this reads it.

Judges no address; the verb does. A row that cannot be read has a `problem`, and stops nothing.
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

# What newsrooms call these columns, in their own languages.
_COLUMNS = {
    "email": ("email", "e-mail", "mail", "address", "email address", "ایمیل", "رایانامه", "پست الکترونیکی", "نشانی"),
    "name": ("name", "full name", "نام", "نام و نام خانوادگی"),
    "sections": ("sections", "section", "بخش", "بخش‌ها"),
    "status": ("status", "state", "وضعیت"),
    "consent_at": ("consent date", "consent_at", "consent", "subscribed_at", "created_at", "تاریخ عضویت"),
    "source": ("source", "منبع"),
}
# The key of each name → the column, and how plainly it is named: the first is the plainest.
_NAMES = {key(name): (column, rank) for column, names in _COLUMNS.items() for rank, name in enumerate(names)}
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_LONGEST = 256 * 1024  # letters of a line: a file that is none of ours must not fill the memory
_LONGEST_CELL = 131_072  # characters; a quotation mark that is never closed swallows no more than this
_FORMULA = re.compile(r"[=+\-@\t\r]")  # what a spreadsheet program would run
_INSTANT = re.compile(r"(?:19|20)\d\d-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)")


def read(file: Path) -> Iterator[NewSubscriber]:
    """The rows of a file. UnreadableInput: it is empty, has no column «email», or is no text."""
    try:
        with file.open("rb") as raw:
            head = raw.read(64 * 1024)
        if not head.strip():
            raise UnreadableInput(f"{file}: the file is empty.", "It should have a heading line with a column «email».")
        encoding = _encoding(file, head)
        with file.open(encoding=encoding, newline="") as lines:
            begins = head.decode(encoding, "replace").lstrip("\ufeff \r\n\t")
            yield from _json_lines(lines) if begins.startswith("{") else _table(file, lines)
    except UnicodeDecodeError as error:
        raise UnreadableInput(f"{file}: is neither UTF-8 nor Windows-1256 text ({error.reason}).") from error
    except OSError as error:
        raise UnreadableInput(f"{file}: cannot be read ({error.strerror}).") from error


def lines_in(file: Path) -> int | None:
    """About how many rows `read` will give, for a bar; None: the file cannot be read."""
    try:
        with file.open("rb") as raw:
            return sum(part.count(b"\n") for part in iter(lambda: raw.read(1 << 20), b""))
    except OSError:
        return None


def _encoding(file: Path, head: bytes) -> str:
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        # Of Latin 0, of Persian 6, of ZWNJ 0x20: no other text is like that in every second byte.
        high = head[first:400:2]
        if len(high) > 3 and sum(each in (0, 6, 0x20) for each in high) > 0.9 * len(high):
            return name
    # The whole file must be UTF-8, not only its beginning: old exports have Persian names far down.
    try:
        with file.open(encoding="utf-8") as lines:
            while lines.read(1024 * 1024):
                pass
    except UnicodeDecodeError:
        return "cp1256"
    return "utf-8"


def _lines(lines: IO[str]) -> Iterator[str]:
    """The lines, a too long one cut short: what is cut cannot be an address list."""
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
                f"{file}: the first line names no column «email» (it is: {heading.strip()[:80]!r}).",
                "Put a heading line on top, for example: email,name",
            )
        at = {"email": found}  # a bare list of addresses
        yield _person(1, {"email": first[found].strip("\ufeff \t")})
    wanted = list(at.items())
    while True:
        try:
            cells = next(rows, None)
        except csv.Error as error:
            problem = f"the row cannot be read: {error}; is a quotation mark left open?"
            yield NewSubscriber(rows.line_num, "", problem=problem)
            continue
        if cells is None:
            return
        there = len(cells)
        if any(cells) and any(cell and not cell.isspace() for cell in cells):
            yield _person(rows.line_num, {name: cells[i].strip() for name, i in wanted if i < there and cells[i]})


def _columns(heading: Sequence[str]) -> dict[str, int]:
    """Where each of our columns stands. Of two that could be meant, the plainer name counts: beside a column «email»,
    one called «address» is where somebody lives."""
    found: dict[str, tuple[int, int]] = {}  # column → rank of its name, and where it is
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
            yield NewSubscriber(number, "", problem=f"the row is no JSON ({error})")
            continue
        if not isinstance(values, dict):
            yield NewSubscriber(number, "", problem="the row should be an object with a member «email»")
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
    return NewSubscriber(
        line,
        get("email", ""),
        get("name", ""),
        _parts(get("sections", "")),
        _instant(get("consent_at", "")),
        get("source", ""),
        get("status", ""),
    )


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in re.split(r"[|،,;]", text) if part.strip()) if text else ()


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    if _INSTANT.fullmatch(text):  # what our own export writes, and most others: a million of them take a second
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None
    return dates.parse(text, zone=UTC)


# --- writing ---------------------------------------------------------------------------------------------------------
HEADINGS = ("email", "name", "sections", "status", "consent date", "source")


def cells(row: Mapping[str, Any]) -> list[str]:
    """A subscriber's row as text, safe to open in a spreadsheet program, and read back as it was."""
    consent = row["consent_at"].strftime("%Y-%m-%dT%H:%M:%SZ") if row["consent_at"] else ""
    texts = (row["address"], row["name"], "|".join(row["sections"]), str(row["status"]), consent, row["source"])
    return [_escaped(text) for text in texts]


def _escaped(text: str) -> str:
    """What a spreadsheet would take for a formula gets an apostrophe (OWASP, CSV injection); so does what begins with
    one, so that nothing is lost on the way back."""
    return f"'{text}" if _FORMULA.match(text) or text.startswith("'") else text


def _unescaped(text: str) -> str:
    return text[1:] if len(text) > 1 and text[0] == "'" and (_FORMULA.match(text[1]) or text[1] == "'") else text


def write(rows: Iterator[Mapping[str, Any]], to: IO[str]) -> int:
    """Writes a table of subscribers; returns how many."""
    writer = csv.writer(to, lineterminator="\r\n")  # RFC 4180
    writer.writerow(HEADINGS)
    count = 0
    for row in rows:
        writer.writerow(cells(row))
        count += 1
    return count
