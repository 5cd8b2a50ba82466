from datetime import date, timedelta

import pytest

from mailer.text.calendar import JALALI, digits, long_date


@pytest.mark.parametrize(
    ("day", "jalali", "gregorian"),
    [
        (date(2026, 11, 23), "دوشنبه ۲ آذر ۱۴۰۵", "دوشنبه ۲۳ نوامبر ۲۰۲۶"),
        (date(2025, 3, 20), "پنجشنبه ۳۰ اسفند ۱۴۰۳", "پنجشنبه ۲۰ مارس ۲۰۲۵"),  # 1403 is a leap year
        (date(2025, 3, 21), "جمعه ۱ فروردین ۱۴۰۴", "جمعه ۲۱ مارس ۲۰۲۵"),
        (date(2026, 3, 20), "جمعه ۲۹ اسفند ۱۴۰۴", "جمعه ۲۰ مارس ۲۰۲۶"),
        (date(2026, 3, 21), "شنبه ۱ فروردین ۱۴۰۵", "شنبه ۲۱ مارس ۲۰۲۶"),
        (date(2026, 9, 22), "سه‌شنبه ۳۱ شهریور ۱۴۰۵", "سه‌شنبه ۲۲ سپتامبر ۲۰۲۶"),
        (date(1979, 2, 11), "یکشنبه ۲۲ بهمن ۱۳۵۷", "یکشنبه ۱۱ فوریه ۱۹۷۹"),
    ],
)
def test_dates_in_words(day: date, jalali: str, gregorian: str) -> None:
    assert long_date(day) == jalali
    assert long_date(day, "gregorian") == gregorian


def test_every_day_of_a_generation_is_the_next_day_of_the_calendar() -> None:
    """Counted day by day: months of 31 and 30, and the 33-year rule of leap years, which holds until 1502."""
    year, month, number = 1400, 1, 1
    for passed in range(365 * 20):
        written = long_date(date(2021, 3, 21) + timedelta(days=passed)).split(" ", 1)[1]
        assert written == f"{digits(number)} {JALALI[month - 1]} {digits(year)}"
        leap = year % 33 in (1, 5, 9, 13, 17, 22, 26, 30)
        length = 31 if month <= 6 else 30 if month < 12 or leap else 29
        number += 1
        if number > length:
            month, number = month + 1, 1
        if month > 12:
            year, month = year + 1, 1


def test_digits_are_persian_wherever_they_came_from() -> None:
    assert digits(1405) == "۱۴۰۵"
    assert digits("٤٥٦ 7") == "۴۵۶ ۷"
