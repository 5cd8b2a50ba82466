"""Reads whole rows of the ledger, which no part of the product does."""

from typing import Any

from sqlalchemy import select

from mailer.model import Batch, Delivery, DeliveryKind, DeliveryState
from mailer.store.database import Store
from mailer.store.schema import batches, deliveries, subscribers

NEW = Delivery(
    id=1,
    key="issue.1405-W36.1",
    kind=DeliveryKind.ISSUE,
    batch=Batch(1, 1),
    address="reader@example.org",
    name="",
    subscriber_id=1,
    issue_id=1,
    variant_id=1,
    attempts=0,
    losses=0,
    first_reply_at=None,
)  # a delivery that was never tried


def rows(store: Store) -> list[dict[str, Any]]:
    """All deliveries in the order of their ids, each with its reader's address as `email`."""
    query = (
        select(deliveries, subscribers.c.address.label("email"))
        .select_from(deliveries.outerjoin(subscribers, deliveries.c.subscriber_id == subscribers.c.id))
        .order_by(deliveries.c.id)
    )
    found = store.read(lambda tx: [dict(row._mapping) for row in tx.execute(query)])
    return [{**row, "state": DeliveryState(row["state"])} for row in found]


def open_batches(store: Store) -> int:
    return len(store.read(lambda tx: tx.execute(select(batches.c.id).where(~batches.c.done)).all()))


def leases(store: Store) -> int:
    """How many batches are claimed."""
    query = select(batches.c.id).where(~batches.c.done, batches.c.lease_until.is_not(None))
    return len(store.read(lambda tx: tx.execute(query).all()))


def fences(store: Store) -> list[int]:
    """How often each batch was claimed."""
    return store.read(lambda tx: list(tx.execute(select(batches.c.fence).order_by(batches.c.id)).scalars()))


def workers(store: Store) -> list[str]:
    """The workers that hold batches now."""
    query = select(batches.c.worker).where(~batches.c.done, batches.c.lease_until.is_not(None))
    return store.read(lambda tx: [str(name) for name in tx.execute(query).scalars()])
