"""How far a long work is: for people a bar with rate and time left, for machines a line of JSON a second."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from mailer.issues.delivery import Progress
from mailer.lifecycle import TERMINAL
from mailer.model import DeliveryState, Issue, IssueStatus


def sentence(status: IssueStatus) -> str:
    """One line: the state and the counts that are not nought."""
    if not status.recipients:
        return f"{status.slot} is {status.state}; nobody was mailed."
    counts = [f"{count} {state}" for state, count in status.counts.items() if count]
    rate = f", {status.rate:g} mails a second" if status.rate else ""
    return f"{status.slot} is {status.state}: {_readers(status.recipients)} – {', '.join(counts)}{rate}."


def _readers(count: int) -> str:
    return "1 reader" if count == 1 else f"{count} readers"


def done(status: IssueStatus) -> int:
    """Deliveries that are over, whatever way."""
    return sum(status.counts[state] for state in TERMINAL)


@contextmanager
def shown(issue: Issue) -> Iterator[Progress]:
    """Shows progress on stderr while the block runs."""
    if not sys.stderr.isatty():
        yield _line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(issue.slot), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]:g}/s"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=issue.recipients or None, rate=0.0)
        yield lambda status: bar.update(task, completed=done(status), total=status.recipients, rate=status.rate)


def _line(status: IssueStatus) -> None:
    counts = {str(state): status.counts[state] for state in DeliveryState if status.counts[state]}
    said = {"slot": status.slot, "done": done(status), "recipients": status.recipients, **counts, "rate": status.rate}
    click.echo(json.dumps(said), err=True)


@contextmanager
def counted(name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Shows on stderr how many rows of `total` (None: nobody knows) are done, which it is told by calls."""
    began = said = time.monotonic()
    if not sys.stderr.isatty():

        def line(rows: int) -> None:
            nonlocal said
            now = time.monotonic()
            if now - said >= 1:
                said = now
                click.echo(
                    json.dumps({"file": name, "rows": rows, "of": total, "rate": round(rows / (now - began))}), err=True
                )

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]:,.0f}/s"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, rate=0.0)
        yield lambda rows: bar.update(task, completed=rows, rate=rows / max(time.monotonic() - began, 0.001))
