"""How much an article counts, in parts that add up.

Readers' interest when the newsroom counts views, else freshness, and a little for what makes a story look good in a
mail. It does not compare stories with one another and refuses nothing: `select` does.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from mailer.digest.window import late
from mailer.model import Article, Window

# With views, what was read counts; research found the other signals worth little beside it. Each row sums to 1.
_WITH_VIEWS = {"popularity": 0.8, "freshness": 0.1, "quality": 0.1}
_WITHOUT_VIEWS = {"freshness": 0.8, "quality": 0.2}
_LATE = -0.05  # yesterday's papers: a late story should be clearly better
_HIGHEST = 1.3  # of a lift: one runaway success must not make all else equal
_ENOUGH = 0.2  # the share of articles that must have view counts before these decide


@dataclass(frozen=True, slots=True)
class Ranking:
    """The parts of each article's score by article id, and what the editor should know about them."""

    parts: Mapping[int, Mapping[str, float]]
    notes: tuple[str, ...]

    def score(self, article: Article) -> float:
        """The sum of the parts, to four places as the parts are, so that what people see adds up exactly."""
        return round(math.fsum(self.parts[article.id].values()), 4)

    def order(self, article: Article) -> tuple[float, float, int]:
        """A sort key: best first, of equals the newest, then by number, so that the input's order changes nothing."""
        return -self.score(article), -article.dated.timestamp(), article.id


def rank(articles: Sequence[Article], span: Window, pool: Sequence[Article], titles: Mapping[int, str]) -> Ranking:
    """Scores `articles`. The view counts are measured against those of `pool`, the articles that can be chosen.

    `titles` holds the key of each article's title by article id.
    """
    lifts, notes = _lifts([article.views for article in pool])
    weights = _WITHOUT_VIEWS if lifts is None else _WITH_VIEWS
    parts: dict[int, dict[str, float]] = {}
    for article in articles:
        signals = {"freshness": _freshness(article, span), "quality": _quality(article, titles[article.id])}
        if lifts is not None:
            signals["popularity"] = lifts(article.views)
        mine = {name: round(weight * signals[name], 4) for name, weight in weights.items()}
        if late(span, article):
            mine["late"] = _LATE
        parts[article.id] = mine
    return Ranking(parts, notes)


@dataclass(frozen=True, slots=True)
class _Lifts:
    """Views relative to the week: 0 at the median, 1 at the 99th percentile, on a logarithmic scale."""

    middle: float
    span: float
    unknown: float

    def __call__(self, views: int | None) -> float:
        if views is None:
            return self.unknown
        return max(0.0, min(_HIGHEST, (math.log1p(max(views, 0)) - self.middle) / self.span))


def _lifts(views: Sequence[int | None]) -> tuple[_Lifts | None, tuple[str, ...]]:
    """None when views cannot decide, with the reason in words."""
    known = sorted(math.log1p(max(count, 0)) for count in views if count is not None)
    if not known:
        return None, (("no article has view counts: chosen by freshness",) if views else ())
    if len(known) < _ENOUGH * len(views):
        return None, (f"only {len(known)} of {len(views)} articles have view counts: chosen by freshness",)
    middle = median(known)
    # The highest stands in for the 99th percentile when that is no higher than the median.
    top = known[min(len(known) - 1, int(0.99 * len(known)))]
    top = top if top > middle else known[-1]
    if top <= middle:
        return None, ("all view counts are the same: chosen by freshness",)
    raw = _Lifts(middle, top - middle, 0.0)
    # Not known is not zero: such an article counts as an average one.
    average = fmean(raw(count) for count in views if count is not None)
    missing = len(views) - len(known)
    notes = (f"{missing} of {len(views)} articles have no view count: taken as average",) if missing else ()
    return _Lifts(middle, top - middle, average), notes


def _freshness(article: Article, span: Window) -> float:
    """1 at the end of the window, 0 at its start and before."""
    return max(0.0, min(1.0, (article.dated - span.start) / (span.end - span.start)))


def _quality(article: Article, title_key: str) -> float:
    """0 … 1: a picture, enough text to be a story, a title that says something."""
    image = 0.4 if article.image_url else 0.0
    text = 0.3 * min(1.0, len(article.lead or article.body) / 120)
    title = 0.3 * min(1.0, len(title_key.split()) / 6)
    return image + text + title
