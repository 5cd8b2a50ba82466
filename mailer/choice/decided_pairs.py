"""Resolves what editors decided about pairs of articles: the same story, or different stories.

Decisions can contradict each other: if A and B report the same story, and B and C do, too, then A and C cannot report
different stories. One rule applies: the newer decision counts. So the decisions are applied from the newest to the
oldest, and a decision that contradicts newer ones has no effect.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mailer.model import DecidedPair


@dataclass(frozen=True, slots=True)
class Decided:
    """The consequences of all decisions about pairs of articles.

    together   sets of ids; the articles of a set report the same story
    apart      article id → ids of the articles that report a different story
    overruled  the decisions that have no effect, because newer decisions contradict them; the newest comes first
    """

    together: Sequence[frozenset[int]] = ()
    apart: Mapping[int, frozenset[int]] = field(default_factory=dict)
    overruled: Sequence[DecidedPair] = ()

    def articles(self) -> frozenset[int]:
        """Returns the ids of all articles that the decisions are about."""
        return frozenset(self.apart).union(*self.together)

    def are_different(self, one: Iterable[int], other: Iterable[int]) -> bool:
        """Returns True if an article of `one` and an article of `other` report different stories. Both contain ids."""
        others = frozenset(other)
        return any(not self.apart.get(number, frozenset()).isdisjoint(others) for number in one)


NO_DECISIONS = Decided()


def resolve(pairs: Iterable[DecidedPair]) -> Decided:
    """Returns the consequences of the decisions, whose order does not matter."""
    sets: dict[int, set[int]] = {}  # article id → the articles of the same story
    apart: set[frozenset[int]] = set()  # pairs of ids of different stories
    overruled: list[DecidedPair] = []
    for pair in sorted(pairs, key=lambda it: (it.at, it.one, it.other), reverse=True):
        one, other = (sets.setdefault(number, {number}) for number in (pair.one, pair.other))
        # All articles of a set report the same story. So an article that differs from one of them differs from all.
        differ = any(frozenset((x, y)) in apart for x in one for y in other)
        if differ if pair.same else one is other:
            overruled.append(pair)
        elif not pair.same:
            apart.add(frozenset((pair.one, pair.other)))
        elif one is not other:
            one |= other
            sets.update(dict.fromkeys(other, one))
    different: defaultdict[int, set[int]] = defaultdict(set)
    for x, y in apart:
        for number in sets[x]:
            different[number] |= sets[y]
        for number in sets[y]:
            different[number] |= sets[x]
    together = {frozenset(each) for each in sets.values() if len(each) > 1}
    return Decided(
        tuple(sorted(together, key=min)),
        {number: frozenset(found) for number, found in sorted(different.items())},
        tuple(overruled),
    )
