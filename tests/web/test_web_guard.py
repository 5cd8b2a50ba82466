"""The network of a request: truncated, and taken from a proxy's header only if the proxy is trusted."""

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import make
import pytest
import uvicorn
from make import Clock
from starlette.requests import Request

from mailer import web
from mailer.context import App
from mailer.readers import joining
from mailer.settings import Readers
from mailer.store import signups
from mailer.web.guard import network_of


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),  # IPv4 as a dual-stack socket shows it
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("unix:", ""),
        ("", ""),
    ],
)
def test_a_network_is_a_24_or_a_48(client: str, network: str) -> None:
    assert network_of(Request({"type": "http", "client": (client, 1), "headers": []})) == network


def test_a_request_without_a_client_has_no_network() -> None:
    assert network_of(Request({"type": "http", "client": None, "headers": []})) == ""


@pytest.fixture
def served(app: App, clock: Clock) -> Iterator[tuple[App, str]]:
    """The pages behind uvicorn as the service sets it up; this test is the trusted proxy."""
    app = make.app(app.store, app.settings.folder, clock, readers=Readers(per_network=3))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    trusted = list(app.settings.web.trusted_proxies)
    server = uvicorn.Server(
        uvicorn.Config(
            web.create(app), host="127.0.0.1", port=port, log_config=None, lifespan="off", forwarded_allow_ips=trusted
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield app, f"http://127.0.0.1:{port}/subscribe"
    server.should_exit = True
    thread.join()


@make.only_sqlite
def test_limits_count_readers_and_not_their_proxy(served: tuple[App, str], clock: Clock) -> None:
    app, url = served
    form = joining.form_token(app)
    clock.turn(seconds=3)

    def answers(*forwarded: str) -> list[int]:
        return [
            httpx.post(
                url,
                data={"email": f"r{n}-{hash(each)}@example.org", "form": form},
                headers={"x-forwarded-for": each},
                trust_env=False,
            ).status_code
            for n, each in enumerate(forwarded)
        ]

    assert answers(*["2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:1:4::1"]) == [200] * 3 + [429]
    assert answers("2001:db8:2::1", "192.0.2.1", "::ffff:192.0.2.2", "192.0.2.3", "192.0.2.4") == [200] * 4 + [429]
    # The addresses that a client itself sends come before the one that the proxy saw, and must be ignored.
    assert answers(*(f"203.0.113.{n}, 192.0.2.9" for n in range(3))) == [429] * 3
    since = make.NOW
    assert app.store.read(lambda tx: signups.count(tx, since, network="203.0.113.0/24")) == 0
