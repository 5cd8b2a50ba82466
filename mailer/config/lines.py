"""Finds the line number of each setting in a TOML text, for error messages. `tomllib` does not keep line numbers."""

import re
import tomllib

from mailer.config.fields import Place


def lines_of(text: str) -> dict[Place, int]:
    """Returns the line number, from 1, of every section, every entry of a list of sections, and every setting.

    The text must be valid TOML. A setting inside an array, or inside an inline table with several keys, has no line
    number here; use the line number of the array or table.
    """
    lines: dict[Place, int] = {}
    entries: dict[Place, int] = {}  # for each [[list]], the number of its last entry so far
    section: Place = ()
    open_, begin = _Open(), 1
    parts: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        parts.append(f"{line}\n")
        if open_.after(line):  # the statement continues on the next line
            continue
        statement, parts = "".join(parts), []
        names = _names(tomllib.loads(statement))
        if statement.lstrip().startswith("[["):
            place = (*_inside(names[:-1], entries), names[-1])
            entries[place] = entries.get(place, -1) + 1
            section = place = (*place, entries[place])
        elif statement.lstrip().startswith("["):
            section = place = _inside(names, entries)
        else:
            place = section + names
        for length in range(1, len(place) + 1) if names else ():
            lines.setdefault(place[:length], begin)
        begin = number + 1
    return lines


# A bracket, a comment, a string on one line, or the beginning of a string that may continue on the next lines.
_TOKEN = re.compile(r"""\"{3}|'{3}|"(?:[^"\\]|\\.)*"|'[^']*'|\#.*|[\[\]{}]""")
_END = {'"""': re.compile(r'\\.|("{3,5})'), "'''": re.compile(r"('{3,5})")}


class _Open:
    """Finds out, in linear time, whether a statement of valid TOML continues on the next line."""

    def __init__(self) -> None:
        self._depth = 0  # number of open brackets
        self._string = ""  # the quotation marks of the string that is open, or ""

    def after(self, line: str) -> bool:
        """Returns True if the statement continues after this line."""
        at = 0
        while at < len(line):
            if self._string:
                ends = (found for found in _END[self._string].finditer(line, at) if found[1])
                if (end := next(ends, None)) is None:
                    return True
                self._string, at = "", end.end()
            elif (token := _TOKEN.search(line, at)) is None:
                break
            else:
                at = token.end()
                if token[0] in _END:
                    self._string = token[0]
                elif token[0] in "[{":
                    self._depth += 1
                elif token[0] in "]}":
                    self._depth -= 1
        return bool(self._string or self._depth)


def _names(parsed: object) -> tuple[str, ...]:
    """Returns the names in a parsed statement such as `a."b.c".d = 1` or `[a.b]`; () for a comment."""
    names: tuple[str, ...] = ()
    while isinstance(parsed, dict) and len(parsed) == 1:
        ((name, parsed),) = parsed.items()
        names = (*names, name)
    return names


def _inside(names: tuple[str, ...], entries: dict[Place, int]) -> Place:
    """Returns the place that a header names. In a header, the name of a list of sections means its last entry."""
    place: Place = ()
    for name in names:
        place = (*place, name)
        if place in entries:
            place = (*place, entries[place])
    return place
