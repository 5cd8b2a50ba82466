"""Collecting: a bad source does not stop the others and keeps its last good state."""

import gzip
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import make
import pytest
from make import Clock, only_sqlite
from sqlalchemy import Row, select
from web_server import Answer, WebServer, rss, web_server

from mailer.articles import collect
from mailer.context import App
from mailer.errors import MailerError, ReadingCancelled, ReadingStopped
from mailer.model import FoundArticle
from mailer.settings import Feed
from mailer.sources.fetch import Fetcher
from mailer.sources.found import Gathered
from mailer.sources.gather import FeedSource
from mailer.sources.wordpress import WordPressSource
from mailer.store import articles, feeds, schema

ZONE = ZoneInfo("Asia/Tehran")


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher()


def feed(server: WebServer, path: str, fetcher: Fetcher, **more: object) -> FeedSource:
    return FeedSource(Feed(url=server.url(path), **more), fetcher, ZONE, make.documents())


def state(app: App, source: str) -> Row[Any]:
    return app.store.read(lambda tx: tx.execute(select(schema.feeds).where(schema.feeds.c.url == source)).one())


def titles(app: App) -> set[str]:
    return {article.title for article in collect.newest(app)}


BILLION_LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "ha ha ha ha ha ha ha ha ha ha">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;">
<!ENTITY f "&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;"><!ENTITY g "&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;">
<!ENTITY h "&g;&g;&g;&g;&g;&g;&g;&g;&g;&g;"><!ENTITY i "&h;&h;&h;&h;&h;&h;&h;&h;&h;&h;">]>
<rss version="2.0"><channel><title>&i;</title></channel></rss>"""


def test_an_archive_is_stored_in_many_transactions(app: App) -> None:
    """Otherwise a reader who unsubscribes waits until all is stored: on SQLite only one process can write."""
    found = [make.article(number) for number in range(450)]
    waits: list[float] = []
    done = threading.Event()

    def leave_on_and_on() -> None:
        while not done.is_set():
            begun = time.monotonic()
            app.store.write(lambda tx: None)
            waits.append(time.monotonic() - begun)

    beside = threading.Thread(target=leave_on_and_on)
    beside.start()
    kept = collect.keep(app, found)
    done.set()
    beside.join()
    assert kept.added == 450
    assert len(waits) >= 4, "others wrote between the pieces"
    assert collect.keep(app, found).unchanged == 450


@only_sqlite
def test_unchanged_articles_are_compared_without_writing(app: App) -> None:
    """Otherwise a long feed that does not change would delay each mail and each reader who unsubscribes."""
    found = [make.article(number, tags=("یک", "دو"), views=number) for number in range(250)]
    collect.keep(app, found)
    with closing(sqlite3.connect(str(app.store.url.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert collect.keep(app, found).unchanged == 250
        other.execute("ROLLBACK")
    retitled = replace(found[0], title="عنوان تازه")
    redated = replace(found[1], published=make.NOW - timedelta(days=2))
    kept = collect.keep(app, [retitled, redated, *found[2:], make.article(999)])
    assert (kept.added, kept.updated, kept.unchanged) == (1, 2, 248)


def test_a_feeds_own_slash_stays(app: App, server: WebServer, fetcher: Fetcher) -> None:
    server.pages["/feed/"] = (200, {}, rss("خبر"))
    server.pages["/feed"] = (301, {"location": server.url("/feed/")}, b"")
    app = replace(app, make_sources=lambda: (feed(server, "/feed/", fetcher),))
    assert collect.collect(app)[0].added == 1


def test_a_bad_source_does_not_stop_the_others(app: App, clock: Clock, server: WebServer, fetcher: Fetcher) -> None:
    server.pages["/good"] = (200, {}, rss("خبر خوب نخست", "خبر خوب دوم"))
    server.pages["/html"] = (200, {"content-type": "text/html"}, b"<!doctype html><html><body>sign in</body></html>")
    server.pages["/laughs"] = (200, {}, BILLION_LAUGHS)
    server.pages["/big"] = (200, {}, b" " * 6_000_000)
    server.pages["/away"] = (302, {"location": "http://169.254.169.254/"}, b"")
    paths = ("/html", "/laughs", "/big", "/away", "/missing", "/good")
    app = replace(app, make_sources=lambda: tuple(feed(server, path, fetcher) for path in paths))
    asked = collect.collect(app)
    assert [bool(each.problem) for each in asked] == [True, True, True, True, True, False]
    assert all("\n" not in each.problem for each in asked)
    assert asked[-1].added == 2
    assert titles(app) == {"خبر خوب نخست", "خبر خوب دوم"}


class Broken:
    """A source with a bug."""

    name, front_page, slow = "broken", False, False

    def gather(self, etag: str, modified: str) -> Gathered:
        raise ZeroDivisionError

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


@only_sqlite
def test_a_source_with_a_bug_does_not_stop_the_others(app: App, server: WebServer, fetcher: Fetcher) -> None:
    server.pages["/good"] = (200, {}, rss("خبر خوب نخست"))
    asked = collect.collect(replace(app, make_sources=lambda: (Broken(), feed(server, "/good", fetcher))))
    assert [each.problem for each in asked] == ["broken: it broke (ZeroDivisionError).", ""]
    assert asked[1].added == 1
    assert state(app, "broken").failures == 1


class Hostile(Broken):
    """A source whose document needs too much."""

    name = "https://hostile.example/feed"

    def __init__(self, error: MailerError) -> None:
        self.error = error

    def gather(self, etag: str, modified: str) -> Gathered:
        raise self.error


@only_sqlite
def test_a_source_that_stops_its_reader_is_noted_alerted_once_and_asked_later(
    app: App, clock: Clock, server: WebServer, fetcher: Fetcher, caplog: pytest.LogCaptureFixture
) -> None:
    server.pages["/good"] = (200, {}, rss("خبر خوب"))
    source = Hostile(ReadingStopped("https://hostile.example/feed: took longer than 10 s to read", "Look at it."))
    app = replace(app, make_sources=lambda: (source, feed(server, "/good", fetcher)))
    bad, good = collect.collect(app)
    assert (bad.problem, good.added) == ("https://hostile.example/feed: took longer than 10 s to read", 1)
    assert state(app, source.name).next_at > clock()
    assert [each.getMessage() for each in caplog.records if each.name == "mailer.alert"] == [
        "ALERT https://hostile.example/feed: took longer than 10 s to read. Look at it."
    ]
    caplog.clear()
    collect.collect(app)
    assert [each for each in caplog.records if each.name == "mailer.alert"] == []
    assert state(app, source.name).failures == 2


@only_sqlite
def test_a_source_that_was_not_read_at_the_end_stays_due(app: App, clock: Clock) -> None:
    source = Hostile(ReadingCancelled("it ends"))
    app = replace(app, make_sources=lambda: (source,))
    with pytest.raises(ReadingCancelled):
        collect.collect(app, at_once=False)
    found = state(app, source.name)
    assert (found.next_at <= clock(), found.failures) == (True, 0)


@only_sqlite
@pytest.mark.parametrize("packed", [False, True])
def test_a_feed_that_is_too_large_is_read_up_to_the_limit(
    app: App, server: WebServer, fetcher: Fetcher, packed: bool
) -> None:
    whole = rss("خبر نخست هفته", "خبر دوم هفته").replace(b"<item>", b" " * 3_000_000 + b"<item>")
    server.pages["/rss"] = (200, {}, gzip.compress(whole) if packed else whole)
    (asked,) = collect.collect(replace(app, make_sources=lambda: (feed(server, "/rss", fetcher),)))
    assert (asked.added, asked.problem) == (1, "")
    assert "it is too large or was cut off; only its first 1 items were read." in asked.notes[0]


def test_a_feed_that_turns_into_html_keeps_its_last_good_state(
    app: App, clock: Clock, server: WebServer, fetcher: Fetcher
) -> None:
    app = replace(app, make_sources=lambda: (feed(server, "/rss", fetcher),))
    server.pages["/rss"] = (200, {"etag": '"1"'}, rss("خبر نخست هفته"))
    collect.collect(app)
    server.pages["/rss"] = (200, {}, b"<html><body>moved</body></html>")
    waits = []
    for failures in range(1, 5):
        clock.turn(days=2)
        assert "HTML page" in collect.collect(app)[0].problem
        after = state(app, server.url("/rss"))
        assert (after.failures, after.etag) == (failures, '"1"')
        waits.append(after.next_at - clock.now)
    assert waits == sorted(waits), "it backs off"
    assert waits[-1] > 4 * waits[0]
    assert titles(app) == {"خبر نخست هفته"}
    server.pages["/rss"] = (200, {}, rss("خبر نخست هفته", "خبر دوم هفته"))
    again = collect.collect(app)[0]
    assert (again.added, again.unchanged, again.problem) == (1, 1, "")


def test_the_notes_of_the_last_collection_are_kept(app: App, clock: Clock, server: WebServer, fetcher: Fetcher) -> None:
    """The service collects while no admin looks, so the notes must be shown later."""
    server.pages["/rss"] = (200, {"etag": '"1"'}, b"<rss><channel><item><title>a</title><link>x:1</link></item></rss>")
    app = replace(app, make_sources=lambda: (feed(server, "/rss", fetcher), feed(server, "/other", fetcher)))
    assert [(each.fetched_at, each.notes) for each in collect.sources(app)] == [(None, ())] * 2
    (asked, _) = collect.collect(app)
    assert len(asked.notes) == 3, "damaged, without a link, without a date"
    first, other = collect.sources(app)
    assert (first.notes, first.fetched_at, first.failures) == (asked.notes, clock.now, 0)
    assert (other.notes, other.fetched_at, other.failures) == ((), None, 1)
    assert "404" in other.problem
    clock.turn(hours=2)
    server.pages["/rss"] = (304, {}, b"")
    assert collect.collect(app)[0].notes == ()
    assert collect.sources(app)[0].notes == asked.notes, "the feed has not changed"
    server.pages["/rss"] = (200, {}, rss("خبر نخست هفته"))
    collect.collect(app)
    assert collect.sources(app)[0].notes == ()


def test_a_source_is_asked_when_it_is_due_and_by_one_collector_only(
    app: App, clock: Clock, server: WebServer, fetcher: Fetcher
) -> None:
    server.pages["/rss"] = (200, {}, rss("خبر نخست هفته"))
    app = replace(app, make_sources=lambda: (feed(server, "/rss", fetcher),))
    assert len(collect.collect(app, at_once=False, jitter=lambda: 0.5)) == 1
    assert collect.collect(app, at_once=False) == []
    clock.turn(minutes=59)
    assert collect.collect(app, at_once=False) == []
    clock.turn(minutes=2)
    name = server.url("/rss")
    assert app.store.write(lambda tx: feeds.claim(tx, name, clock.now)) is not None
    assert collect.collect(app, at_once=False) == [], "another collector has it"
    clock.turn(minutes=11)
    assert len(collect.collect(app, at_once=False)) == 1, "its lease has ended"


@only_sqlite
def test_only_the_first_places_of_the_front_page_are_worth_hours(
    app: App, clock: Clock, server: WebServer, fetcher: Fetcher
) -> None:
    server.pages["/front"] = (200, {}, rss(*(f"خبر {place} صفحه" for place in range(1, 11))))
    app = replace(app, make_sources=lambda: (feed(server, "/front", fetcher, front_page=True),))
    collect.collect(app)
    clock.turn(hours=1)
    collect.collect(app)
    found = {article.title: article.prominence for article in collect.newest(app)}
    hours = [found[f"خبر {place} صفحه"] for place in range(1, 11)]
    assert hours == pytest.approx([2.0] * 8 + [0.0] * 2)


@only_sqlite
def test_an_unchanged_front_page_still_gives_its_articles_hours(
    app: App, clock: Clock, server: WebServer, fetcher: Fetcher
) -> None:
    def page(headers: dict[str, str]) -> Answer:
        return (304, {}, b"") if headers.get("if-none-match") else (200, {"etag": '"1"'}, rss("خبر نخست صفحه"))

    server.pages["/front"] = page
    app = replace(app, make_sources=lambda: (feed(server, "/front", fetcher, front_page=True),))
    for _ in range(3):
        collect.collect(app)
        clock.turn(hours=1)
    assert [article.prominence for article in collect.newest(app)] == [pytest.approx(3.0)]


@only_sqlite
def test_counts_are_recorded_hourly_then_daily_then_never(app: App, clock: Clock) -> None:
    make.keep(app.store, make.article(1, published=clock.now, views=10))
    noted = []
    for _ in range(24 * 12):
        noted.append(app.store.write(lambda tx: articles.snapshot(tx, clock.now)))
        clock.turn(hours=1)
    assert noted[:72] == [1] * 72
    assert 6 <= sum(noted[72:240]) <= 9
    assert sum(noted[241:]) == 0
    history = app.store.read(lambda tx: articles.histories(tx, clock.now - timedelta(days=30)))
    assert len(history) == 1
    assert history[0][0] == (0.0, 10)


@only_sqlite
def test_posts_of_a_wordpress_site(app: App, server: WebServer, fetcher: Fetcher) -> None:
    def post(number: int, **more: object) -> dict[str, object]:
        return {
            "id": number,
            "date_gmt": "2026-11-23T08:00:00",
            "link": f"https://wp.example/?p={number}",
            "title": {"rendered": f"نوشتهٔ شمارهٔ {number} &#8211; پایان"},
            "excerpt": {"rendered": "<p>چکیدهٔ نوشته</p>"},
            "sticky": number == 1,
            "_embedded": {
                "wp:term": [[{"name": "سیاسی"}], [{"name": "مجلس"}]],
                "wp:featuredmedia": [{"source_url": "https://wp.example/a.jpg", "alt_text": "نما"}],
                "author": [{"name": "نویسنده"}],
            },
            **more,
        }

    def page(number: int) -> tuple[int, dict[str, str], bytes]:
        return 200, {"x-wp-totalpages": "2"}, json.dumps([post(number), post(number + 10)]).encode()

    source = WordPressSource(Feed(url=server.url(""), kind="wordpress"), fetcher, make.documents())
    app = replace(app, make_sources=lambda: (source,))
    collect.collect(app)  # nothing there: 404
    for number in (1, 2):
        query = next(iter(server.asked))[0]
        server.pages[query.replace("&page=1", f"&page={number}")] = page(number)
    assert collect.collect(app)[0].added == 4
    found = next(a for a in collect.newest(app) if a.title.startswith("نوشتهٔ شمارهٔ 1 "))
    assert found.title == "نوشتهٔ شمارهٔ 1 – پایان"
    assert (found.category, found.tags, found.image_alt, found.front_page) == ("سیاسی", ("مجلس",), "نما", True)
    assert found.url == "https://wp.example/?p=1"


# --- the guid of another article -------------------------------------------------------------------------------------
def item(number: int, title: str, guid: str, path: str) -> FoundArticle:
    return replace(make.article(number, title=title, url=f"https://tabesh.example{path}"), guid=guid)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("1", "/news/4711"), ("1", "/news/4712")),  # the number of the item in the feed
        (("news-77", "/fa/news/77"), ("news-77", "/en/news/77")),
        (("", "/show?ref=1001"), ("", "/show?ref=1002")),
        (("", "/economy/12345/slug-a"), ("", "/economy/12345/slug-b")),  # the number of the section
    ],
)
def test_another_article_with_the_same_guid_replaces_nothing(
    app: App, first: tuple[str, str], second: tuple[str, str]
) -> None:
    older, newer = item(1, "برد تیم ملی والیبال", *first), item(2, "نرخ تازهٔ ارز", *second)
    assert collect.keep(app, [older]).added == 1
    collect.ban(app, [collect.newest(app)[0].id])
    kept = collect.keep(app, [newer])
    assert (kept.added, kept.updated) == (1, 0)
    assert {each.title: each.banned for each in collect.newest(app)} == {older.title: True, newer.title: False}
    assert [collect.keep(app, [each]).unchanged for each in (newer, older)] == [1, 1]
    assert kept.clashes == 1 or (kept.clashes == 0 and "ref=" in second[1])


@pytest.mark.parametrize("path", ["/news/4711/برد-تیم", "/news/4711"])
def test_a_corrected_article_is_no_other_article(app: App, path: str) -> None:
    collect.keep(app, [item(1, "برد تیم ملی والیبال", "g-1", path)])
    for title, link in (("شکست تیم ملی والیبال", "/news/4711/شکست-تیم"), ("نرخ تازهٔ ارز", "/news/4711/شکست-تیم")):
        kept = collect.keep(app, [item(1, title, "g-1", link)])
        assert (kept.added, kept.updated, kept.clashes) == (0, 1, 0)
