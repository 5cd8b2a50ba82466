"""Reads dates in the forms that newsrooms write, and returns them as times in UTC.

The original text is read here, because feed parsers read «۱۴۰۴/۱۱/۰۷» as a date in the Gregorian year 1404. A year
from 1300 to 1500 is Jalali, and the name of a month belongs to one calendar. No date is better than a wrong date, so
none is returned if year and month disagree, if either of two numbers may be the month, or if a word is not understood.
This module does not know the current time; the store corrects dates in the future and fills in missing dates.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple

from mailer.text.calendar import (
    AFGHAN,
    ARABIC,
    ARABIC_WEEKDAYS,
    GREGORIAN,
    JALALI,
    LEVANTINE,
    MAGHREBI,
    MOROCCAN,
    PASHTO,
    URDU,
    WEEKDAYS,
    Calendar,
    from_jalali,
)
from mailer.text.characters import ARABIC_LETTERS, JOINERS, is_invisible
from mailer.text.search_key import key

_JALALI_YEARS = range(1300, 1501)
_GREGORIAN_YEARS = range(1900, 2201)
# What programs write for a missing date: the beginnings of Unix time and of SQL Server's time, in any time zone.
_NO_DATES = tuple(datetime(year, 1, 1, tzinfo=UTC) for year in (1900, 1970))
_DAY = timedelta(days=1)

# --- words -----------------------------------------------------------------------------------------------------------
_ENGLISH = "january february march april may june july august september october november december"
_JALALI_IN_LATIN = "farvardin ordibehesht khordad tir mordad shahrivar mehr aban azar dey bahman esfand"
_OTHER_GREGORIAN = {"sept": 9, "می": 5, "جولای": 7, "آگوست": 8, "سپتمبر": 9, "فبروری": 2, "اپریل": 4}
_OTHER_JALALI = {"امرداد": 5, "فرودین": 1, "اردبیهشت": 2, "خورداد": 3, "شهرویور": 6, "اسپند": 12, "amordad": 5}


class Month(NamedTuple):
    calendar: Calendar
    number: int  # from 1


@lru_cache(maxsize=2000)
def _word(word: str) -> str:
    """Return the key of a word, for comparisons. «آذر» and «اذر» have the same key."""
    return key(word).replace("آ", "ا")


def _months() -> dict[str, Month]:
    """Return the months by the keys of their names. A name of two words («تشرين الثاني») has a key of two words."""
    found: dict[str, Month] = {}

    def add(calendar: Calendar, names: Mapping[str, int]) -> None:
        found.update({_word(name): Month(calendar, number) for name, number in names.items()})

    english = _ENGLISH.split()
    for names in (english, [name[:3] for name in english], GREGORIAN, ARABIC, LEVANTINE, MAGHREBI, MOROCCAN, URDU):
        add("gregorian", {name: number for number, name in enumerate(names, 1)})
    for names in (JALALI, AFGHAN, PASHTO, _JALALI_IN_LATIN.split()):
        add("jalali", {name: number for number, name in enumerate(names, 1)})
    add("gregorian", _OTHER_GREGORIAN)
    add("jalali", _OTHER_JALALI)
    return found


_MONTHS = _months()
# Some Levantine names of months have two words. These are the first words, and the spellings of the second words.
_TWO_WORDS = {name.partition(" ")[0] for name in _MONTHS if " " in name}
_FIRST, _SECOND = _word("الأول"), _word("الثاني")
_ORDINALS = {_FIRST: _FIRST, "اول": _FIRST, "یکم": _FIRST, _SECOND: _SECOND, "ثانی": _SECOND, "دوم": _SECOND}

# Words around a date that are ignored: the weekday, which RFC 5322 §3.3 makes optional and feeds get wrong, and words
# that pages write before a date or a time. «یک شنبه», written with a blank, is read as two such words.
_FILLER_WORDS = (
    "mon tue wed thu fri sat sun monday tuesday wednesday thursday friday saturday sunday tues wednes thur thurs "
    "پنحشنبه آدینه یک دو سه چهار پنج ساعت مورخ تاریخ روز سال ماه در at on of the یوم الساعة بتاریخ فی"
)
_FILLERS = frozenset(map(_word, (*_FILLER_WORDS.split(), *WEEKDAYS, *ARABIC_WEEKDAYS)))
# Words after a date that name its calendar. «هجری» alone is the Islamic lunar calendar, which is not read.
_CALENDARS: dict[str, Calendar | None] = {
    **dict.fromkeys(("شمسی", "خورشیدی", "ش", "هش"), "jalali"),
    **dict.fromkeys(("میلادی", "میلادیه", "م", "ce", "ad"), "gregorian"),
    **dict.fromkeys(("قمری", "ق", "هق"), None),
}
_HEGIRA = ("هجری", "هجریه", "ه")

# The zones' offsets from UTC in hours. RFC 5322 §4.3 names UT, GMT, Z and the American zones; the others occur in
# feeds.
_ZONES = {
    **dict.fromkeys(("ut", "utc", "gmt", "z"), 0.0),
    **{"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7},
    **{"bst": 1, "cet": 1, "cest": 2, "eet": 2, "eest": 3, "msk": 3, "irst": 3.5, "irdt": 4.5},
}

# --- numbers ---------------------------------------------------------------------------------------------------------
_MARKS = str.maketrans("،,|؛", "    ")
_LETTERS = ARABIC_LETTERS | str.maketrans({"–": "-", "−": "-"}) | str.maketrans("", "", JOINERS + "ـ")
_COMMENT = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")  # a comment as in "+0330 (IRST)" (RFC 5322), or a zone in brackets
# A time of day, perhaps with "am" or "pm", and then perhaps with an offset as in RFC 5322 and ISO 8601: 12:30,
# 08:38:00.25 +0430, 12:30 GMT+03:30, 9:05 ب.ظ. A date after the time, such as «-1404/11/07», is not read as an offset.
_TIME = re.compile(
    r"(?:(?<=\d)t|(?<![\d:]))(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?(?![\d:])"
    r"(?:\s*(?P<half>(?P<later>p\.?m\b\.?|ب\.?ظ\.?|بعد ?از ?ظهر|مساء|عصر)"
    r"|a\.?m\b\.?|ق\.?ظ\.?|قبل ?از ?ظهر|صباحا|صبح))?"
    r"(?:\s*(?:utc|gmt)?(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>[0-5]\d)?(?![\d:/.-]))?"
)
_IN_NUMBERS = re.compile(
    r"(?<!\d)(?:(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})"
    r"|(?P<first>\d{1,2})([-/.])(?P<second>\d{1,2})\6(?P<last>\d{4}))(?!\d)"
)
# RFC 5322's form, which nearly every feed writes. Reading it takes a fifth of the time that the other forms take.
_IN_MAIL = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?(\d\d?) ([A-Z][a-z]{2}) (20\d\d) (\d\d):(\d\d):([0-5]\d) "
    r"(?:GMT|UTC|([+-]\d\d)([0-5]\d))",
    re.ASCII,
)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:t?(\d{2})(\d{2})(\d{2})?)?(z?)")
_NUMBER = re.compile(r"(\d{5,13})(?:[.,/٫](\d{1,12}))?")
_DOT_NET = re.compile(r"\\?/date\((\d{9,13})(?:[+-]\d{4})?\)\\?/")
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # a number that gives an earlier time is not a date
_AHEAD = timedelta(days=2)
_EXCEL = datetime(1899, 12, 30)  # noqa: DTZ001 - the days of a sheet are days of the newsroom's clock
_LONGEST = 200  # characters; a longer text is not a date


def parse(raw: str, *, zone: tzinfo, now: datetime | None = None) -> datetime | None:
    """Return the date and time in `raw` as an aware datetime in UTC, or None if `raw` is not understood.

    `zone` is the newsroom's time zone, which applies if the text does not name a zone. A date without a time means
    midnight. With `now`, single numbers are read too: Unix times in seconds or milliseconds, and dates of spreadsheets.
    The time that they give must be between the year 2000 and two days after `now`.
    """
    if len(raw) > _LONGEST:
        return None
    try:
        if mail := _IN_MAIL.fullmatch(raw):
            return _in_mail(mail)
        text = _ascii(raw)
        found = _number(text, zone, now) if now else None
        found = found or _written(_COMMENT.sub(" ", text).translate(_MARKS).strip(), zone)
    except (ValueError, OverflowError):
        return None  # such as «25:70» or the 32nd day of a month
    return None if found is None or any(abs(found - each) <= _DAY for each in _NO_DATES) else found


def _in_mail(found: re.Match[str]) -> datetime:
    """Return the time in a match of `_IN_MAIL`. Raises ValueError if there is no such time."""
    month = _MONTHS.get(found[2].lower())
    if month is None or month.calendar != "gregorian":
        raise ValueError(found[2])
    clock = (int(found[4]), int(found[5]), int(found[6]))
    hours, minutes = int(found[7] or 0), int(f"{(found[7] or '+')[0]}{found[8] or 0}")
    if abs(hours) >= 24:
        raise ValueError(hours)
    return datetime(int(found[3]), month.number, int(found[1]), *clock, tzinfo=UTC) - timedelta(
        hours=hours, minutes=minutes
    )


def _ascii(raw: str) -> str:
    """Return the text with ASCII digits and Persian letters, in lower case, without vowel marks and joiners."""
    text = raw
    if not raw.isascii():
        text = "".join(
            str(unicodedata.decimal(char)) if char.isdecimal() else char
            for char in unicodedata.normalize("NFC", raw.translate(_LETTERS))
            if unicodedata.category(char) != "Mn" and not is_invisible(char)
        )
    return text.strip().lower()


def _number(text: str, zone: tzinfo, now: datetime) -> datetime | None:
    """Return the time that a number gives. Return None if the text is not a number, or if the time is not between the
    year 2000 and two days after `now`."""
    number = _DOT_NET.fullmatch(text) or _NUMBER.fullmatch(text)
    if number is None:
        return None
    whole = int(number[1])
    if len(number[1]) == 5:
        days = timedelta(days=float(f"{whole}.{number[2] or 0}"))
        found = (_EXCEL + timedelta(seconds=round(days.total_seconds()))).replace(tzinfo=zone).astimezone(UTC)
    else:
        found = datetime.fromtimestamp(whole / 1000 if len(number[1]) > 10 else whole, UTC)
    return found if _EARLIEST <= found <= now + _AHEAD else None


class _Day(NamedTuple):
    day: date
    calendars: frozenset[Calendar]  # the calendars in which the text gives the day
    rest: str  # the text without the day


def _written(text: str, zone: tzinfo) -> datetime | None:
    """Return the time that a text gives. Raises ValueError if it gives a day or an hour that does not exist."""
    if compact := _COMPACT.fullmatch(text):  # 20260127T103000Z, ISO 8601's basic format
        day, _ = _day(int(compact[1]), int(compact[2]), int(compact[3]))
        hour, minute, second = (int(part or 0) for part in compact.group(4, 5, 6))
        clock = time(hour, minute, second)
        return datetime.combine(day, clock, tzinfo=UTC if compact[7] else zone).astimezone(UTC)
    clock, where = time(0), None
    if at := _TIME.search(text):
        clock, where = _clock(at), _offset(at)
        text = _without(text, at)
    found = _day_in_numbers(text) or _day_in_words(text)
    if found is None:
        return None
    named, calendars, unknown = _around(found.rest)
    if unknown or not calendars <= found.calendars:
        return None
    return datetime.combine(found.day, clock, tzinfo=where or named or zone).astimezone(UTC)


def _without(text: str, found: re.Match[str]) -> str:
    return f"{text[: found.start()]} {text[found.end() :]}"


def _clock(found: re.Match[str]) -> time:
    """Return the time of day in a match of `_TIME`. Raises ValueError if there is no such time."""
    hour, second = int(found["hour"]), int(found["second"] or 0)
    if found["half"] and hour <= 12:  # «18:30 عصر» needs no change
        hour = hour % 12 + (12 if found["later"] else 0)
    return time(hour, int(found["minute"]), 59 if second == 60 else second)  # 60 is a leap second


def _offset(found: re.Match[str]) -> timezone | None:
    """Return the offset from UTC in a match of `_TIME`, or None if the match has no offset.

    Raises ValueError if the offset is a day or more.
    """
    if not found["sign"]:
        return None
    size = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
    return timezone(size if found["sign"] == "+" else -size)


def _around(text: str) -> tuple[timezone | None, frozenset[Calendar], bool]:
    """Return the time zone and the calendars that the words around a date name, and whether a word is not understood.

    The text must no longer contain the date and the time.
    """
    zone: timezone | None = None
    calendars: set[Calendar] = set()
    hegira = unknown = False
    for word in filter(None, re.split(r"[\s\-/.:]+", text)):
        if word in _ZONES and zone is None:
            zone = timezone(timedelta(hours=_ZONES[word]))
        elif calendar := _CALENDARS.get(word):
            calendars.add(calendar)
        elif word in _HEGIRA:
            hegira = True
        else:
            unknown = unknown or _word(word) not in _FILLERS
    # «هجری» without «شمسی» means the Islamic lunar calendar, which is not read.
    return zone, frozenset(calendars), unknown or (hegira and "jalali" not in calendars)


def _day_in_numbers(text: str) -> _Day | None:
    """Return a day written as 1404/11/07, 2026-01-27, 27/01/2026 or 07/11/1404; None if there is none.

    A Gregorian date that ends with the year is read only if the day is above 12 or equals the month. Returns None if
    the text has several different days.
    """
    days = []
    for found in _IN_NUMBERS.finditer(text):
        if found["year"]:
            days.append(_day(int(found["year"]), int(found["month"]), int(found["day"])))
        else:
            first, second, year = int(found["first"]), int(found["second"]), int(found["last"])
            if year not in _JALALI_YEARS and first != second and first <= 12 and second <= 12:
                return None  # 03/04/2026 may be in March or in April
            day, month = (second, first) if second > 12 else (first, second)
            days.append(_day(year, month, day))
    if len({day for day, _ in days}) != 1:
        return None
    return _Day(days[0][0], frozenset(calendar for _, calendar in days), _IN_NUMBERS.sub(" ", text))


def _day_in_words(text: str) -> _Day | None:
    """Return a day written with the name of its month, or None if there is none.

    The forms are «۷ بهمن ۱۴۰۴», "21 Jul 2018", "July 21 2018" and "1404 بهمن 7". The month may be given twice, in two
    languages («تشرين الثاني/نوفمبر»), but not as two different months.
    """
    numbers: list[str] = []
    months: set[Month] = set()
    rest: list[str] = []
    words = [word for word in re.split(r"[\s\-/.]+", text) if word]
    for place, word in enumerate(words):
        ordinal = re.fullmatch(r"(\d{1,4})(?:st|nd|rd|th|ام|م)?", word)
        if ordinal:
            numbers.append(ordinal[1])
        elif month := _month(word, words[place + 1] if place + 1 < len(words) else ""):
            months.add(month)
        elif not (place and _month(words[place - 1], word) and not _month(words[place - 1], "")):
            rest.append(word)
    if len(numbers) != 2 or len(months) != 1:
        return None
    # The year is the number with four digits. If neither number has four digits, the year is the second number, with
    # two digits (RFC 5322 §4.3).
    first, second = numbers
    day, year = (second, first) if len(first) == 4 else (first, second)
    if len(day) > 2 or len(year) not in (2, 4):
        return None
    month = months.pop()
    found, calendar = _day(_full_year(year, month.calendar), month.number, int(day))
    # A Jalali month with a Gregorian year gives no date: «۷ بهمن ۲۰۲۶».
    return _Day(found, frozenset({calendar}), " ".join(rest)) if calendar == month.calendar else None


def _month(word: str, after: str) -> Month | None:
    """Return the month that a word names, perhaps together with the word after it."""
    found = _word(word)
    if found in _TWO_WORDS:
        return _MONTHS.get(f"{found} {_ORDINALS.get(_word(after), '')}")
    return _MONTHS.get(found) or _MONTHS.get(found.removesuffix("ماه"))  # «آذرماه»


def _full_year(year: str, calendar: Calendar) -> int:
    if len(year) == 4:
        return int(year)
    return int(year) + {"jalali": (1400, 1300), "gregorian": (2000, 1900)}[calendar][int(year) >= 50]


def _day(year: int, month: int, day: int) -> tuple[date, Calendar]:
    """Return the day and the calendar that its year implies. Raises ValueError if that calendar has no such day."""
    if year in _JALALI_YEARS:
        return from_jalali(year, month, day), "jalali"
    if year in _GREGORIAN_YEARS:
        return date(year, month, day), "gregorian"
    raise ValueError(year)
