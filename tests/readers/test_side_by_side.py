"""Two processes that add or decide about the same person at once: one waits or tries again, and there is one
subscriber and one mail."""

import threading
import time
from collections.abc import Callable
from typing import Any

import make
from make import Clock
from sqlalchemy import Connection, func, select

from mailer.address import parse
from mailer.model import DeliveryKind, ListRow, SubscriberStatus
from mailer.readers import admin, importing, joining
from mailer.store import signups, subscribers
from mailer.store.database import Store
from mailer.store.schema import deliveries, events

EMAIL = "narges@example.org"


def held(store: Store, first: Callable[[Connection], Any], then: Callable[[], Any]) -> Any:
    """Run `then` while another process has run `first` in a transaction that it has not committed yet."""
    other = Store(store.url.render_as_string(hide_password=False))
    done, go = threading.Event(), threading.Event()

    def run_first_and_wait(tx: Connection) -> None:
        first(tx)
        done.set()
        go.wait(10)

    try:
        writing = other.submit(run_first_and_wait)
        assert done.wait(10)
        threading.Timer(0.3, go.set).start()
        found = then()
        writing.result()
        return found
    finally:
        go.set()
        other.close()


def add(tx: Connection) -> None:
    subscribers.add(tx, [make.new_subscriber(EMAIL, source="other")], make.NOW)


def test_an_import_beside_another_process_goes_on(store: Store, clock: Clock) -> None:
    app = make.app(store, make.ROOT, clock)
    rows = [ListRow(1, EMAIL), ListRow(2, "other@example.org")]
    report = held(store, add, lambda: importing.import_rows(app, rows))
    assert (report.added, report.unchanged) == (1, 1)


def test_adding_an_address_that_another_process_is_adding_succeeds(store: Store, clock: Clock) -> None:
    app = make.app(store, make.ROOT, clock)
    who, what = held(store, add, lambda: admin.add(app, EMAIL))
    assert (who.address, what) == (EMAIL, "unchanged")


def test_two_processes_that_decide_signups_make_one_mail(store: Store, clock: Clock) -> None:
    app = make.app(store, make.ROOT, clock)
    make.subscriber(store, EMAIL, status=SubscriberStatus.UNSUBSCRIBED)
    for _ in range(2):
        joining.sign_up(app, parse(EMAIL))
    stores = [Store(store.url.render_as_string(hide_password=False)) for _ in range(4)]
    began = threading.Barrier(len(stores))

    def decide(each: Store) -> None:
        began.wait()
        joining.decide_signups(make.app(each, make.ROOT, clock))

    threads = [threading.Thread(target=decide, args=(each,)) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in stores:
        each.close()
    confirmations = select(func.count()).where(deliveries.c.kind == DeliveryKind.CONFIRMATION)
    invited = select(func.count()).where(events.c.kind == "invited")
    assert store.read(lambda tx: (tx.execute(confirmations).scalar(), tx.execute(invited).scalar())) == (1, 1)


def test_a_request_that_is_being_decided_is_waited_for(store: Store, clock: Clock) -> None:
    app = make.app(store, make.ROOT, clock)
    make.subscriber(store, EMAIL, status=SubscriberStatus.UNSUBSCRIBED)
    joining.sign_up(app, parse(EMAIL))

    def decide(tx: Connection) -> None:
        (request,) = signups.undecided(tx, 10, lock=True)
        assert signups.decide(tx, request.id, "sent")

    began = time.monotonic()
    assert held(store, decide, lambda: joining.decide_signups(app)) == 0
    assert time.monotonic() - began < 9
    assert admin.show(app, EMAIL)[0].status is SubscriberStatus.UNSUBSCRIBED


def test_a_new_name_and_new_sections_at_once_are_both_kept(store: Store, clock: Clock) -> None:
    """Two processes have read the reader's row, and each changes the value that it was asked to change."""
    number = make.subscriber(store)
    store.write(lambda tx: subscribers.change(tx, {number: ("نام تازه", None)}))
    store.write(lambda tx: subscribers.change(tx, {number: (None, ["ورزش"])}))
    found = store.read(lambda tx: subscribers.get(tx, number))
    assert found
    assert (found.name, found.sections) == ("نام تازه", ("ورزش",))
