"""Fetches one page or picture from the network, with limits on bytes, time and redirects.

An address that an admin typed is trusted and may lead anywhere. An address from outside (a redirect, a picture in a
feed, the page of a story) is checked first: its host must not lead to this machine or to this machine's private
network. The connection then goes to exactly the IP address that was checked. Other modules read the content of the
page.
"""

import contextlib
import ipaddress
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urljoin
from urllib.request import getproxies, proxy_bypass

import httpx

from mailer.errors import FetchFailed
from mailer.text import links

LARGEST = 5_000_000  # maximum number of bytes of a page after decompression
_REDIRECTS = 3
_SECONDS = 60.0  # seconds for a whole page: a server that sends one byte a second must not hold up the other sources
_PICTURE_SECONDS = 15.0  # seconds for a whole picture, because an editor is waiting for the draft
_TIMEOUT = httpx.Timeout(20.0, connect=10.0)
_CHUNK = 65_536
_MOST_MEMBERS = 1000  # maximum number of gzip members that are unpacked from one chunk
_LONGEST_ETAG = 1000  # maximum number of characters; a longer ETag or date is not used
_HEADERS = {
    "user-agent": "khabarnameh/1 (newsletter; collects this site's own feed)",
    "accept-encoding": "gzip, identity",
}
_MOVED = frozenset((301, 302, 303, 307, 308))
# The status codes of answers with content: OK (200), content that a proxy changed (203), a part of the content (206),
# and only the new entries of a feed (226, RFC 3229).
_WITH_CONTENT = (200, 203, 206, 226)
_CHARSET = re.compile(r"""charset\s*+=\s*+(?:["']\s*+)?([\w.:-]{1,40})""", re.IGNORECASE)
_WHOLE_RANGE = re.compile(r"bytes\s+0-(\d{1,12})/(\d{1,12})\s*")
# Content encodings that this program cannot unpack and does not ask for.
_UNKNOWN_CODINGS = ("br", "zstd", "compress", "x-compress", "dcb", "dcz")
_GZIP = b"\x1f\x8b"
_BEGINS_TEXT = (b"<", b"{", b"[", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b" ", b"\t", b"\r", b"\n")
# The NAT64 prefix (RFC 6052). The last four bytes of an address with this prefix are an IPv4 address.
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
# Local networks that Python's `is_global` calls global: local NAT64 (RFC 8215 §3), IPv4-compatible addresses (RFC 4291
# §2.5.5.1), site-local addresses (§2.5.7), and the IETF's protocol assignments (RFC 6890 §2.2.2).
_LOCAL = tuple(map(ipaddress.ip_network, ("64:ff9b:1::/48", "::/96", "fec0::/10", "192.0.0.0/24")))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A fetched page. If `unchanged` is True, the page is the same as at an earlier request, and `content` is empty."""

    url: str  # the address of the page after all redirects
    content: bytes
    kind: str  # the media type, lower case, without parameters
    etag: str
    modified: str
    unchanged: bool
    headers: httpx.Headers
    charset: str = ""  # the encoding of the text, as named by the server
    cut_off: bool = False  # True if `content` is only the beginning


def addresses(host: str) -> list[str]:
    """Return the IP addresses of a host in the order in which the system prefers them."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)))


