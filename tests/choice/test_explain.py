"""The words that explain a choice: a sentence for each part of a score, the topic, and why a large topic is missing."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from choice_data import DAY, END, HOUR, a_week_with_an_event, article

from mailer.choice.build import build
from mailer.choice.decided_pairs import resolve
from mailer.choice.time_span import for_issue
from mailer.model import Article, DecidedPair, Digest, Story
from mailer.reasons import Reason, ReasonCode, english, translated
from mailer.settings import Digest as Rules
from mailer.text.locales import FA

SPAN = for_issue(end=END, previous_end=END - 7 * DAY)
WIDE = Rules(max_day=1, max_source=1, light_section=0)


def make(
    *articles: Article,
    rules: Rules | None = None,
    sections: Mapping[str, str] | None = None,
    dropped: frozenset[int] = frozenset(),
) -> Digest:
    return build(articles, SPAN, rules or Rules(), sections or {}, used=frozenset(), dropped=dropped)


def sentences(story: Story) -> list[str]:
    return [english(each) for each in story.why]


def story_of(number: int, *articles: Article) -> Story:
    return next(story for story in make(*articles).stories if story.lead.id == number)


def other(number: int, **changes: object) -> Article:
    """An article whose words are in no other article."""
    dice = random.Random(number)
    title = " ".join("".join(dice.choices("ابتجدرسشکگلمنوهی", k=5)) for _ in range(4))
    return article(number, title, END - DAY - number * HOUR, **changes)


def told(count: int, sources: int, **changes: object) -> list[Article]:
    """Articles with ids from 100 about one event, one an hour."""
    words = "زلزله‌ای به بزرگی ۵٫۲ ریشتر بندر خمیر در استان هرمزگان را لرزاند"
    return [
        article(
            100 + n,
            f"{words}؛ گزارش {chr(1576 + n) * 4}",
            END - 2 * DAY + n * HOUR,
            lead=f"{words}.",
            source=f"outlet{n % sources}.example",
            **changes,
        )
        for n in range(count)
    ]


# --- the parts of a score --------------------------------------------------------------------------------------------
def test_coverage_is_explained_with_articles_sources_and_hours() -> None:
    (story,) = (story for story in make(*told(6, 3), *(other(n) for n in range(6))).stories if story.lead.id >= 100)
    coverage = next(each for each in story.why if each.code is ReasonCode.WHY_COVERED)
    assert coverage.args == {"articles": 6, "sources": 3, "hours": 6}
    assert english(coverage) == "coverage: 6 articles from 3 sources about it in 6 hours"
    assert translated(coverage, FA) == "پوشش: ۶ خبر از ۳ منبع دربارهٔ آن در ۶ ساعت"
    alone = story_of(1, *told(6, 3), *(other(n) for n in range(6)))
    assert "coverage: no other article about it" in sentences(alone)


def test_a_story_that_an_editor_made_of_two_articles_has_both() -> None:
    pair = DecidedPair(1, 2, True, END)
    digest = build([other(1), other(2)], SPAN, Rules(), {}, used=frozenset(), decided=resolve([pair]))
    assert "coverage: 2 articles from 1 sources about it in 2 hours" in sentences(digest.stories[0])


def test_an_article_that_is_too_far_away_does_not_count_as_coverage() -> None:
    far = replace(told(1, 1)[0], id=99, dated=END - 2 * DAY - timedelta(hours=40))
    story = next(story for story in make(far, *told(3, 1)).stories)
    coverage = next(each for each in story.why if each.code is ReasonCode.WHY_COVERED)
    assert (coverage.args["articles"], 1 + len(story.also)) == (3, 4)


LISTED = [other(n, list_hours=n / 2) for n in range(60, 70)]
VIEWED = [other(n, views=100 * n) for n in range(1, 11)]


@pytest.mark.parametrize(
    ("mine", "others", "said"),
    [
        (other(50, views=950), VIEWED, "popularity: more read than 81 % of the articles; 950 views so far"),
        (
            other(50, views=10),
            VIEWED,
            "popularity: at least half of the articles are read as much or more; 10 views so far",
        ),
        (
            other(50),
            VIEWED,
            "guess: its readers are unknown, so they are guessed from its section, place and coverage",
        ),
        (
            other(50, list_hours=2.5),
            LISTED,
            "popularity: its time on the list of the most read counts as 3 hours in the first place",
        ),
        (
            other(50, list_hours=2.5, views=7),  # the counts of its source are too few
            LISTED,
            "popularity: its time on the list of the most read counts as 3 hours in the first place",
        ),
        (other(50), LISTED, "guess: not on the list of the most read"),
        (
            other(50, prominence=2.2),
            [other(1, prominence=30.0)],
            "prominence: up to 3 hours among the first places of the front page",
        ),
        (other(50, front_page=True), [other(1)], "prominence: marked for the front page"),
        (
            other(50),
            [other(1, prominence=3.0)],
            "prominence: never among the first places of the front page",
        ),
        (other(50, image_url="https://news.example/1.jpg"), [], "quality: little text"),
        (other(50, lead="شرح " * 40), [], "quality: no picture"),
        (other(50, lead="شرح " * 40, image_url="https://news.example/1.jpg"), [], "quality: a short title"),
        (
            replace(
                other(50, lead="شرح " * 40, image_url="https://news.example/1.jpg"),
                title="کتابخانهٔ تازهٔ شهر یزد امروز گشوده شد",
            ),
            [],
            "quality: a picture, enough text and a long title",
        ),
        (other(50, news_value=-1), [], "news value: -1, as an editor rated it"),
        (replace(other(50, lead="خبر کوتاه"), title="خبر"), [], "rubric: the title has only one word"),
        (other(50, category="یادداشت"), [], "light section: «یادداشت» counts less"),
        (
            replace(other(50), dated=SPAN.start - HOUR, first_seen=SPAN.start + HOUR),
            [],
            "late: published before the time span of the issue, but first seen in it",
        ),
        (other(50, pinned=True), [], "pinned by an editor"),
    ],
)
def test_each_part_is_explained(mine: Article, others: list[Article], said: str) -> None:
    assert said in sentences(story_of(50, mine, *others))


def test_a_series_and_an_update_are_explained() -> None:
    prices = [
        article(n, f"قیمت دلار امروز {n + 3} آذر", END - (6 - n) * DAY, lead=f"دلار {n * 137} تومان داد و ستد شد.")
        for n in range(1, 6)
    ]
    series = next(story for story in make(*prices, other(50)).stories if story.lead.id < 50)
    assert "series: one of a daily series, which rarely has news" in sentences(series)
    first, *later = told(3, 1)
    first = replace(first, dated=END - 6 * DAY)
    later = [replace(it, title=f"شمار زخمی‌های خمیر {it.title}") for it in later]
    digest = build([first, *later], SPAN, Rules(), {}, used=frozenset({first.id}))
    updates = [story for story in digest.stories if story.update]
    assert all("an earlier issue had this event, which has moved on" in sentences(story) for story in updates)


def test_every_part_has_a_sentence_of_its_own_and_it_can_be_shown() -> None:
    digest = make(*a_week_with_an_event(50, sources=3))
    for story in digest.stories:
        assert len(story.why) >= len(story.parts)
        assert all(english(each) and translated(each, FA) for each in story.why)


# --- topics ----------------------------------------------------------------------------------------------------------
def test_a_story_names_its_topic() -> None:
    digest = make(*a_week_with_an_event(100, sources=4))
    topic = next(each for each in digest.stories[0].why if each.code is ReasonCode.WHY_TOPIC)
    note = next(each for each in digest.notes if each.code is ReasonCode.LARGEST_TOPIC)
    assert topic.args == note.args
    assert topic.args["articles"] >= 75  # type: ignore[operator]
    assert topic.args["sources"] == 4
    assert english(topic).startswith(
        f"topic: «{topic.args['title']}», {topic.args['articles']} articles from 4 sources"
    )
    lonely = replace(other(5000, news_value=2), dated=END - DAY)
    alone = story_of(5000, *a_week_with_an_event(100, sources=4), lonely)
    assert not any(each.code is ReasonCode.WHY_TOPIC for each in alone.why), "it has one story"


def missing_note(digest: Digest) -> Reason:
    return next(note for note in digest.notes if note.code is ReasonCode.LARGEST_TOPIC_MISSING)


def test_the_note_about_a_missing_topic_says_why_and_its_story_is_listed_though_others_are_better() -> None:
    digest = make(
        *(replace(it, news_value=-2) for it in told(8, 2)), *(other(n, news_value=2) for n in range(40)), rules=WIDE
    )
    note = missing_note(digest)
    assert english(note).endswith("(not among the 12 best)")
    assert translated(note, FA).endswith("(میان ۱۲ خبر برتر نیست)")
    assert note.args["articles"] == 8
    assert len(digest.not_chosen) == 11
    listed = digest.not_chosen[-1]
    assert (listed.story.lead.id >= 100, listed.reason.code) == (True, ReasonCode.NOT_AMONG_BEST)
    assert "coverage: 8 articles from 2 sources about it in 8 hours" in sentences(listed.story)


@pytest.mark.parametrize("with_views", [True, False])
def test_a_large_event_that_a_quota_keeps_out_is_listed_with_the_quota(with_views: bool) -> None:
    sport = [other(n, category="ورزش", news_value=2) for n in range(1, 5)]
    rest = [other(n, category="شهر" if n % 2 else "") for n in range(5, 15)]
    event = told(8, 2, category="ورزش", news_value=-2)
    every = [*sport, *rest, *event]
    if with_views:
        every = [replace(it, views=1000 - it.id) for it in every]
    rules = WIDE.model_copy(update={"stories": 6, "max_section": 0.34})
    digest = make(*every, rules=rules, sections={"ورزش": "ورزش", "شهر": "شهر"})
    assert not any(story.lead.id >= 100 for story in digest.stories)
    reasons = {each.story.lead.id: english(each.reason) for each in digest.not_chosen}
    assert any(number >= 100 and why == "section «ورزش» is full (2 of 6)" for number, why in reasons.items())
    if not with_views:
        assert english(missing_note(digest)).endswith("(section «ورزش» is full (2 of 6))")


def test_a_topic_that_an_editor_dropped_says_so() -> None:
    event = told(8, 2)
    digest = make(*event, *(other(n) for n in range(10)), dropped=frozenset({event[0].id}))
    assert english(missing_note(digest)).endswith("(dropped by an editor)")


def test_with_views_no_note_is_made_about_the_largest_topic() -> None:
    digest = make(*(replace(it, views=it.id) for it in (*told(8, 2), *(other(n) for n in range(10)))))
    assert not {note.code for note in digest.notes} & {ReasonCode.LARGEST_TOPIC, ReasonCode.LARGEST_TOPIC_MISSING}
