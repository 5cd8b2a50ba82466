"""A database that fails: locked, read-only, full, damaged. Each is one sentence, exit code 4, and loses nothing."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from admin import Deployment, articles_file, deployment
from sqlalchemy import event
from sqlalchemy.pool import Pool


@pytest.fixture
def here(tmp_path: Path) -> Deployment:
    made = deployment(tmp_path)
    made.json("subscribers", "add", "first@example.org")
    return made


def refused(here: Deployment, said: str, *words: str) -> None:
    answer = here.call(*words)
    assert answer.code == 4, answer
    assert said in answer.err
    assert str(here.folder / "subscribers.db") in answer.err
    assert answer.err.count("\n") == 1
    assert "Traceback" not in answer.err


@pytest.mark.slow
def test_locked(here: Deployment) -> None:
    # As a backup or an editor's tool would hold it. Writers wait five seconds, readers not at all.
    with sqlite3.connect(here.folder / "subscribers.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(here.json("subscribers", "list")) == 1
        refused(here, "is locked by another program", "subscribers", "add", "second@example.org")
        other.execute("ROLLBACK")
    other.close()
    assert here.json("subscribers", "add", "second@example.org")["added"] is True


def test_damaged(here: Deployment) -> None:
    database = here.folder / "subscribers.db"
    whole = database.read_bytes()
    database.write_bytes(b"no database" * 100)
    refused(here, "is damaged, or is not a SQLite database", "subscribers", "list")
    assert here.call("subscribers", "list", "--json").error["code"] == "store_unavailable"
    assert database.read_bytes() == b"no database" * 100, "what a restore needs is still there"
    database.write_bytes(whole)
    assert len(here.json("subscribers", "list")) == 1


def test_an_empty_file_is_not_taken_for_a_new_one(here: Deployment) -> None:
    database = here.folder / "subscribers.db"
    database.write_bytes(b"")
    for words in (("subscribers", "list"), ("db", "upgrade")):
        refused(here, "is empty: was it lost? Restore a backup, or delete the file", *words)
    assert database.read_bytes() == b""
    database.unlink()
    refused(here, "is missing, but this key was used with a database before", "subscribers", "list")


def test_a_password_among_the_parameters_is_not_shown(here: Deployment) -> None:
    url = "postgresql://u:hunter2@127.0.0.1:9/news?password=hunter2&sslpassword=hunter2"
    Path(here.config).write_text(f'[database]\nurl = "{url}"\n', "utf-8")
    answer = here.call("subscribers", "list")
    assert answer.code == 4
    assert "hunter2" not in answer.out + answer.err
    assert "password=***" in answer.err


def test_no_place_for_it(here: Deployment) -> None:
    Path(here.config).write_text('[database]\nurl = "sqlite:///none/subscribers.db"\n', "utf-8")
    answer = here.call("subscribers", "list")
    assert answer.code == 4
    assert "cannot be opened" in answer.err
    assert "folder exists" in answer.err


def test_a_server_that_is_not_there(here: Deployment) -> None:
    Path(here.config).write_text('[database]\nurl = "postgresql://u:hunter2@127.0.0.1:9/news"\n', "utf-8")
    answer = here.call("subscribers", "list", "--json")
    assert (answer.code, answer.error["code"]) == (4, "store_unavailable")
    assert "hunter2" not in answer.out + answer.err
    assert "cannot be reached" in answer.error["message"]


@pytest.fixture
def full() -> Iterator[None]:
    """SQLite's own word for a full disk: no connection may add a page to the file."""

    def limit(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count={max(pages, 1)}")
        cursor.close()

    event.listen(Pool, "connect", limit)
    yield
    event.remove(Pool, "connect", limit)


def test_a_full_disk(here: Deployment, full: None) -> None:
    file = str(articles_file(here.folder, 400))
    refused(here, "the disk is full", "articles", "import", file)
    assert here.json("articles", "list") == [], "all of a file or nothing"
    assert [each["email"] for each in here.json("subscribers", "list")] == ["first@example.org"]


def test_after_a_full_disk_the_same_command_works(here: Deployment) -> None:
    assert here.json("articles", "import", str(articles_file(here.folder, 400)))["added"] == 400


def test_read_only() -> None:
    # Root may write everywhere, so for root the command runs as another user, in a folder that this user can reach.
    folder = Path(tempfile.mkdtemp(prefix="mailer-read-only-"))
    root = os.geteuid() == 0
    try:
        here = deployment(folder)
        here.json("subscribers", "add", "first@example.org")
        before = (folder / "subscribers.db").read_bytes()
        for path in folder.iterdir():
            path.chmod(0o444)
        folder.chmod(0o555)
        if root:
            os.seteuid(65534)
        for words in (("subscribers", "add", "second@example.org"), ("issue", "draft")):
            answer = here.call(*words)
            assert answer.code == 4, answer
            assert "is read-only" in answer.err or "cannot be opened" in answer.err
            assert answer.err.count("\n") == 1
        assert (folder / "subscribers.db").read_bytes() == before
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)
