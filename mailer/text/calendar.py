"""Writes dates and numbers in the language of the readers, and lists the names of months and weekdays.

This module does not know today's date. The caller works out the local day, because at 21:00 UTC the next day has
already begun in Tehran.
"""

from datetime import date
from typing import Literal

from mailer.text.locales import FA, Locale

Calendar = Literal["jalali", "gregorian"]

# A year in this range is a Jalali year, because no newsletter has a date in the Gregorian years 1300 to 1599.
JALALI_YEARS = range(1300, 1600)

# The languages that have names for the Jalali months. In others the names would mislead: in Arabic, آذر is March.
JALALI_LOCALES = ("fa", "en")


def usual(language: str) -> Calendar:
    """Return the calendar that most newsrooms of a language use."""
    return "jalali" if language == "fa" else "gregorian"


WEEKDAYS = ("دوشنبه", "سه‌شنبه", "چهارشنبه", "پنجشنبه", "جمعه", "شنبه", "یکشنبه")  # in the order of date.weekday()
JALALI = (
    *("فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور"),
    *("مهر", "آبان", "آذر", "دی", "بهمن", "اسفند"),
)
GREGORIAN = (
    *("ژانویه", "فوریه", "مارس", "آوریل", "مه", "ژوئن"),
    *("ژوئیه", "اوت", "سپتامبر", "اکتبر", "نوامبر", "دسامبر"),
)

# Names of months that are read but never written. AFGHAN (in Dari) and PASHTO are the Jalali months of Afghanistan.
# The others are Gregorian: ARABIC (Egypt, the Gulf), LEVANTINE (and Iraq), MAGHREBI (Algeria, Tunisia), MOROCCAN
# and URDU.
AFGHAN = (
    *("حمل", "ثور", "جوزا", "سرطان", "اسد", "سنبله"),
    *("میزان", "عقرب", "قوس", "جدی", "دلو", "حوت"),
)
PASHTO = (
    *("وری", "غویی", "غبرګولی", "چنګاښ", "زمری", "وږی"),
    *("تله", "لړم", "لیندۍ", "مرغومی", "سلواغه", "کب"),
)
ARABIC = (
    *("ینایر", "فبرایر", "مارس", "أبریل", "مایو", "یونیو"),
    *("یولیو", "أغسطس", "سبتمبر", "أکتوبر", "نوفمبر", "دیسمبر"),
)
LEVANTINE = (
    *("کانون الثانی", "شباط", "آذار", "نیسان", "أیار", "حزیران"),
    *("تموز", "آب", "أیلول", "تشرین الأول", "تشرین الثانی", "کانون الأول"),
)
MAGHREBI = (
    *("جانفی", "فیفری", "مارس", "أفریل", "مای", "جوان"),
    *("جویلیة", "أوت", "سبتمبر", "أکتوبر", "نوفمبر", "دیسمبر"),
)
MOROCCAN = (
    *("ینایر", "فبرایر", "مارس", "أبریل", "ماي", "یونیو"),
    *("یولیوز", "غشت", "شتنبر", "أکتوبر", "نونبر", "دجنبر"),
)
URDU = (
    *("جنوری", "فروری", "مارچ", "اپریل", "مئی", "جون"),
    *("جولائی", "اگست", "ستمبر", "اکتوبر", "نومبر", "دسمبر"),
)
# The Arabic names of the weekdays, in the order of date.weekday().
ARABIC_WEEKDAYS = ("الاثنین", "الثلاثاء", "الأربعاء", "الخمیس", "الجمعة", "السبت", "الأحد")


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

    Other languages write the Gregorian date as CLDR does: "Monday, 23 November 2026". Only the JALALI_LOCALES have
    names for Jalali months.
    """
    if calendar == "gregorian":
        number, month, year = day.day, GREGORIAN[day.month - 1], day.year
    else:
        year, month_number, number = to_jalali(day)
        month = JALALI[month_number - 1]
    return locale.date.format(
        weekday=locale.say(WEEKDAYS[day.weekday()]),
        day=locale.number(number),
        month=locale.say(month),
        year=locale.number(year),
    )
