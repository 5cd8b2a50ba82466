"""Which week it is, and when its issue goes out.

Weeks are named in the newsletter's calendar; the sending time is a wall-clock time of its time zone. These are pure
functions: the clock is an argument, and what happens at that time is decided elsewhere.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from persiantools.jdatetime import JalaliDate

from mailer.errors import UsageError
from mailer.model import Slot
from mailer.settings import WEEKDAYS, Newsletter, Schedule

Calendar = Literal["jalali", "gregorian"]

# The years that are accepted. The ranges do not overlap, so that a year of the other calendar is noticed.
_YEARS: dict[Calendar, range] = {"jalali": range(1300, 1600), "gregorian": range(1900, 2200)}
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)


def key(day: date, calendar: Calendar) -> str:
    """The name of the week that holds `day`, such as "1405-W36".

    Jalali weeks run from Saturday to Friday and belong to the year of their Tuesday, the middle day, just as ISO 8601
    gives a week to the year of its Thursday. In the Gregorian calendar it is the ISO week.
    """
    if calendar == "gregorian":
        year, week, _ = day.isocalendar()
        return _written(year, week)
    tuesday = _saturday(day) + timedelta(days=3)
    year = _jalali_year(tuesday)
    return _written(year, (tuesday - _first_tuesday(year)) // _WEEK + 1)


def canonical(text: str, calendar: Calendar) -> str:
    """The name of a week that a person typed, as `key` writes it: "1405-w36" and "۱۴۰۵-W۳۶" become "1405-W36".

    Raises UsageError if there is no such week.
    """
    return key(days(text, calendar)[0], calendar)


def days(text: str, calendar: Calendar) -> tuple[date, date]:
    """The first and the last day of a week. Raises UsageError if there is no such week."""
    found = re.fullmatch(r"(\d{4})-[Ww](\d{1,2})", text.strip())
    if not found:
        raise UsageError(f"{text!r} is not the name of a week.", f"Write it like {_EXAMPLE[calendar]}.")
    year, week = int(found[1]), int(found[2])
    if year not in _YEARS[calendar]:
        raise UsageError(
            f"{text!r}: the newsletter's weeks are those of the {calendar} calendar.", _hint(year, calendar)
        )
    if not 1 <= week <= _weeks(year, calendar):
        raise UsageError(f"{text!r}: the year {year} has weeks W01 to W{_weeks(year, calendar)}.")
    if calendar == "gregorian":
        first = date.fromisocalendar(year, week, 1)
    else:
        first = _first_tuesday(year) + (week - 1) * _WEEK - timedelta(days=3)
    return first, first + 6 * _DAY


def slot(text: str, newsletter: Newsletter, schedule: Schedule) -> Slot:
    """The day and the instant (UTC) at which the issue of that week goes out. Raises UsageError like `days`.

    A holiday moves it to the next other day of the same week, else to the nearest day before. If the whole week is
    holidays it stays where it was: no issue is left out unless a person says so.
    """
    first, _ = days(text, newsletter.calendar)
    week = [first + n * _DAY for n in range(7)]
    wanted = next(n for n, day in enumerate(week) if day.weekday() == WEEKDAYS.index(schedule.day))
    choices = [*week[wanted:], *reversed(week[:wanted])]
    day = next((day for day in choices if day not in schedule.holidays), week[wanted])
    at = _instant(datetime.combine(day, schedule.time), ZoneInfo(newsletter.timezone))
    return Slot(key(first, newsletter.calendar), day, at)


def slot_of(now: datetime, newsletter: Newsletter, schedule: Schedule) -> Slot:
    """The slot of the week of `now` in the newsletter's time zone; its sending time may be past or in the future."""
    today = now.astimezone(ZoneInfo(newsletter.timezone)).date()
    return slot(key(today, newsletter.calendar), newsletter, schedule)


def following(this: Slot, newsletter: Newsletter, schedule: Schedule) -> Slot:
    """The slot one week later."""
    return slot(key(days(this.key, newsletter.calendar)[1] + _DAY, newsletter.calendar), newsletter, schedule)


def preceding(this: Slot, newsletter: Newsletter, schedule: Schedule) -> Slot:
    """The slot one week earlier."""
    return slot(key(days(this.key, newsletter.calendar)[0] - _DAY, newsletter.calendar), newsletter, schedule)


def around(now: datetime, newsletter: Newsletter, schedule: Schedule) -> tuple[Slot, Slot, Slot]:
    """The slots of last week, this week and next week: all that can be due, since every time in the schedule is shorter
    than a week."""
    this = slot_of(now, newsletter, schedule)
    return preceding(this, newsletter, schedule), this, following(this, newsletter, schedule)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant (UTC) of a wall-clock time.

    Of a time that clocks show twice in autumn, the first instant. Of a time that they skip in spring, the first instant
    after the gap.
    """
    at = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == wall:
        return at
    # In a gap, fold=0 uses the offset before it and gives an instant after it; fold=1 gives one before it (PEP 495).
    before, behind = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), at
    old = before.astimezone(zone).utcoffset()
    while behind - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(behind - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            behind = middle
    return behind


def _weeks(year: int, calendar: Calendar) -> int:
    """The number of weeks of a year: 52 or 53."""
    if calendar == "gregorian":
        return date(year, 12, 28).isocalendar().week  # ISO 8601: 28 December is always in the last week
    return (_first_tuesday(year + 1) - _first_tuesday(year)) // _WEEK


def _first_tuesday(year: int) -> date:
    """The first Tuesday of a Jalali year: the middle of its first week."""
    new_year = _day_of_jalali(year, 1, 1)
    return new_year + timedelta(days=(1 - new_year.weekday()) % 7)


def _jalali_year(day: date) -> int:
    year: int = JalaliDate(day).year  # type: ignore[no-untyped-call]  # the library types its methods only
    return year


def _day_of_jalali(year: int, month: int, day: int) -> date:
    return JalaliDate(year, month, day).to_gregorian()  # type: ignore[no-untyped-call]


def _saturday(day: date) -> date:
    return day - timedelta(days=(day.weekday() + 2) % 7)


def _written(year: int, week: int) -> str:
    return f"{year:04}-W{week:02}"


_EXAMPLE: dict[Calendar, str] = {"jalali": "1405-W36", "gregorian": "2026-W48"}


def _hint(year: int, calendar: Calendar) -> str:
    other: Calendar = "gregorian" if calendar == "jalali" else "jalali"
    if year not in _YEARS[other]:
        return f"Write the week like {_EXAMPLE[calendar]}."
    middle = date(year, 7, 1) if other == "gregorian" else _day_of_jalali(year, 7, 1)
    return f"Write the week like {key(middle, calendar)}, or set newsletter.calendar."
