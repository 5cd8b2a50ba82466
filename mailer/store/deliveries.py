"""The ledger: one row for each mail that is owed, from the freeze of an issue to the last outcome.

A claim on a batch gives a process a lease and a fence. Every statement that changes a claimed row names the fence, so
that a process that lost its claim changes nothing any more. What a reply means is decided elsewhere.
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
    or_,
    select,
    update,
)

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
from mailer.store.eligibility import eligible, reader_eligible, requirements, slot_day
from mailer.store.schema import batches, deliveries, issues, lanes, of_issue, subscribers, variants

BATCH = 500  # deliveries in a batch, at most
WAITING = (DeliveryState.QUEUED, DeliveryState.DEFERRED)
OPEN = (*WAITING, DeliveryState.SENDING)
_IS_DEFERRED = deliveries.c.due_at.is_not(None)  # the same as the state, but it is what the partial indexes use
PRIORITY = {DeliveryKind.CONFIRMATION: 0, DeliveryKind.TEST: 1, DeliveryKind.NOTICE: 1, DeliveryKind.ISSUE: 5}


# --- making rows -----------------------------------------------------------------------------------------------------
def freeze_recipients(tx: Connection, issue_id: int, slot: str, day: Any, variant_id: int, now: datetime) -> int:
    """Adds a delivery of the issue for every eligible subscriber. Needs a transaction that sees one state of the
    database, because its two statements must find the same subscribers. Returns how many."""
    ordinal = subscribers.c.id // BATCH  # neighbouring ids share a batch
    wanted = eligible(day)
    tx.execute(
        insert(batches).from_select(
            ["issue_id", "ordinal", "priority", "due_at"],
            select(literal(issue_id), ordinal, literal(PRIORITY[DeliveryKind.ISSUE]), _at(now))
            .where(wanted)
            .distinct()
            .order_by(ordinal),
        )
    )
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
                func.coalesce(of_choice.scalar_subquery(), variant_id),  # the full one if no sections were chosen
                batches.c.id,
                literal(DeliveryState.QUEUED.value),
                _at(now),
            )
            .select_from(subscribers.join(batches, and_(batches.c.issue_id == issue_id, batches.c.ordinal == ordinal)))
            .where(wanted)
            .order_by(subscribers.c.id),
        ),
        # Without this the row count is -1 on PostgreSQL, because psycopg has closed the cursor.
        execution_options={"preserve_rowcount": True},
    )
    return done.rowcount


def _at(now: datetime) -> ColumnElement[datetime]:
    return literal(now, batches.c.due_at.type)


def owe(
    tx: Connection, kind: DeliveryKind, key: str, recipient: str, variant_id: int, issue_id: int | None, now: datetime
) -> int:
    """Adds a delivery to an address that is no subscriber (a test, a notice), in a batch of its own. Returns its id."""
    values = {
        "kind": kind,
        "key": key,
        "recipient": recipient,
        "variant_id": variant_id,
        "issue_id": issue_id,
        "batch_id": new_batch(tx, kind, now),
        "state": DeliveryState.QUEUED,
        "created_at": now,
    }
    return int(tx.execute(insert(deliveries).values(values).returning(deliveries.c.id)).scalar_one())


def owed(tx: Connection, key: str) -> bool:
    """Returns whether a delivery of that key exists, in any state."""
    return tx.execute(select(deliveries.c.id).where(deliveries.c.key == key)).first() is not None


def asked_at(tx: Connection, subscriber_id: int) -> datetime | None:
    """When a subscriber's last confirmation mail was added; None if there is none."""
    query = select(func.max(deliveries.c.created_at)).where(
        deliveries.c.subscriber_id == subscriber_id, deliveries.c.kind == DeliveryKind.CONFIRMATION
    )
    return tx.execute(query).scalar()


def owe_readers(tx: Connection, kind: DeliveryKind, keys: Mapping[str, int], variant_id: int, now: datetime) -> None:
    """Adds a delivery that belongs to no issue for each reader of `keys` (key → subscriber id), in one batch."""
    if not keys:
        return
    common = {
        "kind": kind,
        "variant_id": variant_id,
        "batch_id": new_batch(tx, kind, now),
        "state": DeliveryState.QUEUED,
        "created_at": now,
    }
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
    # A mail of a cancelled or paused issue may still be on its way; if its sender died, its outcome must be recorded as
    # unknown. The last look sends no other mail of such an issue.
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
    """Claims a batch that is due and that no process holds. Returns None if there is none. `issue_id`: only of this
    issue, and service mails. `without`: no batch of these lanes. `service_only`: only service mails."""
    # Neither a lease nor the due time of a batch is ever that far ahead: it was set before the clock stepped back, and
    # would be waited for as long as the step was. (A deferred delivery has its own due time.)
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
    """Gives up a claim on a batch with something left to do; it may be claimed again from `due_at` on."""
    tx.execute(update(batches).where(fenced(batch)).values(worker=None, lease_until=None, due_at=due_at))


