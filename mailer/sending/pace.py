"""Pace: decides whether a mail may be sent now, given the configured rates of its relay, of its lane and of all mails
together.

The counts are stored in the database (`store.throttles`), so that all processes share the counts and a restart does not
reset them. If no rate is set, the database is not used. The caller chooses the next mail: while one lane is full, mails
of other lanes should be sent.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection

from mailer.model import Limit, Rate
from mailer.settings import Settings, rate_of
from mailer.store import throttles
from mailer.store.database import Store

_AT_ONCE = 20  # largest number of permits in one reservation; a rate usually grants fewer at once


@dataclass
class _Held:
    """The sending permits that this process has reserved for one relay and one lane. They expire at the monotonic time
    `until`."""

    count: int = 0
    until: float = 0.0
    lane_full: bool = False  # whether only the lane's own rate caused the last refusal
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class Pace:
    """Gives permits to all connections of a process. `issue` is the number of the issue being sent, or None. During the
    warm-up, an issue may use only a share of every rate."""

    store: Store
    settings: Settings
    issue: int | None = None
    clock: Callable[[], float] = time.monotonic
    _held: dict[tuple[str, str], _Held] = field(default_factory=dict)
    _limits: dict[tuple[str, str], tuple[Limit, ...]] = field(default_factory=dict)

    def limits(self, relay: str, lane: str) -> tuple[Limit, ...]:
        """Returns the limits for a mail of this lane over this relay. The result is empty if no rate is set."""
        if (relay, lane) not in self._limits:
            rates: Mapping[str, str | None] = {
                "all": self.settings.delivery.rate,
                f"relay:{relay}": next((smtp.rate for smtp in self.settings.smtp if smtp.name == relay), None),
                f"lane:{lane}": self.settings.delivery.lanes.get(lane),
            }
            share = warm_share(self.settings.delivery.warm_up, self.issue)
            self._limits[relay, lane] = tuple(
                Limit(name, _part(rate_of(text), share)) for name, text in rates.items() if text
            )
        return self._limits[relay, lane]

    async def ask(self, relay: str, lane: str) -> float:
        """Returns 0 if one mail may be sent now, and otherwise the number of seconds until the caller should ask again.
        A permit that is not used at once is lost."""
        limits = self.limits(relay, lane)
        if not limits:
            return 0.0
        held = self._held.setdefault((relay, lane), _Held())
        async with held.lock:
            asked = self.clock()
            if held.count and asked < held.until:
                held.count -= 1
                return 0.0
            reserving = self.store.submit(partial(_reserve, limits=limits, lane=f"lane:{lane}"))
            granted, wait, held.lane_full = await asyncio.shield(asyncio.wrap_future(reserving))
            if not granted:
                return wait
            held.until = asked + min(throttles.grace(limit.rate).total_seconds() for limit in limits)
            held.count = granted - 1
            if self.clock() < held.until:
                return 0.0
            held.count = 0  # the database took so long that the permits have expired
            return min(throttles.interval(limit.rate).total_seconds() for limit in limits)

    def lane_is_full(self, relay: str, lane: str) -> bool:
        """Returns whether only the lane's own rate refused the last request, so that mails of other lanes may be
        sent."""
        held = self._held.get((relay, lane))
        return held is not None and held.lane_full


def warm_share(shares: tuple[float, ...], issue: int | None) -> float:
    """Returns the share (0 to 1) of every rate that an issue may use. The share of the first issues is small, because
    providers suspect spam if a new sender sends at full speed. The share grows with each issue instead of each
    day: seven days of growth between two weekly issues would be too large a leap."""
    return shares[issue - 1] if issue is not None and 1 <= issue <= len(shares) else 1.0


def _reserve(tx: Connection, limits: tuple[Limit, ...], lane: str) -> tuple[int, float, bool]:
    granted, wait = throttles.reserve(tx, limits, _AT_ONCE)
    others = [limit for limit in limits if limit.name != lane]
    lane_full = not granted and len(others) < len(limits) and throttles.reserve(tx, others, 0)[1] <= 0
    return granted, wait, lane_full


def _part(rate: Rate, share: float) -> Rate:
    return Rate(max(1, int(rate.count * share)), rate.seconds)
