from dataclasses import replace
from datetime import date

import mail_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.mail import bidi, view
from mailer.mail.header_encoding import encode, sanitise
from mailer.model import Edits
from mailer.settings import Newsletter
from mailer.text import headlines

ANY = st.text(st.characters(), max_size=200)


def test_the_subject_carries_the_first_news() -> None:
    long = f"شورای شهر شیراز با ساخت سه بوستان تازه موافقت کرد | {'بودجه ' * 9}دو برابر می‌شود"
    assert view.subject([samples.story(2), samples.story(1, title=long)]) == long.split(" | ")[0]
    assert view.subject([samples.story(title="Pars Robot ربات آزمود")]) == "\u200fPars Robot ربات آزمود"
    assert view.subject([samples.story(title="گفت: «می‌رویم»")]) == "گفت: «می‌رویم»\u200f"


@settings(max_examples=200, deadline=None)
@given(ANY)
def test_any_title_gives_a_short_subject_that_encodes(title: str) -> None:
    subject = view.subject([samples.story(title=title)])
    own = subject.strip("\u200f")
    assert len(own) <= headlines.LONGEST_SUBJECT
    assert sanitise(subject) == subject
    assert subject == bidi.subject(own)
    encode("Subject", subject)


def test_the_headline_is_the_uncut_title_or_the_editors_subject() -> None:
    long = "شورای شهر با سه بوستان موافقت کرد؛ " + "بودجه " * 9 + "دو برابر می‌شود"
    sample = samples.issue((samples.story(title=long),))
    values = samples.values(replace(sample, subject=view.subject(sample.stories)))
    assert (values["subject"], values["headline"]) == ("شورای شهر با سه بوستان موافقت کرد", long)
    edited = replace(sample, subject="هفتهٔ بوستان‌ها", edits=Edits(subject="هفتهٔ بوستان‌ها"))
    assert view.headline(edited) == "هفتهٔ بوستان‌ها"


def test_no_story_no_subject() -> None:
    assert view.subject([]) == ""


def test_greetings_read_well_with_and_without_a_name() -> None:
    assert view.greeting("") == view.greeting(" \u202e\x02 ") == "سلام"
    assert view.greeting("نرگس\r\n") == "سلام نرگس عزیز"
    assert len(view.greeting("ن" * 500)) < 80


def test_sections_keep_the_order_of_the_newsletter_and_the_rest_comes_last() -> None:
    values = samples.values()
    sections = values["sections"]
    assert isinstance(sections, list)
    assert [section["name"] for section in sections] == ["سیاست", "اقتصاد", "فناوری", "ورزش", "دیگر خبرها"]
    hero = values["hero"]
    assert isinstance(hero, dict)
    titles = [hero["title"], *(story["title"] for section in sections for story in section["stories"])]
    assert sorted(titles) == sorted(story.title for story in samples.issue().stories)
    assert hero["title"] == samples.TITLES[0][1]


def test_stories_are_cut_to_size_and_links_checked() -> None:
    long = samples.story(
        lead=" ".join(["واژه"] * 80),
        url="javascript:alert(1)",
        image_url="data:image/png;base64,AA",
        also=(
            (7, "javascript:x", "بد"),
            (8, "https://iran.example/8", "خوب"),
            (9, "https://iran.example/9", "ن" * 300),
        ),
    )
    hero = samples.values(samples.issue((long,)))["hero"]
    assert isinstance(hero, dict)
    assert hero["lead"] == " ".join(["واژه"] * view.LEAD_WORDS) + "…"
    assert hero["url"] == hero["image"] == ""
    assert hero["alt"] == "عکس خبر"
    assert [other["url"] for other in hero["also"]] == ["https://iran.example/8", "https://iran.example/9"]
    assert len(hero["also"][1]["title"]) == 90


TITLE = "شورای شهر با سه بوستان موافقت کرد"


@pytest.mark.parametrize(
    ("lead", "shown"),
    [
        (TITLE, ""),
        (f"{TITLE}.", ""),
        ("شورای شهر با سه بوستان…", ""),
        (f"{TITLE} و رفت.", ""),
        (f"{TITLE}. بودجهٔ آن‌ها دو برابر سال گذشته خواهد بود.", "بودجهٔ آن‌ها دو برابر سال گذشته خواهد بود."),
        ("بودجه: https://iran.example/a?b=1 دو برابر شد", "بودجه دو برابر شد"),
        ("https://iran.example/a", ""),
        ("١٣ بوستان و 15 پل با Gemini 3", "۱۳ بوستان و ۱۵ پل با Gemini 3"),
    ],
)
def test_leads_add_to_the_title(lead: str, shown: str) -> None:
    hero = samples.values(samples.issue((samples.story(title=TITLE, lead=lead),)))["hero"]
    assert isinstance(hero, dict)
    assert hero["lead"] == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("", "عکس خبر"),
        ("شورای شهر با سه بوستان موافقت کرد", "عکس خبر"),
        ("عکس: شورای شهر با سه بوستان موافقت کرد", "عکس خبر"),
        ("شورای شهر با سه بوستان", "عکس خبر"),
        ("شهردار شیراز", "شهردار شیراز"),
        ("شورای شهر", "شورای شهر"),
    ],
)
def test_an_alt_text_never_repeats_the_title(given: str, shown: str) -> None:
    story = samples.story(title="شورای شهر با سه بوستان موافقت کرد", image_alt=given)
    hero = samples.values(samples.issue((story,)))["hero"]
    assert isinstance(hero, dict)
    assert hero["alt"] == shown


