"""Upgrades the tables of a database to those in `schema`. Imports Alembic, which takes 0.4 s, only for a migration."""

import os
from contextlib import closing
from pathlib import Path

from sqlalchemy import inspect, text

from mailer import files
from mailer.errors import StoreOutdated
from mailer.store.database import Store

HEAD = "0013"  # the newest version in migrations/versions; a test checks this
_FOLDER = Path(__file__).parent / "migrations"


def revision(store: Store) -> str | None:
    """Returns the version of the tables, or None if there are no tables yet."""
    query = text("SELECT version_num FROM alembic_version")
    return store.read(lambda tx: tx.execute(query).scalar() if inspect(tx).has_table("alembic_version") else None)


def ensure(store: Store) -> None:
    """Creates the tables if there are none. Raises StoreOutdated if there are tables of another version."""
    found = revision(store)
    if found is None:
        upgrade(store)
    elif found != HEAD:
        raise StoreOutdated(
            f"The database has tables of version {found}, this program needs {HEAD}.",
            "Make a backup, then run `mailer db upgrade`."
            if found < HEAD
            else "It was used by a newer mailer: install that one.",
        )


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
