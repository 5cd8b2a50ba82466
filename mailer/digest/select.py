"""Which of the ranked stories make the issue: the best, but not all of one section or one source.

It does not score, and does not judge whether few stories are too few.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mailer.model import Story, Turned
from mailer.settings import Digest


@dataclass(slots=True)
class Selection:
    """The stories chosen, pins first, each part best first; the others with their reasons, best first."""

    chosen: list[Story] = field(default_factory=list)
    turned: list[Turned] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def select(ranked: Sequence[Story], rules: Digest, titles: Mapping[int, str], *, balance_sections: bool) -> Selection:
    """Chooses at most `rules.stories`, greedily in the order given (best first).

    Pinned stories come first, count in the quotas and are not refused, even when there are more of them than stories.
    When the quotas leave places empty they are dropped, sections first, then sources, and a note says so. No title is
    told twice: `titles` holds the key of each article's title by article id.
    """
    table = _Table(rules, ranked, titles, balance_sections)
    for story in ranked:
        if story.pinned and not table.told(story):
            table.take(story)
    pins = len(table.chosen)
    table.fill(ranked)
    for quota in ("section", "source"):
        if len(table.chosen) < rules.stories:
            table.drop(quota)
            table.fill(ranked)
    order = {id(story): place for place, story in enumerate(ranked)}
    chosen = sorted(table.chosen, key=lambda story: (not story.pinned, order[id(story)]))
    notes = table.notes()
    if pins > rules.stories:
        notes.insert(0, f"{pins} stories are pinned, more than the {rules.stories} of an issue")
    taken = {id(story) for story in chosen}
    turned = [Turned(story, table.reason(story)) for story in ranked if id(story) not in taken]
    return Selection(chosen, turned, notes)


class _Table:
    """What is chosen so far, and the places that are left."""

    def __init__(
        self, rules: Digest, ranked: Sequence[Story], titles: Mapping[int, str], balance_sections: bool
    ) -> None:
        self.chosen: list[Story] = []
        self._rules = rules
        self._keys = titles
        self._told: dict[str, str] = {}  # key → the title that was chosen
        self._sections: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()
        self._limits: dict[str, int] = {}
        self._dropped: dict[str, int] = {}
        self._exceeded: set[str] = set()  # dropped quotas that a story was taken beyond
        if balance_sections:
            self._limits["section"] = _places(rules.max_section, rules.stories)
        if len({story.lead.source for story in ranked}) > 1:
            self._limits["source"] = _places(rules.max_source, rules.stories)

    def told(self, story: Story) -> bool:
        return self._keys[story.lead.id] in self._told

    def take(self, story: Story) -> None:
        self.chosen.append(story)
        self._told[self._keys[story.lead.id]] = story.lead.title
        self._sections[story.section] += 1
        self._sources[story.lead.source] += 1

    def fill(self, ranked: Sequence[Story]) -> None:
        for story in ranked:
            if len(self.chosen) >= self._rules.stories:
                return
            if not self.told(story) and not self._full(story):
                for quota, limit in self._dropped.items():
                    if self._count(quota, story) >= limit:
                        self._exceeded.add(quota)
                self.take(story)

    def drop(self, quota: str) -> None:
        if quota in self._limits:
            self._dropped[quota] = self._limits.pop(quota)

    def notes(self) -> list[str]:
        """What the editor should know: the quotas that do not hold."""
        return [
            f"too few stories elsewhere: the limit of {limit} of one {quota} was dropped"
            for quota, limit in self._dropped.items()
            if quota in self._exceeded
        ]

    def reason(self, story: Story) -> str:
        """Why a story was not chosen."""
        if self.told(story):
            return f"same title as «{self._told[self._keys[story.lead.id]]}»"
        return self._full(story) or f"not among the {len(self.chosen)} best"

    def _full(self, story: Story) -> str:
        """Which quota has no place for the story, in words; empty when there is one."""
        for quota, limit in self._limits.items():
            if (count := self._count(quota, story)) >= limit:
                name = f"section «{story.section}»" if quota == "section" else f"source {story.lead.source}"
                return f"{name} is full ({count} of {self._rules.stories})"
        return ""

    def _count(self, quota: str, story: Story) -> int:
        """How many chosen stories share the story's section or source."""
        return self._sections[story.section] if quota == "section" else self._sources[story.lead.source]


def _places(share: float, stories: int) -> int:
    # The small addend keeps 0.29 × 100 from being 28.
    return max(1, int(share * stories + 1e-9))
