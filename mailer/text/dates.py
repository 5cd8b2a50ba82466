"""Reads dates in the forms that newsrooms write, and returns them as times in UTC.

The original text is read here, because feed parsers take «۱۴۰۴/۱۱/۰۷» for a date of the Gregorian year 1404. A year
from 1300 to 1500 is always Jalali. If any word of the text is not understood, no date is returned, because no date is
better than a wrong date. This module does not know the current time; the store corrects dates in the future and fills
in missing dates.
"""

import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

from mailer.text.calendar import GREGORIAN, JALALI, WEEKDAYS, from_jalali
from mailer.text.characters import ARABIC_LETTERS, JOINERS, ZWNJ, is_invisible

_JALALI_YEARS = range(1300, 1501)
_GREGORIAN_YEARS = range(1900, 2201)

_ENGLISH = "january february march april may june july august september october november december"
_JALALI_IN_LATIN = "farvardin ordibehesht khordad tir mordad shahrivar mehr aban azar dey bahman esfand"
_MONTHS = {
    **{name: number for number, name in enumerate(_ENGLISH.split(), 1)},
    **{name[:3]: number for number, name in enumerate(_ENGLISH.split(), 1)},
    **{name: number for months in (GREGORIAN, JALALI) for number, name in enumerate(months, 1)},
    **{name: number for number, name in enumerate(_JALALI_IN_LATIN.split(), 1)},
    # Other spellings of months.
    **{"sept": 9, "امرداد": 5, "ابان": 8, "مارچ": 3, "اپریل": 4, "می": 5, "جون": 6, "جولای": 7, "آگوست": 8},
    **{"سپتمبر": 9, "اکتوبر": 10, "نومبر": 11, "دسمبر": 12},
}

# Words around a date that are ignored: the weekday, which RFC 5322 §3.3 makes optional and feeds get wrong, and words
# that pages write before a date or a time. «یک شنبه», written with a blank, is read as two such words.
_FILLER_WORDS = (
    "mon tue wed thu fri sat sun monday tuesday wednesday thursday friday saturday sunday tues wednes thur thurs "
    "پنحشنبه آدینه یک دو سه چهار پنج ساعت مورخ تاریخ روز سال ماه در at on"
)
_FILLERS = frozenset(_FILLER_WORDS.split()) | {name.replace(ZWNJ, "") for name in WEEKDAYS}

# The zones' offsets from UTC in hours. RFC 5322 §4.3 names UT, GMT, Z and the American zones; the others occur in
# feeds.
_ZONES = {
    **dict.fromkeys(("ut", "utc", "gmt", "z"), 0.0),
    **{"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7},
    **{"bst": 1, "cet": 1, "cest": 2, "eet": 2, "eest": 3, "msk": 3, "irst": 3.5, "irdt": 4.5},
}

_PLAIN = ARABIC_LETTERS | str.maketrans("،,|؛", "    ", JOINERS)
_COMMENT = re.compile(r"\([^()]*\)")  # a comment, as in "+0330 (IRST)" (RFC 5322 §3.2.2)
# A time of day, perhaps with "am" or "pm", and then perhaps with an offset as in RFC 5322 and ISO 8601: 12:30,
# 08:38:00.25 +0430, 12:30 GMT+03:30, 9:05 ب.ظ. A date after the time, such as «-1404/11/07», is not read as an offset.
_TIME = re.compile(
    r"(?:(?<=\d)t|(?<![\d:]))(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?(?![\d:])"
    r"(?:\s*(?P<half>am\b|pm\b|ق\.?ظ\.?|ب\.?ظ\.?))?"
    r"(?:\s*(?:utc|gmt)?(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>[0-5]\d)?(?![\d:/.-]))?"
)
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})([-/.])(\d{1,2})\2(1[345]\d\d)(?!\d)")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:t?(\d{2})(\d{2})(\d{2})?)?(z?)")
_LONGEST = 200  # characters; a longer text is not a date


