"""After the freeze of an issue: the last check sees a pause or an unsubscription, and a dead address gets nothing more,
whichever mail showed that it is dead."""

import asyncio
from datetime import timedelta

import ledger
import make
import pytest
from make import Clock
from relays import Fake, relay_at
from scripted_relay import scripted_relay
from sqlalchemy import Connection

from mailer import tokens
from mailer.address import parse
from mailer.context import App
from mailer.errors import LeftBefore
from mailer.issues import delivery as delivering
from mailer.model import DeliveryState, IssueState, Skip, SubscriberStatus
from mailer.readers import admin, joining, leaving, preferences
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Delivery
from mailer.store import deliveries, hot_path, subscribers
from mailer.store.database import Store
from mailer.tokens import Purpose

EMAIL = "narges@example.org"


def pause(app: App, who: int, weeks: int) -> None:
    preferences.choose(app, tokens.make(app.keys, Purpose.PREFERENCES, who), [], weeks)


def test_a_pause_begun_after_freezing_counts(store: Store, clock: Clock) -> None:
    relay = Fake()
    app = make.app(store, make.ROOT, clock, relays=[relay])
    pausing, staying, back = make.subscribers_of(store, [EMAIL, "stays@example.org", "back@example.org"])
    issue = make.under_way(store)
    pause(app, pausing, 4)
    pause(app, back, 4)
    pause(app, back, 0)
    asyncio.run(Sender(app, Circuits()).run())
    delivering.finish(app)
    assert sorted(relay.tried) == ["back@example.org", "stays@example.org"]
    row = next(row for row in ledger.rows(store) if row["subscriber_id"] == pausing)
    assert (row["state"], row["reason"]) == ("skipped", "paused")
    found = delivering.status(app, issue)
    assert (found.state, found.recipients, sum(found.counts.values())) == (IssueState.SENT, 3, 3)
    assert staying


@pytest.mark.parametrize(("days", "seen"), [(1, (False, Skip.PAUSED)), (0, (True, None)), (-7, (True, None))])
def test_the_last_check_and_the_reason_for_a_skip_both_see_a_pause(
    store: Store, clock: Clock, days: int, seen: tuple[bool, Skip | None]
) -> None:
    who = make.subscriber(store, EMAIL)
    issue = make.under_way(store)

    def look(tx: Connection) -> tuple[bool, Skip | None]:
        subscribers.set_pause(tx, who, issue.day + timedelta(days=days))  # the day itself counts again
        batch = deliveries.claim(tx, "w", clock(), timedelta(minutes=1))
        assert batch is not None
        (job,) = deliveries.queued(tx, batch)
        why = deliveries.hindrance(tx, job, clock())
        return hot_path.write_all(tx, (), [job], clock()), why

    assert store.write(look) == seen


@pytest.mark.parametrize("who_left_before", [False, True])
async def test_a_confirmation_that_bounces_ends_the_subscription(
    store: Store, clock: Clock, who_left_before: bool
) -> None:
    async with scripted_relay({"RCPT": ["550 5.1.1 no such user here"]}) as scripted:
        app = make.app(store, make.ROOT, clock, relays=[relay_at(scripted.port)], delivery=Delivery(connections=1))
        if who_left_before:
            make.subscriber(store, EMAIL, status=SubscriberStatus.UNSUBSCRIBED)
        joining.sign_up(app, parse(EMAIL))
        assert joining.decide_signups(app) == 1
        await Sender(app, Circuits()).run()
    who, events, mails = admin.show(app, EMAIL)
    assert who.status is SubscriberStatus.BOUNCED
    assert [event.kind for event in events] == ["invited", "bounced"]
    assert mails[0]["state"] == DeliveryState.REJECTED
    with pytest.raises(LeftBefore, match="the address is dead"):
        admin.add(app, EMAIL)
    clock.turn(days=2)
    joining.sign_up(app, parse(EMAIL))  # the mailbox may be there again: the person may ask again
    assert joining.decide_signups(app) == 1
    assert admin.show(app, EMAIL)[0].status is SubscriberStatus.PENDING


def test_unsubscribing_is_a_stronger_reason_for_a_skip_than_a_pause(store: Store, clock: Clock) -> None:
    app = make.app(store, make.ROOT, clock, relays=[Fake()])
    who = make.subscriber(store, EMAIL)
    make.under_way(store)
    pause(app, who, 4)
    leaving.by_admin(app, EMAIL)
    asyncio.run(Sender(app, Circuits()).run())
    (row,) = ledger.rows(store)
    assert (row["state"], row["reason"]) == ("skipped", "unsubscribed")
