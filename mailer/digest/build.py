"""The one way in: articles of a window → events → scores → choice → `Digest`.

It decides what is worth telling and says why; whether it is enough for an issue is decided by who asked.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, urlsplit

from mailer.digest.group import group
from mailer.digest.normalise import key
from mailer.digest.rank import Ranking, rank
from mailer.digest.select import select
from mailer.digest.window import holds, late
from mailer.model import Article, Digest, Story, Turned, Window
from mailer.settings import Digest as Rules

OTHER_NEWS = "دیگر خبرها"
_SHOWN = 10  # rejected stories worth an editor's look
_LONGEST_LINK = 1500  # letters, encoded; what is longer has no place in a mail
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_WRITTEN = "/%:@!$&()*+,;=~?-._#[]"  # letters of an address that are not encoded
_TOLD = "already in an earlier issue"


def build(
    articles: Iterable[Article],
    span: Window,
    rules: Rules,
    sections: Mapping[str, str],
    *,
    used: frozenset[int],
    allow_late: bool = True,
) -> Digest:
    """The digest of a window, the same for every order of `articles`.

    articles    everything the window may need: from `window.earliest(span)` to its end, and what is pinned
    sections    raw category → section
    used        ids of articles that an earlier issue told or has reserved; those and what repeats them never return
    allow_late  whether older articles first seen now count; for a first issue they do not, nothing was missed yet
    """

    def counts(article: Article) -> bool:
        pinned = article.pinned and article.dated < span.end  # however old: an editor wants it
        return holds(span, article) or pinned or (allow_late and late(span, article))

    gathered = [article for article in articles if counts(article) or article.id in used]
    # Keys are the dear part of the work, so each is made once.
    titles = {article.id: key(article.title) for article in gathered}
    barred = {article.id: reason for article in gathered if (reason := _barred(article, titles[article.id], used))}
    free = [article for article in gathered if article.id not in barred]
    ranking = rank(gathered, span, free, titles)
    names = _Sections(sections)

    # What was told before takes part in the grouping, so that its repetition is recognised.
    groupable = [article for article in gathered if article.id in used or article.id not in barred]
    stories, repeated = _stories(group(groupable, titles), used, ranking, names)
    selection = select(stories, rules, titles, balance_sections=bool(sections))
    unfit = [
        Turned(_story([article], ranking, names), barred[article.id])
        for article in gathered
        if article.id in barred and counts(article)
    ]
    turned = sorted([*unfit, *repeated, *selection.turned], key=lambda it: ranking.order(it.story.lead))
    notes = list(ranking.notes)
    if stories and not sections:
        notes.append("no sections are configured: nothing balances them")
    return Digest(
        window=span,
        stories=tuple(selection.chosen),
        rejected=tuple(turned[:_SHOWN]),
        considered=len(free),
        notes=(*notes, *selection.notes),
    )


def _barred(article: Article, title_key: str, used: frozenset[int]) -> str:
    """Why an article can never be chosen, whatever its score; empty when it can."""
    if article.banned:
        return "banned"
    if article.id in used:
        return _TOLD
    if not article.url:
        return "no address"
    if not article.url.lower().startswith(("http://", "https://")):
        return "its address is not a web page"
    if not _can_be_linked(article.url):
        return "no reader can be sent to its address"
    if len(title_key.split()) < 2:
        return "its title is too short"
    return ""


def _can_be_linked(url: str) -> bool:
    """Whether the mail will write this link. What it refuses (a user name, a host that is none, too many letters) would
    be a story without a link."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    whole = not host.isascii() or ":" in host or bool(_HOST.fullmatch(host))
    return whole and bool(host) and "@" not in parts.netloc and len(quote(url, safe=_WRITTEN)) <= _LONGEST_LINK


def _stories(
    events: Iterable[Sequence[Article]], used: frozenset[int], ranking: Ranking, names: "_Sections"
) -> tuple[list[Story], list[Turned]]:
    """The stories that can be told, best first, and those that repeat what an earlier issue told.

    An editor's pin brings a told event back: the pinned article itself is new.
    """
    stories: list[Story] = []
    repeated: list[Turned] = []
    for members in events:
        fresh = [member for member in members if member.id not in used]
        if not fresh:
            continue
        story = _story(fresh, ranking, names)
        if len(fresh) < len(members) and not story.pinned:
            repeated.append(Turned(story, _TOLD))
        else:
            stories.append(story)
    return sorted(stories, key=lambda story: ranking.order(story.lead)), repeated


def _story(members: Sequence[Article], ranking: Ranking, names: "_Sections") -> Story:
    """One event, led by its best article; an editor's pin beats the score."""
    lead, *also = sorted(members, key=lambda member: (not member.pinned, *ranking.order(member)))
    return Story(
        lead=lead,
        also=tuple(also),
        section=names.of(lead.category),
        score=ranking.score(lead),
        parts=ranking.parts[lead.id],
        pinned=lead.pinned,
    )


class _Sections:
    """Sections by raw category, however the category is spelled."""

    def __init__(self, sections: Mapping[str, str]) -> None:
        self._exact = sections
        self._keyed: dict[str, str] = {}
        for category, section in sections.items():
            self._keyed.setdefault(key(category), section)

    def of(self, category: str) -> str:
        """A category that is a path, such as «اجتماع > سفر», is known by its last part or else by its first."""
        if category in self._exact:
            return self._exact[category]
        parts = re.split(r"[>/›»|]", category)
        for name in (category, parts[-1], parts[0]):
            if section := self._keyed.get(key(name)):
                return section
        return OTHER_NEWS
