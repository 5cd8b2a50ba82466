"""The same outcomes from a server that is not ours: Postfix's `smtp-sink`, found in PATH or by the env SMTP_SINK."""

import asyncio
import getpass
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mailer.errors import RelayDown
from mailer.model import Accepted, Deferred, NotSent, Outcome, Rejected, Unknown
from mailer.settings import Smtp
from mailer.smtp.relay import Relay
from mailer.smtp.session import Session

SINK = os.environ.get("SMTP_SINK") or shutil.which("smtp-sink") or ""
MESSAGE = b"Message-ID: <1@example.org>\r\n\r\n" + (b"." + b"x" * 75 + b"\r\n") * 600

pytestmark = pytest.mark.skipif(not SINK, reason="no smtp-sink (Debian's postfix) in PATH or SMTP_SINK")


@asynccontextmanager
async def session_with_sink(*options: str) -> AsyncIterator[Session]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    sink = await asyncio.create_subprocess_exec(SINK, "-u", getpass.getuser(), *options, f"127.0.0.1:{port}", "10")
    try:
        session = await first_session(port)
        yield session
        await session.close()
    finally:
        sink.terminate()
        await sink.wait()


async def first_session(port: int) -> Session:
    """Once the sink listens, which takes it a moment."""
    relay = Relay(Smtp(host="127.0.0.1", port=port), password="", ca_file=None, local_hostname="mail.example.org")
    for _ in range(100):
        try:
            return await relay.connect()
        except RelayDown:
            await asyncio.sleep(0.05)
    return await relay.connect()


@pytest.mark.parametrize(
    ("options", "kind", "lost"),
    [
        ([], Accepted, False),
        (["-r", "MAIL"], Deferred, False),
        (["-f", "MAIL"], NotSent, False),
        (["-r", "RCPT"], Deferred, False),
        (["-f", "RCPT"], Rejected, False),
        (["-f", "DATA"], Rejected, False),
        (["-r", "."], Deferred, False),
        (["-f", "."], Rejected, False),
        (["-q", "MAIL"], NotSent, True),
        (["-q", "RCPT"], NotSent, True),
        (["-q", "DATA"], NotSent, True),
        (["-q", "."], Unknown, True),
        (["-Q", "."], Deferred, True),
    ],
    ids=str,
)
async def test_outcomes(options: list[str], kind: type[Outcome], lost: bool) -> None:
    async with session_with_sink(*options) as session:
        outcome = await session.send("news@example.org", "sara@example.com", MESSAGE)
        assert isinstance(outcome, kind)
        if not lost:
            # The refusal is cleared, and the next mail fares alike instead of meeting a transaction still open.
            assert isinstance(await session.send("news@example.org", "reza@example.com", MESSAGE), kind)
        assert session.lost is lost
