"""The ledger: one row for each mail that is owed, from the freezing of an issue to the last outcome.

Who may touch a row is proved by its batch: a claim gives a lease and a fence, and every statement here that changes a
claimed row names both, so that a process which lost its lease changes nothing any more. What a reply means is decided
in `delivery`; here it is only written down.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
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

BATCH = 500  # deliveries a claim
WAITING = (DeliveryState.QUEUED, DeliveryState.DEFERRED)
OPEN = (*WAITING, DeliveryState.SENDING)
_IS_DEFERRED = deliveries.c.due_at.is_not(None)  # the state says the same, but the partial indexes ask for this
PRIORITY = {DeliveryKind.CONFIRMATION: 0, DeliveryKind.TEST: 1, DeliveryKind.NOTICE: 1, DeliveryKind.ISSUE: 5}


# --- making rows -----------------------------------------------------------------------------------------------------
def freeze_recipients(tx: Connection, issue_id: int, slot: str, day: Any, variant_id: int, now: datetime) -> int:
    """Owes the issue to everybody who is to get it. Needs a transaction that sees one state of the database: the two
    statements must agree on who that is. Returns how many."""
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
                func.coalesce(of_choice.scalar_subquery(), variant_id),  # no choice, or too little left: the full one
                batches.c.id,
                literal(DeliveryState.QUEUED.value),
                _at(now),
            )
            .select_from(subscribers.join(batches, and_(batches.c.issue_id == issue_id, batches.c.ordinal == ordinal)))
            .where(wanted)
            .order_by(subscribers.c.id),
        ),
        # Without it the count of an INSERT is lost with the cursor: psycopg closes it, and -1 is what remains.
        execution_options={"preserve_rowcount": True},
    )
    return done.rowcount


def _at(now: datetime) -> ColumnElement[datetime]:
    return literal(now, batches.c.due_at.type)


def owe(
    tx: Connection, kind: DeliveryKind, key: str, recipient: str, variant_id: int, issue_id: int | None, now: datetime
) -> int:
    """Owes one mail to an address that is no subscriber (a test, a notice), in a batch of its own."""
    batch_id = tx.execute(
        insert(batches).values(ordinal=0, priority=PRIORITY[kind], due_at=now).returning(batches.c.id)
    ).scalar_one()
    values = {
        "kind": kind,
        "key": key,
        "recipient": recipient,
        "variant_id": variant_id,
        "issue_id": issue_id,
        "batch_id": batch_id,
        "state": DeliveryState.QUEUED,
        "created_at": now,
    }
    return int(tx.execute(insert(deliveries).values(values).returning(deliveries.c.id)).scalar_one())


def owed(tx: Connection, key: str) -> bool:
    """Whether the mail of that key was owed already, whatever became of it."""
    return tx.execute(select(deliveries.c.id).where(deliveries.c.key == key)).first() is not None


def asked_at(tx: Connection, subscriber_id: int) -> datetime | None:
    """When somebody's last confirmation mail was owed."""
    query = select(func.max(deliveries.c.created_at)).where(
        deliveries.c.subscriber_id == subscriber_id, deliveries.c.kind == DeliveryKind.CONFIRMATION
    )
    return tx.execute(query).scalar()


def owe_readers(tx: Connection, kind: DeliveryKind, keys: Mapping[str, int], variant_id: int, now: datetime) -> None:
    """Owes one mail that belongs to no issue to each reader of `keys` (key → subscriber id), in one batch."""
    if not keys:
        return
    batch_id = tx.execute(
        insert(batches).values(ordinal=0, priority=PRIORITY[kind], due_at=now).returning(batches.c.id)
    ).scalar_one()
    common = {
        "kind": kind,
        "variant_id": variant_id,
        "batch_id": batch_id,
        "state": DeliveryState.QUEUED,
    }
    rows = [{**common, "key": key, "subscriber_id": reader, "created_at": now} for key, reader in keys.items()]
    tx.execute(insert(deliveries), rows)


# --- claiming --------------------------------------------------------------------------------------------------------
def _free(now: Any, far: Any) -> ColumnElement[bool]:
    # A lease that ends too far in the future was taken before the clock stepped back: it is no lease.
    return or_(batches.c.lease_until.is_(None), batches.c.lease_until <= now, batches.c.lease_until > far)


