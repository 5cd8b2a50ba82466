"""Groups articles about the same event. The articles of a daily series also become one group.

Two articles are linked if their words are similar and their dates are near. At first, each article is a group of its
own. Then the links are followed, beginning with the most similar articles. A link joins the groups of its two articles
if these groups are also similar on average. Without this condition, a chain of similar articles could make a whole war
one event. `build` decides by score which article leads an event.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from itertools import pairwise

from mailer.choice.coverage import Coverage
from mailer.choice.decided_pairs import NO_DECISIONS, Decided
from mailer.choice.kinds import is_roundup, is_source_line
from mailer.choice.similar import Pairs, pairs, runs, vectors, words
from mailer.model import Article
from mailer.text.calendar import JALALI, WEEKDAYS
from mailer.text.search_key import key

# Two articles whose dates are further apart are linked only if they have the same address, or if _REPEATED applies.
_NEAR = timedelta(hours=96)
_AGING = 0.3  # a similarity is reduced by this share if the two dates are _NEAR apart, and by less if they are nearer
# People labelled pairs of articles. Nearly all pairs with at least this similarity are about the same event, and nearly
# all other pairs are about different events.
_SIMILAR = 0.28
_TITLE_ALONE = 0.28 / 0.38  # a similarity counts only this much if one of the two articles has only a title
# Events are about the same topic if a link of at least _TOPIC joins them, and their average similarity is at least
# _TOPIC_AVERAGE.
_TOPIC = 0.25
_TOPIC_AVERAGE = 0.06
# A group joins the topic of a larger group of at least _ATTACHABLE articles under two conditions. The similarities
# between the two groups add up to at least _ATTACHED times the number of articles in the smaller group. Their average,
# over all pairs of articles, is at least _ATTACHED_AVERAGE.
_ATTACHABLE = 5
_ATTACHED = 0.75
_ATTACHED_AVERAGE = 0.02
_VERY_SIMILAR = 0.43  # a link of at least this similarity joins a single article to a group, whatever the average is
_AVERAGE = 0.6 * _SIMILAR  # two groups are joined only if their average similarity is at least this
# An article is about the same event as an article of an earlier issue, even weeks later, if the two have at least this
# similarity. Two articles of a weekly column are less similar.
_REPEATED = 0.6
_IDENTICAL = 0.95  # the similarity that is given to two articles with the same title, series or address
# A title with fewer words, such as «نگاه هفته», is a rubric (the name of a column) if several articles have this title.
_TITLE_WORDS = 3
_SHORT = 4  # a title of at most this many words is a rubric if several articles have it and all their leads differ
# A longer title is a rubric if at least this many articles have this title and their leads differ. A lead is ignored if
# at least this many articles with different titles share the lead.
_RUBRIC = 4
_BURST = timedelta(hours=30)  # `Event.burst` is the largest number of members within this time
_SERIES_DAYS, _SERIES_BURST = 3, 2  # a series has articles on at least 3 days, but at most 2 articles within _BURST
_TWICE_A_DAY = 3  # a series that comes twice a day has at most 3 articles within _BURST, and similar titles
_LEAD = 400  # how many characters of a lead are compared
# Words that change from one article of a series to the next, as in «قیمت دلار امروز، شنبه ۷ بهمن».
_OTHER_DATES = ("امروز", "دیروز", "فردا", "صبح", "ظهر", "عصر", "شب", "یک", "دو", "سه", "چهار", "پنج", "ماه")
_DATES = frozenset(key(word) for word in (*WEEKDAYS, *JALALI, *_OTHER_DATES))
_NUMBER = re.compile(r"[0-9]")
# Matches a word such as "part" or "session" before a number, in a search key whose numbers are replaced by "#".
_NUMBERED = re.compile(r"\b(?:شماره|قسمت|بخش|دوره|جلسه|هفته|گام|خبر|مقاله|عنوان) #")
# Titles that differ only in a number are a numbered series if the number comes after a word of _NUMBERED. Otherwise
# there must be more than _COUNTED different numbers, and they must be close together: the largest minus the smallest is
# at most _COUNTED times the count of the numbers.
_COUNTED = 4


@dataclass(frozen=True, slots=True)
class Event:
    """The articles about one event, ordered by date, then by id."""

    members: tuple[Article, ...]
    burst: int  # the largest number of members within any 30 hours
    series: bool  # True if the members are a daily series without news, such as prices or the weather


@dataclass(frozen=True, slots=True)
class Events:
    """The events, ordered by date, and what is known about their articles.

    alike       the ids of two linked articles (smaller id first) → their similarity
    topics      article id → id of the first article of its topic; a topic has the articles of similar events, such as
                all reports from a war
    coverage    how widely the subject of each article is covered, independent of the events
    centrality  article id → the sum of its similarities to the other articles of its event
    decided     what editors decided about pairs of articles
    """

    events: tuple[Event, ...]
    alike: Mapping[tuple[int, int], float]
    topics: Mapping[int, int]
    coverage: Coverage
    centrality: Mapping[int, float]
    decided: Decided = NO_DECISIONS

    def similarity(self, one: int, other: int) -> float:
        """Returns the similarity of the articles with these two ids, or 0 if the articles are not linked."""
        return self.alike.get((min(one, other), max(one, other)), 0.0)


def group(
    articles: Iterable[Article],
    titles: Mapping[int, str],
    zone: tzinfo,
    *,
    used: frozenset[int] = frozenset(),
    decided: Decided = NO_DECISIONS,
) -> Events:
    """Groups the articles into events.

    titles  article id → the search key of the article's title
    zone    the newsroom's time zone, which decides on which day an article was published
    used    ids of articles that an earlier issue used; a new article that is very similar to one of these joins its
            event, even weeks later
    decided  what editors decided about pairs of articles; a decision overrules the similarity of the two
    """
    pool = sorted(articles, key=lambda article: (article.dated, article.id))
    rubrics = _rubrics(pool, titles)
    empty = _empty_leads(pool, titles)
    texts = [words(it, with_title=titles[it.id] not in rubrics, with_lead=it.id not in empty) for it in pool]
    keyed = vectors(texts, [it.dated.astimezone(zone).date() for it in pool])
    patterns = _Patterns([titles[article.id] for article in pool])
    bare = {n for n, it in enumerate(pool) if it.id in empty or not (it.lead or it.body)}
    roundups = {n for n, it in enumerate(pool) if is_roundup(it)}
    alike = {
        (i, j): value * _TITLE_ALONE if i in bare or j in bare else value
        for (i, j), value in pairs(keyed, _AVERAGE).items()
        if i not in roundups and j not in roundups and not patterns.differ(i, j)
    }
    links = {
        (i, j): value * (1 - _AGING * (abs(pool[i].dated - pool[j].dated) / _NEAR))
        for (i, j), value in alike.items()
        if _near(pool[i], pool[j])
    }
    links |= {place: value for place, value in _same(pool, titles, rubrics).items() if _near_or_one(pool, place)}
    links |= {
        (i, j): value
        for (i, j), value in alike.items()
        if value >= _REPEATED and (pool[i].id in used) != (pool[j].id in used)
    }
    place = {it.id: n for n, it in enumerate(pool)}
    apart = [(place[a], place[b]) for a, others in decided.apart.items() if a in place for b in others if b in place]
    groups = _Groups(len(pool), links)
    for pair in apart:
        groups.keep_apart(*pair)
    for each in decided.together:
        for one, other in pairwise(sorted(place[number] for number in each if number in place)):
            groups.unite(one, other)
    joined = [_event([pool[n] for n in each], titles, zone) for each in groups.join(_SIMILAR, _AVERAGE)]
    groups.allow_all()  # different events may have the same topic
    groups.join(_TOPIC, _TOPIC_AVERAGE)
    topics = {pool[n].id: pool[each[0]].id for each in groups.attach() for n in each}
    kept_apart = {(min(pair), max(pair)) for pair in apart}
    by_id = {(min(a, b), max(a, b)): v for (i, j), v in links.items() for a, b in ((pool[i].id, pool[j].id),)}
    for pair in apart:
        by_id.pop((pool[pair[0]].id, pool[pair[1]].id), None)
    return Events(
        tuple(sorted(joined, key=lambda it: (it.members[0].dated, it.members[0].id))),
        by_id,
        topics,
        Coverage(pool, {pair: _closeness(value) for pair, value in alike.items() if pair not in kept_apart}),
        _centrality(joined, by_id),
        decided,
    )


def _closeness(similarity: float) -> float:
    """Returns how certain it is, from 0 to 1, that two articles with this similarity report the same event."""
    return max(0.0, min(1.0, (similarity - _AVERAGE) / (_SIMILAR - _AVERAGE)))


def _centrality(events: Iterable[Event], alike: Mapping[tuple[int, int], float]) -> dict[int, float]:
    """Returns the sum of the similarities of each article to the other articles of its event, by article id.

    Articles of a series are left out, because the newest article of a series says most.
    """
    event_of = {member.id: number for number, event in enumerate(events) for member in event.members}
    series = {member.id for event in events if event.series for member in event.members}
    found: defaultdict[int, float] = defaultdict(float)
    for (one, other), value in sorted(alike.items()):
        if event_of[one] == event_of[other] and one not in series:
            found[one] += value
            found[other] += value
    return {number: round(value, 6) for number, value in found.items()}


def _rubrics(pool: Sequence[Article], titles: Mapping[int, str]) -> frozenset[str]:
    """Returns the titles that are rubrics, which means that articles about different things have the same title.

    A title of one or two words is a rubric if it occurs at least twice. A title of three or four words is a rubric if
    it occurs at least twice with different leads; a longer title, if it occurs at least four times with different
    leads.
    """
    by_title: defaultdict[str, list[Article]] = defaultdict(list)
    for article in pool:
        by_title[titles[article.id]].append(article)
    return frozenset(
        title
        for title, same in by_title.items()
        if len(same) > 1
        and (
            len(title.split()) < _TITLE_WORDS
            or ((len(title.split()) <= _SHORT or len(same) >= _RUBRIC) and _all_differ(same))
        )
    )


def _all_differ(articles: Sequence[Article]) -> bool:
    """Returns True if each article has a lead, and consecutive leads always share less than a fifth of their words."""
    leads = [key(article.lead or article.body[:_LEAD]) for article in articles]
    return all(one and other and _differ(one, other) for one, other in pairwise(leads))


def _empty_leads(pool: Sequence[Article], titles: Mapping[int, str]) -> frozenset[int]:
    """Returns the ids of articles whose lead does not describe the article but, for example, the site or the source.

    Usually, a source gives several articles with different titles the same lead. If such leads were compared, the
    articles would become one event.
    """
    by_lead: defaultdict[tuple[str, str], list[Article]] = defaultdict(list)
    found = {article.id for article in pool if is_source_line(article.lead)}
    for article in pool:
        frame = _frame(key((article.lead or article.body)[:_LEAD]).split())
        if frame:
            by_lead[article.source, frame].append(article)
    for same in by_lead.values():
        if len(same) >= _RUBRIC and all(_differ(titles[one.id], titles[other.id]) for one, other in pairwise(same)):
            found |= {article.id for article in same}
    return frozenset(found)


def _frame(words: Sequence[str]) -> str:
    """Returns the words as one string, with "#" in place of each number."""
    return " ".join("#" if word.isdecimal() else word for word in words)


def _differ(one: str, other: str) -> bool:
    """Returns True if two keys share less than a fifth of their words."""
    some, more = set(one.split()), set(other.split())
    return len(some & more) * 5 < len(some | more)


def _same(pool: Sequence[Article], titles: Mapping[int, str], rubrics: frozenset[str]) -> Pairs:
    """Returns links between articles with the same title, series or address, as (i, j) → similarity.

    i and j are indexes into `pool`.
    """
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
            # Link each article only to the previous five with the same title, series or address. These links join all
            # such articles into one event, and remain few even if a thousand articles have the same title.
            found.update(((other, place), _IDENTICAL) for other in seen[name][-5:])
            seen[name].append(place)
    return found


class _Patterns:
    """Recognises pairs of titles that are similar because they follow a pattern, not because of a common event.

    For example, «کارگاه شمارهٔ ۳ برگزار شد» and «کارگاه شمارهٔ ۴ برگزار شد» belong to a numbered series, and
    «موزهٔ سفال پس از سالها گشوده شد» and «پل خواجو پس از سالها گشوده شد» say the same thing about two subjects. Titles
    with a growing death toll are not a numbered series, because their numbers are not close together.
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
        """Returns True if titles `i` and `j` follow the same pattern but are about different things."""
        if self._frames[i] == self._frames[j]:
            return self._frames[i] in self._numbered and self._words[i] != self._words[j]
        one, other = self._words[i], self._words[j]
        end = 0
        while end < min(len(one), len(other)) and one[-1 - end] == other[-1 - end]:
            end += 1
        if end < _TITLE_WORDS or end in (len(one), len(other)):
            return False
        first, second = runs(one[: len(one) - end]), runs(other[: len(other) - end])
        # Different words, such as «کتابخانه» and «رصدخانه», share few runs of characters. Two names of the same thing
        # share most of their runs.
        return len(first & second) * 3 < min(len(first), len(second))


