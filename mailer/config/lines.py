"""In which line of a TOML text each setting stands.

`tomllib` reads the values and judges the syntax; it forgets the lines, and this room finds them again so that every
problem can name one. It understands only as much of TOML as that needs, and expects a text that `tomllib` accepted.
"""

import re
import tomllib

from mailer.config.fields import Place

_KEY = r"""(?:"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_STATEMENT = re.compile(rf"[ \t]*(?:(?P<open>\[\[?)[ \t]*(?P<header>{_DOTTED})[ \t]*\]|(?P<key>{_DOTTED})[ \t]*=)")
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[^\"'\#\[\]{}\n]+"
    r"|.",
    re.DOTALL,
)


def lines_of(text: str) -> dict[Place, int]:
    """The line, counted from 1, of every section, entry of a list of sections, and setting of a TOML text.

    Settings inside an inline table have no line of their own; look for that of what holds them.
    """
    text = text.replace("\r\n", "\n")
    lines: dict[Place, int] = {}
    entries: dict[Place, int] = {}  # the number of the last entry of each [[list]]
    section: Place = ()
    at, line = 0, 1
    while at < len(text):
        found = _STATEMENT.match(text, at)
        end = _end(text, found.end() if found else at)
        if found:
            parts = _parts(found["header"] or found["key"])
            if found["key"]:
                place = section + parts
            elif found["open"] == "[":
                place = section = _inside(parts, entries)
            else:
                array = (*_inside(parts[:-1], entries), parts[-1])
                entries[array] = entries.get(array, -1) + 1
                place = section = (*array, entries[array])
            for length in range(1, len(place) + 1):
                lines.setdefault(place[:length], line)
        line += text.count("\n", at, end)
        at = end
    return lines


def _parts(dotted: str) -> tuple[str, ...]:
    """The names in `a."b.c".d`, unquoted by `tomllib` itself."""
    parts: tuple[str, ...] = ()
    inner: object = tomllib.loads(f"{dotted} = 0")
    while isinstance(inner, dict):
        ((name, inner),) = inner.items()
        parts = (*parts, name)
    return parts


def _inside(parts: tuple[str, ...], entries: dict[Place, int]) -> Place:
    """The place that a header names: below a list of sections it means the list's last entry."""
    place: Place = ()
    for part in parts:
        place = (*place, part)
        if place in entries:
            place = (*place, entries[place])
    return place


def _end(text: str, at: int) -> int:
    """Where the statement that goes on at `at` has ended: after a newline outside brackets and strings."""
    depth = 0
    while found := _TOKEN.match(text, at):
        at = found.end()
        piece = found[0]
        if piece in ("[", "{"):
            depth += 1
        elif piece in ("]", "}"):
            depth -= 1
        elif piece == "\n" and depth <= 0:
            break
    return at
