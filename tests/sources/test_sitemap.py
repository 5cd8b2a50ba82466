"""A site with nothing but sitemaps is collected politely, and goes on where the last collection stopped."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from zoneinfo import ZoneInfo

import make
import pytest
from make import Clock, only_sqlite
from sqlalchemy import func, select
from web_server import WebServer, web_server

from mailer.articles import collect
from mailer.context import App
from mailer.errors import FetchFailed, UnreadableInput
from mailer.settings import Feed
from mailer.sources.fetch import Fetcher
from mailer.sources.front import FrontSource
from mailer.sources.sitemap import SitemapSource
from mailer.store import schema
from mailer.store.feeds import PageVisits

ZONE = ZoneInfo("Asia/Tehran")
PARAGRAPH = "این خبر از شهری کوچک در شمال می‌رسد، و مردم آن امروز در میدان گرد آمدند و جشن گرفتند و شادی کردند."


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


@dataclass
class Seconds:
    """A clock that only waiting moves."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def page(number: int) -> bytes:
    title = f"خبر شمارهٔ {number} از شهر کوچک شمالی"
    date = f'<meta property="article:published_time" content="2026-11-23T{number % 24:02}:00:00+03:30">'
    return f"<!doctype html><title>{title}</title>{date}<h1>{title}</h1><p>{PARAGRAPH}</p>".encode()


def site(
    server: WebServer, numbers: range, *, lastmod: str = "<lastmod>2026-11-23</lastmod>", robots: str = ""
) -> None:
    entries = "".join(f"<url><loc>{server.url(f'/news/{n}')}</loc>{lastmod}</url>" for n in numbers)
    server.pages["/sitemap.xml"] = (200, {}, f"<urlset>{entries}</urlset>".encode())
    for number in numbers:
        server.pages[f"/news/{number}"] = (200, {"content-type": "text/html; charset=utf-8"}, page(number))
    if robots:
        server.pages["/robots.txt"] = (200, {}, robots.encode())


def with_source(
    app: App, clock: Clock, server: WebServer, seconds: Seconds, path: str = "/sitemap.xml", **more: int
) -> App:
    feed = Feed(url=server.url(path), kind="sitemap", **more)
    source = SitemapSource(
        feed,
        Fetcher(),
        ZONE,
        make.documents(),
        partial(PageVisits, app.store),
        now=clock,
        seconds=seconds,
        wait=seconds.wait,
        gap_s=1.0,
    )
    return replace(app, make_sources=lambda: (source,))


def test_a_collection_goes_on_where_the_last_one_stopped(app: App, clock: Clock, server: WebServer) -> None:
    seconds = Seconds()
    site(server, range(1, 6))
    app = with_source(app, clock, server, seconds, pages_an_hour=2)
    (first,) = collect.collect(app)
    assert (first.added, first.problem) == (2, "")
    assert first.notes == (
        f"sitemap:{server.url('/sitemap.xml')}: 3 new pages are still to be fetched, at most 2 an hour.",
    )
    assert collect.collect(app)[0].added == 0, "the hour is not over"
    clock.turn(hours=1, minutes=1)
    assert collect.collect(app)[0].added == 2
    clock.turn(hours=1, minutes=1)
    assert (collect.collect(app)[0].added, collect.collect(app)[0].notes) == (1, ())
    fetched = [path for path, _ in server.asked if path.startswith("/news/")]
    assert sorted(fetched) == [f"/news/{number}" for number in range(1, 6)], "each page once"
    assert all(wait <= 1.0 for wait in seconds.waits)
    assert seconds.now >= len(server.asked) - 1, "at most one request a second"


def test_pages_are_remembered_for_a_year(app: App, clock: Clock, server: WebServer) -> None:
    """Otherwise the table would grow for ever."""
    site(server, range(1, 4), lastmod="")
    app = with_source(app, clock, server, Seconds(), pages_an_hour=10)

    def remembered() -> int:
        count = select(func.count()).select_from(schema.visited_pages)
        return app.store.read(lambda tx: tx.execute(count).scalar_one())

    collect.collect(app)
    whole = remembered()
    assert whole >= 3
    clock.turn(days=364)
    collect.collect(app)
    assert remembered() == whole
    server.pages["/sitemap.xml"] = (200, {}, b"<urlset></urlset>")
    clock.turn(days=2)
    collect.collect(app)
    assert remembered() < whole


