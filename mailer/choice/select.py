"""Selects the stories of an issue: those with the best scores, but not too many of one section, source or day.

This module does not score stories, and does not decide whether there are enough of them for an issue.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo

from mailer.choice.events import Events
from mailer.model import NotChosen, Story
from mailer.reasons import Reason, ReasonCode
from mailer.settings import Digest

# If views are known, a story's score is lowered by its greatest similarity to a chosen story, multiplied by this
# factor. So a follow-up of a chosen story is less likely to be chosen. It is not excluded, because half of all
# follow-ups are separate events.
_LIKE_CHOSEN = 0.3
_SAME_SECTION = 0.04  # a story's score is lowered by this much for each chosen story of the same section
# The quotas, in the order in which they are dropped. The first code of a quota is for the note that the quota was
# exceeded. The second code is for the reason why a story was not chosen.
_QUOTAS = {
    "section": (ReasonCode.SECTION_LIMIT_DROPPED, ReasonCode.SECTION_FULL),
    "source": (ReasonCode.SOURCE_LIMIT_DROPPED, ReasonCode.SOURCE_FULL),
    "day": (ReasonCode.DAY_LIMIT_DROPPED, ReasonCode.DAY_FULL),
    "topic": (ReasonCode.TOPIC_LIMIT_DROPPED, ReasonCode.TOPIC_FULL),
}
_DAY = 0.4  # the largest share of one day, if `max_day` is not set and it is unknown how much articles are read
_TOPIC_STORIES = 2  # a topic may always have this many stories, whatever its share
# A large event is often grouped as several events of one topic. So an event is not chosen if _ASPECTS chosen events of
# its topic are at most _SAME_TIME away.
_ASPECTS = 2
_SAME_TIME = timedelta(hours=48)
_SEVERAL = 2  # the limit of a source does not apply to events that at least this many sources report


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen stories, and the other stories, each with the reason why it was not chosen.

    Among the chosen stories, the pinned ones come first, followed by the others, best first.
    """

    chosen: list[Story]
    not_chosen: list[NotChosen]
    notes: list[Reason]


def select(
    ranked: Sequence[Story],
    rules: Digest,
    titles: Mapping[int, str],
    events: Events,
    zone: tzinfo,
    *,
    balance_sections: bool,
    kept: frozenset[int] = frozenset(),
) -> Selection:
    """Selects the stories of an issue. `ranked` must have the best story first.

    All pinned stories are selected first, even if there are more than `rules.stories`. Next are the stories whose leads
    are in `kept`, while there are places. The quotas count these stories but exclude none of them. Then the best of the
    other stories are selected, within the quotas, until there are `rules.stories` stories.

    If places stay empty because of the quotas, the quotas that exclude stories are dropped (first sections, then
    sources, days and topics), and a note reports this. No two stories have the same title, unless the title is a
    single word.

    `titles` maps the id of each article to the search key of its title.
    """
    table = _Table(rules, ranked, titles, events, zone, balance_sections)
    for story in ranked:
        if story.pinned and not table.has_title(story):
            table.take(story)
    pins = len(table.chosen)
    for story in ranked:
        if story.lead.id in kept and not story.pinned and not table.has_title(story) and table.has_place:
            table.take(story)
    table.fill()
    while table.has_place and (quota := table.blocking_quota()):
        table.drop(quota)
        table.fill()
    notes = table.notes()
    if pins > rules.stories:
        notes.insert(0, Reason(ReasonCode.TOO_MANY_PINS, {"pins": pins, "stories": rules.stories}))
    chosen = [story for story in ranked if table.has(story)]
    not_chosen = [NotChosen(story, table.reason(story)) for story in ranked if not table.has(story)]
    return Selection(sorted(chosen, key=lambda story: not story.pinned), not_chosen, notes)


