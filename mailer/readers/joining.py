"""Joining by the person's own wish: the form takes a wish, `settle` decides it, and a link in a mail confirms it.

The form's answer must not tell whether an address is known, neither by its words nor by its time. So taking a wish is
one row, whoever it is about; what becomes of it is decided a moment later, behind the reader's back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailer import address, tokens
from mailer.address import Address
from mailer.context import App, alert
from mailer.errors import BadAddress, BadToken, TooMany
from mailer.mail import service_mails
from mailer.model import DeliveryKind, EventKind, Method, Subscriber, SubscriberStatus
from mailer.store import deliveries, issues, signups, subscribers
from mailer.store.signups import Wish
from mailer.tokens import Purpose

EVERY = timedelta(hours=24)  # one confirmation mail an address
AT_MOST = 3  # confirmation mails to an address that never confirms …
REMEMBERED = timedelta(days=90)  # … in this time
FORM_LEAST, FORM_MOST = timedelta(seconds=2), timedelta(hours=2)
_AT_ONCE = 200  # wishes decided in one go


def words(app: App) -> str:
    """What the form says one agrees to; kept with the consent."""
    return app.renderer.locale.say(
        "عضو خبرنامهٔ هفتگی «{name}» شوید. آخرین اخبار مهم ایران و جهان را هفته‌ای یک بار برای شما ارسال خواهیم کرد.",
        name=app.settings.newsletter.name,
    )


# --- the form --------------------------------------------------------------------------------------------------------
def form_token(app: App) -> str:
    """A signed time that our own form carries. A form of the news site's has none, and is answered by ours."""
    return tokens.make(app.keys, Purpose.FORM, 0, 0, int(app.now().timestamp()))


def form_is_ours(app: App, token: str) -> bool:
    """Whether the form is ours, not older than two hours, and not filled in faster than a person can."""
    try:
        age = app.now().timestamp() - tokens.read(app.keys, Purpose.FORM, token).stamp
    except BadToken:
        return False
    return FORM_LEAST.total_seconds() <= age <= FORM_MOST.total_seconds()


def check(typed: str) -> tuple[Address, str | None]:
    """The address, and another one that was probably meant. BadAddress: it cannot be written to, and why."""
    found = address.parse(typed)
    if address.mixed_scripts(found.domain):
        raise BadAddress(f"{typed!r} mixes letters of two scripts, as forgeries do.")
    return found, address.suggestion(found)


def wish(app: App, found: Address, *, network: str = "", agent: str = "") -> None:
    """Takes the wish to join. TooMany: from this network, or in all; that has nothing to do with the address.
    BadAddress: its domain says that it takes no mail; may ask the DNS, and no answer counts as a yes."""
    # A flood is turned away by reading alone; it must not keep the sending from writing, nor ask others' DNS for us.
    if app.store.read(lambda tx: _full(app, tx, network)):
        raise TooMany("Too many sign-ups just now.", "Try again in an hour.")
    if app.takes_mail(found.domain) is False:
        raise BadAddress(f"The domain {found.domain} takes no mail.")

    def work(tx: Connection) -> bool:
        if _full(app, tx, network):
            return False
        now = app.now()
        hash_ = tokens.address_hash(app.keys, found.key)
        shown = words(app)
        signups.add(tx, at=now, hash_=hash_, address=found.written, network=network, agent=agent, words=shown)
        most = app.settings.readers.per_minute
        if signups.count(tx, now - timedelta(minutes=1)) == most:
            alert(app, f"{most} sign-ups within a minute: no more are taken.", "Somebody may misuse the form.")
        return True

    if not app.store.write(work):
        raise TooMany("Too many sign-ups just now.", "Try again in an hour.")


def _full(app: App, tx: Connection, network: str) -> bool:
    """Whether a limit is reached that has nothing to do with the address."""
    now, limits = app.now(), app.settings.readers
    if signups.count(tx, now - timedelta(minutes=1)) >= limits.per_minute:
        return True
    return bool(network) and signups.count(tx, now - timedelta(hours=1), network=network) >= limits.per_network


# --- behind the form -------------------------------------------------------------------------------------------------
def settle(app: App) -> int:
    """Decides the wishes that were taken; returns how many got a confirmation mail. Any process may do so."""

    def work(tx: Connection) -> int:
        now = app.now()
        asked: list[int] = []
        for each in signups.open_(tx, _AT_ONCE, lock=True):
            outcome, reader = _decide(app, tx, each, now)
            if signups.decide(tx, each.id, outcome) and reader is not None:
                asked.append(reader)
        owe(app, tx, asked, now)
        return len(asked)

    if not app.store.read(lambda tx: signups.open_(tx, 1)):
        return 0  # the usual case costs no lock
    return app.store.write(work)


