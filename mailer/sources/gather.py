"""What every source that is asked again and again has in common, and the one that is a feed.

A source is asked with what it said last time, so that it can answer «nothing new». It does *not* decide when: `app`
does.
"""

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from mailer.model import FoundArticle
from mailer.settings import Feed
from mailer.sources import identity, read
from mailer.sources.fetch import LARGEST, Fetcher

Named = tuple[FoundArticle, str, str]  # an article, its identity and its canonical link


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a source gave: in its own order, the newest or most prominent first."""

    found: tuple[Named, ...] = ()
    notes: tuple[str, ...] = ()
    etag: str = ""
    modified: str = ""


class FeedSource:
    """RSS, Atom or JSON Feed at an address."""

    def __init__(self, feed: Feed, fetcher: Fetcher, zone: ZoneInfo) -> None:
        self._feed, self._fetcher, self._zone = feed, fetcher, zone
        self.name = feed.address
        self.front_page = feed.front_page

    def gather(self, etag: str, modified: str) -> Gathered:
        """Raises FetchFailed and UnreadableInput."""
        page = self._fetcher.fetch(self._feed.address, etag=etag, modified=modified)
        if page.unchanged:
            return Gathered(etag=page.etag or etag, modified=page.modified or modified)
        found = read.read(self._feed.address, page.content, zone=self._zone, source=self._feed.source, largest=LARGEST)
        return Gathered(named(found.articles, self._feed.category), found.notes, page.etag, page.modified)


def named(articles: tuple[FoundArticle, ...], category: str = "") -> tuple[Named, ...]:
    """Articles with their names; `category` is given to those that have none."""
    cut = map(read.cut, articles)
    whole = [article if article.category else replace(article, category=category) for article in cut]
    return tuple((article, *identity.identify(article)) for article in whole)
