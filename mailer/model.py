"""The nouns, in the order they flow: Article → Story → Digest → Issue → Message → Delivery → Outcome.

Plain frozen data; standard library only. Each value is validated once, at the edge where it enters the program. All
instants are aware and in UTC. Read this file first.
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
    """One item as its source gives it, before it is stored. Empty text and None mean that the source does not say."""

    title: str
    source: str  # the outlet's host or name, e.g. "tabnak.ir"
    guid: str = ""  # the source's own permanent name for the item
    url: str = ""  # as given; the store keeps it for the link, identity uses its canonical form
    lead: str = ""  # plain text, no markup
    body: str = ""  # plain text, one paragraph a line
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
    title_given: str = ""  # the source's own spelling, if it was corrected
    lead_given: str = ""
    alt_given: str = ""


@dataclass(frozen=True, slots=True)
class NamedArticle:
    """An article with its identity and canonical link, which `sources.identity` makes."""

    article: FoundArticle
    identity: str
    link: str  # the canonical link; "" without one


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
    CLAMPED = "clamped"  # first seen; the source's date was more than two hours in the future
    MISSING = "missing"  # first seen; the source gave no date


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One stored item."""

    id: int
    identity: str  # "guid:…" or "link:…"; never made from the title
    title: str
    source: str
    url: str  # without one, the article is not eligible for an issue
    lead: str
    body: str
    category: str
    image_url: str
    image_alt: str
    dated: datetime  # decides to which week it belongs
    dating: Dating
    first_seen: datetime
    views: int | None
    comments: int | None
    shares: int | None
    pinned: bool = False
    banned: bool = False
    front_page: bool = False
    prominence: float | None = None  # hours on the front page, each divided by log2(position + 1); None if not watched
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
    update: bool = False  # an earlier issue had this event, and it has developed since


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
    """The states of an issue; `lifecycle` has the transitions between them."""

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
    """One week of the calendar and the time at which its issue goes out."""

    key: str  # "1405-W36"
    day: date  # the local date of sending
    at: datetime  # T


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenStory:
    """A story as an issue keeps it: a copy of what readers and editors see, so that later changes of articles do not
    change the issue."""

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
    update: bool = False  # an earlier issue had this event, and it has developed since


