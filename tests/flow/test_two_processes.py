"""Several processes on one database at once: one issue, and no reader gets it twice."""

from collections import Counter
from pathlib import Path

import deployment
import ledger
import pytest
from deployment import readers, recorded

from mailer.context import newest_issue
from mailer.issues import delivery
from mailer.model import DeliveryState, IssueState

pytestmark = pytest.mark.slow

READERS = 700  # two batches, so that both have something to do


def test_two_that_send_at_once_and_a_third_afterwards(store_url: str, tmp_path: Path) -> None:
    record = tmp_path / "taken.txt"
    with deployment.recorder(record, "--delay", "0") as port:
        made = deployment.drafted(tmp_path, store_url, port, READERS)
        # Both find a draft, so they also compete to freeze and to start it.
        both = [made.start("issue", "send", "--now", "--yes", cli=True) for _ in range(2)]
        assert [deployment.finished(each)[0] for each in both] == [0, 0]
        assert deployment.finished(made.start("issue", "send", "--now", "--yes", cli=True))[0] == 0

    with made.app() as app:
        issue = newest_issue(app)
        done = delivery.status(app, issue)
        workers = {row["relay"] for row in ledger.rows(app.store)}
        open_batches = ledger.open_batches(app.store)
    assert Counter(recipient for recipient, _ in recorded(record)) == Counter(readers(READERS))
    assert (done.state, done.counts[DeliveryState.ACCEPTED]) == (IssueState.SENT, READERS)
    assert (workers, open_batches, issue.number) == ({f"127.0.0.1:{port}"}, 0, 1)
