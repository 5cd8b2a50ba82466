"""Reads documents from outside in a process of its own: feeds, records, pages, and answers from WordPress.

`Documents` is the service's side, and `READERS` has the functions that run in that process. An answer with articles has
the notes first, then one article on each line.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, get_type_hints
from zoneinfo import ZoneInfo

from mailer.model import FoundArticle
from mailer.parser.limits import Limits, limits_for
from mailer.parser.parent import Parser
from mailer.sources import listing, posts, read, view_exports
from mailer.sources.found import Found
from mailer.sources.listing import Listed, Listing
from mailer.sources.view_exports import Export, Viewed

# Real documents are at most this many times larger when decompressed. The limits of time and memory are computed from
# the compressed size times this ratio, so a gzip bomb soon exceeds them.
_COMPRESSION = 20
_LARGEST = read.LARGEST
_EMPTY = {each.name: each.default for each in fields(FoundArticle)}
_DATES = frozenset(name for name, kind in get_type_hints(FoundArticle).items() if kind == datetime | None)
_LISTS = frozenset(name for name, kind in get_type_hints(FoundArticle).items() if kind == tuple[str, ...])


class Documents:
    """Reads documents in a process that is ended if one of them needs too much time or memory.

    The process starts with the first document and reads the next ones, too. While `urgent` returns True, documents that
    take long are read slowly. May be used in several threads.
    """

    def __init__(self, urgent: Callable[[], bool] = lambda: False) -> None:
        self._parser = Parser(__name__, urgent)

    def read(
        self,
        name: str,
        content: bytes,
        *,
        zone: ZoneInfo,
        url: str = "",
        published: str = "",
        source: str = "",
        page_at: str | None = None,
        address: str = "",
        charset: str = "",
        largest: int = read.LARGEST,
        cut_off: bool | None = None,
        now: datetime | None = None,
    ) -> Found:
        """Return the articles in `content`, as `sources.read` does, with the same options and errors.

        Also raises ReadingStopped if the document exceeds the limits, and ReadingCancelled if the program ends.
        """
        options = {
            **{"name": name, "zone": zone.key, "url": url, "published": published, "source": source},
            **{"page_at": page_at, "address": address, "charset": charset, "largest": largest, "cut_off": cut_off},
            "now": now.isoformat() if now else None,
        }
        return self._found("articles", options, content, limits_for(min(largest, _COMPRESSION * len(content))), name)

    def listing(
        self,
        name: str,
        content: bytes,
        *,
        zone: ZoneInfo,
        address: str,
        charset: str = "",
        largest: int = _LARGEST,
        cut_off: bool = False,
    ) -> Listing:
        """Return what a sitemap or a front page lists, as `sources.listing` does, with the same options and errors.

        Also raises ReadingStopped if the document exceeds the limits, and ReadingCancelled if the program ends.
        """
        options = {
            **{"name": name, "zone": zone.key, "address": address, "charset": charset},
            **{"largest": largest, "cut_off": cut_off},
        }
        limits = limits_for(min(largest, _COMPRESSION * len(content)))
        notes, about, *listed = self._parser.ask("listing", options, content, limits, name=name)
        pages, sitemaps, feeds, most_read = (tuple(map(_listed, each)) for each in listed)
        return Listing(pages, sitemaps, tuple(notes), feeds, about, most_read)

    def posts(self, content: bytes, *, address: str, source: str) -> Found:
        """Return the articles in an answer from WordPress, as `sources.posts` does, with the same errors.

        Also raises ReadingStopped if the answer exceeds the limits, and ReadingCancelled if the program ends.
        """
        options = {"address": address, "source": source}
        return self._found("posts", options, content, limits_for(len(content)), address)

    def views(
        self,
        name: str,
        content: bytes,
        *,
        zone: ZoneInfo,
        now: datetime,
        charset: str = "",
    ) -> Export:
        """Return the pages and views in an export, as `sources.view_exports` does, with the same options and errors.

        Also raises ReadingStopped if the export exceeds the limits, and ReadingCancelled if the program ends.
        """
        options = {"name": name, "zone": zone.key, "now": now.isoformat(), "charset": charset}
        limits = limits_for(min(_LARGEST, _COMPRESSION * len(content)))
        rows, passed_over, notes, *pages = self._parser.ask("views", options, content, limits, name=name)
        return Export(tuple(Viewed(*page) for page in pages), rows, passed_over, tuple(notes))

    def close(self) -> None:
        """End the process, and refuse to read further documents."""
        self._parser.close()

    def _found(self, kind: str, options: Mapping[str, Any], content: bytes, limits: Limits, name: str) -> Found:
        notes, *articles = self._parser.ask(kind, options, content, limits, name=name)
        return Found(tuple(map(_article, articles)), tuple(notes))


def _article(values: Mapping[str, Any]) -> FoundArticle:
    """Return an article that was sent as JSON."""
    made = dict(values)
    for name in _DATES & made.keys():
        made[name] = datetime.fromisoformat(made[name])
    for name in _LISTS & made.keys():
        made[name] = tuple(made[name])
    return FoundArticle(**made)


def _listed(values: Sequence[Any]) -> Listed:
    """Return an entry of a sitemap that was sent as JSON."""
    url, changed, title, published, raw, tags, link = values
    when = (datetime.fromisoformat(each) if each else None for each in (changed, published))
    return Listed(url, next(when), title, next(when), raw, tuple(tags), link)


# --- in the process that reads ---------------------------------------------------------------------------------------
def _sent(found: Found) -> Iterator[Any]:
    yield found.notes
    for article in found.articles:
        values = {name: value for name, empty in _EMPTY.items() if (value := getattr(article, name)) != empty}
        yield values | {name: values[name].isoformat() for name in _DATES & values.keys()}


def _read_articles(options: Mapping[str, Any], content: bytes) -> Iterator[Any]:
    given = dict(options)
    given["zone"] = ZoneInfo(given["zone"])
    given["now"] = datetime.fromisoformat(given["now"]) if given["now"] else None
    return _sent(read.read(given.pop("name"), content, **given))


def _read_listing(options: Mapping[str, Any], content: bytes) -> Iterator[Any]:
    given = dict(options)
    given["zone"] = ZoneInfo(given["zone"])
    found = listing.read_listing(given.pop("name"), content, **given)
    yield found.notes
    yield found.about
    for listed in (found.pages, found.sitemaps, found.feeds, found.most_read):
        yield [
            (each.url, _iso(each.changed), each.title, _iso(each.published), each.published_raw, each.tags, each.link)
            for each in listed
        ]


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _read_posts(options: Mapping[str, Any], content: bytes) -> Iterator[Any]:
    return _sent(posts.read(content, address=options["address"], source=options["source"]))


def _read_views(options: Mapping[str, Any], content: bytes) -> Iterator[Any]:
    given = dict(options)
    given["zone"] = ZoneInfo(given["zone"])
    given["now"] = datetime.fromisoformat(given["now"])
    found = view_exports.read_export(given.pop("name"), content, **given)
    yield found.rows
    yield found.passed_over
    yield found.notes
    yield from ((page.address, page.post, page.views) for page in found.pages)


READERS: Mapping[str, Callable[[Mapping[str, Any], bytes], Iterator[Any]]] = {
    "articles": _read_articles,
    "listing": _read_listing,
    "posts": _read_posts,
    "views": _read_views,
}
