"""Overrides the settings of the file with `MAILER_*` variables.

This module finds the setting that a variable names, and converts the variable's text to a value. The value is validated
later, together with the file. An unknown variable is reported; otherwise a typing error in a name would go unnoticed.
"""

import copy
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic.fields import FieldInfo

from mailer.config.fields import Place, is_secret, is_text, kind_of, leaves, quoted
from mailer.config.problems import did_you_mean

PREFIX = "MAILER_"
RESERVED = f"{PREFIX}CONFIG"  # the path of the file; the command line reads it

# Variables that Kubernetes sets in every pod if a service of the cluster is called "mailer".
_KUBERNETES = re.compile(r"MAILER_(SERVICE_HOST|SERVICE_PORT.*|PORT|PORT_\d+_.*)")


@dataclass(frozen=True, slots=True)
class Overlay:
    """The data of the file after the variables have overridden it.

    `variables` maps each place that a variable has set to the name of the variable.
    """

    data: dict[str, Any]
    variables: dict[Place, str]
    problems: tuple[str, ...]


def name_of(place: Place) -> str:
    """Returns the name of the variable that overrides the setting at this place."""
    return PREFIX + "__".join(str(part) for part in place).upper()


def lay_over(data: Mapping[str, Any], environ: Mapping[str, str]) -> Overlay:
    """Returns a copy of the file's data with the values of all `MAILER_*` variables in `environ`."""
    laid = copy.deepcopy(dict(data))
    known = {name_of(place): (place, field) for place, field in leaves()}
    variables: dict[Place, str] = {}
    problems: list[str] = []
    for name in sorted(environ, key=_numbered):
        if not name.startswith(PREFIX) or name == RESERVED:
            continue
        shape, number = _numbered(name)
        if shape not in known:
            problems.append(f"{name}: {_unknown(shape, number, list(known))}")
            continue
        place, field = known[shape]
        place = tuple(number if part == 0 else part for part in place)
        try:
            _put(laid, place, _value(field, environ[name]))
        except ValueError as why:
            problems.append(f"{name}: {why}")
        else:
            variables[place] = name
    return Overlay(laid, variables, tuple(problems))


def _numbered(name: str) -> tuple[str, int]:
    """Returns a variable's name with its entry number replaced by 0, and the number.

    MAILER_SMTP__1__HOST gives MAILER_SMTP__0__HOST and 1.
    """
    found = re.search(r"__(0|[1-9]\d?)__", name)
    return (name[: found.start(1)] + "0" + name[found.end(1) :], int(found[1])) if found else (name, 0)


def _unknown(shape: str, number: int, known: list[str]) -> str:
    if _KUBERNETES.fullmatch(shape):
        return (
            'is set by Kubernetes for a service called "mailer"; set enableServiceLinks: false, or rename the service'
        )
    inside = next((name for name in known if name.startswith(f"{shape}__")), None)
    if inside:
        return f"names a section; name one setting in it, such as {inside}"
    outside = next((name for name in known if shape.startswith(f"{name}__")), None)
    if outside:
        return f"names a part of a setting; give the whole of it in TOML's syntax as {outside}"
    numbered = [name.replace("__0__", f"__{number}__") for name in known]
    return "there is no such setting" + did_you_mean(shape.replace("__0__", f"__{number}__"), numbered)


def _value(field: FieldInfo, text: str) -> Any:
    """Converts the text of a variable to the value of the setting `field`.

    A text setting gets the text as it is; for any other setting, the text must be TOML. Empty text unsets an optional
    setting.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8") from None
    if not text and field.default is None:
        return None
    if is_text(field):
        return text
    try:
        value = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        value = {}
    if list(value) == ["value"]:
        return value["value"]
    if kind_of(field) in (int, float, bool):
        return text  # this value is wrong; the validation reports it together with the limits of the setting
    shown = "" if is_secret(field) else f"{quoted(text)} "
    raise ValueError(
        f"""{shown}should be written as in TOML, such as ["…", "…"] for a list or {{"…" = "…"}} for a table"""
    )


def _put(data: dict[str, Any], place: Place, value: Any) -> None:
    """Sets the value at one place in the data.

    If the file has something other than a section at that place, the data stays unchanged, and the validation reports
    the mistake. Raises ValueError if the value is for an entry of a list and the entry before it is missing.
    """
    holder: Any = data
    for part, following in pairwise(place):
        if isinstance(part, int) and isinstance(holder, list):
            if part == len(holder):
                holder.append({})
            holder = holder[part]
        elif isinstance(part, str) and isinstance(holder, dict):
            entries = holder.get(part, [])
            if isinstance(following, int) and isinstance(entries, list) and following > len(entries):
                raise ValueError(f"entry {following} comes after entry {following - 1}, and there is no such entry")
            holder = holder.setdefault(part, [] if isinstance(following, int) else {})
    if isinstance(holder, dict):
        holder[place[-1]] = value
