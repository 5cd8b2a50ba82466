import re
import unicodedata
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import babel
import mail_samples as samples
import pytest
from babel.dates import format_date
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from mailer.errors import UnreadableInput
from mailer.mail import view
from mailer.mail.render import Renderer
from mailer.model import OTHER_NEWS
from mailer.reasons import ReasonCode
from mailer.text import calendar
from mailer.text.characters import ARABIC_DIGITS, LATIN_DIGITS
from mailer.text.locales import CODES, EN, FA, Locale, Plural, locale

OTHERS = [code for code in CODES if code != "fa"]
ROOT = Path(__file__).parents[2]


def catalogue(code: str) -> str:
    return (samples.TEMPLATES / "locale" / f"{code}.po").read_text("utf-8")


def language(code: str) -> Locale:
    return locale(code, "" if code == "fa" else catalogue(code))


def words_in_use() -> set[str]:
    """Every text that a template or the code asks for."""
    jinja = [("**.html", "jinja2.ext:babel_extract"), ("**.txt", "jinja2.ext:babel_extract")]
    found = {str(found[2]) for found in extract_from_dir(samples.TEMPLATES, method_map=jinja)}
    for room in ("mail", "issues", "readers", "web", "text"):
        python = extract_from_dir(ROOT / "mailer" / room, method_map=[("**.py", "python")], keywords={"say": None})
        found |= {str(each[2]) for each in python}
    return found | {
        OTHER_NEWS,
        *calendar.WEEKDAYS,
        *calendar.GREGORIAN,
        *(code.persian for code in ReasonCode),
    }


def forms(translation: str | Plural) -> tuple[str, ...]:
    return translation.forms if isinstance(translation, Plural) else (translation,)


