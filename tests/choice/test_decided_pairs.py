"""Decisions of editors about pairs of articles: contradictions, and how the choice of stories follows them."""

import random
from dataclasses import replace
from datetime import UTC
from itertools import combinations

import pytest
from choice_data import DAY, END, HOUR, a_week_with_an_event, article
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.choice.build import build
from mailer.choice.decided_pairs import Decided, resolve
from mailer.choice.events import group
from mailer.choice.time_span import for_issue
from mailer.model import Article, DecidedPair, Digest
from mailer.reasons import ReasonCode
from mailer.settings import Digest as Rules
from mailer.text.search_key import key

SPAN = for_issue(end=END, previous_end=END - 7 * DAY)


def decisions(*made: tuple[int, str, int]) -> list[DecidedPair]:
    """Decisions, the oldest first, such as (1, "=", 2) for the same story and (1, "!", 2) for different stories."""
    return [
        DecidedPair(min(one, other), max(one, other), sign == "=", END + n * HOUR)
        for n, (one, sign, other) in enumerate(made)
    ]


def test_decisions_are_transitive() -> None:
    found = resolve(decisions((1, "=", 2), (3, "=", 2), (3, "!", 9), (9, "=", 8)))
    assert found.together == (frozenset({1, 2, 3}), frozenset({8, 9}))
    assert found.apart == {**dict.fromkeys((1, 2, 3), frozenset({8, 9})), **dict.fromkeys((8, 9), frozenset({1, 2, 3}))}
    assert not found.overruled
    assert found.articles() == {1, 2, 3, 8, 9}
    assert found.are_different([7, 1], [8])
    assert not found.are_different([7, 1], [2, 7])


@pytest.mark.parametrize("last", ["1=2", "2=3", "1!3"])
def test_of_contradicting_decisions_the_oldest_has_no_effect(last: str) -> None:
    three = {"1=2": (1, "=", 2), "2=3": (2, "=", 3), "1!3": (1, "!", 3)}
    order = [three[name] for name in three if name != last] + [three[last]]
    made = decisions(*order)
    found = resolve(made)
    assert found.overruled == (made[0],)
    assert resolve(made[1:]) == replace(found, overruled=())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from("=!"), st.integers(7, 12)), max_size=14), st.randoms())
def test_what_decisions_say_is_never_contradictory(made: list[tuple[int, str, int]], dice: random.Random) -> None:
    pairs = list({(it.one, it.other): it for it in decisions(*made)}.values())
    found = resolve(pairs)
    assert resolve(dice.sample(pairs, len(pairs))) == found
    for each in found.together:
        assert not any(found.are_different([one], [other]) for one, other in combinations(each, 2))
    for pair in set(pairs) - set(found.overruled):
        if pair.same:
            assert any({pair.one, pair.other} <= each for each in found.together)
        else:
            assert found.are_different([pair.one], [pair.other])
    assert pairs == [] or max(pairs, key=lambda it: it.at) not in found.overruled


# --- the choice ------------------------------------------------------------------------------------------------------
OTHERS = [
    ("افتتاح موزهٔ سفال همدان", "موزه‌ای تازه در همدان درهایش را به روی گردشگران باز کرد."),
    ("صعود تیم فوتبال ساحلی", "فوتبال ساحلی ایران به مرحلهٔ بعد راه یافت."),
    ("کشف مزرعهٔ رمزارز", "دستگاه‌های استخراج در سوله‌ای متروک پیدا شد."),
    ("برداشت برنج آغاز شد", "شالیکاران گیلان خرمن را بریدند."),
    ("نمایشگاه خوشنویسی", "آثار نستعلیق‌نویسان در تالار وحدت به دیوار رفت."),
    ("آلودگی هوا", "شاخص آلایندگی از مرز هشدار گذشت."),
]
ALIKE = ("زلزلهٔ ۵٫۲ ریشتری در بندر خمیر", "بامداد امروز زلزله‌ای به بزرگی ۵٫۲ بندر خمیر در استان هرمزگان را لرزاند.")


def week() -> list[Article]:
    """Six articles about six events (1–6), and three about one event (11–13)."""
    plain = [article(n, title, END - n * 12 * HOUR, lead=lead) for n, (title, lead) in enumerate(OTHERS, 1)]
    told = [article(n, f"{ALIKE[0]}؛ گزارش {n}", END - (n - 8) * HOUR, lead=ALIKE[1]) for n in (11, 12, 13)]
    return [*plain, *told]


