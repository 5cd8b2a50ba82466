"""Group commit: entries that are written at the same moment share a commit, and each gets its answer."""

import asyncio
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import make
import pytest
from make import NOW, Clock
from sqlalchemy import Connection

from mailer.context import App
from mailer.model import Delivery, DeliveryState, Reply
from mailer.sending.group_commit import GroupCommit, Written
from mailer.store import deliveries, reports
from mailer.store.database import Store, Work
from mailer.store.hot_path import AcceptedMail

T = TypeVar("T")
REPLY = Reply("dot", 250, "2.0.0", "2.0.0 queued")


@pytest.fixture
def app(store: Store, tmp_path: Path, clock: Clock) -> App:
    clock.now = NOW
    make.readers(store, 8)
    make.under_way(store)
    return make.app(store, tmp_path, clock)


def at_hand(app: App) -> list[Delivery]:
    batch = app.store.write(lambda tx: deliveries.claim(tx, "one", NOW, app.lease))
    assert batch is not None
    return app.store.read(lambda tx: deliveries.queued(tx, batch))


def states(app: App, jobs: list[Delivery]) -> set[DeliveryState]:
    found = app.store.read(lambda tx: reports.states_of(tx, [job.id for job in jobs]))
    return {found[job.id][0] for job in jobs}


class Counted(Store):
    """Counts how often it was asked to write."""

    writes = 0

    def at_once(self, short: Work[T | None]) -> T | None:
        done = super().at_once(short)
        self.writes += done is not None
        return done

    def submit(self, work: Work[T], **how: Any) -> "Future[T]":
        self.writes += 1
        return super().submit(work, **how)


async def test_all_connections_share_a_commit(app: App, store_url: str, tmp_path: Path, clock: Clock) -> None:
    jobs = at_hand(app)
    store = Counted(store_url)
    commit = GroupCommit(make.app(store, tmp_path, clock))

    async def connection(job: Delivery) -> None:
        assert await commit.write(None, job).written() == Written(None, True, True)
        told = await commit.write(AcceptedMail(job, REPLY, "relay"), None).written()
        assert told == Written(DeliveryState.ACCEPTED, False, True)

    try:
        await asyncio.gather(*map(connection, jobs))
        await commit.empty()
    finally:
        store.close()
    assert states(app, jobs) == {DeliveryState.ACCEPTED}
    assert store.writes == 2, "one for the intents, one for the outcomes"


async def test_a_group_gathers_behind_a_long_transaction(app: App) -> None:
    """For example behind a claim or an import: entries that arrive meanwhile join the group."""
    jobs = at_hand(app)
    begun, end = threading.Event(), threading.Event()

    def work(_tx: Connection) -> None:
        begun.set()
        end.wait(10)

    long = app.store.submit(work)
    await asyncio.to_thread(begun.wait, 10)
    commit = GroupCommit(app)
    entries = [commit.write(None, job) for job in jobs[:4]]
    await asyncio.sleep(0.05)
    entries += [commit.write(None, job) for job in jobs[4:]]
    await asyncio.sleep(0.05)
    assert states(app, jobs) == {DeliveryState.QUEUED}
    end.set()
    assert [await entry.written() for entry in entries] == [Written(None, True, True)] * len(jobs)
    assert states(app, jobs) == {DeliveryState.SENDING}
    long.result()


async def test_a_closed_database_fails_every_entry(app: App) -> None:
    jobs = at_hand(app)
    commit = GroupCommit(app)
    app.store.close()
    for entry in [commit.write(None, job) for job in jobs]:
        with pytest.raises(RuntimeError):
            await entry.written()
    await commit.empty()
