"""`/unsubscribe`: what unsubscribes a reader, and what never does (promise 4, RFC 8058)."""

import base64
from collections import deque
from collections.abc import Iterator
from urllib.parse import quote

import make
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from make import Clock
from sqlalchemy import text, update
from starlette.testclient import TestClient
from starlette.types import Message

from mailer import tokens, web
from mailer.context import App
from mailer.model import EventKind, ListRow, Method, SubscriberStatus
from mailer.readers import importing
from mailer.readers import leaving as leaving_verbs
from mailer.store import events, subscribers, suppressions
from mailer.store.schema import subscribers as table
from mailer.tokens import Purpose

EMAIL = "narges@example.org"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def client(app: App) -> Iterator[TestClient]:
    with TestClient(web.create(app), follow_redirects=False, raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def who(app: App) -> int:
    return make.subscriber(app.store, EMAIL)


def link(app: App, who: int, issue: int = 0) -> str:
    return "/unsubscribe/" + tokens.make(app.keys, Purpose.UNSUBSCRIBE, who, issue)


def status(app: App, who: int) -> SubscriberStatus:
    found = app.store.read(lambda tx: subscribers.get(tx, who))
    assert found is not None
    return found.status


def happened(app: App, who: int) -> list[tuple[EventKind, Method | None]]:
    return [(event.kind, event.method) for event in app.store.read(lambda tx: events.history(tx, who))]


def undo_of(page: str) -> str:
    return page.partition('action="/unsubscribe/undo/')[2].partition('"')[0]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PROPFIND", "PUT", "DELETE"])
def test_looking_changes_nothing(app: App, client: TestClient, who: int, method: str) -> None:
    prefetch = {"purpose": "prefetch", "sec-purpose": "prefetch", "user-agent": "SafeLinks scanner"}
    for _ in range(2):
        answer = client.request(method, link(app, who), headers=prefetch)
        assert answer.status_code == (200 if method in ("GET", "HEAD") else 404)
    assert (status(app, who), happened(app, who)) == (SubscriberStatus.ACTIVE, [])


def test_the_page_has_one_button_and_no_address(app: App, client: TestClient, who: int) -> None:
    page = client.get(link(app, who)).text
    assert page.count("<button") == 1
    assert f'action="{link(app, who)}"' in page
    assert EMAIL not in page


@make.only_sqlite
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    "how",
    [
        {"data": ONE_CLICK},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {"content": b"List-Unsubscribe=One-Click", "headers": {"content-type": "application/x-www-form-urlencoded"}},
        {"data": {"list-unsubscribe": " one-click "}},
    ],
    ids=["urlencoded", "multipart", "bytes", "any case"],
)
def test_one_click(app: App, client: TestClient, who: int, how: dict[str, object], slash: str) -> None:
    answer = client.post(link(app, who) + slash, **how)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert not {"set-cookie", "location"} & set(answer.headers)
    assert status(app, who) is SubscriberStatus.UNSUBSCRIBED
    assert happened(app, who) == [(EventKind.UNSUBSCRIBED, Method.ONE_CLICK)]


def test_the_button_and_the_issue_it_was_in(app: App, client: TestClient, who: int) -> None:
    issue = make.under_way(app.store)
    client.post(link(app, who, issue.id), data={"leave": "1"})
    ((address, event),) = leaving_verbs.leavings(app)
    assert (address, event.method, event.slot) == (EMAIL, Method.PAGE, make.SLOT)
    assert app.store.read(lambda tx: suppressions.find(tx, make.hash_of(EMAIL))) is not None


def test_unsubscribing_twice_records_one_event(app: App, client: TestClient, who: int) -> None:
    pages = [client.post(link(app, who), data=ONE_CLICK) for _ in range(3)]
    assert [page.status_code for page in pages] == [200, 200, 200]
    assert len(happened(app, who)) == 1
    assert client.get(link(app, who)).status_code == 200


