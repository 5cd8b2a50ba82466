"""Defines how an issue moves from state to state, and which states of issues and deliveries belong together.

The moves, called arrows, are data, and `store.issues.step` turns an arrow into an UPDATE. Other modules decide when an
issue moves.
"""

from collections.abc import Mapping
from enum import StrEnum

from mailer.model import DeliveryState, IssueState


class IssueEvent(StrEnum):
    """An event in the life of an issue."""

    DRAFT = "draft"  # its stories were chosen, for the first time or again
    HOLD = "hold"  # it has too few stories, approval is required, or an editor held it
    RELEASE = "release"  # an editor allows the issue to go out at its time
    FREEZE = "freeze"  # its time has come, and its content becomes final
    START = "start"  # sending begins, and its recipients are final
    PAUSE = "pause"
    RESUME = "resume"
    FINISH_SENT = "finish_sent"  # every delivery has ended, and every reader has the mail or was skipped
    FINISH_PARTIAL = "finish_partial"  # every delivery has ended, but some readers may not have the mail
    RETRY = "retry"  # rejected, expired or unknown deliveries are queued once more
    SKIP = "skip"  # it is too late to send it, or it has no stories
    CANCEL = "cancel"
    REOPEN = "reopen"  # a person plans a cancelled issue again; allowed only if no reader can have its mail


_I = IssueState

# Maps each event to the states in which it is allowed and to the state that it leads to. No event leads out of SENT,
# and only RETRY leads out of PARTIAL, because readers have received those issues.
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
# cancelled issue (skipped). It never leaves ACCEPTED: a reader who has the mail does not get it a second time.
TERMINAL = frozenset({_D.ACCEPTED, _D.REJECTED, _D.UNKNOWN, _D.SKIPPED, _D.EXPIRED})
MAYBE_RECEIVED = frozenset({_D.ACCEPTED, _D.UNKNOWN, _D.SENDING})


def end_of(counts: Mapping[DeliveryState, int]) -> IssueState | None:
    """Returns the state in which an issue ends, given how many of its deliveries are in each state.

    Returns SENT if all deliveries were accepted or skipped or there are none, PARTIAL if some were rejected, have
    expired or are unknown, and None while some have not ended.
    """
    states = {state for state, count in counts.items() if count > 0}
    if states - TERMINAL:
        return None
    return IssueState.SENT if states <= {_D.ACCEPTED, _D.SKIPPED} else IssueState.PARTIAL
