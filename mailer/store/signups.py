"""Wishes to join, as the form took them: what limits are counted by. Decides nothing: `app.joining` does.

A wish holds an address only until it is decided; after that it is a keyed hash, a network and a time.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, literal_column, select, update

from mailer.store.schema import events, signups

# Written out, not bound: a prepared statement with a parameter here could not use the partial indexes.
_OPEN = signups.c.outcome.is_(literal_column("NULL"))


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


def open_(tx: Connection, limit: int, *, lock: bool = False) -> list[Wish]:
    """Wishes to be decided, the oldest first. `lock`: a second process waits until we have decided them; side by side,
    two wishes about one address would make two mails."""
    query = select(signups).where(_OPEN).order_by(signups.c.id).limit(limit)
    if lock:
        query = query.with_for_update()
    return [
        Wish(row.id, row.at, row.hash, row.address, row.network or "", row.agent or "", row.words or "")
        for row in tx.execute(query)
    ]


def decide(tx: Connection, wish_id: int, outcome: str) -> bool:
    """Ends a wish as sent, silent or limited; False: another process has just done so."""
    statement = update(signups).where(signups.c.id == wish_id, _OPEN).values(outcome=outcome, address=None)
    return tx.execute(statement).rowcount == 1


def count(
    tx: Connection, since: datetime, *, hash_: str | None = None, network: str | None = None, sent: bool = False
) -> int:
    """Wishes after `since`: of an address, of a network, or all; `sent`: only those that got a mail."""
    values: dict[str, Any] = {"b_since": since}
    if hash_ is not None:
        values["b_hash"] = hash_
    if network is not None:
        values["b_network"] = network
    return int(tx.execute(_counting(hash_ is not None, network is not None, sent), values).scalar_one())


@cache
def _counting(hash_: bool, network: bool, sent: bool) -> Select[int]:
    """Made once: a flood asks nothing else, and making the statement each time cost more than asking it."""
    query = select(func.count()).select_from(signups).where(signups.c.at > bindparam("b_since"))
    if hash_:
        query = query.where(signups.c.hash == bindparam("b_hash"))
    if network:
        query = query.where(signups.c.network == bindparam("b_network"))
    if sent:
        query = query.where(signups.c.outcome == "sent")
    return query


def forget(tx: Connection, hash_: str) -> None:
    """Counting begins anew for an address: it was confirmed, or its person is forgotten."""
    tx.execute(delete(signups).where(signups.c.hash == hash_))


def fade(tx: Connection, networks_before: datetime, all_before: datetime) -> None:
    """Forgets truncated networks, of sign-ups and events alike, and whole sign-ups, when they are old."""
    gone: dict[str, Any] = {"network": None}
    tx.execute(delete(signups).where(signups.c.at < all_before))
    tx.execute(update(signups).where(signups.c.at < networks_before, signups.c.network.is_not(None)).values(gone))
    tx.execute(update(events).where(events.c.at < networks_before, events.c.network.is_not(None)).values(gone))
