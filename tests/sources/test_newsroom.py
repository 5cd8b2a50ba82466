"""The newsroom's own database: the column map, WordPress and its counters, and error messages."""

import socket
import sqlite3
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from mailer.errors import ConfigError, SourceUnavailable
from mailer.settings import ArticleDatabase
from mailer.sources import newsroom
from mailer.sources.identity import identify
from mailer.sources.newsroom import DatabaseSource

ZONE = ZoneInfo("Asia/Tehran")
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
Make = Callable[..., DatabaseSource]


@pytest.fixture
def source(tmp_path: Path) -> Make:
    def make(script: str, **more: object) -> DatabaseSource:
        url = f"sqlite:///{tmp_path / 'news.db'}"
        with sqlite3.connect(tmp_path / "news.db") as connection:
            connection.executescript(script)
        connection.close()
        settings = ArticleDatabase(url=SecretStr(url), **more)
        return DatabaseSource(settings, url, ZONE, now=lambda: NOW)

    return make


TABLE = """CREATE TABLE news (nid INTEGER, headline TEXT, intro TEXT, link TEXT, at TEXT, hits INTEGER, shown INTEGER);
INSERT INTO news VALUES (1, 'گشایش &amp; بازدید', '<p>شرح</p>', '/news/1', '1405/09/02 10:30', 17, 1),
 (2, 'پیش‌نویس', '', '/news/2', '1405/09/02 11:00', NULL, 0), (3, '', '', '/news/3', '1405/09/02 11:00', 5, 1);"""
COLUMNS = {"id": "nid", "title": "headline", "lead": "intro", "url": "link", "published": "at", "views": "hits"}


def test_a_column_map_brings_the_articles_that_may_be_published(source: Make) -> None:
    found = source(TABLE, table="news", columns=COLUMNS, where="shown = 1", site="https://khabar.example").gather(
        "", ""
    )
    (article,) = found.articles
    assert (article.title, article.lead, article.views) == ("گشایش & بازدید", "شرح", 17)
    assert article.url == "https://khabar.example/news/1"
    assert article.published == datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    assert identify(article).identity == "guid:khabar.example:news:1"
    assert found.notes == ("database:news: 1 rows without a title.",)


def test_the_view_for_vendors_needs_no_map(source: Make) -> None:
    view = """CREATE TABLE n (a, b, c, d); INSERT INTO n VALUES (7, 'خبر هفته', 'https://k.example/7', '2026-11-23');
    CREATE VIEW newsletter_articles AS SELECT a AS id, b AS title, c AS url, d AS published FROM n;"""
    assert [each.title for each in source(view).gather("", "").articles] == ["خبر هفته"]


def test_all_wrong_names_are_reported_together(source: Make) -> None:
    wrong = source(TABLE, table="news", columns={**COLUMNS, "views": "hit_count", "shares": "shared"})
    with pytest.raises(ConfigError) as said:
        wrong.check()
    assert said.value.problems == (
        "articles.database.columns: news has no column 'hit_count' (for views)",
        "articles.database.columns: news has no column 'shared' (for shares)",
    )
    with pytest.raises(ConfigError, match="there is no table or view 'artikel'"):
        source("", table="artikel").check()


def test_relative_links_without_the_address_of_the_site(source: Make) -> None:
    """Articles without links would be stored, and stored again when the site is set."""
    rows = "CREATE TABLE n (id, title, url, published); INSERT INTO n VALUES (7, 'خبر', '/news/7', '2026-11-23');"
    with pytest.raises(ConfigError, match=r"database\.site: none of the 1 links .* such as '/news/7'"):
        source(rows, table="n").gather("", "")


def test_a_database_that_is_down_is_one_line_without_its_password(tmp_path: Path) -> None:
    url = "postgresql+psycopg://reader:geheim@127.0.0.1:1/news"
    down = DatabaseSource(ArticleDatabase(url=SecretStr(url)), url, ZONE)
    with pytest.raises(SourceUnavailable) as said:
        down.gather("", "")
    assert "geheim" not in str(said.value)
    assert "\n" not in said.value.message


def test_the_admins_own_timeouts_win_over_the_built_in_ones() -> None:
    assert newsroom.timeouts("mysql+pymysql://u@h/x") == {
        "connect_timeout": 10,
        "read_timeout": 60,
        "write_timeout": 60,
    }
    assert "read_timeout" not in newsroom.timeouts("mysql+pymysql://u@h/x?read_timeout=600")
    assert newsroom.timeouts("postgresql+psycopg://u@h/x")["connect_timeout"] == 10
    assert newsroom.timeouts("sqlite:///x.db") == {}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"mysql+pymysql://u@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=1&read_timeout=1"
        begun = time.monotonic()
        with pytest.raises(SourceUnavailable):
            DatabaseSource(ArticleDatabase(url=SecretStr(url)), url, ZONE).gather("", "")
        assert time.monotonic() - begun < 20


def test_nothing_is_ever_written(source: Make, tmp_path: Path) -> None:
    news = source(TABLE, table="news", columns=COLUMNS, site="https://khabar.example")
    before = (tmp_path / "news.db").read_bytes()
    news.gather("", "")
    news.close()
    assert (tmp_path / "news.db").read_bytes() == before


