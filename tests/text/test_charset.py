"""Which encoding some bytes are in: the content decides first, then the server, the declaration, the characters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.text.charset import by_letters, declaration, decode, repaired

ARABIC = "باران از بامداد امروز در استان هاي شمالي آغاز شد و تا شب ادامه دارد"
HEADERS = ("", "utf-8", "windows-1256", "iso-8859-1", "iso-8859-6", "windows-1251", "gbk", "shift_jis")
FRENCH = "Un été à la montagne: les élèves préfèrent le théâtre, où l'on rit déjà"


@pytest.mark.parametrize(
    ("text", "codec", "header", "declared", "expected"),
    [
        # valid UTF-8 is UTF-8, whatever is declared
        (ARABIC, "utf-8", "windows-1256", "", "UTF-8"),
        (ARABIC, "utf-8", "", "iso-8859-1", "UTF-8"),
        (ARABIC, "utf-8", "utf-16", "punycode", "UTF-8"),
        ("café", "utf-8", "iso-8859-1", "", "UTF-8"),
        # the server before the declaration before the characters
        (ARABIC, "cp1256", "windows-1256", "utf-8", "Windows-1256"),
        (ARABIC, "cp1256", "", "windows-1256", "Windows-1256"),
        (ARABIC, "cp1256", "", "", "Windows-1256"),
        (ARABIC.replace("گ", ""), "iso8859-6", "", "", "ISO-8859-6"),
        (ARABIC, "cp1256", "utf-8", "", "Windows-1256"),
        (FRENCH, "cp1252", "", "", "Windows-1252"),
        (FRENCH, "iso8859-15", "ISO-8859-15", "", "ISO8859-15"),
        # a server that knows nothing says Latin-1
        (ARABIC, "cp1256", "ISO-8859-1", "", "Windows-1256"),
        (ARABIC, "cp1256", "ISO-8859-1", "windows-1256", "Windows-1256"),
        # unknown names are ignored
        (ARABIC, "cp1256", "x-unknown", "utf8mb4", "Windows-1256"),
        # a mark decides everything
        (ARABIC, "utf-8-sig", "windows-1256", "windows-1256", "UTF-8"),
        (ARABIC, "utf-16", "utf-8", "", "UTF-16-LE"),
        (ARABIC, "utf-16-be", "", "", "UTF-16-BE"),
        (ARABIC, "utf-16-le", "", "", "UTF-16-LE"),
        (ARABIC, "utf-32", "", "", "UTF-32-LE"),
    ],
)
def test_the_encoding_of_a_text(text: str, codec: str, header: str, declared: str, expected: str) -> None:
    whole = (f"<?xml version='1.0' encoding='{declared}'?>" if declared else "<rss>") + text
    found = decode(whole.encode(codec), header)
    assert (found.text, found.encoding) == (whole, expected)


@pytest.mark.parametrize(
    "before",
    ["", "\n\n  ", "<!-- made by hand -->\n", "\ufeff", "<!--"],
    ids=["nothing", "blanks", "comment", "mark", "in"],
)
def test_a_declaration_is_found_after_blanks_and_comments(before: str) -> None:
    assert declaration(f'{before}<?xml version="1.0" encoding="windows-1256"?>'.encode()) == "windows-1256"


def test_what_differs_from_the_declaration_is_reported() -> None:
    assert decode(ARABIC.encode(), "windows-1256").declared == "windows-1256"
    assert decode(ARABIC.encode(), "UTF-8").declared == ""
    assert decode(b"rain", "windows-1256").declared == "", "every encoding writes these words alike"
    assert decode(ARABIC.encode("cp1256")).guessed
    assert not decode(ARABIC.encode("cp1256"), "cp1256").guessed


@pytest.mark.parametrize("cut", [1, 3])
def test_a_few_bad_bytes_do_not_spoil_the_rest(cut: int) -> None:
    found = decode(ARABIC.encode()[:-cut] + b"\xff" + ARABIC.encode(), "windows-1256")
    assert found.encoding == "UTF-8"
    assert found.text.count("\ufffd") == found.damaged > 0
    assert found.text.endswith(ARABIC)


def test_letters_alone_distinguish_encodings_of_arabic() -> None:
    news = "أعلنت الحكومة اليوم عن خطة جديدة لدعم الاقتصاد الوطني في جميع المحافظات"
    assert by_letters(news.encode("cp1256")) == "cp1256"
    assert by_letters(news.encode("iso8859-6")) == "iso8859-6"
    assert by_letters(FRENCH.encode("cp1252")) == "cp1252"


@given(st.binary(max_size=300), st.sampled_from(["", "utf-8", "windows-1256", "punycode", "\x00", "a" * 90, "utf-16"]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_decoded(content: bytes, header: str) -> None:
    found = decode(content, header)
    assert len(found.text) <= len(content)


@given(
    st.text(alphabet="ابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهی ۱۲۳\u200c،.", min_size=1),
    st.sampled_from(HEADERS),
)
@settings(max_examples=200, deadline=None)
def test_persian_in_utf_8_is_never_taken_for_anything_else(text: str, header: str) -> None:
    assert decode(text.encode(), header).text == text


@pytest.mark.parametrize("codec", ["latin-1", "cp1252"])
def test_utf_8_that_was_taken_for_latin_1_is_repaired(codec: str) -> None:
    for text in ("سلام دنیا", "پگاه چراغ ژاله", "تهران ۱۴۰۵ – Iran’s «خبر»", "مي‌خواهد", "خبر 🎉"):
        # MySQL keeps the five bytes that Windows-1252 does not define
        broken = "".join(
            bytes([byte]).decode("latin-1" if byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else codec)
            for byte in text.encode()
        )
        assert repaired(broken) == text
        assert repaired(broken[:-1]) in text, "a column may end in the middle of a character"


@pytest.mark.parametrize(
    "text",
    ["", "plain", "سلام", "café", "Ø", "Ùber", "naïve Ú±", "سلام Ø³Ù„Ø§Ù…", "Ø³Ù„Ø§Ù… ✓", "Ã©tÃ©", "x" * 10_000],
)
def test_other_texts_are_not_repaired(text: str) -> None:
    assert repaired(text) == text
