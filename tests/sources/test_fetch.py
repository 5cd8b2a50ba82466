"""Fetching: its limits, its refusals and its messages."""

import contextlib
import gzip
import ipaddress
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from web_server import WebServer, rss, web_server

from mailer.errors import FetchFailed
from mailer.sources.fetch import LARGEST, Fetcher, public


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher()


@pytest.mark.parametrize("etag", ["«نشان»", "x" * 5000])
def test_an_etag_that_cannot_be_sent_back_is_ignored(server: WebServer, fetcher: Fetcher, etag: str) -> None:
    server.pages["/rss"] = lambda request: (200, {"etag": etag.encode().decode("latin-1")}, rss("خبر"))
    first = fetcher.fetch(server.url("/rss"))
    assert first.etag == ""
    assert fetcher.fetch(server.url("/rss"), etag=etag).content, "nor one that an older version has kept"


def test_a_page_is_transferred_again_only_if_it_changed(server: WebServer, fetcher: Fetcher) -> None:
    def page(headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if headers.get("if-none-match") == '"a1"':
            return 304, {"etag": '"a1"'}, b""
        return 200, {"etag": '"a1"', "content-type": "Application/RSS+xml; charset=utf-8"}, rss("نخستین خبر")

    server.pages["/rss"] = page
    first = fetcher.fetch(server.url("/rss"))
    assert (first.etag, first.kind) == ('"a1"', "application/rss+xml")
    assert first.content == rss("نخستین خبر")
    assert fetcher.fetch(server.url("/rss"), etag=first.etag).unchanged


def test_gzip_is_decoded(server: WebServer, fetcher: Fetcher) -> None:
    server.pages["/rss"] = (200, {"content-encoding": "gzip"}, gzip.compress(rss("خبر تازه")))
    assert fetcher.fetch(server.url("/rss")).content == rss("خبر تازه")


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("utf-8", rss("خبر")),
        ("none", rss("خبر")),
        ("", rss("خبر")),
        ("identity, binary", rss("خبر")),
        ("gzip", rss("خبر")),  # named, and not used
        ("br", rss("خبر")),
        ("deflate", rss("خبر")),
        ("utf-8, gzip", gzip.compress(rss("خبر"))),
        ("GZIP", gzip.compress(rss("خبر"))),
        ("x-gzip", gzip.compress(rss("خبر")[:50]) + gzip.compress(rss("خبر")[50:])),
        ("deflate", zlib.compress(rss("خبر"))),
        ("deflate", zlib.compress(rss("خبر"), wbits=-15)),
    ],
)
def test_a_content_encoding_counts_only_if_it_is_used(
    server: WebServer, fetcher: Fetcher, encoding: str, body: bytes
) -> None:
    server.pages["/rss"] = (200, {"content-encoding": encoding}, body)
    assert fetcher.fetch(server.url("/rss")).content == rss("خبر")


def test_an_encoding_that_cannot_be_unpacked_is_named(server: WebServer, fetcher: Fetcher) -> None:
    server.pages["/rss"] = (200, {"content-encoding": "br"}, b"\x0b\x02\x80rain\x03")
    with pytest.raises(FetchFailed, match="sent in the encoding 'br', which was not asked for"):
        fetcher.fetch(server.url("/rss"))


@pytest.mark.parametrize("status", [203, 206, 226])
def test_other_answers_with_a_page_are_pages(server: WebServer, fetcher: Fetcher, status: int) -> None:
    server.pages["/rss"] = (status, {"content-range": "bytes 0-9/10"}, rss("خبر"))
    found = fetcher.fetch(server.url("/rss"))
    assert (found.content, found.cut_off) == (rss("خبر"), False)


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        ((206, {"content-range": "bytes 0-9/100"}, b"<rss>rain</"), b"<rss>rain</"),
        ((206, {}, b"<rss>"), b"<rss>"),
        ((200, {"content-encoding": "gzip"}, gzip.compress(bytes(range(256)) * 9)[:-9]), None),
        ((200, {}, b"<rss>" + b" " * 6_000_000), (b"<rss>" + b" " * 6_000_000)[:LARGEST]),
        ((200, {"content-encoding": "gzip"}, gzip.compress(b" " * 6_000_000)), b" " * LARGEST),
    ],
    ids=["range", "no range", "gzip", "large", "large gzip"],
)
def test_the_beginning_of_a_page_only_if_it_may_be_cut(
    server: WebServer, fetcher: Fetcher, answer: Any, content: bytes | None
) -> None:
    server.pages["/rss"] = answer
    found = fetcher.fetch(server.url("/rss"), may_cut=True)
    assert found.cut_off
    assert content is None or found.content == content
    with pytest.raises(FetchFailed, match=r"sent only in part|more than 5 MB"):
        fetcher.fetch(server.url("/rss"))


