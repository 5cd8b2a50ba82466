"""Judges a finished run: which readers got the issue, how often, and what the ledger says about the others."""

from collections import Counter
from pathlib import Path

import ledger
from deployment import Deployment, readers, recorded

from mailer.context import newest_issue
from mailer.issues import delivery
from mailer.model import DeliveryState, IssueState


def judge(made: Deployment, record: Path, count: int, *, doubles: int) -> int:
    """Fails unless all of `count` readers got the issue or are unknown, and at most `doubles` mails came twice.

    Returns how many are unknown. With `on_unknown = "resend"`, a reader can only be missing after two kills during the
    same mail.
    """
    mails = recorded(record)
    got = Counter(recipient for recipient, _ in mails)
    with made.app() as app:
        issue, resend = newest_issue(app), app.settings.delivery.on_unknown == "resend"
        rows = {row["email"]: row for row in ledger.rows(app.store)}
        listed = {str(each["email"]): str(each["state"]) for each in delivery.failures(app, issue)}
        left = (ledger.open_batches(app.store), ledger.leases(app.store))
    done = made.status()

    assert set(rows) == readers(count), "the ledger owes it to exactly those who are eligible"
    assert set(got) <= readers(count), "nobody else got it"
    missing = readers(count) - set(got)
    assert missing <= set(listed), f"{len(missing - set(listed))} were missed, and nobody knows"
    assert set(listed.values()) <= {"unknown"}
    assert all(rows[each]["unknowns"] == (2 if resend else 1) for each in listed)
    assert not resend or len(listed) <= 1, "two kills hardly hit one mail, and never many"

    assert got.total() - len(got) <= doubles, "more came twice than connections were open"
    assert set(got.values()) <= {1, 2}, "an unknown is repeated once"
    ids: dict[str, set[str]] = {}
    for recipient, number in mails:
        ids.setdefault(recipient, set()).add(number)
    assert all(len(each) == 1 for each in ids.values()), "a repeated mail carries the same Message-ID"
    assert len(set.union(*ids.values())) == len(ids), "and nobody else's"

    assert {row["state"] for row in rows.values()} <= {DeliveryState.ACCEPTED, DeliveryState.UNKNOWN}
    assert done.counts[DeliveryState.ACCEPTED] + len(listed) == done.recipients == count
    assert done.state is (IssueState.PARTIAL if listed else IssueState.SENT)
    assert left == (0, 0), "no batch is open, and no lease"
    return len(listed)
