"""Edits of a draft: they show at once, survive every new choice, and end with the draft."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import make
import pytest
from make import Clock, only_sqlite

from mailer.articles import collect
from mailer.context import App, get_issue, newest_issue
from mailer.errors import NoSuchArticle, UsageError, WrongState
from mailer.issues import control, draft, editing
from mailer.model import Issue, IssueState
from mailer.reasons import Reason, ReasonCode, english
from mailer.store.database import Store, Work

T = TypeVar("T")


def drafted(app: App, count: int = 14) -> Issue:
    make.week_of_articles(app.store, count=count)
    return draft.draft(app)


def titles(issue: Issue) -> list[str]:
    return [story.title for story in issue.stories]


def test_edits_survive_the_hourly_choice(app: App) -> None:
    issue = drafted(app)
    dropped, moved, renamed = issue.stories[1], issue.stories[6], issue.stories[3]
    editing.move(app, None, 7, 1)
    place = next(story.position for story in get_issue(app, issue.id).stories if story.article_id == renamed.article_id)
    editing.title(app, None, place, "تیتر  دیگر\nسردبیر")
    place = next(story.position for story in get_issue(app, issue.id).stories if story.article_id == dropped.article_id)
    editing.drop(app, None, place)
    editing.subject(app, None, "آنچه این هفته گذشت")
    editing.intro(app, None, "سلام به همه")
    again = draft.choose(app, get_issue(app, issue.id))
    assert again.stories[0].article_id == moved.article_id
    assert dropped.article_id not in {story.article_id for story in again.stories}
    assert next(it.title for it in again.stories if it.article_id == renamed.article_id) == "تیتر دیگر سردبیر"
    assert (again.subject, again.intro) == ("آنچه این هفته گذشت", "سلام به همه")
    assert [story.position for story in again.stories] == list(range(1, len(again.stories) + 1))
    assert ReasonCode.DROPPED_BY_EDITOR in {each.reason.code for each in again.rejected}
    assert len(again.stories) == len(issue.stories), "the next best came in"


@only_sqlite
def test_words_are_given_back_when_they_are_emptied(app: App) -> None:
    issue = drafted(app)
    editing.title(app, None, 1, "تیتر دیگر")
    editing.subject(app, None, "آنچه گذشت")
    back = editing.subject(app, None, "")
    assert back.subject.startswith("تیتر دیگر")
    assert titles(editing.title(app, None, 1, "")) == titles(issue)


def test_an_edit_of_an_approved_issue_chooses_no_other_stories(app: App) -> None:
    """Edits made before the approval are in its stories already and are not applied again."""
    issue = drafted(app)
    editing.move(app, None, 12, 1)
    editing.move(app, None, 5, 3)
    named = editing.title(app, None, 4, "تیتر سردبیر")
    approved = titles(control.approve(app, None))
    assert titles(editing.subject(app, None, "آنچه گذشت")) == approved
    assert titles(editing.intro(app, None, "سلام")) == approved
    own = next(story.title for story in issue.stories if story.article_id == named.stories[3].article_id)
    back = editing.title(app, None, 4, "")
    assert titles(back) == [*approved[:3], own, *approved[4:]]
    assert back.approved
    assert back.subject == "آنچه گذشت"


class Between(Store):
    """A database in which something else happens right after each of the next works."""

    then: Sequence[Callable[[], object]] = ()

    def write(self, work: Work[T], **how: Any) -> T:
        done = super().write(work, **how)
        first, self.then = self.then[:1], self.then[1:]
        for each in first:
            each()
        return done


@pytest.mark.parametrize("frozen", [False, True])
def test_a_yes_that_comes_between_is_not_to_what_was_edited(
    app: App, store_url: str, tmp_path: Path, clock: Clock, frozen: bool
) -> None:
    issue = drafted(app)
    other = Between(store_url)

    freeze = [lambda: draft.freeze(app, get_issue(app, issue.id))] if frozen else []
    other.then = [lambda: control.approve(app, None), *freeze]
    try:
        beside = make.app(other, tmp_path, clock)
        if frozen:
            with pytest.raises(WrongState, match="too late"):
                editing.drop(beside, None, 1)
            assert titles(get_issue(app, issue.id)) == titles(issue), "the mail that goes out and its record agree"
        else:
            edited = editing.drop(beside, None, 1)
            assert titles(edited) == titles(issue)[1:]
            assert edited.approved
    finally:
        other.close()


def test_edits_of_two_editors_both_count(app: App) -> None:
    drafted(app)
    control.approve(app, None)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda number: editing.title(app, None, number, f"تیتر {number}"), range(1, 9)))
    assert titles(newest_issue(app))[:8] == [f"تیتر {number}" for number in range(1, 9)]


@only_sqlite
def test_stories_of_an_approved_issue_change_only_by_hand(app: App) -> None:
    issue = drafted(app)
    control.approve(app, None)
    make.week_of_articles(app.store, count=14, first=30)
    edited = editing.drop(app, None, 1)
    assert titles(edited) == titles(issue)[1:]
    assert edited.approved


@only_sqlite
def test_a_dropped_story_may_leave_too_few_and_then_the_issue_is_held(app: App) -> None:
    make.week_of_articles(app.store, count=5)
    issue = draft.draft(app)
    assert issue.state is IssueState.DRAFT
    held = editing.drop(app, None, 2)
    assert (held.state, english(held.reason)) == (IssueState.HELD, "too few stories: 4 of at least 5")


@only_sqlite
def test_an_approved_issue_that_is_left_with_too_few_is_held_and_its_yes_is_void(app: App) -> None:
    make.week_of_articles(app.store, count=6)
    draft.draft(app)
    control.approve(app, None)
    assert editing.drop(app, None, 1).approved, "five are enough"
    held = editing.drop(app, None, 1)
    assert (held.state, english(held.reason)) == (IssueState.HELD, "too few stories: 4 of at least 5")
    assert not held.approved


@only_sqlite
def test_dead_pages_never_send_an_approved_issue_below_the_least(app: App) -> None:
    make.week_of_articles(app.store, count=6)
    issue = draft.draft(app)
    control.approve(app, None)
    dead = {story.url for story in issue.stories[:4]}
    after = editing.check_links(replace(app, gone=dead.__contains__), issue, last=True)
    assert (after.state, english(after.reason)) == (IssueState.HELD, "too few stories: 2 of at least 5")


@only_sqlite
def test_another_page_about_the_event_replaces_a_dead_one(app: App) -> None:
    make.week_of_articles(app.store)
    dead = make.article(50, title="سیل در خوزستان پنج روستا را زیر آب برد", views=10**6)
    living = replace(dead, guid="other", url="https://tabesh.example/other", views=900_000)
    make.keep(app.store, dead, living)
    issue = draft.draft(app)
    told = next(story for story in issue.stories if story.url == dead.url)
    assert [url for _, url, _ in told.also] == [living.url], "both are one event"
    after = editing.check_links(replace(app, gone=lambda url: url == dead.url), issue, last=True)
    assert [story.url for story in after.stories if story.title == dead.title] == [living.url]
    assert Reason(ReasonCode.STORY_LEFT_OUT, {"title": dead.title}) in after.notes


@only_sqlite
def test_what_goes_out_at_once_has_no_dead_pages_either(app: App) -> None:
    issue = drafted(app)
    dead = issue.stories[0]
    sent = editing.close(replace(app, gone=lambda url: url == dead.url), issue)
    assert sent.state is IssueState.FROZEN
    assert dead.article_id not in {story.article_id for story in sent.stories}


@only_sqlite
def test_an_issue_whose_pages_are_all_gone_is_not_sent_at_once(app: App) -> None:
    issue = drafted(app)
    with pytest.raises(WrongState, match="is held: too few stories: 0 of at least 5"):
        editing.close(replace(app, gone=lambda url: True), issue)


@only_sqlite
def test_an_issue_that_is_opened_again_is_looked_at_again(app: App) -> None:
    issue = editing.check_links(app, drafted(app), last=True)
    control.cancel(app, None)
    again = draft.draft(app, issue.slot)
    dead = again.stories[0]
    after = editing.check_links(replace(app, gone=lambda url: url == dead.url), again, last=True)
    assert dead.article_id not in {story.article_id for story in after.stories}


@only_sqlite
def test_a_long_subject_is_kept_with_a_note(app: App) -> None:
    drafted(app)
    short, long = editing.subject(app, None, "خ" * 80), editing.subject(app, None, "خ" * 300)
    assert (short.subject, long.subject) == ("خ" * 80, "خ" * 300)
    codes = [[note.code for note in each.notes] for each in (short, long)]
    assert ReasonCode.LONG_SUBJECT not in codes[0]
    assert ReasonCode.LONG_SUBJECT in codes[1]
    assert "300 characters" in " ".join(map(english, long.notes))


@only_sqlite
def test_the_note_about_a_long_subject_follows_the_subject_of_an_approved_issue(app: App) -> None:
    drafted(app)
    control.approve(app, None)
    for length, said in ((90, ["90"]), (100, ["100"]), (40, [])):
        notes = editing.subject(app, None, "خ" * length).notes
        assert [str(each.args["length"]) for each in notes if each.code is ReasonCode.LONG_SUBJECT] == said


@only_sqlite
def test_what_cannot_be_edited_is_said(app: App) -> None:
    issue = drafted(app)
    with pytest.raises(NoSuchArticle, match="has no story 99: it has 12"):
        editing.drop(app, None, 99)
    with pytest.raises(NoSuchArticle):
        editing.move(app, None, 1, 99)
    with pytest.raises(UsageError, match="at most 300"):
        editing.subject(app, None, "خ" * 301)
    draft.freeze(app, issue)
    with pytest.raises(WrongState, match="is frozen: it can be edited only while it is draft or held"):
        editing.drop(app, None, 1)


@only_sqlite
def test_a_pin_leads_and_a_ban_never_comes(app: App) -> None:
    issue = drafted(app)
    last, first = issue.stories[-1].article_id, issue.stories[0].article_id
    collect.pin(app, [last])
    collect.ban(app, [first])
    again = draft.choose(app, get_issue(app, issue.id))
    assert again.stories[0].article_id == last
    assert again.stories[0].pinned
    assert first not in {story.article_id for story in again.stories}
    collect.pin(app, [first])
    assert not collect.show(app, first).banned
    with pytest.raises(NoSuchArticle, match="no article 4711"):
        collect.ban(app, [first, 4711])
    assert not collect.show(app, first).banned
