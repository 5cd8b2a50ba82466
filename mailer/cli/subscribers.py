"""`mailer subscribers …` and `mailer unsubscribes`: who gets the newsletter, and who left."""

import sys
from pathlib import Path

import click

from mailer.cli.door import NUMBER, TEXT, given, instant, json_option, local, opened, show, stamp, table
from mailer.cli.progress import counted
from mailer.errors import UsageError
from mailer.issues import report
from mailer.model import Event, Subscriber, SubscriberStatus
from mailer.readers import admin, importing, leaving
from mailer.readers.importing import How, Imported
from mailer.sources import people


@click.group()
def subscribers() -> None:
    """Add, import, export, list, show, take off, suppress, forget."""


def _brief(who: Subscriber) -> dict[str, object]:
    return {
        "email": who.address,
        "name": who.name,
        "status": who.status,
        "sections": list(who.sections),
        "source": who.source,
        "created_at": stamp(who.created_at),
    }


def _event(event: Event) -> dict[str, object]:
    return {
        "at": stamp(event.at),
        "kind": event.kind,
        "method": event.method,
        "slot": event.slot,
        "reason": event.reason,
    }


_PLACED = {
    "added": "is on the list now",
    "updated": "is on the list already; what is known of them is updated",
    "unchanged": "is on the list already",
}


@subscribers.command()
@click.argument("email")
@click.option("--name", type=TEXT, default="", help="The reader's name.")
@click.option("--section", "sections", type=TEXT, multiple=True, help="Only this section; may be repeated.")
@click.option("--invite", is_flag=True, help="Ask by a mail first; without an answer they get nothing.")
@json_option
@click.pass_obj
def add(path: Path, email: str, name: str, sections: tuple[str, ...], invite: bool, as_json: bool) -> None:
    """Put EMAIL on the list, active at once. Who left before is not put back."""
    with opened(path) as app:
        who, outcome = admin.add(app, email, name=name, sections=sections, invite=invite)
    if as_json:
        show({**_brief(who), "added": outcome == "added", "updated": outcome == "updated"})
    elif outcome == "added" and invite:
        click.echo(f"{who.address} is asked by a mail, which `mailer run` sends.")
    else:
        click.echo(f"{who.address} {_PLACED[outcome]}.")


@subscribers.command("list")
@click.option("--status", type=click.Choice([str(status) for status in SubscriberStatus]), help="Only these.")
@click.option("--search", type=TEXT, default="", help="A part of the address or of the name.")
@click.option("--limit", type=NUMBER, default=50, show_default=True)
@json_option
@click.pass_obj
def list_(path: Path, status: str | None, search: str, limit: int, as_json: bool) -> None:
    """Subscribers, the newest first."""
    with opened(path) as app:
        wanted = SubscriberStatus(status) if status else None
        found = admin.listing(app, status=wanted, search=search, limit=limit)
        counts = admin.counts(app)
        if as_json:
            show([_brief(who) for who in found])
            return
        rows = [(who.address, who.name, who.status, local(app, who.created_at)) for who in found]
    table(("address", "name", "status", "added"), rows)
    click.echo("\n" + (", ".join(f"{count} {word}" for word, count in sorted(counts.items())) or "nobody yet"))


@subscribers.command("show")
@click.argument("email")
@json_option
@click.pass_obj
def show_(path: Path, email: str, as_json: bool) -> None:
    """Everything known of EMAIL: consent, mails, bounces, leaving."""
    with opened(path) as app:
        who, events, mails = admin.show(app, email)
        if as_json:
            deliveries = [{**mail, "finished_at": stamp(mail["finished_at"])} for mail in mails]
            show({**_brief(who), "events": [_event(event) for event in events], "deliveries": deliveries})
            return
        click.echo(
            f"{who.address}  {who.name}".rstrip()
            + f"\n{who.status}; on record since {local(app, who.created_at)}, from {who.source}"
        )
        for event in events:
            words = filter(None, (event.kind, event.method, event.slot, event.reason))
            click.echo(f"  {local(app, event.at)}  {' · '.join(words)}")
        for mail in mails:
            words = filter(None, (mail["kind"], mail["slot"], mail["state"], mail["reason"], mail["reply"]))
            click.echo(f"  {local(app, mail['finished_at']):16}  {' · '.join(words)}")


@subscribers.command("unsubscribe")
@click.argument("email")
@json_option
@click.pass_obj
def unsubscribe_(path: Path, email: str, as_json: bool) -> None:
    """Take EMAIL off the list for good."""
    with opened(path) as app:
        done = leaving.by_admin(app, email)
    if as_json:
        show({"email": email, "unsubscribed": done})
    else:
        click.echo(f"{email} {'is off the list now' if done else 'was off the list already'}.")


@subscribers.command()
@click.argument("email")
@json_option
@click.pass_obj
def suppress(path: Path, email: str, as_json: bool) -> None:
    """Never mail EMAIL again, known or not, whatever is imported."""
    with opened(path) as app:
        done = leaving.suppress(app, email)
    if as_json:
        show({"email": email, "suppressed": done})
    else:
        click.echo(f"{email} {'is' if done else 'was'} suppressed{'' if done else ' already'}.")


@subscribers.command()
@click.argument("email")
@json_option
@click.pass_obj
def unsuppress(path: Path, email: str, as_json: bool) -> None:
    """Lift what `suppress` did. Who left or complained by themselves is not brought back by it."""
    with opened(path) as app:
        status = leaving.unsuppress(app, email)
    if as_json:
        show({"email": email, "status": status})
    else:
        click.echo(f"{email} is not suppressed any more{f': {status}' if status else ''}.")


@subscribers.command()
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def forget(path: Path, email: str, yes: bool, as_json: bool) -> None:
    """Erase the person behind EMAIL. A keyed hash stays, so that the address is never mailed."""
    if not yes and not as_json and sys.stdin.isatty():
        click.confirm(f"Everything known of {email} is erased, for good. Go on?", abort=True)
    with opened(path) as app:
        done = leaving.forget(app, email)
    if as_json:
        show({"email": email, "forgotten": done})
    elif done:
        click.echo(f"{email} is forgotten and will not be mailed.")
    else:
        click.echo(f"{email} was not on the list; it will not be mailed.")


@click.command()
@click.option("--since", type=TEXT, help="Only from this day on.")
@click.option("--issue", "slot", type=TEXT, callback=given, help="Only by links in this issue.")
@json_option
@click.pass_obj
def unsubscribes(path: Path, since: str | None, slot: str | None, as_json: bool) -> None:
    """Who left, when, by which issue and how; the oldest first."""
    with opened(path) as app:
        found = leaving.leavings(app, since=instant(since, app.zone, "--since"), slot=slot)
        if as_json:
            show(
                [
                    {"at": stamp(e.at), "email": email, "slot": e.slot, "method": e.method, "reason": e.reason}
                    for email, e in found
                ]
            )
            return
        rows = [
            (local(app, e.at), email or "(forgotten)", e.slot or "–", e.method or "–", e.reason or "")
            for email, e in found
        ]
        rates = report.rates(app) if slot is None else []
    table(("when", "address", "issue", "how", "why"), rows)
    click.echo(f"\n{len(found)} left.")
    if rates:
        click.echo()
        lines = [(each.slot, f"{each.sent:,}", f"{each.left:,}", f"{each.rate:.2%}") for each in rates]
        table(("issue", "sent", "left by it", "rate"), lines)


# --- lists in and out of files ------------------------------------------------------------------------------------
_SHOWN = 20  # refusals in the table of a dry run


@subscribers.command("import")
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


@subscribers.command()
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
