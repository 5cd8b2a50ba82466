"""Decides the next state of a delivery after an attempt and, for a deferred delivery, the time of the next attempt.

The functions are pure: they get the delivery and the time as arguments and return a `DeliveryChange`, which the store
writes.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from mailer import model
from mailer.model import Accepted, Deferred, DeliveryChange, DeliveryState, Expiry, NotSent, Outcome, Rejected, Unknown
from mailer.settings import Delivery

# The waits between attempts. The first waits are short, because greylisting ends within minutes. RFC 5321 section
# 4.5.4.1 asks for long waits later.
WAITS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
)
# How many connections in a row may be lost before the final dot. If more are lost, the mail may be the cause.
MAX_LOSSES = 3


def after(
    job: model.Delivery,
    outcome: Outcome,
    now: datetime,
    rules: Delivery,
    *,
    relay: str | None = None,
    jitter: float = 0,
) -> DeliveryChange:
    """Returns the change to a delivery in `sending` whose attempt ended in `outcome`.

    `jitter` (0 to 1) lengthens the wait before the next attempt by that fraction, so that mails deferred together are
    not tried again together.
    """
    first_reply_at = job.first_reply_at or now
    answered = job._replace(attempts=job.attempts + 1, losses=0, first_reply_at=first_reply_at)
    change = DeliveryChange(delivery=answered, state=DeliveryState.SENDING, reply=outcome.reply, relay=relay)
    match outcome:
        case Accepted():
            return replace(change, state=DeliveryState.ACCEPTED)
        case Rejected(why=why):
            return replace(change, state=DeliveryState.REJECTED, reason=why)
        case Deferred():
            return _defer(change, first_reply_at, now, rules, jitter)
        case Unknown():
            return _uncertain(replace(change, delivery=answered._replace(first_reply_at=job.first_reply_at)), rules)
        case NotSent(relay_fault=True):
            # An outage of the relay does not count as an attempt, and does not start the period after which the
            # delivery is given up.
            return replace(change, state=DeliveryState.QUEUED, delivery=job)
        case NotSent() if job.losses < MAX_LOSSES:
            return replace(change, state=DeliveryState.QUEUED, delivery=job._replace(losses=job.losses + 1))
        case NotSent():
            # The mail itself may break the connection. So the delivery is deferred and expires after `give_up_after`,
            # instead of being tried forever.
            return _defer(change, first_reply_at, now, rules, jitter)
        case _:
            assert_never(outcome)


def after_crash(job: model.Delivery, rules: Delivery) -> DeliveryChange:
    """Returns the change to a delivery that a dead process left in `sending`: a relay may or may not have accepted the
    mail."""
    tried = job._replace(attempts=job.attempts + 1, losses=0)
    return _uncertain(DeliveryChange(delivery=tried, state=DeliveryState.SENDING), rules)


def _uncertain(change: DeliveryChange, rules: Delivery) -> DeliveryChange:
    """Returns the change to a delivery whose mail a relay may or may not have accepted. If the setting `on_unknown` is
    "resend", the first unknown outcome queues the mail again, with the same Message-ID. In all other cases the unknown
    outcome is final, and an admin decides what to do."""
    job = change.delivery
    again = rules.on_unknown == "resend" and job.unknowns == 0
    state = DeliveryState.QUEUED if again else DeliveryState.UNKNOWN
    return replace(change, state=state, delivery=job._replace(unknowns=job.unknowns + 1))


def _defer(
    change: DeliveryChange, first_reply_at: datetime, now: datetime, rules: Delivery, jitter: float
) -> DeliveryChange:
    deadline = first_reply_at + rules.give_up_after
    if now >= deadline:
        return replace(change, state=DeliveryState.EXPIRED, reason=Expiry.GAVE_UP)
    wait = WAITS[min(change.delivery.attempts, len(WAITS)) - 1] * (1 + jitter)
    # The last attempt is made at the deadline, not hours later.
    return replace(change, state=DeliveryState.DEFERRED, due_at=min(now + wait, deadline))
