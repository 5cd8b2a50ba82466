"""`mailer subscribers …` and `mailer unsubscribes`: manages the list of subscribers, and lists who left."""

import sys
from typing import TYPE_CHECKING

import click

from mailer.cli import lists
from mailer.cli.command import NUMBER, TEXT, Result, attributes, command, instant, local, slot_option, table, wants_json
from mailer.errors import UsageError
from mailer.model import Subscriber, SubscriberStatus

if TYPE_CHECKING:
    from mailer.context import App


@click.group()
def subscribers() -> None:
    """Add, edit, import, export, list, show, unsubscribe, suppress and forget."""


def _brief(subscriber: Subscriber) -> dict[str, object]:
    names = ("name", "status", "sections", "source", "created_at")
    return {"email": subscriber.address, **attributes(subscriber, *names)}


_OUTCOMES = {
    "added": "is now on the list",
    "updated": "was on the list already; the record was updated",
    "unchanged": "was on the list already",
}
_status_option = click.option(
    "--status",
    type=click.Choice([str(status) for status in SubscriberStatus]),
    help="Only subscribers with this status.",
)


@command(subscribers)
@click.argument("email")
@click.option("--name", type=TEXT, default="", help="The reader's name.")
@click.option("--section", "sections", type=TEXT, multiple=True, help="Send only this section; may be repeated.")
@click.option("--invite", is_flag=True, help="Ask by mail first; without an answer they get nothing.")
def add(app: "App", email: str, name: str, sections: tuple[str, ...], invite: bool) -> Result:
    """Add EMAIL to the list, active at once. An address that left before is refused."""
    from mailer.readers import admin

    found, outcome = admin.add(app, email, name=name, sections=sections, invite=invite)
    text = f"{found.address} {_OUTCOMES[outcome]}."
    if outcome == "added" and invite:
        text = f"{found.address} is invited by a mail that `mailer run` sends."
    return Result({**_brief(found), "added": outcome == "added", "updated": outcome == "updated"}, text)


@command(subscribers)
@click.argument("email")
@click.option("--name", type=TEXT, help='The new name; "" removes it.')
@click.option("--section", "sections", type=TEXT, multiple=True, help="Send only this section; may be repeated.")
@click.option("--all-sections", is_flag=True, help="Send all sections.")
def edit(app: "App", email: str, name: str | None, sections: tuple[str, ...], all_sections: bool) -> Result:
    """Change the name or the sections of EMAIL. An address is never changed: only its reader can sign up."""
    from mailer.readers import admin

    if sections and all_sections:
        raise UsageError("--section and --all-sections cannot be combined.")
    if name is None and not sections and not all_sections:
        raise UsageError("There is nothing to change.", "Give --name, --section or --all-sections.")
    found = admin.edit(app, email, name=name, sections=() if all_sections else sections or None)
    chosen = "، ".join(found.sections) or "all sections"
    return Result(_brief(found), f"{found.address}: {found.name or '(no name)'}; {chosen}.")


@command(subscribers)
@_status_option
@click.option("--search", type=TEXT, default="", help="A part of the address or of the name.")
@click.option("--limit", type=NUMBER, default=50, show_default=True)
def list_(app: "App", status: str | None, search: str, limit: int) -> Result:
    """List subscribers, the newest first."""
    from mailer.readers import admin

    wanted = SubscriberStatus(status) if status else None
    found = admin.matching(app, status=wanted, search=search, limit=limit)
    every = admin.count(app, status=wanted, search=search) if len(found) == limit else len(found)
    if len(found) < every:
        click.echo(f"{len(found):,} of {every:,} shown; --limit N shows more", err=True)
    rows = [(each.address, each.name, each.status, local(app, each.created_at)) for each in found]
    counts = ", ".join(f"{count} {word}" for word, count in sorted(admin.counts(app).items()))
    return Result(
        [_brief(each) for each in found],
        f"{table(('address', 'name', 'status', 'added'), rows)}\n\n{counts or 'no subscribers yet'}",
    )


