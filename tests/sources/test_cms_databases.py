"""Databases of content management systems: each row of the table in docs/articles.md, with the views written there."""

import itertools
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import maria
import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from mailer.model import FoundArticle
from mailer.settings import ArticleDatabase
from mailer.sources.found import Gathered
from mailer.sources.newsroom import DatabaseSource
from mailer.sources.wordpress import picture

ZONE = ZoneInfo("Asia/Tehran")
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
TEN = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)  # ten o'clock in Tehran
SECONDS = int(TEN.timestamp())
AT_NOW = f"&init_command=SET+timestamp%3D{int(NOW.timestamp())}"  # what the server takes for the present time
SITE = "https://khabar.example"
ARTICLES = (Path(__file__).parents[2] / "docs" / "articles.md").read_text("utf-8")
_numbers = itertools.count(1)


def documented_view(system: str) -> str:
    """The statement below the line that begins with the name of the system."""
    found = re.search(rf"^{system} \([^\n]*\n\n```sql\n(.*?);\n```", ARTICLES, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def gathered(url: str, **more: object) -> Gathered:
    settings = {"site": SITE, "url": SecretStr(url), **more}
    source = DatabaseSource(ArticleDatabase(**settings), url, ZONE, now=lambda: NOW)
    try:
        source.check()
        return source.gather("", "")
    finally:
        source.close()


def by_title(found: Gathered) -> dict[str, FoundArticle]:
    return {article.title: article for article in found.articles}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    pytest.importorskip("pymysql", reason="the extra mysql is not installed")
    try:
        with maria.server() as url:
            yield url
    except maria.NoMariaDB as reason:
        pytest.skip(str(reason))


def mariadb(server: str, script: str) -> str:
    """The URL of a new database in which the statements have been run. Each ends with ";" at the end of a line."""
    name = f"cms{next(_numbers)}"
    for url, statements in (
        (server.format(name="information_schema"), [f"CREATE DATABASE {name} CHARACTER SET utf8mb4"]),
        (server.format(name=name), [each for each in script.split(";\n") if each.strip()]),
    ):
        engine = create_engine(url)
        with engine.begin() as tx:
            for statement in statements:
                tx.execute(text(statement.replace(":", "\\:")))
        engine.dispose()
    return server.format(name=name)


def sqlite(folder: Path, script: str) -> str:
    connection = sqlite3.connect(folder / "cms.db")
    connection.executescript(script)
    connection.close()
    return f"sqlite:///{folder / 'cms.db'}"


# --- Joomla, as `installation/sql/mysql` makes its tables (without the columns that nothing here reads) ---------------
JOOMLA = """
CREATE TABLE jos_content (id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, title varchar(255) NOT NULL DEFAULT '',
  introtext mediumtext NOT NULL, `fulltext` mediumtext NOT NULL, state tinyint NOT NULL DEFAULT 0,
  catid int unsigned NOT NULL DEFAULT 0, created_by int unsigned NOT NULL DEFAULT 0, created_by_alias varchar(255)
  NOT NULL DEFAULT '', publish_up datetime NULL, publish_down datetime NULL, images text NOT NULL,
  access int unsigned NOT NULL DEFAULT 0, hits int unsigned NOT NULL DEFAULT 0, featured tinyint NOT NULL DEFAULT 0);
CREATE TABLE jos_categories (id int NOT NULL PRIMARY KEY, title varchar(255) NOT NULL DEFAULT '');
CREATE TABLE jos_users (id int NOT NULL PRIMARY KEY, name varchar(400) NOT NULL DEFAULT '');
CREATE TABLE jos_tags (id int unsigned NOT NULL PRIMARY KEY, title varchar(255) NOT NULL);
CREATE TABLE jos_contentitem_tag_map (type_alias varchar(255) NOT NULL, content_item_id int NOT NULL, tag_id int
  unsigned NOT NULL);
INSERT INTO jos_categories VALUES (8, 'اقتصاد');
INSERT INTO jos_users VALUES (42, 'نرگس نمونه');
INSERT INTO jos_tags VALUES (1, 'آب'), (2, 'برق');
INSERT INTO jos_contentitem_tag_map VALUES ('com_content.article', 1, 1), ('com_content.article', 1, 2),
  ('com_contact.contact', 1, 2);
INSERT INTO jos_content VALUES
  (1, 'سد تازه پر شد', '<p>سد پس از سال‌ها پر شد.</p>', '<p>آب سد به شهر می‌رسد.</p>', 1, 8, 42, '',
   '2026-11-23 06:30:00', NULL,
   '{"image_intro":"images\\\\/sad.jpg#joomlaImage:\\\\/\\\\/local-images\\\\/sad.jpg?width=8",
   "image_intro_alt":"نمای سد","image_fulltext":""}', 1, 1234, 1),
  (2, 'تنها یک متن', '<p>متنی که ادامه ندارد و چکیده از آغاز آن ساخته می‌شود.</p>', '', 1, 8, 42, 'گروه خبر',
   '2026-11-23 06:30:00', '1970-01-01 00:00:00', '{"image_intro":"","image_fulltext":""}', 2, 0, 0),
  (3, 'پیش‌نویس', '', '', 0, 8, 42, '', '2026-11-23 06:30:00', NULL, '', 1, 0, 0),
  (4, 'برای فردا', '', '', 1, 8, 42, '', '2099-01-01 00:00:00', NULL, '', 1, 0, 0),
  (5, 'برداشته', '', '', 1, 8, 42, '', '2026-11-20 06:30:00', '2026-11-21 06:30:00', '', 1, 0, 0),
  (6, 'کهنه', '', '', 1, 8, 42, '', '2019-11-20 06:30:00', NULL, '', 1, 0, 0);
"""


def test_joomla(server: str) -> None:
    found = gathered(mariadb(server, JOOMLA + documented_view("Joomla")) + AT_NOW)
    articles = by_title(found)
    assert set(articles) == {"سد تازه پر شد", "تنها یک متن", "کهنه"}
    assert articles["کهنه"].published == datetime(2019, 11, 20, 6, 30, tzinfo=UTC)
    first, second = articles["سد تازه پر شد"], articles["تنها یک متن"]
    assert first.url == f"{SITE}/index.php?option=com_content&view=article&id=1"
    assert first.guid == "newsletter_articles:1"
    assert (first.published, first.lead) == (TEN, "سد پس از سال‌ها پر شد.")
    assert first.body == "سد پس از سال‌ها پر شد.\nآب سد به شهر می‌رسد."
    assert (first.category, first.tags, first.author) == ("اقتصاد", ("آب", "برق"), "نرگس نمونه")
    assert (first.image_url, first.image_alt) == (f"{SITE}/images/sad.jpg", "نمای سد")
    assert (first.views, first.front_page, first.closed) == (1234, True, False)
    assert second.lead == "متنی که ادامه ندارد و چکیده از آغاز آن ساخته می‌شود."
    assert (second.author, second.image_url, second.closed) == ("گروه خبر", "", True)
    assert found.notes == ()


# --- Drupal, as its entity storage makes the tables -------------------------------------------------------------------
DRUPAL = f"""
CREATE TABLE node_field_data (nid int unsigned NOT NULL, type varchar(32) NOT NULL, langcode varchar(12) NOT NULL,
  status tinyint NOT NULL, uid int unsigned NOT NULL, title varchar(255) NOT NULL, created int NOT NULL, promote tinyint
  NOT NULL, default_langcode tinyint NOT NULL, PRIMARY KEY (nid, langcode));
CREATE TABLE node__body (entity_id int unsigned NOT NULL, langcode varchar(32) NOT NULL, delta int unsigned NOT NULL,
  body_value longtext NOT NULL, body_summary longtext);
CREATE TABLE node__field_image (entity_id int unsigned NOT NULL, langcode varchar(32) NOT NULL, delta int unsigned NOT
  NULL, field_image_target_id int unsigned NOT NULL, field_image_alt varchar(512));
CREATE TABLE node__field_tags (entity_id int unsigned NOT NULL, delta int unsigned NOT NULL, field_tags_target_id int
  unsigned NOT NULL);
CREATE TABLE taxonomy_term_field_data (tid int unsigned NOT NULL PRIMARY KEY, name varchar(255) NOT NULL);
CREATE TABLE file_managed (fid int unsigned NOT NULL PRIMARY KEY, uri varchar(255) NOT NULL);
CREATE TABLE users_field_data (uid int unsigned NOT NULL PRIMARY KEY, name varchar(60) NOT NULL);
CREATE TABLE node_counter (nid int unsigned NOT NULL PRIMARY KEY, totalcount bigint unsigned NOT NULL);
CREATE TABLE comment_entity_statistics (entity_id int unsigned NOT NULL, entity_type varchar(32) NOT NULL, comment_count
  int unsigned NOT NULL);
CREATE TABLE path_alias (path varchar(255) NOT NULL, alias varchar(255) NOT NULL, langcode varchar(12) NOT NULL, status
  tinyint NOT NULL);
INSERT INTO node_field_data VALUES (1, 'article', 'fa', 1, 7, 'پل تازه باز شد', {SECONDS}, 1, 1),
  (1, 'article', 'en', 1, 7, 'A new bridge', {SECONDS}, 1, 0), (2, 'article', 'fa', 1, 7, 'بی‌عکس', {SECONDS}, 0, 1),
  (3, 'page', 'fa', 1, 7, 'دربارهٔ ما', {SECONDS}, 0, 1), (4, 'article', 'fa', 0, 7, 'پیش‌نویس', {SECONDS}, 0, 1),
  (5, 'article', 'fa', 1, 7, 'کهنه', {SECONDS - 40 * 86400}, 0, 1);
INSERT INTO node__body VALUES (1, 'fa', 0, '<p>پل پس از سه سال باز شد.</p>', 'پل باز شد.');
INSERT INTO node__field_image VALUES (1, 'fa', 0, 9, 'نمای پل');
INSERT INTO file_managed VALUES (9, 'public://2026-11/pol.jpg');
INSERT INTO taxonomy_term_field_data VALUES (1, 'راه'), (2, 'شهر');
INSERT INTO node__field_tags VALUES (1, 0, 2), (1, 1, 1);
INSERT INTO users_field_data VALUES (7, 'نرگس نمونه');
INSERT INTO node_counter VALUES (1, 321);
INSERT INTO comment_entity_statistics VALUES (1, 'node', 4), (1, 'media', 9);
INSERT INTO path_alias VALUES ('/node/1', '/خبر/پل', 'fa', 1);
"""


def test_drupal(server: str) -> None:
    found = gathered(mariadb(server, DRUPAL + documented_view("Drupal")) + AT_NOW)
    articles = by_title(found)
    assert set(articles) == {"پل تازه باز شد", "بی‌عکس", "کهنه"}
    first, second = articles["پل تازه باز شد"], articles["بی‌عکس"]
    assert (first.url, second.url) == (f"{SITE}/خبر/پل", f"{SITE}/node/2")
    assert (first.published, first.lead, first.body) == (TEN, "پل باز شد.", "پل پس از سه سال باز شد.")
    assert (first.tags, first.author) == (("شهر", "راه"), "نرگس نمونه")
    assert (first.image_url, first.image_alt) == (f"{SITE}/sites/default/files/2026-11/pol.jpg", "نمای پل")
    assert (first.views, first.comments, first.front_page) == (321, 4, True)
    assert (second.views, second.comments, second.front_page, second.image_url) == (None, None, False, "")
    assert found.notes == ()


# --- home-made systems ------------------------------------------------------------------------------------------------
def test_a_home_made_system_with_jalali_dates_as_text(tmp_path: Path) -> None:
    script = """CREATE TABLE akhbar (kod INTEGER, onvan TEXT, matn TEXT, link TEXT, tarikh TEXT, bazdid TEXT, aks TEXT);
    INSERT INTO akhbar VALUES (1, 'یک', '<p>متن</p>', '/1', '۱۴۰۵/۰۹/۰۲ ۱۰:۰۰', '۱۲ هزار', '/aks/1.jpg'),
      (2, 'دو', '', '/2', '1405/9/2 - 10:00', '1,234', ''),
      (3, 'سه', '', '/3', 'دوشنبه ۲ آذر ۱۴۰۵ ساعت ۱۰:۰۰', '-', NULL),
      (4, 'چهار', '', '/4', 'دیروز', 'زیاد', ''), (5, 'پنج', '', '/5', '1405-09-02T10:00:00+03:30', '1234', ''),
      (6, 'شش', '', '/6', '۲ اذر ۱۴۰۵ ۱۰:۰۰', '۱۲۳۴', '');"""
    columns = {"id": "kod", "title": "onvan", "body": "matn", "url": "link", "published": "tarikh", "views": "bazdid"}
    found = gathered(sqlite(tmp_path, script), table="akhbar", columns={**columns, "image_url": "aks"})
    articles = by_title(found)
    assert {title for title, each in articles.items() if each.published == TEN} == {"یک", "دو", "سه", "پنج", "شش"}
    assert (articles["چهار"].published, articles["چهار"].published_raw) == (None, "دیروز")
    views = {title: each.views for title, each in articles.items()}
    assert views == {"یک": 12000, "دو": 1234, "سه": None, "چهار": None, "پنج": 1234, "شش": 1234}
    assert articles["یک"].image_url == f"{SITE}/aks/1.jpg"
    assert found.notes == (
        "database:akhbar: 1 values of views are not understood, such as 'زیاد' (id 4); they count as unknown.",
    )


@pytest.mark.parametrize("unit", [1, 1000], ids=["seconds", "milliseconds"])
def test_a_home_made_system_with_unix_times(tmp_path: Path, unit: int) -> None:
    day = 86400
    rows = ", ".join(
        f"({number}, '{title}', '/{number}', {at}, '{tags}', '{image}', {flag})"
        for number, (title, at, tags, image, flag) in enumerate(
            [
                ("یک", SECONDS * unit, "آب، برق", '{"url":"/a.jpg"}', "1"),
                ("دو", SECONDS * unit, '["آب","برق"]', "/b.jpg", "'yes'"),
                ("سه", (SECONDS - 20 * day) * unit, "", "", "0"),
                ("چهار", (SECONDS - 900 * day) * unit, "", "", "0"),
                ("پنج", 0, "", "", "0"),
                ("شش", "NULL", "", "", "0"),
            ],
            1,
        )
    )
    table = "CREATE TABLE posts (id INTEGER, title, url, published INTEGER, tags, image_url, front_page)"
    found = gathered(sqlite(tmp_path, f"{table}; INSERT INTO posts VALUES {rows};"), table="posts")
    articles = by_title(found)
    ages = {title: each.published and (TEN - each.published).days for title, each in articles.items()}
    assert ages == {"یک": 0, "دو": 0, "سه": 20, "چهار": 900}
    new = [articles["یک"], articles["دو"]]
    assert {each.tags for each in new} == {("آب", "برق")}
    assert [each.image_url for each in new] == [f"{SITE}/a.jpg", f"{SITE}/b.jpg"]
    assert [each.front_page for each in articles.values()] == [True, True, False, False]
    note = "database:posts: 2 rows have no date and were left out; they may not have been published."
    assert found.notes == (note,)

    # Of a large table, only the last fourteen days are read.
    more = (
        f"WITH RECURSIVE n(i) AS (SELECT 7 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) INSERT INTO posts "
        f"SELECT i, 'خبر ' || i, '/' || i, {(SECONDS - 50 * day) * unit}, '', '', 0 FROM n;"
    )
    found = gathered(sqlite(tmp_path, more), table="posts")
    assert set(by_title(found)) == {"یک", "دو"}
    assert found.notes == (note,)


@pytest.mark.parametrize("charset", ["latin1", "utf8mb4"])
def test_an_old_mysql_whose_utf_8_was_taken_for_latin_1(server: str, charset: str) -> None:
    def stored(words: str) -> str:
        return f"CONVERT(BINARY '{words}' USING latin1)"

    script = f"""CREATE TABLE news (id int NOT NULL PRIMARY KEY, title varchar(200), body text, url varchar(200),
      published datetime) CHARACTER SET {charset};
    INSERT INTO news VALUES (1, {stored("گزارش باران در شمال – «پگاه»")}, {stored("<p>باران می‌بارد.</p>")}, '/1',
      '2026-11-23 10:00:00'), (2, 'Latin café', '', '/2', '2026-11-23 10:00:00'),
      (3, {stored("برف")}, '', '/3', NULL);"""
    found = gathered(mariadb(server, script), table="news")
    first, second = found.articles
    assert (first.title, first.body, first.published) == ("گزارش باران در شمال – «پگاه»", "باران می‌بارد.", TEN)
    assert second.title == "Latin café"
    undated, repaired = found.notes
    assert undated == "database:news: 1 rows have no date and were left out; they may not have been published."
    assert repaired.startswith("database:news: 2 texts were UTF-8 taken for Latin-1, and were repaired, such as «")


# --- WordPress; `test_newsroom_servers` has the rest ------------------------------------------------------------------
WORDPRESS = """
CREATE TABLE wp_posts (ID INTEGER PRIMARY KEY, post_title TEXT, post_excerpt TEXT, post_content TEXT, post_date TEXT,
  post_status TEXT, post_type TEXT, post_password TEXT, comment_count INTEGER, guid TEXT);
CREATE TABLE wp_postmeta (post_id INTEGER, meta_key TEXT, meta_value TEXT);
CREATE TABLE wp_terms (term_id INTEGER, name TEXT);
CREATE TABLE wp_term_taxonomy (term_taxonomy_id INTEGER, term_id INTEGER, taxonomy TEXT);
CREATE TABLE wp_term_relationships (object_id INTEGER, term_taxonomy_id INTEGER);
CREATE TABLE wp_options (option_id INTEGER PRIMARY KEY, option_name TEXT, option_value TEXT);
INSERT INTO wp_options (option_name, option_value) VALUES ('default_category', '3'), ('siteurl', 'http://test.example/wp');
INSERT INTO wp_posts VALUES (5, 'با دسته', '', '', '2026-11-23 10:00:00', 'publish', 'post', '', 3, ''),
  (6, 'بی‌دسته', '', '', '2026-11-23 10:00:00', 'publish', 'post', '', 0, ''),
  (7, 'دستهٔ نخست', '', '', '2026-11-23 10:00:00', 'publish', 'post', '', 0, ''),
  (9, '', '', '', '2026-11-23 10:00:00', 'inherit', 'attachment', '', 0, 'http://test.example/?attachment_id=9');
INSERT INTO wp_postmeta VALUES (5, '_thumbnail_id', '9'), (9, '_wp_attached_file', '2026/11/پل.jpg'),
  (7, '_yoast_wpseo_primary_category', '3');
INSERT INTO wp_terms VALUES (3, 'دسته‌بندی نشده'), (8, 'سیاسی'), (1, 'اقتصاد');
INSERT INTO wp_term_taxonomy VALUES (13, 3, 'category'), (18, 8, 'category'), (11, 1, 'category');
INSERT INTO wp_term_relationships VALUES (5, 13), (5, 18), (6, 13), (7, 13), (7, 11);
"""


def test_wordpress_pictures_and_categories(tmp_path: Path) -> None:
    found = by_title(gathered(sqlite(tmp_path, WORDPRESS), preset="wordpress"))
    assert found["با دسته"].category == "سیاسی"
    assert found["بی‌دسته"].category == "دسته‌بندی نشده"
    assert found["دستهٔ نخست"].category == "اقتصاد", "the default category is the primary one only by accident"
    assert found["با دسته"].image_url == f"{SITE}/wp/wp-content/uploads/2026/11/پل.jpg"


@pytest.mark.parametrize(
    ("row", "prefix", "address"),
    [
        ({"image_file": "2026/11/a.jpg"}, "wp_", "/wp-content/uploads/2026/11/a.jpg"),
        ({"image_file": "11/a.jpg", "wordpress_at": "https://x.example/wp"}, "wp_", "/wp/wp-content/uploads/11/a.jpg"),
        ({"image_file": "11/a.jpg", "uploads_at": "https://cdn.example/u/"}, "wp_", "https://cdn.example/u/11/a.jpg"),
        ({"image_file": "/srv/www/wp-content/uploads/a.jpg"}, "wp_", "/wp-content/uploads/a.jpg"),
        ({"image_file": "2026/11/a.jpg"}, "wp_7_", "/wp-content/uploads/sites/7/2026/11/a.jpg"),
        ({"image_file": "https://cdn.example/a.jpg"}, "wp_", "https://cdn.example/a.jpg"),
        ({"image_file": "/elsewhere/a.jpg", "image_guid": "https://x.example/a.jpg"}, "wp_", "https://x.example/a.jpg"),
        ({"image_file": None, "image_guid": "https://x.example/a.jpg"}, "wp_", "https://x.example/a.jpg"),
        ({}, "wp_", ""),
    ],
)  # fmt: skip
def test_the_address_of_a_wordpress_picture(row: dict[str, object], prefix: str, address: str) -> None:
    assert picture(row, prefix) == address
