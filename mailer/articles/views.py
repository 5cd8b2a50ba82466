"""Stores how often articles were viewed. The view counts come from exports of web analytics and from access logs.

An export has totals, which replace the stored views. A log has single requests, which are counted and added to the
views from earlier logs; the time that a log covers is recorded, so that no line is counted twice.
"""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile

from sqlalchemy import Connection

from mailer.context import App
from mailer.errors import UnreadableInput, UsageError, WrongState
from mailer.model import LogSpan
from mailer.sources import access_log, fetch, identity, read
from mailer.sources.access_log import Counted
from mailer.sources.fetch import Fetcher
from mailer.store import articles, views
from mailer.store.views import Replaced
from mailer.text import links
from mailer.text.english import counted

_NEWEST = 100_000  # only this many of the newest articles can get views; a year has as many at 2,000 a week
_PIECE = 100  # articles in one transaction
_GAP_S = 0.002  # seconds between two transactions, for other writers
_POST = re.compile(r"(?:.*[?&]p=)?(\d{1,12})")  # a guid of WordPress with the number of a post, or the number alone
_SHOWN = 5  # hosts that an error shows


@dataclass(frozen=True, slots=True)
class Given:
    """The result of storing the views from an export or a log.

    rows            how many rows the export has, or how many lines the log has
    matched         how many stored articles have views in it
    updated         how many of these articles have another number of views now
    views           the sum of the views of these articles in it
    unknown         how many pages of an export, or views in a log, belong to no stored article
    passed_over     reason → how many rows or lines were not used
    bots            how many lines of a log are requests of bots
    counted_before  how many lines of a log were counted before
    """

    name: str
    kind: str  # "export" or "log"
    rows: int
    matched: int
    updated: int
    views: int
    unknown: int
    passed_over: dict[str, int]
    bots: int = 0
    counted_before: int = 0
    notes: tuple[str, ...] = ()


def give(app: App, place: str, known: "Known", *, fetcher: Fetcher, server: str = "", recount: bool = False) -> Given:
    """Store the views from an export or a log. `place` is a path or a web address. Call `finish` afterwards.

    `server` names the web server that wrote a log, if several servers worked at the same time. With `recount`, a log
    replaces all logs that were counted before, of all servers.

    Raises UnreadableInput, FetchFailed or UsageError, and WrongState if another process has counted a log of the server
    at the same time. In all these cases, nothing is changed.
    """
    if not links.has_scheme(place):
        file = Path(place)
        if file.exists() and not (file.is_file() or file.is_dir()):
            raise UnreadableInput(
                f"{file}: this is a pipe or a device, which can be read only once.", "Write the log to a file first."
            )
        if access_log.is_log(file):
            return _from_log(app, file.name, file, known, server, recount=recount)
        return _from_export(app, file.name, read.file_content(file), "", known)
    page = fetcher.fetch(place, may_cut=True)
    name = links.shown(page.url)
    if page.cut_off:
        raise UnreadableInput(
            f"{name}: it is larger than {fetch.LARGEST // 1_000_000} MB.", "Download it, and give the file."
        )
    with NamedTemporaryFile() as copy:
        copy.write(page.content)
        copy.flush()
        if access_log.is_log(Path(copy.name)):
            return _from_log(app, name, Path(copy.name), known, server, recount=recount)
    return _from_export(app, name, page.content, page.charset, known)


def finish(app: App) -> None:
    """Record the new view counts of all articles, from which the growth of views is learnt.

    Call this once after all files, because the next record of an article is made only after an hour.
    """
    app.store.write(lambda tx: articles.snapshot(tx, app.now()))


class Known:
    """The stored articles, by their links and by their numbers in WordPress."""

    def __init__(self, app: App, site: str = "") -> None:
        """Read the articles. `site` is the address of the site, for exports and logs that name no host.

        Raises UsageError if `site` is not a web address.
        """
        self._links = app.store.read(partial(views.newest_links, limit=_NEWEST))
        self._by_link = {each.link: each.id for each in reversed(self._links) if each.link}
        is_bare = "." in site and "/" not in site
        self._site = identity.host(f"https://{site}" if is_bare else site or app.settings.newsletter.site_url or "")
        if site and not self._site:
            raise UsageError(f"{site!r} is not a web address.", "Write it as https://www.example.org.")

    def by_address(self, address: str) -> int | None:
        """Return the id of the article at an address, or None. An address that begins with "/" is a path on the site.

        If no article has the address with its query, the address without the query is looked up. Raises UsageError if
        it is unknown which site a path belongs to.
        """
        whole = f"https://{self._host}{address}" if address.startswith("/") else address
        for each in dict.fromkeys((whole, whole.partition("?")[0])):
            for link in identity.links_of(each):
                if (found := self._by_link.get(link)) is not None:
                    return found
        return None

    def by_post(self, number: str) -> int | None:
        """Return the id of the article that has this number in WordPress, or None.

        Raises UsageError if articles of several sites have the number, and it is unknown which site is meant.
        """
        found = self._by_number.get(number, {})
        if self._site:
            return found.get(self._site)
        if len(found) > 1:
            raise _several_sites("numbers of posts", list(found))
        return next(iter(found.values()), None)

    @cached_property
    def _by_number(self) -> dict[str, dict[str, int]]:
        """The number of a post in WordPress → the host of its site → the id of the article."""
        found: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for each in reversed(self._links):
            if match := _POST.fullmatch(each.guid) or _POST.fullmatch(each.link):
                found[match[1]][identity.host(each.guid) or each.link.partition("/")[0]] = each.id
        return found

    @cached_property
    def _host(self) -> str:
        hosts = Counter(each.link.partition("/")[0] for each in self._links if each.link)
        if self._site:
            return self._site
        if len(hosts) == 1:
            return next(iter(hosts))
        raise _several_sites("addresses", [name for name, _ in hosts.most_common(_SHOWN)])


