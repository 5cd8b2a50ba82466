"""The values that sources and readers of files return, and the protocol of a source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mailer.model import FoundArticle


@dataclass(frozen=True, slots=True)
class Found:
    """The articles of a file in its own order; each note is a line that says which item was left out and why."""

    articles: tuple[FoundArticle, ...]
    notes: tuple[str, ...] = ()


def titled(name: str, articles: Sequence[FoundArticle], notes: Sequence[str] = ()) -> Found:
    """Return the articles of a feed that have a title, with a note about each of the others."""
    others = [
        f"{name}: item {number} ({article.url or 'without a link'}) has no title and was left out."
        for number, article in enumerate(articles, 1)
        if not article.title
    ]
    return Found(tuple(article for article in articles if article.title), (*notes, *others))


@dataclass(frozen=True, slots=True)
class Gathered(Found):
    """The articles of a source, the newest or most prominent first, and the validators for the next request."""

    articles: tuple[FoundArticle, ...] = ()
    etag: str = ""
    modified: str = ""


class Source(Protocol):
    """A place that articles come from, asked again and again. Does not decide when; `articles.collect` does."""

    @property
    def name(self) -> str: ...

    @property
    def front_page(self) -> bool:
        """Return True if the order of its articles is that of the newsroom's front page."""
        ...

    def gather(self, etag: str, modified: str) -> Gathered:
        """Return the articles, or none if nothing changed since `etag` and `modified`. Raises a MailerError."""
        ...
