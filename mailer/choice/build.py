"""Makes the digest of a time span: groups the articles into events, scores the articles, and selects the stories.

`build` only chooses the stories and gives the reasons. The caller decides whether there are enough stories for an
issue.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from functools import cache

from mailer.choice.burst import sudden
from mailer.choice.decided_pairs import NO_DECISIONS, Decided
from mailer.choice.events import Event, Events, group
from mailer.choice.explain import Explanations
from mailer.choice.growth import CAUTIOUS, Growth
from mailer.choice.interest import Interest, in_turn, interest
from mailer.choice.kinds import is_aside
from mailer.choice.rank import NO_CLICKS, Ranking, rank
from mailer.choice.select import select
from mailer.choice.time_span import holds, late
from mailer.model import OTHER_NEWS, Article, Digest, NotChosen, Story, TimeSpan
from mailer.reasons import Reason, ReasonCode
from mailer.settings import Digest as Rules
from mailer.text import links
from mailer.text.search_key import key

_SHOWN = 10  # the editor sees this many of the best stories that were not chosen
# Maximum number of articles whose texts are compared: those with the most readers or, if views are unknown, the best
# of each day. In a measurement with 5,000 articles, eleven of twelve stories were the same as with all texts compared.
_COMPARED = 1000
# A banned word is also found if it has one of these plural endings, which are spelled as in search keys.
_ENDINGS = ("", "ها", "های", "هایی")
# A new article has news about an event of earlier issues if two conditions are met. The article is at least _MOVED_ON
# later than all articles about the event in those issues, and its similarity to each of these is less than _NO_NEWS.
_MOVED_ON = timedelta(hours=12)
_NO_NEWS = 0.6
_MANY_UNDATED = 10  # the editors get a note if more than one in this many articles of a source has no date


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
    decided: Decided = NO_DECISIONS,
    earlier: Collection[str] = (),
    clicked: Mapping[str, float] = NO_CLICKS,
) -> Digest:
    """Returns the digest of a time span. The order of `articles` does not matter.

    articles    articles dated from `time_span.earliest(span)` to the end of the span, pinned articles, and articles of
                earlier issues
    sections    raw category → section
    used        ids of articles that another issue used or has reserved; an event with such an article is chosen again
                only if there is news
    led         ids of the articles that came first in other issues; the digest begins with another event if possible
    zone        the newsroom's time zone, which decides on which day an article was published
    growth      how fast the views of an article grow
    kept        ids of articles that an editor moved or retitled; they lead their events, and no quota excludes them
    dropped     ids of articles that an editor took out; no other article about their events is chosen
    gone        ids of articles whose pages are gone; other articles about their events may take their places
    decided     what editors decided about pairs of articles
    earlier     titles of the weeks before the time span, or a sample of them (see `burst`)
    clicked     section → how often its stories were opened in the last issues, from 0 to 1
    allow_late  if true, late articles count too (see `time_span.late`); must be false for the first issue
    """

    def counts(article: Article) -> bool:
        pinned = article.pinned and article.dated < span.end  # at any age, because an editor wants it in the issue
        return holds(span, article) or pinned or (allow_late and late(span, article))

    gathered = [article for article in articles if counts(article) or article.id in used]
    # Search keys are expensive, so compute the key of each title only once.
    titles = {article.id: key(article.title) for article in gathered}
    barred = _barred_articles(gathered, titles, rules, used, gone)
    free = [article for article in gathered if article.id not in barred]
    readers = interest(free, span, growth)

    # Group the articles of earlier issues too, so that new articles about the same events are recognised.
    before = [article for article in gathered if article.id in used]
    compared = _compared(free, titles, kept | decided.articles(), readers, zone)
    events = group([*compared, *before], titles, zone, used=used, decided=decided)
    burst, clicks = sudden(events.topics, titles, earlier), _by_category(gathered, section_of(sections), clicked)
    ranking = rank(gathered, span, free, titles, events, readers, rules, burst, clicks)
    in_order = _most_read_first(readers, ranking, _from_the_middle(events, ranking, titles, rules))
    candidates = _Stories(ranking, in_order, section_of(sections), events, used, kept, dropped)
    stories, repeated = candidates.split()
    selection = select(stories, rules, titles, events, zone, balance_sections=bool(sections), kept=kept)
    unfit = [NotChosen(candidates.story([it]), barred[it.id]) for it in gathered if it.id in barred and counts(it)]
    not_chosen = sorted([*unfit, *repeated, *selection.not_chosen], key=lambda it: ranking.order(it.story.lead))
    no_sections = [Reason(ReasonCode.NO_SECTIONS)] if stories and not sections else []
    remarks = [*ranking.notes, *_few_dates(filter(counts, gathered)), *no_sections]
    explanations = Explanations(selection.chosen, not_chosen, events, readers, titles)
    return Digest(
        span=span,
        stories=tuple(map(explanations.explained, _new_first(selection.chosen, led, events))),
        not_chosen=_listed(not_chosen, explanations),
        considered=len(free),
        notes=(*remarks, *explanations.notes(), *selection.notes),
    )


def _by_category(
    articles: Iterable[Article], section: Callable[[str], str], clicked: Mapping[str, float]
) -> dict[str, float]:
    """Returns how often the stories of each raw category's section were opened. The keys of `clicked` are sections."""
    return {it.category: clicked.get(section(it.category), 0.0) for it in articles} if clicked else {}


