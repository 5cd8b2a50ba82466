"""The data types, in the order in which data flows: Article → Story → Digest → Issue → Message → Delivery → Outcome.

The types are frozen and have no logic. Each value is validated once, where it enters the program. All datetimes are
timezone-aware and in UTC. Read this file first.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from mailer.reasons import Reason


# --- Articles: what the newsroom published -------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class FoundArticle:
    """One item of a source, before it is stored. An empty text or None means that the source did not give the value."""

    title: str
    source: str  # the outlet's host or name, e.g. "tabnak.ir"
    guid: str = ""  # the permanent identifier that the source gives the item
    identity: str = ""  # set only if other items of the document have the same guid or link
    url: str = ""  # exactly as the source gave it; the article's identity is made from the canonical form
    lead: str = ""  # plain text, no markup
    body: str = ""  # plain text, one paragraph per line
    category: str = ""  # the newsroom's own category name; the settings map it to a section
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
    news_value: int | None = None  # an editor's rating from -2 to +2
    closed: bool | None = None  # True if only members or paying readers can read it
    title_given: str = ""  # the title before its spelling was corrected; "" if it needed no correction
    lead_given: str = ""  # the lead before its spelling was corrected, or ""
    alt_given: str = ""  # `image_alt` before its spelling was corrected, or ""


@dataclass(frozen=True, slots=True)
class NamedArticle:
    """An article together with its identity and its canonical link. `sources.identity` computes both."""

    article: FoundArticle
    identity: str
    link: str  # the canonical link, or "" if the article has no link


@dataclass(frozen=True, slots=True)
class Merged:
    """Counts how many articles were added, updated and left unchanged when a source's articles were stored."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    clashes: int = 0  # articles with the guid or link of a different article; each is also in a count above

    def __add__(self, other: "Merged") -> "Merged":
        return Merged(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))


class Dating(StrEnum):
    """The way in which the date of an article (`dated`) was determined."""

    GIVEN = "given"  # the source gave this date
    CLAMPED = "clamped"  # the source gave a date more than two hours in the future, so `first_seen` is used
    MISSING = "missing"  # the source gave no date, so `first_seen` is used


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One stored article."""

    id: int
    identity: str  # "guid:…" or "link:…"; never made from the title
    title: str
    source: str
    url: str  # an article with an empty URL is not eligible for an issue
    lead: str
    body: str
    category: str
    image_url: str
    image_alt: str
    dated: datetime  # the date that decides which week's issue the article belongs to
    dating: Dating
    first_seen: datetime
    views: int | None
    comments: int | None
    shares: int | None
    pinned: bool = False
    banned: bool = False
    front_page: bool = False
    prominence: float | None = None  # hours for which it was among the first on the front page; None if never on it
    # Hours on the site's list of the most read articles. Hours in a higher place count more. None if never on the list.
    list_hours: float | None = None
    news_value: int | None = None  # an editor's rating from -2 to +2
    closed: bool = False  # True if only members or paying readers can read it
    tags: tuple[str, ...] = ()
    # True if the source gave no date, but an earlier collection of the source had not seen the article. So the article
    # was published between two collections; `dated` is the time of the later one.
    estimated: bool = False

    @property
    def undated(self) -> bool:
        """True if nothing is known about the date: the article may have been old when it was first seen."""
        return self.dating is Dating.MISSING and not self.estimated


@dataclass(frozen=True, slots=True)
class DecidedPair:
    """An editor's decision about two articles: whether they report the same story. `one` is the smaller id."""

    one: int
    other: int
    same: bool
    at: datetime


# --- Stories and digests: what was chosen, and why -------------------------------------------------------------------
OTHER_NEWS = "دیگر خبرها"  # the section of all stories that belong to no configured section


