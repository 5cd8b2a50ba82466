"""The list of the most read articles on a page or in a feed of a news site."""

from collections.abc import Iterator
from dataclasses import replace
from zoneinfo import ZoneInfo

import make
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make import Clock, only_sqlite
from web_server import WebServer, rss, web_server

from mailer.articles import collect
from mailer.context import App
from mailer.errors import UnreadableInput
from mailer.settings import Feed
from mailer.sources import most_read
from mailer.sources.fetch import Fetcher
from mailer.sources.front import FrontSource, MostReadSource
from mailer.sources.gather import FeedSource

ZONE = ZoneInfo("Asia/Tehran")
AT = "https://tabesh.example/"


def anchors(*numbers: int) -> str:
    return "".join(f"<li><a href='/news/{number}'>خبر {number}</a>" for number in numbers)


def found(page: str, title: str = "", at: str = AT) -> list[int]:
    return [int(each.rpartition("/")[2]) for each in most_read.links(page, at, title)]


BOX = f"<div><h3>پربازدیدترین‌ها</h3><ul>{anchors(7, 5, 6)}</ul></div>"


@pytest.mark.parametrize(
    "page",
    [
        f"<ul>{anchors(1, 2, 3)}</ul>{BOX}<ul>{anchors(8, 9)}</ul>",
        f"<ul>{anchors(1, 2, 3)}</ul>{BOX.replace('پربازدیدترین‌ها', 'پر بازدید ترین اخبار')}",
        f"<ul>{anchors(1, 2, 3)}</ul>{BOX.replace('پربازدیدترین‌ها', '<a href=/popular>الأكثر قراءةً</a>')}",
        f"<ul>{anchors(1, 2, 3)}</ul>{BOX.replace('پربازدیدترین‌ها', 'Most Read')}",
        f"<ul>{anchors(1, 2, 3)}</ul>{BOX.replace('پربازدیدترین‌ها', 'הנקראות ביותר')}",
        # two lists side by side in one element
        f"<div><h3>پربازدیدها</h3><ul>{anchors(7, 5, 6)}</ul><h3>تازه‌ها</h3><ul>{anchors(1, 2, 3)}</ul></div>",
        # items with headings and pictures of their own
        "<div><h3>پربازدیدها</h3>"
        + "".join(
            f"<div><a href=/news/{n}><img src=x></a><h3><a href=/news/{n}#top>خبر</a></h3></div>" for n in (7, 5, 6)
        )
        + "</div>",
        # tabs
        f"<div><ul><li><a href='#new'>تازه</a><li><a href='#read'>پربازدید</a></ul><div id=new>{anchors(1, 2, 3)}</div>"
        f"<div id=read>{anchors(7, 5, 6)}</div></div>",
        f"<button data-bs-target='#b'>پربیننده</button><div>{anchors(1, 2, 3)}</div><div id=b>{anchors(7, 5, 6)}</div>",
        # only a class says what it is
        f"<div>{anchors(1, 2, 3)}</div><div class='widget most-viewed'><h4>داغ</h4>{anchors(7, 5, 6)}</div>",
        # a list of comments does not count if there is one of readers
        f"<div><h3>محبوب‌ترین دیدگاه‌ها</h3>{anchors(1, 2, 3)}</div>{BOX}",
    ],
)
def test_a_list_below_its_heading(page: str) -> None:
    assert found(f"<html><body><nav>{anchors(11, 12)}</nav>{page}</body></html>") == [7, 5, 6]


MENU = (
    "<ul><li><a href=/popular>پربازدیدها</a><li><a href=/news/21>سیاست</a><li><a href=/news/22>اقتصاد</a>"
    "<li><a href=/news/23>ورزش</a></ul>"
)
OTHER_SITES = "".join(f"<li><a href=https://other.example/{n}>x</a>" for n in (1, 2, 3, 4))
LATEST = f"<div><h3>آخرین خبرها</h3><ul>{anchors(1, 2, 3, 4)}</ul></div>"