def _due(now: Any, far: Any) -> ColumnElement[bool]:
    # Nothing is put off by its batch for long; deferred mails have a time of their own. So one that is due in a far
    # future was made before the clock stepped back, and would wait for as long as the step was.
    return or_(batches.c.due_at <= now, batches.c.due_at > far)


def _half_sent() -> ColumnElement[bool]:
    return exists().where(deliveries.c.batch_id == batches.c.id, deliveries.c.state == DeliveryState.SENDING)


def _lane_open(now: Any) -> ColumnElement[bool]:
    paused = exists().where(lanes.c.lane == batches.c.lane, lanes.c.paused_until > now)
    return or_(batches.c.lane.is_(None), ~paused, _half_sent())


def _sendable() -> ColumnElement[bool]:
    running = exists().where(issues.c.id == batches.c.issue_id, issues.c.state == IssueState.SENDING)
    # A mail of a cancelled or paused issue may still be on its way; if its sender died, somebody must write down that
    # nobody knows. `intend` lets nothing of such an issue go.
    halted = exists().where(
        issues.c.id == batches.c.issue_id, issues.c.state.in_((IssueState.CANCELLED, IssueState.PAUSED))
    )
    return or_(batches.c.issue_id.is_(None), running, and_(halted, _half_sent()))


@lru_cache(16)
def _claiming(*, of_issue: bool, without: bool, service_only: bool) -> Any:
    """Made once: to build it takes longer than to run it, and all lines wait."""
    now, far, until = (bindparam(name, type_=batches.c.due_at.type) for name in ("now", "far", "until"))
    query = (
        select(batches.c.id)
        .where(~batches.c.done, _due(now, far), _free(now, far), _sendable(), _lane_open(now))
        .order_by(batches.c.priority, batches.c.due_at, batches.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if of_issue:
        query = query.where(or_(batches.c.issue_id == bindparam("issue"), batches.c.issue_id.is_(None)))
    if without:
        lane = batches.c.lane.not_in(bindparam("without", expanding=True))
        query = query.where(or_(batches.c.lane.is_(None), lane, _half_sent()))
    if service_only:
        query = query.where(batches.c.priority < PRIORITY[DeliveryKind.ISSUE])
    claimed = update(batches).where(batches.c.id == query.scalar_subquery())
    claimed = claimed.values(worker=bindparam("by"), fence=batches.c.fence + 1, lease_until=until)
    return claimed.returning(batches.c.id, batches.c.fence)


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
    """Takes a batch that is due and that nobody holds. `issue_id`: only of this issue or of none. `without`: no batch
    of these lanes. `service_only`: only service mails, which go before an issue's."""
    statement = _claiming(of_issue=issue_id is not None, without=bool(without), service_only=service_only)
    values: dict[str, Any] = {"by": worker, "now": now, "far": now + 2 * lease, "until": now + lease}
    if issue_id is not None:
        values["issue"] = issue_id
    if without:
        values["without"] = list(without)
    row = tx.execute(statement, values).first()
    return Batch(row.id, row.fence) if row else None


def renew(tx: Connection, held: Sequence[Batch], now: datetime, lease: timedelta) -> None:
    for batch in held:
        tx.execute(_mine(update(batches), batch).values(lease_until=now + lease))


def release(tx: Connection, batch: Batch, due_at: datetime) -> None:
    """Gives a claim back, with what is left of it; it may be claimed again from `due_at` on."""
    tx.execute(_mine(update(batches), batch).values(worker=None, lease_until=None, due_at=due_at))


def close(tx: Connection, batch: Batch) -> bool:
    """Ends a batch in which nothing is left to do; False: something is."""
    left = exists().where(deliveries.c.batch_id == batch.id, deliveries.c.state.in_(OPEN))
    return tx.execute(_mine(update(batches), batch).where(~left).values(done=True, lease_until=None)).rowcount == 1


def _mine(statement: Any, batch: Batch) -> Any:
    return statement.where(batches.c.id == batch.id, batches.c.fence == batch.fence)


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
def hindrance(tx: Connection, delivery: Delivery, now: datetime) -> Skip | None:
    """Why a queued delivery must not be sent: its reader left, is suppressed or pauses. None: it is ours no longer, or
    its issue does not run just now; then it stays as it is."""
    held = tx.execute(
        select(batches.c.id).where(
            batches.c.id == delivery.batch.id, batches.c.fence == delivery.batch.fence, batches.c.lease_until > now
        )
    ).scalar()
    state = tx.execute(select(deliveries.c.state).where(deliveries.c.id == delivery.id)).scalar()
    if held is None or state != DeliveryState.QUEUED or delivery.subscriber_id is None:
        return None
    needed = requirements(delivery.kind, slot_day(delivery.issue_id))
    query = select(*needed.values()).where(subscribers.c.id == delivery.subscriber_id)
    row = tx.execute(query).first()
    if row is None:
        return Skip.SUPPRESSED
    return next((reason for reason, met in zip(needed, row, strict=True) if not met), None)


def record(tx: Connection, change: DeliveryChange, now: datetime) -> bool:
    """Writes what became of a delivery in `sending`. Returns False if the claim was lost meanwhile: the row is another
    process's then."""
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
    """Ends a queued delivery that must not be sent. Returns False if the claim was lost meanwhile."""
    return _write(tx, job, DeliveryState.QUEUED, {"state": DeliveryState.SKIPPED, "reason": reason, "finished_at": now})


def _write(tx: Connection, job: Delivery, from_: DeliveryState, values: Mapping[str, Any]) -> bool:
    held = exists().where(
        batches.c.id == deliveries.c.batch_id, batches.c.id == job.batch.id, batches.c.fence == job.batch.fence
    )
    statement = update(deliveries).where(deliveries.c.id == job.id, deliveries.c.state == from_, held)
    return tx.execute(statement.values(**values)).rowcount == 1


# --- what is put off, and how far it is ------------------------------------------------------------------------------
def requeue_due(tx: Connection, now: datetime) -> int:
    """Gives deferred mails whose time has come a batch again, one for each issue."""
    due = select(deliveries.c.id, deliveries.c.issue_id, deliveries.c.kind).where(
        _IS_DEFERRED, deliveries.c.due_at <= now
    )
    due = due.order_by(deliveries.c.due_at).limit(BATCH).with_for_update(skip_locked=True)
    groups: dict[tuple[int | None, DeliveryKind], list[int]] = {}
    for row in tx.execute(due):
        kind = DeliveryKind(row.kind)
        groups.setdefault((row.issue_id if kind is DeliveryKind.ISSUE else None, kind), []).append(row.id)
    for (issue_id, kind), ids in groups.items():
        batch_id = tx.execute(
            insert(batches)
            .values(issue_id=issue_id, ordinal=-1, priority=PRIORITY[kind], due_at=now)
            .returning(batches.c.id)
        ).scalar_one()
        tx.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids), _IS_DEFERRED)
            .values(state=DeliveryState.QUEUED, batch_id=batch_id, due_at=None)
        )
    return sum(map(len, groups.values()))


