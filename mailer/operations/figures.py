"""Collects the figures that an admin monitors. Some are about the deployment and come from the database; others are
about this process.

No figure contains the address, name or token of a reader. `web.metrics` publishes the figures in the Prometheus format.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import Connection

from mailer.context import App
from mailer.errors import StoreUnavailable
from mailer.model import DeliveryState, Issue
from mailer.sending.relays import Circuits
from mailer.store import deliveries, lanes, reports, subscribers

# The figures from the database are cached for _FRESH_S seconds, or for _SHARE times as long as reading the figures
# took, whichever is longer. Without the cache, counting a million rows for every request would slow down sending.
_FRESH_S = 5.0
_SHARE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures from the database, which are the same in every process."""

    issue: Issue | None  # the issue that is being sent or paused, else the newest issue
    counts: Mapping[DeliveryState, int]  # state → number of deliveries of `issue`
    queued: int  # the number of queued mails of any kind
    oldest: datetime | None  # the time at which the oldest queued mail was queued
    lanes_paused: tuple[str, ...]
    sources: Mapping[str, int]  # source of articles → number of failed fetches since the last success
    subscribers: Mapping[str, int]  # status → number of subscribers
    left_in_a_week: Mapping[str, int]  # method → number of readers who left by this method in the last seven days


def gather(app: App) -> Figures:
    """Reads the figures from the database. Raises StoreUnavailable if the database fails."""

    def read(tx: Connection) -> Figures:
        now = app.now()
        issue = reports.current_issue(tx)
        queued, oldest = reports.queue(tx)
        return Figures(
            issue=issue,
            counts=deliveries.counts(tx, issue.id) if issue else {},
            queued=queued,
            oldest=oldest,
            lanes_paused=tuple(each.lane for each in lanes.paused(tx, now)),
            sources={_without_secrets(name): count for name, count in reports.failing_sources(tx).items()},
            subscribers=subscribers.counts(tx),
            left_in_a_week=reports.leaving_methods(tx, now - timedelta(days=7)),
        )

    return app.store.read(read)


def _without_secrets(source: str) -> str:
    """Returns the host of a feed's URL and a short hash, because the rest of the URL may contain a secret key.

    Returns the name of any other source unchanged.
    """
    host = urlsplit(source).hostname
    return f"{host} {hashlib.sha256(source.encode()).hexdigest()[:8]}" if host else source


@dataclass
class Monitor:
    """The figures of this process, which the service supplies, and a cache for the figures from the database."""

    app: App
    circuits: Circuits
    last_tick: Callable[[], float | None] = lambda: None  # returns the Unix time of this process's last tick, or None
    clock: Callable[[], float] = time.monotonic
    _cached: Figures | None = None
    _fresh_until: float = 0.0

    def figures(self) -> Figures | None:
        """Returns the figures from the database, which may be some seconds old, or None if the database fails."""
        started = self.clock()
        if self._cached is None or started >= self._fresh_until:
            try:
                self._cached = gather(self.app)
            except StoreUnavailable:
                return None
            now = self.clock()
            self._fresh_until = now + max(_FRESH_S, _SHARE * (now - started))
        return self._cached
