"""Tells the editors by mail that a draft is there, or is held, with a link that approves or holds it.

The notice goes through the same ledger as every mail, once for each issue, state and editor. Changes no issue.
"""

import hashlib

from sqlalchemy import Connection

from mailer import address
from mailer.context import App
from mailer.mail import service_mails
from mailer.model import DeliveryKind, Issue, IssueState
from mailer.store import deliveries, issues
from mailer.tokens import Purpose, make

_TOLD = (IssueState.DRAFT, IssueState.HELD)


def link(app: App, issue: Issue) -> str:
    """The page on which an editor approves or holds the issue. Whoever has the link can: it goes to editors only."""
    return app.url("/editor/" + make(app.keys, Purpose.EDITOR, 0, issue.id))


def tell(app: App, issue: Issue) -> None:
    """Owes the notice to each editor of `[editors] notify`, unless it was owed before."""
    if issue.state not in _TOLD or not app.settings.editors.notify:
        return
    people = [address.in_mailbox(each).written for each in app.settings.editors.notify]
    # By address: a list of editors that is put in another order tells nobody twice, and nobody new is left out.
    keys = {f"notice.{issue.slot}.{issue.state}.{hashlib.sha256(to.encode()).hexdigest()[:16]}": to for to in people}
    if app.store.read(lambda tx: all(deliveries.owed(tx, key) for key in keys)):
        return  # as it is at nearly every tick
    rendered = app.renderer.mail(DeliveryKind.NOTICE, values(app, issue))

    def work(tx: Connection) -> None:
        missing = {key: to for key, to in keys.items() if not deliveries.owed(tx, key)}
        if not missing:
            return
        now = app.now()
        variant = issues.add_variant(tx, DeliveryKind.NOTICE, issue.id, rendered, now)
        for key, to in missing.items():
            deliveries.owe(tx, DeliveryKind.NOTICE, key, to, variant, issue.id, now)

    app.store.write(work)


def values(app: App, issue: Issue) -> dict[str, object]:
    """What an editor is shown of an issue, in a mail and on the page."""
    return service_mails.notice(
        issue, app.settings.newsletter, editor_url=link(app, issue), zone=app.zone, locale=app.renderer.locale
    )
