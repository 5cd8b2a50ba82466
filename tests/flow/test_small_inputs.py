"""Small inputs that earlier versions read wrongly. They are not part of this project: they lie in the folder `cases`
beside the folder that KHABARNAMEH_DATA names. Every file of the folder must have its right value here."""

import os
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import make
import pytest
from admin import Answer, call
from pydantic import SecretStr

from mailer.articles import collect
from mailer.model import FoundArticle
from mailer.settings import ArticleDatabase
from mailer.sources.fetch import LARGEST
from mailer.sources.identity import identify
from mailer.sources.newsroom import DatabaseSource
from mailer.sources.read import read

TEHRAN = ZoneInfo("Asia/Tehran")
NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)

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


SHARED_GUIDS = ("sameguid.xml", "zeroguid.xml", "t_guidfrag.xml", "sectionid.xml")


@pytest.mark.parametrize("name", SHARED_GUIDS)
def test_a_feed_whose_guids_say_nothing(name: str, cases: Path) -> None:
    assert len({identify(each).identity for each in articles(cases, name)}) == 3


CHARSETS = {"cs-header.xml": "windows-1256", "t_wdecl.xml": ""}  # the encoding that the server names


@pytest.mark.parametrize("name", CHARSETS)
def test_a_feed_in_another_encoding(name: str, cases: Path) -> None:
    assert "عنوان" in articles(cases, name, CHARSETS[name])[0].title


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


SITE = "https://news.example/"
LINKS = {
    "amp.xml": [
        *(f"{SITE}?id=1&section=2", f"{SITE}?id=1&lang=fa&region=ir"),
        *(f"{SITE}?id=1&image=5&order=1&copy=2&T=3&current=4&times=5", f"{SITE}4", f"{SITE}?id=5&section=2&copy=1"),
    ],
    "feedburner.xml": [f"{SITE}real/1"],
    "links.xml": [
        *(f"{SITE}1", "https://www.news.example/2", f"{SITE}3", f"{SITE}4", f"{SITE}خبر/۱۲۳%20عنوان"),
        *(f"{SITE}6?a=1&b=2", f"{SITE}7", f"{SITE}8", f"{SITE}/9//x", "https://NEWS.example:443/10", f"{SITE}11"),
        *(f"{SITE}12", f"{SITE}13", "", f"{SITE}15", f"{SITE}16", f"{SITE}17", ""),
    ],
}


@pytest.mark.parametrize("name", LINKS)
def test_the_links_of_a_feed(name: str, cases: Path) -> None:
    assert [each.url for each in articles(cases, name)] == LINKS[name]


CLOSED = {"protected.xml": [True, True]}


@pytest.mark.parametrize("name", CLOSED)
def test_protected_posts_are_closed(name: str, cases: Path) -> None:
    assert [each.closed for each in articles(cases, name)] == CLOSED[name]


