"""Cases that mislead a choice by similarity and readers: series, rubrics, paraphrases, templates, age, repeats."""

import random
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from choice_data import DAY, END, HOUR, a_week_with_an_event, article
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.choice.build import build
from mailer.choice.events import Events, group
from mailer.choice.growth import CAUTIOUS, KNOTS, Growth, learn
from mailer.choice.time_span import for_issue
from mailer.model import Article, Digest
from mailer.reasons import ReasonCode, english
from mailer.settings import Digest as Rules
from mailer.text.search_key import key

SPAN = for_issue(end=END, previous_end=END - 7 * DAY)


def make(
    *articles: Article,
    used: frozenset[int] = frozenset(),
    led: frozenset[int] = frozenset(),
    rules: Rules | None = None,
    growth: Growth = CAUTIOUS,
) -> Digest:
    return build(articles, SPAN, rules or Rules(), {}, used=used, led=led, growth=growth)


def chosen(digest: Digest) -> list[int]:
    return [story.lead.id for story in digest.stories]


def grouped(*articles: Article) -> Events:
    return group(articles, {it.id: key(it.title) for it in articles}, UTC)


def sizes(events: Events) -> list[int]:
    return sorted(len(event.members) for event in events.events)


def dollar(day: int, **changes: object) -> Article:
    return article(
        day,
        f"قیمت دلار امروز {day + 3} آذر",
        END - (5 - day) * DAY,
        lead=f"دلار در بازار آزاد امروز با {day * 137} تومان دگرگونی داد و ستد شد.",
        **changes,
    )


PARAPHRASES = [
    ("زمین‌لرزهٔ ۵٫۲ ریشتری بندر خمیر را لرزاند", "زمین‌لرزه‌ای به بزرگی ۵٫۲ ریشتر بندر خمیر در هرمزگان را لرزاند."),
    ("زلزلهٔ ۵٫۲ ریشتری در بندر خمیر", "بامداد امروز زلزله‌ای به بزرگی ۵٫۲ بندر خمیر در استان هرمزگان را لرزاند."),
    ("بندر خمیر لرزید؛ زلزله به بزرگی ۵٫۲", "زلزلهٔ بندر خمیر هرمزگان ۵٫۲ ریشتر بزرگی داشت."),
    ("خسارت زلزلهٔ بندر خمیر در دست بررسی است", "استاندار هرمزگان: خسارت زلزلهٔ ۵٫۲ ریشتری بندر خمیر بررسی می‌شود."),
    ("جزئیات زمین‌لرزهٔ بامداد در بندر خمیر", "زمین‌لرزهٔ ۵٫۲ ریشتری بامداد امروز بندر خمیر هرمزگان خسارت جانی نداشت."),
    (
        "زلزلهٔ هرمزگان؛ بندر خمیر با ۵٫۲ ریشتر لرزید",
        "زلزله‌ای ۵٫۲ ریشتری بامداد بندر خمیر را لرزاند و مردم بیرون آمدند.",
    ),
]
OTHERS = [
    ("تیم ملی شطرنج به مرحلهٔ پایانی رسید", "شطرنج‌بازان جوان در دور ششم از سد حریفان گذشتند."),
    ("رونمایی از دستنویس تازهٔ شاهنامه", "کتابخانهٔ مرکزی نسخه‌ای خطی از سدهٔ هشتم را به نمایش گذاشت."),
    ("نخستین برف پاییزی جادهٔ چالوس را بست", "پلیس راه از رانندگان خواست زنجیر چرخ همراه داشته باشند."),
    ("صادرات زعفران رکورد زد", "گمرک از رشد یک‌پنجمی فروش زعفران در نیمهٔ نخست سال خبر داد."),
    ("واکسن بومی آنفلوآنزا به داروخانه‌ها رسید", "سازمان غذا و دارو پخش سراسری واکسن را آغاز کرد."),
    ("جشنوارهٔ موسیقی نواحی در کرمان گشوده شد", "نوازندگان سی شهر پنج شب در باغ شاهزاده می‌نوازند."),
]


def paraphrases(first: int = 100) -> list[Article]:
    return [
        article(first + n, title, END - 2 * DAY + n * HOUR, lead=lead, source=f"outlet{n}.example")
        for n, (title, lead) in enumerate(PARAPHRASES)
    ]


def others(first: int = 200) -> list[Article]:
    return [article(first + n, title, END - (n + 1) * DAY, lead=lead) for n, (title, lead) in enumerate(OTHERS)]


