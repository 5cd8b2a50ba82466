"""The nouns, in the order they flow: Article → Story → Digest → Issue → Message → Delivery → Outcome.

Plain frozen data; standard library only. Each value is made whole at the edge where it enters and is not checked again.
All instants are aware and in UTC. Read this page first.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from mailer.reasons import Reason


# --- Articles: what the newsroom published -------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class FoundArticle:
    """One item as a source tells it, before the store knows it. Empty text and None mean «the source does not say»."""

    title: str
    source: str  # the outlet's host or name, e.g. "tabnak.ir"
    guid: str = ""  # the source's own permanent name for the item
    url: str = ""  # as given; the store keeps it for the link, identity uses its canonical form
    lead: str = ""  # plain text, no markup
    body: str = ""  # plain text, paragraphs parted by newlines
    category: str = ""  # raw, in the newsroom's words
    tags: tuple[str, ...] = ()
    author: str = ""
    image_url: str = ""
    image_alt: str = ""
    published: datetime | None = None
    published_raw: str = ""
    views: int | None = None
    comments: int | None = None
    shares: int | None = None
    front_page: bool | None = None
    news_value: int | None = None  # the editor's, -2 … +2
    closed: bool | None = None  # members only, or paid for
    title_given: str = ""  # the source's own words, where our spelling of them differs
    lead_given: str = ""
    alt_given: str = ""


@dataclass(frozen=True, slots=True)
class NamedArticle:
    """An article with the names by which the store knows it; `sources.identity` makes them."""

    article: FoundArticle
    identity: str
    link: str  # the canonical link, "" for none


@dataclass(frozen=True, slots=True)
class Merged:
    """How many articles were new, changed and the same when they were stored."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: "Merged") -> "Merged":
        return Merged(self.added + other.added, self.updated + other.updated, self.unchanged + other.unchanged)


class Dating(StrEnum):
    """Where an article's `dated` comes from."""

    GIVEN = "given"  # the source's own date
    CLAMPED = "clamped"  # the source's date lay more than two hours in the future: the time it was first seen
    MISSING = "missing"  # the source gave none: the time it was first seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One item of the store."""

    id: int
    identity: str  # "guid:…" or "link:…"; never made from the title
    title: str
    source: str
    url: str  # empty: stored, but not eligible for an issue
    lead: str
    body: str
    category: str
    image_url: str
    image_alt: str
    dated: datetime  # the instant it counts from
    dating: Dating
    first_seen: datetime
    views: int | None
    comments: int | None
    shares: int | None
    pinned: bool = False
    banned: bool = False
    front_page: bool = False
    prominence: float | None = None  # hours on the front page, each divided by log2(position + 1); None: not watched
    news_value: int | None = None  # the editor's, -2 … +2
    closed: bool = False  # members only, or paid for
    tags: tuple[str, ...] = ()


# --- Stories and digests: what was chosen, and why -------------------------------------------------------------------
OTHER_NEWS = "دیگر خبرها"  # the section of stories without a section of their own


class TimeSpan(NamedTuple):
    """The span of time whose articles count: start <= dated < end."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One event: a lead article and the others about it. `parts` sums to `score`."""

    lead: Article
    also: tuple[Article, ...]
    section: str
    score: float
    parts: Mapping[str, float]
    pinned: bool = False
    update: bool = False  # an earlier issue told its event; it moved on


@dataclass(frozen=True, slots=True)
class NotChosen:
    """A story that was considered and not chosen."""

    story: Story
    reason: Reason


@dataclass(frozen=True, slots=True)
class Digest:
    """The stories chosen for a week, in order, and the best of those that were not."""

    span: TimeSpan
    stories: tuple[Story, ...]
    not_chosen: tuple[NotChosen, ...]
    considered: int  # eligible articles
    notes: tuple[Reason, ...] = ()  # for the editor


