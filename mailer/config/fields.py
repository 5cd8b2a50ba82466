"""Describes the settings as users see them: names in the file, types, limits and notation.

Everything is derived from the classes in `settings`. Therefore the modules that read the file, read the environment or
write the documentation need no lists of settings.
"""

import re
from collections.abc import Iterator
from datetime import date, time, timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from mailer.settings import Section, Settings
from mailer.text.characters import is_printable

Place = tuple[str | int, ...]  # the path of a setting: ("smtp", 0, "tls")

MASK = "***"
_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)), ("s", timedelta(seconds=1)))


def settings_of(section: type[Section]) -> dict[str, FieldInfo]:
    """Returns the settings of a section in order, keyed by the names that the file uses."""
    return {field.alias or name: field for name, field in section.model_fields.items() if not field.exclude}


def kind_of(field: FieldInfo) -> Any:
    """Returns the type of a setting without `| None` and `Annotated`: `str`, `tuple[Smtp, ...]`, `Literal[…]`."""
    return _bare(field.annotation)


def _bare(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return _bare(next(part for part in get_args(kind) if part is not NoneType))
    return kind


def section_in(field: FieldInfo) -> type[Section] | None:
    """Returns the class of a section, or of the sections in a list of sections; None for a plain setting."""
    kind = kind_of(field)
    if is_list(field):
        kind = _bare(get_args(kind)[0])
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def default_of(field: FieldInfo) -> Any:
    """Returns the value of a setting, a section or a list of sections that the file does not mention."""
    section = section_in(field)
    if section is None:
        return field.get_default(call_default_factory=True)
    return tuple(_defaults(section) for _ in field.default) if is_list(field) else _defaults(section)


def _defaults(section: type[Section]) -> Section:
    # model_construct needs no validator, which is slow to build. A test checks that validation changes no default.
    return section.model_construct(
        **{name: default_of(field) for name, field in section.model_fields.items() if section_in(field)}
    )


def is_list(field: FieldInfo) -> bool:
    return get_origin(kind_of(field)) is tuple


def is_table(field: FieldInfo) -> bool:
    """Returns True if the setting is a table with keys that the user chooses."""
    return get_origin(kind_of(field)) is dict


def is_text(field: FieldInfo) -> bool:
    """Returns True if the file writes this setting as text in quotation marks."""
    kind = kind_of(field)
    return kind in (str, Path, SecretStr, timedelta, time) or get_origin(kind) is Literal


def is_secret(field: FieldInfo) -> bool:
    """Returns True if the value must not be shown. `repr=False` means that the value may contain a password."""
    return kind_of(field) is SecretStr or not field.repr


def limits_of(field: FieldInfo) -> str:
    """Returns a sentence with the choices or limits of a setting, or "" if it has none."""
    kind = kind_of(field)
    if get_origin(kind) is Literal:
        return f"One of {', '.join(map(toml, get_args(kind)))}." if len(get_args(kind)) > 1 else ""
    limits = {
        name: toml(getattr(rule, name)) for rule in field.metadata for name in ("ge", "gt", "le") if hasattr(rule, name)
    }
    if {"ge", "le"} <= limits.keys():
        return f"From {limits['ge']} to {limits['le']}."
    words = {"ge": "at least", "gt": "more than", "le": "at most"}
    return ", ".join(f"{words[name]} {limit}" for name, limit in limits.items()).capitalize() + "." if limits else ""


def leaves(section: type[Section] = Settings, place: Place = ()) -> Iterator[tuple[Place, FieldInfo]]:
    """Yields every plain setting with its place, in the order of the file.

    For a setting inside a list of sections, the place has 0 as the number of the entry.
    """
    for name, field in settings_of(section).items():
        inner = section_in(field)
        if inner is None:
            yield (*place, name), field
        else:
            yield from leaves(inner, (*place, name, 0) if is_list(field) else (*place, name))


def field_at(place: Place) -> FieldInfo | None:
    """Returns the plain setting at `place`, or the one whose value contains `place`, or None if there is neither."""
    shape = tuple(0 if isinstance(part, int) else part for part in place)
    return next((field for known, field in leaves() if shape[: len(known)] == known), None)


def spelled(value: Any) -> Any:
    """Returns a value in JSON types, written as in the file: "24h", "09:00", lists, tables; `***` for a secret."""
    match value:
        case SecretStr():
            return MASK
        case BaseModel():
            return {
                field.alias or name: spelled(getattr(value, name))
                for name, field in type(value).model_fields.items()
                if not field.exclude
            }
        case dict():
            return {key: spelled(part) for key, part in value.items()}
        case tuple() | list():
            return [spelled(part) for part in value]
        case timedelta():
            return _duration(value)
        case time():
            return value.strftime("%H:%M")
        case date():
            return value.isoformat()
        case Path():
            return str(value)
        case str():
            return masked(value)
        case _:
            return value


def masked(url: str) -> str:
    """Returns a database URL with all its passwords masked; other text is returned unchanged."""
    if "://" not in url:
        return url
    url = re.sub(r"(://[^:/@]*:).*@", rf"\1{MASK}@", url)
    return re.sub(r"([?&][^=&]*password[^=&]*=)[^&]*", rf"\1{MASK}", url, flags=re.IGNORECASE)


def _duration(value: timedelta) -> str:
    # Durations of up to two days are written in hours, as people say them: "48h", but "6d".
    units = _UNITS if value > timedelta(days=2) else _UNITS[1:]
    unit, length = next((pair for pair in units if value and not value % pair[1]), units[-1])
    return f"{value // length}{unit}"


def toml(value: Any) -> str:
    """Returns a value in TOML syntax."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value)
        case date():
            return value.isoformat()
        case tuple() | list():
            return "[" + ", ".join(toml(part) for part in value) + "]"
        case dict():
            return "{" + ", ".join(f"{quoted(key)} = {toml(part)}" for key, part in value.items()) + "}"
        case _:
            return quoted(str(spelled(value)))


def quoted(text: str) -> str:
    """Returns the text in quotation marks, for TOML and messages. Control and invisible characters are escaped."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    escaped = (
        escapes[char] if char in escapes
        else char if is_printable(char)
        else f"\\U{ord(char):08X}"
        for char in text
    )  # fmt: skip
    return '"' + "".join(escaped) + '"'