@pytest.mark.parametrize(
    ("page", "numbers"),
    [
        (f"{MENU}{LATEST}<aside><h3>پربازدیدترین‌ها</h3>{anchors(7, 5, 6)}</aside>", [7, 5, 6]),
        (f"{MENU}{LATEST}", []),
        (f"<div><div><h3>پربازدیدترین‌ها</h3>{OTHER_SITES}</div>{LATEST}</div>", []),
        (f"<section><h3>پربازدیدترین‌ها</h3>{OTHER_SITES}</section><section>{anchors(1, 2, 3)}</section>", []),
        (f"<div><div><h3>پربازدیدترین‌ها</h3><div id=x></div></div>{LATEST}</div>", []),
        (f"<div><div><h3>پربازدیدترین‌ها</h3><div id=x></div></div>{LATEST.replace('h3', 'h4')}</div>", []),
        (f"<div><div class=most-viewed></div>{LATEST}</div>", []),
        (
            f"<div><h2><a href=/news/9>پربازدیدترین کتاب‌های سال معرفی شد</a></h2></div><div>{anchors(1, 2, 3)}</div>"
            f"{BOX}",
            [7, 5, 6],
        ),
        (
            "<div><span>تازه‌ترین</span><span>پربازدیدترین</span>"
            f"<div>{anchors(1, 2, 3)}</div><div>{anchors(7, 5, 6)}</div></div>",
            [],
        ),
        (
            f"<div><h3>تازه‌ترین</h3><h3>پربازدیدترین</h3><ul>{anchors(1, 2, 3)}</ul><ul>{anchors(7, 5, 6)}</ul></div>",
            [],
        ),
        (f"<section><h1>پربازدیدترین خبرها</h1></section><section>{anchors(7, 5, 6)}</section>", [7, 5, 6]),
        (f"<div><h3>پربازدیدترین‌ها</h3></div><footer>{anchors(31, 32, 33)}</footer>", []),
        (f"<div><h3>پربازدیدترین‌ها</h3></div><nav>{anchors(31, 32, 33)}</nav>", []),
        (f"<div><div><h3>پربازدیدترین‌ها</h3>{anchors(7, 5)}</div><div>{anchors(1, 2, 3)}</div></div>", []),
        # Around a heading there may be a row of its own, with a link to more; below it, a subtitle; in items, headings.
        (f"<div><div><h3>پربازدیدها</h3><a href=/more>بیشتر</a></div><ul>{anchors(7, 5, 6)}</ul></div>", [7, 5, 6]),
        (f"<div><h2>پربازدیدها</h2><h4>۲۴ ساعت</h4><ul>{anchors(7, 5, 6)}</ul></div>", [7, 5, 6]),
        (
            "<div><h2>پربازدیدها</h2>"
            + "".join(f"<div><a href=/news/{n}></a><h4>خبر</h4></div>" for n in (7, 5, 6))
            + f"</div>{LATEST}",
            [7, 5, 6],
        ),
    ],
)
def test_the_list_is_in_the_box_of_its_heading(page: str, numbers: list[int]) -> None:
    assert found(f"<html><body>{page}</body></html>") == numbers


def test_subdomains_are_the_same_site() -> None:
    hosts = ("www.tabesh.example", "sport.tabesh.example", "m.tabesh.example", "nottabesh.example")
    addresses = [f"https://{host}/news/1" for host in hosts]
    page = "<div><h3>پربازدیدها</h3>" + "".join(f"<a href={each}>x</a>" for each in addresses) + "</div>"
    assert list(most_read.links(page, AT, "")) == addresses[:3]
    page = page.replace("sport.", "www.").replace("/1>", "/2>", 1).replace("//m.", "//www.").replace("/1>", "/3>", 1)
    at = "https://m.tabesh.example/"
    assert [each.removeprefix("https://www.") for each in most_read.links(page, at, "")] == [
        "tabesh.example/news/2",
        "tabesh.example/news/3",
        "tabesh.example/news/1",
    ]


@pytest.mark.parametrize(
    ("page", "title", "at", "numbers"),
    [
        (f"<ul>{anchors(1, 2, 3)}</ul>", "", AT, []),
        (f"<ul>{anchors(1, 2, 3)}</ul>", "پربازدیدترین خبرها | تابش", AT, [1, 2, 3]),
        (f"<ul>{anchors(1, 2, 3)}</ul>", "", f"{AT}most-visited", [1, 2, 3]),
        (f"<h1>پربازدیدترین خبرها</h1><div>{anchors(3, 1, 2)}</div>", "", AT, [3, 1, 2]),
        (
            f"<p>این خبر پربازدید بود، و خوانندگان بسیار دربارهٔ آن نوشتند، از همه جای کشور.{anchors(1, 2, 3)}",
            "",
            AT,
            [],
        ),
        ("<h3>پربازدیدها</h3><a href=https://other.example/1>x</a><a href=https://other.example/2>x</a>", "", AT, []),
        ("", "", AT, []),
    ],
)
def test_pages_that_are_lists_and_pages_without_a_list(page: str, title: str, at: str, numbers: list[int]) -> None:
    assert found(f"<html><body>{page}</body></html>", title, at) == numbers


@given(
    st.lists(
        st.sampled_from(["<div>", "</div>", "<h3>", "پربازدید", "<a href=/1>", "</a>", "<li", "<a href='#x'>", ">"])
    )
)
@settings(max_examples=200, deadline=None)
def test_any_markup_is_read(pieces: list[str]) -> None:
    most_read.links("".join(pieces), AT, "")


# --- the source ------------------------------------------------------------------------------------------------------
@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


