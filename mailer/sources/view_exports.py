"""Reads how often pages were viewed, from exports of web analytics: tables with an address and a count in each row.

Matomo, Google Analytics, Plausible and plugins of WordPress write such tables as CSV or JSON, each with headings of its
own. `docs/articles.md` lists what they write. Nothing is fetched.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from mailer.errors import UnreadableInput
from mailer.sources import read
from mailer.sources.values import Findings, Values
from mailer.text import links
from mailer.text.locales import EN
from mailer.text.search_key import key

_ZIP = b"PK\x03\x04"
_DELIMITERS = ",;\t|"
_LONGEST_CELL = 100_000  # characters
_HEAD = 2000  # the headings are searched for in this many lines; Google Analytics writes a table of days above them
_SAMPLE = 20  # rows by which the columns of a table without headings are recognised
_EXAMPLES = 8  # headings that an error shows
_FIX = "Export it as CSV with a column «url» and a column «views»."
_HOST_AND_PATH = re.compile(r"[\w-]+(?:\.[\w-]+)+(?::\d+)?/\S*")
# Headings, as search keys, the best first. Of several columns with counts, the one that counts views is used.
_ADDRESSES_WORDS = (
    *("url", "full page url", "page location", "metadata url", "page url", "permalink", "link", "address"),
    *("page path query string and screen class", "page path and screen class", "page path query string", "page path"),
    *("pagepath", "fullpageurl", "path", "page", "uri", "name", "label", "نشانی", "ادرس", "پیوند", "لینک"),
)
_VIEWS_WORDS = (
    *(
        "views",
        "pageviews",
        "page views",
        "screenpageviews",
        "nb hits",
        "hits",
        "post views",
        "views total",
        "total views",
    ),
    *("count", "تعداد بازدید", "شمار بازدید", "بازدید", "بازدیدها", "المشاهدات", "عدد المشاهدات", "unique pageviews"),
    *("nb visits", "visits", "visitors", "total users", "active users", "users"),
)
# Of these headings, none counts views: if one of them is used, a note reports this.
_PEOPLE = frozenset(("unique pageviews", "nb visits", "visits", "visitors", "total users", "active users", "users"))
_POSTS_WORDS = ("post id", "postid", "id", "شناسه")
_ADDRESSES, _VIEWS, _POSTS = (
    {key(word): place for place, word in enumerate(words)} for words in (_ADDRESSES_WORDS, _VIEWS_WORDS, _POSTS_WORDS)
)
_HOSTS = frozenset(("hostname", "host name", "host"))
# The periods of Post Views Counter: the whole time, and a day, a week, a month or a year in digits.
_PERIOD, _TOTAL, _DAY = "period", "total", r"\d{8}"
_PERIODS = re.compile(r"total|\d{8}|\d{6}|\d{4}")
_COUNT = re.compile(r"\d[\d.,٬٫،'’\s]*(?:[kKmM]|هزار|میلیون)?")
_POINTS = re.compile(r"\d{1,3}(?:\.\d{3})+")
_YEAR = re.compile(r"\d{4}\b")
_FEWEST = 2  # columns
_PEEK = 200_000  # characters by which the delimiter is recognised


@dataclass(frozen=True, slots=True)
class Viewed:
    """A page and its views. `address` is a web address, or a path that begins with "/". If the table has no addresses,
    `post` is the number of the post in WordPress, and `address` is ""."""

    address: str
    post: str
    views: int


@dataclass(frozen=True, slots=True)
class Export:
    """The pages of an export. Rows about the same page are added up.

    `rows` is the number of rows below the headings. `passed_over` has the number of rows that were not used, by reason.
    """

    pages: tuple[Viewed, ...]
    rows: int
    passed_over: Mapping[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """The places of the columns in each row. If a table has no addresses, it must have the numbers of posts."""

    address: int | None
    post: int | None
    views: int
    host: int | None = None
    period: int | None = None
    note: str = ""


def read_export(name: str, content: bytes, *, zone: ZoneInfo, now: datetime, charset: str = "") -> Export:
    """Return the pages in an export and their views.

    `charset` is the encoding that the server named, or "". Raises UnreadableInput if the content has no column with
    addresses or none with counts.
    """
    if content.startswith(_ZIP):
        raise UnreadableInput(f"{name}: this is a ZIP archive or a workbook.", "Unpack it, or save the table as CSV.")
    text, cut_off = read.decoded_text(name, content, charset=charset, largest=read.LARGEST)
    text = text.lstrip("\ufeff\n ")
    if not text:
        raise UnreadableInput(f"{name}: the file is empty.", "Export it again.")
    rows = list(_json_rows(name, text) if text.startswith(("{", "[")) else _csv_rows(name, text))
    if not rows or not rows[0][1]:
        raise UnreadableInput(f"{name}: it has no rows.", _FIX)
    first, table = _table(name, [row for _, row in rows[:_HEAD]])
    findings = Findings()
    views: Counter[tuple[str, str]] = Counter()
    passed_over: Counter[str] = Counter()
    of_table = _of_one_table(rows[first:], table)
    if others := len(rows) - first - len(of_table):
        passed_over["are in another table below the first"] = others
    kept, shorter = _of_one_period(of_table, table.period)
    if shorter:
        passed_over["count a part of the time that another row counts"] = shorter
    has_points = _points_separate_groups(name, kept, table)
    for number, row in kept:
        page = _page(row, table)
        written = _cell(row, table.views)
        value = {"views": written.replace(".", "") if has_points else written}
        count = Values(value, findings, zone, now, f"line {number}").count("views")
        if page is None:
            passed_over["have no address"] += 1
        elif count is None:
            passed_over["have no count that is understood"] += 1
        else:
            views[page] += count
    notes = [*findings.notes(name), *([f"{name}: {table.note}."] if table.note else [])]
    if cut_off:
        notes.append(f"{name}: it is larger than {read.LARGEST // 1_000_000} MB; only its beginning was read.")
    pages = tuple(Viewed(address, post, count) for (address, post), count in views.items())
    return Export(pages, len(rows) - first, dict(passed_over), tuple(notes))


def _csv_rows(name: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty and not remarks, each with its line number."""
    csv.field_size_limit(_LONGEST_CELL)
    delimiter = _delimiter(text[:_PEEK].split("\n")[:_HEAD])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    is_checked = False
    try:
        for row in reader:
            if not is_checked and any("\n" in cell for cell in row):
                _check_quotes(name, text, delimiter)
                is_checked = True
            filled = sum(bool(cell.strip()) for cell in row)
            if filled > 1 or (filled and not row[0].startswith("#")):  # «#» may be the heading of a column
                yield reader.line_num, row
    except csv.Error as error:
        raise UnreadableInput(f"{name}, line {reader.line_num}: this is not CSV ({error}).", _FIX) from None


