"""The state table and the counts hold in whatever order people, clocks and relays do things."""

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import ledger
import make
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection
from whole import Whole

from mailer import lifecycle, tokens
from mailer.context import list_issues, newest_issue
from mailer.errors import AskError, RelayDown
from mailer.issues import control
from mailer.issues import delivery as delivering
from mailer.issues import draft as drafting
from mailer.issues.clock import tick
from mailer.model import (
    Accepted,
    Deferred,
    DeliveryState,
    IssueState,
    Method,
    NotSent,
    Outcome,
    Rejected,
    Rejection,
    Reply,
    Unknown,
)
from mailer.readers import leaving
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Delivery, Digest
from mailer.smtp.relay import Relay
from mailer.store import deliveries, hot_path, subscribers
from mailer.store.database import Store
from mailer.tokens import Purpose

READERS = 4
MEMORY = Path("/dev/shm")  # much faster than a disk, where it may be used
SAID = Reply("RCPT", 450, "", "later")
SILENT = Reply("dot", 0, "", "line lost")
OUTCOMES: dict[str, Outcome] = {
    "accepted": Accepted(Reply("dot", 250, "", "ok")),
    "put off": Deferred(SAID),
    "full": Rejected(Rejection.SOFT, Reply("RCPT", 552, "", "full")),
    "dead": Rejected(Rejection.HARD, Reply("RCPT", 550, "5.1.1", "nobody")),
    "lost before the dot": NotSent(SILENT),
    "our sender refused": NotSent(Reply("MAIL", 550, "", "not you"), relay_fault=True),
    "taken, but unknown": Unknown(SILENT),
    "not taken, and unknown": Unknown(SILENT),
}


def reachable() -> dict[IssueState, set[IssueState]]:
    """The states that can be reached from each state, in any number of steps."""
    ways = {state: {state} for state in IssueState}
    for _ in IssueState:
        for sources, target in lifecycle.ARROWS.values():
            for reached in ways.values():
                if reached & sources:
                    reached.add(target)
    return ways


REACHABLE = reachable()


class DrawnRelay(Relay):
    """Its sessions answer with the outcomes that were drawn, in turn, and accept every mail after that."""

    name = "drawn:25"

    def __init__(self, said: list[str], machine: "AnyOrder") -> None:
        self.said, self.machine = said, machine

    async def connect(self) -> "DrawnSession":
        return DrawnSession(self.said, self.machine)


class DrawnSession(Whole):
    lost = False

    def __init__(self, said: list[str], machine: "AnyOrder") -> None:
        self.said, self.machine = said, machine

    async def send(self, sender: str, recipient: str, message: bytes) -> Outcome:
        what = self.said.pop(0) if self.said else "accepted"
        assert recipient not in self.machine.gone, "whoever left gets nothing more"
        if what in ("accepted", "taken, but unknown"):
            number = message.partition(b"Message-ID: ")[2].partition(b"\r\n")[0]
            self.machine.taken[recipient, number] += 1
        self.machine.doubtful += what == "taken, but unknown"
        self.lost = OUTCOMES[what].reply.code == 0
        return OUTCOMES[what]

    async def close(self) -> None:
        self.lost = True


