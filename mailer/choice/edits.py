"""Defines and applies the edits of a draft: drop, move or retitle a story, set the subject or the opening words, or
add a block.

An edit names articles, not positions, because the stories are chosen again every hour, and their positions may change.
`issues.draft` decides whether an issue still has enough stories after an edit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from mailer.model import Block, ChosenStory, Edits
from mailer.reasons import Reason, ReasonCode
from mailer.text.headlines import SUBJECT_LENGTH


@dataclass(frozen=True, slots=True)
class Drop:
    """Leave out a story. `articles` has every article about the event, so that none of them is chosen instead."""

    articles: frozenset[int]


@dataclass(frozen=True, slots=True)
class Move:
    """Put a story at a position and keep it there."""

    article: int
    position: int


@dataclass(frozen=True, slots=True)
class Retitle:
    """Give a story another title. An empty title restores the newsroom's title."""

    article: int
    title: str


@dataclass(frozen=True, slots=True)
class Subject:
    """Set the subject of the mail. An empty text restores the subject made from the first story's title."""

    text: str


@dataclass(frozen=True, slots=True)
class Intro:
    """Set the opening words."""

    text: str


@dataclass(frozen=True, slots=True)
class AddBlock:
    """Put a block into this issue."""

    block: Block


@dataclass(frozen=True, slots=True)
class RemoveBlock:
    """Remove a block that an editor put into this issue."""

    block: Block


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """Leave out articles whose pages are gone. Other articles about their events may take their places."""

    titles: tuple[tuple[int, str], ...]  # article id, title


Edit = Drop | Move | Retitle | Subject | Intro | AddBlock | RemoveBlock | LeaveOut


def add(edits: Edits, edit: Edit) -> Edits:
    """Returns the edits of an issue with one more edit added."""
    match edit:
        case Drop(articles):
            return replace(edits, dropped=edits.dropped | articles)
        case Move(article, position):
            earlier = {number: place for number, place in edits.places.items() if number != article}
            # Moves are applied in the order of `places`, so the latest move must be last.
            return replace(edits, places={**earlier, article: position})
        case Retitle(article, title):
            others = {number: text for number, text in edits.titles.items() if number != article}
            return replace(edits, titles={**others, article: title} if title else others)
        case Subject(text):
            return replace(edits, subject=text)
        case Intro(text):
            return replace(edits, intro=text)
        case AddBlock(block):
            return replace(edits, blocks=(*edits.blocks, block))
        case RemoveBlock(block):
            at = edits.blocks.index(block) if block in edits.blocks else len(edits.blocks)
            return replace(edits, blocks=edits.blocks[:at] + edits.blocks[at + 1 :])
        case LeaveOut(titles):
            return replace(edits, gone={**edits.gone, **dict(titles)})
        case _:
            assert_never(edit)


def apply(edits: Edits, stories: Sequence[ChosenStory]) -> tuple[ChosenStory, ...]:
    """Applies the edits to the stories. Returns the resulting stories in order, with positions from 1."""
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
    """Returns the ids of the articles that an editor moved or retitled. Every later choice of stories keeps them."""
    return frozenset({*edits.titles, *edits.places} - {*edits.dropped, *edits.gone})


def notes(edits: Edits) -> list[Reason]:
    """Returns a note for the editors about each story that was left out because its page is gone, and about a
    subject that is too long."""
    left_out = [Reason(ReasonCode.STORY_LEFT_OUT, {"title": title}) for title in edits.gone.values()]
    long = len(edits.subject) > SUBJECT_LENGTH
    return [*left_out, *([Reason(ReasonCode.LONG_SUBJECT, {"length": len(edits.subject)})] if long else [])]
