"""Computes how similar two articles are: a number from 0 to 1 for every pair that is similar enough.

The texts are split into runs. A run is four neighbouring characters of a normalised word. The rarer a run is in the
week, the more weight it has (TF-IDF). Articles are compared by cosine similarity. For Persian, this works better than
comparing words, titles or hashes. Runs need no stemmer, because endings and missing half-spaces change only a few runs
of a word. `events.group` decides whether two articles are about the same event.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import TypeAlias

from mailer.model import Article
from mailer.text.search_key import key

Vector: TypeAlias = Mapping[int, float]
Pairs: TypeAlias = dict[tuple[int, int], float]

_LEAD = 500  # how many characters of a lead are compared; later ones are background, which different events may share
_COMMON = 0.15  # a run that occurs in more than this share of the articles is ignored, unless _FEW applies
_FEW = 20  # a run that occurs in at most this many articles is kept, which matters in a week with few articles
_MOST = 0.14  # the largest share of a similarity that one word can have
# Pairs are first compared without the lightest features of each vector, which make up at most the share _LIGHT of its
# squared length. A pair is compared in full only if this rough similarity is at least _HOPEFUL times the similarity
# that the caller wants. For the articles of four newsrooms, the result was the same as without this shortcut.
_LIGHT = 0.15
_HOPEFUL = 0.5
_ORDINARY = 50  # articles of ordinary days that are enough, see `_spread`
_SUDDENLY = 5  # a day on which a feature is this many times as frequent as on ordinary days is not an ordinary day
_WEEK = 1000  # the number of articles in a usual week
_HASHTAG = re.compile(r"#\w+")  # removed, because all articles of a topic may have the same hashtag
# Matches a label for the kind of a page, such as «عکس» (photo). Labels are removed, because otherwise two photo pages
# with short titles would look similar. The pattern does not match the opening bracket of a label in brackets, because
# `key` removes all brackets.
_KIND = re.compile(
    r"(?<!\w)(?:عکس روز|تصویر متحرک|عکس|تصاویر|تصویری|فیلم|ویدیو|ویدئو|اینفوگرافی|فوری)(?!\w)\s*[)\]|/]+"
    r"|^(?:عکس|تصاویر|فیلم|ویدیو|ویدئو|اینفوگرافی|فوری)\s*[:|/؛\-–]"
)


def words(article: Article, *, with_title: bool = True, with_lead: bool = True) -> str:
    """Returns the search key of the text that is compared: the article's title twice, then the beginning of its lead.

    Pass `with_title=False` for an article whose title is a rubric, such as «خبر» or «نگاه هفته», and does not describe
    the article. Pass `with_lead=False` if the source gives many articles the same lead.
    """
    title = f"{article.title} " * 2 if with_title else ""
    lead = (article.lead or article.body)[:_LEAD] if with_lead else ""
    text = _HASHTAG.sub(" ", title + lead)
    return key(_KIND.sub(" ", text))


def vectors(texts: Sequence[str], days: Sequence[Hashable] | None = None) -> list[Vector]:
    """Returns a vector (feature → weight) for each text; the vector is empty if all runs of the text are ignored.

    The texts must be search keys (see `text.search_key`). Pass the day of each text as `days`, so that the words of a
    large event, which are frequent on some days only, are not taken for common words (see `_spread`). The Euclidean
    length of a vector is at most 1.
    """
    split = [Counter(text.split()) for text in texts]
    features, sizes = _features(sorted(set(chain.from_iterable(split))))
    grams: list[Counter[int]] = []
    for words_of in split:
        each: Counter[int] = Counter()
        for word, count in words_of.items():
            for feature in features[word]:
                each[feature] += count
        grams.append(each)
    spread = _spread(grams, days or [0] * len(grams))
    # Without this minimum, a run shared by a few articles would get too little weight in a week with few articles.
    whole = max(len(texts), _WEEK)
    most = max(_FEW, _COMMON * len(texts))
    weight = {it: math.log1p(whole / count) * math.sqrt(sizes[it]) for it, count in spread.items() if count <= most}
    found = []
    for words_of, each in zip(split, grams, strict=True):
        vector = {it: (1 + math.log(count)) * weight[it] for it, count in each.items() if it in weight}
        found.append(_capped(vector, [features[word] for word in words_of], spread))
    return found


def _features(vocabulary: Sequence[str]) -> tuple[dict[str, list[int]], list[int]]:
    """Returns the features of each word, and the number of runs of each feature.

    Runs that occur in the same words occur in the same articles. They are one feature, which makes the comparison
    several times faster and does not change its result.
    """
    having: defaultdict[str, list[int]] = defaultdict(list)
    for number, word in enumerate(vocabulary):
        for run in set(_runs(word)):
            having[run].append(number)
    sizes = Counter(map(tuple, having.values()))
    features: dict[str, list[int]] = {word: [] for word in vocabulary}
    for feature, numbers in enumerate(sizes):
        for number in numbers:
            features[vocabulary[number]].append(feature)
    return features, list(sizes.values())


def _spread(grams: Sequence[Mapping[int, int]], days: Sequence[Hashable]) -> dict[int, float]:
    """Returns in how many articles each feature occurs on ordinary days, scaled to the number of all articles.

    The words of a large event occur in many articles, but not before the event. If all these articles counted, the
    largest event of a week would have the least weight. So a frequent feature is counted only on the days on which it
    is rarest. These days together have at least a quarter of the articles. Common words occur as often on these days
    as on others. If an event fills nearly the whole week, its days may be needed to reach a quarter. They are left
    out then, and the other days are enough if they have at least _ORDINARY articles.
    """
    total: Counter[int] = Counter(chain.from_iterable(grams))
    sizes = Counter(days)
    if len(sizes) < 3:
        return dict(total)
    frequent = {feature for feature, count in total.items() if count > _FEW}
    by_day: dict[Hashable, Counter[int]] = {day: Counter() for day in sizes}
    for each, day in zip(grams, days, strict=True):
        by_day[day].update(frequent.intersection(each))
    spread: dict[int, float] = dict(total)
    for feature in frequent:
        found = articles = 0
        for day in sorted(sizes, key=lambda day: (by_day[day][feature] / sizes[day], -sizes[day])):
            count = by_day[day][feature]
            if articles >= _ORDINARY and count * articles > _SUDDENLY * max(found, 1) * sizes[day]:
                break
            found, articles = found + count, articles + sizes[day]
            if articles * 4 >= len(grams):
                break
        spread[feature] = min(total[feature], max(_FEW, found / articles * len(grams)))
    return spread


def _capped(vector: Mapping[int, float], words: Sequence[Sequence[int]], spread: Mapping[int, float]) -> Vector:
    """Returns the vector scaled to length 1, but with lower weights for a word whose share is above _MOST.

    The share of a word is what its features contribute to the squared length. So a word that two texts have in common
    adds at most _MOST to their similarity. The result is not scaled to length 1 again: a text of a few words says
    little, so similarities to it should be lower. Features that occur in only one text are left out.
    """
    length = math.fsum(value * value for value in vector.values())
    if not length:
        return {}
    factors: dict[int, float] = {}
    for features in words:
        share = math.fsum(vector[it] ** 2 for it in features if it in vector) / length
        if share > _MOST:
            factor = math.sqrt(_MOST / share)
            for it in features:
                factors[it] = min(factors.get(it, 1.0), factor)
    root = math.sqrt(length)
    return {it: value * factors.get(it, 1.0) / root for it, value in vector.items() if spread[it] > 1}


def pairs(all_: Sequence[Vector], least: float) -> Pairs:
    """Returns (i, j) → similarity, with i < j, for every pair whose similarity is at least `least`.

    The similarities are exact. An inverted index of the heavy features finds the pairs that may be similar enough.
    """
    index: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    found: Pairs = {}
    hopeful = _HOPEFUL * least
    for j, vector in enumerate(all_):
        sums = [0.0] * j
        for feature, weight in _heavy(vector):
            posting = index[feature]
            for i, other in posting:
                sums[i] += weight * other
            posting.append((j, weight))
        for i, rough in enumerate(sums):
            if rough >= hopeful:
                other_vector = all_[i]
                value = math.fsum(vector[it] * other_vector[it] for it in vector.keys() & other_vector.keys())
                if value >= least:
                    found[i, j] = value
    return found


def _heavy(vector: Vector) -> list[tuple[int, float]]:
    """Returns the features of a vector without the lightest ones, which make up at most _LIGHT of its squared length.

    The omitted features are many, and they occur in many articles. Comparing them would take most of the time.
    """
    rising = sorted(vector.items(), key=itemgetter(1, 0))
    total = 0.0
    for number, (_, weight) in enumerate(rising):
        total += weight * weight
        if total > _LIGHT:
            return rising[number:]
    return []


def runs(text: Iterable[str]) -> frozenset[str]:
    """Returns the set of runs of the words in `text`."""
    return frozenset(run for word in text for run in _runs(word))


def _runs(word: str) -> list[str]:
    """Returns the runs of a word, after adding a blank on each side: «برف» gives « برف» and «برف »."""
    padded = f" {word} "
    return [padded[at : at + 4] for at in range(len(word) - 1 or 1)]
