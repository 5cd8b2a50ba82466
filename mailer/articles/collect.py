"""Articles into the store: from files that are handed in, and from the sources that are asked every hour.

What was gathered is named and merged here. Chooses nothing, and fetches nothing itself: `sources` does.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from random import random

from sqlalchemy import Connection

from mailer.context import App, Source, alert
from mailer.errors import MailerError, NoSuchArticle
from mailer.model import Article, FoundArticle
from mailer.store import articles, feeds
from mailer.text.spelling import corrected

log = logging.getLogger(__name__)
_LONGEST_WAIT = timedelta(hours=24)  # for a source that fails again and again
_ALARMING = 3  # failures in a row
_LONGEST_LOOK = 2.0  # hours: what was on the front page while nobody looked is not known
_LOOK_S = 60
Named = tuple[FoundArticle, str, str]  # an article, its identity and its canonical link

_PIECE = 100  # articles in one transaction: a tenth of a second at most
_GAP_S = 0.002  # between two; who waits for SQLite's lock looks four times in it
_OPPOSITE = {"pinned": "banned", "banned": "pinned"}


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of the articles of one source; `notes` says what was left out and why."""

    added: int
    updated: int
    unchanged: int
    notes: tuple[str, ...] = ()


def keep(app: App, found: Sequence[Named], notes: Sequence[str] = ()) -> Collected:
    """Stores articles, each with its identity and canonical link. In pieces: a reader who leaves, and the sending, must
    not wait for a whole archive; what an interrupted one has stored, the next finds unchanged."""
    newest: dict[str, Named] = {}
    for each in found:
        # Archives hold several versions of an item: only the last one counts, so that a second import of the same
        # file finds nothing to change.
        known = newest.get(each[1])
        if known is None or not _older(each[0], known[0]):
            newest[each[1]] = each
    added = updated = unchanged = 0
    rest = iter(newest.values())
    while piece := [(_spelled(app, each), identity, link) for each, identity, link in islice(rest, _PIECE)]:
        merged = app.store.write(partial(articles.merge, found=piece, now=app.now()))
        added, updated, unchanged = added + merged.added, updated + merged.updated, unchanged + merged.unchanged
        time.sleep(_GAP_S)
    return Collected(added, updated, unchanged, tuple(notes))


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
        kept = keep(app, gathered.found, gathered.notes)
    except MailerError as error:
        log.warning("%s", error)
        return _failed(app, source, state.failures + 1, error.message, every)
    except Exception as error:  # a mistake of ours, or of a library: it spoils no other source either
        log.exception("the source %s", source.name)
        return _failed(app, source, state.failures + 1, f"{source.name}: it broke ({type(error).__name__}).", every)
    shares = _shares(source, gathered.found, state.fetched_at, now)

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


def _shares(source: Source, found: Sequence[Named], last: datetime | None, now: datetime) -> dict[str, float]:
    """What the places on a front page were worth since it was last seen: hours, the first place weighing most."""
    if not source.front_page:
        return {}
    hours = min((now - last).total_seconds() / 3600, _LONGEST_LOOK) if last else 1.0
    best: dict[str, int] = {}
    for place, (_, identity, _) in enumerate(found, 1):
        best.setdefault(identity, place)  # one that stands there twice counts by its better place
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
