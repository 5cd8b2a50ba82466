"""What an editor changed in a draft, as a value that survives every new choice.

It names articles, not positions: the third story of this hour may be the fifth of the next. It applies what is asked;
it does not judge whether the issue is still good enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mailer.model import ChosenStory


@dataclass(frozen=True, slots=True)
class Edits:
    """`dropped`: article id → why. `places`: (article id, position), in the order in which they were asked for."""

    dropped: Mapping[int, str] = field(default_factory=dict)
    places: tuple[tuple[int, int], ...] = ()
    titles: Mapping[int, str] = field(default_factory=dict)
    subject: str = ""
    intro: str = ""
    gone: Mapping[int, str] = field(default_factory=dict)  # id → title of articles whose pages are gone
    checked: bool = False  # whether the stories' pages were looked at for the last time

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "Edits":
        """From the JSON of the store, whose keys are texts."""
        return cls(
            dropped={int(number): str(why) for number, why in stored.get("dropped", {}).items()},
            places=tuple((int(number), int(place)) for number, place in stored.get("places", ())),
            titles={int(number): str(title) for number, title in stored.get("titles", {}).items()},
            subject=str(stored.get("subject", "")),
            intro=str(stored.get("intro", "")),
            gone={int(number): str(title) for number, title in stored.get("dead", {}).items()},
            checked=bool(stored.get("checked", False)),
        )

    def written(self) -> dict[str, Any]:
        """As JSON for the store."""
        return {
            "dropped": {str(number): why for number, why in self.dropped.items()},
            "places": [list(each) for each in self.places],
            "titles": {str(number): title for number, title in self.titles.items()},
            "subject": self.subject,
            "intro": self.intro,
            "dead": {str(number): title for number, title in self.gone.items()},
            "checked": self.checked,
        }

    @property
    def kept(self) -> frozenset[int]:
        """Articles that an editor has worked on: they stay, whatever is chosen beside them."""
        return frozenset((*self.titles, *(number for number, _ in self.places))) - frozenset(
            (*self.dropped, *self.gone)
        )

    @property
    def notes(self) -> list[str]:
        """What an editor must know of what was not an editor's doing."""
        return [f"left out, for its page is gone: «{title}»" for title in self.gone.values()]

    def without(self, story: ChosenStory, why: str) -> "Edits":
        """The whole event goes: its other articles must not take the place of the one that was dropped."""
        gone = {story.article_id: why, **{number: why for number, _, _ in story.also}}
        return replace(self, dropped={**self.dropped, **gone})

    def unreachable(self, stories: Sequence[ChosenStory]) -> "Edits":
        """Only the article goes, not its event: a living page may tell it."""
        return replace(self, gone={**self.gone, **{story.article_id: story.title for story in stories}})

    def moved(self, story: ChosenStory, place: int) -> "Edits":
        others = tuple(each for each in self.places if each[0] != story.article_id)
        return replace(self, places=(*others, (story.article_id, place)))

    def retitled(self, story: ChosenStory, title: str) -> "Edits":
        """An empty title gives back the newsroom's own."""
        titles = {number: text for number, text in self.titles.items() if number != story.article_id}
        return replace(self, titles={**titles, story.article_id: title} if title else titles)

    def applied(self, stories: Sequence[ChosenStory]) -> tuple[ChosenStory, ...]:
        """The stories as the editor wants them, numbered from 1."""
        order = [story for story in stories if story.article_id not in {*self.dropped, *self.gone}]
        for number, place in self.places:
            found = next((story for story in order if story.article_id == number), None)
            if found:
                order.remove(found)
                order.insert(place - 1, found)
        return tuple(
            replace(story, position=position, title=self.titles.get(story.article_id, story.title))
            for position, story in enumerate(order, 1)
        )
