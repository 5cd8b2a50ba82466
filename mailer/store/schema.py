"""The tables, for SQLite and PostgreSQL alike. Holds no query; `migrations/` brings a database to this shape.

Uniqueness, states and reasons are constraints here, so that no process can break them whatever it believes.
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
    """An aware instant: timestamptz on PostgreSQL; on SQLite text in UTC of fixed width, which sorts rightly."""

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


# SQLAlchemy writes a condition on a flag as «= 1» for SQLite; a partial index is used only when it says the same.
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
    # With sqlite_autoincrement below, an id is never given out twice: an old link never reaches somebody else.
    return Column("id", Id, primary_key=True, autoincrement=True)


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({_words(words)})", name=column)


def _count(name: str) -> Column[int]:
    return Column(name, SmallInteger, nullable=False, server_default=text("0"))


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


subscribers = Table(
    "subscribers",
    metadata,
    _id(),
    Column("address", Text),  # as it is written to; NULL in the tombstone that `forget` leaves
    Column("address_key", Text, unique=True),  # normalised; NULL in a tombstone
    Column("address_hash", Text, nullable=False, index=True),  # keyed; what suppressions are looked up by
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
    Column("network", Text),  # truncated address (/24, /48), kept for a while
    Column("details", JSON),  # e.g. the words of consent that were shown
    _one_of("kind", EventKind),
    CheckConstraint(f"method IS NULL OR method IN ({_words(Method)})", name="method"),
    Index("ix_events_subscriber_id", "subscriber_id", "id"),
    Index("ix_events_issue_id", "issue_id", "kind"),
    Index(  # what is to be forgotten of old events is found without reading them all
        "ix_events_network",
        "at",
        sqlite_where=text("network IS NOT NULL"),
        postgresql_where=text("network IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("hash", Text, primary_key=True),  # of the normalised address, by the key that never rotates
    Column("reason", Text, nullable=False),  # an EventKind: what made it
    Column("at", Instant, nullable=False),
    Column("issue_id", Id, ForeignKey("issues.id")),
    Column("replaced", Text),  # the weaker reason that stood before an admin's; it stands again when that one is lifted
    _one_of("reason", EventKind),
)

signups = Table(  # wishes to join, as the form took them; what limits are counted by
    "signups",
    metadata,
    _id(),
    Column("at", Instant, nullable=False, index=True),
    Column("hash", Text, nullable=False),  # keyed, of the normalised address
    Column("address", Text),  # NULL once it is decided
    Column("network", Text),  # truncated, kept for a while
    Column("agent", Text),
    Column("words", Text),  # of consent, as they were shown
    Column("outcome", Text),  # NULL: to be decided
    CheckConstraint("outcome IS NULL OR outcome IN ('sent', 'silent', 'limited')", name="outcome"),
    CheckConstraint("(outcome IS NULL) = (address IS NOT NULL)", name="address"),
    Index("ix_signups_hash", "hash", "at"),
    Index("ix_signups_network", "network", "at"),
    Index("ix_signups_open", "id", sqlite_where=text("outcome IS NULL"), postgresql_where=text("outcome IS NULL")),
    sqlite_autoincrement=True,
)

articles = Table(
    "articles",
    metadata,
    _id(),
    Column("identity", Text, nullable=False, unique=True),
    Column("link_key", Text, nullable=False, index=True),  # canonical link, '' when there is none
    Column("source", Text, nullable=False),
    _text("guid"),
    _text("url"),
    Column("title", Text, nullable=False),
    _text("lead"),
    _text("body"),
    _text("category"),
    Column("tags", JSON, nullable=False, server_default=text("'[]'")),
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
    Column("prominence", Float),  # hours on the front page, each divided by log2(position + 1); NULL: not watched
    _flag("closed"),  # members only, or paid for
    Column("title_given", Text),  # the source's own words, where our spelling of them differs
    Column("lead_given", Text),
    Column("alt_given", Text),
    _flag("pinned"),
    _flag("banned"),
    _one_of("dating", Dating),
    CheckConstraint("news_value IS NULL OR news_value BETWEEN -2 AND 2", name="news_value"),
    Index("ix_articles_dated", "dated", "id"),
    Index("ix_articles_pinned", "dated", sqlite_where=text("pinned = 1"), postgresql_where=text("pinned")),
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

feeds = Table(  # what is known of a source that is fetched: so that a restart asks nothing twice
    "feeds",
    metadata,
    Column("url", Text, primary_key=True),
    Column("etag", Text),
    Column("modified", Text),  # its Last-Modified, as it was given
    Column("next_at", Instant, nullable=False),  # not before then
    _count("failures"),  # in a row
    _text("problem"),  # of the last try; '' when it went well
    Column("fetched_at", Instant),  # the last try that went well
    Column("looked_at", Instant),  # the last try
)

issues = Table(
    "issues",
    metadata,
    _id(),
    Column("slot", Text, nullable=False, unique=True),
    Column("day", Date, nullable=False),  # the local date of sending
    Column("state", Text, nullable=False),
    Column("number", Integer, unique=True),  # set when frozen
    Column("send_at", Instant, nullable=False),
    Column("window_start", Instant),
    Column("window_end", Instant),  # the cut-off: the next window begins here
    _text("subject"),
    _text("preheader"),
    _text("intro"),
    Column("stories", JSON, nullable=False, server_default=text("'[]'")),
    Column("rejected", JSON, nullable=False, server_default=text("'[]'")),
    Column("notes", JSON, nullable=False, server_default=text("'[]'")),
    Column("redacted", JSON, nullable=False, server_default=text("'[]'")),  # positions cut from archive and feed
    Column("edits", JSON, nullable=False, server_default=text("'{}'")),  # the editor's, survive a new choice
    _text("reason"),
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

issue_articles = Table(  # what an issue has reserved; used up once one of its deliveries was accepted
    "issue_articles",
    metadata,
    Column("issue_id", Id, ForeignKey("issues.id"), primary_key=True),
    Column("article_id", Id, ForeignKey("articles.id"), primary_key=True, index=True),
    _flag("lead"),
    _flag("first"),  # the issue begins with it
)

variants = Table(  # a mail rendered once for many, with its merge slots
    "variants",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),
    Column("issue_id", Id, ForeignKey("issues.id"), index=True),
    Column(
        "sections", Text, nullable=False, server_default=text("'[]'")
    ),  # the choice it was made for; [] is the full one
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    _one_of("kind", DeliveryKind),
    Index(  # two processes that freeze at once make one variant of each choice; a reader gets exactly one of them
        "uq_variants_choice",
        "issue_id",
        "sections",
        unique=True,
        sqlite_where=text("kind = 'issue'"),
        postgresql_where=text("kind = 'issue'"),
    ),
    sqlite_autoincrement=True,
)

batches = Table(
    "batches",
    metadata,
    _id(),
    Column("issue_id", Id, ForeignKey("issues.id")),  # NULL: mails that wait for no issue (tests, confirmations)
    Column("lane", Text),  # NULL: mails to anybody; else to one lane only, set aside when it was paused
    Column("ordinal", BigInteger, nullable=False),  # neighbouring subscriber ids share one
    _flag("done"),
    Column("priority", SmallInteger, nullable=False),  # the lower goes first
    Column("due_at", Instant, nullable=False),
    Column("worker", Text),
    Column("fence", Integer, nullable=False, server_default=text("0")),  # grows with every claim
    Column("lease_until", Instant),
    Index(
        "ix_batches_open",
        "priority",
        "due_at",
        "id",
        sqlite_where=text("done = 0"),
        postgresql_where=text("NOT done"),
    ),
    Index("ix_batches_issue_id", "issue_id", "ordinal"),
    sqlite_autoincrement=True,
)

_REASONS: dict[str, type[StrEnum]] = {"rejected": Rejection, "skipped": Skip, "expired": Expiry}

deliveries = Table(  # the ledger
    "deliveries",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),  # makes it happen once, and is the left half of the Message-ID
    Column("issue_id", Id, ForeignKey("issues.id")),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), index=True),
    Column("recipient", Text),  # the address, when it goes to nobody on the list (tests, notices)
    Column("variant_id", Id, ForeignKey("variants.id"), nullable=False),
    Column("batch_id", Id, ForeignKey("batches.id")),  # NULL while deferred
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("code", SmallInteger),
    Column("enhanced", Text),
    Column("reply", Text),
    Column("relay", Text),
    _count("attempts"),
    _count("losses"),  # lines lost before the final dot, in a row
    _count("unknowns"),
    Column("due_at", Instant),  # when a deferred one is tried again
    Column("first_reply_at", Instant),  # it is given up so long after this
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    _one_of("kind", DeliveryKind),
    _one_of("state", DeliveryState),
    CheckConstraint(
        # IS NOT NULL has to be said: a check that comes out as NULL is passed.
        " OR ".join(
            f"(state = '{state}' AND reason IS NOT NULL AND reason IN ({_words(words)}))"
            for state, words in _REASONS.items()
        )
        + f" OR (state NOT IN ({_words(_REASONS)}) AND reason IS NULL)",
        name="reason",
    ),
    CheckConstraint("state NOT IN ('queued', 'sending') OR batch_id IS NOT NULL", name="batch_id"),  # or none finds it
    CheckConstraint("(state = 'deferred') = (due_at IS NOT NULL)", name="due_at"),
    CheckConstraint("(subscriber_id IS NULL) = (recipient IS NOT NULL)", name="recipient"),
    UniqueConstraint("issue_id", "subscriber_id"),
    Index("ix_deliveries_batch_id", "batch_id"),
    # Their conditions name no column that changes with each mail: else PostgreSQL would write into every index of the
    # table, twice a mail, instead of into a free place of the same page (HOT updates; hence the room left there).
    Index(
        "ix_deliveries_due_at",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index(  # or the end of an issue would be looked for among all its rows
        "ix_deliveries_deferred",
        "issue_id",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
    postgresql_with={"fillfactor": 70},
)


def of_issue(issue_id: Any) -> ColumnElement[bool]:
    """The deliveries of an issue itself: without its tests, which reach no reader."""
    return and_(deliveries.c.issue_id == issue_id, deliveries.c.kind == DeliveryKind.ISSUE)


# Whether any reader got the issue of the row.
REACHED = select(deliveries.c.id).where(of_issue(issues.c.id), deliveries.c.state == DeliveryState.ACCEPTED).exists()

throttles = Table(  # how fast mails may go, for all processes together
    "throttles",
    metadata,
    Column("name", Text, primary_key=True),  # "all", "relay:mail.example.org:587", "lane:gmail"
    Column("free_at", Instant, nullable=False),  # from then on, nothing that went before counts any more
)

lanes = Table(  # what providers said of us; for all processes together
    "lanes",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("issue_id", Id, ForeignKey("issues.id"), nullable=False),  # whose mails were counted
    Column("answered", Integer, nullable=False, server_default=text("0")),
    Column("blocked", Integer, nullable=False, server_default=text("0")),  # of those, how many refused us
    Column("paused_until", Instant),
    _text("reply"),  # what the provider said
)

TABLES: tuple[Table, ...] = tuple(metadata.sorted_tables)
