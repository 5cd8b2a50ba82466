"""Recognises topics that were hardly in the news of the weeks before the time span of the issue.

Such a topic has words that are new or suddenly frequent.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from mailer.text.search_key import key

_ENOUGH = 200  # with fewer titles of the weeks before, it is unknown what is usual
_LARGE = 5  # a topic with fewer articles is not a burst
_TYPICAL = 0.4  # a word is typical of a topic if at least this share of the topic's titles have the word
_TIMES = 10  # a word is suddenly frequent if it is this many times as frequent as in the weeks before
_LONG = 3  # shorter words are ignored


def sudden(topics: Mapping[int, int], titles: Mapping[int, str], earlier: Collection[str]) -> frozenset[int]:
    """Returns the ids of the articles whose topics were hardly in the news of the weeks before.

    Such a topic has at least _LARGE articles, and one of its typical words is new, or at least _TIMES times as frequent
    as in the weeks before.

    topics   article id → topic
    titles   article id → search key of the title
    earlier  titles of the weeks before, or a sample of them
    """
    if len(earlier) < _ENOUGH:
        return frozenset()
    members: defaultdict[int, list[int]] = defaultdict(list)
    for number, topic in topics.items():
        members[topic].append(number)
    before = Counter(word for title in earlier for word in set(key(title).split()))
    now = Counter(word for number in topics for word in set(titles[number].split()))

    def is_sudden(word: str) -> bool:
        return now[word] * len(earlier) >= _TIMES * before[word] * len(topics)

    found: set[int] = set()
    for numbers in members.values():
        words = Counter(word for number in numbers for word in set(titles[number].split()) if len(word) >= _LONG)
        typical = [word for word, count in words.items() if count >= _TYPICAL * len(numbers)]
        if len(numbers) >= _LARGE and any(map(is_sudden, typical)):
            found.update(numbers)
    return frozenset(found)
