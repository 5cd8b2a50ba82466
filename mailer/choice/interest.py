"""Estimates how much each article is read, from view counts and from the sites' own lists of the most read.

Some sources count views, some publish a list of their most read articles, and some do neither. Numbers are compared
only with numbers of the same kind: the articles with view counts are one group, and the articles of other sources with
a list are another. `rank` guesses the popularity of the remaining articles.

Often it is known that an article was read less than others, although its own number is missing: it was never on the
list of its source, or an export left it out.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from itertools import chain, combinations
from statistics import fmean, median

from mailer.choice.growth import CAUTIOUS, Growth
from mailer.model import Article, TimeSpan
from mailer.reasons import Reason, ReasonCode

HIGHEST = 1.3  # the largest result of `lift`, so that one very popular article does not make all others look equal
# A source's view counts are used if the share _ENOUGH of its articles have a count, or if _MANY of them do. The number
# is enough by itself, because an export may give counts only for the most viewed articles. The counts of all these
# sources together must pass the same test among all articles of the week, so that three counts do not decide the whole
# issue.
_ENOUGH, _MANY = 0.2, 10
_LISTED = 3  # a list of the most read is used if at least this many articles of the source were on it
_PRIOR = 0.6  # weight of the category's average in an estimate; an article's own views have the weight `Growth.at`
_SHRINK = 20  # in a category's average, the average of all categories counts as much as this many articles
# A comment or share counts as this many readers. All comments and shares of an article together count at most as much
# as its views, because many comments on few views usually mean a dispute.
_COMMENT = 20
_AN_HOUR = 1000  # an hour in the first place of a list counts as this many readers
# `_echoes` ignores words of fewer than _LONG characters. Of the others in a title, it uses the first _WORDS in
# alphabetical order.
_LONG = 3
_WORDS = 14


@dataclass(frozen=True, slots=True)
class Interest:
    """How much the articles are read, by id. Articles about which nothing is known are in neither mapping.

    `readers` is the estimated final number of readers. `popularity` is 0 for half of the comparable articles and 1 for
    the most read hundredth. Both are empty if neither view counts nor lists can be used; `notes` then has the reason.
    `listed` are the articles whose readers are known from a list, not from view counts. `unlisted` are articles that
    were not on the list of their source, so they were read less than those that were. `left_out` are articles without a
    count whose source has counts. They were probably read less than the articles with a count (see `_left_out`).
    """

    readers: Mapping[int, float]
    popularity: Mapping[int, float]
    notes: tuple[Reason, ...]
    listed: frozenset[int] = frozenset()
    unlisted: frozenset[int] = frozenset()
    left_out: frozenset[int] = frozenset()

    @property
    def read_less(self) -> frozenset[int]:
        """Returns the articles that were read less than those whose readers are known. Their popularity counts as 0."""
        return self.unlisted | self.left_out

    def average(self, pool: Iterable[Article]) -> Callable[[str], float]:
        """Returns a function from a category to the average popularity of its articles."""
        by_category: defaultdict[str, list[float]] = defaultdict(list)
        read_less = self.read_less
        for article in pool:
            if article.id in self.popularity or article.id in read_less:
                by_category[article.category].append(self.popularity.get(article.id, 0.0))
        return _averages(by_category)


def in_turn(
    pool: Sequence[Article], titles: Mapping[int, str], interest: Interest, zone: tzinfo
) -> Callable[[Article], tuple[float, ...]]:
    """Returns a function from an article to a sort key, for choosing which articles to compare.

    `titles` maps the id of each article to the search key of its title.

    Articles whose readers are known are ordered by popularity, and the others in the order of `_day_by_day`. Both
    are then mixed evenly, so that a source without counts is not left out.
    """
    known = sorted(
        (it for it in pool if it.id in interest.readers),
        key=lambda it: (-interest.popularity[it.id], -_shown(it), -it.dated.timestamp(), it.id),
    )
    blind = _day_by_day([it for it in pool if it.id not in interest.readers], titles, zone)
    places = {it.id: place / len(group) for group in (known, blind) for place, it in enumerate(group, 1)}
    return lambda article: (places[article.id], float(article.id not in interest.readers), article.id)


def _day_by_day(pool: Sequence[Article], titles: Mapping[int, str], zone: tzinfo) -> list[Article]:
    """Returns the best article of every day, then the second best of every day, and so on.

    Articles of one day are ordered by news value, then prominence, then `_echoes`, then date. If the newest articles
    came first, a busy newsroom's digest would cover only the last two days of the week.
    """
    days: defaultdict[date, list[Article]] = defaultdict(list)
    for article in pool:
        days[article.dated.astimezone(zone).date()].append(article)
    echoes = _echoes({article.id: titles[article.id] for article in pool})

    def best(article: Article) -> tuple[float, ...]:
        shown = _shown(article)
        return -(article.news_value or 0), -shown, -echoes[article.id], -article.dated.timestamp(), article.id

    places = {it.id: place for day in days.values() for place, it in enumerate(sorted(day, key=best))}
    return sorted(pool, key=lambda it: (places[it.id], *best(it)))


def _echoes(titles: Mapping[int, str]) -> dict[int, int]:
    """Returns, by id, how many titles share two words with this title. The two words that most titles share count.

    This is a rough measure of how many articles report the event. It is quick enough for all articles of a busy week.
    """
    pairs = {
        number: list(combinations(sorted({word for word in title.split() if len(word) >= _LONG})[:_WORDS], 2))
        for number, title in titles.items()
    }
    counts = Counter(chain.from_iterable(pairs.values()))
    return {number: max((counts[pair] for pair in mine), default=1) for number, mine in pairs.items()}


def _shown(article: Article) -> float:
    return (article.prominence or 0.0) + article.front_page


def interest(pool: Sequence[Article], span: TimeSpan, growth: Growth) -> Interest:
    """Estimates how much each article in `pool` is read. `growth` is the growth of the newsroom's view counts."""
    sources: defaultdict[str, list[Article]] = defaultdict(list)
    for article in pool:
        sources[article.source].append(article)
    counting = {name: _counts(each) for name, each in sources.items()}
    enough = {name for name, each in sources.items() if _differ(counting[name]) and _is_enough(counting[name], each)}
    compared = [it for name, each in sources.items() if name not in enough for it in _with_list(each)]
    listed = [it for it in compared if it.list_hours]
    unlisted = frozenset(it.id for it in compared if not it.list_hours)
    counted = [it for it in pool if it.views is not None and it.source in enough]
    if not _is_enough(counted, pool):
        counted = []
    readers: dict[int, float] = {}
    popularity: dict[int, float] = {}
    left_out = _left_out(counted, sources)
    groups = (counted, len(left_out), _readers, growth), (listed, len(unlisted), _hours, CAUTIOUS)
    for group, others, so_far, curve in groups:
        if group:
            estimates = _estimates(group, so_far, span, curve)
            lifted = lift([*estimates.values(), *[0.0] * others])
            readers |= estimates
            popularity |= {number: lifted(count) for number, count in estimates.items()}
    notes = tuple(_notes(pool, counted, compared))
    return Interest(readers, popularity, notes, frozenset(it.id for it in listed), unlisted, left_out)


