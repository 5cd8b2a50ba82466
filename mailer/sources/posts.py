"""Reads the answers of WordPress's REST interface (wp-json/wp/v2/posts). Fetches nothing."""

import html
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC
from typing import Any

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.sources import access, identity, plain
from mailer.sources.cut import cut
from mailer.sources.found import Found, titled
from mailer.text import charset, dates, links


def read(content: bytes, *, address: str, source: str) -> Found:
    """Return the articles in one answer of the REST interface of the site at `address`.

    Their source is `source`, or the site's host if `source` is "". Raises UnreadableInput if the answer is not a
    list of posts.
    """
    text = charset.decode(content).text.strip()
    begins = text.find("[{")
    posts = None
    with suppress(ValueError, RecursionError):
        # A plugin may print a warning before the answer.
        posts = json.loads(text if text.startswith("[") or begins < 0 else text[begins:])
    if not isinstance(posts, list) or not all(isinstance(post, dict) for post in posts):
        raise UnreadableInput(
            f"{address}: does not answer as WordPress does (wp-json/wp/v2/posts).",
            "Is the REST interface switched off? Use the site's feed instead.",
        )
    found = titled(address, [_article(post, address, source) for post in posts])
    articles, notes = cut(address, found.articles)
    return Found(articles, (*found.notes, *notes))


def _article(post: Mapping[str, Any], address: str, source: str) -> FoundArticle:
    parts = _object(post.get("_embedded"))
    taxonomies = _list(parts.get("wp:term"))  # the list of categories, then the list of tags
    names = [html.unescape(_text(_object(term), "name")) for terms in taxonomies for term in _list(terms)]
    category, *tags = plain.labels(names) or ("",)
    media = _object(parts.get("wp:featuredmedia"))
    raw = _text(post, "date_gmt")
    title, lead = plain.line(_rendered(post, "title")), plain.lead(_rendered(post, "excerpt"))
    return FoundArticle(
        title=title,
        source=source or identity.host(address),
        guid=f"wp:{post.get('id')}" if isinstance(post.get("id"), int) else "",
        url=links.absolute(_text(post, "link"), address),
        lead=lead,
        category=category,
        tags=tuple(tags),
        author=plain.line(_text(_object(parts.get("author")), "name")),
        image_url=links.absolute(_text(media, "source_url"), address),
        image_alt=plain.line(_text(media, "alt_text")),
        published=dates.parse(raw, zone=UTC),
        published_raw=plain.line(raw),
        front_page=sticky if isinstance(sticky := post.get("sticky"), bool) else None,
        closed=True if _is_closed(post, title, lead) else None,
    )


def _is_closed(post: Mapping[str, Any], title: str, lead: str) -> bool:
    """Return True for a post with a password, a private post, and one for subscribers (Jetpack's newsletters)."""
    protected = any(_object(post.get(field)).get("protected") is True for field in ("excerpt", "content"))
    reserved = str(_object(post.get("meta")).get("_jetpack_newsletter_access") or "everybody") != "everybody"
    return protected or reserved or post.get("status") == "private" or access.is_closed(title, lead)


def _text(item: Mapping[str, Any], field: str) -> str:
    return str(item.get(field) or "")


def _rendered(post: Mapping[str, Any], field: str) -> str:
    return _text(_object(post.get(field)), "rendered")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: object) -> Mapping[str, Any]:
    """Return the value if it is an object, or its first object if it is a list, else an empty object."""
    return next((each for each in (_list(value) or [value]) if isinstance(each, dict)), {})
