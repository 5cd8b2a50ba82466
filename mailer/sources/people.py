"""A list of subscribers from a file: CSV, TSV or JSON Lines, read line by line. Judges no address; the verb does."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from mailer.errors import UnreadableInput
from mailer.sources import dates

# What newsrooms call these columns, in their own languages.
_COLUMNS = {
    "email": ("email", "e-mail", "mail", "address", "email address", "ایمیل", "رایانامه", "پست الکترونیکی", "نشانی"),
    "name": ("name", "full name", "نام", "نام و نام خانوادگی"),
    "sections": ("sections", "section", "بخش", "بخش‌ها", "بخشها"),
    "consent_at": ("consent date", "consent_at", "consent", "subscribed_at", "created_at", "تاریخ عضویت"),
    "source": ("source", "منبع"),
}
_NAMES = {spelling: column for column, spellings in _COLUMNS.items() for spelling in spellings}
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True)
class Person:
    """One row, as the file tells it."""

    line: int
    email: str
    name: str = ""
    sections: tuple[str, ...] = ()
    consent_at: datetime | None = None
    source: str = ""


def read(file: Path) -> Iterator[Person]:
    """The rows of a file. UnreadableInput: it is empty, has no column «email», or is no text."""
    try:
        with file.open("rb") as raw:
            head = raw.read(64 * 1024)
        if not head.strip():
            raise UnreadableInput(f"{file}: the file is empty.", "It should have a heading line with a column «email».")
        with file.open(encoding=_encoding(file, head), newline="") as lines:
            yield from (
                _json_lines(file, lines)
                if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{")
                else _table(file, lines)
            )
    except UnicodeDecodeError as error:
        raise UnreadableInput(f"{file}: is neither UTF-8 nor Windows-1256 text ({error.reason}).") from error
    except OSError as error:
        raise UnreadableInput(f"{file}: cannot be read ({error.strerror}).") from error


def _encoding(file: Path, head: bytes) -> str:
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    # The whole file must be UTF-8, not only its beginning: old exports have Persian names far down.
    try:
        with file.open(encoding="utf-8") as lines:
            for _ in lines:
                pass
    except UnicodeDecodeError:
        return "cp1256"
    return "utf-8"


def _table(file: Path, lines: IO[str]) -> Iterator[Person]:
    heading = lines.readline()
    lines.seek(0)
    delimiter = max(",;\t،", key=heading.count)
    rows = csv.reader(lines, delimiter=delimiter)
    names = [_NAMES.get(cell.strip().strip("\ufeff").casefold(), "") for cell in next(rows, [])]
    if "email" not in names:
        raise UnreadableInput(
            f"{file}: the first line names no column «email» (it is: {heading.strip()[:80]!r}).",
            "Put a heading line on top, for example: email,name",
        )
    try:
        for cells in rows:
            if any(cell.strip() for cell in cells):
                values = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name}
                yield _person(rows.line_num, values)
    except csv.Error as error:
        raise UnreadableInput(f"{file}:{rows.line_num}: {error}.", "Is a quotation mark left open?") from error


def _json_lines(file: Path, lines: IO[str]) -> Iterator[Person]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise UnreadableInput(f"{file}:{number}: is no JSON ({error}).") from error
        if not isinstance(values, dict):
            raise UnreadableInput(f"{file}:{number}: should be an object with a member «email».")
        named = {_NAMES.get(str(name).casefold(), ""): value for name, value in values.items()}
        yield _person(number, {name: _text(value) for name, value in named.items() if name})


def _text(value: object) -> str:
    if isinstance(value, list):
        return "|".join(str(each) for each in value)
    return "" if value is None else str(value)


def _person(line: int, values: dict[str, str]) -> Person:
    sections = values.get("sections", "").replace("،", "|").replace(",", "|").replace(";", "|").split("|")
    return Person(
        line=line,
        email=values.get("email", ""),
        name=values.get("name", ""),
        sections=tuple(section.strip() for section in sections if section.strip()),
        consent_at=dates.parse(values.get("consent_at", ""), zone=UTC),
        source=values.get("source", ""),
    )
