"""The source for sites without a feed: finds new pages in sitemaps, and fetches and reads each of them once.

Sites are treated politely: robots.txt is obeyed, and requests are limited to one a second and to a number of pages an
hour. Fetched pages are remembered, so that the next collection continues where this one stopped. A Google News sitemap
has titles and dates, so its pages are articles even before they are fetched.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from re import ASCII, IGNORECASE, compile
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

from mailer.errors import FetchFailed, MailerError, UnreadableInput
from mailer.model import FoundArticle
from mailer.settings import Feed
from mailer.sources import identity, robots
from mailer.sources.documents import Documents
from mailer.sources.fetch import LARGEST, Fetched, Fetcher, same_server
from mailer.sources.found import Gathered, Visit, Visits
from mailer.sources.gather import in_category
from mailer.sources.listing import Listed, Listing
from mailer.sources.robots import Robots
from mailer.store.feeds import TRIES
from mailer.text import links

_AGENT = "khabarnameh"  # the name that robots.txt may give rules for
_GAP_S = 1.0  # minimum number of seconds between two requests
_LONGEST_GAP_S = 60.0  # maximum; a longer Crawl-delay in robots.txt is shortened to this
# Maximum number of seconds for which one collection fetches pages. Its articles are then stored, and the next
# collection continues at once. So a restart loses at most the work of these seconds.
_BUDGET_S = 60.0
_COMPARING_S = 10.0  # seconds for which one collection compares addresses with the rules of robots.txt
_MOST_SITEMAPS = 20  # sitemaps that are read in one collection
_DEEPEST = 3  # levels of sitemap indexes inside each other
_FIRST = 300  # newest pages that the first collection of a source considers; the others are never fetched
_OLDEST = timedelta(days=14)  # an older article is never chosen
_USUAL = ("/sitemap.xml", "/sitemap_index.xml", "/wp-sitemap.xml", "/sitemap-news.xml")
_WAIT = (429, 503)  # answers that ask for fewer requests; the collection stops at once
_UNANSWERED = 3  # unanswered requests in a row after which a collection stops
_FAILURES = 10  # failed requests in a row, answered or not, after which a collection stops
# A page is requested again this long after its first failed request, and twice as long after the second one.
_AGAIN = timedelta(minutes=45)
# The names that WordPress, Yoast and others give to sitemaps that list no articles.
_WITHOUT_ARTICLES = compile(
    r"(?:category|categories|post_tag|tags?|author|authors|users?|taxonom\w{1,9}|page|pages|product\w{0,20}|image|images"
    r"|video|videos|attachment|format|elementor\w{0,20}|local|forum|topic|help)[-_.]?(?:sitemap)?[-_]?\d{0,6}",
    IGNORECASE,
)
_NUMBER = compile(r"\d{3,15}", ASCII)


@dataclass(slots=True)
class _Left:
    """Counts of what a collection left out, for the notes."""

    old: int = 0
    elsewhere: int = 0
    forbidden: int = 0
    later: int = 0  # pages that are requested again later
    unread: int = 0
    given_up: int = 0
    example: str = ""  # why a page could not be read
    sitemaps: int = 0


@dataclass(frozen=True, slots=True)
class _New:
    """A page that is not known yet. `failures` is the number of earlier requests that failed."""

    listed: Listed
    failures: int = 0

    @property
    def link(self) -> str:
        return self.listed.link

    @property
    def url(self) -> str:
        return self.listed.url


class SitemapSource:
    """Gathers articles from the pages that a site's sitemaps list.

    `feed.address` is the address of a sitemap or of the site. For a site, the sitemaps are those that robots.txt names,
    or else those at the usual addresses. `visits` returns the visits of the source with a given name.
    """

    front_page = False
    slow = True

    def __init__(
        self,
        feed: Feed,
        fetcher: Fetcher,
        zone: ZoneInfo,
        documents: Documents,
        visits: Callable[[str], Visits],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
        gap_s: float | None = None,
    ) -> None:
        self._feed, self._fetcher, self._zone, self._documents = feed, fetcher, zone, documents
        self._now, self._seconds, self._wait = now, seconds, wait
        # A server on this machine needs no pause, because no other user waits for it.
        own = links.loopback(urlsplit(feed.address).hostname or "")
        self._least_gap = gap_s if gap_s is not None else 0.0 if own else _GAP_S
        self._gap, self._last = self._least_gap, float("-inf")
        self.name = f"sitemap:{feed.address}"
        self._visits = visits(self.name)

    def gather(self, etag: str, modified: str) -> Gathered:
        """Return the articles of new pages, with notes about the pages that are left out or not fetched yet.

        Raises FetchFailed if robots.txt cannot be read, and FetchFailed or UnreadableInput if no sitemap can be read.
        """
        left, now, begun = _Left(), self._now(), self._seconds()
        rules = self._robots()
        pages, notes = self._pages(rules, left)
        new = self._new(pages, left)
        visits: list[Visit] = []
        allowed = max(self._feed.pages_an_hour - self._visits.fetched_since(now - timedelta(hours=1)), 0)
        is_first = self._visits.is_empty()
        permitted, rest = self._permitted(new, rules, _FIRST if is_first else allowed, left)
        new = permitted + rest
        if is_first:
            first = {each.link for each in new}
            visits += [Visit(each.link, fetched=False) for each in new[_FIRST:]]
            new, permitted = new[:_FIRST], permitted[:_FIRST]
        else:
            first = self._visits.listed_first([each.link for each in new])
        unvisited = len(visits)
        articles = {each.link: self._known_from_the_list(each.listed) for each in permitted if each.listed.title}
        read: list[str] = []  # the links of pages that need not be requested again
        tried: dict[str, int] = {}  # how many requests have failed, by the link
        failed: MailerError | None = None
        unfinished = False
        for page in permitted[:allowed]:
            # Reading slow sitemaps may take all the time. One page is fetched nevertheless, so that there is progress.
            if unfinished := bool(read or tried) and self._seconds() - begun > _BUDGET_S:
                break
            try:
                article = self._article(page.listed, left)
            except FetchFailed as error:
                tried[page.link] = page.failures + 1
                left.unread += 1
                left.example = left.example or error.message
                if self._failures >= _patience(error.status):
                    failed = None if read else self._failure(error)
                    break
            else:
                read.append(page.link)
                if article:
                    articles[page.link] = article
        # While the whole site fails, no page is given up.
        gone = [link for link, count in tried.items() if count >= TRIES and not failed]
        visits += [Visit(link) for link in (*read, *gone)]
        again = tried.keys() - set(gone)
        visits += [Visit(link, failures=min(tried[link], TRIES - 1)) for link in again]
        left.given_up = len(gone)
        left.later += len(again)
        notes += self._notes(left, unvisited, len(new) - len(read) - len(tried))
        found = dict(zip(articles, in_category(tuple(articles.values()), self._feed.category), strict=True))
        return Gathered(
            tuple(each for link, each in found.items() if is_first or link not in first),
            tuple(notes),
            visits=tuple(visits),
            unfinished=unfinished,
            backlog=tuple(each for link, each in found.items() if not is_first and link in first),
            first=tuple(first) if is_first else (),
            failed=failed,
        )

    def _failure(self, last: FetchFailed) -> FetchFailed:
        count = f"{self._failures} requests in a row failed" if self._failures > 1 else "the first request failed"
        return FetchFailed(f"{self.name}: no page could be fetched, {count}: {last.message}", status=last.status)

    def look(self) -> tuple[int, tuple[str, ...]]:
        """Return the number of new pages that the sitemaps list, and notes.

        Fetches no page. Raises the same errors as `gather`.
        """
        left = _Left()
        rules = self._robots()
        pages, notes = self._pages(rules, left)
        permitted, rest = self._permitted(self._new(pages, left), rules, _FIRST, left)
        return len(permitted) + len(rest), (*notes, *self._notes(left, 0, 0))

    # --- sitemaps ----------------------------------------------------------------------------------------------------
    def _robots(self) -> Robots:
        """Return the rules of robots.txt, and set the gap between requests. Without robots.txt, everything is allowed.

        Raises FetchFailed if the server fails, because its rules are then unknown (RFC 9309 §2.3.1.4).
        """
        address = urljoin(self._feed.address, "/robots.txt")
        content = b""
        try:
            content = self._fetch(address).content
        except FetchFailed as error:
            if not 400 <= error.status < 500 or error.status == 429:
                raise
        rules = robots.parse(content, _AGENT)
        self._gap = min(max(self._least_gap, rules.delay_s), _LONGEST_GAP_S)
        return rules

    def _pages(self, rules: Robots, left: _Left) -> tuple[list[Listed], list[str]]:
        """Return the pages that the sitemaps list, and notes. Raises the first error if no sitemap can be read."""
        given = bool(urlsplit(self._feed.address).path.strip("/"))
        named = [links.absolute(each, self._feed.address) for each in rules.sitemaps]
        usual = [urljoin(self._feed.address, each) for each in _USUAL]
        roots = [self._feed.address] if given else list(filter(None, named)) or usual
        queue = [(each, 0) for each in roots]
        pages: list[Listed] = []
        notes = [f"{self.name}: {each}" for each in rules.notes]
        failed: MailerError | None = None
        done: set[str] = set()
        count = 0
        while queue:
            address, depth = queue.pop(0)
            if address in done:
                continue
            if len(done) >= _MOST_SITEMAPS or depth > _DEEPEST:
                left.sitemaps += 1
                continue
            done.add(address)
            try:
                listing = self._listing(address)
            except (FetchFailed, UnreadableInput) as error:
                failed = failed or error
                if depth or named or given:
                    notes.append(error.message)
                continue
            count += 1
            pages += listing.pages
            notes += listing.notes
            queue += [(each.url, depth + 1) for each in self._wanted(listing.sitemaps, address, left)]
            if not given and not named:
                queue = [each for each in queue if each[1]]  # one of the usual addresses is enough
        if failed and not count:
            raise failed
        return pages, notes

    def _listing(self, address: str) -> Listing:
        page = self._fetch(address)
        return self._documents.listing(
            address,
            page.content,
            zone=self._zone,
            address=page.url,
            charset=page.charset,
            largest=LARGEST,
            cut_off=page.cut_off,
        )

    def _wanted(self, sitemaps: Sequence[Listed], address: str, left: _Left) -> Iterator[Listed]:
        """Yield the sitemaps of an index that may list new articles, the newest first."""
        oldest = self._now() - _OLDEST
        numbered = sorted(enumerate(sitemaps), key=lambda each: _newness(each[1], each[0]), reverse=True)
        for _, each in numbered:
            last = urlsplit(each.url).path.rpartition("/")[2].partition(".")[0]
            kind = last.removeprefix("wp-sitemap-").removeprefix("taxonomies-")
            if not _is_near(each.url, address):
                left.elsewhere += 1
            elif (each.changed and each.changed < oldest) or _WITHOUT_ARTICLES.fullmatch(kind):
                left.sitemaps += 1
            else:
                yield each

    def _new(self, pages: Sequence[Listed], left: _Left) -> list[_New]:
        """Return the pages that are not known yet: the newest first, and those that failed before at the end."""
        now = self._now()
        found: dict[str, tuple[int, Listed]] = {}
        near: dict[str, bool] = {}  # scheme and host of an address → whether they belong to the site
        for place, each in enumerate(pages):
            server = "/".join(each.url.split("/", 3)[:3])
            if server not in near:
                near[server] = _is_near(each.url, self._feed.address)
            if not near[server] or not urlsplit(each.url).path.strip("/"):
                left.elsewhere += 1
            elif (moment := each.published or each.changed) and moment < now - _OLDEST:
                left.old += 1
            else:
                found.setdefault(each.link, (place, each))
        known = self._visits.known(list(found))
        new = [entry for link, entry in found.items() if link not in known]
        new.sort(key=lambda each: _newness(each[1], each[0]), reverse=True)
        failures = self._visits.failures([each.link for _, each in new])
        again = []
        for _, each in new:
            if each.link in failures:
                count, at = failures[each.link]
                if now < at + count * _AGAIN:
                    left.later += 1
                else:
                    again.append(_New(each, count))
        return [_New(each) for _, each in new if each.link not in failures] + again

    def _permitted(self, new: Sequence[_New], rules: Robots, most: int, left: _Left) -> tuple[list[_New], list[_New]]:
        """Return the first `most` pages that robots.txt allows, and the pages that were not compared with its rules.

        Entries with a title are compared even beyond `most`, because they give articles without being fetched.
        Comparing stops if it takes too long. The pages that were not compared by then must not be fetched.
        """
        until = self._seconds() + _COMPARING_S
        found: list[_New] = []
        rest: list[_New] = []
        for each in new:
            if (len(found) >= most and not each.listed.title) or self._seconds() >= until:
                rest.append(each)
            elif rules.allows(each.url):
                found.append(each)
            else:
                left.forbidden += 1
        return found, rest

    # --- pages -------------------------------------------------------------------------------------------------------
    def _article(self, listed: Listed, left: _Left) -> FoundArticle | None:
        """Fetch a page and return its article, or None if it has none.

        Raises FetchFailed if another request may succeed.
        """
        try:
            page = self._fetch(listed.url)
            found = self._documents.read(
                listed.url,
                page.content,
                zone=self._zone,
                source=self._feed.source,
                page_at=page.url,
                address=page.url,
                charset=page.charset,
                largest=LARGEST,
                cut_off=page.cut_off,
            )
        except (FetchFailed, UnreadableInput) as error:
            if isinstance(error, FetchFailed) and _may_pass(error):
                raise
            left.unread += 1
            left.example = left.example or error.message
            return None
        (article, *others) = found.articles or (None,)
        if article is None or others:  # for example, the address is that of a feed
            left.unread += 1
            left.example = left.example or f"{listed.url}: it is not the page of one article."
            return None
        return replace(
            article,
            published=article.published or listed.published,
            published_raw=article.published_raw or listed.published_raw,
            tags=article.tags or listed.tags,
        )

    def _known_from_the_list(self, listed: Listed) -> FoundArticle:
        return FoundArticle(
            title=listed.title,
            source=self._feed.source or identity.host(listed.url),
            url=listed.url,
            tags=listed.tags,
            published=listed.published,
            published_raw=listed.published_raw,
        )

    def _fetch(self, address: str) -> Fetched:
        """Fetch a page once the gap since the last request is over.

        Private addresses are allowed only on the server of `feed.address`.
        """
        pause = self._last + self._gap - self._seconds()
        if pause > 0:
            self._wait(pause)
        self._last = self._seconds()
        try:
            found = self._fetcher.fetch(address, trusted=same_server(self._feed.address, address), may_cut=True)
        except FetchFailed as error:
            if _may_pass(error):
                self._failures += 1
            elif not error.refused:
                self._failures = 0
            raise
        self._failures = 0
        return found

    _failures = 0  # failed requests in a row; only failures after which a later request may succeed

    def _notes(self, left: _Left, unvisited: int, waiting: int) -> Iterator[str]:
        counts = (
            (left.old, f"pages are older than {_OLDEST.days} days and are not fetched"),
            (left.elsewhere, "addresses are front pages or on other sites; they were left out"),
            (left.forbidden, "pages are forbidden by robots.txt"),
            (left.sitemaps, "sitemaps are old, too many, too deep, or list no articles; they were not read"),
            (unvisited, f"pages are beyond the newest {_FIRST} of the first collection; they are never fetched"),
            (left.unread, f"pages could not be read as articles, such as {left.example.rstrip('.')}"),
            (left.given_up, f"pages failed {TRIES} times and are never fetched again"),
            (left.later, f"pages that failed are requested again later, at most {TRIES} times in all"),
            (waiting, f"new pages are still to be fetched, at most {self._feed.pages_an_hour} an hour"),
        )
        return (f"{self.name}: {count} {what}." for count, what in counts if count)


def _may_pass(error: FetchFailed) -> bool:
    """Return True if a later request for the page may succeed: the site does not answer, or has a problem."""
    return not error.refused and (error.status in (0, 403, 408, 429) or error.status >= 500)


def _patience(status: int) -> int:
    """Return how many failed requests in a row stop a collection. `status` is that of the last one."""
    return 1 if status in _WAIT else _FAILURES if status else _UNANSWERED


def _newness(listed: Listed, place: int) -> tuple[datetime, int, int]:
    """Return a key that sorts newer pages last: by the date, then the number in the address, then the place.

    A sitemap without dates lists its oldest pages first, and systems number articles in the order of publication.
    """
    moment = listed.published or listed.changed or datetime.min.replace(tzinfo=UTC)
    numbers = _NUMBER.findall(urlsplit(listed.url).path)
    return moment, int(numbers[-1]) if numbers else 0, place


def _is_near(url: str, address: str) -> bool:
    """Return True if two addresses belong to one site, such as news.example and www.news.example."""
    one, other = identity.host(url), identity.host(address)
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")
