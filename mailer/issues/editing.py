"""The editor's window, from the draft to T: drop, move and rename stories, write the subject and the opening words.

Every command is remembered, then the issue is chosen anew with it, so that what an editor sees is what would go out. An
approved issue is not chosen anew: what was said yes to stays, but for what the editor changes, while enough is left.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from mailer.choice.edits import Edits
from mailer.context import App, alert, find, get
from mailer.errors import NoSuchArticle, UsageError, WrongState
from mailer.issues import draft
from mailer.mail import view
from mailer.model import ChosenStory, Issue, IssueState
from mailer.store import articles, issues
from mailer.text import clean

_OPEN = (IssueState.DRAFT, IssueState.HELD)
_LOOKS = 4  # pages looked at beside each other
_ROUNDS = 3  # what comes in for a story that is gone may be gone too
_LONGEST_TITLE, _LONGEST_SUBJECT, _LONGEST_INTRO = 180, 120, 600  # letters


def drop(app: App, slot: str | None, position: int) -> Issue:
    """Takes a story out, and whatever else tells its event; the next best comes in."""
    issue = find(app, slot)
    story = _at(issue, position)
    return _edit(app, issue, lambda edits: edits.without(story, "dropped by an editor"))


def move(app: App, slot: str | None, position: int, to: int) -> Issue:
    """Puts a story in another place, where it stays."""
    issue = find(app, slot)
    story = _at(issue, position)
    _at(issue, to)
    return _edit(app, issue, lambda edits: edits.moved(story, to))


def title(app: App, slot: str | None, position: int, words: str) -> Issue:
    """Gives a story another title in this issue; empty words give back its own."""
    issue = find(app, slot)
    story = _at(issue, position)
    return _edit(app, issue, lambda edits: edits.retitled(story, _words("title", words, _LONGEST_TITLE)))


def subject(app: App, slot: str | None, words: str) -> Issue:
    """Writes the subject of the mail; empty words give back the first story's."""
    written = _words("subject", words, _LONGEST_SUBJECT)
    return _edit(app, find(app, slot), lambda edits: Edits.read({**edits.written(), "subject": written}))


def intro(app: App, slot: str | None, words: str) -> Issue:
    """Writes the words that stand before the first story."""
    written = _words("intro", words, _LONGEST_INTRO)
    return _edit(app, find(app, slot), lambda edits: Edits.read({**edits.written(), "intro": written}))


def check_links(app: App, issue: Issue, *, last: bool) -> Issue:
    """Leaves out the stories whose pages are gone, with a note; a living page of the event comes in, or the next best.

    `last`: before T, once.
    """
    if Edits.read(issue.edits).checked:
        return issue
    looked_at: set[int] = set()
    for _ in range(_ROUNDS):
        fresh = [story for story in issue.stories if story.article_id not in looked_at]
        looked_at |= {story.article_id for story in fresh}
        with ThreadPoolExecutor(_LOOKS) as pool:
            answers = pool.map(app.gone, [story.url for story in fresh])
            gone = [story for story, is_gone in zip(fresh, answers, strict=True) if is_gone]
        if not gone:
            break
        issue = _edit(app, issue, partial(Edits.unreachable, stories=gone))
    if last:
        checked = {"checked": True}
        app.store.write(lambda tx: issues.edit(tx, issue.id, lambda old: {**old, **checked}, _OPEN))
    return get(app, issue.id)


def close(app: App, issue: Issue) -> Issue:
    """A draft that goes out at once: its pages are looked at as before every T, then it is frozen.

    WrongState: too few stories are left, or approval is missing.
    """
    if issue.state is IssueState.DRAFT:
        issue = check_links(app, issue, last=True)
    if issue.state is IssueState.HELD:
        fix = "`mailer issue explain` says why; `mailer issue release` (or `approve`) lets it go."
        raise WrongState(f"The issue {issue.slot} is held: {issue.reason}.", fix)
    return draft.freeze(app, issue)


def _edit(app: App, issue: Issue, change: Callable[[Edits], Edits]) -> Issue:
    def work(tx: Connection) -> Issue | None:
        if not issues.edit(tx, issue.id, lambda stored: change(Edits.read(stored)).written(), _OPEN):
            return None
        before = issues.get(tx, issue.id)  # nobody else edits or approves it until the end of this transaction
        if before and before.approved:
            _apply(app, tx, before, change)
        return before

    before = app.store.write(work)
    if before is None:
        state = get(app, issue.id).state
        raise WrongState(f"The issue {issue.slot} is {state}: it can be edited only while it is draft or held.")
    if not before.approved:
        chosen = draft.choose(app, before)
        if not chosen.approved:
            return chosen
        # The yes came between, and was to the stories without this edit.
        if not app.store.write(partial(_late, app, issue.id, change)):
            raise WrongState(f"The issue {issue.slot} is {get(app, issue.id).state}: the edit came too late for it.")
    edited = get(app, issue.id)
    if edited.state is IssueState.HELD and before.state is not IssueState.HELD:
        alert(app, f"The issue {issue.slot} is held: {edited.reason}", "See `mailer issue explain`.")
    return edited


def _late(app: App, issue_id: int, change: Callable[[Edits], Edits], tx: Connection) -> bool:
    """False: the issue is on its way by now."""
    if not issues.edit(tx, issue_id, lambda stored: stored, _OPEN):  # nobody else changes it from here on
        return False
    issue = issues.get(tx, issue_id)
    if issue is not None and issue.approved:
        _apply(app, tx, issue, change)
    return True


def _apply(app: App, tx: Connection, issue: Issue, change: Callable[[Edits], Edits]) -> None:
    """One edit on the stories as they are, without a new choice; those before it are in them already. When too few are
    left the issue is held: the yes was to another one."""
    edits, new = Edits.read(issue.edits), change(Edits())
    titled = {story.article_id: story.title for story in issue.stories}
    given_back = titled.keys() - change(Edits(titles=titled)).titles.keys()
    own = {article.id: article.title for article in articles.by_ids(tx, given_back)}
    stories = replace(new, titles={**new.titles, **own}).applied(issue.stories)
    why = draft.hold_reason(app, issue, stories)
    held = {"reason": issue.reason or why, "approved": False} if why else {}
    state = IssueState.HELD if why else issue.state
    words = {"subject": edits.subject or view.subject(stories, app.renderer.locale), "intro": edits.intro, **held}
    notes = list(dict.fromkeys((*issue.notes, *edits.notes)))
    if issues.choose(tx, issue.id, (issue.state,), state, stories=stories, notes=notes, **words):
        others = [number for story in stories for number, _, _ in story.also]
        articles.reserve(tx, issue.id, [story.article_id for story in stories], others)


def _at(issue: Issue, position: int) -> ChosenStory:
    for story in issue.stories:
        if story.position == position:
            return story
    raise NoSuchArticle(
        f"The issue {issue.slot} has no story {position}: it has {len(issue.stories)}.",
        "`mailer issue show` shows their numbers.",
    )


def _words(what: str, words: str, longest: int) -> str:
    cleaned = clean.clean(words)
    if len(cleaned) > longest:
        raise UsageError(f"This {what} has {len(cleaned)} letters; at most {longest} can be shown.")
    return cleaned
