"""Mails the editors a notice that a draft is ready or held, with a link for approving or holding the draft.

A notice is sent through the ledger like every mail, at most once for each issue, state and editor. This module changes
no issue.
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
    """Returns the link to the editor's page of an issue. The link works without a login, so only editors may get it."""
    return app.url("/editor/" + make(app.keys, Purpose.EDITOR, 0, issue.id))


def queue(app: App, issue: Issue) -> None:
    """Queues the notice for every editor in `[editors] notify` for whom it has not been queued yet."""
    if issue.state not in EDITABLE or not app.settings.editors.notify:
        return
    editors = [address.in_mailbox(each).written for each in app.settings.editors.notify]
    # The key contains a hash of the address, so that each editor gets exactly one notice even if the list is reordered.
    keys = {f"notice.{issue.slot}.{issue.state}.{hashlib.sha256(to.encode()).hexdigest()[:16]}": to for to in editors}
    if app.store.read(lambda tx: all(deliveries.owed(tx, key) for key in keys)):
        return  # the usual case, because this function runs at every tick
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
    """Returns the values of an issue that the templates of the notice and of the editor's page share."""
    return service_mails.notice(
        issue, app.settings.newsletter, editor_url=link(app, issue), zone=app.zone, locale=app.renderer.locale
    )
