"""The parts that all commands share: the decorator that makes a command, its result, and how times and tables look.

A command is a function that takes the App and the command's arguments. It returns a `Result`: the data that `--json`
prints and the text for people. The use cases that a command calls are imported inside the function, so that no command
waits for imports that only another command needs.
"""

import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import click

from mailer.errors import UsageError

if TYPE_CHECKING:
    from mailer.context import App

F = TypeVar("F", bound=Callable[..., Any])


class Whole(click.IntRange):
    """A whole number within limits, such as a port or the number of a story."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            int(value)
        except ValueError:
            limits = f"from {self.min} to {self.max:,}" if self.max is not None else f"of at least {self.min}"
            self.fail(f"{value!r} is not a valid integer: write a number {limits}.", param, ctx)
        return super().convert(value, param, ctx)


NUMBER = Whole(1, 1_000_000_000)  # an article's number or a count; fits into the INTEGER of every database
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Result:
    """The output of a command. With --json, `data` is printed as one JSON document; otherwise `text` is printed."""

    data: Any
    text: str = ""
    code: int = 0  # the exit code


_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def command(group: click.Group | None, *, opens: bool = True) -> Callable[[Callable[..., Result]], click.Command]:
    """Returns a decorator that makes a function a command of `group`, or a top-level command if `group` is None. The
    command is named like the function.

    The first argument of the function is the App, which the decorator opens and closes. With `opens=False`, it is the
    path of the settings file instead. The decorator adds the option --json and prints the result.
    """

    def decorate(function: Callable[..., Result]) -> click.Command:
        @wraps(function)
        def run(path: Path, /, as_json: bool, **values: Any) -> int:
            with opened(path, os.environ) if opens else nullcontext(path) as first:
                result = function(first, **values)
                print_result(result, as_json)
            return result.code

        run = _json_option(run)
        # click keeps this list in reverse order. --json comes first in the list, so help texts show --json last.
        run.__click_params__.sort(key=lambda parameter: parameter.name != "as_json")  # type: ignore[attr-defined]
        make = group.command if group else click.command
        return make(function.__name__.strip("_"))(click.pass_obj(run))

    return decorate


def print_result(result: Result, as_json: bool) -> None:
    """Prints the data of a result if `as_json` is true and there is data. Otherwise prints the text, unless it is
    empty."""
    if as_json and result.data is not None:
        click.echo(json.dumps(result.data, ensure_ascii=False, indent=2, default=_plain))
    elif result.text:
        click.echo(result.text)


@contextmanager
def opened(path: Path, environ: Mapping[str, str]) -> Iterator["App"]:
    """Makes the App from a settings file and the MAILER_* variables, yields the App, and closes it at the end."""
    from mailer import config
    from mailer.wiring import wire

    app = wire(config.load(path, environ), environ)
    with closing(app):
        yield app


def wants_json() -> bool:
    """Returns True if the running command was called with --json."""
    return bool(click.get_current_context().params["as_json"])


# --- arguments and options -------------------------------------------------------------------------------------------
class _Text(click.ParamType[str]):
    """An argument that may be any text. Refuses bytes that are not UTF-8, because no database or file would accept
    them."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            str(value).encode()
        except UnicodeEncodeError:
            self.fail("it is not UTF-8.", param, ctx)
        return str(value)


TEXT = _Text()


def _not_empty(_context: click.Context, _parameter: click.Parameter, slot: str | None) -> str | None:
    if slot == "":  # `mailer issue send "$SLOT"` with an unset variable must not send the newest issue
        raise click.BadParameter("it is empty.")
    return slot


# The optional argument SLOT, the week of an issue; without it, a command takes the newest issue.
slot_argument = click.argument("slot", required=False, type=TEXT, callback=_not_empty)


def slot_option(name: str, help_: str) -> Callable[[F], F]:
    """Returns an option called `name`. Its value, a slot, becomes the argument `slot` of the command."""
    return click.option(name, "slot", type=TEXT, callback=_not_empty, help=help_)


def instant(text: str | None, zone: ZoneInfo, option: str) -> datetime | None:
    """Returns the time that `text` gives, in the newsroom's time zone. Jalali dates are understood, too.

    Returns None if there is no text. Raises UsageError, which names the `option`, if the text is not a time.
    """
    from mailer.text import dates

    if not text:
        return None
    found = dates.parse(text, zone=zone)
    if found is None:
        raise UsageError(f"{option} {text!r} is not a time.", "Write 2026-11-26 or 2026-11-26T09:00.")
    return found


# --- output ----------------------------------------------------------------------------------------------------------
def _plain(value: Any) -> Any:
    if isinstance(value, datetime):  # always in UTC here
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def attributes(value: object, *names: str) -> dict[str, Any]:
    """Returns the named attributes of a value as a dictionary, for the data of a `Result`."""
    return {name: getattr(value, name) for name in names}


def local(app: "App", value: datetime | None) -> str:
    """Returns a time as text for people, in the newsroom's time zone, or "–" for None."""
    return value.astimezone(app.zone).strftime("%Y-%m-%d %H:%M") if value else "–"


def table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Returns a table as text, with one line for each row, so that `grep` finds whole rows."""
    cells = [headings, *([_CONTROL.sub(" ", cell) for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    padded = [[cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)] for row in cells]
    return "\n".join("  ".join(row).rstrip() for row in padded)


def _width(text: str) -> int:
    """Returns the number of columns that a text takes in a terminal; combining and invisible characters take none."""
    if text.isascii():
        return len(text)
    return sum(
        2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
        if unicodedata.category(character) not in ("Mn", "Me", "Cf")
    )
