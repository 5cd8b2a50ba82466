"""How fast articles are read: the share of its final views that an article has after some hours.

The curve is learnt from the newsroom's own snapshots of views. Without enough of them it is a cautious one:
measurements show that correcting too little costs nothing, while correcting too much puts last night's articles on top.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

# Hours after publication, about evenly spaced on a logarithmic scale.
KNOTS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 12.0, 18.0, 24.0, 36.0, 48.0, 72.0, 96.0, 120.0, 168.0)
_ENOUGH = 30  # articles; a curve learnt from fewer would depend on chance
_LEAST = 0.01
LEARNT_FROM = timedelta(days=42)  # the age of the oldest snapshots that are used
_EARLY = 6.0  # hours: the first snapshot of an article must not be later
_GROWN = 72.0  # hours: the final views of younger articles are not known yet


@dataclass(frozen=True, slots=True)
class Growth:
    """The share of an article's final views at each of KNOTS."""

    shares: tuple[float, ...]

    def at(self, hours: float) -> float:
        """0.01 … 1: the share of the final views that an article has `hours` after it was published."""
        if hours >= KNOTS[-1]:
            return 1.0
        if hours <= KNOTS[0]:
            return max(_LEAST, self.shares[0] * max(hours, 0.0) / KNOTS[0])
        right = bisect_left(KNOTS, hours)
        low, high = self.shares[right - 1], self.shares[right]
        way = math.log(hours / KNOTS[right - 1]) / math.log(KNOTS[right] / KNOTS[right - 1])
        return max(_LEAST, low + way * (high - low))


CAUTIOUS = Growth(tuple(min(1.0, (hours / 24) ** 0.35) for hours in KNOTS))


def learn(histories: Iterable[Sequence[tuple[float, int]]]) -> Growth:
    """The curve of a newsroom, or CAUTIOUS if there are too few histories.

    Each history is of one article: (hours after publication, views then), in order of time. One that does not begin in
    the first hours or does not reach three days is left out. Views are summed over all articles, so that well-read
    articles weigh more and little-read ones add no noise.
    """
    counted: defaultdict[int, float] = defaultdict(float)
    final: defaultdict[int, float] = defaultdict(float)
    grown = 0
    for history in histories:
        if not history or history[0][0] > _EARLY or history[-1][0] < _GROWN or history[-1][1] <= 0:
            continue
        grown += 1
        for place, views in _at_knots(history).items():
            counted[place] += views
            final[place] += history[-1][1]
    if grown < _ENOUGH:
        return CAUTIOUS
    shares: list[float] = []
    for place in range(len(KNOTS)):
        share = counted[place] / final[place] if final[place] else (shares[-1] if shares else CAUTIOUS.shares[place])
        shares.append(min(1.0, max(share, shares[-1] if shares else _LEAST)))
    return Growth(tuple(shares))


def _at_knots(history: Sequence[tuple[float, int]]) -> Mapping[int, float]:
    """Views at each knot, with straight lines between the snapshots. At its publication an article has no views."""
    points = [(0.0, 0), *((max(hours, 0.001), views) for hours, views in history)]
    found: dict[int, float] = {}
    right = 1
    for place, hours in enumerate(KNOTS):
        while right < len(points) and points[right][0] < hours:
            right += 1
        if right == len(points):
            # After the last snapshot the views stay as they are: the article was watched for at least three days.
            found[place] = float(points[-1][1])
            continue
        (before, low), (after, high) = points[right - 1], points[right]
        found[place] = low + (high - low) * (hours - before) / max(after - before, 1e-9)
    return found
