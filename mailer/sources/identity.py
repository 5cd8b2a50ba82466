"""Makes the identity of an article, which is the same at every import and in every feed.

The identity is the source's own name for the article (the guid) or, without a guid, the article's link in canonical
form. The title is not used, because newsrooms publish dozens of articles with titles such as «خبر» or «نگاه». The texts
are compared elsewhere, in `choice`. A canonical link is only a key; the store also keeps the original link for readers
to follow.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from urllib.parse import SplitResult, quote, unquote_to_bytes

import idna

from mailer.model import FoundArticle, NamedArticle
from mailer.sources.found import Found
from mailer.text import links, search_key

# Query parameters that record where a visitor came from. They never select a page.
_TRACKING_BEGINNINGS = ("utm_", "at_", "mtm_", "hsa_")
_TRACKING = (
    *("_ga", "_gl", "_se", "cmpid", "dclid", "fbclid", "gbraid", "gclid", "gclsrc", "igsh", "igshid", "li_fat_id"),
    *("mc_cid", "mc_eid", "msclkid", "ns_campaign", "ns_mchannel", "ns_source", "ocid", "pk_campaign", "pk_kwd"),
    *("ref_src", "s_cid", "ttclid", "twclid", "wbraid", "wt_mc", "yclid"),
)
# Matches the number of an article: at least five digits, and not a date. Cutting a link after a date would give all
# articles of a day the same link. A date is 20231005, 14020715, 202310 or 140207. For the Jalali years 1380 to 1409,
# the short form 020715 is also a date. A longer number that begins with a date, such as 13980418000619, is the number
# of one article.
_DATE = r"(?:1[34]\d\d|1500|19\d\d|20\d\d|2100)MONTH(?:DAY)?|(?:[89]\d|0\d)MONTHDAY"
_DATE = _DATE.replace("MONTH", "(?:0[1-9]|1[0-2])").replace("DAY", "(?:0[1-9]|[12]\\d|3[01])")
_NUMBER = re.compile(rf"(?!(?:{_DATE})$)[0-9]{{5,}}")
# The characters that are not percent-encoded. A path may contain sub-delims, ":" and "@" (RFC 3986 §3.3). In the names
# and values of a query, "&" and "=" must be encoded, because they separate parameters.
_IN_PATH = "!$&'()*+,;=:@-._~"
_IN_QUERY = "!$'()*+,;:@/?-._~"
_NEVER_ENCODED = re.compile(r"[\w.~-]*", re.ASCII)
# Meaningless guids, in lower case. Some systems write one of them into every item.
_NO_GUIDS = frozenset(
    ("", "0", "-1", "-", "--", "#", "n/a", "na", "none", "null", "nil", "nan", "undefined", "unknown")
) | {
    *("false", "true", "guid", "id", "http://", "https://", "[object object]", "00000000-0000-0000-0000-000000000000"),
}
_LONGEST_NAME = 300  # maximum number of characters of a guid; a longer guid is replaced by its hash


def distinguish(name: str, found: Found, *, archive: bool = False) -> Found:
    """Return the items of a document, after giving another identity to different items that share a guid or a link.

    Some systems write the site's address, "N/A" or 0 as the guid of every item, or a section's number into every link.
    Such a guid or link identifies nothing, so the items get other identities (`_named_apart`). In an archive, items
    with the same link are usually versions of one item, and keep one identity.
    """
    articles = list(found.articles)
    useless = [each.guid for each in articles if each.guid and not _identifies(each.guid)]
    articles = [replace(each, guid="") if useless and not _identifies(each.guid) else each for each in articles]
    # An item that loses its guid is identified by its link, which other items may share. So the groups are made twice.
    shared: dict[int, str] = {}  # number of each item that gets another identity → its shared guid or link
    for _ in range(2):
        for identity, numbers in _groups(articles).items():
            group = [articles[number] for number in numbers]
            if len(numbers) > 1 and _are_different(identity, group, archive=archive):
                for number, article in zip(numbers, _named_apart(identity, group), strict=True):
                    shared.setdefault(number, articles[number].guid or articles[number].url)
                    articles[number] = article
        if not shared:
            break
    notes = []
    if useless:
        said = f"{len(useless)} guids say nothing, such as {useless[0][:60]!r}"
        notes.append(f"{name}: {said}; the items' links identify them instead.")
    if shared:
        said = f"{len(shared)} items share a guid or a link with others, such as {next(iter(shared.values()))[:60]!r}"
        notes.append(f"{name}: {said}; their links and titles identify them instead.")
    return Found(tuple(articles), (*found.notes, *notes)) if notes else found


def _groups(articles: Sequence[FoundArticle]) -> dict[str, list[int]]:
    """Return, for each identity, the numbers of the articles that have this identity."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for number, article in enumerate(articles):
        groups[identify(article).identity].append(number)
    return groups


