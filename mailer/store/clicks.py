"""How often the stories of the issues were opened: totals for each story and hour. No row belongs to a reader."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from mailer.store.database import inserting
from mailer.store.schema import clicks


class Clicks(NamedTuple):
    """How often a story was opened in an hour: `scanned` times by link scanners, and `opened` times by readers."""

    issue_id: int
    position: int  # the position of the story in the full issue
    hour: datetime  # the beginning of the hour
    opened: int
    scanned: int


def add(tx: Connection, counted: Iterable[Clicks]) -> None:
    """Adds the counts to the stored totals."""
    # Sorted, so that two processes lock the rows in the same order. Otherwise each might wait for the other forever.
    for each in sorted(counted):
        row = inserting(tx, clicks).values(each._asdict())
        sums = {name: clicks.c[name] + row.excluded[name] for name in ("opened", "scanned")}
        tx.execute(row.on_conflict_do_update(index_elements=["issue_id", "position", "hour"], set_=sums))


def of_issue(tx: Connection, issue_id: int) -> list[Clicks]:
    """Returns the counts of an issue, ordered by story and hour."""
    query = select(clicks).where(clicks.c.issue_id == issue_id).order_by(clicks.c.position, clicks.c.hour)
    return [Clicks(*row) for row in tx.execute(query)]


def totals(tx: Connection, issue_ids: Iterable[int]) -> dict[tuple[int, int], int]:
    """Returns how often readers opened the stories of these issues, by issue id and position. Stories without counts
    are missing."""
    query = (
        select(clicks.c.issue_id, clicks.c.position, func.sum(clicks.c.opened).label("opened"))
        .where(clicks.c.issue_id.in_(list(issue_ids)))
        .group_by(clicks.c.issue_id, clicks.c.position)
    )
    return {(row.issue_id, row.position): int(row.opened) for row in tx.execute(query)}
