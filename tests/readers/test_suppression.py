"""A reader who left stays off the list, whatever is added, imported or erased. Only their own sign-up or the undo
button brings them back."""

import asyncio
from datetime import timedelta

import make
import pytest
from make import Clock, status

from mailer import tokens
from mailer.address import parse
from mailer.context import App
from mailer.demo.inbox import Inbox
from mailer.errors import BadToken, LeftBefore, NoSuchSubscriber
from mailer.model import EventKind, ListRow, Method, SubscriberStatus
from mailer.readers import admin, importing, joining, leaving, preferences
from mailer.readers.importing import How
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.store import events, subscribers, suppressions
from mailer.tokens import Keyring, Purpose

EMAIL = "narges@example.org"


def link(app: App, subscriber_id: int, purpose: Purpose = Purpose.UNSUBSCRIBE) -> str:
    return tokens.make(app.keys, purpose, subscriber_id)


def import_one(app: App, email: str = EMAIL) -> importing.Imported:
    return importing.import_rows(app, [ListRow(2, email)])


def test_left_forgotten_imported_added_and_still_nothing_is_sent(sending_app: App, inbox: Inbox, clock: Clock) -> None:
    app = sending_app
    old = admin.add(app, EMAIL)[0].id
    leaving.leave(app, link(app, old), Method.ONE_CLICK)
    assert leaving.forget(app, EMAIL)
    report = import_one(app, "NARGES@Example.ORG")
    assert (report.added, report.suppressed) == (0, 1)
    with pytest.raises(LeftBefore):
        admin.add(app, EMAIL)
    make.subscriber(app.store, "other@example.org")
    make.under_way(app.store)
    asyncio.run(Sender(app, Circuits()).run())
    assert [mail.recipient for mail in inbox.mails] == ["other@example.org"]

    clock.turn(days=1)
    joining.sign_up(app, parse(EMAIL))
    assert joining.decide_signups(app) == 1
    new = app.store.read(lambda tx: subscribers.find(tx, EMAIL))
    assert new is not None
    assert new.id != old
    asyncio.run(Sender(app, Circuits()).run())  # the confirmation mail
    joining.confirm(app, joining.url(app, new.id, int(clock().timestamp())).rpartition("/")[2])
    make.under_way(app.store, "1405-W37")
    asyncio.run(Sender(app, Circuits()).run())
    assert [mail.recipient for mail in inbox.mails].count(EMAIL) == 2  # the confirmation mail and the issue


def test_an_old_link_of_a_forgotten_reader_unsubscribes_only_that_reader_if_they_came_back(app: App) -> None:
    old = admin.add(app, EMAIL)[0].id
    other = admin.add(app, "other@example.org")[0].id
    leaving.forget(app, EMAIL)
    app.store.write(lambda tx: suppressions.remove(tx, make.hash_of(EMAIL)))
    admin.add(app, EMAIL)
    stamp = int(app.now().timestamp()) + 100
    with pytest.raises(BadToken):
        preferences.choose(app, link(app, old, Purpose.PREFERENCES), ["سیاست"], 4)
    with pytest.raises(BadToken):
        joining.confirm(app, tokens.make(app.keys, Purpose.CONFIRM, old, 0, stamp))
    assert not leaving.undo(app, tokens.make(app.keys, Purpose.UNDO, old, 0, stamp))
    assert status(app) is SubscriberStatus.ACTIVE
    left = leaving.leave(app, link(app, old), Method.PAGE)
    assert (left.undo, left.why) == ("", "")  # an old link undoes nothing
    assert leaving.link_holder(app, link(app, old)) == leaving.LinkHolder("", "")  # and reveals nothing
    assert status(app) is SubscriberStatus.UNSUBSCRIBED
    assert status(app, "other@example.org") is SubscriberStatus.ACTIVE
    assert other != old


