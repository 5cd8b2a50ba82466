"""One mail for each choice of sections: made between freezing and sending, from the frozen stories.

A variant drops the stories of sections its readers did not choose, and its subject is its own lead's. With fewer than
three stories left, or with all of them, the full issue is sent instead.
"""

import hashlib
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from mailer.app import compose
from mailer.app.context import App
from mailer.mail import view
from mailer.mail.render import Rendered
from mailer.model import ChosenStory, DeliveryKind, Issue, IssueState
from mailer.store import issues, subscribers

LEAST = 3  # stories; fewer are no issue
MOST = 500  # choices; rarer ones get the full issue


def make(app: App, issue: Issue) -> int:
    """Makes the variants of a frozen issue that are missing; returns how many. May be run by two processes at once."""
    if issue.state is not IssueState.FROZEN:
        return 0
    there, choices = app.store.read(lambda tx: (issues.made_for(tx, issue.id), subscribers.choices(tx, MOST)))
    made = 0
    for choice in choices:
        sections = subscribers.sections_text(choice)
        kept = of_choice(issue, choice)
        if sections not in there and kept is not None:
            # Rendered outside the transaction, so that nobody waits for it; the stories are frozen already.
            rendered = compose.render(app, kept)
            made += app.store.write(partial(_keep, app=app, issue=issue, sections=sections, rendered=rendered))
    return made


def of_choice(issue: Issue, choice: tuple[str, ...]) -> Issue | None:
    """The issue as readers of these sections get it; None: as everybody does."""
    stories = [story for story in issue.stories if (story.section or view.REST) in choice]
    if len(stories) < LEAST or len(stories) == len(issue.stories):
        return None
    return without(issue, stories)


def without(issue: Issue, stories: list[ChosenStory]) -> Issue:
    """The issue with only these of its stories. When its lead is gone, so is the subject made from it."""
    numbered = tuple(replace(story, position=number) for number, story in enumerate(stories, 1))
    same_lead = stories[0].article_id == issue.stories[0].article_id
    subject = issue.subject if same_lead else view.subject(numbered)
    return replace(issue, stories=numbered, subject=subject, preheader=issue.preheader if same_lead else "")


def _keep(tx: Connection, *, app: App, issue: Issue, sections: str, rendered: Rendered) -> bool:
    current = issues.get(tx, issue.id)
    if current is None or current.state is not IssueState.FROZEN or sections in issues.made_for(tx, issue.id):
        return False
    whole = "\0".join((rendered.subject, rendered.html, rendered.text))
    issues.add_variant(
        tx,
        DeliveryKind.ISSUE,
        issue.id,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        sha256=hashlib.sha256(whole.encode()).hexdigest(),
        now=app.now(),
        sections=sections,
    )
    return True
