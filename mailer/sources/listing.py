"""Reads what sitemaps and front pages list: the addresses of pages, without their texts.

A sitemap may be an index of other sitemaps, a Google News sitemap (with titles and dates), a plain one, or a text with
one address on each line; all of them may be gzipped. A front page lists its links in the order in which readers see
them. Nothing is fetched.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import nh3

from mailer.errors import UnreadableInput
from mailer.sources import identity, jsonld, most_read, plain, read, tags
from mailer.text import dates, links

_MOST = 50_000  # entries in one sitemap, the maximum that sitemaps.org allows
_MANY_TAGS = 60_000  # maximum for a front page, which has more tags than the page of an article
_LONGEST_ENTRY = 20_000  # characters that are read of an entry, which may list hundreds of pictures
_COMMENT = re.compile(r"<!--(?:[^-]++|-(?!->))*+(?:-->)?")
_ENTRY = re.compile(r"<(?:[\w-]{1,20}:)?(?P<kind>url|sitemap)(?:\s[^<>]{0,200})?>")
_VALUE = re.compile(
    r"<(?:(?P<prefix>[\w-]{1,20}):)?(?P<name>loc|lastmod|title|publication_date|keywords)\b[^<>]{0,200}>\s{0,20}"
    r"(?:<!\[CDATA\[(?P<data>(?:[^\]]++|\](?!\]>)){0,5000}+)|(?P<text>[^<]{0,5000}+))"
)
_NEWS_PREFIX = re.compile(r"xmlns:([\w-]{1,20})=[\"']https?://www\.google\.com/schemas/sitemap-news")
_FEED_ROOTS = frozenset(("rss", "feed", "rdf"))
_DROPPED_WHOLE = {"iframe", "noscript", "select", "style", "svg", "template"}
_KEPT = {"a", "base", "img", "link", "meta", "script", "title"}
_ATTRIBUTES = {
    "*": {"class", "content", "href", "id", "name", "property", "rel", "src", "type"},
    "img": {"alt"},
    "link": {"title"},
}
_FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml")
_FEED_LINK = re.compile(
    r"/(?:rss|feeds?|atom)(?:/[^?#]{0,100})?/?$|\.(?:rss|atom)$|/(?:rss|feed|atom)[\w-]{0,20}\.xml$", re.I
)
_OPEN_TAG = re.compile(r"<(?:html|body)\b(?P<values>[^<>]{0,1000})>", re.IGNORECASE)
_LANGUAGE = re.compile(r"\b(?:xml:)?lang\s{0,5}=\s{0,5}[\"']?([A-Za-z]{2,3})\b", re.IGNORECASE)
_DIRECTION = re.compile(r"\bdir\s{0,5}=\s{0,5}[\"']?(rtl|ltr)\b", re.IGNORECASE)
_HEAD = 50_000  # characters of a page in which the tags <html> and <body> are searched for
_MOST_FEEDS = 20  # maximum number of feeds that are taken from a page


@dataclass(frozen=True, slots=True)
class Listed:
    """An address that a document lists. Only a news sitemap gives a date of publication.

    `link` is the canonical link, or its hash if the link is long; a feed has none. Computing it for 50,000 pages takes
    more than a second, so it is computed in the process that reads documents, not in the service.
    """

    url: str
    changed: datetime | None = None
    title: str = ""
    published: datetime | None = None
    published_raw: str = ""
    tags: tuple[str, ...] = ()
    link: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The addresses that a document lists, in its order, and notes about what was left out.

    A front page also names feeds and says something about its site. The keys of `about` are name, slogan, language,
    direction, colour, logo, icon, system and wordpress; each is there only if the page has it. `most_read` is the
    page's list of the most read articles, if it has one.
    """

    pages: tuple[Listed, ...] = ()
    sitemaps: tuple[Listed, ...] = ()
    notes: tuple[str, ...] = ()
    feeds: tuple[Listed, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    most_read: tuple[Listed, ...] = ()


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

    `zone` is the newsroom's time zone, `charset` is the encoding that the server named, `largest` is the maximum
    number of bytes after decompression, and `cut_off` is True if fetching stopped at the limit. Raises UnreadableInput
    if the content is neither a sitemap nor a front page.
    """
    text, cut_short = read.decoded_text(name, content, charset=charset, largest=largest)
    root = read.root(text)
    notes: list[str] = []
    front = Listing()
    if root in ("urlset", "sitemapindex"):
        pages, sitemaps, more = _sitemap(text, zone, address)
    elif root in _FEED_ROOTS:
        raise UnreadableInput(f"{name}: this is a feed, not a sitemap.", 'Configure it with kind = "feed".')
    elif text.lstrip().startswith("<"):
        front = _front(name, text, address)
        pages, sitemaps, more = list(front.pages), [], 0
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
    usable = tuple(filter(_is_usable, pages)), tuple(filter(_is_usable, sitemaps))
    return Listing(*usable, tuple(notes), front.feeds, front.about, front.most_read)


def _is_usable(listed: Listed) -> bool:
    return listed.url != ""


# --- sitemaps --------------------------------------------------------------------------------------------------------
def _sitemap(text: str, zone: ZoneInfo, address: str) -> tuple[list[Listed], list[Listed], int]:
    """Return the pages and the other sitemaps that a sitemap lists, and the number of entries beyond the limit."""
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
        # The pictures and videos of an entry have addresses and titles, too, but with other prefixes.
        wanted = (
            prefix == news if name in ("title", "publication_date", "keywords") else prefix in ("", "sm", "sitemap")
        )
        if wanted and name not in values:
            text = found["data"] if found["data"] is not None else tags.unescaped(found["text"])
            values[name] = text.strip()
    raw = values.get("publication_date", "")
    url = links.absolute(values.get("loc", ""), address)
    return Listed(
        url=url,
        link=identity.short(identity.canonical(url)),
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
    """Return the addresses of a text with one address on each line, or none if any line is not an address."""
    lines = [each for line in text.split("\n") if (each := line.strip())]
    if not all(links.has_scheme(each) for each in lines[:_MOST]):
        return [], 0
    urls = map(links.absolute, lines[:_MOST])
    return list(map(_page, urls)), max(len(lines) - _MOST, 0)


def _page(url: str) -> Listed:
    return Listed(url, link=identity.short(identity.canonical(url)))


# --- front pages -----------------------------------------------------------------------------------------------------
def _front(name: str, text: str, address: str) -> Listing:
    """Return the links, feeds and facts about the site on a front page. Raises UnreadableInput if it is too large."""
    if text.count("<") > _MANY_TAGS:
        raise UnreadableInput(f"{name}: this page has too many tags for a front page.", "Give the site's feed.")
    page = _Front(address)
    page.feed(nh3.clean(text, tags=_KEPT, attributes=_ATTRIBUTES, clean_content_tags=_DROPPED_WHOLE, link_rel=None))
    page.close()
    data = jsonld.read(page.blocks)
    opened = " ".join(found["values"] for found in _OPEN_TAG.finditer(text[:_HEAD]))
    language, direction = _LANGUAGE.search(opened), _DIRECTION.search(opened)
    names = (page.meta.get("og:site_name"), *data.outlets, page.meta.get("application-name"))
    logos = [links.absolute(each, page.base) for about in data.sites for each in data.values(about, "logo")]
    about = {
        "name": next((found for each in names if (found := plain.line(each or ""))), "") or _from_title(page.title),
        "slogan": plain.line(page.meta.get("description", "")),
        "language": (language[1] if language else re.split("[-_]", page.meta.get("og:locale", ""))[0]).lower(),
        "direction": direction[1].lower() if direction else "",
        "colour": page.meta.get("theme-color", "").strip()[:40],
        "logo": next(filter(None, logos), "") or page.logo,
        "icon": page.icon,
        "system": plain.line(page.meta.get("generator", ""))[:60],
        "wordpress": page.wordpress,
    }
    return Listing(
        tuple(_page(each) for each in dict.fromkeys(page.found)),
        feeds=tuple(page.feeds.values())[:_MOST_FEEDS],
        about={key: value for key, value in about.items() if value},
        most_read=tuple(_page(each) for each in most_read.links(text, page.base, page.title)),
    )


def _from_title(title: str) -> str:
    """Return the name of a site from the <title> of its front page: «تابش» for «تابش | پایگاه خبری»."""
    return re.split(r" [-–—|:•·] |[|]", plain.line(title[:500]))[0].strip()[:80]


class _Front(HTMLParser):
    """Collects the links, the feeds and the metadata of a front page. The caller must first repair the markup."""

    def __init__(self, address: str) -> None:
        super().__init__(convert_charrefs=True)
        self.base = address
        self.found: list[str] = []
        self.feeds: dict[str, Listed] = {}
        self.meta: dict[str, str] = {}
        self.blocks: list[str] = []  # JSON-LD
        self.title = self.logo = self.icon = self.wordpress = ""
        self._has_base = False
        self._open: list[str] | None = None  # the text of the element that is being read
        self._data = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        match tag:
            case "base" if not self._has_base:
                self.base = links.absolute(found.get("href", ""), self.base) or self.base
                self._has_base = True
            case "a":
                self._link(found.get("href", "").strip())
            case "meta":
                for name in ("property", "name"):
                    if found.get(name) and found.get("content", "").strip():
                        self.meta.setdefault(found[name].lower(), found["content"])
            case "link":
                self._head_link(found)
            case "img" if "logo" in " ".join(found.get(name, "") for name in ("class", "id", "alt", "src")).lower():
                self.logo = self.logo or links.absolute(found.get("src", ""), self.base)
            case "title" | "script":
                self._open = []
                self._data = "ld+json" in found.get("type", "").lower()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("title", "script") and self._open is not None:
            text, self._open = "".join(self._open), None
            if tag == "title":
                self.title = self.title or text
            elif self._data:
                self.blocks.append(text)

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open.append(data)

    def _link(self, href: str) -> None:
        if not href or href.startswith(("#", "mailto:", "tel:")):
            return
        address = links.absolute(href, self.base).partition("#")[0]
        if address and _FEED_LINK.search(address):
            self.feeds.setdefault(address, Listed(address))
        elif address:
            self.found.append(address)

    def _head_link(self, found: dict[str, str]) -> None:
        relations = found.get("rel", "").lower().split()
        address = links.absolute(found.get("href", ""), self.base)
        if "alternate" in relations and found.get("type", "").strip().lower() in _FEED_TYPES and address:
            self.feeds.setdefault(address, Listed(address, title=plain.line(found.get("title", ""))))
        elif "https://api.w.org/" in relations:
            self.wordpress = self.wordpress or address
        elif "apple-touch-icon" in relations:
            self.icon = self.icon or address
