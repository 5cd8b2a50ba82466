"""The newsroom's own database on real servers: WordPress's tables on MariaDB with each view counter, and a real
newsroom's tables on MariaDB, PostgreSQL and SQLite."""

import gzip
import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import maria
import pytest
from pydantic import SecretStr
from sqlalchemy import Column, Date, ForeignKey, Integer, MetaData, String, Table, Text, create_engine, insert, text
from sqlalchemy.engine import Connection

from mailer.errors import SourceUnavailable
from mailer.settings import ArticleDatabase
from mailer.sources import plain
from mailer.sources.newsroom import DatabaseSource
from mailer.sources.wordpress import posts

ZONE = ZoneInfo("Asia/Tehran")
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    pytest.importorskip("pymysql", reason="the extra mysql is not installed")
    try:
        with maria.server() as url:
            yield url
    except maria.NoMariaDB as reason:
        pytest.skip(str(reason))


@pytest.fixture
def mariadb(server: str) -> str:
    """The URL of an empty database."""
    name = f"news{next(_numbers)}"
    engine = create_engine(server.format(name="information_schema"))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"))
    engine.dispose()
    return server.format(name=name)


def within(url: str, work: Callable[[Connection], None]) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        work(connection)
    engine.dispose()


def run(connection: Connection, script: str) -> None:
    for statement in script.split(";\n"):
        if statement.strip():
            connection.exec_driver_sql(statement.replace("%", "%%"))


def source(url: str, now: datetime = NOW, **more: object) -> DatabaseSource:
    return DatabaseSource(ArticleDatabase(url=SecretStr(url), **more), url, ZONE, now=lambda: now)


# --- WordPress, as `wp-admin/includes/schema.php` makes it -----------------------------------------------------------
SCHEMA = """
CREATE TABLE wp_posts (ID bigint(20) unsigned NOT NULL auto_increment, post_author bigint(20) unsigned NOT NULL
  default 0, post_date datetime NOT NULL default '0000-00-00 00:00:00', post_date_gmt datetime NOT NULL
  default '0000-00-00 00:00:00', post_content longtext NOT NULL, post_title text NOT NULL, post_excerpt text NOT NULL,
  post_status varchar(20) NOT NULL default 'publish', post_password varchar(255) NOT NULL default '',
  post_name varchar(200) NOT NULL default '', post_type varchar(20) NOT NULL default 'post', guid varchar(255) NOT NULL
  default '', comment_count bigint(20) NOT NULL default 0, PRIMARY KEY (ID),
  KEY type_status_date (post_type, post_status, post_date, ID));
CREATE TABLE wp_postmeta (meta_id bigint(20) unsigned NOT NULL auto_increment PRIMARY KEY, post_id bigint(20) unsigned
  NOT NULL default 0, meta_key varchar(255) default NULL, meta_value longtext, KEY post_id (post_id),
  KEY meta_key (meta_key(191)));
CREATE TABLE wp_terms (term_id bigint(20) unsigned NOT NULL auto_increment PRIMARY KEY, name varchar(200) NOT NULL,
  slug varchar(200) NOT NULL default '');
CREATE TABLE wp_term_taxonomy (term_taxonomy_id bigint(20) unsigned NOT NULL auto_increment PRIMARY KEY,
  term_id bigint(20) unsigned NOT NULL, taxonomy varchar(32) NOT NULL, UNIQUE KEY (term_id, taxonomy));
CREATE TABLE wp_term_relationships (object_id bigint(20) unsigned NOT NULL, term_taxonomy_id bigint(20) unsigned
  NOT NULL, term_order int(11) NOT NULL default 0, PRIMARY KEY (object_id, term_taxonomy_id));
INSERT INTO wp_posts (ID, post_title, post_excerpt, post_content, post_date, post_status, post_type, post_password,
    comment_count, guid) VALUES
  (5, 'نوشتهٔ نخست 🎉', '', '<!-- wp:paragraph --><p>متن بلندی که از آن چکیده‌ای برای نامه ساخته می‌شود.</p>',
   '2026-11-23 10:00:00', 'publish', 'post', '', 3, 'https://wp.example/?p=5'),
  (6, 'رمزدار', 'الف', '', '2026-11-23 10:00:00', 'publish', 'post', 'x', 0, ''),
  (7, 'پیش‌نویس', '', '', '2026-11-23 10:00:00', 'draft', 'post', '', 0, ''),
  (8, 'کهنه', '', '', '2026-10-01 10:00:00', 'publish', 'post', '', 0, ''),
  (9, '', '', '', '2026-11-23 10:00:00', 'inherit', 'attachment', '', 0, 'https://wp.example/wp-content/uploads/a.jpg');
INSERT INTO wp_postmeta (post_id, meta_key, meta_value) VALUES (5, '_thumbnail_id', '9'),
  (9, '_wp_attachment_image_alt', 'نمای پل'), (5, '_yoast_wpseo_primary_category', '2');
INSERT INTO wp_terms (term_id, name) VALUES (1, 'گوناگون'), (2, 'سیاسی');
INSERT INTO wp_term_taxonomy VALUES (1, 1, 'category'), (2, 2, 'category');
INSERT INTO wp_term_relationships (object_id, term_taxonomy_id) VALUES (5, 1), (5, 2), (6, 1)
"""
COUNTERS = {
    "none": ("", None),
    "Post Views Counter": (
        "CREATE TABLE wp_post_views (id bigint unsigned NOT NULL, type tinyint(1) unsigned NOT NULL, period varchar(8) "
        "NOT NULL, count bigint unsigned NOT NULL, PRIMARY KEY (type, period, id));\n"
        "INSERT INTO wp_post_views VALUES (5, 0, '20261123', 9), (5, 1, '202648', 9), (5, 4, 'total', 41)",
        41,
    ),
    "WordPress Popular Posts": (
        "CREATE TABLE wp_popularpostsdata (postid bigint(20) NOT NULL PRIMARY KEY, day datetime NOT NULL, last_viewed "
        "datetime NOT NULL, pageviews bigint(20) DEFAULT 1);\n"
        "INSERT INTO wp_popularpostsdata VALUES (5, '2026-11-23 10:00:00', '2026-11-24 10:00:00', 42)",
        42,
    ),
    "WP Statistics": (
        "CREATE TABLE wp_statistics_pages (page_id bigint(20) NOT NULL AUTO_INCREMENT PRIMARY KEY, uri varchar(190) "
        "NOT NULL, type varchar(180) NOT NULL, date date NOT NULL, count int(11) NOT NULL, id int(11) NOT NULL, "
        "UNIQUE KEY date_2 (date, uri), KEY id (id));\n"
        "INSERT INTO wp_statistics_pages (uri, type, date, count, id) VALUES ('/a', 'post', '2026-11-22', 40, 5), "
        "('/a', 'post', '2026-11-23', 3, 5), ('/c', 'category', '2026-11-23', 99, 5)",
        43,
    ),
    "WP-PostViews": ("INSERT INTO wp_postmeta (post_id, meta_key, meta_value) VALUES (5, 'views', '44')", 44),
}


