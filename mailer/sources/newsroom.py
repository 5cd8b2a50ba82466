"""Reads articles from the newsroom's own database, which may be any that SQLAlchemy can open. Never writes to it.

The settings name the table and map the fields of an article to columns. This map is checked before the first article is
read. The preset `wordpress` knows the tables of WordPress and of the four common view counters. Only the articles of
the last fourteen days are read, up to a limited number of rows.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Connection, Engine, MetaData, Table, create_engine, event, func, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from mailer.errors import ConfigError, SourceUnavailable
from mailer.model import FoundArticle
from mailer.settings import ARTICLE_FIELDS, ArticleDatabase
from mailer.sources import identity, plain
from mailer.sources.cut import cut
from mailer.sources.found import Gathered
from mailer.sources.values import Findings, Values
from mailer.sources.wordpress import picture, posts

_REQUIRED = ("title", "url", "published")
# Older articles are not read. `choice.time_span` accepts late articles up to this age.
_BACK = timedelta(days=14)
_MOST = 20_000  # maximum number of rows that one query returns

_FEW = 1000  # a table of Unix times with at most this many rows is read as a whole
_UNIX = {9: 1, 10: 1, 13: 1000}  # number of digits of a Unix time → its units in one second
_PAGE = 20  # rows that are fetched together
# Longest body in characters, without and with markup. The choice of stories uses only the first thousand characters.
_LONGEST_BODY, _LONGEST_RAW = 5000, 20_000
_CONNECT_S, _ANSWER_S = 10, 60  # seconds to wait for a connection, and for an answer
Row = Mapping[str, Any]


def timeouts(url: str) -> dict[str, Any]:
    """Return driver arguments that limit the wait for a database that does not respond.

    Without these limits, such a database would block a command or delay the other sources.
    """
    parsed = make_url(url)
    arguments: dict[str, dict[str, Any]] = {
        "pymysql": {"connect_timeout": _CONNECT_S, "read_timeout": _ANSWER_S, "write_timeout": _ANSWER_S},
        # With tcp_user_timeout, the operating system ends the connection to a server that no longer responds.
        "psycopg": {"connect_timeout": _CONNECT_S, "tcp_user_timeout": _ANSWER_S * 1000},
    }
    found = arguments.get(parsed.get_driver_name(), {})
    # Parameters in the admin's URL take precedence.
    return {name: value for name, value in found.items() if name not in parsed.query}


def _end_long_queries(connection: Any, _record: Any) -> None:
    """Make the server end a query that takes too long.

    The limit is set after connecting, because PgBouncer refuses `statement_timeout` as a connection parameter.
    """
    connection.autocommit = True
    connection.execute(f"SET statement_timeout = '{_ANSWER_S}s'")
    connection.autocommit = False


class DatabaseSource:
    """Gathers the articles of the database in `settings`. `url` contains the password, which is never shown."""

    def __init__(self, settings: ArticleDatabase, url: str, zone: ZoneInfo, *, now: Any = None) -> None:
        self._settings, self._url, self._zone = settings, url, zone
        self._now = now or (lambda: datetime.now(UTC))
        self.name = "database:" + (settings.table if settings.preset == "none" else settings.preset)
        self.front_page = self.slow = False

    @cached_property
    def _engine(self) -> Engine:
        """The connections, made on first use, so that a missing driver stops neither the other sources nor the service.

        Raises ConfigError if no driver can open the URL.
        """
        url = self._url
        try:
            engine = create_engine(url, pool_pre_ping=True, pool_size=1, connect_args=timeouts(url))
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            # The text of the error may contain the URL, and with it the password.
            why = f"there is no module {error.name}" if isinstance(error, ImportError) else type(error).__name__
            raise ConfigError(
                [f"articles.database.url: this kind of database cannot be opened ({why})."],
                "MySQL is mysql+pymysql://… (pip install 'khabarnameh[mysql]'), PostgreSQL postgresql+psycopg://…, "
                "SQLite sqlite:///FILE.",
            ) from None
        if engine.driver == "psycopg" and "options" not in engine.url.query:
            event.listen(engine, "connect", _end_long_queries)
        return engine

    def check(self) -> None:
        """Check that the table and its columns exist.

        Raises ConfigError with a list of everything that is missing, or SourceUnavailable if the database cannot be
        read.
        """
        if self._settings.preset == "wordpress":
            self._tables()
            if not self._settings.site:
                raise ConfigError(["articles.database.site: needed for the links of WordPress's articles."])
            return
        existing, table, columns = set(self._columns()), self._settings.table, self._settings.columns
        problems = [
            f"{table} has no column {column!r} (for {field})"
            for field, column in columns.items()
            if column not in existing
        ]
        problems += [
            f"no column for {field}; {table} has none"
            for field in _REQUIRED
            if field not in columns and field not in existing
        ]
        if problems:
            raise ConfigError(
                [f"articles.database.columns: {problem}" for problem in problems],
                f"Its columns are {', '.join(sorted(existing))}.",
            )

    def gather(self, etag: str, modified: str) -> Gathered:
        """Return the articles of the last fourteen days. Raises SourceUnavailable or ConfigError."""
        self.check()
        now, findings, notes = self._now(), Findings(), list[str]()
        since = now - _BACK
        if self._settings.preset == "wordpress":
            query = posts(self._tables(), self._settings.prefix, since.astimezone(self._zone))
        else:
            query, notes = self._query(since)
        with self._connected() as connection:
            # Fetch a few rows at a time, because thousands of whole texts take hundreds of megabytes.
            found = connection.execution_options(yield_per=_PAGE).execute(query)
            articles = [self._article(self._values(dict(row._mapping), findings, now)) for row in found]
        if not self._settings.site and findings.odd.get("url") and not any(article.url for article in articles):
            count, example = findings.odd["url"]
            raise ConfigError(
                [f"articles.database.site: none of the {count} links is a whole web address, such as {example}."],
                'Set site to the address of the news site, such as site = "https://www.example.org".',
            )
        kept, long = cut(self.name, (article for article in articles if article.title))
        untitled = len(articles) - len(kept)
        notes += [f"{self.name}: {untitled} rows without a title."] if untitled else []
        return Gathered(kept, (*notes, *findings.notes(self.name), *long))

    def close(self) -> None:
        self._engine.dispose()

    # --- tables and columns -------------------------------------------------------------------------------------------
    def _columns(self) -> list[str]:
        schema, _, table = self._settings.table.rpartition(".")
        with self._connected() as connection:
            inspector = inspect(connection)
            if not inspector.has_table(table, schema or None) and table not in inspector.get_view_names(schema or None):
                others = sorted({*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)})
                raise ConfigError(
                    [f"articles.database.table: there is no table or view {self._settings.table!r}."],
                    f"There are {', '.join(others[:20])}." if others else "This database has no tables.",
                )
            return [column["name"] for column in inspector.get_columns(table, schema or None)]

    def _tables(self) -> frozenset[str]:
        with self._connected() as connection:
            found = frozenset(inspect(connection).get_table_names())
        if f"{self._settings.prefix}posts" not in found:
            raise ConfigError(
                [f"articles.database.prefix: there is no table {self._settings.prefix}posts."],
                "Does this site have another prefix?",
            )
        return found

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """Yield a connection. Raises SourceUnavailable if the database reports an error, and ConfigError if the driver
        does not understand the URL."""
        try:
            with self._connection() as connection:
                yield connection
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", error)).strip().splitlines()[0][:200]
            where = self._engine.url.render_as_string(hide_password=True)
            raise SourceUnavailable(
                f"The newsroom's database {where} cannot be read ({reason}).",
                "Is it running? Are its URL, user, password and name right, and articles.database.where?",
            ) from None

    def _connection(self) -> Connection:
        try:
            return self._engine.connect()
        except (TypeError, ValueError):  # what drivers raise for a parameter that they do not know
            names = ", ".join(self._engine.url.query) or "none"
            raise ConfigError(
                [f"articles.database.url: {self._engine.driver} does not understand its parameters ({names})."],
                "Remove them, or correct their names and values.",
            ) from None

    # --- reading ------------------------------------------------------------------------------------------------------
    def _query(self, since: datetime) -> tuple[Any, list[str]]:
        """Return the query for the newest rows, and a note about rows that it leaves out because they have no date."""
        schema, _, name = self._settings.table.rpartition(".")
        existing = self._columns()
        table = Table(name, MetaData(), *(Column(column) for column in existing), schema=schema or None)
        columns = {field: self._settings.columns.get(field, field) for field in ARTICLE_FIELDS}
        wanted = [table.c[column].label(field) for field, column in columns.items() if column in existing]
        published = table.c[columns["published"]]
        query = select(*wanted).order_by(published.desc()).limit(_MOST)
        if self._settings.where:
            query = query.where(text(f"({self._settings.where})"))

        # The column may contain dates as text, in any calendar. Only a column of a date type, or one of Unix seconds or
        # milliseconds, can be compared with `since`. For any other column, only the number of rows is limited.
        def count(rows: Any, limit: int = _MOST) -> int:
            with self._connected() as connection:
                found = connection.execute(select(func.count()).select_from(rows.limit(limit).subquery())).scalar()
            return found or 0

        with self._connected() as connection:
            dated = select(published).where(published.is_not(None)).order_by(published.desc())
            sample = connection.execute(dated.limit(1)).scalar()
        local = since.astimezone(self._zone)
        first: object = None
        if isinstance(sample, datetime):
            first = local if sample.tzinfo else local.replace(tzinfo=None)
        elif isinstance(sample, date):
            first = local.date()
        elif isinstance(sample, int) and len(str(sample)) in _UNIX:
            is_large = count(select(published), _FEW + 1) > _FEW
            first = int(since.timestamp()) * _UNIX[len(str(sample))] if is_large else 1
        if first is None:
            return query, []
        undated = published.is_(None) if isinstance(first, date) else published.is_(None) | (published == 0)
        rows = select(published).where(undated)
        if self._settings.where:
            rows = rows.where(text(f"({self._settings.where})"))
        left_out = count(rows)
        note = f"{self.name}: {left_out} rows have no date and were left out; they may not have been published."
        return query.where(published >= first), [note] if left_out else []

    def _values(self, row: Row, findings: Findings, now: datetime) -> Values:
        where = f"id {row['id']}" if row.get("id") is not None else ""
        if self._settings.preset == "wordpress":
            # WordPress redirects "?p=<id>" to the article, whatever form the site's permalinks have.
            row = {**row, "url": f"?p={row['id']}", "image_url": picture(row, self._settings.prefix)}
        row = {name: value[:_LONGEST_RAW] if isinstance(value, str | bytes) else value for name, value in row.items()}
        return Values(row, findings, self._zone, now, where)

    def _article(self, values: Values) -> FoundArticle:
        site = f"{self._settings.site}/" if self._settings.site else ""
        url = values.link("url", site)
        body = plain.paragraphs(values.text("body"))
        published, raw = values.date("published")
        key = values.text("id")
        category, *more = values.names("category") or ("",)
        value = values.number("news_value")
        return FoundArticle(
            title=values.line("title"),
            source=values.line("source") or self._settings.source or identity.host(url),
            guid=f"{self._settings.table if self._settings.preset == 'none' else 'wp'}:{key}" if key else "",
            url=url,
            lead=plain.lead(values.text("lead")) or plain.opening(body),
            body=body[:_LONGEST_BODY].strip(),
            category=category,
            tags=plain.labels((*more, *values.labels("tags"))),
            author="، ".join(values.names("author")),
            image_url=values.picture("image_url", site),
            image_alt=values.line("image_alt"),
            published=published,
            published_raw=raw,
            views=values.count("views"),
            comments=values.count("comments"),
            shares=values.count("shares"),
            front_page=values.flag("front_page"),
            news_value=None if value is None else max(-2, min(2, value)),
            closed=values.flag("closed"),
        )
