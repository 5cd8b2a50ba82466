"""A whole message: which headers an issue mail has, and the two parts as 7-bit bytes.

The bytes are final: nothing behind this re-encodes them, so that a signature made over them holds and no relay needs
8BITMIME. Does not sign and does not render.
"""

import re
from base64 import b64encode
from datetime import datetime
from hashlib import sha256

from mailer.mail import headers

_BOUNDARY = re.compile(r"=_[A-Za-z0-9]{8,60}")
_MAILBOX = re.compile(r"(?:(?P<name>.*)<)?(?P<address>[^<>\s]+@[^<>\s]+?)>?")


def boundary(seed: str) -> str:
    """A boundary that is always the same for the same seed. «=_» and «--» never begin a base64 line."""
    return f"=_{sha256(seed.encode()).hexdigest()[:32]}"


def mailbox(written: str) -> tuple[str, str]:
    """The display name (may be empty) and the address of `ایران من <news@example.org>` or of a bare address."""
    found = _MAILBOX.fullmatch(written.strip())
    if not found:
        raise ValueError(f"not a mailbox: {written!r}")
    return (found["name"] or "").strip().strip('"').strip(), found["address"]


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
    """The fields of an issue mail, in order, ready for `headers.block`.

    `sender` and `reply_to` are mailboxes with A-label domains; `message_id` holds its angle brackets; an empty
    `archive_url`, `help_url` or `feedback_id` leaves its field out. ValueError: a value cannot stand in its field.
    """
    if not re.fullmatch(r"<[!-;=?A-~]+@[A-Za-z0-9.-]+>", message_id):
        raise ValueError(f"not a Message-ID: {message_id!r}")
    fields = [
        ("From", headers.address(*mailbox(sender))),
        ("To", headers.recipient(to)),  # the bare address: a name would be one more thing that can go wrong
        ("Subject", headers.encode("Subject", subject)),
        ("Date", headers.date(date)),
        ("Message-ID", headers.raw("Message-ID", message_id)),
    ]
    if reply_to:
        fields.append(("Reply-To", headers.address(*mailbox(reply_to), name="Reply-To")))
    fields += [
        ("List-Id", headers.list_id(list_name, list_id)),  # RFC 2919
        ("List-Unsubscribe", headers.url("List-Unsubscribe", unsubscribe_url)),  # RFC 2369 §3.2
        ("List-Unsubscribe-Post", b"List-Unsubscribe=One-Click"),  # RFC 8058 §3.1, exactly these letters
    ]
    if help_url:
        fields.append(("List-Help", headers.url("List-Help", help_url)))
    if archive_url:
        fields.append(("List-Archive", headers.url("List-Archive", archive_url)))
    if feedback_id:
        fields.append(("Feedback-ID", headers.raw("Feedback-ID", feedback_id)))
    return [*fields, *content_headers(language, boundary)]


def content_headers(language: str, boundary: str) -> list[tuple[str, bytes]]:
    """The last fields of every mail we send: what its body is."""
    return [
        ("Content-Language", headers.raw("Content-Language", language)),
        ("MIME-Version", b"1.0"),
        ("Content-Type", headers.raw("Content-Type", f'multipart/alternative; boundary="{boundary}"')),
    ]


def build(header_block: bytes, text: str, html: str, boundary: str) -> bytes:
    """The message: headers, empty line, text/plain and text/html in base64; CRLF, 7-bit, lines of at most 76.

    The better alternative comes last (RFC 2046 §5.1.4). ValueError: the boundary is not one of ours, or is not the
    one the headers name.
    """
    if not _BOUNDARY.fullmatch(boundary) or f'boundary="{boundary}"'.encode() not in header_block:
        raise ValueError("the boundary is not the one of the headers")
    mark = boundary.encode("ascii")
    return b"".join(
        [header_block, b"\r\n", _part(mark, b"plain", text), _part(mark, b"html", html), b"--%s--\r\n" % mark]
    )


def _part(mark: bytes, subtype: bytes, content: str) -> bytes:
    # Line ends become CRLF before base64 (RFC 2045 §6.8), so that decoded text is the same everywhere.
    canonical = content.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode()
    encoded = b64encode(canonical)
    lines = b"".join([encoded[at : at + 76] + b"\r\n" for at in range(0, len(encoded), 76)])
    return b"--%s\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n%s" % (
        mark,
        subtype,
        lines,
    )
