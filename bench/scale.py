"""Measures the cost of a long list: the memory of a sender, the time for freezing the recipients, and the time until
the first mail."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import select, text

from bench import delivery, deployment, machine
from bench.page import Options, table
from mailer.context import App
from mailer.issues import delivery as delivering
from mailer.model import Issue
from mailer.store import issues
from mailer.store.schema import deliveries

WATCH_S = 600.0  # longest time in seconds for which a sender's memory is watched; a million mails take four minutes
SMALL = {"stories": 5, "words": 5}


def memory(options: Options) -> str:
    """Measures the peak memory of one sender, for lists of three lengths."""
    rows = []
    for count in sorted({min(10_000, options.large), options.large // 10, options.large}):
        with tempfile.TemporaryDirectory() as folder, machine.sink(options.tools) as port:
            place = deployment.make(Path(folder), smtp_port=port, connections=10, smtp=delivery.ON)
            with delivery.opened(place) as app:
                deployment.fill(app, count)
                deployment.frozen(app, **SMALL)
            process = _sender(place)
            peak, end = 0.0, time.monotonic() + WATCH_S
            while process.poll() is None and time.monotonic() < end:
                peak = max(peak, machine.peak_mb(process.pid))
                time.sleep(0.05)
            whole = process.poll() is not None
            process.terminate()
            process.wait()
        rows.append((f"{count:,}", f"{peak:.0f}", "to the end" if whole else f"the first {WATCH_S:.0f} s"))
    words = (
        "VmHWM of one `mailer issue send --now`, SQLite, 10 connections, small mails; it freezes the recipients too."
    )
    return words + "\n\n" + table(("subscribers", "peak, MB", "watched"), rows)


def large(options: Options) -> str:
    """Measures the times for a long list, on SQLite."""
    with tempfile.TemporaryDirectory() as folder, machine.sink(options.tools) as port:
        place = deployment.make(Path(folder), smtp_port=port, connections=10, smtp=delivery.ON)
        with delivery.opened(place) as app:
            deployment.fill(app, options.large)
            issue = deployment.frozen(app, **SMALL)
            empty, begun = _database_bytes(app), time.perf_counter()
            delivering.start(app, issue)
            froze = time.perf_counter() - begun
            row_kb = (_database_bytes(app) - empty) / options.large / 1000
            begun = time.perf_counter()
            delivering.status(app, issue)
            counted = time.perf_counter() - begun
            begun = time.perf_counter()
            process = _sender(place)
            first = _first(app, issue, begun)
            process.terminate()
            process.wait()
    rows = (
        ("freezing the recipients", f"{froze:.1f}"),
        ("first mail out, from the start of the command", f"{first:.1f}"),
        ("counting the states (`issue status`)", f"{counted:.2f}"),
    )
    words = f"{options.large:,} subscribers, SQLite. A row of the ledger takes {row_kb:.2f} kB, with its indexes.\n\n"
    return words + table(("what", "seconds"), rows)


def _database_bytes(app: App) -> int:
    """Returns the size of the database in bytes."""
    query = text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    return int(app.store.read(lambda tx: tx.execute(query).scalar_one()))


def _sender(place: deployment.Deployment) -> "subprocess.Popen[bytes]":
    send = ("issue", "send", "--now", "--yes", "--json")
    command = [sys.executable, "-m", "mailer", "--config", str(place.config), *send]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _first(app: App, issue: Issue, begun: float) -> float:
    """Returns the seconds from `begun` until the ledger shows that a relay has accepted a mail."""
    query = select(deliveries.c.id).where(deliveries.c.id <= 50, deliveries.c.state == "accepted").limit(1)
    while app.store.read(lambda tx: tx.execute(query).first()) is None:
        if time.perf_counter() - begun > 300:
            current = app.store.read(lambda tx: issues.get(tx, issue.id))
            raise RuntimeError(f"no mail went out: {current}")
        time.sleep(0.02)
    return time.perf_counter() - begun
