"""Fetches the posts of a WordPress site through the REST API (wp-json/wp/v2), and makes the query for its database.

The REST API is for sites whose feed is too short. It is used without a login and therefore returns only what every
visitor sees: no drafts and no view counts.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from sqlalchemy import TextClause, text

from mailer.errors import FetchFailed, ReadingStopped, UnreadableInput
from mailer.settings import Feed
from mailer.sources.documents import Documents
from mailer.sources.fetch import Fetched, Fetcher
from mailer.sources.found import Found, Gathered
from mailer.sources.gather import in_category

_NEWEST = 300  # maximum number of posts that are read; few sites publish more in an hour
_MOST_PAGES = 10
# Most sites answer at the first address. A site whose server does not rewrite addresses answers only at the second.
_ROUTES = ("/wp-json/wp/v2/posts?", "/?rest_route=/wp/v2/posts&")
# Posts on a page. WordPress allows 100, but some sites allow fewer, or are too slow for so many.
_SIZES = (100, 50, 20, 10)
_TOO_MANY = (400, 413, 500, 502, 504)  # answers after which fewer posts on a page may help
_NO_ROUTE = (401, 403, 404, 405, 410)  # answers after which the other route may help
_QUERY = {
    "orderby": "date",
    "_embed": "wp:featuredmedia,wp:term,author",
    "_fields": "id,status,date_gmt,link,title,excerpt,sticky,meta,_links,_embedded",
}


class WordPressSource:
    """Gathers the newest posts of a site; `feed.address` is the address of the site."""

    slow = False

    def __init__(self, feed: Feed, fetcher: Fetcher, documents: Documents) -> None:
        self._feed, self._fetcher, self._documents = feed, fetcher, documents
        self.name = feed.address
        self.front_page = False  # posts are ordered by date, not as on the front page
        self._route, self._size = _ROUTES[0], _SIZES[0]  # the route and the size with which the site last answered

    def gather(self, etag: str, modified: str) -> Gathered:
        """Return the newest 300 posts, or none if nothing has changed since the last request.

        If a later page cannot be read, the pages before it are returned with a note. Raises FetchFailed or
        UnreadableInput if the first page cannot be read, and ReadingStopped if a page takes too much time or memory.
        """
        first, found = self._first(etag, modified)
        if first.unchanged:
            return Gathered(etag=first.etag or etag, modified=first.modified or modified, not_modified=True)
        articles, notes, whole = list(found.articles), list(found.notes), True
        total = first.headers.get("x-wp-totalpages", "")
        pages = int(total[:6]) if total.isdecimal() else 0
        count = len(found.articles) + len(found.notes)
        for page in range(2, min(-(-_NEWEST // self._size), _MOST_PAGES) + 1):
            if page > pages and (pages or count < self._size):
                break
            try:
                found = self._posts(self._fetcher.fetch(self._url(self._route, self._size, page)).content)
            except ReadingStopped:
                raise
            except (FetchFailed, UnreadableInput) as error:
                if pages or getattr(error, "status", 0) != 400:  # 400 is the answer to a page after the last one
                    why = f"page {page} of the posts could not be read, only the pages before it"
                    notes.append(f"{self.name}: {why} ({error.message.rstrip('.')}).")
                    whole = False
                break
            count = len(found.articles) + len(found.notes)
            articles += found.articles
            notes += found.notes
        # If a page is missing, return no validator, so that the next request gets all pages again.
        validator = first.etag if whole else ""
        return Gathered(in_category(tuple(articles), self._feed.category), tuple(notes), etag=validator)

    def _first(self, etag: str, modified: str) -> tuple[Fetched, Found]:
        """Return the first page. Tries the other route, or fewer posts on a page, if the site refuses."""
        failed: FetchFailed | UnreadableInput | None = None
        for route in (self._route, *(each for each in _ROUTES if each != self._route)):
            for size in (self._size, *(each for each in _SIZES if each < self._size)):
                try:
                    page = self._fetcher.fetch(self._url(route, size, 1), etag=etag, modified=modified)
                    found = Found(()) if page.unchanged else self._posts(page.content)
                except ReadingStopped:
                    raise
                except (FetchFailed, UnreadableInput) as error:
                    failed = failed or error
                    status = getattr(error, "status", 404)
                    if status in _TOO_MANY:
                        continue
                    if status in _NO_ROUTE:
                        break
                    raise
                self._route, self._size = route, size
                return page, found
        raise failed or FetchFailed(f"{self.name}: no answer.")

    def _url(self, route: str, size: int, page: int) -> str:
        return f"{self._feed.address}{route}{urlencode({'per_page': size, **_QUERY, 'page': page})}"

    def _posts(self, content: bytes) -> Found:
        return self._documents.posts(content, address=self._feed.address, source=self._feed.source)


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
    # WordPress puts a post without a category into the default one, so every other category is preferred.
    default = f"COALESCE({_option(tables, p, 'default_category')}, 1)"
    query = f"""
        SELECT p.ID AS id, p.post_title AS title, p.post_excerpt AS lead, p.post_content AS body,
               p.ID AS url, p.post_date AS published, p.comment_count AS comments,
               COALESCE(
                 (SELECT t.name FROM {p}terms t JOIN {p}postmeta m ON m.meta_key IN ({primary})
                    AND m.post_id = p.ID AND m.meta_value = t.term_id AND t.term_id <> {default} LIMIT 1),
                 ({term} JOIN {p}term_relationships r ON r.term_taxonomy_id = x.term_taxonomy_id
                    WHERE r.object_id = p.ID AND x.taxonomy = 'category'
                    ORDER BY CASE WHEN t.term_id = {default} THEN 1 ELSE 0 END, t.term_id LIMIT 1)
               ) AS category,
               (SELECT a.guid FROM {p}postmeta m JOIN {p}posts a ON a.ID = m.meta_value
                  WHERE m.post_id = p.ID AND m.meta_key = '_thumbnail_id' LIMIT 1) AS image_guid,
               (SELECT f.meta_value FROM {p}postmeta m JOIN {p}postmeta f
                  ON f.post_id = m.meta_value AND f.meta_key = '_wp_attached_file'
                  WHERE m.post_id = p.ID AND m.meta_key = '_thumbnail_id' LIMIT 1) AS image_file,
               {_option(tables, p, "siteurl")} AS wordpress_at,
               {_option(tables, p, "upload_url_path")} AS uploads_at,
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


