"""Reads JSON Feed 1.0 and 1.1 (jsonfeed.org). Does not follow `next_url` or any other address."""

from collections.abc import Mapping
from typing import Any, TypeGuard
from zoneinfo import ZoneInfo

from mailer.model import FoundArticle
from mailer.sources import identity, plain
from mailer.sources.found import Found, titled
from mailer.text import dates, links


def is_feed(document: object) -> TypeGuard[dict[str, Any]]:
    """Return True for a JSON object that declares itself a JSON Feed or has a list of items."""
    if not isinstance(document, dict):
        return False
    return "jsonfeed.org" in str(document.get("version", "")) or isinstance(document.get("items"), list)


def read(name: str, document: Mapping[str, Any], *, source: str, zone: ZoneInfo) -> Found:
    """Return the items of a feed. `document` is the decoded JSON.

    `source` is stored as the source of every article; if `source` is "", the host of the feed's home page is used.
    """
    items = document.get("items")
    if not isinstance(items, list) or not items:
        return Found((), (f"{name}: the feed has no items.",))
    home = links.absolute(_text(document, "home_page_url"))
    return titled(name, [_article(item if isinstance(item, dict) else {}, home, source, zone) for item in items])


def _article(item: Mapping[str, Any], home: str, source: str, zone: ZoneInfo) -> FoundArticle:
    url = links.absolute(_text(item, "url"), home) or links.absolute(_text(item, "external_url"), home)
    raw = plain.line(_text(item, "date_published") or _text(item, "date_modified"))
    body = plain.paragraphs(_text(item, "content_html") or _text(item, "content_text"))
    tags = item.get("tags")
    category, *others = plain.labels(map(str, tags) if isinstance(tags, list) else ()) or ("",)
    return FoundArticle(
        title=plain.line(_text(item, "title")),
        source=source or identity.host(home) or identity.host(url),
        guid=plain.name(_text(item, "id")),
        url=url,
        lead=plain.lead(_text(item, "summary")) or plain.opening(body),
        body=body,
        category=category,
        tags=tuple(others),
        author=_author(item),
        image_url=links.absolute(_text(item, "image"), url) or links.absolute(_text(item, "banner_image"), url),
        published=dates.parse(raw, zone=zone),
        published_raw=raw,
    )


def _text(item: Mapping[str, Any], field: str) -> str:
    """Return a field as text if its value is a text or a number, else "". JSON Feed 1.0 allows a number as the id."""
    value = item.get(field)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _author(item: Mapping[str, Any]) -> str:
    """Return the names of the authors. Version 1.1 has a list of authors; version 1.0 has one author."""
    authors = item.get("authors")
    every = authors if isinstance(authors, list) else [item.get("author")]
    return "، ".join(plain.labels(_text(each, "name") for each in every if isinstance(each, dict)))
