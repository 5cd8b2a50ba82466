"""The tables, which are the same on SQLite and PostgreSQL. The files in `migrations/` create and change them.

Uniqueness and the allowed states and reasons are constraints of the tables, so that no process can violate them.
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
    """The type of columns that hold a datetime with a time zone. On PostgreSQL it is timestamptz. On SQLite it is a
    text of fixed width in UTC, so that sorting the texts sorts the times."""

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
    # With sqlite_autoincrement in each table, no id is ever reused, so a link in an old mail never leads to another
    # person's row.
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
    """Returns a partial index. `sqlite_where` is the condition on SQLite, if it differs from `where`.

    A condition on a boolean column needs `sqlite_where`. SQLite uses a partial index only if the query contains the
    condition of the index, and SQLAlchemy writes `flag = 1` in the queries for SQLite.
    """
    return Index(name, *columns, unique=unique, info={"sqlite": sqlite_where or where, "postgresql": where})


subscribers = Table(
    "subscribers",
    metadata,
    _id(),
    Column("address", Text),  # NULL in a tombstone, the row of a person who was forgotten
    Column("address_key", Text, unique=True),  # the normalised address; NULL in a tombstone
    Column("address_hash", Text, nullable=False, index=True),  # a keyed hash, also the key of `suppressions`
    Column("domain", Text),  # the domain of the address in A-labels, which decides the lane
    _text("name"),
    Column("status", Text, nullable=False),
    Column("sections", Text, nullable=False, server_default=text("'[]'")),  # a sorted JSON list; [] means all
    Column("paused_until", Date),  # the reader gets no issue whose day is before this day
    _text("source"),
    Column("consent_at", Instant),
    _count("soft_bounces"),  # how many issues in a row bounced softly
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
    Column("agent", Text),  # the class of the user agent, never the whole User-Agent header
    Column("network", Text),  # the IP address truncated to /24 or /48; deleted after a while
    Column("details", JSON),  # e.g. the consent text that the reader saw
    _one_of("kind", EventKind),
    CheckConstraint(f"method IS NULL OR method IN ({_quoted(Method)})", name="method"),
    Index("ix_events_subscriber_id", "subscriber_id", "id"),
    Index("ix_events_issue_id", "issue_id", "kind"),
    _partial_index("ix_events_network", "at", where="network IS NOT NULL"),  # to find old networks and delete them
    sqlite_autoincrement=True,
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("hash", Text, primary_key=True),  # a hash of the normalised address, made with the key that never changes
    Column("reason", Text, nullable=False),  # the EventKind that caused the suppression
    Column("at", Instant, nullable=False),
    Column("issue_id", Id, ForeignKey("issues.id")),
    Column("replaced", Text),  # the weaker reason, which counts again once the strong reason is lifted
    _one_of("reason", EventKind),
)

signups = Table(  # requests to join, from the sign-up form; the limits on sign-ups are computed from these rows
    "signups",
    metadata,
    _id(),
    Column("at", Instant, nullable=False, index=True),
    Column("hash", Text, nullable=False),  # a keyed hash of the normalised address
    Column("address", Text),  # NULL once the request is decided
    Column("network", Text),  # the truncated IP address; deleted after a while
    Column("agent", Text),
    Column("words", Text),  # the consent text that the reader saw
    Column("outcome", Text),  # NULL until the sign-up request is decided
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
    Column("link_key", Text, nullable=False, index=True),  # the canonical link, or ''
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
    # The value of published_at, or of first_seen_at if published_at is missing or in the future.
    Column("dated", Instant, nullable=False),
    Column("dating", Text, nullable=False),
    _flag("estimated"),  # true if the article has no date and was not in the first collection of its source
    Column("first_seen_at", Instant, nullable=False, index=True),
    Column("updated_at", Instant, nullable=False),
    Column("views", BigInteger),
    # The views that were counted in access logs. `views` has the same number, unless another system gave one.
    Column("log_views", BigInteger),
    Column("comments", BigInteger),
    Column("shares", BigInteger),
    _flag("front_page"),
    Column("news_value", SmallInteger),  # an editor's rating from -2 to +2
    Column("prominence", Float),  # hours among the first places of the front page; NULL if never seen on it
    # Hours on the site's list of the most read articles, the first place weighing most; NULL if never seen on it.
    Column("list_hours", Float),
    _flag("closed"),  # true if only members or paying readers can read the article
    Column("title_given", Text),  # the title before its spelling was corrected; NULL if it needed no correction
    Column("lead_given", Text),  # the same for `lead`
    Column("alt_given", Text),  # the same for `image_alt`
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

decided_pairs = Table(  # whether two articles report the same story, as an editor decided
    "decided_pairs",
    metadata,
    Column("one", Id, ForeignKey("articles.id"), primary_key=True),
    Column("other", Id, ForeignKey("articles.id"), primary_key=True),
    Column("same", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    CheckConstraint("one < other", name="order"),  # so that a pair has only one row
)

counted_logs = Table(  # the periods of access logs that were counted, so that no line is counted twice
    "counted_logs",
    metadata,
    Column("server", Text, primary_key=True),  # a name that the admin gave to a web server, or ''
    Column("first_at", Instant, primary_key=True),
    Column("last_at", Instant, nullable=False),
    _json("edges", "{}"),  # checksums of the lines in the first and the last second, by Unix time
)

feeds = Table(  # one row for the last fetch of each source, so that a restart does not fetch a source again too early
    "feeds",
    metadata,
    Column("url", Text, primary_key=True),
    Column("etag", Text),
    Column("modified", Text),  # the Last-Modified header of the last successful fetch
    Column("next_at", Instant, nullable=False),  # the source is not fetched before this time
    _count("failures"),  # how many fetches in a row have failed
    _text("problem"),  # what went wrong in the last fetch; '' after a success
    _json("notes"),  # the notes of the last successful fetch whose answer had changed
    Column("fetched_at", Instant),  # the time of the last successful fetch
    Column("looked_at", Instant),  # the time of the last fetch, successful or not
)

visited_pages = Table(  # the pages that a source fetched one by one, so that each of them is fetched only once
    "visited_pages",
    metadata,
    Column("source", Text, primary_key=True),
    Column("link", Text, primary_key=True),  # the canonical link, or its hash if the link is long
    Column("at", Instant, nullable=False),
    Column("fetched", Boolean, nullable=False),  # false if the page is known but will never be fetched
    Index("visited_pages_at", "source", "at"),
)

issues = Table(
    "issues",
    metadata,
    _id(),
    Column("slot", Text, nullable=False, unique=True),
    Column("day", Date, nullable=False),  # the date of sending in the newsletter's time zone
    Column("state", Text, nullable=False),
    Column("number", Integer, unique=True),  # set when the issue is frozen
    Column("send_at", Instant, nullable=False),
    Column("window_start", Instant),
    Column("window_end", Instant),  # the end of the issue's time span and the start of the next issue's
    _text("subject"),
    _text("preheader"),
    _text("intro"),
    _json("stories"),
    _json("rejected"),
    _json("notes"),
    _json("redacted"),  # positions of the stories that were removed from the archive and the feed
    _json("blocks"),
    _json("edits", "{}"),  # the changes of editors; kept when the stories are chosen again
    _text("reason_code"),  # a ReasonCode, or '' if there is no reason
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

issue_articles = Table(  # the articles of each issue: reserved, and used once the issue has reached a reader
    "issue_articles",
    metadata,
    Column("issue_id", Id, ForeignKey("issues.id"), primary_key=True),
    Column("article_id", Id, ForeignKey("articles.id"), primary_key=True, index=True),
    _flag("lead"),  # true if the article is the lead article of a story
    _flag("first"),  # true if the article is the lead article of the issue's first story
)

clicks = Table(  # how often the stories of an issue were opened in each hour; nothing here belongs to a reader
    "clicks",
    metadata,
    Column("issue_id", Id, ForeignKey("issues.id"), primary_key=True),
    Column("position", Integer, primary_key=True),  # the position of the story in the full issue
    Column("hour", Instant, primary_key=True),  # the beginning of the hour
    Column("opened", Integer, nullable=False),  # how often readers opened the story
    Column("scanned", Integer, nullable=False),  # how often link scanners opened it, which is not counted in `opened`
)

variants = Table(  # mails rendered once for many readers, with placeholders
    "variants",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),
    Column("issue_id", Id, ForeignKey("issues.id"), index=True),
    Column("sections", Text, nullable=False, server_default=text("'[]'")),  # the readers' choice; [] means all
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    _one_of("kind", DeliveryKind),
    # An issue must have only one variant for each choice of sections, even if two processes freeze the issue at once.
    _partial_index("uq_variants_choice", "issue_id", "sections", where="kind = 'issue'", unique=True),
    sqlite_autoincrement=True,
)

batches = Table(
    "batches",
    metadata,
    _id(),
    Column("issue_id", Id, ForeignKey("issues.id")),  # NULL for service mails (tests, confirmations, notices)
    # The lane of all mails in the batch, which wait while the lane is paused. NULL if the batch mixes lanes.
    Column("lane", Text),
    Column("ordinal", BigInteger, nullable=False),  # subscribers with neighbouring ids have the same ordinal
    _flag("done"),
    Column("priority", SmallInteger, nullable=False),  # batches with a lower number are sent first
    Column("due_at", Instant, nullable=False),
    Column("worker", Text),
    Column("fence", Integer, nullable=False, server_default=text("0")),  # each claim adds 1
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
    Column("key", Text, nullable=False, unique=True),  # unique for each mail; the Message-ID is made from this key
    Column("issue_id", Id, ForeignKey("issues.id")),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), index=True),
    Column("recipient", Text),  # the address, if the mail does not go to a subscriber (tests, notices)
    Column("variant_id", Id, ForeignKey("variants.id"), nullable=False),
    Column("batch_id", Id, ForeignKey("batches.id")),  # NULL while deferred
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("code", SmallInteger),
    Column("enhanced", Text),
    Column("reply", Text),
    Column("relay", Text),
    _count("attempts"),
    _count("losses"),  # how many times in a row the connection was lost before the final dot of the mail
    _count("unknowns"),  # how many attempts had an unknown outcome
    Column("due_at", Instant),  # when a deferred delivery is attempted again
    Column("first_reply_at", Instant),  # the period `give_up_after` begins at this time
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    _one_of("kind", DeliveryKind),
    _one_of("state", DeliveryState),
    CheckConstraint(
        # A CHECK constraint is met if its result is NULL, so a missing reason has to be excluded with IS NOT NULL.
        " OR ".join(
            f"(state = '{state}' AND reason IS NOT NULL AND reason IN ({_quoted(reasons)}))"
            for state, reasons in _REASONS.items()
        )
        + f" OR (state NOT IN ({_quoted(_REASONS)}) AND reason IS NULL)",
        name="reason",
    ),
    # Senders find deliveries only through batches, so they would never find a delivery without a batch.
    CheckConstraint("state NOT IN ('queued', 'sending') OR batch_id IS NOT NULL", name="batch_id"),
    CheckConstraint("(state = 'deferred') = (due_at IS NOT NULL)", name="due_at"),
    CheckConstraint("(subscriber_id IS NULL) = (recipient IS NOT NULL)", name="recipient"),
    UniqueConstraint("issue_id", "subscriber_id"),
    Index("ix_deliveries_batch_id", "batch_id"),
    # The conditions of these two indexes contain no column that changes with each mail. So PostgreSQL makes HOT updates
    # instead of writing to every index of the table twice for each mail. HOT updates need free space in the same page;
    # `complete` sets the fill factor for that.
    _partial_index("ix_deliveries_due_at", "due_at", where="due_at IS NOT NULL"),
    # With this index, finding out whether an issue is finished does not need to read all deliveries of the issue.
    _partial_index("ix_deliveries_deferred", "issue_id", "due_at", where="due_at IS NOT NULL"),
    sqlite_autoincrement=True,
)


def of_issue(issue_id: Any) -> ColumnElement[bool]:
    """Returns the condition for the deliveries of an issue to its readers, without its test mails and notices."""
    return and_(deliveries.c.issue_id == issue_id, deliveries.c.kind == DeliveryKind.ISSUE)


# The condition that an issue reached a reader: a relay accepted the mail of the issue for at least one reader.
REACHED = select(deliveries.c.id).where(of_issue(issues.c.id), deliveries.c.state == DeliveryState.ACCEPTED).exists()

throttles = Table(  # one row for each limit on the pace of mails, shared by all processes
    "throttles",
    metadata,
    Column("name", Text, primary_key=True),  # "all", "relay:mail.example.org:587", "lane:gmail"
    Column("free_at", Instant, nullable=False),  # each mail moves this time forward; see `store.throttles`
)

lanes = Table(  # one row for each lane, with its counted answers and its pause; shared by all processes
    "lanes",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("issue_id", Id, ForeignKey("issues.id"), nullable=False),  # the issue whose mails are counted
    Column("answered", Integer, nullable=False, server_default=text("0")),  # how many mails were answered
    Column("blocked", Integer, nullable=False, server_default=text("0")),  # how many answers refused this sender
    Column("paused_until", Instant),
    _text("reply"),  # the provider's answer that caused the pause
)

TABLES: tuple[Table, ...] = tuple(metadata.sorted_tables)


def complete() -> MetaData:
    """Returns the metadata with the options that SQLite and PostgreSQL need to create the tables.

    Setting an option of PostgreSQL imports SQLAlchemy's dialect for PostgreSQL, which takes 20 ms. Commands that only
    query should not wait for that, so the options are set here.
    """
    for index in (index for table in TABLES for index in table.indexes):
        for dialect, condition in index.info.items():
            index.dialect_options[dialect]["where"] = text(condition)
    deliveries.dialect_options["postgresql"]["with"] = {"fillfactor": 70}
    return metadata
