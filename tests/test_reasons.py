"""Reasons and notes: one catalogue, in every language."""

import json
import re
from string import Formatter

import mail_samples as samples
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.reasons import Reason, ReasonCode, english, plain, stored, translated
from mailer.text.locales import CODES, FA, Locale, Plural, locale

LANGUAGES = {
    code: locale(code, "" if code == "fa" else (samples.TEMPLATES / "locale" / f"{code}.po").read_text("utf-8"))
    for code in CODES
}
FREE_TEXT = "its mails\u202e cannot\nbe made: {error}"


def names(sentence: str) -> set[str]:
    return {name for _, name, *_ in Formatter().parse(sentence) if name}


def test_codes_are_found_by_their_values_and_sentences_are_written_once() -> None:
    assert [ReasonCode(str(code)) for code in ReasonCode] == list(ReasonCode)
    for sentences in ({code.english for code in ReasonCode}, {code.persian for code in ReasonCode}):
        assert len(sentences) == len(ReasonCode)


def last_form(said: str | Plural) -> str:
    return said.forms[-1] if isinstance(said, Plural) else said


@pytest.mark.parametrize("code", ReasonCode)
def test_every_sentence_is_there_in_all_languages_with_the_same_arguments(code: ReasonCode) -> None:
    assert code.english.isascii() or "«" in code.english
    said = {language: last_form(tongue.words.get(code.persian, "")) for language, tongue in LANGUAGES.items()}
    said["fa"] = code.persian
    for language, text in said.items():
        assert text, language
        assert names(text) == names(code.english), language
    if code is not ReasonCode.TEXT:
        assert len(set(said.values())) == len(CODES)


@pytest.mark.parametrize("code", ReasonCode)
@pytest.mark.parametrize("tongue", LANGUAGES.values(), ids=CODES)
def test_a_sentence_shows_its_arguments_with_the_digits_of_the_language(code: ReasonCode, tongue: Locale) -> None:
    numbers = {name: 40 + place for place, name in enumerate(sorted(names(code.english)))}
    reason = Reason(code, numbers)
    wanted = {*map(str, numbers.values()), *re.findall(r"[0-9]+", code.english)}
    assert set(re.findall(r"[0-9]+", english(reason))) == wanted
    assert set(re.findall(r"\d+", translated(reason, tongue))) == {tongue.number(value) for value in wanted}


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (Reason(ReasonCode.TOO_FEW_STORIES, {"found": 4, "least": 5}), "خبرها کم است: ۴ خبر، و دست‌کم ۵ خبر لازم است"),
        (Reason(ReasonCode.APPROVAL_REQUIRED), "تأیید سردبیر لازم است"),
        (Reason(ReasonCode.HELD_BY_EDITOR), "به خواست سردبیر"),
        (Reason(ReasonCode.NO_SECTIONS), "هیچ بخشی تعریف نشده است"),
        (
            Reason(ReasonCode.SOME_VIEW_COUNTS_MISSING, {"missing": 3, "all": 140}),
            "آمار بازدید ۳ خبر از ۱۴۰ خبر در دست نیست؛ این خبرها بر پایهٔ جایگاه، میزان پوشش، کیفیت و میانگین بخششان "
            "سنجیده شده‌اند",
        ),
        (
            Reason(ReasonCode.TOO_MANY_PINS, {"pins": 13, "stories": 12}),
            "۱۳ خبر سنجاق شده است، بیش از ۱۲ خبر یک شماره",
        ),
        (
            Reason(ReasonCode.FEW_VIEW_COUNTS, {"known": 1, "all": 10}),
            "آمار بازدید تنها ۱ خبر از ۱۰ خبر در دست است؛ خبرها بر پایهٔ جایگاه، میزان پوشش و کیفیت انتخاب شده‌اند",
        ),
        (
            Reason(ReasonCode.SECTION_LIMIT_DROPPED, {"limit": 4}),
            "از بخش‌های دیگر خبر کم بود: سقف ۴ خبر از یک بخش برداشته شد",
        ),
        (Reason(ReasonCode.SUPERSEDED, {"slot": "1405-W37"}), "شمارهٔ 1405-W37 پیش از آن فرستاده شد و جای آن را گرفت"),
        (Reason(ReasonCode.TEXT, {"words": FREE_TEXT}), "its mails cannot be made: {error}"),
        (None, ""),
    ],
)
def test_editors_read_persian(reason: Reason | None, said: str) -> None:
    assert translated(reason, FA) == said


def test_without_a_reason_there_is_no_sentence() -> None:
    assert english(None) == ""


@given(st.text(max_size=40))
def test_a_persons_own_words_are_shown_as_they_are(text: str) -> None:
    assert english(Reason(ReasonCode.TEXT, {"words": text})) == text


MISSING: dict[str, str | int] = {"title": "{x}", "articles": 8, "sources": 2, "hours": 30}
INNER = Reason(ReasonCode.NOT_AMONG_BEST, {"count": 12})


def test_a_reason_may_contain_another_one() -> None:
    reason = Reason(ReasonCode.LARGEST_TOPIC_MISSING, {**MISSING, "why": INNER})
    assert english(reason).endswith("are about it: «{x}» (not among the 12 best)")
    assert translated(reason, FA).endswith("در ۳۰ ساعت: «{x}» (میان ۱۲ خبر برتر نیست)")
    assert json.loads(json.dumps(plain(reason))) == {
        "code": "largest_topic_missing",
        "args": {**MISSING, "why": {"code": "not_among_best", "args": {"count": 12}}},
    }
    assert stored(**plain(reason)) == reason


def test_a_code_of_a_newer_version_is_shown_as_it_is() -> None:
    assert english(stored("from_the_future", {"words": "no"})) == "from_the_future"
    assert stored("too_late", {}) == Reason(ReasonCode.TOO_LATE)


def test_a_reason_with_fewer_arguments_than_today_is_shown_as_its_code() -> None:
    assert english(stored("largest_topic_missing", MISSING)) == "largest_topic_missing"
    nested = stored("largest_topic_missing", {**MISSING, "why": {"code": "not_among_best", "args": {}}})
    assert english(nested).endswith("(not_among_best)")