@only_sqlite
def test_pages_that_were_never_fetched_do_not_become_new_after_a_year(
    app: App, clock: Clock, server: WebServer
) -> None:
    site(server, range(1, 311), lastmod="")
    app = with_source(app, clock, server, Seconds(), pages_an_hour=1000)

    def added() -> int:
        """Collect until all pages are fetched: one collection fetches about 60."""
        return sum(each.added for _ in range(7) for each in collect.collect(app))

    assert added() == 300, "the first collection takes the newest 300 pages"
    clock.turn(days=100)
    site(server, range(1, 312), lastmod="")
    for number in range(1, 11):  # without a date, a page that is found later counts as published now
        undated = page(number).replace(b"published_time", b"x")
        server.pages[f"/news/{number}"] = (200, {"content-type": "text/html; charset=utf-8"}, undated)
    added()
    clock.turn(days=300)
    collect.collect(app)  # forgets what is older than a year
    clock.turn(hours=1)
    assert added() == 0


@only_sqlite
def test_a_collection_stores_what_it_has_after_a_minute(app: App, clock: Clock, server: WebServer) -> None:
    site(server, range(1000, 1080), lastmod="")
    app = with_source(app, clock, server, Seconds(), pages_an_hour=1000)
    (first,) = collect.collect(app)
    assert 50 <= first.added <= 60
    (second,) = collect.collect(app, at_once=False)
    assert first.added + second.added == 80, "it goes on at once"
    assert collect.collect(app, at_once=False) == []


@only_sqlite
def test_pages_without_a_date_that_were_listed_later_are_new(app: App, clock: Clock, server: WebServer) -> None:
    site(server, range(1000, 1003), lastmod="")
    app = with_source(app, clock, server, Seconds(), pages_an_hour=2)

    def undated(number: int) -> None:
        whole = page(number).replace(b"article:published_time", b"x")
        server.pages[f"/news/{number}"] = (200, {"content-type": "text/html; charset=utf-8"}, whole)

    for number in range(1000, 1003):
        undated(number)
    collect.collect(app)
    site(server, range(1000, 1004), lastmod="")
    for number in range(1000, 1004):
        undated(number)
    clock.turn(hours=2)
    collect.collect(app)
    estimated = {article.url.rpartition("/")[2]: article.estimated for article in collect.newest(app)}
    assert estimated == {"1000": False, "1001": False, "1002": False, "1003": True}


@only_sqlite
def test_the_newest_pages_come_first(app: App, clock: Clock, server: WebServer) -> None:
    site(server, range(1001, 1010), lastmod="")
    collect.collect(with_source(app, clock, server, Seconds(), pages_an_hour=2))
    assert [path for path, _ in server.asked[2:]] == ["/news/1009", "/news/1008"]


@only_sqlite
def test_robots_txt_is_obeyed(app: App, clock: Clock, server: WebServer) -> None:
    seconds = Seconds()
    robots = "User-agent: *\nDisallow: /news/1\nDisallow: /news/2\nCrawl-delay: 5\n"
    site(server, range(1, 5), robots=robots)
    (asked,) = collect.collect(with_source(app, clock, server, seconds))
    assert (asked.added, asked.notes) == (
        2,
        (f"sitemap:{server.url('/sitemap.xml')}: 2 pages are forbidden by robots.txt.",),
    )
    assert set(seconds.waits[1:]) == {5.0}
    server.pages["/robots.txt"] = (500, {}, b"")
    assert "the server answered 500" in collect.collect(app_of(app, clock, server))[0].problem


@only_sqlite
@pytest.mark.parametrize("rule", ["Disallow: /*", "Disallow: /news/*", "Disallow: /\n"])
def test_wildcards_at_the_end_of_a_rule_are_understood(app: App, clock: Clock, server: WebServer, rule: str) -> None:
    site(server, range(1, 4), robots=f"\ufeffUser-agent: khabarnameh\r\n{rule}\r\n")
    (asked,) = collect.collect(app_of(app, clock, server))
    assert (asked.added, "3 pages are forbidden by robots.txt" in asked.notes[0]) == (0, True)


def test_long_addresses_are_remembered(app: App, clock: Clock, server: WebServer) -> None:
    """An index of PostgreSQL takes only short texts."""
    path = "/news/" + "ک" * 600
    server.pages["/sitemap.xml"] = (200, {}, f"<urlset><url><loc>{server.url(path)}</loc></url></urlset>".encode())
    app = app_of(app, clock, server)
    for _ in range(2):
        assert collect.collect(app)[0].problem == ""
    assert len(server.asked) == 5, "robots.txt and the sitemap twice, the page once"


