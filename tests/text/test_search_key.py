"""The key of a text is the same for every spelling that newsrooms use, and different for other words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.text.search_key import bare_key, key

ZWNJ = "\u200c"
TITLE = f"کتاب{ZWNJ}های ۱۲۳ نویسندهٔ ایرانی در نمایشگاه بین{ZWNJ}المللی دیده می{ZWNJ}شوند"


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("Arabic yeh and kaf", TITLE.replace("ی", "ي").replace("ک", "ك")),
        ("alef maksura", TITLE.replace("ی", "ى")),
        ("non-joiner dropped", TITLE.replace(ZWNJ, "")),
        ("Latin digits", TITLE.replace("۱۲۳", "123")),
        ("Arabic digits", TITLE.replace("۱۲۳", "١٢٣")),
        ("he with yeh above", TITLE.replace("هٔ", "ۀ")),
        ("teh marbuta", TITLE.replace("هٔ", "ة")),
        ("vowel signs and tatweel", TITLE.replace("دیده", "دِیـــدِه")),
        ("direction marks", f"\u202b\u200f{TITLE}\u202c\u200e\u2067\u2069"),
        ("joiner, soft hyphen, byte order mark", f"\ufeff{TITLE}\u200d\u00ad"),
        ("quotation marks and punctuation", f"«{TITLE}»؛ !؟"),
        ("blanks and line breaks", "\u00a0" + TITLE.replace(" ", " \n\u00a0")),
    ],
)
def test_another_encoding_has_the_same_key(encoding: str, written: str) -> None:
    assert written != TITLE
    assert key(written) == key(TITLE), encoding


@pytest.mark.parametrize("gap", [" ", "\u00a0", ZWNJ, ""])
def test_endings_and_beginnings_join_however_they_are_parted(gap: str) -> None:
    assert key(f"خانه{gap}ها") == "خانهها"
    assert key(f"خبر{gap}های بزرگ{gap}ترین") == "خبرهای بزرگترین"
    assert key(f"می{gap}شود و نمی{gap}توان") == "میشود و نمیتوان"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("مسؤول", "مسوول"),
        ("رأی", "رای"),
        ("جزء", "جز"),
        ("آب", "آب"),  # alef with madda is a letter of its own: «آن» is not «ان»
        ("ﺳﻼﻡ", "سلام"),  # presentation forms, as old systems export them
        ("iPhone ۱۵ Pro", "iphone 15 pro"),
        ("ماه می ۲۰۲۳", "ماه می 2023"),  # May is not a verb's beginning before a number
        ("ها", "ها"),  # nothing to join to
        ("snake_case-word", "snake case word"),
        ("«…» - !", ""),
        ("", ""),
    ],
)
def test_table(text: str, expected: str) -> None:
    assert key(text) == expected


@pytest.mark.parametrize(("one", "other"), [("بازار", "بازارها"), ("تیم ملی", "ملی تیم"), ("۱۲", "۲۱"), ("آن", "ان")])
def test_different_words_keep_different_keys(one: str, other: str) -> None:
    assert key(one) != key(other)


_SIGNS = "اآبپکكيیىئةۀهءأؤمنش ـ\u200c\u200d\u0654\u0653\u064e\u00a0«»۱1٢-می ها"
_persian = st.text(alphabet=st.sampled_from(_SIGNS), max_size=40)


@given(st.one_of(_persian, st.text(max_size=60)))
@settings(max_examples=200, deadline=None)
def test_a_key_is_its_own_key(text: str) -> None:
    once = key(text)
    assert key(once) == once
    assert once == once.strip()
    assert "  " not in once


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Désabonné", "desabonne"),
        ("Üyelik", "UYELIK"),
        ("İptal", "iptal"),
        ("çıkış", "cikis"),
        ("Gelöscht", "geloscht"),
    ],
)
def test_bare_keys_have_no_accents(one: str, other: str) -> None:
    assert bare_key(one) == bare_key(other)
    assert bare_key(bare_key(one)) == bare_key(one)
