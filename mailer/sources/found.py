"""The results of reading files and sources, and the interface of a source (`Source`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mailer.errors import MailerError
from mailer.model import FoundArticle


@dataclass(frozen=True, slots=True)
class Found:
    """The articles of a file, in the order of the file, and notes for the editors.

    Each note is one line about items that were left out or could not be read completely.
    """

    articles: tuple[FoundArticle, ...]
    notes: tuple[str, ...] = ()


_FEWEST_ITEMS = 20_000
_SHORTEST_ITEM = 200  # characters
_MOST_NOTES = 30  # notes about single items


def most_items(text: str) -> int:
    """Return the maximum number of items to read from a document. No real document of its length has more."""
    return max(_FEWEST_ITEMS, len(text) // _SHORTEST_ITEM)


def too_many(name: str, most: int, kind: str = "items") -> str:
    """Return the note about a document of which only the first `most` items were read."""
    return f"{name}: it has more than {most:,} {kind}; only the first ones were read."


def few(name: str, notes: Sequence[str]) -> tuple[str, ...]:
    """Return notes about single items. If there are too many, returns the first and a note that counts the rest."""
    rest = len(notes) - _MOST_NOTES
    if rest <= 1:
        return tuple(notes)
    return (*notes[:_MOST_NOTES], f"{name}: {rest:,} more items were left out for such reasons.")


def titled(name: str, articles: Sequence[FoundArticle], notes: Sequence[str] = ()) -> Found:
    """Return the articles that have a title, with `notes` and one more note for each article without a title."""
    others = [
        f"{name}: item {number} ({article.url or 'without a link'}) has no title and was left out."
        for number, article in enumerate(articles, 1)
        if not article.title
    ]
    return Found(tuple(article for article in articles if article.title), (*notes, *few(name, others)))


def unlinked(name: str, written: Sequence[str], articles: Sequence[FoundArticle]) -> Iterator[str]:
    """Yield a note if articles have a link that cannot be used. `written` has the links as the source wrote them."""
    lost = [link for link, article in zip(written, articles, strict=True) if link.strip() and not article.url]
    if lost:
        yield f"{name}: {len(lost)} links are not web addresses, such as {lost[0].strip()[:60]!r}; they were left out."


@dataclass(frozen=True, slots=True)
class Visit:
    """A page that a source need not fetch again, or one that it should fetch again because requests for it failed.

    `fetched` is False if the page was left out and never requested. `failures` is the number of requests that failed,
    or 0 if the page need not be fetched again.
    """

    link: str  # the canonical link, or its hash if the link is long
    fetched: bool = True
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Gathered(Found):
    """The articles of a source, the newest or most prominent first, and the validators for the next request.

    The validators `etag` and `modified` are the HTTP headers ETag and Last-Modified of the source's response. `visits`
    are the pages that the source has requested or left out. `places` are the addresses on a front page in their
    order, and `most_read` those on a list of the most read articles. `unfinished` means that the source has
    more pages to fetch and should be asked again immediately.

    `backlog` has articles that the source listed at its first collection, but whose pages are read only now. At the
    first collection, `first` has the links that the source lists. `not_modified` means that the server answered that
    nothing has changed since the last request.

    `failed` is the reason if the source failed after it gave these articles and visits.
    """

    articles: tuple[FoundArticle, ...] = ()
    etag: str = ""
    modified: str = ""
    visits: tuple[Visit, ...] = ()
    places: tuple[str, ...] = ()
    most_read: tuple[str, ...] = ()
    unfinished: bool = False
    backlog: tuple[FoundArticle, ...] = ()
    first: tuple[str, ...] = ()
    not_modified: bool = False
    failed: MailerError | None = None


class Visits(Protocol):
    """The memory of the pages that one source has visited."""

    def known(self, links: Sequence[str]) -> set[str]:
        """Return those links that the source need not fetch again. Links are written as in `Visit`."""
        ...

    def failures(self, links: Sequence[str]) -> dict[str, tuple[int, datetime]]:
        """Return the number of failed requests and the time of the last one, for each link to fetch again.

        Links for which no request failed are left out.
        """
        ...

    def listed_first(self, links: Sequence[str]) -> set[str]:
        """Return those links that the source listed at its first collection."""
        ...

    def fetched_since(self, moment: datetime) -> int:
        """Return how many pages were requested since a moment."""
        ...

    def is_empty(self) -> bool:
        """Return True before the first visit."""
        ...


class Source(Protocol):
    """A place from which articles are gathered at regular intervals. `articles.collect` decides when."""

    @property
    def name(self) -> str: ...

    @property
    def front_page(self) -> bool:
        """Return True if the source lists its articles in the order of the newsroom's front page."""
        ...

    @property
    def slow(self) -> bool:
        """Return True if gathering takes minutes, because the source fetches many pages one after the other."""
        ...

    def gather(self, etag: str, modified: str) -> Gathered:
        """Return the articles, or no articles if nothing has changed since the response with `etag` and `modified`.

        Raises a MailerError if the source cannot be read.
        """
        ...