class TimeSpan(NamedTuple):
    """The time span of an issue. An article belongs to the span if start <= dated < end."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One event: a lead article and the other articles about the event. The values of `parts` add up to `score`."""

    lead: Article
    also: tuple[Article, ...]
    section: str
    score: float
    parts: Mapping[str, float]
    pinned: bool = False
    update: bool = False  # True if an earlier issue reported this event, and the event has developed since
    why: tuple[Reason, ...] = ()  # explains the parts of the score, and says how large the topic is

    @property
    def undated(self) -> bool:
        """True if the story may be old: no article has even an estimated date, and no editor has pinned the story."""
        return not self.pinned and all(article.undated for article in (self.lead, *self.also))


@dataclass(frozen=True, slots=True)
class NotChosen:
    """A story that was considered and not chosen."""

    story: Story
    reason: Reason


@dataclass(frozen=True, slots=True)
class Digest:
    """The stories chosen for a week, in order, and the best of the stories that were not chosen."""

    span: TimeSpan
    stories: tuple[Story, ...]
    not_chosen: tuple[NotChosen, ...]
    considered: int  # how many articles were eligible
    notes: tuple[Reason, ...] = ()  # remarks for the editors


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

    key: str  # the name of the week, such as "1405-W36"
    day: date  # the date of sending, in the newsletter's time zone
    at: datetime  # the instant on that day at which sending begins


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenStory:
    """A story as an issue stores it: a copy of what readers and editors see. If an article changes later, the copy does
    not change."""

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
    also: tuple[tuple[int, str, str], ...]  # (article id, url, title) of each other article about the event
    score: float
    parts: Mapping[str, float]
    pinned: bool
    update: bool = False  # True if an earlier issue reported this event, and the event has developed since
    undated: bool = False  # as in `Story`: such a story does not count towards `min_stories`
    why: tuple[Reason, ...] = ()  # as in `Story`


@dataclass(frozen=True, slots=True)
class RejectedStory:
    """A story that was not chosen, as an issue stores it."""

    url: str
    title: str
    score: float
    reason: Reason
    why: tuple[Reason, ...] = ()  # as in `Story`, but only coverage and topic


class BlockKind(StrEnum):
    ANNOUNCEMENT = "announcement"
    CORRECTION = "correction"
    SPONSOR = "sponsor"