def _listed(not_chosen: Sequence[NotChosen], explanations: Explanations) -> tuple[NotChosen, ...]:
    """Returns the stories that were not chosen but are shown to the editors: the best ones, and the best story of each
    large topic that is not in the issue.

    `not_chosen` has the best story first.
    """
    best = not_chosen[:_SHOWN]
    return tuple(map(explanations.rejected, [*best, *(it for it in explanations.missing() if it not in best)]))


def _compared(
    free: Sequence[Article], titles: Mapping[int, str], wanted: frozenset[int], readers: Interest, zone: tzinfo
) -> list[Article]:
    """Returns the articles whose texts are compared: pinned articles, those with an id in `wanted`, then the best."""
    turn = in_turn(free, titles, readers, zone)
    return sorted(free, key=lambda it: (not it.pinned, it.id not in wanted, turn(it)))[:_COMPARED]


def _few_dates(articles: Iterable[Article]) -> Iterator[Reason]:
    """Yields a note for each source of which more than a tenth of the articles have no date."""
    sources: dict[str, list[bool]] = defaultdict(list)
    for article in articles:
        sources[article.source].append(article.undated)
    for source, undated in sorted(sources.items()):
        if sum(undated) * _MANY_UNDATED > len(undated):
            args: dict[str, str | int] = {"undated": sum(undated), "all": len(undated), "source": source}
            yield Reason(ReasonCode.UNDATED_ARTICLES, args)


def _barred_articles(
    articles: Sequence[Article],
    titles: Mapping[int, str],
    rules: Rules,
    used: frozenset[int],
    gone: frozenset[int],
) -> dict[int, Reason]:
    """Returns the articles that must not be chosen, as a mapping: article id → the first reason that applies."""
    bans = [words for word in rules.banned_words if (words := key(word))]
    labels = {label: key(label) for label in {label for it in articles for label in (it.category, *it.tags)}}

    def why(it: Article) -> Reason | None:
        said = " / ".join((titles[it.id], *(labels[label] for label in (it.category, *it.tags))))
        word = next((word for word in bans if any(f" {word}{end} " in f" {said} " for end in _ENDINGS)), "")
        barred = {
            ReasonCode.PAGE_GONE: it.id in gone,
            ReasonCode.BANNED: it.banned,
            ReasonCode.ALREADY_USED: it.id in used,
            ReasonCode.NO_ADDRESS: not it.url,
            ReasonCode.NOT_A_WEB_PAGE: not links.has_scheme(it.url),
            ReasonCode.NOT_LINKABLE: not links.is_usable(it.url),
            ReasonCode.NOT_FREE: it.closed,
            ReasonCode.BANNED_WORD: word != "",
            ReasonCode.SHORT_TITLE: len(titles[it.id].split()) < 2 and not it.lead,
        }
        code = next((code for code, applies in barred.items() if applies), None)
        return Reason(code, {"word": word} if code is ReasonCode.BANNED_WORD else {}) if code else None

    return {it.id: reason for it in articles if (reason := why(it))}


