"""Cuts the fields of articles where they enter the program, because every later step processes all their characters.

Files, feeds, WordPress and the newsroom's database all pass their articles through this module.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mailer.model import FoundArticle
from mailer.text.clean import shorten

# Maximum lengths in characters. No real text is longer, except a lead or a body, which may be the whole article.
_LONGEST = {
    **{"title": 500, "lead": 5000, "body": 50_000},
    **{"source": 200, "category": 200, "author": 300, "image_alt": 1000, "published_raw": 200},
}
_USUAL = frozenset(("lead", "body"))  # fields that are cut without a note
_LONGEST_TAG, _MOST_TAGS = 100, 50
_LONGEST_GUID = 2000  # characters; a longer guid is replaced by its hash, so that different guids stay different


def cut(name: str, articles: Iterable[FoundArticle]) -> tuple[tuple[FoundArticle, ...], tuple[str, ...]]:
    """Return the articles with shortened fields, and a note if some were longer than any real ones.

    `name` is the name of the file or source, for the note.
    """
    shortened: Counter[str] = Counter()
    found = tuple(_cut(article, shortened) for article in articles)
    if not shortened:
        return found, ()
    fields = ", ".join(f"{field} ({count})" for field, count in shortened.most_common())
    return found, (f"{name}: some texts are too long and were shortened: {fields}.",)


def _cut(article: FoundArticle, shortened: Counter[str]) -> FoundArticle:
    changes: dict[str, Any] = {}
    for field, longest in _LONGEST.items():
        text: str = getattr(article, field)
        if len(text) > longest:
            changes[field] = shorten(text, longest)
    if len(article.tags) > _MOST_TAGS or any(len(tag) > _LONGEST_TAG for tag in article.tags):
        changes["tags"] = tuple(shorten(tag, _LONGEST_TAG) for tag in article.tags[:_MOST_TAGS])
    if len(article.guid) > _LONGEST_GUID:
        changes["guid"] = f"sha256:{hashlib.sha256(article.guid.encode('utf-8', 'surrogatepass')).hexdigest()}"
    shortened.update(changes.keys() - _USUAL)
    return replace(article, **changes) if changes else article
