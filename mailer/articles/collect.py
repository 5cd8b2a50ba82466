"""Stores articles from files and sources, and pins and bans articles for the editors.

This module decides when each source is asked. The package `mailer.sources` fetches and reads the articles.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from random import random
from typing import Any

from sqlalchemy import Connection

from mailer.context import App, alert
from mailer.errors import MailerError, NoSuchArticle, ReadingCancelled, ReadingStopped, UnreadableInput
from mailer.model import Article, FoundArticle, Merged, NamedArticle
from mailer.process import in_background
from mailer.sources.found import Gathered, Source, Visit
from mailer.sources.identity import by_whole_link, identify, is_another, links_of
from mailer.store import articles, feeds
from mailer.text.spelling import corrected

log = logging.getLogger(__name__)
_LONGEST_WAIT = timedelta(hours=24)  # the longest time until a source that keeps failing is asked again
_ALARMING = 3  # failures in a row after which the admin gets an alert
# The maximum number of hours, on the front page or on a list, that one request credits to an article. If two requests
# are further apart than this, it is unknown what the page showed between them.
_LONGEST_CREDIT = 2.0
# Only this many places at the top of a front page count, and all of them count the same. In a test with a year of a
# news site, 3.0 of the ten stories chosen each week were among the ten most read. When all places counted, and lower
# places counted less, only 2.2 were.
_PROMINENT = 8
_LISTED = 20  # only this many places of a list of the most read count; an hour in place n counts 1/log2(n + 1)
_CHECK_S = 60
_VISITS_KEPT = timedelta(days=365)  # how long a page that was fetched or left out is remembered
_LAST_S = 3.0  # seconds to wait, when the service stops, for articles that are being stored

_PIECE = 200  # articles in one transaction, which then takes at most a tenth of a second
_PAUSES = 3  # if articles are stored gently, a pause is this many times as long as the work before it
_GAP_S = 0.002  # seconds between two transactions, long enough for a waiting writer to try SQLite's lock four times


def keep(app: App, found: Iterable[FoundArticle], *, later: bool = False, gently: bool = False) -> Merged:
    """Store articles. Returns the numbers of new, updated and unchanged articles.

    Pass `later` if the source has been collected before. A new article without a date is then assumed to be newer than
    the last collection, so its date is estimated.

    The articles are stored in many short transactions, so that unsubscribing and sending do not wait for a whole
    archive. Articles whose values are all stored already need no write transaction. With `gently`, storing pauses for
    three times as long as it works, because a process that also sends can run only one thread at a time. After an
    interruption, the call can simply be repeated: articles that were already stored are then unchanged.
    """
    newest: dict[str, NamedArticle] = {}
    for named in map(identify, found):
        # An archive may hold several versions of an item. Only the newest version is stored, so that a second import of
        # the same file finds nothing to change.
        known = newest.get(named.identity)
        if known is None or not _older(named.article, known.article):
            newest[named.identity] = named
    total = Merged()
    rest = iter(newest.values())
    begun = time.monotonic()
    while piece := [replace(named, article=_spelled(app, named.article)) for named in islice(rest, _PIECE)]:
        unchanged = app.store.read(partial(articles.unchanged, found=piece))
        total += Merged(unchanged=len(unchanged))
        if others := [named for named in piece if named.identity not in unchanged]:
            total += app.store.write(partial(_merge, found=others, now=app.now(), later=later))
            time.sleep(_GAP_S)
        if gently:
            time.sleep(_PAUSES * (time.monotonic() - begun))
        begun = time.monotonic()
    return total


def _merge(tx: Connection, found: Sequence[NamedArticle], now: datetime, *, later: bool) -> Merged:
    """Store articles, and do not let an article replace a different one that happens to have the same guid or link."""
    stored = articles.titles_and_links(tx, [named.identity for named in found])
    clashing = {named.identity for named in found if is_another(named.article, *stored.get(named.identity, ("", "")))}
    apart = [by_whole_link(named.article) if named.identity in clashing else named for named in found]
    return articles.merge(tx, apart, now, later=later) + Merged(clashes=len(clashing))


def clashes(name: str, kept: Merged) -> Iterator[str]:
    """Yield a note about the articles of a file or source that have the guid or link of a different stored article."""
    if kept.clashes:
        yield (
            f"{name}: {kept.clashes} items have the guid or the link of other articles, with other titles; their whole "
            "links identify them instead."
        )


def undated(name: str, found: Sequence[FoundArticle]) -> Iterator[str]:
    """Yield a note if articles of a file or source have no date, or no date that can be read."""
    without = [article for article in found if article.published is None]
    if not without:
        return
    written = next((article.published_raw for article in without if article.published_raw), "")
    example = f", such as {written[:60]!r}" if written else ""
    counts = f"{name}: {len(without)} of {len(found)} items have no date that can be read{example}"
    yield (
        f"{counts}. They count from when they were first seen, but towards `min_stories` only if an earlier collection "
        "had not seen them."
    )


def _spelled(app: App, article: FoundArticle) -> FoundArticle:
    """Return the article with corrected spelling, if the settings ask for it.

    The source's own texts are kept beside the corrected texts. Changing the texts does not change the article's
    identity.
    """
    if not app.settings.articles.spelling or app.settings.newsletter.locale != "fa":
        return article
    changes: dict[str, Any] = {}
    for name, given in (("title", "title_given"), ("lead", "lead_given"), ("image_alt", "alt_given")):
        own = getattr(article, name)
        spelled = corrected(own, app.settings.articles.spelling_exceptions)
        if spelled != own:
            changes |= {name: spelled, given: own}
    return replace(article, **changes) if changes else article


def _older(one: FoundArticle, other: FoundArticle) -> bool:
    return one.published is not None and other.published is not None and one.published < other.published


def newest(
    app: App, *, since: datetime | None = None, until: datetime | None = None, search: str = "", limit: int = 50
) -> list[Article]:
    """Return stored articles with since ≤ date < until and with `search` in the title, the newest first."""
    return app.store.read(lambda tx: articles.newest(tx, since=since, until=until, search=search, limit=limit))


def categories(app: App) -> dict[str, int]:
    """Return how many stored articles have each raw category, the most frequent first."""
    return app.store.read(articles.categories)


def show(app: App, number: int) -> Article:
    """Return one article. Raises NoSuchArticle."""
    return app.store.read(lambda tx: _article(tx, number))


def pin(app: App, numbers: Sequence[int]) -> list[Article]:
    """Put the articles into the issue whatever their score, and end their bans. Returns the changed articles.

    Raises NoSuchArticle if one of the articles does not exist; then no article is changed.
    """
    return _change(app, numbers, partial(articles.pin, numbers=numbers, pinned=True))


def unpin(app: App, numbers: Sequence[int]) -> list[Article]:
    """End the pins of the articles. Returns the changed articles.

    Raises NoSuchArticle if one of the articles does not exist; then no article is changed.
    """
    return _change(app, numbers, partial(articles.pin, numbers=numbers, pinned=False))


def ban(app: App, numbers: Sequence[int]) -> list[Article]:
    """Keep the articles out of every issue, and unpin them. Returns the changed articles.

    Raises NoSuchArticle if one of the articles does not exist; then no article is changed.
    """
    return _change(app, numbers, partial(articles.ban, numbers=numbers, banned=True))


def unban(app: App, numbers: Sequence[int]) -> list[Article]:
    """End the bans of the articles. Returns the changed articles.

    Raises NoSuchArticle if one of the articles does not exist; then no article is changed.
    """
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
    """The result of asking one source for its articles.

    `problem` is one line, or "" if the source could be read. `not_modified` is True if the server answered that nothing
    has changed since the last time.
    """

    source: str
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    problem: str = ""
    notes: tuple[str, ...] = ()
    not_modified: bool = False


def collect(
    app: App, *, at_once: bool = True, slow: bool | None = None, jitter: Callable[[], float] = random
) -> list[Asked]:
    """Ask every source that is due, and record the current views, comments and shares of articles.

    With `at_once`, also asks the sources that are not due. `slow` selects only the slow sources (True) or only the
    others (False); with None, the slow ones come last. A source that fails does not stop the others: its stored
    articles stay, and it is asked again after longer and longer waits. `jitter` returns numbers from 0 to 1 that vary
    the waits, so that a thousand newsrooms do not ask in the same minute.
    """
    sources = sorted(app.sources, key=lambda source: source.slow)
    wanted = [source for source in sources if slow is None or source.slow == slow]
    asked = [found for source in wanted if (found := _ask(app, source, at_once, jitter))]
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
        later, gently = state.fetched_at is not None, not at_once
        kept = keep(app, gathered.articles, later=later, gently=gently) + keep(app, gathered.backlog, gently=gently)
    except ReadingCancelled:
        app.store.write(lambda tx: feeds.release(tx, source.name, now))
        raise
    except MailerError as error:
        log.warning("%s", error)
        if isinstance(error, ReadingStopped) and state.problem != error.message:
            alert(app, error.message, error.fix)
        return _failed(app, source, state.failures + 1, error.message, every)
    except Exception as error:  # a bug in this program or in a library must not stop the other sources
        log.exception("the source %s", source.name)
        return _failed(app, source, state.failures + 1, f"{source.name}: it broke ({type(error).__name__}).", every)
    order, notes = _front_page(app, source, gathered)
    hours = _hours(state.fetched_at, now)
    prominence = {identity: hours if place <= _PROMINENT else 0.0 for identity, place in _best_places(order).items()}
    most_read, more = _most_read(app, source, gathered)
    list_hours = {identity: hours / math.log2(place + 1) for identity, place in _best_places(most_read).items()}

    _remember(app, feeds.first(source.name), (Visit(link, fetched=False) for link in gathered.first), now)
    for failures in range(feeds.TRIES):
        visits = (each for each in gathered.visits if each.failures == failures)
        _remember(app, feeds.after_failures(source.name, failures), visits, now)
    next_at = app.now() if gathered.unfinished else now + every

    without_date = undated(source.name, (*gathered.articles, *gathered.backlog))
    found = (*gathered.notes, *notes, *more, *without_date, *clashes(source.name, kept))
    validators = {"etag": gathered.etag, "modified": gathered.modified}

    def record(tx: Connection) -> None:
        feeds.add_prominence(tx, prominence)
        feeds.add_list_hours(tx, list_hours)
        feeds.forget_visits(tx, source.name, now - _VISITS_KEPT)
        kept_notes = None if gathered.not_modified else found
        feeds.succeeded(tx, source.name, **validators, now=now, next_at=next_at, notes=kept_notes)

    if gathered.most_read and not (most_read or gathered.articles) and state.fetched_at:
        # At the first collection, this is no failure: another source may not have brought the articles yet.
        gathered = replace(gathered, failed=_no_match(source, gathered))
    asked = Asked(
        source.name, kept.added, kept.updated, kept.unchanged, notes=found, not_modified=gathered.not_modified
    )
    if gathered.failed:
        log.warning("%s", gathered.failed)
        return replace(asked, problem=_failed(app, source, state.failures + 1, gathered.failed.message, every).problem)
    app.store.write(record)
    return asked


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source of the settings and its last collection.

    `problem` is why the last collection failed, or "" if it succeeded. `notes` are those of the last successful
    collection whose answer had changed.
    """

    source: str
    fetched_at: datetime | None
    failures: int
    problem: str
    notes: tuple[str, ...]


