"""Computes how widely the subject of an article is covered, and how much of that the stories of an issue leave out.

The coverage is a sum of similarities, so it does not depend on how the articles were grouped into events. An event that
is worded in forty ways has a high coverage, although its articles became many events.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from mailer.model import Article

NEAR = timedelta(hours=24)  # only similar articles at most this much earlier or later add to the coverage
_WIDE = 12  # with one source, the coverage is 1 if 2 ** _WIDE articles are similar
# With several sources, a source with this many similar articles counts 63 %, one with twice as many counts 86 %.
_SOURCE_COUNTS = 4.0
_MANY_SOURCES = 8  # if there are more sources, this many already give a coverage of 1
_MOST_EXPECTED = 1.0  # see `Coverage.of`; a time span of few days says little about what is usual


class Coverage:
    """The similar articles of each article.

    articles   the articles, ordered by date
    closeness  (i, j) → how sure it is, from 0 to 1, that `articles[i]` and `articles[j]` report the same event
    """

    def __init__(self, articles: Sequence[Article], closeness: Mapping[tuple[int, int], float]) -> None:
        self._source = {it.id: it.source for it in articles}
        self._sources = len(set(self._source.values()))
        self._close: defaultdict[int, list[tuple[int, float, bool]]] = defaultdict(list)
        for (i, j), value in closeness.items():
            one, other = articles[i], articles[j]
            near = abs(one.dated - other.dated) <= NEAR
            self._close[one.id].append((other.id, value, near))
            self._close[other.id].append((one.id, value, near))
        dates = [it.dated for it in articles]
        self._expected = {}
        for it in articles:
            near_ones = bisect_right(dates, it.dated + NEAR) - bisect_left(dates, it.dated - NEAR)
            rest = len(dates) - near_ones
            self._expected[it.id] = min(_MOST_EXPECTED, near_ones / rest) if rest else 0.0

    def of(self, number: int, reported: Mapping[int, float] | None = None) -> float:
        """Returns how widely the subject of the article with this id is covered: 0 if nothing is similar.

        For each source, the similar articles within a day are counted, weighted by their closeness. This count is then
        multiplied by its share in the sum of itself and the count that would be expected if the source reported on
        the subject as often as on the other days of the time span. So a league or a long trial, which is in the news
        every day, counts half, and what suddenly happens counts in full.

        If there are several sources, the coverage is about the share of the sources that report on the subject: each
        counts at most once, however many articles it has. If there is only one source, the coverage is the logarithm of
        its count.

        `reported` says how far each article is reported by the chosen stories already (see `add`). Only the rest
        counts.
        """
        reported = reported or {}
        near: Counter[str] = Counter()
        far: Counter[str] = Counter()
        for other, value, is_near in self._close.get(number, ()):
            left = value - reported.get(other, 0.0)
            if left > 0:
                (near if is_near else far)[self._source[other]] += left  # type: ignore[assignment]
        expected = self._expected.get(number, 0.0)
        counts = [count * count / (count + expected * far[source]) for source, count in near.items()]
        if self._sources < 2:
            return round(math.log2(1 + math.fsum(counts)) / _WIDE, 6)
        reporting = math.fsum(1 - math.exp(-count / _SOURCE_COUNTS) for count in counts)
        return round(reporting / min(self._sources, _MANY_SOURCES), 6)

    def reported(self, number: int, reported: Mapping[int, float]) -> float:
        """Returns which share, from 0 to 1, of an article's coverage the chosen stories report already."""
        whole = self.of(number)
        return max(0.0, 1 - self.of(number, reported) / whole) if whole else 0.0

    def add(self, number: int, reported: dict[int, float]) -> None:
        """Adds a story whose lead has this id to `reported`: article id → its closeness to the closest chosen lead."""
        reported[number] = 1.0
        for other, value, _ in self._close.get(number, ()):
            reported[other] = max(reported.get(other, 0.0), value)
