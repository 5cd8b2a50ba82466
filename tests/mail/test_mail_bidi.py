import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.mail import bidi, placeholders
from mailer.text.locales import EN

RLM, RLE, PDF, LRI, PDI = "\u200f", "\u202b", "\u202c", "\u2066", "\u2069"


@pytest.mark.parametrize(
    ("text", "wrapped"),
    [
        ("گل دقیقهٔ ۹۰+۴ در دربی", "۹۰+۴"),
        ("زبان C++ را", "C++"),
        ("دما -۵ درجه", "-۵"),
        ("از ۱۴۰۵-۰۹-۰۲ به بعد", "۱۴۰۵-۰۹-۰۲"),
        ("تلفن ۰۲۱-۸۸۸۸۱۲۳۴", "۰۲۱-۸۸۸۸۱۲۳۴"),
        ("کد پستی ۱۲۳۴۵-۶۷۸۹۰", "۱۲۳۴۵-۶۷۸۹۰"),
        ("شمارهٔ +98-21-5555", "+98-21-5555"),
        ("کانال @tabnak_ir در t.me/tabnak", "@tabnak_ir"),
        ("هشتگ #Tehran2026 را", "#Tehran2026"),
        ("دلار (-۲٫۳٪) ارزان شد", "-۲٫۳٪"),
        ("یورو (+۱٫۱٪) گران شد", "+۱٫۱٪"),
        ("سامانهٔ S-300 رسید", "S-300"),
    ],
)
def test_runs_that_would_come_out_wrong_are_wrapped(text: str, wrapped: str) -> None:
    assert bidi.isolate(text) == text.replace(wrapped, f'<span dir="ltr" class="run">{wrapped}</span>')
    assert bidi.plain(text) == RLM + RLE + text.replace(wrapped, LRI + wrapped + PDI) + PDF


@pytest.mark.parametrize(
    "text",
    [
        "پرسپولیس ۲ – ۱ استقلال",
        "۱۴۰۵/۰۹/۰۲",
        "۲۳٫۵ درصد",
        "کووید-۱۹",
        "سال‌های ۱۴۰۳-۱۴۰۵",
        "۵-۳ میلیون",
        "آزمون MMLU-Pro",
        "اینترنت 5G",
        "news@iran.example را ببینید",
        "کانال #ایران",
    ],
)
def test_what_is_right_already_is_left_alone(text: str) -> None:
    assert bidi.isolate(text) == text


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=40))
def test_wrapping_changes_no_text_and_lets_no_markup_in(text: str) -> None:
    wrapped = str(bidi.isolate(text))
    bare = re.sub('<span dir="ltr"(?: class="run")?>|</span>', "", wrapped)
    assert not re.search("[<>\"']", bare)
    assert html.unescape(bare) == html.unescape(str(html.escape(text)))


def test_subjects_that_begin_with_latin_are_led_by_rlm() -> None:
    assert bidi.subject("Gemini فارسی شد") == RLM + "Gemini فارسی شد"
    assert bidi.subject("۲۰ خبر از Gemini") == "۲۰ خبر از Gemini"
    assert bidi.subject("۱۴۰۵") == "۱۴۰۵"


@pytest.mark.parametrize("end", ["…", "!", "»", ")", ".", "🎉"])
def test_subjects_that_end_with_a_sign_are_followed_by_rlm(end: str) -> None:
    """Thunderbird's header line runs left to right and would show the sign before the first word."""
    assert bidi.subject(f"شورا رأی داد{end}") == f"شورا رأی داد{end}{RLM}"
    assert bidi.subject(f"Gemini فارسی شد{end}") == f"{RLM}Gemini فارسی شد{end}{RLM}"
    assert bidi.subject(bidi.subject(f"شورا رأی داد{end}")) == f"شورا رأی داد{end}{RLM}"
    assert bidi.subject(f"The council voted{end}", EN) == f"The council voted{end}"


@pytest.mark.parametrize("end", ["د", "؟", "۹۰", "٤", "7", "AI"])
def test_subjects_that_end_with_a_letter_or_digit_need_no_mark(end: str) -> None:
    assert bidi.subject(f"شورا رأی {end}") == f"شورا رأی {end}"
    assert bidi.subject(end * 2).strip(RLM) == end * 2


def test_a_latin_text_has_its_own_direction() -> None:
    """Otherwise its full stop would be at the left end."""
    assert (
        bidi.isolate("New variants <1> are spreading.")
        == '<span dir="ltr">New variants &lt;1&gt; are spreading.</span>'
    )
    assert bidi.isolate("Tabnak نوشت.") == "Tabnak نوشت."
    long = f"@{'a' * 40}"
    assert bidi.isolate(f"کانال {long}") == f'کانال <span dir="ltr">{long}</span>'  # may be broken on a small screen


def test_text_lines_are_marked_and_addresses_left_alone() -> None:
    greeting, url = placeholders.named("greeting"), placeholders.named("unsubscribe_url")
    text = f"{greeting}،\n\nhttps://x.example/a\n{url}\nخبر"
    assert bidi.plain(text).split("\n") == [
        f"{RLM}{RLE}{greeting}،{PDF}",
        "",
        "https://x.example/a",
        url,
        f"{RLM}{RLE}خبر{PDF}",
    ]


def test_in_a_left_to_right_mail_persian_is_a_run_of_its_own() -> None:
    assert bidi.isolate_rtl("زبان C++ را.") == '<span dir="rtl">زبان <span dir="ltr" class="run">C++</span> را.</span>'
    assert bidi.isolate_rtl("Goal in minute 90+4 <b>") == "Goal in minute 90+4 &lt;b&gt;"


def test_arabic_digits_are_wrapped_as_persian_ones() -> None:
    assert bidi.isolate("في الدقيقة ٩٠+٤") == 'في الدقيقة <span dir="ltr" class="run">٩٠+٤</span>'
    assert bidi.isolate("٢٣٫٥ و ١٢٬٠٠٠ و ١٤٠٥/٠٩/٠٢") == "٢٣٫٥ و ١٢٬٠٠٠ و ١٤٠٥/٠٩/٠٢"


@pytest.mark.parametrize("line", ["שלום", "1. שלום, 12 ידיעות", "سلام", "سڵاو"])
def test_lines_of_every_right_to_left_script_are_marked(line: str) -> None:
    assert bidi.plain(line) == f"{RLM}\u202b{line}\u202c"
    assert bidi.plain("https://example.org/שלום"[:20]) == "https://example.org/"
