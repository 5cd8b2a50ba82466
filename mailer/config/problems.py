"""Describes mistakes in the settings in plain words.

The classes in `settings` validate the data; this module puts each mistake into words and names the place of the
mistake. The line of the file is added elsewhere. A value that may be a secret is never repeated.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from mailer.config.fields import (
    Place,
    default_of,
    field_at,
    is_list,
    is_secret,
    leaves,
    quoted,
    section_in,
    settings_of,
    spelled,
    toml,
)
from mailer.settings import Section, Settings


@dataclass(frozen=True, slots=True)
class Problem:
    place: Place
    words: str


def judged(data: dict[str, Any]) -> tuple[Settings, list[Problem]]:
    """Returns the settings made from the data, and a list of all problems with the data.

    A section with problems has its default values in these settings, so that the caller can still check the other
    sections.

    A section is validated only if it differs from its defaults, because building the validators of all sections would
    delay every command by 20 ms.
    """
    values: dict[str, Any] = {}
    shaping = _Shaping()
    shaped = shaping.section(Settings, data, ())
    problems = shaping.problems
    for name, field in settings_of(Settings).items():
        values[name] = default_of(field)
        if name not in shaped or _is_default(shaped[name], values[name]):
            continue
        try:
            values[name] = _validated(field, shaped[name])
        except ValidationError as error:
            problems += (Problem(shaping.written(each.place), each.words) for each in _problems(name, error))
    return Settings.model_construct(**values), problems


class _Shaping:
    """Puts the data into the shape that the validation expects, and collects the problems with the shape.

    Otherwise the validation would stop at an unknown name or at `[smtp]` in place of `[[smtp]]`, and the other problems
    of that section would come to light only in the next run.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._moved: dict[Place, Place] = {}  # place in the returned data → place in the file

    def section(self, kind: type[Section], data: dict[str, Any], place: Place) -> dict[str, Any]:
        """Returns the data of a section without unknown names, and with its inner sections in the right shape."""
        known = settings_of(kind)
        for name in data.keys() - known.keys():
            inner = (*place, name)
            self.problems.append(Problem(self.written(inner), _unknown(inner, data[name])))
        return {name: self._value(known[name], data[name], (*place, name)) for name in data if name in known}

    def written(self, place: Place) -> Place:
        """Returns where a value is in the file. `place` is where it is in the data that `section` returned."""
        for inner, outer in self._moved.items():
            if place[: len(inner)] == inner:
                return outer + place[len(inner) :]
        return place

    def _value(self, field: FieldInfo, value: Any, place: Place) -> Any:
        kind = section_in(field)
        if kind is None:
            return value
        if not is_list(field):
            if isinstance(value, list) and value and isinstance(value[0], dict):
                self.problems.append(Problem(place, _one_section(place)))
                self._moved[place] = (*place, 0)
                value = value[0]
            return self.section(kind, value, place) if isinstance(value, dict) else value
        if isinstance(value, dict):
            self.problems.append(Problem(place, _many_sections(place)))
            self._moved[(*place, 0)] = place
            return [self.section(kind, value, (*place, 0))]
        if isinstance(value, list):
            entries = enumerate(value)
            return [self.section(kind, it, (*place, n)) if isinstance(it, dict) else it for n, it in entries]
        return value


def _is_default(given: Any, default: Any) -> bool:
    """Returns True if every value in `given` is the default, in the right type: `true` is not 1, and 1.0 is not 1."""
    spelling = spelled(default)
    if isinstance(given, dict) and isinstance(spelling, dict):
        return all(key in spelling and _is_default(value, spelling[key]) for key, value in given.items())
    if isinstance(given, list) and isinstance(spelling, list) and len(given) == len(spelling):
        return all(map(_is_default, given, spelling))
    return repr(given) == repr(spelling)


