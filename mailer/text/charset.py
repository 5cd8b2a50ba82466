"""Finds out in which encoding some bytes are, and decodes them.

The content itself decides first. Bytes that are valid UTF-8 and not only ASCII are UTF-8, whatever a server or a
declaration says. Text in another encoding is practically never valid UTF-8 by chance. Otherwise the server's header
decides, then the declaration in the content, then the frequency of characters.
"""

import codecs
import re
from dataclasses import dataclass

from mailer.text.characters import arabic_letters

# UTF-32 comes before UTF-16, because the mark of UTF-32-LE begins with the mark of UTF-16-LE.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_XML_DECLARATION = re.compile(rb"""<\?xml\b[^>]{0,300}?\bencoding\s{0,20}=\s{0,20}["']\s{0,20}([\w.:-]{1,40})""")
_META = re.compile(rb"""<meta\b[^>]{0,300}?\bcharset\s{0,20}=\s{0,20}["']?\s{0,20}([\w.:-]{1,40})""", re.IGNORECASE)
_HEAD = 4096  # number of bytes at the beginning that are searched for a declaration
# The encodings that a declaration may name. Python has more codecs, but some are not encodings of text (punycode takes
# hours for a few megabytes), and no feed is written in the others.
_KNOWN = frozenset(
    [
        *(
            "utf-8",
            "ascii",
            "iso8859-1",
            "cp1252",
            "cp1250",
            "cp1251",
            "cp1253",
            "cp1254",
            "cp1255",
            "cp1256",
            "cp1257",
        ),
        *(f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)),
        *("cp1258", "cp874", "cp866", "cp720", "cp864", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "mac-arabic"),
        *("mac-farsi", "tis-620", "gb2312", "gbk", "gb18030", "big5", "big5hkscs", "euc_jp", "shift_jis", "cp932"),
        *("iso2022_jp", "euc_kr", "cp949", "johab"),
    ]
)
# Servers often name one of these by default. So the name does not count if the text looks Arabic or Persian.
_LATIN = ("ascii", "iso8859-1", "iso8859-15", "cp1252")
_SHOWN = {"utf-8": "UTF-8", "cp1256": "Windows-1256", "cp1252": "Windows-1252", "iso8859-6": "ISO-8859-6"}
_WRONG = re.compile("[\x80-\x9f\ufffd]")  # control characters that no text has, and U+FFFD for undecodable bytes
_WORD = re.compile(rb"[\x80-\xff]{2,}")
_SAMPLE = 200_000  # bytes that are enough to recognise an encoding by its characters
# About three quarters of the characters in a Persian or Arabic text are among these.
_FREQUENT = frozenset("اینرمتوهدلبسيىفعكکق")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded text. `encoding` is the name that people know, such as "Windows-1256"."""

    text: str  # without a byte order mark
    encoding: str
    declared: str = ""  # another encoding that the server or the content named, or "" if there is none
    guessed: bool = False  # True if nothing named the encoding and the characters decided
    damaged: int = 0  # number of places that could not be decoded; each is a U+FFFD in `text`


def decode(content: bytes, header: str = "") -> Decoded:
    """Decode bytes. `header` is the encoding that the server named, or "". Never raises."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decoded(content[len(mark) :], encoding)
    if encoding := _without_mark(content):
        return _decoded(content, encoding)
    named = [name for name in (header, declaration(content)) if name]
    known = [codec for name in named if (codec := _codec(name))]
    found, guessed = _choose(content, known)
    first = next(iter(named), "")
    declared = first if first and not content.isascii() and _codec(first) not in _same(found) else ""
    return _decoded(content, found, declared=declared[:40], guessed=guessed)


_BROKEN = re.compile("[ØÙÚÛ][\u0080-\u00bf\u0152-\u2122]")  # a Persian or Arabic letter whose UTF-8 was read as Latin-1


def repaired(text: str) -> str:
    """Repair a text whose UTF-8 was decoded as Latin-1, as in old tables of MySQL: «Ø³Ù„Ø§Ù…» becomes «سلام».

    A text is repaired only if all its characters are in Latin-1, their bytes are valid UTF-8 (the last character may be
    cut off), and the result has words in the Arabic script. Any other text is returned unchanged. MySQL's Latin-1 is
    Windows-1252, with the five characters that Windows-1252 lacks.
    """
    if text.isascii() or not _BROKEN.search(text) or arabic_letters(text):
        return text
    content = bytearray()
    for char in text:
        try:
            content += char.encode("cp1252")
        except UnicodeEncodeError:
            if ord(char) > 0xFF:
                return text
            content.append(ord(char))
    for end in (None, -1, -2, -3):  # the length limit of a column may have cut the last letter
        try:
            found = bytes(content[:end]).decode()
        except UnicodeDecodeError:
            continue
        return found if arabic_letters(found) else text
    return text


