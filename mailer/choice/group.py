"""Groups articles about one event; a daily series becomes one group, too.

Two articles are linked if their words are similar and their dates are near. Groups are joined in falling order of
similarity, and only if they are similar on average, so that no chain of small steps makes one event of a whole war.
Which article leads an event is decided in `build`, by score.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from itertools import pairwise

from mailer.choice.similar import Pairs, pairs, runs, vectors, words
from mailer.model import Article
from mailer.text.calendar import JALALI, WEEKDAYS
from mailer.text.search_key import key

_NEAR = timedelta(hours=96)
_SIMILAR = 0.35  # of labelled pairs, nearly all below it are different events and nearly all above it the same
_VERY_SIMILAR = 0.5  # enough to join a single article to a group without looking at the average
_AVERAGE = 0.6 * _SIMILAR  # the least average similarity of two groups that are joined
_REPEATED = 0.6  # means the same event weeks after an issue used it; issues of a weekly column are less similar
_IDENTICAL = 0.95  # the similarity of two articles with the same title or address
_TITLE_WORDS = 3  # a shorter title, such as «نگاه هفته», may be a rubric over many different articles
_RUBRIC = 4  # articles of one title, of any length, whose leads have nothing in common make it a rubric
_BURST = timedelta(hours=30)
_SERIES_DAYS, _SERIES_BURST = 3, 2
_MOST_LINKS = 400  # two groups with more possible links are not compared: it would take too long
_LEAD = 400  # characters of a lead that are compared
# Words that change from one part of a series to the next: «قیمت دلار امروز، شنبه ۷ بهمن».
_DATES = frozenset(
    key(word)
    for word in (
        *WEEKDAYS,
        *JALALI,
        *("امروز", "دیروز", "فردا", "صبح", "ظهر", "عصر", "شب", "یک", "دو", "سه", "چهار", "پنج", "ماه"),
    )
)
_NUMBER = re.compile(r"[0-9]")
_NUMBERED = re.compile(r"\b(?:شماره|قسمت|بخش|دوره|جلسه|هفته|گام|خبر|مقاله|عنوان) #")  # in a key; «#» is any number
_COUNTED = 4  # titles that differ in one number are numbered if there are more than this and their numbers are near


@dataclass(frozen=True, slots=True)
class Event:
    """Articles about one event, in order of date, then number."""

    members: tuple[Article, ...]
    burst: int  # members within the densest 30 hours
    series: bool  # published day after day without being the news of any day: a price, the weather


@dataclass(frozen=True, slots=True)
class Events:
    """All events of some articles, in order of date, and the similarities of pairs of ids (the smaller id first)."""

    events: tuple[Event, ...]
    alike: Mapping[tuple[int, int], float]

    def similarity(self, one: int, other: int) -> float:
        """The similarity of two articles; 0 if it is too small to be computed."""
        return self.alike.get((min(one, other), max(one, other)), 0.0)


def group(
    articles: Iterable[Article], titles: Mapping[int, str], zone: tzinfo, *, used: frozenset[int] = frozenset()
) -> Events:
    """The articles, grouped into events.

    titles  the key of each article's title by article id
    zone    the newsroom's time zone, for the days of a series
    used    ids of articles that an earlier issue used; very similar articles are of the same event at any distance
    """
    pool = sorted(articles, key=lambda article: (article.dated, article.id))
    rubrics = _rubrics(pool, titles)
    empty = _empty_leads(pool, titles)
    keyed = vectors([words(it, with_title=titles[it.id] not in rubrics, with_lead=it.id not in empty) for it in pool])
    patterns = _Patterns([titles[article.id] for article in pool])
    alike = {place: value for place, value in pairs(keyed, _AVERAGE).items() if not patterns.differ(*place)}
    links = {place: value for place, value in alike.items() if _near(pool[place[0]], pool[place[1]])}
    links |= {place: value for place, value in _same(pool, titles, rubrics).items() if _near_or_one(pool, place)}
    links |= {
        (i, j): value
        for (i, j), value in alike.items()
        if value >= _REPEATED and (pool[i].id in used) != (pool[j].id in used)
    }
    joined = [_event([pool[place] for place in sorted(members)], zone) for members in _join(len(pool), links)]
    by_id = {(min(a, b), max(a, b)): v for (i, j), v in links.items() for a, b in ((pool[i].id, pool[j].id),)}
    return Events(tuple(sorted(joined, key=lambda it: (it.members[0].dated, it.members[0].id))), by_id)


def _rubrics(pool: Sequence[Article], titles: Mapping[int, str]) -> frozenset[str]:
    """Titles of different articles: short ones that occur twice, and any whose articles have different leads."""
    by_title: defaultdict[str, list[Article]] = defaultdict(list)
    for article in pool:
        by_title[titles[article.id]].append(article)
    return frozenset(
        title
        for title, same in by_title.items()
        if len(same) > 1 and (len(title.split()) < _TITLE_WORDS or (len(same) >= _RUBRIC and _all_differ(same)))
    )


def _all_differ(articles: Sequence[Article]) -> bool:
    """Returns True if no article has an empty lead or one that shares a fifth of its words with the one before."""
    leads = [key(article.lead or article.body[:_LEAD]) for article in articles]
    return all(one and other and _differ(one, other) for one, other in pairwise(leads))


def _empty_leads(pool: Sequence[Article], titles: Mapping[int, str]) -> frozenset[int]:
    """Ids of articles whose source gives the same lead to several articles with different titles, such as the site's
    description. If it were compared, they would become one event."""
    by_lead: defaultdict[tuple[str, str], list[Article]] = defaultdict(list)
    for article in pool:
        frame = _frame(key((article.lead or article.body)[:_LEAD]).split())
        if frame:
            by_lead[article.source, frame].append(article)
    return frozenset(
        article.id
        for same in by_lead.values()
        if len(same) >= _RUBRIC and all(_differ(titles[one.id], titles[other.id]) for one, other in pairwise(same))
        for article in same
    )


def _frame(words: Sequence[str]) -> str:
    """The words with "#" for each number."""
    return " ".join("#" if word.isdecimal() else word for word in words)


def _differ(one: str, other: str) -> bool:
    """Returns True if two keys share less than a fifth of their words."""
    some, more = set(one.split()), set(other.split())
    return len(some & more) * 5 < len(some | more)


def _same(pool: Sequence[Article], titles: Mapping[int, str], rubrics: frozenset[str]) -> Pairs:
    """Pairs of articles with the same title, series or address, as places in `pool`."""
    found: Pairs = {}
    seen: defaultdict[str, list[int]] = defaultdict(list)
    for place, article in enumerate(pool):
        title = titles[article.id]
        names = {_link(article.url)}
        if title not in rubrics and len(title.split()) >= _TITLE_WORDS:
            frame = [word for word in title.split() if word not in _DATES and not _NUMBER.search(word)]
            dated = not _DATES.isdisjoint(title.split())
            names |= {title} | ({f"series {' '.join(frame)}"} if dated and len(frame) >= _TITLE_WORDS - 1 else set())
        for name in names - {""}:
            # The last few are enough to join them all, and keep a title that is repeated a thousand times cheap.
            found.update(((other, place), _IDENTICAL) for other in seen[name][-5:])
            seen[name].append(place)
    return found


class _Patterns:
    """Titles that are similar because they follow a pattern, not because they are about one event.

    «کارگاه شمارهٔ ۳ برگزار شد» and «کارگاه شمارهٔ ۴ برگزار شد» are numbered; «موزهٔ سفال پس از سالها گشوده شد» and
    «پل خواجو پس از سالها گشوده شد» say the same of two subjects. A death toll that grows is not numbered: its numbers
    do not follow one another.
    """

    def __init__(self, titles: Sequence[str]) -> None:
        self._words = [title.split() for title in titles]
        self._frames = [_frame(title) for title in self._words]
        numbers: defaultdict[str, set[int]] = defaultdict(set)
        for title, frame in zip(self._words, self._frames, strict=True):
            if "#" in frame and _DATES.isdisjoint(title):
                numbers[frame].add(next(int(word[:9]) for word in title if word.isdecimal()))
        self._numbered = {
            frame
            for frame, found in numbers.items()
            if _NUMBERED.search(frame) or (len(found) > _COUNTED and max(found) - min(found) <= _COUNTED * len(found))
        }

    def differ(self, i: int, j: int) -> bool:
        """Returns True if the two titles follow one pattern but are about two things."""
        if self._frames[i] == self._frames[j]:
            return self._frames[i] in self._numbered and self._words[i] != self._words[j]
        one, other = self._words[i], self._words[j]
        end = 0
        while end < min(len(one), len(other)) and one[-1 - end] == other[-1 - end]:
            end += 1
        if end < _TITLE_WORDS or end in (len(one), len(other)):
            return False
        first, second = runs(one[: len(one) - end]), runs(other[: len(other) - end])
        # «کتابخانه» and «رصدخانه» share one run; two names of one thing share most of their runs.
        return len(first & second) * 3 < min(len(first), len(second))


def _near(one: Article, other: Article) -> bool:
    return abs(one.dated - other.dated) <= _NEAR


def _near_or_one(pool: Sequence[Article], place: tuple[int, int]) -> bool:
    one, other = pool[place[0]], pool[place[1]]
    return _near(one, other) or _link(one.url) == _link(other.url) != ""


def _join(count: int, links: Pairs) -> list[list[int]]:
    """Groups of places, joined in falling order of similarity.

    `links` maps pairs of places to similarities; `count` is the number of places.
    """
    home = list(range(count))
    members = {place: [place] for place in range(count)}
    for (i, j), value in sorted(links.items(), key=lambda link: (-link[1], link[0])):
        if value < _SIMILAR:
            break
        one, other = home[i], home[j]
        if one != other and _joinable(members[one], members[other], links, value):
            for place in members[other]:
                home[place] = one
            members[one] += members.pop(other)
    return list(members.values())


def _joinable(one: Sequence[int], other: Sequence[int], links: Pairs, value: float) -> bool:
    if value >= _IDENTICAL or (value >= _VERY_SIMILAR and min(len(one), len(other)) == 1):
        return True
    if len(one) * len(other) > _MOST_LINKS:
        return False
    total = sum(links.get((i, j) if i < j else (j, i), 0.0) for i in one for j in other)
    return total >= _AVERAGE * len(one) * len(other)


def _event(members: Sequence[Article], zone: tzinfo) -> Event:
    """The event of these articles. A series covers at least three days, with at most two articles within 30 hours."""
    burst = first = 0
    for last, article in enumerate(members):
        while article.dated - members[first].dated > _BURST:
            first += 1
        burst = max(burst, last - first + 1)
    days = Counter(article.dated.astimezone(zone).date() for article in members)
    return Event(tuple(members), burst, len(days) >= _SERIES_DAYS and burst <= _SERIES_BURST)


def _link(url: str) -> str:
    """The address without the parts that do not change the page: scheme, fragment, last slash."""
    return url.partition("#")[0].partition("://")[2].rstrip("/")
