"""`mailer templates …`: copies the built-in templates, and checks the newsroom's own templates."""

import os
import shutil
from pathlib import Path

import click

from mailer.cli.command import Result, command


@click.group()
def templates() -> None:
    """Copy the built-in templates to edit them, and check the edited ones."""


@command(templates, opens=False)
def eject(path: Path) -> Result:
    """Copy the built-in templates into a folder of your own.

    The setting `templates` names the folder, by default "templates". A missing folder is created, and existing files
    are kept.

    Delete the files that you do not want to change: the built-in files are used in their place and follow new versions.
    """
    from mailer import config, wiring

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
    lines = [f"made {folder / name}" for name in made]
    if settings.templates is None:
        lines.append(f'\nNow put  templates = "{folder.name}"  at the top of {path}, before the first [section].')
    return Result({"folder": str(folder), "made": made}, "\n".join(lines))


@command(templates, opens=False)
def check(path: Path) -> Result:
    """Render the current templates with invented issues and check the results.

    The issues have a normal week's stories, few, long or hostile stories, or no pictures. A test mail, notices, a
    confirmation and every page are rendered, too. Every rule that needs no browser is checked: direction, roles,
    alternative texts, styles, links, sizes, spelling.
    """
    from mailer import config, wiring
    from mailer.mail.template_check import trial

    tried = trial.findings(wiring.renderer(config.load(path, os.environ)))
    found = [
        {"case": case, "rule": finding.rule, "what": finding.what} for case, each in tried.items() for finding in each
    ]
    lines = [f"{each['case']}: {each['rule']}: {each['what']}" for each in found]
    lines.append(f"{len(found)} problems." if found else "No problem found.")
    return Result({"ok": not found, "findings": found}, "\n".join(lines), 2 if found else 0)
