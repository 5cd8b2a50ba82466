"""`mailer issue …`: drafts, edits and sends the week's issue, and reports on it."""

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer import reasons
from mailer.cli import blocks, progress
from mailer.cli.command import (
    NUMBER,
    TEXT,
    Result,
    Whole,
    attributes,
    command,
    instant,
    local,
    slot_argument,
    slot_option,
    table,
    wants_json,
)
from mailer.context import REDIRECTED, App, find_issue, list_issues, local_day
from mailer.errors import RelayDown, UsageError, WrongState
from mailer.lifecycle import FINAL
from mailer.model import ChosenStory, DeliveryState, Issue, IssueState, IssueStatus
from mailer.reasons import Reason
from mailer.text.english import counted

if TYPE_CHECKING:
    from mailer.issues.control import Cancelled
    from mailer.issues.report import Report
    from mailer.issues.which import Next


@click.group()
def issue() -> None:
    """Draft, view, edit, test and send the week's issue.

    Without SLOT, viewing and editing mean the draft that is due next; pause, resume and status the issue that is being
    sent; report, retry, redact and status --failed the last issue that went out.
    """


issue.add_command(blocks.block)


# --- JSON that other tools rely on -----------------------------------------------------------------------------------
def _story(story: ChosenStory) -> dict[str, object]:
    return {
        **attributes(story, "position", "url", "title", "section"),
        "article": story.article_id,
        "also": [{"article": number, "url": url, "title": title} for number, url, title in story.also],
        "score": story.score,
        "parts": dict(story.parts),
        "why": [reasons.english(each) for each in story.why],
        "pinned": story.pinned,
    }


def _reason(reason: Reason | None) -> dict[str, object]:
    return {
        "reason": reasons.english(reason),
        "reason_code": reason.code if reason else None,
        "reason_args": reasons.plain(reason)["args"] if reason else {},
    }


def _issue(found: Issue) -> dict[str, object]:
    return {
        **attributes(found, "slot", "state", "subject", "number", "send_at"),
        "window": found.span,
        **_reason(found.reason),
        "approved": found.approved,
        "notes": [reasons.english(note) for note in found.notes],
        "note_codes": [reasons.plain(note) for note in found.notes],
        "stories": [_story(story) for story in found.stories],
        "blocks": blocks.data(found),
    }


def _status(status: IssueStatus) -> dict[str, object]:
    return {
        **attributes(status, "slot", "state", "recipients"),
        **{str(state): status.counts[state] for state in DeliveryState},
        **attributes(status, "started_at", "finished_at", "rate"),
    }


def _lanes(app: App, found: Issue) -> dict[str, object]:
    """Returns {"paused_lanes": […]}, or {} if no lane is paused or the issue is final."""
    from mailer.sending import lane_pauses

    paused = [
        {"lane": lane.lane, "until": lane.until, "waiting": waiting, "reply": lane.reply}
        for lane, waiting in lane_pauses.paused(app, found)
    ]
    return {"paused_lanes": paused} if paused and found.state not in FINAL else {}


# --- text for people -------------------------------------------------------------------------------------------------
def _state(found: Issue) -> str:
    return f"{found.state}, approved" if found.approved and found.state is IssueState.DRAFT else str(found.state)


def _issue_text(app: App, found: Issue, *, why: bool = False) -> str:
    """Returns an issue and its stories as text for people. If `why` is true, the text explains each story's score."""
    number = f" (no. {found.number})" if found.number else ""
    reason = f" – {reasons.english(found.reason)}" if found.reason else ""
    lines = [f"{found.slot}{number}: {_state(found)}{reason}"]
    if found.state in (IssueState.DRAFT, IssueState.HELD, IssueState.PLANNED):
        lines.append(_goes_out(app, found))
    if found.span:
        lines.append(f"articles from {local(app, found.span.start)} to {local(app, found.span.end)}")
    if found.subject:
        lines.append(f"subject: {found.subject}")
    lines += [f"note: {reasons.english(note)}" for note in found.notes]
    for story in found.stories:
        lines.append(f"{story.position:3}. {story.title}  [{story.section}]")
        if why:
            parts = ", ".join(f"{name} {value:+.3f}" for name, value in story.parts.items())
            lines.append(f"     {story.score:.3f} = {parts}")
            lines += [f"     {reasons.english(each)}" for each in story.why]
            lines.append(f"     article: {story.article_id}")
            lines += [f"     also: {number} {title}" for number, _, title in story.also]
    lines += [f"block ({each.kind}, {each.place}): {each.title}" for each in found.blocks]
    return "\n".join(lines)


