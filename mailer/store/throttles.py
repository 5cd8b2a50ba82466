"""Limits the pace: decides how many mails may go out now. All processes share the limits, which survive a restart.

The rule is the generic cell rate algorithm (GCRA). Each limit has a row with a time. Each mail moves that time forward
by an interval. The time may be ahead of the clock by only a limited number of intervals, so only a small burst of mails
can go out at once. A rate is a number of mails in a period, such as 500 in an hour. The interval is long enough that no
such period has more mails than the rate allows, even if it begins with a burst. This module does not wait, and knows
neither relays nor lanes.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select, update

from mailer.model import Limit, Rate
from mailer.store.database import inserting
from mailer.store.schema import throttles

_GRACE_MAX_S = 2.0  # longest validity of a permit, in seconds
# A burst has as many mails as the rate allows in this many seconds. A transaction for each mail would be too slow.
_BURST_S = 0.05


def grace(rate: Rate) -> timedelta:
    """Returns how long a permit is valid. A mail that is not sent by then needs a new permit; otherwise late mails and
    mails that are on time could go out together and exceed the rate."""
    return timedelta(seconds=min(rate.seconds / 20, _GRACE_MAX_S))


def burst(rate: Rate) -> int:
    """Returns how many mails may go out at once."""
    return max(1, min(int(rate.count / rate.seconds * _BURST_S), rate.count // 10))


def interval(rate: Rate) -> timedelta:
    """Returns the interval by which one mail moves the time of a limit forward.

    A mail may go out up to `grace` after it was permitted. Therefore at most `count` mails may be permitted in any W
    seconds, where W is the rate's seconds plus the grace. The mails permitted in W seconds are at most a burst, and
    then one mail for each further interval: burst + (W / interval) - 1 = count.
    """
    span = rate.seconds + grace(rate).total_seconds()
    return timedelta(microseconds=math.ceil(span * 1e6 / (rate.count - burst(rate) + 1)))


def reserve(tx: Connection, limits: Sequence[Limit], count: int, now: datetime | None = None) -> tuple[int, float]:
    """Reserves permits for up to `count` mails, under all the limits together.

    Returns the number of permits and, if that number is 0, the seconds to wait before the next request. Each permit is
    valid for the shortest `grace` of the limits. If one limit allows no mail, no permit is reserved under the other
    limits either, so that a slow lane does not use up the rate of its relay. If `count` is 0, nothing is reserved, and
    the seconds are 0 or less if a mail could go out now.

    `now` is by default the time of the database's clock, which is the same for processes on several machines.
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
    """Returns the stored time, limited to the range from now to a whole burst after now. Without the upper limit,
    all mails could stop for hours after the clock was turned back or the rate was changed."""
    return min(max(free_at, now), now + _horizon(rate))


def _room(rate: Rate, level: datetime, now: datetime) -> int:
    return int((now + _horizon(rate) - level) / interval(rate))


def _locked(tx: Connection, limits: Sequence[Limit]) -> dict[str, datetime]:
    """Returns the stored time of each limit by its name, and adds missing rows. Locks the rows until the transaction
    ends, always in the same order, so that two processes cannot deadlock."""
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
    """Returns the current time. PostgreSQL's clock is read after the rows were locked, so that the wait for the lock
    does not count. With SQLite all processes are on one machine, and this process has held the write lock since the
    transaction began, so the clock of this process is enough."""
    if tx.dialect.name == "sqlite":
        return datetime.now(UTC)
    found: datetime = tx.execute(select(func.clock_timestamp())).scalar_one()
    return found
