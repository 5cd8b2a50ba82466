"""JSON Feed 1.0 and 1.1 (jsonfeed.org) → `Found`.

It does *not* follow `next_url` or anything else to the network.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard
from zoneinfo import ZoneInfo

from mailer.model import FoundArticle
from mailer.sources import identity, plain
from mailer.sources.found import Found
from mailer.text import dates, links


def is_feed(document: object) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON document is a feed: an object that says so, or that holds a list of items."""
    if not isinstance(document, dict):
        return False
    return "jsonfeed.org" in str(document.get("version", "")) or isinstance(document.get("items"), list)


def read(name: str, document: Mapping[str, Any], *, source: str, zone: ZoneInfo) -> Found:
    """The items of a feed, given as decoded JSON. `source` overrides the host of the feed's home page."""
    items = document.get("items")
    if not isinstance(items, list) or not items:
        return Found((), (f"{name}: the feed has no items.",))
    home = links.absolute(_text(document, "home_page_url"))
    articles, notes = [], []
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict):
            notes.append(f"{name}: item {number} is not an object and was left out.")
            continue
        article = _article(item, home, source, zone)
        if article.title:
            articles.append(article)
        else:
            notes.append(f"{name}: item {number} ({article.url or 'without a link'}) has no title and was left out.")
    return Found(tuple(articles), tuple(notes))


def _article(item: Mapping[str, Any], home: str, source: str, zone: ZoneInfo) -> FoundArticle:
    url = links.absolute(_text(item, "url"), home) or links.absolute(_text(item, "external_url"), home)
    raw = plain.line(_text(item, "date_published") or _text(item, "date_modified"))
    body = plain.paragraphs(_text(item, "content_html") or _text(item, "content_text"))
    lead = plain.lead(_text(item, "summary")) or plain.opening(body)
    tags = item.get("tags")
    terms = [term for tag in tags if (term := plain.line(str(tag)))] if isinstance(tags, list) else []
    return FoundArticle(
        title=plain.line(_text(item, "title")),
        source=source or identity.host(home) or identity.host(url),
        guid=plain.name(_text(item, "id")),
        url=url,
        lead=lead,
        body=body,
        category=terms[0] if terms else "",
        tags=tuple(dict.fromkeys(terms[1:])),
        author=_author(item),
        image_url=links.absolute(_text(item, "image"), url) or links.absolute(_text(item, "banner_image"), url),
        published=dates.parse(raw, zone=zone),
        published_raw=raw,
    )


def _text(item: Mapping[str, Any], field: str) -> str:
    """A field as text; "" when it is missing or no text. Numbers are taken too: version 1 lets an id be one."""
    value = item.get(field)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _author(item: Mapping[str, Any]) -> str:
    """1.1 has a list of authors, 1.0 had one."""
    authors = item.get("authors")
    every = authors if isinstance(authors, list) else [item.get("author")]
    names = [plain.line(_text(each, "name")) for each in every if isinstance(each, dict)]
    return "، ".join(name for name in names if name)
