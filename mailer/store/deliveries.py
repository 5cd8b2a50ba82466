"""The ledger, the table `deliveries`: one row for each mail to be sent, with its state and the last reply.

A process that claims a batch gets a lease and a fence number. Every statement that changes a row of the batch checks
the fence, so a process that has lost its claim cannot change anything. `replies` decides what a reply means.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    not_,
    or_,
    select,
    update,
)

from mailer.address import RESERVED
from mailer.lanes import BUILT_IN, lane_of
from mailer.model import (
    Batch,
    Delivery,
    DeliveryChange,
    DeliveryKind,
    DeliveryState,
    Expiry,
    IssueState,
    Rejection,
    Skip,
)
from mailer.store.eligibility import TO_PENDING, eligible, reader_eligible, requirements, slot_day
from mailer.store.schema import batches, deliveries, issues, lanes, of_issue, subscribers, variants

BATCH = 500  # maximum number of deliveries in a batch
WAITING = (DeliveryState.QUEUED, DeliveryState.DEFERRED)
OPEN = (*WAITING, DeliveryState.SENDING)
_IS_DEFERRED = deliveries.c.due_at.is_not(None)  # true only if `deferred`; the partial indexes have this condition
_SERVICE_MAILS = (DeliveryKind.REMINDER, DeliveryKind.WELCOME, DeliveryKind.TEST, DeliveryKind.NOTICE)
PRIORITY = {DeliveryKind.CONFIRMATION: 0, **dict.fromkeys(_SERVICE_MAILS, 1), DeliveryKind.ISSUE: 5}


# --- making rows -----------------------------------------------------------------------------------------------------
def freeze_recipients(tx: Connection, issue_id: int, slot: str, day: Any, variant_id: int, now: datetime) -> int:
    """Adds a delivery of the issue for every eligible subscriber, and returns the number of deliveries. The transaction
    must be a snapshot (see `Store.submit`): one statement adds the batches and another adds the deliveries, and both
    must find the same subscribers."""
    ordinal = subscribers.c.id // BATCH  # subscribers with neighbouring ids share a batch
    wanted = eligible(day)
    _add_batches(tx, issue_id, ordinal, wanted, now)
    columns = ["kind", "key", "issue_id", "subscriber_id", "variant_id", "batch_id", "state", "created_at"]
    of_choice = select(variants.c.id).where(
        variants.c.issue_id == issue_id,
        variants.c.kind == literal_column("'issue'"),
        variants.c.sections == subscribers.c.sections,
    )
    done = tx.execute(
        insert(deliveries).from_select(
            columns,
            select(
                literal(DeliveryKind.ISSUE.value),
                literal(f"issue.{slot}.") + cast(subscribers.c.id, String),
                literal(issue_id),
                subscribers.c.id,
                func.coalesce(of_choice.scalar_subquery(), variant_id),  # the full mail if there is no such variant
                batches.c.id,
                literal(DeliveryState.QUEUED.value),
                _at(now),
            )
            .select_from(subscribers.join(batches, and_(batches.c.issue_id == issue_id, batches.c.ordinal == ordinal)))
            .where(wanted)
            .order_by(subscribers.c.id),
        ),
        # Without this option, the row count on PostgreSQL would be -1, because psycopg has closed the cursor by then.
        execution_options={"preserve_rowcount": True},
    )
    return done.rowcount


def expected(tx: Connection, day: Any) -> int:
    """Returns how many subscribers would get the issue of that day if its recipients were frozen now."""
    return int(tx.execute(select(func.count()).select_from(subscribers).where(eligible(day))).scalar_one())


def anyone_real(tx: Connection, day: Any) -> bool:
    """Returns whether the issue of that day would go to anyone whose domain is not reserved for examples and tests."""
    names = [or_(subscribers.c.domain == each, subscribers.c.domain.like(f"%.{each}")) for each in RESERVED]
    real = select(subscribers.c.id).where(eligible(day), not_(or_(*names)))
    return tx.execute(real.limit(1)).first() is not None


def _add_batches(
    tx: Connection, issue_id: int, ordinal: ColumnElement[int], wanted: ColumnElement[bool], now: datetime
) -> None:
    """Adds batches of the issue: one for each value of `ordinal` among the rows that meet `wanted`."""
    rows = select(literal(issue_id), ordinal, literal(PRIORITY[DeliveryKind.ISSUE]), _at(now)).where(wanted)
    columns = ["issue_id", "ordinal", "priority", "due_at"]
    tx.execute(insert(batches).from_select(columns, rows.distinct().order_by(ordinal)))


def _at(now: datetime) -> ColumnElement[datetime]:
    return literal(now, batches.c.due_at.type)


def owe(
    tx: Connection, kind: DeliveryKind, key: str, recipient: str, variant_id: int, issue_id: int | None, now: datetime
) -> int:
    """Adds a delivery to an address without a subscriber (a test mail or a notice), in a separate batch. Returns the id
    of the delivery."""
    row = {**_queued_now(tx, kind, variant_id, now), "key": key, "recipient": recipient, "issue_id": issue_id}
    return int(tx.execute(insert(deliveries).values(row).returning(deliveries.c.id)).scalar_one())


def _queued_now(tx: Connection, kind: DeliveryKind, variant_id: int, now: datetime) -> dict[str, Any]:
    """Adds a batch that belongs to no issue. Returns the values that all new deliveries in it have."""
    batch_id = new_batch(tx, kind, now)
    state = DeliveryState.QUEUED
    return {"kind": kind, "variant_id": variant_id, "batch_id": batch_id, "state": state, "created_at": now}


def owed(tx: Connection, key: str) -> bool:
    """Returns whether a delivery with that key exists, in any state."""
    return tx.execute(select(deliveries.c.id).where(deliveries.c.key == key)).first() is not None


def asked_at(tx: Connection, subscriber_id: int) -> datetime | None:
    """Returns when the last confirmation mail or reminder to a subscriber was added to the ledger, or None if there is
    none."""
    query = select(func.max(deliveries.c.created_at)).where(
        deliveries.c.subscriber_id == subscriber_id, deliveries.c.kind.in_(TO_PENDING)
    )
    return tx.execute(query).scalar()


def last_confirmation(tx: Connection, subscriber_id: int) -> tuple[str, datetime, DeliveryState] | None:
    """Returns the key, the time of creation and the state of the last confirmation mail to a subscriber, or None."""
    query = (
        select(deliveries.c.key, deliveries.c.created_at, deliveries.c.state)
        .where(deliveries.c.subscriber_id == subscriber_id, deliveries.c.kind == DeliveryKind.CONFIRMATION)
        .order_by(deliveries.c.id.desc())
        .limit(1)
    )
    row = tx.execute(query).first()
    return (row.key, row.created_at, DeliveryState(row.state)) if row else None


def owe_readers(tx: Connection, kind: DeliveryKind, keys: Mapping[str, int], variant_id: int, now: datetime) -> None:
    """Adds deliveries that belong to no issue, all in one batch. `keys` maps the key of each delivery to the id of its
    subscriber."""
    if not keys:
        return
    common = _queued_now(tx, kind, variant_id, now)
    tx.execute(insert(deliveries), [{**common, "key": key, "subscriber_id": reader} for key, reader in keys.items()])


def new_batch(
    tx: Connection,
    kind: DeliveryKind,
    now: datetime,
    *,
    issue_id: int | None = None,
    ordinal: int = 0,
    lane: str | None = None,
) -> int:
    values = {"issue_id": issue_id, "ordinal": ordinal, "lane": lane, "priority": PRIORITY[kind], "due_at": now}
    return int(tx.execute(insert(batches).values(values).returning(batches.c.id)).scalar_one())


# --- claiming --------------------------------------------------------------------------------------------------------
def _half_sent() -> ColumnElement[bool]:
    return exists().where(deliveries.c.batch_id == batches.c.id, deliveries.c.state == DeliveryState.SENDING)


def _lane_open(now: datetime) -> ColumnElement[bool]:
    paused = exists().where(lanes.c.lane == batches.c.lane, lanes.c.paused_until > now)
    return or_(batches.c.lane.is_(None), ~paused, _half_sent())


def _sendable() -> ColumnElement[bool]:
    running = exists().where(issues.c.id == batches.c.issue_id, issues.c.state == IssueState.SENDING)
    # A process may have died while it was sending a mail of an issue that is now cancelled or paused. The batch must be
    # claimed so that the outcome of this mail can be recorded as unknown. The last check stops the batch's other mails.
    halted = exists().where(
        issues.c.id == batches.c.issue_id, issues.c.state.in_((IssueState.CANCELLED, IssueState.PAUSED))
    )
    return or_(batches.c.issue_id.is_(None), running, and_(halted, _half_sent()))


def claim(
    tx: Connection,
    worker: str,
    now: datetime,
    lease: timedelta,
    issue_id: int | None = None,
    *,
    without: Collection[str] = (),
    service_only: bool = False,
) -> Batch | None:
    """Claims a batch that is due and that no process holds. Returns None if there is no such batch.

    With `issue_id`, claims only batches of that issue and of service mails. With `service_only`, claims only batches of
    service mails. Does not claim a batch of the lanes in `without`, unless a dead process left a mail of the batch in
    `sending`.
    """
    # If the lease or due time of a batch is more than two leases ahead, the clock was turned back after that time was
    # set. Treat such a time as past; otherwise the sender would wait until the clock reaches it. (Deferred deliveries
    # may be due much later, but their due times are in their own rows.)
    far = now + 2 * lease
    due = or_(batches.c.due_at <= now, batches.c.due_at > far)
    free = or_(batches.c.lease_until.is_(None), batches.c.lease_until <= now, batches.c.lease_until > far)
    query = select(batches.c.id).where(~batches.c.done, due, free, _sendable(), _lane_open(now))
    if issue_id is not None:
        query = query.where(or_(batches.c.issue_id == issue_id, batches.c.issue_id.is_(None)))
    if without:
        query = query.where(or_(batches.c.lane.is_(None), batches.c.lane.not_in(without), _half_sent()))
    if service_only:
        query = query.where(batches.c.priority < PRIORITY[DeliveryKind.ISSUE])
    query = query.order_by(batches.c.priority, batches.c.due_at, batches.c.id).limit(1)
    row = tx.execute(
        update(batches)
        .where(batches.c.id == query.with_for_update(skip_locked=True).scalar_subquery())
        .values(worker=worker, fence=batches.c.fence + 1, lease_until=now + lease)
        .returning(batches.c.id, batches.c.fence)
    ).first()
    return Batch(row.id, row.fence) if row else None


def renew(tx: Connection, held: Sequence[Batch], now: datetime, lease: timedelta) -> None:
    for batch in held:
        tx.execute(update(batches).where(fenced(batch)).values(lease_until=now + lease))


def release(tx: Connection, batch: Batch, due_at: datetime) -> None:
    """Gives up the claim on a batch that is not finished. The batch may be claimed again from `due_at` on."""
    tx.execute(update(batches).where(fenced(batch)).values(worker=None, lease_until=None, due_at=due_at))


def close(tx: Connection, batch: Batch) -> bool:
    """Marks a claimed batch as done. Returns False if the batch still has open deliveries, or if the claim was lost."""
    left = exists().where(deliveries.c.batch_id == batch.id, deliveries.c.state.in_(OPEN))
    done = update(batches).where(fenced(batch), ~left).values(done=True, lease_until=None)
    return tx.execute(done).rowcount == 1


def fenced(batch: Batch) -> ColumnElement[bool]:
    """Returns the condition that a row of `batches` is the claimed batch, and that the claim has not been lost."""
    return and_(batches.c.id == batch.id, batches.c.fence == batch.fence)


# The columns are in the order of the fields of Delivery, without `batch` and `lane`, which `_of_batch` inserts.
_OF_BATCH = (
    select(
        deliveries.c.id,
        deliveries.c.key,
        deliveries.c.kind,
        func.coalesce(deliveries.c.recipient, subscribers.c.address, ""),
        func.coalesce(subscribers.c.name, ""),
        deliveries.c.subscriber_id,
        deliveries.c.issue_id,
        deliveries.c.variant_id,
        deliveries.c.attempts,
        deliveries.c.losses,
        deliveries.c.first_reply_at,
        deliveries.c.unknowns,
    )
    .select_from(deliveries.outerjoin(subscribers, deliveries.c.subscriber_id == subscribers.c.id))
    .where(deliveries.c.batch_id == bindparam("batch"), deliveries.c.state == bindparam("state"))
    .order_by(deliveries.c.id)
)
_KINDS = {kind.value: kind for kind in DeliveryKind}


def queued(tx: Connection, batch: Batch, lanes: Mapping[str, str] = BUILT_IN) -> list[Delivery]:
    """Returns the queued deliveries of a claimed batch, ordered by id. `lanes` is the mapping that `mailer.lanes.table`
    returns."""
    return _of_batch(tx, batch, DeliveryState.QUEUED, lanes)


def left_in_sending(tx: Connection, batch: Batch) -> list[Delivery]:
    """Returns the deliveries of a claimed batch that are still in `sending`: the process that held the batch earlier
    recorded the intent to send them, but no outcome."""
    return _of_batch(tx, batch, DeliveryState.SENDING, BUILT_IN)


def _of_batch(tx: Connection, batch: Batch, state: DeliveryState, lanes: Mapping[str, str]) -> list[Delivery]:
    rows = tx.execute(_OF_BATCH, {"batch": batch.id, "state": state})
    return [Delivery._make((*row[:2], _KINDS[row[2]], batch, *row[3:], lane_of(row[3], lanes))) for row in rows]


# --- one mail --------------------------------------------------------------------------------------------------------
def hindrance(tx: Connection, job: Delivery, now: datetime) -> Skip | None:
    """Returns the reason why a queued delivery must be skipped: its reader has unsubscribed, has paused the newsletter
    or is suppressed. Returns None if the delivery must stay queued, because the claim was lost or the issue is not
    being sent."""
    held = tx.execute(select(batches.c.id).where(fenced(job.batch), batches.c.lease_until > now)).scalar()
    state = tx.execute(select(deliveries.c.state).where(deliveries.c.id == job.id)).scalar()
    if held is None or state != DeliveryState.QUEUED or job.subscriber_id is None:
        return None
    needed = requirements(job.kind, slot_day(job.issue_id))
    row = tx.execute(select(*needed.values()).where(subscribers.c.id == job.subscriber_id)).first()
    if row is None:
        return Skip.SUPPRESSED
    return next((reason for reason, met in zip(needed, row, strict=True) if not met), None)


def finish_attempt(tx: Connection, change: DeliveryChange, now: datetime) -> bool:
    """Writes the result of an attempt to a delivery in `sending`. Returns False and writes nothing if the claim was
    lost."""
    job, reply = change.delivery, change.reply
    values: dict[str, Any] = {
        "state": change.state,
        "reason": change.reason,
        "due_at": change.due_at,
        "attempts": job.attempts,
        "losses": job.losses,
        "unknowns": job.unknowns,
        "first_reply_at": job.first_reply_at,
        "code": reply.code if reply else None,
        "enhanced": reply.enhanced if reply else None,
        "reply": reply.text if reply else None,
        "finished_at": None if change.state in OPEN else now,
    }
    if change.relay is not None:
        values["relay"] = change.relay
    if change.state is DeliveryState.DEFERRED:
        values["batch_id"] = None  # `requeue_due` gives the delivery a new batch when it is due
    return _write(tx, job, DeliveryState.SENDING, values)


def skip(tx: Connection, job: Delivery, reason: Skip, now: datetime) -> bool:
    """Ends a queued delivery that must not be sent. Returns False and writes nothing if the claim was lost."""
    return _write(tx, job, DeliveryState.QUEUED, {"state": DeliveryState.SKIPPED, "reason": reason, "finished_at": now})


def _write(tx: Connection, job: Delivery, from_: DeliveryState, values: Mapping[str, Any]) -> bool:
    held = exists().where(batches.c.id == deliveries.c.batch_id, fenced(job.batch))
    statement = update(deliveries).where(deliveries.c.id == job.id, deliveries.c.state == from_, held)
    return tx.execute(statement.values(**values)).rowcount == 1


# --- deferred deliveries, and counts ---------------------------------------------------------------------------------
def requeue_due(tx: Connection, now: datetime) -> int:
    """Queues up to BATCH deferred deliveries that are due, in one new batch for each issue and kind. Returns how many
    deliveries it queued."""
    due = (
        select(deliveries.c.id, deliveries.c.issue_id, deliveries.c.kind)
        .where(_IS_DEFERRED, deliveries.c.due_at <= now)
        .order_by(deliveries.c.due_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    groups: dict[tuple[int | None, DeliveryKind], list[int]] = {}
    for row in tx.execute(due):
        kind = DeliveryKind(row.kind)
        groups.setdefault((row.issue_id if kind is DeliveryKind.ISSUE else None, kind), []).append(row.id)
    for (issue_id, kind), ids in groups.items():
        batch_id = new_batch(tx, kind, now, issue_id=issue_id, ordinal=-1)
        tx.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids), _IS_DEFERRED)
            .values(state=DeliveryState.QUEUED, batch_id=batch_id, due_at=None)
        )
    return sum(map(len, groups.values()))


def counts(tx: Connection, issue_id: int) -> dict[DeliveryState, int]:
    """Returns how many deliveries of an issue are in each state. The result has a key for every state."""
    query = select(deliveries.c.state, func.count()).where(of_issue(issue_id)).group_by(deliveries.c.state)
    found = {row[0]: row[1] for row in tx.execute(query)}
    return {state: found.get(state, 0) for state in DeliveryState}


def anything_open(tx: Connection, issue_id: int) -> bool:
    """Returns whether an issue still has open deliveries. Looks only for open batches and deferred deliveries, because
    reading every delivery of the issue would be slow."""
    batch = select(batches.c.id).where(batches.c.issue_id == issue_id, ~batches.c.done).limit(1)
    deferred = select(deliveries.c.id).where(of_issue(issue_id), _IS_DEFERRED).limit(1)
    return tx.execute(batch).first() is not None or tx.execute(deferred).first() is not None


def next_due(tx: Connection, issue_id: int) -> datetime | None:
    """Returns the earliest time at which a deferred delivery of the issue is due, or None if none is deferred."""
    return tx.execute(select(func.min(deliveries.c.due_at)).where(_IS_DEFERRED, of_issue(issue_id))).scalar()


def claimable_at(tx: Connection, issue_id: int) -> datetime | None:
    """Returns the earliest time at which a batch of the issue can be claimed, or None if no batch is open. A batch can
    be claimed when it is due, has no running lease, and is not in a paused lane."""
    free = func.max if tx.dialect.name == "sqlite" else func.greatest
    pause = select(lanes.c.paused_until).where(lanes.c.lane == batches.c.lane).scalar_subquery()
    due = batches.c.due_at
    instant = func.min(free(due, func.coalesce(batches.c.lease_until, due), func.coalesce(pause, due)), type_=due.type)
    return tx.execute(select(instant).where(batches.c.issue_id == issue_id, ~batches.c.done, _sendable())).scalar()


# --- ending deliveries and batches -----------------------------------------------------------------------------------
def end_waiting(tx: Connection, issue_id: int, state: DeliveryState, reason: Skip | Expiry, now: datetime) -> int:
    """Ends the queued and deferred deliveries of an issue in the given state, and returns their number.

    A delivery in `sending` is left alone and still gets its outcome. A delivery that waits to be sent again after an
    unknown outcome becomes unknown, because it must not be counted as never sent.
    """
    return _end(tx, of_issue(issue_id), state, reason, now)


def drop(tx: Connection, ids: Iterable[int], now: datetime) -> None:
    """Skips these deliveries as cancelled if they are still queued or deferred, and ends their batches."""
    these = deliveries.c.id.in_(list(ids))
    _end(tx, these, DeliveryState.SKIPPED, Skip.CANCELLED, now)
    _end_batches(tx, batches.c.id.in_(select(deliveries.c.batch_id).where(these)))


def _end(tx: Connection, which: ColumnElement[bool], state: DeliveryState, reason: Skip | Expiry, now: datetime) -> int:
    statement = update(deliveries).where(which, deliveries.c.state.in_(WAITING))
    uncertain = statement.where(deliveries.c.unknowns > 0)
    unknown = tx.execute(uncertain.values(state=DeliveryState.UNKNOWN, due_at=None, finished_at=now)).rowcount
    return unknown + tx.execute(statement.values(state=state, reason=reason, due_at=None, finished_at=now)).rowcount


def withdraw(tx: Connection, issue_id: int) -> None:
    """Deletes all deliveries of an issue, so that the issue can be frozen again. Only for an issue that has reached no
    reader."""
    tx.execute(delete(deliveries).where(of_issue(issue_id)))
    tx.execute(delete(batches).where(batches.c.issue_id == issue_id))


def end_batches(tx: Connection, issue_id: int) -> None:
    """Marks as done every batch of an issue that has no open deliveries."""
    _end_batches(tx, batches.c.issue_id == issue_id)


def _end_batches(tx: Connection, which: ColumnElement[bool]) -> None:
    left = exists().where(deliveries.c.batch_id == batches.c.id, deliveries.c.state.in_(OPEN))
    tx.execute(update(batches).where(which, ~batches.c.done, ~left).values(done=True))


# --- retry -----------------------------------------------------------------------------------------------------------
# After an issue has ended, an admin can send its failed deliveries again. `requeue` leaves out readers who have the
# mail, dead addresses, and addresses whose provider refuses this sender. Such a provider would refuse the same mail
# again, and trust this sender even less.
def requeue(tx: Connection, issue_id: int, now: datetime, *, unknown: bool) -> int:
    """Queues the rejected (soft, other) and expired (gave_up) deliveries of an issue in new batches, and with `unknown`
    also the deliveries with an unknown outcome. Returns how many were queued. All batches of the issue must be done.

    A delivery keeps its key, which determines its Message-ID. It also keeps its count of unknown outcomes. The reader
    may have the mail, so it must still count as possibly sent, and after two attempts it must not be sent again
    automatically.
    """
    state, reason = deliveries.c.state, deliveries.c.reason
    failed = [
        and_(state == DeliveryState.REJECTED, reason.in_((Rejection.SOFT, Rejection.OTHER))),
        and_(state == DeliveryState.EXPIRED, reason == Expiry.GAVE_UP),
    ]
    if unknown:
        failed.append(state == DeliveryState.UNKNOWN)
    # Leave out readers who may not be mailed. The last check would stop their mails too, but if there were only such
    # readers, the issue would go back to sending without any mail to send.
    again = and_(of_issue(issue_id), or_(*failed), reader_eligible(DeliveryKind.ISSUE))
    ordinal = deliveries.c.subscriber_id // BATCH  # subscribers with neighbouring ids share a batch
    _add_batches(tx, issue_id, ordinal, again, now)
    batch = select(batches.c.id).where(batches.c.issue_id == issue_id, ~batches.c.done, batches.c.ordinal == ordinal)
    fresh = {"attempts": 0, "losses": 0, "first_reply_at": None, "finished_at": None, "reason": None}
    queued = update(deliveries).where(again).values(state=DeliveryState.QUEUED, batch_id=batch.scalar_subquery())
    return tx.execute(queued.values(fresh)).rowcount
