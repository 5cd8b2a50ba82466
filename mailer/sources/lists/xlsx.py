"""Reads the rows of an Excel workbook (.xlsx) piece by piece, with limits on everything that can be large.

docs/design.md says why this program reads workbooks itself. Only values are read: no formulas, links, pictures or
macros. Numbers with a date format become ISO dates.
"""

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from xml.parsers import expat

from mailer.errors import UnreadableInput
from mailer.sources.lists.container import DAMAGED, Content, check_member, damaged
from mailer.sources.lists.records import LONGEST_CELL, MOST_COLUMNS, Record
from mailer.text.characters import EDGES, LATIN_DIGITS

_CHUNK = 64 * 1024
_LONGEST_TOKEN = 1 << 20  # bytes of one tag; older versions of expat parse a long tag again with every chunk
_DEEPEST = 64  # maximum depth of nested elements
_MOST_TEXT = 64 << 20  # maximum number of characters of all shared strings together
_MOST_STYLES = 100_000
_MOST_SHEETS = 256

# Built-in number formats that show a date or a time (ECMA-376, part 1, §18.8.30), also in East Asian versions.
_DATE_FORMATS = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
_QUOTED = re.compile(r'"[^"]{0,255}"|\\.|\[[^\]]{0,255}\]|_.|\*.')
_BASE_1900, _BASE_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 - sheets have no time zone
_LAST_DAY = 2_958_465  # the number of the day 9999-12-31 in a workbook


class Sheet(NamedTuple):
    name: str
    member: str
    hidden: bool


class _Refused(Exception):
    """Raised if a workbook exceeds a limit or declares a document type. The message says which."""


