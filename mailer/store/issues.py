"""Issues: one row for one slot, and the guarded statements that move it along the arrows of `lifecycle`.

Any process may take any step: it is one UPDATE that names the states it may start from and reports whether it won.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, literal_column, select, update

from mailer.lifecycle import ARROWS, STARTED, IssueEvent
from mailer.model import (
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
from mailer.reasons import Reason, ReasonCode
from mailer.store.database import inserting
from mailer.store.schema import REACHED, issues, variants


def plan(tx: Connection, slot: Slot, send_at: datetime, now: datetime) -> bool:
    """Makes the row of a slot; returns False if it exists. This statement is why there is one issue a week."""
    values = {"slot": slot.key, "day": slot.day, "state": IssueState.PLANNED, "send_at": send_at, "planned_at": now}
    made = inserting(tx, issues).values(values).on_conflict_do_nothing(index_elements=["slot"]).returning(issues.c.id)
    return tx.execute(made).first() is not None  # with RETURNING, PostgreSQL's driver does not keep the rowcount


_ENDS = (IssueEvent.FINISH_SENT, IssueEvent.FINISH_PARTIAL, IssueEvent.SKIP, IssueEvent.CANCEL, IssueEvent.RETRY)
_TIMES: Mapping[IssueEvent, str] = {  # the column that holds when an event happened; RETRY empties it
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
    """Moves an issue along one arrow of `lifecycle`. Returns False if it is not in a state where the arrow begins.

    `reason` is why the issue is in its new state and replaces the old one. `at` is when the event happened. Number,
    approval and release are left as they are where None is given.
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


def reopen(tx: Connection, issue: Issue) -> bool:
    """Plans a cancelled issue again. Its edits stay, but its pages must be checked again: they may be gone by now."""
    values: dict[str, Any] = dict.fromkeys(("number", "frozen_at", "started_at", "finished_at"))
    values |= {"approved": False, "released": False, "recipients": 0, "redacted": []}
    values |= {"edits": _json_of(replace(issue.edits, checked=False)), **_reason_columns(None)}
    return _move(tx, issue.id, *ARROWS[IssueEvent.REOPEN], values)


