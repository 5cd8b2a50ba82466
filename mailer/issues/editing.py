"""Editing a draft until its time: drop, move and retitle stories, write the subject and the opening words.

Every edit is stored, then the stories are chosen again with it, so that an editor sees what would go out. The stories
of an approved issue are not chosen again: only the edit is applied, and the issue stays approved while it has enough.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from sqlalchemy import Connection

from mailer import reasons
from mailer.choice import edits
from mailer.choice.edits import Drop, Edit, Intro, LeaveOut, Move, Retitle, Subject
from mailer.context import App, find_issue, get_issue
from mailer.errors import NoSuchArticle, UsageError, WrongState
from mailer.issues import draft
from mailer.lifecycle import EDITABLE
from mailer.mail import view
from mailer.model import ChosenStory, Edits, Issue, IssueState
from mailer.store import articles, issues
from mailer.text import clean

_PARALLEL_CHECKS = 4
_ROUNDS = 3  # a story that replaces one whose page is gone may be gone too
_LONGEST_TITLE, _LONGEST_SUBJECT, _LONGEST_INTRO = 180, 120, 600  # characters


def drop(app: App, slot: str | None, position: int) -> Issue:
    """Takes a story out, with every other article about its event; the next best story takes its place."""
    issue = find_issue(app, slot)
    story = _at(issue, position)
    return _edit(app, issue, Drop(frozenset({story.article_id, *(number for number, _, _ in story.also)})))


def move(app: App, slot: str | None, position: int, to: int) -> Issue:
    """Puts a story in another place, where it stays."""
    issue = find_issue(app, slot)
    _at(issue, to)
    return _edit(app, issue, Move(_at(issue, position).article_id, to))


def title(app: App, slot: str | None, position: int, text: str) -> Issue:
    """Gives a story another title in this issue; an empty text restores its own."""
    issue = find_issue(app, slot)
    return _edit(app, issue, Retitle(_at(issue, position).article_id, _checked("title", text, _LONGEST_TITLE)))


def subject(app: App, slot: str | None, text: str) -> Issue:
    """Writes the subject of the mail; an empty text restores the first story's title."""
    return _edit(app, find_issue(app, slot), Subject(_checked("subject", text, _LONGEST_SUBJECT)))


def intro(app: App, slot: str | None, text: str) -> Issue:
    """Writes the text before the first story."""
    return _edit(app, find_issue(app, slot), Intro(_checked("intro", text, _LONGEST_INTRO)))


def check_links(app: App, issue: Issue, *, last: bool) -> Issue:
    """Leaves out the stories whose pages are gone, with a note. Another article about the event takes the place of such
    a story, or else the next best story.

    `last`: the check before sending, which is made once.
    """
    if issue.edits.checked:
        return issue
    checked: set[int] = set()
    for _ in range(_ROUNDS):
        fresh = [story for story in issue.stories if story.article_id not in checked]
        checked |= {story.article_id for story in fresh}
        with ThreadPoolExecutor(_PARALLEL_CHECKS) as pool:
            answers = pool.map(app.gone, [story.url for story in fresh])
            gone = [(story.article_id, story.title) for story, is_gone in zip(fresh, answers, strict=True) if is_gone]
        if not gone:
            break
        issue = _edit(app, issue, LeaveOut(tuple(gone)))
    if last:
        _store(app, issue, lambda before: replace(before, checked=True))
    return get_issue(app, issue.id)


def close(app: App, issue: Issue) -> Issue:
    """Freezes a draft that is to go out at once, after the last check of its pages.

    Raises WrongState if too few stories are left or approval is missing.
    """
    if issue.state is IssueState.DRAFT:
        issue = check_links(app, issue, last=True)
    if issue.state is IssueState.HELD:
        fix = "`mailer issue explain` says why; `mailer issue release` (or `approve`) lets it go."
        raise WrongState(f"The issue {issue.slot} is held: {reasons.english(issue.reason)}.", fix)
    return draft.freeze(app, issue)


def _edit(app: App, issue: Issue, edit: Edit) -> Issue:
    """Stores the edit and applies it. Raises WrongState if the issue is neither a draft nor held."""
    before = _store(app, issue, lambda stored: edits.add(stored, edit), edit)
    if before is None:
        state = get_issue(app, issue.id).state
        raise WrongState(f"The issue {issue.slot} is {state}: it can be edited only while it is draft or held.")
    if not before.approved:
        chosen = draft.choose(app, before)
        if not chosen.approved:
            return chosen
        # It was approved between the two transactions, with the stories as they were without this edit.
        if _store(app, issue, lambda stored: stored, edit) is None:
            raise WrongState(
                f"The issue {issue.slot} is {get_issue(app, issue.id).state}: the edit came too late for it."
            )
    edited = get_issue(app, issue.id)
    draft.warn_if_newly_held(app, edited, before.state)
    return edited


def _store(app: App, issue: Issue, change: Callable[[Edits], Edits], edit: Edit | None = None) -> Issue | None:
    """Changes the stored edits. If the issue is approved, `edit` is applied to its stories in the same transaction.

    Returns the issue as it was before, or None if it can no longer be edited.
    """

    def store(tx: Connection) -> Issue | None:
        before = issues.lock(tx, issue.id, EDITABLE)
        if before is None:
            return None
        changed = replace(before, edits=change(before.edits))
        issues.set_edits(tx, issue.id, changed.edits)
        if edit and before.approved:
            _apply(app, tx, changed, edit)
        return before

    return app.store.write(store)


def _apply(app: App, tx: Connection, issue: Issue, edit: Edit) -> None:
    """Applies one edit to the stories of an approved issue; earlier edits are in them already.

    If too few stories are left the issue is held and has to be approved again.
    """
    if isinstance(edit, Retitle) and not edit.title:
        own = articles.by_ids(tx, [edit.article])
        edit = replace(edit, title=own[0].title if own else "")
    stories = edits.apply(edits.add(Edits(), edit), issue.stories)
    why = draft.hold_reason(app, issue, stories)
    edited = replace(
        issue,
        state=IssueState.HELD if why else issue.state,
        stories=stories,
        subject=issue.edits.subject or view.subject(stories, app.renderer.locale),
        intro=issue.edits.intro,
        notes=(*issue.notes, *(note for note in edits.notes(issue.edits) if note not in issue.notes)),
        reason=issue.reason or why,
        approved=not why,
    )
    draft.save(tx, edited, issue.state)


def _at(issue: Issue, position: int) -> ChosenStory:
    for story in issue.stories:
        if story.position == position:
            return story
    raise NoSuchArticle(
        f"The issue {issue.slot} has no story {position}: it has {len(issue.stories)}.",
        "`mailer issue show` shows their numbers.",
    )


def _checked(what: str, text: str, longest: int) -> str:
    cleaned = clean.clean(text)
    if len(cleaned) > longest:
        raise UsageError(f"This {what} has {len(cleaned)} characters; at most {longest} can be shown.")
    return cleaned
