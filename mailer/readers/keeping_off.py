"""Records people who must not be mailed because of what another system knows about them.

They left, bounced, complained or never confirmed there. `plan` decides what to do with each person, and `carry_out`
writes the plan. Both functions run only a few SQL statements for any number of people. A person who left or bounced
may be mailed again after signing up and confirming; a complaint is final. No issue's rate of unsubscriptions includes
these people.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from mailer.model import EventKind, Method, SubscriberStatus
from mailer.store import events, subscribers, suppressions
from mailer.store.subscribers import New

_ACTIVE, _PENDING = SubscriberStatus.ACTIVE, SubscriberStatus.PENDING
_KINDS = {
    SubscriberStatus.UNSUBSCRIBED: EventKind.UNSUBSCRIBED,
    SubscriberStatus.BOUNCED: EventKind.BOUNCED,
    SubscriberStatus.COMPLAINED: EventKind.COMPLAINED,
}
# Maps a status that the other system reports to the statuses of subscribers here that an import may change to it.
_FROM = {
    SubscriberStatus.UNSUBSCRIBED: subscribers.STAYING,
    SubscriberStatus.BOUNCED: (_ACTIVE, _PENDING),
    SubscriberStatus.COMPLAINED: (*subscribers.STAYING, SubscriberStatus.UNSUBSCRIBED),
}
# If two rows disagree, the status that comes first here wins: a person's own decision says more than a dead address.
_STRONGEST = (
    SubscriberStatus.COMPLAINED,
    SubscriberStatus.UNSUBSCRIBED,
    SubscriberStatus.BOUNCED,
    SubscriberStatus.PENDING,
)


class Leaver(NamedTuple):
    """A person who must not be mailed. `person.status` says why: unsubscribed, bounced, complained or pending."""

    person: New
    at: datetime | None = None  # when they left, bounced or complained in the other system, if that is known
    reason: str = ""  # why they left, in the words of the other system


@dataclass(slots=True)
class Plan:
    """The changes to the list that are needed to record some people."""

    new: list[Leaver] = field(default_factory=list)  # people to add as subscribers who must not be mailed
    known: list[Leaver] = field(default_factory=list)  # subscribers whose status may change
    hidden: list[Leaver] = field(default_factory=list)  # suppressed people of whom only a hash is stored
    after: dict[str, SubscriberStatus] = field(default_factory=dict)  # address → its status after the import
    staying: dict[str, datetime] = field(default_factory=dict)  # address → time of consent here, after leaving there


def is_stronger(status: SubscriberStatus, other: SubscriberStatus) -> bool:
    """Returns True if `status` wins over `other` when two rows give these statuses for one address."""
    return _STRONGEST.index(status) < _STRONGEST.index(other)


def plan(tx: Connection, leavers: Collection[Leaver]) -> Plan:
    """Decides what to do with these people. No two of them may have the same address."""
    suppressed = suppressions.among(tx, (each.person.hash for each in leavers))
    known = subscribers.known(tx, [each.person.key for each in leavers])
    consents = subscribers.consents(tx, [key for key, there in known.items() if there.status is _ACTIVE])
    result = Plan()
    for each in leavers:
        key, status = each.person.key, each.person.status
        there, suppression = known.get(key), suppressed.get(each.person.hash)
        consent = consents.get(key)
        result.after[key] = status
        if status is _PENDING:
            if there is None and suppression is None:
                result.new.append(each)
            elif there is not None:
                result.after[key] = there.status
            else:
                result.after[key] = SubscriberStatus.SUPPRESSED
        elif status is not SubscriberStatus.COMPLAINED and consent and each.at and consent > each.at:
            result.staying[key] = consent
            result.after[key] = _ACTIVE
        elif there is not None:
            result.known.append(each)
        else:
            # If the address is already suppressed here, the person may have been forgotten, so do not store it again.
            (result.new if suppression is None else result.hidden).append(each)
    return result


def carry_out(tx: Connection, decided: Plan, now: datetime) -> None:
    """Writes a plan, with an event at the time of leaving for each person who left, bounced or complained."""
    subscribers.add(tx, [each.person for each in decided.new], now)
    new = {each.person.key for each in decided.new}
    ids = {key: there.id for key, there in subscribers.known(tx, new).items()} if new else {}
    for status, kind in _KINDS.items():
        new_ones = [each for each in decided.new if each.person.status is status]
        known = {each.person.key: each for each in decided.known if each.person.status is status}
        hidden = [each for each in decided.hidden if each.person.status is status]
        times = {each.person.hash: each.at or now for each in (*new_ones, *known.values(), *hidden)}
        suppressions.add_each(tx, times, kind)
        moved = subscribers.move_all(tx, known, status, from_=_FROM[status])
        happened = [(ids[each.person.key], each.at or now, each.reason) for each in new_ones]
        happened += [(number, known[key].at or now, known[key].reason) for key, number in moved.items()]
        events.record_each(tx, happened, kind, Method.IMPORT)
