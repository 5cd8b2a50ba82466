"""Measures two other libraries with the same mails and the same sink: aiosmtplib in a loop, and nodemailer's pool.

Neither library keeps a ledger. The share is the ratio to the rate of `smtp-source -d`, as in the other parts.
"""

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiosmtplib

from bench import machine
from bench.page import Options, table

SIZE = 50_000
CONNECTIONS = 10
MOST = 5000  # largest number of mails to send, because these libraries are slow
COLUMNS = ("what", "connections", "mails a second", "share of smtp-source", "CPU ms a mail")


def run(options: Options) -> str:
    count = min(options.count, MOST)
    rows = [_aiosmtplib(options, count)]
    if pool := _nodemailer(options, count):
        rows.append(pool)
    return "No ledger, no merging, the same bytes for every recipient.\n\n" + table(COLUMNS, rows)


def _row(name: str, source: machine.Source, rate: float, cpu_ms: float) -> tuple[str, ...]:
    return name, str(CONNECTIONS), f"{rate:,.0f}", f"{rate / source.rate:.2f}", f"{cpu_ms:.2f}"


def _source(options: Options, port: int, count: int) -> machine.Source:
    return machine.source(options.tools, port, connections=CONNECTIONS, count=count, size=SIZE)


def _aiosmtplib(options: Options, count: int) -> tuple[str, ...]:
    """Measures `sendmail`, called in a loop on persistent connections."""
    content = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * (SIZE // 78)

    async def one(port: int, share: int) -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        await client.connect()
        for number in range(share):
            await client.sendmail("a@example.org", [f"b{number}@example.org"], content)
        await client.quit()

    async def everybody(port: int) -> None:
        await asyncio.gather(*(one(port, count // CONNECTIONS) for _ in range(CONNECTIONS)))

    with machine.sink(options.tools) as port:
        source = _source(options, port, count)
        used, begun = time.process_time(), time.perf_counter()
        asyncio.run(everybody(port))
        rate = count / (time.perf_counter() - begun)
        return _row("aiosmtplib's `sendmail` in a loop", source, rate, (time.process_time() - used) / count * 1e3)


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


def _nodemailer(options: Options, count: int) -> tuple[str, ...] | None:
    """Measures nodemailer's pool. Returns None if Node.js or the package is not available."""
    if not shutil.which("npm"):
        return None
    with _node_folder() as folder, machine.sink(options.tools) as port:
        if folder is None:
            return None
        source = _source(options, port, count)
        words = ["node", "-e", _NODE, str(port), str(count), str(CONNECTIONS), str(SIZE)]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            return None
        result = json.loads(done.stdout)
        return _row("nodemailer's pool", source, count / result["seconds"], result["cpu"] / count * 1e3)


@contextmanager
def _node_folder() -> Iterator[Path | None]:
    with tempfile.TemporaryDirectory() as folder:
        words = ["npm", "install", "--silent", "--no-audit", "--no-fund", "nodemailer"]
        done = subprocess.run(words, cwd=folder, capture_output=True, check=False)
        yield Path(folder) if done.returncode == 0 else None
