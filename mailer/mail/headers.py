"""Decides which header fields a mail has, and makes the boundary between its parts.

`header_encoding` encodes the values, and `merge` writes the parts.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from mailer.address import mailbox
from mailer.mail import header_encoding

# The fields that differ for each reader; all other fields are the same in all mails of an issue.
READER_FIELDS = ("To", "Date", "Message-ID", "List-Unsubscribe", "Feedback-ID")

_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[A-Za-z0-9.-]+>")


def boundary(seed: str) -> str:
    """Returns a boundary derived from the seed. The boundary cannot occur in base64, which never contains "=_"."""
    return f"=_{sha256(seed.encode()).hexdigest()[:32]}"


def message_headers(
    own: Mapping[str, bytes],
    *,
    sender: tuple[str, str],
    subject: str,
    reply_to: str | None,
    kind_headers: Sequence[tuple[str, bytes]],
    language: str,
    boundary: str,
) -> list[tuple[str, bytes]]:
    """Returns the fields of a mail for one reader, in order, ready for `header_encoding.block`.

    `own` has the `reader_fields` of this reader. `sender` is a display name and an address; `reply_to` is a mailbox.
    `kind_headers` are the fields that only this kind of mail has. Raises ValueError if a value is not valid in its
    field.
    """
    answers = [("Reply-To", header_encoding.address(*mailbox(reply_to), name="Reply-To"))] if reply_to else []
    return [
        ("From", header_encoding.address(*sender)),
        ("To", own["To"]),
        ("Subject", header_encoding.encode("Subject", subject)),
        ("Date", own["Date"]),
        ("Message-ID", own["Message-ID"]),
        *answers,
        *kind_headers,
        ("Feedback-ID", own["Feedback-ID"]),
        *content_headers(language, boundary),
    ]


def list_headers(
    own: Mapping[str, bytes], *, list_id: str, list_name: str, archive_url: str, help_url: str
) -> list[tuple[str, bytes]]:
    """Returns the List-… fields, which only issues and test mails have."""
    return [
        ("List-Id", header_encoding.list_id(list_name, list_id)),  # RFC 2919
        ("List-Unsubscribe", own["List-Unsubscribe"]),  # RFC 2369 §3.2
        ("List-Unsubscribe-Post", b"List-Unsubscribe=One-Click"),  # RFC 8058 §3.1: exactly this value
        ("List-Help", header_encoding.url("List-Help", help_url)),
        ("List-Archive", header_encoding.url("List-Archive", archive_url)),
    ]


def reader_fields(
    *, to: str, date: datetime, message_id: str, unsubscribe_url: str, feedback_id: str, meant_for: str = ""
) -> dict[str, bytes]:
    """Returns the values of READER_FIELDS for one reader.

    `message_id` includes its angle brackets. If the mail is redirected, `to` is the address to which it goes instead,
    and `meant_for` is the reader's own address, which becomes the display name in To. Raises ValueError if a value is
    not valid in its field.
    """
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError(f"not a Message-ID: {message_id!r}")
    return {
        # Normally To has no display name, because a display name is one more thing that can go wrong.
        "To": header_encoding.address(meant_for, to, "To") if meant_for else header_encoding.recipient(to),
        "Date": header_encoding.date(date),
        "Message-ID": header_encoding.raw("Message-ID", message_id),
        "List-Unsubscribe": header_encoding.url("List-Unsubscribe", unsubscribe_url),
        "Feedback-ID": header_encoding.raw("Feedback-ID", feedback_id),
    }


def content_headers(language: str, boundary: str) -> list[tuple[str, bytes]]:
    """Returns the last fields of a mail, which describe its body."""
    return [
        ("Content-Language", header_encoding.raw("Content-Language", language)),
        ("MIME-Version", b"1.0"),
        ("Content-Type", header_encoding.raw("Content-Type", f'multipart/alternative; boundary="{boundary}"')),
    ]