def sources(app: App) -> list[SourceState]:
    """Return the sources of the settings in their order, each with its last collection."""
    states = app.store.read(feeds.states)
    never = feeds.FeedState("", "", 0, None)
    known = [(source.name, states.get(source.name, never)) for source in app.sources]
    return [SourceState(name, each.fetched_at, each.failures, each.problem, each.notes) for name, each in known]


def _remember(app: App, source: str, visits: Iterable[Visit], now: datetime) -> None:
    """Store the visits of a source in many short transactions, as `keep` stores articles."""
    rest = iter(visits)
    while piece := [(each.link, each.fetched) for each in islice(rest, _PIECE)]:
        app.store.write(partial(feeds.visit, source=source, visits=piece, now=now))
        time.sleep(_GAP_S)


def _failed(app: App, source: Source, failures: int, problem: str, every: timedelta) -> Asked:
    now, wait = app.now(), min(every * 2 ** min(failures - 1, 8), _LONGEST_WAIT)
    app.store.write(
        lambda tx: feeds.failed(tx, source.name, problem=problem, failures=failures, now=now, next_at=now + wait)
    )
    if failures == _ALARMING:
        alert(app, f"The source {source.name} failed {failures} times in a row: {problem}", "Is its address right?")
    return Asked(source.name, problem=problem)