def _goes_out(app: App, found: Issue) -> str:
    from mailer.issues import which

    at = f"{local(app, found.send_at)} {app.settings.newsletter.timezone}"
    if which.is_too_late(app, found):
        return f"too late to go out by itself: it was due at {at}; only `mailer issue send --now` still sends it"
    return f"goes out at {at}"


def _status_text(app: App, status: IssueStatus) -> str:
    """Returns a text for people that shows the progress of sending and the pauses that delay it."""
    from mailer.sending import lane_pauses

    lines = [progress.sentence(status)]
    found = find_issue(app, status.slot)
    if found.state is IssueState.PAUSED and found.reason:
        lines.append(f"It was paused: {reasons.english(found.reason)} (`mailer issue resume` continues)")
    if found.state not in FINAL:
        lines += [
            f"The lane {lane.lane} is paused until {local(app, lane.until)}, {waiting} mails wait: {lane.reply} "
            "(`mailer issue resume` continues at once)"
            for lane, waiting in lane_pauses.paused(app, found)
        ]
    return "\n".join(lines)


def _shown(app: App, found: Issue) -> Result:
    return Result(_issue(found), _issue_text(app, found))


def _changed(found: Issue) -> Result:
    return Result(_issue(found), f"{found.slot} is {_state(found)}.")


# --- viewing ---------------------------------------------------------------------------------------------------------
@command(issue)
@slot_argument
@click.option("--as-of", type=TEXT, help="Choose as if it were this time, from what was published until then.")
@click.option("--ahead", is_flag=True, help="Make a draft for a SLOT that is further ahead than the next one.")
def draft(app: App, slot: str | None, as_of: str | None, ahead: bool) -> Result:
    """Choose the stories of an issue, or choose them again. A cancelled issue is drafted again only with its SLOT.

    Without SLOT, the draft that is due next is meant or, if there is none, a new issue for the next free slot. A SLOT
    whose time was more than max_late ago is drafted only with --as-of, as a trial.
    """
    from mailer.issues import draft

    app.check_sources()  # with a wrong column map, the draft would lack articles
    return _shown(app, draft.draft(app, slot, instant(as_of, app.zone, "--as-of"), ahead=ahead))


@command(issue)
@click.option("--limit", type=Whole(1, 1_000_000), default=20, show_default=True)
def list_(app: App, limit: int) -> Result:
    """List issues, the latest slot first, and the slot that goes out next."""
    from mailer.issues import which

    found = list_issues(app, limit)
    rows = [
        (
            each.slot,
            str(each.number or "–"),
            each.state,
            local(app, each.send_at),
            local(app, each.started_at),
            str(each.recipients) if each.started_at else "–",
            each.subject,
        )
        for each in found
    ]
    listed = table(("slot", "no.", "state", "planned", "went out", "readers", "subject"), rows)
    return Result(
        [{**_without_stories(each), **attributes(each, "started_at", "finished_at", "recipients")} for each in found],
        f"{listed}\n\n{_next_text(app, which.coming(app))}",
    )


def _without_stories(found: Issue) -> dict[str, object]:
    return {key: value for key, value in _issue(found).items() if key != "stories"}


@command(issue)
def next_(app: App) -> Result:
    """Show which slot goes out next, when, and to how many readers.

    Also shows it before there is a draft.
    """
    from mailer.issues import which

    coming = which.coming(app)
    return Result(asdict(coming), _next_text(app, coming))


def _next_text(app: App, coming: "Next") -> str:
    zone = app.settings.newsletter.timezone
    drafted = (
        f"{coming.state}" if coming.state else f"no draft yet, the clock makes it at {local(app, coming.draft_at)}"
    )
    late = f" instead of {local(app, coming.planned_at)}" if coming.send_at != coming.planned_at else ""
    to = f"{counted(coming.readers, 'reader')} expected"
    return f"next: {coming.slot} ({drafted}) goes out at {local(app, coming.send_at)} {zone}{late}; {to}"


