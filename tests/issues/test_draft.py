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

from mailer.context import App, get_issue, list_issues, newest_issue
from mailer.errors import NoSuchIssue, NotEnoughStories, RelayDown, UsageError, WrongState
from mailer.issues import control, delivery, preview
from mailer.issues import draft as drafting
from mailer.model import DeliveryState, IssueState
from mailer.reasons import english
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Digest, Schedule
from mailer.store import articles, issues
from mailer.store.database import Store


def test_a_draft_says_what_it_is_made_of(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock())
    issue = drafting.draft(app)
    assert (issue.slot, issue.state, issue.drafted_at) == (make.SLOT, IssueState.DRAFT, clock())
    assert issue.send_at == make.slot().at
    assert [story.position for story in issue.stories] == list(range(1, len(issue.stories) + 1))
    assert issue.span is not None
    assert all(issue.span.start <= story.dated < issue.span.end for story in issue.stories)
    assert all(abs(sum(story.parts.values()) - story.score) < 1e-6 for story in issue.stories)
    assert (issue.number, issue.recipients, ledger.rows(app.store)) == (None, 0, [])


def test_drafting_again_makes_no_second_issue(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock())
    first = drafting.draft(app)
    assert drafting.draft(app).id == drafting.draft(app, make.SLOT).id == first.id
    assert len(list_issues(app)) == 1


@make.only_sqlite
def test_freezing_makes_it_final(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock())
    draft = drafting.draft(app)
    shown = drafting.content(app, draft)
    frozen = drafting.freeze(app, draft)
    assert (frozen.state, frozen.number, frozen.frozen_at) == (IssueState.FROZEN, 1, clock())
    variant = app.store.read(lambda tx: issues.full_variant(tx, frozen.id))
    assert variant is not None
    assert (variant.subject, variant.html, variant.text) == (shown.subject, shown.html, shown.text)
    whole = "\0".join((variant.subject, variant.html, variant.text))
    assert variant.sha256 == hashlib.sha256(whole.encode()).hexdigest()
    # Neither another choice, nor an editor, nor a later article changes it.
    make.week_of_articles(app.store, clock(), first=30)
    refused: list[Callable[[], object]] = [
        lambda: drafting.choose(app, get_issue(app, frozen.id)),
        lambda: drafting.draft(app),
        lambda: control.hold(app, None),
        lambda: control.release(app, None),
        lambda: control.approve(app, None),
    ]
    for verb in refused:
        with pytest.raises(WrongState):
            verb()
    assert drafting.content(app, get_issue(app, frozen.id)) == shown
    assert drafting.freeze(app, draft) == frozen, "a second process changes nothing"


@make.only_sqlite
def test_a_choice_from_before_a_persons_hold_changes_nothing(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock())
    before = drafting.draft(app)
    control.hold(app, None, "wait for the court's ruling")
    assert english(drafting.choose(app, before).reason) == "wait for the court's ruling"
    with pytest.raises(WrongState, match="court"):
        drafting.freeze(app, before)


@make.only_sqlite
def test_what_cannot_be_drafted_or_frozen_says_why(app: App, clock: Clock) -> None:
    with pytest.raises(NoSuchIssue):
        newest_issue(app)
    with pytest.raises(UsageError):
        drafting.draft(app, "1405-W99")
    empty = drafting.draft(app)
    assert empty.state is IssueState.HELD
    for verb in (drafting.freeze, drafting.content):
        with pytest.raises(NotEnoughStories):
            verb(app, empty)
    with pytest.raises(NotEnoughStories):
        control.release(app, None)


@make.only_sqlite
def test_release_overrides_too_few(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock(), count=2)
    assert english(drafting.draft(app).reason).startswith("too few stories: 2 of")
    assert control.release(app, None).released
    clock.turn(hours=2)
    assert drafting.draft(app).state is IssueState.DRAFT, "the next choice keeps to it"


