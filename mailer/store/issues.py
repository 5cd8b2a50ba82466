"""The issues: one row for each slot, and the guarded statements that move an issue from state to state.

Any process may move any issue. A move is one UPDATE, whose condition names the states in which the move is allowed. So
if several processes try the same move at once, only one succeeds, and each process learns whether its move succeeded.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, literal_column, select, update

from mailer import reasons
from mailer.lifecycle import ARROWS, STARTED, IssueEvent
from mailer.model import (
    Block,
    BlockKind,
    BlockPlace,
    ChosenStory,
    DeliveryKind,
    Edits,
    Issue,
    IssueState,
    RejectedStory,
    Rendered,
    Slot,
    TimeSpan,
    Variant,
)
from mailer.reasons import Reason
from mailer.store.database import inserting
from mailer.store.schema import (
    REACHED,
    deliveries,
    events,
    issue_articles,
    issues,
    lanes,
    suppressions,
    variants,
)


def plan(tx: Connection, slot: Slot, send_at: datetime, now: datetime) -> bool:
    """Adds the issue of a slot. Returns False if the slot already has an issue, because a week never has two issues."""
    values = {"slot": slot.key, "day": slot.day, "state": IssueState.PLANNED, "send_at": send_at, "planned_at": now}
    made = inserting(tx, issues).values(values).on_conflict_do_nothing(index_elements=["slot"]).returning(issues.c.id)
    return tx.execute(made).first() is not None  # PostgreSQL's driver gives no row count for RETURNING


_ENDS = (IssueEvent.FINISH_SENT, IssueEvent.FINISH_PARTIAL, IssueEvent.SKIP, IssueEvent.CANCEL, IssueEvent.RETRY)
_TIMES: Mapping[IssueEvent, str] = {  # the column for the time of an event; RETRY sets its column to NULL
    IssueEvent.FREEZE: "frozen_at",
    IssueEvent.START: "started_at",
    **dict.fromkeys(_ENDS, "finished_at"),
}


def step(
    tx: Connection,
    issue_id: int,
    event: IssueEvent,
    *,
    at: datetime | None = None,
    reason: Reason | None = None,
    number: int | None = None,
    approved: bool | None = None,
    released: bool | None = None,
) -> bool:
    """Moves an issue to the state that `lifecycle.ARROWS` gives for the event. Returns False, and changes nothing, if
    the event is not allowed in the issue's current state.

    `at` is the time of the event. `reason` always replaces the reason of the issue, even if `reason` is None. `number`,
    `approved` and `released` replace the stored values only if they are not None.
    """
    given = {"number": number, "approved": approved, "released": released}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if event in _TIMES:
        values[_TIMES[event]] = at
    return _move(tx, issue_id, *ARROWS[event], {**values, **_reason_columns(reason)})


def _move(
    tx: Connection, issue_id: int, from_: Iterable[IssueState], to: IssueState, values: Mapping[str, Any]
) -> bool:
    guarded = update(issues).where(issues.c.id == issue_id, issues.c.state.in_(tuple(from_)))
    return tx.execute(guarded.values(state=to, **values)).rowcount == 1


def remove(tx: Connection, issue_id: int) -> bool:
    """Deletes an issue that has not been started, so that its slot has no issue. The test mails of the issue are kept,
    but then belong to no issue.

    Returns False, and deletes nothing, if counts, events or suppressions of readers still refer to the issue.
    """
    for table in (lanes, events, suppressions):
        if tx.execute(select(table.c.issue_id).where(table.c.issue_id == issue_id).limit(1)).first():
            return False
    drop_variants(tx, issue_id)
    for table in (variants, deliveries):
        tx.execute(update(table).where(table.c.issue_id == issue_id).values(issue_id=None))
    tx.execute(delete(issue_articles).where(issue_articles.c.issue_id == issue_id))
    return tx.execute(delete(issues).where(issues.c.id == issue_id)).rowcount == 1


def reopen(tx: Connection, issue: Issue) -> bool:
    """Plans a cancelled issue again. Keeps the edits, but has the pages of the stories checked again, because some
    pages may no longer exist. Returns False if the issue is not cancelled."""
    values: dict[str, Any] = dict.fromkeys(("number", "frozen_at", "started_at", "finished_at"))
    values |= {"approved": False, "released": False, "recipients": 0, "redacted": []}
    values |= {"edits": _json_of(replace(issue.edits, checked=False)), **_reason_columns(None)}
    return _move(tx, issue.id, *ARROWS[IssueEvent.REOPEN], values)


def save_choice(tx: Connection, issue: Issue, before: IssueState) -> bool:
    """Stores the state, stories, texts and notes of `issue`. Returns False, and stores nothing, if the state in the
    database is no longer `before`."""
    values = {
        "stories": [_json_of(story) for story in issue.stories],
        "rejected": [_json_of(story) for story in issue.rejected],
        "notes": [_json_of(note) for note in issue.notes],
        "blocks": [_json_of(block) for block in issue.blocks],
        "subject": issue.subject,
        "intro": issue.intro,
        "window_start": issue.span.start if issue.span else None,
        "window_end": issue.span.end if issue.span else None,
        "approved": issue.approved,
        "drafted_at": issue.drafted_at,
        **_reason_columns(issue.reason),
    }
    return _move(tx, issue.id, (before,), issue.state, values)


# --- rows ------------------------------------------------------------------------------------------------------------
_SHARED = tuple(each.name for each in fields(Issue) if each.name in issues.c)  # fields that are also columns


def _issue(row: Row[Any]) -> Issue:
    values = {name: getattr(row, name) for name in _SHARED}
    values |= {
        "state": IssueState(row.state),
        "span": TimeSpan(row.window_start, row.window_end) if row.window_end else None,
        "stories": tuple(_story(value) for value in row.stories),
        "rejected": tuple(map(_rejected, row.rejected)),
        "notes": tuple(_reason(note) for note in row.notes),
        "blocks": tuple(_block(each) for each in row.blocks),
        "reason": reasons.stored(row.reason_code, row.reason_args) if row.reason_code else None,
        "edits": _edits(row.edits),
    }
    return Issue(**values)


def _story(value: Mapping[str, Any]) -> ChosenStory:
    also = tuple((int(number), str(url), str(title)) for number, url, title in value["also"])
    return ChosenStory(**{**value, "dated": datetime.fromisoformat(value["dated"]), "also": also, "why": _why(value)})


def _rejected(value: Mapping[str, Any]) -> RejectedStory:
    return RejectedStory(**{**value, "reason": _reason(value["reason"]), "why": _why(value)})


def _why(value: Mapping[str, Any]) -> tuple[Reason, ...]:
    return tuple(map(_reason, value.get("why", ())))  # older versions stored none


def _reason(value: Mapping[str, Any]) -> Reason:
    return reasons.stored(value["code"], value["args"])


def _reason_columns(reason: Reason | None) -> dict[str, Any]:
    return {
        "reason_code": reason.code if reason else "",
        "reason_args": reasons.plain(reason)["args"] if reason else {},
    }


def _block(value: Mapping[str, Any]) -> Block:
    return Block(**{**value, "kind": BlockKind(value["kind"]), "place": BlockPlace(value["place"])})


def _edits(value: Mapping[str, Any]) -> Edits:
    keyed = ("places", "titles", "gone")  # mappings whose keys are article ids, which JSON stores as strings
    by_id = {name: {int(number): each for number, each in value.get(name, {}).items()} for name in keyed}
    blocks = tuple(_block(each) for each in value.get("blocks", ()))
    return Edits(**{**value, **by_id, "dropped": frozenset(value.get("dropped", ())), "blocks": blocks})


def _json_of(value: ChosenStory | RejectedStory | Reason | Block | Edits) -> dict[str, Any]:
    text = json.dumps(asdict(value), default=lambda it: it.isoformat() if isinstance(it, datetime) else sorted(it))
    return json.loads(text)  # type: ignore[no-any-return]


# --- finding issues --------------------------------------------------------------------------------------------------
def get(tx: Connection, issue_id: int) -> Issue | None:
    return _first(tx, select(issues).where(issues.c.id == issue_id))


def find(tx: Connection, slot: str) -> Issue | None:
    return _first(tx, select(issues).where(issues.c.slot == slot))


def newest(tx: Connection, until: date | None = None) -> Issue | None:
    """Returns the issue of the latest slot, or None if there is none. With `until`, ignores slots after that day."""
    query = select(issues) if until is None else select(issues).where(issues.c.day <= until)
    return _first(tx, query.order_by(issues.c.day.desc(), issues.c.id.desc()).limit(1))


def last_started(tx: Connection, states: Iterable[IssueState] = STARTED) -> Issue | None:
    """Returns the issue that began to go out last and is in one of `states`, or None if there is none."""
    started = select(issues).where(issues.c.state.in_(tuple(states)))
    return _first(tx, started.order_by(issues.c.started_at.desc(), issues.c.day.desc()).limit(1))


def recent(tx: Connection, *, states: Iterable[IssueState] | None = None, limit: int | None = None) -> list[Issue]:
    """Returns the issues in `states`, or all issues if `states` is None. The issue of the latest slot comes first."""
    query = select(issues).order_by(issues.c.day.desc(), issues.c.id.desc()).limit(limit)
    if states is not None:
        query = query.where(issues.c.state.in_(tuple(states)))
    return [_issue(row) for row in tx.execute(query)]


def lock(tx: Connection, issue_id: int, states: Iterable[IssueState]) -> Issue | None:
    """Returns the issue and keeps other processes from changing it until the end of this transaction. Returns None if
    the issue is not in one of `states`."""
    query = select(issues).where(issues.c.id == issue_id, issues.c.state.in_(tuple(states)))
    return _first(tx, query.with_for_update())


def _first(tx: Connection, query: Select[Any]) -> Issue | None:
    row = tx.execute(query).first()
    return _issue(row) if row else None


def set_edits(tx: Connection, issue_id: int, edits: Edits) -> None:
    tx.execute(update(issues).where(issues.c.id == issue_id).values(edits=_json_of(edits)))


def previous_end(tx: Connection, day: date) -> datetime | None:
    """Returns the end of the time span of the last issue before `day` that reached a reader, or None if none did."""
    query = (
        select(issues.c.window_end)
        .where(issues.c.day < day, issues.c.window_end.is_not(None), REACHED)
        .order_by(issues.c.day.desc())
        .limit(1)
    )
    return tx.execute(query).scalar()


def superseded(tx: Connection, issue: Issue) -> bool:
    """Returns True if the issue of a later slot was started after this issue. An issue of a later slot that was started
    before this issue does not count."""
    newer = select(issues.c.id).where(issues.c.day > issue.day, issues.c.started_at >= issue.started_at)
    return tx.execute(newer.where(issues.c.state.in_(STARTED)).limit(1)).first() is not None


def began(tx: Connection) -> datetime | None:
    """Returns when the first issue was planned, which is when the newsletter began, or None if there are no issues."""
    return tx.execute(select(func.min(issues.c.planned_at, type_=issues.c.planned_at.type))).scalar()


def set_recipients(tx: Connection, issue_id: int, count: int) -> None:
    tx.execute(update(issues).where(issues.c.id == issue_id).values(recipients=count))


def next_number(tx: Connection) -> int:
    """Returns the number that the next issue to be frozen gets."""
    return int(tx.execute(select(func.coalesce(func.max(issues.c.number), 0) + 1)).scalar_one())


def give_number_back(tx: Connection, issue_id: int) -> None:
    """Removes the number of an issue, so that another issue can get it. Only for issues that reached no reader, because
    a reader must not see the same number twice."""
    tx.execute(update(issues).where(issues.c.id == issue_id).values(number=None))


# --- variants --------------------------------------------------------------------------------------------------------
def add_variant(
    tx: Connection,
    kind: DeliveryKind,
    issue_id: int | None,
    rendered: Rendered,
    now: datetime,
    *,
    sections: str = "[]",
) -> int:
    """Stores a variant and returns its id. `sections` is the choice of sections of the readers who get the variant; []
    means all sections."""
    row = insert(variants).values(kind=kind, issue_id=issue_id, sections=sections, created_at=now)
    row = row.values(**asdict(rendered), sha256=rendered.sha256)
    return int(tx.execute(row.returning(variants.c.id)).scalar_one())


def made_for(tx: Connection, issue_id: int) -> set[str]:
    """Returns the choices of sections for which an issue has a variant."""
    query = select(variants.c.sections).where(
        variants.c.issue_id == issue_id, variants.c.kind == literal_column("'issue'")
    )
    return set(tx.execute(query).scalars())


def shared_variant(tx: Connection, kind: DeliveryKind, rendered: Rendered, now: datetime) -> int:
    """Returns the id of the variant of this kind that belongs to no issue and has this content. Adds the variant only
    if it does not exist yet."""
    query = select(variants.c.id).where(
        variants.c.issue_id.is_(None), variants.c.kind == kind, variants.c.sha256 == rendered.sha256
    )
    return tx.execute(query).scalar() or add_variant(tx, kind, None, rendered, now)


# --- redaction -------------------------------------------------------------------------------------------------------
REDACTED = "redacted"  # stored as the `sections` of the redacted variant; a choice of sections is always a JSON list


def redacted(tx: Connection, issue_id: int, *, lock: bool = False) -> list[int]:
    """Returns the positions of the stories that were removed from the archive and the feed. With `lock`, other
    processes cannot change these positions until the end of this transaction."""
    query = select(issues.c.redacted).where(issues.c.id == issue_id)
    return [int(n) for n in tx.execute(query.with_for_update() if lock else query).scalar_one()]


def redacted_at(tx: Connection, issue_id: int) -> datetime | None:
    """Returns when a story was last removed from the archive, or None if no story was removed."""
    query = select(variants.c.created_at).where(variants.c.issue_id == issue_id, variants.c.sections == REDACTED)
    return tx.execute(query).scalar()


def redact(tx: Connection, issue_id: int, positions: Iterable[int]) -> None:
    """Records which stories are removed, and deletes the redacted variant. The caller then adds a new variant with
    REDACTED as its sections."""
    tx.execute(update(issues).where(issues.c.id == issue_id).values(redacted=sorted(set(positions))))
    tx.execute(delete(variants).where(variants.c.issue_id == issue_id, variants.c.sections == REDACTED))


def public_variant(tx: Connection, issue_id: int) -> Variant | None:
    """Returns the public mail of an issue, without its redacted stories, or None if the issue is not frozen."""
    public = _of_issue(issue_id).where(variants.c.sections.in_(("[]", REDACTED)))
    return _first_variant(tx, public.order_by((variants.c.sections == REDACTED).desc()))


def variant(tx: Connection, variant_id: int) -> Variant:
    return _variant(tx.execute(select(variants).where(variants.c.id == variant_id)).one())


def full_variant(tx: Connection, issue_id: int) -> Variant | None:
    """Returns the frozen mail with all sections, or None if the issue is not frozen."""
    full = _of_issue(issue_id).where(variants.c.sections == "[]")
    return _first_variant(tx, full.order_by(variants.c.id.desc()))


def _of_issue(issue_id: int) -> Select[Any]:
    return select(variants).where(variants.c.issue_id == issue_id, variants.c.kind == DeliveryKind.ISSUE)


def _first_variant(tx: Connection, query: Select[Any]) -> Variant | None:
    row = tx.execute(query.limit(1)).first()
    return _variant(row) if row else None


def _variant(row: Row[Any]) -> Variant:
    return Variant(row.id, row.subject, row.html, row.text, row.sha256)


def drop_variants(tx: Connection, issue_id: int) -> None:
    """Deletes the variants of an issue that is reopened. The deliveries of the issue must be deleted first."""
    tx.execute(delete(variants).where(variants.c.issue_id == issue_id, variants.c.kind == DeliveryKind.ISSUE))
