"""Every outcome of a mail, and the bytes that a scripted relay received."""

import asyncio
import socket
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_relay import (
    DEAF,
    DROP,
    HALF_CLOSE,
    PATIENT,
    QUICK,
    SILENCE,
    STAY,
    impatient,
    scripted_relay,
    send,
    session_with,
)

from mailer.model import Accepted, Deferred, Envelope, NotSent, Outcome, Rejected, Rejection, Unknown
from mailer.smtp.connection import Connection, Step
from mailer.smtp.session import Waits

SENDER = "news@example.org"
READER = "sara@example.com"
MESSAGE = b"Message-ID: <1@example.org>\r\nSubject: =?utf-8?b?2LPZhNin2YU=?=\r\n\r\n2LPZhNin2YU=\r\n"
BIG = b"x" * 76 + b"\r\n"


async def outcomes_of(
    answers: Mapping[str, Sequence[str]], mails: int = 1, waits: Waits = PATIENT, message: bytes = MESSAGE
) -> tuple[list[Outcome], bool, list[str]]:
    """The outcomes of some mails sent on one session, whether it was lost, and the verbs the relay saw."""
    async with scripted_relay(answers) as relay, session_with(relay, waits) as session:
        outcomes = [await send(session, SENDER, READER, message) for _ in range(mails)]
        lost = session.lost
    return outcomes, lost, relay.verbs


async def test_a_mail_arrives_byte_for_byte() -> None:
    message = b".first\r\n..\r\n.\r\n\r\na.b\r\n.\r\n.last\r\n"
    async with scripted_relay() as relay, session_with(relay) as session:
        outcome = await send(session, SENDER, READER, message)
        again = await send(session, SENDER, "reza@example.com", MESSAGE)
        assert session.served == 2
        assert not session.lost
    assert isinstance(outcome, Accepted)
    assert (outcome.reply.phase, outcome.reply.code, outcome.reply.enhanced) == ("dot", 250, "2.0.0")
    assert outcome.reply.text == "2.0.0 queued as A1"
    assert isinstance(again, Accepted)
    # RFC 5321 §4.5.2: on the way, a line that begins with a dot has one more.
    assert relay.contents[0] == b"..first\r\n...\r\n..\r\n\r\na.b\r\n..\r\n..last\r\n"
    assert relay.contents[1] == MESSAGE
    mail = [b"MAIL FROM:<news@example.org>", b"RCPT TO:<sara@example.com>", b"DATA"]
    assert relay.lines == [b"EHLO mail.example.org", *mail, mail[0], b"RCPT TO:<reza@example.com>", b"DATA", b"QUIT"]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(st.sampled_from(". ab\t"), max_size=8), min_size=1, max_size=8))
def test_any_message_arrives_byte_for_byte(lines: list[str]) -> None:
    message = "".join(line + "\r\n" for line in lines).encode()

    async def arrived() -> bytes:
        async with scripted_relay() as relay, session_with(relay) as session:
            assert isinstance(await send(session, SENDER, READER, message), Accepted)
        return relay.contents[0]

    undoubled = b"".join(part.removeprefix(b".") for part in asyncio.run(arrived()).splitlines(keepends=True))
    assert undoubled == message


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"RCPT": ["550 5.1.1 no such user"]}, Rejection.HARD),
        ({"RCPT": ["552 5.2.2 mailbox full"]}, Rejection.SOFT),
        ({"RCPT": ["554 5.7.1 blocked"]}, Rejection.BLOCK),
        ({"DATA": ["554 5.7.1 blocked"]}, Rejection.BLOCK),
        ({"dot": ["554 5.7.1 this is spam"]}, Rejection.BLOCK),
        ({"dot": ["552 5.3.4 too big"]}, Rejection.SOFT),
    ],
    ids=str,
)
async def test_a_refused_mail_leaves_the_session_usable(answers: dict[str, list[str]], why: Rejection) -> None:
    (first, second), lost, verbs = await outcomes_of(answers, mails=2)
    phase, said = next(iter(answers.items()))
    assert isinstance(first, Rejected)
    assert first.why is why
    assert (first.reply.phase, f"{first.reply.code} {first.reply.text}") == (phase, said[0])
    assert isinstance(second, Accepted)
    assert not lost
    # An answer to the dot ends the transaction; a refusal before it does not.
    assert ("RSET" in verbs) == (phase != "dot")


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "dot"])
async def test_a_4xx_defers_and_the_next_mail_goes_out(phase: str) -> None:
    (first, second), lost, _ = await outcomes_of({phase: ["450 4.2.0 greylisted, come back"]}, mails=2)
    assert isinstance(first, Deferred)
    assert (first.reply.phase, first.reply.code, first.reply.enhanced) == (phase, 450, "4.2.0")
    assert isinstance(second, Accepted)
    assert not lost


