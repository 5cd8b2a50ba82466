"""One saved or fetched HTML page of a news site → its one article.

What a page says about itself for others (OpenGraph, JSON-LD, <title>, <time>, the canonical link) gives title, lead,
date, picture and section; its words give the body, told from menus and boxes by `pagetext`. It does *not* fetch, and it
never takes a page without a paragraph below a title for an article: that is a front page, a login or an error.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import nh3

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.sources import identity, pagetext, plain
from mailer.text import dates, links, search_key

# nh3 makes the markup whole first: Python's own parser takes minutes for 80 kB of «<a b='<a b='…».
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_TABLES = {"table", "td", "tr"}
_LISTS = {"dd", "dt", "li", "ol", "ul"}
_BLOCKS = {
    "article",
    "blockquote",
    "br",
    "div",
    "form",
    "header",
    "main",
    "p",
    "section",
    *_HEADINGS,
    *_TABLES,
    *_LISTS,
}
_KEPT = _BLOCKS | {"link", "meta", "script", "time", "title"}
_DROPPED_WHOLE = {"aside", "button", "figcaption", "footer", "iframe", "nav", "noscript", "select", "style", "svg"}
_ATTRIBUTES = {
    "meta": {"property", "name", "itemprop", "content"},
    "link": {"rel", "href"},
    "script": {"type"},
    "time": {"datetime", "pubdate", "itemprop"},
}
_MANY_TAGS = 20_000  # ten times those of a large news page; nested, more of them would take many seconds
_DEEP = 6  # levels of JSON-LD that are looked into
_SLOGAN = 40  # letters; a shorter description says nothing of the article


def read(name: str, text: str, *, zone: ZoneInfo, address: str = "") -> FoundArticle:
    """The article of a page. `address`: where the page was brought from; "" when only the page itself can tell.

    Raises UnreadableInput when no article is recognised.
    """
    if text.count("<") > _MANY_TAGS:
        raise UnreadableInput(f"{name}: this page has more tags than any news page.", "Save the page's text.")
    page = _Page()
    page.feed(nh3.clean(text, tags=_KEPT, attributes=_ATTRIBUTES, clean_content_tags=_DROPPED_WHOLE, link_rel=None))
    page.close()
    told = _Told(page)
    title = plain.line(told.first("og:title", "twitter:title") or page.heading or told.json("headline") or page.title)
    title = _without_outlet(title, plain.line(told.first("og:site_name")), plain.line(page.heading))
    words = _words(name, page.text, title, zone)
    url = _own_address(told, page.canonical, address)
    outlet, author = told.first("og:site_name"), plain.line(told.json("author"))
    description = told.first("og:description") or told.json("description") or told.first("description")
    lead = plain.lead(description, outlet) if len(description) >= _SLOGAN else words.lead
    if search_key.key(words.lead).startswith(search_key.key(lead.removesuffix("…").removesuffix("..."))):
        lead = words.lead  # a description is often cut, by letters or by a quotation mark that ended it
    body = "\n".join(part for part in (words.lead, words.body) if part and search_key.key(part) != search_key.key(lead))
    raw = plain.line(told.first("article:published_time", "datepublished") or told.json("datePublished") or page.time)
    published = dates.parse(raw, zone=zone)
    tags = [
        tag for each in told.all("article:tag") or told.every("keywords") for tag in each.replace("،", ",").split(",")
    ]
    return FoundArticle(
        title=title,
        source=identity.host(url),
        url=url,
        lead=lead,
        body=body,
        category=plain.line(told.first("article:section") or told.json("articleSection")) or words.category,
        tags=tuple(dict.fromkeys(tag for each in tags if (tag := plain.line(each)))),
        author=author if author != plain.line(outlet) else "",
        image_url=links.absolute(told.first("og:image", "twitter:image") or told.json("image"), url or address),
        image_alt=plain.line(told.first("og:image:alt", "twitter:image:alt")),
        published=published or words.published,
        published_raw=raw if published or not words.published else words.published_raw,
        closed={"false": True, "true": False}.get(told.json("isAccessibleForFree").lower()),
    )


def _words(name: str, text: str, title: str, zone: ZoneInfo) -> FoundArticle:
    try:
        return pagetext.read(name, text, zone=zone, title=title)
    except UnreadableInput:
        raise UnreadableInput(
            f"{name}: no article is recognised in this HTML page.",
            "It needs a title and at least one paragraph below it; save the article's own page, or a feed.",
        ) from None


_PARTING = "-–—|:«»،"


def _without_outlet(title: str, outlet: str, heading: str) -> str:
    """The title without the outlet's name behind it, as in «تیتر - سایت خبری»."""
    # Cut only where something parts the two: «ایران» is no part of «ایرانیان», nor a logo above it the whole title.
    if heading and heading != outlet and title.startswith(heading):
        rest = title.removeprefix(heading).lstrip()
        if not rest or rest[0] in _PARTING:
            return heading
    if outlet and title.endswith(outlet):
        first = title.removesuffix(outlet).rstrip()
        if first and first[-1] in _PARTING:
            return first.rstrip(" " + _PARTING) or title
    return title


