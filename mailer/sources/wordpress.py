"""Posts of a WordPress site by its REST interface (wp-json/wp/v2), where its feed is too short.

Read-only and without a login, so it sees what every visitor sees: no drafts and no view counts.
"""

import html
import json
from collections.abc import Mapping
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
from mailer.text import links

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
        good = tuple(cut(article) for article in articles if article.title)
        return Gathered(in_category(good, self._feed.category), etag=first.etag if first else "")

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
    url = links.absolute(str(post.get("link") or ""), feed.address)
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
        image_url=links.absolute(str(media.get("source_url") or ""), feed.address),
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


# --- WordPress tables ------------------------------------------------------------------------------------------------
# One query for the posts, with views from whichever counter plugin is installed. `newsroom` runs it. It filters on
# `post_date` because only that column is indexed.
_MOST = 20_000
_PRIMARY = ("_yoast_wpseo_primary_category", "rank_math_primary_category")


def posts(tables: frozenset[str], prefix: str, since: datetime) -> TextClause:
    """The query for published posts since then, under our words. `since`: on the newsroom's clock, as post_date is."""
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
         ORDER BY p.post_date DESC LIMIT {_MOST}"""  # noqa: S608 - the prefix is the admin's own, of letters and «_»
    if not p.replace("_", "").isalnum():
        raise ValueError("a prefix is made of letters, digits and _")
    return text(query).bindparams(since=since.strftime("%Y-%m-%d %H:%M:%S"))


def _views(tables: frozenset[str], p: str) -> str:
    """The lifetime views of a post by the counter that is installed; NULL, not 0, when there is none."""
    if f"{p}post_views" in tables:  # Post Views Counter; type 4 is the total
        return f"SELECT v.count FROM {p}post_views v WHERE v.id = p.ID AND v.type = 4 LIMIT 1"  # noqa: S608
    if f"{p}popularpostsdata" in tables:  # WordPress Popular Posts
        return f"SELECT v.pageviews FROM {p}popularpostsdata v WHERE v.postid = p.ID LIMIT 1"  # noqa: S608
    if f"{p}statistics_pages" in tables:  # WP Statistics: one row a day
        return f"SELECT SUM(v.count) FROM {p}statistics_pages v WHERE v.id = p.ID AND v.type = 'post'"  # noqa: S608
    # WP-PostViews keeps its total among the other facts of a post.
    return f"SELECT m.meta_value FROM {p}postmeta m WHERE m.post_id = p.ID AND m.meta_key = 'views' LIMIT 1"  # noqa: S608
