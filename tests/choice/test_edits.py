"""An editor's changes: values that name articles, and one function that applies them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_samples import issue

from mailer.choice.edits import Drop, Edit, Intro, LeaveOut, Move, Retitle, Subject, add, apply, kept, notes
from mailer.model import Edits
from mailer.reasons import Reason, ReasonCode

STORIES = issue().stories[:6]
IDS = [story.article_id for story in STORIES]


def after(*made: Edit) -> Edits:
    edits = Edits()
    for each in made:
        edits = add(edits, each)
    return edits


def order(edits: Edits) -> list[int]:
    return [story.article_id for story in apply(edits, STORIES)]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ([], [0, 1, 2, 3, 4, 5]),
        ([Drop(frozenset({IDS[1], 777}))], [0, 2, 3, 4, 5]),
        ([Move(IDS[4], 1)], [4, 0, 1, 2, 3, 5]),
        ([Move(IDS[4], 1), Move(IDS[5], 1)], [5, 4, 0, 1, 2, 3]),
        ([Move(IDS[5], 1), Move(IDS[4], 1), Move(IDS[5], 1)], [5, 4, 0, 1, 2, 3]),
        ([Move(IDS[0], 99)], [1, 2, 3, 4, 5, 0]),
        ([LeaveOut(((IDS[0], "رفت"),)), Move(IDS[3], 2)], [1, 3, 2, 4, 5]),
        ([Move(IDS[2], 1), Drop(frozenset({IDS[2]}))], [0, 1, 3, 4, 5]),
    ],
)
def test_stories_are_dropped_and_moved(made: list[Edit], expected: list[int]) -> None:
    assert order(after(*made)) == [IDS[place] for place in expected]
    assert [story.position for story in apply(after(*made), STORIES)] == list(range(1, len(expected) + 1))


def test_an_edit_names_an_article_wherever_it_stands() -> None:
    edits = after(Move(IDS[4], 2), Retitle(IDS[3], "تیتر"))
    turned_round = apply(edits, STORIES[::-1])
    assert turned_round[1].article_id == IDS[4]
    assert {story.title for story in turned_round if story.article_id == IDS[3]} == {"تیتر"}
    assert order(after(Move(12345, 1), Retitle(12345, "نیست"))) == IDS


def test_an_empty_title_and_subject_restore_the_usual_ones() -> None:
    edits = after(Retitle(IDS[0], "تیتر"), Subject("موضوع"), Intro("درآمد"))
    assert (edits.titles, edits.subject, edits.intro) == ({IDS[0]: "تیتر"}, "موضوع", "درآمد")
    assert add(add(add(edits, Retitle(IDS[0], "")), Subject("")), Intro("")) == Edits()


def test_articles_that_an_editor_worked_on_are_kept_unless_they_are_out() -> None:
    edits = after(Retitle(1, "یک"), Move(2, 1), Retitle(3, "سه"), Move(4, 1), Drop(frozenset({3})))
    assert kept(add(edits, LeaveOut(((4, "چهار"),)))) == {1, 2}


def test_pages_that_are_gone_are_noted_for_the_editors() -> None:
    edits = after(LeaveOut(((1, "یک"),)), LeaveOut(((2, "دو"), (1, "یک"))))
    assert notes(edits) == [Reason(ReasonCode.STORY_LEFT_OUT, {"title": title}) for title in ("یک", "دو")]


@given(
    st.lists(
        st.one_of(
            st.builds(Move, st.sampled_from(IDS), st.integers(1, 8)),
            st.builds(lambda it: Drop(frozenset({it})), st.sampled_from(IDS)),
        )
    )
)
def test_no_story_is_lost_or_doubled_by_moving(made: list[Edit]) -> None:
    edits = after(*made)
    assert sorted(order(edits)) == sorted(set(IDS) - edits.dropped)