@make.only_sqlite
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"x=1", "application/x-www-form-urlencoded"),
        (b"List-Unsubscribe=Two-Click", "application/x-www-form-urlencoded"),
        (b"\xff\xfe\x00=%%%", "application/x-www-form-urlencoded"),
        (b"--b\r\nnonsense", "multipart/form-data; boundary=b"),
        (b"nonsense", "multipart/form-data"),
        (b'{"List-Unsubscribe": "One-Click"}', "application/json"),
        (b"List-Unsubscribe=One-Click", "text/plain"),
        (b"leave=1&" + b"x" * 70_000, "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % n for n in range(500)) + b"&leave=1", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_does_not_ask_changes_nothing(
    app: App, client: TestClient, who: int, content: bytes, kind: str
) -> None:
    answer = client.post(link(app, who), content=content, headers={"content-type": kind})
    assert answer.status_code == 200, "the page with the button"
    assert "<button" in answer.text
    assert status(app, who) is SubscriberStatus.ACTIVE


@make.only_sqlite
def test_an_invalid_content_length_changes_nothing(app: App, client: TestClient, who: int) -> None:
    for length in ("99999999999999999999", "-1", "x"):
        headers = {"content-type": "application/x-www-form-urlencoded", "content-length": length}
        answer = client.post(link(app, who), content=b"leave=1", headers=headers)
        assert answer.status_code < 500
    assert status(app, who) is SubscriberStatus.ACTIVE


@make.only_sqlite
def test_a_body_without_length_is_not_read_for_ever(app: App, client: TestClient, who: int) -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        yield b"x="
        for _ in range(2000):
            read += 65536
            yield b"x" * 65536

    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post(link(app, who), content=endless(), headers=headers)
    assert answer.status_code < 500
    assert status(app, who) is SubscriberStatus.ACTIVE


