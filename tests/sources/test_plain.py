"""Any markup becomes plain text."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.sources import plain


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("باران <b>شدید</b>", "باران شدید"),
        ("باران &#8211; برف", "باران – برف"),
        ("باران &amp;#8211; برف", "باران – برف"),
        ("&lt;b&gt;باران&lt;/b&gt;", "باران"),
        ("&amp;lt;b&amp;gt;باران&amp;lt;/b&amp;gt;", "باران"),
        ("شرکت R&D و AT&T", "شرکت R&D و AT&T"),
        ("۲ < ۳ و ۵ > ۴", "۲ < ۳ و ۵ > ۴"),
        ("<script>alert(1)</script>باران<style>p{}</style>", "باران"),
        ("باران\r\nBcc: x@example.org", "باران Bcc: x@example.org"),
        ("باران\u2028برف\u2029تگرگ\x85مه", "باران برف تگرگ مه"),
        ("\u202eناراب\u202c \u2067x\u2069\u200f\ufeff", "ناراب x"),
        ("می\u200cشود", "می\u200cشود"),
        ("باران\x00\x1b[31m", "باران[31m"),
        ("=?utf-8?b?QmNjOiB4?=", "=?utf-8?b?QmNjOiB4?="),  # words like any others; the mail's encoder deals with them
        ("باران\ud800", "باران"),
        ("\u00a0 باران \t", "باران"),
        ("<p>", ""),
    ],
)
def test_line(markup: str, expected: str) -> None:
    assert plain.line(markup) == expected


def test_paragraphs() -> None:
    markup = "<h2>باران</h2><p>یک\nدو</p><p>سه<br/>چهار</p><figure><figcaption>عکس</figcaption></figure>"
    assert plain.paragraphs(markup) == "باران\nیک دو\nسه\nچهار"
    assert plain.paragraphs("یک\n\n دو \n") == "یک\nدو"


def test_very_deeply_nested_markup_neither_hangs_nor_crashes() -> None:
    assert plain.line("<div>" * 50_000 + "باران") == "باران"
    assert plain.paragraphs("<p " * 50_000 + "باران").endswith("باران")
    assert plain.line("&amp;" * 3 + "amp;" * 50_000).startswith("&")


@pytest.mark.parametrize(
    ("lead", "expected"),
    [
        ("به گزارش تابش، باران بارید.", "باران بارید."),
        ("به گزارش خبرنگار تابش؛ باران بارید.", "باران بارید."),
        ("تابش - باران بارید.", "باران بارید."),
        ("خبرگزاری تابش: باران بارید.", "باران بارید."),
        # naming another outlet is an attribution and stays, and so do words that are merely part of the feed's title
        ("به گزارش مهتاب، باران بارید.", "به گزارش مهتاب، باران بارید."),
        ("به گزارش تابش به نقل از مهتاب، باران بارید.", "به گزارش تابش به نقل از مهتاب، باران بارید."),
        ("ایران، عراق و ترکیه باران داشتند.", "ایران، عراق و ترکیه باران داشتند."),
        ("باران - برف", "باران - برف"),
        ("تابش - ", "تابش -"),
        ("باران بارید. نوشته باران بارید اولین بار در تابش پدیدار شد.", "باران بارید."),
        ("Rain. The post Rain appeared first on Tabesh.", "Rain."),
        ("باران بارید و [&#8230;]", "باران بارید و"),
    ],
)
def test_lead(lead: str, expected: str) -> None:
    assert plain.lead(lead, "سایت خبری تحلیلی تابش | اخبار ایران و جهان") == expected


def test_an_opening_is_made_of_whole_sentences() -> None:
    sentence = "باران از بامداد امروز در استان‌های شمالی آغاز شد و تا شب ادامه دارد."
    body = "\n".join(["عکس: تابش", f"{sentence} {sentence}", sentence, sentence, sentence, sentence])
    opening = plain.opening(body)
    assert opening.startswith(sentence)
    assert opening.endswith(".")
    assert len(sentence) < len(opening) <= 320
    assert plain.opening("کوتاه") == ""
    assert plain.opening("باران " * 200).endswith("باران…")


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_no_text_can_control_a_terminal_a_header_or_the_direction(text: str) -> None:
    line = plain.line(text)
    assert line == line.strip()
    assert line.splitlines() in ([line], [])
    assert not [char for char in line if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [char for char in line if unicodedata.category(char) == "Cf" and char not in "\u200c\u200d"]
    line.encode("utf-8")
