"""Measures how fast the service sends, and how soon its pages answer, while hostile sources are collected.

The sources are the documents of `tests/hostile.py`, each nearly as large as a source may be. The relay (`smtp-sink`),
the web server of the sources and the service run in separate processes.

    python -m bench.hostile [--readers 100000] [--rounds 2]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from sqlalchemy import func, select

from bench import deployment, machine
from bench.leaving import sent, service
from bench.machine import Tools, free_port
from mailer.issues import delivery
from mailer.store.schema import feeds

TESTS = Path(__file__).parent.parent / "tests"
SIZE = 4_900_000
_SHORTEST_S = 10.0  # seconds of a measurement without sources


class Beside(NamedTuple):
    mails: float  # a second
    slowest: float  # the slowest answer of /healthz, in milliseconds
    sources: int
    seconds: float


def measure(tools: Tools, readers: int, addresses: list[str], *, seconds: float) -> Beside:
    """Sends an issue until all sources are collected, or for some seconds if there are none."""
    with tempfile.TemporaryDirectory() as folder, machine.sink(tools) as port:
        web = free_port()
        sources = "".join(f'[[articles.feeds]]\nurl = "{address}"\n' for address in addresses)
        more = f"[web]\nport = {web}\n{sources}"
        place = deployment.make(Path(folder), smtp_port=port, connections=10, smtp=more)
        app = place.app()
        try:
            deployment.fill(app, readers)
            delivery.start(app, deployment.frozen(app))
            with service(Path(folder), "collector,sender,web"):
                while not sent(app):
                    time.sleep(0.02)
                before, began, slowest = sent(app), time.perf_counter(), 0.0
                collected = select(func.count()).where(feeds.c.looked_at.is_not(None))
                while (done := sent(app)) < readers:
                    found = app.store.read(lambda tx: tx.execute(collected).scalar_one())
                    if time.perf_counter() - began > seconds and found >= len(addresses):
                        break
                    asked = time.perf_counter()
                    with urlopen(f"http://127.0.0.1:{web}/healthz", timeout=60) as answer:
                        answer.read()
                    slowest = max(slowest, time.perf_counter() - asked)
                    time.sleep(0.1)
                taken = time.perf_counter() - began
                return Beside((done - before) / taken, slowest * 1000, found, taken)
        finally:
            app.close()


@contextmanager
def sources() -> Iterator[list[str]]:
    """Serves the documents in a process of its own, and yields their addresses."""
    command = [sys.executable, "-m", "bench.hostile", "--serve"]
    environ = {**os.environ, "KHABARNAMEH_HOSTILE": str(SIZE)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            port, count = map(int, process.stdout.readline().split())
            yield [f"http://127.0.0.1:{port}/{number}" for number in range(count)]
        finally:
            process.kill()


def serve() -> None:
    sys.path.insert(0, str(TESTS))
    import hostile

    pages = [hostile.packed(name) for name in hostile.DOCUMENTS]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages[int(self.path.strip("/"))]
            self.send_response(200)
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, len(pages), flush=True)
    threading.Thread(target=server.serve_forever).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--serve", action="store_true", help="be the web server of the sources")
    asked = parser.parse_args()
    if asked.serve:
        serve()
        return
    tools = machine.tools()
    if tools is None:
        sys.exit('smtp-sink is missing: eval "$(bench/postfix-tools.sh DIR)"')
    with sources() as addresses:
        for _ in range(asked.rounds):
            alone = measure(tools, asked.readers, [], seconds=_SHORTEST_S)
            beside = measure(tools, asked.readers, addresses, seconds=_SHORTEST_S)
            print(
                f"{alone.mails:,.0f} mails/s alone, {beside.mails:,.0f} beside {beside.sources} hostile sources "
                f"({beside.mails / alone.mails:.2f}, during {beside.seconds:.0f} s); slowest /healthz "
                f"{alone.slowest:.0f} and {beside.slowest:.0f} ms; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
