"""Makes the identity of an article, which is the same at every import and in every feed.

The identity is the source's own name for the article (the guid) or, without a guid, the article's link in canonical
form. The title is not used, because newsrooms publish dozens of articles with titles such as «خبر» or «نگاه». `choice`
compares the texts of articles. A canonical link is only a key; the store also keeps the original link for readers to
follow.
"""

import hashlib
import re
from urllib.parse import SplitResult, quote, unquote_to_bytes

import idna

from mailer.model import FoundArticle, NamedArticle
from mailer.text import links, search_key

# Query parameters that record where a visitor came from. They never select a page.
_TRACKING_BEGINNINGS = ("utm_", "at_", "mtm_", "hsa_")
_TRACKING = (
    *("_ga", "_gl", "_se", "cmpid", "dclid", "fbclid", "gbraid", "gclid", "gclsrc", "igsh", "igshid", "li_fat_id"),
    *("mc_cid", "mc_eid", "msclkid", "ns_campaign", "ns_mchannel", "ns_source", "ocid", "pk_campaign", "pk_kwd"),
    *("ref", "ref_src", "s_cid", "ttclid", "twclid", "wbraid", "wt_mc", "yclid"),
)
# Matches the number of an article: at least five digits, and not a date. Cutting a link after a date would give all
# articles of a day the same link. A date is 20231005, 14020715, 202310, 140207, or 020715 in the short form of the
# Jalali years 1380 to 1409. A longer number that begins with a date, such as 13980418000619, is the number of one
# article.
_DATE = r"(?:1[34]\d\d|1500|19\d\d|20\d\d|2100)MONTH(?:DAY)?|(?:[89]\d|0\d)MONTHDAY"
_DATE = _DATE.replace("MONTH", "(?:0[1-9]|1[0-2])").replace("DAY", "(?:0[1-9]|[12]\\d|3[01])")
_NUMBER = re.compile(rf"(?!(?:{_DATE})$)[0-9]{{5,}}")
# The characters that are not percent-encoded. A path may contain sub-delims, ":" and "@" (RFC 3986 §3.3). In the names
# and values of a query, "&" and "=" must be encoded, because they separate parameters.
_IN_PATH = "!$&'()*+,;=:@-._~"
_IN_QUERY = "!$'()*+,;:@/?-._~"
_LONGEST_NAME = 300  # characters; a longer guid is replaced by its hash


def identify(found: FoundArticle) -> NamedArticle:
    """Return the article with its identity and its canonical link. The link is "" if the article has no usable link.

    The identity is "guid:<host>:<guid>", or "guid:<address>" if the guid is an address. If there is no guid, the
    identity is "link:<canonical link>". If there is no guid and no link, the identity is "text:<SHA-256 of the words
    and date>", and the article is stored but is not eligible for an issue.
    """
    link = canonical(found.url)
    if link == host(found.url):
        link = ""  # some feeds link every item to the front page; such a link identifies no item
    guid = found.guid.strip()
    if guid:
        return NamedArticle(found, f"guid:{_guid(guid, found)}", link)
    if link:
        return NamedArticle(found, f"link:{link}", link)
    words = "\n".join((search_key.key(found.title), search_key.key(found.lead), found.published_raw.strip()))
    return NamedArticle(found, f"text:{_sha256(words)}", "")


def canonical(url: str) -> str:
    """Return the canonical form of a web address, without the scheme; "" if `url` is not a web address.

    The host is in lower case, in ASCII (RFC 5891) and without "www.". Persian characters are percent-encoded. Tracking
    parameters and the fragment are removed; the other parameters keep their order. The path is cut after the last
    number that may identify the article, because a slug follows the number, and editors change the slug together with
    the title.
    """
    parts = links.split(url)
    if parts is None:
        return ""
    segments = [_encoded(segment, _IN_PATH) for segment in parts.path.split("/") if segment]
    numbers = [place for place, segment in enumerate(segments, 1) if _NUMBER.fullmatch(segment)]
    if numbers:
        # Cut after the last number. An earlier number may belong to the section, and cutting there would give all
        # articles of the section the same link.
        segments = segments[: numbers[-1]]
    return "/".join([_host(parts), *segments]) + _query(parts.query)


def host(url: str) -> str:
    """Return the host of a web address in lower case and ASCII; "" if `url` is not a web address.

    The beginning "www." and the ports 80 and 443 are removed.
    """
    parts = links.split(url)
    return _host(parts) if parts else ""


def _guid(guid: str, found: FoundArticle) -> str:
    parts = links.split(guid)
    if parts is None:
        name = guid if len(guid) <= _LONGEST_NAME else _sha256(guid)
        return f"{host(found.url) or found.source}:{name}"
    # If the guid is an address, its scheme, host and percent signs are normalised. The path is not cut and the query is
    # kept, because WordPress makes guids such as "https://example.org/?p=123".
    address = "/".join([_host(parts), *(_encoded(part, _IN_PATH) for part in parts.path.split("/") if part)])
    address += _query(parts.query)
    # Some feeds, such as the BBC's, number the versions of an article in the fragment: …/articles/x#0, then
    # …/articles/x#1. Remove such a number if the article's link leads to the same page. Keep any other fragment,
    # because it distinguishes articles on one page.
    version = re.fullmatch(r"[0-9]{1,3}", parts.fragment)
    if parts.fragment and not (version and canonical(guid) == canonical(found.url) and "#" not in found.url):
        address += "#" + _encoded(parts.fragment, _IN_QUERY)
    return address if len(address) <= _LONGEST_NAME * 4 else _sha256(address)


def _host(parts: SplitResult) -> str:
    name = (parts.hostname or "").rstrip(".")
    try:
        name = idna.encode(name, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        # A name such as under_score.example is not valid, but some sites use one.
        name = quote(name.lower(), safe="_-.:")
    name = name.removeprefix("www.")
    return name if parts.port in (None, 80, 443) else f"{name}:{parts.port}"


def _encoded(text: str, safe: str) -> str:
    """Return the text in one form of percent-encoding, whichever form it had before.

    In a path, an encoded "/" stays encoded, because it does not separate segments.
    """
    return quote(unquote_to_bytes(text), safe=safe)


def _query(query: str) -> str:
    kept = []
    for parameter in query.split("&"):
        name, equals, value = parameter.partition("=")
        if parameter and name.lower() not in _TRACKING and not name.lower().startswith(_TRACKING_BEGINNINGS):
            kept.append(_encoded(name, _IN_QUERY) + equals + _encoded(value, _IN_QUERY))
    return "?" + "&".join(kept) if kept else ""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
