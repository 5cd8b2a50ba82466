"""The tables, the same on SQLite and PostgreSQL. Contains no query; `migrations/` brings a database to this shape.

Uniqueness, states and reasons are constraints here, so that no process can violate them.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    and_,
    select,
    text,
)

from mailer.model import (
    Dating,
    DeliveryKind,
    DeliveryState,
    EventKind,
    Expiry,
    IssueState,
    Method,
    Rejection,
    Skip,
    SubscriberStatus,
)


class Instant(TypeDecorator[datetime]):
    """An aware instant: timestamptz on PostgreSQL; on SQLite text in UTC of fixed width, which sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[Any]:
    # With sqlite_autoincrement below, an id is never reused: an old link never reaches another person.
    return Column("id", Id, primary_key=True, autoincrement=True)


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({_quoted(values)})", name=column)


def _count(name: str) -> Column[int]:
    return Column(name, SmallInteger, nullable=False, server_default=text("0"))


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


def _json(name: str, default: str = "[]") -> Column[Any]:
    return Column(name, JSON, nullable=False, server_default=text(f"'{default}'"))


def _partial_index(name: str, *columns: str, where: str, sqlite_where: str = "", unique: bool = False) -> Index:
    """`sqlite_where` where it differs: SQLAlchemy compares a flag with 1 for SQLite, and SQLite uses a partial index
    only for a query with the same condition."""
    return Index(name, *columns, unique=unique, info={"sqlite": sqlite_where or where, "postgresql": where})


subscribers = Table(
    "subscribers",
    metadata,
    _id(),
    Column("address", Text),  # NULL in the tombstone that `forget` leaves
    Column("address_key", Text, unique=True),  # normalised; NULL in a tombstone
    Column("address_hash", Text, nullable=False, index=True),  # keyed; suppressions are found by it
    Column("domain", Text),  # in A-labels, for lanes
    _text("name"),
    Column("status", Text, nullable=False),
    Column("sections", Text, nullable=False, server_default=text("'[]'")),  # sorted JSON list; [] means all
    Column("paused_until", Date),  # no issue for slots before this day
    _text("source"),
    Column("consent_at", Instant),
    _count("soft_bounces"),  # in a row
    Column("created_at", Instant, nullable=False),
    Column("forgotten_at", Instant),
    _one_of("status", SubscriberStatus),
    CheckConstraint("(address IS NULL) = (forgotten_at IS NOT NULL)", name="tombstone"),
    CheckConstraint("(address IS NULL) = (address_key IS NULL)", name="address_key"),
    sqlite_autoincrement=True,
)

events = Table(
    "events",
    metadata,
    _id(),
    Column("at", Instant, nullable=False, index=True),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("method", Text),
    Column("issue_id", Id, ForeignKey("issues.id")),
    Column("reason", Text),
    Column("agent", Text),  # class of the user agent, never the whole string
    Column("network", Text),  # truncated address (/24, /48); deleted after a while
    Column("details", JSON),  # e.g. the consent text that was shown
    _one_of("kind", EventKind),
    CheckConstraint(f"method IS NULL OR method IN ({_quoted(Method)})", name="method"),
    Index("ix_events_subscriber_id", "subscriber_id", "id"),
    Index("ix_events_issue_id", "issue_id", "kind"),
    _partial_index("ix_events_network", "at", where="network IS NOT NULL"),  # finds old networks, to delete them
    sqlite_autoincrement=True,
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("hash", Text, primary_key=True),  # of the normalised address, by the key that never rotates
    Column("reason", Text, nullable=False),  # the EventKind that caused it
    Column("at", Instant, nullable=False),
    Column("issue_id", Id, ForeignKey("issues.id")),
    Column("replaced", Text),  # the weaker reason that an admin's replaced; it is restored when that one is lifted
    _one_of("reason", EventKind),
)

signups = Table(  # sign-ups as the form took them; the limits are counted from them
    "signups",
    metadata,
    _id(),
    Column("at", Instant, nullable=False, index=True),
    Column("hash", Text, nullable=False),  # keyed, of the normalised address
    Column("address", Text),  # NULL once it was processed
    Column("network", Text),  # truncated; deleted after a while
    Column("agent", Text),
    Column("words", Text),  # the consent text that was shown
    Column("outcome", Text),  # NULL while it waits to be processed
    CheckConstraint("outcome IS NULL OR outcome IN ('sent', 'silent', 'limited')", name="outcome"),
    CheckConstraint("(outcome IS NULL) = (address IS NOT NULL)", name="address"),
    Index("ix_signups_hash", "hash", "at"),
    Index("ix_signups_network", "network", "at"),
    _partial_index("ix_signups_open", "id", where="outcome IS NULL"),
    sqlite_autoincrement=True,
)

