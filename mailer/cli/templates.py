"""`mailer templates …`: the newsroom's own mails and pages."""

import os
import shutil
from pathlib import Path

import click

from mailer import config, wiring
from mailer.cli.door import json_option, show
from mailer.mail.template_check import trial


@click.group()
def templates() -> None:
    """Copy the built-in templates to edit them, and try what became of them."""


@templates.command()
@json_option
@click.pass_obj
def eject(path: Path, as_json: bool) -> None:
    """Copy the built-in templates into a folder of your own.

    It is the folder of the setting `templates`, by default "templates", and is made if it is missing. A file that is
    there already stays as it is.

    What you do not want to change you may delete again: the built-in one is used in its place, and stays new.
    """
    settings = config.load(path, os.environ, templates_later=True)
    folder = settings.path(settings.templates or Path("templates"))
    made = []
    builtin = wiring.templates_folder()
    for source in sorted(file for file in builtin.rglob("*") if file.is_file()):
        target = folder / source.relative_to(builtin)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            made.append(str(source.relative_to(builtin)))
    if as_json:
        show({"folder": str(folder), "made": made})
        return
    for name in made:
        click.echo(f"made {folder / name}")
    if settings.templates is None:
        click.echo(f'\nNow put  templates = "{folder.name}"  at the top of {path}, before the first [section].')


@templates.command()
@json_option
@click.pass_obj
def check(path: Path, as_json: bool) -> int:
    """Try the templates in force on invented issues.

    A normal week, few, long and hostile stories, no pictures; a test mail, notices, a confirmation; every page.
    Every rule that needs no browser is checked: direction, roles, words for pictures, styles, links, sizes, spelling.
    """
    found = trial.findings(wiring.renderer(config.load(path, os.environ)))
    told = [
        {"case": case, "rule": finding.rule, "what": finding.what} for case, each in found.items() for finding in each
    ]
    if as_json:
        show({"ok": not told, "findings": told})
    else:
        for line in told:
            click.echo(f"{line['case']}: {line['rule']}: {line['what']}")
        click.echo(f"{len(told)} problems." if told else "No problem found.")
    return 2 if told else 0
