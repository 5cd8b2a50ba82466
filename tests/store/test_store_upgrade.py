"""A database of an earlier version, full of data, is upgraded, and commands show the same of it as before."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from admin import Deployment, deployment
from alembic import command
from alembic.config import Config
from sqlalchemy import JSON, Boolean, Connection, Date, DateTime, MetaData, create_engine, text
from sqlalchemy.types import TypeEngine

from mailer.store import upgrade

# The rows of a SQLite file that version 0010 wrote by its own commands, and what those commands showed of it.
OLD = json.loads((Path(__file__).parent / "version_0010.json").read_text("utf-8"))
# Sentences that are worded otherwise since: as version 0010 stored them → as they are shown now.
REWORDED: Mapping[str, str] = {
    "nothing to say: no story in its window": "there is nothing to send: no story in its time span",
    "no sections are configured: nothing balances them": (
        "no sections are configured, so stories are not balanced between sections"
    ),
    "too few stories elsewhere: the limit of 1 of one section was dropped": (
        "more stories of one section than its limit of 1: other sections had too few"
    ),
    "too few stories elsewhere: the limit of 2 of one source was dropped": (
        "more stories of one source than its limit of 2: other sources had too few"
    ),
    "left out, for its page is gone: «ووزا تاقیدی توخیوا چوکا تاقیتی»": (
        "left out because its page is gone: «ووزا تاقیدی توخیوا چوکا تاقیتی»"
    ),
    "holds the banned word «ممنوعه»": "contains the banned word «ممنوعه»",
}
COUNTS = re.compile(r"(\d+ of \d+) articles have no view count: taken as average")
COUNTS_NOW = (
    r"it is unknown how much \1 articles were read: they are judged by place, coverage and quality, and by the "
    "average of their sections"
)


def rewritten(shown: Any) -> Any:
    """Returns what the old version showed, with the sentences of this one."""
    if isinstance(shown, dict):
        return {name: rewritten(value) for name, value in shown.items()}
    if isinstance(shown, list):
        return [rewritten(value) for value in shown]
    return COUNTS.sub(COUNTS_NOW, REWORDED.get(shown, shown)) if isinstance(shown, str) else shown


def without_news(shown: Any, before: Any) -> Any:
    """Returns what is shown now, without the keys that the old version did not have."""
    if isinstance(before, dict):
        return {name: without_news(shown[name], value) for name, value in before.items()}
    if isinstance(before, list):
        assert len(shown) == len(before)
        return [without_news(each, old) for each, old in zip(shown, before, strict=True)]
    return shown


def fill(url: str) -> None:
    """Makes the tables of the old version and puts its rows into them."""
    config = Config()
    config.set_main_option("script_location", str(Path(upgrade.__file__).parent / "migrations"))
    engine = create_engine(url)
    with engine.begin() as tx:
        config.attributes["connection"] = tx
        command.upgrade(config, OLD["version"])
        tables = MetaData()
        tables.reflect(tx)
        for table in tables.sorted_tables:
            if table.name not in OLD["tables"]:
                continue
            columns, rows = OLD["tables"][table.name]["columns"], OLD["tables"][table.name]["rows"]
            kinds = [table.columns[name].type for name in columns]
            tx.execute(
                table.insert(),
                [
                    {name: value_of(value, kind, tx) for name, value, kind in zip(columns, row, kinds, strict=True)}
                    for row in rows
                ],
            )
            if tx.dialect.name == "postgresql" and "id" in table.columns:
                tx.execute(text(f"SELECT setval('{table.name}_id_seq', (SELECT max(id) FROM {table.name}))"))
    engine.dispose()


def value_of(stored: Any, kind: TypeEngine[Any], tx: Connection) -> Any:
    """A value of the SQLite file as this column's type takes it."""
    if stored is None or isinstance(kind, JSON):
        return stored
    if isinstance(kind, DateTime):
        when = datetime.fromisoformat(stored)
        return when if tx.dialect.name == "sqlite" else when.replace(tzinfo=UTC)
    if isinstance(kind, Date):
        return date.fromisoformat(stored)
    return bool(stored) if isinstance(kind, Boolean) else stored


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of version 0010 with all its rows, on each of the two databases."""
    url: str
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'old.db'}"
    else:
        url = request.getfixturevalue("empty_postgresql_url")
    fill(url)
    return url


@pytest.fixture
def upgraded(old_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A deployment with that database, after `mailer db upgrade`."""
    here = deployment(tmp_path / "deployment")
    monkeypatch.setenv("MAILER_DATABASE__URL", old_url)
    assert here.json("db", "upgrade") == {"before": OLD["version"], "after": upgrade.HEAD}
    return here


def test_commands_show_the_same_of_an_old_database_after_its_upgrade(upgraded: Deployment) -> None:
    for words, before in OLD["shown"].items():
        assert without_news(upgraded.json(*words.split()), before) == rewritten(before), words


def test_no_row_is_lost_by_an_upgrade(upgraded: Deployment, old_url: str) -> None:
    engine = create_engine(old_url)
    with engine.connect() as tx:
        counts = {table: tx.execute(text(f"SELECT count(*) FROM {table}")).scalar() for table in OLD["tables"]}
    engine.dispose()
    assert counts == {table: len(content["rows"]) for table, content in OLD["tables"].items()}


def test_edits_of_an_old_draft_survive_the_next_choice(upgraded: Deployment) -> None:
    before = OLD["shown"]["issue explain 1405-W36"]
    dropped = [each["title"] for each in before["rejected"] if each["reason"] == "dropped by an editor"]
    chosen = upgraded.json("issue", "draft", "1405-W36", "--as-of", "2026-11-25T12:00:00Z")
    titles = [story["title"] for story in chosen["stories"]]
    assert chosen["subject"] == "موضوع ویراستار"
    assert titles[0] == before["stories"][0]["title"], "an editor moved it to the first place"
    assert "عنوانی که ویراستار نوشت" in titles
    assert dropped
    assert not set(dropped) & set(titles)
    assert any("gone" in note for note in chosen["notes"])


def test_held_issues_of_an_old_database_are_released_as_before(upgraded: Deployment) -> None:
    """Which command lets an issue go depends on why it is held."""
    assert upgraded.call("issue", "release", "1405-W39").code == 3  # waits for approval
    assert upgraded.json("issue", "approve", "1405-W39")["state"] == "draft"
    for slot in ("1405-W38", "1405-W40", "1405-W41", "1405-W42"):
        assert upgraded.call("issue", "approve", slot).code == 3
        assert upgraded.json("issue", "release", slot)["state"] == "draft"
