"""Encodes header fields as bytes, and parses them back to prove that nothing was added or lost.

The standard `email.message` is not good enough: on Python 3.11 an encoded word in a title can inject headers and a
body, Persian subjects lose spaces, and List-Unsubscribe is encoded in a way that mail programs cannot read. Most
functions here return the *value* of a field, folded with CRLF; `field` and `block` return whole fields. `headers`
decides which fields a mail has.
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

_LINE = 76  # maximum number of characters in a line with an encoded word (RFC 2047 §2)
_WORD = 75  # maximum number of characters in an encoded word (RFC 2047 §2)
_HARD = 998  # maximum number of characters in any line of a message, without its CRLF (RFC 5322 §2.1.1)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")  # phrases that need no quotation marks (RFC 5322 §3.2.3)
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")
# Matches no blank, quote, comma or angle bracket, because these separate the addresses in a List-… field.
_URL = re.compile(r"https?://[!#-+\--;=?-~]+")
# Every CRLF must be followed by one blank and then text, so that the CRLF folds the field but does not end it.
_VALUE = re.compile(rb"[!-~](?:[ -~]++|\r\n (?=[!-~]))*+")
_PRINTABLE = re.compile(r"[!-~]+(?: [!-~]+)*")


def sanitise(value: str) -> str:
    """Returns the value as one line without control characters and bidi overrides; RLM, ZWNJ and ZWJ stay."""
    return clean(value, keep=RLM)


def encode(name: str, value: str) -> bytes:
    """Encodes an unstructured field such as Subject. Short ASCII is not changed; other values become encoded words.

    The result decodes to exactly `sanitise(value)`. `name` is the field's name, which takes room on the first line.
    """
    value = sanitise(value)
    first = len(name) + 2
    if value.isascii() and "=?" not in value and first + len(value) <= _LINE:
        return value.encode("ascii")
    return "\r\n ".join(_words(value, first)).encode("ascii")


def _words(value: str, first: int) -> list[str]:
    """Returns the value as encoded words in base64. Each encoded word can be decoded alone.

    The field's name takes `first` characters of the first line. An encoded word ends between two characters as readers
    see them. Only a character that is too long for one encoded word, such as a letter with dozens of marks, is split
    between code points.
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
    """Returns how many bytes fit into an encoded word of `characters` characters.

    The result is at least 6, so that every code point fits.
    """
    return max((min(characters, _WORD) - len("=?utf-8?b??=")) // 4 * 3, 6)


def _word(code: bytes) -> str:
    return f"=?utf-8?b?{b64encode(code).decode('ascii')}?="


def address(display: str, addr: str, name: str = "From") -> bytes:
    """Returns a mailbox for the field `name`: `display <addr>`, or only the address if `display` is empty.

    Raises ValueError unless `addr` is an ASCII address. An international domain must be in its `xn--` form.
    """
    if not _ADDRESS.fullmatch(addr):
        raise ValueError(f"not a valid address for {name}: {addr!r}")
    return _phrase(display, f"<{addr}>", name) if sanitise(display) else addr.encode("ascii")


def recipient(addr: str) -> bytes:
    """Returns the value of To: the address without a display name.

    An address with a non-ASCII local part becomes an empty group with the address as its name (RFC 6857 §3.1.5),
    because the message must stay 7-bit. The envelope has the real address.
    """
    if addr.isascii():
        return address("", addr, "To")
    return encode("To", addr) + b" :;"


def list_id(display: str, identifier: str) -> bytes:
    """Returns the value of List-Id: `display <identifier>` (RFC 2919 §3).

    Raises ValueError unless the identifier consists of names joined by dots, such as `weekly.example.org`.
    """
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", identifier):
        raise ValueError(f"not a List-Id: {identifier!r}")
    return _phrase(display, f"<{identifier}>", "List-Id")


def _phrase(display: str, angle: str, name: str) -> bytes:
    """Returns the value of the field `name`: the display name, if it is not empty, and then `angle`.

    `angle` is an address or an identifier in angle brackets. The display name is quoted or encoded, but never both
    (RFC 2047 §5).
    """
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
    """Returns a structured value, folded at its blanks but not encoded, because mail programs would not decode it.

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
    """Returns a web address as `<https://…>`, not folded, for the List-… fields (RFC 2369 §2).

    Raises ValueError if `value` is not a web address.
    """
    if not _URL.fullmatch(value):
        raise ValueError(f"not a valid web address for {name}: {value!r}")
    return f"<{value}>".encode("ascii")


def date(when: datetime) -> bytes:
    """Returns an instant with its time zone as the value of Date (RFC 5322 §3.3).

    Raises ValueError for a naive `datetime`.
    """
    if when.tzinfo is None:
        raise ValueError("a date without a zone")
    return _date(floor(when.timestamp()), when.utcoffset())


@lru_cache(4)  # mails of the same second have the same Date
def _date(second: int, offset: timedelta) -> bytes:
    zone = UTC if not offset else timezone(offset)
    return email.utils.format_datetime(datetime.fromtimestamp(second, zone)).encode("ascii")


def sound(name: str, value: bytes) -> bytes:
    """Returns the value unchanged. Raises ValueError if a line is too long or the value could end its field early."""
    if not _VALUE.fullmatch(value) or value.endswith(b" "):
        raise ValueError(f"the value of {name} is empty, not 7-bit, or wrongly folded")
    first = len(name) + 2
    if first + len(value) > _HARD and any(len(line) > _HARD for line in (b" " * first + value).split(b"\r\n")):
        raise ValueError(f"a line of {name} is longer than {_HARD} characters")
    return value


def field(name: str, value: bytes) -> bytes:
    """Returns one whole field with its CRLF. Raises ValueError if the name is not valid or the value is not `sound`."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a header name: {name!r}")
    return b"%s: %s\r\n" % (name.encode("ascii"), sound(name, value))


def block(fields: Sequence[tuple[str, bytes]]) -> bytes:
    """Returns the header block: whole fields, without the empty line after them.

    Raises ValueError if a parser would not see exactly these fields with these values.
    """
    written = b"".join(field(name, value) for name, value in fields)
    parsed = BytesParser().parsebytes(written + b"\r\n", headersonly=True)
    seen = [(name, str(value).encode("ascii", "surrogateescape")) for name, value in parsed.items()]
    # Early releases of Python 3.11, such as Debian 12's, report a missing multipart body even with `headersonly`.
    defects = [each for each in parsed.defects if not isinstance(each, MultipartInvariantViolationDefect)]
    if seen != list(fields) or defects or parsed.get_payload():
        raise ValueError("the headers do not parse back to what was written")
    return written
