"""Dates as newsrooms write them, and texts that are not dates."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from persiantools.jdatetime import JalaliDate

from mailer.text.dates import parse

TEHRAN = ZoneInfo("Asia/Tehran")
MIDNIGHT = datetime(2026, 1, 26, 20, 30, tzinfo=UTC)  # 7 Bahman 1404, 00:00 in Tehran
HALF_PAST_TWELVE = datetime(2026, 1, 27, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        # RFC 822 as feeds have it: with a weekday, without, with a wrong one, two digits, named zones, a comment
        ("Tue, 27 Jan 2026 12:30:00 +0330", HALF_PAST_TWELVE),
        ("27 Jan 2026 12:30:00 +0330", HALF_PAST_TWELVE),
        ("Mon, 27 Jan 26 09:00 GMT", HALF_PAST_TWELVE),
        ("Tue, 27 Jan 2026 04:00:00 EST", HALF_PAST_TWELVE),
        ("Tue, 27 January 2026 12:30:00 +0330 (IRST)", HALF_PAST_TWELVE),
        ("Tue Jan 27 09:00:00 +0000 2026", HALF_PAST_TWELVE),
        ("January 27, 2026 12:30 PM", HALF_PAST_TWELVE),
        # ISO 8601
        ("2026-01-27T12:30:00+03:30", HALF_PAST_TWELVE),
        ("2026-01-27T09:00:00.250Z", HALF_PAST_TWELVE),
        ("20260127T090000Z", HALF_PAST_TWELVE),
        ("2026-01-27 12:30", HALF_PAST_TWELVE),
        ("2026-01-27", MIDNIGHT),
        # Jalali: digits of three kinds, words, the time before or after, a zone
        ("۱۴۰۴/۱۱/۰۷ ۱۲:۳۰", HALF_PAST_TWELVE),
        ("١٤٠٤/١١/٠٧ ١٢:٣٠", HALF_PAST_TWELVE),
        ("1404-11-07", MIDNIGHT),
        ("14041107", MIDNIGHT),
        ("07/11/1404", MIDNIGHT),
        ("1404-11-07T09:00:00Z", HALF_PAST_TWELVE),
        ("۷ بهمن ۱۴۰۴", MIDNIGHT),
        ("چهارشنبه ۷ بهمن ۱۴۰۴ - ۱۲:۳۰", HALF_PAST_TWELVE),
        ("چهارشنبه، ۰۷ بهمن ۱۴۰۴، ساعت ۱۲:۳۰", HALF_PAST_TWELVE),
        ("پنج\u200cشنبه 7 بهمن 1404 | 12:30", HALF_PAST_TWELVE),
        ("پنج شنبه ۷ بهمن ۱۴۰۴", MIDNIGHT),
        ("۱۲:۳۰ - ۱۴۰۴/۱۱/۰۷", HALF_PAST_TWELVE),
        ("سه شنبه, 07 بهمن 1404 09:00:00 +0000", HALF_PAST_TWELVE),
        ("۷ بهمن ۱۴۰۴ ۱۲:۳۰ ب.ظ", HALF_PAST_TWELVE),
        ("7 Bahman 1404 12:30", HALF_PAST_TWELVE),
        # the year decides the calendar even if the name of the month is English: 11 is Bahman
        ("07 Nov 1404 12:30", HALF_PAST_TWELVE),
        # a Gregorian date in Persian words
        ("۲۷ ژانویه ۲۰۲۶ ساعت ۱۲:۳۰", HALF_PAST_TWELVE),
        # the last day of a leap year
        ("1403/12/30", datetime(2025, 3, 19, 20, 30, tzinfo=UTC)),
        # a day that Tehran began an hour late: the clock went from 00:00 to 01:00
        ("1399/01/02 00:30", datetime(2020, 3, 20, 21, 0, tzinfo=UTC)),
    ],
)
def test_a_date(raw: str, expected: datetime) -> None:
    assert parse(raw, zone=TEHRAN) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "دیروز",
        "2019",
        "12:30",
        "1404/12/30",  # 1404 is no leap year
        "1404/13/01",
        "0000-00-00 00:00:00",
        "Thu, 32 Jul 2019 08:38:00 GMT",
        "2026-01-27T25:70:00Z",
        "03/04/2026",  # which is the month?
        "۰۴/۱۱/۰۷",  # which century?
        "خبر ۷ بهمن ۱۴۰۴",  # words that are no date
        "1604/01/01",
        "2026-01-27T09:00:00+99:00",
        "7 7 بهمن 1404",
        "x" * 1000,
        "²/³/1404",
    ],
)
def test_texts_that_are_not_dates(raw: str) -> None:
    assert parse(raw, zone=TEHRAN) is None


def test_without_a_zone_the_newsrooms_clock_counts() -> None:
    assert parse("1404/11/07 12:30", zone=ZoneInfo("Asia/Kabul")) == datetime(2026, 1, 27, 8, 0, tzinfo=UTC)


@given(st.dates(min_value=date(1921, 3, 21), max_value=date(2122, 3, 20)))
@settings(max_examples=100, deadline=None)
def test_both_calendars_name_the_same_day(day: date) -> None:
    jalali = JalaliDate(day)  # type: ignore[no-untyped-call]
    expected = parse(str(day), zone=TEHRAN)
    assert expected is not None
    assert parse(f"{jalali.year}/{jalali.month}/{jalali.day}", zone=TEHRAN) == expected
    assert parse(jalali.strftime("%A %d %B %Y", locale="fa"), zone=TEHRAN) == expected


@given(st.one_of(st.text(max_size=40), st.text(alphabet="0123456789۱۴۰/-:. +TZبهمن", max_size=30)))
@settings(max_examples=200, deadline=None)
def test_anything_gives_utc_or_nothing(raw: str) -> None:
    moment = parse(raw, zone=TEHRAN)
    assert moment is None or moment.tzinfo is UTC
