"""The web inbox, asked like a browser does."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from mailer.demo.inbox import Inbox
from mailer.demo.pages import EXPECTED, routes

HTML = (
    '<!DOCTYPE html><html lang="fa" dir="rtl"><HEAD data-x="1"><title>x</title></HEAD><body>'
    '<div style="display:none">مهم‌ترین‌های هفته</div><script>alert(1)</script></body></html>'
)
LEAVE = 'http://127.0.0.1:8080/unsubscribe/AbC?"><script>'


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    box.start()
    yield box
    box.stop()


@pytest.fixture
def client(inbox: Inbox) -> TestClient:
    return TestClient(Starlette(routes=routes(inbox)), follow_redirects=False)


def send(inbox: Inbox, *, html: bool = True, text: bool = True, one_click: bool = True) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "ایران من <news@example.org>", "mina@reader.example"
    message["Subject"] = "<i>C++ و گل دقیقهٔ ۹۰+۴</i>"
    if one_click:
        message["List-Unsubscribe"] = f"<{LEAVE}>".replace('"><script>', "%22%3E")
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    if text:
        message.set_content("سلام <b>\n")
        if html:
            message.add_alternative(HTML, subtype="html")
    elif html:
        message.set_content(HTML, subtype="html")
    deliver(inbox, message.as_bytes())


def deliver(inbox: Inbox, raw: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", inbox.port, timeout=10) as line:
        line.sendmail("bounce@example.org", ["mina@reader.example"], raw)


def test_the_front_door_leads_to_the_inbox(client: TestClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox")


def test_the_list_looks_again_until_all_are_here(inbox: Inbox, client: TestClient) -> None:
    assert 'http-equiv="refresh"' in client.get("/inbox").text
    for _ in range(EXPECTED):
        send(inbox)
    page = client.get("/inbox").text
    assert 'http-equiv="refresh"' not in page
    assert page.count("<li>") == EXPECTED


def test_the_list_shows_sender_subject_and_time(inbox: Inbox, client: TestClient) -> None:
    send(inbox)
    page = client.get("/inbox").text
    assert "ایران من &lt;news@example.org&gt;" in page
    assert "mina@reader.example" in page
    assert (
        '&lt;i&gt;<span dir="ltr" class="run">C++</span> و گل دقیقهٔ <span dir="ltr" class="run">۹۰+۴</span>&lt;/i&gt;'
        in page
    )
    assert "مهم‌ترین‌های هفته" in page
    assert "ساعت " in page


def test_the_mail_is_shown_in_a_locked_frame(inbox: Inbox, client: TestClient) -> None:
    send(inbox)
    page = client.get("/inbox/1").text
    assert 'src="/inbox/1/html"' in page
    assert "allow-scripts" not in page
    assert "allow-same-origin" not in page
    frame = client.get("/inbox/1/html")
    assert '<HEAD data-x="1"><base target="_blank"><title>' in frame.text
    policy = frame.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src 'self'")
    assert "script-src" not in policy
    assert "sandbox allow-popups" in policy


def test_text_and_source_are_escaped(inbox: Inbox, client: TestClient) -> None:
    send(inbox)
    assert "سلام &lt;b&gt;" in client.get("/inbox/1/text").text
    source = client.get("/inbox/1/source").text
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in source
    assert "&lt;script&gt;" not in client.get("/inbox/1/text").text
    assert "<script" not in source


def test_one_click_posts_the_same_as_a_mail_program(inbox: Inbox, client: TestClient) -> None:
    send(inbox)
    page = client.get("/inbox/1").text
    assert 'method="post" action="http://127.0.0.1:8080/unsubscribe/AbC?%22%3E"' in page
    assert '<input type="hidden" name="List-Unsubscribe" value="One-Click">' in page
    assert "form-action 'self' http://127.0.0.1:*" in client.get("/inbox/1").headers["content-security-policy"]


def test_no_one_click_without_the_header(inbox: Inbox, client: TestClient) -> None:
    send(inbox, one_click=False)
    assert "<form" not in client.get("/inbox/1").text


def test_a_mail_of_text_alone(inbox: Inbox, client: TestClient) -> None:
    send(inbox, html=False)
    page = client.get("/inbox/1").text
    assert "<iframe" not in page
    assert "سلام &lt;b&gt;" in page
    assert client.get("/inbox/1/html").status_code == 404


def test_a_mail_of_html_alone(inbox: Inbox, client: TestClient) -> None:
    send(inbox, text=False)
    assert "<iframe" in client.get("/inbox/1").text
    assert "این نامه بخش متنی ندارد" in client.get("/inbox/1/text").text


def test_a_mail_that_cannot_be_parsed_shows_its_source(inbox: Inbox, client: TestClient) -> None:
    deliver(inbox, b"Content-Type: application/x-nothing\r\nX-Odd: <script>\r\n\r\n\xff\xfe\r\n")
    assert "خواندنی نیست" in client.get("/inbox").text
    page = client.get("/inbox/1")
    assert page.status_code == 200
    assert "X-Odd: &lt;script&gt;" in page.text
    assert "<iframe" not in page.text


def test_the_bytes_can_be_taken_away(inbox: Inbox, client: TestClient) -> None:
    send(inbox)
    answer = client.get("/inbox/1/eml")
    assert answer.content == inbox.mails[0].raw
    assert answer.headers["content-disposition"] == 'attachment; filename="01-mina@reader.example.eml"'


@pytest.mark.parametrize("path", ["/inbox/2", "/inbox/0", "/inbox/2/html", "/inbox/2/source", "/inbox/2/eml"])
def test_there_is_no_such_mail(inbox: Inbox, client: TestClient, path: str) -> None:
    send(inbox)
    answer = client.get(path)
    assert answer.status_code == 404
    assert "چنین نامه‌ای نیست" in answer.text


def test_pages_need_nothing_but_the_style_sheet(inbox: Inbox, client: TestClient) -> None:
    send(inbox)
    for path in ("/inbox", "/inbox/1", "/inbox/1/text", "/inbox/1/source", "/inbox/9"):
        answer = client.get(path)
        assert '<html lang="fa" dir="rtl">' in answer.text
        assert "default-src 'none'; style-src 'self'" in answer.headers["content-security-policy"]
        assert "<style" not in answer.text
        assert " style=" not in answer.text
        assert answer.headers["cache-control"] == "no-store"
    assert client.get("/inbox/style.css").headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("start", ["", "<html>", "<!doctype html>", "<p>"])
def test_links_open_outside_the_frame_whatever_the_markup(inbox: Inbox, client: TestClient, start: str) -> None:
    deliver(inbox, f"Content-Type: text/html\r\n\r\n{start}x".encode())
    frame = client.get("/inbox/1/html").text
    assert frame.count('<base target="_blank">') == 1
    assert frame.startswith("<!doctype html><base" if "doctype" in start else start[:1])
