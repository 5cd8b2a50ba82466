"""The undo button undoes the leaving that it belongs to, within the hour, and nothing else.

An old mail cannot be used to bring back a reader who left long ago or was unsubscribed by the newsroom.
"""

import make
import pytest
from make import Clock, status

from mailer import tokens
from mailer.context import App
from mailer.model import EventKind, ListRow, Method, SubscriberStatus
from mailer.readers import admin, importing, leaving
from mailer.readers.importing import How
from mailer.tokens import Purpose

EMAIL = "narges@example.org"


@pytest.fixture
def link(app: App) -> str:
    return tokens.make(app.keys, Purpose.UNSUBSCRIBE, make.subscriber(app.store, EMAIL))


def test_the_first_clicks_undo_outlives_a_second_click(app: App, clock: Clock, link: str) -> None:
    first = leaving.leave(app, link, Method.ONE_CLICK)
    clock.turn(minutes=59)
    again = leaving.leave(app, link, Method.PAGE)
    assert again.undo == ""
    assert again.why
    assert leaving.undo(app, first.undo)
    assert status(app) is SubscriberStatus.ACTIVE


def test_an_old_link_does_not_bring_back_a_reader_who_left_long_ago(app: App, clock: Clock, link: str) -> None:
    leaving.leave(app, link, Method.ONE_CLICK)
    clock.turn(hours=1, minutes=1)
    again = leaving.leave(app, link, Method.PAGE)
    assert again.undo == ""
    assert again.why
    assert leaving.link_holder(app, link).masked == "n***@example.org"


def test_an_old_link_does_not_bring_back_a_reader_unsubscribed_by_the_newsroom(app: App, link: str) -> None:
    leaving.by_admin(app, EMAIL)
    left = leaving.leave(app, link, Method.PAGE)
    assert left.undo == ""


def test_an_old_link_does_not_bring_back_a_reader_who_left_the_old_system(app: App, link: str) -> None:
    importing.import_rows(app, [ListRow(1, EMAIL)], How(suppress=True))
    assert leaving.leave(app, link, Method.PAGE).undo == ""
    assert status(app) is SubscriberStatus.UNSUBSCRIBED


def test_the_undo_of_one_leaving_does_not_undo_the_next(app: App, clock: Clock, link: str) -> None:
    first = leaving.leave(app, link, Method.PAGE)
    assert leaving.undo(app, first.undo)
    clock.turn(minutes=10)
    leaving.by_admin(app, EMAIL)
    assert not leaving.undo(app, first.undo)
    assert status(app) is SubscriberStatus.UNSUBSCRIBED
    kinds = [event.kind for event in admin.show(app, EMAIL)[1]]
    assert kinds == [EventKind.UNSUBSCRIBED, EventKind.RETURNED, EventKind.UNSUBSCRIBED]
