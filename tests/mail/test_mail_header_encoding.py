import base64
import email
import email.policy
import re
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.mail import header_encoding

HOSTILE = [
    "hi =?utf-8?b?YQ0KQmNjOiB4QHkueg0KDQo8aDE+aGk8L2gxPg==?=",
    "سلام =?utf-8?q?a=0D=0ABcc=3A_x=40y=2Ez?=",
    "خبر\r\nBcc: thief@evil.example\r\n\r\n<h1>",
    "=?utf-8?b?",
    "گزیدهٔ خبرهای هفته‌نامه – شمارهٔ ۱۲۳ 🙂 👨‍👩‍👧‍👦 " * 4,
    "Gemini گفت‌وگو GPT-5 را دربارهٔ iPhone 17 Pro و Pixel 12 با MMLU-Pro آزمود و API آن باز شد",
    "ه" + "\u0654" * 300,
    "x" * 5000,
    "plain subject",
]
ANY = st.one_of(st.text(st.characters(), max_size=200), st.text("ابپ‌ هٔabc =?_🙂👨‍\u0654\r\n", max_size=200))


def decoded(value: bytes) -> str:
    return str(make_header(decode_header(value.decode("ascii").replace("\r\n", ""))))


def check(name: str, value: str) -> None:
    encoded = header_encoding.encode(name, value)
    assert decoded(encoded) == header_encoding.sanitise(value)
    lines = (f"{name}: ".encode() + encoded).split(b"\r\n")
    assert all(len(line) <= 76 for line in lines)
    words = re.findall(rb"=\?utf-8\?b\?([^?]*)\?=", encoded)
    for word in words:
        assert len(word) + 12 <= 75
        base64.b64decode(word, validate=True).decode("utf-8")  # each alone
    fields = [("Before", b"1"), (name, encoded), ("After", b"2")]
    written = header_encoding.block(fields)
    modern = email.message_from_bytes(written + b"\r\n", policy=email.policy.default)
    assert modern.keys() == ["Before", name, "After"]
    assert modern.get_payload() == ""


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_titles_stay_one_header(value: str) -> None:
    check("Subject", value)


@settings(max_examples=200, deadline=None)
@given(ANY.filter(lambda text: header_encoding.sanitise(text) != ""))
def test_any_text_round_trips_exactly(value: str) -> None:
    check("Subject", value)


def test_encoded_words_never_split_a_letter_from_its_marks() -> None:
    encoded = header_encoding.encode("Subject", "هٔ‌" * 60)
    for word in re.findall(rb"=\?utf-8\?b\?([^?]*)\?=", encoded):
        assert base64.b64decode(word).decode().startswith("ه")


def test_short_ascii_is_not_encoded_and_rlm_stays() -> None:
    assert header_encoding.encode("Subject", "plain subject") == b"plain subject"
    assert decoded(header_encoding.encode("Subject", "\u200fGemini فارسی شد")) == "\u200fGemini فارسی شد"


@pytest.mark.parametrize(
    ("display", "written"),
    [
        ("", b"news@example.org"),
        ("News Room", b"News Room <news@example.org>"),
        ('Doe, "J"', b'"Doe, \\"J\\"" <news@example.org>'),
        ("a\r\nBcc: x", b'"a Bcc: x" <news@example.org>'),
    ],
)
def test_mailboxes(display: str, written: bytes) -> None:
    assert header_encoding.address(display, "news@example.org") == written


@settings(max_examples=200, deadline=None)
@given(ANY)
def test_any_display_name_leaves_one_mailbox(display: str) -> None:
    value = header_encoding.address(display, "news@example.org")
    written = header_encoding.block([("From", value)])
    parsed = email.message_from_bytes(written + b"\r\n", policy=email.policy.default)
    assert [box.addr_spec for box in parsed["From"].addresses] == ["news@example.org"]
    assert all(len(line) <= 76 for line in written.split(b"\r\n"))


def test_a_persian_display_name_is_decoded_by_any_program() -> None:
    value = header_encoding.address("ایران من", "news@example.org")
    assert decoded(value) == "ایران من <news@example.org>"


@pytest.mark.parametrize(
    "bad", ["news", "a b@x.example", "a@x.example>\r\nBcc: y", "خبر@x.example", "a@ایران", "a,b@x.y"]
)
def test_addresses_not_valid_in_a_header_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="address"):
        header_encoding.address("", bad)


def test_a_non_ascii_recipient_leaves_the_message_seven_bit() -> None:
    value = header_encoding.recipient("نرگس@example.org")
    parsed = email.message_from_bytes(header_encoding.block([("To", value)]) + b"\r\n", policy=email.policy.default)
    assert parsed["To"].groups[0].display_name == "نرگس@example.org"
    assert parsed["To"].addresses == ()


def test_list_fields_are_never_encoded_however_long() -> None:
    url = "https://news.example.org/unsubscribe/" + "a" * 200
    assert header_encoding.url("List-Unsubscribe", url) == f"<{url}>".encode()
    for bad in (
        "https://x.example/a,b",
        "https://x.example/ b",
        "mailto:x@y.z",
        "https://x.example/>",
        "https://x/\r\nBcc: x",
    ):
        with pytest.raises(ValueError, match="List-Help"):
            header_encoding.url("List-Help", bad)


def test_list_id_includes_the_display_name() -> None:
    assert (
        decoded(header_encoding.list_id("خبرنامهٔ هفتگی", "weekly.example.org")) == "خبرنامهٔ هفتگی <weekly.example.org>"
    )
    with pytest.raises(ValueError, match="List-Id"):
        header_encoding.list_id("", "weekly")


def test_raw_values_fold_at_blanks_only() -> None:
    value = header_encoding.raw("X", " ".join(["word" * 5] * 8))
    assert value.count(b"\r\n ") > 0
    assert value.replace(b"\r\n", b"") == b" ".join([b"word" * 5] * 8)
    for bad in ("", "a  b", "a\r\nb", "é", " a"):
        with pytest.raises(ValueError, match="not a value"):
            header_encoding.raw("X", bad)


def test_dates_carry_their_zone() -> None:
    assert header_encoding.date(datetime(2026, 11, 23, 5, 30, tzinfo=UTC)) == b"Mon, 23 Nov 2026 05:30:00 +0000"
    tehran = timezone(timedelta(hours=3, minutes=30))
    assert header_encoding.date(datetime(2026, 11, 23, 9, 0, tzinfo=tehran)) == b"Mon, 23 Nov 2026 09:00:00 +0330"
    with pytest.raises(ValueError, match="zone"):
        header_encoding.date(datetime(2026, 11, 23))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Subject", b"a\r\nBcc: x@y.z"),
        ("Subject", b"a\nb"),
        ("Subject", b"a\r\n \r\n b"),
        ("Subject", b"a\r\n"),
        ("Subject", b"a\r\n  b"),
        ("Subject", b""),
        ("Subject", b" a"),
        ("Subject", "é".encode()),
        ("Subject", b"\x00"),
        ("Sub ject", b"a"),
        ("Bcc: x\r\nSubject", b"a"),
        ("Subject", b"x" * 1000),
    ],
)
def test_a_block_that_does_not_parse_back_is_refused(name: str, value: bytes) -> None:
    with pytest.raises(ValueError, match=r"header|value|longer"):
        header_encoding.block([("From", b"a@b.example"), (name, value)])


def test_a_block_is_the_fields_with_line_ends() -> None:
    assert header_encoding.block([("A", b"1"), ("B", b"2\r\n 3")]) == b"A: 1\r\nB: 2\r\n 3\r\n"