articles = Table(
    "articles",
    metadata,
    _id(),
    Column("identity", Text, nullable=False, unique=True),
    Column("link_key", Text, nullable=False, index=True),  # canonical link, or ''
    Column("source", Text, nullable=False),
    _text("guid"),
    _text("url"),
    Column("title", Text, nullable=False),
    _text("lead"),
    _text("body"),
    _text("category"),
    _json("tags"),
    _text("author"),
    _text("image_url"),
    _text("image_alt"),
    Column("published_at", Instant),
    _text("published_raw"),
    Column("dated", Instant, nullable=False),  # published_at, or first_seen_at where that is missing or in the future
    Column("dating", Text, nullable=False),
    Column("first_seen_at", Instant, nullable=False, index=True),
    Column("updated_at", Instant, nullable=False),
    Column("views", BigInteger),
    Column("comments", BigInteger),
    Column("shares", BigInteger),
    _flag("front_page"),
    Column("news_value", SmallInteger),  # the editor's, -2 … +2
    Column("prominence", Float),  # hours on the front page, each divided by log2(position + 1); NULL if unknown
    _flag("closed"),  # for members or subscribers only
    Column("title_given", Text),  # the source's own text, where the spelling was corrected
    Column("lead_given", Text),
    Column("alt_given", Text),
    _flag("pinned"),
    _flag("banned"),
    _one_of("dating", Dating),
    CheckConstraint("news_value IS NULL OR news_value BETWEEN -2 AND 2", name="news_value"),
    Index("ix_articles_dated", "dated", "id"),
    _partial_index("ix_articles_pinned", "dated", where="pinned", sqlite_where="pinned = 1"),
    sqlite_autoincrement=True,
)

view_snapshots = Table(
    "view_snapshots",
    metadata,
    Column("article_id", Id, ForeignKey("articles.id"), primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("views", BigInteger),
    Column("comments", BigInteger),
    Column("shares", BigInteger),
)

feeds = Table(  # the last fetch of each source, so that a restart fetches nothing twice
    "feeds",
    metadata,
    Column("url", Text, primary_key=True),
    Column("etag", Text),
    Column("modified", Text),  # its Last-Modified header
    Column("next_at", Instant, nullable=False),  # the next fetch is not before this time
    _count("failures"),  # in a row
    _text("problem"),  # of the last attempt; '' after a success
    Column("fetched_at", Instant),  # the last successful attempt
    Column("looked_at", Instant),  # the last attempt
)

issues = Table(
    "issues",
    metadata,
    _id(),
    Column("slot", Text, nullable=False, unique=True),
    Column("day", Date, nullable=False),  # the local date of sending
    Column("state", Text, nullable=False),
    Column("number", Integer, unique=True),  # set at the freeze
    Column("send_at", Instant, nullable=False),
    Column("window_start", Instant),
    Column("window_end", Instant),  # the cut-off: the next time span begins here
    _text("subject"),
    _text("preheader"),
    _text("intro"),
    _json("stories"),
    _json("rejected"),
    _json("notes"),
    _json("redacted"),  # positions removed from archive and feed
    _json("edits", "{}"),  # the editor's; kept when the stories are chosen again
    _text("reason_code"),  # a ReasonCode, or '' without a reason
    _json("reason_args", "{}"),
    _flag("approved"),
    _flag("released"),
    Column("planned_at", Instant, nullable=False),
    Column("drafted_at", Instant),
    Column("frozen_at", Instant),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("recipients", Integer, nullable=False, server_default=text("0")),
    _one_of("state", IssueState),
    sqlite_autoincrement=True,
)

issue_articles = Table(  # reserved by an issue; used up once one of its deliveries was accepted
    "issue_articles",
    metadata,
    Column("issue_id", Id, ForeignKey("issues.id"), primary_key=True),
    Column("article_id", Id, ForeignKey("articles.id"), primary_key=True, index=True),
    _flag("lead"),
    _flag("first"),  # the first story of the issue
)

variants = Table(  # a mail rendered once for many readers, with its merge slots
    "variants",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),
    Column("issue_id", Id, ForeignKey("issues.id"), index=True),
    Column("sections", Text, nullable=False, server_default=text("'[]'")),  # the choice it is for; [] is the full one
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    _one_of("kind", DeliveryKind),
    # Two processes that freeze at once make one variant for each choice of sections: a reader gets exactly one of them.
    _partial_index("uq_variants_choice", "issue_id", "sections", where="kind = 'issue'", unique=True),
    sqlite_autoincrement=True,
)

