"""Takes a story out of what the public sees of an issue. The mails that went out stay what they are.

The page is made anew from the issue's own frozen stories, so that title, summary and contents agree with what is left;
what editors wrote over the whole (subject, opening words) may tell of the story, and goes.
"""

from sqlalchemy import Connection

from mailer.context import App, find
from mailer.errors import NoSuchArticle, WrongState
from mailer.issues import draft
from mailer.issues.archive import PUBLIC
from mailer.mail import choice
from mailer.model import DeliveryKind, Issue
from mailer.store import issues


def redact(app: App, slot: str | None, position: int) -> Issue:
    """Story number `position` of a public issue is in archive and feed no more. Doing it twice is the same.

    WrongState: the issue is not public, or nothing would be left. NoSuchArticle: it has no such story.
    """
    issue = find(app, slot)
    if issue.state not in PUBLIC:
        raise WrongState(f"The issue {issue.slot} is {issue.state}, not public: there is nothing to redact.")
    if position not in {story.position for story in issue.stories}:
        raise NoSuchArticle(
            f"The issue {issue.slot} has no story {position}.", "`mailer issue show` tells their numbers."
        )
    while not _redact(app, issue, position):
        pass
    return issue


def _redact(app: App, issue: Issue, position: int) -> bool:
    """False: somebody else took a story out meanwhile, and the page has to be made anew."""
    before = app.store.read(lambda tx: issues.redacted(tx, issue.id))
    out = {*before, position}
    stories = [story for story in issue.stories if story.position not in out]
    if not stories:
        raise WrongState(f"{position} is the last story that is left of the issue {issue.slot}.")
    kept = choice.redacted(issue, stories, app.renderer.locale)
    rendered = app.store.read(lambda tx: draft.render(app, tx, kept, full=issue))

    def work(tx: Connection) -> bool:
        if issues.redacted(tx, issue.id, lock=True) != before:
            return False
        issues.redact(tx, issue.id, out)
        issues.add_variant(tx, DeliveryKind.ISSUE, issue.id, rendered, app.now(), sections=issues.REDACTED)
        return True

    return app.store.write(work)