@command(issue)
@slot_argument
def show_(app: App, slot: str | None) -> Result:
    """Show what is in an issue."""
    from mailer.issues import which

    return _shown(app, which.to_show(app, slot))


@command(issue)
@slot_argument
def explain(app: App, slot: str | None) -> Result:
    """Show why these stories were chosen and others were not.

    Under each story are the parts of its score and what they mean. The numbers of its articles are for `mailer articles
    same` and `different`. Of the stories that were not chosen, the ten best are shown, and the best story of each large
    topic that is not in the issue.
    """
    from mailer.issues import which

    found = which.to_show(app, slot)
    lines = [_issue_text(app, found, why=True), *(["not chosen:"] if found.rejected else [])]
    for each in found.rejected:
        lines.append(f"     {each.score:.3f} {each.title} – {reasons.english(each.reason)}")
        lines += [f"           {reasons.english(why)}" for why in each.why]
    rejected = [
        {
            **attributes(each, "url", "title", "score"),
            **_reason(each.reason),
            "why": [reasons.english(why) for why in each.why],
        }
        for each in found.rejected
    ]
    return Result({**_issue(found), "rejected": rejected}, "\n".join(lines))


@command(issue)
@slot_argument
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the HTML part to this file.")
@click.option("--text", type=click.Path(path_type=Path, dir_okay=False), help="Write the text part to this file.")
@click.option("--eml", type=click.Path(path_type=Path, dir_okay=False), help="Write the whole mail to this file.")
@click.option("--open", "open_", is_flag=True, help="Open the HTML part in a browser.")
def preview(app: App, slot: str | None, html: Path | None, text: Path | None, eml: Path | None, open_: bool) -> Result:
    """Show the mail exactly as it would go out, addressed to an invented reader.

    Without options, print its subject and text part.
    """
    from mailer.issues import preview, which

    found = which.to_show(app, slot)
    mail = preview.preview(app, found)
    contents = [(html, mail.html.encode()), (text, mail.text.encode()), (eml, mail.eml)]
    page = html or Path(click.get_app_dir("khabarnameh")) / f"preview-{found.slot}.html"
    if open_ and not html:
        page.parent.mkdir(parents=True, exist_ok=True)
        contents.append((page, mail.html.encode()))
    written = []
    for file, content in contents:
        if file:
            file.write_bytes(content)
            written.append(str(file))
    if open_:
        click.launch(str(page))
    return Result(
        {"slot": found.slot, "subject": mail.subject, "size": len(mail.eml), "files": written},
        "\n".join(written) or f"{mail.subject}\n\n{mail.text}",
    )


@command(issue)
@slot_argument
@click.option("--failed", is_flag=True, help="List who did not get it, and why.")
def status(app: App, slot: str | None, failed: bool) -> Result:
    """Show how far the sending is. With --failed, the last issue that went out is meant."""
    from mailer.issues import delivery, which

    found = which.gone_out(app, slot) if failed else which.under_way(app, slot)
    now = delivery.status(app, found)
    failures = delivery.failures(app, found) if failed else []
    lines = [_status_text(app, now)]
    for each in failures:
        words = (each["email"], each["state"], each["reason"], each["reply"])
        lines.append("  " + " · ".join(str(word) for word in words if word))
    return Result({**_status(now), **_lanes(app, found), **({"failed": failures} if failed else {})}, "\n".join(lines))


# --- editing ---------------------------------------------------------------------------------------------------------
_slot = slot_option("--slot", "The issue of another week.")
_number = Whole(1)


@command(issue)
@click.argument("number", type=_number)
@_slot
def drop(app: App, number: int, slot: str | None) -> Result:
    """Remove story NUMBER with all articles about its event; the next best is added."""
    from mailer.issues import editing

    return _shown(app, editing.drop(app, slot, number))


@command(issue)
@click.argument("number", type=_number)
@click.argument("to", type=_number)
@_slot
def move(app: App, number: int, to: int, slot: str | None) -> Result:
    """Move story NUMBER to position TO and keep it there."""
    from mailer.issues import editing

    return _shown(app, editing.move(app, slot, number, to))


