"""Header fields as bytes: own encoder, and a parse-back that proves nothing was added or lost.

Why not `email.message`: on Python 3.11 a title holding an encoded word injects headers and a body, Persian subjects
lose spaces, and List-Unsubscribe is encoded until no client reads it. The functions give the *value* of a field,
folded with CRLF; `block` writes the fields. Which headers a mail has is decided in `mime`.
"""

import email.utils
import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from email.errors import MultipartInvariantViolationDefect
from email.parser import BytesParser
from email.policy import compat32
from functools import lru_cache
from math import floor

from mailer.text.characters import RLM
from mailer.text.clean import clean, clusters

_LINE = 76  # a line with an encoded word is at most 76 long, the word itself 75 (RFC 2047 §2)
_WORD = 75
_HARD = 998  # no line of a message is longer, CRLF not counted (RFC 5322 §2.1.1)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")  # a phrase that needs no quotes (RFC 5322 §3.2.3)
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")
_URL = re.compile(r"https?://[!#-+\--;=?-~]+")  # no blank, quote, comma or angle bracket: List-* fields are lists
# Every CRLF must be followed by one blank and then something: a fold, never the end of the headers.
_VALUE = re.compile(rb"[!-~](?:[ -~]++|\r\n (?=[!-~]))*+")
_PRINTABLE = re.compile(r"[!-~]+(?: [!-~]+)*")


def sanitise(value: str) -> str:
    """What `encode` writes: one line, without controls and bidi overrides; RLM, ZWNJ and ZWJ stay."""
    return clean(value, keep=RLM)


def encode(name: str, value: str) -> bytes:
    """The value of an unstructured field such as Subject: plain when short ASCII, else encoded words (RFC 2047).

    Decodes to exactly `sanitise(value)`. `name` is the field's name, for the length of the first line.
    """
    value = sanitise(value)
    first = len(name) + 2
    if value.isascii() and "=?" not in value and first + len(value) <= _LINE:
        return value.encode("ascii")
    return "\r\n ".join(_words(value, first)).encode("ascii")


def _words(value: str, first: int) -> list[str]:
    """Base64 words that each decode alone. They part between characters as readers see them; only a character that
    fills a whole word by itself (a letter under dozens of marks) is parted between code points."""
    words: list[str] = []
    word = b""
    room = _room(_LINE - first)
    for cluster in clusters(value):
        whole = len(cluster.encode()) <= _room(_WORD)
        for piece in [cluster] if whole else list(cluster):
            code = piece.encode()
            if word and len(word) + len(code) > room:
                words.append(_word(word))
                word, room = b"", _room(_WORD)
            word += code
    return [*words, _word(word)]


