"""Computes the time span of an issue, and decides which articles belong to the time span."""

from datetime import datetime, timedelta

from mailer.model import Article, TimeSpan

_LONGEST = timedelta(days=10)  # the longest time span
_FIRST = timedelta(days=7)  # the length of the time span of the first issue
_LATE = timedelta(days=14)  # a late article must have been published at most this long before the end of the span


def for_issue(*, end: datetime, previous_end: datetime | None) -> TimeSpan:
    """Returns the time span from the end of the previous issue's span to `end`, but at most the last ten days.

    The span is seven days if there is no previous issue, or if the previous issue's span does not end before `end`
    (which happens if a draft is made as of an earlier day).
    """
    if previous_end is None or previous_end >= end:
        return TimeSpan(end - _FIRST, end)
    return TimeSpan(max(previous_end, end - _LONGEST), end)


def earliest(span: TimeSpan) -> datetime:
    """Returns the earliest publication date that an issue accepts. An article dated before the span must be `late`."""
    return min(span.start, span.end - _LATE)


def holds(span: TimeSpan, article: Article) -> bool:
    return span.start <= article.dated < span.end


def late(span: TimeSpan, article: Article) -> bool:
    """Returns True if the article is older than the span but was first seen within it.

    No earlier issue could have used such an article.
    """
    return earliest(span) <= article.dated < span.start and span.start <= article.first_seen < span.end