async def test_a_refused_sender_is_a_fault_of_the_relay() -> None:
    (outcome,), lost, verbs = await outcomes_of({"MAIL": ["550 5.7.1 sender not allowed here"]})
    assert outcome == NotSent(outcome.reply, relay_fault=True)
    assert (outcome.reply.phase, outcome.reply.code) == ("MAIL", 550)
    assert not lost
    assert "RCPT" not in verbs


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("trouble", [DROP, HALF_CLOSE, SILENCE, "hello?", "250-a\r\n550 b", "wrong kind"])
async def test_a_failure_before_the_dot_means_that_the_mail_was_not_sent(phase: str, trouble: str) -> None:
    said = trouble if trouble != "wrong kind" else "250 ok" if phase == "DATA" else "334 go on"
    (first, second), lost, _ = await outcomes_of({phase: [said]}, mails=2, waits=impatient(phase))
    assert first == NotSent(first.reply)
    assert first.reply.phase == phase
    # A lost connection stays lost: the next mail is not tried on it.
    assert second == NotSent(second.reply)
    assert lost


@pytest.mark.parametrize("trouble", [DROP, HALF_CLOSE, SILENCE, "hello?", "250-a\r\n550 b", "354 go on"])
async def test_a_failure_after_the_dot_leaves_the_outcome_unknown(trouble: str) -> None:
    (first, second), lost, _ = await outcomes_of({"dot": [trouble]}, mails=2, waits=impatient("dot"))
    assert isinstance(first, Unknown)
    assert first.reply.phase == "dot"
    assert second == NotSent(second.reply)
    assert lost


async def test_the_reply_text_says_what_happened() -> None:
    for answers, words in (
        ({"MAIL": [DROP]}, "the relay closed the connection"),
        ({"RCPT": [SILENCE]}, "no answer within 0.2 seconds"),
        ({"dot": ["hello?"]}, "it sent no SMTP answer but b'hello?'"),
    ):
        (outcome,), _, _ = await outcomes_of(answers, waits=impatient("RCPT"))
        assert (outcome.reply.code, outcome.reply.text) == (0, words)


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "dot"])
@pytest.mark.parametrize("then", ["", STAY])
async def test_a_421_ends_the_session(phase: str, then: str) -> None:
    (first, second), lost, _ = await outcomes_of({phase: ["421 4.3.2 going down" + then]}, mails=2)
    assert isinstance(first, Deferred)
    assert (first.reply.phase, first.reply.code, first.reply.text) == (phase, 421, "4.3.2 going down")
    assert second == NotSent(second.reply)
    assert lost


async def test_a_421_between_two_mails_costs_the_second_nothing() -> None:
    async with (
        scripted_relay({"dot": ["250 ok\r\n421 4.4.2 idle for too long"]}) as relay,
        session_with(relay) as session,
    ):
        assert isinstance(await send(session, SENDER, READER, MESSAGE), Accepted)
        await asyncio.sleep(0.02)
        outcome = await send(session, SENDER, READER, MESSAGE)
        assert outcome == NotSent(outcome.reply)
        assert "idle for too long" in outcome.reply.text
        assert session.lost
    assert relay.verbs.count("MAIL") == 1


