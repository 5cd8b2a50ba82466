"""Measures SMTP alone, without ledger, rendering and DKIM. Usage: python bench/wire.py [mails] [connections].

`mailer.smtp` and `smtp-source` each send mails of 50 kB to Debian's `smtp-sink`; `mailer.smtp` also sends to a relay
that delays every answer by 20 ms. The variables SMTP_SINK and SMTP_SOURCE name the two programs;
`bench/postfix-tools.sh` prints both.
"""

import asyncio
import base64
import functools
import os
import random
import resource
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal

from mailer.model import Accepted, Envelope
from mailer.settings import Smtp
from mailer.smtp.relay import Relay
from mailer.smtp.session import Session

_ARGUMENTS = sys.argv[1:] if __name__ == "__main__" else []
MAILS = int(_ARGUMENTS[0]) if _ARGUMENTS else 10_000
CONNECTIONS = int(_ARGUMENTS[1]) if len(_ARGUMENTS) > 1 else 10
LATE_S = 0.02
HEAD = b"From: <news@iran.example>\r\nTo: <reader%d@example.org>\r\nMessage-ID: <%d@iran.example>\r\n\r\n"
BODY = [base64.encodebytes(os.urandom(18_000)).replace(b"\n", b"\r\n") for _ in range(2)]
Overlap = Literal["auto", "on", "off"]


def free_port() -> int:
    """Returns a free port outside the range that the system uses for outgoing connections. With a port inside that
    range, a client could connect to itself."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Late(asyncio.Protocol):
    """A relay that delays its answers. Commands that arrive together are answered together, after one delay."""

    def __init__(self, *, pipelining: bool) -> None:
        self.offer = b"250-late\r\n250 PIPELINING\r\n" if pipelining else b"250 late\r\n"
        self.rest, self.content = b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"220 late ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self.rest += data
        answers = []
        while True:
            if self.content:
                end = self.rest.find(b"\r\n.\r\n")
                if end < 0:
                    break
                self.rest, self.content = self.rest[end + 5 :], False
                answers.append(b"250 2.0.0 queued\r\n")
                continue
            line, found, rest = self.rest.partition(b"\r\n")
            if not found:
                break
            self.rest = rest
            verb = line[:4]
            self.content = verb == b"DATA"
            answers.append(
                {b"DATA": b"354 go\r\n", b"EHLO": self.offer, b"QUIT": b"221 bye\r\n"}.get(verb, b"250 ok\r\n")
            )
        if answers:
            asyncio.get_running_loop().call_later(LATE_S, self.transport.write, b"".join(answers))


@contextmanager
def late_relay() -> Iterator[int]:
    """Runs the late relay in a separate process and yields its port."""
    command = [sys.executable, "-c", "from bench import wire; wire.serve_late()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def serve_late() -> None:
    async def serve() -> None:
        factory = functools.partial(Late, pipelining=True)
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(serve())


async def drive(port: int, mails: int, overlap: Overlap) -> tuple[float, float]:
    """Sends the mails. Returns the mails per second, and the CPU time of this process in ms per mail."""
    relay = Relay(
        Smtp(host="127.0.0.1", port=port, overlap=overlap, max_messages=100_000),
        password="",
        ca_file=None,
        local_hostname="bench.example",
    )
    sessions = [await relay.connect() for _ in range(CONNECTIONS)]
    numbers = iter(range(mails))

    async def send(session: Session) -> None:
        number = next(numbers, None)
        if number is not None:
            session.begin(Envelope("news@iran.example", f"reader{number}@example.org"))
        while number is not None:
            after = next(numbers, None)
            assert await session.ready() is None
            follow = Envelope("news@iran.example", f"reader{after}@example.org") if after is not None else None
            session.content([HEAD % (number, number), *BODY], follow)
            assert isinstance(await session.outcome(), Accepted)
            number = after

    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await asyncio.gather(*(send(session) for session in sessions))
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    await asyncio.gather(*(session.close() for session in sessions))
    return mails / seconds, 1000 * cpu / mails


@asynccontextmanager
async def sink(*options: str) -> AsyncIterator[int]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        os.environ["SMTP_SINK"], "-u", "nobody", *options, f"127.0.0.1:{port}", "100"
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                await asyncio.sleep(0.02)
        yield port
    finally:
        process.terminate()
        await process.wait()


def by_smtp_source(port: int, length: int) -> float:
    """Sends the mails with Postfix's `smtp-source`, over persistent connections. Returns the mails per second."""
    started = time.perf_counter()
    command = [os.environ["SMTP_SOURCE"], "-d", "-s", str(CONNECTIONS), "-m", str(MAILS), "-l", str(length)]
    subprocess.run([*command, "-f", "a@b.example", "-t", "c@d.example", f"127.0.0.1:{port}"], check=True)
    return MAILS / (time.perf_counter() - started)


async def main() -> None:
    length = sum(map(len, BODY)) + len(HEAD)
    print(f"{MAILS} mails of {length} bytes, {CONNECTIONS} connections")
    print("way                  mails/s   of smtp-source   CPU ms/mail")
    ways: tuple[tuple[str, tuple[str, ...], Overlap], ...] = (
        ("step by step", ("-p",), "off"),
        ("pipelined", (), "off"),
        ("overlapped", (), "on"),
    )
    for name, options, overlap in ways:
        async with sink(*options) as port:
            first = await asyncio.to_thread(by_smtp_source, port, length)
            rate, cpu = await drive(port, MAILS, overlap)
            second = await asyncio.to_thread(by_smtp_source, port, length)
        print(f"{name:20} {rate:7.0f} {rate / (first + second) * 2:16.2f} {cpu:13.3f}")
    print(f"\na relay that answers {1000 * LATE_S:g} ms late")
    late: tuple[tuple[str, bool, Overlap], ...] = (
        ("step by step", False, "off"),
        ("pipelined", True, "off"),
        ("overlapped", True, "on"),
    )
    for name, pipelining, overlap in late:
        factory = functools.partial(Late, pipelining=pipelining)
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
        rate, _ = await drive(server.sockets[0].getsockname()[1], min(MAILS, 1000), overlap)
        print(f"{name:20} {rate:7.0f}")
        server.close()


if __name__ == "__main__":
    asyncio.run(main())
