"""Makes the App from the settings. This is the only module that chooses the implementations that the App contains.

Most commands need little more than the database. The other parts are imported and made only when they are first used,
because their libraries take longer to import than a short command takes to run.
"""

import contextlib
import os
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, assert_never
from zoneinfo import ZoneInfo

from mailer import config, files
from mailer.context import App
from mailer.errors import ConfigError, LostKey, SourceUnavailable, StoreUnavailable
from mailer.model import IssueState
from mailer.settings import Settings
from mailer.store import upgrade
from mailer.store.database import Store, file_of

if TYPE_CHECKING:
    from mailer.domains import Domains
    from mailer.mail.dkim import Signer
    from mailer.mail.render import Renderer
    from mailer.smtp.relay import Relay
    from mailer.sources.documents import Documents
    from mailer.sources.fetch import Fetcher
    from mailer.sources.found import Source


_STAMP = b"""\
# The key beside this file was used with a database. So if the SQLite file is missing, mailer does not make a new one:
# an empty list would have lost who has unsubscribed. `mailer init --new-database` makes one all the same.
"""


def wire(settings: Settings, environ: Mapping[str, str], now: Callable[[], datetime] | None = None) -> App:
    """Returns the App for these settings. Opens the database and makes its tables if there are none; connects to no
    relay yet.

    Raises ConfigError if a key file is missing or wrong, and StoreUnavailable or StoreOutdated if the database cannot
    be used.
    """
    keys = config.keys(settings)
    signer = _signer(settings)
    store = _open(settings)
    _stamp(settings)
    fetcher, domains, documents = cache(_fetcher), cache(_domains), cache(partial(_documents, store))
    return App(
        settings=settings,
        store=store,
        keys=keys,
        make_renderer=lambda: renderer(settings),
        make_relays=lambda: _relays(settings, environ),
        make_sources=lambda: _sources(settings, store, fetcher(), documents()),
        check=_check,
        make_documents=documents,
        fetch_picture=lambda url: fetcher().picture(url),
        gone=(lambda url: fetcher().gone(url)) if settings.articles.check_links else (lambda _url: False),
        now=now or (lambda: datetime.now(UTC)),
        worker=f"{platform.node()}:{os.getpid()}",
        signer=signer,
        takes_mail=(lambda domain: domains().takes_mail(domain))
        if settings.readers.ask_dns
        else (lambda _domain: None),
    )


def renderer(settings: Settings) -> "Renderer":
    """Returns a renderer with the templates that the settings choose, in the newsletter's language and colours."""
    from mailer.mail.render import Renderer

    own = settings.path(settings.templates) if settings.templates else None
    return Renderer(own, templates_folder(), settings.newsletter.locale, settings.theme)


def _signer(settings: Settings) -> "Signer | None":
    """Returns the signer of the mails, or None if the relay signs the mails."""
    if settings.delivery.dkim == "relay":
        return None
    from mailer.config import dkim

    return dkim.signer(settings)


def _fetcher() -> "Fetcher":
    from mailer.sources.fetch import Fetcher

    return Fetcher()


def _documents(store: Store) -> "Documents":
    from mailer.sources.documents import Documents
    from mailer.store import issues

    def an_issue_is_sent() -> bool:
        return bool(store.read(lambda tx: issues.recent(tx, states=(IssueState.SENDING,), limit=1)))

    return Documents(an_issue_is_sent)


def _domains() -> "Domains":
    from mailer.domains import Domains

    return Domains()


def _relays(settings: Settings, environ: Mapping[str, str]) -> "tuple[Relay, ...]":
    from mailer.smtp.relay import Relay

    return tuple(
        Relay(
            smtp,
            password=config.password(smtp, settings, environ) or "",
            ca_file=settings.path(smtp.ca_file) if smtp.ca_file else None,
            local_hostname=platform.node(),  # getfqdn() would ask the DNS, which may be slow to answer
        )
        for smtp in settings.smtp
    )


def _sources(settings: Settings, store: Store, fetcher: "Fetcher", documents: "Documents") -> "tuple[Source, ...]":
    """Returns every source that articles are collected from. Connects to none of them."""
    from mailer.sources.front import FrontSource, MostReadSource
    from mailer.sources.gather import FeedSource
    from mailer.sources.sitemap import SitemapSource
    from mailer.sources.wordpress import WordPressSource
    from mailer.store.feeds import PageVisits

    zone = ZoneInfo(settings.newsletter.timezone)
    found: list[Source] = []
    for feed in settings.articles.feeds:
        match feed.kind:
            case "feed":
                found.append(FeedSource(feed, fetcher, zone, documents))
            case "wordpress":
                found.append(WordPressSource(feed, fetcher, documents))
            case "sitemap":
                found.append(SitemapSource(feed, fetcher, zone, documents, partial(PageVisits, store)))
            case "front":
                found.append(FrontSource(feed, fetcher, zone, documents))
            case "most_read":
                found.append(MostReadSource(feed, fetcher, zone, documents))
            case _:
                assert_never(feed.kind)
    if settings.articles.database.url:
        from mailer.sources.newsroom import DatabaseSource

        url = settings.articles.database.url.get_secret_value()
        if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
            url = f"sqlite:///{settings.path(Path(url.removeprefix('sqlite:///')))}"
        found.append(DatabaseSource(settings.articles.database, url, zone))
    return tuple(found)


def _check(sources: "tuple[Source, ...]") -> None:
    from mailer.sources.newsroom import DatabaseSource

    for source in sources:
        if isinstance(source, DatabaseSource):
            with contextlib.suppress(SourceUnavailable):
                source.check()


