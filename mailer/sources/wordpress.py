"""Posts of a WordPress site by its REST interface (wp-json/wp/v2), where its feed is too short.

Read-only and without a login, so it sees what every visitor sees: no drafts and no view counts.
"""

import html
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.settings import Feed
from mailer.sources import identity, plain
from mailer.sources.fetch import Fetcher
from mailer.sources.gather import Gathered, named

_PAGES, _PER_PAGE = 3, 100
_FIELDS = "id,date_gmt,link,title,excerpt,sticky,_links,_embedded"


class WordPressSource:
    """The newest posts of a site; `feed.url` is the site's address."""

    def __init__(self, feed: Feed, fetcher: Fetcher) -> None:
        self._feed, self._fetcher = feed, fetcher
        self.name = feed.address
        self.front_page = False  # the newest first says nothing of the front page

    def gather(self, etag: str, modified: str) -> Gathered:
        """The newest 300 posts: few sites publish more in an hour. Raises FetchFailed and UnreadableInput."""
        articles: list[FoundArticle] = []
        embedded = "wp:featuredmedia,wp:term,author"
        first = None
        for page in range(1, _PAGES + 1):
            asked = {
                "per_page": _PER_PAGE,
                "page": page,
                "orderby": "date",
                "_embed": embedded,
            }
            url = f"{self._feed.address}/wp-json/wp/v2/posts?{urlencode(asked | {'_fields': _FIELDS})}"
            found = self._fetcher.fetch(url, etag=etag if page == 1 else "", modified=modified if page == 1 else "")
            if found.unchanged:
                return Gathered(etag=found.etag or etag, modified=found.modified or modified)
            first = first or found
            articles += [_article(post, self._feed) for post in self._posts(found.content)]
            if page >= _total(found.headers):
                break
        good = tuple(article for article in articles if article.title)
        return Gathered(named(good, self._feed.category), (), first.etag if first else "", "")

    def _posts(self, content: bytes) -> list[Mapping[str, Any]]:
        try:
            posts = json.loads(content)
        except (ValueError, RecursionError):
            posts = None
        if not isinstance(posts, list) or not all(isinstance(post, dict) for post in posts):
            raise UnreadableInput(
                f"{self._feed.address}: does not answer as WordPress does (wp-json/wp/v2/posts).",
                "Is the REST interface switched off? Use the site's feed instead.",
            )
        return posts


def _total(headers: Mapping[str, str] | None) -> int:
    told = (headers or {}).get("x-wp-totalpages", "1")
    return int(told) if told.isdecimal() and len(told) < 6 else 1


def _article(post: Mapping[str, Any], feed: Feed) -> FoundArticle:
    url = plain.web_address(str(post.get("link") or ""), feed.address)
    terms = [plain.line(html.unescape(str(term.get("name") or ""))) for term in _terms(post)]
    media = next(iter(_embedded(post, "wp:featuredmedia")), {})
    raw = str(post.get("date_gmt") or "")
    return FoundArticle(
        title=plain.line(_rendered(post, "title")),
        source=feed.source or identity.host(feed.address),
        guid=f"wp:{post.get('id')}" if isinstance(post.get("id"), int) else "",
        url=url,
        lead=plain.lead(_rendered(post, "excerpt")),
        category=terms[0] if terms else "",
        tags=tuple(dict.fromkeys(terms[1:])),
        author=plain.line(str(next(iter(_embedded(post, "author")), {}).get("name") or "")),
        image_url=plain.web_address(str(media.get("source_url") or ""), feed.address),
        image_alt=plain.line(str(media.get("alt_text") or "")),
        published=_instant(raw),
        published_raw=plain.line(raw),
        front_page=sticky if isinstance(sticky := post.get("sticky"), bool) else None,
    )


def _instant(raw: str) -> datetime | None:
    try:
        return datetime.fromisoformat(raw).replace(tzinfo=UTC)  # date_gmt names no zone, it is in UTC
    except ValueError:
        return None


def _rendered(post: Mapping[str, Any], field: str) -> str:
    value = post.get(field)
    return str(value.get("rendered") or "") if isinstance(value, dict) else ""


def _embedded(post: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    every = post.get("_embedded")
    found = every.get(name) if isinstance(every, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _terms(post: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Categories, then tags: WordPress gives a list for each taxonomy."""
    every = post.get("_embedded")
    lists = every.get("wp:term") if isinstance(every, dict) else None
    return [term for each in lists or () if isinstance(each, list) for term in each if isinstance(term, dict)]
