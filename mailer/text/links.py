"""Decides which web addresses from outside are usable, and encodes them for a mail.

Only the text of an address is checked; the network is not used.
"""

import ipaddress
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import idna

from mailer.text.characters import ZWNJ
from mailer.text.clean import clean

LONGEST = 1500  # characters of a link; Gmail does not clip a mail with twelve links of this length
# The most characters of an address from a source. Browsers and mail programs reliably follow addresses of this length.
_LONGEST_FOUND = 2000
_SHORT = re.compile(r"https?://[a-z0-9_-]+(\.[a-z0-9_-]+)*/[^@]{0,100}")
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
# Labels such as the "co" of "co.uk", directly below which organisations register their domains.
_SECOND_LEVELS = ("ac", "co", "com", "edu", "go", "gob", "gov", "id", "mil", "ne", "net", "nom", "or", "org", "sch")
_PICTURES = ("", ".jpg", ".jpeg", ".png", ".gif")  # Outlook does not show webp, avif or svg


def split(url: str) -> SplitResult | None:
    """Return the parts of an http or https address with a host; None for any other text."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is not a number, a broken [IPv6]
        return None
    return parts if usable else None


def absolute(raw: str, base: str = "") -> str:
    """Return the absolute http or https address of a link in a source; "" if the link is not usable.

    A relative link is completed with `base`. Line breaks inside the link are removed, because feeds wrap long links.
    Blanks and characters that RFC 3986 §2 does not allow are encoded; Persian letters and non-joiners stay as they are.
    """
    address = re.sub(r"[\t\r\n]+\s*", "", raw.strip())
    address = "".join(map(_allowed, address))
    try:
        if base and address and not urlsplit(address).scheme:
            address = urljoin(base, address)
    except ValueError:
        return ""
    return address if split(address) and len(address) <= _LONGEST_FOUND else ""


def _allowed(char: str) -> str:
    if "\ud800" <= char <= "\udfff":
        return ""
    return quote(char) if char in ' <>"`{}|\\^' or not (char.isprintable() or char == ZWNJ) else char


def web_address(url: str) -> str:
    """Return the address in ASCII, percent-encoded where needed; "" if a mail must not link to this address.

    Schemes other than http and https, user names, invalid hosts and more than `LONGEST` characters are refused.
    """
    parts = split(clean(url))
    if parts is None or "@" in parts.netloc:
        return ""
    try:
        host = _ascii_host(parts.hostname or "")
    except ValueError:  # includes idna.IDNAError
        return ""
    address = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "") + _encoded(parts.path)
    address += f"?{_encoded(parts.query)}" if parts.query else ""
    address += f"#{_encoded(parts.fragment)}" if parts.fragment else ""
    return address if len(address) <= LONGEST else ""


def is_usable(url: str) -> bool:
    """Return True if a mail may link to this address. Most addresses are short and plain, and need no full check."""
    return bool(_SHORT.fullmatch(url) or web_address(url))


def picture(url: str) -> str:
    """Return the address of a picture if every mail program can show its format, else ""."""
    address = web_address(url)
    return address if PurePosixPath(urlsplit(address).path).suffix.lower() in _PICTURES else ""


def story_picture(url: str, story_url: str, own: Iterable[str], *, plain: bool = False) -> str:
    """Return the address of a story's picture if the newsroom itself serves the picture, else "".

    The server of a picture learns about every reader who opens the mail. Therefore the picture's host must be the
    story's host, a parent or a sub-domain of the story's host, or a host in the domain of one of the newsroom's `own`
    addresses. `plain` also allows http, for an installation that runs entirely on one machine.
    """
    address = picture(url)
    if not address or not (plain or address.startswith("https://")):
        return ""
    host = _host(address)
    story = _host(web_address(story_url)).removeprefix("www.")
    # A parent of the story's host counts only if it is a registered domain, not "com" or "co.uk".
    near = _under(host, story) or (_under(story, host) and "." in host and _site(host) != "")
    return address if near or any(_under(host, _site(_host(web_address(each)))) for each in own) else ""


def loopback(host: str) -> bool:
    """Return True if the host name or IP address means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _host(address: str) -> str:
    return (urlsplit(address).hostname or "").rstrip(".")


def _under(host: str, domain: str) -> bool:
    return domain != "" and (host == domain or host.endswith(f".{domain}"))


def _site(host: str) -> str:
    """Return the registered domain of a host, judged by its form alone: `example.org` for `news.example.org`.

    Under `co.uk` and similar suffixes, the registered domain has three labels; for `co.uk` itself the result is "". IP
    addresses and names without a dot are returned unchanged.
    """
    labels = host.split(".")
    if ":" in host or labels[-1].isdigit() or len(labels) == 1:
        return host
    wanted = 3 if len(labels) > 1 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS else 2
    return ".".join(labels[-wanted:]) if len(labels) >= wanted else ""


def _ascii_host(host: str) -> str:
    """Return the host in ASCII. Raises ValueError if `host` is not a valid host."""
    if ":" in host:
        return f"[{host}]"
    if not host.isascii():
        return idna.encode(host, uts46=True).decode("ascii")
    if not _HOST.fullmatch(host):
        raise ValueError("not a host")
    return host


def _encoded(part: str) -> str:
    """Return the part percent-encoded, without encoding anything twice.

    A percent sign that does not begin an encoded byte is itself encoded.
    """
    return quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", part), safe="/%:@!$&()*+,;=~?-._")
