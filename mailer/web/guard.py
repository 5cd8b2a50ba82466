"""What every answer carries, and what an error becomes: headers that keep pages harmless, statuses that tell little."""

import ipaddress
import logging
import re
from collections.abc import Mapping
from typing import Literal, overload

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailer.errors import (
    AskError,
    BadAddress,
    BadToken,
    ConfigError,
    MailerError,
    NoSuchArticle,
    NoSuchIssue,
    NoSuchSubscriber,
    OutsideError,
    TooMany,
    UsageError,
)

log = logging.getLogger(__name__)

# The most telling type wins. A bad token and an issue that is not there look the same to a stranger.
STATUS: Mapping[type[MailerError], int] = {
    BadToken: 404,
    NoSuchIssue: 404,
    NoSuchSubscriber: 404,
    NoSuchArticle: 404,
    BadAddress: 422,
    TooMany: 429,
    UsageError: 404,  # a slot in an address that is no slot
    AskError: 409,
    OutsideError: 503,
    ConfigError: 500,
}

CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# An issue is a mail: its styles are inline, its pictures may be the newsroom's, and nothing in it may run or submit.
ISSUE_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: 'self'; font-src 'self'; sandbox allow-popups"
)
_HEADERS = {
    "content-security-policy": CSP,
    "referrer-policy": "no-referrer",  # a token must not travel to the next site
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
}


class Headers:
    """ASGI middleware: every answer gets the headers above, unless its page has set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in _HEADERS.items() if k.encode() not in present),
                ]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


def status_of(error: MailerError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def network_of(request: Request) -> str:
    """The reader's network, /24 or /48: enough to see a scanner, too little to see a person."""
    if request.client is None:
        return ""
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        # A proxy that listens on both writes IPv4 readers as ::ffff:192.0.2.7; by /48 they would all be one network.
        address = address.ipv4_mapped or ipaddress.IPv6Address(int(address))  # and no %zone
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


_AGENTS = (
    ("bot", re.compile(r"bot|crawl|spider|preview|scan|curl|wget|python|safelinks", re.IGNORECASE)),
    ("mail", re.compile(r"google|yahoo|outlook|thunderbird|apple-?mail|mail\.ru", re.IGNORECASE)),
    ("browser", re.compile(r"mozilla|opera", re.IGNORECASE)),
)


def agent_of(request: Request) -> str:
    """The class of the program that asks; never its whole name."""
    said = request.headers.get("user-agent", "")
    return next((name for name, pattern in _AGENTS if pattern.search(said)), "other") if said else "none"


_LARGEST_BODY = 64 * 1024


@overload
async def form_of(request: Request) -> dict[str, str]: ...
@overload
async def form_of(request: Request, *, lists: Literal[True]) -> dict[str, list[str]]: ...
async def form_of(request: Request, *, lists: bool = False) -> dict[str, str] | dict[str, list[str]]:
    """The fields of a POST; a body that is too large, or no form, has none. `lists`: all values of each."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > _LARGEST_BODY:
        return {}
    try:
        # No file: one would be written to the disk, and no form of ours sends one.
        bounded = Request(request.scope, _bounded(request.receive))
        form = await bounded.form(max_files=0, max_fields=100, max_part_size=_LARGEST_BODY)
    except Exception:  # multipart that is none or endless, or bytes that are no text: nothing was said
        return {}
    if lists:
        return {name: [str(value) for value in form.getlist(name)] for name in form}
    return {name: str(value) for name, value in form.items()}


def _bounded(receive: Receive) -> Receive:
    """The body, counted as it comes: a chunked one declares no length. ValueError: it is longer than any of ours."""
    room = _LARGEST_BODY

    async def counted() -> Message:
        nonlocal room
        message = await receive()
        room -= len(message.get("body", b""))
        if room < 0:
            raise ValueError("the body is too long")
        return message

    return counted