batches = Table(
    "batches",
    metadata,
    _id(),
    Column("issue_id", Id, ForeignKey("issues.id")),  # NULL for service mails of no issue (tests, confirmations)
    Column("lane", Text),  # NULL for any lane; else mails of one lane, set aside while it is paused
    Column("ordinal", BigInteger, nullable=False),  # neighbouring subscriber ids share one
    _flag("done"),
    Column("priority", SmallInteger, nullable=False),  # lower goes first
    Column("due_at", Instant, nullable=False),
    Column("worker", Text),
    Column("fence", Integer, nullable=False, server_default=text("0")),  # grows with every claim
    Column("lease_until", Instant),
    _partial_index("ix_batches_open", "priority", "due_at", "id", where="NOT done", sqlite_where="done = 0"),
    Index("ix_batches_issue_id", "issue_id", "ordinal"),
    sqlite_autoincrement=True,
)

_REASONS: dict[str, type[StrEnum]] = {"rejected": Rejection, "skipped": Skip, "expired": Expiry}

deliveries = Table(  # the ledger
    "deliveries",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),  # prevents a second one; also the left half of the Message-ID
    Column("issue_id", Id, ForeignKey("issues.id")),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), index=True),
    Column("recipient", Text),  # the address, if it goes to no subscriber (tests, notices)
    Column("variant_id", Id, ForeignKey("variants.id"), nullable=False),
    Column("batch_id", Id, ForeignKey("batches.id")),  # NULL while deferred
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("code", SmallInteger),
    Column("enhanced", Text),
    Column("reply", Text),
    Column("relay", Text),
    _count("attempts"),
    _count("losses"),  # connections lost before the final dot, in a row
    _count("unknowns"),
    Column("due_at", Instant),  # the next attempt of a deferred one
    Column("first_reply_at", Instant),  # `give_up_after` counts from this
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    _one_of("kind", DeliveryKind),
    _one_of("state", DeliveryState),
    CheckConstraint(
        # Without IS NOT NULL a check whose result is NULL would pass.
        " OR ".join(
            f"(state = '{state}' AND reason IS NOT NULL AND reason IN ({_quoted(reasons)}))"
            for state, reasons in _REASONS.items()
        )
        + f" OR (state NOT IN ({_quoted(_REASONS)}) AND reason IS NULL)",
        name="reason",
    ),
    # A delivery without a batch would be found by no claim.
    CheckConstraint("state NOT IN ('queued', 'sending') OR batch_id IS NOT NULL", name="batch_id"),
    CheckConstraint("(state = 'deferred') = (due_at IS NOT NULL)", name="due_at"),
    CheckConstraint("(subscriber_id IS NULL) = (recipient IS NOT NULL)", name="recipient"),
    UniqueConstraint("issue_id", "subscriber_id"),
    Index("ix_deliveries_batch_id", "batch_id"),
    # These conditions name no column that changes with each mail. Otherwise PostgreSQL would write to every index of
    # the table twice a mail, instead of to free space in the same page (a HOT update; hence the fill factor below).
    _partial_index("ix_deliveries_due_at", "due_at", where="due_at IS NOT NULL"),
    # Whether an issue is finished is found without reading all its rows.
    _partial_index("ix_deliveries_deferred", "issue_id", "due_at", where="due_at IS NOT NULL"),
    sqlite_autoincrement=True,
)


def of_issue(issue_id: Any) -> ColumnElement[bool]:
    """The condition for the deliveries of an issue to its readers, without its tests and notices."""
    return and_(deliveries.c.issue_id == issue_id, deliveries.c.kind == DeliveryKind.ISSUE)


# True if any reader got the issue of the row.
REACHED = select(deliveries.c.id).where(of_issue(issues.c.id), deliveries.c.state == DeliveryState.ACCEPTED).exists()

throttles = Table(  # the pace of mails, for all processes together
    "throttles",
    metadata,
    Column("name", Text, primary_key=True),  # "all", "relay:mail.example.org:587", "lane:gmail"
    Column("free_at", Instant, nullable=False),  # from this time on, earlier mails no longer count
)

lanes = Table(  # lanes whose provider refuses our mails; for all processes together
    "lanes",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("issue_id", Id, ForeignKey("issues.id"), nullable=False),  # the issue whose mails were counted
    Column("answered", Integer, nullable=False, server_default=text("0")),
    Column("blocked", Integer, nullable=False, server_default=text("0")),  # of those, refusals of our mails
    Column("paused_until", Instant),
    _text("reply"),  # the provider's reply
)

TABLES: tuple[Table, ...] = tuple(metadata.sorted_tables)


def complete() -> MetaData:
    """Return the tables with the options of each database, which only creating them needs.

    Setting an option of PostgreSQL imports its dialect; commands that only query would wait 20 ms for it.
    """
    for index in (index for table in TABLES for index in table.indexes):
        for dialect, condition in index.info.items():
            index.dialect_options[dialect]["where"] = text(condition)
    deliveries.dialect_options["postgresql"]["with"] = {"fillfactor": 70}
    return metadata