def _option(tables: frozenset[str], p: str, name: str) -> str:
    """Return a query for an option of the site, or NULL if there is no table of options."""
    if f"{p}options" not in tables:
        return "NULL"
    return f"(SELECT o.option_value FROM {p}options o WHERE o.option_name = '{name}' LIMIT 1)"  # noqa: S608


def picture(row: Mapping[str, Any], prefix: str) -> str:
    """Return the address of a post's picture, which may be relative to the site.

    As in WordPress, the file's name decides. The guid of a picture is the address at which it was once uploaded, often
    that of a test server, so it is used only if there is no file.
    """
    file, guid = str(row.get("image_file") or ""), str(row.get("image_guid") or "")
    _, inside, below = file.partition("wp-content/uploads/")
    if not file or (file.startswith("/") and not inside):
        return guid
    if file.startswith(("http://", "https://")):
        return file
    site = re.search(r"_(\d+)_$", prefix)  # the number of a site in a WordPress network
    folder = f"{urlsplit(str(row.get('wordpress_at') or '')).path.rstrip('/')}/wp-content/uploads"
    uploads = str(row.get("uploads_at") or "") or (f"{folder}/sites/{site[1]}" if site and not inside else folder)
    return f"{uploads.rstrip('/')}/{below if inside else file}"


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
