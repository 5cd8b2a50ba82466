"""Two hundred readers unsubscribe by one click while four senders run, and none of them gets a mail that was not yet in
`sending` when their POST returned."""

import asyncio
import random
import threading

import make
import pytest
from make import Clock
from sqlalchemy import select
from starlette.testclient import TestClient

from mailer import tokens, web
from mailer.context import App
from mailer.demo.inbox import Inbox
from mailer.model import DeliveryState, SubscriberStatus
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Delivery
from mailer.store.database import Store
from mailer.store.schema import deliveries, subscribers
from mailer.tokens import Purpose

READERS, LEAVING, SENDERS = 1600, 200, 4


@pytest.mark.slow
def test_no_reader_who_left_gets_a_mail_that_had_not_begun(store_url: str, inbox: Inbox) -> None:
    store = Store(store_url)
    ids = make.readers(store, READERS)
    issue = make.under_way(store)
    senders = [Store(store_url) for _ in range(SENDERS)]
    apps = [a_sender(each, number, inbox) for number, each in enumerate(senders)]
    # A batch has up to 500 deliveries, so each sender gets one; the readers who leave are spread over all.
    leaving = random.Random(4).sample(ids[100:], LEAVING)
    working = [threading.Thread(target=lambda app=app: asyncio.run(Sender(app, Circuits()).run())) for app in apps]
    app = make.app(store, apps[0].settings.folder, Clock())
    left_at: dict[int, DeliveryState] = {}
    with TestClient(web.create(app)) as client:
        for thread in working:
            thread.start()
        for who in leaving:
            token = tokens.make(app.keys, Purpose.UNSUBSCRIBE, who, issue.id)
            answer = client.post(f"/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"})
            assert answer.status_code == 200
            left_at[who] = state_of(store, who)
        for thread in working:
            thread.join()

    got = [mail.recipient for mail in inbox.mails]
    assert len(got) == len(set(got))
    address = store.read(
        lambda tx: {row[0]: row[1] for row in tx.execute(select(subscribers.c.id, subscribers.c.address))}
    )
    too_late = (DeliveryState.SENDING, DeliveryState.ACCEPTED)
    for who, state in left_at.items():
        if state not in too_late:
            assert address[who] not in got, state
    assert {address[who] for who in ids if who not in left_at} <= set(got)  # and every reader who stayed has it
    assert sum(state is DeliveryState.QUEUED or state is DeliveryState.SKIPPED for state in left_at.values()) > 20
    gone = store.read(
        lambda tx: list(
            tx.execute(select(subscribers.c.id).where(subscribers.c.status == SubscriberStatus.UNSUBSCRIBED)).scalars()
        )
    )
    assert sorted(gone) == sorted(leaving)
    for each in (store, *senders):
        each.close()


def a_sender(store: Store, number: int, inbox: Inbox) -> App:
    """One sender, with its own connections to database and relay."""
    return make.app(
        store,
        make.ROOT,
        Clock(),
        relays=[make.relay(inbox.port)],
        worker=f"tests:{number}",
        delivery=Delivery(connections=2),
    )


def state_of(store: Store, subscriber_id: int) -> DeliveryState:
    query = select(deliveries.c.state).where(deliveries.c.subscriber_id == subscriber_id)
    return DeliveryState(store.read(lambda tx: tx.execute(query).scalar_one()))
