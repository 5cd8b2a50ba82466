"""Reads records: JSON Lines with one object on each line, and CSV with the same field names.

The fields are title (the only required field), id, source, url, lead, body, category, tags, author, image_url,
image_alt, published or published_raw, views, comments, shares. Other fields are ignored, because an export may have
more. An invalid record is left out, and a note gives its line number. A missing count means unknown, never 0.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.sources import identity, plain
from mailer.sources.found import Found
from mailer.text import dates, links

_DELIMITERS = ",;\t|"
# Maximum number of characters of a cell, so that an unclosed quotation mark cannot take in the whole file.
_LONGEST_CELL = 2_000_000
_LARGEST_COUNT = 2_000_000_000  # fits the INTEGER of every database
_COUNTS = ("views", "comments", "shares")
_TEXTS = (
    *("id", "source", "url", "title", "lead", "body", "category", "author", "image_url", "image_alt"),
    *("published", "published_raw"),
)
_ONE_A_LINE = 'Each line must be one JSON object, such as {"title": …, "url": …}.'
_KINDS = {bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}

Record = Mapping[str, Any]
Line = TypeVar("Line")  # a line of JSON, or the cells of a row


class _NotAnArticleError(Exception):
    """Raised if a record cannot be an article. The message says why."""


def read_jsonl(name: str, text: str, *, source: str, zone: ZoneInfo) -> Found:
    """Return the articles of a JSON Lines text.

    Raises UnreadableInput, with a line number, if no line is an article. Also raises UnreadableInput if the first line
    is not an object, because the text then has another format.
    """
    # Do not use splitlines(), which also splits at U+2028 and U+0085: a JSON string may contain these characters
    # unescaped (RFC 8259 §7).
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    found, wrong = _articles(lines, _object, source, zone)
    if wrong and wrong[0][0] == lines[0][0] and not lines[0][1].lstrip().startswith("{"):
        raise UnreadableInput(f"{name}, line {wrong[0][0]}: {wrong[0][1]}.", _ONE_A_LINE)
    if not found:
        raise UnreadableInput(f"{name}: no line of it is an article; line {wrong[0][0]}: {wrong[0][1]}.", _ONE_A_LINE)
    return Found(tuple(found), _notes(name, wrong))


def is_csv(text: str) -> bool:
    """Return True if the first line has the column name "title" and the name of at least one other known field."""
    columns = _columns(text)
    return "title" in columns and len({*_TEXTS, *_COUNTS, "tags"} & set(columns)) > 1


def read_csv(name: str, text: str, *, source: str, zone: ZoneInfo) -> Found:
    """Return the articles of a CSV text with a heading line, delimited by commas, semicolons, tabs or bars.

    Tags are separated by "|" or "،". Raises UnreadableInput if the text is not valid CSV or holds no article.
    """
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        next(reader)
        rows = ((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
        found, wrong = _articles(rows, partial(_row, _columns(text)), source, zone)
    except csv.Error as error:
        raise UnreadableInput(
            f"{name}, line {reader.line_num}: this is not CSV ({error}).",
            "Look for a quotation mark that is not closed.",
        ) from None
    if not found:
        why = f"line {wrong[0][0]}: {wrong[0][1]}" if wrong else "there is none below the names of the columns"
        raise UnreadableInput(f"{name}: no row of it is an article; {why}.", "Each row needs a title.")
    return Found(tuple(found), _notes(name, wrong))


def _articles(
    lines: Iterable[tuple[int, Line]], record: Callable[[Line], Record], source: str, zone: ZoneInfo
) -> tuple[list[FoundArticle], list[tuple[int, str]]]:
    """Return the articles, and for each line that is not an article the line number and the problem."""
    found, wrong = [], []
    for number, line in lines:
        try:
            found.append(_article(record(line), source, zone))
        except _NotAnArticleError as why:
            wrong.append((number, str(why)))
    return found, wrong


def _notes(name: str, wrong: list[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(f"{name}, line {number}: {why}; it was left out." for number, why in wrong)


def _object(line: str) -> Record:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise _NotAnArticleError("this is not JSON") from None
    if not isinstance(value, dict):
        raise _NotAnArticleError(f"this is JSON, but {_kind(value)}, not an object")
    return value


def _first_line(text: str) -> str:
    return text.lstrip("\ufeff\r\n ").split("\n", 1)[0].rstrip("\r")


def _delimiter(text: str) -> str:
    return max(_DELIMITERS, key=_first_line(text).count)


def _columns(text: str) -> list[str]:
    cells = next(csv.reader([_first_line(text)[:10_000]], delimiter=_delimiter(text)), [])
    return [cell.strip().lower() for cell in cells]


def _row(columns: list[str], row: list[str]) -> Record:
    """Return a row as a record without the empty cells. Counts may be written with any digits."""
    if len(row) > len(columns):
        raise _NotAnArticleError(f"{len(row)} cells for {len(columns)} columns")
    record: dict[str, Any] = {column: cell for column, cell in zip(columns, row, strict=False) if cell.strip()}
    for field in _COUNTS:
        if field in record and re.fullmatch(r"\d{1,12}", grouped := re.sub(r"[\s,٬]", "", record[field])):
            record[field] = int(grouped)
    if "tags" in record:
        record["tags"] = re.split(r"[|،]", record["tags"])
    return record


def _article(record: Record, source: str, zone: ZoneInfo) -> FoundArticle:
    texts = {field: _text(record, field) for field in _TEXTS}
    title = plain.line(texts["title"])
    if not title:
        raise _NotAnArticleError("it has no title")
    url = links.absolute(texts["url"])
    body = plain.paragraphs(texts["body"])
    written = plain.line(texts["published"])
    raw = plain.line(texts["published_raw"]) or written
    return FoundArticle(
        title=title,
        source=source or plain.line(texts["source"]) or identity.host(url),
        guid=plain.name(texts["id"]),
        url=url,
        lead=plain.lead(texts["lead"]) or plain.opening(body),
        body=body,
        category=plain.line(texts["category"]),
        tags=_tags(record),
        author=plain.line(texts["author"]),
        image_url=links.absolute(texts["image_url"], url),
        image_alt=plain.line(texts["image_alt"]),
        published=dates.parse(written, zone=zone) or dates.parse(raw, zone=zone),
        published_raw=raw,
        views=_count(record, "views"),
        comments=_count(record, "comments"),
        shares=_count(record, "shares"),
    )


def _text(record: Record, field: str) -> str:
    value = record.get(field)
    if field == "id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str | None):
        raise _NotAnArticleError(f"{field} is {_kind(value)}, not text")
    return value or ""


def _tags(record: Record) -> tuple[str, ...]:
    value = record.get("tags", [])
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise _NotAnArticleError(f"tags is {_kind(value)}, not a list of texts")
    return plain.labels(value)


def _count(record: Record, field: str) -> int | None:
    value = record.get(field)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST_COUNT:
        raise _NotAnArticleError(f"{field} is {_kind(value)}, not a whole number from 0 to 2,000,000,000")
    return value


def _kind(value: object) -> str:
    """Return the kind of a JSON value in words. The value itself is not shown, because it may be long."""
    return _KINDS.get(type(value), "null" if value is None else "something else")
