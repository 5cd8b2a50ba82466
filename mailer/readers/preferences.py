"""What a reader chooses: which sections, and a pause. Never tells or changes an address, and ends nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection

from mailer import tokens
from mailer.context import App, local_day
from mailer.errors import BadToken
from mailer.model import OTHER_NEWS, EventKind, Method, Subscriber, SubscriberStatus
from mailer.store import subscribers
from mailer.tokens import Purpose

PAUSES = (0, 1, 2, 4, 8, 12)  # weeks


@dataclass(frozen=True, slots=True)
class Preferences:
    """`sections`: all there are, and whether each is chosen; `paused_until`: the first day that counts again."""

    sections: tuple[tuple[str, bool], ...]
    paused_until: date | None
    unsubscribe: str  # a token


def sections_of(app: App) -> tuple[str, ...]:
    """The sections an issue can have, in their order; what belongs to none comes last."""
    return tuple(dict.fromkeys([*app.settings.newsletter.sections.values(), OTHER_NEWS]))


def look(app: App, token: str) -> Preferences:
    """What the holder of the link has chosen. BadToken: not our link, or its reader is none any more."""

    def work(tx: Connection) -> Preferences:
        found = _reader(app, tx, token)
        until = subscribers.paused_until(tx, found.id)
        pausing = until is not None and until > local_day(app, app.now())
        chosen = found.sections
        return Preferences(
            tuple((name, not chosen or name in chosen) for name in sections_of(app)),
            until if pausing else None,
            tokens.make(app.keys, Purpose.UNSUBSCRIBE, found.id),
        )

    return app.store.read(work)


def choose(app: App, token: str, sections: Sequence[str], weeks: int | None) -> Preferences:
    """Keeps a choice. No section, or all of them, means all; `weeks` 0 ends a pause, None leaves it as it is."""

    def work(tx: Connection) -> None:
        found = _reader(app, tx, token)
        there = sections_of(app)
        chosen = [name for name in there if name in sections]
        if len(chosen) == len(there):
            chosen = []  # «all» also means sections that will be added one day
        before = subscribers.paused_until(tx, found.id)
        until = before
        if weeks in PAUSES:
            until = local_day(app, app.now()) + timedelta(weeks=weeks) if weeks else None
        if tuple(sorted(chosen)) == found.sections and until == before:
            return
        subscribers.change(tx, found.id, sections=chosen)
        subscribers.set_pause(tx, found.id, until)
        details = {"sections": chosen, "paused_until": until.isoformat() if until else None}
        subscribers.record(tx, found.id, EventKind.CHANGED, at=app.now(), method=Method.PAGE, details=details)

    app.store.write(work)
    return look(app, token)


def _reader(app: App, tx: Connection, token: str) -> Subscriber:
    claim = tokens.read(app.keys, Purpose.PREFERENCES, token)
    found = subscribers.get(tx, claim.subscriber_id)
    if found is None or not found.address or found.status is not SubscriberStatus.ACTIVE:
        raise BadToken("This link belongs to nobody who gets the newsletter.")
    return found
