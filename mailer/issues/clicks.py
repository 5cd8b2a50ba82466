"""Counts how often the stories of an issue are opened, without anything that identifies a reader.

With `[web] count_clicks = "totals"`, the links to stories in a mail go to `/to/SLOT/N`, which redirects to the story. N
is the position of the story in the full issue. These links are the same in every reader's mail. `Counter` decides in
memory which requests count; only totals for each story and hour are stored. The archive, the feed and test mails link
directly to the stories.
"""

import hashlib
import logging
import re
import secrets
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from time import monotonic

from sqlalchemy import Connection

from mailer.context import App, find_issue
from mailer.errors import NoSuchArticle, NoSuchIssue
from mailer.lifecycle import STARTED
from mailer.model import Issue
from mailer.store import clicks, issues
from mailer.store.clicks import Clicks
from mailer.text.links import web_address

log = logging.getLogger(__name__)
_COUNTED = re.compile(r"https?://[^/\s\"<>]+/to/([0-9A-Za-z-]+)/([0-9]+)(?![0-9])")  # a link that `links` made
SPAN_S = 30.0
MOST_LINKS = 3  # a network that opens more different links of an issue within SPAN_S is a link scanner
_MOST_WAITING = 200_000  # requests kept in memory; if there are more, they are not counted, and their number is logged
_TARGETS_S = 60.0  # how long an issue's targets are kept in memory; a redaction takes effect after this time
_KEY_S = 86_400.0  # a new key for the hashes of the networks is made after this time
_COUNTED_FOR = timedelta(days=30)  # after this time an issue's links still work, but are not counted
_LEARNT_FROM = 8  # number of issues from which the averages of sections are computed


# --- links in mails --------------------------------------------------------------------------------------------------
def links(app: App, issue: Issue) -> dict[int, str]:
    """Returns the address of each story's counted link, by article id; {} if clicks are not counted. `issue` must be
    the full issue."""
    if app.settings.web.count_clicks == "none":
        return {}
    return {
        story.article_id: app.url(f"/to/{issue.slot}/{story.position}")
        for story in issue.stories
        if web_address(story.url)
    }


def direct(issue: Issue, part: str, *, html: bool) -> str:
    """Returns the HTML or text part of a mail with each counted link replaced by the story's own address. `issue` must
    be the full issue.

    Links with any host are replaced, because the base URL may have changed since the mail was rendered.
    """
    addresses = {str(story.position): web_address(story.url) for story in issue.stories}

    def address(found: re.Match[str]) -> str:
        slot, position = found.groups()
        url = (addresses.get(position, "") if slot == issue.slot else "") or found[0]
        return escape(url) if html else url

    return _COUNTED.sub(address, part)


# --- requests --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Target:
    """Where a link leads. `issue_id` is 0 if requests for the link are not counted."""

    url: str
    issue_id: int
    position: int


@dataclass(slots=True)
class _Request:
    at_s: float
    position: int
    hour: datetime
    scanned: bool = False


@dataclass(slots=True)
class _Network:
    """The waiting requests of a network for the links of one issue, oldest first."""

    requests: list[_Request] = field(default_factory=list)
    opened_s: dict[int, float] = field(default_factory=dict)  # when each link was opened last, by position

    def add(self, request: _Request) -> None:
        """Adds a request. If the network now looks like a link scanner, marks its requests of the last SPAN_S."""
        self.requests.append(request)
        self.opened_s[request.position] = request.at_s
        since_s = request.at_s - SPAN_S
        if sum(at_s > since_s for at_s in self.opened_s.values()) <= MOST_LINKS:
            return
        for each in reversed(self.requests):
            # Whatever came before a request that is marked already is marked, too, or is too old.
            if each.scanned or each.at_s <= since_s:
                break
            each.scanned = True


