"""Computes how widely the subject of an article is covered, and how much of this the chosen stories report already.

The coverage is a sum of similarities, so it does not depend on how the articles were grouped into events. If the
articles about one event use such different words that they were grouped into many events, their coverage is high
nevertheless.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from mailer.model import Article

NEAR = timedelta(hours=24)  # only similar articles that are at most this much older or newer add to the coverage
_WIDE = 12  # with one source, the coverage is 1 if 2 ** _WIDE articles are similar
# With several sources, one with this many similar articles counts as 0.63 sources, and one with twice as many as 0.86.
_SOURCE_COUNTS = 4.0
_MANY_SOURCES = 8  # if there are more sources, this many already give a coverage of 1
# The largest factor for the expected count in `Coverage.of`. There is a limit, because a time span of few days says
# little about what is usual.
_MOST_EXPECTED = 1.0


class Coverage:
    """The similar articles of each article.

    articles   the articles, ordered by date
    closeness  (i, j) → how certain it is, from 0 to 1, that `articles[i]` and `articles[j]` report the same event
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

        For each source, the similar articles within a day are counted, each weighted by its closeness. The expected
        count is what this count would be if the source reported on the subject as often as on the other days of the
        time span. The count is then multiplied by count / (count + expected count). So a subject that is in the news
        every day, such as a league or a long trial, counts half, and a sudden event counts in full.

        With several sources, the coverage is roughly the share of the sources that report on the subject. Each source
        counts at most once, however many articles it has. With one source, the coverage grows with the logarithm of its
        count.

        `reported` maps an article id to how far the chosen stories report on that article already, from 0 to 1 (see
        `add`). Only the rest counts.
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
        """Returns the share of an article's coverage, from 0 to 1, that the chosen stories report already."""
        whole = self.of(number)
        return max(0.0, 1 - self.of(number, reported) / whole) if whole else 0.0

    def add(self, number: int, reported: dict[int, float]) -> None:
        """Updates `reported` after the story whose lead has this id was chosen.

        `reported` maps an article id to the closeness of that article to the closest chosen lead.
        """
        reported[number] = 1.0
        for other, value, _ in self._close.get(number, ()):
            reported[other] = max(reported.get(other, 0.0), value)
