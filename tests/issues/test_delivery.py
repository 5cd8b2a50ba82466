"""Sending an issue as a whole: it starts once, goes on until its end, and ends in the right state."""

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import ledger
import make
import pytest
from make import Clock
from relays import OK, Fake, relay_at
from scripted_relay import DROP, scripted_relay

from mailer.context import App, get_issue
from mailer.errors import ConfigError, RelayDown, WrongState
from mailer.issues import control, draft, retry
from mailer.issues import delivery as delivering
from mailer.model import Deferred, DeliveryState, Issue, IssueState, IssueStatus, Outcome, Reply, SubscriberStatus
from mailer.reasons import ReasonCode, english
from mailer.sending.relays import Circuits
from mailer.settings import Delivery, Newsletter
from mailer.store.database import Store

S = DeliveryState


def frozen(app: App) -> Issue:
    make.week_of_articles(app.store, app.now())
    return draft.freeze(app, draft.draft(app))


async def delivered(app: App, issue: Issue, *, wait: bool = False) -> IssueStatus:
    return await delivering.deliver(app, issue, wait=wait, stop=asyncio.Event())


async def until(done: Callable[[], bool], seconds: float = 60) -> None:
    end = asyncio.get_running_loop().time() + seconds
    for _ in range(10_000):
        if await asyncio.to_thread(done):
            return
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.02)


# --- start and finish ------------------------------------------------------------------------------------------------
def test_start_writes_down_who_is_to_get_it(app: App) -> None:
    make.readers(app.store, 7)
    make.subscriber(app.store, "pending@example.org", status=SubscriberStatus.PENDING)
    issue = delivering.start(app, frozen(app))
    assert (issue.state, issue.recipients, issue.started_at) == (IssueState.SENDING, 7, app.now())
    make.subscriber(app.store, "later@example.org")
    assert delivering.start(app, issue) == issue, "who joins later gets the next one"
    assert len(ledger.rows(app.store)) == 7


def test_many_start_it_at_once(store_url: str, tmp_path: Path, clock: Clock) -> None:
    stores = [Store(store_url) for _ in range(4)]
    try:
        apps = [make.app(store, tmp_path, clock, worker=f"tests:{number}") for number, store in enumerate(stores)]
        make.readers(stores[0], 40)
        issue = frozen(apps[0])
        ready, found, failed = threading.Barrier(len(apps)), [], []

        def begin(app: App) -> None:
            ready.wait()
            try:
                found.append(delivering.start(app, issue))
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=begin, args=(app,)) for app in apps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert {(each.state, each.recipients) for each in found} == {(IssueState.SENDING, 40)}
        assert len(ledger.rows(stores[0])) == 40
    finally:
        for store in stores:
            store.close()


