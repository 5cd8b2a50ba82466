"""The migrations create the tables of `schema`, and several processes may create them at once."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import crowd
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from make import only_sqlite
from sqlalchemy import CheckConstraint, Connection, create_engine, inspect, text
from sqlalchemy.schema import CreateTable

from mailer.errors import StoreOutdated, StoreUnavailable
from mailer.store import upgrade
from mailer.store.database import Store
from mailer.store.schema import TABLES, metadata

MIGRATIONS = Path(upgrade.__file__).parent / "migrations"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table, on each of the two."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new.db'}"
    url: str = request.getfixturevalue("empty_postgresql_url")
    return url


def opened(url: str, work: Callable[[Store], Any]) -> Any:
    store = Store(url)
    try:
        return work(store)
    finally:
        store.close()


def test_the_newest_migration_is_the_head_that_the_program_wants() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == upgrade.HEAD


def test_the_migrated_database_is_the_schema(store: Store) -> None:
    def work(tx: Connection) -> list[Any]:
        context = MigrationContext.configure(tx, opts={"compare_type": True, "target_metadata": metadata})
        return [step for step in compare_metadata(context, metadata) if step]

    assert store.read(work) == []


def test_the_checks_of_the_migrated_database_are_those_of_the_schema(store: Store, tmp_path: Path) -> None:
    # Alembic does not compare checks, so the same server shows how it stores both.
    engine = create_engine(f"sqlite:///{tmp_path / 'plain.db'}") if store.sqlite else create_engine(store.url)
    with engine.connect() as fresh:
        if not store.sqlite:
            fresh.execute(text("CREATE TEMPORARY TABLE here (id int)"))  # its schema lasts as long as the connection
            fresh.execute(text("SET search_path TO pg_temp"))
            for table in TABLES:
                made = str(CreateTable(table).compile(fresh)).replace("CREATE TABLE", "CREATE TEMPORARY TABLE")
                fresh.execute(text(made.replace(":", "\\:")))
            schema = fresh.execute(text("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()")).scalar()
        else:
            metadata.create_all(fresh)
            schema = None
        wanted = {table.name: checks(fresh, table.name, schema) for table in TABLES}
    engine.dispose()
    found = store.read(lambda tx: {table.name: checks(tx, table.name) for table in TABLES})

    assert found == wanted
    named = {table.name: len([c for c in table.constraints if isinstance(c, CheckConstraint)]) for table in TABLES}
    assert {name: len(each) for name, each in found.items()} == named


def checks(tx: Connection, table: str, schema: str | None = None) -> dict[str, str]:
    return {str(each["name"]): each["sqltext"] for each in inspect(tx).get_check_constraints(table, schema=schema)}


def _made(tx: Connection) -> dict[str, str]:
    rows = tx.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    return {str(row.name): str(row.sql) for row in rows}


@only_sqlite
def test_ids_are_never_reused_by_sqlite(store: Store) -> None:
    made: dict[str, str] = store.read(_made)
    numbered = {table.name for table in TABLES if "id" in table.columns}
    assert {name for name in numbered if "AUTOINCREMENT" not in made[name]} == set()


@only_sqlite
def test_sqlite_is_safe_against_a_power_cut(store: Store) -> None:
    def pragmas(tx: Connection) -> tuple[object, object, object]:
        return (
            tx.execute(text("PRAGMA journal_mode")).scalar(),
            tx.execute(text("PRAGMA synchronous")).scalar(),
            tx.execute(text("PRAGMA foreign_keys")).scalar(),
        )

    assert store.write(pragmas) == ("wal", 2, 1)


def test_tables_are_made_on_first_use(empty_url: str) -> None:
    def use(store: Store) -> tuple[str | None, str | None, set[str]]:
        before = upgrade.revision(store)
        upgrade.ensure(store)
        upgrade.ensure(store)
        return before, upgrade.revision(store), store.read(lambda tx: set(inspect(tx).get_table_names()))

    before, after, tables = opened(empty_url, use)
    assert before is None
    assert after == upgrade.HEAD
    assert tables == {"alembic_version", *(table.name for table in TABLES)}


def test_upgrade_returns_the_version_and_does_nothing_twice(empty_url: str) -> None:
    assert opened(empty_url, lambda store: (upgrade.upgrade(store), upgrade.upgrade(store))) == (upgrade.HEAD,) * 2


def test_tables_that_were_changed_by_hand_are_not_upgraded(tmp_path: Path) -> None:
    url, config = f"sqlite:///{tmp_path / 'changed.db'}", Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(url)
    with engine.begin() as tx:
        config.attributes["connection"] = tx
        command.upgrade(config, "0018")
        tx.execute(text("PRAGMA writable_schema=ON"))
        tx.execute(
            text("UPDATE sqlite_schema SET sql = replace(sql, :a, :b) WHERE name = 'deliveries'"),
            {"a": "'notice'", "b": "'other'"},
        )
    engine.dispose()
    with pytest.raises(StoreOutdated, match=r"variants and deliveries.*nothing was changed.*restore a backup"):
        opened(url, upgrade.upgrade)
    assert opened(url, upgrade.revision) == "0018"


def opened_at_once(url: str) -> list[BaseException]:
    """The errors of four threads that open a database at the same moment."""
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def come() -> None:
        store = Store(url)
        try:
            start.wait()
            upgrade.revision(store)
        except BaseException as error:
            failures.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=come) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_a_new_database_may_be_opened_by_many_at_once(empty_url: str) -> None:
    assert opened_at_once(empty_url) == []


@pytest.mark.slow
def test_a_new_file_may_be_opened_by_four_threads_at_once_again_and_again(tmp_path: Path) -> None:
    assert [opened_at_once(f"sqlite:///{tmp_path / f'{number}.db'}") for number in range(30)] == [[]] * 30


@pytest.mark.slow
@pytest.mark.parametrize("task", [crowd.open_store, crowd.make_tables])
def test_a_new_file_may_be_opened_by_four_processes_at_once_again_and_again(
    tmp_path: Path, task: Callable[[str], None]
) -> None:
    with crowd.crowd(task, 4) as play:
        assert [play(f"sqlite:///{tmp_path / f'{number}.db'}") for number in range(30)] == [[]] * 30


def test_a_file_that_is_not_in_wal_mode_waits_for_a_reader(tmp_path: Path) -> None:
    """As a restored backup may be: the switch to WAL needs the file for a moment, and SQLite does not wait for it."""
    file = tmp_path / "restored.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE restored (x)")
    other.execute("BEGIN")
    other.execute("SELECT * FROM restored").fetchall()
    threading.Timer(0.2, lambda: other.execute("ROLLBACK")).start()
    assert opened(f"sqlite:///{file}", upgrade.revision) is None
    other.close()


@pytest.mark.slow
def test_processes_make_the_tables_at_once(empty_url: str) -> None:
    # Alembic keeps its state in globals, so real processes are needed, as in production.
    program = (
        "import sys; from mailer.store import upgrade; from mailer.store.database import Store;"
        "s = Store(sys.argv[1]); upgrade.ensure(s); print(upgrade.revision(s)); s.close()"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, empty_url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=60) for process in running]
    assert ended == [(f"{upgrade.HEAD}\n", "")] * 2


@pytest.mark.parametrize(("version", "way"), [("0000", "db upgrade"), ("9999", "newer mailer")])
def test_a_database_of_another_version_is_refused(empty_url: str, version: str, way: str) -> None:
    def use(store: Store) -> None:
        upgrade.ensure(store)
        store.write(lambda tx: tx.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version}))
        with pytest.raises(StoreOutdated, match=way) as refused:
            upgrade.ensure(store)
        assert version in refused.value.message
        assert upgrade.HEAD in refused.value.message

    opened(empty_url, use)


def test_a_server_that_is_not_there_is_reported_by_upgrade_too() -> None:
    url = "postgresql://somebody:secret@/mailer?host=/nowhere"
    with pytest.raises(StoreUnavailable, match="cannot be reached") as down:
        opened(url, upgrade.upgrade)
    assert "secret" not in str(down.value)