def _decide(app: App, tx: Connection, each: Wish, now: datetime) -> tuple[str, int | None]:
    parsed = address.parse(each.address)
    found = subscribers.find(tx, parsed.key)
    barred = subscribers.suppressed(tx, each.hash)
    # Who reported us as spam, or must not be mailed for another reason, is not even asked: it might be a stranger's
    # joke, and one more mail is one too many.
    if barred is not None and barred[0] in subscribers.STRONG:
        return "silent", None
    if found is not None and found.status is SubscriberStatus.ACTIVE and barred is None:
        return "silent", None
    if signups.count(tx, now - EVERY, hash_=each.hash, sent=True) >= 1:
        return "limited", None
    if signups.count(tx, now - REMEMBERED, hash_=each.hash, sent=True) >= AT_MOST:
        return "limited", None
    if found is not None and waits_since(tx, found.id, now - EVERY):
        return "limited", None
    reader = _pending(tx, parsed, each, found, now)
    subscribers.record(
        tx,
        reader,
        EventKind.INVITED,
        at=each.at,
        method=Method.PAGE,
        agent=each.agent or None,
        network=each.network or None,
        details={"words": each.words},
    )
    return "sent", reader


def _pending(tx: Connection, parsed: Address, each: Wish, found: Subscriber | None, now: datetime) -> int:
    if found is not None:
        if found.status is SubscriberStatus.BOUNCED:  # still dead to all but its own confirmation
            subscribers.suppress(tx, each.hash, EventKind.BOUNCED, at=now)
        subscribers.move(tx, found.id, SubscriberStatus.PENDING, from_=tuple(SubscriberStatus))
        return found.id
    return subscribers.add(
        tx,
        address=parsed.written,
        key=parsed.key,
        hash_=each.hash,
        domain=parsed.domain,
        name="",
        sections=(),
        status=SubscriberStatus.PENDING,
        source="form",
        now=now,
    )


def tidy(app: App) -> None:
    """Forgets what is only kept for a while: truncated networks, and sign-ups that no limit counts any more."""
    now = app.now()
    app.store.write(lambda tx: signups.fade(tx, now - app.settings.readers.keep_network, now - REMEMBERED))


# --- the link in the mail --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Welcome:
    """Somebody who has confirmed: their address, masked, and a token for their preferences."""

    masked: str
    preferences: str


def asked(app: App, token: str) -> str:
    """Whose confirmation link this is, masked. Changes nothing. BadToken: not our link, too old, or overtaken."""
    found = app.store.read(lambda tx: _claimed(app, tx, token))
    return address.mask(found.address)


def confirm(app: App, token: str, *, agent: str = "", network: str = "") -> Welcome:
    """The reader has pressed the button: active from now on, also when they had left before. A second time is the same.

    BadToken: not our link, too old, or they left after they had asked for it.
    """

    def work(tx: Connection) -> Subscriber:
        now = app.now()
        found = _claimed(app, tx, token)
        hash_ = subscribers.hash_of(tx, found.id)
        if subscribers.move(tx, found.id, SubscriberStatus.ACTIVE, from_=(SubscriberStatus.PENDING,)):
            subscribers.record(
                tx,
                found.id,
                EventKind.CONFIRMED,
                at=now,
                method=Method.PAGE,
                agent=agent or None,
                network=network or None,
                details={"words": words(app)},
            )
            subscribers.set_consent(tx, found.id, now)
            subscribers.set_pause(tx, found.id, None)  # the page promises the next issue; chosen sections stay
            if hash_:
                subscribers.unsuppress(tx, hash_)
                signups.forget(tx, hash_)
        return found

    found = app.store.write(work)
    return Welcome(address.mask(found.address), tokens.make(app.keys, Purpose.PREFERENCES, found.id))


def _claimed(app: App, tx: Connection, token: str) -> Subscriber:
    """The subscriber whom a confirmation link is about, if it still counts."""
    claim = tokens.read(app.keys, Purpose.CONFIRM, token)
    found = subscribers.get(tx, claim.subscriber_id)
    late = app.now().timestamp() > claim.stamp + app.settings.readers.confirm_within.total_seconds()
    if found is None or not found.address or late:
        raise BadToken("This link is too old.", "Sign up again.")
    if found.status not in (SubscriberStatus.PENDING, SubscriberStatus.ACTIVE):
        raise BadToken("This link was overtaken: its reader left later.", "Sign up again.")
    hash_ = subscribers.hash_of(tx, found.id)
    barred = subscribers.suppressed(tx, hash_) if hash_ else None
    # A leaving or a complaint after the wish counts more than the wish.
    if barred is not None and (barred[0] in subscribers.STRONG or int(barred[1].timestamp()) > claim.stamp):
        raise BadToken("This link was overtaken: its reader left later.", "Sign up again.")
    return found


# --- the confirmation mail -------------------------------------------------------------------------------------------
# It contains no word that a stranger could have typed, so that nobody can use it to write to other people.
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
    rendered = app.renderer.mail(DeliveryKind.CONFIRMATION, service_mails.confirmation(newsletter, days, locale))
    known = issues.variant_of(tx, DeliveryKind.CONFIRMATION, rendered.sha256)
    return known or issues.add_variant(tx, DeliveryKind.CONFIRMATION, None, rendered, now)


def url(app: App, subscriber_id: int, stamp: int) -> str:
    """The link that confirms. It is for one wish: `stamp` is when that was made."""
    return app.url("/confirm/" + tokens.make(app.keys, Purpose.CONFIRM, subscriber_id, 0, stamp))


def url_of(app: App, key: str) -> str:
    """The link in the mail of this key, as `owe` makes keys. ValueError: it is none."""
    _, reader, stamp = key.split(".")
    return url(app, int(reader), int(stamp))