def fit(article: Article, rules: Rules) -> bool:
    """Returns True if an article may be in an issue. Does not check whether an earlier issue used the article."""
    return not _barred_articles([article], {article.id: key(article.title)}, rules, frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class _Stories:
    """Turns events into stories. `split` returns the stories that can be chosen, best first, and all other stories."""

    ranking: Ranking
    in_order: Callable[[Article], tuple[float, ...]]  # a sort key: the articles that lead their events come first
    section_of: Callable[[str], str]
    events: Events
    used: frozenset[int]
    kept: frozenset[int]
    dropped: frozenset[int]

    def split(self) -> tuple[list[Story], list[NotChosen]]:
        stories: list[Story] = []
        not_chosen: list[NotChosen] = []
        for event in self.events.events:
            fresh = [member for member in event.members if member.id not in self.used]
            if not fresh:
                continue
            if any(member.id in self.dropped for member in event.members):
                not_chosen.append(NotChosen(self.story(fresh), Reason(ReasonCode.DROPPED_BY_EDITOR)))
                continue
            old = [member for member in event.members if member.id in self.used]
            news = fresh if not old else [it for it in fresh if it.pinned or self._has_moved_on(it, old, event)]
            if news:
                stories.append(self.story(news, update=bool(old)))
            else:
                not_chosen.append(NotChosen(self.story(fresh), Reason(ReasonCode.ALREADY_USED)))
        return sorted(stories, key=lambda story: self.ranking.order(story.lead)), not_chosen

    def story(self, members: Sequence[Article], *, update: bool = False) -> Story:
        """Returns the story that consists of these articles about one event.

        The lead is a pinned article if there is one, else a kept article, else the first one in `in_order`.
        """
        lead, *also = sorted(members, key=lambda it: (not it.pinned, it.id not in self.kept, *self.in_order(it)))
        return Story(
            lead=lead,
            also=tuple(also),
            section=self.section_of(lead.category),
            score=self.ranking.score(lead),
            parts=self.ranking.parts[lead.id],
            pinned=lead.pinned,
            update=update,
        )

    def _has_moved_on(self, article: Article, old: Sequence[Article], event: Event) -> bool:
        """Returns True if an article has news about an event of earlier issues.

        `old` has the articles about the event that earlier issues used. The article must be clearly later than all of
        these, and must be worded differently. An article of a daily series never has news.
        """
        return (
            not event.series
            and article.dated >= max(it.dated for it in old) + _MOVED_ON
            and all(self.events.similarity(article.id, it.id) < _NO_NEWS for it in old)
        )


def _most_read_first(
    readers: Interest, ranking: Ranking, otherwise: Callable[[Article], tuple[float, ...]]
) -> Callable[[Article], tuple[float, ...]]:
    """Returns a sort key for choosing the lead of an event. The articles whose readers are known come first, ordered by
    score. The others follow in the order of `otherwise`."""

    def order(article: Article) -> tuple[float, ...]:
        known = article.id in readers.readers
        return not known, *(ranking.order(article) if known else otherwise(article))

    return order


def _from_the_middle(
    events: Events, ranking: Ranking, titles: Mapping[int, str], rules: Rules
) -> Callable[[Article], tuple[float, ...]]:
    """Returns a sort key for choosing the lead of an event if views are unknown.

    Articles with a higher news value, which an editor sets, come first. Among articles of equal value, galleries,
    condolences and reactions come last. The others are ordered by their similarity to the articles of the event,
    because the most similar article says best what the event is.
    """
    asides = [word for each in rules.aside_words if (word := key(each))]

    def order(article: Article) -> tuple[float, ...]:
        title = titles[article.id]
        aside = len(title.split()) < 2 or is_aside(title, asides)
        central = events.centrality.get(article.id, 0.0)
        return -(article.news_value or 0), aside, -central, *ranking.order(article)

    return order


def _new_first(chosen: Sequence[Story], led: frozenset[int], events: Events) -> tuple[Story, ...]:
    """Returns the stories, beginning with the best story whose event did not come first in an earlier issue.

    However, a pinned story stays first.
    """

    event_of = {member.id: event for event in events.events for member in event.members}

    def led_before(story: Story) -> bool:
        event = event_of.get(story.lead.id)
        return event is not None and any(member.id in led for member in event.members)

    first = [story for story in chosen if story.pinned or not led_before(story)][:1]
    return (*first, *(story for story in chosen if story not in first))


def section_of(sections: Mapping[str, str]) -> Callable[[str], str]:
    """Returns a function that maps a raw category to its section. Differences in spelling do not matter.

    A category that is a path, such as «اجتماع > سفر», is looked up as a whole, then by its last part, then by its first
    part.
    """
    by_key: dict[str, str] = {}
    for name, section in sections.items():
        by_key.setdefault(key(name), section)

    @cache  # a week has thousands of articles but few categories
    def of(category: str) -> str:
        if exact := sections.get(category):
            return exact
        parts = re.split(r"[>/›»|]", category)
        keys = (key(name) for name in (category, parts[-1], parts[0]))
        return next((by_key[each] for each in keys if by_key.get(each)), OTHER_NEWS)

    return of