def _front_page(app: App, source: Source, gathered: Gathered) -> tuple[list[str], tuple[str, ...]]:
    """Return the identities of the articles on the front page, in the page's order, and a note that counts its links.

    Links that lead to no stored article, such as links to sections, are left out.
    """
    if not source.front_page:
        return [], ()
    if not gathered.places:
        return [identify(article).identity for article in gathered.articles], ()
    order = _stored(app, gathered.places)
    count = f"{len(order)} of the {len(gathered.places)} links of this front page lead to stored articles"
    return order, (f"{source.name}: {count}.",)


def _most_read(app: App, source: Source, gathered: Gathered) -> tuple[list[str], tuple[str, ...]]:
    """Return the identities of the first _LISTED stored articles on a list of the most read, in the list's order, and
    a note with their number. Links that lead to no stored article are left out."""
    if not gathered.most_read:
        return [], ()
    order = _stored(app, gathered.most_read)[:_LISTED]
    count = f"{len(order)} of the {len(gathered.most_read)} links of this list lead to stored articles and count"
    return order, (f"{source.name}: {count}.",)


def _stored(app: App, urls: Sequence[str]) -> list[str]:
    """Return the identities of the stored articles at these addresses, in the order of the addresses."""
    named = [links_of(url) for url in urls]
    known = app.store.read(lambda tx: articles.identities(tx, [link for each in named for link in each]))
    found = (next((known[link] for link in each if link in known), None) for each in named)
    return list(dict.fromkeys(each for each in found if each))


