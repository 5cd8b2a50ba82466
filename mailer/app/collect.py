"""Articles into the store: what a file holds is read, named and merged. Fetches nothing and chooses nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mailer.app.context import App
from mailer.errors import NoSuchArticle
from mailer.model import Article, FoundArticle
from mailer.store import articles

_OPPOSITE = {"pinned": "banned", "banned": "pinned"}


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of the articles of one source; `notes` says what was left out and why."""

    added: int
    updated: int
    unchanged: int
    notes: tuple[str, ...] = ()


def keep(app: App, found: Sequence[tuple[FoundArticle, str, str]], notes: Sequence[str] = ()) -> Collected:
    """Stores articles, each with its identity and canonical link, all or none of them."""
    newest: dict[str, tuple[FoundArticle, str, str]] = {}
    for each in found:
        # Archives hold several versions of an item: only the last one counts, so that a second import of the same
        # file finds nothing to change.
        known = newest.get(each[1])
        if known is None or not _older(each[0], known[0]):
            newest[each[1]] = each
    merged = app.store.write(lambda tx: articles.merge(tx, newest.values(), app.now()))
    return Collected(merged.added, merged.updated, merged.unchanged, tuple(notes))


def _older(one: FoundArticle, other: FoundArticle) -> bool:
    return one.published is not None and other.published is not None and one.published < other.published


def listing(
    app: App, *, since: datetime | None = None, until: datetime | None = None, search: str = "", limit: int = 50
) -> list[Article]:
    return app.store.read(lambda tx: articles.listing(tx, since=since, until=until, search=search, limit=limit))


def mark(app: App, numbers: Sequence[int], flag: str, value: bool) -> list[Article]:
    """Sets `pinned` or `banned` of articles, of all of them or of none. A pin takes a ban away, and the other way."""

    def work(tx: Connection) -> list[Article]:
        found = [articles.get(tx, number) for number in numbers]
        for number, article in zip(numbers, found, strict=True):
            if article is None:
                raise NoSuchArticle(f"There is no article {number}.", "`mailer articles list` shows the numbers.")
        articles.mark(tx, numbers, {flag: value} | ({_OPPOSITE[flag]: False} if value else {}))
        return [article for number in numbers if (article := articles.get(tx, number))]

    return app.store.write(work)


def show(app: App, article_id: int) -> Article:
    found = app.store.read(lambda tx: articles.get(tx, article_id))
    if found is None:
        raise NoSuchArticle(f"There is no article {article_id}.", "`mailer articles list` shows the numbers.")
    return found
