"""Addresses that must never be mailed, each as a keyed hash with the reason.

A row outlives the subscriber: an address stays suppressed after its person was forgotten. The reasons have an order.
BOUNCED is the weakest reason, and any other reason replaces it. SUPPRESSED (by an admin) and COMPLAINED are the strong
reasons, which replace UNSUBSCRIBED and FORGOTTEN. A row with a strong reason keeps the weaker reason in `replaced`, so
that the reader's own unsubscription counts again once the strong reason is lifted.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Text, and_, case, delete, false, not_, or_, select, text, true, update

from mailer.model import EventKind
from mailer.store import arrays
from mailer.store.database import inserting
from mailer.store.schema import issues, suppressions

_STRONG = (EventKind.COMPLAINED, EventKind.SUPPRESSED)
_AMONG = "SELECT suppressions.hash, reason, at FROM {rows} JOIN suppressions ON suppressions.hash = m.hash"


class Suppression(NamedTuple):
    """The suppression of one address: the reason, and the time from which it applies."""

    reason: EventKind
    at: datetime

    @property
    def strong(self) -> bool:
        """Returns True for an admin's suppression or a complaint. Not even a new sign-up by the reader lifts these."""
        return self.reason in _STRONG


def find(tx: Connection, hash_: str) -> Suppression | None:
    return among(tx, [hash_]).get(hash_)


def among(tx: Connection, hashes: Iterable[str]) -> dict[str, Suppression]:
    """Returns the suppressions of these hashes, by hash. Hashes that are not suppressed are missing from the result."""
    rows = arrays.source(tx, (("hash", "text"),))
    statement = text(_AMONG.format(rows=rows)).columns(hash=Text, reason=Text, at=suppressions.c.at.type)
    found = tx.execute(statement, {"rows": arrays.packed(zip(hashes))})
    return {row.hash: Suppression(EventKind(row.reason), row.at) for row in found}


def add(
    tx: Connection, hashes: Collection[str], reason: EventKind, *, at: datetime, issue_id: int | None = None
) -> bool:
    """Suppresses the addresses with these hashes. Returns True if this added or changed at least one row.

    An address that is already suppressed for an equal or stronger reason keeps that reason.
    """
    return add_each(tx, dict.fromkeys(hashes, at), reason, issue_id=issue_id)


def add_each(tx: Connection, times: Mapping[str, datetime], reason: EventKind, *, issue_id: int | None = None) -> bool:
    """Suppresses addresses as `add` does, but each from its own time. `times` maps hashes to these times."""
    if not times:
        return False
    known = select(issues.c.id).where(issues.c.id == issue_id).scalar_subquery()
    statement = _upsert(tx, reason).values(reason=reason, issue_id=known)
    rows = [{"hash": each, "at": at} for each, at in times.items()]
    # Without this option, the row count of an INSERT is not available on PostgreSQL.
    done = tx.execute(statement, rows, execution_options={"preserve_rowcount": True})
    return done.rowcount > 0


def _upsert(tx: Connection, reason: EventKind) -> Any:
    statement = inserting(tx, suppressions)
    strong = or_(*(suppressions.c.reason == each for each in _STRONG))  # executemany does not support IN
    if reason in _STRONG:
        return statement.on_conflict_do_update(
            index_elements=["hash"],
            set_={"reason": reason, "at": statement.excluded.at, "replaced": suppressions.c.reason},
            where=not_(strong),
        )
    # A weaker reason never takes the place of a strong one. The weaker reason is kept in the column `replaced`, and
    # takes effect when the strong one is lifted.
    above_dead = false() if reason is EventKind.BOUNCED else suppressions.c.reason == EventKind.BOUNCED
    last_word = true() if reason is EventKind.FORGOTTEN else false()
    below = or_(suppressions.c.replaced.is_(None), suppressions.c.replaced == EventKind.BOUNCED, last_word)
    return statement.on_conflict_do_update(
        index_elements=["hash"],
        set_={
            "reason": case((strong, suppressions.c.reason), else_=statement.excluded.reason),
            "at": case((strong, suppressions.c.at), else_=statement.excluded.at),
            "replaced": case((strong, statement.excluded.reason), else_=suppressions.c.replaced),
        },
        where=or_(above_dead, and_(strong, below)),
    )


def end_strong(tx: Connection, hash_: str) -> EventKind | None:
    """Ends a strong suppression. Returns the weaker reason for which the address is still suppressed, or None if the
    address is no longer suppressed."""
    replaced = tx.execute(select(suppressions.c.replaced).where(suppressions.c.hash == hash_)).scalar()
    if replaced is None:
        remove(tx, hash_)
        return None
    tx.execute(update(suppressions).where(suppressions.c.hash == hash_).values(reason=replaced, replaced=None))
    return EventKind(replaced)


def remove(tx: Connection, hash_: str) -> bool:
    return tx.execute(delete(suppressions).where(suppressions.c.hash == hash_)).rowcount == 1
