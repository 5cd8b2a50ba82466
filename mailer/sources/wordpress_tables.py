"""What WordPress keeps where: one query for its posts, with views from whichever counter is installed.

Knows tables and nothing of articles; `newsroom` runs the query. It filters on `post_date`: only that is indexed.
"""

from datetime import datetime

from sqlalchemy import TextClause, text

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
