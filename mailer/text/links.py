"""Decides which web addresses from outside are usable, and encodes them for a mail.

Only the text of an address is checked; the network is not used.
"""

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import PurePosixPath
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urljoin, urlsplit

from mailer.text.characters import ZWNJ, is_invisible
from mailer.text.clean import clean

LONGEST = 1500  # characters of a link; Gmail does not clip a mail with twelve links of this length
# Longest address from a source, in characters. Browsers and mail programs reliably follow addresses of this length.
_LONGEST_FOUND = 2000
_LONGEST_RAW = 10_000  # characters of a link, counted before invisible characters are removed
# Matches addresses that `absolute` returns unchanged, to be quick: most links in feeds are such addresses.
_WHOLE = re.compile(r"https?://[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/(?:[\w/.~%=?#+:,;@!$*-]|&(?!amp;))*+)?", re.ASCII)
_SHORT = re.compile(r"https?://[a-z0-9_-]+(\.[a-z0-9_-]+)*/[^@]{0,100}")
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_IPV4 = re.compile(r"(?:0x[0-9a-f]{1,8}|[0-9]{1,12})(?:\.(?:0x[0-9a-f]{1,8}|[0-9]{1,12})){0,3}")
# Labels under which organisations register their domains, such as "co" in "co.uk".
_SECOND_LEVELS = ("ac", "co", "com", "edu", "go", "gob", "gov", "id", "mil", "ne", "net", "nom", "or", "org", "sch")
_PICTURES = ("", ".jpg", ".jpeg", ".png", ".gif")  # Outlook does not show webp, avif or svg
_IN_TEXT = re.compile(r" ?[:،]? ?[(\[]?\b(?:https?://|www\.)[^\s()\]»]+[)\]]?")
_NOT_ALLOWED = re.compile(r'[ <>"`{}|\\^]')
# Mistakes in the scheme of a link that can be corrected in only one way.
_ENCODED_SCHEME = re.compile(r"https?%3A", re.IGNORECASE)
_DOUBLE_SCHEME = re.compile(r"^https?:/{0,3}(?=https?(?::|//))", re.IGNORECASE)
_SCHEME = re.compile(r"(https?)(?::[/\\]*|//)", re.IGNORECASE)
# A link without a scheme that begins with a host, such as "www.news.example/2".
_BARE_HOST = re.compile(r"(?P<host>[\w-]+(?:\.[\w-]+)*\.(?P<last>[^\W\d_]{2,20}|xn--[a-z0-9-]+))(?::\d+)?(?=[/?#]|$)")
# Endings of file names. A relative link such as "page.html" looks like a host; some endings are top-level domains.
_FILE_ENDINGS_WORDS = (
    "asp aspx cfm cgi css do gif htm html jpeg jpg js json jsp jspx mp3 mp4 pdf php phtml png shtml svg txt webp "
    "xhtml xml zip"
)
_FILE_ENDINGS = frozenset(_FILE_ENDINGS_WORDS.split())
# Addresses that only redirect: host and path → the parameters that may hold the address of the real page.
_REDIRECTORS = {
    "www.google.com/url": ("url", "q"),
    "news.google.com/news/url": ("url",),
    "l.facebook.com/l.php": ("u",),
    "lm.facebook.com/l.php": ("u",),
    "t.umblr.com/redirect": ("z",),
    "vk.com/away.php": ("to",),
    "www.youtube.com/redirect": ("q",),
}
# Hosts of services that count clicks on the links of a feed. Their links do not contain the address of the page.
_TRACKERS = (
    *(
        "feedproxy.google.com",
        "feeds.feedburner.com",
        "rss.feedsportal.com",
        "da.feedsportal.com",
        "feeds.feedblitz.com",
    ),
    *("p.feedblitz.com", "feedpress.me", "tracking.feedpress.com", "www.pheedo.com", "feedads.g.doubleclick.net"),
)


