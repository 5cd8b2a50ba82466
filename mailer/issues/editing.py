"""The editors' changes to a draft: drop, move and retitle stories, write the subject and the opening words, and add
blocks.

Every edit is stored, and then the stories are chosen again with all edits applied, so that the editor sees what would
be sent. The stories of an approved issue are not chosen again; only the new edit is applied to these stories. The issue
stays approved unless too few stories remain.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from sqlalchemy import Connection

from mailer import reasons
from mailer.choice import edits
from mailer.choice.edits import AddBlock, Drop, Edit, Intro, LeaveOut, Move, RemoveBlock, Retitle, Subject
from mailer.context import App, get_issue
from mailer.errors import NoSuchArticle, NoSuchBlock, UsageError, WrongState
from mailer.issues import blocks, draft, which
from mailer.lifecycle import EDITABLE
from mailer.mail import view
from mailer.model import Block, ChosenStory, Edits, Issue, IssueState
from mailer.reasons import ReasonCode
from mailer.settings import MOST_BLOCKS
from mailer.store import articles, issues
from mailer.text import clean

_PARALLEL_CHECKS = 4
# The largest number of rounds of link checks. After a story is replaced, the next round checks the page of the new
# story.
_ROUNDS = 3
# The longest texts that an editor may write, in characters.
_LONGEST_TITLE, _LONGEST_SUBJECT, _LONGEST_INTRO = 180, 300, 600


def drop(app: App, slot: str | None, position: int) -> Issue:
    """Removes a story and all other articles about its event from the issue. The next best story takes its place."""
    issue = which.to_edit(app, slot)
    story = _at(issue, position)
    return _edit(app, issue, Drop(frozenset({story.article_id, *(number for number, _, _ in story.also)})))


def move(app: App, slot: str | None, position: int, to: int) -> Issue:
    """Moves a story to position `to`. The story keeps that position when the stories are chosen again."""
    issue = which.to_edit(app, slot)
    _at(issue, to)
    return _edit(app, issue, Move(_at(issue, position).article_id, to))


def title(app: App, slot: str | None, position: int, text: str) -> Issue:
    """Gives a story another title in this issue. An empty `text` restores the original title."""
    issue = which.to_edit(app, slot)
    return _edit(app, issue, Retitle(_at(issue, position).article_id, _checked("title", text, _LONGEST_TITLE)))


def subject(app: App, slot: str | None, text: str) -> Issue:
    """Sets the subject of the mail. An empty `text` restores the subject made from the first story's title."""
    return _edit(app, which.to_edit(app, slot), Subject(_checked("subject", text, _LONGEST_SUBJECT)))


def intro(app: App, slot: str | None, text: str) -> Issue:
    """Sets the opening words: the text before the first story."""
    return _edit(app, which.to_edit(app, slot), Intro(_checked("intro", text, _LONGEST_INTRO)))


def add_block(app: App, slot: str | None, block: Block) -> Issue:
    """Puts a block into this issue only. Raises UsageError if editors have already added six blocks."""
    issue = which.to_edit(app, slot)
    if len(issue.edits.blocks) >= MOST_BLOCKS:
        raise UsageError(f"The issue {issue.slot} already has {MOST_BLOCKS} blocks of its own, and more do not fit.")
    return _edit(app, issue, AddBlock(block))


def remove_block(app: App, slot: str | None, number: int) -> Issue:
    """Takes block `number` out of the issue. Raises NoSuchBlock if there is no such block, and WrongState if the block
    comes from the settings."""
    issue = which.to_edit(app, slot)
    if number > len(issue.blocks):
        raise NoSuchBlock(
            f"The issue {issue.slot} has no block {number}: it has {len(issue.blocks)}.",
            "`mailer issue block list` shows their numbers.",
        )
    block = issue.blocks[number - 1]
    if block.standing:
        raise WrongState(
            f"Block {number} comes from the settings, which put it into every issue.",
            "Set `until` of that [[digest.blocks]], or remove it there, then run `mailer issue draft`.",
        )
    return _edit(app, issue, RemoveBlock(block))


def check_links(app: App, issue: Issue, *, last: bool) -> Issue:
    """Checks the pages of the stories, leaves out the stories whose pages are gone, and adds a note for each of them.

    A story is replaced by another article about its event or, if there is none, by the next best story. `last` is true
    for the last check before sending; later calls of this function check nothing.
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
    """Checks the pages of a draft a last time and freezes it, so that it can be sent at once.

    Raises WrongState if the issue is held, for example because too few stories are left or approval is missing.
    """
    if issue.state is IssueState.DRAFT:
        issue = check_links(app, issue, last=True)
    if issue.state is IssueState.HELD:
        fix = "`mailer issue explain` says why; `mailer issue release` (or `approve`) lets it go."
        raise WrongState(f"The issue {issue.slot} is held: {reasons.english(issue.reason)}.", fix)
    return draft.freeze(app, issue)


def _edit(app: App, issue: Issue, edit: Edit) -> Issue:
    """Stores an edit, applies it to the issue, and returns the issue.

    Raises WrongState if the issue is neither a draft nor held.
    """
    before = _store(app, issue, lambda stored: edits.add(stored, edit), edit)
    if before is None:
        state = get_issue(app, issue.id).state
        raise WrongState(f"The issue {issue.slot} is {state}: it can be edited only while it is draft or held.")
    if not before.approved:
        chosen = draft.choose(app, before)
        if not chosen.approved:
            return chosen
        # Another process approved the issue after the edit was stored, so the stories were not chosen again and do not
        # show the edit yet. Apply the edit to these stories.
        if _store(app, issue, lambda stored: stored, edit) is None:
            state = get_issue(app, issue.id).state
            raise WrongState(f"The issue {issue.slot} is {state}: the edit came too late for it.")
    edited = get_issue(app, issue.id)
    draft.warn_if_newly_held(app, edited, before.state)
    return edited


def _store(app: App, issue: Issue, change: Callable[[Edits], Edits], edit: Edit | None = None) -> Issue | None:
    """Changes the stored edits. If the issue is approved, applies `edit` to its stories in the same transaction.

    Returns the issue as it was before, or None if the issue can no longer be edited.
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
    """Applies one edit to the stories of an approved issue, to which all earlier edits have already been applied.

    If too few stories are left, the issue is held and must be approved again.
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
        blocks=(*(block for block in issue.blocks if block.standing), *issue.edits.blocks),
        reason=issue.reason or why,
        approved=not why,
    )
    # Notes about the subject and the blocks may no longer be true.
    kept = [each for each in issue.notes if each.code not in (ReasonCode.BLOCK_NOT_SHOWN, ReasonCode.LONG_SUBJECT)]
    new = [note for note in edits.notes(issue.edits) if note not in kept]
    draft.save(tx, replace(edited, notes=(*kept, *new, *blocks.notes(app, edited))), issue.state)


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