def _are_different(identity: str, group: Sequence[FoundArticle], *, archive: bool) -> bool:
    """Return True if the items with one identity are different items, and not versions of one item."""
    if identity.startswith("text:") or len({search_key.key(each.title) for each in group}) == 1:
        return False
    if identity.startswith("guid:"):
        pages = {(canonical(each.url), _whole(each.url).partition("#")[2]) for each in group}
        return len(pages) > 1 or len({each.guid for each in group}) > 1
    if archive:
        dates = {each.published for each in group}
        return len({_whole(each.url) for each in group}) > 1 and (len(dates) > 1 or None in dates)
    return True


def _named_apart(identity: str, group: Sequence[FoundArticle]) -> Iterator[FoundArticle]:
    """Yield the items of a group, each with an identity. Items with different titles get different identities.

    The identity is the first of these that fits: the guid with its fragment, the link, the whole link (`canonical` with
    `whole`), and the whole link together with the title.
    """
    guids, short, whole = (
        _unique(group, key)
        for key in (lambda each: each.guid, lambda each: canonical(each.url), lambda each: _whole(each.url))
    )
    for each in group:
        if identity.startswith("guid:") and each.guid in guids:
            yield replace(each, identity=f"guid:{_guid(each.guid, each, whole=True)}")
        elif identity.startswith("guid:") and canonical(each.url) in short - {host(each.url), ""}:
            yield replace(each, guid="")
        elif _whole(each.url) in whole - {host(each.url), ""}:
            yield replace(each, guid="", identity=f"link:{_whole(each.url)}")
        else:
            words = "\n".join((_whole(each.url), search_key.key(each.title)))
            yield replace(each, guid="", identity=f"text:{_sha256(words)}")


def is_another(found: FoundArticle, title: str, url: str) -> bool:
    """Return True if an item and a stored article are different articles, although they have the same identity.

    `title` and `url` are those of the stored article. Some systems number the items of each feed from 1, or give one
    guid to articles in two languages. A corrected article, however, keeps its link or some words of its title.
    """
    if not (found.title and title and found.url and url) or found.url == url or _whole(found.url) == _whole(url):
        return False
    return set(search_key.key(found.title).split()).isdisjoint(search_key.key(title).split())


def by_whole_link(found: FoundArticle) -> NamedArticle:
    """Return an item that is identified by its whole link, because other items have the same guid or short link."""
    return identify(replace(found, guid="", identity=f"link:{_whole(found.url)}"))


def _unique(group: Sequence[FoundArticle], key: Callable[[FoundArticle], str]) -> set[str]:
    """Return each key whose items all have the same title."""
    titles: defaultdict[str, set[str]] = defaultdict(set)
    for each in group:
        titles[key(each)].add(search_key.key(each.title))
    return {found for found, every in titles.items() if len(every) == 1}


def _whole(url: str) -> str:
    return canonical(url, whole=True)


def identify(found: FoundArticle) -> NamedArticle:
    """Return the article with its identity and its canonical link. The link is "" if the article has no usable link.

    The identity is "guid:<host>:<guid>", or "guid:<address>" if the guid is an address. If there is no guid, the
    identity is "link:<canonical link>". If there is no guid and no link, the identity is "text:<SHA-256 of the words
    and date>", and the article is stored but is not eligible for an issue. If `distinguish` gave the article an
    identity, the article has that identity.
    """
    if found.identity:
        kind, _, rest = found.identity.partition(":")
        return NamedArticle(found, found.identity, {"link": rest, "guid": canonical(found.url)}.get(kind, ""))
    link = canonical(found.url)
    if link == host(found.url):
        link = ""  # some feeds link every item to the front page; such a link identifies no item
    guid = found.guid.strip()
    if _identifies(guid):
        return NamedArticle(found, f"guid:{_guid(guid, found)}", link)
    if link:
        return NamedArticle(found, f"link:{link}", link)
    words = "\n".join((search_key.key(found.title), search_key.key(found.lead), found.published_raw.strip()))
    return NamedArticle(found, f"text:{_sha256(words)}", "")


def _identifies(guid: str) -> bool:
    """Return False for a guid that says nothing, such as "N/A", 0, or the address of a front page."""
    if guid.lower() in _NO_GUIDS:
        return False
    parts = links.split(guid)
    return parts is None or bool(parts.path.strip("/") or parts.query or parts.fragment)