async def posted(app: App, path: str, content_type: str, chunks: list[bytes]) -> tuple[int, int]:
    """Send a chunked POST as a server passes it on. Returns the status and the number of body bytes that were read."""
    waiting, read, statuses = deque(chunks), 0, []
    headers = [(b"content-type", content_type.encode()), (b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": headers}
    scope |= {"query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1", "client": ("192.0.2.1", 9)}

    async def receive() -> Message:
        nonlocal read
        chunk = waiting.popleft() if waiting else b""
        read += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await web.create(app)(scope, receive, send)
    (status_code,) = statuses
    return status_code, read


FILE = b'--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\n'
FIELD = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n'
LEAVE = b'\r\n--b\r\nContent-Disposition: form-data; name="leave"\r\n\r\n1\r\n--b--\r\n'
MEGABYTE = [b"x" * 8192] * 128


@make.only_sqlite
@pytest.mark.parametrize(
    ("content_type", "chunks"),
    [
        ("multipart/form-data; boundary=b", [FILE, *MEGABYTE, LEAVE]),
        ("multipart/form-data; boundary=b", [FIELD, *MEGABYTE, LEAVE]),
        ("multipart/form-data; boundary=b", [b"preamble", *MEGABYTE, b"\r\n" + FIELD + LEAVE]),
        ("application/x-www-form-urlencoded", [b"x=", *MEGABYTE, b"&leave=1"]),
    ],
)
async def test_a_body_larger_than_any_form_is_not_read_to_its_end(
    app: App, who: int, content_type: str, chunks: list[bytes]
) -> None:
    status_code, read = await posted(app, link(app, who), content_type, chunks)
    assert status_code == 200, "the page with the button"
    assert read <= 65536 + 8192
    assert status(app, who) is SubscriberStatus.ACTIVE


@make.only_sqlite
async def test_a_form_with_a_file_asks_for_nothing(app: App, who: int) -> None:
    await posted(app, link(app, who), "multipart/form-data; boundary=b", [FILE, b"x", LEAVE])
    assert status(app, who) is SubscriberStatus.ACTIVE


@make.only_sqlite
async def test_the_body_of_a_post_with_a_bad_token_is_not_read(app: App) -> None:
    chunks = [FILE, *MEGABYTE, LEAVE]
    assert await posted(app, "/unsubscribe/test", "multipart/form-data; boundary=b", chunks) == (404, 0)


def test_undo_within_the_hour(app: App, client: TestClient, who: int) -> None:
    undo = undo_of(client.post(link(app, who), data=ONE_CLICK).text)
    assert client.get(f"/unsubscribe/undo/{undo}").status_code == 404, "no GET changes anything"
    assert status(app, who) is SubscriberStatus.UNSUBSCRIBED
    for _ in range(2):
        assert client.post(f"/unsubscribe/undo/{undo}").status_code == 200
    assert status(app, who) is SubscriberStatus.ACTIVE
    assert happened(app, who) == [(EventKind.UNSUBSCRIBED, Method.ONE_CLICK), (EventKind.RETURNED, Method.PAGE)]
    assert app.store.read(lambda tx: suppressions.find(tx, make.hash_of(EMAIL))) is None


def test_no_undo_after_the_hour(app: App, client: TestClient, who: int, clock: Clock) -> None:
    undo = undo_of(client.post(link(app, who), data=ONE_CLICK).text)
    clock.turn(minutes=61)
    assert client.post(f"/unsubscribe/undo/{undo}").status_code == 404
    assert status(app, who) is SubscriberStatus.UNSUBSCRIBED


def test_an_undo_token_opens_nothing_else(app: App, client: TestClient, who: int) -> None:
    undo = undo_of(client.post(link(app, who), data=ONE_CLICK).text)
    assert client.post(f"/unsubscribe/{undo}", data=ONE_CLICK).status_code == 404
    leaving = link(app, who).rpartition("/")[2]
    assert client.post(f"/unsubscribe/undo/{leaving}").status_code == 404
    assert status(app, who) is SubscriberStatus.UNSUBSCRIBED


def test_an_old_undo_does_not_undo_what_an_admin_did(app: App, client: TestClient, who: int) -> None:
    undo = undo_of(client.post(link(app, who), data=ONE_CLICK).text)
    assert client.post(f"/unsubscribe/undo/{undo}").status_code == 200
    leaving_verbs.by_admin(app, EMAIL)
    assert client.post(f"/unsubscribe/undo/{undo}").status_code == 404
    assert status(app, who) is SubscriberStatus.UNSUBSCRIBED


def test_a_click_after_an_admin_unsubscribed_the_reader_has_no_undo(app: App, client: TestClient, who: int) -> None:
    leaving_verbs.by_admin(app, EMAIL)
    assert undo_of(client.post(link(app, who), data=ONE_CLICK).text) == ""
    assert status(app, who) is SubscriberStatus.UNSUBSCRIBED


def test_each_undo_button_undoes_one_leaving(app: App, client: TestClient, who: int) -> None:
    first, second = (undo_of(client.post(link(app, who), data=ONE_CLICK).text) for _ in range(2))
    assert second == "", "the second click did nothing"
    assert client.post(f"/unsubscribe/undo/{first}").status_code == 200
    again = undo_of(client.post(link(app, who), data=ONE_CLICK).text)
    assert client.post(f"/unsubscribe/undo/{first}").status_code == 404
    assert status(app, who) is SubscriberStatus.UNSUBSCRIBED
    assert client.post(f"/unsubscribe/undo/{again}").status_code == 200
    assert status(app, who) is SubscriberStatus.ACTIVE


def test_undo_does_not_lift_another_suppression(app: App, client: TestClient, who: int) -> None:
    app.store.write(
        lambda tx: suppressions.add(tx, [make.hash_of(EMAIL)], EventKind.COMPLAINED, at=app.now(), issue_id=None)
    )
    undo = undo_of(client.post(link(app, who), data=ONE_CLICK).text)
    if undo:
        assert client.post(f"/unsubscribe/undo/{undo}").status_code == 404
    assert status(app, who) is SubscriberStatus.UNSUBSCRIBED


def test_a_link_works_for_a_forgotten_reader(app: App, client: TestClient, who: int) -> None:
    # What `forget` keeps: the id and the hash of the address.
    app.store.write(
        lambda tx: tx.execute(
            update(table)
            .where(table.c.id == who)
            .values(address=None, address_key=None, name="", forgotten_at=make.NOW)
        )
    )
    assert client.get(link(app, who)).status_code == 200
    answer = client.post(link(app, who), data=ONE_CLICK)
    assert answer.status_code == 200
    assert app.store.read(lambda tx: suppressions.find(tx, make.hash_of(EMAIL))) is not None
    undo = undo_of(answer.text)
    assert not undo or client.post(f"/unsubscribe/undo/{undo}").status_code == 404


def test_a_link_works_when_the_issue_or_the_reader_is_unknown(app: App, client: TestClient, who: int) -> None:
    assert client.post(link(app, who, issue=999), data=ONE_CLICK).status_code == 200
    ((_, event),) = leaving_verbs.leavings(app)
    assert event.slot is None
    assert client.post(link(app, 424242), data=ONE_CLICK).status_code == 200


def test_every_bad_link_gets_the_same_page(app: App, client: TestClient, who: int) -> None:
    good = link(app, who).rpartition("/")[2]
    other = tokens.make(app.keys, Purpose.CONFIRM, who)
    bad = ["x", "test", good[:-1], good + "A", good.swapcase(), other, "%00", "a" * 5000, "‮", good[:-2] + "AA"]
    answers = {
        (answer.status_code, answer.content)
        for token in bad
        for answer in (client.get(f"/unsubscribe/{token}"), client.post(f"/unsubscribe/{token}", data=ONE_CLICK))
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 404
    assert status(app, who) is SubscriberStatus.ACTIVE


def test_an_import_does_not_bring_back_a_reader_who_left(app: App, client: TestClient, who: int) -> None:
    client.post(link(app, who), data=ONE_CLICK)
    report = importing.import_rows(app, [ListRow(1, EMAIL)])
    assert (report.added, report.suppressed) == (0, 1)


def test_only_agent_class_and_network_of_the_request_are_kept(app: App, client: TestClient, who: int) -> None:
    client.post(link(app, who), data=ONE_CLICK, headers={"user-agent": "Mozilla/5.0 (X11) Firefox/149.0"})
    row = app.store.read(lambda tx: tx.execute(text("SELECT agent, network FROM events")).one())
    assert row.agent == "browser"
    assert "Mozilla" not in str(row.network)


# --- anything at all -------------------------------------------------------------------------------------------------
PIECES = st.sampled_from(
    ["unsubscribe", "undo", "archive", "media", "healthz", "static", "..", ".", "%2e%2e", "%00", "test", "1405-W36", ""]
)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TOKEN = st.binary(min_size=31, max_size=31).map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="))
METHODS = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND"])


@make.only_sqlite
@bounds(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=METHODS, parts=st.lists(PIECES | ANY | TOKEN, max_size=4), body=st.binary(max_size=60))
def test_no_request_breaks_or_changes_anything(
    app: App, client: TestClient, method: str, parts: list[str], body: bytes
) -> None:
    known = app.store.read(lambda tx: subscribers.find(tx, EMAIL))
    who = known.id if known else make.subscriber(app.store, EMAIL)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    path = "/" + "/".join(quote(part, safe="%.") for part in parts).lstrip("/")
    answer = client.request(method, path, content=body, headers=headers)
    assert answer.status_code < 500
    assert "content-security-policy" in answer.headers
    assert (status(app, who), happened(app, who)) == (SubscriberStatus.ACTIVE, [])


@make.only_sqlite
@bounds(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=TOKEN | ANY.filter(lambda each: "/" not in each))
def test_no_invented_token_is_accepted(app: App, token: str) -> None:
    with pytest.raises(Exception, match="This link is damaged"):
        leaving_verbs.leave(app, token, Method.ONE_CLICK)
