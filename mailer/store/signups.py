"""Requests to join the list, as readers sent them with the sign-up form, and the people who may get a reminder or a
welcome mail because of such a request. `readers.joining` decides and counts the requests.

A row contains the address only until the request is decided. After that, the row contains only a keyed hash of the
address, the reader's network and class of user agent, the consent text and the time.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, exists, func, insert, literal_column, select, update

from mailer.model import DeliveryKind, EventKind, Method, SubscriberStatus
from mailer.store.schema import deliveries, events, signups, subscribers, suppressions

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


def reminders(tx: Connection, hash_: str, since: datetime) -> int:
    """Returns the number of reminders to an address that were queued after `since`."""
    query = (
        select(func.count())
        .select_from(deliveries.join(subscribers, deliveries.c.subscriber_id == subscribers.c.id))
        .where(subscribers.c.address_hash == hash_, deliveries.c.kind == DeliveryKind.REMINDER)
        .where(deliveries.c.created_at > since)
    )
    return int(tx.execute(query).scalar_one())


def unconfirmed(tx: Connection, after: datetime, until: datetime) -> list[tuple[int, str]]:
    """Returns the ids and address hashes of the people who signed up in this period, got a confirmation mail, and have
    not confirmed. Leaves out suppressed addresses, for example of readers who left earlier, and people who have been
    reminded of this sign-up."""
    suppressed = exists().where(suppressions.c.hash == signups.c.hash)
    reminded = exists().where(
        deliveries.c.subscriber_id == subscribers.c.id,
        deliveries.c.kind == DeliveryKind.REMINDER,
        deliveries.c.created_at > signups.c.at,
    )
    query = (
        select(subscribers.c.id, subscribers.c.address_hash)
        .select_from(signups.join(subscribers, signups.c.hash == subscribers.c.address_hash))
        .where(signups.c.at > after, signups.c.at <= until, signups.c.outcome == "sent")
        .where(subscribers.c.status == SubscriberStatus.PENDING, ~suppressed, ~reminded)
        .distinct()
        .order_by(subscribers.c.id)
    )
    return [(row.id, row.address_hash) for row in tx.execute(query)]


@dataclass(frozen=True, slots=True)
class Joined:
    """A reader who has joined by their own confirmation. `event_id` identifies the confirmation."""

    event_id: int
    at: datetime
    subscriber_id: int
    sections: tuple[str, ...]


def unwelcomed(tx: Connection, after: datetime, welcomed_after: datetime) -> list[Joined]:
    """Returns active readers who confirmed later than `after`, the earliest first.

    A reader who left and confirmed again is returned once, with the last confirmation. Leaves out readers who have got
    an issue since they confirmed, and addresses that have got a welcome mail since `welcomed_after`.
    """
    former = subscribers.alias()  # a forgotten person who joins again has a new row with the same hash
    welcomed = exists().where(
        former.c.address_hash == subscribers.c.address_hash,
        deliveries.c.subscriber_id == former.c.id,
        deliveries.c.kind == DeliveryKind.WELCOME,
        deliveries.c.created_at > welcomed_after,
    )
    has_issue = exists().where(
        deliveries.c.subscriber_id == subscribers.c.id,
        deliveries.c.kind == DeliveryKind.ISSUE,
        deliveries.c.created_at >= events.c.at,
    )
    confirmed = (events.c.kind == EventKind.CONFIRMED, events.c.method == Method.PAGE)
    last = select(func.max(events.c.id)).where(events.c.at > after, *confirmed).group_by(events.c.subscriber_id)
    query = (
        select(events.c.id, events.c.at, subscribers.c.id.label("subscriber_id"), subscribers.c.sections)
        .select_from(events.join(subscribers, events.c.subscriber_id == subscribers.c.id))
        .where(events.c.id.in_(last))
        .where(subscribers.c.status == SubscriberStatus.ACTIVE, ~welcomed, ~has_issue)
        .order_by(events.c.id)
    )
    return [Joined(row.id, row.at, row.subscriber_id, tuple(json.loads(row.sections))) for row in tx.execute(query)]


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