def app_of(app: App, clock: Clock, server: WebServer, path: str = "/sitemap.xml", **more: int) -> App:
    return with_source(app, clock, server, Seconds(), path, **more)


@only_sqlite
def test_old_foreign_and_unreadable_pages_are_counted(app: App, clock: Clock, server: WebServer) -> None:
    site(server, range(1, 3))
    entries = (
        f"<url><loc>{server.url('/news/1')}</loc></url><url><loc>{server.url('/news/8')}</loc></url>"
        f"<url><loc>{server.url('/news/9')}</loc></url><url><loc>{server.url('/')}</loc></url>"
        "<url><loc>https://elsewhere.example/news/1</loc></url><url><loc>http://127.0.0.2:1/news/1</loc></url>"
        f"<url><loc>{server.url('/news/0')}</loc><lastmod>2025-01-01</lastmod></url>"
    )
    server.pages["/sitemap.xml"] = (200, {}, f"<urlset>{entries}</urlset>".encode())
    server.pages["/news/8"] = (200, {}, b"<!doctype html><title>x</title><p>not an article</p>")
    app = app_of(app, clock, server)
    (asked,) = collect.collect(app)
    notes = {note.removeprefix(f"sitemap:{server.url('/sitemap.xml')}: ").split(",")[0] for note in asked.notes}
    assert asked.added == 1
    assert notes == {
        "1 pages are older than 14 days and are not fetched.",
        "3 addresses are front pages or on other sites; they were left out.",
        "2 pages could not be read as articles",
    }
    before = len(server.asked)
    collect.collect(app)
    assert [path for path, _ in server.asked[before:]] == ["/robots.txt", "/sitemap.xml"], "not fetched again"


@only_sqlite
def test_a_site_is_left_alone_when_it_asks_for_that(app: App, clock: Clock, server: WebServer) -> None:
    site(server, range(1, 6))
    server.pages["/news/4"] = (429, {}, b"")
    app = app_of(app, clock, server)
    (asked,) = collect.collect(app)
    assert (asked.added, [note.rpartition(": ")[2] for note in asked.notes[-2:]]) == (
        1,
        [
            "1 pages that failed are requested again later, at most 3 times in all.",
            "3 new pages are still to be fetched, at most 120 an hour.",
        ],
    )
    server.pages["/news/4"] = (200, {}, page(4))
    clock.turn(hours=1)
    assert collect.collect(app)[0].added == 4


@only_sqlite
def test_a_news_sitemap_gives_articles_before_they_are_fetched(app: App, clock: Clock, server: WebServer) -> None:
    site(server, range(1, 4))
    entries = "".join(
        f"<url><loc>{server.url(f'/news/{number}')}</loc><news:news><news:publication_date>2026-11-2{number}"
        f"</news:publication_date><news:title>تیتر خبر {number} در نقشهٔ سایت</news:title></news:news></url>"
        for number in range(1, 4)
    )
    server.pages["/sitemap.xml"] = (200, {}, f"<urlset>{entries}</urlset>".encode())
    app = app_of(app, clock, server, pages_an_hour=1)
    assert collect.collect(app)[0].added == 3
    assert {bool(each.lead) for each in collect.newest(app)} == {True, False}
    for _ in range(2):
        clock.turn(hours=1, minutes=1)
        assert collect.collect(app)[0].updated == 1
    assert all(each.lead == PARAGRAPH for each in collect.newest(app))


@only_sqlite
def test_the_address_of_a_site_leads_to_its_sitemaps(app: App, clock: Clock, server: WebServer) -> None:
    """As Yoast writes them: an index with one sitemap for each kind of page."""
    site(server, range(1, 3))
    server.pages["/post-sitemap.xml"] = server.pages.pop("/sitemap.xml")
    names = (
        "post-sitemap.xml",
        "page-sitemap.xml",
        "category-sitemap.xml",
        "post_tag-sitemap.xml",
        "author-sitemap.xml",
    )
    index = "".join(f"<sitemap><loc>{server.url(f'/{name}')}</loc></sitemap>" for name in names)
    index += "<sitemap><loc>http://elsewhere.example/sitemap.xml</loc></sitemap>"
    server.pages["/sitemap_index.xml"] = (200, {}, f"<sitemapindex>{index}</sitemapindex>".encode())
    server.pages["/robots.txt"] = (200, {}, f"Sitemap: {server.url('/sitemap_index.xml')}".encode())
    (asked,) = collect.collect(app_of(app, clock, server, "/"))
    assert asked.added == 2
    assert [path for path, _ in server.asked[:3]] == ["/robots.txt", "/sitemap_index.xml", "/post-sitemap.xml"]
    assert any("4 sitemaps are old, too many" in note for note in asked.notes)
    assert any("1 addresses are front pages or on other sites" in note for note in asked.notes)


