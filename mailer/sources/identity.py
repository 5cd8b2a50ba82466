"""Which item is it? The name under which an item is the same item at every import, from every feed.

That is the source's own name for it (guid), else its link in canonical form; never its title, because newsrooms run
dozens of items called «خبر» or «نگاه». It does *not* compare what items say (the digest does), and a canonical link is
a key, not an address: the store keeps the link as it was given for readers to follow.
"""

import hashlib
import re
from urllib.parse import SplitResult, quote, unquote_to_bytes

import idna

from mailer.model import FoundArticle, NamedArticle
from mailer.text import links, search_key

# Parameters that tell where a reader came from and never which page is meant.
_TRACKING_BEGINNINGS = ("utm_", "at_", "mtm_", "hsa_")
_TRACKING = frozenset(
    [
        *["_ga", "_gl", "_se", "cmpid", "dclid", "fbclid", "gbraid", "gclid", "gclsrc", "igsh", "igshid", "li_fat_id"],
        *["mc_cid", "mc_eid", "msclkid", "ns_campaign", "ns_mchannel", "ns_source", "ocid", "pk_campaign", "pk_kwd"],
        *["ref", "ref_src", "s_cid", "ttclid", "twclid", "wbraid", "wt_mc", "yclid"],
    ]
)
_ID = re.compile(r"[0-9]{5,}")
# sub-delims, ":" and "@" may stand in a path as they are (RFC 3986 §3.3); "&" and "=" part a query's parameters.
_IN_PATH = "!$&'()*+,;=:@-._~"
_IN_QUERY = "!$'()*+,;:@/?-._~"
_LONGEST_NAME = 300  # letters of a guid that are kept as they are


def identify(found: FoundArticle) -> NamedArticle:
    """Return the article with its identity and its canonical link, which is "" if there is none.

    The identity is "guid:<host>:<guid>", "guid:<address>" if the guid is an address, "link:<canonical link>" or, for an
    item without either, "text:<SHA-256 of its words and date>"; such an item is stored and not eligible for an issue.
    """
    link = canonical(found.url)
    if link == host(found.url):
        link = ""  # a site's front page is no item's own link, and feeds that give it give it to every item
    guid = found.guid.strip()
    if guid:
        return NamedArticle(found, f"guid:{_guid(guid, found)}", link)
    if link:
        return NamedArticle(found, f"link:{link}", link)
    words = "\n".join((search_key.key(found.title), search_key.key(found.lead), found.published_raw.strip()))
    return NamedArticle(found, f"text:{_sha256(words)}", "")


def canonical(url: str) -> str:
    """The canonical form of a web address, without its scheme; "" when it is none.

    http is https, the host is lower case, in ASCII (RFC 5891) and without «www.», raw Persian equals percent-encoded,
    tracking parameters and the fragment are gone, the query keeps its order. What follows the last number that can be
    an item's is a slug, which editors change with the title, and is cut.
    """
    parts = links.split(url)
    if parts is None:
        return ""
    segments = [_encoded(segment, _IN_PATH) for segment in parts.path.split("/") if segment]
    for place in range(len(segments) - 1, -1, -1):
        if _is_id(segments[place]):
            # After the last of several numbers: the first may be a section's, and then every item in it would be one.
            segments = segments[: place + 1]
            break
    return "/".join([_host(parts), *segments]) + _query(parts.query)


def host(url: str) -> str:
    """The host of a web address, lower case, in ASCII, without «www.» and the usual ports; "" when there is none."""
    parts = links.split(url)
    return _host(parts) if parts else ""


def _guid(guid: str, found: FoundArticle) -> str:
    parts = links.split(guid)
    if parts is None:
        name = guid if len(guid) <= _LONGEST_NAME else _sha256(guid)
        return f"{host(found.url) or found.source}:{name}"
    # A guid is the source's own choice, so an address is only spelled alike (scheme, host, percent signs) and not cut:
    # WordPress's «?p=123» is all there is to it.
    address = "/".join([_host(parts), *(_encoded(part, _IN_PATH) for part in parts.path.split("/") if part)])
    address += _query(parts.query)
    # Some feeds (the BBC's) number the versions of one item in the fragment: …/articles/x#0, then #1. It is left out
    # when the link is the same page; any other fragment tells items on one page apart.
    version = re.fullmatch(r"[0-9]{1,3}", parts.fragment)
    if parts.fragment and not (version and canonical(guid) == canonical(found.url) and "#" not in found.url):
        address += "#" + _encoded(parts.fragment, _IN_QUERY)
    return address if len(address) <= _LONGEST_NAME * 4 else _sha256(address)


def _host(parts: SplitResult) -> str:
    name = (parts.hostname or "").rstrip(".")
    try:
        name = idna.encode(name, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        name = quote(name.lower(), safe="_-.:")  # «under_score.example» is no good name, but sites have it
    name = name.removeprefix("www.")
    return name if parts.port in (None, 80, 443) else f"{name}:{parts.port}"


def _encoded(text: str, safe: str) -> str:
    """Percent-encoded in one way, however it was written. A "/" that was encoded stays so: it parts nothing."""
    return quote(unquote_to_bytes(text), safe=safe)


def _query(query: str) -> str:
    kept = []
    for parameter in query.split("&"):
        name, equals, value = parameter.partition("=")
        if parameter and name.lower() not in _TRACKING and not name.lower().startswith(_TRACKING_BEGINNINGS):
            kept.append(_encoded(name, _IN_QUERY) + equals + _encoded(value, _IN_QUERY))
    return "?" + "&".join(kept) if kept else ""


def _is_id(segment: str) -> bool:
    """At least five digits, and not a day or a month: cutting after a date would make one item of a whole day."""
    return bool(_ID.fullmatch(segment)) and not _is_date(segment)


def _is_date(digits: str) -> bool:
    """20231005 and 14020715, 202310 and 140207, or the short 020715 of Jalali years 1380 to 1409.

    Longer numbers that begin with a day (13980418000619) are a day and a serial, hence an item's.
    """
    if len(digits) == 8:
        year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:])
    elif len(digits) == 6 and _is_year(int(digits[:4])):
        year, month, day = int(digits[:4]), int(digits[4:]), 1
    elif len(digits) == 6:
        short = int(digits[:2])
        year, month, day = 1300 + short if short >= 80 else 1400 + short, int(digits[2:4]), int(digits[4:])
        if short in range(10, 80):
            return False
    else:
        return False
    return _is_year(year) and 1 <= month <= 12 and 1 <= day <= 31


def _is_year(year: int) -> bool:
    return 1300 <= year <= 1500 or 1900 <= year <= 2100


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
