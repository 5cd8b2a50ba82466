"""Weeks without view counts: how many of an editor's ten events an issue has, and where a large event is put.

`labelled` measures the weeks of `bench.labels`. `injected` adds articles about one event to a real week. They are made
of words of a real event of another week: each has a few of the words that only this event has, and other words of
articles about it, in a random order. No two are alike, and none reads like a sentence.
"""

import hashlib
import math
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from bench import labels
from mailer.choice.build import build
from mailer.model import Article, Digest, TimeSpan
from mailer.settings import Digest as Rules
from mailer.text.search_key import key

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import choice_data as data

END = datetime(2026, 3, 1, 6, tzinfo=UTC)
SIZES = (5, 20, 50, 200, 400)
_FIRST = 1_000_000  # the id of the first injected article
# The file, and the word that all articles about the event have.
EVENTS = {"hajj": ("asriran-2006-2015", "منا"), "drone": ("isna-2019-two-weeks", "پهپاد")}
WEEKS = ("hamshahri-rss-2020", "isna-2019-two-weeks", "hamshahri-2003-2007")
_LEAD = 500


def _article(number: int, row: dict[str, Any], dated: datetime, **changes: object) -> Article:
    lead = row.get("lead") or (row.get("body") or "")[:_LEAD]
    return data.article(number, row["title"], dated, lead=lead, category=row.get("category") or "", **changes)


# --- labelled weeks --------------------------------------------------------------------------------------------------
class Found(NamedTuple):
    """The events of a labelled week that an issue has."""

    week: labels.Week
    articles: int
    events: int  # how many of the ten are in the issue
    first: int | None  # the place of the first story about the most important event


def labelled(folder: Path) -> Iterator[Found]:
    """Yields what an issue without view counts has of the events of each week.

    The articles of the BBC have titles without leads, and the hours that they were in the first places of the front
    page.
    """
    every, site = labels.articles(folder), data.site(folder)
    for week in labels.weeks():
        numbers, made = _of_site(site, week) if week.file is None else _of_file(folder, week.file, week, every)
        span = TimeSpan(min(it.dated for it in made), max(it.dated for it in made) + timedelta(hours=1))
        digest = _build(made, span)
        ranks: dict[int, set[int]] = {}
        for event in labels.events()[week.name]:
            for name in event.articles:
                if name in numbers:
                    ranks.setdefault(numbers[name], set()).add(event.rank)
        shown = [ranks.get(story.lead.id, set()) for story in digest.stories]
        first = next((place for place, found in enumerate(shown, 1) if 1 in found), None)
        yield Found(week, len(made), len(set().union(*shown)), first)


def _of_file(
    folder: Path, file: str, week: labels.Week, every: Mapping[str, dict[str, Any]]
) -> tuple[dict[str, int], list[Article]]:
    """Returns the number of each article by its id in the data, and the articles."""
    names = dict.fromkeys(row["id"] for row in data.stored(folder, file))
    rows = [every[name] for name in names if week.holds(every[name].get("published") or "")]
    numbers = {row["id"]: number for number, row in enumerate(rows, 1)}
    return numbers, [_article(numbers[row["id"]], row, _dated(row, numbers)) for row in rows]


def _of_site(site: data.Site, week: labels.Week) -> tuple[dict[str, int], list[Article]]:
    """Like `_of_file`, for a week of the BBC."""
    start, end = (datetime.fromisoformat(it).replace(tzinfo=UTC) for it in (week.start, week.end))
    names = [name for name, at in site.first.items() if start <= at < end]
    numbers = {name: number for number, name in enumerate(names, 1)}
    return numbers, [
        data.article(number, site.titles[name], site.first[name], prominence=data.shown(site, name, end))
        for name, number in numbers.items()
    ]


def _dated(row: dict[str, Any], numbers: dict[str, int]) -> datetime:
    """Returns the date of a record. A day without a time gets some time; without a day, the id decides."""
    if row.get("published"):
        dated = datetime.fromisoformat(row["published"])
        dated = dated if dated.tzinfo else dated.replace(tzinfo=UTC)
        hour = timedelta(minutes=int(hashlib.sha256(row["id"].encode()).hexdigest()[:6], 16) % 1440)
        return dated + hour if len(row["published"]) == len("2026-01-01") else dated
    order = sorted(numbers, key=lambda name: int(name.rpartition("-")[2]))
    return END - timedelta(days=7) * (1 - order.index(row["id"]) / len(order))


def _build(articles: Sequence[Article], span: TimeSpan) -> Digest:
    return build(articles, span, Rules(), {}, used=frozenset(), allow_late=False)


# --- an injected event -----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Injected:
    """Where the stories about an injected event are, and how many articles they list that are about something else."""

    size: int
    places: Sequence[int]
    foreign: int


def injected(folder: Path, week: str, event: str, sources: int, sizes: Sequence[int] = SIZES) -> Iterator[Injected]:
    """Injects an event of different sizes into a thousand articles of a week, which have as many sources."""
    plain = _week(folder, week, sources)
    for size in sizes:
        digest = _build([*plain, *_event(folder, event, size, sources)], TimeSpan(END - timedelta(days=7), END))
        ours = [(place, story) for place, story in enumerate(digest.stories, 1) if story.lead.id >= _FIRST]
        foreign = sum(it.id < _FIRST for _, story in ours for it in story.also)
        yield Injected(size, [place for place, _ in ours], foreign)


def _week(folder: Path, name: str, sources: int) -> list[Article]:
    rows = data.stored(folder, name)
    dice = random.Random(name)
    rows = sorted(dice.sample(rows, data.POOL), key=lambda row: (row.get("published") or "", row["id"]))
    step = timedelta(days=7) / len(rows)
    return [
        _article(number, row, END - number * step, source=f"outlet{dice.randrange(sources)}.example")
        for number, row in enumerate(rows, 1)
    ]


def _event(folder: Path, name: str, size: int, sources: int) -> list[Article]:
    file, word = EVENTS[name]
    split = [
        key(f"{row['title']} {row.get('lead') or (row.get('body') or '')[:300]}").split()
        for row in data.stored(folder, file)
    ]
    about = [words for words in split if word in words]
    inside, outside = (Counter(word for words in those for word in set(words)) for those in (about, split))

    def tells(word: str) -> float:
        return inside[word] * math.log(inside[word] / len(about) / (outside[word] / len(split)))

    own = sorted((it for it in inside if inside[it] > 2 and len(it) > 2), key=lambda it: (-tells(it), it))[:14]
    plain = [[it for it in words if it not in own] for words in about]
    dice = random.Random(f"{name} {size}")
    made = []
    for number in range(size):
        said = dice.sample(own, dice.randint(3, 6))
        title = [*said[: dice.randint(2, 3)], *dice.sample(some := dice.choice(plain), min(4, len(some)))]
        lead = [*said, *dice.sample(own, 3), *dice.sample(some := dice.choice(plain), min(16, len(some)))]
        dice.shuffle(title)
        dice.shuffle(lead)
        dated = END - timedelta(hours=60) + timedelta(hours=40) * dice.random() ** 1.5
        source = f"outlet{dice.randrange(sources)}.example"
        made.append(data.article(_FIRST + number, " ".join(title), dated, lead=" ".join(lead), source=source))
    return made
