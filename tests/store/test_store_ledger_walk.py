"""The ledger under random use: senders that claim, send, die and wake up, readers that leave, a clock that steps, an
admin who retries.

After every step the counts add up and each row has moved along an arrow of `lifecycle`; at the end everybody who stayed
has the mail once, or it is known why not.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import ledger
import make
from delivery_arrows import DELIVERY_ARROWS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, update

from mailer.lifecycle import TERMINAL, IssueEvent
from mailer.model import (
    Batch,
    Delivery,
    DeliveryChange,
    DeliveryState,
    EventKind,
    Expiry,
    Issue,
    Rejection,
    Skip,
    SubscriberStatus,
)
from mailer.store import deliveries, hot_path, issues, reports, subscribers, suppressions
from mailer.store.database import Store
from mailer.store.schema import batches
from mailer.store.schema import deliveries as table

LEASE = timedelta(seconds=60)
READERS = 6
D = DeliveryState

STEPS = (
    "claim",
    "intend",
    "mark",
    "release",
    "close",
    "die",
    "requeue",
    "leave",
    "suppress",
    "pause",
    "clock",
    "retry",
)
steps = st.lists(
    st.tuples(st.sampled_from(STEPS), st.integers(0, 1), st.integers(0, READERS - 1)), min_size=5, max_size=60
)
ENDS: tuple[dict[str, Any], ...] = (
    {"state": D.ACCEPTED},
    {"state": D.UNKNOWN},
    {"state": D.REJECTED, "reason": Rejection.SOFT},
    {"state": D.REJECTED, "reason": Rejection.HARD},
    {"state": D.REJECTED, "reason": Rejection.BLOCK},
    {"state": D.QUEUED},
    {"state": D.DEFERRED},
    {"state": D.EXPIRED, "reason": Expiry.GAVE_UP},
    {"state": D.REJECTED, "reason": Rejection.OTHER},
)
CLOCK = (1, 30, 61, 600, -45, -3600)  # seconds


@dataclass
class Sender:
    """The memory of one sending process, which is lost when it dies."""

    batch: Batch | None = None
    jobs: dict[int, Delivery] = field(default_factory=dict)
    sending: set[int] = field(default_factory=set)


@dataclass
class Walk:
    store: Store
    issue: Issue
    readers: list[int]
    now: datetime = make.NOW
    gone: set[int] = field(default_factory=set)
    states: dict[int, DeliveryState] = field(default_factory=dict)
    accepted: list[int] = field(default_factory=list)
    retried: set[int] = field(default_factory=set)  # in the last step
    senders: tuple[Sender, Sender] = field(default_factory=lambda: (Sender(), Sender()))

    def step(self, name: str, who: int, number: int) -> None:
        sender = self.senders[who]
        jobs = list(sender.jobs.values())
        job = jobs[number % len(jobs)] if jobs else None
        if name == "claim" and sender.batch is None:
            self.claim(sender, f"sender {who}")
        elif name == "intend" and job and job.id not in sender.sending:
            self.intend(sender, job)
        elif name == "mark" and sender.sending:
            self.mark(sender, sorted(sender.sending)[number % len(sender.sending)], ENDS[number % len(ENDS)])
        elif name in ("release", "close") and sender.batch and not sender.sending:
            self.let_go(sender, sender.batch, name)
        elif name == "die":
            sender.batch, sender.jobs, sender.sending = None, {}, set()
        elif name == "requeue":
            self.store.write(lambda tx: deliveries.requeue_due(tx, self.now))
        elif name in ("leave", "suppress"):
            self.leave(self.readers[number], name)
        elif name == "pause":
            event = IssueEvent.PAUSE if who else IssueEvent.RESUME
            self.store.write(lambda tx: issues.step(tx, self.issue.id, event))
        elif name == "clock":
            self.now += timedelta(seconds=CLOCK[number % len(CLOCK)])
        elif name == "retry":
            self.retry(unknown=bool(who))

    def retry(self, *, unknown: bool) -> None:
        """When the issue is over. No reader is queued again who left, has the mail, or whose address is dead or
        blocked."""
        if self.store.read(lambda tx: deliveries.anything_open(tx, self.issue.id)):
            return
        before = {row["id"]: row for row in ledger.rows(self.store)}
        queued = self.store.write(lambda tx: deliveries.requeue(tx, self.issue.id, self.now, unknown=unknown))
        for row in ledger.rows(self.store):
            was = before[row["id"]]
            again = was["reason"] in ("soft", "other", "gave_up") or (unknown and was["state"] is D.UNKNOWN)
            expected = again and was["subscriber_id"] not in self.gone
            assert (row["state"] is D.QUEUED) is expected
            assert row == was or expected
            assert (row["key"], row["unknowns"]) == (was["key"], was["unknowns"])
            if expected:
                self.retried.add(row["id"])
        assert queued == len(self.retried)

    def claim(self, sender: Sender, name: str) -> None:
        def work(tx: Connection) -> tuple[Batch, list[Delivery]] | None:
            batch = deliveries.claim(tx, name, self.now, LEASE)
            if batch is None:
                return None
            for job in deliveries.left_in_sending(tx, batch):
                state = D.UNKNOWN if job.unknowns else D.QUEUED
                change = DeliveryChange(delivery=job._replace(unknowns=job.unknowns + 1), state=state)
                deliveries.finish_attempt(tx, change, self.now)
            return batch, deliveries.queued(tx, batch)

        taken = self.store.write(work)
        if taken:
            sender.batch, sender.jobs = taken[0], {job.id: job for job in taken[1]}

    def intend(self, sender: Sender, job: Delivery) -> None:
        if self.store.write(lambda tx: hot_path.write_all(tx, (), [job], self.now)):
            assert job.subscriber_id not in self.gone
            sender.sending.add(job.id)
            return
        why = self.store.write(lambda tx: deliveries.hindrance(tx, job, self.now))
        if why:
            assert job.subscriber_id in self.gone
            self.store.write(lambda tx: deliveries.skip(tx, job, why, self.now))
        del sender.jobs[job.id]

    def mark(self, sender: Sender, number: int, end: dict[str, Any]) -> None:
        job = sender.jobs[number]
        due_at = self.now + timedelta(minutes=5) if end["state"] is D.DEFERRED else None
        change = DeliveryChange(delivery=job, due_at=due_at, **end)
        if self.store.write(lambda tx: deliveries.finish_attempt(tx, change, self.now)) and end["state"] is D.ACCEPTED:
            self.accepted.append(number)
        sender.sending.discard(number)
        if end["state"] is not D.QUEUED:
            del sender.jobs[number]

    def let_go(self, sender: Sender, batch: Batch, how: str) -> None:
        if how == "close":
            self.store.write(lambda tx: deliveries.close(tx, batch))
        else:
            self.store.write(lambda tx: deliveries.release(tx, batch, self.now))
        sender.batch, sender.jobs = None, {}

    def leave(self, reader: int, how: str) -> None:
        def work(tx: Connection) -> None:
            if how == "leave":
                to, from_ = SubscriberStatus.UNSUBSCRIBED, (SubscriberStatus.ACTIVE,)
                subscribers.move(tx, reader, to, from_=from_)
            else:
                found = subscribers.get(tx, reader)
                assert found is not None
                suppressions.add(tx, [found.address_hash], EventKind.COMPLAINED, at=self.now)

        self.store.write(work)
        self.gone.add(reader)

    def check(self) -> None:
        def work(tx: Connection) -> tuple[dict[DeliveryState, int], dict[int, DeliveryState]]:
            found = reports.states_of(tx, range(1, READERS + 1))
            return deliveries.counts(tx, self.issue.id), {number: state for number, (state, _, _) in found.items()}

        counts, states = self.store.read(work)
        assert sum(counts.values()) == self.issue.recipients == READERS == len(states)
        for number, state in states.items():
            before = self.states.get(number, D.QUEUED)
            # A take-over settles and a claim queues within one step, so a row may take two arrows in it.
            reached = {before, *DELIVERY_ARROWS[before]}
            assert state in reached or any(state in DELIVERY_ARROWS[each] for each in reached)
            assert before not in TERMINAL or state is before or number in self.retried
        self.states = states
        self.retried = set()

    def finish(self, ends: list[dict[str, Any]]) -> None:
        """A healthy sender clears up, on a day when nothing else goes wrong; the relay answers with `ends`, in turn."""
        self.store.write(lambda tx: issues.step(tx, self.issue.id, IssueEvent.RESUME))
        self.senders = (Sender(), Sender())
        sender, sent = self.senders[0], 0
        for _ in range(60):
            self.now += timedelta(days=1)
            self.store.write(lambda tx: deliveries.requeue_due(tx, self.now))
            self.claim(sender, "healthy")
            if sender.batch is None:
                break
            for job in list(sender.jobs.values()):
                while job.id in sender.sending or job.id in sender.jobs:
                    if job.id not in sender.sending:
                        self.intend(sender, job)
                    else:
                        self.mark(sender, job.id, ends[(job.id + sent) % len(ends)])
                        sent += 1
            assert self.store.write(lambda tx: deliveries.close(tx, sender.batch or Batch(0, 0)))
            sender.batch = None
            self.check()


def _parted(tx: Connection) -> None:
    """Three batches of two."""
    for part in range(1, 3):
        made = tx.execute(
            insert(batches).values(issue_id=1, ordinal=part, priority=5, due_at=make.NOW).returning(batches.c.id)
        ).scalar_one()
        tx.execute(update(table).where(table.c.id % 3 == part).values(batch_id=made))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.lists(st.integers(0, len(ENDS) - 1), min_size=READERS, max_size=READERS), steps)
def test_whatever_happens_the_ledger_adds_up_and_nobody_is_missed(
    store: Store, walked: list[tuple[str, int, int]], ends: list[int], after: list[tuple[str, int, int]]
) -> None:
    make.wipe(store)
    readers = make.readers(store, READERS)
    issue = make.under_way(store)
    store.write(_parted)
    walk = Walk(store, issue, readers)
    for name, who, number in walked:
        walk.step(name, who, number)
        walk.check()
    walk.finish([ENDS[each] for each in ends])
    for name, who, number in [("retry", 1, 0), *after]:
        walk.step(name, who, number)
        walk.check()
    walk.finish([{"state": D.ACCEPTED}])

    assert {state for state in walk.states.values() if state not in TERMINAL} == set()
    assert not store.read(lambda tx: deliveries.anything_open(tx, issue.id))
    assert len(walk.accepted) == len(set(walk.accepted))
    ended = store.read(lambda tx: reports.states_of(tx, range(1, READERS + 1)))
    for number, (state, reason, _) in ended.items():
        assert (number in walk.accepted) is (state is D.ACCEPTED)
        if state is D.SKIPPED:
            assert readers[number - 1] in walk.gone
            assert reason in (Skip.UNSUBSCRIBED, Skip.SUPPRESSED)