# --- Issues ----------------------------------------------------------------------------------------------------------
class IssueState(StrEnum):
    """Where an issue is on its way; `lifecycle` holds the arrows between them."""

    PLANNED = "planned"
    DRAFT = "draft"
    HELD = "held"
    FROZEN = "frozen"
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"
    PARTIAL = "partial"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class Slot(NamedTuple):
    """One week of the calendar and the instant at which its issue goes out."""

    key: str  # "1405-W36"
    day: date  # the local date of sending
    at: datetime  # T


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenStory:
    """A story as an issue keeps it: only what a reader or an editor is shown, so that later changes of the store
    change no issue."""

    position: int
    article_id: int
    url: str
    title: str
    lead: str
    section: str
    source: str
    image_url: str
    image_alt: str
    dated: datetime
    also: tuple[tuple[int, str, str], ...]  # (article id, url, title)
    score: float
    parts: Mapping[str, float]
    pinned: bool
    update: bool = False  # an earlier issue told its event; it moved on


@dataclass(frozen=True, slots=True)
class RejectedStory:
    """A story that was not chosen, as an issue keeps it."""

    url: str
    title: str
    score: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Edits:
    """All that editors changed in an issue, and the pages that were found gone.

    By article, so that it survives every new choice of stories.
    """

    dropped: frozenset[int] = frozenset()  # ids of the articles of stories that an editor took out
    places: Mapping[int, int] = field(default_factory=dict)  # article id → position, in the order they were asked for
    titles: Mapping[int, str] = field(default_factory=dict)  # article id → an editor's title
    subject: str = ""
    intro: str = ""
    gone: Mapping[int, str] = field(default_factory=dict)  # article id → title of articles whose pages are gone
    checked: bool = False  # the pages of the stories were checked for the last time before sending


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A digest on its way to the readers of one slot."""

    id: int
    slot: str
    day: date
    state: IssueState
    number: int | None  # «شماره»: counts issues that were frozen; None before
    send_at: datetime  # T, or later when the service was down at draft time
    span: TimeSpan | None
    subject: str
    preheader: str
    intro: str
    stories: tuple[ChosenStory, ...]
    rejected: tuple[RejectedStory, ...]
    notes: tuple[Reason, ...]
    reason: Reason | None  # why it is held, paused, skipped or cancelled
    approved: bool
    released: bool  # an editor lets it go although there are few stories
    drafted_at: datetime | None
    frozen_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    recipients: int
    edits: Edits = Edits()


@dataclass(frozen=True, slots=True)
class Rendered:
    """One mail for many readers; `subject` is one line, all three may still hold merge slots (`mail.slots`)."""

    subject: str
    html: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256("\0".join((self.subject, self.html, self.text)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Variant:
    """A mail that was rendered, as it is kept; and the hash of all of it."""

    id: int
    subject: str
    html: str
    text: str
    sha256: str


# --- Subscribers -----------------------------------------------------------------------------------------------------
class SubscriberStatus(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    id: int
    address: str  # as it is written to; empty for a tombstone
    address_hash: str  # keyed; a tombstone keeps it
    name: str
    status: SubscriberStatus
    sections: tuple[str, ...]  # empty: all
    paused_until: date | None  # no issue before this day
    source: str
    created_at: datetime


class NewSubscriber(NamedTuple):  # and no dataclass: a list has a million of them
    """One row of a list from elsewhere, as it tells it; `line` is where it stood."""

    line: int
    email: str
    name: str = ""
    sections: tuple[str, ...] = ()
    consent_at: datetime | None = None
    source: str = ""
    status: str = ""
    problem: str = ""  # why it could not even be read


class EventKind(StrEnum):
    """What can happen to a subscriber. Events are only ever added."""

    ADDED = "added"
    INVITED = "invited"
    CONFIRMED = "confirmed"
    CHANGED = "changed"
    UNSUBSCRIBED = "unsubscribed"
    RETURNED = "returned"  # the undo button
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    FORGOTTEN = "forgotten"


class Method(StrEnum):
    """By which way something happened to a subscriber."""

    ONE_CLICK = "one_click"
    PAGE = "page"
    MAILTO = "mailto"
    ADMIN = "admin"
    IMPORT = "import"
    COMPLAINT = "complaint"
    BOUNCE = "bounce"


@dataclass(frozen=True, slots=True)
class Event:
    at: datetime
    kind: EventKind
    method: Method | None
    slot: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be recorded. `details` are kept as JSON, e.g. the words of consent that were shown."""

    kind: EventKind
    at: datetime
    method: Method | None = None
    issue_id: int | None = None
    reason: str = ""
    agent: str = ""  # the class of the user agent, never the whole string
    network: str = ""  # truncated
    details: Mapping[str, object] | None = None


