"""The figures about subscribers (product.md §9): import, export, freeze and search of N readers, and how long a reader
waits for an unsubscribe POST while a send runs. SQLite in a temporary folder, the relay a real SMTP server on loopback.

    python -m bench.readers [--readers 1000000] [--leavings 1000]

Prints a table, and the same as JSON with --json. A bench measures; it asserts nothing.
"""

import argparse
import asyncio
import json
import random
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from mailer import config, tokens, web
from mailer.app import collect, compose, deliver, importing, subscribe
from mailer.app.circuit import Circuits
from mailer.app.context import App
from mailer.app.importing import How
from mailer.app.send import Sender
from mailer.cli.setup import make_deployment
from mailer.demo import sample
from mailer.demo.inbox import Inbox
from mailer.sources import identity, people
from mailer.tokens import Purpose
from mailer.wiring import wire

CONFIG = """\
[newsletter]
base_url = "https://news.example.org"
[newsletter.sections]
"سیاست" = "سیاست"
"ورزش" = "ورزش"
[[smtp]]
port = {port}
[readers]
ask_dns = false
"""


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    words.add_argument("--readers", type=int, default=1_000_000)
    words.add_argument("--leavings", type=int, default=1000)
    words.add_argument("--json", action="store_true")
    asked = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-readers-") as folder:
        inbox = Inbox()
        inbox.start()
        try:
            found = measure(Path(folder), inbox, asked.readers, asked.leavings)
        finally:
            inbox.stop()
    if asked.json:
        json.dump(found, sys.stdout, indent=2)
        return
    for name, value in found.items():
        print(f"{name:40} {value}")


def measure(folder: Path, inbox: Inbox, readers: int, leavings: int) -> dict[str, Any]:
    make_deployment(folder, CONFIG.format(port=inbox.port))
    app = wire(config.load(folder / "config.toml", {}), {})
    found: dict[str, Any] = {"readers": readers}
    try:
        file = write_list(folder / "list.csv", readers)
        found["import_dry_run_s"] = timed(lambda: importing.import_rows(app, people.read(file), How(dry_run=True)))
        found["import_s"] = timed(lambda: importing.import_rows(app, people.read(file)))
        found["import_again_s"] = timed(lambda: importing.import_rows(app, people.read(file)))
        found["search_s"] = timed(lambda: subscribe.listing(app, search="no such person", limit=50))
        found["export_s"] = timed(lambda: export(app, folder / "out.csv"))
        found["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        now = app.now()
        collect.keep(app, [(a, *identity.identify(a)) for a in sample.articles(now, "https://news.example.org")])
        issue = compose.freeze(app, compose.draft(app))
        found["freeze_recipients_s"] = timed(lambda: deliver.start(app, issue))
        found |= leave_while_sending(app, readers, leavings)
    finally:
        app.store.close()
    return found


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 2)


def write_list(file: Path, readers: int) -> Path:
    with file.open("w", encoding="utf-8") as to:
        to.write("ایمیل,نام,بخش,تاریخ عضویت\n")
        for n in range(readers):
            sections = "سیاست" if n % 5 == 0 else ""
            consent = f"2026-0{n % 9 + 1}-11T10:00:{n % 60:02}Z"
            to.write(f"reader{n}.x{n % 97}@example{n % 50}.org,خواننده {n},{sections},{consent}\n")
    return file


def export(app: App, file: Path) -> None:
    with file.open("w", encoding="utf-8-sig", newline="") as to:
        people.write(importing.export_rows(app), to)


def leave_while_sending(app: App, readers: int, leavings: int) -> dict[str, Any]:
    """Milliseconds until an unsubscribe POST is answered, while a sender works at full speed beside it."""
    stop = asyncio.Event()
    sending = threading.Thread(target=lambda: asyncio.run(Sender(app, Circuits(), stop=stop).run()), daemon=True)
    waits: list[float] = []
    chance = random.Random(1)
    with TestClient(web.create(app)) as client:
        sending.start()
        for _ in range(leavings):
            token = tokens.make(app.keys, Purpose.UNSUBSCRIBE, chance.randint(readers // 2, readers), 1)
            began = time.perf_counter()
            client.post(f"/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"}).raise_for_status()
            waits.append((time.perf_counter() - began) * 1000)
        busy = sending.is_alive()
        stop.set()
        sending.join(15)
    cuts = statistics.quantiles(waits, n=100)
    return {"leave_p50_ms": round(cuts[49], 1), "leave_p99_ms": round(cuts[98], 1), "still_sending": busy}


if __name__ == "__main__":
    main()
