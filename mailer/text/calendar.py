"""Dates and numbers as the readers of a language write them.

Does not know what day it is: the caller works out the local day (21:00 UTC is already tomorrow in Tehran).
"""

from datetime import date
from typing import Literal

from persiantools.jdatetime import JalaliDate

from mailer.text.locales import FA, Locale

Calendar = Literal["jalali", "gregorian"]

WEEKDAYS = ("دوشنبه", "سه‌شنبه", "چهارشنبه", "پنجشنبه", "جمعه", "شنبه", "یکشنبه")  # date.weekday() order
JALALI = (
    *("فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور"),
    *("مهر", "آبان", "آذر", "دی", "بهمن", "اسفند"),
)
GREGORIAN = (
    *("ژانویه", "فوریه", "مارس", "آوریل", "مه", "ژوئن"),
    *("ژوئیه", "اوت", "سپتامبر", "اکتبر", "نوامبر", "دسامبر"),
)


def digits(value: int | str) -> str:
    """The number or text with Persian digits (U+06F0…), also in place of the Arabic ones (U+0660…)."""
    return FA.number(value)


def weekday(day: date, locale: Locale = FA) -> str:
    """«دوشنبه»"""
    return locale.say(WEEKDAYS[day.weekday()])


def long_date(day: date, calendar: Calendar = "jalali", locale: Locale = FA) -> str:
    """«دوشنبه ۲ آذر ۱۴۰۵», or «دوشنبه ۲۳ نوامبر ۲۰۲۶» in the Gregorian calendar; "Monday 23 November 2026"."""
    if calendar == "gregorian":
        number, month, year = day.day, GREGORIAN[day.month - 1], day.year
    else:
        jalali = JalaliDate(day)  # type: ignore[no-untyped-call]
        number, month, year = jalali.day, JALALI[jalali.month - 1], jalali.year
    return f"{weekday(day, locale)} {locale.number(number)} {locale.say(month)} {locale.number(year)}"
