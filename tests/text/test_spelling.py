"""Half-spaces: which are restored, which are left alone, and that correct text is never damaged."""

import os
from pathlib import Path

import pytest
import spelling_data
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.text.spelling import corrected

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
def test_words_with_one_reading_are_corrected(written: str, mended: str) -> None:
    assert corrected(written) == mended


@pytest.mark.parametrize(
    "text",
    [
        *("میدان آزادی", "میدانی در شهر", "میهن و میرزا", "میانجی", "عمان", "گمان", "زنده‌یاد", "توسعه‌یافته", "میلاد"),
        *("می‌کنیم", "گروه‌های تازه", "کتابهای درسی", "نرم افزار", "او ها گفت", "مهارت", "همه", "هایدگر"),
        *("در برههای از زمان", "جبههای", "مواجههای", "شبههای", "شرکت های تک", "مراسم های لایت", "مردم های های گریه"),
        *("https://khabar.example/میکنیم", "نامه@khabar.example", "#میکنیم", "iOS 26.1 میلاد", "۲۵٫۵ درصد", "إِلَيَّ"),
    ],
)
def test_correct_and_ambiguous_words_are_left_alone(text: str) -> None:
    assert corrected(text) == text


def test_an_exception_is_left() -> None:
    assert corrected("میکنیم و میشود", ["میکنیم"]) == f"میکنیم و می{Z}شود"


WORDS = st.sampled_from(["می", "کنند", "میکنند", "ههای", "راهها", "های", "ترین", " ", Z, "ي", "ده", "a", "م", "،"])


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS, max_size=12).map("".join))
def test_correcting_twice_changes_nothing_more(text: str) -> None:
    assert corrected(corrected(text)) == corrected(text)


# --- real sentences --------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_well_written_sentences_are_not_harmed_and_stripped_ones_come_back() -> None:
    folder = os.environ.get("KHABARNAMEH_DATA")
    if not folder:
        pytest.skip("KHABARNAMEH_DATA is not set: the real sentences are not here")
    sentences = spelling_data.sentences(Path(folder))
    assert len(sentences) >= 10_000
    assert spelling_data.harmed(sentences) == []
    found = spelling_data.stripped(sentences)
    assert found.repaired / found.words > 0.28
    assert found.wrongly / found.words <= 0.001
