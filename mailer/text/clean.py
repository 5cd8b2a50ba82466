"""Text from outside made harmless, and text made shorter.

Removes only what no reader can see. It does not correct spelling, digits or letters: a headline wrongly «mended» is
worse than one left as the newsroom wrote it.
"""

import re
import unicodedata

ZWNJ = "\u200c"
ZWJ = "\u200d"
RLM = "\u200f"
ELLIPSIS = "…"

# Invisible and able to do harm: controls (C1 makes Gmail clip a mail), our slot marks STX and ETX, bidi controls, zero
# width blanks, soft hyphens, tags, lone surrogates, noncharacters. ZWNJ and ZWJ stay, Persian is written with them.
_HARMFUL = re.compile(
    "["
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad"
    "\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc"
    "\ud800-\udfff\ufdd0-\ufdef\U000e0000-\U000e007f"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(17))
    + "]"
)
_NOTHING = "\ufffc"  # the only one of them that Python calls printable
# What must not stand before «…»: a mark that announces more, an opened bracket, half a word.
_DANGLING = " \t،؛,;:.-–—(«[{/\\|" + ZWNJ + ZWJ

_SENTENCE_END = re.compile(r"[^\W\d_]{2}[.!؟?][»”)]?$")  # not an initial («م.») and not a number


def clean(text: str, keep: str = "") -> str:
    """One line without invisible characters; every run of white space, line ends too, becomes one blank.

    `keep` names harmful characters that are meant, such as the RLM that leads a subject.
    """
    if (text.isprintable() or text.replace(ZWNJ, "").isprintable()) and "  " not in text and _NOTHING not in text:
        return text.strip(" ")  # as nearly all are, and each mail has some
    text = _HARMFUL.sub(lambda found: found[0] if found[0] in keep else "", text)
    return " ".join(text.split())


def clusters(text: str) -> list[str]:
    """The characters of a text as a reader sees them: a letter with its marks, ZWNJ and ZWJ is one.

    Simpler than UAX #29, and enough for Persian, Latin and joined emoji.
    """
    found: list[str] = []
    for char in text:
        glued = char in (ZWNJ, ZWJ) or unicodedata.category(char) in ("Mn", "Me", "Mc")
        if found and (glued or found[-1].endswith(ZWJ)):
            found[-1] += char
        else:
            found.append(char)
    return found


def shorten(text: str, letters: int) -> str:
    """At most that many code points, cut between words; «…» says that there is more. `letters` must be at least 2."""
    if len(text) <= letters:
        return text
    room = letters - len(ELLIPSIS)
    edge = text.rfind(" ", 0, room + 1)
    head = text[:edge] if edge > room // 2 else _within(text, room)  # one endless word must not cost all the others
    return (head.rstrip(_DANGLING) or head) + ELLIPSIS


def _within(text: str, room: int) -> str:
    """As many whole characters as fit; a single one that is too long by itself is cut through."""
    head = ""
    for cluster in clusters(text[: room + 1]):
        if len(head + cluster) > room:
            break
        head += cluster
    return head or text[:room]


def first_words(text: str, words: int) -> str:
    """At most that many words: up to the end of a sentence when one ends in the second half, else with «…»."""
    parts = text.split()
    if len(parts) <= words:
        return " ".join(parts)
    for end in range(words, words // 2, -1):
        if _SENTENCE_END.search(parts[end - 1]):
            return " ".join(parts[:end])
    return " ".join(parts[:words]).rstrip(_DANGLING) + ELLIPSIS
