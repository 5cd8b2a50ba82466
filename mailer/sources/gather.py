"""The source for feeds at a web address."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from mailer.model import FoundArticle
from mailer.settings import Feed
from mailer.sources.documents import Documents
from mailer.sources.fetch import LARGEST, Fetcher
from mailer.sources.found import Gathered


class FeedSource:
    """Gathers articles from RSS, Atom or JSON Feed at a web address."""

    slow = False

    def __init__(self, feed: Feed, fetcher: Fetcher, zone: ZoneInfo, documents: Documents) -> None:
        self._feed, self._fetcher, self._zone, self._documents = feed, fetcher, zone, documents
        self.name = feed.address
        self.front_page = feed.front_page

    def gather(self, etag: str, modified: str) -> Gathered:
        """Return the articles of the feed, or no articles if the feed is unchanged.

        A feed of the front page is fetched even if it is unchanged, because an article gains credit for each hour that
        it stays there. Raises FetchFailed or UnreadableInput.
        """
        if self.front_page:
            etag = modified = ""
        page = self._fetcher.fetch(self._feed.address, etag=etag, modified=modified, may_cut=True)
        if page.unchanged:
            return Gathered(etag=page.etag or etag, modified=page.modified or modified, not_modified=True)
        found = self._documents.read(
            self._feed.address,
            page.content,
            zone=self._zone,
            source=self._feed.source,
            address=page.url,
            charset=page.charset,
            largest=LARGEST,
            cut_off=page.cut_off,
        )
        return Gathered(in_category(found.articles, self._feed.category), found.notes, page.etag, page.modified)


def in_category(articles: tuple[FoundArticle, ...], category: str) -> tuple[FoundArticle, ...]:
    """Return the articles, with `category` as the category of those that have none."""
    return tuple(article if article.category else replace(article, category=category) for article in articles)
