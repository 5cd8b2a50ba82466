"""Reads what sitemaps and front pages list: the addresses of pages, without their texts.

A sitemap may be an index of other sitemaps, a Google News sitemap (with titles and dates), a plain one, or a text with
one address on each line; all of them may be gzipped. A front page lists its links in the order in which readers see
them. Nothing is fetched.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import nh3

from mailer.errors import UnreadableInput
from mailer.sources import plain, read, tags
from mailer.text import dates, links

_MOST = 50_000  # entries of a sitemap, which is the limit of sitemaps.org
_MANY_TAGS = 60_000  # a front page has more than an article's page
_LONGEST_ENTRY = 20_000  # characters; a news entry may have hundreds of pictures
_COMMENT = re.compile(r"<!--(?:[^-]++|-(?!->))*+(?:-->)?")
_ENTRY = re.compile(r"<(?:[\w-]{1,20}:)?(?P<kind>url|sitemap)(?:\s[^<>]{0,200})?>")
_VALUE = re.compile(
    r"<(?:(?P<prefix>[\w-]{1,20}):)?(?P<name>loc|lastmod|title|publication_date|keywords)\b[^<>]{0,200}>\s{0,20}"
    r"(?:<!\[CDATA\[(?P<data>(?:[^\]]++|\](?!\]>)){0,5000}+)|(?P<text>[^<]{0,5000}+))"
)
_NEWS_PREFIX = re.compile(r"xmlns:([\w-]{1,20})=[\"']https?://www\.google\.com/schemas/sitemap-news")
_FEED_ROOTS = frozenset(("rss", "feed", "rdf"))
_DROPPED_WHOLE = {"footer", "iframe", "noscript", "script", "select", "style", "svg", "template"}


@dataclass(frozen=True, slots=True)
class Listed:
    """An address that a document lists. Only a news sitemap gives a title and a date of publication."""

    url: str
    changed: datetime | None = None
    title: str = ""
    published: datetime | None = None
    published_raw: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """The addresses that a document lists, in its order, and notes about what was left out."""

    pages: tuple[Listed, ...] = ()
    sitemaps: tuple[Listed, ...] = ()
    notes: tuple[str, ...] = ()


def read_listing(
    name: str,
    content: bytes,
    *,
    zone: ZoneInfo,
    address: str,
    charset: str = "",
    largest: int = read.LARGEST,
    cut_off: bool = False,
) -> Listing:
    """Return the addresses in a sitemap or in a front page that was fetched from `address`.

    `zone` is the newsroom's time zone, `charset` is the encoding that the server named, `largest` is the most bytes
    after decompression, and `cut_off` is True if fetching stopped at the limit. Raises UnreadableInput if the content
    is neither.
    """
    text, cut_short = read.decoded_text(name, content, charset=charset, largest=largest)
    root = read.root(text)
    notes: list[str] = []
    if root in ("urlset", "sitemapindex"):
        pages, sitemaps, more = _sitemap(text, zone, address)
    elif root in _FEED_ROOTS:
        raise UnreadableInput(f"{name}: this is a feed, not a sitemap.", 'Configure it with kind = "feed".')
    elif text.lstrip().startswith("<"):
        pages, sitemaps, more = list(_links(name, text, address)), [], 0
    else:
        pages, more = _lines(text)
        sitemaps = []
        if not pages:
            raise UnreadableInput(
                f"{name}: this is neither a sitemap nor an HTML page.", "Give the address of a sitemap or a front page."
            )
    unusable = sum(not each.url for each in (*pages, *sitemaps))
    if unusable:
        notes.append(f"{name}: {unusable} of its addresses are not web addresses; they were left out.")
    if more:
        notes.append(f"{name}: it lists more than {_MOST} addresses; {more} were left out.")
    if cut_short or cut_off:
        notes.append(f"{name}: it is too large or was cut off; only its first {len(pages)} addresses were read.")
    return Listing(tuple(filter(_is_usable, pages)), tuple(filter(_is_usable, sitemaps)), tuple(notes))


def _is_usable(listed: Listed) -> bool:
    return listed.url != ""


# --- sitemaps --------------------------------------------------------------------------------------------------------
def _sitemap(text: str, zone: ZoneInfo, address: str) -> tuple[list[Listed], list[Listed], int]:
    """Return the pages and the sitemaps of a sitemap, and how many entries are too many."""
    found = _NEWS_PREFIX.search(text)
    news = found[1] if found else "news"
    text = _COMMENT.sub(" ", text)
    begins = list(_ENTRY.finditer(text))
    pages: list[Listed] = []
    sitemaps: list[Listed] = []
    ends = [each.start() for each in begins[1:]] + [len(text)] * bool(begins)
    for begin, end in list(zip(begins, ends, strict=True))[:_MOST]:
        listed = _entry(text[begin.end() : min(end, begin.end() + _LONGEST_ENTRY)], news, zone, address)
        (pages if begin["kind"] == "url" else sitemaps).append(listed)
    return pages, sitemaps, max(len(begins) - _MOST, 0)


def _entry(block: str, news: str, zone: ZoneInfo, address: str) -> Listed:
    values: dict[str, str] = {}
    for found in _VALUE.finditer(block):
        prefix, name = found["prefix"] or "", found["name"]
        # Pictures and films have addresses and titles, too.
        wanted = (
            prefix == news if name in ("title", "publication_date", "keywords") else prefix in ("", "sm", "sitemap")
        )
        if wanted and name not in values:
            text = found["data"] if found["data"] is not None else tags.unescaped(found["text"])
            values[name] = text.strip()
    raw = values.get("publication_date", "")
    return Listed(
        url=links.absolute(values.get("loc", ""), address),
        changed=_date(values.get("lastmod", ""), zone),
        title=plain.line(values.get("title", "")),
        published=_date(raw, zone),
        published_raw=plain.line(raw),
        tags=plain.labels(values.get("keywords", "").replace("،", ",").split(",")),
    )


def _date(written: str, zone: ZoneInfo) -> datetime | None:
    if not written:
        return None
    try:  # a sitemap has up to 50,000 dates, nearly all of them in this form
        found = datetime.fromisoformat(written)
    except ValueError:
        return dates.parse(written, zone=zone)
    if found.year < 1990:
        return dates.parse(written, zone=zone)  # 1405-09-06 is a Jalali date
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _lines(text: str) -> tuple[list[Listed], int]:
    """Return the addresses of a text with one address on each line. Returns none if a line is something else."""
    lines = [each for line in text.split("\n") if (each := line.strip())]
    if not all(each.lower().startswith(("http://", "https://")) for each in lines[:_MOST]):
        return [], 0
    return [Listed(links.absolute(each)) for each in lines[:_MOST]], max(len(lines) - _MOST, 0)


# --- front pages -----------------------------------------------------------------------------------------------------
def _links(name: str, text: str, address: str) -> Iterator[Listed]:
    if text.count("<") > _MANY_TAGS:
        raise UnreadableInput(f"{name}: this page has too many tags for a front page.", "Give the site's feed.")
    kept = nh3.clean(
        text,
        tags={"a", "base"},
        attributes={"a": {"href"}, "base": {"href"}},
        clean_content_tags=_DROPPED_WHOLE,
        link_rel=None,
    )
    parser = _Links(address)
    parser.feed(kept)
    parser.close()
    yield from (Listed(each) for each in dict.fromkeys(parser.found))


class _Links(HTMLParser):
    """Collects the links of a page in their order. The caller must repair the markup before feeding it."""

    def __init__(self, address: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._base = address
        self._has_base = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = (dict(attrs).get("href") or "").strip()
        if tag == "base" and not self._has_base:
            self._base, self._has_base = links.absolute(href, self._base) or self._base, True
        elif tag == "a" and href and not href.startswith(("#", "mailto:", "tel:")):
            found = links.absolute(href, self._base)
            if found:
                self.found.append(found.partition("#")[0])
