"""Reads the article in an HTML page of a news site, fetched or saved.

The page's metadata (OpenGraph, JSON-LD, <title>, <time>, the canonical link) gives the title, lead, date, picture and
section. The page's text gives the body, which `pagetext` separates from menus and boxes. A page without a paragraph
below a title is not an article, but perhaps a front page, a login form or an error page. This module fetches nothing.
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
from mailer.sources import access, identity, pagetext, plain
from mailer.text import dates, links
from mailer.text.search_key import key

# The markup first passes through nh3, which keeps only the elements and attributes listed here and repairs the markup.
# Python's own parser alone would take minutes for 80 kB of "<a b='<a b='…".
_BLOCK_TAGS = "article blockquote br dd div dt form h1 h2 h3 h4 h5 h6 header li main ol p section table td tr ul"
_BLOCKS = set(_BLOCK_TAGS.split())
_KEPT = _BLOCKS | {"link", "meta", "script", "time", "title"}
_DROPPED_WHOLE = {"aside", "button", "figcaption", "footer", "iframe", "nav", "noscript", "select", "style", "svg"}
_ATTRIBUTES = {
    "meta": {"property", "name", "itemprop", "content"},
    "link": {"rel", "href"},
    "script": {"type"},
    "time": {"datetime", "pubdate", "itemprop"},
}
# Ten times as many as a large news page has; parsing more tags, if they are nested, takes many seconds.
_MANY_TAGS = 20_000
_DEEPEST = 6  # levels of JSON-LD that are searched
_SLOGAN = 40  # characters; a shorter description is the site's slogan, not a lead


def read(name: str, text: str, *, zone: ZoneInfo, address: str = "") -> FoundArticle:
    """Return the article of a page. `address` is the address from which the page was fetched, or "" for a saved page.

    Raises UnreadableInput if no article is recognised.
    """
    if text.count("<") > _MANY_TAGS:
        raise UnreadableInput(f"{name}: this page has too many tags for a news page.", "Save the text of the page.")
    page = _Page()
    page.feed(nh3.clean(text, tags=_KEPT, attributes=_ATTRIBUTES, clean_content_tags=_DROPPED_WHOLE, link_rel=None))
    page.close()
    outlet, author = page.first("og:site_name"), plain.line(page.json("author"))
    title = plain.line(page.first("og:title", "twitter:title") or page.heading or page.json("headline") or page.title)
    title = _without_outlet(title, plain.line(outlet), plain.line(page.heading))
    text_article = _read_text(name, "".join(page.text), title, zone)
    url = _own_address(page, address)
    description = page.first("og:description") or page.json("description") or page.first("description")
    lead = plain.lead(description, outlet) if len(description) >= _SLOGAN else text_article.lead
    if key(text_article.lead).startswith(key(lead.removesuffix("…").removesuffix("..."))):
        lead = text_article.lead  # the description repeats the first paragraph, but is cut short
    body = "\n".join(part for part in (text_article.lead, text_article.body) if part and key(part) != key(lead))
    raw = plain.line(page.first("article:published_time", "datepublished") or page.json("datePublished") or page.time)
    published = dates.parse(raw, zone=zone)
    tags = "،".join(page.meta.get("article:tag") or page.every("keywords"))
    return FoundArticle(
        title=title,
        source=identity.host(url),
        url=url,
        lead=lead,
        body=body,
        category=plain.line(page.first("article:section") or page.json("articleSection")) or text_article.category,
        tags=plain.labels(tags.replace("،", ",").split(",")),
        author=author if author != plain.line(outlet) else "",
        image_url=links.absolute(page.first("og:image", "twitter:image") or page.json("image"), url or address),
        image_alt=plain.line(page.first("og:image:alt", "twitter:image:alt")),
        published=published or text_article.published,
        published_raw=raw if published or not text_article.published else text_article.published_raw,
        closed=_is_closed(page),
    )


def _is_closed(page: "_Page") -> bool | None:
    """Return whether the page says that its article is not free to read; None if it says nothing."""
    closed = access.closed_by_json_ld(page.article)
    if closed is None:
        written = page.first("isaccessibleforfree", "article:content_tier")
        closed = None if (free := access.is_free(written)) is None else not free
    return closed


def _read_text(name: str, text: str, title: str, zone: ZoneInfo) -> FoundArticle:
    try:
        return pagetext.read(name, text, zone=zone, title=title)
    except UnreadableInput:
        raise UnreadableInput(
            f"{name}: no article is recognised in this HTML page.",
            "It needs a title and at least one paragraph below it; save the article's own page, or a feed.",
        ) from None


_SEPARATORS = "-–—|:«»،"


def _without_outlet(title: str, outlet: str, heading: str) -> str:
    """Return the title without the outlet's name at the end: «تیتر» for «تیتر - سایت خبری»."""
    # Cut only at a separator. Otherwise a heading «ایران», perhaps the site's logo, would replace a title that begins
    # with «ایرانیان», and an outlet's name would be cut from the end of a sentence.
    if heading and heading != outlet and title.startswith(heading):
        rest = title.removeprefix(heading).lstrip()
        if not rest or rest[0] in _SEPARATORS:
            return heading
    if outlet and title.endswith(outlet):
        first = title.removesuffix(outlet).rstrip()
        if first and first[-1] in _SEPARATORS:
            return first.rstrip(" " + _SEPARATORS) or title
    return title