def save_choice(tx: Connection, issue: Issue, before: IssueState) -> bool:
    """Writes state, stories, words and notes of `issue`. Returns False if its state is not `before` any more."""
    values = {
        "stories": [_json_of(story) for story in issue.stories],
        "rejected": [_json_of(story) for story in issue.rejected],
        "notes": [_json_of(note) for note in issue.notes],
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
def _issue(row: Row[Any]) -> Issue:
    return Issue(
        id=row.id,
        slot=row.slot,
        day=row.day,
        state=IssueState(row.state),
        number=row.number,
        send_at=row.send_at,
        span=TimeSpan(row.window_start, row.window_end) if row.window_end else None,
        subject=row.subject,
        preheader=row.preheader,
        intro=row.intro,
        stories=tuple(_story(value) for value in row.stories),
        rejected=tuple(RejectedStory(**{**each, "reason": _reason(each["reason"])}) for each in row.rejected),
        notes=tuple(_reason(note) for note in row.notes),
        reason=Reason(ReasonCode(row.reason_code), row.reason_args) if row.reason_code else None,
        approved=row.approved,
        released=row.released,
        drafted_at=row.drafted_at,
        frozen_at=row.frozen_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        recipients=row.recipients,
        edits=_edits(row.edits),
    )


def _story(value: Mapping[str, Any]) -> ChosenStory:
    also = tuple((int(number), str(url), str(title)) for number, url, title in value["also"])
    return ChosenStory(**{**value, "dated": datetime.fromisoformat(value["dated"]), "also": also})


def _reason(value: Mapping[str, Any]) -> Reason:
    return Reason(ReasonCode(value["code"]), value["args"])


def _reason_columns(reason: Reason | None) -> dict[str, Any]:
    return {"reason_code": reason.code if reason else "", "reason_args": reason.args if reason else {}}


def _edits(value: Mapping[str, Any]) -> Edits:
    keyed = ("places", "titles", "gone")  # by article id, which JSON makes a text
    by_id = {name: {int(number): each for number, each in value.get(name, {}).items()} for name in keyed}
    return Edits(**{**value, **by_id, "dropped": frozenset(value.get("dropped", ()))})


def _json_of(value: ChosenStory | RejectedStory | Reason | Edits) -> dict[str, Any]:
    text = json.dumps(asdict(value), default=lambda it: it.isoformat() if isinstance(it, datetime) else sorted(it))
    return json.loads(text)  # type: ignore[no-any-return]


# --- finding issues --------------------------------------------------------------------------------------------------
def get(tx: Connection, issue_id: int) -> Issue | None:
    return _first(tx, select(issues).where(issues.c.id == issue_id))


def find(tx: Connection, slot: str) -> Issue | None:
    return _first(tx, select(issues).where(issues.c.slot == slot))


def newest(tx: Connection) -> Issue | None:
    """The issue of the latest slot."""
    return _first(tx, select(issues).order_by(issues.c.day.desc(), issues.c.id.desc()).limit(1))


def recent(tx: Connection, *, states: Iterable[IssueState] | None = None, limit: int | None = None) -> list[Issue]:
    """Issues in these states, or all, the latest slot first."""
    query = select(issues).order_by(issues.c.day.desc(), issues.c.id.desc()).limit(limit)
    if states is not None:
        query = query.where(issues.c.state.in_(tuple(states)))
    return [_issue(row) for row in tx.execute(query)]


def lock(tx: Connection, issue_id: int, states: Iterable[IssueState]) -> Issue | None:
    """The issue, which no other process changes until the end of this transaction. Returns None if it is not in one of
    `states`."""
    query = select(issues).where(issues.c.id == issue_id, issues.c.state.in_(tuple(states)))
    return _first(tx, query.with_for_update())


def _first(tx: Connection, query: Select[Any]) -> Issue | None:
    row = tx.execute(query).first()
    return _issue(row) if row else None


def set_edits(tx: Connection, issue_id: int, edits: Edits) -> None:
    tx.execute(update(issues).where(issues.c.id == issue_id).values(edits=_json_of(edits)))


def previous_end(tx: Connection, day: date) -> datetime | None:
    """The end of the time span of the last issue before `day` that reached a reader."""
    query = (
        select(issues.c.window_end)
        .where(issues.c.day < day, issues.c.window_end.is_not(None), REACHED)
        .order_by(issues.c.day.desc())
        .limit(1)
    )
    return tx.execute(query).scalar()


def superseded(tx: Connection, issue: Issue) -> bool:
    """Returns True if a later slot's issue was started after this one; an older issue may start after a newer one."""
    newer = select(issues.c.id).where(issues.c.day > issue.day, issues.c.started_at >= issue.started_at)
    return tx.execute(newer.where(issues.c.state.in_(STARTED)).limit(1)).first() is not None


def began(tx: Connection) -> datetime | None:
    """When the first of all issues was planned; None if there is none. Before that there was no newsletter."""
    return tx.execute(select(func.min(issues.c.planned_at, type_=issues.c.planned_at.type))).scalar()


def set_recipients(tx: Connection, issue_id: int, count: int) -> None:
    tx.execute(update(issues).where(issues.c.id == issue_id).values(recipients=count))


def next_number(tx: Connection) -> int:
    """The number of the issue that is frozen next."""
    return int(tx.execute(select(func.coalesce(func.max(issues.c.number), 0) + 1)).scalar_one())


def give_number_back(tx: Connection, issue_id: int) -> None:
    """Removes the number of an issue. Only for issues that reached no reader: readers see the other numbers."""
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
    """Stores a variant and returns its id. `sections` is the choice of the readers it is for, [] the full issue."""
    values = {
        "kind": kind,
        "issue_id": issue_id,
        "sections": sections,
        "subject": rendered.subject,
        "html": rendered.html,
        "text": rendered.text,
        "sha256": rendered.sha256,
        "created_at": now,
    }
    return int(tx.execute(insert(variants).values(values).returning(variants.c.id)).scalar_one())


def made_for(tx: Connection, issue_id: int) -> set[str]:
    """The choices of sections for which an issue has a variant."""
    query = select(variants.c.sections).where(
        variants.c.issue_id == issue_id, variants.c.kind == literal_column("'issue'")
    )
    return set(tx.execute(query).scalars())


def variant_of(tx: Connection, kind: DeliveryKind, sha256: str) -> int | None:
    """The id of the variant with exactly these bytes that belongs to no issue."""
    query = select(variants.c.id).where(
        variants.c.issue_id.is_(None), variants.c.kind == kind, variants.c.sha256 == sha256
    )
    return tx.execute(query).scalar()


# --- redaction -------------------------------------------------------------------------------------------------------
REDACTED = "redacted"  # in place of a choice of sections, which is always a JSON list


def redacted(tx: Connection, issue_id: int, *, lock: bool = False) -> list[int]:
    """Positions of the stories that were taken out of archive and feed. `lock` keeps other processes from changing
    them until the end of this transaction."""
    query = select(issues.c.redacted).where(issues.c.id == issue_id)
    return [int(n) for n in tx.execute(query.with_for_update() if lock else query).scalar_one()]


def redacted_at(tx: Connection, issue_id: int) -> datetime | None:
    """When the last story was taken out."""
    query = select(variants.c.created_at).where(variants.c.issue_id == issue_id, variants.c.sections == REDACTED)
    return tx.execute(query).scalar()


def redact(tx: Connection, issue_id: int, positions: Iterable[int]) -> None:
    """Records which stories are out and deletes the old page; the caller adds the new one as variant REDACTED."""
    tx.execute(update(issues).where(issues.c.id == issue_id).values(redacted=sorted(set(positions))))
    tx.execute(delete(variants).where(variants.c.issue_id == issue_id, variants.c.sections == REDACTED))


def public_variant(tx: Connection, issue_id: int) -> Variant | None:
    """The public mail of an issue, without redacted stories; None if it is not frozen."""
    public = _of_issue(issue_id).where(variants.c.sections.in_(("[]", REDACTED)))
    return _first_variant(tx, public.order_by((variants.c.sections == REDACTED).desc()))


def variant(tx: Connection, variant_id: int) -> Variant:
    return _variant(tx.execute(select(variants).where(variants.c.id == variant_id)).one())


def full_variant(tx: Connection, issue_id: int) -> Variant | None:
    """The frozen mail with all sections; None if the issue is not frozen."""
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
    """Deletes the mails of a reopened issue. Its deliveries must be deleted already."""
    tx.execute(delete(variants).where(variants.c.issue_id == issue_id, variants.c.kind == DeliveryKind.ISSUE))