def make(*made: tuple[int, str, int], used: frozenset[int] = frozenset(), rules: Rules | None = None) -> Digest:
    return build(week(), SPAN, rules or Rules(), {}, used=used, decided=resolve(decisions(*made)))


def stories(digest: Digest) -> set[frozenset[int]]:
    return {frozenset({story.lead.id, *(it.id for it in story.also)}) for story in digest.stories}


def test_articles_of_the_same_story_become_one_story_however_they_differ() -> None:
    assert frozenset({11, 12, 13}) in stories(make())
    found = stories(make((1, "=", 6), (6, "=", 12)))
    assert found == {frozenset({1, 6, 11, 12, 13}), *(frozenset({n}) for n in (2, 3, 4, 5))}


def test_articles_of_different_stories_are_different_stories_however_similar() -> None:
    found = stories(make((11, "!", 12)))
    assert not any({11, 12} <= story for story in found)
    assert {11, 12, 13} == set().union(*(story for story in found if story & {11, 12, 13})), "both are in the issue"


def test_a_different_story_is_not_joined_over_a_third_article_either() -> None:
    found = stories(make((11, "!", 12), (12, "!", 13)))
    assert {frozenset({11, 13}), frozenset({12})} <= found


def test_an_article_that_went_out_keeps_the_articles_of_its_story_out() -> None:
    assert any(1 in story for story in stories(make()))
    digest = make((1, "=", 6), used=frozenset({6}))
    assert not any(story.update for story in make(used=frozenset({6})).stories)
    update = next(story for story in digest.stories if story.lead.id == 1)
    assert update.update, "a later article about a story of an earlier issue is an update"
    repeated = make((4, "=", 5), (5, "=", 6), used=frozenset({4}))
    assert {5, 6}.isdisjoint(it for story in stories(repeated) for it in story)
    why = {each.story.lead.id: each.reason.code for each in repeated.not_chosen}
    assert ReasonCode.ALREADY_USED in {why.get(5), why.get(6)}


def test_what_is_decided_counts_for_articles_that_are_not_there() -> None:
    found = stories(make((1, "=", 999), (999, "=", 2), (3, "!", 1000)))
    assert frozenset({1, 2}) in found


def test_a_decided_article_is_compared_though_thousands_are_read_more() -> None:
    mass = [article(n, f"گزارش {n} شهر", END - HOUR, views=10_000 - n) for n in range(100, 1400)]
    quiet = article(5000, "خبری که کسی نخواند", END - 2 * DAY, views=1)
    most = article(99, "پرخواننده‌ترین خبر هفته", END - HOUR, views=99_999)
    digest = build(
        [*mass, quiet, most], SPAN, Rules(), {}, used=frozenset(), decided=resolve(decisions((99, "=", 5000)))
    )
    assert [it.id for it in digest.stories[0].also] == [5000]


def test_a_small_event_is_not_taken_for_the_main_event_of_its_topic_against_an_editor() -> None:
    every = [replace(it, news_value=2) if it.id == 1000 else it for it in a_week_with_an_event(30)]
    titles = {it.id: key(it.title) for it in every}
    decided = resolve(decisions(*((1000, "!", number) for number in range(1001, 1030))))
    events = group(every, titles, UTC, decided=decided)
    assert events.topics[1000] == events.topics[1001], "it is still the same topic"
    digest = build(every, SPAN, Rules(), {}, used=frozenset(), decided=decided)
    assert {story.lead.id >= 1000 for story in digest.stories[:2]} == {True}
    assert frozenset({1000}) in stories(digest)


def test_nothing_decided_changes_nothing() -> None:
    assert make() == build(week(), SPAN, Rules(), {}, used=frozenset(), decided=Decided())


def test_an_article_about_a_different_story_does_not_keep_the_coverage_of_the_event() -> None:
    words = ("هلال", "ارتش", "سپاه", "بسیج", "استان", "دولت")
    quake = [
        article(n, f"زلزلهٔ شدید شهر تبریز را لرزاند {word}", END, lead=f"امدادگران {word} اعزام شدند", source=f"s{n}")
        for n, word in enumerate(words, 1)
    ]
    titles = {it.id: key(it.title) for it in quake}
    before = group(quake, titles, UTC).coverage
    after = group(quake, titles, UTC, decided=resolve(decisions(*((1, "!", n) for n in range(2, 7))))).coverage
    assert after.of(1) == 0.0 < before.of(1)
    assert 0.0 < after.of(2) < before.of(2)
