"""Renders one variant of an issue for each choice of sections, after the issue is frozen and before it is sent.

Readers who chose no sections, or sections with too few stories, get the full issue.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from mailer.context import App
from mailer.issues import draft
from mailer.mail import view
from mailer.model import OTHER_NEWS, ChosenStory, DeliveryKind, Issue, IssueState, Rendered
from mailer.store import issues, subscribers
from mailer.text.locales import FA, Locale

# At most this many choices of sections get a variant, the most common first. Readers with other choices get the full
# issue.
MOST = 500


def make(app: App, issue: Issue) -> int:
    """Adds the missing variants of a frozen issue and returns how many it added. Two processes may call this function
    at once."""
    if issue.state is not IssueState.FROZEN:
        return 0
    there, choices = app.store.read(lambda tx: (issues.made_for(tx, issue.id), subscribers.choices(tx, MOST)))
    made = 0
    for choice in choices:
        sections = subscribers.sections_text(choice)
        kept = of_sections(issue, choice, app.renderer.locale)
        if sections not in there and kept is not None:
            # Render in a read transaction, so that no writer has to wait. This is safe, because the stories of a frozen
            # issue no longer change.
            rendered = app.store.read(partial(draft.render, app, issue=kept, full=issue))
            made += app.store.write(partial(_add, app=app, issue=issue, sections=sections, rendered=rendered))
    return made


def _add(tx: Connection, *, app: App, issue: Issue, sections: str, rendered: Rendered) -> bool:
    """Adds a variant. Returns False, and adds nothing, if the issue already has the variant or is no longer frozen."""
    current = issues.get(tx, issue.id)
    if current is None or current.state is not IssueState.FROZEN or sections in issues.made_for(tx, issue.id):
        return False
    issues.add_variant(tx, DeliveryKind.ISSUE, issue.id, rendered, app.now(), sections=sections)
    return True


# --- an issue with some of its stories -------------------------------------------------------------------------------
# The functions below make issues for readers who chose sections, and for the archive after a redaction.
LEAST = 3  # smallest number of stories in a variant; readers whose sections have fewer get the full issue


def of_sections(issue: Issue, sections: Sequence[str], locale: Locale = FA) -> Issue | None:
    """Returns the issue with only the stories of these sections, or None if readers of these sections get the full
    issue."""
    stories = [story for story in issue.stories if (story.section or OTHER_NEWS) in sections]
    if len(stories) < LEAST or len(stories) == len(issue.stories):
        return None
    return only(issue, stories, locale)


def redacted(issue: Issue, stories: Sequence[ChosenStory], locale: Locale = FA) -> Issue:
    """Returns the issue as the public sees it, with only the given stories.

    If a story is missing, the editor's subject is replaced and the opening words are removed, because they may mention
    that story.
    """
    if len(stories) == len(issue.stories):
        return issue
    left = only(issue, stories, locale)
    return replace(_with_made_subject(left, locale), intro="")


def only(issue: Issue, stories: Sequence[ChosenStory], locale: Locale = FA) -> Issue:
    """Returns the issue with only the given stories. If the first story is missing, the subject is made from the new
    first story."""
    numbered = tuple(replace(story, position=number) for number, story in enumerate(stories, 1))
    if stories and stories[0].article_id == issue.stories[0].article_id:
        return replace(issue, stories=numbered, preheader="")
    return _with_made_subject(replace(issue, stories=numbered, preheader=""), locale)


def _with_made_subject(issue: Issue, locale: Locale) -> Issue:
    """Returns the issue with a subject made from its first story, and without the editor's subject."""
    return replace(issue, subject=view.subject(issue.stories, locale), edits=replace(issue.edits, subject=""))
