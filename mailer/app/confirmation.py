"""The mail that asks whether somebody really wants the newsletter: made, owed through the ledger, and its link.

Holds no word that a stranger could have typed, so that nobody can write to others through us. Whether one may be sent
is decided in `joining`.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from mailer import tokens
from mailer.context import App
from mailer.mail import letters
from mailer.model import DeliveryKind, EventKind
from mailer.store import deliveries, issues, subscribers
from mailer.tokens import Purpose

INERT = "/confirm/test"  # where the link of a trial mail leads: to nobody


def owe(app: App, tx: Connection, readers: Iterable[int], now: datetime) -> None:
    """Owes the mail to each of these subscribers, before any issue (product.md §5: the ledger is the one way out)."""
    stamp = int(now.timestamp())
    keys = {f"confirmation.{reader}.{stamp}": reader for reader in readers}
    if keys:
        deliveries.owe_readers(tx, DeliveryKind.CONFIRMATION, keys, _variant(app, tx, now), now)


def waits_since(tx: Connection, subscriber_id: int, since: datetime) -> bool:
    """Whether somebody was asked after `since`, by whomever, and has not confirmed."""
    asked = deliveries.asked_at(tx, subscriber_id)
    if asked is None or asked <= since:
        return False
    confirmed = subscribers.last_event(tx, subscriber_id, (EventKind.CONFIRMED,))
    return confirmed is None or confirmed.at < asked


def _variant(app: App, tx: Connection, now: datetime) -> int:
    """The mail rendered once; a new row only when templates or names have changed."""
    newsletter, locale = app.settings.newsletter, app.renderer.locale
    days = max(1, app.settings.readers.confirm_within.days)
    rendered = app.renderer.mail(DeliveryKind.CONFIRMATION, letters.confirmation(newsletter, days, locale))
    known = issues.variant_of(tx, DeliveryKind.CONFIRMATION, rendered.sha256)
    return known or issues.add_variant(tx, DeliveryKind.CONFIRMATION, None, rendered, now)


def url(app: App, subscriber_id: int, stamp: int) -> str:
    """The link that confirms. It is for one wish: `stamp` is when that was made."""
    return app.url("/confirm/" + tokens.make(app.keys, Purpose.CONFIRM, subscriber_id, 0, stamp))


def url_of(app: App, key: str) -> str:
    """The link in the mail of this key, as `owe` makes keys. ValueError: it is none."""
    _, reader, stamp = key.split(".")
    return url(app, int(reader), int(stamp))
