"""Addresses from outside: which may stand in a mail, and how they are written there.

Looks at the words of an address only; does not ask whether anything answers there.
"""

import re
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

import idna

from mailer.mail.text import clean

LETTERS = 1500  # twelve such links still leave a mail below the size at which Gmail cuts it
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


def _ascii_host(host: str) -> str:
    if host.isascii():
        if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", host):
            raise ValueError("not a host")
        return host
    return idna.encode(host, uts46=True).decode("ascii")


def _encoded(part: str) -> str:
    """What is encoded already stays; a percent sign that encodes nothing is itself encoded."""
    return quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", part), safe="/%:@!$&()*+,;=~?-._")
