"""Counted links in a real Chromium: one that opens every link of a mail counts nothing, a reader's two clicks count."""

import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import make
import pytest
import uvicorn
from make import only_sqlite

from mailer import web
from mailer.context import App
from mailer.issues import delivery, draft, report
from mailer.issues.clicks import SPAN_S, Counter
from mailer.model import Issue
from mailer.settings import Newsletter, Web

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium (apt install chromium)"),
]


class Later:
    """The time of the counter, which the test moves on so that it need not wait."""

    more = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.more


@pytest.fixture
def served(app: App) -> Iterator[tuple[App, Issue, Counter, Later]]:
    """An app that counts clicks, with an issue that has begun to go out, and its pages on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    newsletter = Newsletter(from_="news@iran.example", base_url=f"http://127.0.0.1:{port}")
    update = {"web": Web(count_clicks="totals"), "newsletter": newsletter}
    app = replace(app, settings=app.settings.model_copy(update=update))
    make.subscriber(app.store)
    make.week_of_articles(app.store)
    issue = delivery.start(app, draft.freeze(app, draft.draft(app)))
    later = Later()
    counter = Counter(app, later)
    pages = web.create(app, counter=counter)
    server = uvicorn.Server(uvicorn.Config(pages, host="127.0.0.1", port=port, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield app, issue, counter, later
    server.should_exit = True
    thread.join()


def opened(app: App, issue: Issue) -> dict[int, int]:
    return {each.position: each.opened for each in report.report(app, issue).clicks if each.opened}


@only_sqlite
def test_a_browser_that_opens_every_link_of_a_mail_counts_nothing_and_a_reader_does(
    served: tuple[App, Issue, Counter, Later],
) -> None:
    app, issue, counter, later = served
    links = re.findall(r'<a [^>]*href="(http://127\.0\.0\.1:\d+/to/[^"]+)"', mail_of(app, issue))
    links = list(dict.fromkeys(links))
    assert len(links) == len(issue.stories) == 12
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = browser.new_page()
        begun = time.monotonic()
        for link in links:
            assert follow(page, link).startswith("https://iran.example/news/")
        assert time.monotonic() - begun < SPAN_S
        settle(counter, later)
        assert opened(app, issue) == {}
        assert sum(each.scanned for each in report.report(app, issue).clicks) == 12
        for link in links[:2]:
            follow(page, link)
        settle(counter, later)
        browser.close()
    positions = [int(link.rpartition("/")[2]) for link in links[:2]]
    assert opened(app, issue) == dict.fromkeys(positions, 1)


def mail_of(app: App, issue: Issue) -> str:
    return draft.content(app, issue).html


def follow(page: Any, link: str) -> str:
    """Opens a link in the browser. Returns the address to which it leads, which no server has."""
    with page.expect_response(link) as answer, suppress(playwright_api.Error):
        page.goto(link)
    location: str = answer.value.headers["location"]
    return location


def settle(counter: Counter, later: Later) -> None:
    later.more += SPAN_S + 1
    counter.save(counter.settled())
