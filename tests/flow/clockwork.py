"""An entry point for tests only: wires an App and controls what no setting does: its clock, its lease, its death.

`clockwork.py send CONFIG`   what `mailer issue send --now` does.
`clockwork.py serve CONFIG`  what `mailer run --only sender` does.
`clockwork.py weeks CONFIG`  sets the clock to each instant read from stdin, runs a tick, sends what can be sent, and
                             prints one line, "ok" or the error.

`--lease S`       the seconds that a claim holds.
`--die-before SQL`, `--die-within SQL`  kills itself at the first statement that begins with SQL: before it, or, on
                  SQLite, while it runs. `--after N` lets N such statements pass first.
`--stop-in-transaction N`  stops itself (SIGSTOP) after writing its Nth group of mails and before the commit.
`--stop-between N`        stops itself before writing its Nth group.
SIGUSR1 sets its clock back by an hour.
"""

import argparse
import asyncio
import logging
import os
import signal
import sqlite3
import sys
import threading
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event

from mailer import config
from mailer.context import App, newest_issue
from mailer.errors import MailerError
from mailer.issues import delivery, draft
from mailer.issues.clock import tick
from mailer.model import IssueState
from mailer.process import stop_on_signals
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.store.database import Store, Work
from mailer.wiring import wire

T = TypeVar("T")
_STEPS_INTO = 20_000  # of SQLite's virtual machine: some hundred rows of an INSERT … SELECT


def send(app: App) -> None:
    async def work() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        issue = newest_issue(app)
        if issue.state is IssueState.DRAFT:
            issue = draft.freeze(app, issue)
        print("sending", flush=True)  # noqa: T201 - the test waits for it
        await delivery.deliver(app, delivery.ready(app, issue), wait=False, stop=stop)

    asyncio.run(work())


def serve(app: App) -> None:
    async def work() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        await delivery.keep_sending(app, stop)

    asyncio.run(work())


def weeks(app: App, time: list[datetime]) -> None:
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        time[0] = datetime.fromisoformat(line.strip())
        try:
            tick(app)
            asyncio.run(Sender(app, Circuits()).run())
            delivery.finish(app)
        except MailerError as error:
            print(f"{type(error).__name__}: {error}", flush=True)  # noqa: T201
        else:
            print("ok", flush=True)  # noqa: T201


def at_statement(words: str, after: int, *, within: bool = False) -> None:
    """Kill this process at one of its own statements."""
    seen = 0

    @event.listens_for(Engine, "before_cursor_execute")
    def _look(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        nonlocal seen
        if not statement.lstrip().startswith(words):
            return
        seen += 1
        if seen <= after:
            return
        if within:
            assert isinstance(cursor, sqlite3.Cursor), "only SQLite runs inside this process"
            cursor.connection.set_progress_handler(lambda: os.kill(os.getpid(), signal.SIGKILL), _STEPS_INTO)
        else:
            os.kill(os.getpid(), signal.SIGKILL)


class Sleeper(Store):
    """A database that stops its process: with `within`, after writing its Nth group of mails and before the commit;
    otherwise before writing that group."""

    def __init__(self, url: str, after: int, *, within: bool) -> None:
        super().__init__(url)
        self.after, self.within, self.groups = after, within, 0

    def at_once(self, short: Work[T | None]) -> T | None:
        return None if self.within else super().at_once(partial(self._before, short))

    def submit(self, work: Work[T], *, short: Work[T | None] | None = None, **how: Any) -> "Future[T]":
        if short is None:
            return super().submit(work, **how)
        if self.within:
            return super().submit(partial(self._in_one, short, work), **how)
        return super().submit(work, short=partial(self._before, short), **how)

    def _before(self, short: Work[T | None], alone: Connection) -> T | None:
        self._count()
        return short(alone)

    def _in_one(self, short: Work[T | None], work: Work[T], tx: Connection) -> T:
        done = short(tx)
        written = work(tx) if done is None else done
        self._count()
        return written

    def _count(self) -> None:
        self.groups += 1
        if self.groups == self.after:
            # Sent to this thread: otherwise it would run on until the signal is delivered.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["send", "serve", "weeks"])
    parser.add_argument("config", type=Path)
    parser.add_argument("--lease", type=float, default=60)
    parser.add_argument("--after", type=int, default=0)
    parser.add_argument("--stop-in-transaction", type=int)
    parser.add_argument("--stop-between", type=int)
    for name in ("--die-before", "--die-within"):
        parser.add_argument(name)
    return parser.parse_args()


def main(given: argparse.Namespace) -> None:
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    back, time = [timedelta()], [datetime.now(UTC)]

    def an_hour_back(*_: object) -> None:
        back[0] += timedelta(hours=1)

    signal.signal(signal.SIGUSR1, an_hour_back)
    if given.die_before:
        at_statement(given.die_before, given.after)
    if given.die_within:
        at_statement(given.die_within, given.after, within=True)
    now = (lambda: time[0]) if given.what == "weeks" else (lambda: datetime.now(UTC) - back[0])
    app = wire(config.load(given.config, {}), os.environ, now)
    app = replace(app, lease=timedelta(seconds=given.lease))
    if after := given.stop_in_transaction or given.stop_between:
        app.store.close()
        url = config.database_url(app.settings)
        app = replace(app, store=Sleeper(url, after, within=given.stop_in_transaction is not None))
    try:
        if given.what == "weeks":
            weeks(app, time)
        else:
            {"send": send, "serve": serve}[given.what](app)
    finally:
        app.store.close()


if __name__ == "__main__":
    main(arguments())
