"""Articles about one event become one group: for now those that were published again under the same title.

It does not choose which of them leads; `build` does, by score.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from mailer.digest.normalise import key
from mailer.model import Article

_NEAR = timedelta(hours=96)
_TELLING = 3  # words: a shorter title, such as «نگاه هفته», is a rubric and stands over many different articles
_ALIKE = 0.6  # of two leads: the share of words in common
_LEAD_WORDS = 40


def group(articles: Iterable[Article], titles: Mapping[int, str]) -> list[list[Article]]:
    """The articles, parted into events. Members are in order of date, then number; so are the groups.

    `titles` holds the key of each article's title by article id.
    """
    same_title: dict[str, list[Article]] = {}
    for article in sorted(articles, key=lambda article: (article.dated, article.id)):
        same_title.setdefault(titles[article.id], []).append(article)
    groups = [
        event
        for title, members in same_title.items()
        for event in _events(members, telling=len(title.split()) >= _TELLING)
    ]
    return sorted(groups, key=lambda members: (members[0].dated, members[0].id))


def _events(articles: Sequence[Article], *, telling: bool) -> list[list[Article]]:
    """Parts articles of one title. A series published daily is one chain, and so one group."""
    events: list[list[Article]] = []
    for article in articles:
        kin = [members for members in events if any(_same_event(it, article, telling) for it in reversed(members))]
        merged = [member for members in kin for member in members]
        events = [members for members in events if members not in kin]
        events.append(sorted([*merged, article], key=lambda member: (member.dated, member.id)))
    return events


def _same_event(one: Article, other: Article, telling: bool) -> bool:
    """Whether two articles of the same title tell the same event; `telling`: the title says which."""
    if telling and abs(one.dated - other.dated) <= _NEAR:
        return True
    return _link(one.url) == _link(other.url) != "" or _leads_alike(one, other)


def _leads_alike(one: Article, other: Article) -> bool:
    first, second = (set(key(it.lead or it.body[:500]).split()[:_LEAD_WORDS]) for it in (one, other))
    if not first or not second:
        return False  # nothing said is nothing in common
    return len(first & second) >= _ALIKE * len(first | second)


def _link(url: str) -> str:
    """The address without what never changes the page: how it is fetched, the fragment, a last slash."""
    return url.partition("#")[0].partition("://")[2].rstrip("/")
