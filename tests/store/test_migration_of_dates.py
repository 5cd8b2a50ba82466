"""The upgrade from 0011 to 0012: articles without a date that were not in the first collection of their source."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from mailer.store import articles, upgrade
from mailer.store.database import Store

FIRST = datetime(2026, 11, 1, 8, tzinfo=UTC)
# source, minutes after the first article of the source, dating → whether the date is estimated
ARTICLES = {
    "1": ("one", 0, "missing", False),
    "2": ("one", 1, "missing", False),  # a collection takes a while
    "3": ("one", 60, "missing", True),
    "4": ("one", 60, "given", False),
    "5": ("two", 600, "missing", False),
    "6": ("two", 700, "clamped", False),
    "7": ("two", 700, "missing", True),
}


@pytest.fixture(params=["sqlite", "postgresql"])
def old_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'old.db'}" if sqlite else request.getfixturevalue("empty_postgresql_url")
    engine = create_engine(Store(url).url)
    config = Config()
    config.set_main_option("script_location", str(Path(upgrade.__file__).parent / "migrations"))
    with engine.begin() as tx:
        config.attributes["connection"] = tx
        command.upgrade(config, "0011")
        tables = sa.MetaData()
        tables.reflect(tx, only=["articles"])
        rows = [
            {
                **{"identity": f"link:{title}", "link_key": title, "source": source, "title": title, "dating": dating},
                **dict.fromkeys(("dated", "first_seen_at", "updated_at"), FIRST + timedelta(minutes=minutes)),
            }
            for title, (source, minutes, dating, _) in ARTICLES.items()
        ]
        tx.execute(tables.tables["articles"].insert(), rows)
    engine.dispose()
    return Store(url)


def test_undated_articles_of_later_collections_are_estimated(old_store: Store) -> None:
    assert upgrade.upgrade(old_store) == upgrade.HEAD
    found = {each.title: each for each in old_store.read(articles.newest)}
    assert {title: each.estimated for title, each in found.items()} == {
        title: estimated for title, (*_, estimated) in ARTICLES.items()
    }
    old_store.close()
