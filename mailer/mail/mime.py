"""The list of headers of a mail, and the boundary between its parts.

`headers` writes the fields, `merge` the parts.
"""

import re
from datetime import datetime
from hashlib import sha256

from mailer.address import mailbox
from mailer.mail import headers

# The fields that differ for each reader; all others are the same for a whole issue.
READER_FIELDS = ("To", "Date", "Message-ID", "List-Unsubscribe", "Feedback-ID")

_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[A-Za-z0-9.-]+>")


def boundary(seed: str) -> str:
    """Returns the boundary for a seed. It cannot occur in a part, because no base64 line contains "=_"."""
    return f"=_{sha256(seed.encode()).hexdigest()[:32]}"


def message_headers(
    *,
    sender: str,
    to: str,
    subject: str,
    date: datetime,
    message_id: str,
    reply_to: str | None,
    list_id: str,
    list_name: str,
    unsubscribe_url: str,
    archive_url: str,
    help_url: str,
    feedback_id: str,
    language: str,
    boundary: str,
) -> list[tuple[str, bytes]]:
    """Returns the fields of an issue mail, in order, ready for `headers.block`.

    `sender` and `reply_to` are mailboxes with A-label domains; `message_id` includes its angle brackets; an empty
    `archive_url`, `help_url` or `feedback_id` leaves the field out. Raises ValueError if a value is not valid in its
    field.
    """
    own = reader_fields(
        to=to, date=date, message_id=message_id, unsubscribe_url=unsubscribe_url, feedback_id=feedback_id
    )
    fields = [
        ("From", headers.address(*mailbox(sender))),
        ("To", own["To"]),
        ("Subject", headers.encode("Subject", subject)),
        ("Date", own["Date"]),
        ("Message-ID", own["Message-ID"]),
    ]
    if reply_to:
        fields.append(("Reply-To", headers.address(*mailbox(reply_to), name="Reply-To")))
    fields += [
        ("List-Id", headers.list_id(list_name, list_id)),  # RFC 2919
        ("List-Unsubscribe", own["List-Unsubscribe"]),  # RFC 2369 §3.2
        ("List-Unsubscribe-Post", b"List-Unsubscribe=One-Click"),  # RFC 8058 §3.1: exactly this value
    ]
    if help_url:
        fields.append(("List-Help", headers.url("List-Help", help_url)))
    if archive_url:
        fields.append(("List-Archive", headers.url("List-Archive", archive_url)))
    if feedback_id:
        fields.append(("Feedback-ID", own["Feedback-ID"]))
    return [*fields, *content_headers(language, boundary)]


def reader_fields(
    *, to: str, date: datetime, message_id: str, unsubscribe_url: str, feedback_id: str, meant_for: str = ""
) -> dict[str, bytes]:
    """Returns the values of READER_FIELDS for one reader.

    If the mail is redirected, `meant_for` is the reader's own address, which To then shows as the display name.
    Raises ValueError if a value is not valid in its field.
    """
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError(f"not a Message-ID: {message_id!r}")
    found = {
        # Normally the bare address: a display name would be one more thing that can go wrong.
        "To": headers.address(meant_for, to, "To") if meant_for else headers.recipient(to),
        "Date": headers.date(date),
        "Message-ID": headers.raw("Message-ID", message_id),
        "List-Unsubscribe": headers.url("List-Unsubscribe", unsubscribe_url),
    }
    if feedback_id:
        found["Feedback-ID"] = headers.raw("Feedback-ID", feedback_id)
    return found


def content_headers(language: str, boundary: str) -> list[tuple[str, bytes]]:
    """Returns the last fields of every mail, which describe its body."""
    return [
        ("Content-Language", headers.raw("Content-Language", language)),
        ("MIME-Version", b"1.0"),
        ("Content-Type", headers.raw("Content-Type", f'multipart/alternative; boundary="{boundary}"')),
    ]
