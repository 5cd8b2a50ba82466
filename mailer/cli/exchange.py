"""`mailer subscribers import` and `export`: lists in and out of files."""

import sys
from pathlib import Path

import click

from mailer.cli.door import json_option, opened, show, stamp, table
from mailer.cli.progress import counted
from mailer.errors import UsageError
from mailer.model import SubscriberStatus
from mailer.readers import importing
from mailer.readers.importing import How, Imported
from mailer.sources import people

_SHOWN = 20  # refusals in the table of a dry run


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would become of the rows.")
@click.option("--invite", is_flag=True, help="Ask each new reader by a mail first; without an answer they get nothing.")
@click.option("--suppress", is_flag=True, help="These left the old system: never mail them.")
@json_option
@click.pass_obj
def import_(path: Path, file: Path, dry_run: bool, invite: bool, suppress: bool, as_json: bool) -> int:
    """Put everybody in FILE on the list (CSV, TSV or JSONL with a column «email»). A bad row stops nothing.

    Who left is never put back. A row whose status says that its person left, is kept off the list.
    """
    if invite and suppress:
        raise UsageError("--invite and --suppress together make no sense.")
    how = How(source=file.name, invite=invite, suppress=suppress, dry_run=dry_run)
    with opened(path) as app, counted(file.name, people.lines_in(file)) as tell:
        report = importing.import_rows(app, people.read(file), how, progress=tell)
    counts = {
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "refused": report.refused,
        "suppressed": report.suppressed,
    }
    _tell(file, report, as_table=dry_run and not as_json)
    if as_json:
        show(counts)
    else:
        said = ", ".join(f"{count} {word}" for word, count in counts.items())
        click.echo(f"{'Would be: ' if dry_run else ''}{said}.")
    return 5 if report.refused else 0


def _tell(file: Path, report: Imported, *, as_table: bool) -> None:
    """What was not taken in and why: a table for a person who tries, a line each for a log."""
    if as_table:
        if report.refusals:
            rows = [(str(line), email, reason) for line, email, reason in report.refusals[:_SHOWN]]
            table(("line", "address", "why not"), rows)
            more = len(report.refusals) - _SHOWN + report.more
            click.echo(f"… and {more} more\n" if more > 0 else "")
        return
    for line, email, reason in report.refusals:
        click.echo(f"{file.name}:{line}: {email!r}: {reason}", err=True)
    if report.more:
        click.echo(f"… and {report.more} more rows", err=True)


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--status", type=click.Choice([str(status) for status in SubscriberStatus]), help="Only these.")
@json_option
@click.pass_obj
def export(path: Path, file: Path | None, status: str | None, as_json: bool) -> None:
    """Write the list as CSV to FILE, or to stdout; `import` reads it again.

    Safe to open in a spreadsheet program: what it would run as a formula begins with an apostrophe.
    """
    wanted = SubscriberStatus(status) if status else None
    with opened(path) as app:
        rows = importing.export_rows(app, wanted)
        if file is not None:
            # Spreadsheet programs take a file for UTF-8 only when it begins with the mark.
            with file.open("w", encoding="utf-8-sig", newline="") as to:
                count = people.write(rows, to)
            show({"exported": count, "file": str(file)}) if as_json else click.echo(f"{count} subscribers in {file}.")
        elif as_json:
            shown = [
                {
                    "email": row["address"],
                    "name": row["name"],
                    "sections": row["sections"],
                    "status": row["status"],
                    "consent_at": stamp(row["consent_at"]),
                    "source": row["source"],
                }
                for row in rows
            ]
            show(shown)
        else:
            people.write(rows, sys.stdout)
