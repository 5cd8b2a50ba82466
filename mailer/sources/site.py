"""Finds out what a news site offers to a newsletter: its name, language and appearance, and sources of its articles.

The front page is read first, then the addresses that it names, then the usual addresses. Everything that was tried is
reported with its result. This module decides nothing; `operations.first_setup` does.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

from mailer.errors import FetchFailed, UnreadableInput
from mailer.model import FoundArticle
from mailer.settings import Feed
from mailer.sources import identity, most_read, plain
from mailer.sources.documents import Documents
from mailer.sources.fetch import LARGEST, Fetched, Fetcher, same_server
from mailer.sources.front import MostReadSource
from mailer.sources.listing import Listed, Listing
from mailer.sources.sitemap import SitemapSource
from mailer.sources.wordpress import WordPressSource
from mailer.text import links

# Where sites have their feed if their front page names none: WordPress, Joomla, Drupal, IranSamaneh, Blogger, Hugo.
_USUAL_FEEDS = (
    *("/feed/", "/rss", "/rss.xml", "/feed.xml", "/atom.xml", "/index.xml", "/fa/rss/allnews", "/rss/latest"),
    *("/feeds/posts/default", "/?format=feed&type=rss", "/feed.json"),
)
_MOST_FEEDS = 8  # feeds that are read
_MOST_LISTS = 3  # only this many pages and feeds are searched for a list of the most read
_GAP_S = 0.5  # seconds between two requests; short, because an admin is waiting for the result
_LARGEST_INDEX = 1_000_000  # bytes of WordPress's description of its site
_OF_COMMENTS = ("comment", "دیدگاه", "نظر", "تعليق")  # words in addresses and titles of feeds with comments
_RECENT = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Offer:
    """A source that a site offers. `kind` has the same values as in the settings."""

    kind: str
    address: str
    title: str = ""
    articles: int = 0
    dated: int = 0
    recent: int = 0  # articles of the last two weeks
    on_front: int = 0  # articles that the front page links to
    problem: str = ""  # why it cannot be used, or ""
    titles: tuple[str, ...] = ()
    unanswered: bool = False  # True if the server did not answer at all


@dataclass(frozen=True, slots=True)
class Site:
    """The facts about a site, and the sources that it offers."""

    address: str  # of the front page, after redirects
    about: dict[str, str] = field(default_factory=dict)  # the facts of a `Listing`, and "timezone"
    offers: tuple[Offer, ...] = ()
    links: int = 0  # links of the front page to the site's own pages
    problem: str = ""  # why the front page could not be read, or ""
    most_read: Offer | None = None  # the list of the most read articles, if there is one


def look(
    address: str,
    fetcher: Fetcher,
    documents: Documents,
    *,
    zone: ZoneInfo,
    now: datetime,
    wait: Callable[[float], None] = time.sleep,
) -> Site:
    """Return what the site at `address` offers. Problems of the site raise no error: `Site.problem` and
    `Offer.problem` report them. Private addresses are allowed only on the server of `address`."""
    return _Finder(address, fetcher, documents, zone, now, wait).site()


class _Finder:
    def __init__(
        self,
        address: str,
        fetcher: Fetcher,
        documents: Documents,
        zone: ZoneInfo,
        now: datetime,
        wait: Callable[[float], None],
    ) -> None:
        self._address, self._fetcher, self._documents, self._zone = address, fetcher, documents, zone
        self._now, self._wait = now, wait

    def site(self) -> Site:
        try:
            page = self._fetch(self._address)
            front = self._documents.listing(self._address, page.content, **self._options(page))
        except (FetchFailed, UnreadableInput) as error:
            return Site(self._address, problem=error.message)
        home = urljoin(page.url, "/") if urlsplit(page.url).path in ("", "/") else page.url
        host = identity.host(home)
        own = {identity.canonical(each.url) for each in front.pages if identity.host(each.url) == host} - {host}
        about = dict(front.about)
        offers = [*self._wordpress(front, home, own, about), *self._feeds(front, home, own), *self._sitemap(home)]
        return Site(home, about, tuple(offers), len(own), most_read=self._most_read(front, home))

    def _wordpress(self, front: Listing, home: str, own: set[str], about: dict[str, str]) -> Iterator[Offer]:
        root = about.get("wordpress", "").partition("wp-json")[0].partition("?")[0] or urljoin(home, "/")
        source = WordPressSource(Feed(url=root, kind="wordpress"), self._fetcher, self._documents)
        try:
            found = source.gather("", "").articles
        except (FetchFailed, UnreadableInput) as error:
            if about.get("wordpress") or "wordpress" in about.get("system", "").lower():
                yield Offer("wordpress", source.name, problem=error.message)
            return
        yield self._offer("wordpress", source.name, "", found, own)
        described = self._described(about.get("wordpress") or urljoin(root, "wp-json/"))
        for name, fact in (("name", "name"), ("description", "slogan"), ("timezone_string", "timezone")):
            if isinstance(described.get(name), str) and (said := plain.line(described[name])):
                about[fact] = said

    def _described(self, address: str) -> dict[str, Any]:
        """Return what WordPress says about its site, or {}."""
        separator = "&" if "?" in address else "?"
        with suppress(FetchFailed, ValueError, RecursionError):
            page = self._fetch(f"{address}{separator}_fields=name,description,timezone_string")
            found = json.loads(page.content[:_LARGEST_INDEX])
            return found if isinstance(found, dict) else {}
        return {}

    def _feeds(self, front: Listing, home: str, own: set[str]) -> Iterator[Offer]:
        """Yield the feeds that the front page names. If none can be read, yields the first feed at a usual address."""
        host = identity.host(home)
        near = [each for each in front.feeds if identity.host(each.url).endswith(host.partition(":")[0])]
        # A feed of the most read articles does not have all articles, so it is not offered as a source.
        named = [each for each in near or front.feeds if not most_read.is_named(f"{each.url} {each.title}")]
        count = 0
        for each in [each for each in named if not _holds_comments(each)][:_MOST_FEEDS]:
            offer = self._feed(each.url, each.title, own)
            count += not offer.problem
            yield offer
        if count:
            return
        for path in _USUAL_FEEDS:
            offer = self._feed(urljoin(home, path), "", own)
            if not offer.problem and offer.articles:
                yield offer
                return
            if offer.unanswered:  # the server does not answer requests for unknown pages; each would take a minute
                return

    def _feed(self, address: str, title: str, own: set[str]) -> Offer:
        try:
            page = self._fetch(address)
            found = self._documents.read(address, page.content, page_at=None, **self._options(page))
        except (FetchFailed, UnreadableInput) as error:
            return Offer("feed", address, title, problem=error.message, unanswered=getattr(error, "status", 1) == 0)
        return self._offer("feed", address, title, found.articles, own)

    def _sitemap(self, home: str) -> Iterator[Offer]:
        feed = Feed(url=urljoin(home, "/"), kind="sitemap")
        source = SitemapSource(
            feed, self._fetcher, self._zone, self._documents, _NothingVisited, now=lambda: self._now, wait=self._wait
        )
        try:
            count, notes = source.look()
        except (FetchFailed, UnreadableInput) as error:
            yield Offer("sitemap", feed.address, problem=error.message)
            return
        yield Offer("sitemap", feed.address, articles=count, recent=count, problem="" if count else "; ".join(notes))

    def _most_read(self, front: Listing, home: str) -> Offer | None:
        """Return the list of the most read articles from the front page, else from a feed or a page that it names."""
        if front.most_read:
            return Offer("most_read", home if urlsplit(home).path else f"{home}/", articles=len(front.most_read))
        feeds = [each.url for each in front.feeds if most_read.is_named(f"{each.url} {each.title}")]
        pages = [each.url for each in front.pages if most_read.is_named(each.url)]
        # MostReadSource trusts its address, even a private one. So addresses on other servers are left out.
        own = [each for each in dict.fromkeys((*feeds, *pages)) if same_server(self._address, each)]
        for address in own[:_MOST_LISTS]:
            source = MostReadSource(Feed(url=address, kind="most_read"), self._fetcher, self._zone, self._documents)
            with suppress(FetchFailed, UnreadableInput):
                self._pause(address)
                if count := len(source.gather("", "").most_read):
                    return Offer("most_read", address, articles=count)
        return None

    def _offer(self, kind: str, address: str, title: str, articles: Sequence[FoundArticle], own: set[str]) -> Offer:
        dates = [each.published for each in articles if each.published]
        return Offer(
            kind,
            address,
            title,
            articles=len(articles),
            dated=len(dates),
            recent=sum(self._now - _RECENT < each for each in dates),
            on_front=len({identity.canonical(each.url) for each in articles} & own),
            titles=tuple(each.title for each in articles[:20]),
        )

    def _options(self, page: Fetched) -> dict[str, Any]:
        return {
            "zone": self._zone,
            "address": page.url,
            "charset": page.charset,
            "largest": LARGEST,
            "cut_off": page.cut_off,
        }

    def _pause(self, address: str) -> None:
        if not links.loopback(urlsplit(address).hostname or ""):
            self._wait(_GAP_S)

    def _fetch(self, address: str) -> Fetched:
        self._pause(address)
        return self._fetcher.fetch(address, trusted=same_server(self._address, address), may_cut=True)


def _holds_comments(feed: Listed) -> bool:
    written = f"{feed.url} {feed.title}".lower()
    return any(word in written for word in _OF_COMMENTS)


class _NothingVisited:
    """An empty record of visits, for a source that has never been collected."""

    def __init__(self, source: str) -> None:
        pass

    def known(self, links: Sequence[str]) -> set[str]:
        return set()

    def failures(self, links: Sequence[str]) -> dict[str, tuple[int, datetime]]:
        return {}

    def listed_first(self, links: Sequence[str]) -> set[str]:
        return set()

    def fetched_since(self, moment: datetime) -> int:
        return 0

    def is_empty(self) -> bool:
        return True
