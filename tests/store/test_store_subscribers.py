"""Subscribers, their events and suppressions: what the database itself guarantees, whatever a use case does."""

from datetime import date, timedelta
from typing import Any

import make
import pytest
from make import NOW
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError

from mailer.model import EventKind, IssueState, Method, NewEvent, SubscriberStatus
from mailer.store import events, subscribers, suppressions
from mailer.store.database import Store
from mailer.store.schema import events as events_table
from mailer.store.schema import subscribers as table


def row(**changes: Any) -> dict[str, Any]:
    return {
        "address": "sara@example.org",
        "address_key": "sara@example.org",
        "address_hash": "ab",
        "domain": "example.org",
        "status": "active",
        "created_at": NOW,
        **changes,
    }


def test_one_row_for_one_address_however_it_is_written(store: Store) -> None:
    make.subscriber(store, "Narges@Example.ORG")
    with pytest.raises(IntegrityError):
        make.subscriber(store, "narges@EXAMPLE.org")
    assert store.read(subscribers.counts) == {"active": 1}


def test_a_subscriber_is_read_as_it_was_written(store: Store) -> None:
    number = make.subscriber(store, "Narges@example.org", name="نرگس", sections=("فناوری", "اقتصاد", "فناوری"))
    found = store.read(lambda tx: subscribers.find(tx, "narges@example.org"))
    assert found == store.read(lambda tx: subscribers.get(tx, number))
    assert found is not None
    assert (found.id, found.name, found.status) == (number, "نرگس", SubscriberStatus.ACTIVE)
    assert found.sections == ("اقتصاد", "فناوری")  # sorted, each once
    assert found.created_at == NOW
    assert store.read(lambda tx: subscribers.find(tx, "nobody@example.org")) is None


