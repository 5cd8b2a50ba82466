"""Constants and checks for single characters: joiners, invisible characters, Arabic and Persian letters, digits."""

import re
import unicodedata

ZWNJ = "\u200c"  # zero width non-joiner, the half-space of Persian words
ZWJ = "\u200d"  # zero width joiner; it also joins several emoji into one
RLM = "\u200f"  # right-to-left mark
JOINERS = ZWNJ + ZWJ

ARABIC_LETTERS = str.maketrans({"ي": "ی", "ك": "ک"})  # Arabic letters, as some keyboards write them → Persian letters

PERSIAN_DIGITS = "۰۱۲۳۴۵۶۷۸۹"  # U+06F0…
ARABIC_DIGITS = "٠١٢٣٤٥٦٧٨٩"  # U+0660…
LATIN_DIGITS = "0123456789"

# Blanks, NUL, byte order marks and direction marks that other programs leave around a value.
EDGES = " \t\r\n\0\u00a0\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"

_ARABIC_SCRIPT = re.compile(
    "[\u0620-\u064a\u066e-\u06d3\u06fa-\u06ff\u0750-\u077f\u08a0-\u08c9\ufb50-\ufdfb\ufe70-\ufefc]"
)


def arabic_letters(text: str) -> int:
    """Return the number of characters of the Arabic script, which Persian, Arabic and Urdu words are written in."""
    return len(_ARABIC_SCRIPT.findall(text))


def is_invisible(char: str) -> bool:
    """Return True for a character that a reader cannot see and that can do harm.

    Such characters are control and format characters (direction marks and overrides, zero width spaces, soft hyphens,
    byte order marks, tags), lone surrogates, noncharacters and U+FFFC. Returns False for the joiners, which are part of
    Persian spelling, and for tabs, line ends and other white space.
    """
    code = ord(char)
    if code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF or char == "\ufffc":
        return True
    return unicodedata.category(char) in ("Cc", "Cf", "Cs") and char not in JOINERS and not char.isspace()


def is_printable(char: str) -> bool:
    """Return True for a character that a terminal or a log shows as it is. The joiners count as printable."""
    return char.isprintable() or char in JOINERS
