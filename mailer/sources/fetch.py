"""Brings one page over the network: bounded in bytes, in time and in redirects, and never from where it must not go.

An address that an admin typed is trusted, wherever it leads; where a redirect leads is the server's choice, so it is
looked at: never to this machine or the private network behind it. It does *not* read what it brings.
"""

import ipaddress
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from mailer.errors import FetchFailed

LARGEST = 5_000_000  # bytes, decoded
_REDIRECTS = 3
_WHOLE = 60.0  # seconds for everything: a server that sends one byte a second must not hold us
_TIMEOUT = httpx.Timeout(20.0, connect=10.0)
_CHUNK = 65_536
_AGENT = "khabarnameh/1 (newsletter; collects this site's own feed)"
_MOVED = frozenset((301, 302, 303, 307, 308))

Resolve = Callable[[str], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """`content` is empty when the page has not changed since (`unchanged`)."""

    url: str  # where it was in the end
    content: bytes
    kind: str  # the media type, lower case, without parameters
    etag: str = ""
    modified: str = ""
    unchanged: bool = False
    headers: httpx.Headers | None = None


def addresses(host: str) -> list[str]:
    """The IP addresses of a host, as the system knows them."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


class Fetcher:
    """A client for pages; safe in several threads. `HTTPS_PROXY` and its kin are honoured."""

    def __init__(self, *, resolve: Resolve = addresses, largest: int = LARGEST) -> None:
        self._resolve, self._largest = resolve, largest
        headers = {"user-agent": _AGENT, "accept-encoding": "gzip, identity"}
        # No cookies are kept and no redirect is followed unseen.
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT, follow_redirects=False, trust_env=True)

    def fetch(self, url: str, *, etag: str = "", modified: str = "", trusted: bool = True) -> Fetched:
        """The page at `url`, or that it has not changed since it was given `etag` and `modified`.

        trusted  the address was typed by an admin; False: it came from outside and may not be private
        Raises FetchFailed with one sentence on what went wrong.
        """
        asked = {"if-none-match": etag, "if-modified-since": modified}
        headers = {name: value for name, value in asked.items() if value}
        until = time.monotonic() + _WHOLE
        try:
            for _ in range(_REDIRECTS + 1):
                if not trusted:
                    self._look_at(url)
                found = self._once(url, headers, until)
                if isinstance(found, Fetched):
                    return found
                url, trusted = found, False
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, UnicodeError) as error:
            raise FetchFailed(f"{_shown(url)}: {_words(error)}.") from error
        raise FetchFailed(f"{_shown(url)}: redirected more than {_REDIRECTS} times.")

    def gone(self, url: str) -> bool:
        """Whether the server says that there is no such page any more (404, 410). An error is no proof of that."""
        try:
            self.fetch(url, trusted=False)
        except FetchFailed as failure:
            return failure.status in (404, 410)
        return False

    def close(self) -> None:
        self._client.close()

    def _once(self, url: str, headers: dict[str, str], until: float) -> Fetched | str:
        """What the page holds, or where it has moved to."""
        with self._client.stream("GET", url, headers=headers) as answer:
            if answer.status_code in _MOVED and "location" in answer.headers:
                return urljoin(url, answer.headers["location"])
            if answer.status_code == 304:
                known = answer.headers
                return Fetched(
                    url, b"", "", known.get("etag", ""), known.get("last-modified", ""), unchanged=True, headers=known
                )
            if answer.status_code != 200:
                raise FetchFailed(
                    f"{_shown(url)}: the server answered {answer.status_code}.", status=answer.status_code
                )
            return Fetched(
                url=url,
                content=self._content(url, answer, until),
                kind=answer.headers.get("content-type", "").partition(";")[0].strip().lower(),
                etag=answer.headers.get("etag", ""),
                modified=answer.headers.get("last-modified", ""),
                headers=answer.headers,
            )

    def _content(self, url: str, answer: httpx.Response, until: float) -> bytes:
        """The decoded bytes. Decoded here, in bounded steps: a small gzip body may stand for gigabytes."""
        encoding = answer.headers.get("content-encoding", "identity").lower()
        if encoding not in ("gzip", "x-gzip", "identity", ""):
            raise FetchFailed(f"{_shown(url)}: sent as «{encoding[:20]}», which was not asked for.")
        unpacker = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
        parts: list[bytes] = []
        size = 0
        for raw in answer.iter_raw(_CHUNK):
            try:
                part = unpacker.decompress(raw, self._largest + 1 - size) if unpacker else raw
            except zlib.error:
                raise FetchFailed(f"{_shown(url)}: its gzip encoding is damaged.") from None
            parts.append(part)
            size += len(part)
            if size > self._largest:
                raise FetchFailed(f"{_shown(url)}: holds more than {self._largest // 1_000_000} MB.")
            if time.monotonic() > until:
                raise FetchFailed(f"{_shown(url)}: not here after {_WHOLE:.0f} seconds.")
        return b"".join(parts)

    def _look_at(self, url: str) -> None:
        """Refuses an address that leads to this machine or the network behind it, by whatever name."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FetchFailed(f"{_shown(url)}: not a web address.")
        try:
            found = list(self._resolve(parts.hostname))
        except (OSError, UnicodeError) as error:
            raise FetchFailed(f"{_shown(url)}: its name is not known.") from error
        if not found or any(_private(each) for each in found):
            raise FetchFailed(f"{_shown(url)}: leads to a private address, where no server may send us.")


def _private(address: str) -> bool:
    ip: Any = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 6:
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    return not ip.is_global or ip.is_multicast


def _shown(url: str) -> str:
    """Without a password, and short enough for a line."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"[:200]
    except ValueError:
        return url[:80]


def _words(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return f"no connection ({str(error)[:120]})"
    return str(error)[:160].rstrip(".") or type(error).__name__
