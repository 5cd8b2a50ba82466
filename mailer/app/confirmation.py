"""The mail that asks whether somebody really wants the newsletter: made, owed through the ledger, and its link.

Holds no word that a stranger could have typed, so that nobody can write to others through us. Whether one may be sent
is decided in `joining`.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from mailer import tokens
from mailer.app.context import App
from mailer.mail import headers, mime, slots, view
from mailer.mail.calendar import digits
from mailer.model import Delivery, DeliveryKind, Variant
from mailer.store import deliveries, issues
from mailer.tokens import Purpose


def owe(app: App, tx: Connection, readers: Iterable[int], now: datetime) -> None:
    """Owes the mail to each of these subscribers, before any issue (product.md §5: the ledger is the one way out)."""
    stamp = int(now.timestamp())
    keys = {f"confirmation.{reader}.{stamp}": reader for reader in readers}
    if keys:
        deliveries.owe_readers(tx, DeliveryKind.CONFIRMATION, keys, _variant(app, tx, now), now)


def _variant(app: App, tx: Connection, now: datetime) -> int:
    """The mail rendered once; a new row only when templates or names have changed."""
    newsletter = app.settings.newsletter
    days = max(1, app.settings.readers.confirm_within.days)
    values = {
        **view.page_view(newsletter),
        "subject": f"تأیید عضویت در خبرنامهٔ «{newsletter.name}»",
        "days": digits(days),
        "confirm_url": slots.slot("confirm_url"),
    }
    rendered = app.renderer.mail(DeliveryKind.CONFIRMATION, values)
    sha256 = hashlib.sha256("\0".join((rendered.subject, rendered.html, rendered.text)).encode()).hexdigest()
    known = issues.variant_of(tx, DeliveryKind.CONFIRMATION, sha256)
    return known or issues.add_variant(
        tx,
        DeliveryKind.CONFIRMATION,
        None,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        sha256=sha256,
        now=now,
    )


def url(app: App, subscriber_id: int, stamp: int) -> str:
    """The link that confirms. It is for one wish: `stamp` is when that was made."""
    return app.url("/confirm/" + tokens.make(app.keys, Purpose.CONFIRM, subscriber_id, 0, stamp))


def build(app: App, delivery: Delivery, variant: Variant, now: datetime) -> bytes:
    """The whole mail. It is no mail of the list: no List-Unsubscribe, as there is nothing yet to leave."""
    _, reader, stamp = delivery.key.split(".")
    values = {"confirm_url": url(app, int(reader), int(stamp))}
    boundary = mime.boundary(delivery.key)
    fields = [
        ("From", headers.address(*app.sender)),
        ("To", headers.recipient(delivery.address)),
        ("Subject", headers.encode("Subject", variant.subject)),
        ("Date", headers.date(now)),
        ("Message-ID", headers.raw("Message-ID", tokens.message_id(app.keys, delivery.key, app.domain))),
    ]
    if app.settings.newsletter.reply_to:
        reply_to = mime.mailbox(app.settings.newsletter.reply_to)
        fields.append(("Reply-To", headers.address(*reply_to, name="Reply-To")))
    fields += [
        ("Auto-Submitted", b"auto-generated"),  # RFC 3834 §5: no vacation note shall answer it
        ("Feedback-ID", headers.raw("Feedback-ID", "confirmation:weekly:confirmation:khabarnameh")),
        *mime.content_headers(app.settings.newsletter.locale, boundary),
    ]
    html = slots.fill(variant.html, values, "html")
    text = slots.fill(variant.text, values, "text")
    return mime.build(headers.block(fields), text, html, boundary)