class BlockPlace(StrEnum):
    """The place of a block in the mail. A block is never inside a section."""

    TOP = "top"  # before the first story
    FIRST = "first"  # after the first story
    MIDDLE = "middle"  # after half of the sections
    END = "end"  # after the last story


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A box of the newsroom's own in an issue. All texts are plain text; if a value is empty, the box does not have
    that part."""

    kind: BlockKind
    place: BlockPlace
    title: str
    text: str = ""  # paragraphs, one for each line
    url: str = ""
    link_text: str = ""
    picture: str = ""  # the file name of the copy in `media/pictures`, or its address just before rendering
    standing: bool = False  # True if the block comes from the settings, and False if an editor added it to this issue


@dataclass(frozen=True, slots=True)
class Edits:
    """Everything that editors changed in an issue, and the stories whose pages no longer exist.

    The changes refer to article ids, so they still apply after the stories are chosen again.
    """

    dropped: frozenset[int] = frozenset()  # ids of the articles of removed stories
    places: Mapping[int, int] = field(default_factory=dict)  # article id → position, in the order of the requests
    titles: Mapping[int, str] = field(default_factory=dict)  # article id → an editor's title
    subject: str = ""
    intro: str = ""
    gone: Mapping[int, str] = field(default_factory=dict)  # article id → title of each article whose page is gone
    blocks: tuple[Block, ...] = ()  # the blocks that editors added to this issue
    checked: bool = False  # True once the pages of the stories were checked a last time before sending


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """The newsletter of one slot: its stories and texts, its state, and when it reached each state."""

    id: int
    slot: str
    day: date
    state: IssueState
    number: int | None  # the number that readers see; assigned when the issue is frozen
    send_at: datetime  # the slot's sending time, or later if the service was down at draft time
    span: TimeSpan | None
    subject: str
    preheader: str
    intro: str
    stories: tuple[ChosenStory, ...]
    rejected: tuple[RejectedStory, ...]
    notes: tuple[Reason, ...]
    reason: Reason | None  # why the issue is held, paused, skipped or cancelled
    approved: bool
    released: bool  # True if an editor allowed the issue to go out with too few stories
    drafted_at: datetime | None
    frozen_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    recipients: int
    edits: Edits = Edits()
    blocks: tuple[Block, ...] = ()  # first the blocks of the settings, then those that editors added


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail rendered once for many readers. The subject (one line) and both bodies may contain placeholders, which
    each reader's own values replace."""

    subject: str
    html: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256("\0".join((self.subject, self.html, self.text)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Variant:
    """A rendered mail as the database stores it. `sha256` is a hash of its subject and its two bodies."""

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


# The statuses of subscribers who are on the list: they joined, and neither left nor were removed.
ON_LIST = (SubscriberStatus.PENDING, SubscriberStatus.ACTIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    id: int
    address: str  # the address that mail is sent to; empty if the subscriber was forgotten
    address_hash: str  # a keyed hash of the address, kept even if the subscriber was forgotten
    name: str
    status: SubscriberStatus
    sections: tuple[str, ...]  # the sections that the reader chose; empty means all
    paused_until: date | None  # the reader gets no issue before this day
    source: str
    created_at: datetime
    consent_at: datetime | None  # when the reader agreed to get mails, if that is known


class ListRow(NamedTuple):  # a tuple is created faster than a dataclass, and a list may have a million rows
    """One row of an imported list, as the reader of the file understood it. `line` is its line number in the file."""

    line: int
    email: str
    name: str = ""
    sections: tuple[str, ...] = ()
    consent_at: datetime | None = None
    source: str = ""
    # The status that the person has in the old system; None if the row belongs to a list that was not chosen.
    status: SubscriberStatus | None = SubscriberStatus.ACTIVE
    left_at: datetime | None = None  # when the person left, bounced or complained in the old system, if known
    reason: str = ""  # why the person left, in the words of the old system
    problem: str = ""  # why the row is refused
    note: str = ""  # a remark on values of the row that could not be used


class EventKind(StrEnum):
    """An event in the history of a subscriber. Events are never deleted."""

    ADDED = "added"
    INVITED = "invited"
    CONFIRMED = "confirmed"
    CHANGED = "changed"
    UNSUBSCRIBED = "unsubscribed"
    RETURNED = "returned"  # the reader undid the unsubscription with the undo button
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    FORGOTTEN = "forgotten"


class Method(StrEnum):
    """The way in which an event came about, such as a reader's click, a command of an admin or a bounce."""

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
    """An event to be recorded. `details` is stored as JSON, e.g. the consent text that the reader saw."""

    kind: EventKind
    at: datetime
    method: Method | None = None
    issue_id: int | None = None
    reason: str = ""
    agent: str = ""  # the kind of the user agent, such as "browser", never the whole User-Agent header
    network: str = ""  # the truncated IP address
    details: Mapping[str, object] | None = None


# --- Deliveries ------------------------------------------------------------------------------------------------------
class DeliveryKind(StrEnum):
    """The kind of a mail. Each kind has three templates: mail/<kind>.subject.txt, mail/<kind>.txt, mail/<kind>.html."""

    ISSUE = "issue"
    CONFIRMATION = "confirmation"
    REMINDER = "reminder"  # reminds a person who has not confirmed a sign-up
    WELCOME = "welcome"
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
    """The reason why a relay refused a delivery permanently."""

    HARD = "hard"  # the address does not exist
    SOFT = "soft"  # the mailbox is full or disabled, or the mail is too large for the mailbox
    BLOCK = "block"  # the relay refuses this sender: spam, policy or authentication
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
    """A process's claim on a batch of up to 500 neighbouring deliveries. Each claim raises the fence number of the
    batch, so a process with a lower `fence` than the batch has lost its claim."""

    id: int
    fence: int


# A NamedTuple is created faster than a dataclass, and all connections wait while the 500 deliveries of a batch are
# created.
class Delivery(NamedTuple):
    """The duty to send one message to one recipient: a claimed row of the table `deliveries` with all values that
    sending needs."""

    id: int
    key: str  # a unique name such as "issue.1405-W36.17"
    kind: DeliveryKind
    batch: Batch
    address: str
    name: str
    subscriber_id: int | None
    issue_id: int | None
    variant_id: int
    attempts: int
    losses: int  # how many times in a row the connection was lost before the final dot of the mail
    first_reply_at: datetime | None
    unknowns: int = 0  # how many attempts had an unknown outcome
    lane: str = "default"  # the lane of the address's domain


class Envelope(NamedTuple):
    """The bare addresses (`a@b.example`) of sender and recipient. `size` is the mail's size in bytes, or 0 if
    unknown."""

    sender: str
    recipient: str
    size: int = 0


class Reply(NamedTuple):
    """The answer of a relay. `code` is 0 if there was no readable answer."""

    phase: str  # the step that the relay answered: CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA or dot
    code: int
    enhanced: str  # the enhanced status code, such as "5.1.1" (RFC 3463), or ""
    text: str  # the text after the code, as one line without control characters; at most 500 characters


@dataclass(frozen=True, slots=True)
class Accepted:
    """The relay accepted the mail: it answered 2xx to the final dot."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Deferred:
    """The relay refused the mail for now; a later attempt may succeed."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Rejected:
    """The relay refused the mail permanently."""

    why: Rejection
    reply: Reply


@dataclass(frozen=True, slots=True)
class Unknown:
    """The connection was lost or no reply came after the final dot. The relay may or may not have accepted the mail."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class NotSent:
    """The mail was not sent: the connection was lost before the final dot, or the relay refuses the sender."""

    reply: Reply
    # True if the relay would refuse every mail from this sender. The program then stops using the relay for a while,
    # and the attempt does not count.
    relay_fault: bool = False


Outcome = Accepted | Deferred | Rejected | Unknown | NotSent


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryChange:
    """The change that the ledger records after an attempt to send a mail."""

    delivery: Delivery  # the delivery, with the counts updated after the attempt
    state: DeliveryState
    reason: Rejection | Expiry | None = None
    due_at: datetime | None = None  # when a deferred delivery is tried again
    reply: Reply | None = None
    relay: str | None = None  # the name of the relay; None leaves the recorded name unchanged


# --- Pace ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` mails in any period of `seconds`."""

    count: int
    seconds: float


class Limit(NamedTuple):
    """A rate with a name such as "all", "relay:127.0.0.1:25" or "lane:gmail". All processes share the rate."""

    name: str
    rate: Rate


class PausedLane(NamedTuple):
    """A lane whose mails wait because the provider refuses this sender. `reply` is the provider's answer, without the
    addresses in it."""

    lane: str
    until: datetime
    reply: str


# --- Access logs -----------------------------------------------------------------------------------------------------
class LogSpan(NamedTuple):
    """A period that an access log covers, in Unix seconds. The first and the last second belong to it.

    Another log may have other lines of these two seconds. So `edges` maps each of the two to the checksums of its lines
    in the logs that were counted. If a second is missing there, all of its lines count as counted.
    """

    first: int
    last: int
    edges: Mapping[int, Sequence[int]]


# --- Reports ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class IssueStatus:
    """The number of an issue's deliveries in each state. The numbers always add up to `recipients`."""

    slot: str
    state: IssueState
    recipients: int
    counts: Mapping[DeliveryState, int] = field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    rate: float = 0.0  # accepted mails per second since the start
