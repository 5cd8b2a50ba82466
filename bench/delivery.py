"""Measures how fast `mailer issue send` sends mails with a ledger, compared with Postfix's C client `smtp-source`.

The share is the rate of this program divided by the mean of two rates of `smtp-source -d`, one measured just before and
one just after. Both programs open the same number of connections to the same `smtp-sink` and send mails of the same
size. The rate of this program counts the mails from the first outcome in the ledger to the last.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from bench import deployment, machine, wire
from bench.page import Options, Skipped, table
from mailer.context import App
from mailer.issues import preview
from mailer.store.schema import deliveries

sys.path.append(str(Path(__file__).parents[1] / "tests"))
import pg

COLUMNS = ("what", "connections", "mails a second", "share of smtp-source", "CPU ms a mail", "smtp-source's CPU")
_EXPLANATION = """\
Share: the rate divided by that of `smtp-source -d` just before and after, with the same number of
connections and bytes ({size:,}), into Debian's `smtp-sink` on the same machine. CPU: of all sending
processes, without the CPU of starting them ({start:.1f} s in all).
"""
ON, OFF = 'overlap = "on"\n', 'overlap = "off"\n'


@dataclass(frozen=True)
class Row:
    """One measured case."""

    name: str
    connections: int
    rate: float  # mails a second
    share: float  # `rate` divided by the rate of smtp-source
    cpu_ms: float  # CPU time of the sending processes for each mail
    source_cpu_ms: float
    start_s: float  # CPU seconds for starting the processes
    size: int

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            *(self.name, str(self.connections), f"{self.rate:,.0f}", f"{self.share:.2f}"),
            *(f"{self.cpu_ms:.2f}", f"{self.source_cpu_ms:.2f}"),
        )


def sqlite(options: Options) -> str:
    rows = [
        measure(options, "SQLite (FULL), overlapped", connections=10, smtp=ON),
        measure(options, "SQLite (FULL), overlapped", connections=20, smtp=ON),
        measure(options, "SQLite (FULL), pipelined", connections=10, smtp=OFF),
    ]
    return _section(rows)


def postgresql(options: Options) -> str:
    with _server() as server:
        rows = [
            measure(
                options,
                "PostgreSQL (fsync on), overlapped",
                connections=each,
                smtp=ON,
                database=server.create(f"c{each}"),
            )
            for each in (20, 10)
        ]
    return _section(rows)


def dkim(options: Options) -> str:
    rows = [
        measure(options, "SQLite (FULL), RSA-2048", connections=each, smtp=ON, sign=True, count=options.count // 2)
        for each in (10, 20)
    ]
    return _section(rows)


def senders(options: Options) -> str:
    with _server() as server:
        rows = [
            measure(
                options,
                f"{each} processes",
                connections=10,
                smtp=ON,
                database=server.create(f"p{each}"),
                processes=each,
            )
            for each in (1, 2, 4)
        ]
    return "Each process has this many connections; `smtp-source` has as many as all of them together.\n\n" + _section(
        rows
    )


def late(options: Options) -> str:
    """Measures sending to a relay that answers late. There is no share, because `smtp-source` would wait for four round
    trips in each mail."""
    rows = []
    for name, smtp in (("overlapped", ON), ("pipelined", OFF)):
        with wire.late_relay() as port, tempfile.TemporaryDirectory() as folder:
            count = min(options.count, 5000)
            place, _ = prepared(Path(folder), count, port, connections=10, smtp=smtp)
            _send(place, 1)
            rows.append((name, 10, f"{_rate(place):,.0f}"))
    return table(("what", "connections", "mails a second"), rows)


def measure(
    options: Options,
    name: str,
    *,
    connections: int,
    smtp: str = "",
    database: str = "",
    sign: bool = False,
    processes: int = 1,
    count: int = 0,
) -> Row:
    """Measures `mailer issue send --now` with a new database and an issue for `count` readers."""
    count = count or options.count
    with tempfile.TemporaryDirectory() as folder, machine.sink(options.tools) as port:
        place, size = prepared(
            Path(folder), count, port, connections=connections, smtp=smtp, database=database, sign=sign
        )

        def source() -> machine.Source:
            every = connections * processes
            return machine.source(options.tools, port, connections=every, count=max(count // 5, 2000), size=size)

        before, used = source(), machine.cpu_of_children()
        _send(place, processes)
        sent = machine.cpu_of_children()
        after = source()
        again = machine.cpu_of_children()
        _send(place, processes)  # nothing is left to send, so this run measures only the start
        start = machine.cpu_of_children() - again
        rate = _rate(place)
        return Row(
            name=name,
            connections=connections,
            rate=rate,
            share=rate / ((before.rate + after.rate) / 2),
            cpu_ms=(sent - used - start) / count * 1e3,
            source_cpu_ms=(before.cpu_ms + after.cpu_ms) / 2,
            start_s=start,
            size=size,
        )


def prepared(
    folder: Path, count: int, port: int, *, connections: int, smtp: str, database: str = "", sign: bool = False
) -> tuple[deployment.Deployment, int]:
    """Returns a deployment with a frozen issue, and the size in bytes of the issue's mails."""
    place = deployment.make(folder, smtp_port=port, connections=connections, database=database, smtp=smtp, sign=sign)
    with opened(place) as app:
        deployment.fill(app, count)
        return place, len(preview.preview(app, deployment.frozen(app)).eml)


@contextmanager
def opened(place: deployment.Deployment) -> Iterator[App]:
    app = place.app()
    try:
        yield app
    finally:
        app.store.close()


def _send(place: deployment.Deployment, processes: int) -> None:
    send = ("issue", "send", "--now", "--yes", "--json")
    command = [sys.executable, "-m", "mailer", "--config", str(place.config), *send]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [subprocess.Popen(command, **streams) for _ in range(processes)]  # type: ignore[call-overload]
    if any(process.wait() for process in running):
        raise RuntimeError("`mailer issue send` failed")


def _rate(place: deployment.Deployment) -> float:
    """Returns the mails per second from the first outcome to the last. Raises RuntimeError if not all mails were
    accepted."""
    done = deliveries.c.finished_at
    query = select(func.count(), func.min(done), func.max(done)).where(deliveries.c.state == "accepted")
    with opened(place) as app:
        count, first, last = app.store.read(lambda tx: tx.execute(query).one())
        owed = app.store.read(lambda tx: tx.execute(select(func.count()).select_from(deliveries)).scalar_one())
    if count != owed:
        raise RuntimeError(f"{count} of {owed} accepted")
    return float(count / (last - first).total_seconds())


@contextmanager
def _server() -> Iterator[pg.Cluster]:
    try:
        with pg.cluster(durable=True) as server:
            yield server
    except pg.NoPostgres as reason:
        raise Skipped(str(reason)) from reason


def _section(rows: list[Row]) -> str:
    explanation = _EXPLANATION.format(size=rows[0].size, start=max(row.start_s for row in rows))
    return explanation + "\n" + table(COLUMNS, [row.cells for row in rows])
