"""Brings one page or picture over the network: bounded in bytes, time and redirects, never from where it must not go.

An address that an admin typed is trusted, wherever it leads. One that comes from outside (a redirect, a picture of a
feed, a story's page) is looked at first: it is never one of this machine or of the private network behind it, and the
connection goes to the very address that was looked at. It does *not* read what it brings.
"""

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from mailer.errors import FetchFailed

LARGEST = 5_000_000  # bytes, decoded
_REDIRECTS = 3
_WHOLE = 60.0  # seconds for everything: a server that sends one byte a second must not hold us
_PICTURE = 15.0  # the same for a picture: an editor waits for the draft
_TIMEOUT = httpx.Timeout(20.0, connect=10.0)
_CHUNK = 65_536
_LONGEST_ETAG = 1000  # characters
_AGENT = "khabarnameh/1 (newsletter; collects this site's own feed)"
_MOVED = frozenset((301, 302, 303, 307, 308))
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address
# What Python calls global, but leads into a network of one's own: for translators there (RFC 8215 §3), IPv4 addresses
# of old (RFC 4291 §2.5.5.1), site-local ones (§2.5.7), and IETF's (RFC 6890 §2.2.2).
_INNER = tuple(map(ipaddress.ip_network, ("64:ff9b:1::/48", "::/96", "fec0::/10", "192.0.0.0/24")))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
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
    """The IP addresses of a host, as the system knows them, the best first."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)))


def public(address: Address) -> bool:
    """Whether it is an address of the public internet, also when it is an IPv4 one in the clothes of IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return public(inner)
    inside = any(address in network for network in _INNER)
    return address.is_global and not address.is_multicast and not inside


def _sendable(validator: str) -> str:
    """An ETag or a date that can be sent back; empty for one that no request can hold, or no request should."""
    return validator if validator.isascii() and validator.isprintable() and len(validator) <= _LONGEST_ETAG else ""