def parse(raw: str, *, zone: tzinfo) -> datetime | None:
    """Return the date and time in `raw` as an aware datetime in UTC, or None if `raw` is not understood.

    `zone` is the newsroom's time zone, which applies if the text does not name a zone. A date without a time means
    midnight.
    """
    if len(raw) > _LONGEST:
        return None
    text = _ascii(raw)
    clock, where = time(0), None
    try:
        if compact := _COMPACT.fullmatch(text):  # 20260127T103000Z, ISO 8601's basic format
            day: date | None = _day(int(compact[1]), int(compact[2]), int(compact[3]))
            hour, minute, second = (int(part or 0) for part in compact.group(4, 5, 6))
            clock = time(hour, minute, second)
            rest = compact[7]
        else:
            if found := _TIME.search(text):
                clock, where = _clock(found), _offset(found)
                text = _without(text, found)
            day, rest = _day_in_numbers(text) or _day_in_words(text)
        named, unknown = _zone_name(rest)
        if day is None or unknown:
            return None
        return datetime.combine(day, clock, tzinfo=where or named or zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None  # such as «25:70» or the 32nd day of a month


def _ascii(raw: str) -> str:
    """Return the text with ASCII digits and Persian letters, in lower case, without marks, joiners and comments."""
    text = "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else char
        for char in unicodedata.normalize("NFC", raw.translate(_PLAIN))
        if unicodedata.category(char) != "Mn" and not is_invisible(char)
    )
    return _COMMENT.sub(" ", text).replace("–", "-").replace("−", "-").strip().lower()


def _without(text: str, found: re.Match[str]) -> str:
    return f"{text[: found.start()]} {text[found.end() :]}"


def _clock(found: re.Match[str]) -> time:
    """Return the time of day in a match of `_TIME`. Raises ValueError if there is no such time."""
    hour, half = int(found["hour"]), found["half"]
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + (12 if half.startswith(("p", "ب")) else 0)
    second = int(found["second"] or 0)
    return time(hour, int(found["minute"]), 59 if second == 60 else second)  # 60 is a leap second


def _offset(found: re.Match[str]) -> timezone | None:
    """Return the offset from UTC in a match of `_TIME`, or None if the match has no offset.

    Raises ValueError if the offset is a day or more.
    """
    if not found["sign"]:
        return None
    size = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
    return timezone(size if found["sign"] == "+" else -size)


def _zone_name(text: str) -> tuple[timezone | None, str]:
    """Return the time zone that the text names, or None, and the words that are not understood.

    The text must no longer contain the date and the time.
    """
    zone = None
    unknown = []
    for word in re.split(r"[\s\-/.:]+", text):
        if word in _ZONES and zone is None:
            zone = timezone(timedelta(hours=_ZONES[word]))
        elif word and word not in _FILLERS:
            unknown.append(word)
    return zone, " ".join(unknown)


def _day_in_numbers(text: str) -> tuple[date, str] | None:
    """Return a day written as 1404/11/07, 2026-01-27 or 07/11/1404, and the text without it; None if there is none.

    The form with the day first is read only for Jalali years, because 03/04/2026 may be in March or in April.
    """
    if found := _YEAR_FIRST.search(text):
        return _day(int(found[1]), int(found[3]), int(found[4])), _without(text, found)
    if found := _YEAR_LAST.search(text):
        return _day(int(found[4]), int(found[3]), int(found[1])), _without(text, found)
    return None


def _day_in_words(text: str) -> tuple[date | None, str]:
    """Return a day written with the name of its month, and the text without the day.

    The forms are «۷ بهمن ۱۴۰۴», "21 Jul 2018", "July 21 2018" and "1404 بهمن 7". Returns None and the whole text if
    there is no such day.
    """
    numbers: list[str] = []
    months: list[int] = []
    rest: list[str] = []
    for word in re.split(r"[\s\-/.]+", text):
        ordinal = re.fullmatch(r"(\d{1,4})(?:st|nd|rd|th|ام|م)?", word)
        if ordinal:
            numbers.append(ordinal[1])
        elif word in _MONTHS:
            months.append(_MONTHS[word])
        else:
            rest.append(word)
    if len(numbers) != 2 or len(months) != 1:
        return None, text
    # The year is the number with four digits. If neither number has four digits, the year is the second number, with
    # two digits (RFC 5322 §4.3).
    first, second = numbers
    day, year = (second, first) if len(first) == 4 else (first, second)
    if len(day) > 2 or len(year) not in (2, 4):
        return None, text
    full = int(year) if len(year) == 4 else int(year) + (2000 if int(year) < 50 else 1900)
    return _day(full, months[0], int(day)), " ".join(rest)


def _day(year: int, month: int, day: int) -> date:
    """Return the day, in the calendar that its year implies. Raises ValueError if that calendar has no such day."""
    if year in _JALALI_YEARS:
        return from_jalali(year, month, day)
    if year in _GREGORIAN_YEARS:
        return date(year, month, day)
    raise ValueError(year)
