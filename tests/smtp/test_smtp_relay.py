"""Opening a session: in clear, over TLS, logged in; and what an error says, and does not reveal, if that fails."""

import asyncio
import base64
import hmac
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from scripted_relay import DROP, PATIENT, QUICK, SILENCE, ScriptedRelay, scripted_relay, send

from mailer.errors import RelayDown
from mailer.model import Accepted
from mailer.settings import Smtp
from mailer.smtp.relay import Relay
from mailer.smtp.session import Waits

PASSWORD = "رازِ دفتر"  # characters beyond ASCII must survive the login
MESSAGE = b"Message-ID: <1@example.org>\r\n\r\n.\r\n..\r\n2LPZhNin2YU=\r\n"


class Certificate(NamedTuple):
    path: Path  # certificate and key; as ca_file it is its own authority
    server: ssl.SSLContext


def make_certificate(folder: Path, name: str, subject: str) -> Certificate:
    path = folder / f"{name}.pem"
    key = folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={subject}"]
    subprocess.run([*command, "-keyout", key, "-out", path], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + key.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return Certificate(path, context)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make certificates with")
    folder = tmp_path_factory.mktemp("certificates")
    return {
        "right": make_certificate(folder, "right", "IP:127.0.0.1"),
        "stranger": make_certificate(folder, "stranger", "IP:127.0.0.1"),
        "elsewhere": make_certificate(folder, "elsewhere", "DNS:relay.example.org"),
    }


def relay_at(
    port: int,
    tls: Literal["none", "starttls", "implicit"] = "none",
    *,
    ca_file: Path | None = None,
    username: str | None = None,
    password: str = PASSWORD,
    waits: Waits = PATIENT,
) -> Relay:
    setting = Smtp.model_validate(
        {
            "host": "127.0.0.1",
            "port": port,
            "tls": tls,
            "username": username,
            "password": password if username else None,
        }
    )
    return Relay(setting, password=password, ca_file=ca_file, local_hostname="mail.example.org", waits=waits)


async def failure_of(relay: Relay) -> str:
    with pytest.raises(RelayDown) as caught:
        await relay.connect()
    assert caught.value.message.startswith(f"{relay.name}: ")
    assert caught.value.fix
    return str(caught.value)


class Inbox:
    """A real SMTP server (aiosmtpd) in the same event loop."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.logins: list[tuple[str, str, bytes, bool]] = []
        self.port = 0

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append(envelope)
        return "250 2.0.0 kept"

    def log_in(self, server: SMTP, _session: Any, _envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        assert server.transport is not None
        secure = server.transport.get_extra_info("sslcontext") is not None
        self.logins.append((mechanism, data.login.decode(), data.password, secure))
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


@asynccontextmanager
async def inbox(
    certificate: Certificate | None = None, *, implicit: bool = False, **options: Any
) -> AsyncIterator[Inbox]:
    kept = Inbox()
    context = certificate.server if certificate else None
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(
            kept,
            hostname="inbox.example.org",
            tls_context=None if implicit else context,
            require_starttls=bool(context) and not implicit,
            authenticator=kept.log_in,
            **options,
        ),
        "127.0.0.1",
        0,
        ssl=context if implicit else None,
    )
    kept.port = server.sockets[0].getsockname()[1]
    try:
        yield kept
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)


async def send_one(relay: Relay, recipient: str = "sara@example.com") -> None:
    session = await relay.connect()
    try:
        for _ in range(2):
            assert isinstance(await send(session, "news@example.org", recipient, MESSAGE), Accepted)
    finally:
        await session.close()


# --- the ways that work
async def test_in_clear_on_loopback() -> None:
    async with inbox() as kept:
        await send_one(relay_at(kept.port))
    assert [mail.content for mail in kept.mails] == [MESSAGE, MESSAGE]
    assert kept.mails[0].rcpt_tos == ["sara@example.com"]
    assert kept.logins == []


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_over_tls_and_logged_in(
    tls: Literal["starttls", "implicit"], certificates: dict[str, Certificate]
) -> None:
    right = certificates["right"]
    async with inbox(right, implicit=tls == "implicit", auth_require_tls=tls == "starttls") as kept:
        await send_one(relay_at(kept.port, tls, ca_file=right.path, username="newsroom"))
    assert [mail.content for mail in kept.mails] == [MESSAGE, MESSAGE]
    assert kept.logins == [("PLAIN", "newsroom", PASSWORD.encode(), True)]


@pytest.mark.parametrize("tls", ["none", "implicit"])
async def test_a_mail_far_larger_than_the_buffers(
    tls: Literal["none", "implicit"], certificates: dict[str, Certificate]
) -> None:
    # The end of it waits in this process for a while; once it has left, «accepted» must be believed.
    right = certificates["right"]
    message = (b"x" * 76 + b"\r\n") * 60_000
    async with scripted_relay(tls=right.server if tls == "implicit" else None) as scripted:
        session = await relay_at(scripted.port, tls, ca_file=right.path).connect()
        for _ in range(2):
            assert isinstance(await send(session, "news@example.org", "sara@example.com", message), Accepted)
        await session.close()
    assert [len(content) for content in scripted.contents] == [len(message)] * 2


async def test_the_extensions_are_read_again_over_tls(certificates: dict[str, Certificate]) -> None:
    right = certificates["right"]
    async with inbox(right, enable_SMTPUTF8=True) as kept:
        await send_one(relay_at(kept.port, "starttls", ca_file=right.path), "سارا@example.com")
    assert kept.mails[0].rcpt_tos == ["سارا@example.com"]


@pytest.mark.parametrize("method", ["LOGIN", "PLAIN"])
async def test_other_ways_to_log_in(method: str) -> None:
    others = {"LOGIN", "PLAIN"} - {method}
    async with inbox(auth_require_tls=False, auth_exclude_mechanism=others) as kept:
        await send_one(relay_at(kept.port, username="newsroom"))
    assert kept.logins == [(method, "newsroom", PASSWORD.encode(), False)]


def digest_of(challenge: bytes, password: str) -> str:
    """The line that answers a CRAM-MD5 challenge (RFC 2195 §2)."""
    digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
    return base64.b64encode(f"newsroom {digest}".encode()).decode()


async def test_cram_md5_comes_first_in_clear() -> None:
    challenge = b"<1896.697170952@relay.example.org>"
    answers = {
        "EHLO": ["250-relay\r\n250 AUTH PLAIN LOGIN CRAM-MD5"],
        "AUTH": [f"334 {base64.b64encode(challenge).decode()}"],
        digest_of(challenge, PASSWORD): ["235 2.7.0 welcome"],
    }
    async with scripted_relay(answers) as scripted:
        await send_one(relay_at(scripted.port, username="newsroom"))
    assert scripted.lines[1:3] == [b"AUTH CRAM-MD5", digest_of(challenge, PASSWORD).encode()]


@pytest.mark.parametrize("refusal", ["504 5.5.4 not this way", "535 5.7.8 I only keep hashes"])
async def test_after_a_refused_method_the_next_one_is_tried(refusal: str) -> None:
    answers = {"EHLO": ["250-relay\r\n250 AUTH PLAIN CRAM-MD5"], "AUTH": [refusal, "235 2.7.0 welcome"]}
    async with scripted_relay(answers) as scripted:
        await send_one(relay_at(scripted.port, username="newsroom"))
    assert [line.split(b" ")[1] for line in scripted.lines if line.startswith(b"AUTH")] == [b"CRAM-MD5", b"PLAIN"]


async def test_a_connection_lost_after_a_refusal_does_not_hide_the_refusal() -> None:
    answers = {"EHLO": ["250-relay\r\n250 AUTH PLAIN CRAM-MD5"], "AUTH": ["535 5.7.8 no", DROP]}
    async with scripted_relay(answers) as scripted:
        assert 'the relay said "535 5.7.8 no"' in await failure_of(relay_at(scripted.port, username="newsroom"))


# --- the ways that fail, each with a sentence
async def test_no_server_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        started = time.monotonic()
        said = await failure_of(relay_at(unused.getsockname()[1]))
    assert "CONNECT failed: connection refused. Check host and port in [[smtp]], and that the relay runs." in said
    assert time.monotonic() - started < 20, "that is no time-out"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"CONNECT": ["421 4.3.2 too busy"]}, 'CONNECT failed: the relay said "421 4.3.2 too busy".'),
        ({"CONNECT": ["554 5.7.1 go away"]}, 'CONNECT failed: the relay said "554 5.7.1 go away".'),
        ({"CONNECT": [DROP]}, "CONNECT failed: "),
        ({"CONNECT": [SILENCE]}, "CONNECT failed: Timed out waiting for server ready message."),
        ({"CONNECT": ["HTTP/1.1 400 Bad Request"]}, "CONNECT failed: Malformed SMTP response line: HTTP/1.1"),
        (
            {"EHLO": ["550 5.7.1 who are you"]},
            'EHLO failed: the relay said "550 5.7.1 who are you". Is mail.example.org',
        ),
        ({"EHLO": ["421 4.3.2 not now"]}, 'EHLO failed: the relay said "421 4.3.2 not now".'),
        ({"EHLO": [DROP]}, "EHLO failed: the relay closed the connection."),
        ({"EHLO": [SILENCE]}, "EHLO failed: Timed out waiting for server response."),
    ],
    ids=str,
)
async def test_no_session(answers: dict[str, list[str]], words: str) -> None:
    async with scripted_relay(answers) as scripted:
        assert words in await failure_of(relay_at(scripted.port, waits=QUICK))
    assert set(scripted.verbs) <= {"EHLO"}


async def test_starttls_not_offered_means_that_nothing_is_sent() -> None:
    answers = {"EHLO": ["250-relay\r\n250 AUTH PLAIN LOGIN CRAM-MD5"]}
    async with scripted_relay(answers) as scripted:
        said = await failure_of(relay_at(scripted.port, "starttls", username="newsroom"))
    assert "STARTTLS failed: the relay does not offer it" in said
    # The whole of what went over the line: neither AUTH nor MAIL, and no content.
    assert scripted.lines == [b"EHLO mail.example.org"]
    assert scripted.contents == []


@pytest.mark.parametrize("trouble", ["454 4.7.0 TLS not available", DROP, SILENCE, "220-go\r\n221 no", "hello?"])
async def test_starttls_that_fails_means_that_nothing_is_sent(trouble: str) -> None:
    answers = {"EHLO": ["250-relay\r\n250-STARTTLS\r\n250 AUTH PLAIN"], "STARTTLS": [trouble]}
    async with scripted_relay(answers) as scripted:
        said = await failure_of(relay_at(scripted.port, "starttls", username="newsroom", waits=QUICK))
    assert "STARTTLS failed: " in said
    assert scripted.lines == [b"EHLO mail.example.org", b"STARTTLS"]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("shown", "trusted", "words"),
    [
        ("stranger", "right", "right.pem) must contain the certificate of the authority that signed it."),
        ("stranger", None, "Set ca_file in [[smtp]] to the certificate of the authority that signed it."),
        ("elsewhere", "elsewhere", "Set host in [[smtp]] to the name in its certificate."),
    ],
)
async def test_a_certificate_that_is_not_trusted(
    tls: Literal["starttls", "implicit"],
    shown: str,
    trusted: str | None,
    words: str,
    certificates: dict[str, Certificate],
) -> None:
    ca_file = certificates[trusted].path if trusted else None
    answers = {"EHLO": ["250-relay\r\n250-STARTTLS\r\n250 AUTH PLAIN"]}
    async with scripted_relay(answers, tls=certificates[shown].server, starttls=tls == "starttls") as scripted:
        said = await failure_of(relay_at(scripted.port, tls, ca_file=ca_file, username="newsroom"))
        assert "TLS failed: the relay's certificate is not trusted (" in said
        assert said.endswith(words)
    assert scripted.lines == ([b"EHLO mail.example.org", b"STARTTLS"] if tls == "starttls" else [])


async def test_a_corrected_ca_file_counts_without_a_restart(
    certificates: dict[str, Certificate], tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(certificates["stranger"].path.read_bytes())
    async with inbox(certificates["right"]) as kept:
        relay = relay_at(kept.port, "starttls", ca_file=ca_file)
        assert "not trusted" in await failure_of(relay)
        ca_file.write_bytes(certificates["right"].path.read_bytes())
        await send_one(relay)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
async def test_a_ca_file_that_cannot_be_read(content: str | None, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)
    async with scripted_relay() as scripted:
        said = await failure_of(relay_at(scripted.port, "implicit", ca_file=ca_file))
    assert f"TLS failed: the certificates in {ca_file} cannot be read" in said
    assert scripted.lines == []


async def test_implicit_tls_with_a_relay_that_speaks_in_clear() -> None:
    async with scripted_relay() as scripted:
        said = await failure_of(relay_at(scripted.port, "implicit", waits=QUICK))
    assert "TLS failed: no encrypted connection could be agreed on" in said
    assert 'tls = "starttls"' in said


async def test_in_clear_with_a_relay_that_speaks_implicit_tls(certificates: dict[str, Certificate]) -> None:
    async with scripted_relay(tls=certificates["right"].server) as scripted:
        said = await failure_of(relay_at(scripted.port, waits=QUICK))
    assert said.endswith('a port that speaks TLS at once (465) needs tls = "implicit".')


async def test_a_wrong_password(certificates: dict[str, Certificate]) -> None:
    right = certificates["right"]
    async with inbox(right) as kept:
        relay = relay_at(kept.port, "starttls", ca_file=right.path, username="newsroom", password="wrong")
        said = await failure_of(relay)
    assert 'AUTH failed: the relay said "535 5.7.8 Authentication credentials invalid".' in said
    assert said.endswith("Check username and password_file in [[smtp]].")
    assert "wrong" not in said
    assert kept.mails == []
    # One try, although LOGIN was offered too: relays lock accounts after a few.
    assert kept.logins == [("PLAIN", "newsroom", b"wrong", True)]


@pytest.mark.parametrize("method", ["PLAIN", "LOGIN"])
async def test_a_relay_that_repeats_commands_does_not_reveal_the_password(method: str) -> None:
    line = f"\0newsroom\0{PASSWORD}" if method == "PLAIN" else PASSWORD
    secret = base64.b64encode(line.encode()).decode()
    refusal = f"501 5.5.2 cannot understand {secret} there"
    answers = {"EHLO": [f"250-relay\r\n250 AUTH {method}"], "AUTH": [refusal if method == "PLAIN" else "334 go on"]}
    async with scripted_relay({**answers, secret: [refusal]}) as scripted:
        said = await failure_of(relay_at(scripted.port, username="newsroom"))
    assert "cannot understand … there" in said


@pytest.mark.parametrize(
    ("offered", "words"),
    [
        ("8BITMIME", "AUTH failed: the relay does not offer it, so the password was not sent."),
        ("AUTH GSSAPI XOAUTH2", "AUTH failed: the relay offers only GSSAPI, XOAUTH2, so the password was not sent."),
    ],
)
async def test_no_way_to_log_in(offered: str, words: str) -> None:
    async with scripted_relay({"EHLO": [f"250-relay\r\n250 {offered}"]}) as scripted:
        assert words in await failure_of(relay_at(scripted.port, username="newsroom"))
    assert scripted.verbs == ["EHLO"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("454 4.7.0 try later", 'AUTH failed: the relay said "454 4.7.0 try later". Try again later.'),
        ("421 4.7.0 too many tries", "AUTH failed: "),
        (DROP, "AUTH failed: the relay closed the connection."),
        (SILENCE, "AUTH failed: Timed out waiting for server response."),
    ],
)
async def test_a_login_that_breaks(answer: str, words: str) -> None:
    async with scripted_relay({"EHLO": ["250-relay\r\n250 AUTH PLAIN"], "AUTH": [answer]}) as scripted:
        assert words in await failure_of(relay_at(scripted.port, username="newsroom", waits=QUICK))
    assert "MAIL" not in scripted.verbs


@pytest.mark.parametrize("name", ["", "دفتر", "a b", "x\r\nMAIL FROM:<a@b.example>"])
async def test_a_host_without_a_valid_name_gives_its_address(name: str) -> None:
    async with scripted_relay() as scripted:
        setting = Smtp(host="127.0.0.1", port=scripted.port)
        session = await Relay(setting, password="", ca_file=None, local_hostname=name).connect()
        await session.close()
    assert scripted.lines == [b"EHLO [127.0.0.1]", b"QUIT"]


async def test_giving_up_while_connecting_leaves_nothing_open() -> None:
    async with scripted_relay({"CONNECT": [SILENCE]}) as scripted:
        connecting = asyncio.create_task(relay_at(scripted.port).connect())
        await asyncio.sleep(0.05)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting


def test_a_relay_is_known_by_host_and_port() -> None:
    assert relay_at(2525).name == "127.0.0.1:2525"
    assert ScriptedRelay({}, None, starttls=False).verbs == []
