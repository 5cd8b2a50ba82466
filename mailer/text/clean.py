"""Text from outside made harmless, and text made shorter.

Removes only what no reader can see. It does not correct spelling, digits or letters: `spelling` does, for titles and
leads only.
"""

import re
import unicodedata
from collections.abc import Mapping

from mailer.text.characters import JOINERS, ZWJ, ZWNJ, is_invisible

ELLIPSIS = "…"
_OBJECT_REPLACEMENT = "\ufffc"  # the only invisible character that Python calls printable
# What must not come before «…»: a sign that announces more, an opening bracket, half a word.
_DANGLING = " \t،؛,;:.-–—(«[{/\\|" + JOINERS

_SENTENCE_END = re.compile(r"[^\W\d_]{2}[.!؟?][»”)]?$")  # not an initial («م.») and not a number


class _Visible(dict[int, str]):
    """Maps each character to itself, or to "" if it is invisible. Filled in as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = "" if is_invisible(chr(code)) else chr(code)
        return self[code]


_VISIBLE = _Visible()


def clean(text: str, keep: str = "") -> str:
    """Return one line without invisible characters; every run of white space, line ends too, becomes one blank.

    `keep` lists invisible characters that are meant, such as the RLM before a subject. So no bidi override gets into
    a mail, no C1 control (Gmail clips a mail that has one), and no STX or ETX, which mark merge slots.
    """
    printable = text.isprintable() or text.replace(ZWNJ, "").isprintable()
    if printable and "  " not in text and _OBJECT_REPLACEMENT not in text:  # nearly every text; each mail has some
        return text.strip(" ")
    table: Mapping[int, str] = _VISIBLE
    if keep:
        table = {ord(char): _VISIBLE[ord(char)] for char in text} | {ord(char): char for char in keep}
    return " ".join(text.translate(table).split())


def clusters(text: str) -> list[str]:
    """Return the characters of a text as a reader sees them: a letter with its marks, ZWNJ and ZWJ is one.

    Simpler than UAX #29, and enough for Persian, Latin and joined emoji.
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
    """Return at most `limit` code points, cut between words; «…» shows that there is more. `limit` is at least 2."""
    if len(text) <= limit:
        return text
    room = limit - len(ELLIPSIS)
    edge = text.rfind(" ", 0, room + 1)
    head = text[:edge] if edge > room // 2 else _within(text, room)  # one endless word must not cost all the others
    return (head.rstrip(_DANGLING) or head) + ELLIPSIS


def _within(text: str, room: int) -> str:
    """Return as many whole clusters as fit; a single one that is too long is cut through."""
    head = ""
    for cluster in clusters(text[: room + 1]):
        if len(head + cluster) > room:
            break
        head += cluster
    return head or text[:room]


def first_words(text: str, words: int) -> str:
    """Return at most `words` words: up to the end of a sentence if one ends in the second half, else with «…»."""
    parts = text.split()
    if len(parts) <= words:
        return " ".join(parts)
    for end in range(words, words // 2, -1):
        if _SENTENCE_END.search(parts[end - 1]):
            return " ".join(parts[:end])
    return " ".join(parts[:words]).rstrip(_DANGLING) + ELLIPSIS