class Counter:
    """Counts the requests of one web process. The methods `target` and `save` use the database; `count` does not.

    A request is added to the totals only after SPAN_S, because until then further requests may show that it came from a
    link scanner. A client's network is kept only until then, as a hash with a key that is never stored and changes
    daily.
    """

    def __init__(self, app: App, clock: Callable[[], float] = monotonic, *, most_waiting: int = _MOST_WAITING) -> None:
        self._app = app
        self._clock = clock
        self._most_waiting = most_waiting
        self._waiting: dict[tuple[int, bytes], _Network] = defaultdict(_Network)
        self._number = 0  # requests in `_waiting`
        self._lost = 0  # requests that were not counted, because too many were waiting
        self._key, self._key_until_s = b"", 0.0
        self._targets: dict[str, tuple[float, Mapping[int, Target]]] = {}

    @property
    def is_empty(self) -> bool:
        return not self._number

    def target(self, slot: str, position: int) -> Target:
        """Returns where the link `/to/SLOT/POSITION` leads: to the story or, if the story was redacted, to the page of
        the issue in the archive.

        Raises NoSuchIssue if the issue was never frozen, so that guessed links do not reveal the stories of a draft,
        and NoSuchArticle if the issue has no such story.
        """
        now_s = self._clock()
        until_s, targets = self._targets.get(slot, (now_s, {}))
        if until_s <= now_s:
            targets = _targets(self._app, slot)
            self._targets = {name: kept for name, kept in self._targets.items() if kept[0] > now_s}
            self._targets[slot] = (now_s + _TARGETS_S, targets)
        if position not in targets:
            raise NoSuchArticle(f"The issue {slot} has no story {position}.")
        return targets[position]

    def count(self, target: Target, network: str) -> None:
        """Counts a request by a client of this network. Not thread-safe: call it in the event loop."""
        if not target.issue_id:
            return
        if self._number >= self._most_waiting:
            self._lost += 1
            return
        now_s, now = self._clock(), self._app.now()
        request = _Request(now_s, target.position, now.replace(minute=0, second=0, microsecond=0))
        self._waiting[target.issue_id, self._hashed(network, now_s)].add(request)
        self._number += 1

    def _hashed(self, network: str, now_s: float) -> bytes:
        if now_s >= self._key_until_s:
            self._key, self._key_until_s = secrets.token_bytes(32), now_s + _KEY_S
        return hashlib.blake2b(network.encode(), key=self._key, digest_size=16).digest()

    def settled(self, *, everything: bool = False) -> list[Clicks]:
        """Removes the requests that are older than SPAN_S, and returns their sums. No later request can show that one
        of them came from a link scanner. With `everything`, does this with all requests, because the process ends. Like
        `count`, not thread-safe."""
        before_s = float("inf") if everything else self._clock() - SPAN_S
        found: list[tuple[int, _Request]] = []
        for who, network in list(self._waiting.items()):
            found += ((who[0], each) for each in network.requests if each.at_s <= before_s)
            network.requests = [each for each in network.requests if each.at_s > before_s]
            if not network.requests:
                del self._waiting[who]
        self._number -= len(found)
        if self._lost:
            log.warning("%s requests for links were not counted: too many came at once", self._lost)
            self._lost = 0
        return _summed(found)

    def save(self, counted: Iterable[Clicks]) -> None:
        """Adds the counts to the totals in the database."""
        kept = list(counted)
        if kept:
            self._app.store.write(lambda tx: clicks.add(tx, kept))


def _summed(found: Iterable[tuple[int, _Request]]) -> list[Clicks]:
    tally = Tally((issue_id, each.position, each.hour, each.scanned) for issue_id, each in found)
    return [
        Clicks(*story, opened=tally[*story, False], scanned=tally[*story, True])
        for story in dict.fromkeys(key[:3] for key in tally)
    ]


def _targets(app: App, slot: str) -> dict[int, Target]:
    issue = find_issue(app, slot)
    if issue.frozen_at is None:
        raise NoSuchIssue(f"The issue {issue.slot} has not been sent.")
    redacted = app.store.read(lambda tx: issues.redacted(tx, issue.id))
    recent = issue.started_at is not None and app.now() < issue.started_at + _COUNTED_FOR
    counted = app.settings.web.count_clicks == "totals" and issue.state in STARTED and recent
    archived = app.archive_url(issue.slot)
    return {
        story.position: Target(
            archived if story.position in redacted else web_address(story.url) or archived,
            issue.id if counted and story.position not in redacted else 0,
            story.position,
        )
        for story in issue.stories
    }


# --- averages --------------------------------------------------------------------------------------------------------
def by_section(app: App, tx: Connection) -> dict[str, float]:
    """Returns how often the stories of each section were opened on average in the last issues, relative to the section
    that was opened most. Returns {} if `section_clicks` is 0 or nothing was counted.

    A story's clicks are first divided by the average of all stories in its issue, because later issues usually have
    more readers. Only sections are compared, never readers.
    """
    if not app.settings.digest.section_clicks:
        return {}
    found = issues.recent(tx, states=STARTED, limit=_LEARNT_FROM)
    opened = clicks.totals(tx, [issue.id for issue in found])
    shares: dict[str, list[float]] = defaultdict(list)
    for issue in found:
        total = sum(opened.get((issue.id, story.position), 0) for story in issue.stories)
        for story in issue.stories if total else ():
            shares[story.section].append(opened.get((issue.id, story.position), 0) * len(issue.stories) / total)
    averages = {section: sum(values) / len(values) for section, values in shares.items()}
    highest = max(averages.values(), default=0.0)
    return {section: average / highest for section, average in averages.items()} if highest else {}