def test_many_freeze_it_at_once(store_url: str, tmp_path: Path, clock: Clock) -> None:
    stores = [Store(store_url) for _ in range(4)]
    try:
        apps = [make.app(store, tmp_path, clock) for store in stores]
        make.week_of_articles(stores[0], clock())
        issue = draft.draft(apps[0])
        ready, numbers = threading.Barrier(len(apps)), []

        def freeze(app: App) -> None:
            ready.wait()
            numbers.append(draft.freeze(app, issue).number)

        threads = [threading.Thread(target=freeze, args=(app,)) for app in apps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert numbers == [1, 1, 1, 1]
    finally:
        for store in stores:
            store.close()


async def test_an_issue_without_recipients_is_sent(app: App) -> None:
    status = await delivered(app, delivering.ready(app, frozen(app)))
    assert (status.state, status.recipients) == (IssueState.SENT, 0)


def test_ready_says_what_is_in_the_way(app: App) -> None:
    issue = delivering.ready(app, frozen(app))
    control.pause(app, issue.slot)
    with pytest.raises(WrongState, match="paused"):
        delivering.ready(app, get_issue(app, issue.id))


def test_a_newer_issue_ends_what_is_left_of_the_older(app: App, clock: Clock) -> None:
    make.readers(app.store, 3)
    older = delivering.start(app, frozen(app))
    control.pause(app, older.slot)
    make.week_of_articles(app.store, clock.turn(days=7), first=20)
    newer = delivering.start(app, draft.freeze(app, draft.draft(app, "1405-W37")))
    assert delivering.status(app, older).counts[S.EXPIRED] == 3
    assert delivering.status(app, newer).counts[S.QUEUED] == 3
    assert [(each.slot, each.state) for each in delivering.finish(app)] == [(older.slot, IssueState.PARTIAL)]


def test_an_older_issue_that_is_frozen_does_not_begin_after_a_newer_one(
    app: App, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    make.readers(app.store, 3)
    older = frozen(app)
    make.week_of_articles(app.store, clock.turn(days=7), first=20)
    newer = delivering.start(app, draft.freeze(app, draft.draft(app, "1405-W37")))
    assert delivering.start(app, older).state is IssueState.CANCELLED
    assert (english(get_issue(app, older.id).reason), get_issue(app, older.id).number) == (
        "superseded: the issue 1405-W37 began before it",
        None,
    )
    assert "ALERT The issue 1405-W36 was cancelled: the issue 1405-W37 began before it." in caplog.text
    assert {row["issue_id"] for row in ledger.rows(app.store)} == {newer.id}


# --- deliver: what `mailer issue send` does --------------------------------------------------------------------------
async def test_deliver_sends_to_everybody_and_says_so(sending_app: App, inbox) -> None:  # type: ignore[no-untyped-def]
    app = sending_app
    make.readers(app.store, 25)
    told: list[IssueStatus] = []
    issue = delivering.ready(app, frozen(app))
    status = await delivering.deliver(app, issue, wait=False, stop=asyncio.Event(), progress=told.append)
    assert (status.state, status.counts[S.ACCEPTED]) == (IssueState.SENT, 25)
    assert Counter(mail.recipient for mail in inbox.mails) == Counter(
        f"reader{number:04}@example.org" for number in range(1, 26)
    )
    assert told[0].recipients == 25
    # Once more: no reader gets it twice.
    assert (await delivered(app, issue)).state is IssueState.SENT
    assert len(inbox.mails) == 25


@make.only_sqlite
async def test_without_wait_what_is_put_off_is_left_to_the_service(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 2)
    async with scripted_relay({"RCPT": ["450 4.2.0 greylisted"]}) as scripted:
        app = make.app(store, tmp_path, clock, relays=[relay_at(scripted.port)], delivery=Delivery(connections=1))
        status = await delivered(app, make.under_way(store))
    assert (status.state, status.counts[S.DEFERRED], status.counts[S.ACCEPTED]) == (IssueState.SENDING, 1, 1)


@make.only_sqlite
async def test_with_wait_what_is_due_soon_is_waited_for(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 2)
    relay = Fake()

    async def answer(_recipient: str) -> Outcome:
        if len(relay.tried) == 1:
            return Deferred(Reply("RCPT", 450, "", "greylisted"))
        clock.turn(minutes=2)
        return OK

    relay.answer = answer
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=Delivery(connections=1))
    async with asyncio.timeout(10):
        status = await delivered(app, make.under_way(store), wait=True)
    assert (status.state, status.counts[S.ACCEPTED], len(relay.tried)) == (IssueState.SENT, 2, 3)


@make.only_sqlite
async def test_no_relay_is_an_error_and_all_stays_queued(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 2)
    issue = make.under_way(store)
    app = make.app(store, tmp_path, clock, relays=[Fake(down=True)])
    with pytest.raises(RelayDown):
        await delivered(app, issue)
    assert delivering.status(app, issue).counts[S.QUEUED] == 2


@make.only_sqlite
async def test_a_batch_of_a_dead_process_is_waited_for(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 3)
    issue = make.under_way(store)

    async def never(_recipient: str) -> Outcome:
        await asyncio.sleep(3600)
        raise AssertionError

    # A process that claims the batch, and then dies.
    dying = make.app(store, tmp_path, clock, relays=[Fake(never)], delivery=Delivery(connections=1))
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay], worker="tests:2")
    holding = asyncio.create_task(delivered(dying, issue))
    await until(lambda: ledger.leases(store) == 1)
    sending = asyncio.create_task(delivered(app, issue))
    await asyncio.sleep(0.3)
    assert (relay.tried, sending.done()) == ([], False)
    clock.turn(seconds=61)
    status = await asyncio.wait_for(sending, 10)
    assert (status.state, len(relay.taken)) == (IssueState.SENT, 3)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    assert delivering.status(app, issue).counts[S.ACCEPTED] == 3, "the dead one's hand writes nothing any more"


# --- the service's sender --------------------------------------------------------------------------------------------
async def test_the_service_finishes_what_is_paused_and_resumed(sending_app: App, inbox) -> None:  # type: ignore[no-untyped-def]
    app = sending_app
    make.readers(app.store, 5)
    stop = asyncio.Event()
    sending = asyncio.create_task(delivering.keep_sending(app, stop))
    issue = delivering.start(app, frozen(app))
    await until(lambda: get_issue(app, issue.id).state is IssueState.SENT)
    assert len(inbox.mails) == 5
    stop.set()
    await asyncio.wait_for(sending, 10)