def test_forgetting_keeps_only_an_id_and_a_hash(app: App) -> None:
    who = admin.add(app, EMAIL, name="نرگس", sections=["سیاست"])[0].id
    leaving.leave(app, link(app, who), Method.PAGE, agent="browser", network="192.0.2.0/24")
    leaving.forget(app, EMAIL)
    with pytest.raises(NoSuchSubscriber):
        admin.show(app, EMAIL)

    def everything(tx: object) -> str:
        from mailer.store.schema import TABLES

        return repr([tuple(row) for table in TABLES for row in tx.execute(table.select())])  # type: ignore[attr-defined]

    dump = app.store.read(everything)
    for trace in (EMAIL, "نرگس", "192.0.2", "سیاست", "browser"):
        assert trace not in dump
    assert make.hash_of(EMAIL) in dump
    kinds = [event.kind for event in app.store.read(lambda tx: events.history(tx, who))]
    assert kinds == [EventKind.ADDED, EventKind.UNSUBSCRIBED, EventKind.FORGOTTEN]
    assert not leaving.forget(app, "never@example.org")  # unknown, and suppressed all the same
    with pytest.raises(LeftBefore):
        admin.add(app, "never@example.org")


@pytest.mark.parametrize("before", [SubscriberStatus.ACTIVE, SubscriberStatus.PENDING])
def test_an_admin_may_lift_an_admins_suppression(app: App, before: SubscriberStatus) -> None:
    make.subscriber(app.store, EMAIL, status=before)
    assert leaving.suppress(app, EMAIL)
    assert not leaving.suppress(app, EMAIL)
    assert status(app) is SubscriberStatus.SUPPRESSED
    assert leaving.unsuppress(app, EMAIL) is before
    assert status(app) is before
    with pytest.raises(NoSuchSubscriber):
        leaving.unsuppress(app, EMAIL)


def test_lifting_a_suppression_does_not_bring_back_a_reader_who_left(app: App) -> None:
    admin.add(app, EMAIL)
    leaving.by_admin(app, EMAIL)
    leaving.suppress(app, EMAIL)
    assert leaving.unsuppress(app, EMAIL) is SubscriberStatus.UNSUBSCRIBED
    with pytest.raises(LeftBefore):
        admin.add(app, EMAIL)
    with pytest.raises(LeftBefore):
        leaving.unsuppress(app, EMAIL)


@pytest.mark.parametrize("way", ["link", "admin", "import"])
def test_leaving_is_recorded_for_a_suppressed_reader_too(app: App, way: str) -> None:
    number = admin.add(app, EMAIL)[0].id
    leaving.suppress(app, EMAIL)
    if way == "link":
        assert leaving.leave(app, link(app, number), Method.ONE_CLICK).why
    elif way == "admin":
        assert leaving.by_admin(app, EMAIL)
    else:
        importing.import_rows(app, [ListRow(2, EMAIL)], How(suppress=True))
    assert status(app) is SubscriberStatus.SUPPRESSED
    if way != "import":
        assert EventKind.UNSUBSCRIBED in [event.kind for event in admin.show(app, EMAIL)[1]]
        assert not leaving.by_admin(app, EMAIL), "once"
    assert leaving.unsuppress(app, EMAIL) is SubscriberStatus.UNSUBSCRIBED
    with pytest.raises(LeftBefore):
        admin.add(app, EMAIL)


@pytest.mark.parametrize("left", [False, True])
def test_lifting_a_suppression_does_not_bring_back_a_forgotten_reader(app: App, left: bool) -> None:
    number = admin.add(app, EMAIL)[0].id
    leaving.suppress(app, EMAIL)
    if left:
        leaving.leave(app, link(app, number), Method.ONE_CLICK)
    assert leaving.forget(app, EMAIL)
    assert leaving.unsuppress(app, EMAIL) is None
    hash_ = tokens.address_hash(app.keys, EMAIL)
    barred = app.store.read(lambda tx: suppressions.find(tx, hash_))
    assert barred is not None
    assert barred[0] is EventKind.FORGOTTEN
    with pytest.raises(LeftBefore):
        admin.add(app, EMAIL)