def test_a_lead_that_stands_over_everything_makes_no_event() -> None:
    lead = "پایگاه خبری نمونه، تازه‌ترین خبرهای ایران و جهان را برای خوانندگان خود گزارش می‌کند؛ شمارهٔ {}"
    same = [article(n, title, END - (n + 1) * HOUR, lead=lead.format(n)) for n, (title, _) in enumerate(OTHERS)]
    assert sizes(grouped(*same)) == [1] * len(OTHERS)
    # Copies of an agency's words, by several outlets, are one event under whatever titles.
    copies = [replace(it, source=f"outlet{it.id}.example") for it in same]
    assert sizes(grouped(*copies)) == [len(OTHERS)]


# --- one event, one card ---------------------------------------------------------------------------------------------
def test_six_paraphrases_of_one_event_give_one_card() -> None:
    digest = make(*paraphrases(), *others())
    ours = [story for story in digest.stories if story.lead.id < 200]
    assert len(ours) == 1
    assert len(ours[0].also) == 5
    assert len(digest.stories) == 1 + len(OTHERS)


def test_a_daily_series_is_told_once_at_most_and_loses_to_a_real_burst() -> None:
    series = [dollar(day) for day in range(1, 5)]
    digest = make(*series, *paraphrases(), *others())
    order = chosen(digest)
    assert sum(number < 100 for number in order) <= 1
    assert 100 <= order[0] < 200, "the burst leads"
    prices = next(event for event in grouped(*series).events)
    assert (len(prices.members), prices.series) == (4, True)
    assert digest.stories[-1].parts["series"] < 0


def test_ten_items_titled_news_stay_ten() -> None:
    leads = [lead for _, lead in OTHERS] + [lead for _, lead in PARAPHRASES[:1]]
    leads += [
        "مزایدهٔ خودروهای فرسوده پس‌فردا برگزار می‌شود.",
        "نشست شاعران جوان به سال آینده ماند.",
        "آب تالاب انزلی بالا آمد.",
    ]
    items = [article(n, "خبر", END - n * HOUR, lead=lead) for n, lead in enumerate(leads, 1)]
    assert sizes(grouped(*items)) == [1] * 10
    digest = make(*items)
    assert len(digest.stories) == 10
    assert len(make(*items, *others()).stories) == 12
    assert all(number > 100 for number in chosen(make(*items, *others()))[:6]), "titles that say something come first"


def test_one_subject_a_template_makes_is_not_one_event() -> None:
    subjects = ["موزهٔ سفال", "پل خواجو", "رصدخانهٔ مراغه", "بازار وکیل", "باغ فین"]
    same_end = [article(n, f"{s} پس از بازسازی گشوده شد", END - n * HOUR) for n, s in enumerate(subjects, 1)]
    assert sizes(grouped(*same_end)) == [1] * 5
    numbered = [article(n, f"کارگاه شمارهٔ {n} داستان‌نویسی برگزار شد", END - n * HOUR) for n in range(1, 9)]
    assert sizes(grouped(*numbered)) == [1] * 8


def test_a_death_toll_that_grows_is_one_event() -> None:
    tolls = [
        article(n, f"شمار جان‌باختگان سیل به {toll} نفر رسید", END - n * HOUR, lead="سیل در سه استان جاری شد.")
        for n, toll in enumerate((12, 39, 140), 1)
    ]
    assert sizes(grouped(*tolls)) == [3]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_of_articles_changes_nothing(seed: int) -> None:
    articles = [*paraphrases(), *others(), *(dollar(day) for day in range(1, 5))]
    assert make(*random.Random(seed).sample(articles, len(articles))) == make(*articles)


@pytest.mark.parametrize("sources", [1, 4])
@pytest.mark.parametrize("told", [20, 100, 300])
def test_a_large_event_comes_first_as_one_story_or_two(told: int, sources: int) -> None:
    digest = make(*a_week_with_an_event(told, sources=sources))
    about = [number >= 1000 for number in chosen(digest)]
    assert about[0]
    assert sum(about) <= 2
    note = next(note for note in digest.notes if note.code is ReasonCode.LARGEST_TOPIC)
    assert note.args["stories"] == sum(about)
    assert note.args["sources"] == sources


def test_a_large_event_that_is_not_in_the_issue_is_reported() -> None:
    told = [replace(it, news_value=-2) for it in a_week_with_an_event(20) if it.id >= 1000]
    rest = [it for it in a_week_with_an_event(20) if it.id < 1000]
    digest = make(*told, *rest)
    assert not any(number >= 1000 for number in chosen(digest))
    assert any(note.code is ReasonCode.LARGEST_TOPIC_MISSING for note in digest.notes)


def test_a_gallery_leads_only_if_nothing_else_reports_the_event() -> None:
    told = paraphrases()
    middle = chosen(make(*told, *others()))[0]
    gallery = [replace(it, title=f"تصاویر {it.title}") if it.id == middle else it for it in told]
    assert chosen(make(*gallery, *others()))[0] not in (middle, 200)
    alone = next(it for it in gallery if it.id == middle)
    assert middle in chosen(make(alone, *others()))


