"""The editor's page: what the link in a notice may do. Looking changes nothing; approving and holding do."""

from hashlib import sha256

from mailer import tokens
from mailer.context import App, get
from mailer.issues import archive, control, draft, notice
from mailer.issues.draft import APPROVAL
from mailer.model import Issue, IssueState
from mailer.tokens import Purpose

_OPEN = (IssueState.DRAFT, IssueState.HELD)
_YES = ("approve", "release")
_ACTIONS = {"approve": control.approve, "hold": control.hold, "release": control.release}


def look(app: App, token: str) -> dict[str, object]:
    """The issue as an editor sees it. BadToken: not our link."""
    return _seen(app, get(app, tokens.read(app.keys, Purpose.EDITOR, token).issue_id))


def act(app: App, token: str, action: str, shown: str = "") -> dict[str, object]:
    """`approve`, `hold` or `release`; anything else is a look. A yes is to what was `shown`: when the hourly choice, or
    another editor, changed it since, nothing happens but another look. BadToken; AskError when the issue is past that.
    """
    issue = get(app, tokens.read(app.keys, Purpose.EDITOR, token).issue_id)
    if action in _YES and shown != _told(issue):
        return {**_seen(app, issue), "changed": True}
    if action in _ACTIONS:
        issue = _ACTIONS[action](app, issue.slot)
    return _seen(app, issue)


def _told(issue: Issue) -> str:
    """Stands for all that readers would be told."""
    stories = [(story.url, story.title, story.lead, story.image_url, story.also) for story in issue.stories]
    return sha256(repr((issue.subject, issue.intro, stories)).encode()).hexdigest()[:32]


def preview(app: App, token: str) -> str:
    """The mail's HTML as it would go out, without any reader's part. BadToken; NotEnoughStories: there is none yet."""
    issue = get(app, tokens.read(app.keys, Purpose.EDITOR, token).issue_id)
    return archive.public(draft.content(app, issue).html, app.renderer.locale)


def _seen(app: App, issue: Issue) -> dict[str, object]:
    held, waits = issue.state is IssueState.HELD, issue.reason == APPROVAL
    return {
        **notice.values(app, issue),
        "preview_url": f"{notice.link(app, issue)}/preview" if issue.stories else "",
        "open": issue.state in _OPEN,
        "shown": _told(issue),
        "changed": False,
        "may_approve": issue.state in _OPEN and not issue.approved and (not held or waits),
        "may_hold": issue.state is IssueState.DRAFT,
        "may_release": held and not waits and bool(issue.stories),
    }
