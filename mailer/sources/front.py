"""The source for the places of articles on a site's front page: the first link in the HTML has the first place."""

from zoneinfo import ZoneInfo

from mailer.errors import UnreadableInput
from mailer.settings import Feed
from mailer.sources import identity
from mailer.sources.documents import Documents
from mailer.sources.fetch import LARGEST, Fetcher
from mailer.sources.found import Gathered


class FrontSource:
    """Gathers the places of articles on a front page. The articles themselves come from other sources."""

    front_page = True
    slow = False

    def __init__(self, feed: Feed, fetcher: Fetcher, zone: ZoneInfo, documents: Documents) -> None:
        self._feed, self._fetcher, self._zone, self._documents = feed, fetcher, zone, documents
        self.name = f"front:{feed.address}"

    def gather(self, etag: str, modified: str) -> Gathered:
        """Return the canonical links of the page in their order, without articles.

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
        places = [each for each in listing.pages if identity.host(each.url) == host]
        links = [identity.canonical(each.url) for each in places]
        own = tuple(dict.fromkeys(each for each in links if each != host))
        if not own:
            raise UnreadableInput(
                f"{self._feed.address}: this page has no links to pages of its own site.",
                "Perhaps a script makes them in the browser; give a feed of the front page with front_page = true.",
            )
        return Gathered((), listing.notes, places=own)