@command(issue)
@click.argument("number", type=_number)
@click.argument("text", type=TEXT)
@_slot
def title(app: App, number: int, text: str, slot: str | None) -> Result:
    """Give story NUMBER another title in this issue; "" restores its own."""
    from mailer.issues import editing

    return _shown(app, editing.title(app, slot, number, text))


@command(issue)
@click.argument("text", type=TEXT)
@_slot
def subject(app: App, text: str, slot: str | None) -> Result:
    """Set the subject of the mail; "" restores the first story's title."""
    from mailer.issues import editing

    return _shown(app, editing.subject(app, slot, text))


@command(issue)
@click.argument("text", type=TEXT)
@_slot
def intro(app: App, text: str, slot: str | None) -> Result:
    """Set the words before the first story; "" restores the usual ones."""
    from mailer.issues import editing

    return _shown(app, editing.intro(app, slot, text))


# --- states ----------------------------------------------------------------------------------------------------------
@command(issue)
@slot_argument
def hold(app: App, slot: str | None) -> Result:
    """Hold a draft back until it is released."""
    from mailer.issues import control

    return _changed(control.hold(app, slot))


@command(issue)
@slot_argument
def release(app: App, slot: str | None) -> Result:
    """Let a held issue go out at its time, even with few stories."""
    from mailer.issues import control

    return _changed(control.release(app, slot))


@command(issue)
@slot_argument
def approve(app: App, slot: str | None) -> Result:
    """Approve a draft (where approval is required)."""
    from mailer.issues import control

    return _changed(control.approve(app, slot))


@command(issue)
@slot_argument
def pause(app: App, slot: str | None) -> Result:
    """Stop sending; mails that are being sent are finished first."""
    from mailer.issues import control

    return _changed(control.pause(app, slot))


@command(issue)
@slot_argument
def resume(app: App, slot: str | None) -> Result:
    """Continue sending."""
    from mailer.issues import control

    return _changed(control.resume(app, slot))


@command(issue)
@slot_argument
def cancel(app: App, slot: str | None) -> Result:
    """End an issue. Its unsent mails are never sent. SLOT is needed if more than one issue is open.

    Before the draft time of its week, the issue is deleted, and the clock drafts that week as usual. Later, the week
    stays without an issue unless `issue draft SLOT` reopens it.
    """
    from mailer.issues import control

    done = control.cancel(app, slot)
    return Result({**_issue(done.issue), "deleted": bool(done.window_opens)}, _cancelled_text(app, done))


def _cancelled_text(app: App, done: "Cancelled") -> str:
    slot = done.issue.slot
    if done.window_opens:
        return f"{slot} is cancelled. The clock drafts that week as usual, at {local(app, done.window_opens)}."
    if done.reached:
        return f"{slot} is cancelled for good: it had gone out to readers before."
    return f"{slot} is cancelled. The clock leaves that week out; only `mailer issue draft {slot}` reopens it."


# --- sending ---------------------------------------------------------------------------------------------------------
@command(issue)
@slot_argument
@click.option(
    "--unknown",
    is_flag=True,
    help="Also retry deliveries whose outcome is unknown (some readers may get the issue twice).",
)
def retry(app: App, slot: str | None, unknown: bool) -> Result:
    """Queue the failed mails of a finished issue again, where another try may help.

    Mails are retried after a full mailbox, a temporary refusal, or if they were given up. Mails are never retried to
    dead addresses, after refusals of this sender, or to readers who have left. A mail keeps its Message-ID.
    """
    from mailer.issues import delivery, retry

    done = retry.retry(app, slot, unknown=unknown)
    if done.queued:
        lines = [
            f"{done.issue.slot}: {done.queued} {'mail is' if done.queued == 1 else 'mails are'} queued again. "
            "`mailer run` sends them, or `mailer issue send --now --wait`."
        ]
    else:
        lines = [f"{done.issue.slot} is {done.issue.state}: there is nothing to retry."]
    if done.left:
        left = ", ".join(f"{count} {what}" for what, count in done.left.items())
        lines.append(f"Not sent again: {left}; `mailer issue status --failed` lists them with the reasons.")
    if done.left.get("unknown"):
        lines.append("Those that are unknown may have arrived; `--unknown` sends them once more.")
    data = {**_status(delivery.status(app, done.issue)), "retried": done.queued, "left": done.left}
    return Result(data, "\n".join(lines))


