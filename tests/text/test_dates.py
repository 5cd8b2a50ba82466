"""Dates as newsrooms write them, and texts that are not dates."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from persiantools.jdatetime import JalaliDate

from mailer.text.calendar import (
    AFGHAN,
    ARABIC,
    GREGORIAN,
    JALALI,
    LEVANTINE,
    MAGHREBI,
    MOROCCAN,
    PASHTO,
    URDU,
)
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
        ("Tue, 27 Jan 2026 05:30:00 -0330", HALF_PAST_TWELVE),
        ("Tue, 27 Jan 2026 08:59:60 GMT", HALF_PAST_TWELVE.replace(hour=8, minute=59, second=59)),
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
        ("۷ بهمن‌ماه ۱۴۰۴ ساعت ۱۲:۳۰", HALF_PAST_TWELVE),
        ("۷ بهمن ۰۴", MIDNIGHT),
        ("۱۴۰۴/۱۱/۰۷ هـ.ش", MIDNIGHT),
        ("۷ بهمن ۱۴۰۴ خورشیدی", MIDNIGHT),
        ("11/27/1404", datetime(2026, 2, 15, 20, 30, tzinfo=UTC)),
        # Afghan Solar months, in Dari and in Pashto
        ("سه شنبه ۷ دلو ۱۴۰۴", MIDNIGHT),
        ("۷ سلواغه ۱۴۰۴", MIDNIGHT),
        # Arabic months of the Gulf, the Levant, Algeria and Morocco, and both names in one text
        ("27 يناير 2026", MIDNIGHT),
        ("الثلاثاء 27 كانون الثاني 2026", MIDNIGHT),
        ("27 كانون الثاني/يناير 2026 - 12:30 مساءً", HALF_PAST_TWELVE),
        ("27 جانفي 2026 م", MIDNIGHT),
        ("٢٧ يناير ٢٠٢٦، الساعة ١٢:٣٠", HALF_PAST_TWELVE),
        ("27 جنوری 2026", MIDNIGHT),
        # the day before the month, where only one of the numbers can be the month, or both are the same
        ("27/01/2026 12:30", HALF_PAST_TWELVE),
        ("27.01.2026", MIDNIGHT),
        ("01/27/2026 12:30 PM", HALF_PAST_TWELVE),
        ("02/02/2026", datetime(2026, 2, 1, 20, 30, tzinfo=UTC)),
        # one day in two calendars
        ("2026-01-27 - ۱۴۰۴/۱۱/۰۷", MIDNIGHT),
        # what programs write: JavaScript, Java, a clock of 24 hours with a half of the day
        ("Tue Jan 27 2026 12:30:00 GMT+0330 (Iran Standard Time)", HALF_PAST_TWELVE),
        ("2026-01-27T12:30:00+03:30[Asia/Tehran]", HALF_PAST_TWELVE),
        ("7 بهمن 1404 ساعت 12:30 بعد از ظهر", HALF_PAST_TWELVE),
        ("2026-01-27 15:30 PM", datetime(2026, 1, 27, 12, tzinfo=UTC)),
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
        # what programs write for a missing date
        "0",
        "0000/00/00",
        "0001-01-01T00:00:00Z",
        "-0001-11-30T00:00:00+03:26",
        "1970-01-01",
        "1970-01-01 03:30:00",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "1969-12-31T16:00:00-08:00",
        "1348/10/11",
        "1900-01-01 00:00:00",
        # the calendar of the month and the year disagree
        "07 Nov 1404 12:30",
        "۷ بهمن ۲۰۲۶",
        "7 Bahman 2026",
        "7 Dey 2026 12:30:00 GMT",
        "Tue, 07 Abc 2026 12:30:00 GMT",
        "Tue, 31 Feb 2026 12:30:00 GMT",
        "Tue, 27 Jan 2026 24:30:00 GMT",
        "Tue, 27 Jan 2026 12:30:00 +2430",
        "۷ دلو ۲۰۲۶",
        "27 يناير 1404",
        "۷ بهمن ۱۴۰۴ میلادی",
        # the Islamic lunar calendar
        "1447/08/08 هـ",
        "8 شعبان 1447",
        # different days or months
        "2026-01-27 - ۱۴۰۴/۱۱/۰۸",
        "27 يناير/فبراير 2026",
        "27 تشرين 2026",
        # either number may be the month
        "03-04-2026",
        "03.04.2026 12:30",
        "2026/27/01",
        # numbers are only read together with the present time
        "1769504400",
        "46049.5",
    ],
)
def test_texts_that_are_not_dates(raw: str) -> None:
    assert parse(raw, zone=TEHRAN) is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("1769504400", HALF_PAST_TWELVE.replace(minute=0)),
        ("۱۷۶۹۵۰۴۴۰۰", HALF_PAST_TWELVE.replace(minute=0)),
        ("1769504400.25", HALF_PAST_TWELVE.replace(minute=0)),
        ("1769504400000", HALF_PAST_TWELVE.replace(minute=0)),
        ("/Date(1769504400000)/", HALF_PAST_TWELVE.replace(minute=0)),
        ("/Date(1769504400000+0330)/", HALF_PAST_TWELVE.replace(minute=0)),
        ("946684800", datetime(2000, 1, 1, tzinfo=UTC)),
        ("946684800000", datetime(2000, 1, 1, tzinfo=UTC)),
        # a spreadsheet counts days on the newsroom's clock; programs write the decimal point of their language
        ("46049", MIDNIGHT),
        ("46049.5208333333", HALF_PAST_TWELVE),
        ("46049,5208333333", HALF_PAST_TWELVE),
        ("۴۶۰۴۹٫۵۲۰۸۳۳۳۳۳۳", HALF_PAST_TWELVE),
        # two days after the present are still accepted
        ("1769677200", datetime(2026, 1, 29, 9, tzinfo=UTC)),
        # eight digits or more that are a date
        ("20260127", MIDNIGHT),
        ("140411071230", HALF_PAST_TWELVE),
        # earlier than the year 2000, later than two days after the present, or no time at all
        ("946684799", None),
        ("946684799999", None),
        ("1769763601", None),
        ("1769763601000", None),
        ("4102444800", None),
        ("36525", None),
        ("46053", None),
        ("-1769504400", None),
        ("1", None),
        ("1404", None),
        ("12345678", None),
        ("99999999999999999999", None),
        ("12k", None),
    ],
)
def test_numbers_that_give_a_time(raw: str, expected: datetime | None) -> None:
    assert parse(raw, zone=TEHRAN, now=HALF_PAST_TWELVE + timedelta(days=1)) == expected


MONTHS = {
    "gregorian": (GREGORIAN, ARABIC, LEVANTINE, MAGHREBI, MOROCCAN, URDU),
    "jalali": (JALALI, AFGHAN, PASHTO),
}


@pytest.mark.parametrize("names", [names for each in MONTHS.values() for names in each], ids=lambda names: names[0])
def test_every_month_of_every_language(names: tuple[str, ...]) -> None:
    jalali = names in MONTHS["jalali"]
    for number, name in enumerate(names, 1):
        day = JalaliDate(1404, number, 5).to_gregorian() if jalali else date(2025, number, 5)  # type: ignore[no-untyped-call]
        expected = datetime.combine(day, time(12), tzinfo=UTC)
        assert parse(f"5 {name} {1404 if jalali else 2025} 12:00 UTC", zone=TEHRAN) == expected
        assert parse(f"5 {name.replace('ی', 'ي')} {1404 if jalali else 2025} 12:00 UTC", zone=TEHRAN) == expected
        assert parse(f"5 {name} {2025 if jalali else 1404} 12:00 UTC", zone=TEHRAN) is None


@given(st.datetimes(min_value=datetime(2000, 1, 2), max_value=datetime(2026, 1, 27)))  # noqa: DTZ001
@settings(max_examples=100, deadline=None)
def test_a_number_gives_the_same_time_as_words(written: datetime) -> None:
    moment = written.replace(microsecond=0, tzinfo=UTC)
    seconds = int(moment.timestamp())
    days = (moment - datetime(1899, 12, 30, tzinfo=UTC)) / timedelta(days=1)
    for raw in (str(seconds), str(seconds * 1000), f"{days:.8f}", moment.isoformat(), f"{moment:%Y%m%d%H%M%S}"):
        assert parse(raw, zone=UTC, now=HALF_PAST_TWELVE) == moment


def test_without_a_zone_the_newsrooms_clock_counts() -> None:
    assert parse("1404/11/07 12:30", zone=ZoneInfo("Asia/Kabul")) == datetime(2026, 1, 27, 8, 0, tzinfo=UTC)


EPOCH = (date(1970, 1, 1), date(1970, 1, 2))


# Programs write 1970-01-01 for a missing date, which is the day after in some time zones.
@given(st.dates(min_value=date(1921, 3, 21), max_value=date(2122, 3, 20)).filter(lambda day: day not in EPOCH))
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
    for now in (None, HALF_PAST_TWELVE):
        moment = parse(raw, zone=TEHRAN, now=now)
        assert moment is None or moment.tzinfo is UTC
