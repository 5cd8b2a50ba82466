"""Writes dates and numbers in the language of the readers, and lists the names of months and weekdays.

This module does not know today's date. The caller works out the local day, because at 21:00 UTC the next day has
already begun in Tehran.
"""

from datetime import date
from typing import Literal

from mailer.text.locales import FA, Locale

Calendar = Literal["jalali", "gregorian"]

WEEKDAYS = ("دوشنبه", "سه‌شنبه", "چهارشنبه", "پنجشنبه", "جمعه", "شنبه", "یکشنبه")  # in the order of date.weekday()
JALALI = (
    *("فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور"),
    *("مهر", "آبان", "آذر", "دی", "بهمن", "اسفند"),
)
GREGORIAN = (
    *("ژانویه", "فوریه", "مارس", "آوریل", "مه", "ژوئن"),
    *("ژوئیه", "اوت", "سپتامبر", "اکتبر", "نوامبر", "دسامبر"),
)


def digits(value: int | str) -> str:
    """Return a number or text with all digits replaced by Persian digits (U+06F0…)."""
    return FA.number(value)


# persiantools is imported inside these functions, because most commands convert no date.
def to_jalali(day: date) -> tuple[int, int, int]:
    """Return year, month and day in the Jalali calendar."""
    from persiantools.jdatetime import JalaliDate

    jalali = JalaliDate(day)  # type: ignore[no-untyped-call]
    return jalali.year, jalali.month, jalali.day


def from_jalali(year: int, month: int, day: int) -> date:
    """Return the Gregorian date of a Jalali date. Raises ValueError if the Jalali calendar has no such day."""
    from persiantools.jdatetime import JalaliDate

    return JalaliDate(year, month, day).to_gregorian()  # type: ignore[no-untyped-call]


def long_date(day: date, calendar: Calendar = "jalali", locale: Locale = FA) -> str:
    """Return the date in words: «دوشنبه ۲ آذر ۱۴۰۵», or in the Gregorian calendar «دوشنبه ۲۳ نوامبر ۲۰۲۶».

    In English, the second is "Monday 23 November 2026".
    """
    if calendar == "gregorian":
        number, month, year = day.day, GREGORIAN[day.month - 1], day.year
    else:
        year, month_number, number = to_jalali(day)
        month = JALALI[month_number - 1]
    weekday = locale.say(WEEKDAYS[day.weekday()])
    return f"{weekday} {locale.number(number)} {locale.say(month)} {locale.number(year)}"
