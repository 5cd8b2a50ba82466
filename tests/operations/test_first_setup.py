"""The settings that are proposed for a site, by what was found there."""

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from mailer.config.reference import config_toml
from mailer.operations import first_setup
from mailer.sources.site import Offer, Site

FEED = Offer("feed", "https://tabesh.example/rss", articles=50, dated=50, recent=40)
SITEMAP = Offer("sitemap", "https://tabesh.example/", articles=90, recent=90)
WORDPRESS = Offer("wordpress", "https://tabesh.example", articles=300, dated=300, recent=80, on_front=20)
SITE = Site("https://tabesh.example/", {"name": "تابش", "language": "fa"}, (FEED,), links=30)


def chosen(site: Site, name: str) -> Any:
    values = {".".join(map(str, place)): value for place, value in first_setup.propose(site).values.items()}
    return values.get(name)


@pytest.mark.parametrize(
    ("offers", "kinds"),
    [
        ((FEED, SITEMAP, WORDPRESS), ["wordpress", "front"]),
        ((FEED, SITEMAP), ["feed"]),
        ((SITEMAP,), ["sitemap", "front"]),
        ((replace(FEED, recent=1), SITEMAP), ["sitemap", "front"]),
        ((replace(FEED, articles=0), replace(SITEMAP, problem="the server answered 404.")), None),
        ((replace(FEED, recent=10), replace(FEED, address="https://tabesh.example/all", recent=30)), ["feed"]),
        ((), None),
    ],
)
def test_the_source_that_says_most_is_chosen(offers: tuple[Offer, ...], kinds: list[str] | None) -> None:
    found = chosen(replace(SITE, offers=offers), "articles.feeds")
    assert (found and [each["kind"] for each in found]) == kinds
    proposal = first_setup.propose(replace(SITE, offers=offers))
    assert len(proposal.passed_over) == len(offers) - bool(kinds)
    assert proposal.to_fill[0].startswith("[[articles.feeds]]") == (kinds is None)


def test_a_list_of_the_most_read_is_used_besides_a_source_of_articles() -> None:
    listed = Offer("most_read", "https://tabesh.example/", articles=10)
    proposal = first_setup.propose(replace(SITE, most_read=listed))
    feeds = proposal.values["articles", "feeds"]
    assert [each["kind"] for each in feeds] == ["feed", "most_read"]
    assert feeds[1]["url"] == "https://tabesh.example/"
    assert "the site's own list of its most read articles (10 links)" in "\n".join(first_setup.lines(proposal))
    assert not any("most_read" in each for each in proposal.to_fill)
    without = first_setup.propose(SITE)
    assert "no list of the most read articles was found" in without.to_fill[-1]
    alone = first_setup.propose(replace(SITE, offers=(), most_read=listed))
    assert ("articles", "feeds") not in alone.values


@pytest.mark.parametrize(
    ("about", "titles", "locale", "zone"),
    [
        ({"language": "fa"}, "", "fa", "Asia/Tehran"),
        ({"language": "ar"}, "افتتاح الجسر الجديد في العاصمة اليوم", "ar", "UTC"),
        ({"language": "en"}, "پل تازهٔ سپیدرود پس از چهار سال گشوده شد", "fa", "Asia/Tehran"),
        ({}, "النفط في الأسواق العالمية يتراجع مجدداً", "ar", "UTC"),
        ({"language": "ar", "timezone": "Asia/Baghdad"}, "", "ar", "Asia/Baghdad"),
        ({"language": "fa", "timezone": "Nowhere/City"}, "", "fa", "Asia/Tehran"),
        ({"language": "he"}, "הגשר החדש נפתח היום לתנועה", "he", "UTC"),
        ({"language": "iw"}, "", "he", "UTC"),
        ({"language": "ur"}, "نئے پل کا افتتاح آج وزیر اعظم نے کیا", "ur", "UTC"),
        ({"language": "ckb"}, "پردە نوێیەکەی شاری هەولێر ئەمڕۆ کرایەوە", "ckb", "UTC"),
        ({"language": "ku"}, "", "ckb", "UTC"),
        ({}, "سازمان «ڕووداو» خبر داد که پل تازهٔ سپیدرود پس از چهار سال گشوده شد", "fa", "Asia/Tehran"),
        ({"language": "fa"}, "پردە نوێیەکەی شاری هەولێر ئەمڕۆ کرایەوە", "ckb", "UTC"),
        ({"language": "de"}, "", None, None),
        ({}, "", None, None),
    ],
)
def test_language_and_zone(about: dict[str, str], titles: str, locale: str | None, zone: str | None) -> None:
    site = replace(SITE, about=about, offers=(replace(FEED, titles=(titles,)),))
    assert (chosen(site, "newsletter.locale"), chosen(site, "newsletter.timezone")) == (locale, zone)
    if locale is None:
        assert any("does not say its language" in each for each in first_setup.propose(site).to_fill)


