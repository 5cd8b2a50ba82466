"""One mail for each choice of sections: made between freezing and sending, from the frozen stories.

What a variant leaves out is decided in `mail.choice`. Who chose nothing, or too little, gets the full issue.
"""

from functools import partial

from sqlalchemy import Connection

from mailer.context import App
from mailer.issues import draft
from mailer.mail import choice as choice_of
from mailer.model import DeliveryKind, Issue, IssueState, Rendered
from mailer.store import issues, subscribers

MOST = 500  # choices; rarer ones get the full issue


def make(app: App, issue: Issue) -> int:
    """Makes the variants of a frozen issue that are missing; returns how many. May be run by two processes at once."""
    if issue.state is not IssueState.FROZEN:
        return 0
    there, choices = app.store.read(lambda tx: (issues.made_for(tx, issue.id), subscribers.choices(tx, MOST)))
    made = 0
    for choice in choices:
        sections = subscribers.sections_text(choice)
        kept = choice_of.of_sections(issue, choice, app.renderer.locale)
        if sections not in there and kept is not None:
            # Rendered in a transaction that only reads, so that nobody waits for it; the stories are frozen already.
            rendered = app.store.read(partial(draft.render, app, issue=kept, full=issue))
            made += app.store.write(partial(_keep, app=app, issue=issue, sections=sections, rendered=rendered))
    return made


def _keep(tx: Connection, *, app: App, issue: Issue, sections: str, rendered: Rendered) -> bool:
    current = issues.get(tx, issue.id)
    if current is None or current.state is not IssueState.FROZEN or sections in issues.made_for(tx, issue.id):
        return False
    issues.add_variant(tx, DeliveryKind.ISSUE, issue.id, rendered, app.now(), sections=sections)
    return True
