"""Which of the ranked stories make the issue: the best, but not all of one section, one source or one day.

It does not score, and does not judge whether few stories are too few.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from mailer.choice.group import Events
from mailer.model import NotChosen, Story
from mailer.reasons import Reason, ReasonCode
from mailer.settings import Digest

_LIKE_CHOSEN = 0.3  # what is taken off for being like a chosen story; half of all follow-ups are an event of their own
_SAME_SECTION = 0.04  # for each chosen story of the section
# In the order in which they are dropped. Codes: the quota was exceeded; a story was not chosen because of it.
_QUOTAS = {
    "section": (ReasonCode.SECTION_LIMIT_DROPPED, ReasonCode.SECTION_FULL),
    "source": (ReasonCode.SOURCE_LIMIT_DROPPED, ReasonCode.SOURCE_FULL),
    "day": (ReasonCode.DAY_LIMIT_DROPPED, ReasonCode.DAY_FULL),
}


@dataclass(slots=True)
class Selection:
    """The stories chosen, pins first, each part best first; the others with their reasons, best first."""

    chosen: list[Story] = field(default_factory=list)
    not_chosen: list[NotChosen] = field(default_factory=list)
    notes: list[Reason] = field(default_factory=list)


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
    """Chooses at most `rules.stories`, greedily from those given (best first).

    Pinned stories come first, count in the quotas and are not refused, even when there are more of them than stories.
    Nor are those whose leads are `kept`, but they stand where their scores put them.
    When the quotas leave places empty, those in the way are dropped, sections before sources before days, and a note
    says so.
    No title is told twice, unless it is a rubric: `titles` holds the key of each article's title by article id.
    """
    table = _Table(rules, ranked, titles, events, zone, balance_sections)
    for story in ranked:
        if story.pinned and not table.told(story):
            table.take(story)
    pins = len(table.chosen)
    for story in ranked:
        room = len(table.chosen) < rules.stories
        if story.lead.id in kept and not story.pinned and not table.told(story) and room:
            table.take(story)
    table.fill(ranked)
    while len(table.chosen) < rules.stories and (quota := table.in_the_way(ranked)):
        table.drop(quota)
        table.fill(ranked)
    order = {id(story): place for place, story in enumerate(ranked)}
    chosen = sorted(table.chosen, key=lambda story: (not story.pinned, order[id(story)]))
    notes = table.notes()
    if pins > rules.stories:
        notes.insert(0, Reason(ReasonCode.TOO_MANY_PINS, {"pins": pins, "stories": rules.stories}))
    taken = {id(story) for story in chosen}
    not_chosen = [NotChosen(story, table.reason(story)) for story in ranked if id(story) not in taken]
    return Selection(chosen, not_chosen, notes)


class _Table:
    """What is chosen so far, and the places that are left."""

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
        self._rules = rules
        self._keys = titles
        self._events = events
        self._told: dict[str, str] = {}  # key → the title that was chosen
        self._taken: set[int] = set()
        self._count: dict[str, Counter[str]] = {quota: Counter() for quota in _QUOTAS}
        self._of: dict[str, Callable[[Story], str]] = {
            "section": lambda story: story.section,
            "source": lambda story: story.lead.source,
            "day": lambda story: story.lead.dated.astimezone(zone).date().isoformat(),
        }
        shares = {"section": rules.max_section, "source": rules.max_source, "day": rules.max_day}
        if not balance_sections:
            del shares["section"]
        if len({story.lead.source for story in ranked}) < 2:
            del shares["source"]
        self._limits = {quota: _places(share, rules.stories) for quota, share in shares.items()}
        self._sectioned = balance_sections
        self._dropped: dict[str, int] = {}
        self._exceeded: set[str] = set()  # dropped quotas that a story was taken beyond

    def told(self, story: Story) -> bool:
        return self._keys[story.lead.id] in self._told

    def take(self, story: Story) -> None:
        self.chosen.append(story)
        self._taken.add(id(story))
        title = self._keys[story.lead.id]
        if len(title.split()) > 1:  # «خبر» may stand over several
            self._told[title] = story.lead.title
        for quota in _QUOTAS:
            self._count[quota][self._of[quota](story)] += 1

    def fill(self, ranked: Sequence[Story]) -> None:
        """Takes stories until no place is left, or none that fits one."""
        while len(self.chosen) < self._rules.stories and (best := self._best(ranked)):
            for quota, limit in self._dropped.items():
                if self._count[quota][self._of[quota](best)] >= limit:
                    self._exceeded.add(quota)
            self.take(best)

    def _best(self, ranked: Sequence[Story]) -> Story | None:
        """The next one: score, less what it repeats of those chosen. The first of equals, as they are ranked."""
        best, most = None, 0.0
        for story in ranked:
            if best is not None and story.score <= most:
                break  # scores only fall from here, and nothing is ever added to one
            if id(story) not in self._taken and not self.told(story) and not self._over(story):
                worth = story.score - self._repetition(story)
                if best is None or worth > most:
                    best, most = story, worth
        return best

    def _repetition(self, story: Story) -> float:
        alike = max((self._events.similarity(story.lead.id, it.lead.id) for it in self.chosen), default=0.0)
        return _LIKE_CHOSEN * alike + (_SAME_SECTION * self._count["section"][story.section] if self._sectioned else 0)

    def in_the_way(self, ranked: Sequence[Story]) -> str:
        """The first quota that alone keeps a story out, else the first that keeps one out; empty when none does."""
        kept_out = [self._over(it) for it in ranked if id(it) not in self._taken and not self.told(it)]
        alone = {over[0] for over in kept_out if len(over) == 1}
        return next((quota for quota in self._limits if quota in alone), "") or next(
            (over[0] for over in kept_out if over), ""
        )

    def drop(self, quota: str) -> None:
        self._dropped[quota] = self._limits.pop(quota)

    def notes(self) -> list[Reason]:
        """For the editor: the quotas that were exceeded."""
        return [
            Reason(_QUOTAS[quota][0], {"limit": limit})
            for quota, limit in self._dropped.items()
            if quota in self._exceeded
        ]

    def reason(self, story: Story) -> Reason:
        """Why a story was not chosen."""
        if self.told(story):
            return Reason(ReasonCode.SAME_TITLE, {"title": self._told[self._keys[story.lead.id]]})
        for quota in self._over(story):
            name = self._of[quota](story)
            count = self._count[quota][name]
            return Reason(_QUOTAS[quota][1], {"name": name, "count": count, "stories": self._rules.stories})
        return Reason(ReasonCode.NOT_AMONG_BEST, {"count": len(self.chosen)})

    def _over(self, story: Story) -> list[str]:
        """The quotas that have no place for the story."""
        return [q for q, limit in self._limits.items() if self._count[q][self._of[q](story)] >= limit]


def _places(share: float, stories: int) -> int:
    # The small addend keeps 0.29 × 100 from being 28.
    return max(1, int(share * stories + 1e-9))
