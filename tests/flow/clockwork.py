"""The test-only way in: wires an App and turns what no setting of the product turns, its clock, its lease, its death.

`clockwork.py send CONFIG`   what `mailer issue send --now` does.
`clockwork.py serve CONFIG`  what `mailer run --only sender` does.
`clockwork.py weeks CONFIG`  for each instant read from stdin: that is now; a tick, and what can be sent is sent; then
                             one line on stdout, «ok» or what went wrong.

`--lease S`       claims hold so many seconds.
`--die-before SQL`, `--die-within SQL`  at the first statement that begins so, it kills itself: before it, or, on
                  SQLite, while it runs. `--after N`: so many such statements pass first.
`--stop-in-transaction N`  it stops itself (SIGSTOP) after its Nth UPDATE of deliveries, before it commits that; or,
`--stop-between N`        before it begins the transaction after that.
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
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from mailer import config
from mailer.app import compose, deliver
from mailer.app.circuit import Circuits
from mailer.app.context import App, find
from mailer.app.send import Sender
from mailer.app.tick import tick
from mailer.errors import MailerError
from mailer.model import IssueState
from mailer.process import stop_on_signals
from mailer.wiring import wire

_STEPS_INTO = 20_000  # of SQLite's machine: some hundred rows of an INSERT … SELECT


def send(app: App) -> None:
    async def work() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        issue = find(app, None)
        if issue.state is IssueState.DRAFT:
            issue = compose.freeze(app, issue)
        print("sending", flush=True)  # noqa: T201 - the test waits for it
        await deliver.deliver(app, deliver.ready(app, issue), wait=False, stop=stop)

    asyncio.run(work())


def serve(app: App) -> None:
    async def work() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        await deliver.keep_sending(app, stop)

    asyncio.run(work())


def weeks(app: App, time: list[datetime]) -> None:
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        time[0] = datetime.fromisoformat(line.strip())
        try:
            tick(app)
            asyncio.run(Sender(app, Circuits()).run())
            deliver.finish(app)
        except MailerError as error:
            print(f"{type(error).__name__}: {error}", flush=True)  # noqa: T201
        else:
            print("ok", flush=True)  # noqa: T201


def at_statement(words: str, after: int, *, within: bool = False) -> None:
    """This process kills itself at a statement of its own."""
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


def stop(after: int, *, within: bool) -> None:
    """This process stops itself: between its writing and the commit, or between two of its writing transactions."""
    written = 0

    def now() -> None:
        # Said to this thread: another one would let it run on until the signal has gone round.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    @event.listens_for(Engine, "after_cursor_execute")
    def _count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal written
        if statement.lstrip().startswith("UPDATE deliveries") and (written := written + 1) == after and within:
            now()

    @event.listens_for(Engine, "begin")
    def _between(_connection: Any) -> None:
        nonlocal written
        if written >= after and not within and threading.current_thread().name.startswith("store-writer"):
            written = -1_000_000
            now()


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
    if given.stop_in_transaction:
        stop(given.stop_in_transaction, within=True)
    if given.stop_between:
        stop(given.stop_between, within=False)
    now = (lambda: time[0]) if given.what == "weeks" else (lambda: datetime.now(UTC) - back[0])
    app = wire(config.load(given.config, {}), os.environ, now)
    app = replace(app, lease=timedelta(seconds=given.lease))
    try:
        if given.what == "weeks":
            weeks(app, time)
        else:
            {"send": send, "serve": serve}[given.what](app)
    finally:
        app.store.close()


if __name__ == "__main__":
    main(arguments())
