"""`mailer issue …`: the week's issue, from the draft to the last reader."""

import asyncio
from dataclasses import asdict
from pathlib import Path

import click

from mailer.cli import progress
from mailer.cli.door import NUMBER, TEXT, given, instant, json_option, local, opened, show, slot_argument, stamp, table
from mailer.context import REDIRECTED, App, find
from mailer.errors import RelayDown
from mailer.issues import archive as redacting
from mailer.issues import control, delivery, editing
from mailer.issues import draft as drafting
from mailer.issues import preview as previewing
from mailer.issues import report as reporting
from mailer.issues import retry as again
from mailer.issues.report import Report
from mailer.lifecycle import FINAL
from mailer.model import ChosenStory, DeliveryState, Issue, IssueState, IssueStatus
from mailer.sending import lane_pauses
from mailer.service import keep_what_is_loaded, stop_on_signals


@click.group()
def issue() -> None:
    """Draft, look at, test, send and stop the week's issue. Without SLOT, the newest issue is meant."""


# --- shapes other tools rely on (product.md §5) ----------------------------------------------------------------------
def _story(story: ChosenStory) -> dict[str, object]:
    return {
        "position": story.position,
        "url": story.url,
        "title": story.title,
        "section": story.section,
        "also": [{"url": url, "title": title} for _, url, title in story.also],
        "score": story.score,
        "parts": dict(story.parts),
        "pinned": story.pinned,
    }


def _issue(found: Issue) -> dict[str, object]:
    return {
        "slot": found.slot,
        "state": found.state,
        "subject": found.subject,
        "number": found.number,
        "send_at": stamp(found.send_at),
        "window": [stamp(found.span.start), stamp(found.span.end)] if found.span else None,
        "reason": found.reason,
        "approved": found.approved,
        "notes": list(found.notes),
        "stories": [_story(story) for story in found.stories],
    }


def _status(status: IssueStatus) -> dict[str, object]:
    return {
        "slot": status.slot,
        "state": status.state,
        "recipients": status.recipients,
        **{str(state): status.counts[state] for state in DeliveryState},
        "started_at": stamp(status.started_at),
        "finished_at": stamp(status.finished_at),
        "rate": status.rate,
    }


def _standing(found: Issue) -> str:
    return f"{found.state}, approved" if found.approved and found.state is IssueState.DRAFT else str(found.state)


def _lanes(app: App, found: Issue) -> dict[str, object]:
    """Only when there are any: the shape of the status is fixed."""
    paused = [
        {"lane": lane.lane, "until": stamp(lane.until), "waiting": waiting, "reply": lane.reply}
        for lane, waiting in lane_pauses.paused(app, found)
    ]
    return {"paused_lanes": paused} if paused and found.state not in FINAL else {}


def _tell(app: App, status: IssueStatus) -> None:
    """How far it is, for people, and what keeps it from being whole."""
    click.echo(progress.sentence(status))
    found = find(app, status.slot)
    if found.state is IssueState.PAUSED and found.reason:
        click.echo(f"It was paused: {found.reason} (`mailer issue resume` goes on)")
    if found.state in FINAL:
        return
    for lane, waiting in lane_pauses.paused(app, found):
        click.echo(
            f"The lane {lane.lane} is paused until {local(app, lane.until)}, {waiting} mails wait: {lane.reply} "
            "(`mailer issue resume` goes on at once)"
        )


def _print_issue(app: App, found: Issue, *, why: bool = False) -> None:
    number = f" (no. {found.number})" if found.number else ""
    click.echo(f"{found.slot}{number}: {_standing(found)}{f' – {found.reason}' if found.reason else ''}")
    if found.state in (IssueState.DRAFT, IssueState.HELD, IssueState.PLANNED):
        click.echo(f"goes out at {local(app, found.send_at)} {app.settings.newsletter.timezone}")
    if found.span:
        click.echo(f"articles from {local(app, found.span.start)} to {local(app, found.span.end)}")
    if found.subject:
        click.echo(f"subject: {found.subject}")
    for note in found.notes:
        click.echo(f"note: {note}")
    for story in found.stories:
        click.echo(f"{story.position:3}. {story.title}  [{story.section}]")
        if why:
            parts = ", ".join(f"{name} {value:+.3f}" for name, value in story.parts.items())
            click.echo(f"     {story.score:.3f} = {parts}{' · pinned' if story.pinned else ''}")
            for _, _, title in story.also:
                click.echo(f"     also: {title}")


