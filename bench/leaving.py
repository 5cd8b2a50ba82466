"""Measures how long a reader waits for an unsubscribe POST while the service sends at full speed.

Requests are sent at a fixed rate, whether earlier requests were answered or not. Each wait is counted from the time at
which the request was due. The readers, the relay (`smtp-sink`) and the service run in separate processes, so that the
bench does not delay them.

    python -m bench.leaving [--readers 100000] [--leavings 400]
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import func, select

from bench import deployment, machine
from bench.machine import Tools, free_port
from mailer import tokens
from mailer.context import App
from mailer.issues import delivery
from mailer.store.schema import deliveries
from mailer.tokens import Purpose

A_SECOND, CALLERS = 20, 8  # POSTs per second, and the number of connections for them
SETUPS = {"one process": ("sender,web",), "two processes": ("web", "sender")}
_BODY = "List-Unsubscribe=One-Click"
_REQUEST = (
    "POST {path} HTTP/1.1\r\nHost: news.example.org\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    f"Content-Length: {len(_BODY)}\r\n\r\n{_BODY}"
)


class Waits(NamedTuple):
    """The readers' waits in milliseconds, and the number of mails per second that the service sent meanwhile."""

    median: float
    p99: float
    longest: float
    mails: float

    def __str__(self) -> str:
        beside = f"median {self.median:.0f}, longest {self.longest:.0f}; {self.mails:,.0f} mails/s beside it"
        return f"{self.p99:.0f} ms ({beside})"


def both(tools: Tools, readers: int, leavings: int) -> Iterator[tuple[str, Waits]]:
    """Measures each set-up with a new database. There must be so many `readers` that sending does not end before the
    measurement."""
    chance = random.Random(1)
    for name, parts in SETUPS.items():
        with tempfile.TemporaryDirectory() as folder, machine.sink(tools) as port:
            web = free_port()
            place = deployment.make(Path(folder), smtp_port=port, connections=10, smtp=f"[web]\nport = {web}\n")
            app = place.app()
            try:
                deployment.fill(app, readers)
                delivery.start(app, deployment.frozen(app))
                who = [chance.randint(1, readers) for _ in range(leavings)]
                yield name, measure(app, place.folder, web, parts, who)
            finally:
                app.store.close()


def measure(app: App, folder: Path, web: int, parts: Sequence[str], who: Sequence[int]) -> Waits:
    """Unsubscribes the readers with the ids `who` while the service sends an issue. One process of the service runs for
    each element of `parts`."""
    paths = ["/unsubscribe/" + tokens.make(app.keys, Purpose.UNSUBSCRIBE, number, 1) for number in who]
    with ExitStack() as running:
        for part in parts:
            running.enter_context(service(folder, part))
        _until(lambda: sent(app) > 0)
        before, began = sent(app), time.perf_counter()
        command = [sys.executable, "-m", "bench.leaving", "--call", str(web)]
        called = subprocess.run(command, input=json.dumps(paths), capture_output=True, text=True, check=True)
        mails = (sent(app) - before) / (time.perf_counter() - began)
    waits = json.loads(called.stdout)
    cuts = statistics.quantiles(waits, n=100)
    return Waits(cuts[49], cuts[98], max(waits), mails)


def sent(app: App) -> int:
    query = select(func.count()).select_from(deliveries).where(deliveries.c.finished_at.is_not(None))
    return int(app.store.read(lambda tx: tx.execute(query).scalar_one()))


@contextmanager
def service(folder: Path, parts: str) -> Iterator[None]:
    """Runs these parts of the service in one process until the `with` block ends. The block begins when the process is
    ready."""
    command = [sys.executable, "-m", "mailer", "--config", str(folder / "config.toml"), "run", "--only", parts]
    log = folder / f"{parts}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stderr=out, env=dict(os.environ))
    try:
        _until(lambda: b"mailer runs" in log.read_bytes() or process.poll() is not None)
        yield
    finally:
        process.terminate()
        process.wait(15)


def _until(ready: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise RuntimeError("the service does not start")
        time.sleep(0.02)


async def call(port: int, paths: Sequence[str]) -> list[float]:
    """Sends the POSTs at the fixed rate. Returns the milliseconds from the time at which each POST was due to its
    response."""
    began = time.perf_counter() + 0.1

    async def caller(first: int) -> list[float]:
        waits = []
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(first, len(paths), CALLERS):
            due = began + number / A_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(_REQUEST.format(path=paths[number]).encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            if not head.startswith("http/1.1 200 "):
                raise RuntimeError(f"the response to an unsubscribe POST: {head.splitlines()[0]}")
            await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
            waits.append((time.perf_counter() - due) * 1000)
        writer.close()
        return waits

    parts = await asyncio.gather(*(caller(n) for n in range(CALLERS)))
    return [each for part in parts for each in part]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=100_000)
    parser.add_argument("--leavings", type=int, default=400)
    parser.add_argument("--call", type=int, metavar="PORT", help="be the readers (paths on stdin)")
    asked = parser.parse_args()
    if asked.call:
        print(json.dumps(asyncio.run(call(asked.call, json.load(sys.stdin)))))
        return
    tools = machine.tools()
    if tools is None:
        sys.exit('smtp-sink is missing: eval "$(bench/postfix-tools.sh DIR)"')
    for name, waits in both(tools, asked.readers, asked.leavings):
        print(f"{name}: {waits}, load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
