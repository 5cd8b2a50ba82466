"""Settings → App: the only place that picks the real world's parts. Decides nothing else."""

import contextlib
import os
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

from mailer import config
from mailer.config import dkim
from mailer.context import App
from mailer.domains import Domains
from mailer.errors import SourceUnavailable
from mailer.mail.render import Renderer
from mailer.settings import Settings
from mailer.smtp.relay import Relay
from mailer.sources.fetch import Fetcher
from mailer.sources.found import Source
from mailer.sources.gather import FeedSource
from mailer.sources.newsroom import DatabaseSource
from mailer.sources.wordpress import WordPressSource
from mailer.store import upgrade
from mailer.store.database import Store


def wire(settings: Settings, environ: Mapping[str, str], now: Callable[[], datetime] | None = None) -> App:
    """Opens the database (its tables are made on first use) and puts the parts together. Speaks to no relay yet."""
    keys = config.keys(settings)
    signer = dkim.signer(settings)
    store = Store(config.database_url(settings))
    upgrade.ensure(store)
    fetcher = Fetcher()
    relays = tuple(
        Relay(
            smtp,
            password=config.password(smtp, settings, environ) or "",
            ca_file=settings.path(smtp.ca_file) if smtp.ca_file else None,
            local_hostname=platform.node(),  # not getfqdn(): that asks the DNS, which may not answer for long
        )
        for smtp in settings.smtp
    )
    return App(
        settings=settings,
        store=store,
        keys=keys,
        renderer=renderer(settings),
        relays=relays,
        fetch_picture=fetcher.picture,
        sources=_sources(settings, fetcher),
        gone=fetcher.gone if settings.articles.check_links else lambda url: False,
        now=now or (lambda: datetime.now(UTC)),
        worker=f"{platform.node()}:{os.getpid()}",
        signer=signer,
        takes_mail=Domains().takes_mail if settings.readers.ask_dns else lambda _domain: None,
    )


def renderer(settings: Settings) -> Renderer:
    """The templates in force, in the newsletter's language and colours."""
    own = settings.path(settings.templates) if settings.templates else None
    return Renderer(own, templates_folder(), settings.newsletter.locale, settings.theme)


def _sources(settings: Settings, fetcher: Fetcher) -> tuple[Source, ...]:
    """Everything that is asked for articles. A wrong name in the newsroom's column map is said here, at the start; a
    database that is only down is not: it may be up again when it is asked."""
    zone = ZoneInfo(settings.newsletter.timezone)
    found: list[Source] = [
        WordPressSource(feed, fetcher) if feed.kind == "wordpress" else FeedSource(feed, fetcher, zone)
        for feed in settings.articles.feeds
    ]
    if settings.articles.database.url:
        url = settings.articles.database.url.get_secret_value()
        if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
            url = f"sqlite:///{settings.path(Path(url.removeprefix('sqlite:///')))}"
        newsroom = DatabaseSource(settings.articles.database, url, zone)
        with contextlib.suppress(SourceUnavailable):
            newsroom.check()
        found.append(newsroom)
    return tuple(found)


def make_database(settings: Settings) -> str:
    """Makes the tables of a new deployment; returns the database's name, without a password, or '' if it had them."""
    store = Store(config.database_url(settings))
    try:
        fresh = upgrade.revision(store) is None
        upgrade.ensure(store)
        return store.name if fresh else ""
    finally:
        store.close()


def upgrade_database(settings: Settings) -> tuple[str | None, str]:
    """Brings the tables to the version of this program; the versions before (None: no tables) and after."""
    store = Store(config.database_url(settings))
    try:
        return upgrade.revision(store), upgrade.upgrade(store)
    finally:
        store.close()


def templates_folder() -> Path:
    """The built-in templates: inside the installed package, or beside it in a checkout."""
    inside = Path(str(files("mailer"))) / "templates"
    return inside if inside.is_dir() else inside.parent.parent / "templates"
