"""Scores articles. The score of an article is the sum of these parts:

- popularity: how much the article is read, if that is known (see `interest`)
- guess: what the popularity probably is, if it is known of other articles but not of this one
- prominence: the article's place on the front page
- coverage: how many sources and articles report on the event
- quality: whether the story will look good in a mail
- the editor's judgement of the news value
- points for a topic that was hardly in the news of the weeks before
- negative points for series, rubrics and late articles
- points for how often readers opened stories of its section, if the setting `section_clicks` is not 0

Old articles do not lose points: a weekly digest that preferred new articles would miss most of the week. `select`
compares the scores and decides which stories are chosen.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from mailer.choice.events import Event, Events
from mailer.choice.interest import HIGHEST, Interest, lift
from mailer.choice.kinds import is_aside
from mailer.choice.time_span import late
from mailer.model import Article, TimeSpan
from mailer.reasons import Reason
from mailer.settings import Digest
from mailer.text.search_key import key

# Weights of the signals. The weight of a missing signal is divided among the other signals. If views are known,
# popularity decides, and the other signals only order equally popular articles. In a measurement over a year, weight
# was moved from popularity to other signals in steps of 0.1. With each step, the digests missed more stories that
# people wanted to read.
_POPULARITY = 0.97
_WITH_VIEWS = {"prominence": 0.01, "coverage": 0.01, "quality": 0.01}
_WITHOUT_VIEWS = {"prominence": 0.5, "coverage": 0.4, "quality": 0.1}
_NEWS_VALUE = 0.15  # points for each step of the editor's judgement, from -2 to +2
_SERIES = -0.15  # points for an article of a daily series: the dollar price is read every day but is never the news
_RUBRIC = -0.3  # points for a title of one word, such as «خبر», which says nothing to the reader of a mail
_BURST = 0.04  # points for an article whose topic was hardly in the news of the weeks before; only if views are unknown
_LATE = -0.05  # points for a late article (see `time_span.late`), which must be clearly better than other articles
# If it is unknown how much an article is read, its popularity is guessed: this share from its prominence, coverage and
# quality, and the rest from the average of its category.
_GUESSED = 0.5
# An article that was not on its source's list of the most read gets a popularity of at most about this much, which is
# less than that of most articles on the list.
_UNLISTED = 0.3

NO_CLICKS: Mapping[str, float] = {}
TEXT_ENOUGH = 120  # more characters of the lead, or of the body if there is no lead, do not improve the quality
TITLE_ENOUGH = 6  # more words of the title do not improve the quality


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


def rank(
    articles: Sequence[Article],
    span: TimeSpan,
    pool: Sequence[Article],
    titles: Mapping[int, str],
    events: Events,
    interest: Interest,
    rules: Digest,
    sudden: frozenset[int] = frozenset(),
    clicks: Mapping[str, float] = NO_CLICKS,
) -> Ranking:
    """Scores `articles` relative to the articles in `pool`, which are the articles that can be chosen.

    `titles` maps the id of each article to the search key of its title. `sudden` has the ids of articles whose topics
    were hardly in the news of the weeks before (see `burst`). `clicks` maps categories to how often the stories of
    their sections were opened, from 0 to 1.
    """
    event_of = {member.id: event for event in events.events for member in event.members}
    read = interest.popularity
    light = _light(articles, rules)
    signals: dict[str, Callable[[Article], float]] = {"quality": lambda it: _quality(it, titles[it.id])}
    covered = {it.id: 0.0 if _series(it, event_of) else events.coverage.of(it.id) for it in articles}
    signals["coverage"] = lambda it: min(HIGHEST, covered[it.id])
    watched = [it.prominence or 0.0 for it in pool]
    if any(watched) or any(it.front_page for it in pool):
        place = lift([hours for hours in watched if hours] or [0.0, 1.0])
        chosen_from = {it.id for it in pool}

        def shown(article: Article) -> float:
            """Returns the prominence of an event: that of its most prominent article, which need not be its lead.

            If it is known how much the article is read, returns the article's own prominence."""
            members = event_of[article.id].members if article.id in event_of and article.id not in read else ()
            peers = [article, *(it for it in members if it.id in chosen_from)]
            return max(max(place(it.prominence or 0.0), float(it.front_page)) for it in peers)

        signals["prominence"] = cache(shown)
    blind = {name: weight for name, weight in _WITHOUT_VIEWS.items() if name in signals}
    beside = {name: weight for name, weight in _WITH_VIEWS.items() if name in signals}
    guesses = _guesses(articles, pool, interest, blind, signals) if read else {}
    parts: dict[int, dict[str, float]] = {}
    for article in articles:
        if not read:
            weighed, whole = blind, math.fsum(blind.values())
            mine = {}
        else:
            weighed, whole = beside, math.fsum(beside.values()) + _POPULARITY
            known = article.id in read
            own = read[article.id] if known else guesses[article.id]
            mine = {"popularity" if known else "guess": round(_POPULARITY / whole * own, 4)}
        mine |= {name: round(weight / whole * signals[name](article), 4) for name, weight in weighed.items()}
        corrections = {
            "news value": round(_NEWS_VALUE * (article.news_value or 0), 4),
            "series": _SERIES if _series(article, event_of) else 0.0,
            "rubric": _RUBRIC if len(titles[article.id].split()) < 2 else 0.0,
            "light section": rules.light_section if article.category in light else 0.0,
            "burst": _BURST if article.id in sudden and not read else 0.0,
            "late": _LATE if late(span, article) else 0.0,
            "section clicks": round(rules.section_clicks * clicks.get(article.category, 0.0), 4),
        }
        parts[article.id] = mine | {name: value for name, value in corrections.items() if value}
    return Ranking(parts, interest.notes)


