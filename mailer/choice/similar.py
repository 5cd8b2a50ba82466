"""How alike are two articles? A number from 0 to 1 for every pair that is worth one.

Runs of four letters inside normalised words, weighted by how rare they are in the week (TF-IDF), compared by cosine.
For Persian this beats words, title matching and hashing, and needs no stemmer: endings and broken half-spaces spoil
only a few of a word's runs. It does *not* decide what is one event: `group` does.
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

_LEAD = 500  # characters; what follows is background, which two different events may well share
_COMMON = 0.02  # runs in more than this share of the articles tell nothing
_FEW = 20  # but in a small week a run may stand in so many articles
_WEEK = 1000  # articles: of a usual week
_HASHTAG = re.compile(r"#\w+")  # a label: articles of one topic carry the same ones
# What kind of page it is, not what it tells. Compared as it stands, two photo pages with short titles look alike.
_KIND = re.compile(
    r"[(\[+/|]*\s*(?<!\w)(?:عکس روز|تصویر متحرک|عکس|تصاویر|تصویری|فیلم|ویدیو|ویدئو|اینفوگرافی|فوری)(?!\w)\s*[)\]|/]+"
    r"|^(?:عکس|تصاویر|فیلم|ویدیو|ویدئو|اینفوگرافی|فوری)\s*[:|/؛\-–]"
)


def words(article: Article, *, with_title: bool = True, with_lead: bool = True) -> str:
    """What is compared of an article, as a key: the title twice and the beginning of the lead.

    `with_title` is False for a rubric («خبر», «نگاه هفته»), whose title says nothing about what it tells;
    `with_lead` when the source gives every article the same.
    """
    title = f"{article.title} " * 2 if with_title else ""
    lead = (article.lead or article.body)[:_LEAD] if with_lead else ""
    text = _HASHTAG.sub(" ", title + lead)
    return key(_KIND.sub(" ", text))


def vectors(texts: Sequence[str]) -> list[Vector]:
    """One vector of length 1 for each text (a key); empty when nothing in it tells it from others."""
    split = [text.split() for text in texts]
    of = {word: _runs(word) for word in set(chain.from_iterable(split))}  # most words come many times
    grams = [Counter(chain.from_iterable(map(of.__getitem__, each))) for each in split]
    spread: Counter[str] = Counter()
    for each in grams:
        spread.update(each.keys())
    most = max(_FEW, _COMMON * len(texts))
    # A small week is a sample of the language: without this, what a few articles share would look common.
    whole = max(len(texts), _WEEK)
    weight = {run: math.log1p(whole / count) for run, count in spread.items() if count <= most}
    return [_unit({run: (1 + math.log(n)) * weight[run] for run, n in each.items() if run in weight}) for each in grams]


def pairs(all_: Sequence[Vector], least: float) -> Pairs:
    """(i, j) → similarity, i < j, for every pair at or above `least`: exact, by an inverted index."""
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
    """The different runs of some words."""
    return frozenset(run for word in text for run in _runs(word))


def _runs(word: str) -> list[str]:
    """Runs of four letters of a word, with a blank on both its sides: «برف» gives « برف» and «برف »."""
    padded = f" {word} "
    return [padded[at : at + 4] for at in range(len(word) - 1 or 1)]


def _unit(vector: dict[str, float]) -> Vector:
    length = math.sqrt(math.fsum(value * value for value in vector.values()))
    return {run: value / length for run, value in vector.items()} if length else {}