def close(tx: Connection, batch: Batch) -> bool:
    """Ends a claimed batch. Returns False if something is left to do in it."""
    left = exists().where(deliveries.c.batch_id == batch.id, deliveries.c.state.in_(OPEN))
    done = update(batches).where(fenced(batch), ~left).values(done=True, lease_until=None)
    return tx.execute(done).rowcount == 1


def fenced(batch: Batch) -> ColumnElement[bool]:
    """Returns whether a row of `batches` is the claimed one, and the claim still holds."""
    return and_(batches.c.id == batch.id, batches.c.fence == batch.fence)


# In the order of the fields of a Delivery, except that its batch follows the kind and its lane the rest.
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
    """The queued deliveries of a claimed batch, in the order of their ids. `lanes` is a table of `mailer.lanes`."""
    return _of_batch(tx, batch, DeliveryState.QUEUED, lanes)


def left_in_sending(tx: Connection, batch: Batch) -> list[Delivery]:
    """The deliveries of a claimed batch that its last owner left between intent and outcome."""
    return _of_batch(tx, batch, DeliveryState.SENDING, BUILT_IN)


def _of_batch(tx: Connection, batch: Batch, state: DeliveryState, lanes: Mapping[str, str]) -> list[Delivery]:
    rows = tx.execute(_OF_BATCH, {"batch": batch.id, "state": state})
    return [Delivery._make((*row[:2], _KINDS[row[2]], batch, *row[3:], lane_of(row[3], lanes))) for row in rows]


# --- one mail --------------------------------------------------------------------------------------------------------
def hindrance(tx: Connection, job: Delivery, now: datetime) -> Skip | None:
    """Why a queued delivery must not be sent: its reader left, is suppressed or is on a pause. Returns None if the
    claim was lost or the issue is not being sent; then the delivery stays as it is."""
    held = tx.execute(select(batches.c.id).where(fenced(job.batch), batches.c.lease_until > now)).scalar()
    state = tx.execute(select(deliveries.c.state).where(deliveries.c.id == job.id)).scalar()
    if held is None or state != DeliveryState.QUEUED or job.subscriber_id is None:
        return None
    needed = requirements(job.kind, slot_day(job.issue_id))
    row = tx.execute(select(*needed.values()).where(subscribers.c.id == job.subscriber_id)).first()
    if row is None:
        return Skip.SUPPRESSED
    return next((reason for reason, met in zip(needed, row, strict=True) if not met), None)


def record(tx: Connection, change: DeliveryChange, now: datetime) -> bool:
    """Writes what became of a delivery in `sending`. Returns False, and writes nothing, if the claim was lost."""
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
        values["batch_id"] = None  # it gets a new batch when it is due
    return _write(tx, job, DeliveryState.SENDING, values)


def skip(tx: Connection, job: Delivery, reason: Skip, now: datetime) -> bool:
    """Ends a queued delivery that must not be sent. Returns False, and writes nothing, if the claim was lost."""
    return _write(tx, job, DeliveryState.QUEUED, {"state": DeliveryState.SKIPPED, "reason": reason, "finished_at": now})


def _write(tx: Connection, job: Delivery, from_: DeliveryState, values: Mapping[str, Any]) -> bool:
    held = exists().where(batches.c.id == deliveries.c.batch_id, fenced(job.batch))
    statement = update(deliveries).where(deliveries.c.id == job.id, deliveries.c.state == from_, held)
    return tx.execute(statement.values(**values)).rowcount == 1


# --- deferred deliveries, and counts ---------------------------------------------------------------------------------
def requeue_due(tx: Connection, now: datetime) -> int:
    """Queues deferred deliveries that are due, at most BATCH of them, in a new batch for each issue. Returns how
    many."""
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
    """How many deliveries of an issue are in each state; every state is included."""
    query = select(deliveries.c.state, func.count()).where(of_issue(issue_id)).group_by(deliveries.c.state)
    found = {row[0]: row[1] for row in tx.execute(query)}
    return {state: found.get(state, 0) for state in DeliveryState}


def anything_open(tx: Connection, issue_id: int) -> bool:
    """Returns whether an issue still has open deliveries. Reads its few open batches, not its million rows."""
    batch = select(batches.c.id).where(batches.c.issue_id == issue_id, ~batches.c.done).limit(1)
    deferred = select(deliveries.c.id).where(of_issue(issue_id), _IS_DEFERRED).limit(1)
    return tx.execute(batch).first() is not None or tx.execute(deferred).first() is not None


def next_due(tx: Connection, issue_id: int | None) -> datetime | None:
    """When the next deferred delivery, of this issue or of any, is tried again; None if there is none."""
    query = select(func.min(deliveries.c.due_at)).where(_IS_DEFERRED)
    if issue_id is not None:
        query = query.where(of_issue(issue_id))
    return tx.execute(query).scalar()


