"""The arrows between states, of issues and of deliveries, as data.

The store turns them into guarded statements and the tests walk them; nothing here changes anything, and nothing here
knows *when* an arrow is due.
"""

from collections.abc import Mapping
from enum import StrEnum

from mailer.errors import WrongState
from mailer.model import DeliveryState, IssueState


class IssueEvent(StrEnum):
    """What can happen to an issue."""

    DRAFT = "draft"  # stories chosen, or chosen anew
    HOLD = "hold"  # too few stories, approval wanted, or an editor said so
    RELEASE = "release"  # an editor lets it go out at T
    FREEZE = "freeze"  # T reached: the content is final
    START = "start"  # the recipients are final
    PAUSE = "pause"
    RESUME = "resume"
    FINISH_SENT = "finish_sent"  # every delivery is terminal, and all who stayed have it
    FINISH_PARTIAL = "finish_partial"  # every delivery is terminal, and some do not have it
    RETRY = "retry"  # what was rejected, expired or is unknown is queued once more
    SKIP = "skip"  # too late, or nothing to say
    CANCEL = "cancel"
    REOPEN = "reopen"  # only when nothing was accepted


_I = IssueState

# event → (the states it may come from, the state it leads to). No event leads back from SENT, and none but RETRY from
# PARTIAL: those readers have the mail.
ARROWS: Mapping[IssueEvent, tuple[frozenset[IssueState], IssueState]] = {
    IssueEvent.DRAFT: (frozenset({_I.PLANNED, _I.DRAFT}), _I.DRAFT),
    IssueEvent.HOLD: (frozenset({_I.PLANNED, _I.DRAFT, _I.HELD}), _I.HELD),
    IssueEvent.RELEASE: (frozenset({_I.DRAFT, _I.HELD}), _I.DRAFT),
    IssueEvent.FREEZE: (frozenset({_I.DRAFT}), _I.FROZEN),
    IssueEvent.START: (frozenset({_I.FROZEN}), _I.SENDING),
    IssueEvent.PAUSE: (frozenset({_I.SENDING}), _I.PAUSED),
    IssueEvent.RESUME: (frozenset({_I.PAUSED}), _I.SENDING),
    IssueEvent.FINISH_SENT: (frozenset({_I.SENDING}), _I.SENT),
    IssueEvent.FINISH_PARTIAL: (frozenset({_I.SENDING}), _I.PARTIAL),
    IssueEvent.RETRY: (frozenset({_I.PARTIAL}), _I.SENDING),
    IssueEvent.SKIP: (frozenset({_I.PLANNED, _I.DRAFT, _I.HELD}), _I.SKIPPED),
    IssueEvent.CANCEL: (
        frozenset({_I.PLANNED, _I.DRAFT, _I.HELD, _I.FROZEN, _I.SENDING, _I.PAUSED, _I.SKIPPED}),
        _I.CANCELLED,
    ),
    IssueEvent.REOPEN: (frozenset({_I.CANCELLED}), _I.PLANNED),
}

FINAL = frozenset({_I.SENT, _I.PARTIAL, _I.SKIPPED, _I.CANCELLED})
EDITABLE = frozenset({_I.DRAFT, _I.HELD})

STARTED = frozenset({_I.SENDING, _I.PAUSED, _I.SENT, _I.PARTIAL})

_D = DeliveryState

TERMINAL = frozenset({_D.ACCEPTED, _D.REJECTED, _D.UNKNOWN, _D.SKIPPED, _D.EXPIRED})

MAYBE_RECEIVED = frozenset({_D.ACCEPTED, _D.UNKNOWN, _D.SENDING})

# Out of a terminal state leads only a person's command: `issue retry` (rejected, unknown, expired), or reopening a
# cancelled issue (skipped). Whoever has the mail never gets it again: nothing leads out of ACCEPTED.
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


def step(state: IssueState, event: IssueEvent) -> IssueState:
    """The state after the event. Raises WrongState when the event is not possible now."""
    sources, target = ARROWS[event]
    if state not in sources:
        possible = ", ".join(source.value for source in IssueState if source in sources)
        raise WrongState(f"The issue is {state.value}: «{event.value}» is possible only when it is {possible}.")
    return target


def settled(counts: Mapping[DeliveryState, int]) -> IssueState | None:
    """How an issue with these deliveries ends; None while there is still something to do.

    SENT when all are accepted or skipped, also when there are none; PARTIAL when some were rejected, expired or are
    unknown.
    """
    there = {state for state, count in counts.items() if count > 0}
    if there - TERMINAL:
        return None
    if there <= {_D.ACCEPTED, _D.SKIPPED}:
        return IssueState.SENT
    return IssueState.PARTIAL
