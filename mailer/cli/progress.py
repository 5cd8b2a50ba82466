"""Shows the progress of long work on stderr: a bar on a terminal, otherwise one line of JSON per second."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from mailer.lifecycle import TERMINAL
from mailer.model import DeliveryState, Issue, IssueStatus


def sentence(status: IssueStatus) -> str:
    """Returns one line with the issue's state and the number of mails in each delivery state."""
    if not status.recipients:
        return f"{status.slot} is {status.state}; no mail was sent."
    readers = "1 reader" if status.recipients == 1 else f"{status.recipients} readers"
    counts = [f"{count} {state}" for state, count in status.counts.items() if count]
    rate = f", {status.rate:g} mails a second" if status.rate else ""
    return f"{status.slot} is {status.state}: {readers} – {', '.join(counts)}{rate}."


def done(status: IssueStatus) -> int:
    """Returns the number of finished deliveries, whatever their outcome."""
    return sum(status.counts[state] for state in TERMINAL)


@contextmanager
def shown(issue: Issue) -> Iterator[Callable[[IssueStatus], None]]:
    """Shows the progress of sending on stderr. Yields a function to call with each new status."""
    if not sys.stderr.isatty():
        yield _print_status
        return
    with _bar(issue.slot, issue.recipients or None, "{task.fields[rate]:g}/s") as update:
        yield lambda status: update(done(status), status.recipients, status.rate)


def _print_status(status: IssueStatus) -> None:
    counts = {str(state): status.counts[state] for state in DeliveryState if status.counts[state]}
    line = {"slot": status.slot, "done": done(status), "recipients": status.recipients, **counts, "rate": status.rate}
    click.echo(json.dumps(line), err=True)


@contextmanager
def counted(name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Shows on stderr how many of `total` rows (None if unknown) are done. Yields a function to call with each new
    count."""
    began = printed = time.monotonic()
    if sys.stderr.isatty():
        with _bar(name, total, "{task.fields[rate]:,.0f}/s") as update:
            yield lambda rows: update(rows, total, rows / max(time.monotonic() - began, 0.001))
        return

    def print_count(rows: int) -> None:
        nonlocal printed
        now = time.monotonic()
        if now - printed >= 1:
            printed = now
            line = {"file": name, "rows": rows, "of": total, "rate": round(rows / (now - began))}
            click.echo(json.dumps(line), err=True)

    yield print_count


@contextmanager
def _bar(name: str, total: int | None, rate: str) -> Iterator[Callable[[int, int | None, float], None]]:
    """Shows a bar on stderr. Yields a function to call with the amount done, the total and the rate per second."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TextColumn(rate), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, rate=0.0)
        yield lambda completed, total, rate: bar.update(task, completed=completed, total=total, rate=rate)