def counts(tx: Connection, issue_id: int) -> dict[DeliveryState, int]:
    """How many deliveries of an issue are in each state; all states are there."""
    query = select(deliveries.c.state, func.count()).where(of_issue(issue_id)).group_by(deliveries.c.state)
    found = {row[0]: row[1] for row in tx.execute(query)}
    return {state: found.get(state, 0) for state in DeliveryState}


def anything_open(tx: Connection, issue_id: int) -> bool:
    """Whether something of an issue is still to be done: asks the few open batches, not the million rows."""
    batch = select(batches.c.id).where(batches.c.issue_id == issue_id, ~batches.c.done).limit(1)
    put_off = select(deliveries.c.id).where(of_issue(issue_id), _IS_DEFERRED).limit(1)
    return tx.execute(batch).first() is not None or tx.execute(put_off).first() is not None


def next_due(tx: Connection, issue_id: int | None) -> datetime | None:
    """When the next deferred mail (of this issue, or of any) is tried again."""
    query = select(func.min(deliveries.c.due_at)).where(_IS_DEFERRED)
    if issue_id is not None:
        query = query.where(of_issue(issue_id))
    return tx.execute(query).scalar()


def claimable_at(tx: Connection, issue_id: int | None) -> datetime | None:
    """When the first batch of the issue (or any) is free: due, without a lease, its lane not paused."""
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
    """Ends what is queued or deferred of an issue. What is on its way gets its outcome all the same, and what waits to
    be sent once more, because nobody knows whether it arrived, stays unknown: it must not count as never sent."""
    return _end(tx, of_issue(issue_id), state, reason, now)