def public(address: Address) -> bool:
    """Return True for an address of the public internet. An IPv4 address inside an IPv6 address is judged as IPv4."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return public(inner)
    local = any(address in network for network in _LOCAL)
    return address.is_global and not address.is_multicast and not local


def _sendable(validator: str) -> str:
    """Return `validator`, an ETag or a date, if a request header may contain it, else ""."""
    return validator if validator.isascii() and validator.isprintable() and len(validator) <= _LONGEST_ETAG else ""


class Fetcher:
    """An HTTP client that may be used in several threads and honours `HTTPS_PROXY` and similar variables.

    If there is a proxy, the proxy resolves host names, because this machine may be unable to resolve them. A host name
    that this machine cannot resolve is then allowed. Private addresses, and names that resolve to private addresses,
    are still refused.
    """

    def __init__(
        self,
        *,
        resolve: Resolve = addresses,
        allowed: Callable[[Address], bool] = public,
        seconds: float = _SECONDS,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._resolve, self._allowed, self._seconds, self._given_trust = resolve, allowed, seconds, trust

    @cached_property  # reading the system's certificates takes a while, and most commands fetch nothing
    def _trust(self) -> ssl.SSLContext:
        return self._given_trust or httpx.create_ssl_context()

    def fetch(
        self, url: str, *, etag: str = "", modified: str = "", trusted: bool = True, may_cut: bool = False
    ) -> Fetched:
        """Return the page at `url`. The result has `unchanged` set if the page is the same as at an earlier request.

        `etag` and `modified` are the validators of the earlier answer. `trusted` means that an admin typed the address;
        any other address must not be private. With `may_cut`, only the beginning of a page that is too large is
        returned. Raises FetchFailed with one sentence on what went wrong.
        """
        validators = {"if-none-match": _sendable(etag), "if-modified-since": _sendable(modified)}
        headers = {name: value for name, value in validators.items() if value}
        return self._follow(url, headers, trusted, ("http", "https"), self._seconds, may_cut=may_cut)

    def picture(self, url: str) -> bytes:
        """Return the bytes of the picture at `url`, an address from outside that must be https. Raises FetchFailed."""
        found = self._follow(url, {"accept": "image/*"}, False, ("https",), min(_PICTURE_SECONDS, self._seconds))
        if found.kind and not found.kind.startswith(("image/", "application/octet-stream")):
            raise FetchFailed(f"{links.shown(url)}: this is not a picture but {found.kind[:40]}.")
        return found.content

    def gone(self, url: str) -> bool:
        """Return True if the server says that the page does not exist (404 or 410), and False for any other result."""
        try:
            self.fetch(url, trusted=False)
        except FetchFailed as failure:
            return failure.status in (404, 410)
        return False

    def _follow(
        self,
        url: str,
        headers: dict[str, str],
        trusted: bool,
        schemes: tuple[str, ...],
        seconds: float,
        *,
        may_cut: bool = False,
    ) -> Fetched:
        """Return the page at `url`, or the page to which `url` redirects.

        `seconds` limits the time for all requests together.
        """
        until = time.monotonic() + seconds
        try:
            for _ in range(_REDIRECTS + 1):
                found = self._request(url, headers, trusted, schemes, until, may_cut=may_cut)
                if isinstance(found, Fetched):
                    return found
                url, trusted = found, trusted and same_server(url, found)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, ImportError, ValueError, TimeoutError) as error:
            late = time.monotonic() >= until
            why = f"not complete after {seconds:.0f} seconds" if late else _sentence(error)
            # A redirect may lead to an invalid address. SSL errors are excluded, because an invalid certificate is a
            # ValueError, too.
            invalid = isinstance(error, (httpx.InvalidURL, ValueError)) and not isinstance(error, ssl.SSLError)
            raise FetchFailed(f"{links.shown(url)}: {why}.", refused=invalid and not late) from error
        raise FetchFailed(f"{links.shown(url)}: redirected more than {_REDIRECTS} times.", refused=True)

    def _request(
        self,
        url: str,
        headers: dict[str, str],
        trusted: bool,
        schemes: tuple[str, ...],
        until: float,
        *,
        may_cut: bool,
    ) -> Fetched | str:
        """Return the page at `url`, or the new address if the page has moved."""
        parts = links.split(url)
        if parts is None or parts.scheme not in schemes or (not trusted and "@" in parts.netloc):
            raise FetchFailed(
                f"{links.shown(url)}: not a web address that can be fetched ({' or '.join(schemes)}).", refused=True
            )
        host = parts.hostname or ""
        proxy = _proxy(parts.scheme, host)
        checked = [] if trusted else self._checked(url, host, behind_proxy=bool(proxy))
        if time.monotonic() >= until:  # resolving the host may have taken all the time
            raise TimeoutError
        with self._answer(proxy, url, checked, headers, until) as answer:
            status, sent = answer.status_code, answer.headers
            if status in _MOVED and "location" in sent:
                return urljoin(url, sent["location"])
            if status not in (*_WITH_CONTENT, 304):
                raise FetchFailed(f"{links.shown(url)}: the server answered {status}.", status=status)
            content, cut_off = (b"", False) if status == 304 else _content(url, answer, until, may_cut=may_cut)
            kind = sent.get("content-type", "")
            charset = _CHARSET.search(kind)
            return Fetched(
                url=url,
                content=content,
                kind=kind.partition(";")[0].strip().lower(),
                etag=_sendable(sent.get("etag", "")),
                modified=_sendable(sent.get("last-modified", "")),
                unchanged=status == 304,
                headers=sent,
                charset=charset[1] if charset else "",
                cut_off=cut_off,
            )

    @contextlib.contextmanager
    def _answer(
        self, proxy: str, url: str, checked: list[str], headers: dict[str, str], until: float
    ) -> Iterator[httpx.Response]:
        """Request `url` and yield the response, which is closed after use.

        The request goes to the first of the `checked` IP addresses that accepts a connection. If `checked` is empty,
        the request goes to the host by name.
        """
        wanted = httpx.URL(url)
        # Use a new client for each request, without cookies, automatic redirects or reused connections. A reused
        # connection might belong to another site at the same IP address.
        with httpx.Client(
            headers=_HEADERS,
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            verify=self._trust,
            limits=httpx.Limits(max_keepalive_connections=0),
            proxy=proxy or None,
        ) as client:
            for place, address in enumerate(checked or [""], 1):
                # Connect to the checked IP address and send the host's name. Connecting by name would query the DNS
                # again, which might then return another address.
                extensions: dict[str, Any] = {}
                if address:
                    extensions["sni_hostname"] = wanted.raw_host.decode("ascii")
                    headers = {**headers, "host": wanted.netloc.decode("ascii")}
                to = wanted.copy_with(host=address) if address else wanted
                with _Deadline(until) as deadline, contextlib.ExitStack() as opened:
                    extensions["trace"] = deadline.trace
                    try:
                        answer = opened.enter_context(client.stream("GET", to, headers=headers, extensions=extensions))
                    except httpx.ConnectError:
                        if place < len(checked):
                            continue
                        raise
                    yield answer
                    return

    def _checked(self, url: str, host: str, *, behind_proxy: bool) -> list[str]:
        """Return the IP addresses to connect to; an empty list if a proxy has to resolve the host name.

        Raises FetchFailed if the host leads to this machine or to this machine's private network, or if the host is
        unknown and there is no proxy.
        """
        try:
            found = list(self._resolve(host))
        except (OSError, UnicodeError) as error:
            if behind_proxy:
                return []
            raise FetchFailed(f"{links.shown(url)}: there is no such host.") from error
        if not found or not all(self._allowed(ipaddress.ip_address(each.partition("%")[0])) for each in found):
            raise FetchFailed(
                f"{links.shown(url)}: leads to a private address, where an outside link must not lead.", refused=True
            )
        return [] if behind_proxy else found


def _content(url: str, answer: httpx.Response, until: float, *, may_cut: bool) -> tuple[bytes, bool]:
    """Return the decoded bytes, and whether they are only the beginning of the page.

    The body is decompressed here, in limited steps, because a small gzip body can expand to gigabytes.
    """
    codings = [each.strip().lower() for each in answer.headers.get("content-encoding", "").split(",")]
    body = _Body(codings)
    cut_off = answer.status_code == 206 and not _is_whole(answer.headers.get("content-range", ""))
    for raw in answer.iter_raw(_CHUNK):
        if time.monotonic() >= until:
            raise TimeoutError
        try:
            body.add(raw)
        except zlib.error:
            raise FetchFailed(f"{links.shown(url)}: its gzip encoding is damaged.", refused=True) from None
        if body.unknown:
            raise FetchFailed(
                f"{links.shown(url)}: sent in the encoding {body.unknown!r}, which was not asked for.", refused=True
            )
        if len(body.content) > LARGEST:
            cut_off = True
            break
    # The deadline may have closed the connection. If the response has no Content-Length, half a page then looks
    # complete.
    if time.monotonic() >= until:
        raise TimeoutError
    cut_off = cut_off or not body.complete
    if cut_off and not may_cut:
        too_large = (
            f"holds more than {LARGEST // 1_000_000} MB" if len(body.content) > LARGEST else "was sent only in part"
        )
        raise FetchFailed(f"{links.shown(url)}: {too_large}.")
    return bytes(body.content[:LARGEST]), cut_off


def _is_whole(content_range: str) -> bool:
    """Return True if a Content-Range header is about the whole page."""
    found = _WHOLE_RANGE.fullmatch(content_range.strip())
    return found is not None and int(found[1]) + 1 == int(found[2])


class _Body:
    """The body of an answer, unpacked to at most `LARGEST` + 1 bytes.

    Some servers name a content encoding but do not use it, or name one that does not exist ("utf-8", "none"). So the
    first bytes decide whether the body must be unpacked.
    """

    def __init__(self, codings: list[str]) -> None:
        self.content = bytearray()
        self.unknown = ""  # the encoding of the body if this program cannot unpack it, else ""
        self._codings = codings
        self._first = b""
        self._unpacker: Any = None
        self._begun = False

    @property
    def complete(self) -> bool:
        """Return False if the end of the packed data is missing."""
        return self._unpacker is None or self._unpacker.eof

    def add(self, raw: bytes) -> None:
        """Add bytes as the server sent them. Raises zlib.error."""
        if not self._begun:
            self._first += raw
            raw = self._first
            self._begun = len(raw) >= 2
            self._unpacker = self._choose(raw) if self._begun else None
            if not self._begun:
                self.content[:] = raw  # if no second byte comes, the body is not packed
                return
            self.content.clear()
        if self._unpacker is None:
            self.content += raw
            return
        self.content += self._unpacker.decompress(raw, LARGEST + 1 - len(self.content))
        for _ in range(_MOST_MEMBERS):  # several members may follow each other (RFC 1952 §2.2)
            rest = self._unpacker.unused_data
            if not rest.startswith(_GZIP) or len(self.content) > LARGEST:
                return
            self._unpacker = zlib.decompressobj(wbits=31)
            self.content += self._unpacker.decompress(rest, LARGEST + 1 - len(self.content))

    def _choose(self, first: bytes) -> Any:
        if "gzip" in self._codings or "x-gzip" in self._codings:
            return zlib.decompressobj(wbits=31) if first.startswith(_GZIP) else None
        if first.startswith(_BEGINS_TEXT):
            return None
        if "deflate" in self._codings:
            wrapped = (
                first[0] & 0x0F == 8 and int.from_bytes(first[:2]) % 31 == 0
            )  # the zlib header (RFC 1950), which many servers leave out
            return zlib.decompressobj(wbits=15 if wrapped else -15)
        self.unknown = next((each for each in self._codings if each in _UNKNOWN_CODINGS), "")
        return None


def same_server(one: str, other: str) -> bool:
    """Return True if both addresses have the same host and port. The port may also change from 80 to 443."""
    first, second = links.split(one), links.split(other)
    if first is None or second is None or first.hostname != second.hostname:
        return False
    ports = {"http": 80, "https": 443}
    pair = first.port or ports[first.scheme], second.port or ports[second.scheme]
    return pair[0] == pair[1] or pair == (80, 443)


class _Deadline:
    """Closes a connection at a given time.

    The timeouts of httpx cannot do this, because every received byte restarts them.
    """

    def __init__(self, until: float) -> None:
        self._until = until
        self._timer = threading.Timer(max(until - time.monotonic(), 0.0), self._shut)
        self._timer.daemon = True
        self._connection: Any = None

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def trace(self, name: str, info: dict[str, Any]) -> None:
        """Store the open connection. httpx calls this method at each step of a request (the `trace` extension)."""
        if name.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._connection = info["return_value"]
            if time.monotonic() >= self._until:  # the time ran out while httpx was resolving the host or connecting
                self._shut()

    def _shut(self) -> None:
        open_socket = self._connection.get_extra_info("socket") if self._connection else None
        with contextlib.suppress(OSError):
            if open_socket:
                open_socket.shutdown(socket.SHUT_RDWR)


def _proxy(scheme: str, host: str) -> str:
    """Return the proxy that the environment names for this scheme and host, or "" for a direct connection."""
    found = getproxies()
    proxy = found.get(scheme) or found.get("all") or ""
    if not proxy or proxy_bypass(host):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _sentence(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return f"no connection ({str(error)[:120]})"
    return str(error)[:160].rstrip(".").replace("\n", " ") or type(error).__name__
