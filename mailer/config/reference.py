"""Generates the commented `config.toml` and the tables of docs/settings.md from the classes in `settings`.

This module returns text and writes no file. `mailer init` writes config.toml; a test checks the copies in the
repository.
"""

import inspect
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.fields import FieldInfo

from mailer.config.environ import name_of
from mailer.config.fields import Place, is_list, is_secret, is_table, limits_of, quoted, section_in, settings_of, toml
from mailer.settings import Section, Settings

_WIDTH = 100

_HEAD = """\
Every setting with its default. A line such as "# reply_to = …" is switched off; remove the # to use it.

Relative paths, also that of a SQLite database, start at the folder of this file.
Any setting can be overridden from the environment as MAILER_SECTION__KEY, for example \
MAILER_DATABASE__URL or MAILER_SMTP__0__HOST (0 is the first [[smtp]]). Text is written without quotation \
marks, everything else as in this file. An unknown MAILER_ name is an error; MAILER_CONFIG is reserved for \
the path of this file.

`mailer config check` reports every mistake at once; `mailer config show` prints the settings in force.
"""

_MARKDOWN_HEAD = """\
# Settings

Generated from `mailer/settings.py`, which a test checks. `config.toml` has the same as a file to edit; `mailer init`
writes it, too.

- Relative paths, also that of a SQLite database, start at the folder of `config.toml`.
- Durations are a number and a unit: `"90s"`, `"30m"`, `"24h"`, `"7d"`.
- Any setting can be overridden from the environment by the name below it. Text is written without
  quotation marks, everything else as in the file: `MAILER_SCHEDULE__HOLIDAYS='["2027-03-21"]'`. An empty value unsets
  a setting that has no default. `0` is the number of the `[[smtp]]` entry, counted from 0. An unknown `MAILER_*` name
  is an error; `MAILER_CONFIG` is reserved for the path of the file.
- The password of a relay comes from `password_file`, else from `smtp_password` in systemd's credentials directory, else
  from `password`.
- `mailer config check` reports every mistake of the file and the environment at once; `mailer config show` prints the
  settings in force, with secrets masked.
"""


def config_toml(values: Mapping[Place, Any] | None = None) -> str:
    """Returns the text of a config.toml with the default and an explanation of every setting.

    `values` replaces defaults. In it, a list of sections is a list of dictionaries.
    """
    known = settings_of(Settings)
    given = dict(values or {})
    lines = [*_comment(_HEAD)]
    for name, field in known.items():
        if section_in(field) is None:  # in TOML, settings outside any section must come first
            lines += ["", *_setting((name,), field, given)]
    for name, field in known.items():
        if section_in(field):
            lines += ["", *_whole((name,), field, given)]
    return "\n".join(lines) + "\n"


def settings_markdown() -> str:
    """Returns the text of docs/settings.md."""
    known = settings_of(Settings)
    plain = [_row((name,), field) for name, field in known.items() if section_in(field) is None]
    parts = [_MARKDOWN_HEAD, _table("At the top, outside any section", "", plain)]
    for name, field in known.items():
        parts += _tables((name,), field)
    return "\n".join(parts)


def _tables(place: Place, field: FieldInfo) -> Iterator[str]:
    """Yields the table of a section, then the tables of the sections inside it."""
    section = section_in(field)
    if section is None:
        return
    name = ".".join(part for part in place if isinstance(part, str))
    inside = (*place, 0) if is_list(field) else place
    known = settings_of(section)
    rows = [_row((*inside, key), each) for key, each in known.items() if section_in(each) is None]
    yield _table(f"`[[{name}]]`" if is_list(field) else f"`[{name}]`", _meaning(section), rows)
    for key, each in known.items():
        yield from _tables((*inside, key), each)


def _whole(place: Place, field: FieldInfo, values: Mapping[Place, Any]) -> Iterator[str]:
    """Yields the lines of a section. A list of sections that is empty by default is commented out as a whole."""
    section = section_in(field)
    if section is None:
        return
    yield from ("", *_comment(_meaning(section)))
    name = ".".join(map(str, place))
    heading = f"[[{name}]]" if is_list(field) else f"[{name}]"
    if is_list(field) and not field.default:
        yield f"# {heading}"
        yield from (line if line.startswith("#") else f"# {line}" for line in _section(section, place, {}))
        for entry in values.get(place, ()):
            yield from ("", heading, *(f"{key} = {toml(value)}" for key, value in entry.items()))
    else:
        yield heading
        yield from _section(section, place, values)


def _section(section: type[Section], place: Place, values: Mapping[Place, Any]) -> Iterator[str]:
    # In TOML, the plain settings of a section must come before the tables in the section.
    for key, field in sorted(settings_of(section).items(), key=lambda item: is_table(item[1])):
        if section_in(field):
            continue
        if is_table(field):
            yield from ("", *_comment(field.description or ""), f"[{'.'.join(map(str, (*place, key)))}]")
            yield from (f"# {quoted(word)} = {toml(value)}" for word, value in _example(field).items())
            given = values.get((*place, key), {})
            yield from (f"{quoted(word)} = {toml(value)}" for word, value in given.items())
        else:
            yield from _setting((*place, key), field, values)
    for key, field in settings_of(section).items():
        yield from _whole((*place, key), field, values)


def _setting(place: Place, field: FieldInfo, values: Mapping[Place, Any]) -> Iterator[str]:
    yield from _comment(_explained(field))
    value = values.get(place, field.default)
    yield f"# {place[-1]} = {toml(_example(field))}" if value is None else f"{place[-1]} = {toml(value)}"


def _explained(field: FieldInfo) -> str:
    return f"{field.description or ''} {limits_of(field)}".strip()


def _example(field: FieldInfo) -> Any:
    """Returns an example value to show for a setting without a default."""
    return field.examples[0] if field.examples else ""


def _meaning(section: type[Section]) -> str:
    return inspect.cleandoc(section.__doc__ or "")


def _comment(text: str) -> list[str]:
    return [f"# {line}".rstrip() for part in text.strip().split("\n") for line in textwrap.wrap(part, _WIDTH) or [""]]


def _table(heading: str, meaning: str, rows: list[str]) -> str:
    lines = [f"## {heading}", "", *([meaning, ""] if meaning else [])]
    return "\n".join([*lines, "| setting | default | meaning |", "| --- | --- | --- |", *rows, ""])


def _row(place: Place, field: FieldInfo) -> str:
    without_default = field.default is None or is_table(field) or (is_secret(field) and not field.default)
    default = "—" if without_default else f"`{toml(field.default)}`"
    cells = (f"`{place[-1]}`<br>`{name_of(place)}`", default, _explained(field))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
