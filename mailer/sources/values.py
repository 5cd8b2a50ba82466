"""Reads single values of records: cells of a CSV, fields of JSON objects, and columns of a database.

Every system writes them differently, so each kind of value has one method that knows the usual forms. A value that is
not understood counts as unknown, never as 0, and its article is kept. Such values are counted, with an example, for the
caller to report.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from mailer.sources import plain
from mailer.sources.lists.words import NO, YES, is_nothing
from mailer.text import charset, dates, links
from mailer.text.characters import ARABIC_LETTERS
from mailer.text.locales import EN
from mailer.text.search_key import key

LARGEST_COUNT = 2_000_000_000  # fits the INTEGER of every database
_LONGEST_JSON = 20_000  # characters of a text that may hold JSON
_TAGS = re.compile(r"[|،,;؛\n]")
_SERIALIZED = re.compile(r"[aOs]:\d+:")  # what PHP's serialize() writes
# The forms of a count that are read: `1234`; `1,234`, also with another mark between the groups; `12k` or «۱۲ هزار».
# `1.234` is not read, because its point may be a decimal point or separate groups.
_PLAIN = re.compile(r"(\d{1,15})(?:\.(?:0{1,2}|0{4,12})|(?<=\d{4})\.000)?")
_GROUPED = re.compile(r"\d{1,3}(?:([,٬،'’ \u00a0\u202f])\d{3})(?:\1\d{3})*|\d{1,3}(?:\.\d{3}){2,}")
_SHORT = re.compile(r"(\d{1,9}(?:[.,٫/]\d{1,3})?)\s*(k|m|هزار|میلیون|الف|ملیون)")
_FACTORS = {"k": 1000, "هزار": 1000, "الف": 1000, "m": 1_000_000, "میلیون": 1_000_000, "ملیون": 1_000_000}
# The fields in which systems keep the name of a category or a tag, and the address of a picture, in an object.
_NAMES = ("name", "title", "label", "value")
_ADDRESSES = ("url", "src", "source_url", "href", "image_intro", "image_fulltext", "path")
_KINDS = {bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}


def kind(value: object) -> str:
    """Return the kind of a JSON value in words."""
    return _KINDS.get(type(value), "null" if value is None else "something else")


@dataclass(slots=True)
class Findings:
    """Counts the values that were not understood, and the texts that were repaired, each with the first example."""

    odd: dict[str, tuple[int, str]] = field(default_factory=dict)
    repaired: int = 0
    example: str = ""

    def add(self, name: str, where: str, value: object) -> None:
        count, example = self.odd.get(name, (0, ""))
        shown = repr(value[:40]) if isinstance(value, str) else str(value)[:40] if _is_number(value) else kind(value)
        self.odd[name] = count + 1, example or f"{shown}{where and f' ({where})'}"

    def notes(self, source: str) -> Iterator[str]:
        for name, (count, example) in self.odd.items():
            yield f"{source}: {count} values of {name} are not understood, such as {example}; they count as unknown."
        if self.repaired:
            repaired = f"{self.repaired} texts were UTF-8 taken for Latin-1, and were repaired"
            yield f"{source}: {repaired}, such as «{self.example}»."


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one record.

    `where` is the record's place, such as "line 3", to be shown with examples. A number that would
    give a time more than two days after `now` is not read as a date.
    """

    record: Mapping[str, Any]
    findings: Findings
    zone: tzinfo
    now: datetime
    where: str = ""

    def text(self, name: str) -> str:
        """Return a text or a number as text, else "". `false`, which PHP writes for a missing text, is no text."""
        value = _unpacked(self.record.get(name))
        if value is None or value is False:
            return ""
        if isinstance(value, str):
            return self._repaired(value)
        if _is_number(value):
            return _written(value)
        self._add(name, value)
        return ""

    def line(self, name: str) -> str:
        return plain.line(self.text(name))

    def labels(self, name: str) -> tuple[str, ...]:
        """Return the names in a text with separators, in a list, in JSON, or in objects with a name."""
        value = _decoded(_unpacked(self.record.get(name)))
        if value is None or value is False:
            return ()
        if isinstance(value, str):
            if _SERIALIZED.match(value):
                self._add(name, value)
                return ()
            return plain.labels(_TAGS.split(self._repaired(value)))
        found = [_part(each, _NAMES) for each in (value if isinstance(value, list) else [value])]
        if not all(found) and value:
            self._add(name, value)
        return plain.labels(self._repaired(each) for each in found if each)

    def names(self, name: str) -> tuple[str, ...]:
        """Return the names in a list, in JSON or in an object, or the whole text as one name."""
        value = _unpacked(self.record.get(name))
        is_whole = isinstance(value, str) and not value.startswith(("[", "{")) and not _SERIALIZED.match(value)
        return plain.labels([self.text(name)]) if is_whole else self.labels(name)

    def link(self, name: str, base: str = "") -> str:
        """Return an absolute address, else "". The link may be relative to `base`."""
        value = _decoded(_unpacked(self.record.get(name)))
        if value in (None, False, [], {}) or (isinstance(value, str) and is_nothing(value.strip())):
            return ""
        every = [_part(each, _ADDRESSES) for each in (value if isinstance(value, list) else [value])]
        found = next((found for each in every if each and (found := links.absolute(each, base))), "")
        if not found:
            self._add(name, value)
        return found

    def picture(self, name: str, base: str = "") -> str:
        """Return the address of a picture, else "". Knows the columns of Joomla and the stream names of Drupal."""
        value = _decoded(_unpacked(self.record.get(name)))
        if isinstance(value, dict) and not _part(value, _ADDRESSES) and set(value) & set(_ADDRESSES):
            return ""  # Joomla's object without a picture
        if isinstance(value, str) and value.startswith("public://"):
            return links.absolute(f"/sites/default/files/{value[9:]}", base)
        return self.link(name, base).partition("#")[0]

    def number(self, name: str) -> int | None:
        """Return a whole number, perhaps negative; None if there is none."""
        value = _unpacked(self.record.get(name))
        if value is None or value is False or (isinstance(value, str) and is_nothing(value.strip())):
            return None
        found = _whole(value)
        if found is None:
            self._add(name, value)
        return found

    def count(self, name: str) -> int | None:
        """Return a count from 0 to two billion; None if there is none. An unknown count must not become 0."""
        found = self.number(name)
        if found is not None and not 0 <= found <= LARGEST_COUNT:
            self._add(name, self.record[name])
            return None
        return found

    def flag(self, name: str) -> bool | None:
        """Return a yes-or-no value as a bool; None if there is none."""
        value = _unpacked(self.record.get(name))
        if isinstance(value, bool) or value is None:
            return value
        word = key(_written(value)) if _is_number(value) else key(value) if isinstance(value, str) else ""
        if word in YES or word in NO:
            return word in YES
        if not (isinstance(value, str) and is_nothing(value.strip())):
            self._add(name, value)
        return None

    def date(self, name: str) -> tuple[datetime | None, str]:
        """Return a time in UTC and the text that gives it. The time is None if it is missing or not understood.

        The caller reports dates that are not understood, together with those of other sources.
        """
        value = _unpacked(self.record.get(name))
        if isinstance(value, str) and value.startswith("{"):
            value = _decoded(value)
        if isinstance(value, dict):
            value = _inner_date(value)
        if value is None or isinstance(value, bool):
            return None, ""
        if isinstance(value, date):  # a date or a datetime; as a text, it is judged by the same rules as other texts
            raw = value.isoformat()
        else:
            raw = value if isinstance(value, str) else _written(value) if _is_number(value) else kind(value)
        raw = plain.line(raw)
        return dates.parse(raw, zone=self.zone, now=self.now), raw

    def _add(self, name: str, value: object) -> None:
        self.findings.add(name, self.where, value)

    def _repaired(self, text: str) -> str:
        found = charset.repaired(text)
        if found != text:
            self.findings.repaired += 1
            self.findings.example = self.findings.example or plain.line(found[:200])[:40]
        return found