@make.only_sqlite
async def test_the_service_lives_through_a_bug(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    make.readers(store, 1)
    make.under_way(store)

    async def bug(_recipient: str) -> Outcome:
        raise RuntimeError("a bug")

    app = make.app(store, tmp_path, clock, relays=[Fake(bug)], delivery=Delivery(connections=1))
    stop = asyncio.Event()
    sending = asyncio.create_task(delivering.keep_sending(app, stop))
    await until(lambda: any("sending failed" in each.getMessage() for each in caplog.records))
    assert not sending.done()
    stop.set()
    await asyncio.wait_for(sending, 10)


@make.only_sqlite
async def test_an_outage_of_ten_minutes_is_reported_once(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    make.readers(store, 1)
    make.under_way(store)
    seconds = itertools.count(0, 700)  # every look at the clock takes minutes
    relay = Fake(down=True)
    app = make.app(store, tmp_path, clock, relays=[relay], delivery=Delivery(connections=1))
    stop = asyncio.Event()
    sending = asyncio.create_task(delivering.keep_sending(app, stop, Circuits(clock=lambda: float(next(seconds)))))

    def told() -> list[str]:
        return [each.getMessage() for each in caplog.records if each.name == "mailer.alert"]

    await until(lambda: bool(told()))
    await asyncio.sleep(2.5)
    assert not sending.done()
    assert len(told()) == 1
    assert "No relay has taken a mail for ten minutes; all stays queued." in told()[0]
    relay.down = False
    await until(lambda: bool(relay.taken))
    stop.set()
    await asyncio.wait_for(sending, 10)


@make.only_sqlite
async def test_status_counts_a_rate(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.readers(store, 10)
    issue = make.under_way(store)
    async with scripted_relay({"dot": [DROP, DROP]}) as scripted:
        app = make.app(store, tmp_path, clock, relays=[relay_at(scripted.port)], delivery=Delivery(connections=1))
        clock.turn(seconds=4)
        status = await delivered(app, issue)
    assert (status.state, status.counts[S.ACCEPTED], status.counts[S.UNKNOWN]) == (IssueState.PARTIAL, 9, 1)
    assert (status.rate, status.finished_at) == (2.2, make.NOW + timedelta(seconds=4))


# --- sample settings after the freeze --------------------------------------------------------------------------------
SAMPLE = Newsletter(from_="news@example.org", base_url="https://news.iran.example")


def test_a_sender_with_sample_settings_pauses_the_issue_before_the_first_mail(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    make.subscribers_of(store, ["narges@gmail.com", "ali@gmail.com", "tester@iran.example"])
    issue, relay = make.under_way(store), Fake()
    sample = make.app(store, tmp_path, clock, relays=[relay], newsletter=SAMPLE)
    status = asyncio.run(delivered(sample, issue))
    paused = get_issue(sample, issue.id)
    assert (status.state, relay.tried) == (IssueState.PAUSED, [])
    assert paused.reason
    assert (paused.reason.code, paused.reason.args) == (ReasonCode.SAMPLE_SETTINGS, {"settings": "newsletter.from"})
    assert sum("ALERT An issue was paused" in line for line in caplog.messages) == 1
    with pytest.raises(ConfigError, match=r"newsletter\.from"):
        control.resume(sample, None)
    good = make.app(store, tmp_path, clock, relays=[relay])
    control.resume(good, None)
    assert asyncio.run(delivered(good, issue)).state is IssueState.SENT
    assert sorted(relay.tried) == ["ali@gmail.com", "narges@gmail.com", "tester@iran.example"]


def test_sample_settings_stop_every_start_and_continuation(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.subscriber(store, "narges@gmail.com")
    good = make.app(store, tmp_path, clock)
    sample = make.app(store, tmp_path, clock, newsletter=SAMPLE)
    issue = frozen(good)
    for state in (IssueState.FROZEN, IssueState.SENDING):
        with pytest.raises(ConfigError, match=r"newsletter\.from"):
            delivering.ready(sample, get_issue(sample, issue.id))
        assert get_issue(sample, issue.id).state is state
        delivering.ready(good, get_issue(good, issue.id))
    with pytest.raises(ConfigError, match=r"newsletter\.from"):
        retry.retry(sample, issue.slot, unknown=False)
    staging = Delivery(redirect_all_to="tester@iran.example")
    tester = make.app(store, tmp_path, clock, newsletter=SAMPLE, delivery=staging)
    assert delivering.ready(tester, get_issue(tester, issue.id)).state is IssueState.SENDING
