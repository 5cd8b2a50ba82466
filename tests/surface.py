"""The public surface: commands with their arguments and options, and settings, without descriptions.

`python tests/surface.py > tests/cli/surface.json` records the surface of the code in the current folder.
tests/cli/test_surface.py fails if a later version lost or changed any of it.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from annotated_types import BaseMetadata, GroupedMetadata
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined


def surface() -> dict[str, Any]:
    """Commands and settings as JSON can hold them."""
    # Imported here, so that `python tests/surface.py` in another checkout records that one.
    from mailer.cli import cli
    from mailer.settings import Settings

    return {"commands": dict(_commands(cli, "mailer")), "settings": dict(_settings(Settings, ""))}


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, Any]]:
    yield path, {"group": isinstance(command, click.Group), "parameters": [_parameter(each) for each in command.params]}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _commands(inner, f"{path} {name}")


def _parameter(parameter: click.Parameter) -> dict[str, Any]:
    found = {
        "kind": parameter.param_type_name,
        "names": sorted([*parameter.opts, *parameter.secondary_opts]),
        "type": {key: value for key, value in parameter.type.to_info_dict().items() if key != "param_type"},
        "nargs": parameter.nargs,
        "multiple": parameter.multiple,
        "required": parameter.required,
        "default": _plain(parameter.default),
        "variable": parameter.envvar,
    }
    if isinstance(parameter, click.Option):
        found |= {"flag": parameter.is_flag}
    return found


def _settings(section: type[BaseModel], path: str) -> Iterator[tuple[str, Any]]:
    for name, field in section.model_fields.items():
        if field.exclude:
            continue
        here = f"{path}{field.alias or name}"
        inner = _section(field.annotation)
        yield (
            here,
            {
                "type": _type(field.annotation),
                "default": _default(field, inner is not None),
                "limits": _limits(field.metadata),
                "secret": not field.repr,
            },
        )
        if inner:
            yield from _settings(inner, f"{here}{'[]' if get_origin(field.annotation) is tuple else ''}.")


def _section(annotation: Any) -> type[BaseModel] | None:
    kind = get_args(annotation)[0] if get_origin(annotation) is tuple else annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _type(annotation: Any) -> Any:
    """The name of a type; one with limits of its own as a list of its name and these."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = _limits(parts[1:])
        return [_type(parts[0]), limits] if limits else _type(parts[0])
    if origin in (Union, UnionType):
        return {"any of": [_type(part) for part in parts if part is not NoneType], "optional": NoneType in parts}
    if origin is Literal:
        return {"one of": list(parts)}
    if origin in (tuple, dict):
        return {origin.__name__: [_type(part) for part in parts if part is not ...]}
    return annotation.__name__


def _limits(metadata: Any) -> dict[str, Any]:
    """Such as {"ge": 1, "le": 65535}; functions that check a value are left out."""
    single = [
        rule
        for each in metadata
        if isinstance(each, BaseMetadata | GroupedMetadata)
        for rule in (each if isinstance(each, GroupedMetadata) else [each])
    ]
    return {
        name: _plain(getattr(rule, name)) for rule in single for name in getattr(rule, "__slots__", ()) or vars(rule)
    }


def _default(field: FieldInfo, is_section: bool) -> Any:
    value = field.get_default(call_default_factory=True)
    return "(settings)" if is_section and value != () else _plain(value)


def _plain(value: Any) -> Any:
    if value is PydanticUndefined or repr(value).startswith("Sentinel"):
        return "(none)"
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    parts = []
    for part, entries in surface().items():
        lines = ",\n".join(
            f"{json.dumps(name)}: {json.dumps(each, ensure_ascii=False)}" for name, each in entries.items()
        )
        parts.append(f'"{part}": {{\n{lines}\n}}')
    sys.stdout.write("{" + ",\n".join(parts) + "}\n")