def test_an_id_is_never_used_again(store: Store) -> None:
    first, last = make.readers(store, 2)
    store.write(lambda tx: tx.execute(delete(table).where(table.c.id == last)))
    assert make.subscriber(store) > last
    store.write(lambda tx: tx.execute(delete(table)))
    assert make.subscriber(store) > last + 1 > first


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "happy"},
        {"status": None},
        {"address": None},  # a tombstone says when it was made
        {"address": None, "address_key": None},
        {"address": None, "forgotten_at": NOW},  # and holds no key of the address
        {"address_key": None},
        {"forgotten_at": NOW},  # who has an address is not forgotten
        {"address_hash": None},  # what a tombstone is recognised by
    ],
)
def test_rows_that_make_no_sense_are_refused(store: Store, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        store.write(lambda tx: tx.execute(insert(table).values(row(**wrong))))


def test_there_can_be_several_tombstones(store: Store) -> None:
    make.readers(store, 2)
    gone = {"address": None, "address_key": None, "domain": None, "name": "", "forgotten_at": NOW}
    store.write(lambda tx: tx.execute(update(table).values(**gone)))

    assert store.read(lambda tx: subscribers.matching(tx)) == []
    tombstone = store.read(lambda tx: subscribers.get(tx, 1))
    assert tombstone is not None
    assert tombstone.address == ""
    assert tombstone.address_hash == make.hash_of("reader0001@example.org")
    make.subscriber(store, "reader0001@example.org")  # the address itself is free again


def test_a_move_happens_only_from_the_named_states(store: Store) -> None:
    number = make.subscriber(store)
    gone, active = SubscriberStatus.UNSUBSCRIBED, SubscriberStatus.ACTIVE
    assert not store.write(lambda tx: subscribers.move(tx, number, gone, from_=(SubscriberStatus.PENDING,)))
    assert store.write(lambda tx: subscribers.move(tx, number, gone, from_=(active,)))
    assert not store.write(lambda tx: subscribers.move(tx, number, gone, from_=(active,)))
    assert store.read(subscribers.counts) == {"unsubscribed": 1}


def test_change_sets_name_and_sections_of_the_given_subscribers_only(store: Store) -> None:
    first, second, third = make.readers(store, 3)
    store.write(lambda tx: subscribers.change(tx, {}))
    store.write(lambda tx: subscribers.change(tx, {first: ("سارا", ()), second: ("مینا", ("ورزش", "اقتصاد", "ورزش"))}))
    found = store.read(lambda tx: [subscribers.get(tx, number) for number in (first, second, third)])
    assert [(each.name, each.sections) for each in found if each] == [
        ("سارا", ()),
        ("مینا", ("اقتصاد", "ورزش")),
        ("", ()),
    ]


def test_the_list_is_searched_and_cut(store: Store) -> None:
    make.subscribers_of(store, ["ali@example.org", "a_b@example.net", "axb@example.net"])
    make.subscriber(store, "mina@example.com", name="مینا ۱۰۰٪", status=SubscriberStatus.PENDING)

    def found(**how: Any) -> list[str]:
        return [each.address for each in store.read(lambda tx: subscribers.matching(tx, **how))]

    assert found() == ["mina@example.com", "axb@example.net", "a_b@example.net", "ali@example.org"]
    assert found(limit=1) == ["mina@example.com"]
    assert found(status=SubscriberStatus.PENDING) == ["mina@example.com"]
    assert found(search="ALI@") == ["ali@example.org"]
    assert found(search="a_b") == ["a_b@example.net"]  # no wildcard
    assert found(search="مینا") == ["mina@example.com"]
    assert found(search="%") == []


# --- events ----------------------------------------------------------------------------------------------------------
def test_the_history_only_grows(store: Store) -> None:
    number = make.subscriber(store)
    issue = make.issue(store)

    def record(kind: EventKind, hours: int, **more: Any) -> None:
        at = NOW + timedelta(hours=hours)
        store.write(lambda tx: events.record(tx, [number], NewEvent(kind, at, **more)))

    record(EventKind.ADDED, 0, method=Method.ADMIN)
    record(EventKind.UNSUBSCRIBED, 2, method=Method.ONE_CLICK, issue_id=issue.id)
    record(EventKind.RETURNED, 1, method=Method.PAGE)  # the clock stepped back: the order is that of recording

    history = store.read(lambda tx: events.history(tx, number))
    assert [event.kind for event in history] == [EventKind.ADDED, EventKind.UNSUBSCRIBED, EventKind.RETURNED]
    assert (history[1].method, history[1].slot) == (Method.ONE_CLICK, make.SLOT)
    kinds = (EventKind.UNSUBSCRIBED, EventKind.ADDED)
    assert store.read(lambda tx: events.last(tx, number, kinds)) == history[1]
    assert store.read(lambda tx: events.last(tx, number, (EventKind.BOUNCED,))) is None


def test_an_event_outlives_the_issue_it_names(store: Store) -> None:
    number = make.subscriber(store)
    unknown = 4711
    store.write(
        lambda tx: events.record(tx, [number], NewEvent(EventKind.UNSUBSCRIBED, NOW, Method.ONE_CLICK, unknown))
    )
    assert [event.slot for event in store.read(lambda tx: events.history(tx, number))] == [None]


@pytest.mark.parametrize("wrong", [{"kind": "danced"}, {"method": "carrier pigeon"}, {"subscriber_id": 4711}])
def test_an_event_that_makes_no_sense_is_refused(store: Store, wrong: dict[str, Any]) -> None:
    number = make.subscriber(store)
    values = {"at": NOW, "subscriber_id": number, "kind": "added", "method": "admin", **wrong}
    with pytest.raises(IntegrityError):
        store.write(lambda tx: tx.execute(insert(events_table).values(values)))


def test_leavings_are_listed_oldest_first(store: Store) -> None:
    first, second = make.readers(store, 2)
    issue = make.issue(store, state=IssueState.SENT)

    def leave(number: int, hours: int, issue_id: int | None) -> None:
        at = NOW + timedelta(hours=hours)
        store.write(lambda tx: events.record(tx, [number], NewEvent(EventKind.UNSUBSCRIBED, at, Method.PAGE, issue_id)))

    leave(second, 1, issue.id)
    leave(first, 2, None)

    def left(**how: Any) -> list[str]:
        return [address for address, _ in store.read(lambda tx: list(events.leavings(tx, **how)))]

    assert left() == ["reader0002@example.org", "reader0001@example.org"]
    assert left(since=NOW + timedelta(hours=2)) == ["reader0001@example.org"]
    assert left(slot=make.SLOT) == ["reader0002@example.org"]


# --- suppressions ----------------------------------------------------------------------------------------------------
def test_a_suppression_keeps_its_first_reason_until_a_stronger_one(store: Store) -> None:
    def suppress(reason: EventKind, hours: int, issue_id: int | None = None) -> None:
        at = NOW + timedelta(hours=hours)
        store.write(lambda tx: suppressions.add(tx, ["ab"], reason, at=at, issue_id=issue_id))

    suppress(EventKind.UNSUBSCRIBED, 0, issue_id=4711)  # an issue that does not exist any more
    suppress(EventKind.BOUNCED, 1)
    assert store.read(lambda tx: suppressions.find(tx, "ab")) == (EventKind.UNSUBSCRIBED, NOW)
    suppress(EventKind.COMPLAINED, 2)
    suppress(EventKind.SUPPRESSED, 3)
    complained = (EventKind.COMPLAINED, NOW + timedelta(hours=2))
    assert store.read(lambda tx: suppressions.find(tx, "ab")) == complained
    assert store.write(lambda tx: suppressions.remove(tx, "ab"))
    assert not store.write(lambda tx: suppressions.remove(tx, "ab"))
    assert store.read(lambda tx: suppressions.find(tx, "ab")) is None


def test_a_pause_is_read_back(store: Store) -> None:
    number = make.subscriber(store)
    for until in (date(2026, 12, 3), None):
        store.write(lambda tx, until=until: subscribers.set_pause(tx, number, until))  # type: ignore[misc]
        found = store.read(lambda tx: subscribers.get(tx, number))
        assert found is not None
        assert found.paused_until == until
