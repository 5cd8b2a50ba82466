"""Puts people on the list: the one path for `subscribers add` and imports.

First `plan` sorts people into new, known and refused, then `carry_out` writes that; both run a few statements for many
people. Readers who left are not brought back here: they can only come back by signing up themselves (`joining`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection

from mailer import tokens
from mailer.address import Address
from mailer.context import App, local_day
from mailer.model import EventKind, Method, NewEvent, SubscriberStatus
from mailer.readers import joining
from mailer.store import events, subscribers, suppressions
from mailer.store.subscribers import New
from mailer.store.suppressions import Suppression
from mailer.text.clean import clean

LONGEST_NAME = 200  # characters
_FORMER = {
    SubscriberStatus.UNSUBSCRIBED: "left",
    SubscriberStatus.COMPLAINED: "reported our mail as spam",
    SubscriberStatus.SUPPRESSED: "must not be mailed",
    SubscriberStatus.BOUNCED: "bounced: the address is dead",
}


@dataclass(slots=True)
class Plan:
    """The changes of the list that adding these people needs."""

    new: list[New] = field(default_factory=list)
    changed: dict[int, tuple[str, Sequence[str]]] = field(default_factory=dict)  # by id: name and sections
    unchanged: int = 0
    pending: list[int] = field(default_factory=list)  # ids of known subscribers who have not confirmed
    refused: list[tuple[New, str, datetime | None]] = field(default_factory=list)  # why and since when


def person(
    app: App,
    parsed: Address,
    name: str,
    sections: Sequence[str],
    source: str,
    status: SubscriberStatus,
    consent_at: datetime | None = None,
) -> New:
    """A person to be added, with name, sections and source made safe for mails and tables."""
    return New(
        parsed.written,
        parsed.key,
        tokens.address_hash(app.keys, parsed.key),
        parsed.domain,
        _tidy(name) if name else "",
        _tidy_sections(tuple(sections)) if sections else (),
        _tidy_source(source),
        status,
        consent_at,
    )


def _tidy(text: str) -> str:
    return clean(text)[:LONGEST_NAME]


# A million rows of a list have a few sections and sources.
@lru_cache(maxsize=1000)
def _tidy_sections(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({tidy for name in given if (tidy := _tidy(name))}))


_tidy_source = lru_cache(maxsize=1000)(_tidy)


def plan(tx: Connection, people: Collection[New]) -> Plan:
    """Sorts people by what the list knows of them. No two of them may have the same address."""
    suppressed = suppressions.among(tx, (each.hash for each in people))
    known = subscribers.known(tx, [each.key for each in people])
    result = Plan()
    for each in people:
        there, suppression = known.get(each.key), suppressed.get(each.hash)
        if reason := _refusal(there.status if there else None, suppression):
            result.refused.append((each, reason, suppression.at if suppression else None))
            continue
        if there is None:
            result.new.append(each)
            continue
        if there.status is SubscriberStatus.PENDING:
            result.pending.append(there.id)
        if (each.name and each.name != there.name) or (each.sections and each.sections != there.sections):
            result.changed[there.id] = (each.name or there.name, each.sections or there.sections)
        else:
            result.unchanged += 1
    return result


def _refusal(status: SubscriberStatus | None, suppression: Suppression | None) -> str:
    """The reason why only the reader can put this address on the list; empty if others can, too."""
    if status in _FORMER:
        return _FORMER[status]
    if suppression is None:
        return ""
    if suppression.reason is EventKind.BOUNCED:
        return _FORMER[SubscriberStatus.BOUNCED]
    left = suppression.reason in (EventKind.UNSUBSCRIBED, EventKind.FORGOTTEN)
    return "left" if left else "must not be mailed"


def carry_out(
    app: App, tx: Connection, decided: Plan, now: datetime, *, kind: EventKind, method: Method, invite: bool
) -> None:
    """Writes the plan. Each new subscriber gets an event of this kind and, with `invite`, a confirmation mail."""
    added = subscribers.add(tx, decided.new, now)
    events.record(tx, added, NewEvent(kind, now, method))
    subscribers.change(tx, decided.changed)
    events.record(tx, decided.changed, NewEvent(EventKind.CHANGED, now, method))
    if invite:
        joining.owe(app, tx, added, now)


def since(app: App, when: datetime | None) -> str:
    return f" on {local_day(app, when).isoformat()}" if when else ""
