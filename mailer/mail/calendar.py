"""Dates and numbers as Persian readers write them.

Does not know what day it is: the caller works out the local day (21:00 UTC is already tomorrow in Tehran).
"""

from datetime import date
from typing import Literal

from persiantools.jdatetime import JalaliDate

Calendar = Literal["jalali", "gregorian"]

_WEEKDAYS = ("دوشنبه", "سه‌شنبه", "چهارشنبه", "پنجشنبه", "جمعه", "شنبه", "یکشنبه")  # date.weekday() order
_JALALI = (
    *("فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور"),
    *("مهر", "آبان", "آذر", "دی", "بهمن", "اسفند"),
)
_GREGORIAN = (
    *("ژانویه", "فوریه", "مارس", "آوریل", "مه", "ژوئن"),
    *("ژوئیه", "اوت", "سپتامبر", "اکتبر", "نوامبر", "دسامبر"),
)
_PERSIAN_DIGITS = str.maketrans("0123456789٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹" * 2)


def digits(value: int | str) -> str:
    """The number or text with Persian digits (U+06F0…), also in place of the Arabic ones (U+0660…)."""
    return str(value).translate(_PERSIAN_DIGITS)


def weekday(day: date) -> str:
    """«دوشنبه»"""
    return _WEEKDAYS[day.weekday()]


def long_date(day: date, calendar: Calendar = "jalali") -> str:
    """«دوشنبه ۲ آذر ۱۴۰۵», or «دوشنبه ۲۳ نوامبر ۲۰۲۶» in the Gregorian calendar."""
    if calendar == "gregorian":
        return f"{weekday(day)} {digits(day.day)} {_GREGORIAN[day.month - 1]} {digits(day.year)}"
    jalali = JalaliDate(day)  # type: ignore[no-untyped-call]
    return f"{weekday(day)} {digits(jalali.day)} {_JALALI[jalali.month - 1]} {digits(jalali.year)}"
