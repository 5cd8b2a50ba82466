"""Wishes to join the list, as readers sent them with the sign-up form. `readers.joining` decides them and counts them.

A wish contains the address only until it is decided. After that it contains only a keyed hash of the address, the
reader's network and class of user agent, the consent text and the time.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, literal_column, select, update

from mailer.store.schema import events, signups

# The value is written into the statement. If it were a parameter of a prepared statement, the database could not use
# the partial indexes.
_UNDECIDED = signups.c.outcome.is_(literal_column("NULL"))


@dataclass(frozen=True, slots=True)
class Wish:
    """A reader's wish to join that is not decided yet."""

    id: int
    at: datetime
    hash: str
    address: str
    network: str
    agent: str
    words: str


def add(tx: Connection, *, at: datetime, hash_: str, address: str, network: str, agent: str, words: str) -> None:
    row = insert(signups).values(at=at, hash=hash_, address=address, words=words)
    tx.execute(row.values(network=network or None, agent=agent or None))


def undecided(tx: Connection, limit: int, *, lock: bool = False) -> list[Wish]:
    """Returns up to `limit` sign-up requests that have not been decided, the oldest first.

    With `lock`, other processes that ask for them wait until this transaction ends. Otherwise two processes could
    decide requests for the same address at the same time, and send two mails.
    """
    query = select(signups).where(_UNDECIDED).order_by(signups.c.id).limit(limit)
    if lock:
        query = query.with_for_update()
    return [
        Wish(row.id, row.at, row.hash, row.address, row.network or "", row.agent or "", row.words or "")
        for row in tx.execute(query)
    ]


def decide(tx: Connection, wish_id: int, outcome: str) -> bool:
    """Records how a wish was decided ("sent", "silent" or "limited") and deletes its address. Returns False if another
    process has decided it already."""
    statement = update(signups).where(signups.c.id == wish_id, _UNDECIDED).values(outcome=outcome, address=None)
    return tx.execute(statement).rowcount == 1


def count(
    tx: Connection, since: datetime, *, hash_: str | None = None, network: str | None = None, sent: bool = False
) -> int:
    """Returns the number of wishes after `since`, or only of those for one address or from one network. With `sent`,
    counts only wishes that were answered with a mail."""
    query = select(func.count()).select_from(signups).where(signups.c.at > since)
    if hash_ is not None:
        query = query.where(signups.c.hash == hash_)
    if network is not None:
        query = query.where(signups.c.network == network)
    if sent:
        query = query.where(signups.c.outcome == "sent")
    return int(tx.execute(query).scalar_one())


def forget(tx: Connection, hash_: str) -> None:
    """Deletes the wishes for an address that was confirmed or whose person was forgotten. So the limits of that address
    start from zero again."""
    tx.execute(delete(signups).where(signups.c.hash == hash_))


def fade(tx: Connection, networks_before: datetime, all_before: datetime) -> None:
    """Deletes wishes made before `all_before`, and the networks in wishes and events from before `networks_before`."""
    tx.execute(delete(signups).where(signups.c.at < all_before))
    for table in (signups, events):
        old = table.c.at < networks_before, table.c.network.is_not(None)
        tx.execute(update(table).where(*old).values(network=None))