@pytest.mark.parametrize("counter", COUNTERS)
def test_a_wordpress_site_with_each_view_counter(mariadb: str, counter: str) -> None:
    script, views = COUNTERS[counter]
    within(mariadb, lambda tx: run(tx, SCHEMA + ";\n" + script))
    news = source(mariadb, preset="wordpress", site="https://wp.example")
    news.check()
    found = {article.title: article for article in news.gather("", "").articles}
    news.close()
    assert set(found) == {"نوشتهٔ نخست 🎉", "رمزدار"}
    post = found["نوشتهٔ نخست 🎉"]
    assert (post.views, post.comments, post.category) == (views, 3, "سیاسی")
    assert (post.image_url, post.image_alt) == ("https://wp.example/wp-content/uploads/a.jpg", "نمای پل")
    assert (post.url, post.guid) == ("https://wp.example/?p=5", "wp:5")
    assert post.published == datetime(2026, 11, 23, 6, 30, tzinfo=UTC), "post_date is on the site's clock"
    assert post.lead == "متن بلندی که از آن چکیده‌ای برای نامه ساخته می‌شود."
    assert found["رمزدار"].closed


def test_the_query_for_a_large_wordpress_site_uses_its_index(mariadb: str) -> None:
    def work(tx: Connection) -> None:
        run(tx, SCHEMA)
        rows = ", ".join(
            f"('نوشتهٔ {n}', '', '', '20{10 + n % 15}-0{1 + n % 9}-1{n % 9} 10:00:00')" for n in range(5000)
        )
        run(tx, f"INSERT INTO wp_posts (post_title, post_excerpt, post_content, post_date) VALUES {rows}")
        tx.execute(text("ANALYZE TABLE wp_posts"))
        query = posts(frozenset(("wp_posts",)), "wp_", datetime(2026, 11, 10, tzinfo=ZONE))
        plan = tx.execute(text(f"EXPLAIN {query.text}"), {"since": "2026-11-10 00:00:00"}).mappings()
        assert [row["key"] for row in plan if row["table"] == "p"] == ["type_status_date"]

    within(mariadb, work)


