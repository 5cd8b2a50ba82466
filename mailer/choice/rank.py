"""The score of an article, as parts that add up.

The parts are readers' interest, where the newsroom counts views, corrected for the age of the article; its place on the
front page; how widely its event is covered; a little for what makes a story look good in a mail; and the editor's own
judgement. Nothing decays by age: a weekly digest that prefers new articles would lose most of the week. Stories are
compared and refused in `select`.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from statistics import fmean, median

from mailer.choice.group import Event
from mailer.choice.growth import Growth
from mailer.choice.time_span import late
from mailer.model import Article, TimeSpan
from mailer.reasons import Reason, ReasonCode

# Weights of the signals, divided among those that exist. With views, popularity decides: measured over a year of weeks,
# every tenth that other signals take from it loses stories that people wanted. The others only separate equals.
_WITH_VIEWS = {"popularity": 0.97, "prominence": 0.01, "coverage": 0.01, "quality": 0.01}
_WITHOUT_VIEWS = {"prominence": 0.5, "coverage": 0.3, "quality": 0.2}
_NEWS_VALUE = 0.15  # for each step of the editor's judgement
_SERIES = -0.15  # the daily dollar price has many readers every day but is never the news
_RUBRIC = -0.3  # a title such as «خبر» says nothing to the reader of a mail
_LATE = -0.05  # a late story should be clearly better than the others
_HIGHEST = 1.3  # the largest lift: one very popular article must not make all others look equal
_ENOUGH = 0.2  # the share of articles that must have view counts before these decide
_PRIOR = 0.15  # the weight of the category's average beside an article's own views
_SHRINK = 20  # articles: the average of a category with fewer is drawn towards the average of all
_COMMENT = 20  # a comment or share counts as so many readers; many of them on few views usually mean a dispute

Signal = Callable[[Article], float]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The parts of each article's score by article id, and notes about them for the editor."""

    parts: Mapping[int, Mapping[str, float]]
    notes: tuple[Reason, ...]

    def score(self, article: Article) -> float:
        """The sum of the parts, rounded to four places like them, so that the shown numbers add up exactly."""
        return round(math.fsum(self.parts[article.id].values()), 4)

    def order(self, article: Article) -> tuple[float, float, int]:
        """A sort key: best first, then newest, then by id, so that the order of the input changes nothing."""
        return -self.score(article), -article.dated.timestamp(), article.id


@dataclass(frozen=True, slots=True)
class Interest:
    """The estimated final readers of each article by id; empty if views cannot decide, with a note that says why."""

    readers: Mapping[int, float]
    notes: tuple[Reason, ...]

    def order(self, article: Article) -> tuple[float, float, float, int]:
        """A sort key that decides which articles are compared at all: most readers, most prominent, newest first."""
        shown = (article.prominence or 0.0) + article.front_page
        return -self.readers.get(article.id, 0.0), -shown, -article.dated.timestamp(), article.id


def day_by_day(pool: Sequence[Article], zone: tzinfo) -> Callable[[Article], tuple[float, ...]]:
    """A sort key that decides which articles are compared if views are not known: equally many of each day, the best
    first (news value, front page, newest). Otherwise a busy newsroom's week would be its last two days."""
    days: defaultdict[date, list[Article]] = defaultdict(list)
    for article in pool:
        days[article.dated.astimezone(zone).date()].append(article)

    def best(article: Article) -> tuple[float, ...]:
        shown = (article.prominence or 0.0) + article.front_page
        return -(article.news_value or 0), -shown, -article.dated.timestamp(), article.id

    places = {it.id: place for day in days.values() for place, it in enumerate(sorted(day, key=best))}
    return lambda article: (places[article.id], *best(article))


def interest(pool: Sequence[Article], span: TimeSpan, growth: Growth) -> Interest:
    """Estimates the final readers of the articles of `pool` from the views they have so far.

    This is the posterior mean of a Poisson count under a Gamma prior: an hour-old article is judged mostly by its
    category, a week-old one by its own views. An article without a view count counts as an average one of its category.
    """
    known = [article for article in pool if article.views is not None]
    reason = _no_views([article.views for article in known if article.views is not None], len(pool))
    if reason:
        return Interest({}, (reason,) if pool else ())
    by_category: defaultdict[str, list[float]] = defaultdict(list)
    for article in known:
        by_category[article.category].append(_readers(article))
    average = fmean(_readers(article) for article in known)
    readers = {}
    for article in pool:
        peers = by_category[article.category]
        usual = (math.fsum(peers) + _SHRINK * average) / (len(peers) + _SHRINK)
        if article.views is None:
            readers[article.id] = usual
            continue
        hours = (span.end - article.dated).total_seconds() / 3600
        readers[article.id] = (_PRIOR * usual + _readers(article)) / (_PRIOR + growth.at(hours))
    missing = len(pool) - len(known)
    note = Reason(ReasonCode.SOME_VIEW_COUNTS_MISSING, {"missing": missing, "all": len(pool)})
    return Interest(readers, (note,) if missing else ())


