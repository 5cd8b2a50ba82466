"""Marks text direction, so that Latin, numbers and Persian keep their order in a right-to-left line.

In HTML, a run of characters is wrapped in `<span dir="ltr">`, because Gmail, Outlook and Yahoo remove `<bdi>`. In plain
text, control characters enclose the run. `_LEFT_TO_RIGHT` matches the runs that Unicode's bidi algorithm (UAX #9) puts
into the wrong order in real headlines. Scores («۲ – ۱») and dates with slashes are in the right order without marks.
This module changes no spelling, and puts no bidi control characters into HTML.
"""

import re
import unicodedata

from markupsafe import Markup, escape

from mailer.mail import placeholders
from mailer.text.characters import RLM
from mailer.text.locales import FA, Locale

_RLE, _PDF, _LRI, _PDI = "\u202b", "\u202c", "\u2066", "\u2069"
_WITH_DIRECTION = ("L", "R", "AL", "EN", "AN")  # bidi classes of letters and digits
_D = "0-9۰-۹٠-٩"
_LEFT_TO_RIGHT = re.compile(
    r"(?<![A-Za-z0-9_@#.])[@#][A-Za-z0-9_]+(?:[./][A-Za-z0-9_]+)*"  # @tabnak_ir, #Tehran
    rf"|(?<![A-Za-z0-9])[A-Za-z]{{1,8}}-[{_D}]{{1,4}}(?![A-Za-z{_D}-])"  # S-300, COVID-19
    rf"|[A-Za-z][A-Za-z0-9._-]{{0,60}}[+#]+(?![A-Za-z0-9])"  # C++, C#
    rf"|(?<![{_D}\w])\+?[{_D}]+\+[{_D}]+(?![{_D}])"  # ۹۰+۴
    rf"|(?<![{_D}\w+])\+[{_D}]{{2,}}(?:-[{_D}]+)*"  # +98-21…
    rf"|(?<![{_D}\w٫.-])[-−+][{_D}]+(?:[.٫][{_D}]+)?[٪%]?(?![-{_D}])"  # −۵, +۱٫۱٪
    rf"|(?<![-{_D}])[{_D}]{{4}}-[{_D}]{{2}}-[{_D}]{{2}}(?![-{_D}])"  # ۱۴۰۵-۰۹-۰۲
    rf"|(?<![-{_D}])[0۰٠][{_D}]{{1,4}}[-–][{_D}]{{4,8}}(?![-{_D}])"  # ۰۲۱-۸۸۸۸
    rf"|(?<![-{_D}])[{_D}]{{5}}[-–][{_D}]{{4,5}}(?![-{_D}])"  # postal code ۱۲۳۴۵-۶۷۸۹۰
)
_RUN, _LONG_RUN = Markup('<span dir="ltr" class="run">{}</span>'), Markup('<span dir="ltr">{}</span>')
_ONE_LINE = 20  # characters; a longer run could be wider than a small screen, so it may be broken into lines


def first_strong(text: str) -> str | None:
    """Returns the bidi class of the first letter: "L", "R" or "AL", or None if the text has no letter."""
    return next((kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL")), None)


def has_rtl(text: str) -> bool:
    """Returns True if the text has a letter of a right-to-left script."""
    return any(unicodedata.bidirectional(char) in ("R", "AL") for char in text)


def isolate(text: str) -> Markup:
    """Returns the text as escaped HTML (the template filter `bidi` in right-to-left languages).

    Runs that would be shown in the wrong order are wrapped in `<span dir="ltr">`. If a text begins with Latin and has
    no right-to-left characters, the whole text is wrapped, because otherwise its full stop would be shown at the wrong
    end. Short runs get the class `run`, which keeps them on one line.
    """
    if first_strong(text) == "L" and not has_rtl(text):
        return _LONG_RUN.format(text)
    pieces: list[Markup] = []
    at = 0
    for found in _LEFT_TO_RIGHT.finditer(text):
        span = _RUN if len(found[0]) <= _ONE_LINE else _LONG_RUN
        pieces += [escape(text[at : found.start()]), span.format(found[0])]
        at = found.end()
    return Markup("").join([*pieces, escape(text[at:])])


def runs(text: str) -> list[str]:
    """Returns the parts of a text that a right-to-left line would show in the wrong order."""
    return _LEFT_TO_RIGHT.findall(text)


def isolate_rtl(text: str) -> Markup:
    """Returns the text as escaped HTML (the template filter `bidi` in left-to-right languages).

    A text that begins with Persian or Arabic is wrapped as a whole; otherwise its full stop would be at the wrong end.
    """
    right = first_strong(text) in ("R", "AL")
    return Markup('<span dir="rtl">{}</span>').format(isolate(text)) if right else escape(text)


def subject(text: str, locale: Locale = FA) -> str:
    """Returns the subject; in a right-to-left language, adds RLM where it is needed and not yet there.

    A subject that begins with Latin gets RLM in front, because mail programs would show the whole subject left to
    right. A subject that ends with a sign without a direction («…», «»», «!») gets RLM behind it, because mail programs
    that show subjects left to right, such as Thunderbird, would show the sign before the first word.
    """
    own = text.strip(RLM)
    if not locale.rtl or not own:
        return own
    front = RLM if first_strong(own) == "L" else ""
    strong = unicodedata.bidirectional(own[-1]) in _WITH_DIRECTION
    return front + own + ("" if strong or not has_rtl(own) else RLM)


def plain(text: str) -> str:
    """Returns a text part whose lines in a right-to-left script read right to left in every mail program.

    Each such line begins with RLM and is enclosed in RLE … PDF. RLM is for mail programs that take the direction from
    the first letter, and RLE … PDF is for mail programs that show every line left to right (Thunderbird). A line with a
    placeholder is treated in the same way, unless the placeholder is for a web address. Other lines, such as web
    addresses, do not change.
    """
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    pieces = [(piece, placeholders.names(piece)) for piece in placeholders.split(line)]
    own_words = any(not name.endswith("_url") for _, names in pieces for name in names)
    if not own_words and not has_rtl(line):
        return line
    marked = "".join(
        piece if names else _LEFT_TO_RIGHT.sub(lambda run: _LRI + run[0] + _PDI, piece) for piece, names in pieces
    )
    return RLM + _RLE + marked + _PDF
