"""Chooses the stories of past weeks again, with the current settings and with other settings. Writes nothing.

The comparison shows what a change of the settings would have done.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from mailer import week
from mailer.choice import build, decided_pairs, growth, time_span
from mailer.context import App
from mailer.model import Article, Digest, Slot
from mailer.settings import Digest as Rules
from mailer.store import articles, issues
from mailer.store import decided_pairs as stored_pairs

_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Choice:
    """The stories that one set of settings (the current or the other one) chooses for a week."""

    titles: tuple[str, ...]
    sections: Mapping[str, int]
    # The total views of the chosen lead articles, divided by the total views of the same number of the week's most-read
    # articles. None if no views are known.
    captured: float | None
    repeats: int  # number of stories about an event that one of the four previous weeks already had


@dataclass(frozen=True, slots=True)
class Week:
    slot: str
    now: Choice
    other: Choice
    overlap: int  # number of stories that both settings choose
    sent: int | None  # number of stories in `now` that were also in the issue of that week; None if there is no issue


@dataclass(slots=True)
class _Past:
    """The choices that one set of settings made for earlier weeks.

    For each week, `used` has the ids of all articles in the chosen stories, and `led` has the id of the first story's
    lead article.
    """

    rules: Rules
    used: list[frozenset[int]] = field(default_factory=list)
    led: list[frozenset[int]] = field(default_factory=list)


def run(app: App, weeks: int, other: Rules) -> list[Week]:
    """Choose the stories of the last `weeks` whole weeks with the current settings and with `other`.

    Returns the weeks, the oldest first. Both choices use today's numbers of views, including views counted after the
    week.
    """
    newsletter, schedule = app.settings.newsletter, app.settings.schedule
    slot = week.slot_of(app.now(), newsletter, schedule)
    while slot.at > app.now():
        slot = week.preceding(slot, newsletter, schedule)
    slots = [slot]
    while len(slots) < weeks:
        slots.insert(0, week.preceding(slots[0], newsletter, schedule))
    past, other_past = _Past(app.settings.digest), _Past(other)
    found = []
    for each in slots:
        now, first = app.store.read(partial(_choose, app, past, each))
        changed, second = app.store.read(partial(_choose, app, other_past, each))
        issue = app.store.read(partial(issues.find, slot=each.key))
        sent = len(first & {story.article_id for story in issue.stories}) if issue and issue.stories else None
        found.append(Week(each.key, now, changed, len(first & second), sent))
    return found


def _choose(app: App, past: _Past, slot: Slot, tx: Connection) -> tuple[Choice, frozenset[int]]:
    """Return the choice for one week and the ids of its lead articles, and add the week to `past`."""
    span = time_span.for_issue(end=slot.at, previous_end=slot.at - _WEEK)
    pool = articles.in_span(tx, span, time_span.earliest(span))
    # Add the articles that these settings chose for earlier weeks, so that a repeated event is recognised.
    pool += articles.by_ids(tx, _union(past.used) - {article.id for article in pool})
    digest = build.build(
        pool,
        span,
        past.rules,
        app.settings.newsletter.sections,
        used=_union(past.used),
        led=_union(past.led),
        zone=app.zone,
        growth=growth.learn(articles.histories(tx, since=span.start - growth.LEARNT_FROM)),
        allow_late=False,
        decided=decided_pairs.resolve(stored_pairs.every(tx)),
        earlier=articles.titles_before(tx, span.start),
    )
    leads = frozenset(story.lead.id for story in digest.stories)
    past.used.append(leads | {other.id for story in digest.stories for other in story.also})
    past.led.append(frozenset(story.lead.id for story in digest.stories[:1]))
    return _choice(digest, pool), leads


def _union(weeks: list[frozenset[int]]) -> frozenset[int]:
    return frozenset(number for each in weeks[-articles.REMEMBERED :] for number in each)


def _choice(digest: Digest, pool: list[Article]) -> Choice:
    leads = [story.lead for story in digest.stories]
    eligible = [each for each in pool if time_span.holds(digest.span, each) and not each.banned and each.url]
    most = sum(sorted((each.views or 0 for each in eligible), reverse=True)[: len(leads)])
    return Choice(
        titles=tuple(lead.title for lead in leads),
        sections=dict(Counter(story.section for story in digest.stories).most_common()),
        captured=round(sum(lead.views or 0 for lead in leads) / most, 3) if most else None,
        repeats=sum(story.update for story in digest.stories),
    )