def _no_views(views: Sequence[int], count: int) -> Reason | None:
    """Why the views of `count` articles cannot decide, or None if they can."""
    if not views:
        return Reason(ReasonCode.NO_VIEW_COUNTS)
    if len(views) < _ENOUGH * count:
        return Reason(ReasonCode.FEW_VIEW_COUNTS, {"known": len(views), "all": count})
    if len(set(views)) == 1 and count > 1:
        return Reason(ReasonCode.EQUAL_VIEW_COUNTS)
    return None


def _readers(article: Article) -> float:
    views = max(article.views or 0, 0)
    return views + min(_COMMENT * ((article.comments or 0) + (article.shares or 0)), views)


def rank(
    articles: Sequence[Article],
    span: TimeSpan,
    pool: Sequence[Article],
    titles: Mapping[int, str],
    events: Mapping[int, Event],
    interest: Interest,
) -> Ranking:
    """Scores `articles` relative to those of `pool`, the articles that can be chosen.

    `titles` has the key of each article's title and `events` its event, by article id.
    """
    signals: dict[str, Signal] = {"quality": lambda it: _quality(it, titles[it.id])}
    signals["coverage"] = lambda it: _coverage(events[it.id]) if it.id in events else 0.0
    if interest.readers:
        lift = _lift([interest.readers[it.id] for it in pool])
        usual = median(interest.readers.values())
        signals["popularity"] = lambda it: lift(interest.readers.get(it.id, usual))
    watched = [it.prominence or 0.0 for it in pool]
    if any(watched) or any(it.front_page for it in pool):
        place = _lift([hours for hours in watched if hours] or [0.0, 1.0])
        signals["prominence"] = lambda it: max(place(it.prominence or 0.0), float(it.front_page))
    weights = {name: w for name, w in (_WITH_VIEWS if interest.readers else _WITHOUT_VIEWS).items() if name in signals}
    whole = math.fsum(weights.values())
    parts: dict[int, dict[str, float]] = {}
    for article in articles:
        mine = {name: round(weight / whole * signals[name](article), 4) for name, weight in weights.items()}
        series = article.id in events and events[article.id].series
        parts[article.id] = mine | _corrections(article, span, titles[article.id], series)
    return Ranking(parts, interest.notes)


def _corrections(article: Article, span: TimeSpan, title: str, series: bool) -> dict[str, float]:
    """Returns the points for the editor's judgement, and those taken off for what reads badly in a weekly mail."""
    found = {
        "news value": round(_NEWS_VALUE * (article.news_value or 0), 4),
        "series": _SERIES if series else 0.0,
        "rubric": _RUBRIC if len(title.split()) < 2 else 0.0,
        "late": _LATE if late(span, article) else 0.0,
    }
    return {name: value for name, value in found.items() if value}


def _lift(values: Sequence[float]) -> Callable[[float], float]:
    """Maps a value to 0 at the median of `values` and 1 at their 99th percentile, on a logarithmic scale.

    Unlike a rank, it hardly depends on how many little-read articles there are.
    """
    known = sorted(math.log1p(value) for value in values)
    middle = median(known)
    # The highest value is used if the 99th percentile is not above the median.
    top = known[min(len(known) - 1, int(0.99 * len(known)))]
    top = top if top > middle else known[-1]
    if top <= middle:
        return lambda value: 1.0 if math.log1p(value) > middle else 0.0
    return lambda value: max(0.0, min(_HIGHEST, (math.log1p(value) - middle) / (top - middle)))


def _coverage(event: Event) -> float:
    """0 to 1, from the number of sources and of articles within the densest 30 hours.

    Without that limit, daily topics such as coin prices or air quality would lead every issue.
    """
    if event.series:
        return 0.0
    sources = len({member.source for member in event.members})
    return min(1.0, (2 * math.log2(sources) + math.log2(event.burst)) / 6)


def _quality(article: Article, title: str) -> float:
    """0 to 1: a picture, enough text for a story, and a title of several words."""
    image = 0.4 if article.image_url else 0.0
    text = 0.3 * min(1.0, len(article.lead or article.body) / 120)
    return image + text + 0.3 * min(1.0, len(title.split()) / 6)
