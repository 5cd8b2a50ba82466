import re
from datetime import date, timedelta
from pathlib import Path

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
from mailer.text.locales import CODES, FA, Locale, locale

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
        *calendar.JALALI,
        *calendar.GREGORIAN,
        *(code.persian for code in ReasonCode),
    }


@pytest.mark.parametrize("code", OTHERS)
def test_every_word_is_translated_with_its_values_and_none_is_left_over(code: str) -> None:
    said = language(code).words
    assert set(said) == words_in_use()
    for text, translation in said.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", translation)), text
        assert translation.strip()


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


@pytest.mark.parametrize("code", ["ar", "en"])
def test_gregorian_dates_are_those_of_cldr(code: str) -> None:
    for days in range(0, 400, 3):
        day = date(2026, 1, 1) + timedelta(days=days)
        wanted = format_date(day, "EEEE d MMMM y", locale=code)
        assert calendar.long_date(day, "gregorian", language(code)) == language(code).number(wanted)


@pytest.mark.parametrize(
    ("code", "written"), [("fa", "دوشنبه ۲ آذر ۱۴۰۵"), ("ar", "الاثنين ٢ آذر ١٤٠٥"), ("en", "Monday 2 Azar 1405")]
)
def test_jalali_dates_in_every_language(code: str, written: str) -> None:
    assert calendar.long_date(date(2026, 11, 23), "jalali", language(code)) == written


@given(st.text(max_size=30))
def test_values_are_put_in_once(value: str) -> None:
    assert FA.say("پیش {name} پس {name}", name=value) == f"پیش {value} پس {value}"
    assert FA.say("{a}{b}", a="{b}", b="x") == "{b}x"


def test_digits_of_every_language_from_any() -> None:
    assert [language(code).number("۱٢3") for code in ("fa", "ar", "en")] == ["۱۲۳", "١٢٣", "123"]


def test_a_newsroom_may_have_words_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "locale").mkdir()
    own = catalogue("en").replace("Read also:", "See also:")
    (tmp_path / "locale" / "en.po").write_text(own, "utf-8")
    assert Renderer(tmp_path, samples.TEMPLATES, "en").locale.say("بیشتر بخوانید:") == "See also:"
    (tmp_path / "locale" / "en.po").write_text('msgid "بیشتر بخوانید:"\nmsgstr "See also:"\n', "utf-8")
    older = Renderer(tmp_path, samples.TEMPLATES, "en").locale
    assert (older.say("بیشتر بخوانید:"), older.say("لغو اشتراک")) == ("See also:", "Unsubscribe"), "the built-in words"
    (tmp_path / "locale" / "en.po").write_text('msgid "a"\nnonsense\n', "utf-8")
    with pytest.raises(UnreadableInput, match=r"locale/en\.po"):
        Renderer(tmp_path, samples.TEMPLATES, "en")


@pytest.mark.parametrize(("code", "said"), [("fa", "سلام نرگس عزیز"), ("ar", "مرحبًا نرگس"), ("en", "Dear نرگس")])
def test_greetings(code: str, said: str) -> None:
    assert view.greeting("نرگس", language(code)) == said
