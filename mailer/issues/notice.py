"""Mails the editors a notice that a draft is ready or held, with a link to approve or hold it.

The notice goes through the ledger like every mail, once for each issue, state and editor. Changes no issue.
"""

import hashlib

from sqlalchemy import Connection

from mailer import address
from mailer.context import App
from mailer.lifecycle import EDITABLE
from mailer.mail import service_mails
from mailer.model import DeliveryKind, Issue
from mailer.store import deliveries, issues
from mailer.tokens import Purpose, make


def link(app: App, issue: Issue) -> str:
    """The page where an editor approves or holds the issue. The link alone gives access, so only editors get it."""
    return app.url("/editor/" + make(app.keys, Purpose.EDITOR, 0, issue.id))


def queue(app: App, issue: Issue) -> None:
    """Queues the notice for each editor of `[editors] notify` for whom it was not queued before."""
    if issue.state not in EDITABLE or not app.settings.editors.notify:
        return
    editors = [address.in_mailbox(each).written for each in app.settings.editors.notify]
    # The key is made from the address: if the setting is reordered, each editor still gets exactly one notice.
    keys = {f"notice.{issue.slot}.{issue.state}.{hashlib.sha256(to.encode()).hexdigest()[:16]}": to for to in editors}
    if app.store.read(lambda tx: all(deliveries.owed(tx, key) for key in keys)):
        return  # the usual case: this runs at every tick
    rendered = app.renderer.mail(DeliveryKind.NOTICE, values(app, issue))

    def queue_missing(tx: Connection) -> None:
        missing = {key: to for key, to in keys.items() if not deliveries.owed(tx, key)}
        if not missing:
            return
        now = app.now()
        variant = issues.add_variant(tx, DeliveryKind.NOTICE, issue.id, rendered, now)
        for key, to in missing.items():
            deliveries.owe(tx, DeliveryKind.NOTICE, key, to, variant, issue.id, now)

    app.store.write(queue_missing)


def values(app: App, issue: Issue) -> dict[str, object]:
    """The values of an issue for the notice and for the editor's page."""
    return service_mails.notice(
        issue, app.settings.newsletter, editor_url=link(app, issue), zone=app.zone, locale=app.renderer.locale
    )