def _no_match(source: Source, gathered: Gathered) -> UnreadableInput:
    links = f"none of the {len(gathered.most_read)} links of this list leads to a stored article"
    return UnreadableInput(
        f"{source.name}: {links}. The first link is {gathered.most_read[0]}.",
        "Check that this is a list of the most read articles, and that another source brings its articles.",
    )


def _hours(last: datetime | None, now: datetime) -> float:
    """Return how many hours one request credits to an article at place 1. `last` is the time of the previous successful
    request, or None."""
    hours = min((now - last).total_seconds() / 3600, _LONGEST_CREDIT) if last else 1.0
    return max(hours, 0.0)


def _best_places(order: Iterable[str]) -> dict[str, int]:
    """Return the place of each identity, counted from 1. If an identity occurs twice, its better place counts."""
    best: dict[str, int] = {}
    for place, identity in enumerate(order, 1):
        best.setdefault(identity, place)
    return best


async def _first(*waiting: "asyncio.Future[Any]") -> None:
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)


async def keep_collecting(app: App, stop: asyncio.Event) -> None:
    """Ask the sources that are due, once a minute until `stop` is set. Slow sources do not hold up the others.

    When `stop` is set, the reading of the current document is abandoned, and this function returns within seconds. A
    thread that is still fetching a source then ends with the program, and the source is due again after ten minutes.
    """
    loops = [_keep_asking(app, stop, slow=False)]
    if any(source.slow for source in app.sources):
        loops.append(_keep_asking(app, stop, slow=True))
    await asyncio.gather(*loops)


async def _keep_asking(app: App, stop: asyncio.Event, *, slow: bool) -> None:
    stopping = asyncio.create_task(stop.wait())
    while not stop.is_set():
        try:
            asking = in_background(partial(collect, app, at_once=False, slow=slow))
            await _first(asking, stopping)
            if stop.is_set():
                app.stop_reading()
                await asyncio.wait([asking], timeout=_LAST_S)
            for each in asking.result() if asking.done() else ():
                for note in each.notes:
                    log.info("%s", note)
        except ReadingCancelled:
            log.info("collecting ends; the sources that are left are asked when the service runs again")
        except MailerError as error:
            log.error("%s", error)
        except Exception:
            log.exception("collecting failed; the next minute tries again")
        await asyncio.wait([stopping], timeout=_CHECK_S)
    stopping.cancel()
