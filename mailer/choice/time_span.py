"""Which span of time an issue tells of, and which articles belong to it.

It does not fetch them: `earliest` tells the store how far back to look.
"""

from datetime import datetime, timedelta

from mailer.model import Article, TimeSpan

_LONGEST = timedelta(days=10)
_FIRST = timedelta(days=7)
_LATE = timedelta(days=14)


def for_issue(*, end: datetime, previous_end: datetime | None) -> TimeSpan:
    """From the cut-off of the last issue that reached anybody to this one's, at most ten days; seven without such an
    issue, or when it ended no earlier than this one (a draft «as of» an earlier day)."""
    if previous_end is None or previous_end >= end:
        return TimeSpan(end - _FIRST, end)
    return TimeSpan(max(previous_end, end - _LONGEST), end)


def earliest(span: TimeSpan) -> datetime:
    """The oldest instant from which an article can still belong to the window, as a late one."""
    return min(span.start, span.end - _LATE)


def holds(span: TimeSpan, article: Article) -> bool:
    return span.start <= article.dated < span.end


def late(span: TimeSpan, article: Article) -> bool:
    """Older than the window, but seen for the first time within it: no earlier issue could have told it."""
    return earliest(span) <= article.dated < span.start and span.start <= article.first_seen < span.end
