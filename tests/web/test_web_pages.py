"""The public pages, and what every answer has: the headers, no cookie, no redirect."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import make
import pytest
from sqlalchemy import text
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient

from mailer import web
from mailer.context import App
from mailer.issues import control, delivery, draft
from mailer.mail.render import Renderer
from mailer.model import Issue, IssueState
from mailer.web.guard import CSP, ISSUE_CSP

pytestmark = make.only_sqlite


def client_of(app: App, pulse: web.Pulse | None = None, more: tuple[Route, ...] = ()) -> TestClient:
    """A client that follows no redirects and reports server errors as answers."""
    return TestClient(web.create(app, pulse, more), follow_redirects=False, raise_server_exceptions=False)


@pytest.fixture
def client(app: App) -> Iterator[TestClient]:
    with client_of(app) as opened:
        yield opened


def public(app: App) -> Issue:
    """An issue that is being sent."""
    make.week_of_articles(app.store)
    make.subscriber(app.store)
    return delivery.start(app, draft.freeze(app, draft.draft(app)))


ADDRESSES = [
    ("GET", "/", 200),
    ("GET", "/archive", 200),
    ("GET", "/archive/1405-W10", 404),
    ("GET", "/archive/nonsense", 404),
    ("GET", "/static/page.css", 200),
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("GET", "/unsubscribe/test", 404),
    ("POST", "/unsubscribe/test", 404),
    ("GET", "/unsubscribe/undo/test", 404),
    ("POST", "/unsubscribe/undo/test", 404),
    ("GET", "/media/none.jpg", 404),
    ("POST", "/archive", 404),
    ("DELETE", "/unsubscribe/test", 404),
    ("GET", "/wp-login.php", 404),
    ("GET", "/archive/", 404),
]


@pytest.mark.parametrize(("method", "address", "status"), ADDRESSES)
def test_every_answer_carries_the_headers(client: TestClient, method: str, address: str, status: int) -> None:
    answer = client.request(method, address)
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == CSP
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    public = status == 200 and address.startswith("/archive")  # search engines may find these
    assert answer.headers["x-robots-tag"] == ("all" if public else "noindex")
    assert "cache-control" in answer.headers
    assert not {"set-cookie", "location", "server"} & set(answer.headers)


def test_a_page_that_fails_reveals_nothing_and_carries_the_headers(app: App) -> None:
    async def broken(_request: Request) -> NoReturn:
        raise RuntimeError("the secret is 42")

    with client_of(app, more=(Route("/broken", broken),)) as client:
        answer = client.get("/broken")
    assert answer.status_code == 500
    assert "42" not in answer.text
    assert 'dir="rtl"' in answer.text
    assert answer.headers["content-security-policy"] == CSP


@pytest.mark.parametrize("address", ["/", "/archive", "/archive/1405-W10", "/unsubscribe/test"])
def test_pages_are_persian_and_right_to_left(client: TestClient, address: str) -> None:
    page = client.get(address).text
    assert '<html lang="fa" dir="rtl">' in page
    assert "<script" not in page
    assert "style=" not in page


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PROPFIND", "TRACE", "PUT", "PATCH"])
def test_other_methods(client: TestClient, method: str) -> None:
    for address in ("/", "/archive", "/healthz", "/unsubscribe/test", "/media/x"):
        answer = client.request(method, address)
        assert answer.status_code < 500
        assert "content-security-policy" in answer.headers


def test_the_archive_shows_what_was_mailed_without_a_token(app: App, client: TestClient) -> None:
    issue = public(app)
    listing = client.get("/archive").text
    assert issue.slot in listing
    page = client.get(f"/archive/{issue.slot}")
    assert page.status_code == 200
    assert page.headers["content-security-policy"] == ISSUE_CSP
    assert "sandbox" in ISSUE_CSP
    for story in issue.stories:
        assert story.url in page.text
    assert "/unsubscribe/" not in page.text
    assert "نرگس" not in page.text
    assert set(page.text) & set("\x02\x03") == set(), "no slot is left open"
    assert client.get("/archive").headers["content-security-policy"] == CSP


def test_a_template_of_an_older_version_still_lists_the_issues(app: App, tmp_path: Path) -> None:
    own = tmp_path / "own" / "page"
    own.mkdir(parents=True)
    (own / "archive.html").write_text("{% for each in issues %}{{ each.subject }}{% endfor %}", "utf-8")
    issue = public(app)
    with client_of(replace(app, make_renderer=lambda: Renderer(own.parent, make.TEMPLATES))) as client:
        answer = client.get("/archive")
    assert answer.status_code == 200
    assert issue.stories[0].title in answer.text


@pytest.mark.parametrize(
    "state", [state for state in IssueState if state not in ("sending", "paused", "sent", "partial")]
)
def test_an_issue_that_no_reader_got_is_not_public(app: App, client: TestClient, state: IssueState) -> None:
    issue = public(app)
    app.store.write(
        lambda tx: tx.execute(text("UPDATE issues SET state = :s WHERE id = :i"), {"s": state, "i": issue.id})
    )
    assert client.get(f"/archive/{issue.slot}").status_code == 404
    assert issue.slot not in client.get("/archive").text


def test_a_cancelled_issue_leaves_the_archive(app: App, client: TestClient) -> None:
    issue = public(app)
    control.cancel(app, issue.slot)
    assert client.get(f"/archive/{issue.slot}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "../secret.key",
        "%2e%2e/secret.key",
        "..%2fsecret.key",
        "%2e%2e%2fsecret.key",
        "link",
        "news/../../secret.key",
        "",
    ],
)
def test_media_serves_nothing_outside_its_folder(app: App, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.key").write_text("sign 00", "utf-8")
    media = tmp_path / "media"
    (media / "news").mkdir(parents=True)
    (media / "picture.jpg").write_bytes(b"\xff\xd8")
    (media / "link").symlink_to(tmp_path / "secret.key")
    with client_of(app) as client:
        assert client.get("/media/picture.jpg").content == b"\xff\xd8"
        answer = client.get(f"/media/{path}")
    assert answer.status_code == 404
    assert "sign 00" not in answer.text


def test_ready_while_all_is_well(app: App) -> None:
    pulse = web.Pulse(expected=True)
    with client_of(app, pulse) as client:
        late = client.get("/readyz")
        assert (late.status_code, late.text) == (503, "the clock does not tick")
        pulse.beat()
        assert client.get("/readyz").text == "ok"
        pulse._last = -1000.0
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200, "it is alive all the same"
