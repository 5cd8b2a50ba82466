"""The one way in: articles of a window → events → scores → choice → `Digest`.

It decides what is worth telling and says why; whether it is enough for an issue is decided by who asked.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, timedelta, tzinfo

from mailer.choice.group import Event, Events, group
from mailer.choice.growth import CAUTIOUS, Growth
from mailer.choice.rank import Ranking, day_by_day, interest, rank
from mailer.choice.select import select
from mailer.choice.time_span import holds, late
from mailer.model import OTHER_NEWS, Article, Digest, NotChosen, Story, TimeSpan
from mailer.reasons import Reason, ReasonCode
from mailer.settings import Digest as Rules
from mailer.text import links
from mailer.text.search_key import key

_SHOWN = 10  # rejected stories worth an editor's look
_ALREADY_TOLD = Reason(ReasonCode.ALREADY_TOLD)
_COMPARED = 1000  # articles worth comparing: measured on 5,000, eleven of twelve choices are those of comparing all
_ENDINGS = ("", "ها", "های", "هایی")  # of a banned word, as its key has them
_MOVED_ON = timedelta(hours=12)  # after the newest article that was told
_RETOLD = 0.6  # so like an article that was told that it tells nothing new


def build(
    articles: Iterable[Article],
    span: TimeSpan,
    rules: Rules,
    sections: Mapping[str, str],
    *,
    used: frozenset[int],
    led: frozenset[int] = frozenset(),
    zone: tzinfo = UTC,
    growth: Growth = CAUTIOUS,
    allow_late: bool = True,
    kept: frozenset[int] = frozenset(),
    dropped: frozenset[int] = frozenset(),
    gone: frozenset[int] = frozenset(),
) -> Digest:
    """The digest of a window, the same for every order of `articles`.

    articles    all the window may need: from `window.earliest(span)` to its end, what is pinned, what was told
    sections    raw category → section
    used        ids of what an earlier issue told or has reserved; what repeats them returns only if it moved on
    led         those of them that an issue began with; none begins with their event again
    zone        the newsroom's, for what is a day
    growth      how fast its articles are read
    kept        ids of articles that an editor worked on: they lead their events and are not refused
    dropped     ids of articles that an editor took out; no other article about their events is chosen
    gone        ids of articles whose pages are gone: others may tell their events
    allow_late  whether older articles first seen now count; for a first issue they do not, nothing was missed yet
    """

    def counts(article: Article) -> bool:
        pinned = article.pinned and article.dated < span.end  # however old: an editor wants it
        return holds(span, article) or pinned or (allow_late and late(span, article))

    gathered = [article for article in articles if counts(article) or article.id in used]
    # Keys are dear, so each is made once.
    titles = {article.id: key(article.title) for article in gathered}
    bans = [words for word in rules.banned_words if (words := key(word))]
    labels = {label: key(label) for label in {label for it in gathered for label in (it.category, *it.tags)}}

    def why(it: Article) -> Reason | None:
        said = " / ".join((titles[it.id], *(labels.get(label, "") for label in (it.category, *it.tags))))
        return Reason(ReasonCode.PAGE_GONE) if it.id in gone else _barred(it, titles[it.id], said, used, bans)

    barred = {it.id: reason for it in gathered if (reason := why(it))}
    free = [article for article in gathered if article.id not in barred]
    readers = interest(free, span, growth)

    # What was told before takes part in the grouping, so that its repetition is recognised.
    before = [article for article in gathered if article.id in used]
    in_turn = readers.order if readers.readers else day_by_day(free, zone)
    worth = sorted(free, key=lambda it: (not it.pinned, it.id not in kept, in_turn(it)))[:_COMPARED]
    events = group([*worth, *before], titles, zone, told=used)
    event_of = {member.id: event for event in events.events for member in event.members}
    ranking = rank(gathered, span, free, titles, event_of, readers)
    stories, repeated = _Stories(ranking, _Sections(sections), events, used, kept, dropped).all()
    selection = select(stories, rules, titles, events, zone, balance_sections=bool(sections), kept=kept)
    unfit = [
        NotChosen(_story([article], ranking, _Sections(sections)), barred[article.id])
        for article in gathered
        if article.id in barred and counts(article)
    ]
    not_chosen = sorted([*unfit, *repeated, *selection.not_chosen], key=lambda it: ranking.order(it.story.lead))
    unbalanced = [Reason(ReasonCode.NO_SECTIONS)] if stories and not sections else []
    return Digest(
        span=span,
        stories=_begin_anew(selection.chosen, led, event_of),
        not_chosen=tuple(not_chosen[:_SHOWN]),
        considered=len(free),
        notes=(*ranking.notes, *unbalanced, *selection.notes),
    )


def fit(article: Article, rules: Rules) -> bool:
    """Whether an article may stand in an issue at all, told before or not."""
    title, *labels = (key(words) for words in (article.title, article.category, *article.tags))
    bans = [words for word in rules.banned_words if (words := key(word))]
    return _barred(article, title, " / ".join((title, *labels)), frozenset(), bans) is None


def _barred(article: Article, title_key: str, labels: str, used: frozenset[int], bans: Sequence[str]) -> Reason | None:
    """Why an article can never be chosen, whatever its score, or None if it can.

    `labels` are the keys of its title, category and tags.
    """
    code = None
    if article.banned:
        code = ReasonCode.BANNED
    elif article.id in used:
        code = ReasonCode.ALREADY_TOLD
    elif not article.url:
        code = ReasonCode.NO_ADDRESS
    elif not article.url.lower().startswith(("http://", "https://")):
        code = ReasonCode.NOT_A_WEB_PAGE
    elif not links.is_usable(article.url):
        code = ReasonCode.NOT_LINKABLE
    elif article.closed:
        code = ReasonCode.NOT_FREE
    elif word := next((word for word in bans if any(f" {word}{end} " in f" {labels} " for end in _ENDINGS)), ""):
        return Reason(ReasonCode.BANNED_WORD, {"word": word})
    elif len(title_key.split()) < 2 and not article.lead:
        code = ReasonCode.SHORT_TITLE
    return Reason(code) if code else None


class _Stories:
    """Events → the stories that can be told, best first, and those that repeat what an earlier issue told."""

    def __init__(
        self,
        ranking: Ranking,
        sections: "_Sections",
        events: Events,
        used: frozenset[int],
        kept: frozenset[int],
        dropped: frozenset[int],
    ) -> None:
        self._ranking, self._sections, self._events = ranking, sections, events
        self._used, self._kept, self._dropped = used, kept, dropped

    def all(self) -> tuple[list[Story], list[NotChosen]]:
        stories: list[Story] = []
        repeated: list[NotChosen] = []
        for event in self._events.events:
            fresh = [member for member in event.members if member.id not in self._used]
            if not fresh:
                continue
            if any(member.id in self._dropped for member in event.members):
                repeated.append(NotChosen(self._story(fresh), Reason(ReasonCode.DROPPED_BY_EDITOR)))
                continue
            old = [member for member in event.members if member.id in self._used]
            news = fresh if not old else [it for it in fresh if it.pinned or self._moved_on(it, old, event)]
            if news:
                stories.append(self._story(news, update=bool(old)))
            else:
                repeated.append(NotChosen(self._story(fresh), _ALREADY_TOLD))
        return sorted(stories, key=lambda story: self._ranking.order(story.lead)), repeated

    def _story(self, members: Sequence[Article], *, update: bool = False) -> Story:
        return _story(members, self._ranking, self._sections, update=update, kept=self._kept)

    def _moved_on(self, article: Article, old: Sequence[Article], event: Event) -> bool:
        """Later than all that was told, and in other words. What comes every day never moves on."""
        return (
            not event.series
            and article.dated >= max(it.dated for it in old) + _MOVED_ON
            and all(self._events.similarity(article.id, it.id) < _RETOLD for it in old)
        )


def _begin_anew(chosen: Sequence[Story], led: frozenset[int], event_of: Mapping[int, Event]) -> tuple[Story, ...]:
    """No issue begins with the event that an earlier one began with, unless an editor pins it there."""

    def led_before(story: Story) -> bool:
        event = event_of.get(story.lead.id)
        return bool(event) and any(member.id in led for member in event.members)  # type: ignore[union-attr]

    first = next((story for story in chosen if story.pinned or not led_before(story)), None)
    if first is None:
        return tuple(chosen)
    return (first, *(story for story in chosen if story is not first))


def _story(
    members: Sequence[Article],
    ranking: Ranking,
    names: "_Sections",
    *,
    update: bool = False,
    kept: frozenset[int] = frozenset(),
) -> Story:
    """One event, led by its best article; an editor's pin and work beat the score."""
    lead, *also = sorted(members, key=lambda it: (not it.pinned, it.id not in kept, *ranking.order(it)))
    return Story(
        lead=lead,
        also=tuple(also),
        section=names.of(lead.category),
        score=ranking.score(lead),
        parts=ranking.parts[lead.id],
        pinned=lead.pinned,
        update=update,
    )


class _Sections:
    """Sections by raw category, however the category is spelled."""

    def __init__(self, sections: Mapping[str, str]) -> None:
        self._exact = sections
        self._keyed: dict[str, str] = {}
        self._known: dict[str, str] = {}
        for category, section in sections.items():
            self._keyed.setdefault(key(category), section)

    def of(self, category: str) -> str:
        """A category that is a path, such as «اجتماع > سفر», is known by its last part or else by its first."""
        if category not in self._known:
            self._known[category] = self._exact.get(category) or self._by_key(category)
        return self._known[category]

    def _by_key(self, category: str) -> str:
        parts = re.split(r"[>/›»|]", category)
        for name in (category, parts[-1], parts[0]):
            if section := self._keyed.get(key(name)):
                return section
        return OTHER_NEWS
