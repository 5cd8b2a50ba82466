"""Finds the line of each setting in a TOML text, which `tomllib` does not keep, so that every problem can name one."""

import tomllib

from mailer.config.fields import Place


def lines_of(text: str) -> dict[Place, int]:
    """The line, from 1, of every section, entry of a list of sections, and setting of a text that `tomllib` accepts.

    Settings in an array or in an inline table with several keys are not listed; use the line of what contains them.
    """
    lines: dict[Place, int] = {}
    entries: dict[Place, int] = {}  # the number of the last entry of each [[list]]
    section: Place = ()
    statement, begin = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        statement += f"{line}\n"
        try:
            names = _names(tomllib.loads(statement))
        except tomllib.TOMLDecodeError:  # a value over several lines goes on
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
    """The names in a statement such as `a."b.c".d = 1` or `[a.b]`; none in a comment."""
    names: tuple[str, ...] = ()
    while isinstance(parsed, dict) and len(parsed) == 1:
        ((name, parsed),) = parsed.items()
        names = (*names, name)
    return names


def _inside(names: tuple[str, ...], entries: dict[Place, int]) -> Place:
    """The place that a header names: inside a list of sections it means the list's last entry."""
    place: Place = ()
    for name in names:
        place = (*place, name)
        if place in entries:
            place = (*place, entries[place])
    return place