def _counts(articles: Iterable[Article]) -> list[int]:
    return [it.views for it in articles if it.views is not None]


def _differ(counts: Sequence[int]) -> bool:
    """Returns False if several counts are all the same, such as 0: then the counter does not work."""
    return len(counts) == 1 or len(set(counts)) > 1


def _is_enough(known: Sequence[object], every: Sequence[object]) -> bool:
    return len(known) >= min(_MANY, _ENOUGH * len(every)) and (len(known) > 1 or len(every) == 1)


def _with_list(articles: Sequence[Article]) -> list[Article]:
    """Returns the articles of a source of which it is known how many hours they were on its list of the most read.

    This may be 0 hours. Articles that are older than all articles on the list are left out, because they may have been
    on it before this program collected the list.
    """
    on_list = [it for it in articles if it.list_hours]
    if len(on_list) < _LISTED:
        return []
    oldest = min(it.dated for it in on_list)
    return [it for it in articles if it.dated >= oldest]


def _left_out(counted: Sequence[Article], sources: Mapping[str, Sequence[Article]]) -> frozenset[int]:
    """Returns the ids of the articles without a count that were probably read less than those with a count.

    An export often has only the articles with the most views. So an article without a count is taken as little
    read, unless it is older than all articles of its source that have a count.
    """
    oldest: dict[str, datetime] = {}
    for article in counted:
        oldest[article.source] = min(oldest.get(article.source, article.dated), article.dated)
    return frozenset(
        it.id for name, first in oldest.items() for it in sources[name] if it.views is None and it.dated >= first
    )