def _check_quotes(name: str, text: str, delimiter: str) -> None:
    """Raise UnreadableInput if a quotation mark is not closed, because its cell would contain the rows that follow."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 0
    try:
        for _ in reader:
            line = reader.line_num
    except csv.Error:
        fix = "Close it, or export the table again."
        raise UnreadableInput(f"{name}, line {line + 1}: a quotation mark is not closed.", fix) from None


def _delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter with which a line has known headings, else the most frequent one."""
    for delimiter in _DELIMITERS:
        if any(_by_headings([key(cell.strip('"')) for cell in line.split(delimiter)]) for line in lines):
            return delimiter
    return max(_DELIMITERS, key="\n".join(lines).count)


def _json_rows(name: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the names of all fields, and then the values of each object as a row."""
    try:
        found = [json.loads(line) for line in text.split("\n") if line.strip()] if _is_lines(text) else json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableInput(f"{name}: this is not JSON.", _FIX) from None
    if isinstance(found, dict):
        lists = [each for each in found.values() if isinstance(each, list)]
        if lists and all(_YEAR.match(name) for name in found):  # Matomo writes a list for each day, week or month
            found = [record for each in lists for record in each]
        else:
            found = lists[0] if lists else [found]
    records = [each for each in found if isinstance(each, dict)]
    names = list(dict.fromkeys(str(field) for record in records for field in record))
    yield 1, names
    for number, record in enumerate(records, 1):
        yield number, [_text(record.get(field)) for field in names]


def _is_lines(text: str) -> bool:
    first, _, rest = text.partition("\n")
    return first.strip().endswith("}") and rest.lstrip().startswith("{")


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _table(name: str, head: Sequence[Sequence[str]]) -> tuple[int, _Table]:
    """Return the number of rows before the data, and the places of the columns."""
    for number, row in enumerate(head):
        if table := _by_headings([key(cell) for cell in row]):
            return number + 1, table
    if table := _by_content(head[:_SAMPLE]):
        return 0, table
    shown = ", ".join(f"«{cell.strip()[:40]}»" for cell in head[0][:_EXAMPLES])
    raise UnreadableInput(f"{name}: no column of addresses, or none of views, is recognised among {shown}.", _FIX)


def _by_headings(keys: Sequence[str]) -> _Table | None:
    address, post, views = (_best(keys, names) for names in (_ADDRESSES, _POSTS, _VIEWS))
    if views is None or (address is None and post is None) or len(keys) < _FEWEST:
        return None
    host = next((place for place, each in enumerate(keys) if each in _HOSTS), None)
    period = keys.index(_PERIOD) if _PERIOD in keys else None
    note = f"it has no column of views, so «{keys[views]}» is used" if keys[views] in _PEOPLE else ""
    return _Table(address, post, views, host, period, note)


def _best(keys: Sequence[str], names: Mapping[str, int]) -> int | None:
    known = [(names[each], place) for place, each in enumerate(keys) if each in names]
    return min(known)[1] if known else None


def _by_content(rows: Sequence[Sequence[str]]) -> _Table | None:
    """Return the columns of a table without headings: one of web addresses and one of numbers. Jetpack writes such
    tables. A column with 1, 2, 3 and so on has the numbers of the rows, and not views."""
    width = min(map(len, rows), default=0)
    addresses = [n for n in range(width) if all(links.has_scheme(row[n].strip()) for row in rows)]
    numbers = [n for n in range(width) if all(_COUNT.fullmatch(row[n].strip()) for row in rows)]
    if len(rows) > 1:
        ranks = [str(place) for place in range(1, len(rows) + 1)]
        numbers = [n for n in numbers if [row[n].strip() for row in rows] != ranks]
    return _Table(addresses[0], None, numbers[0]) if len(addresses) == len(numbers) == 1 else None


def _of_one_table(rows: Sequence[tuple[int, list[str]]], table: _Table) -> Sequence[tuple[int, list[str]]]:
    """Return the rows of the first table. It ends where a row has the headings of a table with other columns.

    The rows of the other table are not added, because it may count the same views in another way.
    """
    for place, (_, row) in enumerate(rows):
        if not any(char.isdigit() for char in _cell(row, table.views)):
            other = _by_headings([key(cell) for cell in row])
            if other and other != table:
                return rows[:place]
    return rows


def _points_separate_groups(name: str, rows: Sequence[tuple[int, list[str]]], table: _Table) -> bool:
    """Return True if the points in the column of views separate groups of digits, as in 1.234.

    Raises UnreadableInput if this is unclear, because another count has four digits without a point, or because all
    counts with a point end in ".000". If such counts were passed over, the most viewed articles would get no views.
    """
    counts = [(number, EN.number(_cell(row, table.views))) for number, row in rows]
    pointed = next(((number, count) for number, count in counts if _POINTS.fullmatch(count)), None)
    if pointed is None:
        return False
    fits = all(_POINTS.fullmatch(count) or re.fullmatch(r"\d{1,3}|\D*", count) for _, count in counts)
    if fits and not all(count.endswith(".000") for _, count in counts if "." in count):
        return True
    raise UnreadableInput(
        f"{name}, line {pointed[0]}: {pointed[1]!r} may be a fraction or a number of thousands.",
        "Export the views as whole numbers without points.",
    )


def _of_one_period(
    rows: Sequence[tuple[int, list[str]]], place: int | None
) -> tuple[Sequence[tuple[int, list[str]]], int]:
    """Return the rows that may be added up, and the number of the others.

    The table of Post Views Counter has rows for days, weeks, months, years and the whole time.
    """
    if place is None:
        return rows, 0
    periods = [_cell(row, place) for _, row in rows]
    if not all(map(_PERIODS.fullmatch, periods)):
        return rows, 0  # a column of another system, such as weeks that can be added up
    wanted = _TOTAL if _TOTAL in periods else _DAY
    kept = [row for row, period in zip(rows, periods, strict=True) if re.fullmatch(wanted, period)]
    return kept, len(rows) - len(kept)


def _page(row: Sequence[str], table: _Table) -> tuple[str, str] | None:
    """Return the address of a row's page, or else the number of its post, as (address, post); the other one is "".
    Returns None if the row has neither."""
    written = _cell(row, table.address)
    host = _cell(row, table.host)
    if written.startswith("/") and not written.startswith("//"):
        return (f"https://{host}{written}" if "." in host else written), ""
    if links.has_scheme(written):
        return written, ""
    if _HOST_AND_PATH.fullmatch(written):
        return f"https://{written}", ""
    post = _cell(row, table.post)
    return ("", post) if table.address is None and post.isdecimal() else None


def _cell(row: Sequence[str], place: int | None) -> str:
    return row[place].strip() if place is not None and place < len(row) else ""
