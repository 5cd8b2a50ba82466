"""The test-only way in: wires an App and turns what no setting of the product turns, its clock and its lease.

`clockwork.py send CONFIG LEASE_S`  what `mailer issue send --now` does, with claims that hold LEASE_S seconds.
`clockwork.py weeks CONFIG`         for each instant read from stdin: that is now; a tick, and what can be sent is sent;
                                    then one line on stdout, «ok» or what went wrong.
"""

import asyncio
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mailer import config
from mailer.app import compose, deliver
from mailer.app.circuit import Circuits
from mailer.app.context import App, find
from mailer.app.send import Sender
from mailer.app.tick import tick
from mailer.errors import MailerError
from mailer.model import IssueState
from mailer.signals import stop_on_signals
from mailer.wiring import wire


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


def main(what: str, config_file: Path, lease_s: float) -> None:
    time = [datetime.now(UTC)]
    turned = what == "weeks"
    app = wire(config.load(config_file, {}), os.environ, (lambda: time[0]) if turned else None)
    app = replace(app, lease=timedelta(seconds=lease_s))
    try:
        weeks(app, time) if turned else send(app)
    finally:
        app.store.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 60)
