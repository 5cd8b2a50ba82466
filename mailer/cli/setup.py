"""`mailer init`, `mailer config …` and `mailer db …`: sets up a deployment, checks its settings and upgrades its
database."""

import contextlib
import fcntl
import json
import os
import re
import secrets
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import click

from mailer import config as settings_edge
from mailer import wiring
from mailer.cli.command import TEXT, Result, command
from mailer.config import dkim, reference, samples
from mailer.files import write_new
from mailer.tokens import new_key_file

_WITHOUT_TEMPLATES = re.compile(r"^# templates =.*$", re.MULTILINE)


@command(None, opens=False)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--site", type=TEXT, help="The address of the news site; the settings are found out there.")
@click.option("--new-database", is_flag=True, help="Make an empty database, though the one of this key is missing.")
@click.option("--new-key", is_flag=True, help="Make a new key, though the one of this database is missing.")
def init(_path: Path, folder: Path, site: str | None, new_database: bool, new_key: bool) -> Result:
    """Create a new deployment in FOLDER (by default the current one): config.toml, secret.key, templates/ to edit and
    the database.

    Existing files are kept as they are, and templates/ is created only together with config.toml. A lost
    secret.key is not replaced: that would break every link in the mails already sent. --new-key makes one all the same.

    With --site, looks for the feeds, the WordPress interface, the sitemaps, the name, language and colour of the site,
    writes a config.toml with them, collects once and prints the draft of an issue. Says what was found, what was
    chosen and why, and what is still to fill in.
    """
    if site is not None:
        return _for_site(folder, site, new_database=new_database, new_key=new_key)
    made = make_deployment(
        folder,
        reference.config_toml(),
        templates=True,
        environ=os.environ,
        new_database=new_database,
        new_key=new_key,
    )
    lines = [f"made {folder / name}" for name in made]
    if "config.toml" not in made:
        lines.append(f"kept {folder / 'config.toml'}")
    if _has_unused_templates(folder):
        lines.append(f'note: {folder / "templates"} is not used; to use it, set: templates = "templates"')
    lines.append(f"\nNext: set name, from and base_url in {folder / 'config.toml'} and the relay in [[smtp]], then\n")
    if folder.resolve() != Path.cwd():
        lines.append(f"  cd {shlex.quote(str(folder))}")
    lines += [
        "  mailer config check",
        "  mailer subscribers import FILE",
        "  mailer articles import FILE",
        "  mailer run",
    ]
    return Result({"folder": str(folder.resolve()), "made": made}, "\n".join(lines))


def _has_unused_templates(folder: Path) -> bool:
    """Returns whether there is a folder of templates that the settings do not use."""
    settings, own = settings_edge.load(folder / "config.toml", os.environ), folder / "templates"
    used = settings.templates is not None and settings.path(settings.templates).resolve() == own.resolve()
    return own.is_dir() and not used


def _for_site(folder: Path, typed: str, *, new_database: bool, new_key: bool) -> Result:
    from mailer.cli import first_setup

    config_file = folder / "config.toml"
    addresses = first_setup.addresses_of(typed)
    first_setup.refuse_existing(config_file)
    site, proposal = first_setup.found_on(addresses)
    text = first_setup.settings_text(proposal, templates=False)
    made = make_deployment(folder, text, templates=True, environ=os.environ, new_database=new_database, new_key=new_key)
    return first_setup.first_issue(config_file, site, proposal, made)


def make_deployment(
    folder: Path,
    text: str,
    *,
    templates: bool = False,
    environ: Mapping[str, str] | None = None,
    new_database: bool = False,
    new_key: bool = False,
) -> list[str]:
    """Creates the missing files of a deployment and returns their names.

    `text` is written to config.toml. If `templates` is true, the built-in templates are copied, so that they can be
    edited. As with every command, variables in `environ` may name another key file or database. Several processes may
    call this function at once. Raises LostKey if the key file is missing and was used with a database before, unless
    `new_key` is true.
    """
    config_file = folder / "config.toml"
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        # An existing config.toml would not use the copied templates, so editing the copies would have no effect.
        if templates and not config_file.exists() and not (folder / "templates").exists():
            _copy_templates(folder / "templates")
            text = _WITHOUT_TEMPLATES.sub('templates = "templates"', text)
            made.append("templates")
        # Only this user can read the file, because it may later contain the relay's password.
        if not config_file.exists() and write_new(config_file, text.encode()):
            made.append("config.toml")
        settings = settings_edge.load(config_file, environ or {})
        key_file = settings.path(settings.keys.file)
        if os.path.lexists(key_file):  # also true for a link to a missing file, which `keys` then reports
            settings_edge.keys(settings)
        elif not new_key:
            wiring.check_key_is_new(settings)
        # The key comes last: no command runs without it, so none sees a deployment that is only half made.
        made += filter(None, [wiring.make_database(settings, new=new_database)])
        if not key_file.exists() and write_new(key_file, new_key_file(secrets.token_bytes).encode()):
            made.append(str(settings.keys.file))
        return made


def _copy_templates(folder: Path) -> None:
    """Copies the built-in templates. The folder gets its name when the copy is complete."""
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        shutil.copytree(wiring.templates_folder(), part)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Locks a folder, so that only one process at a time works in the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot lock folders
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@click.group()
def config() -> None:
    """Check or show the settings."""


@command(config, opens=False)
def check(path: Path) -> Result:
    """List every problem of the settings at once, and values left from the template.

    Checks the file and the MAILER_* variables. No database is opened, and no relay or site is asked.
    """
    settings = settings_edge.load(path, os.environ)
    settings_edge.keys(settings)
    dkim.signer(settings)
    for smtp in settings.smtp:
        settings_edge.password(smtp, settings, os.environ)
    wiring.check_databases(settings)
    left = samples.left(settings)
    lines = [
        f"{path}: no problem found. No database was opened, and no relay or site was asked.",
        *map(_sample_line, left),
    ]
    return Result({"ok": True, "warnings": [asdict(each) for each in left]}, "\n".join(lines))


def _sample_line(sample: samples.Sample) -> str:
    value = f"is still {sample.value}" if sample.value else "is empty"
    stops = " No issue goes to real readers before that." if sample.stops else ""
    return f"warning: {sample.setting} {value}. {sample.fix}{stops}"


@command(config, opens=False)
def show_(path: Path) -> Result:
    """Show the effective settings, from the file and from the MAILER_* variables. Secrets are masked."""
    shown = settings_edge.shown(settings_edge.load(path, os.environ))
    lines = []
    for section, values in shown.items():
        for part in values if isinstance(values, list) else [values]:
            if isinstance(part, dict):
                lines.append(f"[{section}]")
                lines += [f"  {name} = {_written(value)}" for name, value in part.items()]
            else:
                lines.append(f"{section} = {_written(part)}")
    return Result(shown, "\n".join(lines))


def _written(value: object) -> str:
    """Returns a value on one line, written almost as in config.toml."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_written(name)} = {_written(each)}" for name, each in value.items()) + "}"
    return "(not set)" if value is None else json.dumps(value, ensure_ascii=False)


@click.group()
def db() -> None:
    """Look after the database."""


@command(db, opens=False)
def upgrade(path: Path) -> Result:
    """Upgrade the tables to the version of this program. Make a backup before you run this command."""
    before, after = wiring.upgrade_database(settings_edge.load(path, os.environ))
    already = "already " if before == after else ""
    return Result({"before": before, "after": after}, f"The tables are {already}of version {after}.")
