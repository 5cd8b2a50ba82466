"""Pace: how many mails may go now, counted for all processes together and across restarts, in one row for each name.

The rule is GCRA: a row holds a time; each mail moves it forward by an interval, and it may lie only as far ahead as a
small burst takes. The interval is such that no time span of the rate's length sees more mails than the rate allows,
wherever it begins: neither around the change of the hour nor through a burst followed by the full rate.
This module does not wait, and knows neither relays nor lanes.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select, update

from mailer.model import Limit, Rate
from mailer.store.database import inserting
from mailer.store.schema import throttles

_GRACE_MAX_S = 2.0
_BURST_S = 0.05  # the mails of this time may go together: one transaction per mail would be too slow


def grace(rate: Rate) -> timedelta:
    """How long a permit is valid. A mail that is later must ask again; otherwise late mails and those in time would go
    together."""
    return timedelta(seconds=min(rate.seconds / 20, _GRACE_MAX_S))


def burst(rate: Rate) -> int:
    """How many mails may go at once."""
    return max(1, min(int(rate.count / rate.seconds * _BURST_S), rate.count // 10))


def interval(rate: Rate) -> timedelta:
    """By how much one mail moves a row forward.

    A span of W seconds (the rate's own and the grace by which its first mails may be late) then sees at most a burst
    and one mail for each interval that begins after it: burst + (W / interval) - 1 = count.
    """
    span = rate.seconds + grace(rate).total_seconds()
    return timedelta(microseconds=math.ceil(span * 1e6 / (rate.count - burst(rate) + 1)))


def reserve(tx: Connection, limits: Sequence[Limit], count: int, now: datetime | None = None) -> tuple[int, float]:
    """Reserves permits for up to `count` mails under all the limits together. Returns how many, each valid for the
    shortest `grace`, and in how many seconds to ask again if there are none. Without a permit nothing is reserved under
    any limit, so that a slow lane takes nothing from its relay. With a count of 0 the seconds are at most 0 if a mail
    could go.

    `now` is by default the clock of the database, which processes on several machines share.
    """
    if not limits:
        return count, 0.0
    free = _locked(tx, limits)
    now = now or _clock(tx)
    levels = {limit.name: _level(limit.rate, free[limit.name], now) for limit in limits}
    granted = min(count, *(_room(limit.rate, levels[limit.name], now) for limit in limits))
    for limit in limits:
        level = levels[limit.name] + max(granted, 0) * interval(limit.rate)
        if level != free[limit.name]:
            tx.execute(update(throttles).where(throttles.c.name == limit.name).values(free_at=level))
    if granted > 0:
        return granted, 0.0
    waits = ((levels[limit.name] + interval(limit.rate) - _horizon(limit.rate) - now) for limit in limits)
    return 0, max(wait.total_seconds() for wait in waits)


def _horizon(rate: Rate) -> timedelta:
    return burst(rate) * interval(rate)


def _level(rate: Rate, free_at: datetime, now: datetime) -> datetime:
    """The stored time, but at most a whole burst ahead. It is further ahead if the clock was set back or the rate was
    changed, and would then stop all mails for hours."""
    return min(max(free_at, now), now + _horizon(rate))


def _room(rate: Rate, level: datetime, now: datetime) -> int:
    return int((now + _horizon(rate) - level) / interval(rate))


def _locked(tx: Connection, limits: Sequence[Limit]) -> dict[str, datetime]:
    """The rows, added if missing and locked until the transaction ends. They are always locked in the same order, so
    that two processes cannot deadlock."""
    names = sorted({limit.name for limit in limits})
    query = select(throttles.c.name, throttles.c.free_at).where(throttles.c.name.in_(names))
    query = query.order_by(throttles.c.name).with_for_update()
    found = {row.name: row.free_at for row in tx.execute(query)}
    if len(found) < len(names):
        past = datetime(2000, 1, 1, tzinfo=UTC)
        rows = [{"name": name, "free_at": past} for name in names if name not in found]
        tx.execute(inserting(tx, throttles).values(rows).on_conflict_do_nothing())
        found = {row.name: row.free_at for row in tx.execute(query)}
    return found


def _clock(tx: Connection) -> datetime:
    """The time after the rows were locked: the wait for them must not count. On SQLite, whose processes share one
    machine, it is the clock of this process, which has held the write lock since the transaction began."""
    if tx.dialect.name == "sqlite":
        return datetime.now(UTC)
    found: datetime = tx.execute(select(func.clock_timestamp())).scalar_one()
    return found
