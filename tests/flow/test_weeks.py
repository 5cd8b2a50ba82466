"""A year of weeks with three processes on one database: one issue for each slot, one mail a week for each reader."""

import random
import subprocess
from collections import Counter
from datetime import timedelta
from pathlib import Path

import deployment
import make
import pytest
from deployment import Deployment, readers, recorded

from mailer import week
from mailer.context import App, list_issues
from mailer.model import IssueState
from mailer.settings import Newsletter, Schedule

pytestmark = pytest.mark.slow

WEEKS, PROCESSES, READERS = 53, 3, 3
# Steps of a week, counted from T: drafted, chosen again, sent, and nothing to do.
STEPS = (
    timedelta(hours=-23),
    timedelta(hours=-1),
    timedelta(seconds=20),
    timedelta(days=2),
)


def tell(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def hear(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def live(made: Deployment, app: App, weeks: int) -> None:
    """Let three processes run through this many weeks."""
    rng, newsletter, schedule = random.Random(53), Newsletter(), Schedule()
    slot = week.slot(make.SLOT, newsletter, schedule)
    make.readers(app.store, READERS, slot.at - timedelta(days=30))
    processes = [made.start("weeks") for _ in range(PROCESSES)]
    try:
        assert [hear(each) for each in processes] == ["ready"] * PROCESSES
        for number in range(weeks):
            for step in STEPS:
                if step is STEPS[0]:
                    make.week_of_articles(app.store, slot.at + step, count=2, first=2 * number)
                # Their clocks differ by seconds, and sometimes one of them does nothing for a while.
                there = [each for each in processes if rng.random() < 0.9] or processes[:1]
                for each in there:
                    tell(each, (slot.at + step + timedelta(seconds=rng.uniform(-5, 5))).isoformat())
                assert [hear(each) for each in there] == ["ok"] * len(there)
            slot = week.following(slot, newsletter, schedule)
    finally:
        for each in processes:
            each.communicate(timeout=60)


def test_fifty_three_weeks_with_three_processes(store_url: str, tmp_path: Path) -> None:
    # A quarter of them on PostgreSQL, where a few weeks suffice to show a difference.
    weeks = WEEKS if store_url.startswith("sqlite") else WEEKS // 4
    record = tmp_path / "taken.txt"
    with deployment.recorder(record, "--delay", "0") as port:
        made = deployment.deployment(tmp_path, store_url, port, connections=2)
        with made.app() as app:
            live(made, app, weeks)
            found = list_issues(app)
    assert len(found) == len({issue.slot for issue in found}) == weeks
    assert {issue.state for issue in found} == {IssueState.SENT}
    assert sorted(issue.number or 0 for issue in found) == list(range(1, weeks + 1))
    mails = recorded(record)
    assert Counter(recipient for recipient, _ in mails) == Counter(sorted(readers(READERS)) * weeks)
    assert len({number for _, number in mails}) == weeks * READERS
