"""The page that an editor opens from a notice. The page shows the draft and has buttons that approve, hold or release
the issue."""

from hashlib import sha256

from mailer import tokens
from mailer.context import App, get_issue
from mailer.issues import archive, clicks, control, draft, notice
from mailer.lifecycle import EDITABLE
from mailer.model import Issue, IssueState
from mailer.reasons import ReasonCode
from mailer.tokens import Purpose

_ACTIONS = {"approve": control.approve, "hold": control.hold, "release": control.release}


def look(app: App, token: str) -> dict[str, object]:
    """Returns the values for the page's template. Raises BadToken if the token of the link is invalid."""
    return _values(app, _issue(app, token))


def act(app: App, token: str, action: str, shown: str = "") -> dict[str, object]:
    """Approves, holds or releases the issue, and returns the values for the page. Any other action changes nothing.

    `shown` is the version of the issue that the editor saw. If the hourly choice of stories or another editor has
    changed the issue since, the issue is not approved or released, and the page shows the new version. Raises BadToken
    if the token is invalid, and AskError if the state of the issue does not allow the action.
    """
    issue = _issue(app, token)
    if action in ("approve", "release") and shown != _version(issue):
        return {**_values(app, issue), "changed": True}
    if action in _ACTIONS:
        issue = _ACTIONS[action](app, issue.slot)
    return _values(app, issue)


def preview(app: App, token: str) -> str:
    """Returns the HTML of the mail without the parts for a single reader.

    Raises BadToken if the token is invalid, and NotEnoughStories if the issue has no stories yet.
    """
    issue = _issue(app, token)
    return archive.public(clicks.direct(issue, draft.content(app, issue).html, html=True), app.renderer.locale)


def _issue(app: App, token: str) -> Issue:
    return get_issue(app, tokens.read(app.keys, Purpose.EDITOR, token).issue_id)


def _version(issue: Issue) -> str:
    """Returns a hash of the subject, the opening words, the stories and the blocks as readers would see them."""
    stories = [(story.url, story.title, story.lead, story.image_url, story.also) for story in issue.stories]
    return sha256(repr((issue.subject, issue.intro, stories, issue.blocks)).encode()).hexdigest()[:32]


def _values(app: App, issue: Issue) -> dict[str, object]:
    held, is_open = issue.state is IssueState.HELD, issue.state in EDITABLE
    waits = issue.reason is not None and issue.reason.code is ReasonCode.APPROVAL_REQUIRED
    return {
        **notice.values(app, issue),
        "preview_url": f"{notice.link(app, issue)}/preview" if issue.stories else "",
        "open": is_open,
        "shown": _version(issue),
        "changed": False,
        "may_approve": is_open and not issue.approved and (not held or waits),
        "may_hold": issue.state is IssueState.DRAFT,
        "may_release": held and not waits and bool(issue.stories),
    }