def source(server: WebServer, path: str) -> MostReadSource:
    return MostReadSource(Feed(url=server.url(path), kind="most_read"), Fetcher(), ZONE, make.documents())


@only_sqlite
def test_each_hour_on_the_list_counts_the_first_place_most(app: App, clock: Clock, server: WebServer) -> None:
    host = server.url("")
    server.pages["/rss"] = (200, {}, rss("برف در تبریز", "باران در رشت", "باد در زابل", "مه در ساری", host=host))
    list_of = "<html><body><ul><li><a href='/news/4'>x</a></ul><h2>پربازدیدها</h2>{}</body></html>"
    server.pages["/"] = (200, {}, list_of.format(anchors(2, 99, 1, 3)).encode())
    feed = FeedSource(Feed(url=server.url("/rss")), Fetcher(), ZONE, make.documents())
    app = replace(app, make_sources=lambda: (feed, source(server, "/")))
    collect.collect(app)
    clock.turn(hours=1)
    server.pages["/"] = (200, {}, list_of.format(anchors(1, 2, 3)).encode())
    asked = {each.source: each for each in collect.collect(app)}[f"most_read:{host}/"]
    assert asked.notes == (f"most_read:{host}/: 3 of the 3 links of this list lead to stored articles and count.",)
    hours = {article.url.rpartition("/")[2]: article.list_hours for article in collect.newest(app)}
    assert hours["1"] == pytest.approx(1 + 0.6309, abs=1e-3)
    assert hours["2"] == pytest.approx(1 + 0.6309, abs=1e-3)
    assert hours["3"] == pytest.approx(2 * 0.5)
    assert hours["4"] is None
    assert {article.prominence for article in collect.newest(app)} == {None}


@only_sqlite
def test_a_feed_of_the_most_read_also_brings_its_articles(app: App, clock: Clock, server: WebServer) -> None:
    server.pages["/hot"] = (200, {"etag": '"1"'}, rss("برف در تبریز", "باران در رشت"))
    app = replace(app, make_sources=lambda: (source(server, "/hot"),))
    assert collect.collect(app)[0].added == 2
    clock.turn(hours=1)
    assert collect.collect(app)[0].unchanged == 2
    assert [headers.get("if-none-match") for _, headers in server.asked] == [None, None]
    hours = {article.title: article.list_hours for article in collect.newest(app)}
    assert hours == {"برف در تبریز": pytest.approx(2), "باران در رشت": pytest.approx(2 * 0.6309, abs=1e-3)}


def test_a_page_without_a_list_is_refused(server: WebServer) -> None:
    server.pages["/"] = (200, {}, f"<html><body>{anchors(1, 2, 3)}</body></html>".encode())
    with pytest.raises(UnreadableInput, match="has no list below a heading"):
        source(server, "/").gather("", "")


@only_sqlite
def test_articles_with_the_number_of_a_section_in_their_links_count(app: App, server: WebServer) -> None:
    host = server.url("")
    titles = {"brf": "برف در تبریز", "baran": "باران در رشت", "bad": "باد در زابل"}
    items = "".join(f"<item><title>{t}</title><link>{host}/10500/{slug}</link></item>" for slug, t in titles.items())
    server.pages["/rss"] = (200, {}, f"<rss version='2.0'><channel>{items}</channel></rss>".encode())
    links = "".join(f"<li><a href='/10500/{slug}'>x</a>" for slug in ("bad", "brf", "baran"))
    server.pages["/"] = (200, {}, f"<html><body><div><h2>پربازدیدها</h2>{links}</div></body></html>".encode())
    feed = FeedSource(Feed(url=server.url("/rss")), Fetcher(), ZONE, make.documents())
    front = FrontSource(Feed(url=server.url("/"), kind="front"), Fetcher(), ZONE, make.documents())
    app = replace(app, make_sources=lambda: (feed, source(server, "/"), front))
    collect.collect(app)
    assert {article.prominence for article in collect.newest(app)} == {1.0}
    hours = {article.title: article.list_hours for article in collect.newest(app)}
    assert sorted(hours, key=lambda title: -(hours[title] or 0)) == ["باد در زابل", "برف در تبریز", "باران در رشت"]
    assert None not in hours.values()


@only_sqlite
def test_a_list_without_stored_articles_is_a_problem_after_the_first_time(
    app: App, clock: Clock, server: WebServer
) -> None:
    server.pages["/"] = (200, {}, f"<html><body>{BOX}</body></html>".encode())
    app = replace(app, make_sources=lambda: (source(server, "/"),))
    asked = collect.collect(app)[0]
    assert not asked.problem
    assert "0 of the 3 links" in asked.notes[0]
    clock.turn(hours=1)
    assert "none of the 3 links of this list leads to a stored article" in collect.collect(app)[0].problem
    assert collect.sources(app)[0].failures == 1
