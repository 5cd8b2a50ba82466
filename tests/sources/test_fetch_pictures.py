"""Fetching a picture: what is fetched, and which addresses are refused."""

import http.server
import ipaddress
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mailer.errors import FetchFailed
from mailer.sources import fetch
from mailer.sources.fetch import Fetcher


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        match self.path.split("?")[0]:
            case "/picture":
                self._answer(200, b"picture " + self.path.encode(), "image/jpeg")
            case "/moved":
                self._answer(302, b"", "text/html", Location="/picture?a=1")
            case "/circle":
                self._answer(302, b"", "text/html", Location="/circle")
            case "/inside":
                self._answer(302, b"", "text/html", Location="https://10.0.0.1/")
            case "/plain":
                self._answer(302, b"", "text/html", Location="http://localhost/")
            case "/page":
                self._answer(200, b"<html>", "text/html")
            case "/large":
                self._answer(200, b"x" * 5_000_001, "image/png")
            case _:
                self._answer(404, b"", "image/png")

    def _answer(self, status: int, body: bytes, kind: str, **more: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return  # the other side has seen enough

    def log_message(self, *words: object) -> None:
        pass


@dataclass
class Https:
    port: int
    trust: ssl.SSLContext

    def fetch(self, path: str) -> bytes:
        fetcher = Fetcher(allowed=_loopback, trust=self.trust)
        return fetcher.picture(f"https://localhost:{self.port}{path}")


def _loopback(address: fetch.Address) -> bool:
    return address.is_loopback


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Https]:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("site")
    cert, key = folder / "cert.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    words += ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(words, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *each: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Https(server.server_address[1], ssl.create_default_context(cafile=str(cert)))
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_picture_is_fetched_unchanged_also_after_a_redirect(site: Https) -> None:
    assert site.fetch("/picture?w=9") == b"picture /picture?w=9"
    assert site.fetch("/moved") == b"picture /picture?a=1"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/none", "the server answered 404"),
        ("/circle", "redirected more than 3 times"),
        ("/inside", "private address"),
        ("/plain", r"not a web address that can be fetched \(https\)"),
        ("/page", "text/html"),
        ("/large", "holds more than 5 MB"),
    ],
)
def test_anything_that_is_not_a_picture_is_refused_with_the_reason(site: Https, path: str, why: str) -> None:
    with pytest.raises(FetchFailed, match=why):
        site.fetch(path)


def test_an_untrusted_certificate_is_refused(site: Https) -> None:
    with pytest.raises(FetchFailed, match="certificate"):
        Fetcher(allowed=_loopback).picture(f"https://localhost:{site.port}/picture")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.jpg",
        "file:///etc/passwd",
        "https:///a.jpg",
        "https://user@example.org/a.jpg",
        "https://127.0.0.1/a.jpg",
        "https://localhost/a.jpg",
        "https://10.1.2.3/a.jpg",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/a.jpg",
        "https://[::ffff:127.0.0.1]/a.jpg",
        "https://[fd00::1]/a.jpg",
        "https://0.0.0.0/a.jpg",
        "https://127.1/a.jpg",
        "https://2130706433/a.jpg",
        "https://[bad/a.jpg",
        "https://example.org:99999/a.jpg",
    ],
)
def test_nothing_is_fetched_from_a_private_network(url: str) -> None:
    with pytest.raises(FetchFailed):
        Fetcher().picture(url)


@pytest.mark.parametrize(("address", "allowed"), [("93.184.216.34", True), ("2606:2800:220:1::1", True),
                                                  ("192.168.1.1", False), ("100.64.0.1", False), ("224.0.0.1", False),
                                                  ("::ffff:93.184.216.34", True), ("fe80::1", False),
                                                  ("::ffff:10.0.0.1", False), ("64:ff9b::a00:1", False),
                                                  ("64:ff9b::5db8:d822", True), ("2002:a00:1::", False)])  # fmt: skip
def test_only_the_public_internet_counts(address: str, allowed: bool) -> None:
    assert fetch.public(ipaddress.ip_address(address)) is allowed


def test_a_proxy_is_asked_where_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(FetchFailed, match="refused"):
        Fetcher().picture("https://pictures.example.org/a.jpg")


def test_a_name_that_resolves_differently_the_second_time_reaches_nothing(site: Https) -> None:
    """DNS rebinding: the connection goes to the address that was checked. Only this test resolves the name."""
    asked: list[str] = []

    def once(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    fetcher = Fetcher(resolve=once, allowed=_loopback, trust=site.trust)
    # The certificate is for localhost, and it is looked at under the name that was asked for.
    with pytest.raises(FetchFailed, match=r"certificate|Hostname mismatch"):
        fetcher.picture(f"https://rebound.invalid:{site.port}/picture")
    assert fetcher.picture(f"https://localhost:{site.port}/picture") == b"picture /picture"
    assert asked == ["rebound.invalid", "localhost"]


def test_the_next_address_is_tried_when_one_does_not_answer(site: Https) -> None:
    fetcher = Fetcher(resolve=lambda host: ["::1", "127.0.0.1"], allowed=_loopback, trust=site.trust)
    assert fetcher.picture(f"https://localhost:{site.port}/picture") == b"picture /picture"