def claimable_at(tx: Connection, issue_id: int | None) -> datetime | None:
    """When the first batch of the issue, or of any, can be claimed: due, without a lease, its lane not paused. None if
    there is none."""
    free = func.max if tx.dialect.name == "sqlite" else func.greatest
    pause = select(lanes.c.paused_until).where(lanes.c.lane == batches.c.lane).scalar_subquery()
    instant = free(
        batches.c.due_at,
        func.coalesce(batches.c.lease_until, batches.c.due_at),
        func.coalesce(pause, batches.c.due_at),
    )
    query = select(func.min(instant, type_=batches.c.due_at.type)).where(~batches.c.done, _sendable())
    if issue_id is not None:
        query = query.where(batches.c.issue_id == issue_id)
    return tx.execute(query).scalar()


# --- ending deliveries and batches -----------------------------------------------------------------------------------
def end_waiting(tx: Connection, issue_id: int, state: DeliveryState, reason: Skip | Expiry, now: datetime) -> int:
    """Ends the queued and deferred deliveries of an issue. Returns how many. Those on their way still get their
    outcome. Those that wait to be sent once more after an unknown become unknown again, since they must not count as
    never sent."""
    return _end(tx, of_issue(issue_id), state, reason, now)


def drop(tx: Connection, ids: Iterable[int], now: datetime) -> None:
    """Ends those of these deliveries that are queued or deferred, and their batches."""
    these = deliveries.c.id.in_(list(ids))
    _end(tx, these, DeliveryState.SKIPPED, Skip.CANCELLED, now)
    _end_batches(tx, batches.c.id.in_(select(deliveries.c.batch_id).where(these)))


def _end(tx: Connection, which: ColumnElement[bool], state: DeliveryState, reason: Skip | Expiry, now: datetime) -> int:
    statement = update(deliveries).where(which, deliveries.c.state.in_(WAITING))
    uncertain = statement.where(deliveries.c.unknowns > 0)
    unknown = tx.execute(uncertain.values(state=DeliveryState.UNKNOWN, due_at=None, finished_at=now)).rowcount
    return unknown + tx.execute(statement.values(state=state, reason=reason, due_at=None, finished_at=now)).rowcount


def withdraw(tx: Connection, issue_id: int) -> None:
    """Deletes the deliveries of an issue that no reader got, so that it can be frozen again."""
    tx.execute(delete(deliveries).where(of_issue(issue_id)))
    tx.execute(delete(batches).where(batches.c.issue_id == issue_id))


def end_batches(tx: Connection, issue_id: int) -> None:
    """Ends the batches of an issue in which no delivery is open."""
    _end_batches(tx, batches.c.issue_id == issue_id)


def _end_batches(tx: Connection, which: ColumnElement[bool]) -> None:
    left = exists().where(deliveries.c.batch_id == batches.c.id, deliveries.c.state.in_(OPEN))
    tx.execute(update(batches).where(which, ~batches.c.done, ~left).values(done=True))


# --- retry -----------------------------------------------------------------------------------------------------------
# Queues failed deliveries again after an issue has ended. Readers who have the mail are never included, nor are dead
# addresses or those whose provider refuses this sender: the same mail would be refused again and make things worse.
def requeue(tx: Connection, issue_id: int, now: datetime, *, unknown: bool) -> int:
    """Queues rejected(soft, other) and expired(gave_up) deliveries in new batches, and with `unknown` the unknown ones
    too. Only for an issue whose batches are all done. Returns how many.

    The key stays, and with it the Message-ID. The count of unknowns stays too: a reader who may have the mail must not
    be counted as never sent, nor be sent it a third time automatically.
    """
    state, reason = deliveries.c.state, deliveries.c.reason
    failed = [
        and_(state == DeliveryState.REJECTED, reason.in_((Rejection.SOFT, Rejection.OTHER))),
        and_(state == DeliveryState.EXPIRED, reason == Expiry.GAVE_UP),
    ]
    if unknown:
        failed.append(state == DeliveryState.UNKNOWN)
    # The last look would stop the other readers too, but the issue would go back to sending for nothing.
    again = and_(of_issue(issue_id), or_(*failed), reader_eligible(DeliveryKind.ISSUE))
    ordinal = deliveries.c.subscriber_id // BATCH  # neighbouring ids share a batch, as in the freeze
    rows = select(literal(issue_id), ordinal, literal(PRIORITY[DeliveryKind.ISSUE]), _at(now)).where(again)
    columns = ["issue_id", "ordinal", "priority", "due_at"]
    tx.execute(insert(batches).from_select(columns, rows.distinct().order_by(ordinal)))
    batch = select(batches.c.id).where(
        batches.c.issue_id == issue_id, ~batches.c.done, batches.c.ordinal == deliveries.c.subscriber_id // BATCH
    )
    queued = update(deliveries).where(again)
    queued = queued.values(
        state=DeliveryState.QUEUED,
        batch_id=batch.scalar_subquery(),
        attempts=0,
        losses=0,
        first_reply_at=None,
        finished_at=None,
        reason=None,
    )
    return tx.execute(queued).rowcount
