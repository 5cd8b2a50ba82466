"""Freezing, the last check, the reason for a skip and a retry agree on who may be mailed."""

from datetime import date, timedelta
from itertools import product

import make
from make import NOW
from sqlalchemy import Connection, select, update

from mailer.model import DeliveryState, EventKind, SubscriberStatus
from mailer.store import deliveries, eligibility, hot_path, suppressions
from mailer.store.database import Store
from mailer.store.schema import batches
from mailer.store.schema import deliveries as ledger
from mailer.store.schema import subscribers as people

LEASE = timedelta(seconds=60)


def put(tx: Connection, number: int, address: str, state: tuple[SubscriberStatus, bool, date | None]) -> None:
    status, suppressed, paused_until = state
    tx.execute(update(people).where(people.c.id == number).values(status=status, paused_until=paused_until))
    if suppressed:
        suppressions.add(tx, [make.hash_of(address)], EventKind.COMPLAINED, at=NOW)


def test_all_who_ask_get_the_same_answer_about_each_reader(store: Store) -> None:
    day = make.slot().day
    pauses = (None, day - timedelta(days=1), day, day + timedelta(days=1))
    combinations = list(product(SubscriberStatus, (False, True), pauses))
    addresses = [f"reader{number}@example.org" for number in range(len(combinations))]
    numbers = make.subscribers_of(store, addresses)
    wanted = {
        number
        for number, (status, suppressed, until) in zip(numbers, combinations, strict=True)
        if status is SubscriberStatus.ACTIVE and not suppressed and (until is None or until <= day)
    }
    issue = make.under_way(store)
    batch = store.write(lambda tx: deliveries.claim(tx, "one", NOW, LEASE))
    assert batch is not None
    jobs = store.read(lambda tx: deliveries.queued(tx, batch))
    for number, address, state in zip(numbers, addresses, combinations, strict=True):
        store.write(lambda tx, n=number, a=address, s=state: put(tx, n, a, s))  # type: ignore[misc]

    frozen = select(people.c.id).where(eligibility.eligible(issue.day))
    assert store.read(lambda tx: set(tx.execute(frozen).scalars())) == wanted
    unhindered = [job for job in jobs if store.read(lambda tx, j=job: deliveries.hindrance(tx, j, NOW)) is None]  # type: ignore[misc]
    assert {job.subscriber_id for job in unhindered} == wanted
    sending = store.write(lambda tx: hot_path.write(tx, (), jobs, NOW)[1])
    assert {job.subscriber_id for job in jobs if job.id in sending} == wanted

    def fail(tx: Connection) -> None:
        tx.execute(update(ledger).values(state=DeliveryState.REJECTED, reason="soft"))
        tx.execute(update(batches).values(done=True))

    store.write(fail)
    assert store.write(lambda tx: deliveries.requeue(tx, issue.id, NOW, unknown=False), snapshot=True) == len(wanted)
    queued = select(ledger.c.subscriber_id).where(ledger.c.state == DeliveryState.QUEUED)
    assert store.read(lambda tx: set(tx.execute(queued).scalars())) == wanted