@lru_cache(maxsize=1024)  # each step of reading an article splits its link again
def split(url: str) -> SplitResult | None:
    """Return the parts of an http or https address with a host; None for any other text."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:  # a broken [IPv6]
        return None
    return parts if parts.scheme in ("http", "https") and _has_host(parts.netloc) else None


@lru_cache(maxsize=1024)  # nearly all links of a document have the same host
def _has_host(netloc: str) -> bool:
    """Return True if `netloc`, the part of an address before the path, has a host, and no port or a valid port."""
    parts = SplitResult("https", netloc, "", "", "")
    try:
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is not a number
        return False


def has_scheme(text: str) -> bool:
    """Returns True if a text begins like a web address. The rest of it may still be wrong."""
    return text.lower().startswith(("http://", "https://"))


def absolute(raw: str, base: str = "") -> str:
    """Return the absolute http or https address of a link in a source; "" if the link is not usable.

    A relative link is completed with `base`, and a link that begins with a host gets a scheme. Line breaks and
    invisible characters such as direction marks are removed. Blanks and characters that RFC 3986 §2 does not allow are
    encoded; Persian letters and non-joiners stay as they are. A host without a dot is refused, because readers cannot
    reach it.
    """
    if len(raw) > _LONGEST_RAW:
        return ""
    if len(raw) <= _LONGEST_FOUND and _WHOLE.fullmatch(raw):
        return raw
    address = raw if raw.isprintable() else "".join(char for char in raw if not is_invisible(char))
    address = re.sub(r"[\t\r\n]+\s*", "", address.strip()).replace("&amp;", "&")
    try:
        address = _with_scheme(address, base)
    except ValueError:
        return ""
    address = _NOT_ALLOWED.sub(lambda found: quote(found[0]), address)
    if not address.isprintable():
        address = "".join(char if char.isprintable() or char == ZWNJ else quote(char) for char in address)
    parts = split(address)
    if parts is None or len(address) > _LONGEST_FOUND:
        return ""
    host = (parts.hostname or "").rstrip(".")
    return address if "." in host or ":" in host else ""


def _with_scheme(address: str, base: str) -> str:
    """Return the address with a correct scheme. Raises ValueError if the address cannot be split into its parts."""
    if _ENCODED_SCHEME.match(address):
        address = unquote(address)
    address = _DOUBLE_SCHEME.sub("", address)
    if found := _SCHEME.match(address):
        return f"{found[1].lower()}://{address[found.end() :]}"
    if address.startswith("//"):
        return f"{urlsplit(base).scheme or 'https'}:{address}"
    if _begins_with_host(address, base):
        return f"https://{address}"
    return urljoin(base, address) if base and address and not urlsplit(address).scheme else address


def _begins_with_host(address: str, base: str) -> bool:
    """Return True for "www.news.example/2", and False for a relative link such as "page.html" or "2026/11/27"."""
    found = _BARE_HOST.match(address)
    if found is None:
        return False
    host, own = found["host"].lower(), (urlsplit(base).hostname or "").removeprefix("www.")
    known = host.startswith("www.") or (own != "" and _under(host, own))
    return known or found["last"].lower() not in _FILE_ENDINGS


def shown(url: str) -> str:
    """Return the address as messages show it: shortened, and without user name, password and query."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"[:200]
    except ValueError:
        return url[:80]


def original(address: str) -> str:
    """Return the target if `address` is a redirect that contains its target; otherwise return `address` itself."""
    parts = split(address)
    if parts is None:
        return address
    names = _REDIRECTORS.get((parts.netloc + parts.path).lower().rstrip("/"), ())
    if not names:
        return address
    values = dict(parse_qsl(parts.query))
    found = (absolute(values[name]) for name in names if name in values)
    return next((each for each in found if each), address)


def is_tracker(address: str) -> bool:
    """Return True if the host only counts clicks and redirects to the page."""
    parts = split(address)
    return parts is not None and (parts.hostname or "") in _TRACKERS


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


def without_web_addresses(text: str) -> str:
    """Returns the text without its web addresses. A colon or comma before an address is removed, too."""
    return _IN_TEXT.sub(" ", text)


def loopback(host: str) -> bool:
    """Return True if the host name or IP address means this machine.

    Understands short forms of an IPv4 address, such as `127.1` and `2130706433`. The unspecified addresses `0.0.0.0`
    and `::` count too, because a connection to them reaches this machine.
    """
    name = host.lower().removesuffix(".")
    try:
        found = ipaddress.ip_address(name) if ":" in name else _ipv4(name)
    except ValueError:
        return _under(name, "localhost")
    found = getattr(found, "ipv4_mapped", None) or found
    return found.is_loopback or found.is_unspecified


def _ipv4(host: str) -> ipaddress.IPv4Address:
    """Return the address that browsers and `inet_aton` read from one to four decimal, octal or hexadecimal numbers.

    The last number fills the remaining bytes. Raises ValueError if `host` has another form.
    """
    if not _IPV4.fullmatch(host):
        raise ValueError("not an IPv4 address")
    *first, last = (int(part, 16 if part[:2] == "0x" else 8 if part[0] == "0" else 10) for part in host.split("."))
    if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        raise ValueError("a number is too large")
    return ipaddress.IPv4Address(sum(number << 8 * (3 - place) for place, number in enumerate(first)) + last)


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
        import idna  # imported late, because most hosts do not need its tables

        return idna.encode(host, uts46=True).decode("ascii")
    if not _HOST.fullmatch(host):
        raise ValueError("not a host")
    return host


def _encoded(part: str) -> str:
    """Return the part percent-encoded, without encoding anything twice.

    A percent sign that does not begin an encoded byte is itself encoded.
    """
    return quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", part), safe="/%:@!$&()*+,;=~?-._")
