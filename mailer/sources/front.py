"""The sources for the places of articles on a site's front page and on its list of the most read articles.

The first link in the HTML has the first place.
"""

from collections.abc import Iterable
from typing import TypedDict
from zoneinfo import ZoneInfo

from mailer.errors import UnreadableInput
from mailer.settings import Feed
from mailer.sources import identity
from mailer.sources.documents import Documents
from mailer.sources.fetch import LARGEST, Fetcher
from mailer.sources.found import Gathered
from mailer.sources.gather import in_category


class FrontSource:
    """Gathers the places of articles on a front page. The articles themselves come from other sources."""

    front_page = True
    slow = False

    def __init__(self, feed: Feed, fetcher: Fetcher, zone: ZoneInfo, documents: Documents) -> None:
        self._feed, self._fetcher, self._zone, self._documents = feed, fetcher, zone, documents
        self.name = f"front:{feed.address}"

    def gather(self, etag: str, modified: str) -> Gathered:
        """Return the addresses of the links to the same site in their order, without articles.

        Fetches the page even if it has not changed, because articles gain credit for each further hour on the page.
        Raises FetchFailed, or UnreadableInput if the page has no links to its own site.
        """
        page = self._fetcher.fetch(self._feed.address, may_cut=True)
        listing = self._documents.listing(
            self._feed.address,
            page.content,
            zone=self._zone,
            address=page.url,
            charset=page.charset,
            largest=LARGEST,
            cut_off=page.cut_off,
        )
        host = identity.host(page.url)
        urls = (each.url.partition("#")[0] for each in listing.pages if identity.host(each.url) == host)
        own = _distinct(url for url in urls if identity.canonical(url) != host)
        if not own:
            raise UnreadableInput(
                f"{self._feed.address}: this page has no links to pages of its own site.",
                "Perhaps a script makes them in the browser; give a feed of the front page with front_page = true.",
            )
        return Gathered((), listing.notes, places=own)


class _Options(TypedDict):
    """Options for reading a page and for reading a feed."""

    zone: ZoneInfo
    address: str
    charset: str
    largest: int


class MostReadSource:
    """Gathers the places of articles on the site's own list of the most read, from a page or a feed.

    The articles of a feed are gathered, too; those on a page come from other sources.
    """

    front_page = False
    slow = False

    def __init__(self, feed: Feed, fetcher: Fetcher, zone: ZoneInfo, documents: Documents) -> None:
        self._feed, self._fetcher, self._zone, self._documents = feed, fetcher, zone, documents
        self.name = f"most_read:{feed.address}"

    def gather(self, etag: str, modified: str) -> Gathered:
        """Return the addresses on the list in their order, and the articles if the list is a feed.

        Fetches the list even if it has not changed, because an article gains credit for each hour that it stays on the
        list. Raises FetchFailed, or UnreadableInput if there is no list.
        """
        page = self._fetcher.fetch(self._feed.address, may_cut=True)
        about: _Options = {
            "zone": self._zone,
            "address": page.url,
            "charset": page.charset,
            "largest": LARGEST,
        }
        try:
            listing = self._documents.listing(self._feed.address, page.content, cut_off=page.cut_off, **about)
        except UnreadableInput:  # not a page, so it must be a feed
            found = self._documents.read(
                self._feed.address, page.content, source=self._feed.source, cut_off=page.cut_off, **about
            )
            articles = in_category(found.articles, self._feed.category)
            return Gathered(articles, found.notes, most_read=_distinct(each.url for each in articles))
        if not listing.most_read:
            raise UnreadableInput(
                f"{self._feed.address}: this page has no list below a heading such as «پربازدیدترین‌ها».",
                "Give the address of a page that has the list in its HTML, or of its feed.",
            )
        return Gathered((), listing.notes, most_read=_distinct(each.url for each in listing.most_read))


def _distinct(urls: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses without those that lead to the same page as an earlier one."""
    return tuple({identity.canonical(url, whole=True): url for url in reversed([*urls])}.values())[::-1]
