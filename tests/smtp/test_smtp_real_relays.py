"""Overlapping, the next mail's commands right behind the final dot, with the relays that people run: Postfix and Exim.

These tests are the reason why `overlap = "auto"` trusts their greetings.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import real_servers
from scripted_relay import PATIENT, drive

from mailer.demo.inbox import Inbox
from mailer.model import Accepted, Rejected, Rejection
from mailer.settings import Smtp
from mailer.smtp.relay import Relay

MAILS = 60
BODY = (b"x" * 76 + b"\r\n") * 300 + b"..a dot\r\n"

needs_postfix = pytest.mark.skipif(
    not real_servers.POSTFIX or os.geteuid() != 0,
    reason="no Postfix in POSTFIX (bench/postfix-tools.sh fetches one), or not root",
)
needs_exim = pytest.mark.skipif(
    not real_servers.EXIM or os.geteuid() != 0 or not shutil.which("unshare"),
    reason="no Exim in EXIM (bench/postfix-tools.sh DIR exim fetches one), not root, or no unshare",
)


def strict_postfix(folder: Path, onward: int) -> AbstractContextManager[int]:
    """A Postfix that disconnects clients that send ahead of it where that is not allowed."""
    return real_servers.postfix(
        folder,
        onward,
        smtpd_forbid_unauth_pipelining="yes",
        smtpd_data_restrictions="reject_unauth_pipelining",
        smtpd_end_of_data_restrictions="reject_unauth_pipelining",
    )


def strict_exim(folder: Path, _onward: int) -> AbstractContextManager[int]:
    return real_servers.exim(folder, "smtp_enforce_sync = true")


@pytest.mark.slow
@pytest.mark.parametrize(
    "server",
    [
        pytest.param(real_servers.postfix, marks=needs_postfix, id="Postfix"),
        pytest.param(strict_postfix, marks=needs_postfix, id="strict Postfix"),
        pytest.param(strict_exim, marks=needs_exim, id="Exim"),
    ],
)
async def test_overlapped_mails_arrive_once_and_whole(
    server: Callable[[Path, int], AbstractContextManager[int]], tmp_path: Path, inbox: Inbox
) -> None:
    # Every seventh recipient does not exist, so that refusals come between accepted mails.
    recipients = [f"{'nobody' if n % 7 == 3 else f'reader{n}'}@example.com" for n in range(MAILS)]
    with server(tmp_path, inbox.port) as port:
        relay = Relay(
            Smtp(host="127.0.0.1", port=port, overlap="auto"),
            password="",
            ca_file=None,
            local_hostname="mail.example.org",
            waits=PATIENT,
        )
        session = await relay.connect()
        outcomes = await drive(session, recipients, lambda n: (b"Message-ID: <%d@example.org>\r\n\r\n" % n, BODY))
        assert not session.lost, [*outcomes[-2:], real_servers.logs(tmp_path)]
        await session.close()
        again = await relay.connect()
        # Nothing happened that made it careful.
        assert again.overlaps
        await again.close()
        for recipient, outcome in zip(recipients, outcomes, strict=True):
            if recipient.startswith("nobody"):
                assert isinstance(outcome, Rejected), outcome
                assert outcome.why is Rejection.HARD
            else:
                assert isinstance(outcome, Accepted), outcome
        accepted = [recipient for recipient in recipients if not recipient.startswith("nobody")]
        arrived = await asyncio.to_thread(arrivals, tmp_path, inbox, len(accepted))
    assert sorted(recipient for recipient, _ in arrived) == sorted(accepted)
    undoubled = BODY.replace(b"\r\n..", b"\r\n.")
    for recipient, content in arrived:
        assert b"Message-ID: <%d@example.org>\r\n" % recipients.index(recipient) in content
        assert content.endswith(b"\r\n\r\n" + undoubled)


def arrivals(folder: Path, inbox: Inbox, count: int) -> list[tuple[str, bytes]]:
    """The mails that the relay passed on or keeps, as soon as there are that many."""
    end = time.monotonic() + 20
    while True:
        kept = real_servers.kept_by_exim(folder) + [(mail.recipient, mail.raw) for mail in inbox.mails]
        if len(kept) >= count or time.monotonic() > end:
            return kept
        time.sleep(0.05)
