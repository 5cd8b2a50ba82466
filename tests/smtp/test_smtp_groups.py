"""Commands in groups: the same outcomes as one by one in fewer round trips, also with a relay that offers more than it
copes with."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_relay import DEAF, DROP, PATIENT, SILENCE, STAY, drive, impatient, scripted_relay, send

from mailer.model import Accepted, Deferred, Envelope, NotSent, Outcome, Rejected, Rejection, Unknown
from mailer.settings import Smtp
from mailer.smtp.relay import Relay
from mailer.smtp.session import Session, Waits

CONTENT = (b"Message-ID: <1@example.org>\r\n\r\n", b"..\r\nx\r\n")
SARA, REZA = "sara@example.com", "reza@example.com"
OFFER = "250-relay\r\n250 PIPELINING"
Overlap = Literal["auto", "on", "off"]
WAYS: dict[str, tuple[str, Overlap]] = {
    "step by step": ("250 relay", "on"),
    "pipelined": (OFFER, "off"),
    "overlapped": (OFFER, "on"),
}


def relay_at(port: int, overlap: Overlap = "off", waits: Waits = PATIENT, most: int = 500) -> Relay:
    setting = Smtp(host="127.0.0.1", port=port, overlap=overlap, max_messages=most)
    return Relay(setting, password="", ca_file=None, local_hostname="mail.example.org", waits=waits)


@asynccontextmanager
async def session_at(relay: Relay) -> AsyncIterator[Session]:
    session = await relay.connect()
    try:
        yield session
    finally:
        await session.close()


def short(outcome: Outcome) -> tuple[str, str, int]:
    return type(outcome).__name__, outcome.reply.phase, outcome.reply.code


async def outcomes_by(
    way: str,
    answers: Mapping[str, Sequence[str]],
    recipients: Sequence[str] = (SARA, REZA, SARA),
    waits: Waits = PATIENT,
) -> tuple[list[Outcome], list[bytes]]:
    offer, overlap = WAYS[way]
    async with scripted_relay({"EHLO": [offer], **answers}) as relay:
        async with session_at(relay_at(relay.port, overlap, waits)) as session:
            outcomes = await drive(session, recipients, lambda _: CONTENT)
        return outcomes, relay.contents


# --- the same outcomes
TROUBLES = [
    "450 4.2.0 later",
    "550 5.1.1 no such user",
    "421 4.3.2 down",
    "421 4.3.2 down" + STAY,
    DROP,
    "hello?",
    "299 ?",
]


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "dot"])
@pytest.mark.parametrize("trouble", [*TROUBLES, SILENCE])
async def test_outcomes_do_not_depend_on_grouping(phase: str, trouble: str) -> None:
    waits = impatient(phase) if trouble is SILENCE else PATIENT
    by_way = {way: (await outcomes_by(way, {phase: [trouble]}, waits=waits))[0] for way in WAYS}
    one_by_one = [short(outcome) for outcome in by_way["step by step"]]
    for way in ("pipelined", "overlapped"):
        assert [short(outcome) for outcome in by_way[way]] == one_by_one, way


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["MAIL", "RCPT", "DATA", "dot"]), st.sampled_from(["", "450 later", "550 no"])),
        min_size=1,
        max_size=6,
    )
)
def test_refusals_one_after_the_other(plan: list[tuple[str, str]]) -> None:
    """Each mail is refused at a phase of its own, or not at all; this does not affect the next one."""
    by_recipient = [{phase: said} if said else {} for phase, said in plan]
    recipients = [f"reader{n}@example.com" for n in range(len(plan))]

    async def run(way: str) -> list[tuple[str, str, int]]:
        offer, overlap = WAYS[way]
        async with scripted_relay({"EHLO": [offer]}, by_mail=by_recipient) as relay:
            async with session_at(relay_at(relay.port, overlap)) as session:
                outcomes = await drive(session, recipients, lambda _: CONTENT)
                assert not session.lost
            # An empty content is what ends a mail that was refused and yet asked for.
            assert sum(content != b"" for content in relay.contents) == sum(
                not said or phase == "dot" for phase, said in plan
            )
        return [short(outcome) for outcome in outcomes]

    kinds = {"": "Accepted", "450 later": "Deferred", "550 no": "Rejected"}
    for way in WAYS:
        got = asyncio.run(run(way))
        for (phase, said), (kind, at, _) in zip(plan, got, strict=True):
            assert kind == ("NotSent" if (phase, said) == ("MAIL", "550 no") else kinds[said]), (way, got)
            assert at == (phase if said else "dot")


async def test_content_arrives_byte_for_byte_while_the_next_mail_is_announced() -> None:
    async with (
        scripted_relay({"EHLO": [OFFER]}) as relay,
        session_at(relay_at(relay.port, "on")) as session,
    ):
        outcomes = await drive(session, [SARA] * 20, lambda n: (b"%d\r\n" % n, *CONTENT))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert relay.contents == [b"%d\r\n" % n + b"".join(CONTENT) for n in range(20)]
    assert session.served == 20


# --- fewer round trips
class Patient(asyncio.Protocol):
    """A relay that waits a moment and then answers everything that came meanwhile. `turns` counts how often it spoke.

    `forgets`: it reads one command, or one content, and throws away what came with it, whatever it offers.
    """

    def __init__(self, *, forgets: bool = False, after_dot_only: bool = False) -> None:
        self.forgets, self.after_dot_only = forgets, after_dot_only
        self.turns = 0
        self.rest, self.content = b"", False
        self.mails = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.rest, self.content = b"", False
        transport.write(b"220 relay ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self.rest += data
        answers = b""
        while answer := self._one():
            answers += answer
        if answers:
            self.turns += 1
            asyncio.get_running_loop().call_later(0.01, self.transport.write, answers)

    def _one(self) -> bytes:
        end = b"\r\n.\r\n" if self.content else b"\r\n"
        found, _, rest = self.rest.partition(end)
        if len(found) == len(self.rest):
            return b""
        forgets = self.forgets and (self.content or not self.after_dot_only)
        self.rest = b"" if forgets else rest
        if self.content:
            self.content = False
            self.mails += 1
            return b"250 2.0.0 queued\r\n"
        self.content = found == b"DATA"
        return {b"EHLO": OFFER.encode() + b"\r\n", b"DATA": b"354 go\r\n"}.get(found[:4], b"250 ok\r\n")


@asynccontextmanager
async def serving(relay: Patient) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(lambda: relay, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(("overlap", "turns"), [("off", 2 * 10), ("on", 10 + 1)])
async def test_round_trips(overlap: Overlap, turns: int) -> None:
    relay = Patient()
    async with serving(relay) as port, session_at(relay_at(port, overlap)) as session:
        relay.turns = 0  # EHLO
        outcomes = await drive(session, [SARA] * 10, lambda _: CONTENT)
        assert relay.turns == turns
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)


# --- relays that offer more than they cope with
async def send_all(relay: Relay, count: int) -> list[Outcome]:
    """All mails, on a new session whenever one is lost; as a sender does, what was not sent is sent again."""
    outcomes: list[Outcome] = []
    left = count
    while left:
        async with session_at(relay) as session:
            got = await drive(session, [SARA] * left, lambda _: CONTENT)
        outcomes += got
        left -= sum(isinstance(outcome, Accepted) for outcome in got)
        assert len(outcomes) < 5 * count
    return outcomes


@pytest.mark.parametrize("after_dot_only", [False, True])
async def test_a_relay_that_discards_what_follows_a_command(
    after_dot_only: bool, caplog: pytest.LogCaptureFixture
) -> None:
    forgetful = Patient(forgets=True, after_dot_only=after_dot_only)
    async with serving(forgetful) as port:
        relay = relay_at(port, "on", impatient("MAIL", "RCPT", "DATA"))
        outcomes = await send_all(relay, 6)
        # Each thing that it does not cope with costs one session, once; and no mail is taken twice, or unknown.
        assert forgetful.mails == 6
        assert {type(outcome) for outcome in outcomes} == {Accepted, NotSent}
        assert len(caplog.messages) == 1
        # From now on it is spared that, also by new sessions.
        assert all(isinstance(outcome, Accepted) for outcome in await send_all(relay, 3))
    assert "does not cope with" in caplog.text
    assert ("final dot" in caplog.text) is after_dot_only


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        ("RCPT", "503 5.5.1 Error: need MAIL command"),
        ("DATA", "503 5.5.0 Data command rejected: Improper use of SMTP command pipelining"),
        ("RCPT", "554 5.5.0 Error: SMTP protocol synchronization"),
        ("DATA", "554 SMTP synchronization error"),
    ],
)
async def test_a_relay_confused_by_a_group_costs_no_mail(phase: str, said: str) -> None:
    async with scripted_relay({"EHLO": [OFFER, OFFER], phase: [said]}) as scripted:
        relay = relay_at(scripted.port)
        async with session_at(relay) as session:
            outcome = await send(session, "news@example.org", SARA, b"x\r\n")
            assert outcome == NotSent(outcome.reply)
            assert session.lost
        scripted.lines.clear()
        async with session_at(relay) as session:
            assert isinstance(await send(session, "news@example.org", SARA, b"x\r\n"), Accepted)
            refused = await send(session, "news@example.org", SARA, b"x\r\n")
        # One by one, the same words would be said of the mail.
        scripted.answers[phase] = [said]
        async with session_at(relay) as session:
            refused = await send(session, "news@example.org", SARA, b"x\r\n")
    assert isinstance(refused, Rejected)


@pytest.mark.parametrize(
    ("phase", "said", "why"),
    [
        ("MAIL", "503 5.5.1 log in first", None),
        ("RCPT", "554 5.1.1 <pipeline@example.com>: no such user", Rejection.HARD),
    ],
)
async def test_refusals_that_only_look_like_confusion_by_a_group(phase: str, said: str, why: Rejection | None) -> None:
    (first, *_), _ = await outcomes_by("pipelined", {phase: [said]})
    if why:
        assert isinstance(first, Rejected)
        assert first.why is why
    else:
        assert first == NotSent(first.reply, relay_fault=True)


async def test_a_relay_that_dies_now_and_then_is_not_taken_for_one_that_cannot_pipeline(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scripted_relay(
        {"EHLO": [OFFER] * 9, "RCPT": [DROP, "250 ok", DROP, "250 ok", DROP, "250 ok"]}
    ) as scripted:
        relay = relay_at(scripted.port)
        for _ in range(3):
            async with session_at(relay) as session:
                assert isinstance(await send(session, "news@example.org", SARA, b"x\r\n"), NotSent)
            async with session_at(relay) as session:
                assert isinstance(await send(session, "news@example.org", SARA, b"x\r\n"), Accepted)
        assert caplog.messages == []
        scripted.answers["RCPT"] = [DROP] * 3
        for _ in range(3):
            async with session_at(relay) as session:
                assert isinstance(await send(session, "news@example.org", SARA, b"x\r\n"), NotSent)
    assert len(caplog.messages) == 1


async def test_a_missing_answer_to_the_dot_is_not_taken_from_the_next_mail() -> None:
    # "2.1.0" is about a sender. Taken for the answer to the dot, it would make an undelivered mail accepted.
    (first, second, _), _ = await outcomes_by("overlapped", {"dot": [""], "MAIL": ["250 2.1.0 ok"] * 3})
    assert isinstance(first, Unknown)
    assert isinstance(second, NotSent)


# --- small print
async def test_a_354_after_a_refused_recipient_is_answered_with_an_empty_mail() -> None:
    async with (
        scripted_relay({"EHLO": [OFFER], "RCPT": ["550 5.1.1 no"]}) as relay,
        session_at(relay_at(relay.port)) as session,
    ):
        first, second = await drive(session, [SARA, REZA], lambda _: CONTENT)
    assert isinstance(first, Rejected)
    assert isinstance(second, Accepted)
    assert relay.contents == [b"", b"".join(CONTENT)]
    assert "RSET" not in relay.verbs


async def test_a_refused_mail_is_reset_at_the_start_of_the_next_group() -> None:
    answers = {"EHLO": [OFFER], "RCPT": ["550 5.1.1 no"], "DATA": ["503 5.5.1 no valid recipients"]}
    async with scripted_relay(answers) as relay, session_at(relay_at(relay.port, "on")) as session:
        first, second = await drive(session, [SARA, REZA], lambda _: CONTENT)
    assert isinstance(first, Rejected)
    assert isinstance(second, Accepted)
    assert relay.verbs == ["EHLO", "MAIL", "RCPT", "DATA", "RSET", "MAIL", "RCPT", "DATA", "QUIT"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_mail_that_is_not_tried_does_not_disturb_the_others(way: str) -> None:
    outcomes, contents = await outcomes_by(way, {}, [SARA, "سارا@example.com", REZA])
    assert [type(outcome) for outcome in outcomes] == [Accepted, Rejected, Accepted]
    assert len(contents) == 2


async def test_a_mail_given_up_before_its_content_never_ends_in_a_dot() -> None:
    # A lone dot would give the reader an empty mail.
    async with scripted_relay({"EHLO": [OFFER]}) as relay:
        async with session_at(relay_at(relay.port)) as session:
            session.begin(Envelope("news@example.org", SARA))
            assert await session.ready() is None
        assert relay.contents == []
        assert "QUIT" not in relay.verbs


async def test_steps_out_of_order_are_refused_before_anything_happens() -> None:
    async with scripted_relay({"EHLO": [OFFER]}) as relay, session_at(relay_at(relay.port)) as session:
        with pytest.raises(RuntimeError):
            session.content(CONTENT)
        session.begin(Envelope("news@example.org", SARA))
        with pytest.raises(RuntimeError):
            session.begin(Envelope("news@example.org", SARA))
        assert await session.ready() is None
        with pytest.raises(ValueError, match="CRLF"):
            session.content((b"no end",))
        with pytest.raises(ValueError, match="address"):
            session.content(CONTENT, Envelope("news@example.org", "a b@example.com"))
        session.content(CONTENT)
        assert isinstance(await session.outcome(), Accepted)
    assert relay.contents == [b"".join(CONTENT)]


async def test_a_session_is_spent_after_so_many_mails() -> None:
    async with scripted_relay({"EHLO": [OFFER]}) as relay, session_at(relay_at(relay.port, most=2)) as session:
        await drive(session, [SARA], lambda _: CONTENT)
        assert not session.spent
        await drive(session, [SARA], lambda _: CONTENT)
        assert session.spent


@pytest.mark.parametrize(
    ("greeting", "overlaps"),
    [
        ("220 relay.example.org ESMTP Postfix (Debian/GNU)", True),
        ("220 relay.example.org ESMTP Exim 4.96 Thu, 26 Nov 2026 09:00:00 +0330", True),
        ("220 relay.example.org ESMTP", False),
        ("220 postfix.example.org ESMTP ready", False),
        ("220 **********************", False),
    ],
)
async def test_overlap_is_automatic_only_with_relays_that_were_tested(greeting: str, overlaps: bool) -> None:
    async with scripted_relay({"CONNECT": [greeting] * 3, "EHLO": [OFFER] * 3}) as relay:
        for overlap, expected in (("auto", overlaps), ("on", True), ("off", False)):
            async with session_at(relay_at(relay.port, overlap)) as session:  # type: ignore[arg-type]
                assert session.overlaps is expected


# --- contents that do not leave at once
async def test_an_envelope_behind_a_content_waits_until_the_content_has_left() -> None:
    # The relay reads nothing after 354. Were the next envelope behind a stuck content, «not sent» could not be proved.
    async with (
        scripted_relay({"EHLO": [OFFER], "DATA": [DEAF]}) as relay,
        session_at(relay_at(relay.port, "on", impatient("block", "dot"))) as session,
    ):
        first, second = await drive(session, [SARA, REZA], lambda _: ((b"x" * 76 + b"\r\n") * 300_000,))
    assert isinstance(first, NotSent)
    assert isinstance(second, NotSent)


class SlowReader(asyncio.Protocol):
    """A relay that reads a little, pauses and reads on; it answers the dot at once."""

    def __init__(self) -> None:
        self.got = 0
        self.content = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"220 slow ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        if self.content:
            self.got += len(data)
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(0.005, self.transport.resume_reading)
            if data.endswith(b"\r\n.\r\n"):
                self.content = False
                self.transport.write(b"250 2.0.0 at last\r\n")
        elif data.startswith(b"EHLO"):
            self.transport.write(OFFER.encode() + b"\r\n")
        elif b"DATA\r\n" in data:
            self.content = True
            self.transport.write(b"250 ok\r\n250 ok\r\n354 go\r\n")
        else:
            self.transport.write(b"221 bye\r\n")


@pytest.mark.slow
async def test_a_relay_that_reads_slowly_is_waited_for_while_it_reads() -> None:
    reader = SlowReader()
    server = await asyncio.get_running_loop().create_server(lambda: reader, "127.0.0.1", 0)
    block = 0.3
    waits = Waits(answer=5, mail=5, rcpt=5, data=5, block=block, dot=5)
    content = (b"x" * 76 + b"\r\n") * 400_000
    started = asyncio.get_running_loop().time()
    async with session_at(relay_at(server.sockets[0].getsockname()[1], waits=waits)) as session:
        outcome = await send(session, "news@example.org", SARA, content)
    server.close()
    assert isinstance(outcome, Accepted)
    assert reader.got == len(content) + 3
    assert asyncio.get_running_loop().time() - started > block


async def test_a_storm_of_421_defers_each_mail_and_loses_none() -> None:
    answers = {"EHLO": [OFFER] * 20, "MAIL": ["421 4.7.0 too busy"] * 5, "dot": ["421 4.3.0 going down"] * 5}
    async with scripted_relay(answers) as scripted:
        relay = relay_at(scripted.port, "on")
        outcomes = []
        for _ in range(12):
            async with session_at(relay) as session:
                outcomes.append(await send(session, "news@example.org", SARA, b"x\r\n"))
    assert [type(outcome) for outcome in outcomes] == [Deferred] * 10 + [Accepted] * 2
