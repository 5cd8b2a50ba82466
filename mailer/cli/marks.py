"""`mailer articles pin|ban|unpin|unban`: what an editor says of an article. It counts from the next choice on."""

from pathlib import Path

import click

from mailer.articles import collect
from mailer.cli.door import NUMBER, json_option, opened, show

_HELP = {
    "pin": "Bring articles into the issue, first of all.",
    "unpin": "Let articles stand for themselves again.",
    "ban": "Never bring articles into an issue.",
    "unban": "Let articles be chosen again.",
}


def add_to(group: click.Group) -> None:
    """Adds the commands to `mailer articles`."""
    for name, flag, value in (
        ("pin", "pinned", True),
        ("unpin", "pinned", False),
        ("ban", "banned", True),
        ("unban", "banned", False),
    ):
        _add(group, name, flag, value)


def _add(group: click.Group, name: str, flag: str, value: bool) -> None:
    @group.command(name, help=_HELP[name])
    @click.argument("numbers", nargs=-1, required=True, type=NUMBER)
    @json_option
    @click.pass_obj
    def mark(path: Path, numbers: tuple[int, ...], as_json: bool) -> None:
        with opened(path) as app:
            found = collect.mark(app, numbers, flag, value)
        if as_json:
            show([{"id": it.id, "title": it.title, "pinned": it.pinned, "banned": it.banned} for it in found])
            return
        for it in found:
            click.echo(f"{it.id} «{it.title}»: {'' if value else 'no longer '}{flag}")
        click.echo("It counts from the next choice on: within the hour, or at once by `mailer issue draft`.", err=True)
