"""The changes of state that a delivery may go through, for the tests that watch real ones."""

from collections.abc import Mapping

from mailer.model import DeliveryState

_D = DeliveryState

# Only a person's command leads out of a terminal state. Nothing leads out of ACCEPTED.
DELIVERY_ARROWS: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    _D.QUEUED: frozenset({_D.SENDING, _D.SKIPPED, _D.EXPIRED}),
    _D.SENDING: frozenset({_D.ACCEPTED, _D.DEFERRED, _D.REJECTED, _D.UNKNOWN, _D.EXPIRED, _D.QUEUED}),
    _D.DEFERRED: frozenset({_D.SENDING, _D.QUEUED, _D.SKIPPED, _D.EXPIRED}),
    _D.ACCEPTED: frozenset(),
    _D.REJECTED: frozenset({_D.QUEUED}),
    _D.UNKNOWN: frozenset({_D.QUEUED}),
    _D.SKIPPED: frozenset({_D.QUEUED}),
    _D.EXPIRED: frozenset({_D.QUEUED}),
}