def _unpacked(value: object) -> Any:
    """Return bytes as text or as a number, and other values unchanged. Some drivers give bytes for texts and bits."""
    if isinstance(value, bytes | bytearray | memoryview):
        content = bytes(value)
        return content[0] if content in (b"\0", b"\1") else charset.decode(content).text
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _written(value: Any) -> str:
    """Return a number as text, without an exponent, and without a fraction that is zero."""
    return str(value) if isinstance(value, int) else f"{value:f}".removesuffix(".000000")


def _decoded(value: Any) -> Any:
    """Return what a text of JSON holds, or the value itself."""
    if isinstance(value, str) and value.startswith(("[", "{")) and len(value) <= _LONGEST_JSON:
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def _part(value: object, names: tuple[str, ...]) -> str:
    """Return a text, a number as text, or the first text that an object has in the fields `names`; else ""."""
    if isinstance(value, dict):
        return next((each for name in names if isinstance(each := value.get(name), str) and each), "")
    return value if isinstance(value, str) else _written(value) if _is_number(value) else ""


def _whole(value: object) -> int | None:
    if isinstance(value, str):
        return _whole_of_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    with suppress(ValueError, OverflowError, InvalidOperation):  # infinite values, and texts that are not numbers
        if isinstance(value, float | Decimal) and value == int(value):
            return int(value)
    return None


def _whole_of_text(text: str) -> int | None:
    """Return the whole number in a text: 1234, "1,234", «۱٬۲۳۴», "12k", "1.5M", «۱۲ هزار»; else None."""
    digits = EN.number(text.strip()[:40]).lower().translate(ARABIC_LETTERS)
    sign, digits = (-1, digits[1:]) if digits[:1] in ("-", "−") else (1, digits.removeprefix("+"))
    if plain_number := _PLAIN.fullmatch(digits):
        return sign * int(plain_number[1])
    if _GROUPED.fullmatch(digits):
        return sign * int(re.sub(r"\D", "", digits))
    if short := _SHORT.fullmatch(digits):
        return sign * int(Decimal(re.sub(r"[,٫/]", ".", short[1])) * _FACTORS[short[2]])
    return None


def _inner_date(value: Mapping[str, Any]) -> object:
    """Return the date in an object from MongoDB, Firestore or PHP, or "an object" if it has none."""
    if isinstance(inner := value.get("$date"), dict):
        return inner.get("$numberLong", "an object")
    zone = str(value.get("timezone", ""))
    if isinstance(value.get("date"), str) and re.fullmatch(r"[+-]\d\d:\d\d|UTC|Z", zone):
        return f"{value['date']} {zone}"
    found = (value.get(name) for name in ("$date", "$numberLong", "_seconds", "seconds", "date"))
    return next((each for each in found if isinstance(each, str | int | float)), "an object")
