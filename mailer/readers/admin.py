"""The use cases of the commands `subscribers add`, `edit`, `list` and `show`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from mailer import address
from mailer.context import App
from mailer.errors import LeftBefore, NoSuchSubscriber, UsageError
from mailer.model import Event, EventKind, Method, NewEvent, Subscriber, SubscriberStatus
from mailer.store import events, reports, subscribers
from mailer.text.clean import clean

_FORMER = (EventKind.UNSUBSCRIBED, EventKind.COMPLAINED, EventKind.SUPPRESSED, EventKind.BOUNCED)


def add(
    app: App, email: str, *, name: str = "", sections: Sequence[str] = (), invite: bool = False
) -> tuple[Subscriber, str]:
    """Adds a reader: active at once, or pending with a confirmation mail if `invite` is true.

    Returns the subscriber, and "added", "updated" (for example, with a new name) or "unchanged". Raises BadAddress if
    the address is not valid. Raises LeftBefore if the reader left or must not be mailed; the message says since when,
    and how the reader can come back.
    """
    # Imported here, because `adding` also loads the confirmation mail, which `subscribers list` and `show` do not need.
    from mailer.readers import adding

    parsed = address.parse(email)
    status = SubscriberStatus.PENDING if invite else SubscriberStatus.ACTIVE
    kind = EventKind.INVITED if invite else EventKind.ADDED

    def add_one(tx: Connection) -> tuple[Subscriber, str]:
        now = app.now()
        new = adding.person(app, parsed, name=name, sections=sections, source="admin", status=status)
        plan = adding.plan(tx, [new])
        for _, reason, when in plan.refused:
            found = subscribers.find(tx, new.key)
            event = events.last(tx, found.id, _FORMER) if found else None
            raise LeftBefore(
                f"{parsed.written} {reason}{adding.since(app, event.at if event else when)}.",
                "Only the person can come back, by signing up and confirming; an admin cannot do it for them.",
            )
        confirmed = [] if invite else plan.pending
        for each in confirmed:
            subscribers.move(tx, each, SubscriberStatus.ACTIVE, from_=(SubscriberStatus.PENDING,))
        events.record(tx, confirmed, NewEvent(EventKind.CONFIRMED, now, Method.ADMIN))
        adding.carry_out(app, tx, plan, now, kind=kind, method=Method.ADMIN, invite=invite)
        after = subscribers.find(tx, new.key)
        assert after is not None  # noqa: S101 - this transaction has found or added the subscriber
        return after, "added" if plan.new else "updated" if plan.changed or confirmed else "unchanged"

    return app.store.write(add_one)


def edit(app: App, email: str, *, name: str | None = None, sections: Sequence[str] | None = None) -> Subscriber:
    """Changes the name or the sections of a subscriber, and returns the subscriber.

    None leaves a value as it is. An empty name removes the name, and an empty list of sections means all sections.

    Raises NoSuchSubscriber, and UsageError if the settings have no such section.
    """
    from mailer.readers import adding, preferences

    key, known = address.parse(email).key, preferences.sections_of(app)
    wanted = None if sections is None else tuple(clean(section) for section in sections)
    if unknown := [section for section in wanted or () if section not in known]:
        raise UsageError(f"There is no section {unknown[0]!r}.", f"The sections are {'، '.join(known)}.")
    if wanted is not None and set(wanted) == set(known):
        wanted = ()  # all sections, including those added later

    def change(tx: Connection) -> Subscriber:
        found = subscribers.find(tx, key, lock=True)
        if found is None:
            raise _unknown(email)
        new_name = found.name if name is None else adding.tidy_name(name)
        new_sections = found.sections if wanted is None else tuple(sorted(set(wanted)))
        if (new_name, new_sections) == (found.name, found.sections):
            return found
        subscribers.change(tx, {found.id: (new_name, new_sections)})
        details = {"sections": list(new_sections)} if new_sections != found.sections else None
        events.record(tx, [found.id], NewEvent(EventKind.CHANGED, app.now(), Method.ADMIN, details=details))
        return replace(found, name=new_name, sections=new_sections)

    return app.store.write(change)


def _unknown(email: str) -> NoSuchSubscriber:
    return NoSuchSubscriber(f"{email} is not on the list.", "`mailer subscribers list --search …` may find it.")


def matching(
    app: App, *, status: SubscriberStatus | None = None, search: str = "", limit: int | None = None
) -> list[Subscriber]:
    """Returns the subscribers whose address or name contains `search`, the newest first."""
    return app.store.read(lambda tx: subscribers.matching(tx, status=status, search=search, limit=limit))


def count(app: App, *, status: SubscriberStatus | None = None, search: str = "") -> int:
    """Returns how many subscribers `matching` would return without a limit."""
    return app.store.read(lambda tx: subscribers.count(tx, status=status, search=search))


def counts(app: App) -> dict[str, int]:
    """Returns the number of subscribers for each status."""
    return app.store.read(subscribers.counts)


def show(app: App, email: str) -> tuple[Subscriber, list[Event], list[dict[str, Any]]]:
    """Returns a subscriber with their events and their mails. Raises NoSuchSubscriber."""
    key = address.parse(email).key

    def everything(tx: Connection) -> tuple[Subscriber, list[Event], list[dict[str, Any]]]:
        found = subscribers.find(tx, key)
        if found is None:
            raise _unknown(email)
        return found, events.history(tx, found.id), reports.of_subscriber(tx, found.id)

    return app.store.read(everything)
