"""A relay from the settings. Opens sessions with the relay: connect, EHLO, STARTTLS, AUTH.

Every failure raises a `RelayDown` that names the failed phase, quotes the relay and says how to fix the problem.
Nothing is retried. If the settings require TLS, no session is opened without TLS.
"""

import asyncio
import base64
import re
import socket
import ssl
from pathlib import Path
from typing import NoReturn, cast

import aiosmtplib

from mailer.errors import RelayDown
from mailer.settings import Smtp
from mailer.smtp.connection import Connection
from mailer.smtp.reply_parser import cleaned
from mailer.smtp.session import Session, Tolerance, Waits

_CLOSED = "the relay closed the connection"
# Matches the banners of servers that answer in order even if the next mail's commands directly follow the final dot, as
# tests have shown.
_OVERLAPS = re.compile(r"\bESMTP (Postfix|Exim)\b")


class Relay:
    """A relay, made from one `[[smtp]]` section of the settings. `password` and `ca_file` are the resolved values of
    those settings. `local_hostname` is this host's name in EHLO. `waits` replaces the time limits that otherwise follow
    from `setting.timeout`."""

    def __init__(
        self,
        setting: Smtp,
        *,
        password: str,
        ca_file: Path | None,
        local_hostname: str,
        waits: Waits | None = None,
    ) -> None:
        self._setting = setting
        self._password = password
        self._ca_file = ca_file
        # RFC 5321 section 4.1.4: a host without a valid name gives its address in brackets.
        self._local_hostname = local_hostname if re.fullmatch(r"[A-Za-z0-9.-]+", local_hostname) else "[127.0.0.1]"
        self._waits = waits or Waits.of(setting.timeout.total_seconds())
        self._context: ssl.SSLContext | None = None
        self._tolerance: Tolerance | None = None  # None before the first session

    @property
    def name(self) -> str:
        """Returns the relay's name, `host:port`."""
        return self._setting.name

    async def connect(self) -> Session:
        """Opens a session that is ready for mail. Raises RelayDown if that fails."""
        context = await self._trust() if self._setting.tls != "none" else None
        client = aiosmtplib.SMTP(
            hostname=self._setting.host,
            port=self._setting.port,
            local_hostname=self._local_hostname,
            timeout=self._waits.answer,
            use_tls=self._setting.tls == "implicit",
            # With None, aiosmtplib would silently continue unencrypted if the relay does not offer STARTTLS. So
            # `_secure` issues STARTTLS instead of aiosmtplib.
            start_tls=False,
            tls_context=context,
        )
        try:
            greeting = await self._open(client)
            await self._ehlo(client)
            if self._setting.tls == "starttls":
                await self._secure(client)
            if self._setting.username:
                await self._log_in(client, self._setting.username)
            transport = cast("asyncio.Transport | None", client.transport)
            if transport is None or transport.is_closing():
                self._fail("EHLO", _CLOSED, "Try again later.")
            # The tolerance is created once, from the first greeting, because sessions later record the limits of the
            # relay in it.
            self._tolerance = self._tolerance or Tolerance(self.name, overlap=self._may_overlap(greeting))
            extensions = dict(client.esmtp_extensions)
            connection = Connection(transport)
            return Session(connection, extensions, self._waits, self._tolerance, self._setting.max_messages)
        except BaseException:
            client.close()
            raise

    # --- the steps
    async def _trust(self) -> ssl.SSLContext:
        """Returns the TLS context. The context is created only once, because reading the system's certificates takes
        longer than sending a mail."""
        if self._context is None:
            try:
                self._context = await asyncio.to_thread(ssl.create_default_context, cafile=self._ca_file)
            except (OSError, ssl.SSLError) as e:
                self._fail(
                    "TLS",
                    f"the certificates in {self._ca_file} cannot be read ({e.strerror or e})",
                    "Set ca_file in [[smtp]] to a readable PEM file.",
                )
        return self._context

    def _may_overlap(self, greeting: str) -> bool:
        overlap = self._setting.overlap
        return overlap == "on" or (overlap == "auto" and bool(_OVERLAPS.search(greeting)))

    async def _open(self, client: aiosmtplib.SMTP) -> str:
        try:
            return (await client.connect()).message
        except aiosmtplib.SMTPResponseException as e:
            self._fail("CONNECT", _said(e), "It takes no mail from this host now; ask its administrator if that lasts.")
        except (aiosmtplib.SMTPException, OSError, ValueError) as e:
            cause = e.__cause__ or e
            if isinstance(cause, ssl.SSLError):
                self._distrust(cause)
            self._unreachable(e, cause)

    async def _ehlo(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.ehlo()
        except aiosmtplib.SMTPResponseException as e:
            # There is no fallback to HELO, because HELO offers neither TLS nor AUTH and no current relay needs HELO.
            self._fail("EHLO", _said(e), f"Is {self._local_hostname} a name that the relay accepts?")
        except (aiosmtplib.SMTPException, OSError) as e:
            self._fail("EHLO", _why(e), "Check that an SMTP relay listens there.")

    async def _secure(self, client: aiosmtplib.SMTP) -> None:
        if not client.supports_extension("starttls"):
            self._fail(
                "STARTTLS",
                "the relay does not offer it, so nothing was sent",
                'Use a port that does (587), or tls = "implicit" with port 465.',
            )
        try:
            await client.starttls()
        except aiosmtplib.SMTPResponseException as e:
            self._fail("STARTTLS", _said(e), "The relay offers TLS and refuses it; ask its administrator.")
        except ssl.SSLError as e:
            self._distrust(e)
        except (aiosmtplib.SMTPException, OSError) as e:
            self._fail("STARTTLS", _why(e), "The relay ended the connection during the TLS handshake.")
        # The extensions that were offered before TLS may be forged, so they are discarded (RFC 3207 section 4.2).
        await self._ehlo(client)

    async def _log_in(self, client: aiosmtplib.SMTP, username: str) -> None:
        if not client.supported_auth_methods:
            offered = ", ".join(method.upper() for method in client.server_auth_methods)
            what = f"the relay offers only {cleaned(offered)}" if offered else "the relay does not offer it"
            self._fail(
                "AUTH",
                f"{what}, so the password was not sent",
                'PLAIN, LOGIN or CRAM-MD5 is needed; many relays offer them only with tls = "starttls" or "implicit".',
            )
        refused: aiosmtplib.SMTPResponseException | None = None
        for method in sorted(client.supported_auth_methods, key=self._preference):
            log_in = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}[method]
            try:
                await log_in(username, self._password)
                return
            except aiosmtplib.SMTPResponseException as e:
                refused = e
                # aiosmtplib's login() would try every method, but some relays lock an account after three wrong
                # passwords. So another method is tried only if the relay seems to refuse the method, not the password.
                # A 535 after CRAM-MD5 may mean either, because a relay that stores only hashes of passwords answers
                # every CRAM-MD5 with 535.
                if e.code // 100 == 4 or (e.code == 535 and method != "cram-md5"):
                    break
            except (aiosmtplib.SMTPException, OSError) as e:
                if refused is None:
                    self._fail("AUTH", _why(e), "Check username and password_file in [[smtp]].")
                break
        if refused is not None:
            temporary = refused.code // 100 == 4
            fix = "Try again later." if temporary else "Check username and password_file in [[smtp]]."
            self._fail("AUTH", self._without_password(_said(refused)), fix)

    def _without_password(self, text: str) -> str:
        """Returns the text without the password, because some relays repeat the refused command, which contains the
        password in base64."""
        plain = f"\0{self._setting.username}\0{self._password}"
        for secret in (plain, self._password):
            text = text.replace(base64.b64encode(secret.encode()).decode(), "…")
        return text

    def _preference(self, method: str) -> int:
        """Returns the rank of a login method; the method of rank 0 is tried first. With TLS, PLAIN is first, because
        every relay understands PLAIN. Without TLS, CRAM-MD5 is first, because it does not reveal the password."""
        order = ("cram-md5", "plain", "login") if self._setting.tls == "none" else ("plain", "login", "cram-md5")
        return order.index(method)

    # --- failures
    def _fail(self, phase: str, what: str, fix: str) -> NoReturn:
        raise RelayDown(f"{self.name}: {phase} failed: {what}.", fix) from None

    def _unreachable(self, error: BaseException, cause: BaseException) -> NoReturn:
        if isinstance(cause, socket.gaierror):
            self._fail("CONNECT", f"no host is known as {self._setting.host}", "Check host in [[smtp]] and the DNS.")
        if isinstance(cause, ConnectionRefusedError):
            self._fail("CONNECT", "connection refused", "Check host and port in [[smtp]], and that the relay runs.")
        fix = "Check host and port in [[smtp]] and the firewall."
        if isinstance(error, TimeoutError) and self._setting.tls != "implicit":
            # A relay that expects TLS from the start sends no unencrypted greeting, so the connection attempt times
            # out.
            fix = f'{fix[:-1]}; a port that speaks TLS at once (465) needs tls = "implicit".'
        self._fail("CONNECT", _why(error), fix)

    def _distrust(self, error: ssl.SSLError) -> NoReturn:
        self._context = None  # the next connection reads ca_file again, in case an admin has corrected the file
        if not isinstance(error, ssl.SSLCertVerificationError):
            fix = 'Port 587 usually wants tls = "starttls", port 465 tls = "implicit".'
            self._fail("TLS", f"no encrypted connection could be agreed on ({_reason(error)})", fix)
        what = f"the relay's certificate is not trusted ({cleaned(error.verify_message)})"
        if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            fix = "Set host in [[smtp]] to the name in its certificate."
        elif error.verify_code in (9, 10):  # the certificate is not yet valid, or has expired
            fix = "Have the relay's certificate renewed, and check the clock of this machine."
        elif self._ca_file:
            fix = f"ca_file ({self._ca_file}) must contain the certificate of the authority that signed it."
        else:
            fix = "Set ca_file in [[smtp]] to the certificate of the authority that signed it."
        self._fail("TLS", what, fix)


def _said(error: aiosmtplib.SMTPResponseException) -> str:
    # aiosmtplib gives the code -1 to a response that is not an SMTP answer.
    return cleaned(f'the relay said "{error.code} {error.message}"' if error.code > 0 else error.message)


def _why(error: BaseException) -> str:
    if isinstance(error, aiosmtplib.SMTPServerDisconnected):
        return _CLOSED
    return cleaned(str(error)).rstrip(".") or type(error).__name__


def _reason(error: ssl.SSLError) -> str:
    return cleaned(error.reason or str(error)).replace("_", " ").lower()
