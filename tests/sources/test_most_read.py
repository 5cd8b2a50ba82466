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
from mailer.sources.front import MostReadSource
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
