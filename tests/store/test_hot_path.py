"""The statement for many deliveries: rows that must not change are found, whatever the others are."""

from datetime import timedelta

import make
from make import NOW

from mailer.model import Batch, Delivery, DeliveryState, EventKind, Reply, SubscriberStatus
from mailer.store import deliveries, hot_path, reports, subscribers, suppressions
from mailer.store.database import Store
from mailer.store.hot_path import AcceptedMail

LEASE = timedelta(seconds=60)
REPLY = Reply("dot", 250, "2.0.0", "2.0.0 «نوشته» 'taken' as %s :now")


def claimed(store: Store, count: int) -> list[Delivery]:
    """Claimed deliveries of an issue under way."""
    make.readers(store, count)
    make.under_way(store)
    batch = store.write(lambda tx: deliveries.claim(tx, "one", NOW, LEASE))
    assert batch is not None
    return store.read(lambda tx: deliveries.queued(tx, batch))


def states(store: Store, jobs: list[Delivery]) -> list[DeliveryState]:
    found = store.read(lambda tx: reports.states_of(tx, [job.id for job in jobs]))
    return [found[job.id][0] for job in jobs]


def stale(job: Delivery) -> Delivery:
    """The delivery as a process sees it whose claim was taken over."""
    return job._replace(batch=Batch(job.batch.id, job.batch.fence - 1))


def test_all_may_go(store: Store) -> None:
    jobs = claimed(store, 3)
    assert store.write(lambda tx: hot_path.write(tx, (), jobs, NOW)[1]) == {job.id for job in jobs}
    assert states(store, jobs) == [DeliveryState.SENDING] * 3


def test_unsubscribed_suppressed_and_lost_deliveries_stay_behind(store: Store) -> None:
    jobs = claimed(store, 5)
    left, barred, lost = jobs[1], jobs[2], stale(jobs[3])
    assert left.subscriber_id is not None
    number = left.subscriber_id
    store.write(
        lambda tx: subscribers.move(tx, number, SubscriberStatus.UNSUBSCRIBED, from_=(SubscriberStatus.ACTIVE,))
    )
    hashed = make.hash_of(barred.address)
    store.write(lambda tx: suppressions.add(tx, [hashed], EventKind.COMPLAINED, at=NOW))
    asked = [jobs[0], left, barred, lost, jobs[4]]
    assert store.write(lambda tx: hot_path.write(tx, (), asked, NOW)[1]) == {jobs[0].id, jobs[4].id}
    queued, sending = DeliveryState.QUEUED, DeliveryState.SENDING
    assert states(store, jobs) == [sending, queued, queued, queued, sending]


def test_nothing_goes_under_a_lease_that_is_over(store: Store) -> None:
    jobs = claimed(store, 2)
    assert store.write(lambda tx: hot_path.write(tx, (), jobs, NOW + LEASE)[1]) == set()


def test_accepted_is_written_only_under_the_current_fence(store: Store) -> None:
    jobs = claimed(store, 3)
    store.write(lambda tx: hot_path.write(tx, (), jobs, NOW)[1])
    taken = [AcceptedMail(job, REPLY, "mail.example.org:25") for job in (jobs[0], stale(jobs[1]), jobs[2])]
    assert store.write(lambda tx: hot_path.write(tx, taken, (), NOW)[0]) == {jobs[0].id, jobs[2].id}
    found = store.read(lambda tx: reports.states_of(tx, [job.id for job in jobs]))
    assert found[jobs[0].id] == (DeliveryState.ACCEPTED, None, REPLY.text)
    assert found[jobs[1].id][0] is DeliveryState.SENDING


def test_what_was_written_already_counts_as_written(store: Store) -> None:
    """After a commit whose success was not reported, the same is written once more."""
    jobs = claimed(store, 2)
    everyone = {job.id for job in jobs}
    taken = [AcceptedMail(job, REPLY, "") for job in jobs]
    for _ in range(2):
        assert store.write(lambda tx: hot_path.write(tx, (), jobs, NOW)[1]) == everyone
    for _ in range(2):
        assert store.write(lambda tx: hot_path.write(tx, taken, (), NOW)[0]) == everyone
    assert store.write(lambda tx: hot_path.write(tx, (), jobs, NOW)[1]) == set(), "what was taken does not go again"
