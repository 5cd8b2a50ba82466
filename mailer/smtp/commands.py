"""What is written to a relay, byte for byte: addresses as MAIL and RCPT have them, a message as it goes after DATA.

Pure; nothing that could end a command, or a mail, before its time gets through here. It knows no line and no answer.
"""

import re
from collections.abc import Mapping

from mailer.address import check_for_smtp


def path(address: str) -> bytes:
    """The address as MAIL and RCPT have it. ValueError: it would end the command, or begin another."""
    check_for_smtp(address)
    return b"<" + address.encode() + b">"


def on_the_wire(message: bytes) -> bytes:
    """The content as it is written after DATA, without the final dot: leading dots doubled (RFC 5321 §4.5.2)."""
    lines = message.count(b"\r\n")
    # A bare CR or LF is where relays disagree on what ends a mail: somebody's text could smuggle a second one in.
    if not message.endswith(b"\r\n") or message.count(b"\r") != lines or message.count(b"\n") != lines:
        raise ValueError("every line of a message must end in CRLF, the last one too, without a CR or LF elsewhere")
    if not message.isascii():
        raise ValueError("a message must be 7-bit: the relay may not offer 8BITMIME")
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def size_limit(extensions: Mapping[str, str]) -> int:
    """Bytes the relay takes; 0 when it names none (RFC 1870 §4 gives «SIZE» and «SIZE 0» that meaning)."""
    limit = extensions.get("size", "").strip()
    return int(limit) if re.fullmatch(r"[0-9]{1,20}", limit) else 0