# --- WordPress -------------------------------------------------------------------------------------------------------
WORDPRESS = """
CREATE TABLE wp_posts (ID INTEGER PRIMARY KEY, post_title TEXT, post_excerpt TEXT, post_content TEXT, post_date TEXT,
  post_status TEXT, post_type TEXT, post_password TEXT, comment_count INTEGER, guid TEXT);
CREATE TABLE wp_postmeta (post_id INTEGER, meta_key TEXT, meta_value TEXT);
CREATE TABLE wp_terms (term_id INTEGER, name TEXT);
CREATE TABLE wp_term_taxonomy (term_taxonomy_id INTEGER, term_id INTEGER, taxonomy TEXT);
CREATE TABLE wp_term_relationships (object_id INTEGER, term_taxonomy_id INTEGER);
INSERT INTO wp_posts VALUES (5, 'نوشتهٔ نخست', '', '<p>متن بلندی که از آن چکیده‌ای برای نامه ساخته می‌شود.</p>',
  '2026-11-23 10:00:00', 'publish', 'post', '', 3, ''), (6, 'رمزدار', 'الف', '', '2026-11-23 10:00:00', 'publish',
  'post', 'x', 0, ''), (7, 'پیش‌نویس', '', '', '2026-11-23 10:00:00', 'draft', 'post', '', 0, ''),
  (8, 'کهنه', '', '', '2026-10-01 10:00:00', 'publish', 'post', '', 0, ''),
  (9, '', '', '', '2026-11-23 10:00:00', 'inherit', 'attachment', '', 0, 'https://wp.example/a.jpg');
INSERT INTO wp_postmeta VALUES (5, '_thumbnail_id', '9'), (9, '_wp_attachment_image_alt', 'نمای پل'),
  (5, '_yoast_wpseo_primary_category', '2');
INSERT INTO wp_terms VALUES (1, 'گوناگون'), (2, 'سیاسی');
INSERT INTO wp_term_taxonomy VALUES (1, 1, 'category'), (2, 2, 'category');
INSERT INTO wp_term_relationships VALUES (5, 1), (5, 2), (6, 1);
"""


@pytest.mark.parametrize(
    ("counter", "views"),
    [
        ("", None),
        ("CREATE TABLE wp_post_views (id, type, period, count); INSERT INTO wp_post_views VALUES "
         "(5, 0, '20261123', 9), (5, 4, 'total', 41);", 41),
        ("CREATE TABLE wp_popularpostsdata (postid, pageviews); INSERT INTO wp_popularpostsdata VALUES (5, 42);", 42),
        ("CREATE TABLE wp_statistics_pages (id, type, date, count); INSERT INTO wp_statistics_pages VALUES "
         "(5, 'post', '2026-11-22', 40), (5, 'post', '2026-11-23', 3), (5, 'category', '2026-11-23', 99);", 43),
        ("INSERT INTO wp_postmeta VALUES (5, 'views', '44');", 44),
    ],
    ids=["none", "Post Views Counter", "Popular Posts", "WP Statistics", "WP-PostViews"],
)  # fmt: skip
def test_wordpress_with_each_view_counter(source: Make, counter: str, views: int | None) -> None:
    found = source(WORDPRESS + counter, preset="wordpress", site="https://wp.example").gather("", "")
    posts = {each.title: each for each in found.articles}
    assert set(posts) == {"نوشتهٔ نخست", "رمزدار"}
    post = posts["نوشتهٔ نخست"]
    assert (post.views, post.comments, post.category) == (views, 3, "سیاسی")
    assert (post.image_url, post.image_alt) == ("https://wp.example/a.jpg", "نمای پل")
    assert post.url == "https://wp.example/?p=5"
    assert post.published == datetime(2026, 11, 23, 6, 30, tzinfo=UTC), "post_date is on the site's clock"
    assert posts["رمزدار"].closed


def test_wordpress_without_its_tables_or_its_address(source: Make) -> None:
    with pytest.raises(ConfigError, match="there is no table wp_posts"):
        source("CREATE TABLE x (y);", preset="wordpress", site="https://wp.example").check()
    with pytest.raises(ConfigError, match="site: needed"):
        source(WORDPRESS, preset="wordpress").check()


def test_long_texts_do_not_fill_the_memory(source: Make) -> None:
    """Two weeks of whole texts, every hour."""
    many = """CREATE TABLE n (a, b, c, d, e);
    WITH RECURSIVE count(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM count WHERE i < 100)
    INSERT INTO n SELECT i, 'خبر ' || i, 'https://k.example/' || i, '2026-11-23',
    replace(hex(zeroblob(100000)), '00', 'متن ') FROM count;
    CREATE VIEW newsletter_articles AS SELECT a AS id, b AS title, c AS url, d AS published, e AS body FROM n;"""
    asked = source(many)
    tracemalloc.start()
    try:
        found = asked.gather("", "").articles
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found) == 100
    assert all(0 < len(article.body) <= 5000 for article in found)
    assert peak < 40_000_000, "at once they are 80 MB, and more while they are turned"


def test_an_infinite_number_is_not_a_count(source: Make) -> None:
    table = "CREATE TABLE news (title TEXT, url TEXT, published TEXT, views REAL, news_value REAL);"
    row = "INSERT INTO news VALUES ('باران', 'https://khabar.example/1', '2026-11-23T10:00:00', 9e999, -9e999);"
    article = source(table + row, table="news").gather("", "").articles[0]
    assert (article.views, article.news_value) == (None, None)
