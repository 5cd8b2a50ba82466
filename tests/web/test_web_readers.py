"""The pages for readers: only a POST changes something, and no answer reveals whether an address is known."""

import re
from collections.abc import Iterator

import make
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make import Clock
from starlette.testclient import TestClient

from mailer import tokens, web
from mailer.address import parse
from mailer.context import App
from mailer.model import SubscriberStatus
from mailer.readers import admin, joining, leaving
from mailer.store import subscribers
from mailer.store.schema import TABLES
from mailer.tokens import Purpose

EMAIL = "narges@example.org"


@pytest.fixture
def client(app: App) -> Iterator[TestClient]:
    with TestClient(web.create(app), base_url="https://news.iran.example", follow_redirects=False) as client:
        yield client


def dump(app: App) -> str:
    """Every row of every table."""
    return app.store.read(lambda tx: repr([[tuple(row) for row in tx.execute(t.select())] for t in TABLES]))


def form(app: App, clock: Clock, email: str = EMAIL, **more: str) -> dict[str, str]:
    token = joining.form_token(app)
    clock.turn(seconds=3)
    return {"email": email, "form": token, "website": "", **more}


def test_signing_up_by_the_pages_alone(app: App, client: TestClient, clock: Clock) -> None:
    page = client.get("/subscribe")
    token = page.text.split('name="form" value="')[1].split('"')[0]
    clock.turn(seconds=5)
    answer = client.post("/subscribe", data={"email": EMAIL, "form": token, "website": ""})
    assert answer.status_code == 200
    assert EMAIL not in answer.text
    joining.decide_signups(app)
    who = admin.show(app, EMAIL)[0]
    assert who.status is SubscriberStatus.PENDING
    link = joining.url(app, who.id, int(clock().timestamp())).removeprefix("https://news.iran.example")

    for method in ("GET", "HEAD", "OPTIONS", "PROPFIND", "PUT", "DELETE"):
        before = dump(app)
        client.request(method, link, headers={"Sec-Purpose": "prefetch"})
        assert dump(app) == before, method
    assert client.post(link).status_code == 200  # without our button: the page again
    assert admin.show(app, EMAIL)[0].status is SubscriberStatus.PENDING
    welcome = client.post(link, data={"confirm": "yes"})
    assert "خوش آمدید" in welcome.text
    assert admin.show(app, EMAIL)[0].status is SubscriberStatus.ACTIVE
    assert "set-cookie" not in welcome.headers


def test_the_form_of_the_news_site_is_answered_with_our_form_filled_in(app: App, client: TestClient) -> None:
    before = dump(app)
    answer = client.post("/subscribe", data={"email": EMAIL})
    assert answer.status_code == 200
    assert f'value="{EMAIL}"' in answer.text
    assert 'name="form" value="' in answer.text
    assert "<h1>تنها یک گام مانده است</h1>" in answer.text
    assert "هنوز عضو نشده‌اید. دکمهٔ زیر را بزنید" in answer.text
    assert '<button type="submit">فرستادن نامهٔ تأیید</button>' in answer.text
    assert joining.consent_words(app)[:20] in answer.text, "the reader agrees to these words by the button"
    assert dump(app) == before
    assert "تنها یک گام" not in client.get("/subscribe").text


def test_a_button_that_is_pressed_at_once_works_when_it_is_pressed_again(
    app: App, client: TestClient, clock: Clock
) -> None:
    def token(page: str) -> str:
        return str(re.findall(r'name="form" value="([^"]+)"', page)[0])

    first = token(client.post("/subscribe", data={"email": EMAIL}).text)
    clock.turn(seconds=1)
    again = client.post("/subscribe", data={"email": EMAIL, "form": first})
    assert "تنها یک گام مانده است" in again.text
    assert token(again.text) == first
    clock.turn(seconds=1)
    assert "ایمیلتان را ببینید" in client.post("/subscribe", data={"email": EMAIL, "form": first}).text
    clock.turn(hours=3)
    assert token(client.post("/subscribe", data={"email": EMAIL, "form": first}).text) != first


def test_the_answer_is_the_same_for_everybody(app: App, client: TestClient, clock: Clock) -> None:
    make.subscriber(app.store, "active@example.org")
    make.subscriber(app.store, "pending@example.org", status=SubscriberStatus.PENDING)
    leaving.suppress(app, "suppressed@example.org")
    answers = set()
    for who in ("new", "active", "pending", "suppressed"):
        answer = client.post("/subscribe", data=form(app, clock, f"{who}@example.org"))
        answers.add((answer.status_code, answer.content, tuple(sorted(answer.headers.items()))))
    assert len(answers) == 1


def test_programs_fall_into_the_trap(app: App, client: TestClient, clock: Clock) -> None:
    data = form(app, clock) | {"website": "http://spam.example"}
    before = dump(app)
    assert client.post("/subscribe", data=data).status_code == 200
    assert dump(app) == before


def test_a_mistyped_domain_is_questioned_and_both_answers_work(app: App, client: TestClient, clock: Clock) -> None:
    asked = client.post("/subscribe", data=form(app, clock, "a@gmial.com"))
    assert "a@gmail.com" in asked.text
    assert joining.decide_signups(app) == 0
    client.post("/subscribe", data=form(app, clock, "a@gmail.com", sure="yes"))
    client.post("/subscribe", data=form(app, clock, "b@gmial.com", sure="yes"))
    assert joining.decide_signups(app) == 2


