"""How similar two articles are: a number from 0 to 1 for every pair that is similar enough.

Runs of four characters within normalised words are weighted by how rare they are in the week (TF-IDF) and compared by
cosine. For Persian this beats words, title matching and hashing, and needs no stemmer: endings and broken half-spaces
change only a few of a word's runs. Whether two articles are about one event is decided in `group`.
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

_LEAD = 500  # characters; the rest is background, which different events may share
_COMMON = 0.02  # runs in more than this share of the articles are ignored
_FEW = 20  # but a run in no more articles than this is used, which matters in a small week
_WEEK = 1000  # articles of a usual week
_HASHTAG = re.compile(r"#\w+")  # a label, the same on all articles of a topic
# The kind of a page, such as «عکس». If it were compared, two photo pages with short titles would look similar.
_KIND = re.compile(
    r"[(\[+/|]*\s*(?<!\w)(?:عکس روز|تصویر متحرک|عکس|تصاویر|تصویری|فیلم|ویدیو|ویدئو|اینفوگرافی|فوری)(?!\w)\s*[)\]|/]+"
    r"|^(?:عکس|تصاویر|فیلم|ویدیو|ویدئو|اینفوگرافی|فوری)\s*[:|/؛\-–]"
)


def words(article: Article, *, with_title: bool = True, with_lead: bool = True) -> str:
    """The key of the text that is compared of an article: the title twice, then the beginning of the lead.

    `with_title` is False for a rubric («خبر», «نگاه هفته»), whose title does not describe the article. `with_lead` is
    False if the source gives every article the same lead.
    """
    title = f"{article.title} " * 2 if with_title else ""
    lead = (article.lead or article.body)[:_LEAD] if with_lead else ""
    text = _HASHTAG.sub(" ", title + lead)
    return key(_KIND.sub(" ", text))


def vectors(texts: Sequence[str]) -> list[Vector]:
    """One vector of length 1 for each text (a key); empty if all its runs are common ones."""
    split = [text.split() for text in texts]
    of = {word: _runs(word) for word in set(chain.from_iterable(split))}  # most words occur many times
    grams = [Counter(chain.from_iterable(map(of.__getitem__, each))) for each in split]
    spread: Counter[str] = Counter()
    for each in grams:
        spread.update(each.keys())
    most = max(_FEW, _COMMON * len(texts))
    # Without this minimum, runs that a few articles share would look common in a small week.
    whole = max(len(texts), _WEEK)
    weight = {run: math.log1p(whole / count) for run, count in spread.items() if count <= most}
    return [_unit({run: (1 + math.log(n)) * weight[run] for run, n in each.items() if run in weight}) for each in grams]


def pairs(all_: Sequence[Vector], least: float) -> Pairs:
    """(i, j) → similarity, with i < j, for every pair of at least `least`: exact, by an inverted index."""
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
    """Runs of four characters of a word with a blank on each side: «برف» gives « برف» and «برف »."""
    padded = f" {word} "
    return [padded[at : at + 4] for at in range(len(word) - 1 or 1)]


def _unit(vector: dict[str, float]) -> Vector:
    length = math.sqrt(math.fsum(value * value for value in vector.values()))
    return {run: value / length for run, value in vector.items()} if length else {}