@command(issue)
@click.argument("emails", nargs=-1, required=True, type=TEXT)
@_slot
def test(app: App, emails: tuple[str, ...], slot: str | None) -> Result:
    """Send one real mail of the issue to each of EMAILS.

    It is marked «آزمایشی», its unsubscribe and preference links do nothing, and no statistics count it.
    """
    from mailer.issues import preview, which

    _warn_of_staging(app)
    found = which.to_show(app, slot)
    results = asyncio.run(preview.send_test(app, found, emails))
    lines = [f"{email}: {state}{f' ({reply})' if reply else ''}" for email, state, reply in results]
    return Result(
        [{"email": email, "state": state, "reply": reply} for email, state, reply in results],
        "\n".join([f"{found.slot}:", *lines]),
        0 if all(state is DeliveryState.ACCEPTED for _, state, _ in results) else 5,
    )


@command(issue)
@slot_argument
@click.option("--now", "at_once", is_flag=True, help="Do not wait for the slot's time.")
@click.option("--wait", is_flag=True, help="Keep running until no mail is due within five minutes.")
@click.option("--yes", is_flag=True, help="Do not ask before a draft is sent ahead of its day.")
def send(app: App, slot: str | None, at_once: bool, wait: bool, yes: bool) -> Result:
    """Release a draft for its time; with --now, send it, or what is left of it, at once.

    Only `issue release` ends an editor's own hold. An issue that is later than max_late goes out only with --now.
    Run the command again after a crash to finish the work: no reader is missed, and no reader gets the issue twice.
    """
    from mailer.issues import control, delivery, draft, which

    found = which.to_send(app, slot)
    if found.state in FINAL:
        result = delivery.status(app, found)
        return Result(_status(result), f"Nothing to do. {progress.sentence(result)}")
    if at_once or found.state not in (IssueState.PLANNED, IssueState.DRAFT, IssueState.HELD):
        return _send_now(app, found, wait=wait, yes=yes)
    if which.is_too_late(app, found):
        raise WrongState(
            f"The issue {found.slot} is too late: it was due at {local(app, found.send_at)}, and is skipped.",
            f"`mailer issue send --now {found.slot}` still sends it.",
        )
    draft.check_settings(app, found)
    released = ""
    if found.state is not IssueState.DRAFT:
        released = f" is released (it was held: {reasons.english(found.reason)}) and" if found.reason else ""
        found = control.release(app, found.slot, held_by_editor=False)
    if found.state is IssueState.HELD:
        return Result(_issue(found), f"{found.slot} is still held: {reasons.english(found.reason)}.", 5)
    text = f"{found.slot}{released} goes out at {local(app, found.send_at)}, by `mailer run`."
    return Result(_issue(found), text)


def _warn_of_staging(app: App) -> None:
    if app.redirect and not wants_json():
        click.echo(f"Staging: {REDIRECTED}", err=True)


def _confirm_early(app: App, found: Issue) -> None:
    """Asks the user to type the slot of a draft whose day has not come yet.

    Raises UsageError without a terminal or with --json, and click.Abort if the user types something else.
    """
    from mailer.issues import delivery

    days, readers = (found.day - local_day(app, app.now())).days, delivery.expected(app, found)
    if days <= 0:
        return
    due = f"{found.slot} is due in {counted(days, 'day')}, on {found.day}"
    to = counted(readers, "reader")
    if wants_json() or not sys.stdin.isatty():
        raise UsageError(f"{due}, and would go out to {to} now.", "--yes sends it now; without --now it waits.")
    answer = click.prompt(f"{due}; send it to {to} now? Type the slot", default="", show_default=False, err=True)
    if answer.strip().casefold() != found.slot.casefold():
        raise click.Abort


