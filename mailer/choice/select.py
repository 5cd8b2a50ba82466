"""Selects the stories of an issue from the ranked ones: the best, but not all of one section, one source or one day.

It does not score, and does not judge whether an issue has enough stories.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from mailer.choice.group import Events
from mailer.model import NotChosen, Story
from mailer.reasons import Reason, ReasonCode
from mailer.settings import Digest

_LIKE_CHOSEN = 0.3  # subtracted for being like a chosen story; half of all follow-ups are events of their own
_SAME_SECTION = 0.04  # subtracted for each chosen story of the section
# Quotas, in the order in which they are dropped. Codes: it was exceeded; a story was not chosen because of it.
_QUOTAS = {
    "section": (ReasonCode.SECTION_LIMIT_DROPPED, ReasonCode.SECTION_FULL),
    "source": (ReasonCode.SOURCE_LIMIT_DROPPED, ReasonCode.SOURCE_FULL),
    "day": (ReasonCode.DAY_LIMIT_DROPPED, ReasonCode.DAY_FULL),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen stories, pinned ones first, then best first; the others with their reasons, best first."""

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
    """Selects at most `rules.stories` stories, greedily; `ranked` has the best first.

    Pinned stories come first and count in the quotas. They are never refused, even if there are more of them than an
    issue has stories. Stories whose leads are `kept` are not refused either, but are ordered by score.
    If the quotas leave places empty, those that keep stories out are dropped, sections before sources before days, and
    a note says so. No title is used twice, unless it is a rubric; `titles` has the key of each article's title by id.
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
        self._ids: set[int] = set()  # of their leads
        self._ranked, self._titles, self._events, self._zone = ranked, titles, events, zone
        self._places = rules.stories
        self._chosen_titles: dict[str, str] = {}  # key → title
        self._counts: dict[str, Counter[str]] = {quota: Counter() for quota in _QUOTAS}
        shares = {"section": rules.max_section, "source": rules.max_source, "day": rules.max_day}
        if not balance_sections:
            del shares["section"]
        if len({story.lead.source for story in ranked}) < 2:
            del shares["source"]
        self._limits = {quota: _places(share, rules.stories) for quota, share in shares.items()}
        self._sectioned = balance_sections
        self._dropped: dict[str, int] = {}
        self._exceeded: set[str] = set()

    def _name(self, quota: str, story: Story) -> str:
        """The section, source or day of a story."""
        if quota == "day":
            return story.lead.dated.astimezone(self._zone).date().isoformat()
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
        title = self._titles[story.lead.id]
        if len(title.split()) > 1:  # a rubric such as «خبر» may be the title of several
            self._chosen_titles[title] = story.lead.title
        for quota in _QUOTAS:
            self._counts[quota][self._name(quota, story)] += 1

    def fill(self) -> None:
        """Takes stories until no place is left, or no story that fits."""
        while self.has_place and (best := self._best()):
            self._exceeded.update(self._full(best, self._dropped))
            self.take(best)

    def _free(self) -> list[Story]:
        return [story for story in self._ranked if not self.has(story) and not self.has_title(story)]

    def _best(self) -> Story | None:
        """The story with the best score after what is subtracted for repetition; of equals the first as ranked."""
        best, most = None, 0.0
        for story in self._free():
            if best is not None and story.score <= most:
                break  # the scores only fall from here, and nothing is ever added to one
            if not self._full(story, self._limits):
                worth = story.score - self._repetition(story)
                if best is None or worth > most:
                    best, most = story, worth
        return best

    def _repetition(self, story: Story) -> float:
        alike = max((self._events.similarity(story.lead.id, it.lead.id) for it in self.chosen), default=0.0)
        return _LIKE_CHOSEN * alike + (_SAME_SECTION * self._counts["section"][story.section] if self._sectioned else 0)

    def blocking_quota(self) -> str:
        """The first quota that alone keeps a story out, else the first that keeps one out, else an empty text."""
        blocked = [full for story in self._free() if (full := self._full(story, self._limits))]
        alone = {full[0] for full in blocked if len(full) == 1}
        return next((quota for quota in self._limits if quota in alone), blocked[0][0] if blocked else "")

    def drop(self, quota: str) -> None:
        self._dropped[quota] = self._limits.pop(quota)

    def notes(self) -> list[Reason]:
        """For the editor: the quotas that were exceeded."""
        exceeded = {quota: limit for quota, limit in self._dropped.items() if quota in self._exceeded}
        return [Reason(_QUOTAS[quota][0], {"limit": limit}) for quota, limit in exceeded.items()]

    def reason(self, story: Story) -> Reason:
        """Why a story was not chosen."""
        if self.has_title(story):
            return Reason(ReasonCode.SAME_TITLE, {"title": self._chosen_titles[self._titles[story.lead.id]]})
        for quota in self._full(story, self._limits):
            name = self._name(quota, story)
            count = self._counts[quota][name]
            return Reason(_QUOTAS[quota][1], {"name": name, "count": count, "stories": self._places})
        return Reason(ReasonCode.NOT_AMONG_BEST, {"count": len(self.chosen)})

    def _full(self, story: Story, limits: Mapping[str, int]) -> list[str]:
        """The quotas of `limits` that have no place for the story."""
        return [quota for quota, limit in limits.items() if self._counts[quota][self._name(quota, story)] >= limit]


def _places(share: float, stories: int) -> int:
    # The small addend keeps 0.29 × 100 from being 28.
    return max(1, int(share * stories + 1e-9))