@make.only_sqlite
async def test_a_cancelled_issue_is_planned_again_only_if_no_reader_got_it(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay], digest=Digest(stories=5, min_stories=1))
    make.readers(store, 3)
    make.week_of_articles(store, clock())
    issue = delivery.start(app, drafting.freeze(app, drafting.draft(app)))
    control.cancel(app, None)
    again = drafting.draft(app, issue.slot)
    assert (again.id, again.state, again.number, ledger.rows(store)) == (issue.id, IssueState.DRAFT, None, [])
    delivery.start(app, drafting.freeze(app, again))
    await Sender(app, Circuits()).run()
    assert len(relay.taken) == 3
    assert [done.state for done in delivery.finish(app)] == [IssueState.SENT]
    with pytest.raises(WrongState):
        control.cancel(app, None)


@make.only_sqlite
async def test_an_issue_that_reached_a_reader_stays_cancelled(store: Store, tmp_path: Path, clock: Clock) -> None:
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay])
    make.readers(store, 2)
    make.week_of_articles(store, clock())
    issue = delivery.start(app, drafting.freeze(app, drafting.draft(app)))
    await Sender(app, Circuits()).run()
    control.cancel(app, None)  # before anybody looked whether it is finished
    with pytest.raises(WrongState, match="stays cancelled"):
        drafting.draft(app, issue.slot)
    assert delivery.status(app, issue).counts[DeliveryState.ACCEPTED] == 2


@make.only_sqlite
def test_stories_are_reserved_and_given_back(store: Store, tmp_path: Path, clock: Clock) -> None:
    app = make.app(store, tmp_path, clock, digest=Digest(stories=12, min_stories=1))
    make.week_of_articles(store, clock(), count=8)
    first = drafting.draft(app)
    second = drafting.draft(app, "1405-W37", clock() + timedelta(minutes=1), ahead=True)
    taken = {story.article_id for story in first.stories}
    assert not taken & {story.article_id for story in second.stories}
    control.cancel(app, first.slot)
    third = drafting.draft(app, "1405-W37", clock() + timedelta(minutes=1))
    assert taken & {story.article_id for story in third.stories}


# --- approval --------------------------------------------------------------------------------------------------------
@make.only_sqlite
@pytest.mark.parametrize(("count", "hold"), [(14, True), (2, False)], ids=["held by a person", "too few"])
def test_release_is_no_approval(store: Store, tmp_path: Path, clock: Clock, count: int, hold: bool) -> None:
    app = make.app(store, tmp_path, clock, schedule=Schedule(approval="required"))
    make.week_of_articles(store, clock(), count=count)
    drafting.draft(app)
    if hold:
        control.hold(app, None)
    released = control.release(app, None)
    assert (released.state, english(released.reason)) == (IssueState.HELD, "approval is required")
    with pytest.raises(WrongState, match="approval"):
        drafting.freeze(app, released)
    assert control.approve(app, None).state is IssueState.DRAFT
    assert drafting.freeze(app, newest_issue(app)).state is IssueState.FROZEN


@make.only_sqlite
def test_stories_that_are_chosen_again_must_be_approved_again(store: Store, tmp_path: Path, clock: Clock) -> None:
    app = make.app(store, tmp_path, clock, schedule=Schedule(approval="required"))
    make.week_of_articles(store, clock())
    drafting.draft(app)
    control.approve(app, None)
    again = drafting.draft(app)
    assert (again.state, english(again.reason), again.approved) == (IssueState.HELD, "approval is required", False)


@make.only_sqlite
def test_a_choice_from_before_the_approval_changes_nothing(store: Store, tmp_path: Path, clock: Clock) -> None:
    app = make.app(store, tmp_path, clock, schedule=Schedule(approval="required"))
    make.week_of_articles(store, clock())
    before = drafting.draft(app)
    approved = control.approve(app, None)
    make.week_of_articles(store, clock.turn(hours=1), first=30)
    assert drafting.choose(app, before) == approved


