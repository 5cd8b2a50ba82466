"""Kinds of feeds that other programs got wrong, each with inputs of its own, from bytes to articles."""

import contextlib
import gzip
import json
import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.errors import MailerError, UnreadableInput
from mailer.model import FoundArticle
from mailer.sources.found import Found
from mailer.sources.identity import identify
from mailer.sources.read import read

TEHRAN = ZoneInfo("Asia/Tehran")
SPACES = (
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" '
    'xmlns:atom="http://www.w3.org/2005/Atom" xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0"'
)
RAIN = "باران از بامداد امروز در استان های شمالی آغاز شد"


def rss(*items: str, declaration: str = "") -> str:
    inner = "".join(f"<item>{item}</item>" for item in items)
    channel = f"<channel><title>تابش</title><link>https://tabesh.example/</link>{inner}</channel>"
    return f'{declaration}<rss version="2.0" {SPACES}>{channel}</rss>'


def of(document: str | bytes, name: str = "feed.xml", **options: Any) -> Found:
    return read(name, document.encode() if isinstance(document, str) else document, zone=TEHRAN, **options)


def first(document: str | bytes, name: str = "feed.xml", **options: Any) -> FoundArticle:
    return of(document, name, **options).articles[0]


# --- identity --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "items",
    [
        [("0", "/1"), ("0", "/2")],
        [("https://tabesh.example/", "/1"), ("https://tabesh.example/", "/2")],
        [("N/A", "/1"), ("", "/2"), ("N/A", "/3")],
        [("tabesh", "/1"), ("tabesh", "/2")],
        [("https://tabesh.example/p#0", "/p"), ("https://tabesh.example/p#1", "/p")],
        [("", "/service/30001/a"), ("", "/service/30001/b")],
        [("", "/live#1"), ("", "/live#2")],
        [("", "/page"), ("", "/page")],
        [("7", "/a"), ("7", "/b"), ("8", "/c"), ("", "/a")],
    ],
)
def test_different_items_stay_different(items: list[tuple[str, str]]) -> None:
    written = [
        f"<title>باران {number}</title><link>{link}</link><guid isPermaLink='false'>{guid}</guid>"
        for number, (guid, link) in enumerate(items)
    ]
    found = of(rss(*written))
    assert len({identify(article).identity for article in found.articles}) == len(items)
    assert found.notes, "what the items share is reported"
    assert [identify(each) for each in found.articles] == [identify(each) for each in of(rss(*written)).articles]


# --- characters ------------------------------------------------------------------------------------------------------
DECLARED = "<?xml version='1.0' encoding='{}'?>"


@pytest.mark.parametrize(
    ("document", "encoding", "charset"),
    [
        (rss(f"<title>{RAIN}</title>"), "cp1256", "windows-1256"),
        (rss(f"<title>{RAIN}</title>"), "cp1256", ""),
        (rss(f"<title>{RAIN}</title>"), "utf-8", "windows-1256"),
        (rss(f"<title>{RAIN}</title>", declaration=DECLARED.format("windows-1256")), "utf-8", "iso-8859-1"),
        (rss(f"<title>{RAIN}</title>", declaration="\n\n " + DECLARED.format("windows-1256")), "cp1256", ""),
        (rss(f"<title>{RAIN}</title>", declaration="<!-- x -->" + DECLARED.format("windows-1256")), "cp1256", ""),
        (rss(f"<title>{RAIN}</title>", declaration=f"<!--{DECLARED.format('windows-1256')}-->"), "cp1256", ""),
        (rss(f"<title>{RAIN}</title>", declaration=DECLARED.format("utf-8")), "cp1256", "windows-1256"),
        (rss(f"<title>{RAIN}</title>", declaration=DECLARED.format("utf-8")), "cp1256", ""),
        (rss(f"<title>{RAIN}</title>", declaration=DECLARED.format("utf-16")), "utf-8", ""),
        (rss(f"<title>{RAIN}</title>", declaration=DECLARED.format("utf-8")), "utf-16-le", ""),
        (json.dumps({"items": [{"title": RAIN}]}, ensure_ascii=False), "cp1256", "windows-1256"),
    ],
)
def test_persian_is_decoded_whatever_is_declared(document: str, encoding: str, charset: str) -> None:
    name = "feed.json" if document.startswith("{") else "feed.xml"
    content = document.replace("ی", "ي").encode(encoding)
    assert first(content, name, charset=charset).title == RAIN.replace("ی", "ي")


def test_titles_in_another_script_are_noted_if_the_others_have_one() -> None:
    titles = [RAIN, "برف", "تگرگ", "OpenAI and AT&amp;T"]
    assert of(rss(*(f"<title>{title}</title>" for title in titles))).notes == ()
    for odd in ("Ø¨Ø§Ø±Ø§Ù†", "ÈÇÑÇä", "????? ????", "éàü"):
        found = of(rss(*(f"<title>{title}</title>" for title in (*titles, odd))))
        assert f"1 titles have no letter of the script of the others, such as {odd!r}" in found.notes[-1]


