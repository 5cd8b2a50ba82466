"""The demo's SMTP server, spoken to by a real client."""

import smtplib
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailer.demo.inbox import MAX_BYTES, Inbox, Mail, file_name

RAW = b"From: a@example.org\r\nSubject: =?utf-8?b?2LPZhNin2YU=?=\r\n\r\n.one dot\r\n..\r\n\xd8\xb3\r\n"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    box.start()
    yield box
    box.stop()


def send(inbox: Inbox, recipients: list[str], raw: bytes = RAW) -> None:
    with smtplib.SMTP("127.0.0.1", inbox.port, timeout=10) as line:
        line.sendmail("bounce@example.org", recipients, raw)


def test_keeps_the_bytes_and_the_envelope(inbox: Inbox) -> None:
    before = datetime.now(UTC)
    send(inbox, ["mina@reader.example"])
    (mail,) = inbox.mails
    assert (mail.number, mail.sender, mail.recipient, mail.raw) == (1, "bounce@example.org", "mina@reader.example", RAW)
    assert before <= mail.arrived <= datetime.now(UTC)


def test_one_mail_for_each_recipient_in_order(inbox: Inbox) -> None:
    send(inbox, ["a@reader.example", "b@reader.example"])
    send(inbox, ["c@reader.example"])
    assert [(mail.number, mail.recipient[0]) for mail in inbox.mails] == [(1, "a"), (2, "b"), (3, "c")]


def test_what_it_offers(inbox: Inbox) -> None:
    with smtplib.SMTP("127.0.0.1", inbox.port, timeout=10) as line:
        line.ehlo()
        assert line.esmtp_features["size"] == str(MAX_BYTES)
        assert {"8bitmime", "smtputf8"} <= line.esmtp_features.keys()


def test_refuses_a_mail_that_is_too_big(inbox: Inbox) -> None:
    with pytest.raises(smtplib.SMTPException):
        send(inbox, ["a@reader.example"], b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" * (MAX_BYTES // 2))
    assert inbox.mails == []


def test_many_lines_at_once(inbox: Inbox) -> None:
    threads = [threading.Thread(target=send, args=(inbox, [f"{n}@reader.example"])) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [mail.number for mail in inbox.mails] == list(range(1, 13))
    assert {mail.recipient for mail in inbox.mails} == {f"{n}@reader.example" for n in range(12)}


def test_the_list_is_a_copy(inbox: Inbox) -> None:
    send(inbox, ["a@reader.example"])
    inbox.mails.clear()
    assert len(inbox.mails) == 1


def test_writes_each_mail_before_it_answers(tmp_path: Path) -> None:
    box = Inbox(tmp_path / "mails")
    box.start()
    try:
        send(box, ["a@reader.example", "b@reader.example"])
        names = sorted(path.name for path in (tmp_path / "mails").iterdir())
    finally:
        box.stop()
    assert names == ["01-a@reader.example.eml", "02-b@reader.example.eml"]
    assert (tmp_path / "mails" / names[0]).read_bytes() == RAW


def test_a_mail_that_cannot_be_written_is_not_taken(tmp_path: Path) -> None:
    box = Inbox(tmp_path)
    box.start()
    (tmp_path / "01-a@reader.example.eml").mkdir()
    try:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            send(box, ["a@reader.example"])
    finally:
        box.stop()
    assert refused.value.smtp_code == 452
    assert box.mails == []


def test_stops_while_a_client_is_talking() -> None:
    box = Inbox()
    box.start()
    with socket.create_connection(("127.0.0.1", box.port), timeout=10) as line:
        assert line.recv(100).startswith(b"220")
        box.stop()
        assert line.recv(100) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", box.port), timeout=10)


def test_stopping_twice_is_harmless_and_starting_twice_is_a_bug(inbox: Inbox) -> None:
    with pytest.raises(RuntimeError):
        inbox.start()
    inbox.stop()
    inbox.stop()


@pytest.mark.parametrize("recipient", ["../../etc/passwd@x.example", "a b@x.example", "م@x.example", "x" * 400])
def test_file_names_stay_in_their_folder(recipient: str) -> None:
    name = file_name(Mail(7, "", recipient, b"", datetime.now(UTC)))
    assert name.startswith("07-")
    assert name.endswith(".eml")
    assert "/" not in name
    assert name.isascii()
    assert len(name) < 120
