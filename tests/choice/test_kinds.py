"""Articles that are not about one event, and leads that say nothing about it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from choice_data import article

from mailer.choice.kinds import is_roundup, is_source_line

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("اخبار کوتاه یزد/ نمایشگاه کتاب گشایش یافت", True),
        ("مهم‌ترین اخبار امروز", True),
        ("دیدنی های امروز", True),
        ("دیدنی‌های تازهٔ شیراز", False),
        ("گشایش خط مترو/ برف در گردنهٔ حیران/ قهرمانی شطرنج‌بازان", True),
        ("گشایش خط تازهٔ مترو/ فیلم", False),
        ("فیلم/ عکس/ گشایش خط تازهٔ مترو", False),
        ("اخبار کوتاهی از خط تازهٔ مترو", False),
        ("Talks end / Snow closes roads / Chess title won", True),
    ],
)
def test_a_roundup_lists_several_events(title: str, found: bool) -> None:
    assert is_roundup(article(1, title, NOW)) is found


def test_a_lead_that_lists_headlines_makes_a_roundup() -> None:
    plain = article(1, "یک نگاه به هفته", NOW)
    assert is_roundup(replace(plain, lead="خط مترو گشوده شد/ برف راه را بست/ شطرنج‌بازان بردند"))
    assert not is_roundup(replace(plain, lead="خط مترو گشوده شد؛ برف راه را بست"))


@pytest.mark.parametrize(
    ("lead", "found"),
    [
        ("منبع: شهر خبر", True),
        ("Source: City News", True),
        ("منبع آب شهر خالی شد", False),
        ("منبع: گزارش‌های رسیده از سه شهر می‌گوید که آب بالا آمده است", False),
        ("", False),
    ],
)
def test_a_source_line_says_nothing(lead: str, found: bool) -> None:
    assert is_source_line(lead) is found
