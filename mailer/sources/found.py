"""What sources and readers of files return, and what a source is. Reads nothing itself."""

from dataclasses import dataclass
from typing import Protocol

from mailer.model import FoundArticle


@dataclass(frozen=True, slots=True)
class Found:
    """The articles of a file in its own order; each note is a line that says which item was left out and why."""

    articles: tuple[FoundArticle, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gathered(Found):
    """What a source gave, the newest or most prominent article first, and the validators for the next request."""

    articles: tuple[FoundArticle, ...] = ()
    etag: str = ""
    modified: str = ""


class Source(Protocol):
    """A place that articles come from, asked again and again. Does not decide when; `articles.collect` does."""

    @property
    def name(self) -> str: ...

    @property
    def front_page(self) -> bool:
        """True if the order of its articles is that of the newsroom's front page."""
        ...

    def gather(self, etag: str, modified: str) -> Gathered:
        """Return the articles, or none if nothing changed since `etag` and `modified`. Raises a MailerError."""
        ...
