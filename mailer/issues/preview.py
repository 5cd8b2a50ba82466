"""The preview of an issue, and its test mails to the newsroom's own people. Neither changes the issue's counts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes
from functools import partial

from sqlalchemy import Connection

from mailer import address
from mailer.context import App
from mailer.issues import clicks, draft
from mailer.mail import service_mails
from mailer.model import Batch, Delivery, DeliveryKind, DeliveryState, Issue, Rendered, Variant
from mailer.sending import message
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.store import deliveries, issues, reports


@dataclass(frozen=True, slots=True)
class Preview(Rendered):
    eml: bytes


def preview(app: App, issue: Issue) -> Preview:
    """Returns the mail of the issue as an invented reader would get the mail, with personal links that do nothing."""
    rendered = draft.content(app, issue)
    variant = Variant(0, rendered.subject, rendered.html, rendered.text, "")
    reader = Delivery(
        id=0,
        key=f"preview.{issue.slot}",
        kind=DeliveryKind.TEST,
        batch=Batch(0, 0),
        address=app.sender[1],
        name="",
        subscriber_id=None,
        issue_id=issue.id,
        variant_id=0,
        attempts=0,
        losses=0,
        first_reply_at=None,
    )
    eml = message.compile(app, variant, DeliveryKind.TEST).message(reader, app.now())
    # Take both parts from the finished mail, so that the preview shows exactly what would be sent.
    parts = [part.get_payload(decode=True) for part in message_from_bytes(eml).walk() if not part.is_multipart()]
    text, html = (part.decode().replace("\r\n", "\n") for part in parts if isinstance(part, bytes))
    return Preview(rendered.subject, html, text, eml)


async def send_test(app: App, issue: Issue, emails: Sequence[str]) -> list[tuple[str, DeliveryState, str]]:
    """Sends a test mail of the issue to each address, and returns (address, state, reply) for each.

    Raises RelayDown if no relay takes mail; in that case, no test mail stays queued.
    """
    addresses = [address.parse(email).written for email in dict.fromkeys(emails)]
    rendered = await asyncio.to_thread(draft.content, app, issue)

    def queue_tests(tx: Connection) -> dict[int, str]:
        now = app.now()
        trial = Rendered(
            service_mails.trial_subject(rendered.subject, app.renderer.locale),
            clicks.direct(issue, rendered.html, html=True),
            clicks.direct(issue, rendered.text, html=False),
        )
        variant = issues.add_variant(tx, DeliveryKind.TEST, issue.id, trial, now)
        return {
            deliveries.owe(
                tx, DeliveryKind.TEST, f"test.{issue.slot}.{variant}.{number}", to, variant, issue.id, now
            ): to
            for number, to in enumerate(addresses, 1)
        }

    owed = await asyncio.to_thread(app.store.write, queue_tests)
    # No issue has the id 0, so this sender sends only service mails, such as these test mails.
    try:
        await Sender(app, Circuits(), issue_id=0).run()
    except BaseException:
        # The user will try again, so drop the mails that are still queued. Otherwise these mails would be sent as well.
        await asyncio.to_thread(app.store.write, partial(deliveries.drop, ids=list(owed), now=app.now()))
        raise
    states = await asyncio.to_thread(app.store.read, partial(reports.states_of, ids=list(owed)))
    return [(to, states[number][0], states[number][2] or "") for number, to in owed.items()]
