import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage

import mail_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.address import mailbox
from mailer.mail import headers, merge, mime

BOUNDARY = mime.boundary("1405-W36")


def issue_headers(**changes: object) -> list[tuple[str, bytes]]:
    given_values: dict[str, object] = {
        "sender": "ایران من <news@example.org>",
        "to": "narges@reader.example",
        "subject": "شورای شهر با ساخت سه بوستان موافقت کرد",
        "date": datetime(2026, 11, 23, 5, 30, tzinfo=UTC),
        "message_id": "<issue.1405-W36.17.a1b2@example.org>",
        "reply_to": None,
        "list_id": "weekly.example.org",
        "list_name": "ایران من",
        "unsubscribe_url": samples.UNSUBSCRIBE,
        "archive_url": "https://news.example.org/archive",
        "help_url": "https://news.example.org/",
        "feedback_id": "1405-W36:weekly:issue:example",
        "language": "fa",
        "boundary": BOUNDARY,
    }
    return mime.message_headers(**(given_values | changes))  # type: ignore[arg-type]


def built(text: str, html: str, **changes: object) -> bytes:
    """A mail without slots."""
    return merge.compile(issue_headers(**changes), (), text, html, BOUNDARY).merge({}, {})


def parse(message: bytes) -> EmailMessage:
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_an_issue_mail_has_its_headers_in_order_and_both_parts() -> None:
    html, text = samples.merged(samples.rendered())
    block = headers.block(issue_headers(reply_to="desk@example.org"))
    parsed = parse(built(text, html, reply_to="desk@example.org"))
    assert parsed.keys() == [
        *("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "List-Id", "List-Unsubscribe"),
        *("List-Unsubscribe-Post", "List-Help", "List-Archive", "Feedback-ID"),
        *("Content-Language", "MIME-Version", "Content-Type"),
    ]
    assert parsed["From"] == "ایران من <news@example.org>"
    assert parsed["To"] == "narges@reader.example"
    assert parsed["Subject"] == "شورای شهر با ساخت سه بوستان موافقت کرد"
    assert f"List-Unsubscribe: <{samples.UNSUBSCRIBE}>\r\n".encode() in block
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in block
    plain, rich = parsed.iter_parts()
    assert (plain.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html")
    assert plain.get_content().replace("\r\n", "\n") == text
    assert rich.get_content().replace("\r\n", "\n") == html
    assert samples.UNSUBSCRIBE in html
    assert samples.UNSUBSCRIBE in text


def test_the_bytes_need_no_help_on_their_way() -> None:
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
    assert mime.boundary("1405-W36") == BOUNDARY != mime.boundary("1405-W37")


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x02\x03"), max_size=300))
def test_any_text_comes_back_with_crlf(text: str) -> None:
    parsed = parse(built(text, "<p>"))
    payload = next(parsed.iter_parts()).get_payload(decode=True)
    assert payload == text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode()


def test_optional_fields_are_left_out() -> None:
    names = [name for name, _ in issue_headers(archive_url="", help_url="", feedback_id="")]
    assert not {"Reply-To", "List-Help", "List-Archive", "Feedback-ID"} & set(names)


@pytest.mark.parametrize(
    "changes",
    [
        {"to": "a@b.example\r\nBcc: x@y.z"},
        {"sender": "nobody"},
        {"message_id": "<a b@c>"},
        {"message_id": "<a@c>\r\nBcc: x"},
        {"unsubscribe_url": "javascript:x"},
        {"list_id": "a b"},
        {"feedback_id": "خبر"},
        {"date": datetime(2026, 11, 23)},  # noqa: DTZ001
    ],
)
def test_values_that_cannot_stand_in_their_field_are_refused(changes: dict[str, object]) -> None:
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
