"""Upgrades the tables of a database to those in `schema`. Imports Alembic, which takes 0.4 s, only for a migration."""

import os
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, inspect, literal_column, select, table, text

from mailer import files
from mailer.errors import StoreOutdated, StoreUnavailable
from mailer.store.database import Store

HEAD = "0021"  # the newest version in migrations/versions; a test checks this
_FILLED = ("subscribers", "suppressions")
_OURS = frozenset({"alembic_version", *_FILLED, "issues", "deliveries"})  # every version has these tables
USED = ", but this key was used with a database before: was it lost, or is the name mistyped?"
FIX_USED = "Restore a backup, or correct [database] url. To start with an empty list: `mailer init --new-database`."
_OF_EXTENSIONS = text(
    "SELECT relname FROM pg_depend JOIN pg_class ON pg_class.oid = objid AND classid = 'pg_class'::regclass"
    " WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'"
)
_FOLDER = Path(__file__).parent / "migrations"


def revision(store: Store) -> str | None:
    """Returns the version of the tables, or None if there are no tables yet."""
    query = text("SELECT version_num FROM alembic_version")
    return store.read(lambda tx: tx.execute(query).scalar() if inspect(tx).has_table("alembic_version") else None)


def in_use(store: Store) -> bool:
    """Returns whether there are subscribers, or hashes of addresses that must not be mailed."""

    def any_row(tx: Connection) -> bool:
        if _OURS - set(inspect(tx).get_table_names()):
            return False
        return any(
            tx.execute(select(literal_column("1")).select_from(table(name)).limit(1)).first() for name in _FILLED
        )

    return store.read(any_row)


def ensure(store: Store, *, make: bool = True) -> None:
    """Creates the tables if the database is empty and `make` is true.

    Raises StoreOutdated if the tables are of another version. Raises StoreUnavailable if the tables belong to another
    program, or if there are no tables and `make` is false.
    """
    found = revision(store)
    if found != HEAD:
        _check_ours(store)
    if found is None:
        if not make:
            raise StoreUnavailable(f"The database {store.name} has no tables{USED}", FIX_USED)
        upgrade(store)
    elif found != HEAD:
        raise StoreOutdated(
            f"The database has tables of version {found}, this program needs {HEAD}.",
            "Make a backup, then run `mailer db upgrade`."
            if found < HEAD
            else "It was used by a newer mailer: install that one.",
        )


def _check_ours(store: Store) -> None:
    """Raises StoreUnavailable if the database holds tables, but not those of this program."""
    tables = store.read(_tables)
    others = sorted(tables - {"alembic_version"})
    if others and not tables >= _OURS:
        raise StoreUnavailable(
            f"The database {store.name} belongs to another program: it holds tables such as {others[0]!r}, and not "
            "those of mailer.",
            "Correct [database] url: mailer needs a database of its own.",
        )


def _tables(tx: Connection) -> set[str]:
    """Returns the names of all tables, without those of PostgreSQL's extensions, such as spatial_ref_sys of PostGIS."""
    names = set(inspect(tx).get_table_names())
    if tx.dialect.name == "postgresql":
        names -= set(tx.execute(_OF_EXTENSIONS).scalars())
    return names


def make_file(file: Path) -> bool:
    """Makes a SQLite file with all tables. The file appears only when it is complete. Returns False if the file exists.

    Makes nothing and returns False if the folder cannot be written: opening the database then reports the reason.
    """
    if not os.access(file.parent, os.W_OK | os.X_OK):
        return False
    with files.unnamed(file) as part:
        with closing(Store(f"sqlite:///{part}")) as store:
            upgrade(store)
        return files.publish(part, file)


def upgrade(store: Store) -> str:
    """Runs all missing migrations in one transaction, and returns the new version.

    Several processes may call this at once. One of them migrates; the others wait and then have nothing left to do.
    """
    from alembic import command
    from alembic.config import Config

    _check_ours(store)
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    with store.migrating() as tx:
        if not store.sqlite:  # on SQLite the transaction itself locks the database
            tx.execute(text("SELECT pg_advisory_xact_lock(5150112)"))
        config.attributes["connection"] = tx
        command.upgrade(config, "head")
        if store.sqlite and (orphans := tx.exec_driver_sql("PRAGMA foreign_key_check").fetchall()):
            raise StoreOutdated(
                f"The upgrade would leave {len(orphans)} rows without their parent; nothing was changed."
            )
    return HEAD
