"""Guards every request and answer: headers that keep pages harmless, statuses that reveal little, limits for bodies."""

import ipaddress
import re
from collections.abc import Mapping

from starlette.datastructures import ImmutableMultiDict, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailer import errors
from mailer.errors import MailerError

# The nearest base class counts. A bad token and a missing issue look the same to a stranger.
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
    """ASGI middleware: every answer gets these headers, unless its page has set its own."""

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
    """The reader's network, /24 or /48: enough to recognise a scanner, too little to recognise a person."""
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
    """The class of the user agent: bot, mail, browser, other or none. Its whole name is never kept."""
    agent = request.headers.get("user-agent", "")
    return next((name for name, pattern in _AGENTS if pattern.search(agent)), "other") if agent else "none"


_LARGEST_BODY = 64 * 1024


async def form_of(request: Request) -> ImmutableMultiDict[str, str]:
    """The fields of a POST. A body that is too large, or is not a form, has none."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > _LARGEST_BODY:
        return ImmutableMultiDict()
    try:
        # No files: they would be written to disk, and none of our forms sends one.
        bounded = Request(request.scope, _bounded(request.receive))
        form = await bounded.form(max_files=0, max_fields=100, max_part_size=_LARGEST_BODY)
    except Exception:  # malformed or endless multipart, or bytes that are not text
        return ImmutableMultiDict()
    return ImmutableMultiDict([(name, str(value)) for name, value in form.multi_items()])


def _bounded(receive: Receive) -> Receive:
    """Counts the body as it arrives, because a chunked one declares no length. Raises ValueError if it is too long."""
    room = _LARGEST_BODY

    async def counted() -> Message:
        nonlocal room
        message = await receive()
        room -= len(message.get("body", b""))
        if room < 0:
            raise ValueError("the body is too long")
        return message

    return counted