def _own_address(told: "_Told", canonical: str, address: str) -> str:
    """The page's own address: what it calls itself, but on another site, or the front page, only where it was found."""
    for claimed in (canonical, told.first("og:url"), told.json("url")):
        url = links.absolute(claimed, address)
        if url and urlsplit(url).path.strip("/") and (not address or identity.host(url) == identity.host(address)):
            return url
    return links.absolute(address)


class _Page(HTMLParser):
    """The parts of a page that say something; gets whole markup only."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.meta: defaultdict[str, list[str]] = defaultdict(list)
        self.canonical = self.title = self.heading = self.time = ""
        self.data: list[str] = []  # JSON-LD, as written
        self._parts: list[str] = []
        self._open = ""  # of title, h1 and scripts: whose words come
        self._words = ""

    @property
    def text(self) -> str:
        """What a visitor reads, its blocks parted by line breaks."""
        return "".join(self._parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "meta":
            for name in ("property", "name", "itemprop"):
                if told.get(name) and told.get("content", "").strip():
                    self.meta[told[name].lower()].append(told["content"])
        elif tag == "link" and "canonical" in told.get("rel", "").lower().split():
            self.canonical = self.canonical or told.get("href", "")
        elif tag == "time":
            self.time = self.time or told.get("datetime", "")
        elif tag in ("title", "script", "h1"):
            self._open = "data" if told.get("type", "").lower() == "application/ld+json" else tag
            self._words = ""
        if tag in _BLOCKS:
            self._parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("title", "script", "h1"):
            match self._open:
                case "data":
                    self.data.append(self._words)
                case "title":
                    self.title = self.title or self._words
                case "h1":
                    self.heading = self.heading or " ".join(self._words.split())
            self._open = ""
        if tag in _BLOCKS:
            self._parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self._open:
            self._words += data
        if self._open in ("", "h1"):
            self._parts.append(data.replace("\n", " "))


class _Told:
    """What a page says of itself: OpenGraph and other <meta>, then JSON-LD of its article."""

    def __init__(self, page: _Page) -> None:
        self._meta = page.meta
        self._article: Mapping[str, Any] = {}
        for text in page.data:
            with suppress(ValueError, RecursionError):
                found = list(_articles(json.loads(text, strict=False)))
                self._article = self._article or (found[0] if found else {})

    def all(self, name: str) -> list[str]:
        return self._meta.get(name, [])

    def first(self, *names: str) -> str:
        return next((self._meta[name][0] for name in names if name in self._meta), "")

    def every(self, name: str) -> list[str]:
        """A field of the JSON-LD as texts: of an object its name, of a picture its address."""
        value = self._article.get(name)
        found = []
        for each in value if isinstance(value, list) else [value]:
            inner = each.get("url" if name == "image" else "name") if isinstance(each, dict) else each
            if isinstance(inner, str | int | bool):
                found.append(str(inner))
        return found

    def json(self, name: str) -> str:
        return next(iter(self.every(name)), "")


def _articles(document: object, deep: int = 0) -> Iterator[Mapping[str, Any]]:
    """The articles of a JSON-LD document: alone, in a list or in a @graph."""
    if isinstance(document, list) and deep < _DEEP:
        for each in document:
            yield from _articles(each, deep + 1)
    elif isinstance(document, dict):
        kinds = document.get("@type")
        if any(str(kind).endswith(("Article", "Posting")) for kind in (kinds if isinstance(kinds, list) else [kinds])):
            yield document
        elif deep < _DEEP:
            yield from _articles(document.get("@graph"), deep + 1)
