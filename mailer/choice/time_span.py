"""The time span of an issue, and the articles that belong to it."""

from datetime import datetime, timedelta

from mailer.model import Article, TimeSpan

_LONGEST = timedelta(days=10)
_FIRST = timedelta(days=7)
_LATE = timedelta(days=14)


def for_issue(*, end: datetime, previous_end: datetime | None) -> TimeSpan:
    """The time from the end of the previous issue's span to `end`, at most ten days.

    Seven days if there is no previous issue, or if its span ended no earlier (this is a draft as of an earlier day).
    """
    if previous_end is None or previous_end >= end:
        return TimeSpan(end - _FIRST, end)
    return TimeSpan(max(previous_end, end - _LONGEST), end)


def earliest(span: TimeSpan) -> datetime:
    """The earliest date of an article that can belong to the span, as a late one."""
    return min(span.start, span.end - _LATE)


def holds(span: TimeSpan, article: Article) -> bool:
    return span.start <= article.dated < span.end


def late(span: TimeSpan, article: Article) -> bool:
    """Returns True if the article is older than the span but first seen within it, so that no earlier issue had it."""
    return earliest(span) <= article.dated < span.start and span.start <= article.first_seen < span.end
