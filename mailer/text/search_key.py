"""Makes keys for comparing texts: different spellings of the same Persian words give the same key.

Newsrooms write the same word with Arabic or Persian letters and with Persian, Arabic or Latin digits. They join the
parts of a word with a zero width non-joiner, a blank, a no-break blank or nothing. Without keys, only one republished
article in five is recognised. Every library that was measured damages text, so this module has a few conservative rules
of its own, without stemming and stop words. Keys are never shown to readers.
"""

import re
import unicodedata

from mailer.text.characters import ARABIC_DIGITS, ARABIC_LETTERS, JOINERS, LATIN_DIGITS, PERSIAN_DIGITS, is_invisible

_LETTERS = {
    **{chr(arabic): persian for arabic, persian in ARABIC_LETTERS.items()},
    **dict.fromkeys("ىئ", "ی"),
    **dict.fromkeys("ةۀە", "ه"),
    **dict.fromkeys("أإٱ", "ا"),
    "ؤ": "و",
    **dict.fromkeys("ءـ", ""),
    **dict(zip(PERSIAN_DIGITS + ARABIC_DIGITS, LATIN_DIGITS * 2, strict=True)),
    **dict.fromkeys(JOINERS, ""),
}


class _Spelling(dict[int, str]):
    """Maps each character to its form in a key. An entry is made when its character first occurs.

    Joiners and invisible characters are removed and not replaced by blanks. Therefore a word with an ending gives the
    same key whether a non-joiner, a blank or nothing is written before the ending.
    """

    def __missing__(self, code: int) -> str:
        char = chr(code)
        self[code] = _LETTERS.get(char, "" if is_invisible(char) else char)
        return self[code]


_SPELLING = _Spelling()
# Arabic vowel signs, Quranic marks and Hebrew points. The hamza above a letter (U+0654) is among them, so that «خانهٔ»,
# «خانۀ» and «خانه» have the same key.
_POINTS = re.compile("[\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]")
_NOT_WORD = re.compile(r"[\W_]+")
_DETACHED_ENDING = re.compile(r"(?<=[^\W\d_]) (?=(?:ها|های|هایی|هایش|هایشان|ترین)\b)")
_DETACHED_BEGINNING = re.compile(r"\b(ن?می) (?=[^\W\d_]{2})")


def key(text: str) -> str:
    """Return the key of a text: the words in one spelling, case-folded, with single blanks.

    Returns "" if the text has no letter and no digit. A key is its own key: `key(key(text)) == key(text)`.
    """
    spelled = unicodedata.normalize("NFKC", text).translate(_SPELLING).casefold()
    # Case folding and removing characters can bring together two characters that compose (U+0627 and U+0653). Therefore
    # normalise and translate again.
    plain = _POINTS.sub("", unicodedata.normalize("NFKC", spelled).translate(_SPELLING))
    words = _NOT_WORD.sub(" ", plain).strip()
    return _DETACHED_BEGINNING.sub(r"\1", _DETACHED_ENDING.sub("", words))


def bare_key(text: str) -> str:
    """Return the key of a text without accents: «Désabonné» and «Desabonne» have the same bare key.

    Used to recognise words in files from other systems, where accents are often left out. A bare key is its own
    bare key.
    """
    found = key(text.replace("İ", "I"))  # in lower case, «İ» becomes two characters that do not compose
    if found.isascii():
        return found
    decomposed = unicodedata.normalize("NFD", found.replace("ı", "i"))
    return "".join(char for char in decomposed if unicodedata.category(char) != "Mn")