class Workbook:
    """An open workbook. Its sheets can be read several times."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._strings: list[str] | None = None
        with self._archive() as archive:
            self._names = {each.filename for each in archive.infolist()}
            book = next((each for each in sorted(self._names) if each.endswith("xl/workbook.xml")), "xl/workbook.xml")
            self._root = book.removesuffix("workbook.xml")
            self._read_sheets(archive, book)
            self._dates = self._read_styles(archive)

    @contextmanager
    def _archive(self) -> Iterator[zipfile.ZipFile]:
        try:
            with self._content.opened() as raw, zipfile.ZipFile(raw) as archive:
                yield archive
        except _Refused as error:
            raise UnreadableInput(f"{self._content.shown}: {error}.", "Save the list as CSV.") from None
        except expat.ExpatError as error:
            raise damaged(self._content.path, error) from error
        except (*DAMAGED, KeyError) as error:
            raise damaged(self._content.path, error) from error

    # --- the parts -----------------------------------------------------------------------------------------------
    def _read_sheets(self, archive: zipfile.ZipFile, book: str) -> None:
        targets: dict[str, str] = {}
        found: list[tuple[str, str, bool]] = []
        base = _BASE_1900

        def relation(name: str, attributes: Mapping[str, str]) -> None:
            if name == "Relationship" and len(targets) < 10 * _MOST_SHEETS:
                targets[attributes.get("Id", "")] = attributes.get("Target", "")

        def part(name: str, attributes: Mapping[str, str]) -> None:
            nonlocal base
            if name == "workbookPr" and attributes.get("date1904") in ("1", "true"):
                base = _BASE_1904
            elif name == "sheet":
                if len(found) == _MOST_SHEETS:
                    raise _Refused(f"it has more than {_MOST_SHEETS} sheets")
                id_ = next((value for key, value in attributes.items() if key.endswith(":id")), "")
                found.append((attributes.get("name", ""), id_, attributes.get("state", "visible") != "visible"))

        _parse(archive, f"{self._root}_rels/workbook.xml.rels", start=relation)
        _parse(archive, book, start=part)
        members = [(name, self._member(targets.get(id_, "")), hidden) for name, id_, hidden in found]
        self.sheets = [Sheet(name[:100], member, hidden) for name, member, hidden in members if member in self._names]
        self._base = base

    def _member(self, target: str) -> str:
        """Return the name of the archive member to which `target`, a reference in the workbook, refers."""
        if target.startswith("/"):
            return target.lstrip("/")
        return str(PurePosixPath(self._root) / target)

    def _read_styles(self, archive: zipfile.ZipFile) -> list[bool]:
        """Return for each style whether it shows a number as a date."""
        formats: dict[str, bool] = {}
        styles: list[bool] = []
        inside = False

        def start(name: str, attributes: Mapping[str, str]) -> None:
            nonlocal inside
            if name == "numFmt" and len(formats) < _MOST_STYLES:
                formats[attributes.get("numFmtId", "")] = _shows_date(attributes.get("formatCode", ""))
            elif name == "cellXfs":
                inside = True
            elif name == "xf" and inside and len(styles) < _MOST_STYLES:
                number = attributes.get("numFmtId", "0")
                known = number.isdecimal() and len(number) < 6 and int(number) in _DATE_FORMATS
                styles.append(formats.get(number, known))

        def end(name: str) -> None:
            nonlocal inside
            inside = inside and name != "cellXfs"

        if f"{self._root}styles.xml" in self._names:
            _parse(archive, f"{self._root}styles.xml", start=start, end=end)
        return styles

    def _read_strings(self, archive: zipfile.ZipFile) -> list[str]:
        if self._strings is None:
            self._strings = []
            if f"{self._root}sharedStrings.xml" in self._names:
                texts = _Texts(self._strings)
                _parse(archive, f"{self._root}sharedStrings.xml", start=texts.start, end=texts.end, text=texts.text)
        return self._strings

    # --- the rows ------------------------------------------------------------------------------------------------
    def rows(self, sheet: Sheet) -> Iterator[Record]:
        """Yield the rows of a sheet, without empty rows.

        Raises UnreadableInput if the workbook is damaged or too large.
        """
        with self._archive() as archive:
            cells = _Cells(self._read_strings(archive), self._dates, self._base)
            parser = _parser(start=cells.start, end=cells.end, text=cells.text)
            for _ in _fed(parser, archive, sheet.member):
                yield from cells.rows
                cells.rows.clear()


def _shows_date(code: str) -> bool:
    plain = _QUOTED.sub("", code[:1000]).lower()
    return any(letter in plain for letter in "ymdhs") and "general" not in plain


# --- parsing ---------------------------------------------------------------------------------------------------------
def _parser(
    *,
    start: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> Any:
    """Return a parser that calls these functions. The names of elements have no namespace prefixes."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def begin(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise _Refused("its elements are nested too deep")
        start(name.rpartition(":")[2], attributes)

    def finish(name: str) -> None:
        nonlocal depth
        depth -= 1
        if end:
            end(name.rpartition(":")[2])

    def refuse(*_: object) -> None:
        raise _Refused("it declares a document type, which no workbook has")

    parser.StartElementHandler = begin
    parser.EndElementHandler = finish
    parser.StartDoctypeDeclHandler = refuse
    if text:
        parser.CharacterDataHandler = text
    return parser


def _fed(parser: Any, archive: zipfile.ZipFile, member: str) -> Iterator[None]:
    """Feed a part of the workbook to a parser, and yield after each piece."""
    info = archive.getinfo(member)
    check_member(archive.filename or member, info)
    fed = 0
    with archive.open(info) as part:
        while chunk := part.read(_CHUNK):
            fed += len(chunk)
            parser.Parse(chunk, False)
            if fed - parser.CurrentByteIndex > _LONGEST_TOKEN:
                raise _Refused("it has a tag or text that is too long")
            yield
    parser.Parse(b"", True)
    yield