def _room(letters: int) -> int:
    """Bytes that fit into an encoded word of so many letters; a long field name still leaves room for one letter."""
    return max((min(letters, _WORD) - len("=?utf-8?b??=")) // 4 * 3, 6)


def _word(code: bytes) -> str:
    return f"=?utf-8?b?{b64encode(code).decode('ascii')}?="


def address(display: str, addr: str, name: str = "From") -> bytes:
    """A mailbox for From or Reply-To: `display <addr>`, or the bare address when `display` is empty.

    `addr` is ASCII, its domain an A-label; ValueError otherwise.
    """
    if not _ADDRESS.fullmatch(addr):
        raise ValueError(f"not an address that can stand in {name}: {addr!r}")
    return _phrase(display, f"<{addr}>", name) if sanitise(display) else addr.encode("ascii")


def recipient(addr: str) -> bytes:
    """The bare address for To. One with a non-ASCII local part becomes an empty group named after it (RFC 6857 §3.1.5),
    because the message itself stays 7-bit; the envelope carries the real one."""
    if addr.isascii():
        return address("", addr, "To")
    return encode("To", addr) + b" :;"


def list_id(display: str, identifier: str) -> bytes:
    """`display <weekly.example.org>` (RFC 2919 §3)."""
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", identifier):
        raise ValueError(f"not a List-Id: {identifier!r}")
    return _phrase(display, f"<{identifier}>", "List-Id")


def _phrase(display: str, angle: str, name: str) -> bytes:
    """Encoded words are only allowed outside quotation marks (RFC 2047 §5), so it is one or the other."""
    display = sanitise(display)
    if not display:
        return angle.encode("ascii")
    if display.isascii() and "=?" not in display and len(name) + 4 + len(display) <= _LINE:
        quoted = display if _ATOMS.fullmatch(display) else '"{}"'.format(re.sub(r'(["\\])', r"\\\1", display))
    else:
        quoted = "\r\n ".join(_words(display, len(name) + 2))
    last = quoted.rpartition("\r\n")[2]
    used = len(last) + (len(name) + 2 if last == quoted else 0)
    return (quoted + (" " if used + 1 + len(angle) <= _LINE else "\r\n ") + angle).encode("ascii")


def raw(name: str, value: str) -> bytes:
    """A structured value as it is, folded only at its blanks. Never encoded: no client would decode it.

    ValueError: it is empty, not printable ASCII, or has more than one blank in a row.
    """
    if not _PRINTABLE.fullmatch(value):
        raise ValueError(f"not a value for {name}: {value!r}")
    if " " not in value:  # as with most that each reader has
        return value.encode("ascii")
    lines = [""]
    for word in value.split(" "):
        used = len(lines[-1]) + (len(name) + 2 if len(lines) == 1 else 1)
        if lines[-1] and used + 1 + len(word) > _LINE:
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return "\r\n ".join(lines).encode("ascii")


def url(name: str, value: str) -> bytes:
    """`<https://…>` for the List-* fields (RFC 2369 §2), in one piece however long it is."""
    if not _URL.fullmatch(value):
        raise ValueError(f"not a web address that can stand in {name}: {value!r}")
    return f"<{value}>".encode("ascii")


def date(when: datetime) -> bytes:
    """The instant with its zone (RFC 5322 §3.3). ValueError for a naive one."""
    if when.tzinfo is None:
        raise ValueError("a date without a zone")
    return _date(floor(when.timestamp()), when.utcoffset())


@lru_cache(4)  # all mails of a second share it
def _date(second: int, offset: timedelta) -> bytes:
    zone = UTC if not offset else timezone(offset)
    return email.utils.format_datetime(datetime.fromtimestamp(second, zone)).encode("ascii")


def sound(name: str, value: bytes) -> bytes:
    """The value as it is. ValueError: it could end its field, or the headers, early."""
    if not _VALUE.fullmatch(value) or value.endswith(b" "):
        raise ValueError(f"the value of {name} is empty, not 7-bit, or wrongly folded")
    first = len(name) + 2
    if first + len(value) > _HARD and any(len(line) > _HARD for line in (b" " * first + value).split(b"\r\n")):
        raise ValueError(f"a line of {name} is longer than {_HARD} letters")
    return value


def field(name: str, value: bytes) -> bytes:
    """One field as it is written, CRLF included. ValueError: the name is none, or the value not `sound`."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a header name: {name!r}")
    return b"%s: %s\r\n" % (name.encode("ascii"), sound(name, value))


def block(fields: Sequence[tuple[str, bytes]]) -> bytes:
    """The fields, each ended by CRLF, without the empty line. Parsed back: ValueError when a reader's parser would not
    see exactly these fields with these values."""
    written = b"".join(field(name, value) for name, value in fields)
    parsed = BytesParser(policy=compat32).parsebytes(written + b"\r\n", headersonly=True)
    seen = [(name, str(value).encode("ascii", "surrogateescape")) for name, value in parsed.items()]
    # Early Pythons 3.11 (Debian 12 has one) miss the parts of a multipart, though only headers are read.
    defects = [each for each in parsed.defects if not isinstance(each, MultipartInvariantViolationDefect)]
    if seen != list(fields) or defects or parsed.get_payload():
        raise ValueError("the headers do not parse back to what was written")
    return written