def _estimates(
    group: Sequence[Article], so_far: Callable[[Article], float], span: TimeSpan, growth: Growth
) -> dict[int, float]:
    """Returns the estimated final number of readers of each article, by id.

    The estimate is the posterior mean of a Poisson count under a Gamma prior. An hour-old article is therefore judged
    mostly by the average of its category, and a week-old article mostly by its own readers so far.
    """
    by_category: defaultdict[str, list[float]] = defaultdict(list)
    for article in group:
        by_category[article.category].append(so_far(article))
    usual = _averages(by_category)
    found = {}
    for article in group:
        hours = (span.end - article.dated).total_seconds() / 3600
        found[article.id] = (_PRIOR * usual(article.category) + so_far(article)) / (_PRIOR + growth.at(hours))
    return found


def _averages(by_category: Mapping[str, Sequence[float]]) -> Callable[[str], float]:
    """Returns a function from a category to its average, which is moved towards the average of all categories."""
    average = fmean(value for values in by_category.values() for value in values)
    found = {
        name: (math.fsum(values) + _SHRINK * average) / (len(values) + _SHRINK) for name, values in by_category.items()
    }
    return lambda category: found.get(category, average)


def _readers(article: Article) -> float:
    views = max(article.views or 0, 0)
    return views + min(_COMMENT * ((article.comments or 0) + (article.shares or 0)), views)


def _hours(article: Article) -> float:
    return _AN_HOUR * (article.list_hours or 0.0)


def _notes(pool: Sequence[Article], counted: Sequence[Article], listed: Sequence[Article]) -> Iterator[Reason]:
    """Yields notes for the editors about what is known of how much the articles were read."""
    if not pool:
        return
    counts = _counts(pool)
    if listed:
        on_list = sum(bool(it.list_hours) for it in listed)
        yield Reason(ReasonCode.MOST_READ_LIST, {"listed": on_list, "articles": len(listed)})
    elif not counts:
        yield Reason(ReasonCode.NO_VIEW_COUNTS)
    elif not counted and len(set(counts)) == 1 and _is_enough(counts, pool):
        yield Reason(ReasonCode.EQUAL_VIEW_COUNTS)
    elif not counted:
        yield Reason(ReasonCode.FEW_VIEW_COUNTS, {"known": len(counts), "all": len(pool)})
    missing = len(pool) - len(counted) - len(listed)
    if missing and (counted or listed):
        yield Reason(ReasonCode.SOME_VIEW_COUNTS_MISSING, {"missing": missing, "all": len(pool)})
    used = {it.id for it in counted}
    unused = sum(it.views is not None and it.id not in used for it in pool)
    if unused and (counted or listed):
        yield Reason(ReasonCode.UNUSED_VIEW_COUNTS, {"count": unused})


def lift(values: Sequence[float]) -> Callable[[float], float]:
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
    return lambda value: max(0.0, min(HIGHEST, (math.log1p(value) - middle) / (top - middle)))
