"""The newsroom's own database: any that SQLAlchemy can open, read and never written.

Its tables are theirs: a column map says which column holds what, and is checked before the first article is read. The
preset `wordpress` knows WordPress's tables and the four view counters that are in common use. It asks for the last days
only and never for more than a bounded number of rows.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Engine, MetaData, Table, create_engine, event, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from mailer.errors import ConfigError, SourceUnavailable
from mailer.model import FoundArticle
from mailer.settings import ArticleDatabase
from mailer.sources import identity, plain
from mailer.sources.found import Gathered
from mailer.sources.read import cut
from mailer.sources.wordpress import posts
from mailer.text import dates, links

_WORDS = (
    *("id", "title", "lead", "body", "url", "image_url", "image_alt", "category", "tags", "author", "published"),
    *("views", "comments", "shares", "front_page", "news_value", "closed", "source"),
)
_NEEDED = ("title", "url", "published")
_BACK = timedelta(days=14)  # as far as a late article may lie
_MOST = 20_000  # rows
_LARGEST_COUNT = 2_000_000_000

_PAGE = 20  # rows
_LONGEST_BODY, _LONGEST_RAW = 5000, 20_000  # letters, without and with markup; a choice looks at the first thousand
_CONNECT_S, _ANSWER_S = 10, 60  # seconds
Row = Mapping[str, Any]


def _patience(url: str) -> dict[str, Any]:
    """A database that is silent must hold up neither a command nor the other sources."""
    written = make_url(url)
    waits: dict[str, dict[str, Any]] = {
        "pymysql": {"connect_timeout": _CONNECT_S, "read_timeout": _ANSWER_S, "write_timeout": _ANSWER_S},
        # That a server is gone is found out by the system.
        "psycopg": {"connect_timeout": _CONNECT_S, "tcp_user_timeout": _ANSWER_S * 1000},
    }
    ours = waits.get(written.get_driver_name(), {})
    return {name: value for name, value in ours.items() if name not in written.query}  # the admin knows better


def _end_long(connection: Any, _record: Any) -> None:
    """A query that takes too long is ended by the server. Said here, because PgBouncer takes no such word before."""
    connection.autocommit = True
    connection.execute(f"SET statement_timeout = '{_ANSWER_S}s'")
    connection.autocommit = False


class DatabaseSource:
    """Articles of `settings`; `url` holds the password and is shown nowhere."""

    def __init__(self, settings: ArticleDatabase, url: str, zone: ZoneInfo, *, now: Any = None) -> None:
        self._settings, self._zone = settings, zone
        self._now = now or (lambda: datetime.now(UTC))
        self.name = "database:" + (settings.table if settings.preset == "none" else settings.preset)
        self.front_page = False
        try:
            self._engine: Engine = create_engine(url, pool_pre_ping=True, pool_size=1, connect_args=_patience(url))
            if self._engine.driver == "psycopg" and "options" not in self._engine.url.query:
                event.listen(self._engine, "connect", _end_long)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise ConfigError(
                [f"articles.database.url: no such kind of database can be opened ({type(error).__name__})."],
                "MySQL is mysql+pymysql://…, PostgreSQL postgresql+psycopg://…, SQLite sqlite:///FILE.",
            ) from None

    def check(self) -> None:
        """Whether its table and columns are there. ConfigError names every one that is not; SourceUnavailable."""
        if self._settings.preset == "wordpress":
            self._tables()
            if not self._settings.site:
                raise ConfigError(["articles.database.site: needed for the links of WordPress's articles."])
            return
        known = set(self._columns())
        wrong = [word for word in self._settings.columns if word not in _WORDS]
        problems = [f"articles.database.columns: {word!r} is no word of ours" for word in wrong]
        problems += [
            f"articles.database.columns: {self._settings.table} has no column {theirs!r} (for {ours})"
            for ours, theirs in self._settings.columns.items()
            if ours in _WORDS and theirs not in known
        ]
        missing = [word for word in _NEEDED if word not in self._settings.columns and word not in known]
        problems += [
            f"articles.database.columns: no column for {word}; {self._settings.table} has none" for word in missing
        ]
        if problems:
            raise ConfigError(problems, f"Its columns are {', '.join(sorted(known))}.")

    def gather(self, etag: str, modified: str) -> Gathered:
        """The articles of the last fourteen days. Raises SourceUnavailable and ConfigError."""
        self.check()
        since = self._now() - _BACK
        if self._settings.preset == "wordpress":
            query = posts(self._tables(), self._settings.prefix, since.astimezone(self._zone))
        else:
            query = self._query(since)
        try:
            with self._engine.connect() as connection:
                # Page by page: thousands of whole texts at once are hundreds of megabytes.
                found = connection.execution_options(yield_per=_PAGE).execute(query)
                articles = [self._article(dict(row._mapping)) for row in found]
                connection.rollback()
        except SQLAlchemyError as error:
            raise self._unavailable(error) from None
        kept = tuple(cut(article) for article in articles if article)
        untitled = len(articles) - len(kept)
        notes = (f"{self.name}: {untitled} rows without a title.",) if untitled else ()
        return Gathered(kept, notes)

    def close(self) -> None:
        self._engine.dispose()

    # --- what is there ------------------------------------------------------------------------------------------------
    def _columns(self) -> list[str]:
        schema, _, table = self._settings.table.rpartition(".")
        try:
            inspector = inspect(self._engine)
            if not inspector.has_table(table, schema or None) and table not in inspector.get_view_names(schema or None):
                raise ConfigError([f"articles.database.table: there is no table or view {self._settings.table!r}."])
            return [column["name"] for column in inspector.get_columns(table, schema or None)]
        except SQLAlchemyError as error:
            raise self._unavailable(error) from None

    def _tables(self) -> frozenset[str]:
        try:
            found = frozenset(inspect(self._engine).get_table_names())
        except SQLAlchemyError as error:
            raise self._unavailable(error) from None
        if f"{self._settings.prefix}posts" not in found:
            raise ConfigError(
                [f"articles.database.prefix: there is no table {self._settings.prefix}posts."], "Is the prefix another?"
            )
        return found

    def _unavailable(self, error: SQLAlchemyError) -> SourceUnavailable:
        said = str(getattr(error, "orig", error)).strip().splitlines()[0][:200]
        where = self._engine.url.render_as_string(hide_password=True)
        return SourceUnavailable(
            f"The newsroom's database {where} cannot be read ({said}).", "Start it, or mend [articles.database] url."
        )

    # --- reading ------------------------------------------------------------------------------------------------------
    def _query(self, since: datetime) -> Any:
        schema, _, name = self._settings.table.rpartition(".")
        known = self._columns()
        table = Table(name, MetaData(), *(Column(column) for column in known), schema=schema or None)
        theirs = {word: self._settings.columns.get(word, word) for word in _WORDS}
        wanted = [table.c[column].label(word) for word, column in theirs.items() if column in known]
        published = table.c[theirs["published"]]
        query = select(*wanted).order_by(published.desc()).limit(_MOST)
        if self._settings.where:
            query = query.where(text(f"({self._settings.where})"))
        # Dates may be text of any calendar: only a column of dates can be compared, others are bounded by the limit.
        sample = self._sample(published)
        if isinstance(sample, datetime):
            local = since.astimezone(self._zone)
            query = query.where(published >= (local if sample.tzinfo else local.replace(tzinfo=None)))
        elif isinstance(sample, date):
            query = query.where(published >= since.astimezone(self._zone).date())
        return query

    def _sample(self, column: Column[Any]) -> object:
        try:
            with self._engine.connect() as connection:
                return connection.execute(select(column).where(column.is_not(None)).limit(1)).scalar()
        except SQLAlchemyError as error:
            raise self._unavailable(error) from None

    def _article(self, row: Row) -> FoundArticle | None:
        title = plain.line(_text(row, "title"))
        if not title:
            return None
        site = self._settings.site or ""
        address = _text(row, "url")
        if self._settings.preset == "wordpress":
            address = f"?p={address}"  # which WordPress sends on to the article, however its addresses are made
        url = links.absolute(address, f"{site}/" if site else "")
        body = plain.paragraphs(_text(row, "body")[:_LONGEST_RAW])
        published, raw = self._published(row.get("published"))
        key = _text(row, "id")
        return FoundArticle(
            title=title,
            source=plain.line(_text(row, "source")) or self._settings.source or identity.host(url),
            guid=f"{self._settings.table if self._settings.preset == 'none' else 'wp'}:{key}" if key else "",
            url=url,
            lead=plain.lead(_text(row, "lead")) or plain.opening(body),
            body=body[:_LONGEST_BODY].strip(),
            category=plain.line(_text(row, "category")),
            tags=tuple(tag for each in _text(row, "tags").replace("،", ",").split(",") if (tag := plain.line(each))),
            author=plain.line(_text(row, "author")),
            image_url=links.absolute(_text(row, "image_url"), f"{site}/" if site else ""),
            image_alt=plain.line(_text(row, "image_alt")),
            published=published,
            published_raw=raw,
            views=_count(row, "views"),
            comments=_count(row, "comments"),
            shares=_count(row, "shares"),
            front_page=_flag(row, "front_page"),
            news_value=_news_value(row),
            closed=_flag(row, "closed"),
        )

    def _published(self, value: object) -> tuple[datetime | None, str]:
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=self._zone)).astimezone(UTC), value.isoformat()
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=self._zone).astimezone(UTC), value.isoformat()
        raw = plain.line(str(value)) if value is not None else ""
        return dates.parse(raw, zone=self._zone), raw


def _flag(row: Row, name: str) -> bool | None:
    """None: the row does not say."""
    said = _text(row, name).lower()
    return said in ("1", "true", "t", "y", "yes") if said else None


def _text(row: Row, word: str) -> str:
    value = row.get(word)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _count(row: Row, word: str) -> int | None:
    """Missing is not zero, and what is no count is missing."""
    value = row.get(word)
    try:
        number = int(value) if value is not None else None
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number is not None and 0 <= number <= _LARGEST_COUNT else None


def _news_value(row: Row) -> int | None:
    try:
        value = row.get("news_value")
        return max(-2, min(2, int(value))) if value is not None else None
    except (TypeError, ValueError, OverflowError):
        return None
