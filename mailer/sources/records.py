"""Reads records: JSON Lines with one object on each line, and CSV with the same field names.

The fields are title (the only required field), id, source, url, lead, body, category, tags, author, image_url,
image_alt, published or published_raw, views, comments, shares. Other fields are ignored, because an export may have
more. A record without a title is left out, and a note gives its line number. In any other field, a value that is not
understood counts as unknown, and a note reports it. The module `values` defines which forms are understood.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.sources import identity, plain
from mailer.sources.found import Found, few, most_items, too_many
from mailer.sources.values import Findings, Values, kind

_DELIMITERS = ",;\t|"
# Maximum number of characters of a cell, so that an unclosed quotation mark cannot turn the whole file into one cell.
_LONGEST_CELL = 2_000_000
_COUNTS = ("views", "comments", "shares")
_TEXTS = (
    *("id", "source", "url", "title", "lead", "body", "category", "author", "image_url", "image_alt"),
    *("published", "published_raw"),
)
_ONE_A_LINE = 'Each line must be one JSON object, such as {"title": …, "url": …}.'

Record = Mapping[str, Any]
Line = TypeVar("Line")  # a line of JSON, or the cells of a row


class _NotAnArticleError(Exception):
    """Raised if a record cannot be an article. The message says why."""


def read_jsonl(name: str, text: str, *, source: str, zone: ZoneInfo, now: datetime) -> Found:
    """Return the articles of a JSON Lines text.

    Raises UnreadableInput, with a line number, if no line is an article. Also raises UnreadableInput if the first line
    is not an object, because the text then has another format.
    """
    # Do not use splitlines(), which also splits at U+2028 and U+0085: a JSON string may contain these characters
    # unescaped (RFC 8259 §7).
    every = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    lines = every[: most_items(text)]
    findings = Findings()
    found, wrong = _articles(lines, _object, partial(Values, findings=findings, zone=zone, now=now), source)
    if wrong and wrong[0][0] == lines[0][0] and not lines[0][1].lstrip().startswith("{"):
        raise UnreadableInput(f"{name}, line {wrong[0][0]}: {wrong[0][1]}.", _ONE_A_LINE)
    if not found:
        raise UnreadableInput(f"{name}: no line of it is an article; line {wrong[0][0]}: {wrong[0][1]}.", _ONE_A_LINE)
    more = [too_many(name, len(lines))] if len(every) > len(lines) else []
    return Found(tuple(found), (*more, *_notes(name, wrong), *findings.notes(name)))


def is_csv(text: str) -> bool:
    """Return True if the first line has the column name "title" and the name of at least one other known field."""
    columns = _columns(text)
    return "title" in columns and len({*_TEXTS, *_COUNTS, "tags"} & set(columns)) > 1


def read_csv(name: str, text: str, *, source: str, zone: ZoneInfo, now: datetime) -> Found:
    """Return the articles of a CSV text with a heading line, delimited by commas, semicolons, tabs or bars.

    Raises UnreadableInput if the text is not valid CSV or holds no article.
    """
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    findings = Findings()
    try:
        next(reader)
        rows = ((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
        make = partial(Values, findings=findings, zone=zone, now=now)
        most = most_items(text)
        found, wrong = _articles(islice(rows, most), partial(_row, _columns(text)), make, source)
        more = [too_many(name, most)] if next(rows, None) else []
    except csv.Error as error:
        raise UnreadableInput(
            f"{name}, line {reader.line_num}: this is not CSV ({error}).",
            "Look for a quotation mark that is not closed.",
        ) from None
    if not found:
        why = f"line {wrong[0][0]}: {wrong[0][1]}" if wrong else "there is none below the names of the columns"
        raise UnreadableInput(f"{name}: no row of it is an article; {why}.", "Each row needs a title.")
    return Found(tuple(found), (*more, *_notes(name, wrong), *findings.notes(name)))


def _articles(
    lines: Iterable[tuple[int, Line]], record: Callable[[Line], Record], values: Callable[..., Values], source: str
) -> tuple[list[FoundArticle], list[tuple[int, str]]]:
    """Return the articles, and the line number and the problem of each line that is not an article."""
    found, wrong = [], []
    for number, line in lines:
        try:
            found.append(_article(values(record(line), where=f"line {number}"), source))
        except _NotAnArticleError as why:
            wrong.append((number, str(why)))
    return found, wrong


def _notes(name: str, wrong: list[tuple[int, str]]) -> tuple[str, ...]:
    return few(name, [f"{name}, line {number}: {why}; it was left out." for number, why in wrong])


def _object(line: str) -> Record:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise _NotAnArticleError("this is not JSON") from None
    if not isinstance(value, dict):
        raise _NotAnArticleError(f"this is JSON, but {kind(value)}, not an object")
    return value


def _first_line(text: str) -> str:
    return text.lstrip("\ufeff\r\n ").split("\n", 1)[0].rstrip("\r")


def _delimiter(text: str) -> str:
    return max(_DELIMITERS, key=_first_line(text).count)


def _columns(text: str) -> list[str]:
    cells = next(csv.reader([_first_line(text)[:10_000]], delimiter=_delimiter(text)), [])
    return [cell.strip().lower() for cell in cells]


def _row(columns: list[str], row: list[str]) -> Record:
    """Return a row as a record without the empty cells."""
    if any(cell.strip() for cell in row[len(columns) :]):
        raise _NotAnArticleError(f"{len(row)} cells for {len(columns)} columns")
    return {column: cell for column, cell in zip(columns, row, strict=False) if cell.strip()}


def _article(values: Values, source: str) -> FoundArticle:
    title = values.line("title")
    if not title:
        raise _NotAnArticleError("it has no title")
    url = values.link("url")
    body = plain.paragraphs(values.text("body"))
    published, written = values.date("published")
    other, raw = values.date("published_raw")
    category, *more = values.names("category") or ("",)
    return FoundArticle(
        title=title,
        source=source or values.line("source") or identity.host(url),
        guid=plain.name(values.text("id")),
        url=url,
        lead=plain.lead(values.text("lead")) or plain.opening(body),
        body=body,
        category=category,
        tags=plain.labels((*more, *values.labels("tags"))),
        author="، ".join(values.names("author")),
        image_url=values.picture("image_url", url),
        image_alt=values.line("image_alt"),
        published=published or other,
        published_raw=raw or written,
        views=values.count("views"),
        comments=values.count("comments"),
        shares=values.count("shares"),
    )
