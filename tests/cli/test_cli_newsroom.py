"""The newsroom's own database: a wrong name is reported at once, a database that is down stops nothing."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from admin import Deployment, articles_file, deployment

from mailer import service


def with_database(folder: Path, lines: str) -> Deployment:
    here = deployment(folder)
    config = folder / "config.toml"
    config.write_text(config.read_text("utf-8") + f"[articles.database]\n{lines}\n", "utf-8")
    return here


def test_a_wrong_name_in_the_column_map_is_said_at_the_start(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "news.db") as connection:
        connection.execute("CREATE TABLE news (headline TEXT, link TEXT, at TEXT)")
    connection.close()
    map_ = 'columns = {title = "head_line", url = "link", published = "at"}'
    here = with_database(tmp_path, f'url = "sqlite:///news.db"\ntable = "news"\n{map_}')
    for words in (("articles", "collect"), ("issue", "draft")):
        answer = here.call(*words)
        assert answer.code == 2, answer
        assert "articles.database.columns: news has no column 'head_line' (for title)" in answer.err
        assert "Its columns are at, headline, link." in answer.err


@pytest.mark.parametrize("stocked", [True, False])
def test_a_database_that_is_down_at_draft_time(tmp_path: Path, stocked: bool) -> None:
    """The draft uses the stored articles; without any, the issue is held, and no reader gets a weak one."""
    here = with_database(tmp_path, 'url = "postgresql+psycopg://reader:geheim@127.0.0.1:1/news"')
    if stocked:
        here.json("articles", "import", str(articles_file(tmp_path)))
    answer = here.call("articles", "collect")
    assert answer.code == 4
    assert "cannot be read" in answer.out
    assert "geheim" not in answer.out + answer.err
    drafted = here.json("issue", "draft")
    assert (drafted["state"], drafted["reason"]) == (
        ("draft", "") if stocked else ("held", "too few stories: 0 of at least 5")
    )
    assert len(drafted["stories"]) == (6 if stocked else 0)


def test_a_parameter_that_the_driver_does_not_know(tmp_path: Path) -> None:
    here = with_database(tmp_path, 'url = "mysql+pymysql://reader:geheim@127.0.0.1:1/news?compression=1"')
    answer = here.call("articles", "collect")
    assert answer.code == 2
    assert "articles.database.url: pymysql does not understand its parameters (compression)" in answer.err
    assert "geheim" not in answer.out + answer.err


def test_a_wrong_name_does_not_keep_the_service_from_running(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise a CMS that renames a column would stop the pages and the sender at the next start."""
    with sqlite3.connect(tmp_path / "news.db") as connection:
        connection.execute("CREATE TABLE stories (title TEXT, url TEXT, published TEXT)")
    connection.close()
    here = with_database(tmp_path, 'url = "sqlite:///news.db"\ntable = "news"')
    stop = asyncio.Event()
    stop.set()
    with here.app() as app, caplog.at_level("WARNING"):
        asyncio.run(service.serve(app, ("collector",), stop))
    assert "there is no table or view 'news'. There are stories." in caplog.text


def test_a_url_without_the_name_of_a_database(tmp_path: Path) -> None:
    for ending in ("", "/", "/?charset=utf8mb4"):
        here = with_database(tmp_path / str(len(ending)), f'url = "mysql+pymysql://reader:geheim@127.0.0.1:1{ending}"')
        answer = here.call("config", "check")
        assert answer.code == 2
        assert "should name the database" in answer.err
        assert "geheim" not in answer.out + answer.err


def test_a_field_that_articles_do_not_have(tmp_path: Path) -> None:
    answer = with_database(tmp_path, 'columns = {publishd = "at"}').call("config", "check")
    assert answer.code == 2
    assert "'publishd' is not a field of articles; they are id, title" in answer.err


def test_a_missing_driver_is_explained_and_stops_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    here = with_database(tmp_path, 'url = "oracle+cx_oracle://reader:geheim@127.0.0.1/news"')
    answer = here.call("config", "check")
    assert answer.code == 2
    assert "cannot be opened (there is no module cx_Oracle)" in answer.err
    stop = asyncio.Event()
    stop.set()
    with here.app() as app, caplog.at_level("WARNING"):
        asyncio.run(service.serve(app, ("collector",), stop))
    assert "there is no module cx_Oracle" in caplog.text
    assert "geheim" not in caplog.text + answer.out + answer.err