def values(text: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


@pytest.mark.parametrize("code", OTHERS)
def test_every_word_is_translated_with_its_values_and_none_is_left_over(code: str) -> None:
    said = language(code).words
    assert set(said) == words_in_use() | (set(calendar.JALALI) if code in calendar.JALALI_LOCALES else set())
    for text, translation in said.items():
        for place, form in enumerate(forms(translation)):
            assert form.strip()
            assert values(form) | number_left_out(translation, place, text) == values(text), text


def number_left_out(translation: str | Plural, place: int, text: str) -> set[str]:
    """The value that a form may lack, such as «two weeks»: the number, if only one number has this form."""
    if isinstance(translation, str) or sum(translation.rule(number) == place for number in range(300)) > 1:
        return set()
    return {re.findall(r"\{\w+\}", text)[0]}


@pytest.mark.parametrize("code", OTHERS)
def test_the_plural_forms_are_those_of_cldr(code: str) -> None:
    rule = babel.Locale.parse(code).plural_form
    categories = [each for each in ("zero", "one", "two", "few", "many", "other") if each in (*rule.tags, "other")]
    plurals = [each for each in language(code).words.values() if isinstance(each, Plural)]
    assert len(plurals) > 5
    for each in plurals:
        assert len(each.forms) == len(categories)
        assert [categories[each.rule(number)] for number in range(1200)] == [rule(number) for number in range(1200)]


@pytest.mark.parametrize(
    ("code", "weeks"),
    [
        ("fa", "۱ هفته، ۲ هفته، ۳ هفته، ۱۱ هفته، ۱۰۰ هفته"),
        ("ar", "أسبوع واحد، أسبوعان، ٣ أسابيع، ١١ أسبوعًا، ١٠٠ أسبوع"),
        ("en", "1 week، 2 weeks، 3 weeks، 11 weeks، 100 weeks"),
        ("he", "שבוע אחד، שבועיים، 3 שבועות، 11 שבועות، 100 שבועות"),
        ("ur", "1 ہفتہ، 2 ہفتے، 3 ہفتے، 11 ہفتے، 100 ہفتے"),
        ("ckb", "١ هەفتە، ٢ هەفتە، ٣ هەفتە، ١١ هەفتە، ١٠٠ هەفتە"),
    ],
)
def test_a_number_chooses_the_form(code: str, weeks: str) -> None:
    said = [language(code).say("{count} هفته", count=count) for count in (1, 2, 3, 11, 100)]
    assert "، ".join(said) == weeks


def test_the_first_number_of_the_text_chooses_the_form() -> None:
    plural = Plural(("one {a} of {b} {c}", "{a} of {b} {c}"), lambda number: int(number != 1))
    tongue = replace(EN, words={"{c} {a} {b}": plural})
    assert tongue.say("{c} {a} {b}", b=1, c="1", a=2) == "2 of 1 1"
    assert tongue.say("{c} {a} {b}", a=1, b=2, c="{a}") == "one 1 of 2 {a}"
    assert tongue.say("{c} {a} {b}", a="x", b="y", c="z") == "x of y z", "no number: the last form"


@pytest.mark.parametrize("rule", ["(n > 5 ? 2 : 0)", "n - 1", "n % 0"])
def test_a_plural_rule_that_names_a_missing_form_is_refused(rule: str) -> None:
    head = f'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=2; plural={rule};\\n"\n'
    text = 'msgid "{count} هفته"\nmsgid_plural "{count} هفته"\nmsgstr[0] "week"\nmsgstr[1] "weeks"\n'
    with pytest.raises(ValueError, match="one of the 2 forms"):
        locale("en", head + "\n" + text)


def test_a_catalogue_without_plural_forms_is_used_for_every_number() -> None:
    older = locale("ar", 'msgid "{count} هفته"\nmsgstr "الأسابيع: {count}"\n', catalogue("ar"))
    assert older.say("{count} هفته", count=2) == "الأسابيع: ٢"
    half = 'msgid "{count} هفته"\nmsgid_plural "{count} هفته"\nmsgstr[0] "x"\n'
    assert locale("ar", half, catalogue("ar")).say("{count} هفته", count=2) == "أسبوعان", "a part is no translation"


@pytest.mark.parametrize("code", OTHERS)
def test_catalogues_are_what_babel_reads(code: str) -> None:
    with (samples.TEMPLATES / "locale" / f"{code}.po").open("rb") as file:
        read = read_po(file, abort_invalid=True)
    assert str(read.locale) == code
    assert [list(message.check()) for message in read if message.id] == [[]] * (len(read))


def test_a_template_is_translated_wholly_or_not_at_all() -> None:
    """Persian outside of `_()` would reach a reader of another language."""
    for file in [*samples.TEMPLATES.glob("mail/*"), *samples.TEMPLATES.glob("page/*.html")]:
        text = file.read_text("utf-8")
        if "_(" in text:
            bare = re.sub(r'_\("[^"]*"|\{#.*?#\}', "", text, flags=re.DOTALL)
            assert not re.search("[\u0621-\u06d3]", bare), file.name


CLDR = {"en": "en_GB"}  # American dates would be out of place


def full_date(code: str) -> str:
    """CLDR's pattern of a date with its weekday.

    For Sorani, CLDR has only a short one, which is used with full names: its "full" pattern is that of languages
    without data.
    """
    tongue = babel.Locale.parse(CLDR.get(code, code))
    if code != "ckb":
        return str(tongue.date_formats["full"].pattern)
    short = str(tongue.datetime_skeletons["yMMMEd"].pattern)
    return short.replace("E", "EEEE").replace("MMM", "MMMM")


@pytest.mark.parametrize("code", OTHERS)
def test_gregorian_dates_are_those_of_cldr(code: str) -> None:
    for days in range(0, 400, 3):
        day = date(2026, 1, 1) + timedelta(days=days)
        wanted = format_date(day, full_date(code), locale=CLDR.get(code, code))
        assert calendar.long_date(day, "gregorian", language(code)) == language(code).number(wanted)


@pytest.mark.parametrize(("code", "written"), [("fa", "دوشنبه ۲ آذر ۱۴۰۵"), ("en", "Monday, 2 Azar 1405")])
def test_jalali_dates_in_the_languages_that_have_them(code: str, written: str) -> None:
    assert calendar.long_date(date(2026, 11, 23), "jalali", language(code)) == written
    assert code in calendar.JALALI_LOCALES


@given(st.text(max_size=30))
def test_values_are_put_in_once(value: str) -> None:
    assert FA.say("پیش {name} پس {name}", name=value) == f"پیش {value} پس {value}"
    assert FA.say("{a}{b}", a="{b}", b="x") == "{b}x"


def test_digits_of_every_language_from_any() -> None:
    wanted = {"fa": "۱۲۳", "ar": "١٢٣", "en": "123", "he": "123", "ur": "123", "ckb": "١٢٣"}
    assert {code: language(code).number("۱٢3") for code in CODES} == wanted


@pytest.mark.parametrize("code", ["he", "ur", "ckb"])
def test_digits_and_direction_are_those_of_cldr(code: str) -> None:
    tongue = babel.Locale.parse(code)
    digits = {"latn": LATIN_DIGITS, "arab": ARABIC_DIGITS}[tongue.default_numbering_system]
    assert (language(code).digits, language(code).direction) == (digits, tongue.text_direction)


# Characters that no word of the language has: they look like one of its own, or another language has them.
FOREIGN = {
    "fa": "يكىةۀٹڈڑںےہێۆڵڕە",
    "ar": "یکگچپژٹڈڑںےہێۆڵڕە",
    "he": "",
    "ur": "يكىةۀهێۆڵڕە",
    "ckb": "يكىةۀٹڈڑںےہثذصضطظ",
}


@pytest.mark.parametrize("code", FOREIGN)
def test_words_have_the_letters_of_the_language(code: str) -> None:
    said = words_in_use() if code == "fa" else [form for each in language(code).words.values() for form in forms(each)]
    own = "R" if code == "he" else "AL"
    for text in said:
        bare = re.sub(r"\{\w+\}", "", text)
        assert not set(bare) & set(FOREIGN[code]), text
        kinds = {unicodedata.bidirectional(char) for char in bare if char.isalpha()}
        assert kinds <= {own} or "name@example.com" in text or set(re.findall("[A-Za-z]+", bare)) <= {"HTML", "RSS"}, (
            text
        )


def test_a_newsroom_may_have_words_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "locale").mkdir()
    own = catalogue("en").replace("Related:", "See also:")
    (tmp_path / "locale" / "en.po").write_text(own, "utf-8")
    assert Renderer(tmp_path, samples.TEMPLATES, "en").locale.say("بیشتر بخوانید:") == "See also:"
    (tmp_path / "locale" / "en.po").write_text('msgid "بیشتر بخوانید:"\nmsgstr "See also:"\n', "utf-8")
    older = Renderer(tmp_path, samples.TEMPLATES, "en").locale
    assert (older.say("بیشتر بخوانید:"), older.say("لغو عضویت")) == ("See also:", "Unsubscribe"), "the built-in words"
    (tmp_path / "locale" / "en.po").write_text('msgid "a"\nnonsense\n', "utf-8")
    with pytest.raises(UnreadableInput, match=r"locale/en\.po"):
        Renderer(tmp_path, samples.TEMPLATES, "en")


@pytest.mark.parametrize(
    ("code", "said"),
    [("fa", "سلام نرگس عزیز"), ("ar", "مرحبًا نرگس"), ("en", "Dear نرگس"), ("he", "שלום نرگس")],
)
def test_greetings(code: str, said: str) -> None:
    assert view.greeting("نرگس", language(code)) == said