def test_the_form_explains_a_bad_address_and_too_many_requests(app: App, client: TestClient, clock: Clock) -> None:
    assert client.post("/subscribe", data=form(app, clock, "<script>@x")).status_code == 422
    data = form(app, clock)
    answers = [client.post("/subscribe", data={**data, "email": f"r{n}@example.org"}).status_code for n in range(61)]
    assert answers[-1] == 429


def test_preferences_by_the_pages_alone(app: App, client: TestClient) -> None:
    who = make.subscriber(app.store, EMAIL)
    page = client.get("/unsubscribe/" + tokens.make(app.keys, Purpose.UNSUBSCRIBE, who))
    link = "/preferences/" + page.text.split('href="/preferences/')[1].split('"')[0]
    shown = client.get(link)
    assert EMAIL not in shown.text
    data = {"section": ["سیاست", "فناوری"], "pause": "4", "save": "yes"}
    assert "ذخیره شد" in client.post(link, data=data).text
    assert admin.show(app, EMAIL)[0].sections == ("سیاست", "فناوری")
    before = dump(app)
    for pause in ("-1", "9999999", "۴", "x", ""):
        assert client.post(link, data={**data, "pause": pause}).status_code == 200
    client.post(link, data={"section": "اقتصاد"})  # without our button
    client.post(link, data={**data, "email": "evil@example.org", "id": "2"})
    assert dump(app).count("paused_until") == before.count("paused_until")
    assert admin.show(app, EMAIL)[0].sections == ("سیاست", "فناوری")


def test_saying_why_after_leaving(app: App, client: TestClient) -> None:
    who = make.subscriber(app.store, EMAIL)
    link = "/unsubscribe/" + tokens.make(app.keys, Purpose.UNSUBSCRIBE, who)
    left = client.post(link + "?utm_source=x&_se=y", data={"leave": "yes"})
    why = "/unsubscribe/why/" + left.text.split('action="/unsubscribe/why/')[1].split('"')[0]
    assert client.get(why).status_code == 404
    assert client.post(why, data={"why": "nonsense"}).status_code == 404
    assert client.post(why, data={"why": "other", "text": "<script>alert(1)</script>"}).status_code == 200
    (event,) = [event for _, event in leaving.leavings(app)]
    assert event.reason == "other: <script>alert(1)</script>"


def test_the_archive_may_be_cached_and_indexed(app: App, client: TestClient) -> None:
    issue = make.under_way(app.store)
    listing = client.get("/archive")
    assert listing.headers["cache-control"] == "public, max-age=300"
    assert listing.headers["x-robots-tag"] == "all"
    assert "noindex" not in listing.text
    feed = client.get("/archive/feed.xml")
    assert feed.headers["content-type"].startswith("application/atom+xml")
    assert app.archive_url(issue.slot) in feed.text


@make.only_sqlite
def test_the_newsroom_can_keep_search_engines_out(app: App, clock: Clock) -> None:
    from mailer.settings import Readers

    hidden = make.app(app.store, app.settings.folder, clock, readers=Readers(archive_index=False))
    with TestClient(web.create(hidden)) as client:
        listing = client.get("/archive")
    assert listing.headers["x-robots-tag"] == "noindex"
    assert '<meta name="robots" content="noindex">' in listing.text


PATHS = (
    "/subscribe",
    "/confirm/{}",
    "/preferences/{}",
    "/unsubscribe/{}",
    "/unsubscribe/why/{}",
    "/unsubscribe/undo/{}",
)
TOKENS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    st.builds(
        lambda purpose, who, issue, stamp: tokens.make(make.KEYS, purpose, who, issue, stamp),
        st.sampled_from([Purpose.BOUNCE, Purpose.EDITOR, Purpose.MESSAGE]),  # made here, for other purposes
        st.integers(0, 3),
        st.integers(0, 3),
        st.integers(0, 2**32 - 1),
    ),
)
FORMS = st.dictionaries(
    st.sampled_from(
        ["email", "form", "why", "text", "leave", "confirm", "save", "section", "pause", "List-Unsubscribe"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    max_size=5,
)


@pytest.mark.slow
@make.only_sqlite
def test_no_route_breaks_or_changes_anything_for_a_stranger(app: App, client: TestClient) -> None:
    make.subscriber(app.store, EMAIL)
    before = dump(app)

    @given(
        st.sampled_from(PATHS), TOKENS, st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS"]), FORMS, st.binary()
    )
    @settings(max_examples=200, deadline=None)
    def strange(path: str, token: str, method: str, fields: dict[str, str], body: bytes) -> None:
        from urllib.parse import quote

        url = path.format(quote(token, safe=""))
        for sent in (
            {"data": fields},
            {"content": body, "headers": {"content-type": "multipart/form-data; boundary=x"}},
        ):
            answer = client.request(method, url, **sent)
            assert answer.status_code < 500
            assert "set-cookie" not in answer.headers

    strange()
    assert dump(app) == before
    assert app.store.read(lambda tx: subscribers.find(tx, parse(EMAIL).key)) is not None
