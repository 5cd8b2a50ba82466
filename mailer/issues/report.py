"""The report of an issue: how many readers received the issue, left through its links, complained, or joined
afterwards, and why readers left.

A report contains no address.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailer.context import App
from mailer.model import DeliveryState, Issue
from mailer.store import clicks, reports
from mailer.store.clicks import Clicks

# The histogram counts readers by the time from the acceptance of their mail to their unsubscription. Each bar has a
# name and an upper limit; a last bar, "later", counts all longer times.
EDGES = (
    ("1 min", timedelta(minutes=1)),
    ("10 min", timedelta(minutes=10)),
    ("1 h", timedelta(hours=1)),
    ("6 h", timedelta(hours=6)),
    ("1 d", timedelta(days=1)),
    ("2 d", timedelta(days=2)),
    ("7 d", timedelta(days=7)),
)
# If the first bar has at least SCANNER_LEAST readers and at least SCANNER_SHARE of all readers who left, link scanners
# probably caused these unsubscriptions.
SCANNER_LEAST, SCANNER_SHARE = 5, 0.25


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the histogram: `left` readers unsubscribed between the previous bar's limit and this bar's limit
    `until`.

    `scanner` is True if link scanners are a likelier cause than the readers themselves.
    """

    until: str
    left: int
    scanner: bool = False


@dataclass(frozen=True, slots=True)
class StoryClicks:
    """How often a story of an issue was opened. `opened` is the total. `hours` has the count of each hour, by the
    hour's beginning in UTC, such as "2026-11-29T08:00Z". `scanned` counts openings by link scanners, which the other
    counts leave out."""

    position: int
    title: str
    opened: int
    scanned: int
    hours: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    slot: str
    state: str
    number: int | None
    subject: str
    recipients: int
    sent: int  # mails that a relay accepted
    outcomes: Mapping[str, int]  # the number of deliveries by state and reason, such as "rejected(hard)"
    left: int
    complained: int
    rate: float  # left / sent
    methods: Mapping[str, int]
    reasons: Mapping[str, int]
    histogram: tuple[Bar, ...]
    joined: int  # readers who joined between the start of this issue and the start of the next
    clicks: tuple[StoryClicks, ...]  # () if nothing was counted
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rate:
    slot: str
    sent: int
    left: int

    @property
    def rate(self) -> float:
        return self.left / self.sent if self.sent else 0.0


def by_outcome(ended: Mapping[tuple[DeliveryState, str | None], int]) -> dict[str, int]:
    """Returns the given counts with readable keys, such as "rejected(hard)" or "unknown"."""
    in_order = sorted(ended.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    return {f"{state}({reason})" if reason else str(state): count for (state, reason), count in in_order}


def report(app: App, issue: Issue) -> Report:
    """Returns the report of an issue. The issue need not have ended."""

    def read(tx: Connection) -> Report:
        ended = reports.outcomes(tx, issue.id)
        sent = sum(count for (state, _), count in ended.items() if state is DeliveryState.ACCEPTED)
        left = reports.leavings(tx, issue.id)
        return Report(
            slot=issue.slot,
            state=issue.state,
            number=issue.number,
            subject=issue.subject,
            recipients=issue.recipients,
            sent=sent,
            outcomes=by_outcome(ended),
            left=len(left),
            complained=reports.complaints(tx, issue.id),
            rate=round(len(left) / sent, 6) if sent else 0.0,
            methods=dict(Counter(str(each.method) for each in left)),
            reasons=dict(Counter(each.reason.split(":")[0] for each in left if each.reason)),
            histogram=histogram([each.at - each.accepted_at for each in left if each.accepted_at]),
            joined=reports.joined(tx, issue.started_at) if issue.started_at else 0,
            clicks=_clicks(issue, clicks.of_issue(tx, issue.id)),
            started_at=issue.started_at,
            finished_at=issue.finished_at,
        )

    return app.store.read(read)


def _clicks(issue: Issue, counted: Sequence[Clicks]) -> tuple[StoryClicks, ...]:
    """Returns the clicks on each story, in the order of the issue, or () if nothing was counted."""
    of = {story.position: [each for each in counted if each.position == story.position] for story in issue.stories}
    return tuple(
        StoryClicks(
            position=story.position,
            title=story.title,
            opened=sum(each.opened for each in of[story.position]),
            scanned=sum(each.scanned for each in of[story.position]),
            hours={f"{each.hour:%Y-%m-%dT%H:%MZ}": each.opened for each in of[story.position] if each.opened},
        )
        for story in issue.stories
        if counted
    )


def histogram(after: list[timedelta]) -> tuple[Bar, ...]:
    """Returns the bars of the histogram. `after` has, for each reader who left, the time from the mail to the
    unsubscription."""
    counts = Counter(next((name for name, edge in EDGES if each < edge), "later") for each in after)
    first = counts[EDGES[0][0]]
    scanner = first >= SCANNER_LEAST and first >= SCANNER_SHARE * len(after)
    names = [name for name, _ in EDGES] + ["later"]
    return tuple(Bar(name, counts[name], scanner and name == EDGES[0][0]) for name in names)


def rates(app: App, limit: int = 10) -> list[Rate]:
    """Returns the number of readers who left through each of the latest issues, the latest issue first."""
    return [Rate(*row) for row in app.store.read(lambda tx: reports.leaving_rates(tx, limit))]
