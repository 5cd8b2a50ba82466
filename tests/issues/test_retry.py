"""`issue retry`: who is sent the mail once more, under which name, and what is refused."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import ledger
import make
import pytest
from make import Clock
from relays import OK, Fake
from sqlalchemy import Connection

from mailer.context import App, get_issue
from mailer.errors import WrongState
from mailer.issues import control
from mailer.issues import delivery as delivering
from mailer.issues.retry import retry
from mailer.model import (
    DeliveryState,
    EventKind,
    IssueState,
    Outcome,
    Rejected,
    Rejection,
    Reply,
    SubscriberStatus,
    Unknown,
)
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Delivery
from mailer.store import subscribers, suppressions
from mailer.store.database import Store

S = DeliveryState
SAID: dict[str, Outcome] = {
    "full@example.org": Rejected(Rejection.SOFT, Reply("RCPT", 552, "5.2.2", "full")),
    "odd@example.org": Rejected(Rejection.OTHER, Reply("RCPT", 553, "5.3.0", "not today")),
    "dead@example.org": Rejected(Rejection.HARD, Reply("RCPT", 550, "5.1.1", "unknown")),
    "spam@example.org": Rejected(Rejection.BLOCK, Reply("dot", 554, "5.7.1", "spam")),
    "silent@example.org": Unknown(Reply("dot", 0, "", "no answer")),
}
WELL = ("well@example.org", "left@example.org")


class Moody(Fake):
    """Refuses each address in its own way, until it is `kind`."""

    def __init__(self) -> None:
        super().__init__(answer=self._said)
        self.kind = False

    async def _said(self, recipient: str) -> Outcome:
        return OK if self.kind else SAID.get(recipient, OK)


async def sent(app: App, clock: Clock) -> list[IssueState]:
    for _ in range(3):
        await Sender(app, Circuits()).run()
        clock.turn(minutes=10)
    return [issue.state for issue in delivering.finish(app)]


@pytest.fixture
def moody() -> Moody:
    return Moody()


@pytest.fixture
def over(store: Store, tmp_path: Path, clock: Clock, moody: Moody) -> App:
    """An App whose issue is to be sent to all of them."""
    make.subscribers_of(store, [*SAID, *WELL])
    make.under_way(store)
    return make.app(store, tmp_path, clock, relays=[moody], delivery=Delivery(connections=1))


def states(app: App) -> dict[str, DeliveryState]:
    return {str(row["email"]).partition("@")[0]: row["state"] for row in ledger.rows(app.store)}


def left_out(app: App, clock: Clock) -> None:
    """Whose mailbox was full leaves before the retry."""
    row = next(row for row in ledger.rows(app.store) if row["email"] == "full@example.org")
    app.store.write(
        lambda tx: subscribers.move(
            tx, row["subscriber_id"], SubscriberStatus.UNSUBSCRIBED, from_=(SubscriberStatus.ACTIVE,)
        )
    )


@pytest.mark.parametrize("unknown", [False, True])
async def test_only_what_may_go_better_now(over: App, clock: Clock, moody: Moody, unknown: bool) -> None:
    assert await sent(over, clock) == [IssueState.PARTIAL]
    before = {str(row["email"]): row["key"] for row in ledger.rows(over.store)}
    moody.kind = True
    moody.tried.clear()
    done = retry(over, None, unknown=unknown)
    assert (done.queued, done.issue.state, done.issue.finished_at) == (3 if unknown else 2, IssueState.SENDING, None)
    assert done.left == {"rejected(block)": 1, "rejected(hard)": 1} | ({} if unknown else {"unknown": 1})
    assert await sent(over, clock) == [IssueState.PARTIAL], "the dead and the blocked do not have it"
    again = ["full@example.org", "odd@example.org"] + ["silent@example.org"] * unknown
    assert sorted(moody.tried) == again
    assert states(over) == {
        **dict.fromkeys(("full", "odd", "well", "left"), S.ACCEPTED),
        **dict.fromkeys(("dead", "spam"), S.REJECTED),
        "silent": S.ACCEPTED if unknown else S.UNKNOWN,
    }
    assert {str(row["email"]): row["key"] for row in ledger.rows(over.store)} == before
    assert ledger.open_batches(over.store) == 0
    status = delivering.status(over, done.issue)
    assert sum(status.counts.values()) == status.recipients == len(before)


async def test_the_mail_keeps_its_message_id(over: App, clock: Clock, moody: Moody) -> None:
    names: dict[str, set[str]] = {}
    answer = moody.answer

    await sent(over, clock)
    first = dict(moody.taken)
    moody.kind = True
    retry(over, None, unknown=True)
    await sent(over, clock)
    for to, name in moody.taken:
        names.setdefault(to, set()).add(name)
    assert answer is not None
    assert Counter(map(len, names.values())) == {1: len(names)}
    assert set(first) <= set(names)


async def test_readers_who_left_meanwhile_are_not_mailed_again(over: App, clock: Clock, moody: Moody) -> None:
    await sent(over, clock)
    left_out(over, clock)
    moody.kind = True
    moody.tried.clear()
    assert retry(over, None, unknown=False).queued == 1
    await sent(over, clock)
    assert moody.tried == ["odd@example.org"]
    assert states(over)["full"] is S.REJECTED


@pytest.mark.parametrize("why", ["paused", "suppressed", "unsubscribed"])
async def test_readers_who_may_not_be_mailed_now_are_not_queued_again(
    over: App, clock: Clock, moody: Moody, why: str
) -> None:
    assert await sent(over, clock) == [IssueState.PARTIAL]
    rows = {row["email"]: row for row in ledger.rows(over.store)}
    readers = [rows[email]["subscriber_id"] for email in ("full@example.org", "odd@example.org")]
    issue = get_issue(over, rows["full@example.org"]["issue_id"])

    def bar(tx: Connection) -> None:
        for reader, email in zip(readers, ("full@example.org", "odd@example.org"), strict=True):
            if why == "paused":
                subscribers.set_pause(tx, reader, issue.day + timedelta(days=1))
            elif why == "suppressed":
                suppressions.add(tx, [make.hash_of(email)], EventKind.COMPLAINED, at=clock())
            else:
                active = (SubscriberStatus.ACTIVE,)
                subscribers.move(tx, reader, SubscriberStatus.UNSUBSCRIBED, from_=active)

    over.store.write(bar)
    moody.kind = True
    moody.tried.clear()
    done = retry(over, None, unknown=False)
    assert (done.queued, done.issue.state) == (0, IssueState.PARTIAL)
    assert done.issue.finished_at == issue.finished_at, "the issue did not go back to sending in between"
    assert ledger.open_batches(over.store) == 0
    await sent(over, clock)
    assert moody.tried == []
    assert {states(over)["full"], states(over)["odd"]} == {S.REJECTED}


async def test_a_pause_that_ends_on_the_day_of_the_slot_does_not_prevent_a_retry(
    over: App, clock: Clock, moody: Moody
) -> None:
    await sent(over, clock)
    rows = {row["email"]: row for row in ledger.rows(over.store)}
    reader = rows["full@example.org"]["subscriber_id"]
    day = get_issue(over, rows["full@example.org"]["issue_id"]).day
    over.store.write(lambda tx: subscribers.set_pause(tx, reader, day))
    assert retry(over, None, unknown=False).queued == 2


async def test_the_retry_schedule_begins_again(over: App, clock: Clock, moody: Moody) -> None:
    await sent(over, clock)
    clock.turn(days=5)
    retry(over, None, unknown=False)
    rows = {row["email"]: row for row in ledger.rows(over.store)}
    again = rows["full@example.org"]
    assert (again["attempts"], again["losses"], again["first_reply_at"], again["finished_at"]) == (0, 0, None, None)


async def test_a_second_unknown_after_a_retry_is_the_last(over: App, clock: Clock, moody: Moody) -> None:
    await sent(over, clock)
    assert states(over)["silent"] is S.UNKNOWN
    assert moody.tried.count("silent@example.org") == 2
    retry(over, None, unknown=True)
    await sent(over, clock)
    assert (states(over)["silent"], moody.tried.count("silent@example.org")) == (S.UNKNOWN, 3)


async def test_cancelling_a_retry_does_not_make_an_unknown_a_skipped(over: App, clock: Clock, moody: Moody) -> None:
    await sent(over, clock)
    retry(over, None, unknown=True)
    control.cancel(over, None)
    assert (states(over)["silent"], states(over)["odd"]) == (S.UNKNOWN, S.SKIPPED)


async def test_nothing_to_retry_changes_nothing(over: App, clock: Clock, moody: Moody) -> None:
    moody.kind = True
    assert await sent(over, clock) == [IssueState.SENT]
    done = retry(over, None, unknown=True)
    assert (done.queued, done.issue.state, done.left) == (0, IssueState.SENT, {})
    assert done.issue.finished_at is not None


async def test_a_partial_issue_without_hope_stays_partial(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.subscriber(store, "dead@example.org")
    made = make.under_way(store)
    app = make.app(store, tmp_path, clock, relays=[Moody()])
    assert await sent(app, clock) == [IssueState.PARTIAL]
    before = get_issue(app, made.id)
    done = retry(app, made.slot, unknown=True)
    assert (done.queued, done.left) == (0, {"rejected(hard)": 1})
    assert get_issue(app, made.id) == before


@pytest.mark.parametrize("state", [s for s in IssueState if s not in (IssueState.SENT, IssueState.PARTIAL)])
@make.only_sqlite
def test_only_an_issue_that_is_over(app: App, state: IssueState) -> None:
    issue = make.issue(app.store, state=state)
    with pytest.raises(WrongState, match=f"is {state}: only an issue that has gone out can be retried"):
        retry(app, issue.slot, unknown=False)
    assert get_issue(app, issue.id).state is state


async def test_an_issue_after_which_a_newer_one_went_out_is_left_alone(over: App, clock: Clock) -> None:
    await sent(over, clock)
    clock.turn(days=7)
    make.under_way(over.store, "1405-W37", now=clock())
    with pytest.raises(WrongState, match="a newer one has gone out"):
        retry(over, make.SLOT, unknown=False)
