"""Reads the posts of a WordPress site through the REST API (wp-json/wp/v2), and makes the query for its database.

The REST API is for sites whose feed is too short. It is used without a login and therefore returns only what every
visitor sees: no drafts and no view counts.
"""

import html
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import TextClause, text

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.settings import Feed
from mailer.sources import identity, plain
from mailer.sources.fetch import Fetcher
from mailer.sources.found import Gathered
from mailer.sources.gather import in_category
from mailer.sources.read import cut
from mailer.text import dates, links

_PAGES = 3
_QUERY = {
    "per_page": 100,
    "orderby": "date",
    "_embed": "wp:featuredmedia,wp:term,author",
    "_fields": "id,date_gmt,link,title,excerpt,sticky,_links,_embedded",
}


class WordPressSource:
    """Gathers the newest posts of a site; `feed.address` is the address of the site."""

    def __init__(self, feed: Feed, fetcher: Fetcher) -> None:
        self._feed, self._fetcher = feed, fetcher
        self.name = feed.address
        self.front_page = False  # posts are ordered by date, not as on the front page

    def gather(self, etag: str, modified: str) -> Gathered:
        """Return the newest 300 posts, which few sites exceed in an hour, or none if nothing has changed.

        Raises FetchFailed or UnreadableInput.
        """
        first = self._fetcher.fetch(self._url(1), etag=etag, modified=modified)
        if first.unchanged:
            return Gathered(etag=first.etag or etag, modified=first.modified or modified)
        posts = self._posts(first.content)
        total = first.headers.get("x-wp-totalpages", "1")
        for page in range(2, min(_PAGES, int(total[:6]) if total.isdecimal() else 1) + 1):
            posts += self._posts(self._fetcher.fetch(self._url(page)).content)
        good = tuple(cut(article) for post in posts if (article := _article(post, self._feed)).title)
        return Gathered(in_category(good, self._feed.category), etag=first.etag)

    def _url(self, page: int) -> str:
        return f"{self._feed.address}/wp-json/wp/v2/posts?{urlencode({**_QUERY, 'page': page})}"

    def _posts(self, content: bytes) -> list[Mapping[str, Any]]:
        posts = None
        with suppress(ValueError, RecursionError):
            posts = json.loads(content)
        if not isinstance(posts, list) or not all(isinstance(post, dict) for post in posts):
            raise UnreadableInput(
                f"{self._feed.address}: does not answer as WordPress does (wp-json/wp/v2/posts).",
                "Is the REST interface switched off? Use the site's feed instead.",
            )
        return posts


def _article(post: Mapping[str, Any], feed: Feed) -> FoundArticle:
    parts = _object(post.get("_embedded"))
    taxonomies = _list(parts.get("wp:term"))  # the list of categories, then the list of tags
    names = [html.unescape(_text(_object(term), "name")) for terms in taxonomies for term in _list(terms)]
    category, *tags = plain.labels(names) or ("",)
    media = _object(parts.get("wp:featuredmedia"))
    raw = _text(post, "date_gmt")
    return FoundArticle(
        title=plain.line(_rendered(post, "title")),
        source=feed.source or identity.host(feed.address),
        guid=f"wp:{post.get('id')}" if isinstance(post.get("id"), int) else "",
        url=links.absolute(_text(post, "link"), feed.address),
        lead=plain.lead(_rendered(post, "excerpt")),
        category=category,
        tags=tuple(tags),
        author=plain.line(_text(_object(parts.get("author")), "name")),
        image_url=links.absolute(_text(media, "source_url"), feed.address),
        image_alt=plain.line(_text(media, "alt_text")),
        published=dates.parse(raw, zone=UTC),
        published_raw=plain.line(raw),
        front_page=sticky if isinstance(sticky := post.get("sticky"), bool) else None,
    )


def _text(item: Mapping[str, Any], field: str) -> str:
    return str(item.get(field) or "")


