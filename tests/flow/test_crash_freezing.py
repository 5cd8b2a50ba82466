"""Kills at moments that a random kill would hardly hit: around the freeze, and at the very end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import deployment
import ledger
import make
import pg
import pytest
from deployment import Deployment, drafted, taken, until
from sqlalchemy import create_engine, text
from verdict import judge

from mailer.context import newest_issue
from mailer.issues import draft
from mailer.model import IssueState

READERS, CONNECTIONS = 600, 5  # two batches
LEASE = ("--lease", "1")

pytestmark = pytest.mark.slow


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "taken.txt"


@pytest.fixture
def port(record: Path) -> Iterator[int]:
    with deployment.recorder(record, "--delay", "0") as listening:
        yield listening


def found(made: Deployment) -> tuple[IssueState, int | None, int]:
    """The state of the issue, its number of recipients, and the number of its deliveries."""
    with made.app() as app:
        issue = newest_issue(app)
        return issue.state, issue.recipients, len(ledger.rows(app.store))


def dead(made: Deployment, *words: str) -> None:
    process = made.start("send", *LEASE, *words)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, "it was over before it could be killed"


def goes_out(made: Deployment, record: Path, *, doubles: int = 0) -> None:
    assert deployment.finished(made.start("send", *LEASE))[0] == 0
    assert judge(made, record, READERS, doubles=doubles) == 0


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("INSERT INTO variants", IssueState.DRAFT),  # the stories are frozen, and not yet committed
        ("INSERT INTO batches", IssueState.FROZEN),  # between the two freezes
        ("UPDATE issues SET recipients", IssueState.FROZEN),  # all rows are there, and not yet committed
    ],
)
def test_killed_while_freezing(
    store_url: str, tmp_path: Path, port: int, record: Path, statement: str, state: IssueState
) -> None:
    made = drafted(tmp_path, store_url, port, READERS)
    dead(made, "--die-before", statement)
    assert found(made) == (state, 0, 0)
    goes_out(made, record)


@make.only_sqlite
def test_killed_while_inserting_the_recipients(store_url: str, tmp_path: Path, port: int, record: Path) -> None:
    made = drafted(tmp_path, store_url, port, READERS)
    dead(made, "--die-within", "INSERT INTO deliveries")
    assert found(made) == (IssueState.FROZEN, 0, 0)
    goes_out(made, record)


@make.only_postgresql
def test_killed_while_the_server_inserts_the_recipients(
    store_url: str, tmp_path: Path, port: int, record: Path, cluster: pg.Cluster
) -> None:
    made = drafted(tmp_path, store_url, port, READERS)
    with made.app() as app:
        draft.freeze(app, newest_issue(app))
    with stuck_in_the_middle(store_url):
        process = made.start("send", *LEASE)
        until(lambda: waits_for_a_lock(store_url, "INSERT INTO deliveries"), process)
        deployment.end(process, signal.SIGKILL)
    until(lambda: found(made) == (IssueState.FROZEN, 0, 0))
    goes_out(made, record)


@contextmanager
def stuck_in_the_middle(url: str) -> Iterator[None]:
    """Another session has inserted the key of a reader in the middle, uncommitted: an insert waits there, with the rows
    before it already written."""
    statement = text(
        "INSERT INTO deliveries (kind, key, recipient, variant_id, state, created_at, attempts, losses, unknowns)"
        " SELECT 'test', 'issue.' || slot || '.' || :reader, 'nobody@example.org', v.id, 'accepted', now(), 0, 0, 0"
        " FROM issues JOIN variants v ON v.issue_id = issues.id"
    )
    engine = create_engine(url)
    try:
        with engine.connect() as other:
            other.execute(statement, {"reader": str(READERS // 2)})
            yield
            other.rollback()
    finally:
        engine.dispose()


def waits_for_a_lock(url: str, statement: str) -> bool:
    engine = create_engine(url)
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE :start")
    with engine.connect() as connection:
        count = connection.execute(query, {"start": f"{statement}%"}).scalar_one()
    engine.dispose()
    return bool(count)


@pytest.mark.parametrize(
    ("statement", "after", "doubles"),
    [
        ("UPDATE batches SET done", 0, CONNECTIONS),  # the first batch is finished, and other mails are on their way
        ("UPDATE batches SET done", 1, CONNECTIONS),  # the last batch is finished
        ("UPDATE issues SET state", 2, 0),  # everything is finished, except that the issue is not yet `sent`
    ],
)
def test_killed_at_the_ends(
    store_url: str, tmp_path: Path, port: int, record: Path, statement: str, after: int, doubles: int
) -> None:
    made = drafted(tmp_path, store_url, port, READERS)
    dead(made, "--die-before", statement, "--after", str(after))
    assert found(made) == (IssueState.SENDING, READERS, READERS)
    if after:
        assert taken(record) == READERS
    goes_out(made, record, doubles=doubles)