# --- looking ---------------------------------------------------------------------------------------------------------
@issue.command()
@slot_argument
@click.option("--as-of", type=TEXT, help="As if this were the time: choose from what was published until then.")
@json_option
@click.pass_obj
def draft(path: Path, slot: str | None, as_of: str | None, as_json: bool) -> None:
    """Choose the stories of an issue, anew if it has some.

    Of SLOT; or of the newest issue, if it is not final; or of the next slot without an issue.
    """
    with opened(path) as app:
        found = drafting.draft(app, slot, instant(as_of, app.zone, "--as-of"))
        show(_issue(found)) if as_json else _print_issue(app, found)


@issue.command("list")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=20, show_default=True)
@json_option
@click.pass_obj
def list_(path: Path, limit: int, as_json: bool) -> None:
    """Issues, the latest slot first."""
    with opened(path) as app:
        found = control.listing(app, limit)
        if as_json:
            show([{k: v for k, v in _issue(each).items() if k != "stories"} for each in found])
            return
        rows = [
            (
                each.slot,
                str(each.number or "–"),
                each.state,
                local(app, each.send_at),
                str(each.recipients),
                each.subject,
            )
            for each in found
        ]
    table(("slot", "no.", "state", "goes out", "readers", "subject"), rows)


@issue.command("show")
@slot_argument
@json_option
@click.pass_obj
def show_(path: Path, slot: str | None, as_json: bool) -> None:
    """What is in an issue."""
    with opened(path) as app:
        found = find(app, slot)
        show(_issue(found)) if as_json else _print_issue(app, found)


@issue.command()
@slot_argument
@json_option
@click.pass_obj
def explain(path: Path, slot: str | None, as_json: bool) -> None:
    """Why these stories and not others."""
    with opened(path) as app:
        found = find(app, slot)
        if as_json:
            show({**_issue(found), "rejected": [dict(turned) for turned in found.rejected]})
            return
        _print_issue(app, found, why=True)
        if found.rejected:
            click.echo("not chosen:")
        for turned in found.rejected:
            click.echo(f"     {turned['score']:.3f} {turned['title']} – {turned['reason']}")


@issue.command()
@slot_argument
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the HTML part to this file.")
@click.option("--text", type=click.Path(path_type=Path, dir_okay=False), help="Write the text part to this file.")
@click.option("--eml", type=click.Path(path_type=Path, dir_okay=False), help="Write the whole mail to this file.")
@click.option("--open", "open_", is_flag=True, help="Open the HTML part in a browser.")
@json_option
@click.pass_obj
def preview(
    path: Path, slot: str | None, html: Path | None, text: Path | None, eml: Path | None, open_: bool, as_json: bool
) -> None:
    """The very bytes that would go out, to an invented reader.

    Without options, subject and text part are shown.
    """
    with opened(path) as app:
        found = find(app, slot)
        mail = previewing.preview(app, found)
    written = []
    for file, content in ((html, mail.html.encode()), (text, mail.text.encode()), (eml, mail.eml)):
        if file:
            file.write_bytes(content)
            written.append(str(file))
    if open_:
        target = html or Path(click.get_app_dir("khabarnameh")) / f"preview-{found.slot}.html"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(mail.html.encode())
        click.launch(str(target))
        written.append(str(target))
    if as_json:
        show({"slot": found.slot, "subject": mail.subject, "size": len(mail.eml), "files": written})
    elif written:
        click.echo("\n".join(dict.fromkeys(written)))
    else:
        click.echo(f"{mail.subject}\n\n{mail.text}")


@issue.command()
@slot_argument
@click.option("--failed", is_flag=True, help="List who did not get it, and why.")
@json_option
@click.pass_obj
def status(path: Path, slot: str | None, failed: bool, as_json: bool) -> None:
    """How far the sending is."""
    with opened(path) as app:
        found = find(app, slot)
        now = delivery.status(app, found)
        failures = delivery.failures(app, found) if failed else []
        if as_json:
            show({**_status(now), **_lanes(app, found), **({"failed": failures} if failed else {})})
            return
        _tell(app, now)
        for each in failures:
            words = (each["email"], each["state"], each["reason"], each["reply"])
            click.echo("  " + " · ".join(str(word) for word in words if word))


