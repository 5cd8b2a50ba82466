"""Past weeks chosen again with other settings, to see what a change would have done. Writes nothing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
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
    """One way of choosing one week. `captured`: of the views that the most read stories of its number have, the share
    that these have; None where nothing is counted. `repeats`: stories whose event was told in the four weeks before."""

    titles: tuple[str, ...]
    sections: Mapping[str, int]
    captured: float | None
    repeats: int


@dataclass(frozen=True, slots=True)
class Week:
    """`overlap`: stories that both ways choose. `sent`: of those of `now`, how many the issue of that week told; None
    when it has none."""

    slot: str
    now: Choice
    other: Choice
    overlap: int
    sent: int | None


@dataclass(slots=True)
class _Past:
    """What one way of choosing told so far, week after week."""

    rules: Rules
    told: list[frozenset[int]]
    led: list[frozenset[int]]


def run(app: App, weeks: int, other: Rules) -> list[Week]:
    """The last `weeks` whole weeks, the oldest first, chosen with the settings in force and with `other`.

    Views are taken as they are known now: what was counted later is in them, for both ways alike.
    """
    newsletter, schedule = app.settings.newsletter, app.settings.schedule
    slot = week.slot_of(app.now(), newsletter, schedule)
    while slot.at > app.now():
        slot = week.preceding(slot, newsletter, schedule)
    slots = [slot]
    while len(slots) < weeks:
        slots.insert(0, week.preceding(slots[0], newsletter, schedule))
    ours, theirs = (_Past(rules, [], []) for rules in (app.settings.digest, other))
    found = []
    for each in slots:
        now, first = app.store.read(partial(_choose, app, ours, each))
        changed, second = app.store.read(partial(_choose, app, theirs, each))
        issue = app.store.read(partial(issues.find, slot=each.key))
        told = {story.article_id for story in issue.stories} if issue and issue.stories else None
        sent = len(told & first) if told is not None else None
        found.append(Week(each.key, now, changed, len(first & second), sent))
    return found


def _choose(app: App, past: _Past, slot: Slot, tx: Connection) -> tuple[Choice, frozenset[int]]:
    span = time_span.for_issue(end=slot.at, previous_end=slot.at - _WEEK)
    pool = articles.in_span(tx, span, time_span.earliest(span))
    # What this way of choosing told before, so that its repetition is recognised.
    pool += articles.by_ids(tx, _union(past.told) - {article.id for article in pool})
    digest = build.build(
        pool,
        span,
        past.rules,
        app.settings.newsletter.sections,
        used=_union(past.told),
        led=_union(past.led),
        zone=app.zone,
        growth=growth.learn(articles.histories(tx, since=span.start - growth.LEARNT_FROM)),
        allow_late=False,
    )
    leads = frozenset(story.lead.id for story in digest.stories)
    past.told.append(leads | {other.id for story in digest.stories for other in story.also})
    past.led.append(frozenset(story.lead.id for story in digest.stories[:1]))
    return _described(digest, pool), leads


def _union(weeks: list[frozenset[int]]) -> frozenset[int]:
    return frozenset(number for each in weeks[-articles.REMEMBERED :] for number in each)


def _described(digest: Digest, pool: list[Article]) -> Choice:
    leads = [story.lead for story in digest.stories]
    inside = [it.views or 0 for it in pool if time_span.holds(digest.span, it) and not it.banned and it.url]
    most = sum(sorted(inside, reverse=True)[: len(leads)])
    return Choice(
        titles=tuple(lead.title for lead in leads),
        sections=dict(Counter(story.section for story in digest.stories).most_common()),
        captured=round(sum(lead.views or 0 for lead in leads) / most, 3) if most else None,
        repeats=sum(story.update for story in digest.stories),
    )
