"""Fetching one picture from the open web, carefully: its address comes from a feed, so from a stranger.

Only https, only hosts of the public internet, a few redirects, a few megabytes, a few seconds. Judges no picture.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from mailer.errors import NotFetched

_BYTES = 8_000_000
_SECONDS = 15.0  # for all of it: a server that drips must not hold up the draft
_REDIRECTS = 3

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def public(address: Address) -> bool:
    """Whether it is an address of the public internet; 64:ff9b::/96 and its kin may lead back into our own network."""
    return address.is_global and not address.is_multicast and getattr(address, "ipv4_mapped", None) is None


def fetch(url: str, *, may: Callable[[Address], bool] = public, trust: ssl.SSLContext | None = None) -> bytes:
    """The bytes at an https address. NotFetched says why not."""
    end = time.monotonic() + _SECONDS
    try:
        for _ in range(_REDIRECTS + 1):
            line = _line(url, may, trust or ssl.create_default_context(), end)
            try:
                found = _asked(line, url, end)
            finally:
                line.close()
            if isinstance(found, bytes):
                return found
            url = urljoin(url, found)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotFetched(f"{_short(url)} could not be fetched: {error or type(error).__name__}.") from error
    raise NotFetched(f"{_short(url)} leads in circles.")


def _line(url: str, may: Callable[[Address], bool], trust: ssl.SSLContext, end: float) -> http.client.HTTPSConnection:
    """An unopened line to the host, or to the proxy that is set for it."""
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port or 443
    if parts.scheme != "https" or not host or "@" in parts.netloc:
        raise NotFetched(f"{_short(url)} is no https address.")
    proxy = urlsplit(getproxies().get("https", ""))
    if proxy.hostname and not proxy_bypass(host):
        line = http.client.HTTPSConnection(proxy.hostname, proxy.port or 8080, timeout=_left(end), context=trust)
        line.set_tunnel(host, port)
        return line
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(each[4][0]) for each in found]
    if not addresses or not all(map(may, addresses)):
        raise NotFetched(f"{_short(url)} is not on the public internet.")
    return _Pinned(host, port, str(addresses[0]), timeout=_left(end), context=trust)


class _Pinned(http.client.HTTPSConnection):
    """Connects to the very address that was checked: asked a second time, the DNS might answer otherwise."""

    def __init__(self, host: str, port: int, address: str, *, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._address, self._trust = address, context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        try:
            self.sock = self._trust.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


def _asked(line: http.client.HTTPSConnection, url: str, end: float) -> bytes | str:
    """The picture, or where to look instead."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    line.request("GET", path, headers={"Accept": "image/*", "User-Agent": "khabarnameh"})
    answer = line.getresponse()
    if answer.status in (301, 302, 303, 307, 308) and answer.headers.get("Location"):
        return str(answer.headers["Location"])
    if answer.status != 200:
        raise NotFetched(f"{_short(url)} answers {answer.status}.")
    if not answer.headers.get("Content-Type", "image/").startswith(("image/", "application/octet-stream")):
        raise NotFetched(f"{_short(url)} is no picture but {answer.headers['Content-Type'][:40]}.")
    data = bytearray()
    while piece := answer.read1(65_536):
        data += piece
        if len(data) > _BYTES:
            raise NotFetched(f"{_short(url)} is larger than {_BYTES // 1_000_000} MB.")
        line.sock.settimeout(_left(end)) if line.sock else None
    return bytes(data)


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("it takes too long")
    return left


def _short(url: str) -> str:
    return url[:120]