def _near(one: Article, other: Article) -> bool:
    return abs(one.dated - other.dated) <= _NEAR


def _near_or_one(pool: Sequence[Article], place: tuple[int, int]) -> bool:
    one, other = pool[place[0]], pool[place[1]]
    return _near(one, other) or _link(one.url) == _link(other.url) != ""


class _Groups:
    """Groups of articles, which are numbered from 0 to `count` - 1. At first, each article is a group of its own.

    `links` maps the numbers of two articles to their similarity.
    """

    def __init__(self, count: int, links: Pairs) -> None:
        self._home = list(range(count))
        self._members = {place: [place] for place in range(count)}
        self._links = sorted(links.items(), key=lambda link: (-link[1], link[0]))
        # The sums of the similarities between two groups. They are kept up to date, because adding up the links of two
        # large groups for each link between them would take too long.
        self._sums: defaultdict[int, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
        for (i, j), value in links.items():
            self._sums[i][j] = self._sums[j][i] = value
        self._apart: defaultdict[int, set[int]] = defaultdict(set)  # group → the groups that it must not be joined to

    def keep_apart(self, i: int, j: int) -> None:
        """Makes sure that the articles `i` and `j` never get into one group, unless `unite` puts them there."""
        one, other = self._home[i], self._home[j]
        self._apart[one].add(other)
        self._apart[other].add(one)

    def unite(self, i: int, j: int) -> None:
        """Joins the groups of two articles, however similar they are."""
        if self._home[i] != self._home[j]:
            self._merge(self._home[i], self._home[j])

    def allow_all(self) -> None:
        """Undoes all calls of `keep_apart`. This joins no groups, but later calls of `join` may join any."""
        self._apart.clear()

    def join(self, least: float, average: float) -> list[list[int]]:
        """Joins the groups of linked articles, beginning with the most similar, and returns all groups.

        A link counts if its similarity is at least `least`, and if the articles of the two groups have an average
        similarity of at least `average`.
        """
        members, sums = self._members, self._sums
        for (i, j), value in self._links:
            if value < least:
                break
            one, other = self._home[i], self._home[j]
            if one == other or other in self._apart.get(one, ()):
                continue
            if not _joinable(len(members[one]), len(members[other]), sums[one][other], value, average):
                continue
            self._merge(one, other)
        return [sorted(each) for each in members.values()]

    def attach(self) -> list[list[int]]:
        """Joins each group to a larger group with which its articles have many links, and returns all groups.

        The links may be weak. If a large event is worded in many ways, some of its articles are only a little similar
        to the others, but to many of them.
        """
        for group in sorted(self._members, key=lambda each: (len(self._members[each]), each)):
            if group not in self._members:
                continue  # already joined
            size = len(self._members[group])
            near = [
                (total / size, -other)
                for other, total in self._sums[group].items()
                if len(self._members[other]) >= max(size, _ATTACHABLE)
                and total >= size * max(_ATTACHED, _ATTACHED_AVERAGE * len(self._members[other]))
            ]
            if near:
                self._merge(-max(near)[1], group)
        return [sorted(each) for each in self._members.values()]

    def _merge(self, one: int, other: int) -> None:
        members, sums = self._members, self._sums
        if len(sums[one]) < len(sums[other]):
            one, other = other, one
        for place in members[other]:
            self._home[place] = one
        members[one] += members.pop(other)
        for third in self._apart.pop(other, ()):
            self._apart[third].discard(other)
            self._apart[third].add(one)
            self._apart[one].add(third)
        sums[one].pop(other, None)
        for third, total in sums.pop(other).items():
            if third != one:
                sums[one][third] += total
                sums[third][one] += total
                del sums[third][other]


def _joinable(one: int, other: int, total: float, value: float, average: float) -> bool:
    """Returns True if a link of similarity `value` may join two groups with `one` and `other` articles.

    `total` is the sum of the similarities between the articles of the two groups. `average` is the average similarity
    that is needed, unless the link alone is strong enough.
    """
    if value >= _IDENTICAL or (value >= _VERY_SIMILAR and min(one, other) == 1):
        return True
    return total >= average * one * other


def _event(members: Sequence[Article], titles: Mapping[int, str], zone: tzinfo) -> Event:
    """Returns the event with these articles, which must be in order of date."""
    burst = first = 0
    for last, article in enumerate(members):
        while article.dated - members[first].dated > _BURST:
            first += 1
        burst = max(burst, last - first + 1)
    days = Counter(article.dated.astimezone(zone).date() for article in members)
    patterned = burst <= _TWICE_A_DAY and all(
        not _differ(titles[one.id], titles[other.id]) for one, other in pairwise(members)
    )
    return Event(tuple(members), burst, len(days) >= _SERIES_DAYS and (burst <= _SERIES_BURST or patterned))


def _link(url: str) -> str:
    """Returns the address without scheme, fragment and final slash, because none of these changes the page."""
    return url.partition("#")[0].partition("://")[2].rstrip("/")
