"""Inputs from elsewhere. They are not part of this project: KHABARNAMEH_DATA names their folder."""

import contextlib
import json
import os
import re
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.sources.found import Found
from mailer.sources.identity import identify
from mailer.sources.read import read

TEHRAN = ZoneInfo("Asia/Tehran")


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("KHABARNAMEH_DATA")
    if not folder:
        pytest.skip("KHABARNAMEH_DATA is not set: the real inputs are not here")
    return Path(folder)


def of(path: Path) -> Found:
    return read(path.name, path.read_bytes(), zone=TEHRAN)


@pytest.mark.parametrize(
    ("name", "articles", "distinct", "dated"),
    [
        ("feeds/persian/tabnak-2018-allnews.xml", 100, 100, 100),
        ("feeds/urdu_UTF8.xml", 26, 26, 26),
        ("feeds/persian/rss_reader-feed-title-test-a.xml", 1, 1, 1),
        ("feeds/persian/rss_reader-feed-title-test-b.xml", 1, 1, 1),
        ("feeds/persian/rss_reader-feed-title-test-c.xml", 1, 1, 1),
        ("feeds/persian/rss_reader-fetcher-test-a.xml", 2, 2, 2),
        ("feeds/persian/rss_reader-fetcher-test-b.xml", 2, 2, 2),
        ("articles/tabnak-2023-views.jsonl.gz", 58, 58, 58),
        # one site's feeds by section: an item that stood in several has one id
        ("articles/hamshahri-rss-2020.jsonl.gz", 2203, 2100, 0),
    ],
)
def test_every_item_is_read(data: Path, name: str, articles: int, distinct: int, dated: int) -> None:
    found = of(data / name)
    assert found.notes == ()
    assert len(found.articles) == articles
    assert len({identify(article).identity for article in found.articles}) == distinct
    assert sum(article.published is not None for article in found.articles) == dated


def test_every_feed_of_the_folder_is_read(data: Path) -> None:
    feeds = sorted((data / "feeds").rglob("*.xml"))
    assert len(feeds) >= 7
    for path in feeds:
        assert of(path).articles, path.name


def test_a_feed_with_line_breaks_in_its_links(data: Path) -> None:
    articles = of(data / "feeds/persian/tabnak-2018-allnews.xml").articles
    assert all(" " not in article.url and "\n" not in article.title + article.url for article in articles)
    assert {article.source for article in articles} == {"tabnak.ir"}
    assert all(identify(article).identity.removeprefix("link:tabnak.ir/fa/news/").isdigit() for article in articles)


def test_views_are_kept(data: Path) -> None:
    assert max(article.views or 0 for article in of(data / "articles/tabnak-2023-views.jsonl.gz").articles) == 92211


def test_a_page_as_text_is_one_article(data: Path) -> None:
    path = data / "seed-article.txt"
    lines = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    (article,) = of(path).articles
    assert article.title == lines[2]
    assert article.category == lines[0].split(" / ")[1]
    assert article.lead == lines[3]
    # Lead, its caption, then the body up to the heading of the other articles.
    assert article.body.split("\n") == lines[5 : lines.index("خبرهای دیگر")]


def test_a_saved_page_is_one_article(data: Path) -> None:
    path = data / "feeds/persian/page-text.html"
    (article,) = read(path.name, path.read_bytes(), zone=TEHRAN, page_at="").articles
    assert article.title.startswith("درخواست سپنتا نیکنام")
    assert article.title.endswith("خبرسازی کند؟"), "without the outlet's name"
    assert identify(article).identity == "link:tabnak.ir/fa/news/818242"
    assert article.published == datetime(2018, 7, 20, 19, 50, 18, tzinfo=UTC), "۱۳۹۷/۰۴/۳۰ - ۰۰:۲۰, in summer time"
    # The page's description is cut off at a quotation mark in it; its paragraph is whole.
    assert article.lead.endswith("رصد‌خانه امروز تابناک را تشکیل می‌دهند.")
    body = article.body.split("\n")
    assert body[0].startswith("تحولات در گذر است")
    assert body[-1].endswith("گفته بود پرونده مختومه شد.")
    assert len(article.body) > 5000
    assert "کد خبر" not in article.body


def test_the_feed_of_a_site_is_never_a_page(data: Path) -> None:
    with pytest.raises(UnreadableInput, match="an HTML page, not a feed"):
        of(data / "feeds/persian/page-text.html")


def test_the_suites_of_other_parsers_hold_no_surprise(data: Path) -> None:
    taken = refused = 0
    for archive in sorted((data / "feeds/suites").glob("*.tar.gz")):
        with tarfile.open(archive) as suite:
            for member in suite:
                content = suite.extractfile(member)
                if content is None or not member.name.endswith((".xml", ".rss", ".atom", ".rdf")):
                    continue
                try:
                    taken += len(read(Path(member.name).name, content.read(), zone=TEHRAN).articles)
                except UnreadableInput:
                    refused += 1
    assert taken > 700
    assert refused < 30


# A JSON Feed cut off in the middle, and RSS written as JSON, a form that only one site has.
_NO_FEEDS = {"allthis-partial.json", "ScriptingNews.json"}
_FEED_ENDINGS = (".rss", ".rdf", ".atom", ".xml", ".json")


