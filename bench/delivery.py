"""How fast mails go out: ours against the C client, aiosmtplib's own loop and nodemailer's pool, on this machine.

Each row is a ratio: our rate through the mean of `smtp-source -d` measured just before and just after, with the same
connections and the same bytes, into the same kind of sink.
"""

import asyncio
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiosmtplib

from bench import deployment, machine
from mailer.app import probe


@dataclass(frozen=True)
class Row:
    """One measured case."""

    name: str
    connections: int
    rate: float  # mails a second
    share: float  # of smtp-source
    cpu_ms: float  # of our process(es), a mail


def measure(
    tool: machine.Tools,
    name: str,
    *,
    count: int,
    connections: int,
    database: str = "",
    more: str = "",
    processes: int = 1,
    sink_options: tuple[str, ...] = (),
) -> Row:
    """Sends an issue to `count` readers from a database of its own, by `mailer issue send --now`."""
    with tempfile.TemporaryDirectory() as name_, machine.sink(tool, *sink_options) as port:
        place = deployment.make(Path(name_), smtp_port=port, connections=connections, database=database, more=more)
        app = place.app()
        deployment.fill(app, count)
        issue = deployment.frozen(app)
        size = len(probe.preview(app, issue).eml)
        app.store.close()
        before = machine.source_rate(tool, port, connections=connections, count=count // 5, size=size)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "mailer", "--config", str(place.config), "issue", "send", "--now", "--json"]
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(processes)
        ]
        said = [process.communicate()[0] for process in running]
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        after = machine.source_rate(tool, port, connections=connections, count=count // 5, size=size)
        status = json.loads(said[0])
        if status["accepted"] != count:
            raise RuntimeError(f"{name}: {status['accepted']} of {count} accepted")
        rate = status["rate"]  # from the instant the recipients were frozen to the last outcome
        cpu = (now.ru_utime - used.ru_utime + now.ru_stime - used.ru_stime) / count * 1e3
        return Row(name, connections, rate, rate / ((before + after) / 2), cpu)


def aiosmtplib_loop(tool: machine.Tools, *, count: int, connections: int, size: int = 50_000) -> Row:
    """What one gets by calling `sendmail` in a loop on kept connections: no ledger, the same bytes for everybody."""
    content = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * (size // 78)

    async def one(port: int, share: int) -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        await client.connect()
        for number in range(share):
            await client.sendmail("a@example.org", [f"b{number}@example.org"], content)
        await client.quit()

    async def everybody(port: int) -> None:
        await asyncio.gather(*(one(port, count // connections) for _ in range(connections)))

    with machine.sink(tool) as port:
        before = machine.source_rate(tool, port, connections=connections, count=count, size=size)
        used, begun = time.process_time(), time.perf_counter()
        asyncio.run(everybody(port))
        rate = count / (time.perf_counter() - begun)
        return Row(
            "aiosmtplib's sendmail in a loop, no ledger",
            connections,
            rate,
            rate / before,
            (time.process_time() - used) / count * 1e3,
        )


_NODE = """
const nodemailer = require('nodemailer');
const [port, count, connections, size] = process.argv.slice(1).map(Number);
const pool = nodemailer.createTransport({pool: true, maxConnections: connections, maxMessages: Infinity,
  host: '127.0.0.1', port, secure: false, ignoreTLS: true});
const raw = 'Subject: x\\r\\n\\r\\n' + ('x'.repeat(76) + '\\r\\n').repeat(size / 78);
const begun = process.hrtime.bigint(), cpu = process.cpuUsage();
const all = [];
for (let n = 0; n < count; n++)
  all.push(pool.sendMail({envelope: {from: 'a@example.org', to: `b${n}@example.org`}, raw}));
Promise.all(all).then(() => {
  const used = process.cpuUsage(cpu);
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  console.log(JSON.stringify({seconds, cpu: (used.user + used.system) / 1e6}));
  pool.close();
});
"""


def nodemailer_pool(tool: machine.Tools, *, count: int, connections: int, size: int = 50_000) -> Row | None:
    """nodemailer's pool, when node and the package can be had; None otherwise."""
    if not shutil.which("npm"):
        return None
    with _node_folder() as folder, machine.sink(tool) as port:
        if folder is None:
            return None
        before = machine.source_rate(tool, port, connections=connections, count=count, size=size)
        words = ["node", "-e", _NODE, str(port), str(count), str(connections), str(size)]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            return None
        said = json.loads(done.stdout)
        rate = count / said["seconds"]
        return Row("nodemailer's pool, no ledger", connections, rate, rate / before, said["cpu"] / count * 1e3)


@contextmanager
def _node_folder() -> Iterator[Path | None]:
    with tempfile.TemporaryDirectory() as folder:
        words = ["npm", "install", "--silent", "--no-audit", "--no-fund", "nodemailer"]
        done = subprocess.run(words, cwd=folder, capture_output=True, check=False)
        yield Path(folder) if done.returncode == 0 else None