def short(link: str) -> str:
    """Return a canonical link, or its hash if it is too long for an index of a database."""
    return link if len(link) <= _LONGEST_NAME else _sha256(link)


def canonical(url: str, *, whole: bool = False) -> str:
    """Return the canonical form of a web address, without the scheme; "" if `url` is not a web address.

    The host is in lower case, in ASCII (RFC 5891) and without "www.". Persian characters are percent-encoded. Tracking
    parameters and the fragment are removed; the other parameters keep their order. The path is cut after the last
    number that may identify the article, because a slug follows the number, and editors change the slug together with
    the title. With `whole`, the path is not cut, and the fragment stays.
    """
    parts = links.split(url)
    if parts is None:
        return ""
    segments = [_encoded(segment, _IN_PATH) for segment in parts.path.split("/") if segment]
    numbers = [place for place, segment in enumerate(segments, 1) if _NUMBER.fullmatch(segment)]
    if numbers and not whole:
        # Cut after the last number. An earlier number may belong to the section, and cutting there would give all
        # articles of the section the same link.
        segments = segments[: numbers[-1]]
    fragment = f"#{_encoded(parts.fragment, _IN_QUERY)}" if whole and parts.fragment else ""
    return "/".join([_host(parts), *segments]) + _query(parts.query) + fragment


def links_of(url: str) -> tuple[str, ...]:
    """Return the canonical links that the article at a web address may have, the most exact one first.

    Most articles have the short form; those that share it with others have the whole form (`distinguish`).
    """
    return tuple(dict.fromkeys(link for link in (canonical(url, whole=True), canonical(url)) if link))


def host(url: str) -> str:
    """Return the host of a web address in lower case and ASCII; "" if `url` is not a web address.

    The beginning "www." and the ports 80 and 443 are removed.
    """
    parts = links.split(url)
    return _host(parts) if parts else ""


def _guid(guid: str, found: FoundArticle, *, whole: bool = False) -> str:
    parts = links.split(guid)
    if parts is None:
        name = guid if len(guid) <= _LONGEST_NAME else _sha256(guid)
        return f"{host(found.url) or found.source}:{name}"
    # If the guid is an address, its scheme is removed, and its host and percent-encoding are normalised. The path is
    # not cut and the query is kept, because WordPress makes guids such as "https://example.org/?p=123".
    address = "/".join([_host(parts), *(_encoded(part, _IN_PATH) for part in parts.path.split("/") if part)])
    address += _query(parts.query)
    # Some feeds, such as the BBC's, number the versions of an article in the fragment: …/articles/x#0, then
    # …/articles/x#1. Remove such a number if the article's link leads to the same page. Keep any other fragment,
    # because it distinguishes articles on one page.
    version = re.fullmatch(r"[0-9]{1,3}", parts.fragment)
    if parts.fragment and (whole or not (version and canonical(guid) == canonical(found.url) and "#" not in found.url)):
        address += "#" + _encoded(parts.fragment, _IN_QUERY)
    return address if len(address) <= _LONGEST_NAME * 4 else _sha256(address)


def _host(parts: SplitResult) -> str:
    return _host_of(parts.netloc)


@lru_cache(maxsize=1024)  # nearly all links of a document have the same host
def _host_of(netloc: str) -> str:
    parts = SplitResult("https", netloc, "", "", "")
    name = _ascii((parts.hostname or "").rstrip("."))
    return name if parts.port in (None, 80, 443) else f"{name}:{parts.port}"


def _ascii(name: str) -> str:
    try:
        name = idna.encode(name, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        # A name such as under_score.example is not valid, but some sites use one.
        name = quote(name.lower(), safe="_-.:")
    return name.removeprefix("www.")


def _encoded(text: str, safe: str) -> str:
    """Return the text in one form of percent-encoding, whichever form it had before.

    In a path, an encoded "/" stays encoded, because it does not separate segments.
    """
    return text if _NEVER_ENCODED.fullmatch(text) else quote(unquote_to_bytes(text), safe=safe)


def _query(query: str) -> str:
    kept = []
    for parameter in query.split("&"):
        name, equals, value = parameter.partition("=")
        if parameter and not _is_tracking(name.lower(), value):
            kept.append(_encoded(name, _IN_QUERY) + equals + _encoded(value, _IN_QUERY))
    return "?" + "&".join(kept) if kept else ""


def _is_tracking(name: str, value: str) -> bool:
    # In the links of some systems, `ref` has the number of the article.
    return name in _TRACKING or name.startswith(_TRACKING_BEGINNINGS) or (name == "ref" and not value.isdecimal())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
