"""Shows and stores a reader's preferences: the sections, and a pause.

This module neither shows nor changes an address, and never ends a subscription.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection

from mailer import tokens
from mailer.context import App, local_day
from mailer.errors import BadToken
from mailer.model import OTHER_NEWS, EventKind, Method, NewEvent, Subscriber, SubscriberStatus
from mailer.store import events, subscribers
from mailer.tokens import Purpose

PAUSES = (0, 1, 2, 4, 8, 12)  # the pauses that a reader can choose, in weeks; 0 ends a pause


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences of a reader.

    `sections` has the name of every section, with True if the reader chose the section. `paused_until` is the first day
    after the reader's pause, or None if there is no pause.
    """

    sections: tuple[tuple[str, bool], ...]
    paused_until: date | None
    unsubscribe: str  # a token for the unsubscribe link


def sections_of(app: App) -> tuple[str, ...]:
    """Returns all sections that an issue can have, in order. The section for all other articles comes last."""
    return tuple(dict.fromkeys([*app.settings.newsletter.sections.values(), OTHER_NEWS]))


def current(app: App, token: str) -> Preferences:
    """Returns the preferences of the reader to whom a link belongs.

    Raises BadToken if the link is invalid or the reader is not active.
    """
    found = app.store.read(lambda tx: _reader(app, tx, token))
    chosen, until = found.sections, found.paused_until
    return Preferences(
        tuple((name, not chosen or name in chosen) for name in sections_of(app)),
        until if until is not None and until > local_day(app, app.now()) else None,
        tokens.make(app.keys, Purpose.UNSUBSCRIBE, found.id),
    )


def choose(app: App, token: str, sections: Sequence[str], weeks: int | None) -> Preferences:
    """Stores a reader's preferences and returns them. Choosing no section is the same as choosing all sections.

    `weeks` is the length of a pause that begins today; 0 ends a pause. None, or a number not in PAUSES, leaves the
    pause unchanged. Raises BadToken as `current` does.
    """
    available = sections_of(app)
    chosen = [name for name in available if name in sections]
    if len(chosen) == len(available):
        chosen = []  # an empty list means all sections, including those added later

    def store(tx: Connection) -> None:
        found = _reader(app, tx, token, lock=True)
        until = found.paused_until
        if weeks in PAUSES:
            until = local_day(app, app.now()) + timedelta(weeks=weeks) if weeks else None
        if tuple(sorted(chosen)) == found.sections and until == found.paused_until:
            return
        subscribers.change(tx, {found.id: (None, chosen)})
        subscribers.set_pause(tx, found.id, until)
        details = {"sections": chosen, "paused_until": until.isoformat() if until else None}
        events.record(tx, [found.id], NewEvent(EventKind.CHANGED, app.now(), Method.PAGE, details=details))

    app.store.write(store)
    return current(app, token)


def _reader(app: App, tx: Connection, token: str, *, lock: bool = False) -> Subscriber:
    claim = tokens.read(app.keys, Purpose.PREFERENCES, token)
    found = subscribers.get(tx, claim.subscriber_id, lock=lock)
    if found is None or not found.address or found.status is not SubscriberStatus.ACTIVE:
        raise BadToken("This link belongs to no active subscriber.")
    return found
