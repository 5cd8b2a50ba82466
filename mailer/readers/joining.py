"""Joining by the reader's own wish: the form takes the wish, `decide_wishes` decides it, a link in a mail confirms it.

The form's answer must not reveal whether an address is known, neither by its content nor by its time. So taking a wish
always writes one row, and the wish is decided a moment later, after the answer.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailer import address, tokens
from mailer.address import Address
from mailer.context import App, alert
from mailer.errors import BadAddress, BadToken, TooMany
from mailer.mail import service_mails
from mailer.model import DeliveryKind, EventKind, Method, NewEvent, Subscriber, SubscriberStatus
from mailer.store import deliveries, events, issues, signups, subscribers, suppressions
from mailer.store.signups import Wish
from mailer.store.subscribers import New
from mailer.tokens import Purpose

CONFIRMATION_EVERY = timedelta(hours=24)  # at most one confirmation mail to an address in this time
MOST_UNCONFIRMED = 3  # confirmation mails to an address that does not confirm …
REMEMBERED = timedelta(days=90)  # … in this time
FORM_LEAST, FORM_MOST = timedelta(seconds=2), timedelta(hours=2)  # age of a form that is accepted
_WISHES_AT_ONCE = 200  # decided in one transaction


def consent_words(app: App) -> str:
    """The text of the form that the reader agrees to; stored with the consent."""
    return app.renderer.locale.say(
        "عضو خبرنامهٔ هفتگی «{name}» شوید. آخرین اخبار مهم ایران و جهان را هفته‌ای یک بار برای شما ارسال خواهیم کرد.",
        name=app.settings.newsletter.name,
    )


# --- the form --------------------------------------------------------------------------------------------------------
def form_token(app: App) -> str:
    """The signed time that our own form carries. The news site's form has none and is answered with our form."""
    return tokens.make(app.keys, Purpose.FORM, 0, 0, int(app.now().timestamp()))


def form_is_ours(app: App, token: str) -> bool:
    """Returns True for our form, if it is at most two hours old and was not filled in faster than a person can."""
    try:
        age = app.now().timestamp() - tokens.read(app.keys, Purpose.FORM, token).stamp
    except BadToken:
        return False
    return FORM_LEAST.total_seconds() <= age <= FORM_MOST.total_seconds()


def check(typed: str) -> tuple[Address, str | None]:
    """The address, and another one that was probably meant.

    Raises BadAddress, with the reason, if it cannot be written to.
    """
    found = address.parse(typed)
    if address.mixed_scripts(found.domain):
        raise BadAddress(f"{typed!r} mixes two scripts, as forged addresses do.")
    return found, address.suggestion(found)


def wish(app: App, found: Address, *, network: str = "", agent: str = "") -> None:
    """Takes the wish to join.

    Raises TooMany if the limit of this network or of all is reached; that does not depend on the address. Raises
    BadAddress if the domain says that it takes no mail; this may ask the DNS, and no answer counts as yes.
    """
    # Reading alone turns a flood away: it must neither keep the sender from writing nor make us send DNS queries.
    if app.store.read(lambda tx: _limit_reached(app, tx, network)):
        raise _too_many()
    if app.takes_mail(found.domain) is False:
        raise BadAddress(f"The domain {found.domain} takes no mail.")

    def take(tx: Connection) -> None:
        if _limit_reached(app, tx, network):
            raise _too_many()
        now = app.now()
        hash_ = tokens.address_hash(app.keys, found.key)
        words = consent_words(app)
        signups.add(tx, at=now, hash_=hash_, address=found.written, network=network, agent=agent, words=words)
        most = app.settings.readers.per_minute
        if signups.count(tx, now - timedelta(minutes=1)) == most:
            alert(app, f"{most} sign-ups within a minute: further ones are refused.", "The form may be misused.")

    app.store.write(take)


