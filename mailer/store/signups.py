"""Requests to join the list, as readers sent them with the sign-up form. `readers.joining` decides and counts them.

A row contains the address only until the request is decided. After that, the row contains only a keyed hash of the
address, the reader's network and class of user agent, the consent text and the time.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, literal_column, select, update

from mailer.store.schema import events, signups

# The value is written into the statement. If it were a parameter of a prepared statement, the database could not use
# the partial indexes.
_UNDECIDED = signups.c.outcome.is_(literal_column("NULL"))


@dataclass(frozen=True, slots=True)
class SignupRequest:
    """An undecided sign-up: a person's request to join the list."""

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


def undecided(tx: Connection, limit: int, *, lock: bool = False) -> list[SignupRequest]:
    """Returns up to `limit` sign-up requests that have not been decided, the oldest first.

    With `lock`, other processes that call this function with `lock` wait until this transaction ends. Otherwise two
    processes could decide requests for the same address at the same time, and send two mails.
    """
    query = select(signups).where(_UNDECIDED).order_by(signups.c.id).limit(limit)
    if lock:
        query = query.with_for_update()
    return [
        SignupRequest(row.id, row.at, row.hash, row.address, row.network or "", row.agent or "", row.words or "")
        for row in tx.execute(query)
    ]


def decide(tx: Connection, request_id: int, outcome: str) -> bool:
    """Deletes a request's address and records the outcome: "sent", "silent" or "limited".

    Returns False if another process has already decided the request.
    """
    statement = update(signups).where(signups.c.id == request_id, _UNDECIDED).values(outcome=outcome, address=None)
    return tx.execute(statement).rowcount == 1


def count(
    tx: Connection, since: datetime, *, hash_: str | None = None, network: str | None = None, sent: bool = False
) -> int:
    """Returns the number of sign-up requests after `since`, for all addresses or for one address or network.

    With `sent`, counts only requests for which a confirmation mail was queued.
    """
    query = select(func.count()).select_from(signups).where(signups.c.at > since)
    if hash_ is not None:
        query = query.where(signups.c.hash == hash_)
    if network is not None:
        query = query.where(signups.c.network == network)
    if sent:
        query = query.where(signups.c.outcome == "sent")
    return int(tx.execute(query).scalar_one())


def forget(tx: Connection, hash_: str) -> None:
    """Deletes the requests for an address that was confirmed or whose subscriber was forgotten.

    The limits on confirmation mails for this address then count from zero again.
    """
    tx.execute(delete(signups).where(signups.c.hash == hash_))


def fade(tx: Connection, networks_before: datetime, all_before: datetime) -> None:
    """Deletes requests made before `all_before`. Removes the network from requests and events older than
    `networks_before`."""
    tx.execute(delete(signups).where(signups.c.at < all_before))
    for table in (signups, events):
        old = table.c.at < networks_before, table.c.network.is_not(None)
        tx.execute(update(table).where(*old).values(network=None))
