"""Defines the languages of mails and pages: words, digits and direction.

The texts in the templates and the code are Persian. Every other language has a catalogue, `templates/locale/<code>.po`,
in which each msgid is a Persian text. `calendar` formats dates; the settings choose the language.
"""

import gettext
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest

from mailer.text.characters import ARABIC_DIGITS, LATIN_DIGITS, PERSIAN_DIGITS

# Matches a Latin word with the number after it («Gemini 3»), a web address or an email address. The lookbehinds keep
# the search linear: without them, it would start again at each character of a long word or number.
LATIN_RUN = re.compile(r"https?://\S+|(?<![\w.+-])[\w.+-]+@[\w.-]+|(?:(?<![0-9])[0-9]+)?[A-Za-z][\w.+#-]*(?: [0-9.]+)?")
_NAME = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Plural:
    """The forms of one text for different numbers, such as «1 week» and «{count} weeks». `rule` returns the index in
    `forms` for a number.

    Persian has one form only: «۱ هفته», «۲ هفته».
    """

    forms: tuple[str, ...]
    rule: Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Locale:
    """One language. A text without a translation stays Persian; a test checks that every text has one."""

    code: str
    rtl: bool
    digits: str  # ten characters, from 0 to 9
    comma: str
    semicolon: str
    date: str  # the order and punctuation of a date with its weekday, as in CLDR
    words: Mapping[str, str | Plural] = field(default_factory=dict)

    @property
    def direction(self) -> str:
        return "rtl" if self.rtl else "ltr"

    @property
    def start(self) -> str:
        """The side on which a line begins, for mail programs that do not support `text-align:start`."""
        return "right" if self.rtl else "left"

    @property
    def end(self) -> str:
        return "left" if self.rtl else "right"

    def say(self, text: str, **values: str | int) -> str:
        """Return `text` in this language, with each `{name}` replaced by its value.

        Whole numbers are written in the digits of this language. The first whole number that `text` names chooses the
        plural form; if there is none, the last form is used. Braces inside a value stay unchanged.
        """
        found = self.words.get(text) or text
        if isinstance(found, Plural):
            numbers = (values.get(name) for name in _NAME.findall(text))
            first = next((number for number in numbers if isinstance(number, int)), None)
            found = found.forms[-1 if first is None else found.rule(first)]
        if not values:
            return found
        shown = {name: self.number(value) if isinstance(value, int) else value for name, value in values.items()}
        return _NAME.sub(lambda name: shown[name[1]], found)

    def number(self, value: int | str) -> str:
        """Return the number or text with all digits replaced by the digits of this language."""
        return str(value).translate(_DIGITS[self.digits])

    def one_script(self, text: str) -> str:
        """Return the text with its digits in the script of this language, except the digits in each LATIN_RUN."""
        translated = (self.number(part) for part in LATIN_RUN.split(text))
        return "".join(chain(*zip_longest(translated, LATIN_RUN.findall(text), fillvalue="")))


_ANY_DIGITS = PERSIAN_DIGITS + ARABIC_DIGITS + LATIN_DIGITS
_DIGITS = {own: str.maketrans(_ANY_DIGITS, own * 3) for own in (PERSIAN_DIGITS, ARABIC_DIGITS, LATIN_DIGITS)}

FA = Locale("fa", rtl=True, digits=PERSIAN_DIGITS, comma="،", semicolon="؛", date="{weekday} {day} {month} {year}")
EN = Locale("en", rtl=False, digits=LATIN_DIGITS, comma=",", semicolon=";", date="{weekday}, {day} {month} {year}")
_OTHERS = {
    "ar": Locale(
        "ar", rtl=True, digits=ARABIC_DIGITS, comma="،", semicolon="؛", date="{weekday}، {day} {month} {year}"
    ),
    "en": EN,
    "he": Locale(
        "he", rtl=True, digits=LATIN_DIGITS, comma=",", semicolon=";", date="{weekday}, {day} ב{month} {year}"
    ),
    "ur": Locale(
        "ur", rtl=True, digits=LATIN_DIGITS, comma="،", semicolon="؛", date="{weekday}، {day} {month}، {year}"
    ),
    "ckb": Locale(
        "ckb", rtl=True, digits=ARABIC_DIGITS, comma="،", semicolon="؛", date="{weekday}، {day}ی {month}ی {year}"
    ),
}
CODES = ("fa", *_OTHERS)


def locale(code: str, *catalogues: str) -> Locale:
    """Return the language `code` with the translations in `catalogues`, the contents of .po files. Persian needs none.

    If several catalogues translate a text, the first one wins. Raises ValueError if a catalogue cannot be read.
    """
    if code == "fa":
        return FA
    words: dict[str, str | Plural] = {}
    for catalogue in reversed(catalogues):
        words |= _read(catalogue, code)
    return replace(_OTHERS[code], words=words)


def _read(catalogue: str, code: str) -> dict[str, str | Plural]:
    # Imported here, because most newsrooms write Persian and never need Babel, which takes 50 ms to load.
    from babel.messages.pofile import PoFileError, read_po

    try:
        read = read_po(io.BytesIO(catalogue.encode()), locale=code, abort_invalid=True)
    except PoFileError as error:
        raise ValueError(str(error)) from error
    found: dict[str, str | Plural] = {}
    rule = gettext.c2py(read.plural_expr)
    for message in read:
        if not message.id or message.fuzzy or not message.string:
            continue
        if isinstance(message.id, str):
            found[message.id] = str(message.string)
        elif all(message.string):
            _check_rule(rule, len(message.string), read.plural_forms)
            found[message.id[0]] = Plural(tuple(message.string), rule)
    return found


def _check_rule(rule: Callable[[int], int], forms: int, written: str) -> None:
    """Raise ValueError if the rule cannot be computed or would choose a form that does not exist."""
    try:
        fits = all(rule(number) in range(forms) for number in range(200))
    except ZeroDivisionError:
        fits = False
    if not fits:
        raise ValueError(f"the rule «{written}» does not choose one of the {forms} forms that a text has")
