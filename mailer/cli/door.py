"""What the commands share: opening the App, printing a value as text or as one JSON document, reading times."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from mailer import config
from mailer.context import App
from mailer.errors import UsageError
from mailer.text import dates
from mailer.wiring import wire

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


NUMBER = click.IntRange(1, 1_000_000_000)  # of an article or of rows; every database's INTEGER holds it


class _Text(click.ParamType[str]):
    """Text as people type it. A terminal may hand over bytes that are none; no database and no file would take them."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            str(value).encode()
        except UnicodeEncodeError:
            self.fail("it is not UTF-8.", param, ctx)
        return str(value)


TEXT = _Text()


def slot_argument(function: F) -> F:
    """An optional SLOT; without it the newest issue is meant."""
    return click.argument("slot", required=False, type=TEXT, callback=given)(function)


def given(_context: click.Context, _parameter: click.Parameter, slot: str | None) -> str | None:
    """The slot, which is a wrong use of the command when it is there and empty."""
    if slot == "":  # `mailer issue send "$SLOT"` with nothing in it must not send the newest issue
        raise click.BadParameter("it is empty.")
    return slot


@contextmanager
def opened(path: Path) -> Iterator[App]:
    """The App of a config file; its database is closed at the end."""
    app = wire(config.load(path, os.environ), os.environ)
    try:
        yield app
    finally:
        app.store.close()


def show(value: Any) -> None:
    """One JSON document on stdout; times in UTC with Z."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def stamp(value: datetime | None) -> str | None:
    """An instant as JSON tells it: 2026-11-26T05:30:00Z."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value else None


def local(app: App, value: datetime | None) -> str:
    """An instant as a person of the newsroom reads it."""
    return value.astimezone(app.zone).strftime("%Y-%m-%d %H:%M") if value else "–"


def instant(text: str | None, zone: ZoneInfo, option: str) -> datetime | None:
    """A time from the command line, in the newsroom's zone; Jalali dates are understood."""
    if not text:
        return None
    found = dates.parse(text, zone=zone)
    if found is None:
        raise UsageError(f"{option} {text!r} is no time that can be read.", "Write 2026-11-26 or 2026-11-26T09:00.")
    return found


def table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table for people; rich is imported only here, it costs 0.1 s."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    people = sys.stdout.isatty()
    console = Console(soft_wrap=not people, width=None if people else 200)
    console.print(grid)