@only_sqlite
def test_indexes_inside_each_other_end(app: App, clock: Clock, server: WebServer) -> None:
    for number in range(30):
        inner = f"<sitemap><loc>{server.url(f'/map{number + 1}.xml')}</loc></sitemap>" * 3
        wide = "".join(f"<sitemap><loc>{server.url(f'/wide{n}.xml')}</loc></sitemap>" for n in range(40))
        body = f"<sitemapindex>{inner}{wide if not number else ''}</sitemapindex>".encode()
        server.pages[f"/map{number}.xml"] = (200, {}, body)
        server.pages[f"/wide{number}.xml"] = (200, {}, b"<urlset></urlset>")
    (asked,) = collect.collect(app_of(app, clock, server, "/map0.xml"))
    assert asked.problem == ""
    assert len(server.asked) <= 21
    assert "sitemaps are old, too many, too deep" in "".join(asked.notes)


@only_sqlite
def test_a_first_collection_without_dates_is_limited(app: App, clock: Clock, server: WebServer) -> None:
    site(server, range(1000, 1310), lastmod="")
    app = app_of(app, clock, server, pages_an_hour=5)
    (asked,) = collect.collect(app)
    assert asked.added == 5
    assert asked.notes[0].endswith(
        "10 pages are beyond the newest 300 of the first collection; they are never fetched."
    )
    assert "295 new pages are still to be fetched" in asked.notes[1]


@only_sqlite
def test_a_site_without_any_sitemap_fails_clearly(app: App, clock: Clock, server: WebServer) -> None:
    (asked,) = collect.collect(app_of(app, clock, server, "/"))
    assert asked.problem.endswith("/sitemap.xml: the server answered 404.")


def news(server: WebServer) -> list[str]:
    """Return the paths of the pages of articles that were requested, and forget all requests."""
    paths = [path for path, _ in server.asked if path.startswith("/news/")]
    server.asked.clear()
    return paths


@only_sqlite
def test_pages_that_this_program_refuses_do_not_stop_the_source(app: App, clock: Clock, server: WebServer) -> None:
    """As when a site turns three old addresses into redirect loops or redirects to a private address."""
    site(server, range(1, 7), lastmod="")
    for number in (4, 5):
        server.pages[f"/news/{number}"] = (302, {"location": f"/news/{number}"}, b"")
    server.pages["/news/6"] = (302, {"location": "http://10.0.0.1/"}, b"")
    app = app_of(app, clock, server)
    (asked,) = collect.collect(app)
    assert (asked.added, asked.problem) == (3, "")
    assert any("3 pages could not be read as articles" in note for note in asked.notes)
    news(server)
    assert (collect.collect(app)[0].notes, news(server)) == ((), []), "none of them is requested again"


@only_sqlite
@pytest.mark.parametrize("status", [403, 408, 500, 502, 504])
def test_a_page_that_fails_is_requested_again(app: App, clock: Clock, server: WebServer, status: int) -> None:
    site(server, range(1, 5), lastmod="")
    server.pages["/news/4"] = server.pages["/news/3"] = (status, {}, b"")
    app = app_of(app, clock, server)
    (asked,) = collect.collect(app)
    assert asked.added == 2
    assert "2 pages that failed are requested again later, at most 3 times in all" in asked.notes[-1]
    server.pages["/news/3"] = (200, {}, page(3))
    news(server)
    assert (collect.collect(app)[0].added, news(server)) == (0, []), "not at once"
    site(server, range(5, 6), lastmod="")
    entries = "".join(f"<url><loc>{server.url(f'/news/{number}')}</loc></url>" for number in range(1, 6))
    server.pages["/sitemap.xml"] = (200, {}, f"<urlset>{entries}</urlset>".encode())
    clock.turn(hours=1)
    assert (collect.collect(app)[0].added, news(server)) == (2, ["/news/5", "/news/4", "/news/3"]), "failed ones last"
    clock.turn(hours=1)
    assert (collect.collect(app)[0].added, news(server)) == (0, []), "the second wait is longer"
    clock.turn(hours=1)
    (asked,) = collect.collect(app)
    assert (news(server), asked.problem) == (["/news/4"], "")
    assert "1 pages failed 3 times and are never fetched again" in asked.notes[-1]
    clock.turn(hours=9)
    assert (collect.collect(app)[0].notes, news(server)) == ((), [])