def _limit_reached(app: App, tx: Connection, network: str) -> bool:
    """Returns True if a limit that does not depend on the address is reached."""
    now, limits = app.now(), app.settings.readers
    if signups.count(tx, now - timedelta(minutes=1)) >= limits.per_minute:
        return True
    return bool(network) and signups.count(tx, now - timedelta(hours=1), network=network) >= limits.per_network


def _too_many() -> TooMany:
    return TooMany("Too many sign-ups just now.", "Try again in an hour.")


# --- behind the form -------------------------------------------------------------------------------------------------
def decide_wishes(app: App) -> int:
    """Decides the wishes taken so far. Returns how many get a confirmation mail. Any process may call this."""

    def decide(tx: Connection) -> int:
        now = app.now()
        invited: list[int] = []
        for each in signups.undecided(tx, _WISHES_AT_ONCE, lock=True):
            outcome, reader = _decide(tx, each, now)
            if signups.decide(tx, each.id, outcome) and reader is not None:
                invited.append(reader)
        owe(app, tx, invited, now)
        return len(invited)

    if not app.store.read(lambda tx: signups.undecided(tx, 1)):
        return 0  # the usual case needs no lock
    return app.store.write(decide)


def _decide(tx: Connection, each: Wish, now: datetime) -> tuple[str, int | None]:
    """Returns the outcome of a wish, "sent", "silent" or "limited", and for "sent" the subscriber's id."""
    parsed = address.parse(each.address)
    found = subscribers.find(tx, parsed.key)
    suppression = suppressions.find(tx, each.hash)
    # The wish may be a stranger's joke: a reader who complained, or whom an admin suppressed, is not even asked.
    if suppression is not None and suppression.strong:
        return "silent", None
    if found is not None and found.status is SubscriberStatus.ACTIVE and suppression is None:
        return "silent", None
    if signups.count(tx, now - CONFIRMATION_EVERY, hash_=each.hash, sent=True) >= 1:
        return "limited", None
    if signups.count(tx, now - REMEMBERED, hash_=each.hash, sent=True) >= MOST_UNCONFIRMED:
        return "limited", None
    if found is not None and _waits_since(tx, found.id, now - CONFIRMATION_EVERY):
        return "limited", None
    reader = _make_pending(tx, parsed, each, found, now)
    details = {"words": each.words}
    invited = NewEvent(EventKind.INVITED, each.at, Method.PAGE, agent=each.agent, network=each.network, details=details)
    events.record(tx, [reader], invited)
    return "sent", reader


def _make_pending(tx: Connection, parsed: Address, each: Wish, found: Subscriber | None, now: datetime) -> int:
    pending = SubscriberStatus.PENDING
    if found is None:
        new = New(parsed.written, parsed.key, each.hash, parsed.domain, "", (), "form", pending)
        return subscribers.add(tx, [new], now)[0]
    if found.status is SubscriberStatus.BOUNCED:  # still dead for everything but this confirmation
        suppressions.add(tx, [each.hash], EventKind.BOUNCED, at=now)
    subscribers.move(tx, found.id, pending, from_=tuple(SubscriberStatus))
    return found.id


def _waits_since(tx: Connection, subscriber_id: int, since: datetime) -> bool:
    """Returns True if the reader got a confirmation mail after `since` and has not confirmed it."""
    asked = deliveries.asked_at(tx, subscriber_id)
    if asked is None or asked <= since:
        return False
    confirmed = events.last(tx, subscriber_id, (EventKind.CONFIRMED,))
    return confirmed is None or confirmed.at < asked


def tidy(app: App) -> None:
    """Deletes old data: truncated networks, and sign-ups too old to count for any limit."""
    now = app.now()
    app.store.write(lambda tx: signups.fade(tx, now - app.settings.readers.keep_network, now - REMEMBERED))


# --- the link in the mail --------------------------------------------------------------------------------------------
def masked_address(app: App, token: str) -> str:
    """The masked address that a confirmation link is about. Changes nothing. Raises BadToken as `confirm` does."""
    found = app.store.read(lambda tx: _reader_of(app, tx, token))
    return address.mask(found.address)