# --- the database ----------------------------------------------------------------------------------------------------
def make_database(settings: Settings, *, new: bool = False) -> str:
    """Makes the tables if there are none, and then returns the database's name without a password. Returns "" if there
    were tables already.

    If the SQLite file is missing although the key file was already used with a database, that database was probably
    lost, and StoreUnavailable is raised. With `new`, a new file is made all the same.
    """
    may_make = new or not _is_stamped(settings)
    file = file_of(config.database_url(settings))
    made = _make_missing(settings, file, new=new) if file else False
    with contextlib.closing(Store(config.database_url(settings))) as store:
        fresh = made or upgrade.revision(store) is None
        upgrade.ensure(store, make=may_make)
        return store.name if fresh else ""


def check_key_is_new(settings: Settings) -> None:
    """Raises LostKey if a database was used with the missing key of these settings."""
    key = settings.path(settings.keys.file)
    if _is_stamped(settings):
        why = f"{_stamp_of(settings).name} is there"
    elif name := _database_in_use(settings):
        why = f"{name} has subscribers"
    else:
        return
    raise LostKey(
        f"{key} is missing, but it was used before: {why}.",
        "Restore the key from a backup. `mailer init --new-key` makes a new one; then no link in an old mail works, "
        "and the hashes of people who left and were forgotten match no address, so they could be added again.",
    )


def _database_in_use(settings: Settings) -> str:
    """Returns the name of the database if it has subscribers, and otherwise ""."""
    url = config.database_url(settings)
    file = file_of(url)
    if file and not os.access(file, os.F_OK):
        return ""
    with contextlib.closing(Store(url)) as store:
        return store.name if upgrade.in_use(store) else ""


def check_databases(settings: Settings) -> None:
    """Raises ConfigError if a database URL cannot be used. Connects to nothing, so a database need not be running."""
    problems = []
    file = file_of(config.database_url(settings))
    if file and not file.parent.is_dir():
        problems.append(f"database.url: there is no folder {file.parent}")
    elif file and file.is_dir():
        problems.append(f"database.url: {file} is a folder, not a file")
    elif _is_in_memory(settings):
        problems.append("database.url: a database in memory ends with each command; name a file")
    if settings.articles.database.url:
        from mailer.sources.newsroom import DatabaseSource

        url = settings.articles.database.url.get_secret_value()
        try:
            DatabaseSource(settings.articles.database, url, ZoneInfo(settings.newsletter.timezone)).close()
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)


def upgrade_database(settings: Settings) -> tuple[str | None, str]:
    """Brings the tables to this program's version. Returns the version before (None if there were no tables) and the
    version after."""
    used = _is_stamped(settings)
    with contextlib.closing(_store(settings)) as store:
        before = upgrade.revision(store)
        if before is None:
            upgrade.ensure(store, make=not used)
        return before, upgrade.upgrade(store)


def _open(settings: Settings) -> Store:
    """Opens the database. If the deployment is new, makes a missing SQLite file and the tables of an empty database."""
    # Look for the stamp (see `_stamp`) before the tables. Another process may be making both at this moment, and it
    # makes the stamp last.
    used = _is_stamped(settings)
    store = _store(settings)
    try:
        upgrade.ensure(store, make=not used)
    except BaseException:
        store.close()
        raise
    return store


def _store(settings: Settings) -> Store:
    url = config.database_url(settings)
    if file := file_of(url):
        _make_missing(settings, file)
    return Store(url)


def _make_missing(settings: Settings, file: Path, *, new: bool = False) -> bool:
    """Makes a missing SQLite file. Returns False if the file exists.

    Raises StoreUnavailable if the key was used with a database before, unless `new` is true: an empty database,
    which has no suppressions, must not silently replace a lost one.
    """
    # Look for the traces of an earlier database first. Another process may make the file at this moment, and these
    # traces appear only after the file.
    wal, stamp = file.with_name(f"{file.name}-wal"), _stamp_of(settings)
    traces = [each for each in ((wal,) if new else (wal, stamp)) if os.access(each, os.F_OK)]
    if os.access(file, os.F_OK) or not file.parent.is_dir():  # opening the database reports a missing folder
        return False
    if wal in traces:
        raise StoreUnavailable(
            f"The database {file} is missing, but {wal.name} is there: was it lost, or moved without that file?",
            f"Put the file back or restore a backup. To start with a new one, move {wal.name} away first.",
        )
    if traces:
        raise StoreUnavailable(f"The database {file} is missing{upgrade.USED}", upgrade.FIX_USED)
    return upgrade.make_file(file)


def _stamp_of(settings: Settings) -> Path:
    key = settings.path(settings.keys.file)
    return key.with_name(f"{key.name}.used")


def _is_in_memory(settings: Settings) -> bool:
    url = config.database_url(settings)
    return url.startswith("sqlite") and file_of(url) is None


def _is_stamped(settings: Settings) -> bool:
    return os.access(_stamp_of(settings), os.F_OK)


def _stamp(settings: Settings) -> None:
    """Records in a file beside the key that the key was used with a database.

    Does nothing if the folder cannot be written, or if the database is only in memory.
    """
    stamp = _stamp_of(settings)
    if not _is_in_memory(settings) and not os.access(stamp, os.F_OK):
        with contextlib.suppress(OSError):
            files.write_new(stamp, _STAMP)


def templates_folder() -> Path:
    """Returns the folder of the built-in templates: inside the installed package, or beside the package in a
    checkout."""
    inside = Path(__file__).parent / "templates"
    return inside if inside.is_dir() else inside.parent.parent / "templates"