@pytest.mark.parametrize(
    ("kind", "charset"),
    [
        ("text/xml; charset=windows-1256", "windows-1256"),
        ('application/rss+xml;Charset="UTF-8"; x=y', "UTF-8"),
        ("text/xml", ""),
        ("", ""),
    ],
)
def test_the_encoding_that_the_server_names(server: WebServer, fetcher: Fetcher, kind: str, charset: str) -> None:
    server.pages["/rss"] = (200, {"content-type": kind}, b"<rss/>")
    assert fetcher.fetch(server.url("/rss")).charset == charset


def test_a_redirect_on_the_server_that_was_typed_is_followed(server: WebServer, fetcher: Fetcher) -> None:
    server.pages["/rss"] = (301, {"location": "/rss/"}, b"")
    server.pages["/rss/"] = (302, {"location": server.url("/feed")}, b"")
    server.pages["/feed"] = (200, {}, b"here")
    assert fetcher.fetch(server.url("/rss")).content == b"here"
    server.pages["/rss/"] = (302, {"location": f"http://127.0.0.1:{server.port + 1}/feed"}, b"")
    with pytest.raises(FetchFailed, match="private address"):
        fetcher.fetch(server.url("/rss"))
    with pytest.raises(FetchFailed, match="private address"):
        fetcher.fetch(server.url("/feed"), trusted=False)


