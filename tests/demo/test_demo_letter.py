"""Reading mails, also those that were made to break a reader."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.demo.inbox import Mail
from mailer.demo.letter import Letter, read

HEADERS = (
    b"From: =?utf-8?b?2KfbjNix2KfZhiDZhdmG?= <news@example.org>\r\n"
    b"To: mina@reader.example\r\n"
    b"Subject: =?utf-8?b?2LPZhNin2YU=?=\r\n"
    b"List-Unsubscribe: <mailto:leave@example.org>,\r\n <http://127.0.0.1:8080/unsubscribe/AbC>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: multipart/alternative; boundary=b\r\n\r\n"
)
TEXT = b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n2LPZhNin2YU=\r\n"
HTML = (
    '--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p style="{}">پیش‌درآمد <b>هفته</b></p><p>تن</p>\r\n--b--\r\n'
)


def letter(raw: bytes) -> Letter:
    return read(Mail(1, "s@example.org", "r@example.org", raw, datetime(2026, 11, 26, tzinfo=UTC)))


def test_all_of_a_good_mail() -> None:
    found = letter(HEADERS + TEXT + HTML.format("mso-hide:all; display: NONE").encode())
    assert (found.sender, found.recipient) == ("ایران من <news@example.org>", "mina@reader.example")
    assert (found.subject, found.text) == ("سلام", "سلام")
    assert found.html is not None
    assert "<p>تن</p>" in found.html
    assert found.snippet == "پیش‌درآمد هفته"
    assert found.one_click == "http://127.0.0.1:8080/unsubscribe/AbC"
    assert not found.broken


def test_without_preheader_the_text_begins() -> None:
    assert letter(HEADERS + TEXT + HTML.format("").encode()).snippet == "سلام"


def test_a_long_snippet_ends_with_a_word() -> None:
    found = letter(b"Subject: x\r\n\r\n" + "کتاب‌ها ".encode() * 60)
    assert found.snippet.endswith("کتاب‌ها…")
    assert len(found.snippet) <= 162


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b""),
        (b"=One-Click", b"=Two-Clicks"),
        (b"<http://127.0.0.1:8080/unsubscribe/AbC>", b"<javascript:alert(1)>"),
    ],
)
def test_one_click_needs_both_headers_and_the_web(old: bytes, new: bytes) -> None:
    assert old in HEADERS
    assert letter(HEADERS.replace(old, new) + TEXT + b"--b--\r\n").one_click == ""


def test_an_unknown_character_set_is_read_as_utf8() -> None:
    found = letter("Content-Type: text/plain; charset=klingon\r\n\r\nسلام".encode())
    assert found.text == "سلام"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"\xff\xfe\x00",
        b"From: \xd8\xb3\r\nTo: <<<>>>\r\nSubject: =?utf-8?b?!!!?=\r\n\r\n\xff",
        b"Content-Type: multipart/alternative; boundary=\r\n\r\n--\r\n",
        b"To: =?utf-8?q?=41?==?x?y?z?= @@@ (((\r\nContent-Type: text/html; charset=hex\r\n\r\nabc",
        b"Content-Type: text/html\r\n\r\n<![endif]--><!-- <p style='display:none'>",
        b"From: []\r\nDate: x\r\nContent-Type: message/rfc822\r\n\r\nSubject: a\r\n\r\nb",
    ],
)
def test_hostile_mails_are_shown_somehow(raw: bytes) -> None:
    sound(letter(raw))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["From", "To", "Subject", "Date", "Content-Type", "List-Unsubscribe", "MIME-Version"]),
            st.text(max_size=40) | st.sampled_from(["text/html; charset=utf-7", "multipart/mixed; boundary=b", "=?"]),
        ),
        max_size=6,
    ),
    st.binary(max_size=200),
)
def test_no_mail_breaks_the_reader(headers: list[tuple[str, str]], body: bytes) -> None:
    block = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("utf-8", "surrogatepass")
    sound(letter(block + b"\r\n" + body))


def sound(found: Letter) -> None:
    for text in (found.sender, found.recipient, found.subject, found.snippet, found.html, found.text, found.source):
        (text or "").encode("utf-8")
