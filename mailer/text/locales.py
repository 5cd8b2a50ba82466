"""Defines the languages of mails and pages: words, digits and direction.

The texts in the templates and the code are Persian. Every other language has a catalogue, `templates/locale/<code>.po`,
in which each msgid is a Persian text. `calendar` formats dates; the settings choose the language.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mailer.text.characters import ARABIC_DIGITS, LATIN_DIGITS, PERSIAN_DIGITS


@dataclass(frozen=True, slots=True)
class Locale:
    """One language. A text without a translation stays Persian; a test checks that every text has one."""

    code: str
    rtl: bool
    digits: str  # ten characters, from 0 to 9
    comma: str
    semicolon: str
    words: Mapping[str, str] = field(default_factory=dict)

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

    def say(self, text: str, **values: str) -> str:
        """Return `text` in this language, with each `{name}` replaced by its value.

        Braces inside a value stay unchanged.
        """
        found = self.words.get(text) or text
        return re.sub(r"\{([a-z_]+)\}", lambda name: values[name[1]], found) if values else found

    def number(self, value: int | str) -> str:
        """Return the number or text with all digits replaced by the digits of this language."""
        return str(value).translate(_DIGITS[self.digits])


_ANY_DIGITS = PERSIAN_DIGITS + ARABIC_DIGITS + LATIN_DIGITS
_DIGITS = {own: str.maketrans(_ANY_DIGITS, own * 3) for own in (PERSIAN_DIGITS, ARABIC_DIGITS, LATIN_DIGITS)}

FA = Locale("fa", rtl=True, digits=PERSIAN_DIGITS, comma="،", semicolon="؛")
EN = Locale("en", rtl=False, digits=LATIN_DIGITS, comma=",", semicolon=";")
_OTHERS = {
    "ar": Locale("ar", rtl=True, digits=ARABIC_DIGITS, comma="،", semicolon="؛"),
    "en": EN,
}
CODES = ("fa", *_OTHERS)


def locale(code: str, *catalogues: str) -> Locale:
    """Return the language `code` with the translations in `catalogues`, the contents of .po files. Persian needs none.

    If several catalogues translate a text, the first one wins. Raises ValueError if a catalogue cannot be read.
    """
    if code == "fa":
        return FA
    words: dict[str, str] = {}
    for catalogue in reversed(catalogues):
        words |= {message: translation for message, translation in _read(catalogue).items() if translation}
    return replace(_OTHERS[code], words=words)


def _read(catalogue: str) -> dict[str, str]:
    # Imported here, because most newsrooms write Persian and never need Babel, which takes 50 ms to load.
    from babel.messages.pofile import PoFileError, read_po

    try:
        read = read_po(io.BytesIO(catalogue.encode()), abort_invalid=True)
    except PoFileError as error:
        raise ValueError(str(error)) from error
    return {str(message.id): str(message.string) for message in read if message.id and not message.fuzzy}
