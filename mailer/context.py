"""Defines the App, which `wiring` makes once and every use case takes. Also finds issues and logs alerts.

All state is in the store.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from mailer import address, lanes, week
from mailer.config import samples
from mailer.config.samples import Sample
from mailer.errors import NoSuchIssue, sentences
from mailer.model import Issue
from mailer.settings import Settings
from mailer.store import deliveries, issues
from mailer.store.database import Store
from mailer.tokens import Keyring, Purpose, make

if TYPE_CHECKING:  # slow modules that most commands do not need; at run time, each is imported on first use
    from mailer.mail.dkim import Signer
    from mailer.mail.render import Renderer
    from mailer.smtp.relay import Relay
    from mailer.sources.documents import Documents
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
    worker: str  # identifies this process: the host's name and the process id
    make_sources: Callable[[], "tuple[Source, ...]"] = tuple
    check: "Callable[[tuple[Source, ...]], None]" = lambda _sources: None  # see `check_sources`
    make_documents: "Callable[[], Documents] | None" = None  # None if the program reads no documents
    fetch_picture: Callable[[str], bytes] | None = None  # returns the bytes at a URL; raises MailerError
    gone: Callable[[str], bool] = lambda _url: False  # whether the page at a URL no longer exists
    lease: timedelta = LEASE  # how long a batch stays claimed if the process that claimed it dies
    signer: "Signer | None" = None  # None if the relay signs the mails
    takes_mail: Callable[[str], bool | None] = lambda _domain: None  # whether a domain takes mail; None if unknown

    @cached_property
    def renderer(self) -> "Renderer":
        return self.make_renderer()

    @cached_property
    def relays(self) -> "tuple[Relay, ...]":
        return self.make_relays()

    @cached_property
    def sources(self) -> "tuple[Source, ...]":
        """Returns the sources that articles come from. Connects to none of them."""
        return self.make_sources()

    def check_sources(self) -> None:
        """Raises ConfigError if the settings of the newsroom's database name a table or column that does not exist.

        Does not raise if that database is unavailable, because it may be available when articles are collected.
        """
        self.check(self.sources)

    @cached_property
    def documents(self) -> "Documents":
        """The process that reads feeds, pages and records. It starts when the first document is read."""
        if self.make_documents is None:
            raise RuntimeError("this App reads no documents")
        return self.make_documents()

    def close(self) -> None:
        """End the process that reads documents, and close the database."""
        self.stop_reading()
        self.store.close()

    def stop_reading(self) -> None:
        """End the process that reads documents, even while it is reading one. Afterwards, no document can be read."""
        if self.make_documents and vars(self).keys() & {"documents", "sources"}:
            self.documents.close()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.newsletter.timezone)

    def url(self, path: str) -> str:
        """Returns the public URL of a page of the service."""
        return self.settings.newsletter.base_url + path

    def archive_url(self, slot: str) -> str:
        return self.url(f"/archive/{slot}")

    def unsubscribe_url(self, subscriber_id: int, issue_id: int) -> str:
        return self.url("/unsubscribe/" + make(self.keys, Purpose.UNSUBSCRIBE, subscriber_id, issue_id))

    def preferences_url(self, subscriber_id: int) -> str:
        return self.url("/preferences/" + make(self.keys, Purpose.PREFERENCES, subscriber_id))

    @cached_property  # because every mail needs the sender, and parsing an address takes as long as making a mail
    def sender(self) -> tuple[str, str]:
        """Returns the display name and the address of the From field."""
        name, written = address.mailbox(self.settings.newsletter.from_)
        return name or self.settings.newsletter.name, address.parse(written).written

    @cached_property
    def redirect(self) -> str | None:
        """Returns the address that gets every mail of a staging deployment, or None in other deployments."""
        to = self.settings.delivery.redirect_all_to
        return address.in_mailbox(to).written if to else None

    @cached_property
    def lanes(self) -> Mapping[str, str]:
        """Returns the lane of each recipient domain that is not in the lane "default"."""
        return lanes.table(self.settings.delivery.lanes)

    @cached_property
    def domain(self) -> str:
        """Returns the sender's domain, in A-labels (xn--…)."""
        return address.parse(self.sender[1]).domain


def find_issue(app: App, slot: str) -> Issue:
    """Returns the issue of a slot. Raises NoSuchIssue if there is none."""
    key = week.canonical(slot, app.settings.newsletter.calendar)
    found = app.store.read(lambda tx: issues.find(tx, key))
    if found:
        return found
    newest = app.store.read(issues.newest)
    raise NoSuchIssue(
        f"There is no issue {key}.", f"The newest is {newest.slot}." if newest else "There is no issue yet."
    )


def newest_issue(app: App) -> Issue:
    """Returns the issue of the latest slot. Raises NoSuchIssue if there are no issues."""
    newest = app.store.read(issues.newest)
    if newest is None:
        raise NoSuchIssue("There is no issue yet.", "Make one with `mailer issue draft`.")
    return newest


def get_issue(app: App, issue_id: int) -> Issue:
    found = app.store.read(lambda tx: issues.get(tx, issue_id))
    if found is None:
        raise NoSuchIssue(f"There is no issue with the number {issue_id}.")
    return found


def list_issues(app: App, limit: int | None = None) -> list[Issue]:
    """Returns all issues, or the `limit` latest issues. The issue of the latest slot comes first."""
    return app.store.read(lambda tx: issues.recent(tx, limit=limit))


def local_day(app: App, instant: datetime) -> date:
    """Returns the calendar day of an instant in the newsroom's time zone, for dates that readers see."""
    return instant.astimezone(app.zone).date()


def sample_settings(app: App, tx: Connection, day: date) -> tuple[Sample, ...]:
    """Returns the settings with sample values that keep the issue of that day from going out, such as a `base_url` on
    loopback.

    Returns () if all readers of the issue have addresses at reserved domains, or if all mails go to one tester.
    """
    stopping = tuple(sample for sample in samples.left(app.settings) if sample.stops)
    exempt = app.redirect or not stopping or not deliveries.anyone_real(tx, day)
    return () if exempt else stopping


# --- alerts ----------------------------------------------------------------------------------------------------------
log = logging.getLogger("mailer.alert")


def alert(app: App, what: str, fix: str = "") -> None:
    """Logs an alert that says `what` went wrong and how to `fix` the problem. Neither text may contain an address or a
    token, because logs are shared."""
    log.warning("ALERT %s", sentences(what, fix))