def _send_now(app: App, found: Issue, *, wait: bool, yes: bool) -> Result:
    from mailer.issues import delivery, draft, editing, which

    _warn_of_staging(app)
    _ = app.relays, app.renderer  # raises an error for a missing password file or template before the issue is frozen
    if found.state is IssueState.PLANNED:
        found = draft.choose(app, found)
    if found.state is IssueState.DRAFT:
        draft.check_settings(app, found)
        if not yes:
            _confirm_early(app, found)
    if which.is_too_late(app, found) and not wants_json():
        due = local(app, found.send_at)
        click.echo(f"{found.slot} was due at {due}, longer ago than max_late; --now sends it all the same.", err=True)
    if found.state in (IssueState.DRAFT, IssueState.HELD):
        found = editing.close(app, found)
    found = delivery.ready(app, found)
    try:
        result = asyncio.run(_deliver(app, found, wait=wait))
    except RelayDown as error:
        # When the relay fails half-way, admins first ask whether readers were missed, so the error says how many mails
        # wait.
        left = delivery.status(app, found)
        waiting = sum(left.counts.values()) - progress.done(left)
        raise RelayDown(
            f"{error.message} Nothing is lost: {waiting} of {left.recipients} mails wait in the ledger.",
            f"{error.fix} Then run the command again, or `mailer run`.",
        ) from error
    text = _status_text(app, result)
    if result.state is IssueState.PARTIAL:
        text += "\n`mailer issue status --failed` lists who did not get it and why; `mailer issue retry` tries again."
    return Result({**_status(result), **_lanes(app, found)}, text, 0 if result.state is IssueState.SENT else 5)


async def _deliver(app: App, found: Issue, *, wait: bool) -> IssueStatus:
    from mailer.issues import delivery
    from mailer.process import keep_what_is_loaded, stop_on_signals

    stop = asyncio.Event()
    stop_on_signals(stop)
    keep_what_is_loaded()
    with progress.shown(found) as show:
        return await delivery.deliver(app, found, wait=wait, stop=stop, progress=show)


# --- afterwards ------------------------------------------------------------------------------------------------------
_WIDTH = 30


@command(issue)
@slot_argument
def report(app: App, slot: str | None) -> Result:
    """Show who got an issue, who left through it, how soon and why, and who joined."""
    from mailer.issues import report, which

    found = report.report(app, which.gone_out(app, slot))
    return Result({**asdict(found), "outcomes": dict(found.outcomes)}, _report_text(app, found))


def _report_text(app: App, found: "Report") -> str:
    number = f" (no. {found.number})" if found.number else ""
    lines = [
        f"{found.slot}{number}: {found.state}, {local(app, found.started_at)} to {local(app, found.finished_at)}",
        found.subject,
        "",
        f"{found.recipients:>9,}  recipients",
        *(f"{count:>9,}  {name}" for name, count in found.outcomes.items()),
        f"{found.left:>9,}  left through it ({found.rate:.2%} of those who got it)",
        *(f"{count:>9,}    by {name}" for name, count in found.methods.items()),
        *(f"{count:>9,}    because: {name}" for name, count in found.reasons.items()),
        f"{found.complained:>9,}  complained",
        f"{found.joined:>9,}  joined until the next issue",
    ]
    if found.clicks:
        lines += ["", "how often the stories were opened:"]
        lines += [f"{each.opened:>9,}  {each.position}. {each.title}" for each in found.clicks]
    if scanned := sum(each.scanned for each in found.clicks):
        lines.append(f"{scanned:>9,}  by link scanners, which open many links at once (not counted above)")
    most = max((bar.left for bar in found.histogram), default=0)
    if most:
        lines += ["", "how soon they left:"]
    for bar in found.histogram if most else ():
        drawn = "█" * max(1, round(_WIDTH * bar.left / most)) if bar.left else ""
        note = "  ← so many so soon: link scanners?" if bar.scanner else ""
        lines.append(f"  {'< ' if bar.until != 'later' else ''}{bar.until:<7} {bar.left:>7,}  {drawn}{note}")
    return "\n".join(lines)


@command(issue)
@click.argument("position", type=NUMBER)
@_slot
def redact(app: App, position: int, slot: str | None) -> Result:
    """Remove story POSITION from the public archive and its feed. Mails that went out do not change."""
    from mailer.issues import archive

    found = archive.redact(app, slot, position)
    return Result({"slot": found.slot, "redacted": position}, f"Story {position} of {found.slot} is no longer public.")
