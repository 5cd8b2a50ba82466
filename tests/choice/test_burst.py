"""Topics that were hardly in the news of the weeks before."""

from dataclasses import replace

import pytest
from choice_data import DAY, END, a_week_with_an_event

from mailer.choice.build import build
from mailer.choice.burst import sudden
from mailer.choice.time_span import for_issue
from mailer.model import Digest
from mailer.reasons import ReasonCode
from mailer.settings import Digest as Rules

SPAN = for_issue(end=END, previous_end=END - 7 * DAY)
USUAL = [f"نشست شورای شهر دربارهٔ بودجهٔ {number}" for number in range(400)]
TITLES = {number: f"زلزله خمیر {number}" for number in range(10)} | {10: "نشست شورا"}
TOPICS = dict.fromkeys(range(10), 0) | {10: 10}


def test_a_topic_with_a_new_word_is_sudden() -> None:
    assert sudden(TOPICS, TITLES, USUAL) == frozenset(range(10))


@pytest.mark.parametrize(("before", "is_sudden"), [(30, True), (45, False)])
def test_a_word_that_is_ten_times_as_frequent_is_sudden(before: int, is_sudden: bool) -> None:
    """10 of 11 titles have the words now; of 400 titles, 36 would be a tenth as frequent."""
    earlier = [*(["زلزله خمیر"] * before), *USUAL][:400]
    assert bool(sudden(TOPICS, TITLES, earlier)) is is_sudden


def test_a_small_topic_and_a_word_of_few_of_its_articles_are_not_sudden() -> None:
    four = {number: topic for number, topic in TOPICS.items() if number not in range(4, 10)}
    assert not sudden(four, TITLES, USUAL)
    known = [f"{title} روز" for title in ["زلزله خمیر"] * 400]
    mixed = {number: f"زلزله خمیر {chr(1576 + number) * 4}" for number in range(10)}
    assert not sudden(dict.fromkeys(range(10), 0), mixed, known)


def test_with_few_titles_of_the_weeks_before_nothing_is_sudden() -> None:
    assert not sudden(TOPICS, TITLES, USUAL[:100])


def make(*, views: bool = False, earlier: list[str] | None = None) -> Digest:
    week = [replace(it, views=it.id) if views else it for it in a_week_with_an_event(30)]
    return build(week, SPAN, Rules(), {}, used=frozenset(), earlier=earlier or [])


def test_a_story_about_a_sudden_topic_gains_points_and_says_why_unless_views_are_known() -> None:
    usual = [it.title for it in a_week_with_an_event(0)] * 2
    before, now = make(), make(earlier=usual)
    first = now.stories[0]
    assert first.lead.id >= 1000
    assert first.score == pytest.approx(before.stories[0].score + 0.04)
    assert ReasonCode.WHY_BURST in {each.code for each in first.why}
    assert not any("burst" in story.parts for story in before.stories)
    assert not any("burst" in story.parts for story in make(views=True, earlier=usual).stories)
    known = [it.title for it in a_week_with_an_event(200)]
    assert not any("burst" in story.parts for story in make(earlier=known).stories)
