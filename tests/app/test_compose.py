"""From the store to a draft, and from a draft to bytes that never change any more."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import ledger
import make
import pytest
from make import Clock
from relays import Fake

from mailer.app import compose, deliver, edit
from mailer.app.circuit import Circuits
from mailer.app.context import App, find, get
from mailer.app.send import Sender
from mailer.errors import NoSuchIssue, NotEnoughStories, UsageError, WrongState
from mailer.model import DeliveryState, IssueState
from mailer.settings import Digest
from mailer.store import issues
from mailer.store.database import Store


def test_a_draft_says_what_it_is_made_of(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock())
    issue = compose.draft(app)
    assert (issue.slot, issue.state, issue.drafted_at) == (make.SLOT, IssueState.DRAFT, clock())
    assert issue.send_at == make.slot().at
    assert [story.position for story in issue.stories] == list(range(1, len(issue.stories) + 1))
    assert issue.window is not None
    assert all(issue.window.start <= story.dated < issue.window.end for story in issue.stories)
    assert all(abs(sum(story.parts.values()) - story.score) < 1e-6 for story in issue.stories)
    assert (issue.number, issue.recipients, ledger.rows(app.store)) == (None, 0, [])


def test_drafting_again_makes_no_second_issue(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock())
    first = compose.draft(app)
    assert compose.draft(app).id == compose.draft(app, make.SLOT).id == first.id
    assert len(edit.listing(app)) == 1


@make.only_sqlite
def test_freezing_makes_it_final(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock())
    draft = compose.draft(app)
    shown = compose.content(app, draft)
    frozen = compose.freeze(app, draft)
    assert (frozen.state, frozen.number, frozen.frozen_at) == (IssueState.FROZEN, 1, clock())
    variant = app.store.read(lambda tx: issues.full_variant(tx, frozen.id))
    assert variant is not None
    assert (variant.subject, variant.html, variant.text) == (shown.subject, shown.html, shown.text)
    whole = "\0".join((variant.subject, variant.html, variant.text))
    assert variant.sha256 == hashlib.sha256(whole.encode()).hexdigest()
    # Neither another choice, nor an editor, nor a later article changes it.
    make.week_of_articles(app.store, clock(), first=30)
    refused: list[Callable[[], object]] = [
        lambda: compose.choose(app, get(app, frozen.id)),
        lambda: compose.draft(app),
        lambda: edit.hold(app, None),
        lambda: edit.release(app, None),
        lambda: edit.approve(app, None),
    ]
    for verb in refused:
        with pytest.raises(WrongState):
            verb()
    assert compose.content(app, get(app, frozen.id)) == shown
    assert compose.freeze(app, draft) == frozen, "a second process changes nothing"


@make.only_sqlite
def test_a_choice_from_before_a_persons_hold_changes_nothing(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock())
    before = compose.draft(app)
    edit.hold(app, None, "wait for the court's ruling")
    assert compose.choose(app, before).reason == "wait for the court's ruling"
    with pytest.raises(WrongState, match="court"):
        compose.freeze(app, before)


@make.only_sqlite
def test_what_cannot_be_drafted_or_frozen_says_why(app: App, clock: Clock) -> None:
    with pytest.raises(NoSuchIssue):
        find(app, None)
    with pytest.raises(UsageError):
        compose.draft(app, "1405-W99")
    empty = compose.draft(app)
    assert empty.state is IssueState.HELD
    for verb in (compose.freeze, compose.content):
        with pytest.raises(NotEnoughStories):
            verb(app, empty)
    with pytest.raises(NotEnoughStories):
        edit.release(app, None)


@make.only_sqlite
def test_release_overrides_too_few(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock(), count=2)
    assert compose.draft(app).reason.startswith("too few stories: 2 of")
    assert edit.release(app, None).released
    clock.turn(hours=2)
    assert compose.draft(app).state is IssueState.DRAFT, "the next choice keeps to it"


@make.only_sqlite
async def test_a_cancelled_issue_is_opened_again_only_if_nobody_got_it(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay], digest=Digest(stories=5, min_stories=1))
    make.readers(store, 3)
    make.week_of_articles(store, clock())
    issue = deliver.start(app, compose.freeze(app, compose.draft(app)))
    edit.cancel(app, None)
    again = compose.draft(app, issue.slot)
    assert (again.id, again.state, again.number, ledger.rows(store)) == (issue.id, IssueState.DRAFT, None, [])
    deliver.start(app, compose.freeze(app, again))
    await Sender(app, Circuits()).run()
    assert len(relay.taken) == 3
    assert [done.state for done in deliver.finish(app)] == [IssueState.SENT]
    with pytest.raises(WrongState):
        edit.cancel(app, None)


@make.only_sqlite
async def test_an_issue_that_somebody_got_stays_cancelled(store: Store, tmp_path: Path, clock: Clock) -> None:
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay])
    make.readers(store, 2)
    make.week_of_articles(store, clock())
    issue = deliver.start(app, compose.freeze(app, compose.draft(app)))
    await Sender(app, Circuits()).run()
    edit.cancel(app, None)  # before anybody looked whether it is finished
    with pytest.raises(WrongState, match="stays cancelled"):
        compose.draft(app, issue.slot)
    assert deliver.status(app, issue).counts[DeliveryState.ACCEPTED] == 2


@make.only_sqlite
def test_stories_are_reserved_and_given_back(store: Store, tmp_path: Path, clock: Clock) -> None:
    app = make.app(store, tmp_path, clock, digest=Digest(stories=12, min_stories=1))
    make.week_of_articles(store, clock(), count=8)
    first = compose.draft(app)
    second = compose.draft(app, "1405-W37", clock() + timedelta(minutes=1))
    taken = {story.article_id for story in first.stories}
    assert not taken & {story.article_id for story in second.stories}
    edit.cancel(app, first.slot)
    third = compose.draft(app, "1405-W37", clock() + timedelta(minutes=1))
    assert taken & {story.article_id for story in third.stories}