def test_damaged_characters_are_counted() -> None:
    content = rss(f"<title>{RAIN}</title>" * 3).encode().replace("شد".encode(), b"\xd8\xff")
    assert "characters are damaged and were replaced" in of(content).notes[-1]


# --- texts -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("item", "title", "lead"),
    [
        ("<media:title>عکس</media:title><title>باران</title><description>بارید</description>", "باران", "بارید"),
        ("<title>باران</title><itunes:title>۷</itunes:title><itunes:summary>نه</itunes:summary>", "باران", "نه"),
        ("<dc:title>نه</dc:title><title>باران</title><atom:summary>نه</atom:summary>", "باران", "نه"),
        ("<title>باران</title><atom:summary>نه</atom:summary><description>بارید</description>", "باران", "بارید"),
        ("<source url='x'><title>نه</title><link>x</link></source><title>باران</title>", "باران", ""),
        ("<image><title>نه</title><url>a.jpg</url></image><title>باران</title>", "باران", ""),
        ("<dc:title>باران</dc:title>", "باران", ""),
        ("<title></title><itunes:title>باران</itunes:title>", "باران", ""),
        ("<title>آموزش &amp;lt;video&amp;gt;</title>", "آموزش <video>", ""),
        ("<title><![CDATA[List<String> و x<y]]></title>", "List<String> و x<y", ""),
        ("<title>باران</title><description>&lt;p&gt;یک.&lt;p&gt;دو&lt;/p&gt;</description>", "باران", "یک. دو"),
        ("<title>باران</title><description><p>یک.</p><p>دو</p></description>", "باران", "یک. دو"),
        ("<title>باران</title><description><![CDATA[یک<br>دو<hr/>سه]]></description>", "باران", "یک دو سه"),
    ],
)
def test_titles_and_leads(item: str, title: str, lead: str) -> None:
    article = first(rss(item))
    assert (article.title, article.lead) == (title, lead)


@pytest.mark.parametrize(
    ("item", "url"),
    [
        (
            "<link>https://tabesh.example/?id=1&lang=fa&sect=2&copy=1</link>",
            "https://tabesh.example/?id=1&lang=fa&sect=2&copy=1",
        ),
        ("<link><![CDATA[https://tabesh.example/?id=1&para=2]]></link>", "https://tabesh.example/?id=1&para=2"),
        ("<link>https://tabesh.example/?id=1&amp;amp;b=2</link>", "https://tabesh.example/?id=1&b=2"),
        ("<guid>https://tabesh.example/13</guid>", "https://tabesh.example/13"),
        ("<guid isPermaLink='false'>14</guid>", ""),
        (
            "<link>http://feedproxy.google.com/a</link><feedburner:origLink>/1</feedburner:origLink>",
            "https://tabesh.example/1",
        ),
        (
            "<link>https://feedpress.me/link/1</link><guid isPermaLink='true'>https://tabesh.example/1</guid>",
            "https://tabesh.example/1",
        ),
        (
            "<link>https://feeds.feedburner.com/1</link><guid isPermaLink='false'>1</guid>",
            "https://feeds.feedburner.com/1",
        ),
        ("<atom:link rel='self' href='https://tabesh.example/x'/><atom:link href='/1'/>", "https://tabesh.example/1"),
        ("<link>\u200ftabesh.example/1\u200f</link>", "https://tabesh.example/1"),
        ("<link/><link href='/2'/>", "https://tabesh.example/2"),
    ],
)
def test_links(item: str, url: str) -> None:
    assert first(rss(f"<title>باران</title>{item}")).url == url


def test_links_that_cannot_be_used_are_noted() -> None:
    found = of(rss("<title>باران</title><link>tel:123</link>", "<title>برف</title><link>http://cms/1</link>"))
    assert [article.url for article in found.articles] == ["", ""]
    assert "2 links are not web addresses, such as 'tel:123'" in found.notes[0]


