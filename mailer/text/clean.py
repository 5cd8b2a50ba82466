"""Removes invisible characters from text, and shortens text.

Visible characters stay as they are. `spelling` corrects spelling, but only in titles, leads and picture descriptions.
"""

import re
import unicodedata
from collections.abc import Mapping

from mailer.text.characters import JOINERS, ZWJ, ZWNJ, is_invisible

ELLIPSIS = "…"
_OBJECT_REPLACEMENT = "\ufffc"  # the only invisible character that Python calls printable
# Characters that are removed before «…»: punctuation that announces more text, opening brackets, and joiners, which
# would be left over at the end of half a word.
_DANGLING = " \t،؛,;:.-–—(«[{/\\|" + JOINERS

_SENTENCE_END = re.compile(r"[^\W\d_]{2}[.!؟?][»”)]?$")  # does not match an initial («م.») or a number


class _Visible(dict[int, str]):
    """Maps each character to itself, or to "" if it is invisible. An entry is made when its character first occurs."""

    def __missing__(self, code: int) -> str:
        self[code] = "" if is_invisible(chr(code)) else chr(code)
        return self[code]


_VISIBLE = _Visible()


def clean(text: str, keep: str = "") -> str:
    """Return the text as one line without invisible characters, with each run of white space replaced by one blank.

    `keep` lists invisible characters to keep, such as the RLM before a subject. All other invisible characters are
    removed, in particular bidi overrides, C1 controls (Gmail clips a mail that has one), and STX and ETX, which enclose
    placeholders.
    """
    printable = text.isprintable() or text.replace(ZWNJ, "").isprintable()
    # A fast path for nearly every text, because texts are cleaned for every mail.
    if printable and "  " not in text and _OBJECT_REPLACEMENT not in text:
        return text.strip(" ")
    table: Mapping[int, str] = _VISIBLE
    if keep:
        table = {ord(char): _VISIBLE[ord(char)] for char in text} | {ord(char): char for char in keep}
    return " ".join(text.translate(table).split())


def clusters(text: str) -> list[str]:
    """Return the text split into characters as a reader sees them: each letter together with its marks and joiners.

    The rules are simpler than those of UAX #29, but sufficient for Persian, Latin and joined emoji.
    """
    found: list[str] = []
    for char in text:
        joins = char in JOINERS or unicodedata.category(char) in ("Mn", "Me", "Mc")
        if found and (joins or found[-1].endswith(ZWJ)):
            found[-1] += char
        else:
            found.append(char)
    return found


def shorten(text: str, limit: int) -> str:
    """Return the text cut to at most `limit` code points, between two words if possible. A cut text ends with «…».

    `limit` must be at least 2.
    """
    if len(text) <= limit:
        return text
    room = limit - len(ELLIPSIS)
    edge = text.rfind(" ", 0, room + 1)
    # Cut inside a long word rather than lose half of the text.
    head = text[:edge] if edge > room // 2 else _within(text, room)
    return (head.rstrip(_DANGLING) or head) + ELLIPSIS


def _within(text: str, room: int) -> str:
    """Return as many whole clusters of the text as fit into `room` code points.

    If even the first cluster does not fit, only the beginning of this cluster is returned.
    """
    head = ""
    for cluster in clusters(text[: room + 1]):
        if len(head + cluster) > room:
            break
        head += cluster
    return head or text[:room]


def first_words(text: str, words: int) -> str:
    """Return the text cut to at most `words` words.

    If a sentence ends in the second half of these words, the text is cut after that sentence. Otherwise the text is cut
    after the last of these words, and «…» is added.
    """
    parts = text.split()
    if len(parts) <= words:
        return " ".join(parts)
    for end in range(words, words // 2, -1):
        if _SENTENCE_END.search(parts[end - 1]):
            return " ".join(parts[:end])
    return " ".join(parts[:words]).rstrip(_DANGLING) + ELLIPSIS