# --- the editor's window ---------------------------------------------------------------------------------------------
def _edited(app: App, found: Issue, as_json: bool) -> None:
    show(_issue(found)) if as_json else _print_issue(app, found)


_slot = click.option("--slot", type=TEXT, callback=given, help="Another issue than the newest.")
_number = click.IntRange(1)


@issue.command()
@click.argument("number", type=_number)
@_slot
@json_option
@click.pass_obj
def drop(path: Path, number: int, slot: str | None, as_json: bool) -> None:
    """Take story NUMBER out, with all that tells its event; the next best comes in."""
    with opened(path) as app:
        _edited(app, editing.drop(app, slot, number), as_json)


@issue.command()
@click.argument("number", type=_number)
@click.argument("to", type=_number)
@_slot
@json_option
@click.pass_obj
def move(path: Path, number: int, to: int, slot: str | None, as_json: bool) -> None:
    """Put story NUMBER in place TO, where it stays."""
    with opened(path) as app:
        _edited(app, editing.move(app, slot, number, to), as_json)


@issue.command()
@click.argument("number", type=_number)
@click.argument("text", type=TEXT)
@_slot
@json_option
@click.pass_obj
def title(path: Path, number: int, text: str, slot: str | None, as_json: bool) -> None:
    """Give story NUMBER another title in this issue; "" gives back its own."""
    with opened(path) as app:
        _edited(app, editing.title(app, slot, number, text), as_json)


@issue.command()
@click.argument("text", type=TEXT)
@_slot
@json_option
@click.pass_obj
def subject(path: Path, text: str, slot: str | None, as_json: bool) -> None:
    """Write the subject of the mail; "" gives back the first story's title."""
    with opened(path) as app:
        _edited(app, editing.subject(app, slot, text), as_json)


@issue.command()
@click.argument("text", type=TEXT)
@_slot
@json_option
@click.pass_obj
def intro(path: Path, text: str, slot: str | None, as_json: bool) -> None:
    """Write the words before the first story; "" gives back the usual ones."""
    with opened(path) as app:
        _edited(app, editing.intro(app, slot, text), as_json)


# --- acting ----------------------------------------------------------------------------------------------------------
def _acting(name: str, verb: object, help_: str) -> None:
    @issue.command(name, help=help_)
    @slot_argument
    @json_option
    @click.pass_obj
    def act(path: Path, slot: str | None, as_json: bool) -> None:
        with opened(path) as app:
            found = verb(app, slot)  # type: ignore[operator]
            show(_issue(found)) if as_json else click.echo(f"{found.slot} is {_standing(found)}.")


_acting("hold", control.hold, "Keep a draft back until it is released.")
_acting("release", control.release, "Let a held issue go out at its time, although there are few stories.")
_acting("approve", control.approve, "Say yes to a draft (where approval is required).")
_acting("pause", control.pause, "Stop sending; what is on its way gets its answer.")
_acting("resume", control.resume, "Go on sending.")
_acting("cancel", control.cancel, "End an issue; what is unsent is never sent.")


@issue.command()
@slot_argument
@click.option("--unknown", is_flag=True, help="Also those of whom nobody knows: some of them may get it twice.")
@json_option
@click.pass_obj
def retry(path: Path, slot: str | None, unknown: bool, as_json: bool) -> None:
    """Queue once more what failed and may go better now, of an issue that is over.

    That is: mailboxes that were full, other refusals, and what was given up; never dead addresses, those whose
    provider refuses us, and whoever left. The mail keeps its Message-ID.
    """
    with opened(path) as app:
        done = again.retry(app, slot, unknown=unknown)
        if as_json:
            show({**_status(delivery.status(app, done.issue)), "retried": done.queued, "left": done.left})
            return
    left = ", ".join(f"{count} {what}" for what, count in done.left.items())
    if done.queued:
        click.echo(
            f"{done.issue.slot}: {done.queued} {'mail is' if done.queued == 1 else 'mails are'} queued again. "
            "`mailer run` sends them, or `mailer issue send --now --wait`."
        )
    else:
        click.echo(f"{done.issue.slot} is {done.issue.state}: there is nothing to retry.")
    if left:
        click.echo(f"Not sent again: {left}; `mailer issue status --failed` says who and why.")
    if done.left.get("unknown"):
        click.echo("Those that are unknown may have arrived; `--unknown` sends them once more.")