def confirm(app: App, token: str, *, agent: str = "", network: str = "") -> str:
    """Makes the reader active, also if they had left before. Confirming again changes nothing.

    Returns a token for their preferences. Raises BadToken if the link is not valid or too old, or if the reader left
    after asking for it.
    """

    def make_active(tx: Connection) -> Subscriber:
        now = app.now()
        found = _reader_of(app, tx, token)
        if subscribers.move(tx, found.id, SubscriberStatus.ACTIVE, from_=(SubscriberStatus.PENDING,)):
            details = {"words": consent_words(app)}
            confirmed = NewEvent(EventKind.CONFIRMED, now, Method.PAGE, agent=agent, network=network, details=details)
            events.record(tx, [found.id], confirmed)
            subscribers.set_consent(tx, found.id, now)
            subscribers.set_pause(tx, found.id, None)  # the page promises the next issue; chosen sections stay
            suppressions.remove(tx, found.address_hash)
            signups.forget(tx, found.address_hash)
        return found

    found = app.store.write(make_active)
    return tokens.make(app.keys, Purpose.PREFERENCES, found.id)


def _reader_of(app: App, tx: Connection, token: str) -> Subscriber:
    """The subscriber of a confirmation link that is still valid. Raises BadToken otherwise."""
    claim = tokens.read(app.keys, Purpose.CONFIRM, token)
    found = subscribers.get(tx, claim.subscriber_id)
    late = app.now().timestamp() > claim.stamp + app.settings.readers.confirm_within.total_seconds()
    if found is None or not found.address or late:
        raise BadToken("This link is too old.", "Sign up again.")
    suppression = suppressions.find(tx, found.address_hash)
    # Leaving or complaining after the wish counts more than the wish.
    left = suppression is not None and (suppression.strong or int(suppression.at.timestamp()) > claim.stamp)
    if left or found.status not in (SubscriberStatus.PENDING, SubscriberStatus.ACTIVE):
        raise BadToken("This link is no longer valid: its reader left after asking for it.", "Sign up again.")
    return found


# --- the confirmation mail -------------------------------------------------------------------------------------------
# It contains nothing that a stranger could have typed, so that it cannot be used to write to other people.
INERT = "/confirm/test"  # the link of a test mail; it confirms no reader


def owe(app: App, tx: Connection, readers: Iterable[int], now: datetime) -> None:
    """Queues a confirmation mail for each of these subscribers; it goes out before any issue."""
    stamp = int(now.timestamp())
    keys = {f"confirmation.{reader}.{stamp}": reader for reader in readers}
    if keys:
        deliveries.owe_readers(tx, DeliveryKind.CONFIRMATION, keys, _variant(app, tx, now), now)


def _variant(app: App, tx: Connection, now: datetime) -> int:
    """The id of the rendered mail; a new one only when templates or names have changed."""
    newsletter, locale = app.settings.newsletter, app.renderer.locale
    days = max(1, app.settings.readers.confirm_within.days)
    rendered = app.renderer.mail(DeliveryKind.CONFIRMATION, service_mails.confirmation(newsletter, days, locale))
    known = issues.variant_of(tx, DeliveryKind.CONFIRMATION, rendered.sha256)
    return known or issues.add_variant(tx, DeliveryKind.CONFIRMATION, None, rendered, now)


def url(app: App, subscriber_id: int, stamp: int) -> str:
    """The confirmation link for one wish; `stamp` is the Unix time at which that was made."""
    return app.url("/confirm/" + tokens.make(app.keys, Purpose.CONFIRM, subscriber_id, 0, stamp))


def url_of(app: App, key: str) -> str:
    """The confirmation link for the delivery with this key, as `owe` makes keys. Raises ValueError for other keys."""
    _, reader, stamp = key.split(".")
    return url(app, int(reader), int(stamp))