def _validated(field: FieldInfo, given: Any) -> Any:
    """Returns the value of a top-level setting. Raises pydantic's ValidationError, which lacks the setting's name."""
    kind: Any = field.annotation
    for limit in field.metadata:  # for example, a list of relays must not be empty
        kind = Annotated[kind, limit]
    return TypeAdapter(kind).validate_python(given, by_alias=True, by_name=False)


def _problems(name: str, error: ValidationError) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        detail["loc"] = (name, *detail["loc"])
        # Pydantic counts only the valid entries of a list. If all entries are invalid, Pydantic also reports the list
        # as too short; that report is left out.
        if not (detail["type"] == "too_short" and detail["input"]):
            yield Problem(detail["loc"], _words(detail))


def dotted(place: Place) -> str:
    """Returns a place as text, such as `smtp.0.tls`. Names that need quotation marks in the file get them."""
    return ".".join(str(part) if re.fullmatch(r"[\w\u200c-]+", str(part)) else quoted(str(part)) for part in place)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Returns ` (did you mean "tls"?)` if one of the choices is close to the word, otherwise ""."""
    import difflib  # imported here, because a correct file needs no suggestion

    spelling = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower(), spelling, 1)
    return f' (did you mean "{spelling[near[0]]}"?)' if near else ""


def _unknown(place: Place, value: object) -> str:
    name = str(place[-1])
    section = tuple(0 if isinstance(part, int) else part for part in place[:-1])
    known = [leaf[len(section) :] for leaf, _ in leaves() if leaf[: len(section)] == section]
    what = "section" if isinstance(value, dict | list) and not section else "setting"
    hint = did_you_mean(name, dict.fromkeys(str(leaf[0]) for leaf in known))
    if not hint and what == "setting":
        home = next((leaf for leaf, _ in leaves() if leaf[-1] == name and leaf[0] != place[0]), None)
        hint = f" here; it belongs to [{home[0]}]" if home and len(home) > 1 else ""
    if not hint and not section:
        hint = "; the sections are " + ", ".join(dict.fromkeys(str(leaf[0]) for leaf in known if len(leaf) > 1))
    return f"there is no such {what}{hint}"


def _words(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    value = _shown(detail["loc"], detail["input"])
    match detail["type"]:
        case "value_error":
            words = str(context["error"])
            return f"{value}{words}" if words.startswith("should ") else words
        case "literal_error":
            choices = re.findall(r"'([^']*)'", context["expected"])
            return f"{value}is not one of {', '.join(choices)}{did_you_mean(str(detail['input']), choices)}"
        case "string_type" | "path_type":
            return f"{value}should be text, in quotation marks"
        case "string_pattern_mismatch":
            return f"{value}should be one line without control characters"
        case "too_short":
            return f"at least one is needed: write [[{detail['loc'][-1]}]]"
        case "tuple_type" | "dict_type" | "model_type" | "model_attributes_type":
            return f"{value}{_shape(detail)}"
        case _:
            words = detail["msg"].replace("greater than or equal to", "at least")
            return value + re.sub("^(Input|String) ", "", words.replace("less than or equal to", "at most"))


def _shape(detail: ErrorDetails) -> str:
    place = detail["loc"]
    name = dotted(tuple(part for part in place if isinstance(part, str)))
    if detail["type"] == "tuple_type":
        return 'should be a list, such as ["…", "…"]' if field_at(place) else _many_sections(place)
    if detail["type"] == "dict_type":
        return f"should be a table: [{name}] with its entries below"
    return (
        f"should be a section: [[{name}]] and its settings below" if isinstance(place[-1], int) else _one_section(place)
    )


def _one_section(place: Place) -> str:
    return f"should be a section: [{dotted(place)}] and its settings below"


def _many_sections(place: Place) -> str:
    return f"should have two brackets on each side: [[{dotted(place)}]]"


def _shown(place: Place, value: object) -> str:
    """Returns the value followed by a blank, or "" if the value is long, not plain, or secret."""
    field = field_at(place)
    if field is None or is_secret(field) or isinstance(value, dict | list) or value is None:
        return ""
    text = toml(value)
    return f"{text} " if len(text) <= 80 else ""
