"""Wishes to join, as the form took them. Decides nothing: `readers.joining` does, and counts them for its limits.

A wish holds an address only until it is decided; after that only a keyed hash, a network and a time.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, literal_column, select, update

from mailer.store.schema import events, signups

# Written out, not bound: a prepared statement with a parameter here could not use the partial indexes.
_UNDECIDED = signups.c.outcome.is_(literal_column("NULL"))


@dataclass(frozen=True, slots=True)
class Wish:
    """A sign-up that is not decided yet."""

    id: int
    at: datetime
    hash: str
    address: str
    network: str
    agent: str
    words: str


def add(tx: Connection, *, at: datetime, hash_: str, address: str, network: str, agent: str, words: str) -> None:
    values = {
        "at": at,
        "hash": hash_,
        "address": address,
        "network": network or None,
        "agent": agent or None,
        "words": words,
    }
    tx.execute(insert(signups).values(values))


def undecided(tx: Connection, limit: int, *, lock: bool = False) -> list[Wish]:
    """Undecided wishes, the oldest first.

    With `lock` another process waits until this transaction has decided them: two processes that decide two wishes
    for one address at once would send two mails.
    """
    query = select(signups).where(_UNDECIDED).order_by(signups.c.id).limit(limit)
    if lock:
        query = query.with_for_update()
    return [
        Wish(row.id, row.at, row.hash, row.address, row.network or "", row.agent or "", row.words or "")
        for row in tx.execute(query)
    ]


def decide(tx: Connection, wish_id: int, outcome: str) -> bool:
    """Ends a wish as "sent", "silent" or "limited". Returns False if another process has decided it."""
    statement = update(signups).where(signups.c.id == wish_id, _UNDECIDED).values(outcome=outcome, address=None)
    return tx.execute(statement).rowcount == 1


def count(
    tx: Connection, since: datetime, *, hash_: str | None = None, network: str | None = None, sent: bool = False
) -> int:
    """The number of wishes after `since`: all, or of one address or network. `sent` counts only those with a mail."""
    query = select(func.count()).select_from(signups).where(signups.c.at > since)
    if hash_ is not None:
        query = query.where(signups.c.hash == hash_)
    if network is not None:
        query = query.where(signups.c.network == network)
    if sent:
        query = query.where(signups.c.outcome == "sent")
    return int(tx.execute(query).scalar_one())


def forget(tx: Connection, hash_: str) -> None:
    """Deletes the sign-ups of an address, so that its limits start again: it was confirmed, or its person forgotten."""
    tx.execute(delete(signups).where(signups.c.hash == hash_))


def fade(tx: Connection, networks_before: datetime, all_before: datetime) -> None:
    """Deletes old sign-ups, and the truncated networks of old sign-ups and events."""
    tx.execute(delete(signups).where(signups.c.at < all_before))
    for table in (signups, events):
        old = table.c.at < networks_before, table.c.network.is_not(None)
        tx.execute(update(table).where(*old).values(network=None))