# Values that differ from those of the other pages. All pages have the same title and text.
PAGES: dict[str, dict[str, str | bool]] = {
    "base.html": {"url": f"{SITE}fa/news/1", "image_url": f"{SITE}fa/img/a.jpg"},
    "h1logo.html": {},
    "hidden.html": {},
    "ldcdata.html": {"published": "2026-11-27T10:00+03:30", "closed": True, "image_url": f"{SITE}i.jpg"},
    "lditemlist.html": {"published": "2026-11-27T10:00+03:30"},
    "ldtrail.html": {"published": "2026-11-27T10:00+03:30"},
    "time.html": {"published": "2026-11-27T10:00+03:30"},
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page(name: str, cases: Path) -> None:
    file, address = cases / "pages" / name, f"{SITE}fa/this"
    (page,) = read(name, file.read_bytes(), zone=TEHRAN, page_at=address).articles
    wanted: dict[str, str | bool | None] = {
        "url": address,
        "image_url": "",
        "closed": None,
        "published": "",
        **PAGES[name],
    }
    date = datetime.fromisoformat(str(wanted["published"])) if wanted["published"] else None
    assert page.title == "تیتر اصلی خبر امروز"
    assert page.lead.startswith("پاراگراف نخست خبر")
    assert page.body.startswith("پاراگراف دوم خبر")
    assert "پنهان" not in page.lead + page.body
    assert (page.url, page.image_url, page.closed) == (wanted["url"], wanted["image_url"], wanted["closed"])
    assert page.published == date


# For each record, its views and its date in Tehran.
RECORDS: dict[str, list[tuple[int | None, str]]] = {
    "t.csv": [
        *((12_000, "2026-11-27T10:00"), (1234, "2026-11-27T10:00"), (1234, "2026-11-27T10:00")),
        *((None, "2026-11-27T00:00"), (None, "2026-11-27T10:00"), (None, "2026-11-27T10:00")),
    ],
    "t.jsonl": [
        *((1234, "2026-11-27T14:00"), (1234, "2026-11-27T10:00"), (1234, "2026-11-27T10:00")),
        *((None, "2026-11-27T10:00"),) * 6,
    ],
}


@pytest.mark.parametrize("name", RECORDS)
def test_records_with_odd_fields(name: str, cases: Path) -> None:
    found = read(name, (cases / "records" / name).read_bytes(), zone=TEHRAN, now=NOW)
    assert [(each.views, in_tehran(each.published)) for each in found.articles] == RECORDS[name]
    assert [each.url.partition("?")[0] for each in found.articles] == [
        f"{SITE}{number}" for number in range(1, len(RECORDS[name]) + 1)
    ]
    assert len(found.notes) == 1
    assert "1 values of views are not understood" in found.notes[0]
    if name == "t.jsonl":
        assert (found.articles[5].tags, found.articles[6].category) == (("a", "b"), "اقتصاد")
        assert found.articles[8].title.startswith("نه: 5 < 10 and")


def in_tehran(moment: datetime | None) -> str:
    return moment.astimezone(TEHRAN).isoformat(timespec="minutes")[:16] if moment else ""


# For each table of each database, the dates in Tehran, in the order of the ids.
NEWEST = datetime(2026, 10, 29, 23, 30, tzinfo=TEHRAN)
DATABASES = {
    "cms.db": {
        "node": [in_tehran(NEWEST - timedelta(days=30 * number)) for number in range(30)],
        "node2": [
            *("2026-11-28T10:00", "2026-11-27T10:00", "2026-11-28T00:00", "2026-11-27T00:00", "2026-11-27T21:00"),
            *("2025-11-27T10:00", "", "2026-11-27T10:00", "2026-11-27T10:00", "2026-11-28T00:00"),
        ],
    }
}


@pytest.mark.parametrize(("name", "table"), [(name, table) for name, tables in DATABASES.items() for table in tables])
def test_the_dates_of_a_newsroom_database(name: str, table: str, cases: Path, tmp_path: Path) -> None:
    shutil.copyfile(cases / "records" / name, tmp_path / name)
    url = f"sqlite:///{tmp_path / name}"
    source = DatabaseSource(ArticleDatabase(url=SecretStr(url), table=table), url, TEHRAN, now=lambda: NOW)
    found = source.gather("", "").articles
    in_order = sorted(found, key=lambda each: int(each.url.rpartition("/")[2]))
    assert [in_tehran(each.published) for each in in_order] == DATABASES[name][table]
    undated = sum(not each for each in DATABASES[name][table])
    assert len(list(collect.undated(name, found))) == min(undated, 1)


HOSTILE = {
    "alt.xml.gz": ["some texts are too long and were shortened: image_alt (1)."],
    "author.xml.gz": ["some texts are too long and were shortened: author (1)."],
    "newlines.xml.gz": [],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_feed_is_read_to_its_last_item(name: str, cases: Path) -> None:
    """The process that reads it must neither exceed its limits nor keep a huge value."""
    content = (cases / "hostile" / name).read_bytes()
    found = make.documents().read(name, content, zone=TEHRAN, largest=LARGEST, cut_off=False)
    assert [each.url for each in found.articles][-5:] == [f"https://a.example/{number}" for number in range(5)]
    assert max(len(each.author) + len(each.image_alt) for each in found.articles) <= 1000
    assert [note.partition(": ")[2] for note in found.notes] == HOSTILE[name]


COVERED = {
    "lists": {*LISTS},
    "feeds": {*SHARED_GUIDS, *CHARSETS, *TEXTS, *LINKS, *CLOSED},
    "pages": {*PAGES},
    "records": {*RECORDS, *DATABASES},
    "hostile": {*HOSTILE},
}


def test_every_file_has_its_right_value_here(cases: Path) -> None:
    files = {file.relative_to(cases).as_posix() for file in cases.rglob("*") if file.is_file()}
    covered = {f"{folder}/{name}" for folder, names in COVERED.items() for name in names}
    assert files - {"README.md", "expected.json"} == covered