def _bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    block = b"\0" * 1_000_000
    return b"".join(packer.compress(block) for _ in range(size // len(block))) + packer.flush()


def test_a_gzip_bomb_stays_small(server: WebServer, fetcher: Fetcher) -> None:
    bomb = _bomb(100_000_000)
    assert len(bomb) < 150_000
    server.pages["/bomb"] = (200, {"content-encoding": "gzip"}, bomb)
    tracemalloc.start()
    with pytest.raises(FetchFailed, match=r"/bomb: holds more than 5 MB\."):
        fetcher.fetch(server.url("/bomb"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * LARGEST


def test_a_feed_of_fifty_megabytes_is_refused_early(server: WebServer, fetcher: Fetcher) -> None:
    server.pages["/big"] = (200, {}, b" " * 50_000_000)
    with pytest.raises(FetchFailed, match="holds more than 5 MB"):
        fetcher.fetch(server.url("/big"))


def test_redirects_never_reach_a_private_address(server: WebServer) -> None:
    fetcher = Fetcher()
    private = ["http://127.0.0.1:9/", "http://10.0.0.7/x", "http://169.254.169.254/latest", "http://[::1]/"]
    private += ["http://[::ffff:127.0.0.1]/", "http://localhost/", "file:///etc/passwd"]
    for place in private:
        server.pages["/rss"] = (302, {"location": place}, b"")
        with pytest.raises(FetchFailed, match=r"private address|not a web address"):
            fetcher.fetch(server.url("/rss"))
    assert [path for path, _ in server.asked] == ["/rss"] * 7, "the typed address is trusted, no other was asked"


def test_a_name_that_leads_to_a_private_address_is_refused(server: WebServer) -> None:
    fetcher = Fetcher(resolve=lambda host: ["93.184.216.34", "192.168.1.1"])
    with pytest.raises(FetchFailed, match="private address"):
        fetcher.fetch("http://harmless.example/picture.jpg", trusted=False)


def test_three_redirects_are_followed_and_no_fourth(server: WebServer) -> None:
    fetcher = Fetcher(allowed=lambda address: True)  # so that only the number counts
    for number in range(5):
        server.pages[f"/{number}"] = (301, {"location": f"/{number + 1}"}, b"")
    server.pages["/5"] = (200, {}, b"here")
    assert fetcher.fetch(server.url("/2")).content == b"here"
    with pytest.raises(FetchFailed, match="redirected more than 3 times"):
        fetcher.fetch(server.url("/1"))


def test_an_error_is_one_line_without_a_password(server: WebServer, fetcher: Fetcher) -> None:
    server.pages["/gone"] = (410, {}, b"")
    with pytest.raises(FetchFailed, match=r"the server answered 410\."):
        fetcher.fetch(server.url("/gone"))
    with pytest.raises(FetchFailed) as failed:
        fetcher.fetch("http://user:geheim@127.0.0.1:1/rss")
    assert "geheim" not in str(failed.value)
    assert "\n" not in failed.value.message


def test_a_page_is_gone_only_if_the_server_says_so(server: WebServer) -> None:
    fetcher = Fetcher(allowed=lambda address: True)
    server.pages["/here"] = (200, {}, b"")
    server.pages["/broken"] = (500, {}, b"")
    assert fetcher.gone(server.url("/no-such-page"))
    assert not fetcher.gone(server.url("/here"))
    assert not fetcher.gone(server.url("/broken"))
    assert not fetcher.gone("http://127.0.0.1:1/")


class Dripping:
    """A server that sends one byte at a time and never ends."""

    def __init__(self, head: bytes) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._head = head
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.address = self._listener.getsockname()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def _serve(self) -> None:
        line, _ = self._listener.accept()
        with line, contextlib.suppress(OSError):
            line.sendall(self._head)
            for _ in range(1000):
                line.sendall(b"x")
                time.sleep(0.02)

    def close(self) -> None:
        self._thread.join()
        self._listener.close()


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nx-", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["headers", "body"])
def test_a_server_that_sends_very_slowly_is_cut_off(head: bytes) -> None:
    server, fetcher = Dripping(head), Fetcher(seconds=0.3)
    begun = time.monotonic()
    with pytest.raises(FetchFailed, match="not complete after 0 seconds"):
        fetcher.fetch(server.url)
    assert time.monotonic() - begun < 5
    server.close()


@pytest.mark.parametrize("address", ["fec0::1", "::127.0.0.1", "::7f00:1", "64:ff9b:1::7f00:1", "192.0.0.8", "::1"])
def test_addresses_that_lead_into_a_local_network_are_not_public(address: str) -> None:
    assert not public(ipaddress.ip_address(address))


def test_public_addresses_are_public() -> None:
    assert all(public(ipaddress.ip_address(each)) for each in ("185.143.233.1", "2606:4700::1111", "64:ff9b::808:808"))


@pytest.mark.parametrize("trusted", [True, False])
def test_a_slow_dns_counts_towards_the_time_limit(trusted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection opens after the time is over, so the deadline found nothing to close."""
    ask = socket.getaddrinfo

    def slow(*args: Any, **named: Any) -> Any:
        time.sleep(0.5)
        return ask(*args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    server, fetcher = Dripping(b"HTTP/1.1 200 OK\r\nx-"), Fetcher(allowed=lambda address: True, seconds=0.3)
    begun = time.monotonic()
    with pytest.raises(FetchFailed, match="not complete after 0 seconds"):
        fetcher.fetch(server.url, trusted=trusted)
    assert time.monotonic() - begun < 5
    if not trusted:  # it was never asked
        socket.create_connection(server.address).close()
    server.close()


def test_a_proxy_gets_names_that_only_it_can_resolve(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a restricted network only the proxy's name resolves; names known to be private are refused all the same."""

    def unknown(host: str) -> list[str]:
        if host[0].isdigit():
            return [host]
        raise OSError(host)

    monkeypatch.setenv("http_proxy", server.url("").removeprefix("http://"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.pages["http://outlet.example/rss"] = (200, {}, b"by proxy")
    fetcher = Fetcher(resolve=unknown)
    assert fetcher.fetch("http://outlet.example/rss", trusted=False).content == b"by proxy"
    assert server.asked[0][1]["host"] == "outlet.example"
    with pytest.raises(FetchFailed, match="private address"):
        fetcher.fetch("http://10.0.0.7/", trusted=False)
