"""Computes how similar two articles are: a number from 0 to 1 for every pair that is similar enough.

The texts are split into runs. A run is four neighbouring characters of a normalised word. The rarer a run is in the
week, the more weight it has (TF-IDF). Articles are compared by cosine similarity. For Persian, this works better than
comparing words, titles or hashes. Runs need no stemmer, because endings and missing half-spaces change only a few runs
of a word. `events.group` decides whether two articles are about the same event.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

from mailer.model import Article
from mailer.text.search_key import key

Vector: TypeAlias = Mapping[str, float]
Pairs: TypeAlias = dict[tuple[int, int], float]

_LEAD = 500  # how many characters of a lead are compared; later ones are background, which different events may share
_COMMON = 0.02  # a run that occurs in more than this share of the articles is ignored, unless _FEW applies
_FEW = 20  # a run that occurs in at most this many articles is kept, which matters in a week with few articles
_WEEK = 1000  # the number of articles in a usual week
_HASHTAG = re.compile(r"#\w+")  # removed, because all articles of a topic may have the same hashtag
# Matches a label for the kind of a page, such as «عکس» (photo). Labels are removed, because otherwise two photo pages
# with short titles would look similar. What is before a label in brackets is left, because a key has no brackets.
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


def vectors(texts: Sequence[str]) -> list[Vector]:
    """Returns a unit vector (run → weight) for each text; the vector is empty if all runs of the text are ignored.

    The texts must be search keys (see `text.search_key`).
    """
    split = [text.split() for text in texts]
    # Most words occur many times, so compute the runs of each word only once.
    of = {word: _runs(word) for word in set(chain.from_iterable(split))}
    grams = [Counter(chain.from_iterable(map(of.__getitem__, each))) for each in split]
    spread: Counter[str] = Counter()
    for each in grams:
        spread.update(each.keys())
    most = max(_FEW, _COMMON * len(texts))
    # Without this minimum, a run shared by a few articles would get too little weight in a week with few articles.
    whole = max(len(texts), _WEEK)
    weight = {run: math.log1p(whole / count) for run, count in spread.items() if count <= most}
    return [_unit({run: (1 + math.log(n)) * weight[run] for run, n in each.items() if run in weight}) for each in grams]


def pairs(all_: Sequence[Vector], least: float) -> Pairs:
    """Returns (i, j) → similarity, with i < j, for every pair whose similarity is at least `least`.

    The similarities are exact. An inverted index makes the computation fast.
    """
    index: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    found: Pairs = {}
    for j, vector in enumerate(all_):
        sums: defaultdict[int, float] = defaultdict(float)
        for run, weight in vector.items():
            posting = index[run]
            for i, other in posting:
                sums[i] += weight * other
            posting.append((j, weight))
        for i, value in sums.items():
            if value >= least:
                found[i, j] = value
    return found


def runs(text: Iterable[str]) -> frozenset[str]:
    """Returns the set of runs of the words in `text`."""
    return frozenset(run for word in text for run in _runs(word))


def _runs(word: str) -> list[str]:
    """Returns the runs of a word, after adding a blank on each side: «برف» gives « برف» and «برف »."""
    padded = f" {word} "
    return [padded[at : at + 4] for at in range(len(word) - 1 or 1)]


def _unit(vector: dict[str, float]) -> Vector:
    length = math.sqrt(math.fsum(value * value for value in vector.values()))
    return {run: value / length for run, value in vector.items()} if length else {}
