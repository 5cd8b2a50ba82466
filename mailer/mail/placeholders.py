"""Merge slots: the places in a mail, rendered once for all readers, where a reader's own value goes.

A slot is STX name ETX: two control characters that no cleaned text, markup or header can hold. This room fills slots;
it does not decide which values there are.
"""

import html
import re
from collections.abc import Mapping
from typing import Literal, assert_never

from mailer.text import clean

_SLOT = re.compile("\x02([a-z][a-z_]*)\x03")
# An address as it may stand in an attribute, alone on a line of text, or between < and > in a header: printable
# ASCII without quotes, angle brackets and blanks. `javascript:` and its kin do not begin like this.
_URL = re.compile(r"https?://[!#-;=?-~]+")

Kind = Literal["html", "text", "header"]


def named(name: str) -> str:
    """The mark for the value called `name`: small letters and underscores; `…_url` takes a web address."""
    mark = f"\x02{name}\x03"
    if not _SLOT.fullmatch(mark):
        raise ValueError(f"not a name for a slot: {name!r}")
    return mark


def names(raw: str) -> frozenset[str]:
    """Which values a text asks for."""
    return frozenset(_SLOT.findall(raw))


def split(raw: str) -> list[str]:
    """Constant text and slot marks in turn, without empty pieces; joined again they are `raw`."""
    return [piece for piece in re.split("(\x02[a-z][a-z_]*\x03)", raw) if piece]


def fill(raw: str, values: Mapping[str, str], kind: Kind) -> str:
    """Put the values into their slots, made harmless for where they go. Values without a slot are no error.

    ValueError: a slot has no value, an `…_url` is not an http(s) address, or a broken slot mark is left.
    """

    def put(found: re.Match[str]) -> str:
        name = found[1]
        if name not in values:
            raise ValueError(f"no value for the slot {name!r}")
        return harmless(name, values[name], kind)

    filled = _SLOT.sub(put, raw)
    if "\x02" in filled or "\x03" in filled:
        raise ValueError("a broken slot mark is left in the text")
    return filled


def harmless(name: str, value: str, kind: Kind) -> str:
    """A value as it stands in the slot `name` of such a text. ValueError: an `…_url` is not an http(s) address."""
    return written(checked(name, value), kind)


def checked(name: str, value: str) -> str:
    """A value that may be `written` into the slot `name`. ValueError: an `…_url` is not an http(s) address."""
    if not name.endswith("_url"):
        return clean.clean(value)  # one line: no value can begin a new header or a new paragraph
    if not _URL.fullmatch(value):
        raise ValueError(f"the slot {name!r} takes an http(s) address")
    return value


def written(value: str, kind: Kind) -> str:
    """A `checked` value as it stands in such a text."""
    match kind:
        case "html":
            return html.escape(value)
        case "text" | "header":
            return value
        case _:
            assert_never(kind)
