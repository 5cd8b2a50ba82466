"""What becomes of a delivery after an attempt, and when a deferred one is tried again.

Pure: the row of the ledger and the clock come in as arguments, a `Change` goes out, and the store writes it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from mailer.model import Accepted, Deferred, DeliveryState, Expiry, NotSent, Outcome, Rejected, Unknown
from mailer.settings import Delivery

# Greylisting clears within minutes, hence the short first waits; RFC 5321 §4.5.4.1 wants patience after that.
WAITS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
)
MAX_LOSSES = 3  # lines lost in a row before the final dot, until the mail itself is suspected


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What the ledger's row becomes. `due_at` None: at once, or never when the state is terminal."""

    state: DeliveryState
    reason: str | None = None  # Rejection or Expiry
    due_at: datetime | None = None
    attempts: int
    losses: int
    unknowns: int
    first_reply_at: datetime | None
    code: int | None = None
    enhanced: str | None = None
    reply_text: str | None = None


def after(
    *,
    attempts: int,
    losses: int,
    unknowns: int,
    first_reply_at: datetime | None,
    outcome: Outcome,
    now: datetime,
    rules: Delivery,
    jitter: float = 0,
) -> Change:
    """What becomes of a delivery in `sending` whose attempt ended in `outcome`.

    `attempts`, `losses`, `unknowns` and `first_reply_at` are those of the row before. `jitter` (0 … 1) makes a wait
    longer by that share of it, so that mails put off together do not all come back together.
    """
    answered = first_reply_at or now
    reply = outcome.reply
    tried = Change(
        state=DeliveryState.SENDING,
        attempts=attempts + 1,
        losses=0,
        unknowns=unknowns,
        first_reply_at=answered,
        code=reply.code,
        enhanced=reply.enhanced,
        reply_text=reply.text,
    )
    match outcome:
        case Accepted():
            return replace(tried, state=DeliveryState.ACCEPTED)
        case Rejected(why=why):
            return replace(tried, state=DeliveryState.REJECTED, reason=why.value)
        case Deferred():
            return _put_off(tried, answered, now, rules, jitter)
        case Unknown():
            return _uncertain(replace(tried, first_reply_at=first_reply_at), rules)
        case NotSent(relay_fault=True):
            # An outage burns nothing: neither an attempt nor patience.
            return replace(
                tried, state=DeliveryState.QUEUED, attempts=attempts, losses=losses, first_reply_at=first_reply_at
            )
        case NotSent() if losses < MAX_LOSSES:
            queued = replace(tried, state=DeliveryState.QUEUED, attempts=attempts, losses=losses + 1)
            return replace(queued, first_reply_at=first_reply_at)
        case NotSent():
            # Perhaps this very mail kills the line: its time begins to run, so that it ends some day.
            return _put_off(tried, answered, now, rules, jitter)
        case _:
            assert_never(outcome)


def after_crash(*, attempts: int, unknowns: int, first_reply_at: datetime | None, rules: Delivery) -> Change:
    """What becomes of a delivery that a dead process left in `sending`: nobody knows whether its mail was taken."""
    left = Change(
        state=DeliveryState.SENDING,
        attempts=attempts + 1,
        losses=0,
        unknowns=unknowns,
        first_reply_at=first_reply_at,
    )
    return _uncertain(left, rules)


def _uncertain(tried: Change, rules: Delivery) -> Change:
    """Promise 2: an unknown is sent once more, under the same Message-ID, or never; a second one is left to people."""
    again = rules.on_unknown == "resend" and tried.unknowns == 0
    state = DeliveryState.QUEUED if again else DeliveryState.UNKNOWN
    return replace(tried, state=state, unknowns=tried.unknowns + 1)


def _put_off(tried: Change, answered: datetime, now: datetime, rules: Delivery, jitter: float) -> Change:
    deadline = answered + rules.give_up_after
    if now >= deadline:
        return replace(tried, state=DeliveryState.EXPIRED, reason=Expiry.GAVE_UP.value)
    wait = WAITS[min(tried.attempts, len(WAITS)) - 1] * (1 + jitter)
    # The last try comes when patience ends, not hours after.
    return replace(tried, state=DeliveryState.DEFERRED, due_at=min(now + wait, deadline))
