"""`mailer issue drop|move|title|subject|intro`: the editor's window. Says what came of it; decides nothing."""

from collections.abc import Callable
from pathlib import Path

import click

from mailer.cli.door import TEXT, given, json_option, opened
from mailer.context import App
from mailer.issues import editing
from mailer.model import Issue

Print = Callable[[App, Issue, bool], None]
_slot = click.option("--slot", type=TEXT, callback=given, help="Another issue than the newest.")
_number = click.IntRange(1)


def add_to(group: click.Group, show: Print) -> None:
    """Adds the commands to `mailer issue`; `show` prints an issue, as JSON or for people."""

    @group.command()
    @click.argument("number", type=_number)
    @_slot
    @json_option
    @click.pass_obj
    def drop(path: Path, number: int, slot: str | None, as_json: bool) -> None:
        """Take story NUMBER out, with all that tells its event; the next best comes in."""
        with opened(path) as app:
            show(app, editing.drop(app, slot, number), as_json)

    @group.command()
    @click.argument("number", type=_number)
    @click.argument("to", type=_number)
    @_slot
    @json_option
    @click.pass_obj
    def move(path: Path, number: int, to: int, slot: str | None, as_json: bool) -> None:
        """Put story NUMBER in place TO, where it stays."""
        with opened(path) as app:
            show(app, editing.move(app, slot, number, to), as_json)

    @group.command()
    @click.argument("number", type=_number)
    @click.argument("text", type=TEXT)
    @_slot
    @json_option
    @click.pass_obj
    def title(path: Path, number: int, text: str, slot: str | None, as_json: bool) -> None:
        """Give story NUMBER another title in this issue; "" gives back its own."""
        with opened(path) as app:
            show(app, editing.title(app, slot, number, text), as_json)

    @group.command()
    @click.argument("text", type=TEXT)
    @_slot
    @json_option
    @click.pass_obj
    def subject(path: Path, text: str, slot: str | None, as_json: bool) -> None:
        """Write the subject of the mail; "" gives back the first story's title."""
        with opened(path) as app:
            show(app, editing.subject(app, slot, text), as_json)

    @group.command()
    @click.argument("text", type=TEXT)
    @_slot
    @json_option
    @click.pass_obj
    def intro(path: Path, text: str, slot: str | None, as_json: bool) -> None:
        """Write the words before the first story; "" gives back the usual ones."""
        with opened(path) as app:
            show(app, editing.intro(app, slot, text), as_json)
