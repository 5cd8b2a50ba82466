"""Protection for all pages: security headers, HTTP statuses that reveal little, and limits for request bodies."""

import ipaddress
import re
from collections.abc import Mapping

from starlette.datastructures import ImmutableMultiDict, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailer import errors
from mailer.errors import MailerError

# The HTTP status for each error class. A subclass that is not listed has the status of its nearest listed base class.
# An invalid token and a missing issue are both 404, so that a stranger cannot distinguish them.
STATUS: Mapping[type[MailerError], int] = {
    errors.BadToken: 404,
    errors.NoSuchIssue: 404,
    errors.NoSuchSubscriber: 404,
    errors.NoSuchArticle: 404,
    errors.BadAddress: 422,
    errors.TooMany: 429,
    errors.UsageError: 404,  # a malformed slot in the URL
    errors.AskError: 409,
    errors.OutsideError: 503,
    errors.ConfigError: 500,
}

CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# For pages that show the HTML of a mail: its styles are inline, its pictures may come from the newsroom's site, and no
# scripts or forms are allowed.
ISSUE_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: 'self'; font-src 'self'; sandbox allow-popups"
)
_HEADERS = {
    "content-security-policy": CSP,
    "referrer-policy": "no-referrer",  # the URL may contain a token, which other sites must not see
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
}


class Headers:
    """ASGI middleware that adds the headers in _HEADERS to every response, except headers that the page has set."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def status_of(error: MailerError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def network_of(request: Request) -> str:
    """Returns the client's network: its IPv4 address cut to /24 or its IPv6 address cut to /48, or "" if unknown.

    A network is enough to recognise a link scanner, but not to recognise a person.
    """
    if request.client is None:
        return ""
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        # A proxy that listens on IPv4 and IPv6 writes an IPv4 address as ::ffff:192.0.2.7. If it were cut to /48, all
        # addresses of this form would be in one network. Converting an address to an integer and back removes its zone
        # (%eth0).
        address = address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


_AGENTS = (
    ("bot", re.compile(r"bot|crawl|spider|preview|scan|curl|wget|python|safelinks", re.IGNORECASE)),
    ("mail", re.compile(r"google|yahoo|outlook|thunderbird|apple-?mail|mail\.ru", re.IGNORECASE)),
    ("browser", re.compile(r"mozilla|opera", re.IGNORECASE)),
)


def agent_of(request: Request) -> str:
    """Returns the class of the user agent: bot, mail, browser, other or none. The full user agent is never stored."""
    agent = request.headers.get("user-agent", "")
    return next((name for name, pattern in _AGENTS if pattern.search(agent)), "other") if agent else "none"


_LARGEST_BODY = 64 * 1024


async def form_of(request: Request) -> ImmutableMultiDict[str, str]:
    """Returns the fields of a POST, or no fields if the body is too large or not a form."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > _LARGEST_BODY:
        return ImmutableMultiDict()
    try:
        # Accept no files, because files would be written to disk and no form on these pages sends files.
        bounded = Request(request.scope, _bounded(request.receive))
        form = await bounded.form(max_files=0, max_fields=100, max_part_size=_LARGEST_BODY)
    except Exception:  # the body is too long, malformed or not text
        return ImmutableMultiDict()
    return ImmutableMultiDict([(name, str(value)) for name, value in form.multi_items()])


def _bounded(receive: Receive) -> Receive:
    """Returns a `receive` function that raises ValueError as soon as the body is too long.

    Checking the declared length is not enough, because a chunked body has no declared length.
    """
    room = _LARGEST_BODY

    async def counted() -> Message:
        nonlocal room
        message = await receive()
        room -= len(message.get("body", b""))
        if room < 0:
            raise ValueError("the body is too long")
        return message

    return counted
