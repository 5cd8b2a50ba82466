"""The results of reading files and sources, and the interface of a source (`Source`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailer.model import FoundArticle


@dataclass(frozen=True, slots=True)
class Found:
    """The articles of a file, in the order of the file, and notes for the editors.

    Each note is one line about items that were left out or could not be read completely.
    """

    articles: tuple[FoundArticle, ...]
    notes: tuple[str, ...] = ()


def titled(name: str, articles: Sequence[FoundArticle], notes: Sequence[str] = ()) -> Found:
    """Return the articles that have a title, with `notes` and one more note for each article without a title."""
    others = [
        f"{name}: item {number} ({article.url or 'without a link'}) has no title and was left out."
        for number, article in enumerate(articles, 1)
        if not article.title
    ]
    return Found(tuple(article for article in articles if article.title), (*notes, *others))


def unlinked(name: str, written: Sequence[str], articles: Sequence[FoundArticle]) -> Iterator[str]:
    """Yield a note if articles have a link that cannot be used. `written` has the links as the source wrote them."""
    lost = [link for link, article in zip(written, articles, strict=True) if link.strip() and not article.url]
    if lost:
        yield f"{name}: {len(lost)} links are not web addresses, such as {lost[0].strip()[:60]!r}; they were left out."


@dataclass(frozen=True, slots=True)
class Gathered(Found):
    """The articles of a source, the newest or most prominent first, and the validators for the next request.

    The validators `etag` and `modified` are the HTTP headers ETag and Last-Modified of the source's response.
    """

    articles: tuple[FoundArticle, ...] = ()
    etag: str = ""
    modified: str = ""


class Source(Protocol):
    """A place from which articles are gathered at regular intervals. `articles.collect` decides when."""

    @property
    def name(self) -> str: ...

    @property
    def front_page(self) -> bool:
        """Return True if the source lists its articles in the order of the newsroom's front page."""
        ...

    def gather(self, etag: str, modified: str) -> Gathered:
        """Return the articles, or no articles if nothing has changed since the response with `etag` and `modified`.

        Raises a MailerError if the source cannot be read.
        """
        ...
