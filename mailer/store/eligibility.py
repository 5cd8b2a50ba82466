"""The rule that decides which readers may be mailed. The freeze, the last check, skips and retries all use it.

A suppression or a pause can begin at any moment. So both are conditions, not states of a delivery. The statement that
records the intent to send checks these conditions once more.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, exists, literal_column, or_, select

from mailer.model import DeliveryKind, IssueState, Skip, SubscriberStatus
from mailer.store.schema import issues, subscribers, suppressions

# The columns of the delivery that is checked. The columns are plain names, so that the conditions also work inside SQL
# text. Such a text must call the table `deliveries`, without an alias.
_KIND: ColumnElement[str] = literal_column("deliveries.kind", Text)
_ISSUE: ColumnElement[int] = literal_column("deliveries.issue_id")
_SUBSCRIBER: ColumnElement[int] = literal_column("deliveries.subscriber_id")


TO_PENDING = (DeliveryKind.CONFIRMATION, DeliveryKind.REMINDER)  # mails only for people who have not confirmed


def requirements(kind: DeliveryKind, day: Any = None) -> dict[Skip, ColumnElement[bool]]:
    """Returns the conditions that a row of `subscribers` must meet before that person may be mailed, keyed by the skip
    reason. The first condition that is not met gives the reason for a skip. `day` is the day of the issue's slot; a
    pause that ends on that day no longer counts. Without a day, as for a welcome mail, every pause counts."""
    present = subscribers.c.status != SubscriberStatus.UNSUBSCRIBED
    if kind in TO_PENDING:
        return {Skip.UNSUBSCRIBED: present, Skip.SUPPRESSED: subscribers.c.status == SubscriberStatus.PENDING}
    suppressed = exists().where(suppressions.c.hash == subscribers.c.address_hash)
    return {
        Skip.UNSUBSCRIBED: present,
        Skip.SUPPRESSED: and_(subscribers.c.status == SubscriberStatus.ACTIVE, ~suppressed),
        Skip.PAUSED: or_(subscribers.c.paused_until.is_(None), subscribers.c.paused_until <= day),
    }


def eligible(day: Any) -> ColumnElement[bool]:
    """Returns the SQL condition that selects the subscribers who may get the issue of that day."""
    return and_(*requirements(DeliveryKind.ISSUE, day).values())


def slot_day(issue_id: Any = _ISSUE) -> ColumnElement[Any]:
    """Returns the SQL expression for the day of an issue's slot. The default is the delivery's own issue."""
    return select(issues.c.day).where(issues.c.id == issue_id).scalar_subquery()


def reader_eligible(kind: DeliveryKind, *, locked: bool = False) -> ColumnElement[bool]:
    """Returns the condition that the subscriber of a delivery of that kind may be mailed.

    With `locked`, PostgreSQL lets no other transaction change the subscriber's row before this transaction ends. SQLite
    needs no such lock, because it has only one writer at a time.
    """
    reader: Select[Any] = select(literal_column("1")).select_from(subscribers)
    reader = reader.where(subscribers.c.id == _SUBSCRIBER, *requirements(kind, slot_day()).values())
    return exists(reader.with_for_update(read=True, of=subscribers) if locked else reader)


def may_go() -> ColumnElement[bool]:
    """Returns the condition that a delivery may be sent now: its reader may be mailed and, if the mail belongs to an
    issue, the issue is being sent. The last check evaluates this condition, and thereby locks the reader's row."""
    running = exists().where(issues.c.id == _ISSUE, issues.c.state == IssueState.SENDING)
    to_active = (DeliveryKind.ISSUE, DeliveryKind.WELCOME)
    return or_(
        _KIND.not_in((*TO_PENDING, *to_active)),  # tests and notices have no subscriber
        and_(_KIND.in_(TO_PENDING), reader_eligible(DeliveryKind.CONFIRMATION, locked=True)),
        and_(
            _KIND.in_(to_active),
            or_(_KIND == DeliveryKind.WELCOME, running),
            reader_eligible(DeliveryKind.ISSUE, locked=True),
        ),
    )