class _Table:
    """The stories that are chosen so far, and the quotas."""

    def __init__(
        self,
        rules: Digest,
        ranked: Sequence[Story],
        titles: Mapping[int, str],
        events: Events,
        zone: tzinfo,
        balance_sections: bool,
    ) -> None:
        self.chosen: list[Story] = []
        self._ids: set[int] = set()  # ids of the leads of the chosen stories
        self._ranked, self._titles, self._events, self._zone = ranked, titles, events, zone
        self._places = rules.stories
        self._chosen_titles: dict[str, str] = {}  # key of a title → the title, for each chosen story
        self._counts: dict[str, Counter[str]] = {quota: Counter() for quota in _QUOTAS}
        shares = {"section": rules.max_section, "source": rules.max_source, "day": rules.max_day or _DAY}
        if not balance_sections:
            del shares["section"]
        if len({story.lead.source for story in ranked}) < 2:
            del shares["source"]
        if rules.max_day is None and any("popularity" in story.parts for story in ranked):
            del shares["day"]  # the limit would exclude stories that readers want
        # The small addend prevents a rounding error: int(0.29 * 100) is 28, but the limit must be 29.
        self._limits = {quota: max(1, int(share * rules.stories + 1e-9)) for quota, share in shares.items()}
        self._limits["topic"] = max(_TOPIC_STORIES, int(rules.max_topic * rules.stories + 1e-9))
        self._articles = Counter[str]()  # how many articles each topic has
        self._main: dict[str, Story] = {}  # topic → the story of this topic that has the most articles
        for story in ranked:
            topic = self._name("topic", story)
            self._articles[topic] += 1 + len(story.also)
            if topic not in self._main or len(story.also) > len(self._main[topic].also):
                self._main[topic] = story
        self._reported: dict[int, float] = {}  # see `coverage.Coverage.add`
        self._sectioned = balance_sections
        self._dropped: dict[str, int] = {}
        self._exceeded: set[str] = set()

    def _name(self, quota: str, story: Story) -> str:
        """Returns the section, source, day or topic of a story, depending on what the quota counts."""
        if quota == "day":
            return story.lead.dated.astimezone(self._zone).date().isoformat()
        if quota == "topic":
            return str(self._events.topics.get(story.lead.id, story.lead.id))
        return story.section if quota == "section" else story.lead.source

    def has(self, story: Story) -> bool:
        return story.lead.id in self._ids

    def has_title(self, story: Story) -> bool:
        return self._titles[story.lead.id] in self._chosen_titles

    @property
    def has_place(self) -> bool:
        return len(self.chosen) < self._places

    def take(self, story: Story) -> None:
        self.chosen.append(story)
        self._ids.add(story.lead.id)
        self._events.coverage.add(story.lead.id, self._reported)
        title = self._titles[story.lead.id]
        if len(title.split()) > 1:  # a title of one word, such as «خبر», is a rubric: several stories may have it
            self._chosen_titles[title] = story.lead.title
        for quota in _QUOTAS:
            self._counts[quota][self._name(quota, story)] += 1

    def fill(self) -> None:
        """Chooses the best stories that the quotas allow, until there is no place or no such story left."""
        while self.has_place and (best := self._best()):
            self._exceeded.update(self._full(best, self._dropped))
            self.take(best)

    def _free(self) -> list[Story]:
        return [story for story in self._ranked if not self.has(story) and not self.has_title(story)]

    def _best(self) -> Story | None:
        """Returns the best story that the quotas allow: the one with the highest score minus `_repetition`.

        If two results are equal, returns the story ranked first. Returns None if the quotas allow no story.
        """
        best, most = None, 0.0
        for story in self._free():
            if best is not None and story.score <= most:
                break  # no later story has a higher score, and repetition only lowers scores
            if not self._full(story, self._limits):
                worth = story.score - self._repetition(story)
                if best is None or worth > most:
                    best, most = story, worth
        return best

    def _repetition(self, story: Story) -> float:
        """Returns by how much a story's score is lowered because of the stories chosen so far.

        If nothing is known about the readers, the story loses the part of its prominence and coverage that belongs to
        what the chosen stories report already.
        """
        section = _SAME_SECTION * self._counts["section"][story.section] if self._sectioned else 0.0
        if "popularity" in story.parts or "guess" in story.parts:
            alike = max((self._events.similarity(story.lead.id, it.lead.id) for it in self.chosen), default=0.0)
            return _LIKE_CHOSEN * alike + section
        prominence = self._reported.get(story.lead.id, 0.0) * story.parts.get("prominence", 0.0)
        coverage = self._events.coverage.reported(story.lead.id, self._reported) * story.parts["coverage"]
        return prominence + coverage + section

    def blocking_quota(self) -> str:
        """Returns the quota to drop next, or an empty string if the quotas exclude no story.

        The result is the first quota that is the only one to exclude some story. If there is none, because several
        quotas exclude each of the excluded stories, the result is the first quota that excludes the best of them.
        """
        blocked = [full for story in self._free() if (full := self._full(story, self._limits))]
        alone = {full[0] for full in blocked if len(full) == 1}
        return next((quota for quota in self._limits if quota in alone), blocked[0][0] if blocked else "")

    def drop(self, quota: str) -> None:
        self._dropped[quota] = self._limits.pop(quota)

    def notes(self) -> list[Reason]:
        """Returns a note for the editor about each quota that was exceeded."""
        exceeded = {quota: limit for quota, limit in self._dropped.items() if quota in self._exceeded}
        return [Reason(_QUOTAS[quota][0], {"limit": limit}) for quota, limit in exceeded.items()]

    def reason(self, story: Story) -> Reason:
        """Returns the reason why a story was not chosen."""
        if self.has_title(story):
            return Reason(ReasonCode.SAME_TITLE, {"title": self._chosen_titles[self._titles[story.lead.id]]})
        for quota in self._full(story, self._limits):
            name = self._name(quota, story)
            count = self._counts[quota][name]
            if quota == "topic":
                count, name = sum(self._name(quota, it) == name for it in self.chosen), self._main[name].lead.title
            return Reason(_QUOTAS[quota][1], {"name": name, "count": count, "stories": self._places})
        return Reason(ReasonCode.NOT_AMONG_BEST, {"count": len(self.chosen)})

    def _full(self, story: Story, limits: Mapping[str, int]) -> list[str]:
        """Returns the quotas in `limits` that are used up for the section, source, day or topic of the story."""
        return [quota for quota, limit in limits.items() if self._is_full(quota, story, limit)]

    def _is_full(self, quota: str, story: Story, limit: int) -> bool:
        name = self._name(quota, story)
        count = self._counts[quota][name]
        if quota == "source":
            sources = {it.source for it in (story.lead, *story.also)}
            return count >= limit and len(sources) < _SEVERAL
        if quota != "topic":
            return count >= limit
        share = self._articles[name] / self._articles.total()

        def near(other: Story) -> bool:
            """Returns True if the other story may be about the same event in other words."""
            if self._name(quota, other) != name or abs(other.lead.dated - story.lead.dated) > _SAME_TIME:
                return False
            return not self._events.decided.are_different(_ids(story), _ids(other))

        return count >= max(limit, int(share * self._places)) or sum(map(near, self.chosen)) >= _ASPECTS


def _ids(story: Story) -> list[int]:
    return [story.lead.id, *(other.id for other in story.also)]
