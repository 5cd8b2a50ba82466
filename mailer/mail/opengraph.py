"""What others are told about a public page: tags for previews in chats and networks, and the Atom feed of issues.

Text in, text out; what may be told is decided in `app.archive`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from xml.etree import ElementTree

from mailer.text.clean import clean

_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One public issue, in words for others. `image` may be empty."""

    url: str
    title: str
    summary: str
    image: str
    site: str
    locale: str
    published: datetime
    updated: datetime


def with_tags(html: str, told: Told, feed_url: str) -> str:
    """The page with Open Graph tags, its canonical address and the feed in its head."""
    tags = {
        "og:type": "article",
        "og:title": told.title,
        "og:description": told.summary,
        "og:url": told.url,
        "og:site_name": told.site,
        "og:locale": told.locale,
        "article:published_time": told.published.isoformat(),
        **({"og:image": told.image} if told.image else {}),
    }
    lines = [f'<meta property="{name}" content="{escape(clean(value))}">' for name, value in tags.items()]
    lines += [
        f'<meta name="description" content="{escape(clean(told.summary))}">',
        f'<link rel="canonical" href="{escape(told.url)}">',
        f'<link rel="alternate" type="application/atom+xml" href="{escape(feed_url)}">',
    ]
    head = _HEAD.search(html)
    if head is None:
        raise ValueError("the page has no head")
    return html[: head.end()] + "\n" + "\n".join(lines) + html[head.end() :]


def feed(issues: Sequence[Told], *, url: str, page_url: str, title: str, author: str, language: str) -> bytes:
    """The Atom feed (RFC 4287), the latest issue first; each entry's id is the address of its page."""
    ElementTree.register_namespace("", _ATOM)
    root = ElementTree.Element(f"{{{_ATOM}}}feed", {"{http://www.w3.org/XML/1998/namespace}lang": language})
    latest = max((issue.updated for issue in issues), default=None)
    _put(root, "id", url)
    _put(root, "title", clean(title))
    _put(root, "updated", (latest or datetime.fromisoformat("1970-01-01T00:00:00+00:00")).isoformat())
    _put(root, "link", rel="self", href=url)
    _put(root, "link", rel="alternate", href=page_url)
    _put(_put(root, "author"), "name", clean(author))
    for issue in issues:
        entry = _put(root, "entry")
        _put(entry, "id", issue.url)
        _put(entry, "title", clean(issue.title))
        _put(entry, "link", rel="alternate", href=issue.url)
        _put(entry, "published", issue.published.isoformat())
        _put(entry, "updated", issue.updated.isoformat())
        _put(entry, "summary", clean(issue.summary))
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _put(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> ElementTree.Element:
    made = ElementTree.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
    made.text = text or None
    return made