@issue.command()
@click.argument("emails", nargs=-1, required=True, type=TEXT)
@click.option("--slot", type=TEXT, callback=given, help="Another issue than the newest.")
@json_option
@click.pass_obj
def test(path: Path, emails: tuple[str, ...], slot: str | None, as_json: bool) -> int:
    """Send one real mail of the issue to each of EMAILS.

    It is marked «آزمایشی», its own links are inert, and it is in no count.
    """
    with opened(path) as app:
        _warn_of_staging(app, as_json)
        results = asyncio.run(previewing.send_test(app, find(app, slot), emails))
    if as_json:
        show([{"email": email, "state": state, "reply": reply} for email, state, reply in results])
    else:
        for email, state, reply in results:
            click.echo(f"{email}: {state}{f' ({reply})' if reply else ''}")
    return 0 if all(state is DeliveryState.ACCEPTED for _, state, _ in results) else 5


@issue.command()
@slot_argument
@click.option("--now", "at_once", is_flag=True, help="Do not wait for the slot's time.")
@click.option("--wait", is_flag=True, help="Stay until nothing is due within five minutes.")
@json_option
@click.pass_obj
def send(path: Path, slot: str | None, at_once: bool, wait: bool, as_json: bool) -> int:
    """Release a draft for its time; with --now, send it, or what is left of it, at once.

    Running it again after a crash finishes the work: nobody is missed and nobody gets it twice.
    """
    with opened(path) as app:
        found = find(app, slot)
        if found.state in FINAL:
            result = delivery.status(app, found)
            show(_status(result)) if as_json else click.echo(f"Nothing to do. {progress.sentence(result)}")
            return 0
        if not at_once and found.state in (IssueState.PLANNED, IssueState.DRAFT, IssueState.HELD):
            released = found if found.state is IssueState.DRAFT else control.release(app, found.slot)
            if as_json:
                show(_issue(released))
            elif released.state is IssueState.HELD:
                click.echo(f"{released.slot} is still held: {released.reason}.")
            else:
                click.echo(f"{released.slot} goes out at {local(app, released.send_at)}, by `mailer run`.")
            return 5 if released.state is IssueState.HELD else 0
        return _send_now(app, found, wait=wait, as_json=as_json)


def _warn_of_staging(app: App, as_json: bool) -> None:
    if app.redirect and not as_json:
        click.echo(f"Staging: {REDIRECTED}", err=True)


def _send_now(app: App, found: Issue, *, wait: bool, as_json: bool) -> int:
    _warn_of_staging(app, as_json)
    if found.state is IssueState.PLANNED:
        found = drafting.choose(app, found)
    if found.state in (IssueState.DRAFT, IssueState.HELD):
        found = editing.close(app, found)
    found = delivery.ready(app, found)
    try:
        result = asyncio.run(_deliver(app, found, wait=wait))
    except RelayDown as error:
        # What an admin asks first when the relay fails in the middle: is anybody lost?
        left = delivery.status(app, found)
        waiting = sum(left.counts.values()) - progress.done(left)
        raise RelayDown(
            f"{error.message} Nothing is lost: {waiting} of {left.recipients} mails wait in the ledger.",
            f"{error.fix} Then run the command again, or `mailer run`.",
        ) from error
    show({**_status(result), **_lanes(app, found)}) if as_json else _tell(app, result)
    if result.state is IssueState.PARTIAL and not as_json:
        click.echo("`mailer issue status --failed` says who did not get it and why, `mailer issue retry` tries again.")
    return 0 if result.state is IssueState.SENT else 5


async def _deliver(app: App, found: Issue, *, wait: bool) -> IssueStatus:
    stop = asyncio.Event()
    stop_on_signals(stop)
    keep_what_is_loaded()
    with progress.shown(found) as tell:
        return await delivery.deliver(app, found, wait=wait, stop=stop, progress=tell)


# --- afterwards -------------------------------------------------------------------------------------------------------
_WIDTH = 30


@issue.command()
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


@issue.command()
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
