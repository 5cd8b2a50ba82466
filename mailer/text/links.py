"""Addresses from outside: which may stand in a mail, and how they are written there.

Looks at the words of an address only; does not ask whether anything answers there.
"""

import ipaddress
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

import idna

from mailer.text.clean import clean

LETTERS = 1500  # twelve such links still leave a mail below the size at which Gmail cuts it
# Names under a country's that anybody may register below.
_SECOND_LEVELS = frozenset(
    ("ac", "co", "com", "edu", "go", "gob", "gov", "id", "mil", "ne", "net", "nom", "or", "org", "sch")
)
_PICTURES = ("", ".jpg", ".jpeg", ".png", ".gif")  # Outlook draws no webp, avif or svg


def web_address(url: str) -> str:
    """The address as ASCII, percent-encoded where it must be; empty when no reader should be sent there.

    Refused: other schemes than http and https, user names, hosts that are none, more than 1500 letters.
    """
    url = clean(url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            return ""
        place = f"[{host}]" if ":" in host else _ascii_host(host)
    except ValueError:  # urlsplit's own, and idna.IDNAError
        return ""
    place += f":{port}" if port is not None else ""
    found = f"{parts.scheme}://{place}{_encoded(parts.path)}"
    found += f"?{_encoded(parts.query)}" if parts.query else ""
    found += f"#{_encoded(parts.fragment)}" if parts.fragment else ""
    return found if len(found) <= LETTERS else ""


def picture(url: str) -> str:
    """The same for a picture that every mail program draws; empty for others."""
    address = web_address(url)
    return address if PurePosixPath(urlsplit(address).path).suffix.lower() in _PICTURES else ""


def story_picture(url: str, story_url: str, ours: Iterable[str], *, plain: bool = False) -> str:
    """`picture` for a story: only of the newsroom, because whoever serves it sees every reader who opens the mail.

    That is the host of the story, its parents and sub-domains, and the domains of the addresses in `ours`; `plain` also
    takes it without TLS, where all of it is on one machine. Empty for every other.
    """
    address = picture(url)
    if not address or not (plain or address.startswith("https://")):
        return ""
    host = _host(address)
    story = _host(web_address(story_url)).removeprefix("www.")
    # Not the parent «com» or «co.uk» of a story's host.
    near = _under(host, story) or (_under(story, host) and "." in host and _site(host) != "")
    return address if near or any(_under(host, _site(_host(web_address(each)))) for each in ours) else ""


def loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _host(address: str) -> str:
    return (urlsplit(address).hostname or "").rstrip(".")


def _under(host: str, domain: str) -> bool:
    return domain != "" and (host == domain or host.endswith(f".{domain}"))


def _site(host: str) -> str:
    """The domain that somebody registered, as far as its form shows it: `example.org` of `news.example.org`, and three
    labels under `co.uk` and the like; empty for `co.uk` itself. An IP address and a bare name are their own."""
    labels = host.split(".")
    if ":" in host or labels[-1].isdigit() or len(labels) == 1:
        return host
    wanted = 3 if len(labels) > 1 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS else 2
    return ".".join(labels[-wanted:]) if len(labels) >= wanted else ""


def _ascii_host(host: str) -> str:
    if host.isascii():
        if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", host):
            raise ValueError("not a host")
        return host
    return idna.encode(host, uts46=True).decode("ascii")


def _encoded(part: str) -> str:
    """What is encoded already stays; a percent sign that encodes nothing is itself encoded."""
    return quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", part), safe="/%:@!$&()*+,;=~?-._")