def test_a_light_section_counts_less_by_its_setting() -> None:
    first = chosen(make(*others()))[0]
    plain = [replace(it, category="یادداشت و دیدگاه" if it.id == first else "شهر") for it in others()]
    assert chosen(make(*plain))[-1] == first
    assert chosen(make(*plain, rules=Rules(light_section=0)))[0] == first


def test_a_source_is_never_too_full_for_what_several_sources_report() -> None:
    best = replace(others()[0], id=300, source="outlet0.example", news_value=2)
    rest = [replace(it, source=f"outlet{n}.example") for n, it in enumerate(others()[1:], 1)]
    told = replace(paraphrases()[0], source="outlet0.example", news_value=1)
    again = replace(told, id=150, url="https://news.example/150", news_value=0)
    rules = Rules(stories=4, min_stories=1, max_source=0.25)
    alone = chosen(make(best, told, again, *rest, rules=rules))
    assert (best.id in alone, told.id in alone) == (True, False), "the source has a better story already"
    assert told.id in chosen(make(best, told, replace(again, source="outlet9.example"), *rest, rules=rules))


def test_an_event_in_every_third_article_is_still_one_event() -> None:
    """The words of a large event are frequent, but not on the days before it."""
    largest = max(grouped(*a_week_with_an_event(100)).events, key=lambda event: len(event.members))
    assert len([it for it in largest.members if it.id >= 1000]) >= 75
    assert len([it for it in largest.members if it.id < 1000]) <= 2


def test_a_series_that_comes_twice_a_day_is_a_series() -> None:
    counts = [
        article(n, f"شمار تازهٔ مبتلایان به {900 + 37 * n} نفر رسید", END - n * timedelta(hours=12), lead=f"آمار {n}")
        for n in range(1, 11)
    ]
    (event,) = grouped(*counts).events
    assert event.series


# --- age and readers -------------------------------------------------------------------------------------------------
def test_what_was_read_the_same_in_the_end_counts_the_same_whatever_its_age() -> None:
    slow = Growth(tuple(min(1.0, (hours / 168) ** 0.5) for hours in KNOTS))
    final = {n: 1000 + 37 * (n * 7919 % 60) for n in range(1, 57)}
    ages = {n: (n % 7) * 24 + 3 for n in final}
    made = [
        article(n, f"{OTHERS[n % 6][0]} {chr(1576 + n % 20) * 5} {chr(1580 + n // 3) * 4}", END - ages[n] * HOUR)
        for n in final
    ]
    made = [replace(it, views=round(final[it.id] * slow.at(ages[it.id]))) for it in made]
    rules = Rules(max_day=1.0)
    corrected = {ages[n] // 24 for n in chosen(make(*made, growth=slow, rules=rules))}
    raw = {ages[n] // 24 for n in chosen(make(*made, growth=Growth((1.0,) * len(KNOTS)), rules=rules))}
    assert len(corrected) >= 5
    assert len(corrected) > len(raw)


def test_a_growth_curve_is_learnt_from_snapshots_and_cautious_without() -> None:
    curve = [(float(hour), round(1000 * (1 - 0.5 ** (hour / 12)))) for hour in range(1, 120, 3)]
    learnt = learn([curve] * 40)
    assert 0.4 < learnt.at(12) < 0.6
    assert learnt.at(168) == 1.0
    assert list(learnt.shares) == sorted(learnt.shares)
    assert learn([curve] * 5) is CAUTIOUS
    late = [(100.0 + n % 50, 1000) for n in range(400)]
    assert learn([[each] for each in late]) is CAUTIOUS, "seen once, days later: that says nothing of its first hours"
    assert learn([curve[:10]] * 100) is CAUTIOUS, "a day says nothing about the whole life"
    assert CAUTIOUS.at(24) == 1.0


# --- what an editor or the newsroom says -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"title": "رپرتاژ آگهی: بهترین فرش ماشینی"}, "contains the banned word «رپرتاژ»"),
        ({"title": "رپرتاژ\u200cآگهی: بهترین فرش"}, "contains the banned word «رپرتاژآگهی»"),
        ({"title": "رپورتاژ\u200cآگهی: بهترین فرش"}, "contains the banned word «رپورتاژآگهی»"),
        ({"title": "رپرتاژ\u200cهای تازهٔ فرش ماشینی"}, "contains the banned word «رپرتاژ»"),
        ({"title": "رپرتاژهای تازهٔ فرش ماشینی"}, "contains the banned word «رپرتاژ»"),
        ({"category": "رپورتاژ"}, "contains the banned word «رپورتاژ»"),
        ({"tags": ("بازار", "محتوای تبلیغاتی")}, "contains the banned word «تبلیغاتی»"),
        ({"closed": True}, "not free to read"),
    ],
)
def test_paid_and_closed_articles_are_never_chosen(changes: dict[str, object], reason: str) -> None:
    digest = make(*others(), replace(article(1, "خانه‌های تازه در شیراز", END - HOUR), **changes))  # type: ignore[arg-type]
    assert 1 not in chosen(digest)
    assert {each.story.lead.id: english(each.reason) for each in digest.not_chosen}[1] == reason


