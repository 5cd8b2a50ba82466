"""Single values as systems write them: counts, names, addresses, yes and no, and dates."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.sources.values import LARGEST_COUNT, Findings, Values

TEHRAN = ZoneInfo("Asia/Tehran")
NOW = datetime(2026, 1, 28, tzinfo=UTC)


def of(value: object) -> Values:
    return Values({"x": value}, Findings(), TEHRAN, NOW)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (7, 7), (0, 0), (7.0, 7), (Decimal("7.00"), 7), (LARGEST_COUNT, LARGEST_COUNT), (b"7", 7),
        (bytearray(b"12"), 12),
        ("7", 7),
        (" 7 ", 7), ("007", 7), ("۱۲۳۴", 1234), ("١٢٣٤", 1234), ("7.0", 7), ("1234.00", 1234),
        ("1234.000", 1234),
        ("1,234", 1234),
        ("1,234,567", 1234567), ("۱٬۲۳۴", 1234), ("۱،۲۳۴", 1234), ("1 234", 1234), ("1\u00a0234", 1234),
        ("1'234", 1234), ("1.234.567", 1234567), ("+5", 5),
        ("12k", 12000), ("12K", 12000), ("1.2k", 1200), ("1,5k", 1500), ("3M", 3_000_000), ("۱۲ هزار", 12000),
        ("۱٫۵ میلیون", 1_500_000), ("2 ألف".replace("أ", "ا"), 2000), (True and b"\x01", 1), (b"\x00", 0),
    ],
)  # fmt: skip
def test_a_count(value: object, count: int) -> None:
    values = of(value)
    assert (values.count("x"), values.findings.odd) == (count, {})


@pytest.mark.parametrize("value", [None, "", " ", "-", "—", "N/A", "null", "None", False])
def test_no_count_is_unknown_without_a_note(value: object) -> None:
    values = of(value)
    assert (values.count("x"), values.findings.odd) == (None, {})


@pytest.mark.parametrize(
    "value",
    [
        *("many", "1.234", "1,23", "1,2345", "12,34,5", "1e3", "-5", "12 views", "0x10", "9" * 30, "1;2", "k", "²"),
        *(-1, 2**31, 1.5, float("nan"), float("inf"), Decimal("NaN"), Decimal("Infinity"), True, [7], {"count": 7}),
    ],
)
def test_an_odd_count_is_unknown_with_a_note(value: object) -> None:
    values = of(value)
    assert values.count("x") is None
    (note,) = values.findings.notes("a source")
    assert note.startswith("a source: 1 values of x are not understood, such as ")


@pytest.mark.parametrize(
    ("value", "yes"),
    [
        *(
            (True, True),
            (1, True),
            ("1", True),
            ("true", True),
            ("Yes", True),
            ("بله", True),
            (b"\x01", True),
            (b"1", True),
        ),
        *((False, False), (0, False), ("0", False), ("f", False), ("no", False), ("خیر", False), (b"\x00", False)),
        *((None, None), ("", None), ("-", None), ("perhaps", None), (7, None), ([], None)),
    ],
)
def test_yes_or_no(value: object, yes: bool | None) -> None:
    assert of(value).flag("x") is yes


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        ("هوا، شمال", ("هوا", "شمال")),
        ("هوا,شمال,", ("هوا", "شمال")),
        ("هوا | شمال", ("هوا", "شمال")),
        (["هوا", " شمال ", "هوا"], ("هوا", "شمال")),
        ('["\\u0647\\u0648\\u0627", "شمال"]', ("هوا", "شمال")),
        ([{"name": "هوا"}, {"id": 2, "title": "شمال"}], ("هوا", "شمال")),
        ({"name": "هوا"}, ("هوا",)),
        (12, ("12",)),
        ("", ()),
        (None, ()),
        (False, ()),
        ([], ()),
        ("[هوا", ("[هوا",)),
    ],
)
def test_labels(value: object, labels: tuple[str, ...]) -> None:
    values = of(value)
    assert (values.labels("x"), values.findings.odd) == (labels, {})


def test_a_name_may_hold_a_comma_but_a_list_of_labels_is_split() -> None:
    assert of("علم، فناوری").names("x") == ("علم، فناوری",)
    assert of(["علم", "فناوری"]).names("x") == ("علم", "فناوری")


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("/media/a.jpg", "https://k.example/media/a.jpg"),
        ("https://cdn.example/a.jpg", "https://cdn.example/a.jpg"),
        ({"url": "/a.jpg", "width": 7}, "https://k.example/a.jpg"),
        (["/a.jpg", "/b.jpg"], "https://k.example/a.jpg"),
        # Joomla 3 and 4, with and without a picture
        ('{"image_intro":"images\\/a.jpg","image_intro_alt":""}', "https://k.example/images/a.jpg"),
        ('{"image_intro":"images/a.jpg#joomlaImage://local-images/a.jpg?width=9"}', "https://k.example/images/a.jpg"),
        ('{"image_intro":"","image_fulltext":"images/b.jpg"}', "https://k.example/images/b.jpg"),
        ('{"image_intro":"","image_fulltext":""}', ""),
        # Drupal
        ("public://2026-01/a.jpg", "https://k.example/sites/default/files/2026-01/a.jpg"),
        (None, ""),
        (False, ""),
        ("", ""),
        ([], ""),
        ({}, ""),
        ("null", ""),
        ("-", ""),
    ],
)
def test_a_picture(value: object, address: str) -> None:
    values = of(value)
    assert (values.picture("x", "https://k.example/"), values.findings.odd) == (address, {})


NINE = datetime(2026, 1, 27, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1769504400, NINE),
        (1769504400.0, NINE),
        (Decimal("1769504400"), NINE),
        ("1769504400", NINE),
        (b"1769504400", NINE),
        (1769504400123, NINE.replace(microsecond=123000)),
        (46049.5208333333, NINE),
        (20260127, datetime(2026, 1, 26, 20, 30, tzinfo=UTC)),
        (datetime(2026, 1, 27, 12, 30), NINE),  # noqa: DTZ001
        (NINE, NINE),
        (date(2026, 1, 27), datetime(2026, 1, 26, 20, 30, tzinfo=UTC)),
        (date(1404, 11, 7), datetime(2026, 1, 26, 20, 30, tzinfo=UTC)),  # a Jalali date in a column of dates
        ({"$date": "2026-01-27T09:00:00Z"}, NINE),
        ({"$date": 1769504400000}, NINE),
        ({"$date": {"$numberLong": "1769504400000"}}, NINE),
        ('{"$date": "2026-01-27T09:00:00Z"}', NINE),
        ({"_seconds": 1769504400, "_nanoseconds": 0}, NINE),
        ({"date": "2026-01-27 12:30:00.000000", "timezone_type": 3, "timezone": "Asia/Tehran"}, NINE),
        ({"date": "2026-01-27 09:00:00.000000", "timezone_type": 1, "timezone": "+00:00"}, NINE),
        *((None, None), ("", None), (0, None), (False, None), (True, None), (-1, None), (7, None), ("دیروز", None)),
        *(([], None), ({}, None), (float("nan"), None), (float("inf"), None), ("0000-00-00 00:00:00", None)),
        *((date(1, 1, 1), None), (datetime(1970, 1, 1, tzinfo=UTC), None), (date(9999, 12, 31), None)),
    ],
)
def test_a_date(value: object, moment: datetime | None) -> None:
    assert of(value).date("x")[0] == moment


def test_a_text_that_was_taken_for_latin_1_is_repaired_with_a_note() -> None:
    values = of("باران در شمال".encode().decode("latin-1"))
    assert values.line("x") == "باران در شمال"
    (note,) = values.findings.notes("a source")
    assert note == "a source: 1 texts were UTF-8 taken for Latin-1, and were repaired, such as «باران در شمال»."


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.binary(max_size=4) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "url", "$date"]), inner),
    max_leaves=4,
)


@given(_json | st.text(alphabet='0123456789.,kM-۱٬ :/{["$', max_size=16))
@settings(max_examples=200, deadline=None)
def test_any_value_gives_a_value_or_none(value: object) -> None:
    values = of(value)
    count, number = values.count("x"), values.number("x")
    assert count is None or 0 <= count <= LARGEST_COUNT
    assert number is None or isinstance(number, int)
    assert values.flag("x") in (True, False, None)
    for text in (values.text("x"), values.line("x"), values.link("x"), values.picture("x"), *values.labels("x")):
        assert isinstance(text, str)
    moment, raw = values.date("x")
    assert isinstance(raw, str)
    assert moment is None or moment.tzinfo is UTC
    assert all(isinstance(note, str) for note in values.findings.notes("a source"))
