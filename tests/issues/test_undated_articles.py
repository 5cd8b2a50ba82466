"""Articles without a date: reported, not counted if they may be old, dated by the collection that found them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import make
import pytest
from make import Clock
from web_server import WebServer, web_server

from mailer.articles import collect
from mailer.context import App, find_issue
from mailer.issues import control
from mailer.issues import draft as drafting
from mailer.issues.clock import tick
from mailer.model import IssueState
from mailer.reasons import Reason, ReasonCode
from mailer.settings import Feed
from mailer.sources.fetch import Fetcher
from mailer.sources.gather import FeedSource

ZONE = ZoneInfo("Asia/Tehran")
FIRST, SECOND = make.slot("1405-W36"), make.slot("1405-W37")
WORDS = "آب برق نان راه پل باغ کوه دریا برف باد ماه خاک سنگ چوب شهر ده اسب گاو مرغ ماهی سیب انار انگور گندم"


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


def items(numbers: range, date: str = "") -> bytes:
    """A feed of items whose titles have nothing in common."""
    words = WORDS.split()
    found = "".join(
        f"<item><title>{words[number % 24]} {words[number * 7 % 24]} {words[number // 24]}{number}</title>"
        f"<link>https://khabar.example/news/{number}</link><description>متن</description>{date}</item>"
        for number in reversed(numbers)
    )
    return f"<rss version='2.0'><channel><title>خ</title>{found}</channel></rss>".encode()


def collecting(app: App, server: WebServer) -> App:
    return replace(
        app, make_sources=lambda: (FeedSource(Feed(url=server.url("/rss")), Fetcher(), ZONE, make.documents()),)
    )


@make.only_sqlite
def test_a_source_without_any_dates_gets_its_second_issue_without_help(
    app: App, clock: Clock, server: WebServer
) -> None:
    app = collecting(app, server)
    make.subscriber(app.store)
    number, states = 0, {}
    clock.set(FIRST.at - timedelta(days=3))
    while clock() < SECOND.at + timedelta(hours=1):
        server.pages["/rss"] = (200, {}, items(range(number, number + 20)))
        (asked,) = collect.collect(app)
        assert asked.notes[0].startswith(f"{server.url('/rss')}: 20 of 20 items have no date that can be read. They")
        tick(app)
        for slot in (FIRST, SECOND):
            if clock() == slot.at - timedelta(hours=12):
                states[slot.key] = find_issue(app, slot.key)
        number += 1
        clock.turn(hours=6)
    first, second = states[FIRST.key], states[SECOND.key]

    # Nine new items are dated by the collection that first saw them; twenty may be years old.
    assert first.state is IssueState.DRAFT
    undated = {story.article_id: story.undated for story in first.stories}
    assert {number > 20 for number, is_undated in undated.items() if not is_undated} == {True}
    (note,) = (note for note in first.notes if note.code is ReasonCode.UNDATED_ARTICLES)
    assert note.args == {"undated": 20, "all": 29, "source": "khabar.example"}
    assert find_issue(app, FIRST.key).frozen_at is not None

    assert second.state is IssueState.DRAFT
    assert not any(story.undated for story in second.stories)
    assert ReasonCode.UNDATED_ARTICLES not in {note.code for note in second.notes}
    assert find_issue(app, SECOND.key).frozen_at is not None


def test_undated_articles_of_the_first_collection_do_not_make_an_issue(
    app: App, clock: Clock, server: WebServer
) -> None:
    app = collecting(app, server)
    server.pages["/rss"] = (200, {}, items(range(20), date="<pubDate>03/04/2026</pubDate>"))
    (asked,) = collect.collect(app)
    assert asked.notes[0].startswith(
        f"{server.url('/rss')}: 20 of 20 items have no date that can be read, such as '03/04/2026'."
    )
    clock.turn(minutes=1)
    issue = drafting.draft(app)
    assert issue.state is IssueState.HELD
    assert len(issue.stories) == 12
    assert issue.reason == Reason(ReasonCode.TOO_FEW_DATED, {"found": 0, "least": 5, "undated": 12})
    # An editor who has looked at the stories may let the issue go.
    assert control.release(app, None).state is IssueState.DRAFT
    assert drafting.draft(app).state is IssueState.DRAFT


@make.only_sqlite
def test_a_pinned_article_counts_though_it_has_no_date(app: App, clock: Clock, server: WebServer) -> None:
    app = collecting(app, server)
    server.pages["/rss"] = (200, {}, items(range(20)))
    collect.collect(app)
    collect.pin(app, range(1, 6))
    clock.turn(minutes=1)
    issue = drafting.draft(app)
    assert issue.state is IssueState.DRAFT
    assert [story.undated for story in issue.stories[:6]] == [False] * 5 + [True]


@make.only_sqlite
def test_a_source_with_few_undated_articles_gets_no_warning(app: App, clock: Clock) -> None:
    def codes() -> set[ReasonCode]:
        return {note.code for note in drafting.draft(app).notes}

    given = [clock() - timedelta(hours=number) for number in range(1, 20)]
    found = [
        make.article(number, source="khabar.example", published=at) for number, at in enumerate([*given, None, None])
    ]
    collect.keep(app, found)
    clock.turn(minutes=1)
    assert ReasonCode.UNDATED_ARTICLES not in codes(), "2 of 21 are less than a tenth"
    collect.keep(app, [make.article(21, source="khabar.example", published=None)])
    clock.turn(minutes=1)
    assert ReasonCode.UNDATED_ARTICLES in codes(), "3 of 22 are more than a tenth"


def test_a_date_that_comes_later_replaces_the_estimated_one(app: App, clock: Clock) -> None:
    collect.keep(app, [make.article(1, published=None)], later=True)
    (found,) = collect.newest(app)
    assert (found.estimated, found.undated, found.dated) == (True, False, clock())
    given: datetime = clock() - timedelta(days=3)
    collect.keep(app, [make.article(1, published=given)], later=True)
    (found,) = collect.newest(app)
    assert (found.estimated, found.undated, found.dated) == (False, False, given)
