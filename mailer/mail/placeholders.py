"""Makes and fills placeholders, which mark the places in a rendered mail where the values differ for each reader.

A placeholder is a name between the control characters STX and ETX, which cannot occur in cleaned text, markup or
headers.
"""

import html
import re
from collections.abc import Mapping
from typing import Literal

from mailer.text import clean

_PLACEHOLDER = re.compile("\x02([a-z][a-z_]*)\x03")
# Printable ASCII without quotes, angle brackets and blanks: an address of this form is safe in an attribute, alone on a
# line of text, and between < and > in a header. Other schemes, such as `javascript:`, do not match.
_URL = re.compile(r"https?://[!#-;=?-~]+")

Kind = Literal["html", "text", "header"]


def named(name: str) -> str:
    """Returns the placeholder called `name`, which must consist of lowercase characters and underscores.

    If the name ends with `_url`, the value must be a web address.
    """
    made = f"\x02{name}\x03"
    if not _PLACEHOLDER.fullmatch(made):
        raise ValueError(f"not a name for a placeholder: {name!r}")
    return made


def names(raw: str) -> frozenset[str]:
    """Returns the names of all placeholders in a text."""
    return frozenset(_PLACEHOLDER.findall(raw))


def split(raw: str) -> list[str]:
    """Splits a text into constant pieces and placeholders, without empty pieces.

    Joining the pieces gives `raw` again.
    """
    return [piece for piece in re.split("(\x02[a-z][a-z_]*\x03)", raw) if piece]


def fill(raw: str, values: Mapping[str, str], kind: Kind) -> str:
    """Replaces the placeholders by values, escaped for this kind of text. Values without a placeholder are ignored.

    Raises ValueError if a placeholder has no value or is broken, or the value of an `…_url` is not an http(s) address.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name not in values:
            raise ValueError(f"no value for the placeholder {name!r}")
        return escaped(checked(name, values[name]), kind)

    filled = _PLACEHOLDER.sub(value, raw)
    if "\x02" in filled or "\x03" in filled:
        raise ValueError("a broken placeholder is left in the text")
    return filled


def checked(name: str, value: str) -> str:
    """Returns a value for the placeholder called `name`, cleaned and on one line, ready for `escaped`.

    Raises ValueError if the name ends with `_url` and the value is not an http(s) address.
    """
    if not name.endswith("_url"):
        return clean.clean(value)  # on one line, so that the value cannot begin a new header or paragraph
    if not _URL.fullmatch(value):
        raise ValueError(f"the placeholder {name!r} takes an http(s) address")
    return value


def escaped(value: str, kind: Kind) -> str:
    """Escapes a `checked` value for this kind of text; only HTML needs escaping."""
    return html.escape(value) if kind == "html" else value
