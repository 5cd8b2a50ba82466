"""The decisions of editors about pairs of articles: whether the two report the same story."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from mailer.model import DecidedPair
from mailer.store.database import inserting
from mailer.store.schema import decided_pairs


def decide(tx: Connection, one: int, other: int, *, same: bool, now: datetime) -> DecidedPair:
    """Stores the decision about two different articles, and replaces an earlier decision about them. Returns the
    decision.

    The decision gets a later time than every stored decision, even if the clock was set back, because the newest one
    must count.
    """
    newest = tx.execute(select(func.max(decided_pairs.c.at, type_=decided_pairs.c.at.type))).scalar()
    at = max(now, newest + timedelta(microseconds=1)) if newest else now
    one, other = min(one, other), max(one, other)
    row = inserting(tx, decided_pairs).values(one=one, other=other, same=same, at=at)
    tx.execute(row.on_conflict_do_update(index_elements=["one", "other"], set_={"same": same, "at": at}))
    return DecidedPair(one, other, same, at)


def forget(tx: Connection, one: int, other: int) -> bool:
    """Deletes the decision about two articles. Returns False if there is none."""
    row = decided_pairs.c
    gone = delete(decided_pairs).where(row.one == min(one, other), row.other == max(one, other))
    return tx.execute(gone).rowcount == 1


def every(tx: Connection) -> list[DecidedPair]:
    """Returns all decisions, the newest first."""
    row = decided_pairs.c
    query = select(row.one, row.other, row.same, row.at).order_by(row.at.desc(), row.one, row.other)
    return [DecidedPair(*each) for each in tx.execute(query)]