# --- Deliveries ------------------------------------------------------------------------------------------------------
class DeliveryKind(StrEnum):
    """What a mail is. A new member needs three templates: mail/<kind>.subject.txt, .txt and .html."""

    ISSUE = "issue"
    CONFIRMATION = "confirmation"
    TEST = "test"
    NOTICE = "notice"


class DeliveryState(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    EXPIRED = "expired"


class Rejection(StrEnum):
    """The class of a rejected delivery: whose fault a permanent refusal is."""

    HARD = "hard"  # the address is dead
    SOFT = "soft"  # the mailbox is full, disabled or the mail too big for it
    BLOCK = "block"  # we are refused: spam, policy, authentication
    OTHER = "other"


class Skip(StrEnum):
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class Expiry(StrEnum):
    GAVE_UP = "gave_up"
    SUPERSEDED = "superseded"


class Batch(NamedTuple):
    """A claim on up to 500 neighbouring deliveries: ours until the lease ends, provable by the fence."""

    id: int
    fence: int


class Delivery(NamedTuple):  # a tuple: five hundred of them are made while every line waits
    """The duty to get one message to one subscriber: a claimed row of the ledger with all that sending needs."""

    id: int
    key: str  # happens once: "issue.1405-W36.17"
    kind: DeliveryKind
    batch: Batch
    address: str
    name: str
    subscriber_id: int | None
    issue_id: int | None
    variant_id: int
    attempts: int
    losses: int  # lines lost before the final dot, in a row
    first_reply_at: datetime | None
    unknowns: int = 0
    lane: str = "default"  # by the domain of the address


class Envelope(NamedTuple):
    """Who sends to whom: bare addresses (`a@b.example`). `size`: the message's bytes, where they are known."""

    sender: str
    recipient: str
    size: int = 0


class Reply(NamedTuple):
    """What a relay said. `code` 0: it said nothing that can be read."""

    phase: str  # CONNECT EHLO STARTTLS AUTH MAIL RCPT DATA dot
    code: int
    enhanced: str  # "5.1.1" (RFC 3463), empty when not given
    text: str  # without control characters, at most 500 letters


@dataclass(frozen=True, slots=True)
class Accepted:
    """2xx after the final dot."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: worth another try later."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Rejected:
    """Never."""

    why: Rejection
    reply: Reply


@dataclass(frozen=True, slots=True)
class Unknown:
    """The line was lost, or fell silent, after the final dot: the mail may have been taken or not."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nobody can have got it: the line was lost before the final dot, or the relay refuses our sender."""

    reply: Reply
    relay_fault: bool = False  # True: the relay refuses *us*; costs no attempt and stops the relay, not the mail


Outcome = Accepted | Deferred | Rejected | Unknown | NotSent


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryChange:
    """What the ledger records about a delivery after an attempt to send it."""

    delivery: Delivery  # with its counts after the attempt
    state: DeliveryState
    reason: Rejection | Expiry | None = None
    due_at: datetime | None = None  # when a deferred delivery is tried again
    reply: Reply | None = None
    relay: str | None = None  # None keeps what is recorded


# --- Pace ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` mails in any `seconds`."""

    count: int
    seconds: float


class Limit(NamedTuple):
    """A rate and whose it is: "all", "relay:127.0.0.1:25", "lane:gmail". All processes count together under a name."""

    name: str
    rate: Rate


class PausedLane(NamedTuple):
    """A lane whose provider refuses us: its mails wait. `reply`: what it said, without addresses."""

    lane: str
    until: datetime
    reply: str


# --- Reports ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class IssueStatus:
    """The counts of one issue; they always add up to the recipients frozen."""

    slot: str
    state: IssueState
    recipients: int
    counts: Mapping[DeliveryState, int] = field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    rate: float = 0.0  # accepted mails a second since the start
