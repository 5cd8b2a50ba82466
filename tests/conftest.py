"""Fixtures for several folders: a clock, a store on each database, an App, a real SMTP server.

A test that uses `store` (or `app`, `sending_app`) runs twice, on SQLite and on PostgreSQL; `make.only_sqlite` limits it
to SQLite. PostgreSQL is one temporary cluster for the session, started when the first test needs it.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import make
import pg
import pytest
from make import Clock

from mailer.context import App
from mailer.demo.inbox import Inbox
from mailer.store import upgrade
from mailer.store.database import Store


@pytest.fixture
def clock() -> Clock:
    return Clock()


# --- databases -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def cluster() -> Iterator[pg.Cluster]:
    """The session's PostgreSQL; skips the test, with the reason, if there is none."""
    try:
        with pg.cluster() as running:
            yield running
    except pg.NoPostgres as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def postgresql_url(cluster: pg.Cluster) -> Iterator[str]:
    """A database with all tables, shared by the session; `store` empties it for each test."""
    name = f"mailer_test_{os.getpid()}"
    url = cluster.create(name)
    store = Store(url)
    upgrade.ensure(store)
    store.close()
    yield url
    cluster.drop(name)


@pytest.fixture
def empty_postgresql_url(cluster: pg.Cluster) -> Iterator[str]:
    """A database without tables, for one test."""
    name = f"mailer_empty_{os.getpid()}"
    yield cluster.create(name)
    cluster.drop(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy: faster than running the migrations for each test."""
    path = tmp_path_factory.mktemp("template") / "subscribers.db"
    store = Store(f"sqlite:///{path}")
    upgrade.ensure(store)
    store.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with empty tables, for tests that open it several times."""
    if request.param == "sqlite":
        path = tmp_path / "subscribers.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgresql_url")
    store = Store(url)
    make.wipe(store)
    store.close()
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An open store with empty tables, on each of the two databases."""
    opened = Store(store_url)
    yield opened
    opened.close()


# --- the app ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def app(store: Store, tmp_path: Path, clock: Clock) -> App:
    """An App without a relay."""
    return make.app(store, tmp_path, clock)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A real SMTP server on loopback that keeps the mails it gets."""
    server = Inbox()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def sending_app(store: Store, tmp_path: Path, clock: Clock, inbox: Inbox) -> App:
    """An App whose one relay is the inbox."""
    return make.app(store, tmp_path, clock, relays=[make.relay(inbox.port)])
