"""The states of issues and deliveries, and the arrows between the states of an issue, as data.

`store.issues.step` turns an arrow into a guarded statement. Nothing here changes anything or knows what is due.
"""

from collections.abc import Mapping
from enum import StrEnum

from mailer.model import DeliveryState, IssueState


class IssueEvent(StrEnum):
    """An event in the life of an issue."""

    DRAFT = "draft"  # stories chosen, for the first time or again
    HOLD = "hold"  # too few stories, approval required, or an editor asked for it
    RELEASE = "release"  # an editor lets it go out at its time
    FREEZE = "freeze"  # its time has come: the content is final
    START = "start"  # the recipients are final
    PAUSE = "pause"
    RESUME = "resume"
    FINISH_SENT = "finish_sent"  # every delivery has ended, and every reader who stayed has the mail
    FINISH_PARTIAL = "finish_partial"  # every delivery has ended, and some readers do not have the mail
    RETRY = "retry"  # rejected, expired or unknown deliveries are queued once more
    SKIP = "skip"  # too late, or no stories
    CANCEL = "cancel"
    REOPEN = "reopen"  # only if no reader may have the mail


_I = IssueState

# Event → the states that it may come from, and the state that it leads to. No event leads out of SENT, and only RETRY
# out of PARTIAL: those readers have the mail.
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

EDITABLE = frozenset({_I.DRAFT, _I.HELD})
CHOOSABLE = frozenset({_I.PLANNED, _I.DRAFT, _I.HELD})  # its stories can still be chosen
STARTED = frozenset({_I.SENDING, _I.PAUSED, _I.SENT, _I.PARTIAL})
FINAL = frozenset({_I.SENT, _I.PARTIAL, _I.SKIPPED, _I.CANCELLED})

_D = DeliveryState

# Only a person's command leads out of these: `issue retry` (rejected, unknown, expired), or reopening a cancelled issue
# (skipped). Nothing leads out of ACCEPTED: a reader who has the mail never gets it again.
TERMINAL = frozenset({_D.ACCEPTED, _D.REJECTED, _D.UNKNOWN, _D.SKIPPED, _D.EXPIRED})
MAYBE_RECEIVED = frozenset({_D.ACCEPTED, _D.UNKNOWN, _D.SENDING})


def end_of(counts: Mapping[DeliveryState, int]) -> IssueState | None:
    """The state in which an issue with these deliveries ends, or None while some of them have not ended.

    SENT if all are accepted or skipped, or there are none; PARTIAL if some were rejected, expired or are unknown.
    """
    states = {state for state, count in counts.items() if count > 0}
    if states - TERMINAL:
        return None
    return IssueState.SENT if states <= {_D.ACCEPTED, _D.SKIPPED} else IssueState.PARTIAL