def _own_address(page: "_Page", address: str) -> str:
    """Return the address that the page gives for itself.

    Returns `address` if the page gives no address, or only that of another site or of a front page.
    """
    for claimed in (page.canonical, page.first("og:url"), page.json("url")):
        url = links.absolute(claimed, address)
        if url and urlsplit(url).path.strip("/") and (not address or identity.host(url) == identity.host(address)):
            return url
    return links.absolute(address)


class _Page(HTMLParser):
    """Collects a page's text, its <meta> elements (including OpenGraph) and the JSON-LD of its article.

    The caller must repair the markup before feeding it to this parser.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.meta: defaultdict[str, list[str]] = defaultdict(list)
        self.canonical = self.title = self.heading = self.time = ""
        self.text: list[str] = []  # pieces of the visible text; every block begins on a new line
        self.article: Mapping[str, Any] = {}  # the JSON-LD of the page's article
        self._open = ""  # the element whose text is being read: "title", "h1", "script", or "data" for JSON-LD
        self._content = ""  # the text of that element so far

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "meta":
            for name in ("property", "name", "itemprop"):
                if found.get(name) and found.get("content", "").strip():
                    self.meta[found[name].lower()].append(found["content"])
        elif tag == "link" and "canonical" in found.get("rel", "").lower().split():
            self.canonical = self.canonical or found.get("href", "")
        elif tag == "time":
            self.time = self.time or found.get("datetime", "")
        elif tag in ("title", "script", "h1"):
            self._open = "data" if found.get("type", "").lower() == "application/ld+json" else tag
            self._content = ""
        if tag in _BLOCKS:
            self.text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("title", "script", "h1"):
            match self._open:
                case "data":
                    with suppress(ValueError, RecursionError):
                        found = _articles(json.loads(self._content, strict=False))
                        self.article = self.article or next(found, {})
                case "title":
                    self.title = self.title or self._content
                case "h1":
                    self.heading = self.heading or " ".join(self._content.split())
            self._open = ""
        if tag in _BLOCKS:
            self.text.append("\n")

    def handle_data(self, data: str) -> None:
        if self._open:
            self._content += data
        if self._open in ("", "h1"):
            self.text.append(data.replace("\n", " "))

    def first(self, *names: str) -> str:
        """Return the content of the first of the named <meta> elements that the page has, or ""."""
        return next((self.meta[name][0] for name in names if name in self.meta), "")

    def every(self, name: str) -> list[str]:
        """Return the values of a field of the article's JSON-LD as texts.

        A value that is an object gives its name or, if the field is "image", its address.
        """
        value = self.article.get(name)
        found = []
        for each in value if isinstance(value, list) else [value]:
            inner = each.get("url" if name == "image" else "name") if isinstance(each, dict) else each
            if isinstance(inner, str | int | bool):
                found.append(str(inner))
        return found

    def json(self, name: str) -> str:
        """Return the first value of a field of the article's JSON-LD, or ""."""
        return next(iter(self.every(name)), "")


def _articles(document: object, deep: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield the articles of a JSON-LD document.

    The document may be one article, a list of articles, or an object with a @graph that contains articles.
    """
    if isinstance(document, list) and deep < _DEEPEST:
        for each in document:
            yield from _articles(each, deep + 1)
    elif isinstance(document, dict):
        kinds = document.get("@type")
        if any(str(kind).endswith(("Article", "Posting")) for kind in (kinds if isinstance(kinds, list) else [kinds])):
            yield document
        elif deep < _DEEPEST:
            yield from _articles(document.get("@graph"), deep + 1)
