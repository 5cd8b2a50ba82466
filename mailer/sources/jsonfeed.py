"""Reads JSON Feed 1.0 and 1.1 (jsonfeed.org). Does not follow `next_url` or any other address."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeGuard
from zoneinfo import ZoneInfo

from mailer.model import FoundArticle
from mailer.sources import access, identity, plain
from mailer.sources.found import Found, titled, too_many, unlinked
from mailer.text import dates, links

_ITEMS = re.compile(r'"items"\s*+:\s*+\[')
_BLANKS = re.compile(r"[\s,]*+")
_HOME = re.compile(r'"home_page_url"\s*+:\s*+("[^"\\]*+")')


def is_feed(document: object) -> TypeGuard[dict[str, Any]]:
    """Return True for a JSON object that declares itself a JSON Feed or has a list of items."""
    if not isinstance(document, dict):
        return False
    return "jsonfeed.org" in str(document.get("version", "")) or isinstance(document.get("items"), list)


def part(text: str) -> dict[str, Any] | None:
    """Return the beginning of a feed that was cut off, with its complete items, or None if no item is complete."""
    begins = _ITEMS.search(text)
    if begins is None:
        return None
    items: list[Any] = []
    place, decoder = begins.end(), json.JSONDecoder(strict=False)
    with suppress(ValueError, RecursionError):
        while True:
            blanks = _BLANKS.match(text, place)
            item, place = decoder.raw_decode(text, blanks.end() if blanks else place)
            items.append(item)
    home = _HOME.search(text[: begins.start()])
    return {"items": items, "home_page_url": json.loads(home[1]) if home else ""} if items else None


def read(
    name: str,
    document: Mapping[str, Any],
    *,
    source: str,
    zone: ZoneInfo,
    now: datetime | None = None,
    address: str = "",
    most: int | None = None,
) -> Found:
    """Return the items of a feed, given as decoded JSON. Returns at most `most` items, with a note if there are more.

    `source` overrides the host of the feed's home page; `address` is where the feed was fetched from.
    """
    items = document.get("items")
    if not isinstance(items, list) or not items:
        return Found((), (f"{name}: the feed has no items.",))
    home = links.absolute(_text(document, "home_page_url"), address)
    more = [too_many(name, most)] if most and len(items) > most else []
    items = [item if isinstance(item, dict) else {} for item in items[:most]]
    articles = [_article(item, home or address, source, zone, now) for item in items]
    return titled(name, articles, (*more, *unlinked(name, [_text(item, "url") for item in items], articles)))


def _article(item: Mapping[str, Any], home: str, source: str, zone: ZoneInfo, now: datetime | None) -> FoundArticle:
    # The id of an item is usually its address. `external_url` is the page that the item is about, on another site.
    own = _text(item, "url") or (_text(item, "id") if _text(item, "id").startswith(("http://", "https://")) else "")
    url = links.original(links.absolute(own, home) or links.absolute(_text(item, "external_url"), home))
    title = plain.line(_text(item, "title"))
    raw = plain.line(_text(item, "date_published") or _text(item, "date_modified"))
    markup = _text(item, "content_html")
    body = plain.paragraphs(markup) if markup else plain.verbatim(_text(item, "content_text"))
    lead = plain.lead(_text(item, "summary")) or plain.opening(body)
    tags = item.get("tags")
    category, *others = plain.labels(map(str, tags) if isinstance(tags, list) else ()) or ("",)
    return FoundArticle(
        title=title,
        source=source or identity.host(home) or identity.host(url),
        guid=plain.name(_text(item, "id")),
        url=url,
        lead=lead,
        body=body,
        category=category,
        tags=tuple(others),
        author=_author(item),
        image_url=_picture(item, url or home),
        published=dates.parse(raw, zone=zone, now=now),
        published_raw=raw,
        closed=True if access.is_closed(title, lead, body) else None,
    )


def _picture(item: Mapping[str, Any], base: str) -> str:
    attachments = item.get("attachments")
    written = [_text(item, "image"), _text(item, "banner_image")]
    files = [each for each in attachments if isinstance(each, dict)] if isinstance(attachments, list) else []
    written += (_text(each, "url") for each in files if _text(each, "mime_type").startswith("image/"))
    return next((found for each in written if each and (found := links.absolute(each, base))), "")


def _text(item: Mapping[str, Any], field: str) -> str:
    """Return a field as text if its value is a text or a number, else "". JSON Feed 1.0 allows a number as the id."""
    value = item.get(field)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _author(item: Mapping[str, Any]) -> str:
    """Return the names of the authors. Version 1.1 has a list of authors; version 1.0 has one author."""
    authors = item.get("authors")
    every = authors if isinstance(authors, list) else [item.get("author")]
    return "، ".join(plain.labels(_text(each, "name") for each in every if isinstance(each, dict)))
