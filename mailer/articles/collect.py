"""Articles into the store: from files that are handed in, and from the sources that are asked every hour.

What was gathered is named and merged here. Chooses nothing, and fetches nothing itself: `sources` does.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from random import random

from sqlalchemy import Connection

from mailer.context import App, alert
from mailer.errors import MailerError, NoSuchArticle
from mailer.model import Article, FoundArticle, Merged, NamedArticle
from mailer.sources.found import Source
from mailer.sources.identity import identify
from mailer.store import articles, feeds
from mailer.text.spelling import corrected

log = logging.getLogger(__name__)
_LONGEST_WAIT = timedelta(hours=24)  # for a source that fails again and again
_ALARMING = 3  # failures in a row
_LONGEST_LOOK = 2.0  # hours: what was on the front page while nobody looked is not known
_LOOK_S = 60

_PIECE = 100  # articles in one transaction: a tenth of a second at most
_GAP_S = 0.002  # between two; who waits for SQLite's lock looks four times in it


def keep(app: App, found: Iterable[FoundArticle]) -> Merged:
    """Store articles. Returns how many are new, updated and unchanged.

    Many short transactions: a reader who unsubscribes, and the sending, must not wait for a whole archive. An
    interrupted run can be repeated, because what it stored is then unchanged.
    """
    newest: dict[str, NamedArticle] = {}
    for named in map(identify, found):
        # Archives hold several versions of an item. Only the last one counts, so that a second import of the same file
        # finds nothing to change.
        known = newest.get(named.identity)
        if known is None or not _older(named.article, known.article):
            newest[named.identity] = named
    total = Merged()
    rest = iter(newest.values())
    while piece := [replace(named, article=_spelled(app, named.article)) for named in islice(rest, _PIECE)]:
        total += app.store.write(partial(articles.merge, found=piece, now=app.now()))
        time.sleep(_GAP_S)
    return total


def _spelled(app: App, article: FoundArticle) -> FoundArticle:
    """The article with its half-spaces put back, its own words kept beside ours; identity was made from its own."""
    if not app.settings.articles.spelling or app.settings.newsletter.locale != "fa":
        return article
    left = app.settings.articles.spelling_exceptions
    title, lead, alt = (corrected(text, left) for text in (article.title, article.lead, article.image_alt))
    return replace(
        article,
        title=title,
        lead=lead,
        image_alt=alt,
        title_given="" if title == article.title else article.title,
        lead_given="" if lead == article.lead else article.lead,
        alt_given="" if alt == article.image_alt else article.image_alt,
    )


def _older(one: FoundArticle, other: FoundArticle) -> bool:
    return one.published is not None and other.published is not None and one.published < other.published


def listing(
    app: App, *, since: datetime | None = None, until: datetime | None = None, search: str = "", limit: int = 50
) -> list[Article]:
    return app.store.read(lambda tx: articles.listing(tx, since=since, until=until, search=search, limit=limit))


def show(app: App, number: int) -> Article:
    """Raises NoSuchArticle."""
    return app.store.read(lambda tx: _article(tx, number))


def pin(app: App, numbers: Sequence[int]) -> list[Article]:
    """Put articles into the issue whatever their score; a ban ends. Raises NoSuchArticle, and then changes none."""
    return _change(app, numbers, partial(articles.pin, numbers=numbers, pinned=True))


def unpin(app: App, numbers: Sequence[int]) -> list[Article]:
    """Raises NoSuchArticle."""
    return _change(app, numbers, partial(articles.pin, numbers=numbers, pinned=False))


def ban(app: App, numbers: Sequence[int]) -> list[Article]:
    """Keep articles out of every issue; a pin ends. Raises NoSuchArticle, and then changes none."""
    return _change(app, numbers, partial(articles.ban, numbers=numbers, banned=True))


def unban(app: App, numbers: Sequence[int]) -> list[Article]:
    """Raises NoSuchArticle."""
    return _change(app, numbers, partial(articles.ban, numbers=numbers, banned=False))


def _change(app: App, numbers: Sequence[int], change: Callable[[Connection], None]) -> list[Article]:
    def change_all(tx: Connection) -> list[Article]:
        for number in numbers:
            _article(tx, number)
        change(tx)
        return [_article(tx, number) for number in numbers]

    return app.store.write(change_all)


def _article(tx: Connection, number: int) -> Article:
    found = articles.get(tx, number)
    if found is None:
        raise NoSuchArticle(f"There is no article {number}.", "`mailer articles list` shows the numbers.")
    return found


# --- sources that are asked again and again ---------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Asked:
    """What became of one source. `problem`: one line, empty when all went well."""

    source: str
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    problem: str = ""
    notes: tuple[str, ...] = ()


def collect(app: App, *, at_once: bool = True, jitter: Callable[[], float] = random) -> list[Asked]:
    """Asks every source that is due, or all of them `at_once`, and notes how often articles were read.

    One that fails spoils no other: it is asked again later and later, and what it gave before stays. `jitter` gives
    numbers from 0 to 1, so that a thousand newsrooms do not ask at the same minute.
    """
    asked = [found for source in app.sources if (found := _ask(app, source, at_once, jitter))]
    app.store.write(lambda tx: articles.snapshot(tx, app.now()))
    return asked


def _ask(app: App, source: Source, at_once: bool, jitter: Callable[[], float]) -> Asked | None:
    now = app.now()
    state = app.store.write(lambda tx: feeds.claim(tx, source.name, now, at_once=at_once))
    if state is None:
        return None
    every = app.settings.articles.every * (0.9 + 0.2 * jitter())
    try:
        gathered = source.gather(state.etag, state.modified)
        kept = keep(app, gathered.articles)
    except MailerError as error:
        log.warning("%s", error)
        return _failed(app, source, state.failures + 1, error.message, every)
    except Exception as error:  # a mistake of ours, or of a library: it spoils no other source either
        log.exception("the source %s", source.name)
        return _failed(app, source, state.failures + 1, f"{source.name}: it broke ({type(error).__name__}).", every)
    shares = _shares(source, gathered.articles, state.fetched_at, now)

    def done(tx: Connection) -> None:
        feeds.add_prominence(tx, shares)
        feeds.went_well(tx, source.name, etag=gathered.etag, modified=gathered.modified, now=now, next_at=now + every)

    app.store.write(done)
    return Asked(source.name, kept.added, kept.updated, kept.unchanged, notes=gathered.notes)


def _failed(app: App, source: Source, failures: int, problem: str, every: timedelta) -> Asked:
    now, wait = app.now(), min(every * 2 ** min(failures - 1, 8), _LONGEST_WAIT)
    app.store.write(
        lambda tx: feeds.went_wrong(tx, source.name, problem=problem, failures=failures, now=now, next_at=now + wait)
    )
    if failures == _ALARMING:
        alert(app, f"The source {source.name} failed {failures} times in a row: {problem}", "Is its address right?")
    return Asked(source.name, problem=problem)


def _shares(source: Source, found: Sequence[FoundArticle], last: datetime | None, now: datetime) -> dict[str, float]:
    """What the places on a front page were worth since it was last seen: hours, the first place weighing most."""
    if not source.front_page:
        return {}
    hours = min((now - last).total_seconds() / 3600, _LONGEST_LOOK) if last else 1.0
    best: dict[str, int] = {}
    for place, article in enumerate(found, 1):
        best.setdefault(identify(article).identity, place)  # if it is there twice, its better place counts
    return {identity: max(hours, 0.0) / math.log2(place + 1) for identity, place in best.items()}


async def keep_collecting(app: App, stop: asyncio.Event) -> None:
    """Asks what is due, every minute until `stop` is set."""
    while not stop.is_set():
        try:
            await asyncio.to_thread(collect, app, at_once=False)
        except MailerError as error:
            log.error("%s", error)
        except Exception:
            log.exception("collecting failed; the next minute tries again")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _LOOK_S)