@dataclass(frozen=True, slots=True)
class RejectedStory:
    """A story that was not chosen, as an issue keeps it."""

    url: str
    title: str
    score: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Edits:
    """Everything that editors changed in an issue, and the stories whose pages no longer exist.

    By article, so that it survives every new choice of stories.
    """

    dropped: frozenset[int] = frozenset()  # ids of the articles of removed stories
    places: Mapping[int, int] = field(default_factory=dict)  # article id → position, in the order of the requests
    titles: Mapping[int, str] = field(default_factory=dict)  # article id → an editor's title
    subject: str = ""
    intro: str = ""
    gone: Mapping[int, str] = field(default_factory=dict)  # article id → title of articles whose pages no longer exist
    checked: bool = False  # the pages of the stories were checked for the last time before sending


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A digest on its way to the readers of one slot."""

    id: int
    slot: str
    day: date
    state: IssueState
    number: int | None  # «شماره», given when the issue is frozen
    send_at: datetime  # T, or later if the service was down at draft time
    span: TimeSpan | None
    subject: str
    preheader: str
    intro: str
    stories: tuple[ChosenStory, ...]
    rejected: tuple[RejectedStory, ...]
    notes: tuple[Reason, ...]
    reason: Reason | None  # why it is held, paused, skipped or cancelled
    approved: bool
    released: bool  # an editor allows it to go out with few stories
    drafted_at: datetime | None
    frozen_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    recipients: int
    edits: Edits = Edits()


@dataclass(frozen=True, slots=True)
class Rendered:
    """One mail for many readers. `subject` is one line; all three may contain placeholders for a reader's values."""

    subject: str
    html: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256("\0".join((self.subject, self.html, self.text)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Variant:
    """A stored rendered mail, with the hash of its subject and parts."""

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
    address: str  # as mail is sent to it; empty for a tombstone
    address_hash: str  # keyed; a tombstone keeps it
    name: str
    status: SubscriberStatus
    sections: tuple[str, ...]  # empty for all
    paused_until: date | None  # gets no issue before this day
    source: str
    created_at: datetime


class NewSubscriber(NamedTuple):  # a tuple, because a list may have a million rows
    """One row of an imported list, as the file has it; `line` is its line number."""

    line: int
    email: str
    name: str = ""
    sections: tuple[str, ...] = ()
    consent_at: datetime | None = None
    source: str = ""
    status: str = ""
    problem: str = ""  # why the row could not be read


class EventKind(StrEnum):
    """An event in the history of a subscriber. Events are only added, never changed."""

    ADDED = "added"
    INVITED = "invited"
    CONFIRMED = "confirmed"
    CHANGED = "changed"
    UNSUBSCRIBED = "unsubscribed"
    RETURNED = "returned"  # by the undo button
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    FORGOTTEN = "forgotten"


class Method(StrEnum):
    """How something happened to a subscriber."""

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
    """The kind of a mail. A new member needs three templates: mail/<kind>.subject.txt, .txt and .html."""

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
    """Why a delivery was refused permanently."""

    HARD = "hard"  # the address does not exist
    SOFT = "soft"  # the mailbox is full or disabled, or the mail is too large for it
    BLOCK = "block"  # the sender is refused: spam, policy, authentication
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
    """A claim on up to 500 neighbouring deliveries. It holds until the lease ends; the fence proves it."""

    id: int
    fence: int


class Delivery(NamedTuple):  # a tuple: five hundred are made while all connections wait
    """The duty to get one message to one subscriber: a claimed row of the ledger with all that sending needs."""

    id: int
    key: str  # unique: "issue.1405-W36.17"
    kind: DeliveryKind
    batch: Batch
    address: str
    name: str
    subscriber_id: int | None
    issue_id: int | None
    variant_id: int
    attempts: int
    losses: int  # connections lost before the final dot, in a row
    first_reply_at: datetime | None
    unknowns: int = 0
    lane: str = "default"  # by the domain of the address


class Envelope(NamedTuple):
    """The bare addresses (`a@b.example`) of sender and recipient. `size` is in bytes, or 0 if unknown."""

    sender: str
    recipient: str
    size: int = 0


class Reply(NamedTuple):
    """The answer of a relay. `code` is 0 if there was no readable answer."""

    phase: str  # CONNECT EHLO STARTTLS AUTH MAIL RCPT DATA dot
    code: int
    enhanced: str  # "5.1.1" (RFC 3463), or empty
    text: str  # without control characters, at most 500 characters


@dataclass(frozen=True, slots=True)
class Accepted:
    """2xx after the final dot."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Deferred:
    """Refused for now; another try may succeed."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Rejected:
    """Refused permanently."""

    why: Rejection
    reply: Reply


@dataclass(frozen=True, slots=True)
class Unknown:
    """The connection was lost, or fell silent, after the final dot: the relay may have accepted the mail or not."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class NotSent:
    """The mail was not sent: the connection was lost before the final dot, or the relay refuses the sender."""

    reply: Reply
    relay_fault: bool = False  # the relay refuses the sender: the relay is stopped, and the mail loses no attempt


Outcome = Accepted | Deferred | Rejected | Unknown | NotSent


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryChange:
    """The change that the ledger records after an attempt to send a mail."""

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
    """A rate and its name: "all", "relay:127.0.0.1:25", "lane:gmail". All processes together keep to it."""

    name: str
    rate: Rate


class PausedLane(NamedTuple):
    """A lane whose provider refuses the sender: its mails wait. `reply` is what it answered, without addresses."""

    lane: str
    until: datetime
    reply: str


# --- Reports ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class IssueStatus:
    """The counts of one issue. They always add up to `recipients`."""

    slot: str
    state: IssueState
    recipients: int
    counts: Mapping[DeliveryState, int] = field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    rate: float = 0.0  # accepted mails a second since the start
