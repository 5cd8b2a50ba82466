"""What `/metrics` tells: numbers of this process and of the deployment. No address, no name, no token (promise 10)."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import Connection

from mailer.context import App
from mailer.errors import StoreUnavailable
from mailer.issues import report
from mailer.model import DeliveryState, Issue
from mailer.sending.relays import Circuits
from mailer.store import deliveries, lanes, reports

_FRESH_S = 5.0  # several watchers share one look
_SHARE = 10  # looking may take a tenth of the time: counting a million rows beside the sending must not slow it


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the database knows; the same in every process."""

    issue: Issue | None = None  # under way, or the newest
    counts: Mapping[DeliveryState, int] = field(default_factory=dict)
    queued: int = 0
    oldest: datetime | None = None  # since when the first queued mail is owed
    lanes_paused: tuple[str, ...] = ()
    sources: Mapping[str, int] = field(default_factory=dict)  # failures in a row
    subscribers: Mapping[str, int] = field(default_factory=dict)  # by status
    left_in_a_week: Mapping[str, int] = field(default_factory=dict)  # by method


@dataclass
class Vitals:
    """What this process knows of itself: filled by the service while it runs."""

    app: App
    circuits: Circuits
    last_tick: Callable[[], float | None] = lambda: None  # Unix time; None: no clock ticks in this process
    clock: Callable[[], float] = time.monotonic
    _kept: Figures | None = None
    _good_until: float = 0.0

    def figures(self) -> Figures | None:
        """The numbers of the database, at most a little old. None: it does not answer."""
        begun = self.clock()
        if self._kept is None or begun >= self._good_until:
            try:
                readers = report.figures(self.app)
                self._kept = replace(
                    self.app.store.read(self._look),
                    subscribers=readers["subscribers"],
                    left_in_a_week=readers["left_in_a_week"],
                )
            except StoreUnavailable:
                return None
            now = self.clock()
            self._good_until = now + max(_FRESH_S, _SHARE * (now - begun))
        return self._kept

    def _look(self, tx: Connection) -> Figures:
        issue = reports.issue(tx)
        queued, oldest = reports.queue(tx)
        return Figures(
            issue=issue,
            counts=deliveries.counts(tx, issue.id) if issue else {},
            queued=queued,
            oldest=oldest,
            lanes_paused=tuple(each.lane for each in lanes.paused(tx, self.app.now())),
            sources={_plain(name): failures for name, failures in reports.failing_sources(tx).items()},
        )


def _plain(source: str) -> str:
    """A source's name without what may be a secret: a feed's key may stand anywhere behind the host. Several of one
    host are told apart."""
    host = urlsplit(source).hostname
    return f"{host} {hashlib.sha256(source.encode()).hexdigest()[:8]}" if host else source
