"""Subjects and names of mixed Persian and Latin come back exactly from every decoder."""

import email
import email.policy
import re
from base64 import b64decode
from email.header import decode_header, make_header

from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.address import mailbox
from mailer.mail import bidi, header_encoding

WORDS = st.sampled_from(
    [
        *(
            "گفت‌وگو",
            "Gemini",
            "هفتهٔ",
            "MMLU-Pro",
            "۹۰+۴",
            "می‌شود",
            "iPhone 17",
            "«ایران»",
            "C++",
            "رأی",
            "؛",
            "–",
            "=?",
            "5G",
        ),
        *(),
    ]
)
LINES = st.lists(WORDS, min_size=1, max_size=20).map(" ".join)


def decoded(value: bytes) -> str:
    return str(make_header(decode_header(value.decode("ascii").replace("\r\n", ""))))


@settings(max_examples=200, deadline=None)
@given(LINES)
def test_subjects_come_back_exactly(line: str) -> None:
    subject = bidi.subject(line)
    written = header_encoding.encode("Subject", subject)
    assert decoded(written) == subject
    parsed = email.message_from_bytes(
        header_encoding.block([("Subject", written)]) + b"\r\n", policy=email.policy.default
    )
    assert str(parsed["Subject"]) == subject
    assert max(map(len, (b"Subject: " + written).split(b"\r\n"))) <= 76
    for word in re.findall(rb"=\?utf-8\?b\?([^?]*)\?=", written):
        b64decode(word, validate=True).decode("utf-8")  # raises when a word does not decode alone


@settings(max_examples=200, deadline=None)
@given(LINES)
def test_names_of_senders_come_back_exactly(name: str) -> None:
    written = header_encoding.address(name, "news@example.org")
    parsed = email.message_from_bytes(header_encoding.block([("From", written)]) + b"\r\n", policy=email.policy.default)
    assert [box.addr_spec for box in parsed["From"].addresses] == ["news@example.org"]
    # Python's own phrases keep the blank between two encoded words, against RFC 2047 §6.2, so it is asked differently.
    assert decoded(written) == f"{name} <news@example.org>"
    assert mailbox(f"{name} <news@example.org>") == (name, "news@example.org")
