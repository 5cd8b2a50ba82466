"""Names the weeks of the calendar, and computes when the issue of a week goes out.

Weeks are named in the newsletter's calendar, and the sending time is a wall-clock time in the newsletter's time zone.
The functions are pure: the current time is an argument.
"""

import re
from datetime import UTC, date, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from mailer.errors import UsageError
from mailer.model import Slot
from mailer.settings import WEEKDAYS, Newsletter, Schedule
from mailer.text.calendar import JALALI_YEARS, Calendar, from_jalali, to_jalali

# The years accepted in each calendar. The ranges do not overlap, so a year of the wrong calendar is always noticed.
_YEARS: dict[Calendar, range] = {"jalali": JALALI_YEARS, "gregorian": range(1900, 2200)}
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)


def key(day: date, calendar: Calendar) -> str:
    """Returns the name of the week that contains `day`, such as "1405-W36".

    A Jalali week runs from Saturday to Friday and belongs to the year that contains its middle day, Tuesday. A
    Gregorian week is an ISO 8601 week, which belongs to the year that contains its Thursday.
    """
    if calendar == "gregorian":
        year, week, _ = day.isocalendar()
        return _written(year, week)
    since_saturday = (day.weekday() + 2) % 7
    tuesday = day + timedelta(days=3 - since_saturday)
    year = to_jalali(tuesday)[0]
    return _written(year, (tuesday - _first_tuesday(year)) // _WEEK + 1)


def canonical(text: str, calendar: Calendar) -> str:
    """Returns the name of a week as `key` writes it, given the name that a person typed: "1405-w36" and "۱۴۰۵-W۳۶"
    become "1405-W36".

    Raises UsageError if there is no such week.
    """
    return key(days(text, calendar)[0], calendar)


def days(text: str, calendar: Calendar) -> tuple[date, date]:
    """Returns the first and the last day of a week, given its name. Raises UsageError if there is no such week."""
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
    """Returns the slot of a week, given the week's name: the day and the instant (UTC) at which the issue goes out.
    Raises UsageError if there is no such week.

    If the scheduled day is a holiday, the issue goes out on the next day of the same week that is not a holiday. If
    there is no such day, the issue goes out on the last day before the scheduled day that is not a holiday. If all days
    of the week are holidays, the issue goes out on the scheduled day, because holidays must not cancel an issue.
    """
    first, _ = days(text, newsletter.calendar)
    week = [first + n * _DAY for n in range(7)]
    wanted = next(n for n, day in enumerate(week) if day.weekday() == WEEKDAYS.index(schedule.day))
    choices = [*week[wanted:], *reversed(week[:wanted])]
    day = next((day for day in choices if day not in schedule.holidays), week[wanted])
    at = _instant(datetime.combine(day, schedule.time), ZoneInfo(newsletter.timezone))
    return Slot(key(first, newsletter.calendar), day, at)


def slot_of(now: datetime, newsletter: Newsletter, schedule: Schedule) -> Slot:
    """Returns the slot of the week that contains `now` in the newsletter's time zone. The sending time of the slot may
    be in the past or in the future."""
    today = now.astimezone(ZoneInfo(newsletter.timezone)).date()
    return slot(key(today, newsletter.calendar), newsletter, schedule)


def following(this: Slot, newsletter: Newsletter, schedule: Schedule) -> Slot:
    """Returns the slot one week later."""
    return slot(key(days(this.key, newsletter.calendar)[1] + _DAY, newsletter.calendar), newsletter, schedule)


def preceding(this: Slot, newsletter: Newsletter, schedule: Schedule) -> Slot:
    """Returns the slot one week earlier."""
    return slot(key(days(this.key, newsletter.calendar)[0] - _DAY, newsletter.calendar), newsletter, schedule)


def around(now: datetime, newsletter: Newsletter, schedule: Schedule) -> tuple[Slot, Slot, Slot]:
    """Returns the slots of last week, this week and next week. No other slot can need work now, because every period in
    the schedule is shorter than a week."""
    this = slot_of(now, newsletter, schedule)
    return preceding(this, newsletter, schedule), this, following(this, newsletter, schedule)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Returns the instant (UTC) of a wall-clock time.

    If clocks show that time twice in autumn, returns the first of the two instants. If clocks skip it in spring,
    returns the first instant after the gap.
    """
    at = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == wall:
        return at
    # The time is in a gap. For such a time, fold=0 gives an instant after the gap, and fold=1 gives an instant before
    # the gap (PEP 495). The gap ends at the first minute between these two instants that has the new offset.
    before, new = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), at.astimezone(zone).utcoffset()
    minutes = (before + n * timedelta(minutes=1) for n in count(1))
    return next(each for each in minutes if each.astimezone(zone).utcoffset() == new)


def _weeks(year: int, calendar: Calendar) -> int:
    """Returns the number of weeks in a year: 52 or 53."""
    if calendar == "gregorian":
        return date(year, 12, 28).isocalendar().week  # ISO 8601: 28 December is always in the last week
    return (_first_tuesday(year + 1) - _first_tuesday(year)) // _WEEK


def _first_tuesday(year: int) -> date:
    """Returns the first Tuesday of a Jalali year, which is the middle day of the year's first week."""
    new_year = from_jalali(year, 1, 1)
    return new_year + timedelta(days=(1 - new_year.weekday()) % 7)


def _written(year: int, week: int) -> str:
    return f"{year:04}-W{week:02}"


_EXAMPLE: dict[Calendar, str] = {"jalali": "1405-W36", "gregorian": "2026-W48"}


def _hint(year: int, calendar: Calendar) -> str:
    other: Calendar = "gregorian" if calendar == "jalali" else "jalali"
    if year not in _YEARS[other]:
        return f"Write the week like {_EXAMPLE[calendar]}."
    middle = date(year, 7, 1) if other == "gregorian" else from_jalali(year, 7, 1)
    return f"Write the week like {key(middle, calendar)}, or set newsletter.calendar."