def _several_sites(what: str, hosts: Sequence[str]) -> UsageError:
    return UsageError(
        f"The {what} do not name their site, and the articles come from several sites: {', '.join(hosts) or 'none'}.",
        "Say which site it is: --site https://www.example.org, or site_url in [newsletter].",
    )


def _from_export(app: App, name: str, content: bytes, charset: str, known: Known) -> Given:
    export = app.documents.views(name, content, zone=app.zone, now=app.now(), charset=charset)
    counts: Counter[int] = Counter()
    unknown: list[str] = []
    for page in export.pages:
        found = known.by_address(page.address) if page.address else known.by_post(page.post)
        if found is None:
            unknown.append(page.address or page.post)
        else:
            counts[found] += page.views  # several addresses may lead to one article
    if not counts:
        raise _nothing(name, "rows", export.rows, unknown[0] if unknown else "", export.passed_over)
    updated = fewer = 0
    rest = iter(counts.items())
    while piece := dict(islice(rest, _PIECE)):
        done: Replaced = app.store.write(partial(views.replace, views=piece))
        updated, fewer = updated + done.updated, fewer + done.fewer
        time.sleep(_GAP_S)
    notes = list(export.notes)
    if fewer:
        notes.append(
            f"{name}: the views of {counted(fewer, 'article')} are fewer than before. An export replaces the "
            "views, so it must cover the whole time since the articles were published."
        )
    return Given(
        name=name,
        kind="export",
        rows=export.rows,
        matched=len(counts),
        updated=updated,
        views=counts.total(),
        unknown=len(unknown),
        passed_over=dict(export.passed_over),
        notes=tuple(notes),
    )


def _nothing(name: str, what: str, rows: int, example: str, passed_over: Mapping[str, int]) -> UnreadableInput:
    shown = f"; one of them is about {example[:80]!r}" if example else ""
    reasons = "; ".join(f"{count} {reason}" for reason, count in passed_over.items())
    return UnreadableInput(
        f"{name}: none of its {rows} {what} is about a stored article{shown}{reasons and f' ({reasons})'}.",
        "Collect the articles first. If the addresses have no host, --site says which site they belong to.",
    )


def _from_log(app: App, name: str, file: Path, known: Known, server: str, *, recount: bool) -> Given:
    before = [] if recount else app.store.read(partial(views.counted_spans, server=server))
    found = access_log.count(file, known.by_address, before)
    if not found.views and not found.before:
        bots = {"are requests of bots": found.bots} if found.bots else {}
        raise _nothing(name, "lines", found.lines, found.example, {**found.passed_over, **bots})
    updated, forgotten = _add(app, name, server, found, before, recount=recount)
    notes = list(_log_notes(name, found, len(found.views) - updated))
    if recount:
        notes.append(f"{name}: forgot the views that {counted(forgotten, 'article')} had from logs before.")
    return Given(
        name=name,
        kind="log",
        rows=found.lines,
        matched=len(found.views),
        updated=updated,
        views=found.views.total(),
        unknown=found.unknown,
        passed_over=dict(found.passed_over),
        bots=found.bots,
        counted_before=found.before,
        notes=tuple(notes),
    )


def _add(
    app: App, name: str, server: str, found: Counted, before: Sequence[LogSpan], *, recount: bool
) -> tuple[int, int]:
    """Store the views from a log. Return how many articles have another number of views now, and how many lost the
    views that they had from other logs."""
    if not found.views:
        return 0, 0

    def add(tx: Connection) -> tuple[int | None, int]:
        forgotten = views.forget_logs(tx) if recount else 0
        return views.add(tx, server, found.spans, found.views, before), forgotten

    updated, forgotten = app.store.write(add)
    if updated is None:
        raise WrongState(f"{name}: another process has counted a log at the same time.", "Run the command again.")
    return updated, forgotten


def _log_notes(name: str, found: Counted, others: int) -> Iterator[str]:
    if others:
        yield f"{name}: the log does not change {counted(others, 'article')}, whose view counts come from elsewhere."
    if not found.with_agents:
        yield f"{name}: it has no user agents, so the requests of bots are counted, too; use the combined format."
    if found.before:
        yield (
            f"{name}: passed over {counted(found.before, 'line')}, because their time was counted before. If this is "
            "the log of another web server, give it a name with --server. If its articles were collected later, or "
            "if a log was counted by mistake, give all logs again with --recount."
        )
