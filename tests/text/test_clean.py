import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.text.clean import clean, clusters, first_words, shorten

ANY = st.text(st.characters(), max_size=80)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("می‌شود و «کتاب‌خانه»", "می‌شود و «کتاب‌خانه»"),
        ("خطِ\r\nBcc: x@y.example", "خطِ Bcc: x@y.example"),
        ("الف\u202eب\u2066پ\u200fت", "الفبپت"),
        ("\x02unsubscribe_url\x03", "unsubscribe_url"),
        ("نیم\u00adفاصله \u200b\ufeff پنهان", "نیمفاصله پنهان"),
        ("تب\tو\u2028خط\u0085تازه\u00a0", "تب و خط تازه"),
        ("\ud800تنها\uffff\U0001fffe", "تنها"),
        ("خانواده 👨‍👩‍👧 ✔️", "خانواده 👨‍👩‍👧 ✔️"),
    ],
)
def test_cleaning_takes_only_what_cannot_be_seen(raw: str, kept: str) -> None:
    assert clean(raw) == kept


def test_the_fast_path_gives_the_same_as_the_full_one() -> None:
    printable = "".join(char for char in map(chr, range(0x110000)) if char.isprintable() and char != "\ufffc")
    assert clean("  " + printable) == clean(printable) == printable.strip()  # two blanks: the long way
    assert clean(" نرگس\ufffc ") == "نرگس"


def test_invisible_characters_that_are_meant_are_kept() -> None:
    assert clean("\u200fOpenAI\u202e", keep="\u200f") == "\u200fOpenAI"


@settings(max_examples=200, deadline=None)
@given(ANY)
def test_cleaned_text_is_one_harmless_line(raw: str) -> None:
    text = clean(raw)
    assert clean(text) == text
    text.encode()  # raises for a lone surrogate
    assert not any(unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") for char in text)
    assert not any(
        unicodedata.bidirectional(char) in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "PDI") for char in text
    )


@settings(max_examples=200, deadline=None)
@given(ANY, st.integers(2, 60))
def test_shortened_text_is_a_beginning_within_its_limit(raw: str, letters: int) -> None:
    text = clean(raw)
    short = shorten(text, letters)
    assert len(short) <= letters
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


def test_texts_are_cut_between_words() -> None:
    assert shorten("سه بوستان تازه در شیراز", 16) == "سه بوستان تازه…"
    assert shorten("سه بوستان تازه: همه چیز", 17) == "سه بوستان تازه…"
    assert shorten("سه بوستان", 9) == "سه بوستان"


def test_an_endless_word_is_cut_between_characters() -> None:
    assert shorten("کتاب‌های" * 9, 6) == "کتاب…"  # «ب‌» is one character and the next would be half of it
    assert shorten("با " + "ه" * 400, 40) == "با " + "ه" * 36 + "…"


def test_clusters_keep_marks_and_joiners_with_their_letter() -> None:
    assert clusters("هٔمی‌شود👨‍👩") == ["هٔ", "م", "ی‌", "ش", "و", "د", "👨‍👩"]


def test_leads_end_with_a_sentence_or_say_that_there_is_more() -> None:
    words = [f"واژه{n}" for n in "ابپتثجچحخدذرزژسشصض"]
    assert first_words(" ".join(words), 18) == " ".join(words)
    assert first_words(" ".join(words), 10) == " ".join(words[:10]) + "…"
    ended = [*words[:8], "شد.", *words[8:]]
    assert first_words(" ".join(ended), 10) == " ".join(ended[:9])
    early = [*words[:2], "شد.", *words[2:]]
    assert first_words(" ".join(early), 10).endswith("…")
