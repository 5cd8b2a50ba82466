"""Choosing the stories of a week: what is promised of every digest, and the cases that show why each rule is there."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.choice.build import build
from mailer.choice.time_span import for_issue
from mailer.model import OTHER_NEWS, Article, Dating, Digest
from mailer.reasons import ReasonCode, english
from mailer.settings import Digest as Rules
from mailer.text.links import web_address
from mailer.text.search_key import key

END = datetime(2026, 11, 26, 5, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPAN = for_issue(end=END, previous_end=END - 7 * DAY)
SECTIONS = {"ورزش": "ورزش", "سیاسی": "سیاست", "اقتصاد": "اقتصاد", "فرهنگ و هنر": "فرهنگ"}
RAW = [*SECTIONS, "گوناگون"]
PLAIN = Article(
    id=1,
    identity="guid:1",
    title="گشایش کتابخانهٔ تازه در یزد",
    source="shahr.example",
    url="https://shahr.example/1",
    lead="",
    body="",
    category="",
    image_url="",
    image_alt="",
    dated=END - DAY,
    dating=Dating.GIVEN,
    first_seen=END - DAY,
    views=None,
    comments=None,
    shares=None,
)


def article(number: int, **changes: object) -> Article:
    """An article of its own title, dated `number` hours before the end of the time span."""
    dated = changes.get("dated", END - number * HOUR)
    own = {"id": number, "identity": f"guid:{number}", "url": f"https://shahr.example/{number}", "dated": dated}
    own |= {"title": f"رویداد شمارهٔ {number} در شهر", "first_seen": dated} | changes
    return replace(PLAIN, **own)  # type: ignore[arg-type]


def chosen(digest: Digest) -> list[int]:
    return [story.lead.id for story in digest.stories]


def why_not(digest: Digest) -> dict[int, str]:
    return {each.story.lead.id: english(each.reason) for each in digest.not_chosen}


def notes(digest: Digest) -> list[str]:
    return [english(note) for note in digest.notes]


def make(*articles: Article, rules: Rules | None = None, used: frozenset[int] = frozenset()) -> Digest:
    return build(articles, SPAN, rules or Rules(), SECTIONS, used=used)


# --- What is promised of every digest --------------------------------------------------------------------------------
TITLES = [
    "گشایش کتابخانهٔ تازه در یزد",
    "گشايش كتابخانه تازه در يزد",
    "برف سنگین در گردنهٔ حیران",
    "نگاه هفته",
    "خبر",
    "دمای هوای امروز شهر",
    "برداشت زعفران در قائنات آغاز شد",
    "قهرمانی تیم شطرنج نوجوانان",
    "راه‌اندازی خط تازهٔ مترو",
    "نمایشگاه خوشنویسی در شیراز",
    "افزایش پرواز های داخلی",
    "افزایش پروازهای داخلی",
    "!!",
]


def some_articles(seed: int) -> list[Article]:
    """Up to forty articles, drawn from little so that titles, links and leads meet often."""
    dice = random.Random(seed)

    def some_time() -> datetime:
        return END - dice.randint(-24, 24 * 20) * HOUR

    return [
        article(
            number,
            title=dice.choice(TITLES),
            source=dice.choice(["shahr.example", "ruz.example"]),
            lead=dice.choice(["", "یزد صاحب کتابخانه شد", "برف راه را بست و گردنه بسته ماند"]),
            category=dice.choice(RAW),
            url=dice.choice(["", "https://shahr.example/a", "http://shahr.example/a#x", "https://ruz.example/b"]),
            image_url=dice.choice(["", "https://shahr.example/a.jpg"]),
            dated=some_time(),
            first_seen=some_time(),
            views=dice.choice([None, dice.randint(0, 100_000)]),
            pinned=dice.random() < 0.2,
            banned=dice.random() < 0.2,
        )
        for number in range(1, dice.randint(1, 41))
    ]


RULES = st.builds(Rules, stories=st.integers(3, 12), min_stories=st.just(1), max_section=st.sampled_from([0.34, 0.5]))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), RULES, st.frozensets(st.integers(1, 40), max_size=6))
def test_every_digest_keeps_the_promises(seed: int, rules: Rules, used: frozenset[int]) -> None:
    articles = some_articles(seed)
    digest = build(articles, SPAN, rules, SECTIONS, used=used)
    shuffled = random.Random(seed).sample(articles, len(articles))
    assert build(shuffled, SPAN, rules, SECTIONS, used=used) == digest

    leads = [story.lead for story in digest.stories]
    titles = [title for lead in leads if len((title := key(lead.title)).split()) > 1]
    assert len(set(titles)) == len(titles)
    in_issue = [it for story in digest.stories for it in (story.lead, *story.also)]
    assert len({it.id for it in in_issue}) == len(in_issue)
    assert not any(it.banned or it.id in used or not it.url for it in in_issue)
    assert all(len(key(lead.title).split()) >= 2 or lead.lead for lead in leads)
    assert all(it.dated < SPAN.end for it in in_issue)
    assert all(it.dated >= SPAN.end - 14 * DAY for it in in_issue if not it.pinned)

    assert [story.pinned for story in digest.stories] == sorted((s.pinned for s in digest.stories), reverse=True)
    for part in (True, False):
        scores = [story.score for story in digest.stories if story.pinned is part]
        assert scores == sorted(scores, reverse=True)
    for story in (*digest.stories, *(each.story for each in digest.not_chosen)):
        assert sum(Decimal(repr(part)) for part in story.parts.values()) == Decimal(repr(story.score))
        assert -0.5 <= story.score <= 1.3

    pins = sum(story.pinned for story in digest.stories)
    assert len(digest.stories) <= max(rules.stories, pins)
    _quotas_hold(digest, rules)
    assert len(digest.not_chosen) <= 10
    assert all(why_not(digest).values())
    assert not set(why_not(digest)) & {it.id for it in in_issue}


def _quotas_hold(digest: Digest, rules: Rules) -> None:
    """Checks the limits, unless a note says otherwise; pins are never refused and do not count."""
    free = [story for story in digest.stories if not story.pinned]
    codes = {note.code for note in digest.notes}
    for story in free:
        if ReasonCode.SECTION_LIMIT_DROPPED not in codes:
            same = [other for other in digest.stories if other.section == story.section]
            pinned = sum(other.pinned for other in same)
            assert len(same) <= max(int(rules.max_section * rules.stories), 1, pinned)
        if ReasonCode.SOURCE_LIMIT_DROPPED not in codes:
            same = [other for other in digest.stories if other.lead.source == story.lead.source]
            pinned = sum(other.pinned for other in same)
            several = len({other.lead.source for other in digest.stories}) > 1
            assert not several or len(same) <= max(int(rules.max_source * rules.stories), 1, pinned)


# --- Scores ----------------------------------------------------------------------------------------------------------
def test_what_was_read_counts_and_what_is_not_known_is_guessed() -> None:
    views = {1: 10, 2: 90_000, 3: 500, 4: None, 5: 400, 6: 20}
    digest = make(*(article(number, views=count, dated=END - DAY) for number, count in views.items()))
    order = chosen(digest)
    assert order[0] == 2
    assert order.index(4) < order.index(1)
    assert order.index(4) < order.index(6)
    assert notes(digest)[0].startswith("it is unknown how much 1 of 6 articles were read")
    assert set(digest.stories[0].parts) == {"popularity", "coverage", "quality"}
    assert set(digest.stories[order.index(4)].parts) == {"guess", "coverage", "quality"}


def a_source(name: str, first: int, count: int, **changes: object) -> list[Article]:
    numbers = range(first, first + count)
    return [article(number, source=name, dated=END - (1 + number % 140) * HOUR, **changes) for number in numbers]


def test_a_source_without_counts_does_not_switch_off_the_counts_of_another() -> None:
    """Twelve of 132 articles have counts, and they come first in the order of their readers, mixed with the best of
    the others."""
    counted = [replace(it, views=100 * 2**n) for n, it in enumerate(a_source("a.example", 1, 12))]
    others = a_source("b.example", 100, 120)
    others[50] = replace(others[50], front_page=True)
    digest = make(*counted, *others, rules=Rules(stories=6, min_stories=1, max_section=1, max_day=1))
    assert [number for number in chosen(digest) if number < 100] == [12, 11, 10]
    assert next(number for number in chosen(digest) if number >= 100) == others[50].id
    assert "it is unknown how much 120 of 132 articles were read" in notes(digest)[0]


def test_an_export_of_only_the_most_read_is_enough() -> None:
    """All articles of the export come before those that are not in it, except the one on the front page."""
    many = a_source("a.example", 1, 300)
    for n in range(10):
        many[100 + n] = replace(many[100 + n], views=5_000 + n)
    many[250] = replace(many[250], front_page=True)
    digest = make(*many, rules=Rules(stories=12, min_stories=1, max_section=1, max_day=1))
    assert {many[n].id for n in range(100, 110)} <= set(chosen(digest)[:11])
    assert many[250].id in chosen(digest)[:11]


def test_every_article_of_an_export_comes_before_those_that_it_left_out() -> None:
    many = a_source("a.example", 1, 160)
    for place, n in enumerate(range(5, 155, 15), 1):
        many[n] = replace(many[n], views=20_000 // place, lead="")
    digest = make(*many, rules=Rules(stories=12, min_stories=1, max_section=1, max_day=1))
    assert sorted(chosen(digest)[:10]) == [many[n].id for n in range(5, 155, 15)]
    assert all("more read than 9" in english(story.why[0]) for story in digest.stories[:10]), "than 90 % or more"


def test_too_few_counts_of_a_source_are_not_used_and_reported() -> None:
    counted = [replace(it, views=100 + n) for n, it in enumerate(a_source("a.example", 1, 30))]
    few = a_source("b.example", 200, 70)
    few[:2] = [replace(it, views=900_000 + n) for n, it in enumerate(few[:2])]
    digest = make(*counted, *few)
    assert not any("popularity" in story.parts for story in digest.stories if story.lead.id >= 200)
    assert any("the view counts of 2 articles are not used" in note for note in notes(digest))


def test_counts_of_a_small_source_are_not_used_if_they_are_few_in_the_week() -> None:
    small = [replace(it, views=100 + n if n < 3 else None) for n, it in enumerate(a_source("a.example", 1, 5))]
    digest = make(*small, *a_source("b.example", 100, 95))
    assert not any("popularity" in story.parts for story in digest.stories)
    assert "only 3 of 100 articles have view counts" in notes(digest)[0]


def test_a_counter_that_does_not_work_is_not_used() -> None:
    counted = [replace(it, views=100 * n) for n, it in enumerate(a_source("a.example", 1, 12))]
    digest = make(*counted, *a_source("b.example", 100, 12, views=0), rules=Rules(stories=6))
    parts = {story.lead.source: set(story.parts) for story in digest.stories}
    assert "popularity" in parts["a.example"]
    assert "guess" in parts["b.example"]


def test_hours_on_a_list_count_for_articles_of_a_source_without_counts() -> None:
    listed = a_source("a.example", 1, 40)
    for n, hours in ((5, 30.0), (30, 80.0), (20, 4.0)):
        listed[n] = replace(listed[n], list_hours=hours)
    digest = make(*listed, rules=Rules(stories=4, min_stories=1, max_section=1, max_day=1))
    assert chosen(digest)[:3] == [listed[30].id, listed[5].id, listed[20].id]
    assert "popularity" in digest.stories[0].parts
    assert notes(digest)[0] == ("the list of the most read shows how much 31 articles were read; 3 of them were on it")
    assert "it is unknown how much 9 of 40 articles were read" in notes(digest)[1], "older than the list"


def test_a_large_event_beside_a_short_list_is_in_the_issue() -> None:
    """None of the articles about it was on the list, and its lead is the article in the middle, not a gallery."""
    words = ["وزارت نیرو", "مردم محله", "شورای شهر", "آتش‌نشانی", "استاندار", "بیمارستان", "شهرداری", "کارشناسان"]
    quake = [
        article(
            200 + n,
            source="a.example",
            title=("تصاویر " if n == 0 else "") + f"زمین‌لرزه شدید تبریز را لرزاند، {word}",
            lead=f"زمین‌لرزه‌ای شدید شهر تبریز را لرزاند و {word} آماده شد",
            dated=END - (20 + n) * HOUR,
        )
        for n, word in enumerate(words)
    ]
    listed = [replace(it, list_hours=9.0 - n) for n, it in enumerate(a_source("a.example", 1, 4))]
    other = a_source("a.example", 10, 60)
    oldest = article(300, source="a.example", dated=END - 150 * HOUR, list_hours=0.5)
    digest = make(*quake, *listed, *other, oldest, rules=Rules(stories=6, max_section=1, max_day=1))
    assert chosen(digest)[:4] == [1, 2, 3, 4]
    about = [number for number in chosen(digest) if 200 <= number < 210]
    assert len(about) == 1
    assert about[0] != 200


def test_counts_and_lists_of_two_sources_are_each_compared_among_themselves() -> None:
    counted = [replace(it, views=n) for n, it in enumerate(a_source("a.example", 1, 40))]
    listed = [replace(it, list_hours=float(n)) for n, it in enumerate(a_source("b.example", 100, 40))]
    digest = make(*counted, *listed, rules=Rules(stories=4, min_stories=1, max_section=1, max_day=1))
    assert sorted(chosen(digest)) == [39, 40, 138, 139]


def test_two_articles_on_a_list_are_too_few() -> None:
    listed = a_source("a.example", 1, 20)
    listed[3] = replace(listed[3], list_hours=9.0)
    assert "no article has view counts" in notes(make(*listed))[0]


def test_of_a_large_week_articles_without_counts_are_compared_too() -> None:
    counted = [replace(it, views=n) for n, it in enumerate(a_source("a.example", 1, 1500))]
    digest = make(*counted, *a_source("b.example", 5000, 300), rules=Rules(stories=8, max_day=1, max_section=1))
    assert {story.lead.source for story in digest.stories} == {"a.example", "b.example"}


@pytest.mark.parametrize(
    ("views", "note"),
    [
        ([None] * 6, "no article has view counts: chosen by place, coverage and quality"),
        ([7] * 6, "all view counts are the same: chosen by place, coverage and quality"),
        ([9_000, *[None] * 9], "only 1 of 10 articles have view counts: chosen by place, coverage and quality"),
    ],
)
def test_without_telling_views_the_newest_of_equals_lead_and_a_note_says_so(views: list[int | None], note: str) -> None:
    digest = make(*(article(10 - number, views=count) for number, count in enumerate(views)))
    assert note in notes(digest)
    assert chosen(digest) == sorted(chosen(digest))  # the number is the age in hours
    assert set(digest.stories[0].parts) == {"coverage", "quality"}


def test_without_views_a_busy_week_is_more_than_its_last_two_days() -> None:
    """Nothing decays by age: articles of the first day and those that an editor values are compared as well."""
    busy = [article(1000 + n, dated=END - timedelta(hours=160 * n / 2999)) for n in range(3000)]
    told = [
        article(10 + n, dated=END - timedelta(hours=110 + n), title=f"زمین‌لرزه در تبریز {n}", source=f"s{n}.example")
        for n in range(12)
    ]
    valued = article(30, dated=END - timedelta(hours=100), news_value=2)
    digest = make(*busy, *told, valued)
    ages = sorted((END - story.lead.dated) / DAY for story in digest.stories)
    assert ages[-1] > 3
    assert 30 in chosen(digest)
    edited = article(40, dated=END - timedelta(hours=165))
    again = build([*busy, *told, valued, edited], SPAN, Rules(), SECTIONS, used=frozenset(), kept=frozenset({40}))
    assert 40 in chosen(again), "what an editor worked on stays, whatever comes in"


def test_what_editors_worked_on_and_pinned_is_no_more_than_an_issue() -> None:
    worked = [article(n, dated=END - n * HOUR) for n in range(1, 13)]
    pinned = [article(50 + n, dated=END - (n + 1) * HOUR, pinned=True) for n in range(2)]
    digest = build([*worked, *pinned], SPAN, Rules(), SECTIONS, used=frozenset(), kept=frozenset(range(1, 13)))
    assert len(digest.stories) == Rules().stories
    assert {50, 51} <= set(chosen(digest))


def test_a_picture_and_a_lead_help_between_equals() -> None:
    one = article(1, dated=END - DAY)
    other = article(2, dated=END - DAY, image_url="https://shahr.example/2.jpg", lead="شرح رویداد " * 12)
    assert chosen(make(one, other)) == [2, 1]


def test_of_equals_the_newest_comes_first_then_the_lower_number() -> None:
    old = [article(number, dated=END - 6 * DAY, views=5) for number in (4, 2)]
    assert chosen(make(*old)) == [2, 4]


# --- Events ----------------------------------------------------------------------------------------------------------
def test_the_same_title_in_other_letters_is_one_story() -> None:
    first = article(1, title="گشایش کتابخانه‌های تازه در یزد", views=10)
    again = article(30, title="گشايش كتابخانه هاي تازه در يزد", views=4_000)
    digest = make(first, again, article(3, views=200))
    assert sorted(chosen(digest)) == [3, 30]
    story = next(story for story in digest.stories if story.lead.id == 30)
    assert [it.id for it in story.also] == [1]


def test_a_series_is_one_story_although_its_ends_are_far_apart() -> None:
    digest = make(*(article(number, title="دمای هوای امروز شهر", dated=END - number * DAY) for number in range(1, 8)))
    assert chosen(digest) == [1]
    assert len(digest.stories[0].also) == 6


def test_one_title_far_apart_is_two_events_but_chosen_once() -> None:
    digest = make(
        article(1, title="برف سنگین در گردنه", lead="امروز گردنه بسته شد و رانندگان در راه ماندند"),
        article(2, title="برف سنگین در گردنه", lead="راه باز است و خودروها می‌گذرند", dated=END - 6 * DAY),
    )
    assert chosen(digest) == [1]
    assert not digest.stories[0].also
    assert why_not(digest) == {2: "same title as «برف سنگین در گردنه»"}


def test_a_rubric_is_not_an_event() -> None:
    one = article(1, title="نگاه هفته", lead="دربارهٔ شیوهٔ نگهداری از باغ‌های انار")
    other = article(2, title="نگاه هفته", lead="چرا کتابخانه‌ها شب‌ها باز می‌مانند")
    digest = make(one, other)
    assert chosen(digest) == [1]
    assert not digest.stories[0].also  # two different things, but a title is used only once
    alike = make(one, replace(other, lead=one.lead))
    assert [it.id for it in alike.stories[0].also] == [2]


def test_the_same_link_is_the_same_event() -> None:
    far = END - 6 * DAY
    digest = make(
        article(1, title="نگاه هفته", url="https://shahr.example/x"),
        article(2, title="نگاه هفته", url="http://shahr.example/x/#top", dated=far),
    )
    assert [it.id for it in digest.stories[0].also] == [2]


# --- Stories that are not chosen -----------------------------------------------------------------------------------
def test_every_refusal_has_its_reason() -> None:
    digest = make(
        article(1),
        article(2, banned=True),
        article(3, url=""),
        article(4, title="خبر"),
        article(5),
        article(6, url="javascript:alert(1)"),
        used=frozenset({5}),
    )
    assert chosen(digest) == [1]
    assert digest.considered == 1
    assert why_not(digest) == {
        2: "banned",
        3: "no address",
        4: "its title is too short",
        5: "already in an earlier issue",
        6: "its address is not a web page",
    }


def test_a_repetition_of_an_earlier_story_does_not_return_unless_an_editor_pins_it() -> None:
    told = article(5, title="برف سنگین در گردنه", dated=END - 8 * DAY, first_seen=END - 8 * DAY)
    again = article(6, title="برف سنگین در گردنه", dated=END - 6 * DAY)
    digest = make(told, again, used=frozenset({5}))
    assert not digest.stories
    assert why_not(digest) == {6: "already in an earlier issue"}
    pinned = make(told, replace(again, pinned=True), used=frozenset({5}))
    assert chosen(pinned) == [6]
    assert not pinned.stories[0].also


def test_at_most_ten_of_those_left_over_are_listed_best_first() -> None:
    digest = make(*(article(number) for number in range(1, 40)), rules=Rules(stories=5, max_day=1.0))
    assert chosen(digest) == [1, 2, 3, 4, 5]
    assert [each.story.lead.id for each in digest.not_chosen] == list(range(6, 16))
    assert digest.considered == 39


def test_a_full_section_lets_others_in() -> None:
    sport = [article(number, category="ورزش") for number in range(1, 11)]
    others = [article(number, category=RAW[1 + number % 4]) for number in range(20, 36)]
    digest = make(*sport, *others)
    assert len(digest.stories) == 12
    assert chosen(digest)[:5] == [1, 2, 3, 4, 20]
    assert why_not(digest)[5] == "section «ورزش» is full (4 of 12)"
    assert not any("other sections" in note for note in notes(digest))


def test_a_full_source_lets_others_in() -> None:
    mine = [article(number, category=RAW[number % 5]) for number in range(1, 13)]
    others = [article(number, category=RAW[number % 5], source="ruz.example") for number in range(20, 32)]
    digest = make(*mine, *others)
    sources = [story.lead.source for story in digest.stories]
    assert (sources.count("shahr.example"), sources.count("ruz.example")) == (6, 6)
    assert why_not(digest)[7] == "source shahr.example is full (6 of 12)"


def test_quotas_are_dropped_sections_first_when_places_stay_empty() -> None:
    sport = [article(number, category="ورزش") for number in range(1, 9)]
    digest = make(*sport, article(20, category="اقتصاد", source="ruz.example"))
    assert chosen(digest) == [1, 2, 3, 4, 5, 6, 7, 8, 20]
    assert [note for note in notes(digest) if "had too few" in note] == [
        "more stories of one section than its limit of 4: other sections had too few",
        "more stories of one source than its limit of 6: other sources had too few",
        "more stories of one day than its limit of 4: other days had too few",
    ]


def test_pins_come_first_and_are_never_refused() -> None:
    pins = [article(number, category="ورزش", pinned=True) for number in range(100, 106)]
    old = article(500, pinned=True, category="ورزش")  # three weeks old, but an editor wants it
    digest = make(*(article(number, category="اقتصاد") for number in range(1, 20)), *pins, old, rules=Rules(stories=6))
    assert chosen(digest) == [*range(100, 106), 500]
    assert "7 stories are pinned, more than the 6 of an issue" in notes(digest)


def test_a_pin_leads_its_event() -> None:
    quiet = article(3, title="برف سنگین در گردنه", views=1, pinned=True)
    loud = article(2, title="برف سنگین در گردنه", views=90_000)
    digest = make(quiet, loud, article(1, views=50))
    assert chosen(digest)[0] == 3
    assert [it.id for it in digest.stories[0].also] == [2]


# --- Late articles, sections -----------------------------------------------------------------------------------------
def test_an_article_seen_late_counts_a_little_less_and_never_in_a_first_issue() -> None:
    late = article(9, dated=END - 9 * DAY, first_seen=END - DAY)
    digest = build([late, article(1)], SPAN, Rules(), SECTIONS, used=frozenset())
    assert chosen(digest) == [1, 9]
    assert digest.stories[1].parts["late"] == -0.05
    first = build([late, article(1)], SPAN, Rules(), SECTIONS, used=frozenset(), allow_late=False)
    assert chosen(first) == [1]
    assert first.considered == 1


@pytest.mark.parametrize(
    ("category", "section"),
    [
        ("سیاسی", "سیاست"),
        ("سياسي", "سیاست"),
        ("فرهنگ  و هنر", "فرهنگ"),
        ("اجتماع > اقتصاد", "اقتصاد"),
        ("ورزش / فوتبال", "ورزش"),
        ("ورزش»اقتصاد", "اقتصاد"),
        ("گوناگون", OTHER_NEWS),
        ("", OTHER_NEWS),
    ],
)
def test_sections(category: str, section: str) -> None:
    assert make(article(1, category=category)).stories[0].section == section


def test_without_sections_nothing_is_balanced_and_a_note_says_so() -> None:
    digest = build([article(number) for number in range(1, 9)], SPAN, Rules(), {}, used=frozenset())
    assert len(digest.stories) == 8
    assert "no sections are configured, so stories are not balanced between sections" in notes(digest)


def test_an_empty_week_is_an_empty_digest() -> None:
    digest = make()
    assert (digest.stories, digest.not_chosen, digest.considered, digest.notes) == ((), (), 0, ())


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pw@shahr.example/1",
        "https://shahr..example/1",
        "https:///1",
        "https://shahr.example:port/1",
        "https://shahr.example/" + "x" * 1500,
        "https://shahr.example/" + "خ" * 300,
    ],
)
def test_an_address_that_the_mail_would_not_write_is_never_chosen(url: str) -> None:
    assert web_address(url) == ""
    digest = make(article(1, url=url), article(2), rules=Rules(stories=2, min_stories=1))
    assert chosen(digest) == [2]
    assert why_not(digest) == {1: "its address cannot be linked in a mail"}


@pytest.mark.parametrize(
    "url",
    ["https://[::1]:8080/1", "https://خبر.example/نگاه?x=1#y", "HTTP://Shahr_1.example./%41", "http://127.0.0.1/1"],
)
def test_an_address_that_the_mail_writes_can_be_chosen(url: str) -> None:
    assert web_address(url)
    assert chosen(make(article(1, url=url), rules=Rules(stories=2, min_stories=1))) == [1]
