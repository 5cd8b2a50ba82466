"""Handles sign-ups: a form stores a request, `decide_signups` decides it, and a link in a mail confirms it.

Neither the content nor the duration of the form's response may reveal whether an address is on the list. Therefore
`sign_up` writes one row for any address, and the request is decided only after the response.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from sqlalchemy import Connection

from mailer import address, tokens
from mailer.address import Address
from mailer.context import App, alert, local_day
from mailer.errors import BadAddress, BadToken, TooMany
from mailer.mail import service_mails
from mailer.model import ON_LIST, DeliveryKind, DeliveryState, EventKind, Method, NewEvent, Subscriber, SubscriberStatus
from mailer.store import deliveries, events, issues, signups, subscribers, suppressions
from mailer.store.signups import SignupRequest
from mailer.store.subscribers import New
from mailer.tokens import Purpose

CONFIRMATION_EVERY = timedelta(hours=24)  # an address gets at most one confirmation mail in this time
# An unconfirmed address gets at most MOST_UNCONFIRMED confirmation mails in the time REMEMBERED.
MOST_UNCONFIRMED = 3
REMEMBERED = timedelta(days=90)
REMIND_AFTER = timedelta(days=2)
# A reminder that is overdue by more than this is not sent, for example after an outage.
_REMIND_WITHIN = timedelta(days=1)
_LEFT_TO_CONFIRM = timedelta(hours=12)  # a reminder is not sent if its link would expire sooner
FORM_LEAST, FORM_MOST = timedelta(seconds=2), timedelta(hours=2)  # the least and greatest age of an accepted form
_REQUESTS_AT_ONCE = 200  # sign-up requests that are decided in one transaction


def consent_words(app: App) -> str:
    """Returns the text of the form to which the reader agrees. This text is stored with the consent."""
    return app.renderer.locale.say(
        "عضو خبرنامهٔ هفتگی «{name}» شوید. آخرین اخبار مهم ایران و جهان را هفته‌ای یک بار برای شما ارسال خواهیم کرد.",
        name=app.settings.newsletter.name,
    )


# --- the form --------------------------------------------------------------------------------------------------------
def form_token(app: App) -> str:
    """Returns a token with the current time, for a hidden field of this program's own form.

    The news site's sign-up form has no such token. A POST without a token is therefore answered with this program's
    form.
    """
    return tokens.make(app.keys, Purpose.FORM, 0, 0, int(app.now().timestamp()))


def is_own_form(app: App, token: str) -> bool:
    """Returns True if the token was made by `form_token`, 2 seconds to 2 hours ago.

    A form that is sent sooner was probably filled in by a program.
    """
    age = _form_age_s(app, token)
    return age is not None and FORM_LEAST.total_seconds() <= age <= FORM_MOST.total_seconds()


def form_token_again(app: App, token: str) -> str:
    """Returns the token for a form that is shown again because it was not accepted.

    If `token` was made only a moment ago, returns `token` itself, so that a reader who pressed the button too soon
    succeeds with the next press. Otherwise returns a new token.
    """
    age = _form_age_s(app, token)
    return token if age is not None and 0 <= age < FORM_LEAST.total_seconds() else form_token(app)


def _form_age_s(app: App, token: str) -> float | None:
    """Returns the age of a form in seconds, or None if this deployment did not make its token."""
    try:
        return app.now().timestamp() - tokens.read(app.keys, Purpose.FORM, token).stamp
    except BadToken:
        return None


def check(typed: str) -> tuple[Address, str | None]:
    """Returns the typed address, and a correction to suggest if that address looks mistyped, else None.

    Raises BadAddress with the reason if the address is not valid or looks forged.
    """
    found = address.parse(typed)
    if address.mixed_scripts(found.domain):
        raise BadAddress(f"{typed!r} mixes two scripts, as forged addresses do.")
    return found, address.suggestion(found)


def sign_up(app: App, found: Address, *, network: str = "", agent: str = "") -> None:
    """Stores a request to join the list.

    Raises TooMany if the limit for this network or for all sign-ups is reached, whatever the address. Raises BadAddress
    if the domain takes no mail. The domain may be looked up in the DNS; if the DNS does not answer, the domain is
    assumed to take mail.
    """
    # Check the limits in a read transaction first, so that a flood of sign-ups neither keeps the sender from writing
    # nor causes DNS queries.
    app.store.read(lambda tx: _check_limits(app, tx, network))
    if app.takes_mail(found.domain) is False:
        raise BadAddress(f"The domain {found.domain} takes no mail.")

    def take(tx: Connection) -> None:
        _check_limits(app, tx, network)
        now = app.now()
        hash_ = tokens.address_hash(app.keys, found.key)
        words = consent_words(app)
        signups.add(tx, at=now, hash_=hash_, address=found.written, network=network, agent=agent, words=words)
        most = app.settings.readers.per_minute
        if signups.count(tx, now - timedelta(minutes=1)) == most:
            alert(app, f"{most} sign-ups within a minute: further ones are refused.", "The form may be misused.")

    app.store.write(take)


def _check_limits(app: App, tx: Connection, network: str) -> None:
    """Raises TooMany if there were too many sign-ups in the last minute, or from this network in the last hour."""
    now, limits = app.now(), app.settings.readers
    reached = signups.count(tx, now - timedelta(minutes=1)) >= limits.per_minute
    if network and not reached:
        reached = signups.count(tx, now - timedelta(hours=1), network=network) >= limits.per_network
    if reached:
        raise TooMany("Too many sign-ups just now.", "Try again in an hour.")


# --- behind the form -------------------------------------------------------------------------------------------------
def decide_signups(app: App) -> int:
    """Decides the stored sign-up requests and returns the number of confirmation mails queued.

    Any process may call this function.
    """

    def decide(tx: Connection) -> int:
        now = app.now()
        invited: list[int] = []
        for each in signups.undecided(tx, _REQUESTS_AT_ONCE, lock=True):
            outcome, reader = _decide(tx, each, now)
            if signups.decide(tx, each.id, outcome) and reader is not None:
                invited.append(reader)
        owe(app, tx, invited, now)
        return len(invited)

    if not app.store.read(lambda tx: signups.undecided(tx, 1)):
        return 0  # usually there is no request, and then no write transaction is needed
    return app.store.write(decide)


def _decide(tx: Connection, each: SignupRequest, now: datetime) -> tuple[str, int | None]:
    """Decides a request. Returns the outcome, and the subscriber's id if the outcome is "sent", else None.

    "sent" means that a confirmation mail must be queued. "silent" means that no mail is sent, because the reader is
    already active, complained, or was suppressed by an admin. "limited" means that the address was mailed too recently
    or too often.
    """
    parsed = address.parse(each.address)
    found = subscribers.find(tx, parsed.key)
    suppression = suppressions.find(tx, each.hash)
    # Someone else may have typed the address. Send no mail if the reader complained or an admin suppressed the address.
    if suppression is not None and suppression.strong:
        return "silent", None
    if found is not None and found.status is SubscriberStatus.ACTIVE and suppression is None:
        return "silent", None
    if signups.count(tx, now - CONFIRMATION_EVERY, hash_=each.hash, sent=True) >= 1:
        return "limited", None
    if _asked(tx, each.hash, now) >= MOST_UNCONFIRMED:
        return "limited", None
    if found is not None and _waits_since(tx, found.id, now - CONFIRMATION_EVERY):
        return "limited", None
    reader = _make_pending(tx, parsed, each, found, now)
    details = {"words": each.words}
    invited = NewEvent(EventKind.INVITED, each.at, Method.PAGE, agent=each.agent, network=each.network, details=details)
    events.record(tx, [reader], invited)
    return "sent", reader


def _asked(tx: Connection, hash_: str, now: datetime) -> int:
    """Returns how many confirmation mails and reminders were queued for an address within the last 90 days
    (REMEMBERED)."""
    since = now - REMEMBERED
    return signups.count(tx, since, hash_=hash_, sent=True) + signups.reminders(tx, hash_, since)


def _make_pending(tx: Connection, parsed: Address, each: SignupRequest, found: Subscriber | None, now: datetime) -> int:
    pending = SubscriberStatus.PENDING
    if found is None:
        new = New(parsed.written, parsed.key, each.hash, parsed.domain, "", (), "form", pending)
        return subscribers.add(tx, [new], now)[0]
    # A bounced address stays suppressed. Until it is confirmed, it therefore gets only this confirmation mail.
    if found.status is SubscriberStatus.BOUNCED:
        suppressions.add(tx, [each.hash], EventKind.BOUNCED, at=now)
    subscribers.move(tx, found.id, pending, from_=tuple(SubscriberStatus))
    return found.id


def _waits_since(tx: Connection, subscriber_id: int, since: datetime) -> bool:
    """Returns True if a confirmation mail was queued after `since` and the reader has not confirmed yet."""
    asked = deliveries.asked_at(tx, subscriber_id)
    if asked is None or asked <= since:
        return False
    confirmed = events.last(tx, subscriber_id, (EventKind.CONFIRMED,))
    return confirmed is None or confirmed.at < asked


def tidy(app: App) -> None:
    """Deletes sign-ups older than REMEMBERED, and truncated IP addresses older than `[readers] keep_network`."""
    now = app.now()
    app.store.write(lambda tx: signups.fade(tx, now - app.settings.readers.keep_network, now - REMEMBERED))


# --- the link in the mail --------------------------------------------------------------------------------------------
def masked_address(app: App, token: str) -> str:
    """Returns the masked address of the reader to whom a confirmation link belongs.

    Raises BadToken as `confirm` does.
    """
    found = app.store.read(lambda tx: _reader_of(app, tx, token))
    return address.mask(found.address)


def confirm(app: App, token: str, *, agent: str = "", network: str = "") -> str:
    """Makes the reader of a confirmation link active, even if the reader had left before signing up.

    Returns a token for the reader's preferences. Confirming a second time changes nothing. Raises BadToken if the link
    is invalid or too old, or if the reader left after signing up.
    """

    def make_active(tx: Connection) -> Subscriber:
        now = app.now()
        found = _reader_of(app, tx, token)
        if subscribers.move(tx, found.id, SubscriberStatus.ACTIVE, from_=(SubscriberStatus.PENDING,)):
            details = {"words": consent_words(app)}
            confirmed = NewEvent(EventKind.CONFIRMED, now, Method.PAGE, agent=agent, network=network, details=details)
            events.record(tx, [found.id], confirmed)
            subscribers.set_consent(tx, found.id, now)
            subscribers.set_pause(tx, found.id, None)  # end a pause, because the next page promises the next issue
            suppressions.remove(tx, found.address_hash)
            signups.forget(tx, found.address_hash)
        return found

    found = app.store.write(make_active)
    return tokens.make(app.keys, Purpose.PREFERENCES, found.id)


def _reader_of(app: App, tx: Connection, token: str) -> Subscriber:
    """Returns the subscriber of a confirmation link. Raises BadToken if the link is invalid or no longer valid."""
    claim = tokens.read(app.keys, Purpose.CONFIRM, token)
    found = subscribers.get(tx, claim.subscriber_id)
    late = app.now().timestamp() > claim.stamp + app.settings.readers.confirm_within.total_seconds()
    if found is None or not found.address or late:
        raise BadToken("This link is too old.", "Sign up again.")
    suppression = suppressions.find(tx, found.address_hash)
    # The link is void if the reader left after signing up, if the reader complained, or if an admin suppressed the
    # address.
    left = suppression is not None and (suppression.strong or int(suppression.at.timestamp()) > claim.stamp)
    if left or found.status not in ON_LIST:
        raise BadToken("This link is no longer valid: its reader left after asking for it.", "Sign up again.")
    return found


# --- the confirmation mail -------------------------------------------------------------------------------------------
# The confirmation mail contains nothing that was typed into the form. Otherwise a stranger could use the form to write
# to other people.
INERT = "/confirm/test"  # the link in a test mail, which confirms no reader


def owe(app: App, tx: Connection, readers: Iterable[int], now: datetime) -> None:
    """Queues a confirmation mail for each of these subscribers.

    The sender sends confirmation mails before the mails of any issue.
    """
    stamp = int(now.timestamp())
    keys = {f"confirmation.{reader}.{stamp}": reader for reader in readers}
    if keys:
        deliveries.owe_readers(tx, DeliveryKind.CONFIRMATION, keys, _variant(app, tx, now), now)


def _variant(app: App, tx: Connection, now: datetime) -> int:
    """Returns the id of the variant of the confirmation mail. Adds a variant only if the rendered mail has changed."""
    newsletter, locale = app.settings.newsletter, app.renderer.locale
    days = max(1, app.settings.readers.confirm_within.days)
    rendered = app.renderer.mail(DeliveryKind.CONFIRMATION, service_mails.confirmation(newsletter, days, locale))
    return issues.shared_variant(tx, DeliveryKind.CONFIRMATION, rendered, now)


def remind(app: App) -> int:
    """Queues one reminder for each person who signed up two days ago and has not confirmed. Returns their number.

    At most _REQUESTS_AT_ONCE people are reminded in one call. Only people who used the form themselves are reminded;
    `subscribers add --invite` and imports are not. A reminder counts towards the limit MOST_UNCONFIRMED, and its link
    expires at the same time as the link in the confirmation mail.
    """
    if not app.settings.readers.remind:
        return 0

    def due(tx: Connection) -> dict[str, int]:
        now = app.now()
        asked_until = now - REMIND_AFTER
        people = signups.unconfirmed(tx, asked_until - _REMIND_WITHIN, asked_until)
        keys = {_reminder_key(app, tx, reader, hash_, now): reader for reader, hash_ in people}
        return {key: reader for key, reader in keys.items() if key}

    def queue(tx: Connection) -> int:
        now, keys = app.now(), dict(islice(due(tx).items(), _REQUESTS_AT_ONCE))
        by_day: defaultdict[date, dict[str, int]] = defaultdict(dict)  # the last day of the links → the reminders
        for key, reader in keys.items():
            until = datetime.fromtimestamp(_stamp(key), UTC) + app.settings.readers.confirm_within
            by_day[local_day(app, until)][key] = reader
        for day, reminders in by_day.items():
            values = service_mails.reminder(app.settings.newsletter, day, app.renderer.locale)
            rendered = app.renderer.mail(DeliveryKind.REMINDER, values)
            variant = issues.shared_variant(tx, DeliveryKind.REMINDER, rendered, now)
            deliveries.owe_readers(tx, DeliveryKind.REMINDER, reminders, variant, now)
        return len(keys)

    return app.store.write(queue) if app.store.read(due) else 0


def _reminder_key(app: App, tx: Connection, reader: int, hash_: str, now: datetime) -> str:
    """Returns the key of the reminder that is due for a person now, or "" if none is due."""
    last = deliveries.last_confirmation(tx, reader)
    if last is None:
        return ""
    key, asked_at, state = last
    if state is not DeliveryState.ACCEPTED or asked_at > now - REMIND_AFTER:
        return ""  # the mail never arrived, or the person has signed up again since
    end = datetime.fromtimestamp(_stamp(key), UTC) + app.settings.readers.confirm_within
    reminder = f"reminder.{reader}.{_stamp(key)}"
    if end < now + _LEFT_TO_CONFIRM or deliveries.owed(tx, reminder) or _asked(tx, hash_, now) >= MOST_UNCONFIRMED:
        return ""
    return reminder


def _stamp(key: str) -> int:
    """Returns the Unix time at which the validity of a confirmation link begins, from the key of the mail's
    delivery."""
    return int(key.split(".")[2])


def url(app: App, subscriber_id: int, stamp: int) -> str:
    """Returns a subscriber's confirmation link. `stamp` is the Unix time at which the confirmation mail was queued."""
    return app.url("/confirm/" + tokens.make(app.keys, Purpose.CONFIRM, subscriber_id, 0, stamp))


def url_of(app: App, key: str) -> str:
    """Returns the confirmation link for the confirmation mail or reminder with this key. Raises ValueError if the key
    has another form."""
    _, reader, stamp = key.split(".")
    return url(app, int(reader), int(stamp))
