"""Every fault that a server which is not ours can show, to the end: what the ledger makes of the mail.

The server is Postfix's `smtp-sink`, found in PATH or by the env SMTP_SINK (`bench/postfix-tools.sh` fetches it). The
rows are those of «What each reply means» of the design: -f says 5xx at a command, -r 4xx, -q closes the line, -Q says
421 and closes it.
"""

import asyncio
import getpass
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ledger
import make
import pytest
from admin import free_port
from scripted_relay import drive, send

from mailer.errors import RelayDown
from mailer.model import Accepted, DeliveryState, NotSent, Outcome
from mailer.sending import retry_schedule
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Delivery, Smtp
from mailer.smtp.relay import Relay
from mailer.smtp.session import Session, Waits
from mailer.store.database import Store

SINK = os.environ.get("SMTP_SINK") or shutil.which("smtp-sink") or ""
NOW = datetime(2026, 11, 26, 5, 30, tzinfo=UTC)
MESSAGE = b"Message-ID: <1@example.org>\r\n\r\n" + (b"." + b"x" * 75 + b"\r\n") * 600
STUFFED = MESSAGE.replace(b"\r\n.", b"\r\n..")
# Long enough for a busy machine, short enough for the two faults that are waited out.
WAITS = Waits(answer=3, mail=3, rcpt=3, data=1, block=1, dot=3)

pytestmark = pytest.mark.skipif(not SINK, reason="no smtp-sink (Debian's postfix) in PATH or SMTP_SINK")


@asynccontextmanager
async def sink(*options: str) -> AsyncIterator[Relay]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(SINK, "-u", getpass.getuser(), *options, f"127.0.0.1:{port}", "10")
    relay = Relay(
        Smtp(host="127.0.0.1", port=port, overlap="on"),
        password="",
        ca_file=None,
        local_hostname="mail.example.org",
        waits=WAITS,
    )
    try:
        for _ in range(200):  # it takes it a moment to listen
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                await asyncio.sleep(0.02)
        yield relay
    finally:
        process.terminate()
        await process.wait()


def state_after(outcome: Outcome) -> tuple[DeliveryState, str | None, int]:
    """State, reason and attempts counted of a delivery that was never tried before."""
    change = retry_schedule.after(ledger.NEW, outcome, NOW, Delivery())
    return change.state, change.reason, change.delivery.attempts


DOWN = None  # no session: the mail stays queued, no attempt counted, the relay's circuit opens
QUEUED = (DeliveryState.QUEUED, None, 0)
DEFERRED = (DeliveryState.DEFERRED, None, 1)
REJECTED = (DeliveryState.REJECTED, "other", 1)  # smtp-sink says 5.3.0, which does not say whose fault it is
UNKNOWN = (DeliveryState.QUEUED, None, 1)  # sent once more, as [delivery] on_unknown says

CASES: dict[str, tuple[DeliveryState, str | None, int] | None] = {
    "-f CONNECT": DOWN,
    "-f EHLO": DOWN,
    "-f MAIL": QUEUED,
    "-f RCPT": REJECTED,
    "-f DATA": REJECTED,
    "-f .": REJECTED,
    "-r CONNECT": DOWN,
    "-r EHLO": DOWN,
    "-r MAIL": DEFERRED,
    "-r RCPT": DEFERRED,
    "-r DATA": DEFERRED,
    "-r .": DEFERRED,
    "-q CONNECT": DOWN,
    "-q EHLO": DOWN,
    "-q MAIL": QUEUED,
    "-q RCPT": QUEUED,
    "-q DATA": QUEUED,
    "-q .": UNKNOWN,
    "-Q CONNECT": DOWN,
    "-Q EHLO": DOWN,
    "-Q MAIL": DEFERRED,
    "-Q RCPT": DEFERRED,
    "-Q DATA": DEFERRED,
    "-Q .": DEFERRED,
    "-A 1": REJECTED,  # reads nothing after DATA, says 550 a second later and closes the line
    "-H 5": UNKNOWN,  # does not read on after DATA: the time-out comes after the dot has left
    "-w 5": QUEUED,  # waits before it answers DATA: the time-out comes before the dot
}