def drop(tx: Connection, ids: Iterable[int], now: datetime) -> None:
    """Ends what is queued or deferred of these deliveries, and their batches: they are not to go out later."""
    these = deliveries.c.id.in_(list(ids))
    _end(tx, these, DeliveryState.SKIPPED, Skip.CANCELLED, now)
    _end_batches(tx, batches.c.id.in_(select(deliveries.c.batch_id).where(these)))


def _end(tx: Connection, which: ColumnElement[bool], state: DeliveryState, reason: Skip | Expiry, now: datetime) -> int:
    statement = update(deliveries).where(which, deliveries.c.state.in_(WAITING))
    uncertain = statement.where(deliveries.c.unknowns > 0)
    unknown = tx.execute(uncertain.values(state=DeliveryState.UNKNOWN, due_at=None, finished_at=now)).rowcount
    return unknown + tx.execute(statement.values(state=state, reason=reason, due_at=None, finished_at=now)).rowcount


def withdraw(tx: Connection, issue_id: int) -> None:
    """Takes back what was owed for an issue that nobody got, so that it may be owed anew."""
    tx.execute(delete(deliveries).where(of_issue(issue_id)))
    tx.execute(delete(batches).where(batches.c.issue_id == issue_id))


def end_batches(tx: Connection, issue_id: int) -> None:
    """Ends the batches of an issue in which nothing waits and nothing is on its way."""
    _end_batches(tx, batches.c.issue_id == issue_id)


def _end_batches(tx: Connection, which: ColumnElement[bool]) -> None:
    left = exists().where(deliveries.c.batch_id == batches.c.id, deliveries.c.state.in_(OPEN))
    tx.execute(update(batches).where(which, ~batches.c.done, ~left).values(done=True))


# --- retry -----------------------------------------------------------------------------------------------------------
# Queues failed deliveries again after an issue has ended. Readers who have the mail are never included, nor are dead
# addresses or those whose provider refuses this sender: the same mail would be refused again and make things worse.
def requeue(tx: Connection, issue_id: int, now: datetime, *, unknown: bool) -> int:
    """Queues rejected(soft, other) and expired(gave_up), and with `unknown` what nobody knows of, in new batches. Only
    of an issue whose batches are all done. Returns how many.

    The key stays, and with it the Message-ID. The count of unknowns stays too: who may have the mail already must not
    be counted as never sent, nor be sent it a third time by itself.
    """
    again = _again(issue_id, unknown)
    ordinal = deliveries.c.subscriber_id // BATCH  # neighbours share a batch, as when the issue was frozen
    priority = PRIORITY[DeliveryKind.ISSUE]
    columns = ["issue_id", "ordinal", "priority", "due_at"]
    at = literal(now, batches.c.due_at.type)
    rows = select(literal(issue_id), ordinal, literal(priority), at).where(again).distinct().order_by(ordinal)
    tx.execute(insert(batches).from_select(columns, rows))
    made = select(batches.c.id).where(
        batches.c.issue_id == issue_id, ~batches.c.done, batches.c.ordinal == deliveries.c.subscriber_id // BATCH
    )
    fresh = {"attempts": 0, "losses": 0, "first_reply_at": None, "finished_at": None, "reason": None}
    statement = update(deliveries).where(again)
    values = {"state": DeliveryState.QUEUED, "batch_id": made.scalar_subquery(), **fresh}
    return tx.execute(statement.values(values)).rowcount


def _again(issue_id: int, unknown: bool) -> ColumnElement[bool]:
    state, reason = deliveries.c.state, deliveries.c.reason
    which = [
        and_(state == DeliveryState.REJECTED, reason.in_((Rejection.SOFT, Rejection.OTHER))),
        and_(state == DeliveryState.EXPIRED, reason == Expiry.GAVE_UP),
    ]
    if unknown:
        which.append(state == DeliveryState.UNKNOWN)
    # The last look would stop the others too, but the issue would go back to sending for nothing.
    return and_(of_issue(issue_id), or_(*which), reader_eligible(DeliveryKind.ISSUE))