def test_a_server_that_went_away_is_one_line_and_may_come_back(mariadb: str) -> None:
    within(mariadb, lambda tx: run(tx, SCHEMA))
    news = source(mariadb, preset="wordpress", site="https://wp.example")
    assert len(news.gather("", "").articles) == 2
    within(mariadb, lambda tx: run(tx, "RENAME TABLE wp_terms TO away"))
    with pytest.raises(SourceUnavailable) as said:
        news.gather("", "")
    assert "\n" not in said.value.message
    within(mariadb, lambda tx: run(tx, "RENAME TABLE away TO wp_terms"))
    assert len(news.gather("", "").articles) == 2
    news.close()


# --- a real newsroom's tables ----------------------------------------------------------------------------------------
VIEW = """CREATE VIEW told AS SELECT n.*,
  (SELECT MIN(c.name) FROM news_category x JOIN category c ON c.id = x.category WHERE x.news = n.id) AS section,
  (SELECT COUNT(*) FROM remark r WHERE r.news = n.id) AS talk FROM news n"""
COLUMNS = {"title": "news_title", "url": "address", "published": "day", "category": "section", "comments": "talk"}


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def newsroom(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'news.db'}"
    return str(request.getfixturevalue("empty_postgresql_url" if request.param == "postgresql" else "mariadb"))


def lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def test_a_real_article_store_comes_through_the_column_map(newsroom: str) -> None:
    """Asriran's: articles and sections many to many, comments in a table of their own."""
    folder = os.environ.get("KHABARNAMEH_DATA")
    if not folder:
        pytest.skip("KHABARNAMEH_DATA is not set: the real tables are not here")
    rows, remarks = (
        lines(Path(folder) / "articles" / f"asriran-{name}.jsonl.gz") for name in ("2006-2015", "comments")
    )
    written = Counter(remark["url"] for remark in remarks)

    def work(tx: Connection) -> None:
        meta = MetaData()
        news = Table("news", meta, Column("id", String(40), primary_key=True), Column("news_title", Text),
                     Column("body", Text), Column("address", String(300)), Column("day", Date, index=True))  # fmt: skip
        category = Table("category", meta, Column("id", Integer, primary_key=True), Column("name", String(100)))
        links = Table("news_category", meta, Column("news", ForeignKey("news.id")), Column("category", Integer))
        remark = Table("remark", meta, Column("id", Integer, primary_key=True), Column("news", ForeignKey("news.id")))
        meta.create_all(tx)
        day = {row["id"]: date.fromisoformat(row["published"]) if row.get("published") else None for row in rows}
        tx.execute(insert(news), [{"id": row["id"], "news_title": row["title"], "body": row.get("body"),
                                   "address": row["url"], "day": day[row["id"]]} for row in rows])  # fmt: skip
        names = sorted({row["category"] for row in rows if row.get("category")})
        tx.execute(insert(category), [{"id": number, "name": name} for number, name in enumerate(names, 1)])
        tx.execute(insert(links), [{"news": row["id"], "category": names.index(row["category"]) + 1}
                                   for row in rows if row.get("category")])  # fmt: skip
        said = [{"news": row["id"]} for row in rows for _ in range(written[row["url"]])]
        tx.execute(insert(remark), said)
        tx.execute(text(VIEW))

    within(newsroom, work)
    now = datetime(2015, 9, 30, 9, 0, tzinfo=UTC)
    store = source(newsroom, now, table="told", columns=COLUMNS)
    store.check()
    found = {article.guid.removeprefix("told:"): article for article in store.gather("", "").articles}
    store.close()
    # SQLite has no dates but texts, which may be of any calendar: all rows come.
    since = "" if newsroom.startswith("sqlite") else "2015-09-16"
    recent = {row["id"]: row for row in rows if row.get("published", "") >= since}
    assert len(recent) > 150
    assert set(found) == set(recent)
    for number, row in recent.items():
        article = found[number]
        assert (article.title, article.category) == (plain.line(row["title"]), row.get("category", ""))
        assert article.comments == written[row["url"]]
        day = article.published.astimezone(ZONE).date().isoformat() if article.published else None
        assert day == row.get("published")
    assert max(article.comments or 0 for article in found.values()) > 20
