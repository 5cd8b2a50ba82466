"""`mailer subscribers …` and `mailer unsubscribes`: who gets the newsletter, and who left."""

from collections.abc import Iterator
from pathlib import Path

import click

from mailer.app import subscribe, unsubscribe
from mailer.cli.door import NUMBER, TEXT, given, instant, json_option, local, opened, show, stamp, table
from mailer.model import Event, Subscriber, SubscriberStatus
from mailer.sources import people


@click.group()
def subscribers() -> None:
    """Add, import, list, show, take off."""


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
@json_option
@click.pass_obj
def add(path: Path, email: str, name: str, sections: tuple[str, ...], as_json: bool) -> None:
    """Put EMAIL on the list, active at once. Who left before is not put back."""
    with opened(path) as app:
        who, outcome = subscribe.add(app, email, name=name, sections=sections)
    if as_json:
        show({**_brief(who), "added": outcome == "added", "updated": outcome == "updated"})
    else:
        click.echo(f"{who.address} {_PLACED[outcome]}.")


@subscribers.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def import_(path: Path, file: Path, as_json: bool) -> int:
    """Put everybody in FILE on the list (CSV, TSV or JSONL with a column «email»). A bad row stops nothing."""
    with opened(path) as app:
        report = subscribe.import_rows(app, _rows(file, app.zone), default_source=file.name)
    for line, email, reason in report.refusals:
        click.echo(f"{file.name}:{line}: {email!r}: {reason}", err=True)
    counts = {
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "refused": report.refused,
        "suppressed": report.suppressed,
    }
    if as_json:
        show(counts)
    else:
        click.echo(", ".join(f"{count} {word}" for word, count in counts.items()) + ".")
    return 5 if report.refused else 0


def _rows(file: Path, zone: object) -> Iterator[subscribe.NewSubscriber]:
    for row in people.read(file):
        yield subscribe.NewSubscriber(row.line, row.email, row.name, row.sections, row.consent_at, row.source)


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
        found = subscribe.listing(app, status=wanted, search=search, limit=limit)
        counts = subscribe.counts(app)
        if as_json:
            show([_brief(who) for who in found])
            return
        rows = [(who.address, who.name, who.status, local(app, who.created_at)) for who in found]
    table(("address", "name", "status", "since"), rows)
    click.echo("\n" + (", ".join(f"{count} {word}" for word, count in sorted(counts.items())) or "nobody yet"))


@subscribers.command("show")
@click.argument("email")
@json_option
@click.pass_obj
def show_(path: Path, email: str, as_json: bool) -> None:
    """Everything known of EMAIL: consent, mails, bounces, leaving."""
    with opened(path) as app:
        who, events, mails = subscribe.show(app, email)
        if as_json:
            deliveries = [{**mail, "finished_at": stamp(mail["finished_at"])} for mail in mails]
            show({**_brief(who), "events": [_event(event) for event in events], "deliveries": deliveries})
            return
        click.echo(
            f"{who.address}  {who.name}".rstrip()
            + f"\n{who.status} since {local(app, who.created_at)}, from {who.source}"
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
        done = unsubscribe.by_admin(app, email)
    if as_json:
        show({"email": email, "unsubscribed": done})
    else:
        click.echo(f"{email} {'is off the list now' if done else 'was off the list already'}.")


@click.command()
@click.option("--since", type=TEXT, help="Only from this day on.")
@click.option("--issue", "slot", type=TEXT, callback=given, help="Only by links in this issue.")
@json_option
@click.pass_obj
def unsubscribes(path: Path, since: str | None, slot: str | None, as_json: bool) -> None:
    """Who left, when, by which issue and how; the oldest first."""
    with opened(path) as app:
        found = unsubscribe.leavings(app, since=instant(since, app.zone, "--since"), slot=slot)
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
    table(("when", "address", "issue", "how", "why"), rows)
    click.echo(f"\n{len(found)} left.")