@only_sqlite
def test_a_site_that_fails_loses_no_article(app: App, clock: Clock, server: WebServer) -> None:
    site(server, range(1, 31), lastmod="")
    for number in range(1, 31):
        server.pages[f"/news/{number}"] = (500, {}, b"")
    app = app_of(app, clock, server)
    for _ in range(6):
        (asked,) = collect.collect(app)
        assert (
            f"/sitemap.xml: no page could be fetched, 10 requests in a row failed: {server.url('/')}" in asked.problem
        )
        assert len(news(server)) == 10
        clock.turn(hours=3)
    site(server, range(1, 31), lastmod="")
    (asked,) = collect.collect(app)
    assert (asked.added, asked.problem) == (30, "")


@only_sqlite
def test_broken_pages_at_the_top_do_not_stop_the_source(app: App, clock: Clock, server: WebServer) -> None:
    site(server, range(1, 21), lastmod="")
    for number in range(6, 21):
        server.pages[f"/news/{number}"] = (500, {}, b"")
    app = app_of(app, clock, server)
    assert collect.collect(app)[0].added == 0
    clock.turn(hours=2)
    (asked,) = collect.collect(app)
    assert (asked.added, asked.problem) == (5, "")


class Ticking(Seconds):
    """A clock on which each look takes a second."""

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@only_sqlite
def test_comparing_with_robots_txt_ends_after_some_seconds(app: App, clock: Clock, server: WebServer) -> None:
    site(server, range(1, 31), lastmod="", robots="User-agent: *\nDisallow: /news/2\nDisallow: /news/30")
    (asked,) = collect.collect(with_source(app, clock, server, Ticking()))
    assert (asked.added, news(server)) == (0, []), "a page that was not compared is not fetched"
    assert [note.partition(".xml: ")[2] for note in asked.notes] == [
        "9 pages are forbidden by robots.txt.",
        "21 new pages are still to be fetched, at most 120 an hour.",
    ]


@only_sqlite
def test_slow_sitemaps_do_not_take_all_the_time(app: App, clock: Clock, server: WebServer) -> None:
    site(server, range(1, 4), robots="User-agent: *\nCrawl-delay: 50")
    server.pages["/a.xml"] = server.pages["/sitemap.xml"]
    index = "".join(f"<sitemap><loc>{server.url(path)}</loc></sitemap>" for path in ("/a.xml", "/b.xml"))
    server.pages["/sitemap.xml"] = (200, {}, f"<sitemapindex>{index}</sitemapindex>".encode())
    app = app_of(app, clock, server)
    assert [collect.collect(app)[0].added for _ in range(4)] == [1, 1, 1, 0]


# --- the front page --------------------------------------------------------------------------------------------------
def front(server: WebServer) -> FrontSource:
    return FrontSource(Feed(url=server.url("/"), kind="front"), Fetcher(), ZONE, make.documents())


@only_sqlite
def test_the_order_of_a_front_page_counts_as_in_a_feed(app: App, clock: Clock, server: WebServer) -> None:
    site(server, range(1, 4))
    links = "".join(f"<a href='/news/{number}'>خبر</a>" for number in (3, 1, 3))
    server.pages["/"] = (
        200,
        {},
        f"<html><a href='/politics'>سیاست</a>{links}<a href='https://x.example/'>x</a>".encode(),
    )
    source = app_of(app, clock, server).sources[0]
    app = replace(app, make_sources=lambda: (source, front(server)))
    collect.collect(app)
    clock.turn(hours=1)
    asked = {each.source: each for each in collect.collect(app)}[f"front:{server.url('/')}"]
    assert asked.notes == (f"front:{server.url('/')}: 2 of the 3 links of this front page lead to stored articles.",)
    places = {article.url.rpartition("/")[2]: article.prominence for article in collect.newest(app)}
    assert places["3"] == pytest.approx(1.0)
    assert places["1"] == pytest.approx(1.0)
    assert places["2"] is None


def test_a_front_page_without_links_is_refused(server: WebServer) -> None:
    server.pages["/"] = (200, {}, b"<html><div id=app></div><a href='/'>home</a></html>")
    with pytest.raises(UnreadableInput, match="no links to pages of its own site"):
        front(server).gather("", "")
    server.pages["/"] = (503, {}, b"")
    with pytest.raises(FetchFailed):
        front(server).gather("", "")
