"""Which issue a command means without a slot, and what becomes of issues that were drafted ahead or cancelled."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import make
import pytest
from make import Clock
from relays import Fake
from sqlalchemy import Connection

from mailer.context import App, find_issue, list_issues
from mailer.errors import NoSuchIssue, UsageError, WrongState
from mailer.issues import control, draft, preview, which
from mailer.issues.clock import tick
from mailer.model import Issue, IssueState, Slot
from mailer.settings import Digest
from mailer.store import issues
from mailer.store.database import Store

T = make.slot().at
pytestmark = make.only_sqlite
Rule = Callable[[App, None], Issue]


def has(app: App, **states: str) -> None:
    """Adds issues. `W36="draft"` adds a draft for the slot 1405-W36."""
    for name, state in states.items():
        slot = make.slot(f"1405-{name}")

        def work(tx: Connection, slot: Slot = slot, state: str = state) -> None:
            issues.plan(tx, slot, slot.at, slot.at - timedelta(days=1))
            found = issues.find(tx, slot.key)
            assert found is not None
            gone = {"started_at": slot.at} if state in ("sending", "paused", "sent", "partial") else {}
            make.put(tx, found.id, IssueState(state), **gone)

        app.store.write(work)


@pytest.mark.parametrize(
    ("rule", "states", "wanted"),
    [
        (which.to_edit, {"W36": "draft", "W37": "held", "W35": "sent"}, "W36"),
        (which.to_edit, {"W36": "frozen", "W37": "held", "W38": "draft"}, "W37"),
        (which.to_edit, {"W36": "draft", "W34": "held"}, "W36"),  # W34 is too late to go out
        (which.to_edit, {"W35": "sent", "W34": "held"}, "W34"),
        (which.to_edit, {"W36": "paused", "W35": "sent"}, "W36"),
        (which.to_show, {"W36": "draft", "W37": "draft"}, "W36"),
        (which.to_show, {"W36": "sending", "W37": "draft"}, "W37"),
        (which.to_show, {"W36": "sending", "W37": "cancelled"}, "W36"),
        (which.to_show, {"W36": "sent", "W37": "cancelled"}, "W37"),
        (which.under_way, {"W36": "sending", "W37": "draft", "W38": "cancelled"}, "W36"),
        (which.under_way, {"W35": "paused", "W36": "sending"}, "W36"),
        (which.under_way, {"W35": "frozen", "W36": "paused"}, "W36"),
        (which.under_way, {"W35": "sent", "W36": "draft", "W39": "held"}, "W36"),
        (which.under_way, {"W35": "sent", "W36": "cancelled"}, "W36"),
        (which.to_send, {"W35": "sent", "W36": "draft", "W39": "draft"}, "W36"),
        (which.to_send, {"W36": "draft", "W39": "frozen"}, "W39"),
        (which.to_send, {"W35": "sent", "W36": "cancelled"}, "W35"),
        (which.to_cancel, {"W35": "sent", "W39": "draft", "W36": "cancelled"}, "W39"),
        (which.gone_out, {"W35": "partial", "W36": "draft", "W37": "cancelled"}, "W35"),
        (which.gone_out, {"W35": "partial", "W36": "sending", "W34": "sent"}, "W36"),
        (which.gone_out, {"W36": "draft", "W35": "cancelled"}, "W36"),
    ],
)
def test_which_issue_is_meant(app: App, rule: Rule, states: dict[str, str], wanted: str) -> None:
    has(app, **states)
    assert rule(app, None).slot == f"1405-{wanted}"


def test_resume_means_the_paused_issue(app: App) -> None:
    has(app, W36="sending", W35="paused")
    assert which.under_way(app, None, first=IssueState.PAUSED).slot == "1405-W35"


@pytest.mark.parametrize("rule", [which.to_edit, which.to_cancel])
def test_what_is_not_there_is_said(app: App, rule: Rule) -> None:
    with pytest.raises(NoSuchIssue, match="There is no issue yet"):
        rule(app, None)
    has(app, W36="cancelled")
    with pytest.raises(WrongState, match="The newest issue is 1405-W36, which is cancelled"):
        rule(app, None)


def test_an_emergency_stops_what_is_being_sent(app: App) -> None:
    has(app, W36="sending", W37="draft", W38="cancelled")
    assert (control.pause(app, None).slot, control.resume(app, None).slot) == ("1405-W36", "1405-W36")
    with pytest.raises(UsageError, match=r"2 issues are open: 1405-W36 \(sending\), 1405-W37 \(draft\)"):
        control.cancel(app, None)


# --- drafts ----------------------------------------------------------------------------------------------------------
def test_a_slot_further_ahead_is_asked_for_by_name(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock())
    with pytest.raises(UsageError, match="further ahead than the next slot, 1405-W36"):
        draft.draft(app, "1405-W37")
    assert list_issues(app) == []
    with pytest.raises(UsageError, match="further ahead than the next slot, 1405-W36"):
        draft.draft(app, "1405-W38", as_of=T + timedelta(days=14))
    assert draft.draft(app, "1405-W38", ahead=True).slot == "1405-W38"
    assert draft.draft(app, "1405-W38").slot == "1405-W38", "it is there already"
    assert draft.draft(app).slot == "1405-W36"
    has(app, W37="cancelled")
    sent = find_issue(app, "1405-W36")
    app.store.write(lambda tx: make.put(tx, sent.id, IssueState.SENT, started_at=T))
    assert draft.draft(app).slot == "1405-W38", "only its slot reopens what was cancelled"
    assert draft.draft(app, "1405-W37").slot == "1405-W37"


def test_a_draft_is_not_made_of_what_is_being_sent(app: App) -> None:
    has(app, W36="frozen")
    with pytest.raises(WrongState, match=r"1405-W36 is frozen: .* `mailer issue draft 1405-W37` drafts the next one"):
        draft.draft(app)
    assert draft.draft(app, "1405-W37").slot == "1405-W37"


def test_a_draft_made_ahead_takes_no_stories_of_an_earlier_week(store: Store, tmp_path: Path, clock: Clock) -> None:
    app = make.app(store, tmp_path, clock, digest=Digest(stories=5, min_stories=1))
    make.week_of_articles(store, clock(), count=5)
    ahead = {story.article_id for story in draft.draft(app, "1405-W38", ahead=True).stories}
    assert {story.article_id for story in draft.draft(app).stories} == ahead
    assert not draft.draft(app, "1405-W38").stories


# --- cancelling ------------------------------------------------------------------------------------------------------
async def test_cancelled_early_a_week_is_drafted_as_usual(store: Store, tmp_path: Path, clock: Clock) -> None:
    app = make.app(store, tmp_path, clock, relays=[Fake()])
    make.week_of_articles(store, clock())
    mistake = draft.freeze(app, draft.draft(app, "1405-W37", ahead=True))
    await preview.send_test(app, mistake, ["editor@iran.example"])
    done = control.cancel(app, None)
    opens = make.slot("1405-W37").at - timedelta(days=1)
    assert (done.issue.id, done.issue.state, done.window_opens) == (mistake.id, IssueState.CANCELLED, opens)
    assert list_issues(app) == []
    for hours in range(-48, 8 * 24, 6):
        clock.set(T + timedelta(hours=hours))
        tick(app)
    assert [issue.slot for issue in list_issues(app)] == ["1405-W37", "1405-W36"]


def test_cancelled_in_its_window_a_week_stays_without_an_issue(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock())
    clock.set(T - timedelta(hours=23))
    tick(app)
    done = control.cancel(app, None)
    assert (done.window_opens, done.reached) == (None, False)
    for hours in range(-23, 6, 2):
        clock.set(T + timedelta(hours=hours))
        tick(app)
    assert [issue.state for issue in list_issues(app)] == [IssueState.CANCELLED]
    clock.set(T - timedelta(hours=1))
    assert draft.draft(app, make.SLOT).state is IssueState.DRAFT


def test_weeks_before_a_draft_made_ahead_are_not_forgotten(
    app: App, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    make.week_of_articles(app.store, clock())
    has(app, W35="sent")
    draft.draft(app, "1405-W39", ahead=True)
    clock.set(make.slot("1405-W38").at + timedelta(days=4))
    tick(app)
    assert "3 issues, from 1405-W36 to 1405-W38, were skipped" in caplog.text
