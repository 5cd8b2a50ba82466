"""The half-spaces: what is put back, what is left alone, and that nothing well written is harmed."""

import gzip
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.digest.spelling import mend

Z = "\u200c"


@pytest.mark.parametrize(
    ("written", "mended"),
    [
        ("میکنیم", f"می{Z}کنیم"),
        ("گروههای تازه", f"گروه{Z}های تازه"),
        ("نمی خواهند بروند", f"نمی{Z}خواهند بروند"),
        ("کتاب های درسی", f"کتاب{Z}های درسی"),
        ("بزرگ ترین پل", f"بزرگ{Z}ترین پل"),
        ("ميدهد كه نيست", f"می{Z}دهد که نیست"),
        ("راهها و دهها", f"راه{Z}ها و ده{Z}ها"),
        ("میدانم و میداند", f"می{Z}دانم و می{Z}داند"),
    ],
)
def test_what_has_one_reading_is_mended(written: str, mended: str) -> None:
    assert mend(written) == mended


@pytest.mark.parametrize(
    "text",
    [
        *("میدان آزادی", "میدانی در شهر", "میهن و میرزا", "میانجی", "عمان", "گمان", "زنده‌یاد", "توسعه‌یافته", "میلاد"),
        *("می‌کنیم", "گروه‌های تازه", "کتابهای درسی", "نرم افزار", "او ها گفت", "مهارت", "همه", "هایدگر"),
        *("https://khabar.example/میکنیم", "نامه@khabar.example", "#میکنیم", "iOS 26.1 میلاد", "۲۵٫۵ درصد", "إِلَيَّ"),
    ],
)
def test_what_is_right_or_open_is_left(text: str) -> None:
    assert mend(text) == text


def test_an_exception_is_left() -> None:
    assert mend("میکنیم و میشود", ["میکنیم"]) == f"میکنیم و می{Z}شود"


WORDS = st.sampled_from(["می", "کنند", "میکنند", "ههای", "راهها", "های", "ترین", " ", Z, "ي", "ده", "a", "م", "،"])


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS, max_size=12).map("".join))
def test_mending_twice_is_mending_once(text: str) -> None:
    assert mend(mend(text)) == mend(text)


# --- real sentences --------------------------------------------------------------------------------------------------
_FILES = ("asriran-2006-2015", "farsnews-2003-2021", "hamshahri-rss-2020", "tabnak-2023-views")
# A sentence with one of these is not well written.
_FAULT = re.compile(rf"(?<![\w{Z}])(ن?می|ها|های\w*|ترین)(?![\w{Z}])|{Z}{Z}|{Z}(?!\w)|(?<!\w){Z}|[يكىأإ\u064b-\u0652]")


def _sentences(data: Path) -> list[str]:
    found = set()
    for name in _FILES:
        with gzip.open(data / "articles" / f"{name}.jsonl.gz", "rt") as lines:
            for row in map(json.loads, lines):
                for text in (row["title"], row.get("lead") or "", row.get("body") or ""):
                    found |= {" ".join(each.split()) for each in re.split(r"(?<=[.!؟?])\s+|\n", text)}
    return sorted(each for each in found if Z in each and 20 < len(each) < 500 and not _FAULT.search(each))


@pytest.mark.slow
def test_well_written_sentences_are_not_harmed_and_stripped_ones_come_back() -> None:
    folder = os.environ.get("KHABARNAMEH_DATA")
    if not folder:
        pytest.skip("KHABARNAMEH_DATA is not set: the real sentences are not here")
    sentences = _sentences(Path(folder))
    assert len(sentences) >= 10_000
    usual = Counter(word for sentence in sentences for word in re.findall(rf"[\w{Z}]+", sentence))
    wrong = []
    for sentence in sentences:
        old, new = (re.findall(rf"[\w{Z}]+", text) for text in (sentence, mend(sentence)))
        # The writers themselves are the judges: a word may be changed only into how they write it more often.
        wrong += [(a, b) for a, b in zip(old, new, strict=True) if a != b and usual[b] <= usual[a]]
    assert wrong == []

    broken = repaired = wrongly = 0
    for sentence in sentences:
        for word in sentence.split():
            if Z in word:
                broken += 1
                mended = mend(word.replace(Z, ""))
                repaired += mended == word
                # Half of a word's half-spaces is no harm; one where its writer had none is.
                wrongly += bool(_places(mended) - _places(word))
    assert repaired / broken > 0.28
    assert wrongly / broken <= 0.001


def _places(word: str) -> set[int]:
    """After how many letters the half-spaces stand."""
    return {at - word[:at].count(Z) for at, letter in enumerate(word) if letter == Z}
