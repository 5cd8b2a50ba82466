"""Adds people to the list, for both `subscribers add` and imports.

`plan` decides what to do with each person, and `carry_out` writes the plan. Both functions run only a few SQL
statements for any number of people. Readers who left are refused, because only their own sign-up (`joining`) may bring
them back.
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

LONGEST_NAME = 200  # a longer name is cut to this many characters
_FORMER = {
    SubscriberStatus.UNSUBSCRIBED: "left",
    SubscriberStatus.COMPLAINED: "reported our mail as spam",
    SubscriberStatus.SUPPRESSED: "must not be mailed",
    SubscriberStatus.BOUNCED: "bounced: the address is dead",
}


@dataclass(slots=True)
class Plan:
    """The changes to the list that are needed to add some people, and the people who are refused."""

    new: list[New] = field(default_factory=list)
    # subscriber id → new name and new sections; None leaves a value as it is
    changed: dict[int, tuple[str | None, Sequence[str] | None]] = field(default_factory=dict)
    unchanged: int = 0  # number of people who are on the list with the same name and sections
    pending: dict[int, str] = field(default_factory=dict)  # id → address of subscribers who have not confirmed
    refused: list[tuple[New, str, datetime | None]] = field(default_factory=list)  # person, reason, time of suppression


def person(
    app: App,
    parsed: Address,
    name: str,
    sections: Sequence[str],
    source: str,
    status: SubscriberStatus,
    consent_at: datetime | None = None,
) -> New:
    """Returns a person to add. Cleans and shortens the name, sections and source for use in mails and tables."""
    return New(
        parsed.written,
        parsed.key,
        tokens.address_hash(app.keys, parsed.key),
        parsed.domain,
        tidy_name(name) if name else "",
        _tidy_sections(tuple(sections)) if sections else (),
        _tidy_source(source),
        status,
        consent_at,
    )


def tidy_name(text: str) -> str:
    """Returns a name cleaned and shortened for use in mails and tables."""
    return clean(text)[:LONGEST_NAME]


# Cached, because even a list with a million rows has only a few different sections and sources.
@lru_cache(maxsize=1000)
def _tidy_sections(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({tidy for name in given if (tidy := tidy_name(name))}))


_tidy_source = lru_cache(maxsize=1000)(tidy_name)


def plan(tx: Connection, people: Collection[New]) -> Plan:
    """Sorts people into new, known and refused. `people` must contain each address only once."""
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
            result.pending[there.id] = each.key
        if (each.name and each.name != there.name) or (each.sections and each.sections != there.sections):
            result.changed[there.id] = (each.name or None, each.sections or None)
        else:
            result.unchanged += 1
    return result


def _refusal(status: SubscriberStatus | None, suppression: Suppression | None) -> str:
    """Returns the reason why admins and imports must not add this address, or "" if they may."""
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
    """Writes a plan, and records an event of kind `kind` for each new subscriber.

    If `invite` is true, also queues a confirmation mail for each new subscriber.
    """
    added = subscribers.add(tx, decided.new, now)
    events.record(tx, added, NewEvent(kind, now, method))
    subscribers.change(tx, decided.changed)
    events.record(tx, decided.changed, NewEvent(EventKind.CHANGED, now, method))
    if invite:
        joining.owe(app, tx, added, now)


def since(app: App, when: datetime | None) -> str:
    return f" on {local_day(app, when).isoformat()}" if when else ""
