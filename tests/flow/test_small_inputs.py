"""Small inputs that earlier versions read wrongly. They are not part of this project: they lie in the folder `cases`
beside the folder that KHABARNAMEH_DATA names."""

import os
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from admin import Answer, call

from mailer.model import FoundArticle
from mailer.sources.identity import identify
from mailer.sources.read import read

TEHRAN = ZoneInfo("Asia/Tehran")

# The exit code and the number of people with each status.
LISTS = {
    "cutbyte.csv": (0, {"active": 201}),
    "ghost.csv": (0, {"active": 1, "unsubscribed": 2}),
    "latin.csv": (0, {"active": 2}),
    "mailpoet2.csv": (0, {"active": 1, "unsubscribed": 1}),
    "mc_unsub.csv": (0, {"unsubscribed": 1}),
    "open.csv": (5, {"active": 50}),
    "open2.csv": (5, {"active": 154}),
    "phplist.csv": (0, {"active": 1, "pending": 1, "unsubscribed": 1}),
    "sep.csv": (0, {"active": 2}),
    "status.csv": (0, {"active": 1, "pending": 4, "unsubscribed": 7, "bounced": 2, "complained": 1}),
    "tnp.csv": (0, {"active": 1, "pending": 1, "unsubscribed": 1}),
}


@pytest.fixture(scope="module")
def cases() -> Path:
    folder = Path(os.environ.get("KHABARNAMEH_DATA", "")).parent / "cases"
    if "KHABARNAMEH_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("KHABARNAMEH_DATA is not set, or has no folder `cases` beside it")
    return folder


def imported(file: Path, folder: Path) -> tuple[Answer, list[dict[str, str]]]:
    config = str(folder / "config.toml")
    assert call("init", str(folder)).code == 0
    answer = call("--config", config, "subscribers", "import", str(file), "--json")
    listed = call("--config", config, "subscribers", "list", "--limit", "1000", "--json").json
    return answer, listed["subscribers"] if isinstance(listed, dict) else listed


@pytest.mark.parametrize("name", LISTS)
def test_a_list(name: str, cases: Path, tmp_path: Path) -> None:
    code, statuses = LISTS[name]
    answer, people = imported(cases / "lists" / name, tmp_path)
    assert answer.code == code
    assert Counter(each["status"] for each in people) == statuses
    if name == "cutbyte.csv":
        assert answer.json["encoding"] == "utf-8"
        assert sum(each["name"].startswith("رضا کریمی") for each in people) == 200
    if name == "latin.csv":
        assert sorted(each["name"] for each in people) == ["José Müller", "Ñandú œuvre"]


def articles(cases: Path, name: str, charset: str = "") -> list[FoundArticle]:
    file = cases / "feeds" / name
    return list(read(file.name, file.read_bytes(), zone=TEHRAN, charset=charset).articles)


@pytest.mark.parametrize("name", ["sameguid.xml", "zeroguid.xml", "t_guidfrag.xml", "sectionid.xml"])
def test_a_feed_whose_guids_say_nothing(name: str, cases: Path) -> None:
    assert len({identify(each).identity for each in articles(cases, name)}) == 3


@pytest.mark.parametrize(("name", "charset"), [("cs-header.xml", "windows-1256"), ("t_wdecl.xml", "")])
def test_a_feed_in_another_encoding(name: str, charset: str, cases: Path) -> None:
    assert "عنوان" in articles(cases, name, charset)[0].title


# Words that the text of the first items must contain, and words that no item may contain.
TEXTS = {
    "glue.xml": (["پاراگراف اول. پاراگراف دوم", "خلاصه متن خبر است سطر بعد الف ب"], []),
    "feed.json": (["x < 10 و y > 3 باشد <video>", "الف. ب"], []),
    "shortcodes.xml": (["متن اصلی خبر", "متن اصلی خبر دیوی", "متن اصلی خبر سوم"], ["["]),
    "more.xml": (["متن کوتاه خبر", "متن کوتاه خبر دوم", "متن کوتاه", "متن خبر"], ["ادامه", "Continue", "بیشتر"]),
    "mediatitle.xml": (["عنوان خبر چکیده", "چکیده دو"], []),
    "ent.xml": (["آموزش تگ <video> در HTML5", "R&D و AT&T؛ رشد ۵ < ۱۰", "قیمت <b>", "اپل & گوگل"], []),
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_texts_of_a_feed(name: str, cases: Path) -> None:
    wanted, unwanted = TEXTS[name]
    texts = [f"{each.title} {each.lead}" for each in articles(cases, name)]
    assert [words in text for words, text in zip(wanted, texts, strict=False)] == [True] * len(wanted), texts
    assert [words for words in unwanted for each in articles(cases, name) if words in each.lead] == []


def test_the_links_of_a_feed(cases: Path) -> None:
    assert any("&lang=" in each.url for each in articles(cases, "amp.xml"))
    assert [each.url for each in articles(cases, "feedburner.xml")] == ["https://news.example/real/1"]
    by_title = {each.title: each.url for each in articles(cases, "links.xml")}
    ordinals = ("یک", "سه", "چهار", "هفت", "هشت", "ده", "یازده", "دوازده", "سیزده", "چهارده", "هجده")
    numbers = [by_title[each].rpartition("/")[2] for each in ordinals]
    assert numbers == ["1", "3", "4", "7", "8", "10", "11", "12", "13", "", ""]


def test_protected_posts_are_closed(cases: Path) -> None:
    assert [each.closed for each in articles(cases, "protected.xml")] == [True, True]
