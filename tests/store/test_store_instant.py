"""Instants in the database: aware, in UTC, and in order on SQLite too, where they are text."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import make
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select
from sqlalchemy.exc import StatementError

from mailer.store.database import Store
from mailer.store.schema import Instant

TIMES = Table("times", MetaData(), Column("id", Integer, primary_key=True), Column("at", Instant))


@pytest.fixture
def times(store: Store) -> Iterator[Store]:
    store.write(lambda tx: TIMES.create(tx))
    yield store
    store.write(lambda tx: TIMES.drop(tx))


def kept(store: Store, *instants: datetime | None) -> list[datetime | None]:
    """The instants in the order of the database."""

    def work(tx: Connection) -> list[datetime | None]:
        tx.execute(TIMES.delete())
        tx.execute(insert(TIMES), [{"at": at} for at in instants])
        return list(tx.execute(select(TIMES.c.at).order_by(TIMES.c.at)).scalars())

    return store.write(work)


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=zones)  # noqa: DTZ001 - hypothesis


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(instants, min_size=1, max_size=5))
def test_instants_come_back_in_utc_and_in_order(times: Store, instants_given: list[datetime]) -> None:
    found = kept(times, *instants_given)
    assert found == sorted(instants_given)
    assert {at.tzinfo for at in found if at} == {UTC}


def test_a_whole_second_and_its_parts_are_in_order(times: Store) -> None:
    # The trap: «…:00» sorts behind «…:00.5» when the fraction is left out.
    first = make.NOW
    later = [first + timedelta(microseconds=step) for step in (0, 1, 500_000, 999_999)]
    assert kept(times, *reversed(later)) == later


def test_null_stays_null(times: Store) -> None:
    assert kept(times, None) == [None]


def test_a_time_without_a_zone_is_refused(times: Store) -> None:
    with pytest.raises(StatementError, match="has no time zone"):
        kept(times, make.NOW.replace(tzinfo=None))
    with pytest.raises(StatementError, match="has no time zone"):
        times.read(lambda tx: tx.execute(select(TIMES.c.id).where(TIMES.c.at < datetime(2026, 1, 1))).all())  # noqa: DTZ001
