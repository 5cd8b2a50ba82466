"""Scores articles. The score of an article is the sum of these parts:

- popularity: the views, if the newsroom counts views, corrected for the age of the article
- prominence: the article's place on the front page
- coverage: how many sources and articles report on the event
- quality: whether the story will look good in a mail
- the editor's judgement of the news value
- negative points for series, rubrics and late articles

Old articles do not lose points: a weekly digest that preferred new articles would miss most of the week. `select`
compares the scores and decides which stories are chosen.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from functools import cache
from statistics import fmean, median

from mailer.choice.events import Event, Events
from mailer.choice.growth import Growth
from mailer.choice.kinds import is_aside
from mailer.choice.time_span import late
from mailer.model import Article, TimeSpan
from mailer.reasons import Reason, ReasonCode
from mailer.settings import Digest
from mailer.text.search_key import key

# Weights of the signals. The weight of a missing signal is divided among the other signals. If views are known,
# popularity decides, and the other signals only order equally popular articles. In a measurement over a year, weight
# was moved from popularity to other signals in steps of 0.1. With each step, the digests missed more stories that
# people wanted to read.
_WITH_VIEWS = {"popularity": 0.97, "prominence": 0.01, "coverage": 0.01, "quality": 0.01}
_WITHOUT_VIEWS = {"prominence": 0.5, "coverage": 0.4, "quality": 0.1}
_NEWS_VALUE = 0.15  # points for each step of the editor's judgement, from -2 to +2
_SERIES = -0.15  # points for an article of a daily series: the dollar price is read every day but is never the news
_WIDE = 12  # the coverage (see `events.Events`) for a signal of 1, such as 30 similar articles from each of 4 sources
_RUBRIC = -0.3  # points for a title of one word, such as «خبر», which says nothing to the reader of a mail
_LATE = -0.05  # points for a late article (see `time_span.late`), which must be clearly better than other articles
_HIGHEST = 1.3  # the largest result of `_lift`, so that one very popular article does not make all others look equal
_ENOUGH = 0.2  # view counts are used only if at least this share of the articles has view counts
_PRIOR = 0.15  # weight of the category's average in an estimate; an article's own views have the weight `Growth.at`
_SHRINK = 20  # in a category's average, the average of all categories counts as much as this many articles
# A comment or share counts as this many readers. All comments and shares of an article together count at most as much
# as its views, because many comments on few views usually mean a dispute.
_COMMENT = 20


@dataclass(frozen=True, slots=True)
class Ranking:
    """The parts of each article's score, by article id, and notes for the editor about missing view counts."""

    parts: Mapping[int, Mapping[str, float]]
    notes: tuple[Reason, ...]

    def score(self, article: Article) -> float:
        """Returns the sum of an article's parts, rounded to four decimal places.

        Each part is rounded, too, so that the numbers shown to editors add up exactly.
        """
        return round(math.fsum(self.parts[article.id].values()), 4)

    def order(self, article: Article) -> tuple[float, float, int]:
        """Returns a sort key: best score first, then newest, then lowest id. The order of the input does not matter."""
        return -self.score(article), -article.dated.timestamp(), article.id


@dataclass(frozen=True, slots=True)
class Interest:
    """The estimated final number of readers of each article, by id.

    `readers` is empty if the view counts cannot be used. `notes` then has the reason.
    """

    readers: Mapping[int, float]
    notes: tuple[Reason, ...]

    def order(self, article: Article) -> tuple[float, float, float, int]:
        """Returns a sort key for choosing which articles to compare: most readers first, then prominence, then date."""
        shown = (article.prominence or 0.0) + article.front_page
        return -self.readers.get(article.id, 0.0), -shown, -article.dated.timestamp(), article.id


def day_by_day(pool: Sequence[Article], zone: tzinfo) -> Callable[[Article], tuple[float, ...]]:
    """Returns a function from an article to a sort key, for choosing which articles to compare if views are unknown.

    The best article of every day comes first, then the second best of every day, and so on. Articles of one day are
    ordered by news value, then prominence, then date. If the newest articles came first, a busy newsroom's digest would
    cover only the last two days of the week.
    """
    days: defaultdict[date, list[Article]] = defaultdict(list)
    for article in pool:
        days[article.dated.astimezone(zone).date()].append(article)

    def best(article: Article) -> tuple[float, ...]:
        shown = (article.prominence or 0.0) + article.front_page
        return -(article.news_value or 0), -shown, -article.dated.timestamp(), article.id

    places = {it.id: place for day in days.values() for place, it in enumerate(sorted(day, key=best))}
    return lambda article: (places[article.id], *best(article))


