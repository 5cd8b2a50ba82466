"""Decides in which encoding a text file of people was written, by evidence from the whole file.

A file that is mostly UTF-8 is UTF-8, even with some bad bytes: these are marked in the text (`BAD_BYTE`), and only
the cells that contain them are lost. Otherwise, each candidate encoding decodes the words that have bytes above 127.
The encoding that gives the most plausible words is chosen. The choice is reported, and `--encoding` overrides it.
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from mailer.errors import UsageError
from mailer.sources.lists.container import Content
from mailer.text.characters import JOINERS

BAD_BYTE = re.compile("[\udc80-\udcff\ufffd]")  # in a decoded text, marks a byte that is not valid in the encoding
_CHUNK = 1 << 20
_MOST_WORDS = 100_000  # this many different words are enough to compare encodings


class Encoding(NamedTuple):
    """An encoding: Python's name of the codec, and its name for people."""

    codec: str
    shown: str
    doubtful: bool = False  # True if even the best encoding gives few plausible words

    @property
    def errors(self) -> str:
        """The error handler of the codec: it replaces invalid bytes with characters that `BAD_BYTE` matches."""
        return "surrogateescape" if self.codec.startswith("utf-8") else "replace"


_UTF8 = Encoding("utf-8", "UTF-8")
_MARKS = (
    (codecs.BOM_UTF8, Encoding("utf-8-sig", "UTF-8")),
    (codecs.BOM_UTF32_LE, Encoding("utf-32", "UTF-32")),
    (codecs.BOM_UTF16_LE, Encoding("utf-16", "UTF-16")),
    (codecs.BOM_UTF16_BE, Encoding("utf-16", "UTF-16")),
)
_WITHOUT_MARK = ((1, Encoding("utf-16-le", "UTF-16")), (0, Encoding("utf-16-be", "UTF-16")))
# If two of these encodings are equally plausible, the one that comes first here is chosen.
_LEGACY = (
    Encoding("cp1256", "Windows-1256"),
    Encoding("cp1252", "Windows-1252"),
    Encoding("iso8859-6", "ISO-8859-6"),
    Encoding("cp1254", "Windows-1254"),
    Encoding("cp1251", "Windows-1251"),
)
_NAMES = {codecs.lookup(each.codec).name: each for each in (_UTF8, *_LEGACY)}


def named(name: str) -> Encoding:
    """Return the encoding that an admin named. Raises UsageError if there is no such encoding."""
    try:
        info = codecs.lookup(name)
        if not isinstance("".encode(info.name), bytes):
            raise LookupError
    except (LookupError, UnicodeError, ValueError, TypeError):
        raise UsageError(f"--encoding {name!r} is not known.", "Write utf-8, windows-1256 or cp1252.") from None
    if info.name == "utf-8":
        return Encoding("utf-8-sig", "UTF-8")
    return _NAMES.get(info.name, Encoding(info.name, name))


def detect(content: Content) -> Encoding:
    """Return the encoding of a file. Reads the whole file once, or twice if it is not pure UTF-8."""
    with content.opened() as raw:
        head = raw.read(4096)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    for first, encoding in _WITHOUT_MARK:
        # In UTF-16, the high byte of nearly every character is 0 (Latin), 6 (Persian) or 0x20 (ZWNJ). Because 0x20 is
        # the blank in other encodings, most of the high bytes must be 0 or 6.
        high = head[first:400:2]
        marks = sum(each in (0, 6) for each in high)
        if len(high) > 3 and marks > 0.7 * len(high) and marks + high.count(0x20) > 0.9 * len(high):
            return encoding
    return _UTF8 if _is_utf8(content) else _by_evidence(content)


def _chunks(content: Content) -> Iterator[bytes]:
    with content.opened() as raw:
        while chunk := raw.read(_CHUNK):
            yield chunk


def _is_utf8(content: Content) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in _chunks(content):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


# --- evidence --------------------------------------------------------------------------------------------------------
_HIGH_WORD = re.compile(rb"[A-Za-z]{0,40}[\x80-\xff][A-Za-z\x80-\xff]{0,40}")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_ARABIC_WORD = re.compile(f"[ء-غف-يٱ-ۓ{JOINERS}]+")  # without vowel signs, which lists of names do not have
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ffŒœŠšŽžŸƒ]+")
_ACCENTS_IN_A_ROW = re.compile(r"[^\x00-\x7f]{3}")
_COMMON = frozenset("اايىیرنمدهولتبسة")  # about three quarters of the characters in Arabic or Persian words
# Windows-1252 has these six Icelandic characters where Windows-1254 has Turkish ones. They are more plausible in words
# that also have an acute accent.
_ICELANDIC = re.compile("[ÐÝÞðýþ]")
_ACUTE = re.compile("[áéíóúæÁÉÍÓÚÆ]")
_TURKISH = re.compile("[ĞİŞğış]")
_TURKISH_WORD = re.compile("[A-Za-zÇçĞğİıÖöŞşÜüÂâÎîÛû]+")
_CYRILLIC_WORD = re.compile("[А-ЯЁ]?[а-яё]+|[А-ЯЁ]+")
_COMMON_CYRILLIC = frozenset("оеаинтсрвлкмОЕАИНТСРВЛКМ")  # three quarters of the characters in Russian words
_CAPITAL_INSIDE = re.compile("[a-zà-öø-ÿœšž][À-ÖØ-ÞŒŠŽŸ]")  # a sign that the word is in another encoding


def _by_evidence(content: Content) -> Encoding:
    """Return the encoding of a file that is not pure UTF-8."""
    utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    good = bad = 0
    words: Counter[bytes] = Counter()
    for chunk in _chunks(content):
        text = utf8.decode(chunk)
        broken = len(BAD_BYTE.findall(text))
        bad += broken
        good += len(_NOT_ASCII.findall(text)) - broken
        if len(words) < _MOST_WORDS:
            words.update(_HIGH_WORD.findall(chunk))
    if good > bad:
        return _UTF8
    scores = {each: sum(count * _plausible(word, each.codec) for word, count in words.items()) for each in _LEGACY}
    best = max(_LEGACY, key=lambda each: scores[each])
    return best._replace(doubtful=scores[best] * 2 < sum(words.values()))


def _plausible(word: bytes, codec: str) -> float:
    """Return how plausible it is that these bytes are a word in this encoding: from -1 to 2."""
    try:
        text = word.decode(codec)
    except UnicodeDecodeError:
        return -1
    if _ARABIC_WORD.fullmatch(text):
        return 1 + sum(letter in _COMMON for letter in text) / len(text)
    if codec == "cp1251":
        common = sum(letter in _COMMON_CYRILLIC for letter in text) / len(text)
        return 0.5 + common if _CYRILLIC_WORD.fullmatch(text) else -1
    if codec == "cp1254" and _TURKISH.search(text):
        return 1 if _TURKISH_WORD.fullmatch(text) else -1
    if not _LATIN_WORD.fullmatch(text) or _ACCENTS_IN_A_ROW.search(text) or _CAPITAL_INSIDE.search(text):
        return -1
    if codec in ("cp1252", "cp1254"):
        return 0.7 if _ICELANDIC.search(text) and not _ACUTE.search(text) else 1
    return 0.5