def test_numbers_and_dates_are_persian() -> None:
    values = samples.values()
    assert values["number"] == "۴۷"
    assert values["date"] == "دوشنبه ۲ آذر ۱۴۰۵"
    assert "۱۲ خبر" in str(values["intro"])
    assert samples.values(samples.issue(number=None))["number"] == ""
    gregorian = samples.values(newsletter=Newsletter(calendar="gregorian"))
    assert gregorian["date"] == "دوشنبه ۲۳ نوامبر ۲۰۲۶"


def test_an_editors_words_are_kept() -> None:
    words = "این هفته از بوستان‌های تازه، زعفران و رصدخانه‌ای در دل کویر می‌گوییم."
    values = samples.values(samples.issue(intro="سلام دوباره", subject="هفتهٔ بوستان‌ها", preheader=words))
    assert (values["intro"], values["subject"], values["preheader"]) == ("سلام دوباره", "هفتهٔ بوستان‌ها", words)


def test_the_preheader_is_made_of_the_second_to_fourth_stories() -> None:
    preheader = view.preheader(samples.issue(), samples.NEWSLETTER)
    assert samples.TITLES[1][1] in preheader
    assert samples.TITLES[2][1] in preheader
    assert samples.TITLES[0][1] not in preheader
    assert 90 <= len(preheader) <= 130


def test_the_preheader_shows_no_claim_without_its_denial() -> None:
    claim = "وزیر نفت از سمت خود استعفا داد و جانشین او در نشست فردای مجلس معرفی و برنامهٔ او بررسی می‌شود"
    title = f"{claim}؛ وزارت نفت: این خبر دروغ است و هیچ تصمیمی در این باره گرفته نشده است"
    only = (samples.story(1), samples.story(2, title=title))
    assert "استعفا" not in view.preheader(samples.issue(only), samples.NEWSLETTER)
    only = (samples.story(1), samples.story(2, title=claim.replace("و جانشین", "زیرا جانشین") * 2))
    assert "استعفا" in view.preheader(samples.issue(only), samples.NEWSLETTER), "without a denial, it may be cut"


def test_the_preheader_takes_whole_clauses() -> None:
    """A cut clause could have lost its negation."""
    long = "وزیر نیرو گفت که در تابستان امسال برق هیچ کارخانه‌ای در هیچ ساعتی از شبانه‌روز و در هیچ استانی قطع نمی‌شود"
    stories = [samples.story(1), samples.story(2, title=long), samples.story(3)]
    preheader = view.preheader(samples.issue(tuple(stories)), samples.NEWSLETTER)
    assert preheader.startswith(long)
    stories = [samples.story(1), samples.story(2), samples.story(3, title=long), samples.story(4), samples.story(5)]
    preheader = view.preheader(samples.issue(tuple(stories)), samples.NEWSLETTER)
    assert long[:9] not in preheader
    assert "…" not in preheader
    only = (samples.story(1), samples.story(2, title=long * 2))
    assert "…" in view.preheader(samples.issue(only), Newsletter(name="ن" * 90, title="ن" * 90))


@settings(max_examples=200, deadline=None)
@given(st.lists(ANY, max_size=6), ANY, st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_any_preheader_has_its_length(titles: list[str], own: str, day: date) -> None:
    stories = tuple(samples.story(n, title=title) for n, title in enumerate(titles, start=1))
    preheader = view.preheader(samples.issue(stories, preheader=own, day=day), samples.NEWSLETTER)
    assert view.PREHEADER_LEAST <= len(preheader) <= view.PREHEADER_MOST


@settings(max_examples=100, deadline=None)
@given(ANY, ANY, ANY)
def test_no_value_contains_an_unknown_placeholder(title: str, lead: str, name: str) -> None:
    hostile = "\x02unsubscribe_url\x03"
    stories = tuple(samples.story(n, title=hostile + title, lead=lead + hostile, section=hostile) for n in (1, 2))
    newsletter = Newsletter(postal_address=samples.NEWSLETTER.postal_address)
    values = samples.values(samples.issue(stories, intro=hostile, subject=hostile + name), newsletter)
    own = {"greeting": values.pop("greeting"), "unsubscribe_url": values.pop("unsubscribe_url")}
    assert own == {"greeting": "\x02greeting\x03", "unsubscribe_url": "\x02unsubscribe_url\x03"}
    assert "\\x02" not in repr(values)
    assert "\\x03" not in repr(values)


def test_a_picture_from_another_host_is_left_out() -> None:
    """The host of a picture sees every reader who opens the mail."""
    tracked = [samples.story(n, image_url="https://tracker.example/pixel.gif") for n in (1, 2)]
    values = samples.values(samples.issue(tuple(tracked)))
    hero, sections = values["hero"], values["sections"]
    assert isinstance(hero, dict)
    assert isinstance(sections, list)
    assert (hero["image"], sections[0]["stories"][0]["image"], sections[0]["stories"][0]["card"]) == ("", "", False)


@pytest.mark.parametrize(("base_url", "shown"), [("http://127.0.0.1:8025", True), ("http://iran.example", False)])
def test_pictures_without_tls_are_only_for_loopback(base_url: str, shown: bool) -> None:
    own = samples.story(1, image_url=f"{base_url}/media/images/a.jpg")
    hero = samples.values(samples.issue((own,)), Newsletter(base_url=base_url))["hero"]
    assert isinstance(hero, dict)
    assert bool(hero["image"]) is shown
