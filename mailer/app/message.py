"""One message: a variant, rendered once for many, becomes the bytes for one reader. Talks to nobody."""

from datetime import datetime

from mailer import tokens
from mailer.app import confirmation
from mailer.app.context import App
from mailer.mail import headers, mime, slots, view
from mailer.model import Delivery, DeliveryKind, Variant

INERT = "/unsubscribe/test"  # where the links of a test mail lead: to a page that knows nobody


def build(app: App, delivery: Delivery, variant: Variant, now: datetime) -> bytes:
    """The whole mail, CRLF and 7-bit. The same delivery always has the same Message-ID (RFC 5322 §3.6.4), so that a
    mail sent twice after a crash can be known as one."""
    if delivery.kind is DeliveryKind.CONFIRMATION:
        return confirmation.build(app, delivery, variant, now)
    leave = _leave_url(app, delivery)
    values = {"greeting": view.greeting(delivery.name), "unsubscribe_url": leave}
    boundary = mime.boundary(delivery.key)
    fields = mime.message_headers(
        sender=_mailbox(*app.sender),
        to=delivery.address,
        subject=variant.subject,
        date=now,
        message_id=tokens.message_id(app.keys, delivery.key, app.domain),
        reply_to=app.settings.newsletter.reply_to,
        list_id=list_id(app),
        list_name=app.settings.newsletter.title,
        unsubscribe_url=leave,
        archive_url=app.url("/archive"),
        help_url="",
        feedback_id=feedback_id(app, delivery),
        language=app.settings.newsletter.locale,
        boundary=boundary,
    )
    html = slots.fill(variant.html, values, "html")
    text = slots.fill(variant.text, values, "text")
    return mime.build(headers.block(fields), text, html, boundary)


def list_id(app: App) -> str:
    """RFC 2919: a name for the list that outlives its host."""
    return app.settings.newsletter.list_id or f"weekly.{app.domain}"


def feedback_id(app: App, delivery: Delivery) -> str:
    """`issue:list:type:sender`, at most four parts and nothing of the reader, so that complaints can be counted."""
    issue = delivery.key.split(".")[1] if delivery.kind is DeliveryKind.ISSUE else delivery.kind.value
    return f"{issue}:weekly:{delivery.kind}:khabarnameh"


def _leave_url(app: App, delivery: Delivery) -> str:
    if delivery.subscriber_id is None:
        return app.url(INERT)
    return app.unsubscribe_url(delivery.subscriber_id, delivery.issue_id or 0)


def _mailbox(name: str, written: str) -> str:
    return f"{name} <{written}>" if name else written
