"""Says in words why a story has its score, how large its topic is, and why a large topic is not in the issue."""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from mailer.choice.coverage import NEAR
from mailer.choice.events import Events
from mailer.choice.interest import Interest
from mailer.choice.rank import TEXT_ENOUGH, TITLE_ENOUGH
from mailer.model import Article, NotChosen, Story
from mailer.reasons import Reason, ReasonCode

_LARGE = 5  # a topic with fewer articles is not worth a note
# For each of this many largest topics that is not in the issue, the editors see its best story and the reason.
_LARGEST = 5


@dataclass(frozen=True, slots=True)
class Topic:
    """The stories about one topic. `stories` and `chosen` have the best story first."""

    stories: Sequence[Story]
    chosen: Sequence[Story]

    @property
    def articles(self) -> list[Article]:
        return [article for story in self.stories for article in (story.lead, *story.also)]

    def args(self) -> dict[str, str | int | Reason]:
        """Returns the arguments of a reason that names the topic. The title is that of the largest story."""
        main = max(self.stories, key=lambda story: (len(story.also), -story.lead.id))
        return {"title": main.lead.title, **_extent(self.articles), "stories": len(self.chosen)}


class Explanations:
    """Explains stories. `chosen` and `not_chosen` are all stories of the week. Both have the best story first.

    titles  article id → search key of its title
    """

    def __init__(
        self,
        chosen: Sequence[Story],
        not_chosen: Sequence[NotChosen],
        events: Events,
        interest: Interest,
        titles: Mapping[int, str],
    ) -> None:
        self._events, self._interest, self._titles = events, interest, titles
        self._by_id = {member.id: member for event in events.events for member in event.members}
        leads = {story.lead.id for story in (*chosen, *(each.story for each in not_chosen))}
        self._linked: defaultdict[int, list[int]] = defaultdict(list)  # id of a lead → ids of similar articles
        for pair in events.alike:
            for lead, other in (pair, reversed(pair)):
                if lead in leads:
                    self._linked[lead].append(other)
        self._in_order = sorted([*interest.popularity.values(), *[0.0] * len(interest.read_less)])
        self._reasons = {each.story.lead.id: each for each in not_chosen}
        found: defaultdict[int, tuple[list[Story], list[Story]]] = defaultdict(lambda: ([], []))
        for story in chosen:
            for stories in found[self._topic_id(story)]:
                stories.append(story)
        for each in not_chosen:
            found[self._topic_id(each.story)][0].append(each.story)
        self._topics = {number: Topic(*stories) for number, stories in found.items()}

    def _topic_id(self, story: Story) -> int:
        return self._events.topics.get(story.lead.id, story.lead.id)

    def _large(self) -> list[Topic]:
        """Returns the topics that are worth a note, the largest first."""
        large = [topic for topic in self._topics.values() if len(topic.articles) >= _LARGE]
        return sorted(large, key=lambda topic: (-len(topic.articles), topic.stories[0].lead.id))

    def notes(self) -> list[Reason]:
        """Returns a note about the topic with the most articles: whether it is in the issue and, if not, why.

        There is no note if it is known how much articles are read: readers may then want another topic more.
        """
        if self._interest.readers:
            return []
        for topic in self._large()[:1]:
            if topic.chosen:
                return [Reason(ReasonCode.LARGEST_TOPIC, topic.args())]
            why = self._reasons[topic.stories[0].lead.id].reason
            return [Reason(ReasonCode.LARGEST_TOPIC_MISSING, {**topic.args(), "why": why})]
        return []

    def missing(self) -> list[NotChosen]:
        """Returns the best story of each of the largest topics that are not in the issue."""
        return [self._reasons[topic.stories[0].lead.id] for topic in self._large()[:_LARGEST] if not topic.chosen]

    def explained(self, story: Story) -> Story:
        """Returns the story with sentences that explain it: about each part of its score, about its topic, and, if this
        is so, that it is pinned or an update."""
        parts = (reason for name in story.parts for reason in self._part(name, story))
        marks = {ReasonCode.WHY_PINNED: story.pinned, ReasonCode.WHY_UPDATE: story.update}
        return replace(story, why=(*parts, *self._topic(story), *(Reason(code) for code in marks if marks[code])))

    def rejected(self, rejected: NotChosen) -> NotChosen:
        """Returns a story that was not chosen, with sentences about its coverage and its topic."""
        story = rejected.story
        why = (*(self._coverage(story) if self._near(story) else ()), *self._topic(story))
        return NotChosen(replace(story, why=why), rejected.reason)

    def _part(self, name: str, story: Story) -> Iterator[Reason]:
        match name:
            case "popularity":
                yield self._popularity(story.lead)
            case "guess":
                unlisted = story.lead.id in self._interest.unlisted
                yield Reason(ReasonCode.WHY_NOT_LISTED if unlisted else ReasonCode.WHY_GUESSED)
            case "prominence":
                yield self._prominence(story)
            case "coverage":
                yield from self._coverage(story)
            case "quality":
                yield from self._quality(story.lead)
            case "news value":
                yield Reason(ReasonCode.WHY_RATED, {"value": story.lead.news_value or 0})
            case "series":
                yield Reason(ReasonCode.WHY_SERIES)
            case "rubric":
                yield Reason(ReasonCode.WHY_RUBRIC)
            case "light section":
                yield Reason(ReasonCode.WHY_LIGHT_SECTION, {"name": story.lead.category})
            case "burst":
                yield Reason(ReasonCode.WHY_BURST)
            case "section clicks":
                yield Reason(ReasonCode.WHY_SECTION_CLICKS, {"name": story.section})
            case "late":
                yield Reason(ReasonCode.WHY_LATE)
            case _:
                raise ValueError(f"no sentence for the part {name!r}")

    def _popularity(self, lead: Article) -> Reason:
        own = self._interest.popularity[lead.id]
        percent = 100 * bisect_left(self._in_order, own) // len(self._in_order)
        if lead.id in self._interest.listed:
            return Reason(ReasonCode.WHY_LISTED, {"hours": math.ceil(lead.list_hours or 0.0)})
        views = lead.views or 0
        if percent == 0:  # half of the articles have the popularity 0
            return Reason(ReasonCode.WHY_READ_LITTLE, {"views": views})
        return Reason(ReasonCode.WHY_READ, {"percent": percent, "views": views})

    def _prominence(self, story: Story) -> Reason:
        # If the lead's readers are known, only its own prominence counts, as in `rank`.
        shown = (story.lead,) if story.lead.id in self._interest.popularity else (story.lead, *story.also)
        if hours := max(article.prominence or 0.0 for article in shown):
            return Reason(ReasonCode.WHY_PROMINENT, {"hours": math.ceil(hours)})
        marked = any(article.front_page for article in shown)
        return Reason(ReasonCode.WHY_FRONT_PAGE if marked else ReasonCode.WHY_NOT_PROMINENT)

    def _near(self, story: Story) -> list[Article]:
        """Returns the articles that add to the coverage of a story's lead or, if there are none, the other articles of
        the story."""
        linked = [self._by_id[number] for number in self._linked[story.lead.id]]
        return [it for it in linked if abs(it.dated - story.lead.dated) <= NEAR] or list(story.also)

    def _coverage(self, story: Story) -> Iterator[Reason]:
        near = self._near(story)
        yield Reason(ReasonCode.WHY_COVERED, _extent([story.lead, *near])) if near else Reason(ReasonCode.WHY_ALONE)

    def _quality(self, lead: Article) -> Iterator[Reason]:
        lacking = {
            ReasonCode.WHY_NO_PICTURE: not lead.image_url,
            ReasonCode.WHY_LITTLE_TEXT: len(lead.lead or lead.body) < TEXT_ENOUGH,
            ReasonCode.WHY_SHORT_TITLE: len(self._titles[lead.id].split()) < TITLE_ENOUGH,
        }
        found = [Reason(code) for code, lacks in lacking.items() if lacks]
        yield from found or [Reason(ReasonCode.WHY_GOOD_QUALITY)]

    def _topic(self, story: Story) -> Iterator[Reason]:
        topic = self._topics[self._topic_id(story)]
        if len(topic.stories) > 1:
            yield Reason(ReasonCode.WHY_TOPIC, topic.args())


def _extent(articles: Iterable[Article]) -> dict[str, str | int | Reason]:
    """Returns how many articles there are, of how many sources, and within how many hours they were published."""
    articles = list(articles)
    dates = sorted(article.dated for article in articles)
    hours = int((dates[-1] - dates[0]) / timedelta(hours=1)) + 1
    return {"articles": len(articles), "sources": len({article.source for article in articles}), "hours": hours}
