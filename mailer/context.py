"""Needed by every use case: the App, which `wiring` makes once, and finding an issue. State is kept in the store."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from mailer import address, lanes, week
from mailer.errors import NoSuchIssue, sentences
from mailer.model import Issue
from mailer.settings import Settings
from mailer.store import issues
from mailer.store.database import Store
from mailer.tokens import Keyring, Purpose, make

if TYPE_CHECKING:  # made on first use, because most commands need none of them and their imports are slow
    from mailer.mail.dkim import Signer
    from mailer.mail.render import Renderer
    from mailer.smtp.relay import Relay
    from mailer.sources.found import Source

LEASE = timedelta(seconds=60)
REDIRECTED = "no reader gets a mail, every mail goes to the address in [delivery] redirect_all_to."


@dataclass(frozen=True)
class App:
    """The settings and everything made from them. Parts that few commands need are made on first use."""

    settings: Settings
    store: Store
    keys: Keyring
    make_renderer: Callable[[], "Renderer"]
    make_relays: Callable[[], "tuple[Relay, ...]"]
    now: Callable[[], datetime]
    worker: str  # this process: its host and its number
    make_sources: Callable[[], "tuple[Source, ...]"] = tuple
    fetch_picture: Callable[[str], bytes] | None = None  # gives the bytes at an address; raises MailerError
    gone: Callable[[str], bool] = lambda _url: False  # whether the page at an address no longer exists
    lease: timedelta = LEASE  # how long a claim holds if its process dies
    signer: "Signer | None" = None  # None if the relay signs
    takes_mail: Callable[[str], bool | None] = lambda _domain: None  # whether a domain does; None if unknown

    @cached_property
    def renderer(self) -> "Renderer":
        return self.make_renderer()

    @cached_property
    def relays(self) -> "tuple[Relay, ...]":
        return self.make_relays()

    @cached_property
    def sources(self) -> "tuple[Source, ...]":
        """Where articles come from. Raises ConfigError if a name in the column map of the database is wrong."""
        return self.make_sources()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.newsletter.timezone)

    def url(self, path: str) -> str:
        """The public address of one of the service's pages."""
        return self.settings.newsletter.base_url + path

    def archive_url(self, slot: str) -> str:
        return self.url(f"/archive/{slot}")

    def unsubscribe_url(self, subscriber_id: int, issue_id: int) -> str:
        return self.url("/unsubscribe/" + make(self.keys, Purpose.UNSUBSCRIBE, subscriber_id, issue_id))

    def preferences_url(self, subscriber_id: int) -> str:
        return self.url("/preferences/" + make(self.keys, Purpose.PREFERENCES, subscriber_id))

    @cached_property  # needed for every mail, and parsing an address takes as long as making the mail
    def sender(self) -> tuple[str, str]:
        """The display name and the address of the From field."""
        name, written = address.mailbox(self.settings.newsletter.from_)
        return name or self.settings.newsletter.name, address.parse(written).written

    @cached_property
    def redirect(self) -> str | None:
        """The address that gets every mail of a staging deployment, or None."""
        to = self.settings.delivery.redirect_all_to
        return address.in_mailbox(to).written if to else None

    @cached_property
    def lanes(self) -> Mapping[str, str]:
        """Recipient domain → lane."""
        return lanes.table(self.settings.delivery.lanes)

    @cached_property
    def domain(self) -> str:
        """The sender's domain, in A-labels (xn--…)."""
        return address.parse(self.sender[1]).domain


def find_issue(app: App, slot: str | None) -> Issue:
    """The issue of a slot, or the newest one if `slot` is None. Raises NoSuchIssue."""
    if slot is not None:
        slot = week.canonical(slot, app.settings.newsletter.calendar)
    found = app.store.read(lambda tx: issues.find(tx, slot) if slot else issues.newest(tx))
    if found:
        return found
    if slot is None:
        raise NoSuchIssue("There is no issue yet.", "Make one with `mailer issue draft`.")
    newest = app.store.read(issues.newest)
    raise NoSuchIssue(
        f"There is no issue {slot}.", f"The newest is {newest.slot}." if newest else "There is no issue yet."
    )


def get_issue(app: App, issue_id: int) -> Issue:
    found = app.store.read(lambda tx: issues.get(tx, issue_id))
    if found is None:
        raise NoSuchIssue(f"There is no issue with the number {issue_id}.")
    return found


def list_issues(app: App, limit: int | None = None) -> list[Issue]:
    """Issues, the latest slot first."""
    return app.store.read(lambda tx: issues.recent(tx, limit=limit))


def local_day(app: App, instant: datetime) -> date:
    """The newsroom's calendar day of an instant, for dates that readers see."""
    return instant.astimezone(app.zone).date()


# --- alerts ----------------------------------------------------------------------------------------------------------
log = logging.getLogger("mailer.alert")


def alert(app: App, what: str, fix: str = "") -> None:
    """Log that `what` went wrong and how to fix it. Neither may contain an address or a token: logs are shared."""
    log.warning("ALERT %s", sentences(what, fix))
