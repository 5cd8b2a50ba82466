"""Articles about one event become one group, and a daily series becomes one too.

Two articles are linked when their words are alike and their dates are near. Groups are joined in falling order of
similarity, and only when they are alike on the average, so that no chain of small steps makes one event of a whole war.
It does not choose which article leads: `build` does, by score.
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
_ALIKE = 0.35  # labelled pairs: nearly all below it are different events, nearly all above it the same
_VERY = 0.5  # enough for a single article, whatever the rest of the group says
_AVERAGE = 0.6 * _ALIKE  # of all links between two groups that become one
_AGAIN = 0.6  # weeks after an issue told it; a weekly column under one title is less like itself than that
_SAME = 0.95  # the similarity of a title or an address that is the same
_TELLING = 3  # words: a shorter title, such as «نگاه هفته», may be a rubric that stands over many different articles
_RUBRIC = 4  # articles of one title, however long it is, whose leads have nothing to do with each other
_BURST = timedelta(hours=30)
_SERIES_DAYS, _SERIES_BURST = 3, 2
_MANY = 400  # links: an average over more is not worth its time
# What changes from one part of a series to the next: «قیمت دلار امروز، شنبه ۷ بهمن».
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
_COUNTED = 4  # other titles that differ in one number count up, when there are more of them and the numbers lie so near


@dataclass(frozen=True, slots=True)
class Event:
    """Articles about one event, in order of date, then number."""

    members: tuple[Article, ...]
    burst: int  # members within the densest 30 hours
    series: bool  # told day after day without ever being the news of a day: a price, the weather


@dataclass(frozen=True, slots=True)
class Events:
    """All the events of a pool, in order of date, and how alike two articles are, by their ids (the smaller first)."""

    events: tuple[Event, ...]
    alike: Mapping[tuple[int, int], float]

    def similarity(self, one: int, other: int) -> float:
        """0 when the two are not alike enough to be worth a number."""
        return self.alike.get((min(one, other), max(one, other)), 0.0)


def group(
    articles: Iterable[Article], titles: Mapping[int, str], zone: tzinfo, *, told: frozenset[int] = frozenset()
) -> Events:
    """The articles, parted into events.

    titles  the key of each article's title by article id
    zone    the newsroom's, whose days a series is counted by
    told    ids of articles that an earlier issue told: what is very like them is their event, however far apart
    """
    pool = sorted(articles, key=lambda article: (article.dated, article.id))
    rubrics = _rubrics(pool, titles)
    empty = _empty_leads(pool, titles)
    keyed = vectors([words(it, with_title=titles[it.id] not in rubrics, with_lead=it.id not in empty) for it in pool])
    patterns = _Patterns([titles[article.id] for article in pool])
    alike = {place: value for place, value in pairs(keyed, _AVERAGE).items() if not patterns.part(*place)}
    links = {place: value for place, value in alike.items() if _near(pool[place[0]], pool[place[1]])}
    links |= {place: value for place, value in _same(pool, titles, rubrics).items() if _near_or_one(pool, place)}
    links |= {
        (i, j): value
        for (i, j), value in alike.items()
        if value >= _AGAIN and (pool[i].id in told) != (pool[j].id in told)
    }
    joined = [_event([pool[place] for place in sorted(members)], zone) for members in _join(len(pool), links)]
    by_id = {(min(a, b), max(a, b)): v for (i, j), v in links.items() for a, b in ((pool[i].id, pool[j].id),)}
    return Events(tuple(sorted(joined, key=lambda it: (it.members[0].dated, it.members[0].id))), by_id)


def _rubrics(pool: Sequence[Article], titles: Mapping[int, str]) -> frozenset[str]:
    """Titles that stand over different articles: short ones that occur twice, and any whose leads all differ."""
    heard: defaultdict[str, list[Article]] = defaultdict(list)
    for article in pool:
        heard[titles[article.id]].append(article)
    return frozenset(
        title
        for title, over in heard.items()
        if len(over) > 1 and (len(title.split()) < _TELLING or (len(over) >= _RUBRIC and _all_differ(over)))
    )


def _all_differ(articles: Sequence[Article]) -> bool:
    """Whether no lead shares a fifth of its words with the one before it. A lead that says nothing may be the same."""
    leads = [set(key(article.lead or article.body[:_MANY]).split()) for article in articles]
    return all(one and other and len(one & other) * 5 < len(one | other) for one, other in pairwise(leads))


def _empty_leads(pool: Sequence[Article], titles: Mapping[int, str]) -> frozenset[int]:
    """Articles whose lead one source puts over several that have nothing else in common: the site's own description,
    or «read more at …». Compared, it would make one event of them all."""
    heard: defaultdict[tuple[str, str], list[Article]] = defaultdict(list)
    for article in pool:
        told = key((article.lead or article.body)[:_MANY]).split()
        frame = " ".join("#" if word.isdecimal() else word for word in told)
        if frame:
            heard[article.source, frame].append(article)
    return frozenset(
        article.id
        for over in heard.values()
        if len(over) >= _RUBRIC and all(_unlike(titles[one.id], titles[other.id]) for one, other in pairwise(over))
        for article in over
    )


def _unlike(one: str, other: str) -> bool:
    """Whether two keys share less than a fifth of their words."""
    some, more = set(one.split()), set(other.split())
    return len(some & more) * 5 < len(some | more)


def _same(pool: Sequence[Article], titles: Mapping[int, str], rubrics: frozenset[str]) -> Pairs:
    """Pairs that are the same whatever else they say: one title, one series, one address."""
    found: Pairs = {}
    seen: defaultdict[str, list[int]] = defaultdict(list)
    for place, article in enumerate(pool):
        title = titles[article.id]
        names = {_link(article.url)}
        if title not in rubrics and len(title.split()) >= _TELLING:
            frame = [word for word in title.split() if word not in _DATES and not _NUMBER.search(word)]
            dated = not _DATES.isdisjoint(title.split())
            names |= {title} | ({f"series {' '.join(frame)}"} if dated and len(frame) >= _TELLING - 1 else set())
        for name in names - {""}:
            # The last few are enough to join them all, and keep a title that is repeated a thousand times cheap.
            found.update(((other, place), _SAME) for other in seen[name][-5:])
            seen[name].append(place)
    return found


class _Patterns:
    """Titles that are alike because they are made alike, not because they tell one event.

    «کارگاه شمارهٔ ۳ برگزار شد» and «کارگاه شمارهٔ ۴ برگزار شد» are numbered; «موزهٔ سفال پس از سالها گشوده شد» and
    «پل خواجو پس از سالها گشوده شد» say the
    same of two subjects. A death toll that grows is not numbered: its numbers do not follow one another.
    """

    def __init__(self, titles: Sequence[str]) -> None:
        self._words = [title.split() for title in titles]
        self._frames = [" ".join("#" if word.isdecimal() else word for word in told) for told in self._words]
        numbers: defaultdict[str, set[int]] = defaultdict(set)
        for told, frame in zip(self._words, self._frames, strict=True):
            if "#" in frame and _DATES.isdisjoint(told):
                numbers[frame].add(next(int(word[:9]) for word in told if word.isdecimal()))
        self._numbered = {
            frame
            for frame, heard in numbers.items()
            if _NUMBERED.search(frame) or (len(heard) > _COUNTED and max(heard) - min(heard) <= _COUNTED * len(heard))
        }

    def part(self, i: int, j: int) -> bool:
        """Whether the two titles say that these are two things."""
        if self._frames[i] == self._frames[j]:
            return self._frames[i] in self._numbered and self._words[i] != self._words[j]
        one, other = self._words[i], self._words[j]
        end = 0
        while end < min(len(one), len(other)) and one[-1 - end] == other[-1 - end]:
            end += 1
        if end < _TELLING or end in (len(one), len(other)):
            return False
        first, second = runs(one[: len(one) - end]), runs(other[: len(other) - end])
        # «کتابخانه» and «رصدخانه» share a run; two names of one thing share most of theirs.
        return len(first & second) * 3 < min(len(first), len(second))


def _near(one: Article, other: Article) -> bool:
    return abs(one.dated - other.dated) <= _NEAR


def _near_or_one(pool: Sequence[Article], place: tuple[int, int]) -> bool:
    one, other = pool[place[0]], pool[place[1]]
    return _near(one, other) or _link(one.url) == _link(other.url) != ""


def _join(count: int, links: Pairs) -> list[list[int]]:
    """Groups of places, joined in falling order of similarity."""
    home = list(range(count))
    members = {place: [place] for place in range(count)}
    for (i, j), value in sorted(links.items(), key=lambda link: (-link[1], link[0])):
        if value < _ALIKE:
            break
        one, other = home[i], home[j]
        if one != other and _joinable(members[one], members[other], links, value):
            for place in members[other]:
                home[place] = one
            members[one] += members.pop(other)
    return list(members.values())


def _joinable(one: Sequence[int], other: Sequence[int], links: Pairs, value: float) -> bool:
    if value >= _SAME or (value >= _VERY and min(len(one), len(other)) == 1):
        return True
    if len(one) * len(other) > _MANY:
        return False
    total = sum(links.get((i, j) if i < j else (j, i), 0.0) for i in one for j in other)
    return total >= _AVERAGE * len(one) * len(other)


def _event(members: Sequence[Article], zone: tzinfo) -> Event:
    """A series is spread over three days and more, and has never more than two of its articles within 30 hours."""
    burst = first = 0
    for last, article in enumerate(members):
        while article.dated - members[first].dated > _BURST:
            first += 1
        burst = max(burst, last - first + 1)
    days = Counter(article.dated.astimezone(zone).date() for article in members)
    return Event(tuple(members), burst, len(days) >= _SERIES_DAYS and burst <= _SERIES_BURST)


def _link(url: str) -> str:
    """The address without what never changes the page: how it is fetched, the fragment, a last slash."""
    return url.partition("#")[0].partition("://")[2].rstrip("/")
