"""The edits of a draft: drop, move and retitle stories, write the subject and the opening words.

An edit names articles, not positions: the third story of this hour may be the fifth of the next. Whether an issue is
still good enough after an edit is decided elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from mailer.model import ChosenStory, Edits
from mailer.reasons import Reason, ReasonCode


@dataclass(frozen=True, slots=True)
class Drop:
    """Leave a story out, with all `articles` about its event, so that none of them takes its place."""

    articles: frozenset[int]


@dataclass(frozen=True, slots=True)
class Move:
    """Put a story at a position and keep it there."""

    article: int
    position: int


@dataclass(frozen=True, slots=True)
class Retitle:
    """Give a story another title; an empty one restores the newsroom's own."""

    article: int
    title: str


@dataclass(frozen=True, slots=True)
class Subject:
    """Write the subject; an empty one restores the first story's title."""

    text: str


@dataclass(frozen=True, slots=True)
class Intro:
    """Write the opening words."""

    text: str


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """Leave out articles whose pages are gone. Other articles about their events may take their places."""

    titles: tuple[tuple[int, str], ...]  # article id, title


Edit = Drop | Move | Retitle | Subject | Intro | LeaveOut


def add(edits: Edits, edit: Edit) -> Edits:
    """The edits of an issue with one more."""
    match edit:
        case Drop(articles):
            return replace(edits, dropped=edits.dropped | articles)
        case Move(article, position):
            earlier = {number: place for number, place in edits.places.items() if number != article}
            return replace(edits, places={**earlier, article: position})  # applied in order: the last move wins
        case Retitle(article, title):
            others = {number: text for number, text in edits.titles.items() if number != article}
            return replace(edits, titles={**others, article: title} if title else others)
        case Subject(text):
            return replace(edits, subject=text)
        case Intro(text):
            return replace(edits, intro=text)
        case LeaveOut(titles):
            return replace(edits, gone={**edits.gone, **dict(titles)})
        case _:
            assert_never(edit)


def apply(edits: Edits, stories: Sequence[ChosenStory]) -> tuple[ChosenStory, ...]:
    """The stories as the editor wants them, numbered from 1."""
    order = [story for story in stories if story.article_id not in {*edits.dropped, *edits.gone}]
    for number, place in edits.places.items():
        found = next((story for story in order if story.article_id == number), None)
        if found:
            order.remove(found)
            order.insert(place - 1, found)
    return tuple(
        replace(story, position=position, title=edits.titles.get(story.article_id, story.title))
        for position, story in enumerate(order, 1)
    )


def kept(edits: Edits) -> frozenset[int]:
    """Ids of the articles that an editor moved or retitled: they stay, whatever else is chosen."""
    return frozenset({*edits.titles, *edits.places} - {*edits.dropped, *edits.gone})


def notes(edits: Edits) -> list[Reason]:
    """Returns notes for the editors on stories that the program left out."""
    return [Reason(ReasonCode.STORY_LEFT_OUT, {"title": title}) for title in edits.gone.values()]