def test_the_front_page_and_the_editors_judgement_count() -> None:
    plain = others()
    plain[3] = replace(plain[3], front_page=True)
    assert chosen(make(*plain))[0] == plain[3].id
    plain[5] = replace(plain[5], news_value=2)
    plain[3] = replace(plain[3], news_value=-2)
    assert chosen(make(*plain))[0] == plain[5].id


# --- across issues ---------------------------------------------------------------------------------------------------
def test_an_earlier_event_returns_only_with_news_and_is_marked() -> None:
    told, *later = paraphrases()
    told = replace(told, dated=END - 8 * DAY, first_seen=END - 8 * DAY)
    near = [replace(it, dated=END - 7 * DAY + n * HOUR) for n, it in enumerate(later)]
    # The same words again, five days later: nothing new.
    again = replace(told, id=150, identity="guid:150", url="https://news.example/150", dated=END - 3 * DAY)
    digest = make(told, again, *others(), used=frozenset({told.id}))
    assert not [n for n in chosen(digest) if n < 200]
    # Other words, after a day: it moved on.
    digest = make(told, *near, *others(), used=frozenset({told.id}))
    story = next(story for story in digest.stories if story.lead.id < 200)
    assert story.update
    assert not any(other.update for other in digest.stories if other is not story)


def test_no_issue_begins_with_the_event_that_an_earlier_one_began_with() -> None:
    told, *later = paraphrases()
    told = replace(told, dated=END - 8 * DAY, first_seen=END - 8 * DAY)
    near = [replace(it, dated=END - 7 * DAY + n * HOUR, front_page=True) for n, it in enumerate(later)]
    assert chosen(make(told, *near, *others(), used=frozenset({told.id})))[0] < 200
    digest = make(told, *near, *others(), used=frozenset({told.id}), led=frozenset({told.id}))
    assert chosen(digest)[0] >= 200
    assert any(story.update for story in digest.stories[1:])


def test_a_source_adds_at_most_one_to_the_coverage_however_much_it_publishes() -> None:
    loud = a_week_with_an_event(300, sources=4)
    quiet = [it for it in loud if it.id < 1000 or it.source != "outlet3.example"]
    without, with_it = grouped(*quiet).coverage, grouped(*loud).coverage
    for it in quiet:
        if it.id >= 1000:
            # The additional articles also change the similarities of the others, but hardly.
            assert without.of(it.id) < with_it.of(it.id) < without.of(it.id) + 1 / 4 + 0.01


def test_an_event_of_four_sources_is_covered_more_widely_than_one_that_a_source_repeats() -> None:
    told = a_week_with_an_event(24, sources=4)
    loud = [replace(it, source="outlet0.example") if it.id >= 1000 else it for it in told]
    numbers = [it.id for it in told if it.id >= 1000]
    of_all, of_one = (sum(map(grouped(*those).coverage.of, numbers)) for those in (told, loud))
    assert of_one < 0.6 * of_all


# --- the limit of a day ----------------------------------------------------------------------------------------------
def of_one_day(*, views: bool) -> list[Article]:
    """Eight good articles of one day, and eight worse ones of other days."""
    dice = random.Random(3)
    made = []
    for n in range(16):
        words = ["".join(dice.choices("ابتجدرسشکگلمنوهی", k=5)) for _ in range(12)]
        good = n < 8
        dated = END - DAY - n * timedelta(minutes=1) if good else END - (n - 6) * timedelta(hours=15)
        changes = {"views": 9000 - n if good else 10 + n} if views else {"news_value": 1 if good else 0}
        made.append(article(n, " ".join(words[:4]), dated, lead=" ".join(words[4:]), **changes))
    return made


@pytest.mark.parametrize(
    ("views", "max_day", "most"), [(True, None, 8), (True, 0.4, 3), (False, None, 3), (False, 0.25, 2), (False, 1, 8)]
)
def test_a_day_is_limited_unless_it_is_known_what_was_read(views: bool, max_day: float | None, most: int) -> None:
    digest = make(*of_one_day(views=views), rules=Rules(stories=8, min_stories=1, max_day=max_day, max_source=1))
    assert sum(number < 8 for number in chosen(digest)) == most