@pytest.mark.parametrize("suppressed", [False, True])
def test_what_a_person_wants_counts_more_than_a_dead_address(app: App, suppressed: bool) -> None:
    number = admin.add(app, EMAIL)[0].id
    app.store.write(lambda tx: subscribers.move(tx, number, SubscriberStatus.BOUNCED, from_=(SubscriberStatus.ACTIVE,)))
    joining.sign_up(app, parse(EMAIL))
    assert joining.decide_signups(app) == 1
    if suppressed:
        leaving.suppress(app, EMAIL)
    leaving.leave(app, link(app, number), Method.ONE_CLICK)
    assert EventKind.UNSUBSCRIBED in [event.kind for event in admin.show(app, EMAIL)[1]]
    if suppressed:
        assert leaving.unsuppress(app, EMAIL) is SubscriberStatus.UNSUBSCRIBED
    hash_ = tokens.address_hash(app.keys, EMAIL)
    barred = app.store.read(lambda tx: suppressions.find(tx, hash_))
    assert barred is not None
    assert barred[0] is EventKind.UNSUBSCRIBED


def test_no_reason_is_taken_from_a_reader_who_is_back_or_forgotten(app: App) -> None:
    number = admin.add(app, EMAIL)[0].id
    left = leaving.leave(app, link(app, number), Method.PAGE)
    assert leaving.undo(app, left.undo)
    assert not leaving.explain(app, left.why, "other", "that was a slip")
    left = leaving.leave(app, link(app, number), Method.PAGE)
    leaving.forget(app, EMAIL)
    assert not leaving.explain(app, left.why, "other", "I am Narges")
    assert [event.reason for _, event in leaving.leavings(app)] == [None, None]


def test_undo_does_not_lift_an_admins_suppression(app: App, clock: Clock) -> None:
    who = admin.add(app, EMAIL)[0].id
    left = leaving.leave(app, link(app, who), Method.PAGE)
    leaving.suppress(app, EMAIL)
    assert not leaving.undo(app, left.undo)
    assert status(app) is SubscriberStatus.SUPPRESSED


def test_undo_does_not_replace_confirming(app: App) -> None:
    who = admin.add(app, EMAIL)[0].id
    leaving.leave(app, link(app, who), Method.PAGE)
    joining.sign_up(app, parse(EMAIL))  # perhaps a stranger
    assert joining.decide_signups(app) == 1
    assert status(app) is SubscriberStatus.PENDING
    left = leaving.leave(app, link(app, who), Method.PAGE)  # an old mail may have been forwarded
    assert left.undo == ""
    assert left.why
    assert status(app) is SubscriberStatus.UNSUBSCRIBED


def test_a_reason_may_be_given_within_the_hour(app: App, clock: Clock) -> None:
    who = admin.add(app, EMAIL)[0].id
    left = leaving.leave(app, link(app, who), Method.PAGE)
    assert not leaving.explain(app, left.why, "because")
    assert leaving.explain(app, left.why, "other", "خیلی\r\nطولانی\u202e بود" + "x" * 900)
    (event,) = [event for _, event in leaving.leavings(app)]
    assert event.reason is not None
    assert event.reason.startswith("other: خیلی طولانی بود")
    assert len(event.reason) <= 510
    clock.turn(hours=1, seconds=1)
    assert not leaving.explain(app, left.why, "too_often")
    with pytest.raises(BadToken):
        leaving.explain(app, left.undo, "too_often")


def test_unsubscribes_of_the_old_system_are_kept(app: App) -> None:
    admin.add(app, "here@example.org")
    rows = [ListRow(n, email) for n, email in enumerate(["here@example.org", "Gone@Example.org", "x"], 2)]
    report = importing.import_rows(app, rows, How(suppress=True))
    assert (report.suppressed, report.refused, report.added) == (2, 1, 0)
    assert status(app, "here@example.org") is SubscriberStatus.UNSUBSCRIBED
    assert import_one(app, "gone@example.org").suppressed == 1
    assert importing.import_rows(app, rows, How(suppress=True)).suppressed == 2  # twice is the same
    assert [(email, event.method) for email, event in leaving.leavings(app)] == [
        ("here@example.org", Method.IMPORT),
        ("Gone@example.org", Method.IMPORT),
    ]
    assert status(app, "gone@example.org") is SubscriberStatus.UNSUBSCRIBED


