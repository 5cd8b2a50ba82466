"""Finds the line number of each setting in a TOML text, for error messages. `tomllib` does not keep line numbers."""

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
    statement, begin = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        statement += f"{line}\n"
        try:
            names = _names(tomllib.loads(statement))
        except tomllib.TOMLDecodeError:  # the statement continues on the next line
            continue
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
        statement, begin = "", number + 1
    return lines


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