async def test_an_extra_answer_is_never_taken_for_that_of_the_next_command() -> None:
    # Were «250 ok» taken for the answer to the content, a mail that was not delivered would count as accepted.
    (outcome,), lost, _ = await outcomes_of({"DATA": ["354 go\r\n250 ok"], "dot": [DROP]})
    assert outcome == NotSent(outcome.reply)
    assert lost


async def test_a_dot_that_never_left_this_process_was_not_sent() -> None:
    # Far more than the buffers of both sockets hold, so the end of it must still be here when the time is over.
    (outcome,), lost, _ = await outcomes_of({"DATA": [DEAF]}, waits=impatient("block", "dot"), message=BIG * 300_000)
    assert outcome == NotSent(outcome.reply)
    assert outcome.reply.phase == "dot"
    assert lost


@pytest.mark.parametrize(
    ("said", "kind"),
    [("552 5.3.4 too big", Rejected), ("452 4.3.1 disk full", Deferred), ("250 ok", NotSent), (HALF_CLOSE, NotSent)],
)
async def test_an_answer_in_the_middle_of_the_content(said: str, kind: type[Outcome]) -> None:
    (outcome,), lost, _ = await outcomes_of({"DATA": [DEAF + said]}, message=BIG * 300_000)
    assert isinstance(outcome, kind)
    assert "no answer within" not in outcome.reply.text
    assert lost


@pytest.mark.parametrize(("size", "left"), [(10, True), (40_000, False)])
async def test_a_few_buffered_bytes_prove_that_the_content_has_not_left(size: int, left: bool) -> None:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with theirs:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        connection = Connection(transport)
        connection.hand_over([b"x" * size], Step("dot", 0.05), 0.05)
        assert await connection.answers(1) == []
        # Less than what a transport keeps by default before it speaks of it.
        assert connection.content_left is left
        assert connection.silent
        await connection.closed()


@pytest.mark.parametrize("said", [b"250 2.0.0 ok\r\n", b"451 4.3.0 later\r\n"])
async def test_an_answer_before_the_end_of_a_content_with_a_tail_does_not_count_for_all_of_it(said: bytes) -> None:
    # The relay reads nothing, and says yes all the same: the first contents go into the system's buffers, one does not.
    ours, theirs = socket.socketpair()
    with theirs:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        connection = Connection(transport)
        for _ in range(1000):
            connection.hand_over([b"x" * 20_000], Step("dot", 5), 5, b"MAIL\r\n", Step("MAIL", 5))
            stuck = transport.get_write_buffer_size() > 0
            theirs.send(said if stuck else said + b"250 ok\r\n")
            await connection.answers(1 if stuck else 2)
            if stuck:
                break
        assert connection.lost
        assert not connection.content_left, "its end never left this process: nobody has the mail"


async def test_a_relay_that_refuses_a_reset_is_disconnected() -> None:
    answers = {"RCPT": ["550 5.1.1 no such user"], "RSET": ["503 no"]}
    (first, second), lost, _ = await outcomes_of(answers, mails=2)
    assert isinstance(first, Rejected)
    assert second == NotSent(second.reply)
    assert lost


async def test_a_mail_beyond_the_size_limit_is_not_tried() -> None:
    (outcome,), lost, verbs = await outcomes_of({"EHLO": ["250-relay\r\n250 SIZE 40"]})
    assert isinstance(outcome, Rejected)
    assert outcome.why is Rejection.SOFT
    assert outcome.reply.enhanced == "5.3.4"
    assert not lost
    assert "MAIL" not in verbs


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE many", f"SIZE {len(MESSAGE)}"])
async def test_a_mail_within_the_size_limit_or_without_one_is_sent(size: str) -> None:
    (outcome,), _, _ = await outcomes_of({"EHLO": [f"250-relay\r\n250 {size}"]})
    assert isinstance(outcome, Accepted)


