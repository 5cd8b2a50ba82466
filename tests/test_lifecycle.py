"""The state tables: each arrow of the contract is there, and no other."""

import pytest
from delivery_arrows import DELIVERY_ARROWS
from hypothesis import given
from hypothesis import strategies as st

from mailer.lifecycle import ARROWS, EDITABLE, FINAL, TERMINAL, IssueEvent, end_of
from mailer.model import DeliveryState, IssueState

EXPECTED = {
    "draft": ("planned draft", "draft"),
    "hold": ("planned draft held", "held"),
    "release": ("draft held", "draft"),
    "freeze": ("draft", "frozen"),
    "start": ("frozen", "sending"),
    "pause": ("sending", "paused"),
    "resume": ("paused", "sending"),
    "finish_sent": ("sending", "sent"),
    "finish_partial": ("sending", "partial"),
    "retry": ("partial", "sending"),
    "skip": ("planned draft held", "skipped"),
    "cancel": ("planned draft held frozen sending paused skipped", "cancelled"),
    "reopen": ("cancelled", "planned"),
}


def test_the_arrows_are_those_of_the_contract() -> None:
    drawn = {event: (set(sources), target) for event, (sources, target) in ARROWS.items()}
    assert drawn == {event: (set(sources.split()), target) for event, (sources, target) in EXPECTED.items()}


def test_every_state_has_a_way_in_and_an_end() -> None:
    assert {target for _, target in ARROWS.values()} == set(IssueState)
    for state in set(IssueState) - FINAL:
        assert _reachable(state) & FINAL


def _reachable(state: IssueState) -> set[IssueState]:
    seen = {state}
    while True:
        more = {target for sources, target in ARROWS.values() if sources & seen} - seen
        if not more:
            return seen
        seen |= more


@given(st.lists(st.sampled_from(IssueEvent), max_size=30))
def test_no_way_leads_back_from_readers(events: list[IssueEvent]) -> None:
    state = IssueState.PLANNED
    had_started = False
    for event in events:
        sources, after = ARROWS[event]
        if state not in sources:
            continue
        assert state is not IssueState.SENT
        if had_started and event is not IssueEvent.REOPEN:
            assert after not in EDITABLE | {IssueState.PLANNED, IssueState.FROZEN}
        had_started = after in (IssueState.SENDING, IssueState.PAUSED, IssueState.PARTIAL, IssueState.CANCELLED)
        state = after


def test_a_delivery_ends_in_a_terminal_state_and_an_accepted_one_for_ever() -> None:
    assert set(DELIVERY_ARROWS) == set(DeliveryState)
    assert not DELIVERY_ARROWS[DeliveryState.ACCEPTED]
    for state in TERMINAL - {DeliveryState.ACCEPTED}:
        assert DELIVERY_ARROWS[state] == {DeliveryState.QUEUED}
    sources = {state for state, targets in DELIVERY_ARROWS.items() if DeliveryState.ACCEPTED in targets}
    assert sources == {DeliveryState.SENDING}


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, IssueState.SENT),
        ({DeliveryState.QUEUED: 0, DeliveryState.ACCEPTED: 3}, IssueState.SENT),
        ({DeliveryState.SKIPPED: 2, DeliveryState.ACCEPTED: 3}, IssueState.SENT),
        ({DeliveryState.SKIPPED: 2}, IssueState.SENT),
        ({DeliveryState.REJECTED: 1, DeliveryState.ACCEPTED: 3}, IssueState.PARTIAL),
        ({DeliveryState.EXPIRED: 1}, IssueState.PARTIAL),
        ({DeliveryState.UNKNOWN: 1, DeliveryState.ACCEPTED: 3}, IssueState.PARTIAL),
        ({DeliveryState.QUEUED: 1, DeliveryState.ACCEPTED: 3}, None),
        ({DeliveryState.SENDING: 1, DeliveryState.REJECTED: 3}, None),
        ({DeliveryState.DEFERRED: 1}, None),
    ],
)
def test_how_an_issue_ends(counts: dict[DeliveryState, int], expected: IssueState | None) -> None:
    assert end_of(counts) is expected


@given(st.dictionaries(st.sampled_from(DeliveryState), st.integers(0, 5)))
def test_an_issue_ends_when_no_delivery_is_open(counts: dict[DeliveryState, int]) -> None:
    open_ones = sum(
        counts.get(state, 0) for state in (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED)
    )
    assert (end_of(counts) is None) == (open_ones > 0)