class AnyOrder(RuleBasedStateMachine):
    template: Path

    @initialize(begun=st.booleans())
    def begin(self, begun: bool) -> None:
        self.folder = Path(
            tempfile.mkdtemp(prefix="any-order-", dir=MEMORY if os.access(MEMORY, os.W_OK | os.X_OK) else None)
        )
        shutil.copyfile(self.template, self.folder / "subscribers.db")
        self.clock = make.Clock()
        self.store = Store(f"sqlite:///{self.folder / 'subscribers.db'}")
        self.app = make.app(
            self.store,
            self.folder,
            self.clock,
            delivery=Delivery(connections=2),
            digest=Digest(stories=3, min_stories=2),
        )
        self.readers = make.readers(self.store, READERS)
        self.gone: set[str] = set()
        self.taken: Counter[tuple[str, bytes]] = Counter()
        self.doubtful = 0
        self.before: dict[str, IssueState] = {}
        self.articles = 0
        if begun:
            # From the beginning, few of the drawn orders would get to the interesting part.
            self.articles_come(3)
            delivering.start(self.app, drafting.freeze(self.app, drafting.draft(self.app)))

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    # --- what people do
    @rule(count=st.integers(1, 3))
    def articles_come(self, count: int) -> None:
        make.week_of_articles(self.store, self.clock(), count=count, first=self.articles)
        self.articles += count

    @rule()
    def draft(self) -> None:
        with suppress(AskError):
            drafting.draft(self.app)

    @rule()
    def draft_the_newest_again(self) -> None:
        with suppress(AskError):
            drafting.draft(self.app, newest_issue(self.app).slot)

    @rule(
        verb=st.sampled_from(
            [control.hold, control.release, control.approve, control.pause, control.resume, control.resume]
        )
    )
    def edits(self, verb) -> None:  # type: ignore[no-untyped-def]
        with suppress(AskError):
            verb(self.app, None)

    @rule()
    def cancel(self) -> None:
        with suppress(AskError):
            control.cancel(self.app, None)

    @rule()
    def freeze(self) -> None:
        with suppress(AskError):
            drafting.freeze(self.app, newest_issue(self.app))

    @rule()
    def start(self) -> None:
        with suppress(AskError):
            delivering.start(self.app, newest_issue(self.app))

    @rule(number=st.integers(0, READERS - 1), method=st.sampled_from([Method.ONE_CLICK, Method.PAGE]))
    def leaves(self, number: int, method: Method) -> None:
        token = tokens.make(make.KEYS, Purpose.UNSUBSCRIBE, self.readers[number], 0)
        leaving.leave(self.app, token, method)
        self.gone.add(f"reader{number + 1:04}@example.org")

    # --- what clocks and relays do
    @rule(hours=st.sampled_from([0.02, 0.2, 1, 2, 12, 24, 24, 90, -1, -30]))
    def time_passes(self, hours: float) -> None:
        self.clock.turn(hours=hours)

    @rule()
    def it_ticks(self) -> None:
        tick(self.app)

    @rule(said=st.lists(st.sampled_from(sorted(OUTCOMES)), max_size=4))
    def sends(self, said: list[str]) -> None:
        self.app = make.app(
            self.store,
            self.folder,
            self.clock,
            relays=[DrawnRelay(said, self)],
            delivery=self.app.settings.delivery,
            digest=self.app.settings.digest,
        )
        with suppress(RelayDown):
            asyncio.run(Sender(self.app, Circuits()).run())

    @rule()
    def dies(self) -> None:
        """A process is killed between the intent and the outcome of one mail."""

        def work(tx: Connection) -> None:
            batch = deliveries.claim(tx, "dead:1", self.clock(), timedelta(seconds=60))
            if batch and (jobs := deliveries.queued(tx, batch)):
                hot_path.write_all(tx, (), [jobs[0]], self.clock())

        self.store.write(work)

    # --- what must hold
    @invariant()
    def only_arrows_of_the_table_were_taken(self) -> None:
        if not hasattr(self, "store"):
            return
        now = {issue.slot: issue.state for issue in list_issues(self.app)}
        for slot, state in self.before.items():
            if slot in now:
                assert now[slot] in REACHABLE[state]
            else:  # cancelled before its draft window opened
                assert state in lifecycle.CHOOSABLE | {IssueState.FROZEN}
        self.before = now

    @invariant()
    def counts_add_up(self) -> None:
        if not hasattr(self, "store"):
            return
        for issue in list_issues(self.app):
            status = delivering.status(self.app, issue)
            if issue.started_at and issue.state is not IssueState.PLANNED:
                owed = sum(status.counts.values())
                assert owed in (status.recipients, 0), (issue.slot, status)
            if issue.state in (IssueState.SENT, IssueState.PARTIAL):
                assert not [
                    state for state in status.counts if status.counts[state] and state not in lifecycle.TERMINAL
                ]

    @invariant()
    def nobody_twice_but_for_what_was_unknown(self) -> None:
        if not hasattr(self, "store"):
            return
        assert sum(count - 1 for count in self.taken.values()) <= self.doubtful
        assert max(self.taken.values(), default=0) <= 2
        for row in ledger.rows(self.store):
            if row["state"] is DeliveryState.ACCEPTED:
                assert row["unknowns"] <= 1

    @invariant()
    def whoever_left_is_off_the_list(self) -> None:
        if not hasattr(self, "store"):
            return
        active = self.store.read(subscribers.counts).get("active", 0)
        assert active <= READERS - len(self.gone)


def test_any_order(sqlite_template: Path) -> None:
    AnyOrder.template = sqlite_template
    run_state_machine_as_test(AnyOrder, settings=settings(max_examples=20, stateful_step_count=40, deadline=None))
