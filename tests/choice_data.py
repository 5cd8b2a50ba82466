"""Real weeks and labelled pairs, made into articles: what the choice is measured on. Used by tests and by `bench`.

The data is no part of this project; every function takes the folder it lies in. Nothing here asserts anything.
"""

import csv
import gzip
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from bench import labels
from mailer.choice import growth
from mailer.choice.build import build
from mailer.choice.events import group
from mailer.model import Article, Dating, TimeSpan
from mailer.settings import Digest as Rules
from mailer.text.search_key import key

WEEK = timedelta(days=7)
_FIRST_CUT = datetime(2025, 4, 18, 14, tzinfo=UTC)
_FOREVER = datetime.max.replace(tzinfo=UTC)
_LONGEST_LOOK = 2.0  # hours that one look at the page counts for, if the next one is missing


def article(number: int, title: str, dated: datetime, **changes: object) -> Article:
    plain = Article(
        id=number,
        identity=f"guid:{number}",
        title=title,
        source="bbc",
        url=f"https://news.example/{number}",
        lead="",
        body="",
        category="",
        image_url="",
        image_alt="",
        dated=dated,
        dating=Dating.GIVEN,
        first_seen=dated,
        views=None,
        comments=None,
        shares=None,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


# --- weeks with readers ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Look:
    """One story seen on a list: when, for how many hours, at which place."""

    at: datetime
    hours: float
    place: int


@dataclass(frozen=True, slots=True)
class Site:
    """A year of a news site: titles, when each story was first seen, and where it stood on the two lists."""

    titles: Mapping[str, str]
    first: Mapping[str, datetime]
    read: Mapping[str, Sequence[Look]]  # the list of the most read
    front: Mapping[str, Sequence[Look]]  # the front page


def site(data: Path) -> Site:
    with gzip.open(data / "popularity" / "bbc-stories.jsonl.gz", "rt") as lines:
        titles = {story["id"]: story["title"] for story in map(json.loads, lines)}
    with gzip.open(data / "popularity" / "bbc-observations.csv.gz", "rt") as lines:
        rows = [(datetime.fromisoformat(r["ts_utc"]).replace(tzinfo=UTC), r) for r in csv.DictReader(lines)]
    times = sorted({at for at, _ in rows})
    lasting = {a: min((b - a).total_seconds() / 3600, _LONGEST_LOOK) for a, b in pairwise(times)}
    read: defaultdict[str, list[Look]] = defaultdict(list)
    front: defaultdict[str, list[Look]] = defaultdict(list)
    first: dict[str, datetime] = {}
    for at, row in rows:
        look = Look(at, lasting.get(at, 1.0), int(row["rank"]))
        (read if row["surface"] == "M" else front)[row["story"]].append(look)
        first.setdefault(row["story"], at)
    return Site(titles, first, read, front)


def _weighed(looks: Sequence[Look], until: datetime = _FOREVER) -> float:
    """Hours on a list, the first place weighing most. The site publishes places, not counts: a story in the first place
    is read more than one in the tenth, and a counter would have grown accordingly."""
    return math.fsum(look.hours / math.log2(look.place + 1) for look in looks if look.at <= until)


@dataclass(frozen=True, slots=True)
class Week:
    """The articles of a week as they stood at its end, what was really read, and the growth curve learnt before."""

    articles: Sequence[Article]
    truth: Mapping[int, float]  # by article id, over the story's whole life
    span: TimeSpan
    growth: growth.Growth
    event: Mapping[int, int]  # by article id: stories of one event share a number


def weeks(of: Site, *, with_views: bool) -> Iterator[Week]:
    for number in range(6, 59):
        end = _FIRST_CUT + number * WEEK
        before = [s for s, at in of.first.items() if end - 7 * WEEK <= at < end - WEEK and of.read.get(s)]
        names = [s for s, at in of.first.items() if end - WEEK <= at < end]
        if len(names) < 50 or not before:
            continue
        made, truth = [], {}
        for place, name in enumerate(names, 1):
            looks = of.read.get(name, ())
            views = round(1000 * _weighed(looks, end)) if with_views else None
            prominence = shown(of, name, end)
            made.append(article(place, of.titles[name], of.first[name], views=views, prominence=prominence))
            truth[place] = _weighed(looks)
        curve = growth.learn(_history(of, name) for name in before)
        titles = {it.id: key(it.title) for it in made}
        event = {m.id: n for n, e in enumerate(group(made, titles, UTC).events) for m in e.members}
        yield Week(made, truth, TimeSpan(end - WEEK, end), curve, event)


def listed(week: Week) -> Week:
    """The week as a newsroom without counters sees it that watches the list of the most read."""
    return replace(week, articles=[replace(it, views=None, list_hours=(it.views or 0) / 1000) for it in week.articles])


def mixed(week: Week, share: float) -> Week:
    """The week as if this share of its articles came from a second source, which has no counts."""
    dice = random.Random(week.span.end.timestamp())
    return replace(
        week,
        articles=[
            replace(it, views=None, source="other.example") if dice.random() < share else it for it in week.articles
        ],
    )


def counted(data: Path, name: str, counter: str, start: str, end: str) -> Week:
    """The articles of a stored set with start <= date < end (ISO format), whose truth is a counter of their pages."""
    rows = {row["id"]: row for row in stored(data, name) if start <= (row.get("published") or "") < end}
    made = [
        article(
            number,
            row["title"],
            _moment(row["published"]),
            lead=row.get("lead") or (row.get("body") or "")[:500],
            category=row.get("category") or "",
            views=int(row[counter]),
            front_page=bool(row.get("front_page")),
        )
        for number, row in enumerate(rows.values(), 1)
    ]
    titles = {it.id: key(it.title) for it in made}
    event = {m.id: n for n, e in enumerate(group(made, titles, UTC).events) for m in e.members}
    truth = {it.id: float(it.views or 0) for it in made}
    return Week(made, truth, TimeSpan(_moment(start), _moment(end)), growth.CAUTIOUS, event)


def _moment(told: str) -> datetime:
    found = datetime.fromisoformat(told)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def unread(week: Week) -> Week:
    """The same week as an issue without view counts sees it."""
    return replace(week, articles=[replace(it, views=None) for it in week.articles])


def shown(of: Site, name: str, end: datetime) -> float:
    """Returns how many hours an article was at one of the first eight places of the front page until `end`."""
    return math.fsum(it.hours for it in of.front.get(name, ()) if it.at <= end and it.place <= 8)


def _history(of: Site, name: str) -> list[tuple[float, int]]:
    total, found = 0.0, []
    for look in of.read[name]:
        total += look.hours / math.log2(look.place + 1)
        found.append(((look.at - of.first[name]).total_seconds() / 3600, round(1000 * total)))
    return [*found, (max(found[-1][0], 168.0), found[-1][1])]  # it was watched for longer than that


def chosen(week: Week, rules: Rules | None = None) -> list[int]:
    digest = build(
        week.articles, week.span, rules or Rules(stories=10), {}, used=frozenset(), growth=week.growth, allow_late=False
    )
    return [story.lead.id for story in digest.stories]


@dataclass(frozen=True, slots=True)
class Quality:
    ndcg: float  # at 10
    precision: float  # at 10
    weeks: int


def measure(all_weeks: Sequence[Week], ranker: Callable[[Week], Sequence[int]]) -> Quality:
    """Means over weeks. Stories of one event count as one, with the most read of them, on both sides."""
    ndcg, precision = [], []
    for week in all_weeks:
        worth: defaultdict[int, float] = defaultdict(float)
        for number, value in week.truth.items():
            worth[week.event[number]] = max(worth[week.event[number]], value)
        picks = list(dict.fromkeys(week.event[number] for number in ranker(week)))[:10]
        best = sorted(worth, key=lambda event: -worth[event])[:10]
        ndcg.append(_gain([worth[e] for e in picks]) / _gain([worth[e] for e in best]))
        precision.append(len(set(picks) & set(best)) / 10)
    return Quality(fmean(ndcg), fmean(precision), len(ndcg))


def _gain(values: Sequence[float]) -> float:
    return math.fsum(value / math.log2(place + 2) for place, value in enumerate(values))


def chance(all_weeks: Sequence[Week], draws: int = 100) -> Quality:
    """The mean quality of random orders. A single draw for each week would be off by a fifth."""
    found = [measure(all_weeks, partial(_by_chance, draw=draw)) for draw in range(draws)]
    return Quality(fmean(it.ndcg for it in found), fmean(it.precision for it in found), len(all_weeks))


def _by_chance(week: Week, draw: int) -> list[int]:
    dice = random.Random(week.span.end.timestamp() + draw)
    return dice.sample([it.id for it in week.articles], len(week.articles))


def by_views(week: Week) -> list[int]:
    return [it.id for it in sorted(week.articles, key=lambda it: (-(it.views or 0), it.id))]


def by_date(week: Week) -> list[int]:
    return [it.id for it in sorted(week.articles, key=lambda it: -it.dated.timestamp())]


# --- labelled pairs --------------------------------------------------------------------------------------------------
POOL = 1000  # articles in a usual week
FILLINGS = ("hamshahri-rss-2020", "isna-2019-two-weeks", "hamshahri-2003-2007", "farsnews-2003-2021")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two articles and what a person said of them: 2 same item, 1 same event, s series, m mega-event, 0 different."""

    one: Article
    other: Article
    label: str
    tuned: bool  # True for the half that constants may be tuned on; figures are reported on the other half


def newer_pairs(data: Path) -> list[Pair]:
    """The pairs of bench.labels, with its halves."""
    every = labels.articles(data)
    order = sorted((name for name in every if name.startswith("hamshahri-")), key=lambda name: int(name[10:]))
    place = {name: number for number, name in enumerate(order)}
    made: dict[str, Article] = {}
    for name in sorted({name for pair in labels.pairs() for name in (pair.one, pair.other)}):
        row = every[name]
        told = row.get("published")
        dated = (
            datetime.fromisoformat(told)
            if told
            else datetime(2020, 4, 16, tzinfo=UTC) + WEEK * (2 * place.get(name, 0) / len(order))
        )
        dated = dated if dated.tzinfo else dated.replace(tzinfo=UTC)
        lead = row.get("lead") or (row.get("body") or "")[:500]
        made[name] = article(len(made) + 1, row["title"], dated, lead=lead, url="")
    return [Pair(made[it.one], made[it.other], it.label, it.half == "tune") for it in labels.pairs()]


def pairs(data: Path) -> list[Pair]:
    """The labelled pairs. A hash of the ids decides the half, so that new pairs never move an old one."""
    rows = [json.loads(line) for line in (data / "labelled" / "persian-pairs.jsonl").read_text("utf-8").splitlines()]
    made: dict[str, Article] = {}
    for row in rows:
        for side in "ij":
            told = row[f"published_{side}"]
            dated = datetime.fromisoformat(told) if told else datetime(2026, 1, 1, tzinfo=UTC)
            dated = dated if dated.tzinfo else dated.replace(tzinfo=UTC)
            lead = row[f"lead_{side}"] or ""
            made.setdefault(row[side], article(len(made) + 1, row[f"title_{side}"], dated, lead=lead, url=""))
    return [Pair(made[r["i"]], made[r["j"]], r["label"], tuned(r["i"], r["j"])) for r in rows]


def tuned(*ids: str) -> bool:
    """Returns True if constants may be tuned on the pair with these ids."""
    return sha256(" ".join(sorted(ids)).encode()).digest()[0] % 2 == 0


def stored(data: Path, name: str, most: int | None = None) -> list[dict[str, str]]:
    """The rows of one of the stored sets of articles, or the first `most` of them."""
    with gzip.open(data / "articles" / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line, _ in zip(lines, range(most or 10**9), strict=False)]


def pool(data: Path, filling: str, those: Sequence[Pair]) -> list[Article]:
    """The articles of the pairs, and real articles of other weeks up to POOL, dated like the articles of the pairs."""
    made = {it.id: it for pair in those for it in (pair.one, pair.other)}
    have = {key(it.title) for it in made.values()}
    rows = [row for row in stored(data, filling) if key(row["title"]) not in have]
    dice = random.Random(filling)
    dates = sorted(it.dated for it in made.values())
    rest = dice.sample(rows, min(POOL - len(made), len(rows)))
    fill = [
        article(10_000 + n, row["title"], dice.choice(dates), lead=row.get("lead") or (row.get("body") or "")[:500])
        for n, row in enumerate(rest)
    ]
    return [*made.values(), *fill]


@dataclass(frozen=True, slots=True)
class Grouped:
    """How many labelled pairs the choice puts together, by label, over all pools."""

    together: Mapping[str, int]
    in_topic: Mapping[str, int]  # like `together`, for pairs in one topic
    every: Mapping[str, int]

    @property
    def recall(self) -> float:
        """The share of the pairs about the same event (label 1) that are put together."""
        return self.together["1"] / self.every["1"]

    @property
    def precision(self) -> float:
        """The share of 1 and 2 among the pairs of 0, 1 and 2 that are put together."""
        right = self.together["1"] + self.together["2"]
        return right / (right + self.together["0"])

    @property
    def topic_recall(self) -> float:
        """The share of the pairs about the same event or the same large topic that are in one topic."""
        return (self.in_topic["1"] + self.in_topic["m"]) / (self.every["1"] + self.every["m"])


def put_together(data: Path, those: Sequence[Pair], fillings: Sequence[str] = FILLINGS) -> Grouped:
    """Groups the pairs inside pools of a thousand real articles."""
    together: Counter[str] = Counter()
    in_topic: Counter[str] = Counter()
    for filling in fillings:
        articles = pool(data, filling, those)
        found = group(articles, {it.id: key(it.title) for it in articles}, UTC)
        event = {member.id: number for number, each in enumerate(found.events) for member in each.members}
        together.update(pair.label for pair in those if event[pair.one.id] == event[pair.other.id])
        in_topic.update(pair.label for pair in those if found.topics[pair.one.id] == found.topics[pair.other.id])
    every = Counter(pair.label for pair in those)
    return Grouped(together, in_topic, {label: count * len(fillings) for label, count in every.items()})


# --- other newsrooms' spellings --------------------------------------------------------------------------------------
def _as_it_is(text: str) -> str:
    return text


def _old_fars(text: str) -> str:
    return text.replace("ی", "ي").replace("ک", "ك").replace("\u200c", " ").translate(_LATIN)


_LATIN = str.maketrans("۰۱۲۳۴۵۶۷۸۹", "0123456789")
SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "Arabic ye and kaf": lambda text: text.replace("ی", "ي").replace("ک", "ك"),
    "non-joiner as blank": lambda text: text.replace("\u200c", " "),
    "non-joiner dropped": lambda text: text.replace("\u200c", ""),
    "non-joiner as no-break blank": lambda text: text.replace("\u200c", "\u00a0"),
    "Latin digits": lambda text: text.translate(_LATIN),
    "old Fars": _old_fars,
    "Arabic digits, tatweel and vowels": lambda text: text.translate(str.maketrans("۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩")).replace(
        "ست", "ســتِ"
    ),
}


def recognised(data: Path, spelling: Callable[[str], str], count: int = 400) -> float:
    """The share of real articles whose copy in another spelling is put into one event with them."""
    rows = stored(data, "hamshahri-rss-2020", count)
    dated = datetime(2026, 1, 1, tzinfo=UTC)
    made = []
    for number, row in enumerate(rows):
        own = {"title": row["title"], "lead": row.get("lead") or ""}
        for copy, spell in enumerate((_as_it_is, spelling)):
            words = {name: spell(text) for name, text in own.items()}
            title = words.pop("title")
            made.append(article(2 * number + copy, title, dated + copy * timedelta(hours=3), **words))
    titles = {it.id: key(it.title) for it in made}
    event = {m.id: n for n, e in enumerate(group(made, titles, UTC).events) for m in e.members}
    return fmean(event[2 * number] == event[2 * number + 1] for number in range(len(rows)))


# --- a made-up week --------------------------------------------------------------------------------------------------
END = datetime(2026, 11, 26, 5, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def a_week_with_an_event(size: int, *, sources: int = 1) -> list[Article]:
    """Two hundred articles about anything, and `size` articles of one day, with ids from 1,000, about one event."""
    dice = random.Random(7)
    names = ["خمیر", "هرمزگان", "آواربرداری", "پسلرزه", "هلالاحمر", "مصدومان"]
    plain = [f"{chr(1576 + n % 20) * 3}{chr(1580 + n // 20) * 3}ستان" for n in range(300)]

    def some(number: int, those: list[str], days: int) -> Article:
        said = [*those, *dice.sample(plain, 9)]
        dice.shuffle(said)
        dated = END - days * DAY + dice.randint(1, 20) * HOUR
        source = f"outlet{number % sources}.example"
        return article(number, " ".join(said[:6]), dated, lead=" ".join(said), source=source)

    event = [some(1000 + n, dice.sample(names, 4), 2) for n in range(size)]
    return [*event, *(some(n, dice.sample(plain, 4), 1 + n % 7) for n in range(200))]