def test_relative_links_of_a_feed_without_a_home() -> None:
    document = "<rss><channel><item><title>باران</title><link>/1</link></item></channel></rss>"
    assert first(document).url == ""
    assert first(document, address="https://tabesh.example/rss").url == "https://tabesh.example/1"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"title": "باران", "url": "/1"}, {"url": "https://tabesh.example/1"}),
        ({"title": "باران", "id": "https://tabesh.example/2"}, {"url": "https://tabesh.example/2"}),
        ({"title": "باران", "id": "3", "external_url": "https://other.example/3"}, {"url": "https://other.example/3"}),
        ({"title": "<b>باران</b> &amp; برف"}, {"title": "باران & برف"}),
        ({"title": "باران", "content_text": "a <b> c\n\nاگر x<y"}, {"body": "a <b> c\nاگر x<y"}),
        ({"title": "باران", "content_html": "<p>یک.</p><p>دو</p>"}, {"body": "یک.\nدو"}),
        ({"title": "محافظت‌شده: باران"}, {"closed": True}),
        (
            {"title": "باران", "image": "http:///", "banner_image": "/a.jpg"},
            {"image_url": "https://tabesh.example/a.jpg"},
        ),
    ],
)
def test_json_feeds(item: dict[str, Any], expected: dict[str, Any]) -> None:
    document = json.dumps({"home_page_url": "https://tabesh.example/", "items": [item]})
    article = first(document, "feed.json")
    assert {name: getattr(article, name) for name in expected} == expected


# --- feeds that are cut off ------------------------------------------------------------------------------------------
ITEMS = [f"<title>باران {number}</title><link>/{number}</link>" for number in range(9)]


@pytest.mark.parametrize("packed", [False, True])
def test_the_beginning_of_a_feed_is_read(packed: bool) -> None:
    whole = rss(*ITEMS).encode()
    content = gzip.compress(whole) if packed else whole
    found = of(content, largest=whole.index(b"<link>/5") + 3, cut_off=False)
    assert len(found.articles) == 5
    assert found.notes == ("feed.xml: it is too large or was cut off; only its first 5 items were read.",)
    with pytest.raises(UnreadableInput, match="holds more than"):
        of(content, largest=100)


def test_the_beginning_of_other_files_is_read() -> None:
    feed = json.dumps({"home_page_url": "https://tabesh.example/", "items": [{"title": "باران", "url": "/1"}] * 3})
    found = of(feed[:-20], "feed.json", cut_off=True)
    assert [article.url for article in found.articles] == ["https://tabesh.example/1"] * 2
    lines = '{"title": "باران"}\n{"title": "برف"}\n{"tit'
    assert len(of(lines, "a.jsonl", cut_off=True).articles) == 2
    assert len(of("title,url\nباران,https://tabesh.example/1\nبرف,htt", "a.csv", cut_off=True).articles) == 1
    for document, name in ((feed[:-20], "feed.json"), (feed[:30], "feed.json")):
        with pytest.raises(UnreadableInput):
            of(document, name)


def test_a_warning_before_the_feed_is_skipped() -> None:
    for warning in ("\nNotice: x in /a.php on line 3\n", "<br />\n<b>Warning</b>: x in <b>/a.php</b><br />\n"):
        assert first(warning + DECLARED.format("utf-8") + rss(f"<title>{RAIN}</title>")).title == RAIN


# --- any bytes -------------------------------------------------------------------------------------------------------
PIECES = st.sampled_from(
    [
        *(
            "<rss>",
            "<channel>",
            "<item>",
            "</item>",
            "<title>",
            "</title>",
            "<link>",
            "<guid>0</guid>",
            "<description>",
        ),
        *(
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "&amp;",
            "&",
            "<",
            ">",
            "باران",
            "&#x0;",
            "\x00",
            "{",
            "[",
            '"items":',
            "\n",
        ),
        *(
            "<feed xmlns='http://www.w3.org/2005/Atom'>",
            "<entry>",
            "<link href='http://[x'/>",
            "<pubDate>۱۴۰۴</pubDate>",
        ),
        *("<!DOCTYPE x [", "<?xml encoding='utf-7'?>", "[caption]", "<a>", "[gallery ids='", "https://a.example/1"),
    ]
)


@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=25).map(lambda each: "".join(each).encode())))
@settings(max_examples=500, deadline=None)
def test_any_bytes_give_articles_or_one_clear_error(content: bytes) -> None:
    for name, options in (("feed.xml", {}), ("feed.json", {"cut_off": True}), ("x", {"charset": "windows-1256"})):
        found = Found(())
        with contextlib.suppress(MailerError):  # its message is one sentence
            found = of(content, name, **options)
        assert all(article.title == article.title.strip() != "" for article in found.articles)


@pytest.mark.slow
@pytest.mark.parametrize("damaged", [False, True])
def test_ten_times_as_many_items_take_ten_times_as_long(damaged: bool) -> None:
    sign = "&" if damaged else "و"

    def seconds(count: int) -> float:
        items = (
            f"<title>خبر شمارهٔ {number} دربارهٔ باران {sign} برف</title>"
            f"<link>https://tabesh.example/news/{number}</link><guid>{number}</guid>"
            "<pubDate>Fri, 27 Nov 2026 10:00:00 +0330</pubDate>"
            for number in range(100_000, 100_000 + count)
        )
        begun = time.process_time()
        assert len(of(rss(*items)).articles) == count
        return time.process_time() - begun

    assert seconds(5_000) < 30 * (seconds(500) + 0.02)
