from datetime import date

import pytest

from mailer.mail.calendar import digits, long_date


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


def test_digits_are_persian_wherever_they_came_from() -> None:
    assert digits(1405) == "۱۴۰۵"
    assert digits("٤٥٦ 7") == "۴۵۶ ۷"