@make.only_sqlite
def test_a_choice_from_before_a_release_keeps_to_it(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock(), count=2)
    before = drafting.draft(app)
    control.release(app, None)
    held = {"reason_code": before.reason.code, "reason_args": before.reason.args} if before.reason else {}
    app.store.write(lambda tx: make.put(tx, before.id, IssueState.HELD, **held))  # the state it had, but it is released
    assert drafting.choose(app, before).state is IssueState.DRAFT


@make.only_sqlite
def test_an_editors_own_words_are_never_taken_for_the_programs(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock())
    before = drafting.draft(app)
    for words in ("too few stories, says the editor", "approval is required", "too few stories: 2 of at least 5"):
        control.hold(app, None, words)
        assert drafting.choose(app, before).state is IssueState.HELD, "only a person releases it"
        with pytest.raises(WrongState, match=f"is held: {words}"):
            control.approve(app, None)
        released = control.release(app, None)
        assert (released.state, released.released) == (IssueState.DRAFT, False)


# --- numbers and time spans ------------------------------------------------------------------------------------------
@make.only_sqlite
async def test_a_test_mail_is_no_reader(store: Store, tmp_path: Path, clock: Clock) -> None:
    """A test mail, a cancelled issue, the next time span: no reader has seen that issue."""
    app = make.app(store, tmp_path, clock, relays=[Fake()])
    make.week_of_articles(store, clock())
    first = drafting.draft(app)
    sent = await preview.send_test(app, first, ["editor@example.org"])
    assert [state for _, state, _ in sent] == [DeliveryState.ACCEPTED]
    control.cancel(app, None)
    assert store.read(lambda tx: issues.previous_end(tx, make.slot("1405-W37").day)) is None
    assert store.read(lambda tx: articles.used(tx, besides=0)) == frozenset()


@make.only_sqlite
def test_a_number_is_given_back_if_no_reader_got_it(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock())
    assert drafting.freeze(app, drafting.draft(app)).number == 1
    clock.turn(days=1)
    control.cancel(app, None)
    assert newest_issue(app).number is None
    make.week_of_articles(app.store, clock.turn(days=6), first=20)
    assert drafting.freeze(app, drafting.draft(app, "1405-W37")).number == 1


@make.only_sqlite
async def test_a_number_that_a_reader_saw_is_kept(store: Store, tmp_path: Path, clock: Clock) -> None:
    app = make.app(store, tmp_path, clock, relays=[Fake()])
    make.readers(store, 1)
    make.week_of_articles(store, clock())
    delivery.start(app, drafting.freeze(app, drafting.draft(app)))
    await Sender(app, Circuits()).run()
    control.cancel(app, None)
    assert newest_issue(app).number == 1
    assert store.read(issues.next_number) == 2


@make.only_sqlite
def test_an_issue_that_is_opened_again_is_as_new(app: App, clock: Clock) -> None:
    make.readers(app.store, 3)
    make.week_of_articles(app.store, clock())
    issue = delivery.start(app, drafting.freeze(app, drafting.draft(app)))
    control.cancel(app, None)
    again = drafting.draft(app, issue.slot)
    assert (again.recipients, again.started_at, again.finished_at) == (0, None, None)


# --- the test mail ---------------------------------------------------------------------------------------------------
@make.only_sqlite
async def test_a_test_mail_that_fails_does_not_go_out_later(store: Store, tmp_path: Path, clock: Clock) -> None:
    relay = Fake(down=True)
    app = make.app(store, tmp_path, clock, relays=[relay])
    make.week_of_articles(store, clock())
    issue = drafting.draft(app)
    with pytest.raises(RelayDown, match="accepts no more connections"):
        await preview.send_test(app, issue, ["editor@example.org"])
    assert [(row["state"], row["reason"]) for row in ledger.rows(store)] == [(DeliveryState.SKIPPED, "cancelled")]
    assert ledger.open_batches(store) == 0
    relay.down = False
    await Sender(app, Circuits()).run()
    assert relay.tried == []