async def test_an_address_beyond_ascii_needs_smtputf8() -> None:
    async with scripted_relay() as relay, session_with(relay) as session:
        outcome = await send(session, SENDER, "سارا@example.com", MESSAGE)
        assert isinstance(outcome, Rejected)
        assert outcome.why is Rejection.OTHER
        assert "SMTPUTF8" in outcome.reply.text
        assert isinstance(await send(session, SENDER, READER, MESSAGE), Accepted)
    assert relay.verbs.count("MAIL") == 1

    async with scripted_relay({"EHLO": ["250-relay\r\n250 SMTPUTF8"]}) as relay, session_with(relay) as session:
        assert isinstance(await send(session, SENDER, "سارا@example.com", MESSAGE), Accepted)
        assert isinstance(await send(session, SENDER, READER, MESSAGE), Accepted)
    assert b"MAIL FROM:<news@example.org> SMTPUTF8" in relay.lines
    assert "RCPT TO:<سارا@example.com>".encode() in relay.lines
    # RFC 6531 §3.4: it is asked for only where it is needed.
    assert b"MAIL FROM:<news@example.org>" in relay.lines


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a@b.example>\r\nDATA",
        "a@b.example\nRCPT TO:<c@d.example>",
        "a b@c.example",
        "<a@b.example>",
        "a@b.example\x00",
        "a@b.example\u2028",
        "a@b.example\x85",
        "a@b.example\u3000SIZE=1",
        "a\ud800@b.example",
    ],
)
async def test_an_unsafe_address_is_refused_before_a_byte_is_written(address: str) -> None:
    async with scripted_relay() as relay, session_with(relay) as session:
        for sender, recipient in ((SENDER, address), (address, READER)):
            with pytest.raises(ValueError):  # noqa: PT011
                await send(session, sender, recipient, MESSAGE)
        assert not session.lost
    assert relay.verbs == ["EHLO", "QUIT"]


@pytest.mark.parametrize("content", [(), (b"",), (b"a",), (b"a\r\n", b"b\n"), (b"a\r",)])
async def test_a_content_whose_last_line_would_swallow_the_final_dot_is_refused(content: tuple[bytes, ...]) -> None:
    async with scripted_relay() as relay, session_with(relay) as session:
        session.begin(Envelope(SENDER, READER))
        assert await session.ready() is None
        with pytest.raises(ValueError, match="CRLF"):
            session.content(content)
    assert relay.contents == []


async def test_a_cancelled_mail_loses_the_session() -> None:
    async with scripted_relay({"dot": [SILENCE]}) as relay, session_with(relay) as session:
        sending = asyncio.create_task(send(session, SENDER, READER, MESSAGE))
        await asyncio.sleep(0.05)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        # The late answer would be read as that of the next mail.
        assert session.lost
    assert len(relay.contents) == 1


@pytest.mark.parametrize("trouble", [DROP, SILENCE, "hello?", "554 stay"])
async def test_closing_never_raises_and_may_be_repeated(trouble: str) -> None:
    async with scripted_relay({"QUIT": [trouble]}) as relay, session_with(relay, QUICK) as session:
        await session.close()
        await session.close()
        assert session.lost
    assert relay.verbs == ["EHLO", "QUIT"]


async def test_one_mail_at_a_time() -> None:
    async with scripted_relay({"dot": [SILENCE]}) as relay, session_with(relay, impatient("dot")) as session:
        first = asyncio.create_task(send(session, SENDER, READER, MESSAGE))
        await asyncio.sleep(0.02)
        with pytest.raises(RuntimeError, match="one mail at a time"):
            await send(session, SENDER, READER, MESSAGE)
        await first


async def test_one_question_at_a_time() -> None:
    async with scripted_relay({"RCPT": [SILENCE]}) as relay, session_with(relay, impatient("RCPT")) as session:
        session.begin(Envelope(SENDER, READER))
        first = asyncio.create_task(session.ready())
        await asyncio.sleep(0.02)
        with pytest.raises(RuntimeError, match="one question at a time"):
            await session.ready()
        await first


def test_the_waits_are_those_of_rfc_5321() -> None:
    assert Waits.of(60) == Waits(answer=60, mail=300, rcpt=300, data=120, block=180, dot=600)
    # After the dot, giving up early costs a mail sent twice.
    assert Waits.of(1).dot == 60