def cases(*wanted: str) -> list[object]:
    """Those that are waited out take a second each."""
    return [pytest.param(case, marks=[pytest.mark.slow] if case[:2] in ("-A", "-H", "-w") else []) for case in wanted]


@pytest.mark.parametrize("way", ["pipelined", "step by step"])
@pytest.mark.parametrize("case", cases(*CASES))
async def test_a_fault_ends_as_the_table_says(case: str, way: str) -> None:
    options = [*case.split(), *(["-p"] if way == "step by step" else [])]
    async with sink(*options) as relay:
        expected = CASES[case]
        if expected is None:
            with pytest.raises(RelayDown):
                await relay.connect()
            return
        session = await relay.connect()
        outcome = await send(session, "news@example.org", "sara@example.com", MESSAGE)
        assert state_after(outcome) == expected, outcome
        assert (isinstance(outcome, NotSent) and outcome.relay_fault) is (case == "-f MAIL")
        # A refusal leaves the line usable, and the next mail fares alike; a lost line is lost for good.
        kept = case.startswith(("-f", "-r"))
        assert kept is not session.lost or case == "-A 1"  # there the end of the line may be on its way yet
        if kept:
            again = await send(session, "news@example.org", "reza@example.com", MESSAGE)
            assert state_after(again) == expected
            assert not session.lost
        await session.close()


# What a whole run makes of it: a lost line is tried again three times, an unknown once, a relay's fault not at all.
ENDS: dict[tuple[DeliveryState, str | None, int] | None, tuple[DeliveryState, str | None, int]] = {
    DOWN: QUEUED,
    QUEUED: DEFERRED,
    UNKNOWN: (DeliveryState.UNKNOWN, None, 2),
}


@make.only_sqlite
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
async def test_a_fault_ends_in_the_ledger_as_the_table_says(
    case: str, store: Store, tmp_path: Path, clock: make.Clock
) -> None:
    make.readers(store, 1)
    issue = make.under_way(store)
    async with sink(*case.split()) as relay:
        app = make.app(store, tmp_path, clock, relays=[relay], delivery=Delivery(connections=1))
        circuits = Circuits()
        try:
            await Sender(app, circuits, issue.id).run()
        except RelayDown:
            assert CASES[case] is DOWN or case == "-f MAIL"
    (row,) = ledger.rows(store)
    expected = QUEUED if case == "-f MAIL" else ENDS.get(CASES[case]) or CASES[case]
    assert (row["state"], row["reason"], row["attempts"]) == expected
    assert (circuits.wait_s() > 0) is (CASES[case] is DOWN or case == "-f MAIL"), "the circuit opens for these alone"
    assert row["due_at"] is None or clock() < row["due_at"] <= clock() + timedelta(seconds=67)
    assert ledger.leases(store) == 0


@pytest.mark.parametrize("case", cases(*(case for case, expected in CASES.items() if expected)))
async def test_a_fault_costs_no_mail_that_was_only_announced(case: str) -> None:
    async with sink(*case.split()) as relay:
        session = await relay.connect()
        first, second = await drive(session, ["a@example.com", "b@example.com"], lambda _: (STUFFED,))
        assert state_after(first) == CASES[case]
        if session.lost:
            assert isinstance(second, NotSent)
            assert not second.relay_fault
        else:
            assert state_after(second) == CASES[case]
        await session.close()


async def test_a_refusal_before_the_content_was_begun() -> None:
    # -A 0 says 550 together with its 354: by then the mail cannot have been taken, whatever the packets do.
    async with sink("-A", "0") as relay:
        session = await relay.connect()
        outcome = await send(session, "news@example.org", "sara@example.com", MESSAGE)
        assert state_after(outcome) in (QUEUED, REJECTED), outcome
        await session.close()


@pytest.mark.parametrize("options", [[], ["-p"], ["-8"], ["-N"], ["-p", "-8", "-E"]], ids=str)
async def test_a_server_without_faults_takes_every_mail(options: list[str]) -> None:
    async with sink(*options) as relay:
        session = await relay.connect()
        outcomes = await drive(session, [f"reader{n}@example.com" for n in range(50)], lambda _: (STUFFED,))
        await close_unlost(session)
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)


async def close_unlost(session: Session) -> None:
    assert not session.lost
    await session.close()
