"""Brings a database to the shape of `schema`. Alembic is imported only when it is needed: it costs 0.4 s."""

from pathlib import Path

from sqlalchemy import Connection, create_engine, event, inspect, text

from mailer.errors import StoreOutdated
from mailer.store.database import BUSY_MS, Store, plainly

HEAD = "0010"  # the newest file in migrations/versions; a test compares
_FOLDER = Path(__file__).parent / "migrations"


def revision(store: Store) -> str | None:
    """The version of the tables; None: there are none yet."""

    def work(tx: Connection) -> str | None:
        if not inspect(tx).has_table("alembic_version"):
            return None
        return tx.execute(text("SELECT version_num FROM alembic_version")).scalar()

    return store.read(work)


def ensure(store: Store) -> None:
    """Tables are made where there are none; a database of another version is refused."""
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


def upgrade(store: Store) -> str:
    """Runs the migrations that are missing, all or none. Returns the version reached."""
    from alembic import command
    from alembic.config import Config

    engine = create_engine(store.url, connect_args={"timeout": BUSY_MS / 1000} if store.sqlite else {})
    if store.sqlite:
        # Alembic rebuilds tables on SQLite by copy and drop; with foreign keys on, the drop takes the children along.
        @event.listens_for(engine, "connect")
        def _connect(connection: object, _record: object) -> None:
            connection.isolation_level = None  # type: ignore[attr-defined]
            connection.execute("PRAGMA journal_mode=WAL")  # type: ignore[attr-defined]
            connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[attr-defined]

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    try:
        with plainly(store.url), engine.begin() as connection:
            if not store.sqlite:
                # Two processes may start at once on an empty database: the second waits here, then finds all done.
                connection.execute(text("SELECT pg_advisory_xact_lock(5150112)"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            if store.sqlite:
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise StoreOutdated(
                        f"The upgrade would leave {len(broken)} rows without their parent; nothing was changed."
                    )
    finally:
        engine.dispose()
    return HEAD
