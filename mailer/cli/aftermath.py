"""`mailer issue report` and `redact`: what an issue did, and what the public still sees of it."""

from dataclasses import asdict
from pathlib import Path

import click

from mailer.app import redact as redacting
from mailer.cli.door import NUMBER, TEXT, given, json_option, local, opened, show, slot_argument, stamp
from mailer.context import find
from mailer.issues import report as reporting
from mailer.issues.report import Report

_WIDTH = 30


@click.command()
@slot_argument
@json_option
@click.pass_obj
def report(path: Path, slot: str | None, as_json: bool) -> None:
    """Who got an issue, who left by it, how soon and why, and who joined since."""
    with opened(path) as app:
        found = reporting.report(app, find(app, slot))
        if as_json:
            values = {**asdict(found), "outcomes": dict(found.outcomes)}
            show({**values, "started_at": stamp(found.started_at), "finished_at": stamp(found.finished_at)})
            return
        began, ended = local(app, found.started_at), local(app, found.finished_at)
    _print(found, began, ended)


def _print(found: Report, began: str, ended: str) -> None:
    number = f" (no. {found.number})" if found.number else ""
    click.echo(f"{found.slot}{number}: {found.state}, {began} to {ended}\n{found.subject}\n")
    click.echo(f"{found.recipients:>9,}  recipients")
    for name, count in found.outcomes.items():
        click.echo(f"{count:>9,}  {name}")
    click.echo(f"{found.left:>9,}  left by it ({found.rate:.2%} of those who got it)")
    for name, count in found.methods.items():
        click.echo(f"{count:>9,}    by {name}")
    for name, count in found.reasons.items():
        click.echo(f"{count:>9,}    because: {name}")
    click.echo(f"{found.complained:>9,}  complained")
    click.echo(f"{found.joined:>9,}  joined until the next issue")
    most = max((bar.left for bar in found.histogram), default=0)
    if not most:
        return
    click.echo("\nhow soon they left:")
    for bar in found.histogram:
        drawn = "█" * max(1, round(_WIDTH * bar.left / most)) if bar.left else ""
        note = "  ← so soon and so many: link scanners?" if bar.scanner else ""
        click.echo(f"  {'< ' if bar.until != 'later' else ''}{bar.until:<7} {bar.left:>7,}  {drawn}{note}")


@click.command()
@click.argument("position", type=NUMBER)
@click.option("--slot", type=TEXT, callback=given, help="Another issue than the newest.")
@json_option
@click.pass_obj
def redact(path: Path, position: int, slot: str | None, as_json: bool) -> None:
    """Take story POSITION out of the public archive and its feed. Mails that went out stay as they are."""
    with opened(path) as app:
        found = redacting.redact(app, slot, position)
    if as_json:
        show({"slot": found.slot, "redacted": position})
    else:
        click.echo(f"Story {position} of {found.slot} is not public any more.")
