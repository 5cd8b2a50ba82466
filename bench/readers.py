"""Measures how long the work on a list of subscribers takes: import, search, export, freezing and unsubscribing.

The database is SQLite in a temporary folder. The service runs in a separate process, and readers unsubscribe while the
service sends.

    python -m bench.readers [--readers 1000000] [--leavings 1000]

The CPU time is shown beside the elapsed time, because other work on the machine lengthens only the elapsed time.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from bench import leaving, machine
from bench.machine import Tools, free_port
from bench.page import Options, table
from mailer import config
from mailer.articles import collect
from mailer.cli.setup import make_deployment
from mailer.context import App
from mailer.demo import sample
from mailer.demo.inbox import Inbox
from mailer.issues import delivery, draft
from mailer.readers import admin, importing
from mailer.readers.importing import How
from mailer.sources import people
from mailer.wiring import wire

LEAVINGS = 1000
HEAD = ("what", "must", "aim", "here", "CPU")
CONFIG = """\
[newsletter]
base_url = "https://news.example.org"
[newsletter.sections]
"سیاست" = "سیاست"
"ورزش" = "ورزش"
[web]
port = {web}
[[smtp]]
port = {port}
[readers]
ask_dns = false
"""


class Row(NamedTuple):
    """One figure and its limits, as text."""

    what: str
    must: str
    aim: str
    here: str
    cpu: str = ""


def section(options: Options) -> str:
    """Returns the section of the page."""
    return table(HEAD, [*rows(options.large), *leave_while_sending(options.tools, LEAVINGS)])


def rows(readers: int) -> Iterator[Row]:
    """Yields the figures for the given number of subscribers."""
    yield help_()
    inbox = Inbox()
    inbox.start()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-readers-") as folder:
            yield from _rows(Path(folder), inbox, readers)
    finally:
        inbox.stop()


def _rows(folder: Path, inbox: Inbox, readers: int) -> Iterator[Row]:
    web = free_port()
    make_deployment(folder, CONFIG.format(port=inbox.port, web=web))
    app = wire(config.load(folder / "config.toml", {}), {})
    many = f"{readers:,} subscribers"
    try:
        file = write_list(folder / "list.csv", readers)
        yield timed(f"import CSV, {many}", "120 s", "60 s", lambda: import_list(app, file))
        yield timed("the same list again", "", "", lambda: import_list(app, file))
        yield timed("dry run of it", "", "", lambda: import_list(app, file, How(dry_run=True)))
        yield timed(f"list --search, {many}", "", "", lambda: admin.matching(app, search="no such", limit=50))
        yield timed(f"export, {many}", "", "", lambda: export(app, folder / "out.csv"))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        yield Row("peak memory until here, our test server included", "120 MB", "60 MB", f"{peak} MB")
        now = app.now()
        collect.keep(app, sample.articles(now, "https://news.example.org"))
        issue = draft.freeze(app, draft.draft(app))
        yield timed(f"freeze the recipients, {many}", "30 s", "5 s", lambda: delivery.start(app, issue))
        with leaving.service(folder, "sender,web"):
            began = time.perf_counter()
            while not inbox.mails:
                time.sleep(0.01)
            yield Row(f"first mail out, {many}", "30 s", "5 s", f"{time.perf_counter() - began:.1f} s")
    finally:
        app.store.close()


def timed(what: str, must: str, aim: str, use_case: Callable[[], object]) -> Row:
    began, cpu = time.perf_counter(), time.process_time()
    use_case()
    return Row(what, must, aim, f"{time.perf_counter() - began:.1f} s", f"{time.process_time() - cpu:.1f} s")


def help_() -> Row:
    """Measures `mailer --help`. Takes the median of several calls, because the first calls fill the caches of the
    machine."""
    command = [str(Path(sys.executable).with_name("mailer")), "--help"]
    times = []
    for _ in range(15):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - began) * 1000)
    return Row("`mailer --help`, median", "150 ms", "60 ms", f"{statistics.median(times):.0f} ms")


def write_list(file: Path, readers: int) -> Path:
    with file.open("w", encoding="utf-8") as to:
        to.write("ایمیل,نام,بخش,تاریخ عضویت\n")
        for n in range(readers):
            sections = "سیاست" if n % 5 == 0 else ""
            consent = f"2026-0{n % 9 + 1}-11T10:00:{n % 60:02}Z"
            to.write(f"reader{n}.x{n % 97}@example{n % 50}.org,خواننده {n},{sections},{consent}\n")
    return file


def import_list(app: App, file: Path, how: How | None = None) -> None:
    found = people.read(file)
    importing.import_rows(app, found, how, may_hold_leavers=found.may_hold_leavers)


def export(app: App, file: Path) -> None:
    with file.open("w", encoding="utf-8-sig", newline="") as to:
        people.write(importing.export_rows(app), to)


def leave_while_sending(tools: Tools, leavings: int) -> Iterator[Row]:
    for name, waits in leaving.both(tools, 100 * leavings, leavings):
        yield Row(f"unsubscribe POST, 20 a second while {name} send at full speed, p99", "100 ms", "25 ms", str(waits))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--readers", type=int, default=1_000_000)
    parser.add_argument("--leavings", type=int, default=LEAVINGS)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    asked = parser.parse_args()
    tools = machine.tools()
    if tools is None:
        sys.exit('smtp-sink is missing: eval "$(bench/postfix-tools.sh DIR)"')
    for row in chain(rows(asked.readers), leave_while_sending(tools, asked.leavings)):
        print(
            json.dumps(row._asdict(), ensure_ascii=False) if asked.json else " · ".join(filter(None, row)), flush=True
        )


if __name__ == "__main__":
    main()
