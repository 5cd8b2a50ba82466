"""The clock: what becomes due, with a clock that is turned; a tick that is missed, late or doubled changes nothing."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import ledger
import make
import pytest
from make import Clock
from relays import Fake
from sqlalchemy import insert, update

from mailer import week
from mailer.context import App, find_issue, get_issue, list_issues
from mailer.errors import NotEnoughStories, WrongState
from mailer.issues import control, delivery, draft
from mailer.issues.clock import tick
from mailer.mail.render import Renderer
from mailer.model import DeliveryKind, DeliveryState, Issue, IssueState, Skip
from mailer.reasons import english
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Digest, Newsletter, Schedule
from mailer.store import deliveries as deliveries_module
from mailer.store import issues
from mailer.store.database import Store
from mailer.store.schema import deliveries, variants
from mailer.store.schema import issues as issues_table

T = make.slot().at  # 2026-11-26 09:00 in Tehran
pytestmark = make.only_sqlite


def turned(clock: Clock, **span: float) -> datetime:
    """Sets the clock to T + span."""
    return clock.set(T + timedelta(**span))


def states(app: App) -> dict[str, IssueState]:
    return {issue.slot: issue.state for issue in list_issues(app)}


def the_issue(app: App) -> Issue:
    return find_issue(app, make.SLOT)


def alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "mailer.alert"]


def an_issue_before(app: App, key: str = "1405-W35") -> None:
    """An older issue that reached a reader, so that this is not the first week."""
    app.store.write(lambda tx: issues.plan(tx, make.slot(key), make.slot(key).at, make.slot(key).at))
    issue = find_issue(app, key)

    def work(tx):  # type: ignore[no-untyped-def]
        make.put(tx, issue.id, IssueState.SENT)

    app.store.write(work)


@pytest.fixture(autouse=True)
def reader(store: Store) -> int:
    """Readers: an issue without recipients is sent as soon as it starts."""
    return make.subscriber(store)


# --- the good week ---------------------------------------------------------------------------------------------------
async def test_a_week_goes_by_itself(store: Store, tmp_path: Path, clock: Clock) -> None:
    relay = Fake()
    app = make.app(store, tmp_path, clock, relays=[relay])
    make.week_of_articles(store, T - timedelta(hours=30))
    turned(clock, hours=-25)
    tick(app)
    assert states(app) == {}, "not before its draft time"
    turned(clock, hours=-24)
    tick(app)
    assert states(app) == {make.SLOT: IssueState.DRAFT}
    assert the_issue(app).send_at == T
    turned(clock, seconds=-1)
    tick(app)
    assert states(app) == {make.SLOT: IssueState.DRAFT}
    turned(clock)
    for _ in range(3):
        tick(app)
    assert states(app) == {make.SLOT: IssueState.SENDING}
    assert (the_issue(app).number, the_issue(app).recipients, len(ledger.rows(store))) == (1, 1, 1)
    await Sender(app, Circuits()).run()
    tick(app)
    assert states(app) == {make.SLOT: IssueState.SENT}
    for hours in range(6 * 24 + 1):
        turned(clock, hours=hours)
        tick(app)
    await Sender(app, Circuits()).run()
    assert len(relay.taken) == 1
    assert set(states(app)) == {make.SLOT, "1405-W37"}


def test_until_t_the_stories_are_chosen_again_every_hour(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, T - timedelta(hours=30), count=6)
    turned(clock, hours=-24)
    tick(app)
    first = the_issue(app)
    make.keep(app.store, make.article(20, published=clock(), title="خبر تازهٔ روز", views=90_000), now=clock())
    clock.turn(minutes=59)
    tick(app)
    assert the_issue(app) == first
    clock.turn(minutes=1)
    tick(app)
    again = the_issue(app)
    assert (again.drafted_at, again.state) == (clock(), IssueState.DRAFT)
    assert "خبر تازهٔ روز" in {story.title for story in again.stories}


def test_a_clock_that_stepped_back_chooses_again_as_well(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, T - timedelta(hours=30))
    turned(clock, hours=-2)
    tick(app)
    turned(clock, hours=-20)
    tick(app)
    assert the_issue(app).drafted_at == clock()


def test_an_approved_draft_is_not_chosen_again(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, T - timedelta(hours=30))
    turned(clock, hours=-20)
    tick(app)
    approved = control.approve(app, None)
    clock.turn(hours=3)
    tick(app)
    assert the_issue(app).drafted_at == approved.drafted_at


# --- weeks that are not good -----------------------------------------------------------------------------------------
def test_too_late_is_skipped_with_an_alert(app: App, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    make.week_of_articles(app.store, T - timedelta(hours=30))
    turned(clock, hours=-20)
    tick(app)
    turned(clock, hours=24, seconds=1)
    tick(app)
    assert states(app) == {make.SLOT: IssueState.SKIPPED}
    assert "too late" in english(the_issue(app).reason)
    assert [said for said in alerts(caplog) if "was skipped: too late" in said]
    assert ledger.rows(app.store) == []


def test_just_within_max_late_it_still_goes_out(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, T - timedelta(hours=30))
    turned(clock, hours=-20)
    tick(app)
    turned(clock, hours=24)
    tick(app)
    assert states(app) == {make.SLOT: IssueState.SENDING}


def test_an_empty_week_is_skipped_at_t(app: App, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    turned(clock, hours=-20)
    tick(app)
    assert (the_issue(app).state, english(the_issue(app).reason)) == (
        IssueState.HELD,
        "too few stories: 0 of at least 5",
    )
    turned(clock)
    tick(app)
    assert (the_issue(app).state, english(the_issue(app).reason)) == (
        IssueState.SKIPPED,
        "there is nothing to send: no story in its time span",
    )
    assert len(alerts(caplog)) == 2
    with pytest.raises(NotEnoughStories):
        draft.freeze(app, the_issue(app))


def test_too_few_stories_are_held_until_a_person_releases_them(
    app: App, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    make.week_of_articles(app.store, T - timedelta(hours=30), count=3)
    turned(clock, hours=-20)
    tick(app)
    turned(clock, hours=1)
    tick(app)
    assert (the_issue(app).state, english(the_issue(app).reason)) == (
        IssueState.HELD,
        "too few stories: 3 of at least 5",
    )
    assert len(alerts(caplog)) == 1, "once, not at every choice"
    control.release(app, None)
    tick(app)
    assert states(app) == {make.SLOT: IssueState.SENDING}


def test_too_few_stories_pass_by_themselves_when_more_come(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, T - timedelta(hours=30), count=3)
    turned(clock, hours=-20)
    tick(app)
    make.week_of_articles(app.store, clock(), count=6, first=5)
    clock.turn(hours=1)
    tick(app)
    assert states(app) == {make.SLOT: IssueState.DRAFT}


def test_what_a_person_holds_stays_held(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, T - timedelta(hours=30))
    turned(clock, hours=-20)
    tick(app)
    control.hold(app, None)
    for hours in (-18, -1, 0, 5):
        turned(clock, hours=hours)
        tick(app)
    assert (the_issue(app).state, english(the_issue(app).reason)) == (IssueState.HELD, "held by an editor")
    control.release(app, None)
    tick(app)
    assert states(app) == {make.SLOT: IssueState.SENDING}


def test_approval_is_waited_for(store: Store, tmp_path: Path, clock: Clock) -> None:
    app = make.app(store, tmp_path, clock, schedule=Schedule(approval="required"))
    make.week_of_articles(store, T - timedelta(hours=30))
    turned(clock, hours=-20)
    tick(app)
    turned(clock, hours=2)
    tick(app)
    assert (the_issue(app).state, english(the_issue(app).reason)) == (IssueState.HELD, "approval is required")
    with pytest.raises(WrongState, match="approve"):
        control.release(app, None)
    control.approve(app, None)
    tick(app)
    assert states(app) == {make.SLOT: IssueState.SENDING}


def test_an_issue_that_cannot_be_made_is_held_and_stops_no_other(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    templates = tmp_path / "templates" / "mail"
    templates.mkdir(parents=True)
    (templates / "issue.html").write_text("{{ nobody.knows.this }}")
    app = make.app(store, tmp_path, clock)
    broken = replace(app, make_renderer=lambda: Renderer(templates.parent, make.TEMPLATES))
    make.week_of_articles(store, T - timedelta(hours=30))
    older = make.under_way(store, "1405-W35")
    store.write(lambda tx: deliveries_module.end_waiting(tx, older.id, DeliveryState.SKIPPED, Skip.PAUSED, T))
    store.write(lambda tx: deliveries_module.end_batches(tx, older.id))
    turned(clock, hours=-20)
    tick(broken)
    turned(clock)
    tick(broken)
    assert the_issue(app).state is IssueState.HELD
    assert english(the_issue(app).reason).startswith("cannot be made: ")
    assert [said for said in alerts(caplog) if "cannot be made" in said]
    assert find_issue(app, older.slot).state is IssueState.SENT, "the tick went on to the end"
    control.release(app, None)
    tick(app)
    assert states(app)[make.SLOT] is IssueState.SENDING


def test_whatever_is_wrong_with_one_issue_stops_no_other(app: App, clock: Clock) -> None:
    """Frozen, and of a calendar that is no longer ours: it can neither be started nor held."""
    strange = make.issue(app.store, "1405-W34", state=IssueState.DRAFT)
    stuck = make.issue(app.store, "1405-W35", state=IssueState.FROZEN)
    rename = update(issues_table).where(issues_table.c.id.in_((strange.id, stuck.id)))
    app.store.write(lambda tx: tx.execute(rename.values(slot="what-" + issues_table.c.slot, day=T.date())))
    over = make.under_way(app.store, "1405-W33")
    app.store.write(lambda tx: deliveries_module.end_waiting(tx, over.id, DeliveryState.SKIPPED, Skip.PAUSED, T))
    app.store.write(lambda tx: deliveries_module.end_batches(tx, over.id))
    turned(clock, hours=-20)
    tick(app)
    assert get_issue(app, over.id).state is IssueState.SENT, "the tick went on to the end"
    assert get_issue(app, strange.id).state is IssueState.HELD
    assert get_issue(app, stuck.id).state is IssueState.FROZEN


def test_approval_that_is_required_from_now_on_stops_a_draft(store: Store, tmp_path: Path, clock: Clock) -> None:
    make.week_of_articles(store, T - timedelta(hours=30))
    turned(clock, minutes=-5)
    tick(make.app(store, tmp_path, clock))
    strict = make.app(store, tmp_path, clock, schedule=Schedule(approval="required"))
    turned(clock)
    with pytest.raises(WrongState, match="waits for approval"):
        draft.freeze(strict, the_issue(strict))
    clock.set(the_issue(strict).send_at)
    tick(strict)
    assert (the_issue(strict).state, english(the_issue(strict).reason)) == (IssueState.HELD, "approval is required")
    control.approve(strict, None)
    tick(strict)
    assert the_issue(strict).state is IssueState.SENDING


# --- days of downtime ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("back", "out"),
    [
        ({"hours": -3}, {}),
        ({"hours": -1}, {"hours": 1}),
        ({"hours": 5}, {"hours": 7}),
        ({"hours": 23}, {"hours": 24}),
    ],
    ids=str,
)
def test_down_at_draft_time_editors_get_time_for_their_edits(
    app: App, clock: Clock, back: dict[str, float], out: dict[str, float]
) -> None:
    an_issue_before(app)
    make.week_of_articles(app.store, T - timedelta(hours=30))
    turned(clock, **back)
    tick(app)
    assert (the_issue(app).state, the_issue(app).send_at) == (IssueState.DRAFT, T + timedelta(**out))
    turned(clock, **out)
    tick(app)
    assert the_issue(app).state is IssueState.SENDING


def test_missed_weeks_become_rows_that_are_skipped(app: App, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    an_issue_before(app, "1405-W33")
    make.week_of_articles(app.store, T - timedelta(hours=30))
    turned(clock, hours=-20)
    tick(app)
    assert states(app) == {
        "1405-W33": IssueState.SENT,
        "1405-W34": IssueState.SKIPPED,
        "1405-W35": IssueState.SKIPPED,
        "1405-W36": IssueState.DRAFT,
    }
    assert [said for said in alerts(caplog) if "skipped" in said] == [
        "ALERT 2 issues, from 1405-W34 to 1405-W35, were skipped: too late: more than max_late after its time. "
        "No reader was mailed."
    ], "one alert, however many weeks"


def test_a_draft_as_of_years_ago_makes_no_missed_weeks(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, T - timedelta(hours=30))
    turned(clock, hours=-20)
    draft.draft(app, None, T - timedelta(days=3 * 365))
    tick(app)
    tick(app)
    assert len(states(app)) == 2, "that one and this week's"
    assert states(app)[make.SLOT] is IssueState.DRAFT


def test_the_first_issue_is_never_for_a_week_gone_by(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, T)
    turned(clock, hours=1)
    tick(app)
    assert states(app) == {}


def test_years_of_downtime_are_made_up_for(app: App, clock: Clock) -> None:
    an_issue_before(app)
    turned(clock, days=7 * 100, hours=-2)
    for _ in range(2):
        tick(app)
    found = list_issues(app)
    assert len(found) == len({issue.day for issue in found}) == 102
    assert {issue.state for issue in found[1:-1]} == {IssueState.SKIPPED}


def test_a_clock_that_was_fast_at_first_stops_no_week(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, T - timedelta(hours=30))
    turned(clock, days=30)
    draft.draft(app, "1405-W35", T - timedelta(days=8))
    turned(clock, hours=-20)
    tick(app)
    assert states(app)[make.SLOT] is IssueState.DRAFT


# --- as of -----------------------------------------------------------------------------------------------------------
def test_as_of_chooses_from_what_was_published_until_then(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, T - timedelta(days=14), first=0)
    make.week_of_articles(app.store, T - timedelta(days=1), first=20)
    then = T - timedelta(days=13)
    issue = draft.draft(app, as_of=then)
    assert issue.span is not None
    assert (issue.slot, issue.span.end) == ("1405-W35", then)
    assert issue.stories
    assert all(story.dated < then for story in issue.stories)


def test_draft_without_a_slot_takes_the_next_that_has_none(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, clock())
    assert draft.draft(app).slot == make.SLOT
    assert draft.draft(app).slot == make.SLOT, "the newest one while it is not final"
    clock.set(T - timedelta(hours=23))
    control.cancel(app, None)
    assert draft.draft(app).slot == "1405-W37"


# --- settings that are still those of the template -------------------------------------------------------------------
def test_an_issue_with_sample_settings_is_held_at_its_time_and_goes_out_once_they_are_set(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    make.subscriber(store, "narges@gmail.com")
    sample = Newsletter(from_="news@iran.example", base_url="http://localhost:8080")
    app = make.app(store, tmp_path, clock, newsletter=sample)
    make.week_of_articles(store, clock())
    for minutes in (-60, 0, 1, 61, 122):
        clock.set(T + timedelta(minutes=minutes))
        tick(app)
    held = the_issue(app)
    assert (held.state, held.reason and held.reason.args) == (IssueState.HELD, {"settings": "newsletter.base_url"})
    assert sum("sample values: newsletter.base_url" in line for line in alerts(caplog)) == 1
    clock.turn(hours=1)
    tick(make.app(store, tmp_path, clock))  # with another base_url
    assert the_issue(app).state is IssueState.SENDING


# --- every calendar --------------------------------------------------------------------------------------------------
def test_a_holiday_moves_the_day_and_never_makes_a_second_issue(store: Store, tmp_path: Path, clock: Clock) -> None:
    schedule = Schedule(holidays=(date(2026, 11, 26),))
    app = make.app(store, tmp_path, clock, schedule=schedule)
    slot = week.slot(make.SLOT, Newsletter(), schedule)
    assert slot.day == date(2026, 11, 27)
    make.week_of_articles(store, T - timedelta(hours=30))
    for hours in range(-30, 60, 2):
        clock.set(slot.at + timedelta(hours=hours))
        tick(app)
    assert list(states(app)) == [make.SLOT]


def test_no_story_twice_in_two_weeks(store: Store, tmp_path: Path, clock: Clock, reader: int) -> None:
    app = make.app(store, tmp_path, clock, digest=Digest(stories=5, min_stories=1))
    make.week_of_articles(store, T - timedelta(hours=30), count=10)
    turned(clock, hours=-20)
    tick(app)
    turned(clock)
    tick(app)
    first = the_issue(app)

    def accepted(tx):  # type: ignore[no-untyped-def]
        tx.execute(update(deliveries).where(deliveries.c.subscriber_id == reader).values(state="accepted"))

    store.write(accepted)
    turned(clock, days=6, hours=4)
    tick(app)
    second = find_issue(app, "1405-W37")
    assert first.stories
    assert not {story.url for story in first.stories} & {story.url for story in second.stories}


def test_finish_leaves_other_kinds_of_mail_alone(app: App, clock: Clock) -> None:
    issue = make.under_way(app.store)

    def work(tx):  # type: ignore[no-untyped-def]
        values = {"kind": DeliveryKind.TEST, "issue_id": issue.id, "subject": "", "html": "", "text": ""}
        made = tx.execute(insert(variants).values(**values, sha256="", created_at=clock())).inserted_primary_key[0]
        deliveries_of = {"kind": DeliveryKind.TEST, "key": "test.1", "issue_id": issue.id, "recipient": "e@example.org"}
        tx.execute(
            insert(deliveries).values(
                **deliveries_of, variant_id=made, state="rejected", reason="hard", created_at=clock()
            )
        )

    app.store.write(work)
    assert delivery.status(app, issue).counts[DeliveryState.REJECTED] == 0
    assert delivery.finish(app) == []