@command(subscribers)
@click.argument("email")
def show_(app: "App", email: str) -> Result:
    """Show everything known about EMAIL: consent, mails, bounces, unsubscribing."""
    from mailer.readers import admin

    found, events, mails = admin.show(app, email)
    lines = [
        f"{found.address}  {found.name}".rstrip(),
        f"{found.status}; on record since {local(app, found.created_at)}, from {found.source}",
        f"consent on {local(app, found.consent_at)}" if found.consent_at else "no date of consent is known",
    ]
    for event in events:
        words = filter(None, (event.kind, event.method, event.slot, event.reason))
        lines.append(f"  {local(app, event.at)}  {' · '.join(words)}")
    for mail in mails:
        words = filter(None, (mail["kind"], mail["slot"], mail["state"], mail["reason"], mail["reply"]))
        lines.append(f"  {local(app, mail['finished_at']):16}  {' · '.join(words)}")
    history = [attributes(event, "at", "kind", "method", "slot", "reason") for event in events]
    data = {**_brief(found), "consent_at": found.consent_at, "events": history, "deliveries": mails}
    return Result(data, "\n".join(lines))


@command(subscribers)
@click.argument("email")
def unsubscribe(app: "App", email: str) -> Result:
    """Take EMAIL off the list for good."""
    from mailer.readers import leaving

    done = leaving.by_admin(app, email)
    return Result(
        {"email": email, "unsubscribed": done},
        f"{email} {'is now off the list' if done else 'was off the list already'}.",
    )


@command(subscribers)
@click.argument("email")
def suppress(app: "App", email: str) -> Result:
    """Never mail EMAIL again, even if it is not on the list, or is imported later."""
    from mailer.readers import leaving

    done = leaving.suppress(app, email)
    return Result(
        {"email": email, "suppressed": done}, f"{email} {'is now suppressed' if done else 'was suppressed already'}."
    )


@command(subscribers)
@click.argument("email")
def unsuppress(app: "App", email: str) -> Result:
    """Undo `suppress`. Readers who unsubscribed or complained themselves are not put back on the list."""
    from mailer.readers import leaving

    status = leaving.unsuppress(app, email)
    return Result(
        {"email": email, "status": status}, f"{email} is no longer suppressed{f': {status}' if status else ''}."
    )


@command(subscribers)
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def forget(app: "App", email: str, yes: bool) -> Result:
    """Erase everything about EMAIL. A keyed hash remains, so that the address is never mailed."""
    from mailer.readers import leaving

    if not yes and not wants_json() and sys.stdin.isatty():
        click.confirm(f"Everything known about {email} will be erased for good. Continue?", abort=True)
    done = leaving.forget(app, email)
    return Result(
        {"email": email, "forgotten": done},
        f"{email} is forgotten and will not be mailed."
        if done
        else f"{email} was not on the list; it will not be mailed.",
    )


@command(None)
@click.option("--since", type=TEXT, help="Only from this day on.")
@slot_option("--issue", "Only through links in this issue.")
def unsubscribes(app: "App", since: str | None, slot: str | None) -> Result:
    """List who left, when, through which issue and how; the oldest first."""
    from mailer.issues import report
    from mailer.readers import leaving

    found = leaving.leavings(app, since=instant(since, app.zone, "--since"), slot=slot)
    rows = [
        (local(app, event.at), email or "(forgotten)", event.slot or "–", event.method or "–", event.reason or "")
        for email, event in found
    ]
    text = f"{table(('when', 'address', 'issue', 'how', 'why'), rows)}\n\n{len(found)} left."
    if slot is None and (rates := report.rates(app)):
        lines = [(each.slot, f"{each.sent:,}", f"{each.left:,}", f"{each.rate:.2%}") for each in rates]
        text += f"\n\n{table(('issue', 'sent', 'left through it', 'rate'), lines)}"
    return Result(
        [{"at": event.at, "email": email, **attributes(event, "slot", "method", "reason")} for email, event in found],
        text,
    )


subscribers.add_command(lists.import_)
subscribers.add_command(lists.export)
