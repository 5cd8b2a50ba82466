"""Chooses past weeks again with other settings, to see what a change would have done. Writes nothing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from mailer import week
from mailer.choice import build, growth, time_span
from mailer.context import App
from mailer.model import Article, Digest, Slot
from mailer.settings import Digest as Rules
from mailer.store import articles, issues

_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Choice:
    """The stories that one of the two settings chooses for a week."""

    titles: tuple[str, ...]
    sections: Mapping[str, int]
    captured: float | None  # the share of the views of the most viewed stories of that number; None without views
    repeats: int  # stories about an event of the four weeks before


@dataclass(frozen=True, slots=True)
class Week:
    slot: str
    now: Choice
    other: Choice
    overlap: int  # stories that both choose
    sent: int | None  # stories of `now` that the issue of that week had; None if there is no issue


@dataclass(slots=True)
class _Past:
    """The earlier choices with one of the two settings: by week all articles, and the first one."""

    rules: Rules
    used: list[frozenset[int]] = field(default_factory=list)
    led: list[frozenset[int]] = field(default_factory=list)


def run(app: App, weeks: int, other: Rules) -> list[Week]:
    """Choose the last `weeks` whole weeks with the settings in force and with `other`. The oldest comes first.

    Views are taken as they are known now, so later views count, too, in both choices.
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
    """Return the choice and the ids of its leads, and add both to `past`."""
    span = time_span.for_issue(end=slot.at, previous_end=slot.at - _WEEK)
    pool = articles.in_span(tx, span, time_span.earliest(span))
    # What these settings chose before, so that a repetition is recognised.
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