# --- keys and purposes (properties 19, 20) ---------------------------------------------------------------------------
@make.only_sqlite
@pytest.mark.parametrize("made", Purpose)
def test_a_link_of_one_purpose_cannot_be_used_for_another(app: App, made: Purpose) -> None:
    who = admin.add(app, EMAIL)[0].id
    token = tokens.make(app.keys, made, who, 0, int((app.now() + timedelta(minutes=5)).timestamp()))
    doors = {
        Purpose.UNSUBSCRIBE: lambda: leaving.leave(app, token, Method.PAGE),
        Purpose.PREFERENCES: lambda: preferences.choose(app, token, ["سیاست"], 2),
        Purpose.CONFIRM: lambda: joining.confirm(app, token),
        Purpose.UNDO: lambda: leaving.undo(app, token),
        Purpose.REASON: lambda: leaving.explain(app, token, "other"),
    }
    for purpose, door in doors.items():
        if purpose is made:
            continue
        with pytest.raises(BadToken):
            door()  # type: ignore[no-untyped-call]
    who_now, events, _ = admin.show(app, EMAIL)
    assert (who_now.status, who_now.sections, len(events)) == (SubscriberStatus.ACTIVE, (), 1)


@make.only_sqlite
def test_links_outlive_a_rotation_and_end_with_a_removed_key(app: App, clock: Clock) -> None:
    who = admin.add(app, EMAIL)[0].id
    old = link(app, who)
    rotated = Keyring(signing=b"n" * 32, verifying=(app.keys.signing,), suppression=app.keys.suppression)
    removed = Keyring(signing=b"n" * 32, verifying=(), suppression=app.keys.suppression)
    without = make.app(app.store, app.settings.folder, clock, keys=removed)
    with pytest.raises(BadToken):
        leaving.leave(without, old, Method.ONE_CLICK)
    assert status(app) is SubscriberStatus.ACTIVE
    leaving.leave(make.app(app.store, app.settings.folder, clock, keys=rotated), old, Method.ONE_CLICK)
    assert status(app) is SubscriberStatus.UNSUBSCRIBED
    with pytest.raises(LeftBefore):
        admin.add(without, EMAIL)  # the key of suppressions never rotates


# --- preferences -----------------------------------------------------------------------------------------------------
def test_a_reader_chooses_sections_and_a_pause(app: App, clock: Clock) -> None:
    who = admin.add(app, EMAIL)[0].id
    token = link(app, who, Purpose.PREFERENCES)
    assert [chosen for _, chosen in preferences.current(app, token).sections] == [True] * 4
    kept = preferences.choose(app, token, ["سیاست", "no such section"], 2)
    assert [name for name, chosen in kept.sections if chosen] == ["سیاست"]
    assert kept.paused_until == clock().date() + timedelta(weeks=2)
    assert admin.show(app, EMAIL)[0].sections == ("سیاست",)
    make.under_way(app.store)
    assert app.store.read(lambda tx: make.recipients(tx)) == 0  # the slot is within the pause
    kept = preferences.choose(app, token, [name for name, _ in kept.sections], 0)
    assert kept.paused_until is None
    assert admin.show(app, EMAIL)[0].sections == ()  # choosing all includes sections added later
    make.under_way(app.store, "1405-W37")
    assert app.store.read(lambda tx: make.recipients(tx)) == 1


def test_only_active_readers_have_preferences(app: App) -> None:
    who = admin.add(app, EMAIL)[0].id
    leaving.by_admin(app, EMAIL)
    with pytest.raises(BadToken):
        preferences.choose(app, link(app, who, Purpose.PREFERENCES), [], 0)