@pytest.mark.parametrize(
    ("written", "colour"),
    [
        *[
            ("#0F5F4B", "#0f5f4b"),
            ("0a5", "#00aa55"),
            ("rgb(15, 95, 75)", "#0f5f4b"),
            ("rgba(15 95 75 / 1)", "#0f5f4b"),
        ],
        *[("rgb(300,0,0)", ""), ("red", ""), ("", ""), ("#12345", ""), ("var(--x)", "")],
    ],
)
def test_colours(written: str, colour: str) -> None:
    assert first_setup.hex_colour(written) == colour


@pytest.mark.parametrize(
    ("logo", "wanted"),
    [
        ("https://tabesh.example/logo.png?v=2", "https://tabesh.example/logo.png"),
        ("https://tabesh.example/logo.svg", None),
        ("https://tabesh.example/logo", None),
        ("", None),
    ],
)
def test_only_a_logo_that_mail_programs_show_is_taken(logo: str, wanted: str | None) -> None:
    assert chosen(replace(SITE, about={"logo": logo, "colour": "#ffffff"}), "theme.logo") == wanted


def test_a_name_that_is_a_sentence_is_not_taken() -> None:
    site = replace(SITE, about={"name": "تابش " * 30})
    assert chosen(site, "newsletter.name") is None
    assert first_setup.propose(site).to_fill[0] == "newsletter.name: the site does not say its name"


def test_the_settings_file_has_the_values_in_their_places() -> None:
    values = first_setup.propose(replace(SITE, offers=(WORDPRESS,))).values
    values["newsletter", "sections"] = {'گزارش "ویژه"': "سیاست"}
    written = tomllib.loads(config_toml(values))
    assert written["newsletter"]["name"] == "تابش"
    assert written["newsletter"]["sections"] == {'گزارش "ویژه"': "سیاست"}
    assert [feed["kind"] for feed in written["articles"]["feeds"]] == ["wordpress", "front"]
    assert written["articles"]["check_links"] is True


def test_sections_are_those_whose_words_the_categories_have() -> None:
    counts = {
        "سياست خارجی": 5,
        "بین الملل": 4,
        "علمی و دانشگاهی": 3,
        "گردشگری": 2,
        "اقتصاد جهان": 1,
        "شهرستان ها": 1,
        "دسته‌بندی نشده": 9,
        "": 7,
    }
    found = first_setup.sections(counts, "fa")
    assert list(found.mapped.items()) == [
        ("سياست خارجی", "سیاست"),
        ("بین الملل", "جهان"),
        ("اقتصاد جهان", "اقتصاد"),
        ("علمی و دانشگاهی", "علم و فناوری"),
        ("شهرستان ها", "استان‌ها"),
    ]
    assert found.unmapped == {"گردشگری": 2, "دسته‌بندی نشده": 9}
    assert first_setup.sections({"World news": 1, "Sports": 1, "Sponsored": 1}, "en").mapped == {
        "World news": "World",
        "Sports": "Sport",
    }
    assert first_setup.sections({"السياسة الدولية": 1}, "ar").mapped == {"السياسة الدولية": "سياسة"}