def _unpacked(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as suite:
        return {it.name: file.read() for it in suite if it.isfile() and (file := suite.extractfile(it))}


def test_every_feed_of_netnewswire_is_taken(data: Path) -> None:
    files = _unpacked(data / "feeds/suites/netnewswire-rsparser-tests.tar.gz")
    feeds = {Path(name).name: content for name, content in files.items() if name.endswith(_FEED_ENDINGS)}
    assert len(feeds) >= 44
    refused = set()
    for name, content in feeds.items():
        try:
            read(name, content, zone=TEHRAN)
        except UnreadableInput:
            refused.add(name)
    assert refused == _NO_FEEDS


def _elements(name: str, content: bytes) -> int:
    """The items of a feed, counted without any feed parser."""
    text = content.decode("utf-8", "replace")
    if name.endswith(".json"):
        return len(json.loads(text)["items"])
    return len(re.findall(r"<(?:\w+:)?(?:item|entry)[\s>]", re.sub(r"(?s)<!--.*?-->|<!\[CDATA\[.*?\]\]>", "", text)))


def test_netnewswires_feeds_hold_as_many_items_as_it_says(data: Path) -> None:
    """The numbers that its own tests expect; for feeds that they do not count, the number in the file."""
    files = _unpacked(data / "feeds/suites/netnewswire-rsparser-tests.tar.gz")
    feeds = {Path(name).name: content for name, content in files.items() if name.endswith(_FEED_ENDINGS)}
    tests = "".join(content.decode() for name, content in files.items() if name.endswith("Tests.swift"))
    told = re.findall(r'(?s)parserData\("([^"]+)", "(\w+)"(?:(?!func |parserData).)*?items\.count == (\d+)', tests)
    expected = {f"{name}.{ending}": int(count) for name, ending, count in told}
    assert len(expected) >= 9
    assert expected.keys() <= feeds.keys()
    compared = 0
    for name, content in feeds.items():
        if name in _NO_FEEDS:
            continue
        found = read(name, content, zone=TEHRAN)
        more = sum(int(count) for count in re.findall(r"(\d+) more items were left out", "\n".join(found.notes)))
        items = len(found.articles) + sum("no title" in note for note in found.notes) + more
        assert items == expected.get(name, _elements(name, content)), name
        compared += 1
    assert compared >= 42


def test_the_front_pages_of_the_suite_are_read_or_refused(data: Path) -> None:
    files = _unpacked(data / "feeds/suites/netnewswire-rsparser-tests.tar.gz")
    pages = {name: content for name, content in files.items() if name.endswith(".html")}
    assert len(pages) >= 6
    taken: list[FoundArticle] = []
    for name, content in pages.items():
        with contextlib.suppress(UnreadableInput):
            taken += read(name, content, zone=TEHRAN, page_at="").articles
    assert all(article.title and article.lead for article in taken)


def test_gofeeds_inputs_hold_as_many_items_as_gofeed_says(data: Path) -> None:
    """Items without a title are left out with a note; a document without items may be refused."""
    contents = _unpacked(data / "feeds/suites/gofeed-testdata.tar.gz")
    compared = 0
    for name, content in contents.items():
        told = contents.get(name.removesuffix(".xml") + ".json")
        if not name.endswith(".xml") or told is None:
            continue
        expected = json.loads(told)
        items = len(expected.get("items") or expected.get("entries") or [])
        try:
            found = read(name, content, zone=TEHRAN)
            assert len(found.articles) + sum("no title" in note for note in found.notes) == items, name
        except UnreadableInput as error:
            if items and "broken XML" not in str(error):  # damaged, and no item of it has a title
                raise
        compared += 1
    assert compared > 500


# --- the collected cases ---------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def feeds(data: Path) -> Path:
    folder = data.parent / "cases" / "feeds"
    if not folder.is_dir():
        pytest.skip("the collected cases are not beside the real inputs")
    return folder


@pytest.mark.parametrize(
    ("name", "articles"),
    [("sameguid.xml", 3), ("zeroguid.xml", 3), ("t_guidfrag.xml", 3), ("sectionid.xml", 3), ("links.xml", 18)],
)
def test_cases_of_items_that_share_a_name(feeds: Path, name: str, articles: int) -> None:
    assert len({identify(article).identity for article in of(feeds / name).articles}) == articles


@pytest.mark.parametrize("name", ["cs-header.xml", "t_wdecl.xml"])
def test_cases_of_encodings(feeds: Path, name: str) -> None:
    assert "عنوان" in of(feeds / name).articles[0].title


@pytest.mark.parametrize("name", ["glue.xml", "more.xml", "shortcodes.xml", "mediatitle.xml", "ent.xml", "feed.json"])
def test_cases_of_texts(feeds: Path, name: str) -> None:
    found = of(feeds / name).articles
    texts = " ".join(f"{article.title} {article.lead} {article.body}" for article in found)
    assert not re.search(
        r"vc_|et_pb|caption|ادامه مطلب|Continue|بیشتر بخوانید|→|\[…|عکس|آی‌تیونز|دی‌سی|اول\.پ|استسطر", texts
    )
    if name in ("ent.xml", "feed.json"):
        assert "<video>" in texts


def test_cases_of_links(feeds: Path) -> None:
    assert any("&lang=" in article.url for article in of(feeds / "amp.xml").articles)
    assert all("&amp;" not in article.url and "§" not in article.url for article in of(feeds / "amp.xml").articles)
    assert of(feeds / "feedburner.xml").articles[0].url.endswith("/real/1")
    urls = [article.url for article in of(feeds / "links.xml").articles]
    assert sum(url.startswith(("https://news.example/", "https://www.news.example/")) for url in urls) == 15
    assert [urls[13], urls[17]] == ["", ""], "there is no link, and one that is a telephone number"


def test_cases_of_protected_posts(feeds: Path) -> None:
    assert all(article.closed for article in of(feeds / "protected.xml").articles)