def _guesses(
    articles: Sequence[Article],
    pool: Sequence[Article],
    interest: Interest,
    weights: Mapping[str, float],
    signals: Mapping[str, Callable[[Article], float]],
) -> dict[int, float]:
    """Estimates the popularity of each article whose popularity is unknown. Returns the estimates by article id.

    Each of these articles gets a score from the signals that count without views. The score is converted to the scale
    of popularity, and then averaged with the average popularity of the article's category. Articles that were not on
    their source's list of the most read get less than most articles on the list.
    """

    def score(article: Article) -> float:
        return math.fsum(weight * signals[name](article) for name, weight in weights.items())

    scores = {it.id: score(it) for it in articles if it.id not in interest.popularity}
    lifted = lift([scores[it.id] for it in pool if it.id in scores] or [0.0])
    usual = interest.average(pool)

    def guess(article: Article) -> float:
        rank = lifted(scores[article.id])
        if article.id in interest.unlisted:
            return _UNLISTED * rank
        return (1 - _GUESSED) * usual(article.category) + _GUESSED * rank

    return {it.id: guess(it) for it in articles if it.id in scores}


def _series(article: Article, event_of: Mapping[int, Event]) -> bool:
    return article.id in event_of and event_of[article.id].series


def _light(articles: Iterable[Article], rules: Digest) -> frozenset[str]:
    """Returns the categories that have a word of `rules.light_sections`, such as «یادداشت و دیدگاه»."""
    words = [word for each in rules.light_sections if (word := key(each))]
    return frozenset(name for name in {it.category for it in articles} if is_aside(key(name), words))


def _quality(article: Article, title: str) -> float:
    """Returns the quality of an article from 0 to 1: points for a picture, enough text and a title of several words."""
    image = 0.4 if article.image_url else 0.0
    text = 0.3 * min(1.0, len(article.lead or article.body) / TEXT_ENOUGH)
    return image + text + 0.3 * min(1.0, len(title.split()) / TITLE_ENOUGH)
