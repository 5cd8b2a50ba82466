from datetime import datetime

import mail_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mail_samples import BOUNDARY, issue_headers
from make import parsed

from mailer.address import mailbox
from mailer.mail import header_encoding, headers, merge


def built(text: str, html: str, **changes: object) -> bytes:
    """Builds a mail without placeholders."""
    return merge.compile(issue_headers(**changes), (), text, html, BOUNDARY).merge({}, {})


def test_an_issue_mail_has_its_headers_in_order_and_both_parts() -> None:
    html, text = samples.merged(samples.rendered())
    block = header_encoding.block(issue_headers(reply_to="desk@example.org"))
    mail = parsed(built(text, html, reply_to="desk@example.org"))
    assert mail.keys() == [
        *("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "List-Id", "List-Unsubscribe"),
        *("List-Unsubscribe-Post", "List-Help", "List-Archive", "Feedback-ID"),
        *("Content-Language", "MIME-Version", "Content-Type"),
    ]
    assert mail["From"] == "ایران من <news@example.org>"
    assert mail["To"] == "narges@reader.example"
    assert mail["Subject"] == "شورای شهر با ساخت سه بوستان موافقت کرد"
    assert f"List-Unsubscribe: <{samples.UNSUBSCRIBE}>\r\n".encode() in block
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in block
    plain, rich = mail.iter_parts()
    assert (plain.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html")
    assert plain.get_content().replace("\r\n", "\n") == text
    assert rich.get_content().replace("\r\n", "\n") == html
    assert samples.UNSUBSCRIBE in html
    assert samples.UNSUBSCRIBE in text


def test_no_relay_has_to_encode_the_bytes_again() -> None:
    html, text = samples.merged(samples.rendered())
    message = built(text, html)
    assert message.isascii()
    assert b"\n" not in message.replace(b"\r\n", b"")
    assert b"\r" not in message.replace(b"\r\n", b"")
    assert max(map(len, message.split(b"\r\n"))) <= 78
    assert not any(line.startswith(b".") for line in message.split(b"\r\n"))
    assert len(message) < 150_000


def test_the_same_mail_is_the_same_bytes() -> None:
    assert built("متن", "<p>متن</p>") == built("متن", "<p>متن</p>")
    assert headers.boundary("1405-W36") == BOUNDARY != headers.boundary("1405-W37")


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x02\x03"), max_size=300))
def test_any_text_comes_back_with_crlf(text: str) -> None:
    mail = parsed(built(text, "<p>"))
    payload = next(mail.iter_parts()).get_payload(decode=True)
    assert payload == text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode()


def test_a_mail_without_reply_to_has_no_such_field() -> None:
    assert "Reply-To" not in [name for name, _ in issue_headers(reply_to=None)]


@pytest.mark.parametrize(
    "changes",
    [
        {"to": "a@b.example\r\nBcc: x@y.z"},
        {"sender": ("", "no address")},
        {"reply_to": "no address"},
        {"message_id": "<a b@c>"},
        {"message_id": "<a@c>\r\nBcc: x"},
        {"unsubscribe_url": "javascript:x"},
        {"list_id": "a b"},
        {"feedback_id": "خبر"},
        {"date": datetime(2026, 11, 23)},  # noqa: DTZ001
    ],
)
def test_values_not_valid_in_their_field_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"(?i)not a|without a zone"):
        issue_headers(**changes)


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("news@example.org", ("", "news@example.org")),
        ("<news@example.org>", ("", "news@example.org")),
        ("ایران من <news@example.org>", ("ایران من", "news@example.org")),
        ("خبر <فوری> <news@example.org>", ("خبر <فوری>", "news@example.org")),
        ('"Doe, J" <j@example.org>', ("Doe, J", "j@example.org")),
    ],
)
def test_mailboxes_are_read_as_the_settings_write_them(written: str, parts: tuple[str, str]) -> None:
    assert mailbox(written) == parts
