"""Defines how an issue moves from state to state, and which states of issues and deliveries belong together.

The table ARROWS contains the allowed moves, and `store.issues.step` makes a move with one UPDATE. Other modules decide
when an issue moves.
"""

from collections.abc import Mapping
from enum import StrEnum

from mailer.model import DeliveryState, IssueState


class IssueEvent(StrEnum):
    """An event in the life of an issue."""

    DRAFT = "draft"  # the program chose the issue's stories, for the first time or again
    HOLD = "hold"  # the issue has too few stories or needs approval, or an editor held the issue
    RELEASE = "release"  # an editor allows the issue to go out at its time
    FREEZE = "freeze"  # the sending time has come, and the stories and texts become final
    START = "start"  # sending begins, and the recipients become final
    PAUSE = "pause"
    RESUME = "resume"
    FINISH_SENT = "finish_sent"  # every delivery has ended, and every reader has the mail or was skipped
    FINISH_PARTIAL = "finish_partial"  # every delivery has ended, but some readers may not have the mail
    RETRY = "retry"  # rejected, expired or unknown deliveries are queued once more
    SKIP = "skip"  # it is too late to send the issue, or the issue has no stories
    CANCEL = "cancel"
    REOPEN = "reopen"  # a person plans a cancelled issue again; allowed only if no reader can have the issue's mail


_I = IssueState

# Maps each event to the states in which the event is allowed, and to the state to which the event leads. No event leads
# out of SENT, and only RETRY leads out of PARTIAL, because readers have received those issues.
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
    IssueEvent.CANCEL: (frozenset(_I) - {_I.SENT, _I.PARTIAL, _I.CANCELLED}, _I.CANCELLED),
    IssueEvent.REOPEN: (frozenset({_I.CANCELLED}), _I.PLANNED),
}

EDITABLE = frozenset({_I.DRAFT, _I.HELD})
CHOOSABLE = frozenset({_I.PLANNED, _I.DRAFT, _I.HELD})  # states in which the program still chooses the stories
STARTED = frozenset({_I.SENDING, _I.PAUSED, _I.SENT, _I.PARTIAL})
FINAL = frozenset({_I.SENT, _I.PARTIAL, _I.SKIPPED, _I.CANCELLED})

_D = DeliveryState

# A delivery leaves these states only by a person's command: `issue retry` (rejected, unknown, expired), or reopening a
# cancelled issue (skipped). A delivery never leaves ACCEPTED, because a reader must not get the same mail twice.
TERMINAL = frozenset({_D.ACCEPTED, _D.REJECTED, _D.UNKNOWN, _D.SKIPPED, _D.EXPIRED})
MAYBE_RECEIVED = frozenset({_D.ACCEPTED, _D.UNKNOWN, _D.SENDING})


def end_of(counts: Mapping[DeliveryState, int]) -> IssueState | None:
    """Returns the state in which an issue ends, given how many of its deliveries are in each state.

    Returns None while some deliveries have not ended. Otherwise returns PARTIAL if some deliveries were rejected, have
    expired or are unknown, and SENT if not.
    """
    states = {state for state, count in counts.items() if count > 0}
    if states - TERMINAL:
        return None
    return IssueState.SENT if states <= {_D.ACCEPTED, _D.SKIPPED} else IssueState.PARTIAL