def interest(pool: Sequence[Article], span: TimeSpan, growth: Growth) -> Interest:
    """Estimates the final number of readers of each article in `pool` from its views so far.

    The estimate is the posterior mean of a Poisson count under a Gamma prior. An hour-old article is therefore judged
    mostly by the average of its category, and a week-old article mostly by its own views. An article without a view
    count gets the average of its category.
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
    """Returns the reason why the known `views` of `count` articles cannot be used, or None if they can be used."""
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
    events: Events,
    interest: Interest,
    rules: Digest,
) -> Ranking:
    """Scores `articles` relative to the articles in `pool`, which are the articles that can be chosen.

    `titles` maps the id of each article to the search key of its title.
    """
    event_of = {member.id: event for event in events.events for member in event.members}
    light = _light(articles, rules)
    signals: dict[str, Callable[[Article], float]] = {"quality": lambda it: _quality(it, titles[it.id])}
    covered = {it.id: 0.0 if _series(it, event_of) else events.coverage.get(it.id, 0.0) for it in articles}
    signals["coverage"] = lambda it: min(_HIGHEST, covered[it.id] / _WIDE)
    if interest.readers:
        lift = _lift([interest.readers[it.id] for it in pool])
        usual = median(interest.readers.values())
        signals["popularity"] = lambda it: lift(interest.readers.get(it.id, usual))
    watched = [it.prominence or 0.0 for it in pool]
    if any(watched) or any(it.front_page for it in pool):
        place = _lift([hours for hours in watched if hours] or [0.0, 1.0])
        chosen_from = {it.id for it in pool}

        def shown(article: Article) -> float:
            """Returns the prominence of an event: that of its most prominent article, which need not be its lead."""
            members = event_of[article.id].members if article.id in event_of and not interest.readers else ()
            peers = [article, *(it for it in members if it.id in chosen_from)]
            return max(max(place(it.prominence or 0.0), float(it.front_page)) for it in peers)

        signals["prominence"] = cache(shown)
    weights = {name: w for name, w in (_WITH_VIEWS if interest.readers else _WITHOUT_VIEWS).items() if name in signals}
    whole = math.fsum(weights.values())
    parts: dict[int, dict[str, float]] = {}
    for article in articles:
        mine = {name: round(weight / whole * signals[name](article), 4) for name, weight in weights.items()}
        corrections = {
            "news value": round(_NEWS_VALUE * (article.news_value or 0), 4),
            "series": _SERIES if _series(article, event_of) else 0.0,
            "rubric": _RUBRIC if len(titles[article.id].split()) < 2 else 0.0,
            "light section": rules.light_section if article.category in light else 0.0,
            "late": _LATE if late(span, article) else 0.0,
        }
        parts[article.id] = mine | {name: value for name, value in corrections.items() if value}
    return Ranking(parts, interest.notes)


def _series(article: Article, event_of: Mapping[int, Event]) -> bool:
    return article.id in event_of and event_of[article.id].series


def _light(articles: Iterable[Article], rules: Digest) -> frozenset[str]:
    """Returns the categories that have a word of `rules.light_sections`, such as «یادداشت و دیدگاه»."""
    words = [word for each in rules.light_sections if (word := key(each))]
    return frozenset(name for name in {it.category for it in articles} if is_aside(key(name), words))


def _lift(values: Sequence[float]) -> Callable[[float], float]:
    """Returns a function that maps the median of `values` and anything below it to 0, and the 99th percentile to 1.

    The scale is logarithmic. Unlike a rank, the result hardly depends on the number of little-read articles.
    """
    known = sorted(math.log1p(value) for value in values)
    middle = median(known)
    # If the 99th percentile is not above the median, the highest value is mapped to 1 instead.
    top = known[int(0.99 * len(known))]
    top = top if top > middle else known[-1]
    if top <= middle:
        return lambda value: 1.0 if math.log1p(value) > middle else 0.0
    return lambda value: max(0.0, min(_HIGHEST, (math.log1p(value) - middle) / (top - middle)))


def _quality(article: Article, title: str) -> float:
    """Returns the quality of an article from 0 to 1: points for a picture, enough text and a title of several words."""
    image = 0.4 if article.image_url else 0.0
    text = 0.3 * min(1.0, len(article.lead or article.body) / 120)
    return image + text + 0.3 * min(1.0, len(title.split()) / 6)