def _rendered(post: Mapping[str, Any], field: str) -> str:
    return _text(_object(post.get(field)), "rendered")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: object) -> Mapping[str, Any]:
    """Return a JSON object, or the first object in a list; an empty object if there is none."""
    return next((each for each in (_list(value) or [value]) if isinstance(each, dict)), {})


# --- WordPress tables ------------------------------------------------------------------------------------------------
# One query returns the posts, with the views that the installed counter plugin has stored; `newsroom` runs this query.
# Posts are filtered by `post_date`, because no other date column has an index.
_MOST = 20_000
_PRIMARY = ("_yoast_wpseo_primary_category", "rank_math_primary_category")


def posts(tables: frozenset[str], prefix: str, since: datetime) -> TextClause:
    """Return the query for published posts. The columns have the names that `newsroom` uses.

    `since` must be local time, because `post_date` is local time.
    """
    p = prefix
    term = f"SELECT t.name FROM {p}terms t JOIN {p}term_taxonomy x ON x.term_id = t.term_id"  # noqa: S608 - checked below
    primary = ", ".join(f"'{key}'" for key in _PRIMARY)
    query = f"""
        SELECT p.ID AS id, p.post_title AS title, p.post_excerpt AS lead, p.post_content AS body,
               p.ID AS url, p.post_date AS published, p.comment_count AS comments,
               COALESCE(
                 (SELECT t.name FROM {p}terms t JOIN {p}postmeta m ON m.meta_key IN ({primary})
                    AND m.post_id = p.ID AND m.meta_value = t.term_id LIMIT 1),
                 ({term} JOIN {p}term_relationships r ON r.term_taxonomy_id = x.term_taxonomy_id
                    WHERE r.object_id = p.ID AND x.taxonomy = 'category' ORDER BY t.term_id LIMIT 1)
               ) AS category,
               (SELECT a.guid FROM {p}postmeta m JOIN {p}posts a ON a.ID = m.meta_value
                  WHERE m.post_id = p.ID AND m.meta_key = '_thumbnail_id' LIMIT 1) AS image_url,
               (SELECT alt.meta_value FROM {p}postmeta m JOIN {p}postmeta alt
                  ON alt.post_id = m.meta_value AND alt.meta_key = '_wp_attachment_image_alt'
                  WHERE m.post_id = p.ID AND m.meta_key = '_thumbnail_id' LIMIT 1) AS image_alt,
               (CASE WHEN p.post_password <> '' THEN 1 ELSE 0 END) AS closed,
               ({_views(tables, p)}) AS views
          FROM {p}posts p
         WHERE p.post_status = 'publish' AND p.post_type = 'post' AND p.post_date >= :since
         ORDER BY p.post_date DESC LIMIT {_MOST}"""  # noqa: S608 - the prefix is set by the admin and checked below
    if not p.replace("_", "").isalnum():
        raise ValueError("a prefix consists of letters, digits and _")
    return text(query).bindparams(since=since.strftime("%Y-%m-%d %H:%M:%S"))


def _views(tables: frozenset[str], p: str) -> str:
    """Return a query for the total views of a post, from the tables of the installed counter plugin.

    The query returns NULL, not 0, for a post without a count.
    """
    if f"{p}post_views" in tables:  # Post Views Counter, whose type 4 is the total
        return f"SELECT v.count FROM {p}post_views v WHERE v.id = p.ID AND v.type = 4 LIMIT 1"  # noqa: S608
    if f"{p}popularpostsdata" in tables:  # WordPress Popular Posts
        return f"SELECT v.pageviews FROM {p}popularpostsdata v WHERE v.postid = p.ID LIMIT 1"  # noqa: S608
    if f"{p}statistics_pages" in tables:  # WP Statistics, with one row a day
        return f"SELECT SUM(v.count) FROM {p}statistics_pages v WHERE v.id = p.ID AND v.type = 'post'"  # noqa: S608
    # WP-PostViews keeps its total in the meta data of the post.
    return f"SELECT m.meta_value FROM {p}postmeta m WHERE m.post_id = p.ID AND m.meta_key = 'views' LIMIT 1"  # noqa: S608
