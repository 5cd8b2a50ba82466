"""Weeks that no newsroom should have: hardly any articles, the same one hundreds of times, a single enormous event."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from choice_data import DAY, END, HOUR, a_week_with_an_event, article

from mailer.choice.build import build
from mailer.choice.time_span import for_issue
from mailer.model import Article, Digest
from mailer.reasons import ReasonCode
from mailer.settings import Digest as Rules

SPAN = for_issue(end=END, previous_end=END - 7 * DAY)


def make(*articles: Article, rules: Rules | None = None) -> Digest:
    return build(articles, SPAN, rules or Rules(), {}, used=frozenset())


def some(count: int, first: int = 1, **changes: object) -> list[Article]:
    """Articles about anything, spread over the week."""
    dice = random.Random(count)
    made = []
    for number in range(first, first + count):
        words = ["".join(dice.choices("ابتجدرسشکگلمنوهی", k=5)) for _ in range(16)]
        dated = END - (number % 7) * DAY - (number % 24 + 1) * HOUR
        made.append(article(number, " ".join(words[:5]), dated, lead=" ".join(words[5:]), **changes))
    return [it for it in made if it.dated >= SPAN.start]


def ids(digest: Digest) -> list[int]:
    return [story.lead.id for story in digest.stories]


def note_codes(digest: Digest) -> set[ReasonCode]:
    return {note.code for note in digest.notes}


def test_a_week_with_as_many_articles_as_an_issue_has_places() -> None:
    every = some(14)[:12]
    digest = make(*every)
    assert sorted(ids(digest)) == sorted(it.id for it in every)
    assert digest.not_chosen == ()


@pytest.mark.parametrize("views", [True, False])
@pytest.mark.parametrize("links", ["one address", "an address each"])
def test_an_article_that_comes_three_hundred_times_is_one_story(links: str, views: bool) -> None:
    again = [
        article(
            1000 + n,
            "زلزلهٔ ۵٫۲ ریشتری بندر خمیر را لرزاند",
            END - 2 * DAY + n % 40 * HOUR,
            lead="بامداد امروز زلزله‌ای به بزرگی ۵٫۲ ریشتر بندر خمیر در استان هرمزگان را لرزاند.",
            url=f"https://news.example/{1000 if links == 'one address' else 1000 + n}",
        )
        for n in range(300)
    ]
    every = [*again, *some(30)]
    if views:
        every = [replace(it, views=it.id) for it in every]
    digest = make(*every)
    assert len(digest.stories) == 12
    copies = [story for story in digest.stories if story.lead.id >= 1000]
    assert [len(story.also) for story in copies] == [299]


def test_of_articles_with_one_title_and_different_leads_one_is_chosen_and_the_others_have_a_reason() -> None:
    every = [replace(it, title="نگاه هفتهٔ ما") for it in some(200)]
    digest = make(*every)
    assert len(digest.stories) == 1
    assert {each.reason.code for each in digest.not_chosen} == {ReasonCode.SAME_TITLE}


def test_articles_with_one_title_and_no_lead_are_one_story() -> None:
    digest = make(*(replace(it, title="جلسهٔ شورای شهر تهران", lead="") for it in some(200)))
    assert len(digest.stories) == 1
    assert len(digest.stories[0].also) == len(some(200)) - 1


def test_if_all_sources_but_one_are_silent_it_fills_the_issue_and_a_note_says_so() -> None:
    digest = make(*some(100, source="own.example"), *some(2, first=500, source="agency.example"))
    assert len(digest.stories) == 12
    assert Counter(story.lead.source for story in digest.stories)["own.example"] >= 10
    assert ReasonCode.SOURCE_LIMIT_DROPPED in note_codes(digest)


def test_if_only_one_source_has_articles_nothing_is_said_of_sources() -> None:
    digest = make(*some(100, source="own.example"))
    assert len(digest.stories) == 12
    assert ReasonCode.SOURCE_LIMIT_DROPPED not in note_codes(digest)


@pytest.mark.slow
@pytest.mark.parametrize("sources", [1, 6])
def test_twenty_thousand_articles_about_one_event_are_at_most_two_stories(sources: int) -> None:
    every = a_week_with_an_event(20_000, sources=sources)
    digest = make(*every)
    about = [number >= 1000 for number in ids(digest)]
    assert about[0]
    assert sum(about) <= 2
    assert len(about) == 12
    assert ReasonCode.LARGEST_TOPIC in note_codes(digest)
