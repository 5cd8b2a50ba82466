"""The figures that an admin watches: of the whole deployment, from the database, and of this process.

They contain no address, no name and no token. `web.metrics` publishes them in the format of Prometheus.
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

_FRESH_S = 5.0  # figures from the database are used again for this long …
_SHARE = 10  # … and for ten times as long as reading them took: counting a million rows must not slow down the sending


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures from the database; the same in every process."""

    issue: Issue | None  # the one being sent, else the newest
    counts: Mapping[DeliveryState, int]  # its deliveries
    queued: int
    oldest: datetime | None  # when the first queued mail was queued
    lanes_paused: tuple[str, ...]
    sources: Mapping[str, int]  # failures in a row
    subscribers: Mapping[str, int]  # by status
    left_in_a_week: Mapping[str, int]  # by method


def gather(app: App) -> Figures:
    """Reads the figures from the database. Raises StoreUnavailable."""

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
    """The host of a feed and a short hash: the rest of its URL may contain a secret key. Other names stay."""
    host = urlsplit(source).hostname
    return f"{host} {hashlib.sha256(source.encode()).hexdigest()[:8]}" if host else source


@dataclass
class Monitor:
    """The figures of this process, which the service supplies while it runs, and a cache for those of the database."""

    app: App
    circuits: Circuits
    last_tick: Callable[[], float | None] = lambda: None  # Unix time, or None if no clock ticks in this process
    clock: Callable[[], float] = time.monotonic
    _cached: Figures | None = None
    _fresh_until: float = 0.0

    def figures(self) -> Figures | None:
        """The figures from the database, at most a few seconds old, or None if it does not answer."""
        started = self.clock()
        if self._cached is None or started >= self._fresh_until:
            try:
                self._cached = gather(self.app)
            except StoreUnavailable:
                return None
            now = self.clock()
            self._fresh_until = now + max(_FRESH_S, _SHARE * (now - started))
        return self._cached
