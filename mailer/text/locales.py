"""Languages of mails and pages: their words, digits and direction.

The templates and this room are written in Persian; other languages are catalogues, `templates/locale/<code>.po`, whose
msgids are the Persian words. Does not format dates (`calendar`) and does not choose a language: the settings do.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Locale:
    """One language. `say` translates; a word without translation stays Persian, which a test does not let happen."""

    code: str
    rtl: bool
    digits: str  # ten letters, from nought to nine
    comma: str
    semicolon: str
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def direction(self) -> str:
        return "rtl" if self.rtl else "ltr"

    @property
    def start(self) -> str:
        """The side where a line begins: mail programs know no `text-align:start`."""
        return "right" if self.rtl else "left"

    @property
    def end(self) -> str:
        return "left" if self.rtl else "right"

    def say(self, text: str, **values: str) -> str:
        """The words in this language with `{name}` replaced by its value; values are put in once and never read."""
        found = self.words.get(text) or text
        if len(values) == 1:  # as in each mail, for its greeting
            ((name, value),) = values.items()
            return found.replace(f"{{{name}}}", value)
        return re.sub(r"\{([a-z_]+)\}", lambda slot: values[slot[1]], found) if values else found

    def number(self, value: int | str) -> str:
        """The number or text with this language's digits, whichever it was written with."""
        return str(value).translate(_DIGITS[self.digits])


_PERSIAN, _ARABIC, _LATIN = "۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩", "0123456789"
_DIGITS = {
    own: str.maketrans("".join(other for other in (_PERSIAN, _ARABIC, _LATIN) if other != own), own * 2)
    for own in (_PERSIAN, _ARABIC, _LATIN)
}

FA = Locale("fa", rtl=True, digits=_PERSIAN, comma="،", semicolon="؛")
_OTHERS = {
    "ar": Locale("ar", rtl=True, digits=_ARABIC, comma="،", semicolon="؛"),
    "en": Locale("en", rtl=False, digits=_LATIN, comma=",", semicolon=";"),
}
CODES = ("fa", *_OTHERS)


def locale(code: str, catalogue: str) -> Locale:
    """The language `code` with the words of its catalogue (the text of a .po file; Persian needs none).

    ValueError: the catalogue cannot be read.
    """
    if code == "fa":
        return FA
    plain = _OTHERS[code]
    words = {message: said for message, said in _read(catalogue).items() if said}
    return Locale(code, plain.rtl, plain.digits, plain.comma, plain.semicolon, words)


def _read(catalogue: str) -> dict[str, str]:
    # Imported here, for most newsrooms write Persian and Babel takes 50 ms to load.
    from babel.messages.pofile import PoFileError, read_po

    try:
        read = read_po(io.BytesIO(catalogue.encode()), abort_invalid=True)
    except PoFileError as error:
        raise ValueError(str(error)) from error
    return {str(message.id): str(message.string) for message in read if message.id and not message.fuzzy}
