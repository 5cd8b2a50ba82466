"""Opening every link of a real mail a thousand times, in every way except a POST with our button, changes no row.

The answer to a link that was not made here is always the same and takes the same time.
"""

import asyncio
import re
import statistics
import time
from collections.abc import Iterator

import httpx
import make
import pytest
from make import Clock
from starlette.testclient import TestClient

from mailer import tokens, web
from mailer.context import App
from mailer.demo.inbox import Inbox
from mailer.demo.letter import read
from mailer.issues import delivery, draft
from mailer.model import SubscriberStatus
from mailer.readers import preferences
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.store import subscribers
from mailer.store.schema import TABLES
from mailer.tokens import Purpose

METHODS = ("GET", "HEAD", "OPTIONS", "PROPFIND")
PREFETCH = {"sec-purpose": "prefetch"}
AGENTS: tuple[dict[str, str], ...] = ({}, PREFETCH, {"purpose": "prefetch"}, {"user-agent": "SafeLinks scanner"})


@pytest.fixture
def client(app: App) -> Iterator[TestClient]:
    with TestClient(web.create(app), base_url="https://news.iran.example", follow_redirects=False) as client:
        yield client


def dump(app: App) -> str:
    return app.store.read(lambda tx: repr([[tuple(row) for row in tx.execute(t.select())] for t in TABLES]))


def our_links(app: App, inbox: Inbox) -> list[str]:
    """The links to our own pages in the one mail that went out, header and both parts."""
    make.subscriber(app.store)
    make.week_of_articles(app.store)
    issue = draft.freeze(app, draft.draft(app, make.SLOT))
    delivery.start(app, issue)
    asyncio.run(Sender(app, Circuits()).run())
    (mail,) = inbox.mails
    letter = read(mail)
    text = "\n".join((letter.html or "", letter.text or "", letter.source, letter.one_click))
    base = re.escape(app.settings.newsletter.base_url)
    return sorted(set(re.findall(base + r"(/[^\s\"'<>)]*)", text)))


@pytest.mark.slow
@make.only_sqlite
def test_opening_every_link_a_thousand_times_changes_nothing(sending_app: App, inbox: Inbox) -> None:
    app = sending_app
    links = our_links(app, inbox)
    kinds = {link.split("/")[1] for link in links}
    assert {"unsubscribe", "preferences", "archive"} <= kinds
    before = dump(app)
    asyncio.run(look(app, links))
    assert dump(app) == before


async def look(app: App, links: list[str]) -> None:
    """Runs in one event loop: a `TestClient` would spend most of its time switching threads for each message."""
    way = httpx.ASGITransport(web.create(app))
    async with httpx.AsyncClient(transport=way, base_url=app.settings.newsletter.base_url) as client:
        for link in links:
            for number in range(1000):
                method, headers = METHODS[number % 4], AGENTS[number // 4 % 4]
                answer = await client.request(method, f"{link}?utm_source=mail&_se={number}", headers=headers)
                assert answer.status_code == (200 if method in ("GET", "HEAD") else 404), (method, link)
                assert "set-cookie" not in answer.headers
                assert "location" not in answer.headers


def test_the_mail_leads_to_the_readers_own_preferences(sending_app: App, inbox: Inbox) -> None:
    app = sending_app
    (link,) = [each for each in our_links(app, inbox) if each.startswith("/preferences/")]
    with TestClient(web.create(app), base_url=app.settings.newsletter.base_url) as client:
        page = client.get(link)
        assert page.status_code == 200
        assert "narges@example.org" not in page.text
        assert "ذخیره شد" in client.post(link, data={"section": "سیاست", "pause": "0", "save": "yes"}).text
    token = link.rpartition("/")[2]
    assert [name for name, chosen in preferences.current(app, token).sections if chosen] == ["سیاست"]


@pytest.mark.parametrize("host", ["news.iran.example", "NEWS.iran.example:443", "127.0.0.1", "xn--mgba3a4f16a.example"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@make.only_sqlite
def test_one_click_is_never_redirected(app: App, host: str, scheme: str) -> None:
    who = make.subscriber(app.store)
    link = "/unsubscribe/" + tokens.make(app.keys, Purpose.UNSUBSCRIBE, who)
    with TestClient(web.create(app), base_url=f"{scheme}://{host}", follow_redirects=False) as client:
        for path in (link, link + "/", link + "?", link + "/?utm_source=x&_se=y"):
            answer = client.post(path, data={"List-Unsubscribe": "One-Click"})
            assert (answer.status_code, answer.headers.get("location"), answer.headers.get("set-cookie")) == (
                200,
                None,
                None,
            )


@pytest.mark.slow
@make.only_sqlite
def test_the_answer_to_a_bad_link_reveals_nothing(app: App, client: TestClient, clock: Clock) -> None:
    who = make.subscriber(app.store)
    good = tokens.make(app.keys, Purpose.UNSUBSCRIBE, who)
    body = {"List-Unsubscribe": "One-Click"}
    damaged = {
        "known reader": good[:-6] + ("AAAAAA" if good[-6:] != "AAAAAA" else "BBBBBB"),
        "unknown reader": tokens.make(app.keys, Purpose.CONFIRM, 424242),
        "other purpose": tokens.make(app.keys, Purpose.EDITOR, who),
    }
    answers = {client.post(f"/unsubscribe/{token}", data=body).content for token in damaged.values()}
    assert len(answers) == 1

    def ratio() -> float:
        times: dict[str, list[float]] = {name: [] for name in damaged}
        for _ in range(300):
            for name, token in damaged.items():
                began = time.perf_counter()
                client.post(f"/unsubscribe/{token}", data=body)
                times[name].append(time.perf_counter() - began)
        middle = [statistics.median(each) for each in times.values()]
        return max(middle) / min(middle)

    # None of them causes a lookup. A busy machine may show a difference once; a lookup would show it every time.
    assert any(ratio() < 1.5 for _ in range(3))
    found = app.store.read(lambda tx: subscribers.get(tx, who))
    assert found is not None
    assert found.status is SubscriberStatus.ACTIVE
