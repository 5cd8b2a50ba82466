"""The rule that says who may be mailed, shared by the freeze, the last look, the reason for a skip and a retry.

Suppressions and pauses are conditions here, not states of a delivery: they can begin at any moment, so the rule is
checked again in the statement that records the intent to send.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, exists, literal_column, or_, select

from mailer.model import DeliveryKind, IssueState, Skip, SubscriberStatus
from mailer.store.schema import issues, subscribers, suppressions

# Columns of the delivery in question, by name: the statement around the expression, SQLAlchemy's or text, supplies the
# table.
_KIND: ColumnElement[str] = literal_column("deliveries.kind", Text)
_ISSUE: ColumnElement[int] = literal_column("deliveries.issue_id")
_SUBSCRIBER: ColumnElement[int] = literal_column("deliveries.subscriber_id")


def requirements(kind: DeliveryKind, day: Any = None) -> dict[Skip, ColumnElement[bool]]:
    """The conditions on a row of `subscribers` for mailing it, by the reason for a skip if they are not met. The first
    one that is not met is the reason. `day` is the day of the issue's slot: a pause that ends on it is over."""
    present = subscribers.c.status != SubscriberStatus.UNSUBSCRIBED
    if kind is DeliveryKind.CONFIRMATION:
        return {Skip.UNSUBSCRIBED: present, Skip.SUPPRESSED: subscribers.c.status == SubscriberStatus.PENDING}
    suppressed = exists().where(suppressions.c.hash == subscribers.c.address_hash)
    return {
        Skip.UNSUBSCRIBED: present,
        Skip.SUPPRESSED: and_(subscribers.c.status == SubscriberStatus.ACTIVE, ~suppressed),
        Skip.PAUSED: or_(subscribers.c.paused_until.is_(None), subscribers.c.paused_until <= day),
    }


def eligible(day: Any) -> ColumnElement[bool]:
    """Returns whether a subscriber may get the issue of that day."""
    return and_(*requirements(DeliveryKind.ISSUE, day).values())


def slot_day(issue_id: Any = _ISSUE) -> ColumnElement[Any]:
    """The day of an issue's slot; by default of the delivery's issue."""
    return select(issues.c.day).where(issues.c.id == issue_id).scalar_subquery()


def reader_eligible(kind: DeliveryKind, *, locked: bool = False) -> ColumnElement[bool]:
    """Returns whether the subscriber of a delivery of that kind may be mailed. `locked`: on PostgreSQL no other
    transaction can change the subscriber's row before this one ends. SQLite has one writer and needs no lock."""
    reader: Select[Any] = select(literal_column("1")).select_from(subscribers)
    reader = reader.where(subscribers.c.id == _SUBSCRIBER, *requirements(kind, slot_day()).values())
    return exists(reader.with_for_update(read=True, of=subscribers) if locked else reader)


def may_go() -> ColumnElement[bool]:
    """Returns whether a delivery may be sent now: its reader may be mailed and, for the mail of an issue, the issue is
    being sent. This is the condition of the last look; it locks the reader's row."""
    running = exists().where(issues.c.id == _ISSUE, issues.c.state == IssueState.SENDING)
    return or_(
        _KIND.not_in((DeliveryKind.CONFIRMATION, DeliveryKind.ISSUE)),  # a test or a notice goes to no subscriber
        and_(_KIND == DeliveryKind.CONFIRMATION, reader_eligible(DeliveryKind.CONFIRMATION, locked=True)),
        and_(_KIND == DeliveryKind.ISSUE, running, reader_eligible(DeliveryKind.ISSUE, locked=True)),
    )