class Fetcher:
    """A client for pages; safe in several threads. `HTTPS_PROXY` and its kin are honoured.

    Behind a proxy it is the proxy that finds the address, and what a name means there need not be known here: then only
    an address or a name that is known to be private is refused.
    """

    def __init__(
        self,
        *,
        resolve: Resolve = addresses,
        may: Callable[[Address], bool] = public,
        largest: int = LARGEST,
        whole: float = _WHOLE,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._resolve, self._may, self._largest, self._whole = resolve, may, largest, whole
        self._trust = trust or httpx.create_ssl_context()
        self._clients: dict[str, httpx.Client] = {}  # by proxy; "" is straight

    def fetch(self, url: str, *, etag: str = "", modified: str = "", trusted: bool = True) -> Fetched:
        """The page at `url`, or that it has not changed since it was given `etag` and `modified`.

        trusted  the address was typed by an admin; False: it came from outside and may not be private
        Raises FetchFailed with one sentence on what went wrong.
        """
        asked = {"if-none-match": _sendable(etag), "if-modified-since": _sendable(modified)}
        headers = {name: value for name, value in asked.items() if value}
        return self._brought(url, headers, trusted, ("http", "https"), self._whole)

    def picture(self, url: str) -> bytes:
        """The bytes of a picture that somebody else named: by https only. FetchFailed says why not."""
        found = self._brought(url, {"accept": "image/*"}, False, ("https",), min(_PICTURE, self._whole))
        if found.kind and not found.kind.startswith(("image/", "application/octet-stream")):
            raise FetchFailed(f"{shown(url)}: no picture but {found.kind[:40]}.")
        return found.content

    def gone(self, url: str) -> bool:
        """Whether the server says that there is no such page any more (404, 410). An error is no proof of that."""
        try:
            self.fetch(url, trusted=False)
        except FetchFailed as failure:
            return failure.status in (404, 410)
        return False

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _brought(
        self, url: str, headers: dict[str, str], trusted: bool, schemes: tuple[str, ...], whole: float
    ) -> Fetched:
        until = time.monotonic() + whole
        try:
            for _ in range(_REDIRECTS + 1):
                found = self._once(url, headers, trusted, schemes, until)
                if isinstance(found, Fetched):
                    return found
                url, trusted = found, False
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, ImportError, ValueError, TimeoutError) as error:
            late = time.monotonic() >= until
            why = f"not here after {whole:.0f} seconds" if late else _words(error)
            raise FetchFailed(f"{shown(url)}: {why}.") from error
        raise FetchFailed(f"{shown(url)}: redirected more than {_REDIRECTS} times.")

    def _once(
        self, url: str, headers: dict[str, str], trusted: bool, schemes: tuple[str, ...], until: float
    ) -> Fetched | str:
        """What the page holds, or where it has moved to."""
        parts = urlsplit(url)
        if parts.scheme not in schemes or not parts.hostname or (not trusted and "@" in parts.netloc):
            raise FetchFailed(f"{shown(url)}: not a web address that is asked ({' or '.join(schemes)}).")
        proxy = _proxy(parts.scheme, parts.hostname)
        checked = [] if trusted else self._checked(url, parts.hostname, behind_proxy=bool(proxy))
        if time.monotonic() >= until:  # the DNS took it all
            raise TimeoutError
        with self._answer(proxy, url, checked, headers, until) as answer:
            if answer.status_code in _MOVED and "location" in answer.headers:
                return urljoin(url, answer.headers["location"])
            if answer.status_code not in (200, 304):
                raise FetchFailed(f"{shown(url)}: the server answered {answer.status_code}.", status=answer.status_code)
            same = answer.status_code == 304
            return Fetched(
                url=url,
                content=b"" if same else self._content(url, answer, until),
                kind=answer.headers.get("content-type", "").partition(";")[0].strip().lower(),
                etag=_sendable(answer.headers.get("etag", "")),
                modified=_sendable(answer.headers.get("last-modified", "")),
                unchanged=same,
                headers=answer.headers,
            )

    @contextlib.contextmanager
    def _answer(
        self, proxy: str, url: str, checked: list[str], headers: dict[str, str], until: float
    ) -> Iterator[httpx.Response]:
        """The server's answer; from one of the addresses that were checked, when it is asked straight."""
        wanted = httpx.URL(url)
        client = self._client(proxy)
        for place, address in enumerate(checked or [""]):
            # By its number, under its name: asked a second time, the DNS might answer otherwise.
            extensions: dict[str, Any] = {}
            if address:
                extensions["sni_hostname"] = wanted.raw_host.decode("ascii")
                headers = {**headers, "host": wanted.netloc.decode("ascii")}
            to = wanted.copy_with(host=address) if address else wanted
            with _Deadline(until) as deadline, contextlib.ExitStack() as opened:
                extensions["trace"] = deadline.trace
                try:
                    asked = client.stream("GET", to, headers=headers, extensions=extensions)
                    answer = opened.enter_context(asked)
                except httpx.ConnectError:
                    if place + 1 < len(checked):
                        continue
                    raise
                yield answer
                return

    def _client(self, proxy: str) -> httpx.Client:
        if proxy not in self._clients:
            headers = {"user-agent": _AGENT, "accept-encoding": "gzip, identity"}
            # No cookies are kept, no redirect is followed unseen, and no line is used again: it might be another site's
            # at the same address.
            made = httpx.Client(
                headers=headers,
                timeout=_TIMEOUT,
                follow_redirects=False,
                trust_env=False,
                verify=self._trust,
                limits=httpx.Limits(max_keepalive_connections=0),
                proxy=proxy or None,
            )
            if self._clients.setdefault(proxy, made) is not made:
                made.close()  # another thread was faster
        return self._clients[proxy]

    def _checked(self, url: str, host: str, *, behind_proxy: bool) -> list[str]:
        """Where a host is to be asked. Refuses one that leads to this machine or the network behind it, by whatever
        name. Empty: nobody here knows, but the proxy may."""
        try:
            found = list(self._resolve(host))
        except (OSError, UnicodeError) as error:
            if behind_proxy:
                return []
            raise FetchFailed(f"{shown(url)}: its name is not known.") from error
        if not found or not all(self._may(ipaddress.ip_address(each.partition("%")[0])) for each in found):
            raise FetchFailed(f"{shown(url)}: leads to a private address, where no server may send us.")
        return [] if behind_proxy else found

    def _content(self, url: str, answer: httpx.Response, until: float) -> bytes:
        """The decoded bytes. Decoded here, in bounded steps: a small gzip body may stand for gigabytes."""
        encoding = answer.headers.get("content-encoding", "identity").lower()
        if encoding not in ("gzip", "x-gzip", "identity", ""):
            raise FetchFailed(f"{shown(url)}: sent as «{encoding[:20]}», which was not asked for.")
        unpacker = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
        parts: list[bytes] = []
        size = 0
        for raw in answer.iter_raw(_CHUNK):
            if time.monotonic() >= until:
                raise TimeoutError
            try:
                part = unpacker.decompress(raw, self._largest + 1 - size) if unpacker else raw
            except zlib.error:
                raise FetchFailed(f"{shown(url)}: its gzip encoding is damaged.") from None
            parts.append(part)
            size += len(part)
            if size > self._largest:
                raise FetchFailed(f"{shown(url)}: holds more than {self._largest // 1_000_000} MB.")
        if time.monotonic() >= until:  # the line was ended; without a length told, half a page looks whole
            raise TimeoutError
        return b"".join(parts)


class _Deadline:
    """Ends a line when the time is over, wherever it is: the client's own time-outs begin anew with every byte."""

    def __init__(self, until: float) -> None:
        self._timer = threading.Timer(max(until - time.monotonic(), 0.0), self._end)
        self._timer.daemon = True
        self._line: Any = None
        self._over = False

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def trace(self, name: str, info: dict[str, Any]) -> None:
        """Called by the client at each step (httpx's `trace` extension): keeps the line that is open."""
        if name.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._line = info["return_value"]
            if self._over:  # the time ended while the name was looked up or the line was made
                self._shut()

    def _end(self) -> None:
        self._over = True
        self._shut()

    def _shut(self) -> None:
        line = self._line.get_extra_info("socket") if self._line else None
        with contextlib.suppress(OSError):
            if line:
                line.shutdown(socket.SHUT_RDWR)


def _proxy(scheme: str, host: str) -> str:
    """The proxy that the environment names for such an address; "" when it is asked straight."""
    found = getproxies()
    proxy = found.get(scheme) or found.get("all") or ""
    if not proxy or proxy_bypass(host):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def shown(url: str) -> str:
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
    return str(error)[:160].rstrip(".").replace("\n", " ") or type(error).__name__
