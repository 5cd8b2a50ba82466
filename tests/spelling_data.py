"""Real sentences that are well written: how correcting changes them, with and without their half-spaces.

Used by tests and by `bench`. The data is not part of this project; `sentences` takes its folder.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mailer.text.spelling import corrected

Z = "\u200c"
_FILES = ("asriran-2006-2015", "farsnews-2003-2021", "hamshahri-rss-2020", "tabnak-2023-views")
# A sentence with one of these is not well written.
_FAULT = re.compile(rf"(?<![\w{Z}])(ن?می|ها|های\w*|ترین)(?![\w{Z}])|{Z}{Z}|{Z}(?!\w)|(?<!\w){Z}|[يكىأإ\u064b-\u0652]")


class Stripped(NamedTuple):
    """Words with a half-space: how many get it back after it was removed, and how many get one in a wrong place."""

    words: int
    repaired: int
    wrongly: int


def sentences(data: Path) -> list[str]:
    found = set()
    for name in _FILES:
        with gzip.open(data / "articles" / f"{name}.jsonl.gz", "rt") as lines:
            for row in map(json.loads, lines):
                for text in (row["title"], row.get("lead") or "", row.get("body") or ""):
                    found |= {" ".join(each.split()) for each in re.split(r"(?<=[.!؟?])\s+|\n", text)}
    return sorted(each for each in found if Z in each and 20 < len(each) < 500 and not _FAULT.search(each))


def harmed(well_written: Sequence[str]) -> list[tuple[str, str]]:
    """Words that correcting makes worse. The writer is the judge: a word may only become what is written more often."""
    usual = Counter(word for sentence in well_written for word in re.findall(rf"[\w{Z}]+", sentence))
    wrong = []
    for sentence in well_written:
        old, new = (re.findall(rf"[\w{Z}]+", text) for text in (sentence, corrected(sentence)))
        wrong += [(a, b) for a, b in zip(old, new, strict=True) if a != b and usual[b] <= usual[a]]
    return wrong


def stripped(well_written: Sequence[str]) -> Stripped:
    words = repaired = wrongly = 0
    for word in (word for sentence in well_written for word in sentence.split() if Z in word):
        words += 1
        mended = corrected(word.replace(Z, ""))
        repaired += mended == word
        # Restoring half of a word's half-spaces is harmless; adding one where the writer had none is not.
        wrongly += bool(_places(mended) - _places(word))
    return Stripped(words, repaired, wrongly)


def _places(word: str) -> set[int]:
    """Return after how many other characters each half-space comes."""
    return {at - word[:at].count(Z) for at, letter in enumerate(word) if letter == Z}
