"""`mailer subscribers import` and `export`: imports people from files, and writes the list to a file."""

import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from mailer.cli.command import TEXT, Result, attributes, command, table, wants_json
from mailer.cli.progress import counted
from mailer.errors import OutsideError, UsageError
from mailer.model import ListRow, SubscriberStatus

if TYPE_CHECKING:
    from mailer.context import App
    from mailer.readers.importing import How, Imported
    from mailer.sources.people import PeopleList

_SHOWN = 20  # how many remarks a dry run lists at most
_COUNTS = ("added", "updated", "unchanged", "refused", "suppressed", "pending")


def _mapping(_context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Returns the values of --map as a dictionary from columns to meanings."""
    meanings = {}
    for each in given:
        column, equals, meaning = each.rpartition("=")
        if not equals or not column.strip() or not meaning.strip():
            raise click.BadParameter(f"{each!r} should be COLUMN=MEANING.", param=parameter)
        meanings[column] = meaning
    return meanings


@command(None)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only report how the file is read and what would become of its rows.")
@click.option("--invite", is_flag=True, help="Ask each new reader by mail first; without an answer they get nothing.")
@click.option("--suppress", is_flag=True, help="The file lists people who left the old system: never mail them.")
@click.option(
    "--list", "lists", type=TEXT, multiple=True, help="Import only this list or sheet of the file; '*' for all."
)
@click.option(
    "--map",
    "meanings",
    type=TEXT,
    multiple=True,
    metavar="COLUMN=MEANING",
    callback=_mapping,
    help="What a column (its heading or number) means: email, name, status, unsubscribed, … (docs/lists.md).",
)
@click.option("--ignore-column", "ignored", type=TEXT, multiple=True, metavar="COLUMN", help="Pass over this column.")
@click.option("--encoding", type=TEXT, default="", help="Read the file in this encoding, such as windows-1256.")
def import_(
    app: "App",
    file: Path,
    dry_run: bool,
    invite: bool,
    suppress: bool,
    lists: tuple[str, ...],
    meanings: dict[str, str],
    ignored: tuple[str, ...],
    encoding: str,
) -> Result:
    """Add everyone in FILE (CSV, Excel, JSON Lines or a ZIP) to the list.

    Exports of other systems are understood (docs/lists.md). People who left, bounced or complained there are kept
    off the list. If the import cannot know who left, it stops before it writes anything. A bad row does not stop
    the others.
    """
    from mailer.readers import importing
    from mailer.sources import people

    if invite and suppress:
        raise UsageError("--invite and --suppress cannot be combined.")
    how = importing.How(source=file.name, invite=invite, suppress=suppress, dry_run=dry_run)
    sections = tuple(app.settings.newsletter.sections.values())
    choices = people.Choices(
        encoding=encoding, lists=lists, meanings=meanings, ignored=ignored, suppress=suppress, sections=sections
    )
    found = people.read(file, choices)
    report, rows = _imported(app, found, how)
    if report is None:
        return _stopped(rows, found.count, dry_run)
    if not dry_run or wants_json():
        _print_remarks(file, report)
    return Result(_data(found, report, dry_run), _text(found, report, dry_run), 5 if report.refused else 0)


def _imported(app: "App", found: "PeopleList", how: "How") -> "tuple[Imported | None, int]":
    """Imports the rows. Returns the report (None if the import was interrupted) and the number of rows done."""
    from mailer.readers import importing

    rows = 0
    with counted(found.name, found.count) as show, _Interruptible(found) as people:

        def progress(done: int) -> None:
            nonlocal rows
            rows = done
            show(done)

        try:
            report = importing.import_rows(app, people, how, may_hold_leavers=found.may_hold_leavers, progress=progress)
        except KeyboardInterrupt:
            return None, rows
        except OutsideError as error:
            if not rows or how.dry_run:
                raise
            message = f"{error.message} {_kept(rows, found.count)}"
            raise OutsideError(message, f"{error.fix} {_GO_ON}".strip()) from error
    return report, rows


class _Interruptible:
    """A list whose iteration raises KeyboardInterrupt after SIGINT or SIGTERM.

    Therefore an import stops between two transactions, so that the number of imported rows is known exactly.
    """

    def __init__(self, found: "PeopleList") -> None:
        self._found = found
        self._stopped = False
        self._before: list[tuple[signal.Signals, Any]] = []

    def __iter__(self) -> Iterator[ListRow]:
        for row in self._found:
            if self._stopped:
                raise KeyboardInterrupt
            yield row

    def __enter__(self) -> Self:
        with suppress(ValueError):  # `signal.signal` raises ValueError outside the main thread
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before.append((number, signal.signal(number, self._stop)))
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before:
            signal.signal(number, before)

    def _stop(self, *_: object) -> None:
        self._stopped = True


_GO_ON = "Run the same command again to go on; rows that are in the database already stay as they are."


def _kept(rows: int, of: int) -> str:
    return f"{rows:,} of {of:,} rows were imported before that, and are kept."


def _stopped(rows: int, of: int, dry_run: bool) -> Result:
    message = "Stopped. Nothing was written." if dry_run else f"Stopped. {_kept(rows, of)}"
    fix = "" if dry_run else _GO_ON
    return Result({"error": {"code": "stopped", "message": message, "fix": fix}}, f"{message} {fix}".strip(), 5)


# --- the report ------------------------------------------------------------------------------------------------------
def _data(found: "PeopleList", report: "Imported", dry_run: bool) -> dict[str, Any]:
    data = {
        **attributes(report, *_COUNTS, "passed_over"),
        "columns": found.columns,
        "ignored": found.passed_over,
        "encoding": found.encoding.lower(),
        "read_as": found.shown,
        "notes": list(found.notes),
    }
    if dry_run:
        data["samples"] = [
            {"email": row.email, **attributes(row, "name", "status", "sections", "consent_at", "left_at", "problem")}
            for row in found.samples()
        ]
    return data


def _text(found: "PeopleList", report: "Imported", dry_run: bool) -> str:
    known = [f"«{heading}» = {meaning}" for heading, meaning in found.columns.items() if meaning != "ignored"]
    over = [f"«{heading}» ({count:,})" for heading, count in found.passed_over.items()]
    lines = [f"Read as {found.shown}. {', '.join(known)}."]
    if over:
        lines.append(f"Columns that were passed over, with the number of their values: {', '.join(over)}.")
    lines += found.notes
    if dry_run:
        lines += ["", _samples(found), ""]
        if report.remarks:
            lines += [_remarks(report), ""]
    counts = [f"{getattr(report, name)} {name}" for name in _COUNTS]
    if report.passed_over:
        counts.append(f"{report.passed_over} of other lists")
    return "\n".join([*lines, f"{'Would be: ' if dry_run else ''}{', '.join(counts)}."])


def _samples(found: "PeopleList") -> str:
    """Returns a table of the first rows, as they were understood."""
    rows = [
        (
            row.email,
            row.name,
            "refused" if row.problem else str(row.status or "of another list"),
            ", ".join(row.sections),
            f"{row.consent_at:%Y-%m-%d}" if row.consent_at else "–",
            f"{row.left_at:%Y-%m-%d}" if row.left_at else "–",
        )
        for row in found.samples()
    ]
    return table(("address", "name", "status", "sections", "consent", "left"), rows)


def _remarks(report: "Imported") -> str:
    """Returns a table of the first remarks."""
    rows = [(str(line), email, words) for line, email, words in report.remarks[:_SHOWN]]
    more = len(report.remarks) - _SHOWN + report.more
    return table(("line", "address", "remark"), rows) + (f"\n… and {more:,} more" if more > 0 else "")


def _print_remarks(file: Path, report: "Imported") -> None:
    for line, email, words in report.remarks:
        who = f"{email!r}: " if email and not words.startswith(repr(email)) else ""
        click.echo(f"{file.name}:{line}: {who}{words}", err=True)
    if report.more:
        click.echo(f"… and {report.more:,} more remarks", err=True)


@command(None)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--status",
    type=click.Choice([str(status) for status in SubscriberStatus]),
    help="Only subscribers with this status.",
)
def export(app: "App", file: Path | None, status: str | None) -> Result:
    """Write the list as CSV to FILE, or to stdout; `import` reads it again.

    The file is safe to open in a spreadsheet program: a value that the program would run as a formula gets an
    apostrophe in front.
    """
    from mailer.readers import importing
    from mailer.sources import people

    rows = importing.export_rows(app, SubscriberStatus(status) if status else None)
    if file is not None:
        # The file begins with a byte order mark, because spreadsheet programs do not recognise UTF-8 without it.
        with file.open("w", encoding="utf-8-sig", newline="") as out:
            count = people.write(rows, out)
        return Result({"exported": count, "file": str(file)}, f"{count} subscribers in {file}.")
    if not wants_json():
        people.write(rows, sys.stdout)
        return Result(None)
    names = ("name", "sections", "status", "consent_at", "source")
    return Result([{"email": row["address"], **{name: row[name] for name in names}} for row in rows])
