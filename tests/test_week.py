"""Weeks and slots: names that go there and back, and exactly one sending time a week in every zone."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer import week
from mailer.errors import UsageError
from mailer.settings import WEEKDAYS, Newsletter, Schedule
from mailer.text.calendar import Calendar

ODD_ZONES = (
    "Asia/Tehran",
    "Europe/Berlin",
    "America/New_York",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Asia/Gaza",
    "Africa/Casablanca",
    "Pacific/Chatham",
)
DAYS = st.dates(date(1950, 1, 1), date(2150, 12, 31))
CALENDARS = st.sampled_from(("jalali", "gregorian"))


def paper(zone: str = "Asia/Tehran", calendar: Calendar = "jalali") -> Newsletter:
    return Newsletter(timezone=zone, calendar=calendar)


def plan(day: str = "thursday", at: time = time(9), *holidays: date) -> Schedule:
    return Schedule.model_validate({"day": day, "time": at, "holidays": holidays})


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2026, 11, 23), "1405-W36"),
        (date(2026, 11, 21), "1405-W36"),  # Saturday, the first day
        (date(2026, 11, 27), "1405-W36"),  # Friday, the last
        (date(2026, 11, 28), "1405-W37"),
        (date(2027, 3, 19), "1405-W52"),
        (date(2027, 3, 20), "1406-W01"),  # 29 Esfand 1405, but its Tuesday is in 1406
        (date(2027, 3, 21), "1406-W01"),
    ],
)
def test_jalali_weeks(day: date, name: str) -> None:
    assert week.key(day, "jalali") == name


@pytest.mark.parametrize(
    ("day", "name"), [(date(2026, 11, 23), "2026-W48"), (date(2027, 1, 3), "2026-W53"), (date(2027, 1, 4), "2027-W01")]
)
def test_gregorian_weeks_are_iso_weeks(day: date, name: str) -> None:
    assert week.key(day, "gregorian") == name


@given(DAYS, CALENDARS)
def test_a_week_is_the_seven_days_that_share_its_key(day: date, calendar: Calendar) -> None:
    key = week.key(day, calendar)
    first, last = week.days(key, calendar)
    assert first <= day <= last
    assert last - first == timedelta(days=6)
    assert first.weekday() == (WEEKDAYS.index("saturday") if calendar == "jalali" else WEEKDAYS.index("monday"))
    assert {week.key(first + timedelta(days=n), calendar) for n in range(7)} == {key}
    assert week.key(first - timedelta(days=1), calendar) < key < week.key(last + timedelta(days=1), calendar)


@pytest.mark.parametrize(("calendar", "first"), [("jalali", 1390), ("gregorian", 2010)])
def test_some_years_have_53_weeks_and_none_is_skipped(calendar: Calendar, first: int) -> None:
    lengths = []
    for year in range(first, first + 40):
        names = [f"{year}-W{n:02}" for n in range(1, 54)]
        there = [name for name in names if _exists(name, calendar)]
        assert there == names[: len(there)]
        lengths.append(len(there))
    assert set(lengths) == {52, 53}
    assert 5 <= lengths.count(53) <= 9


def _exists(name: str, calendar: Calendar) -> bool:
    try:
        week.days(name, calendar)
    except UsageError:
        return False
    return True


@pytest.mark.parametrize("text", ["1405-w36", " 1405-W36 ", "۱۴۰۵-W۳۶"])
def test_a_week_may_be_typed_carelessly(text: str) -> None:
    assert week.canonical(text, "jalali") == "1405-W36"


@pytest.mark.parametrize(
    ("text", "calendar", "says"),
    [
        ("", "jalali", "1405-W36"),
        ("next", "jalali", "1405-W36"),
        ("1405-36", "jalali", "1405-W36"),
        ("1405-W00", "jalali", "W01 to W52"),
        ("1405-W54", "jalali", "W01 to W52"),
        ("1405-W53", "jalali", "W01 to W52"),
        ("2026-W54", "gregorian", "W01 to W53"),
        ("2027-W53", "gregorian", "W01 to W52"),
        ("2026-W48", "jalali", "jalali calendar"),
        ("1405-W36", "gregorian", "gregorian calendar"),
        ("9999-W01", "jalali", "1405-W36"),
        ("0000-W01", "gregorian", "2026-W48"),
    ],
)
def test_there_is_no_such_week(text: str, calendar: Calendar, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        week.days(text, calendar)


@given(st.text(max_size=12), CALENDARS)
def test_nonsense_is_refused_and_nothing_else(text: str, calendar: Calendar) -> None:
    try:
        first, _ = week.days(text, calendar)
    except UsageError:
        return
    assert week.key(first, calendar) == week.canonical(text, calendar)


@pytest.mark.parametrize(
    ("zone", "day", "at", "within", "expected"),
    [
        ("Asia/Tehran", "thursday", time(9), date(2026, 11, 26), "2026-11-26T05:30"),
        ("Asia/Tehran", "thursday", time(9), date(2022, 7, 14), "2022-07-14T04:30"),  # summer time until 2022
        ("Europe/Berlin", "thursday", time(9), date(2026, 3, 26), "2026-03-26T08:00"),
        ("Europe/Berlin", "thursday", time(9), date(2026, 4, 2), "2026-04-02T07:00"),
        ("Europe/Berlin", "sunday", time(2, 30), date(2026, 3, 29), "2026-03-29T01:00"),  # gap: 03:00 is the first
        ("Europe/Berlin", "sunday", time(2, 30), date(2026, 10, 25), "2026-10-25T00:30"),  # fold: the first
        ("America/New_York", "sunday", time(1, 30), date(2026, 11, 1), "2026-11-01T05:30"),
        ("America/New_York", "sunday", time(2, 30), date(2026, 3, 8), "2026-03-08T07:00"),
        ("Africa/Cairo", "friday", time(0), date(2026, 4, 24), "2026-04-23T22:00"),  # midnight is in the gap
        ("Australia/Lord_Howe", "sunday", time(2, 15), date(2026, 10, 4), "2026-10-03T15:30"),  # a gap of half an hour
        ("Pacific/Apia", "friday", time(9), date(2011, 12, 30), "2011-12-30T10:00"),  # the whole day is left out
    ],
)
def test_slots_over_changes_of_the_clock(zone: str, day: str, at: time, within: date, expected: str) -> None:
    key = week.key(within, "gregorian")
    slot = week.slot(key, paper(zone, "gregorian"), plan(day, at))
    assert (slot.key, slot.day) == (key, within)
    assert slot.at == datetime.fromisoformat(expected).replace(tzinfo=UTC)


THURSDAY = date(2026, 11, 26)  # in 1405-W36, 21 to 27 November


@pytest.mark.parametrize(
    ("holidays", "expected"),
    [
        ((), THURSDAY),
        ((date(2026, 11, 25),), THURSDAY),
        ((THURSDAY,), date(2026, 11, 27)),
        ((THURSDAY, date(2026, 11, 27)), date(2026, 11, 25)),
        ((THURSDAY, date(2026, 11, 27), date(2026, 11, 25)), date(2026, 11, 24)),
        (tuple(date(2026, 11, 21) + timedelta(days=n) for n in range(7)), THURSDAY),
    ],
)
def test_holidays_move_the_issue_within_its_week(holidays: tuple[date, ...], expected: date) -> None:
    slot = week.slot("1405-W36", paper(), plan("thursday", time(9), *holidays))
    assert slot.day == expected
    assert slot.key == "1405-W36"


def test_the_week_of_now_is_that_of_the_local_day() -> None:
    late_friday = datetime(2026, 11, 27, 21, 0, tzinfo=UTC)  # Saturday 00:30 in Tehran
    assert week.slot_of(late_friday, paper(), plan()).key == "1405-W37"
    assert week.slot_of(late_friday, paper("Europe/Berlin"), plan()).key == "1405-W36"
    assert [slot.key for slot in week.around(late_friday, paper(), plan())] == ["1405-W36", "1405-W37", "1405-W38"]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(ODD_ZONES),
    CALENDARS,
    st.sampled_from(WEEKDAYS),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.integers(946_684_800, 2_114_380_800).map(lambda second: datetime.fromtimestamp(second, UTC)),
    st.sets(st.integers(0, 80), max_size=30),
)
def test_exactly_one_slot_a_week_and_time_goes_on(
    zone: str, calendar: Calendar, day: str, at: time, start: datetime, off: set[int]
) -> None:
    newsletter = paper(zone, calendar)
    schedule = plan(day, at, *(start.date() + timedelta(days=n) for n in sorted(off)))
    slot = week.slot_of(start, newsletter, schedule)
    for _ in range(12):
        local = slot.at.astimezone(ZoneInfo(zone))
        assert week.key(local.date(), calendar) == slot.key
        assert local.date() == slot.day
        assert local.time() >= at
        after = week.following(slot, newsletter, schedule)
        assert after.at > slot.at
        assert week.days(after.key, calendar)[0] - week.days(slot.key, calendar)[0] == timedelta(days=7)
        assert week.preceding(after, newsletter, schedule) == slot
        slot = after


def test_a_clock_that_ticks_through_two_years_meets_every_week_once() -> None:
    newsletter, schedule = paper("Africa/Cairo", "jalali"), plan("friday", time(0))
    start = datetime(2025, 3, 1, tzinfo=UTC)
    met = list(
        dict.fromkeys(week.slot_of(start + timedelta(hours=5 * n), newsletter, schedule).at for n in range(3500))
    )
    assert met == sorted(met)
    steps = {later - earlier for earlier, later in pairwise(met)}
    assert min(steps) > timedelta(days=6, hours=22)
    assert max(steps) < timedelta(days=7, hours=2)
