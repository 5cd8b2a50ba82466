"""Encodes header fields as bytes, and parses them back to prove that nothing was added or lost.

The standard `email.message` is not good enough: on Python 3.11 an encoded word in a title can inject headers and a
body, Persian subjects lose spaces, and List-Unsubscribe is encoded so that no client can read it. Most functions here
return the *value* of a field, folded with CRLF; `block` writes whole fields. `headers` decides which fields a mail has.
"""

import email.utils
import re
import textwrap
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from email.errors import MultipartInvariantViolationDefect
from email.parser import BytesParser
from functools import lru_cache
from math import floor

from mailer.text.characters import RLM
from mailer.text.clean import clean, clusters

_LINE = 76  # the most characters of a line with an encoded word; the word itself has at most 75 (RFC 2047 §2)
_WORD = 75
_HARD = 998  # the most characters of any line of a message, CRLF not counted (RFC 5322 §2.1.1)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")  # a phrase without quotation marks (RFC 5322 §3.2.3)
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")
_URL = re.compile(r"https?://[!#-+\--;=?-~]+")  # no blank, quote, comma or angle bracket: List-* fields are lists
# Every CRLF must be followed by one blank and then text. That makes it a fold, never the end of the headers.
_VALUE = re.compile(rb"[!-~](?:[ -~]++|\r\n (?=[!-~]))*+")
_PRINTABLE = re.compile(r"[!-~]+(?: [!-~]+)*")


def sanitise(value: str) -> str:
    """Returns the value as one line without control characters and bidi overrides; RLM, ZWNJ and ZWJ stay."""
    return clean(value, keep=RLM)


def encode(name: str, value: str) -> bytes:
    """Encodes an unstructured field such as Subject. Short ASCII stays as it is; the rest is put into encoded words.

    The result decodes to exactly `sanitise(value)`. `name` is the field's name, which takes room on the first line.
    """
    value = sanitise(value)
    first = len(name) + 2
    if value.isascii() and "=?" not in value and first + len(value) <= _LINE:
        return value.encode("ascii")
    return "\r\n ".join(_words(value, first)).encode("ascii")


def _words(value: str, first: int) -> list[str]:
    """Returns encoded words in base64, each of which can be decoded alone.

    The first line has `first` characters less room. Words end between characters as readers see them; only a character
    too long for one word (a letter with dozens of marks) is split between code points.
    """
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


def _room(characters: int) -> int:
    """Returns how many bytes fit into an encoded word of `characters` characters; never less than one letter needs."""
    return max((min(characters, _WORD) - len("=?utf-8?b??=")) // 4 * 3, 6)


def _word(code: bytes) -> str:
    return f"=?utf-8?b?{b64encode(code).decode('ascii')}?="


def address(display: str, addr: str, name: str = "From") -> bytes:
    """Writes a mailbox for From or Reply-To: `display <addr>`, or the bare address if `display` is empty.

    Raises ValueError unless `addr` is ASCII with an A-label as its domain.
    """
    if not _ADDRESS.fullmatch(addr):
        raise ValueError(f"not a valid address for {name}: {addr!r}")
    return _phrase(display, f"<{addr}>", name) if sanitise(display) else addr.encode("ascii")


def recipient(addr: str) -> bytes:
    """Writes the bare address for To.

    An address with a non-ASCII local part becomes an empty group with that name (RFC 6857 §3.1.5), because the message
    stays 7-bit; the envelope has the real address.
    """
    if addr.isascii():
        return address("", addr, "To")
    return encode("To", addr) + b" :;"


def list_id(display: str, identifier: str) -> bytes:
    """Writes `display <identifier>` (RFC 2919 §3).

    Raises ValueError unless the identifier is names joined by dots, such as `weekly.example.org`.
    """
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", identifier):
        raise ValueError(f"not a List-Id: {identifier!r}")
    return _phrase(display, f"<{identifier}>", "List-Id")


def _phrase(display: str, angle: str, name: str) -> bytes:
    """Writes a display name, then `angle`. The name is quoted or encoded, but never both (RFC 2047 §5)."""
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
    """Writes a structured value unencoded, folded only at its blanks; clients decode no encoded words in such values.

    Raises ValueError if the value is empty, not printable ASCII, or has two blanks in a row.
    """
    if not _PRINTABLE.fullmatch(value):
        raise ValueError(f"not a value for {name}: {value!r}")
    if " " not in value:  # a fast path: most fields that differ between readers have no blank
        return value.encode("ascii")
    lines = textwrap.wrap(
        value,
        _LINE,
        initial_indent=" " * (len(name) + 2),
        subsequent_indent=" ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\r\n".join(lines).lstrip(" ").encode("ascii")


def url(name: str, value: str) -> bytes:
    """Writes `<https://…>` for the List-* fields (RFC 2369 §2), never folded. Raises ValueError for other addresses."""
    if not _URL.fullmatch(value):
        raise ValueError(f"not a valid web address for {name}: {value!r}")
    return f"<{value}>".encode("ascii")


def date(when: datetime) -> bytes:
    """Writes an instant with its time zone (RFC 5322 §3.3). Raises ValueError for a naive `datetime`."""
    if when.tzinfo is None:
        raise ValueError("a date without a zone")
    return _date(floor(when.timestamp()), when.utcoffset())


@lru_cache(4)  # mails of the same second have the same Date
def _date(second: int, offset: timedelta) -> bytes:
    zone = UTC if not offset else timezone(offset)
    return email.utils.format_datetime(datetime.fromtimestamp(second, zone)).encode("ascii")


def sound(name: str, value: bytes) -> bytes:
    """Returns the value unchanged. Raises ValueError if it could end its field or the header block early."""
    if not _VALUE.fullmatch(value) or value.endswith(b" "):
        raise ValueError(f"the value of {name} is empty, not 7-bit, or wrongly folded")
    first = len(name) + 2
    if first + len(value) > _HARD and any(len(line) > _HARD for line in (b" " * first + value).split(b"\r\n")):
        raise ValueError(f"a line of {name} is longer than {_HARD} characters")
    return value


def field(name: str, value: bytes) -> bytes:
    """Writes one field, CRLF included. Raises ValueError if the name is no field name or the value is not `sound`."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a header name: {name!r}")
    return b"%s: %s\r\n" % (name.encode("ascii"), sound(name, value))


def block(fields: Sequence[tuple[str, bytes]]) -> bytes:
    """Writes the fields, each ended by CRLF, without the empty line after them.

    Raises ValueError if a parser would not see exactly these fields with these values.
    """
    written = b"".join(field(name, value) for name, value in fields)
    parsed = BytesParser().parsebytes(written + b"\r\n", headersonly=True)
    seen = [(name, str(value).encode("ascii", "surrogateescape")) for name, value in parsed.items()]
    # Early releases of Python 3.11, such as Debian 12's, report missing multipart bodies though only headers are read.
    defects = [each for each in parsed.defects if not isinstance(each, MultipartInvariantViolationDefect)]
    if seen != list(fields) or defects or parsed.get_payload():
        raise ValueError("the headers do not parse back to what was written")
    return written
