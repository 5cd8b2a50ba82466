"""What is wrong with settings, in plain words.

Judges data against the classes of `settings` and names each mistake with its place. Knows neither file nor line, and
never repeats a value that may be a secret.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mailer.config.fields import Place, field_at, is_list, is_secret, leaves, quoted, section_in, settings_of, toml
from mailer.settings import Section, Settings


@dataclass(frozen=True, slots=True)
class Problem:
    place: Place
    words: str


def judged(data: dict[str, Any]) -> Settings | list[Problem]:
    """The settings made of `data`, or everything that is wrong with it."""
    problems: list[Problem] = []
    known = _known_part(data, Settings, (), problems)
    try:
        settings = Settings.model_validate(known)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems += (Problem(detail["loc"], _words(detail)) for detail in details if not _is_echo(detail))
        return problems
    return problems or settings


def dotted(place: Place) -> str:
    """`smtp.0.tls`; a name that needs quotation marks in the file has them here."""
    return ".".join(str(part) if re.fullmatch(r"[\w\u200c-]+", str(part)) else quoted(str(part)) for part in place)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """ " (did you mean "tls"?)" when one of the choices is close enough, else nothing."""
    spelling = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower(), spelling, 1)
    return f' (did you mean "{spelling[near[0]]}"?)' if near else ""


def _known_part(
    data: Mapping[str, Any], section: type[Section], place: Place, problems: list[Problem]
) -> dict[str, Any]:
    """The data without the names that no setting has; each of those becomes a problem."""
    known = settings_of(section)
    kept: dict[str, Any] = {}
    for name, value in data.items():
        here = (*place, name)
        if name not in known:
            problems.append(Problem(here, _unknown(here, value, known)))
            continue
        inner = section_in(known[name])
        if inner and is_list(known[name]) and isinstance(value, list):
            value = [
                _known_part(entry, inner, (*here, number), problems) if isinstance(entry, dict) else entry
                for number, entry in enumerate(value)
            ]
        elif inner and isinstance(value, dict) and not is_list(known[name]):
            value = _known_part(value, inner, here, problems)
        kept[name] = value
    return kept


def _unknown(place: Place, value: object, known: Iterable[str]) -> str:
    name = str(place[-1])
    what = "section" if isinstance(value, dict | list) and len(place) == 1 else "setting"
    hint = did_you_mean(name, known)
    if not hint and what == "setting":
        home = next((leaf for leaf, _ in leaves() if leaf[-1] == name and leaf[0] != place[0]), None)
        hint = f" here; it belongs to [{home[0]}]" if home and len(home) > 1 else ""
    if not hint and len(place) == 1:
        hint = "; the sections are " + ", ".join(n for n, field in settings_of(Settings).items() if section_in(field))
    return f"there is no such {what}{hint}"


def _is_echo(detail: ErrorDetails) -> bool:
    """Pydantic counts a list's good entries only: a list whose entries are all wrong is then also «too short»."""
    return detail["type"] == "too_short" and bool(detail["input"])


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
        case "string_too_short":
            return "should not be empty"
        case "string_too_long":
            return f"is longer than {context['max_length']} letters"
        case "string_pattern_mismatch":
            return f"{value}should be one line without control characters"
        case "greater_than_equal":
            return f"{value}should be at least {_limit(context['ge'])}"
        case "less_than_equal":
            return f"{value}should be at most {_limit(context['le'])}"
        case "greater_than":
            return f"{value}should be more than {_limit(context['gt'])}"
        case "too_short":
            return f"at least one is needed: write [[{detail['loc'][-1]}]]"
        case "tuple_type" | "dict_type" | "model_type" | "model_attributes_type":
            return f"{value}{_shape(detail)}"
        case _:
            return f"{value}{detail['msg'].replace('Input should', 'should', 1)}"


def _shape(detail: ErrorDetails) -> str:
    place = detail["loc"]
    name = dotted(tuple(part for part in place if isinstance(part, str)))
    if detail["type"] == "tuple_type":
        field = field_at(place)
        return 'should be a list, such as ["…", "…"]' if field else f"should have two brackets on each side: [[{name}]]"
    if detail["type"] == "dict_type":
        return f"should be a table: [{name}] with its entries below"
    return f"should be a section: {f'[[{name}]]' if isinstance(place[-1], int) else f'[{name}]'} and its settings below"


def _limit(limit: Any) -> str:
    return limit if isinstance(limit, str) else toml(limit)  # pydantic words durations itself: «5 minutes»


def _shown(place: Place, value: object) -> str:
    """The value and a blank, when it is short, plain and no secret; else nothing."""
    field = field_at(place)
    if field is None or is_secret(field) or isinstance(value, dict | list) or value is None:
        return ""
    text = toml(value)
    return f"{text} " if len(text) <= 80 else ""