def _parse(
    archive: zipfile.ZipFile,
    member: str,
    *,
    start: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> None:
    for _ in _fed(_parser(start=start, end=end, text=text), archive, member):
        pass


class _Texts:
    """Collects the shared strings, without the phonetic guides (`rPh`) of East Asian texts."""

    def __init__(self, into: list[str]) -> None:
        self._into = into
        self._parts: list[str] = []
        self._wanted = False
        self._reading = False
        self._left = _MOST_TEXT

    def start(self, name: str, _: Mapping[str, str]) -> None:
        if name == "rPh":
            self._reading = True
        self._wanted = name == "t" and not self._reading

    def end(self, name: str) -> None:
        self._wanted = False
        if name == "rPh":
            self._reading = False
        elif name == "si":
            text = "".join(self._parts)[:LONGEST_CELL]
            self._left -= len(text) + 1
            if self._left < 0:
                raise _Refused("it has too much text")
            self._into.append(text)
            self._parts = []

    def text(self, piece: str) -> None:
        if self._wanted and len(self._parts) < LONGEST_CELL:
            self._parts.append(piece[:LONGEST_CELL])


class _Cells:
    """Collects the rows of a sheet."""

    def __init__(self, strings: list[str], dates: list[bool], base: datetime) -> None:
        self.rows: list[Record] = []
        self._strings, self._dates, self._base = strings, dates, base
        self._line = 0
        self._cells: list[str] = []
        self._place = 0  # column index of the current cell
        self._kind = ""
        self._style = ""
        self._parts: list[str] = []
        self._wanted = False
        self._reading = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "c":
            reference = attributes.get("r", "")
            self._place = _column(reference) if reference else len(self._cells)
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._parts = []
        elif name in ("v", "t"):
            self._wanted = not self._reading
        elif name == "rPh":
            self._reading = True
        elif name == "row":
            given = attributes.get("r", "")
            self._line = int(given) if given.isdecimal() and len(given) < 9 else self._line + 1
            self._cells = []

    def text(self, piece: str) -> None:
        if self._wanted and len(self._parts) < LONGEST_CELL:
            self._parts.append(piece)

    def end(self, name: str) -> None:
        if name == "c":
            self._add(self._value("".join(self._parts)[:LONGEST_CELL]).strip(EDGES))
        elif name in ("v", "t"):
            self._wanted = False
        elif name == "rPh":
            self._reading = False
        elif name == "row" and any(self._cells):
            self.rows.append(Record(self._line, self._cells))

    def _add(self, cell: str) -> None:
        if not cell:
            return
        if self._place >= MOST_COLUMNS:
            raise _Refused(f"it has more than {MOST_COLUMNS:,} columns")
        if self._place >= len(self._cells):
            self._cells += [""] * (self._place + 1 - len(self._cells))
        self._cells[self._place] = cell

    def _value(self, raw: str) -> str:
        if self._kind == "s":
            number = raw.strip()
            known = number.isdecimal() and len(number) < 9 and int(number) < len(self._strings)
            return self._strings[int(number)] if known else ""
        if self._kind == "b":
            return "true" if raw.strip() == "1" else "false"
        if self._kind == "n" and raw:
            style = int(self._style) if self._style.isdecimal() and len(self._style) < 6 else -1
            return _number(raw, self._base if 0 <= style < len(self._dates) and self._dates[style] else None)
        return raw


@lru_cache(maxsize=MOST_COLUMNS)
def _place(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _column(reference: str) -> int:
    """Return the column index in a cell's reference: 2 for "C7". Returns MOST_COLUMNS for an invalid reference."""
    letters = reference[:4].rstrip(LATIN_DIGITS).upper()
    if not letters or len(letters) > 3 or not letters.isascii() or not letters.isalpha():
        return MOST_COLUMNS
    return _place(letters)


def _number(raw: str, base: datetime | None) -> str:
    """Return a number as people write it. With `base`, return the ISO date that is this number of days after `base`."""
    try:
        value = float(raw)
    except ValueError:
        return raw
    if base is not None and 1 <= value < _LAST_DAY - 1500:
        moment = base + timedelta(seconds=round(value * 86_400))
        return moment.strftime("%Y-%m-%d") if value == int(value) else moment.isoformat(" ")
    if raw.isdecimal():
        return raw
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else f"{value:.15g}"
