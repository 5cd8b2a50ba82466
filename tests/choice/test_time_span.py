"""The time span of an issue, and articles that come late."""

from datetime import UTC, datetime, timedelta

import pytest

from mailer.choice.time_span import earliest, for_issue, holds, late
from mailer.model import Article, Dating, TimeSpan

END = datetime(2026, 11, 26, 5, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def article(dated: datetime, first_seen: datetime | None = None) -> Article:
    return Article(
        id=1,
        identity="guid:1",
        title="خبری از شهر",
        source="shahr.example",
        url="https://shahr.example/1",
        lead="",
        body="",
        category="",
        image_url="",
        image_alt="",
        dated=dated,
        dating=Dating.GIVEN,
        first_seen=first_seen or dated,
        views=None,
        comments=None,
        shares=None,
    )


@pytest.mark.parametrize(
    ("previous", "days"),
    [
        (None, 7),
        (END - 7 * DAY, 7),
        (END - 3 * DAY, 3),
        (END - 10 * DAY, 10),
        (END - 30 * DAY, 10),
        (END, 7),
        (END + 20 * DAY, 7),
    ],
)
def test_where_a_time_span_begins(previous: datetime | None, days: int) -> None:
    assert for_issue(end=END, previous_end=previous) == TimeSpan(END - days * DAY, END)


def test_neighbouring_time_spans_share_no_instant() -> None:
    first, second = for_issue(end=END, previous_end=None), for_issue(end=END + 7 * DAY, previous_end=END)
    assert holds(second, article(END))
    assert not holds(first, article(END))
    assert holds(first, article(first.start))


@pytest.mark.parametrize(
    ("dated", "seen", "expected"),
    [
        (END - 8 * DAY, END - DAY, True),
        (END - 14 * DAY, END - DAY, True),
        (END - 14 * DAY - timedelta(seconds=1), END - DAY, False),
        (END - 6 * DAY, END - DAY, False),  # in the window, so not late
        (END - 8 * DAY, END - 8 * DAY, False),  # an earlier issue could have had it
        (END - 8 * DAY, END, False),  # the next issue may
    ],
)
def test_what_is_late(dated: datetime, seen: datetime, expected: bool) -> None:
    span = for_issue(end=END, previous_end=END - 7 * DAY)
    assert late(span, article(dated, seen)) is expected
    if expected:
        assert dated >= earliest(span)
