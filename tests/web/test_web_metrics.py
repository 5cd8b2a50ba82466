"""`/metrics`: Prometheus can read it, the numbers are right, and it contains nothing about a reader."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import make
from make import Clock
from prometheus_client.parser import text_string_to_metric_families
from relays import OK, Fake
from starlette.testclient import TestClient

from mailer.context import App
from mailer.errors import RelayDown
from mailer.model import EventKind, IssueState, Method, NewEvent, Outcome, Rejected, Rejection, Reply
from mailer.model import SubscriberStatus as Status
from mailer.operations.figures import Monitor
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Delivery
from mailer.store import events, feeds, lanes, subscribers
from mailer.store.database import Store
from mailer.web import metrics

ROOT = Path(__file__).parents[2]
UP, DOWN = "mail.iran.example:25", "down.iran.example:587"
Labels = tuple[tuple[str, str], ...]


async def answer(recipient: str) -> Outcome:
    """Accept every mail except those to `dead…`."""
    if recipient.startswith("dead"):
        return Rejected(Rejection.HARD, Reply("dot", 550, "5.1.1", "unknown"))
    return OK


def up() -> Fake:
    return Fake(answer, UP)


def down() -> Fake:
    return Fake(name=DOWN, down=True)


def scrape(monitor: Monitor) -> dict[str, dict[Labels, float]]:
    with TestClient(metrics.create(monitor)) as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "@" not in answer.text, "nothing of a reader"
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation
        if family.name.startswith("mailer_"):
            assert re.fullmatch(r"[a-z][a-z_]+", family.name)
            assert family.type in ("gauge", "counter")
            for sample in family.samples:
                labels = tuple(sorted(sample.labels.items()))
                assert labels not in found.setdefault(sample.name, {})
                found[sample.name][labels] = sample.value
    return found


def sending(store: Store, folder: Path, clock: Clock) -> App:
    make.subscribers_of(store, ["a@gmail.com", "b@example.org", "dead@example.org"])
    return make.app(store, folder, clock, relays=[up(), down()], delivery=Delivery(connections=1))


def test_before_the_first_issue(app: App) -> None:
    found = scrape(Monitor(app, Circuits()))
    assert found["mailer_database_up"] == {(): 1}
    assert found["mailer_queue_mails"] == found["mailer_queue_oldest_age_seconds"] == {(): 0}
    assert "mailer_issue_state" not in found
    assert "mailer_last_tick_timestamp_seconds" not in found


def test_an_issue_under_way(store: Store, tmp_path: Path, clock: Clock) -> None:
    app = sending(store, tmp_path, clock)
    issue = make.under_way(store)
    clock.turn(minutes=5)
    circuits = Circuits()
    slot = ("slot", issue.slot)
    before = scrape(Monitor(app, circuits, lambda: 1_700_000_000.0))
    assert before["mailer_last_tick_timestamp_seconds"] == {(): 1_700_000_000}
    assert (before["mailer_queue_mails"][()], before["mailer_queue_oldest_age_seconds"][()]) == (3, 300)
    assert before["mailer_issue_deliveries"][slot, ("state", "queued")] == 3
    asyncio.run(Sender(app, circuits).run())
    after = scrape(Monitor(app, circuits))
    states = {dict(labels)["state"]: value for labels, value in after["mailer_issue_deliveries"].items()}
    assert (states["accepted"], states["rejected"], states["queued"]) == (2, 1, 0)
    assert sum(states.values()) == after["mailer_issue_recipients"][(slot,)] == 3
    assert {k: v for k, v in after["mailer_issue_state"].items() if v} == {(slot, ("state", "sending")): 1}
    assert after["mailer_issue_started_timestamp_seconds"][(slot,)] == make.NOW.timestamp()
    mails = {tuple(dict(labels).values()): value for labels, value in after["mailer_mails_total"].items() if value}
    assert mails == {("accepted", UP): 2, ("rejected", UP): 1}
    assert after["mailer_relay_connections"] == {(("relay", UP),): 0, (("relay", DOWN),): 0}


def test_a_relay_that_is_down(store: Store, tmp_path: Path, clock: Clock) -> None:
    app = make.app(store, tmp_path, clock, relays=[down()])
    circuits = Circuits()

    async def fail() -> None:
        try:
            await circuits.connect(app.relays)
        except RelayDown:
            return

    assert scrape(Monitor(app, circuits))["mailer_relay_circuit_open"] == {(("relay", DOWN),): 0}
    asyncio.run(fail())
    assert scrape(Monitor(app, circuits))["mailer_relay_circuit_open"] == {(("relay", DOWN),): 1}


def test_subscribers_by_status_and_leavings_by_method(app: App, clock: Clock) -> None:
    first, *_ = make.readers(app.store, 3)
    app.store.write(lambda tx: subscribers.move(tx, first, Status.UNSUBSCRIBED, from_=(Status.ACTIVE,)))
    app.store.write(lambda tx: events.record(tx, [first], NewEvent(EventKind.UNSUBSCRIBED, clock(), Method.ONE_CLICK)))
    found = scrape(Monitor(app, Circuits()))
    assert {k: v for k, v in found["mailer_subscribers"].items() if v} == {
        (("status", "active"),): 2,
        (("status", "unsubscribed"),): 1,
    }
    assert {k: v for k, v in found["mailer_left_in_a_week"].items() if v} == {(("method", "one_click"),): 1}


def test_lanes_and_sources(app: App, clock: Clock) -> None:
    make.issue(app.store)
    now = clock()
    app.store.write(lambda tx: lanes.add(tx, "gmail", 1, lanes.Tally(10, 10), 1000, now))
    app.store.write(lambda tx: lanes.pause(tx, "gmail", now + timedelta(hours=1), "550 for reader@gmail.com"))
    source = "https://www.iran.example/rss/geheim?key=geheim"
    app.store.write(lambda tx: feeds.claim(tx, source, now))
    app.store.write(lambda tx: feeds.failed(tx, source, problem="404", failures=3, now=now, next_at=now))
    found = scrape(Monitor(app, Circuits()))
    assert (found["mailer_lanes_paused"], found["mailer_lane_paused"]) == ({(): 1}, {(("lane", "gmail"),): 1})
    [(labels, failures)] = found["mailer_source_failures"].items()
    assert re.fullmatch(r"www\.iran\.example [0-9a-f]{8}", dict(labels)["source"])
    assert failures == 3


def test_without_the_database_a_process_reports_its_own_figures(store: Store, tmp_path: Path, clock: Clock) -> None:
    app = make.app(store, tmp_path, clock, relays=[up()])
    broken = make.app(Store("postgresql://nobody@127.0.0.1:1/none"), tmp_path, clock, relays=app.relays)
    found = scrape(Monitor(broken, Circuits()))
    assert found["mailer_database_up"] == {(): 0}
    assert found["mailer_relay_connections"] == {(("relay", UP),): 0}


def test_scrapes_within_a_few_seconds_share_one_reading(app: App) -> None:
    seconds = [0.0]
    monitor = Monitor(app, Circuits(), clock=lambda: seconds[0])
    assert "mailer_issue_state" not in scrape(monitor)
    make.issue(app.store)
    seconds[0] = 4.0
    assert "mailer_issue_state" not in scrape(monitor)
    seconds[0] = 6.0
    assert "mailer_issue_state" in scrape(monitor)


def test_the_document_names_every_metric(app: App, clock: Clock) -> None:
    make.issue(app.store, state=IssueState.SENDING)
    app.store.write(lambda tx: tx.exec_driver_sql("UPDATE issues SET started_at = planned_at"))
    told = set(scrape(Monitor(app, Circuits(), lambda: 1.0))) | {
        "mailer_mails_total",
        "mailer_relay_connections",
        "mailer_relay_circuit_open",
        "mailer_lane_paused",
        "mailer_source_failures",
        "mailer_subscribers",
        "mailer_left_in_a_week",
    }
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(mailer_\w+)", page, re.MULTILINE)) == told
