"""Learns how fast the views of articles grow: what share of its final views an article has after some hours.

The curve of these shares is learnt from stored snapshots of the newsroom's view counts. If there are too few snapshots,
a cautious curve is used, which corrects the views of new articles only a little. Measurements showed that too little
correction does no harm, but that too much correction puts last night's articles first.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from operator import itemgetter

# The points of the curve: hours after publication, about evenly spaced on a logarithmic scale.
KNOTS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 12.0, 18.0, 24.0, 36.0, 48.0, 72.0, 96.0, 120.0, 168.0)
_ENOUGH = 30  # the fewest articles to learn a curve from; a curve learnt from fewer would depend on chance
_LEAST = 0.01  # the smallest share that the curve gives
LEARNT_FROM = timedelta(days=42)  # the curve is learnt from articles published at most this long before the span
# The curve is learnt only from articles with a first snapshot at most _EARLY hours after publication and a last
# snapshot at least _GROWN hours after publication, when views hardly grow any more.
_EARLY = 6.0
_GROWN = 72.0


@dataclass(frozen=True, slots=True)
class Growth:
    """A curve: what share of its final views an article has at each of the hours in KNOTS."""

    shares: tuple[float, ...]

    def at(self, hours: float) -> float:
        """Returns the share (0.01 to 1) of its final views that an article has reached some hours after publication."""
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
    """Returns the curve of a newsroom, or CAUTIOUS if there are too few usable histories.

    A history has the snapshots of one article in order of time, as (hours after publication, views). A history is used
    only if its first snapshot is at most six hours after publication, and its last snapshot at least three days after.
    Views are summed over all articles, so that articles with few views, whose shares are noisy, have little weight.
    """
    sums = [0.0] * len(KNOTS)
    final = grown = 0
    for history in histories:
        if not history or history[0][0] > _EARLY or history[-1][0] < _GROWN or history[-1][1] <= 0:
            continue
        grown += 1
        final += history[-1][1]
        sums = [total + views for total, views in zip(sums, _at_knots(history), strict=True)]
    if grown < _ENOUGH:
        return CAUTIOUS
    # Replace each share by the largest so far, because the views of an article never fall.
    rising = accumulate((total / final for total in sums), max)
    return Growth(tuple(min(1.0, max(share, _LEAST)) for share in rising))


def _at_knots(history: Sequence[tuple[float, int]]) -> list[float]:
    """Returns an article's views at each knot, interpolated linearly between its snapshots.

    The article has no views at its publication. After the last snapshot, the views stay the same.
    """
    points = [(0.0, 0), *((max(hours, 0.001), views) for hours, views in history)]
    # Treat the views in the last snapshot as final, because it was made at least three days after publication.
    points.append((math.inf, points[-1][1]))
    found: list[float] = []
    for hours in KNOTS:
        right = bisect_left(points, hours, key=itemgetter(0))
        (before, low), (after, high) = points[right - 1], points[right]
        found.append(low + (high - low) * (hours - before) / max(after - before, 1e-9))
    return found