def declaration(content: bytes) -> str:
    """Return the encoding that an XML declaration or a <meta> element at the beginning names, or "".

    Some scripts write the declaration after blanks or inside a comment; it is found there too.
    """
    head = content[:_HEAD]
    found = _XML_DECLARATION.search(head) or _META.search(head)
    return found[1].decode("ascii", "replace") if found else ""


def _codec(name: str) -> str:
    """Return Python's name of an encoding, or "" if the encoding is unknown or not in `_KNOWN`."""
    try:
        codec = codecs.lookup(name.strip().lower().removeprefix("x-")[:40]).name
    except (LookupError, ValueError):
        return ""
    return codec if codec in _KNOWN else ""


def _same(codec: str) -> tuple[str, ...]:
    """Return the encodings that are not reported as different from `codec`. ASCII is a part of every encoding."""
    return (codec, "ascii", *(("iso8859-1",) if codec == "cp1252" else ()))


def _without_mark(content: bytes) -> str:
    """Return the UTF-16 or UTF-32 codec that fits the bytes, or "" if none fits. In UTF-16, the high byte of most
    characters is 0, 6 or 0x20 (Latin, Arabic, non-joiners). No other encoding has these in nearly every second byte."""
    head = content[:400]
    if 0 not in head and 6 not in head:
        return ""
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        high, low = head[first::2], head[1 - first :: 2]
        if len(high) > 3 and sum(each in (0, 6, 0x20) for each in high) > 0.9 * len(high):
            return encoding if 0 not in low[:20] else encoding.replace("16", "32")
    return ""


def _choose(content: bytes, named: list[str]) -> tuple[str, bool]:
    """Return the encoding of bytes without a byte order mark, and True if only the frequency of characters decided."""
    text = content.decode("utf-8", "replace")
    if text.isascii():
        return next((codec for codec in named if codec == "iso2022_jp" and b"\x1b" in content), "utf-8"), False
    beyond = _beyond_ascii(text)
    bad = text.count("\ufffd") - content.count(b"\xef\xbf\xbd")
    # A few bad bytes do not mean that the text is not UTF-8: in another encoding, nearly all high bytes would be bad.
    if bad * 5 <= beyond and not _fits_better(content, text, named):
        return "utf-8", False
    guess = by_letters(content)
    for codec in named:
        if codec in ("utf-8", "ascii") or (codec in _LATIN and guess not in _LATIN):
            continue
        if _fits(content, codec):
            return codec, False
    return guess, True


def _fits_better(content: bytes, text: str, named: list[str]) -> bool:
    """Return True if the declared encoding is more plausible than UTF-8, although the content is valid UTF-8.

    This happens rarely. The content then has Arabic characters in the declared encoding, and none in UTF-8."""
    if arabic_letters(text[:_SAMPLE]) or not named or named[0] in ("utf-8", *_LATIN):
        return False
    decoded = content[:_SAMPLE].decode(named[0], "replace")
    return arabic_letters(decoded) * 2 > _beyond_ascii(decoded)


def _fits(content: bytes, codec: str) -> bool:
    """Return True if nearly all bytes can be decoded, and hardly any of them give control characters."""
    text = content[:_SAMPLE].decode(codec, "replace")
    wrong = len(_WRONG.findall(text))
    return wrong * 50 <= _beyond_ascii(text)


def _beyond_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


def by_letters(content: bytes) -> str:
    """Return the likeliest encoding of a text that is not UTF-8: "cp1256", "iso8859-6" or "cp1252".

    In Arabic and Persian words, many bytes beyond ASCII follow each other. In Western European words, such bytes are
    alone between ASCII characters.
    """
    sample = content[:_SAMPLE]
    high = sum(byte >= 0x80 for byte in sample)
    words = b" ".join(_WORD.findall(sample))
    if len(words) < high / 2:
        return "cp1252"
    return max(("cp1256", "iso8859-6"), key=lambda codec: _score(words.decode(codec, "replace")))


def _score(text: str) -> int:
    """Return how much a text looks like Arabic or Persian. The frequent characters of these languages raise the score;
    characters of other scripts lower it."""
    return sum(1 if char in _FREQUENT else 0 if char == " " or arabic_letters(char) else -2 for char in text)


def _decoded(content: bytes, codec: str, *, declared: str = "", guessed: bool = False) -> Decoded:
    text = content.decode(codec, "replace")
    damaged = text.count("\ufffd") if codec != "utf-8" else text.count("\ufffd") - content.count(b"\xef\xbf\xbd")
    shown = _SHOWN.get(codec, codec.upper())
    return Decoded(text.removeprefix("\ufeff"), shown, declared, guessed, damaged)
