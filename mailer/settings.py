"""Every setting, once: its type, its default, its limits and its meaning.

`config.toml`, `mailer init` and the documentation are made from this file, and a test compares them. It reads nothing:
`config` fills these from the file and from `MAILER_*`.
"""

import re
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mailer.lanes import DOMAINS, LANES
from mailer.model import Rate

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        found = re.fullmatch(r"(\d{1,6})\s*([smhd])", value.strip())
        if not found:
            raise ValueError('should be a number and a unit, such as "90s", "30m", "24h" or "7d"')
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
    if isinstance(value, timedelta):
        return value
    raise ValueError('should be text such as "24h", in quotation marks')


def _clock(value: Any) -> Any:
    if isinstance(value, str):
        found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", value.strip())
        if not found:
            raise ValueError('should be a time of day such as "09:00"')
        return time(int(found[1]), int(found[2]))
    if isinstance(value, time):
        return value
    raise ValueError('should be text such as "09:00", in quotation marks')


def _day(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value.strip()):
        return value.strip()
    if type(value) is date:
        return value
    raise ValueError("should be a date such as 2027-03-21")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone is called {value!r}; names look like Asia/Tehran") from None
    return value


def _http_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value):
        raise ValueError("should be an address such as https://news.example.org, without ? or #")
    return value.rstrip("/")


def _http_query(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s#]*", value):
        raise ValueError("should be an address such as https://news.example.org/rss")
    return value


def _mailbox(value: str) -> str:
    if not re.fullmatch(r"(?:[^<>\x00-\x1f\x7f@]*<)?[^\s<>@,;:\"\\]+@[^\s<>@]+\.[^\s<>@.]+>?", value) or (
        value.count("<") != value.count(">")
    ):
        raise ValueError('should be an address such as "news@example.org" or "ایران من <news@example.org>"')
    return value


def _list_id(value: str) -> str:
    if len(value) > 200 or not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", value):
        raise ValueError("should be a name such as weekly.news.example.org")
    return value


def _domain(value: str) -> str:
    if len(value) > 200 or not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", value):
        raise ValueError("should be a domain such as example.org, in small letters and ASCII (xn--…)")
    return value


def _selector(value: str) -> str:
    if len(value) > 63 or not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", value):
        raise ValueError("should be a name of small letters, digits and hyphens")
    return value


def rate_of(text: str) -> Rate:
    """ "500/hour", "10/s", "2000 / 10m" as a `Rate`. ValueError: it is none."""
    found = re.fullmatch(r"\s*(\d{1,7})\s*/\s*(\d{0,4})\s*(s|sec|second|m|min|minute|h|hour|d|day)\s*", text)
    if not found or not int(found[1]) or found[2].lstrip("0") != found[2]:
        raise ValueError('should be a number and a time, such as "500/hour", "10/s" or "2000/10m"')
    rate = Rate(int(found[1]), int(found[2] or 1) * timedelta(**{_UNITS[found[3][0]]: 1}).total_seconds())
    if rate.count / rate.seconds > 10_000 or rate.seconds > 7 * 86_400:
        raise ValueError("should be at most 10000 a second, and counted over a week at most")
    return rate


def _rate(value: str) -> str:
    rate_of(value)
    return value


def _lanes(value: dict[str, str]) -> dict[str, str]:
    for lane in value:
        if lane not in LANES and not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", lane):
            raise ValueError(f"{lane!r} is neither a lane ({', '.join(LANES)}) nor a domain in small ASCII letters")
    return value


_SERVER = re.compile(
    r"postgresql(\+psycopg)?://([^:@/?#]*(:[^@]*)?@)?([^@/?#:\s\[\]]*|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?"
    r"(/[^@?]*)?(\?[^@]*)?"
)


def _database_url(value: str) -> str:
    if not re.fullmatch(r"(sqlite:///|postgresql(\+psycopg)?://)\S.*", value):
        raise ValueError("should be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
    if value.startswith("postgresql"):
        # SQLAlchemy takes what stands between two @ for the host, and then shows a part of the password in every error.
        found = _SERVER.fullmatch(value)
        if not found or (found["port"] and not 0 < int(found["port"]) <= 65535):
            raise ValueError(
                "should be postgresql://USER:PASSWORD@HOST:PORT/NAME, PORT a number; @ in the password is written %40"
            )
    return value


def _colour(value: str) -> str:
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", value):
        raise ValueError('should be a colour such as "#0f5f4b"')
    return value.lower()


Duration = Annotated[timedelta, BeforeValidator(_duration)]
ClockTime = Annotated[time, BeforeValidator(_clock)]
Day = Annotated[date, BeforeValidator(_day)]
Zone = Annotated[str, AfterValidator(_zone)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
HttpQuery = Annotated[str, AfterValidator(_http_query)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Selector = Annotated[str, AfterValidator(_selector)]
RateText = Annotated[str, AfterValidator(_rate)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
Share = Annotated[float, Field(gt=0, le=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Section(BaseModel):
    """What every section of the file keeps to: no unknown names, no change after loading."""

    # defer_build: the validator of the whole file includes those of its sections, which are not needed by themselves.
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True, defer_build=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _plain_number(cls, value: Any, info: ValidationInfo) -> Any:
        """`true` is not 1 and "25" is not 25: what pydantic would bend into shape is far more often a slip."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if kind is bool and type(value) is not bool:
            raise ValueError("should be true or false")
        if kind is int and type(value) is not int:
            raise ValueError("should be a whole number")
        if kind is float and type(value) not in (int, float):
            raise ValueError("should be a number")
        return value


class Newsletter(Section):
    """Who writes to the readers, and in which words and calendar."""

    name: Line = Field("ایران من", min_length=1, description="The newsroom's name, as readers know it.")
    title: Line = Field("خبرنامهٔ هفتگی", min_length=1, description="What the newsletter is called under that name.")
    from_: Mailbox = Field(
        "news@example.org",
        alias="from",
        description="The sender. An address, or a name and an address; without a name, the newsroom's is used.",
    )
    reply_to: Mailbox | None = Field(
        None, examples=["editors@example.org"], description="Where a reader's answer goes, when not to the sender."
    )
    base_url: HttpUrl = Field(
        "http://127.0.0.1:8080",
        description="The public address of this service's pages, a host of its own without a path; every link to us "
        "in a mail begins with it.",
    )
    site_url: HttpUrl | None = Field(
        None, examples=["https://www.example.org"], description="The news site itself, for the footer of the mail."
    )
    list_id: Annotated[str, AfterValidator(_list_id)] | None = Field(
        None,
        examples=["weekly.news.example.org"],
        description="The list's name for mail programs (RFC 2919); by default weekly.<sender's domain>.",
    )
    locale: Literal["fa", "ar", "en"] = Field("fa", description="Language of mails and pages.")
    calendar: Literal["jalali", "gregorian"] = Field(
        "jalali", description="Calendar of dates and weeks: Jalali weeks begin on Saturday, the others are ISO weeks."
    )
    timezone: Zone = Field("Asia/Tehran", description="The clock of days, weeks and the sending time.")
    postal_address: Line = Field("", description="The newsroom's address, printed in the footer; many laws ask for it.")
    sections: dict[str, Line] = Field(
        default_factory=dict,
        examples=[{"سیاسی": "سیاست", "سیاست خارجی": "سیاست", "اقتصادی": "اقتصاد"}],
        description="Raw category = section, in the order of the mail; a category not named here goes to «دیگر خبرها».",
    )


class Theme(Section):
    """How mails and pages look."""

    accent: Annotated[str, AfterValidator(_colour)] = Field(
        "#0f5f4b", description="The newsroom's colour; it is made darker or lighter where it could not be read."
    )
    logo: HttpUrl | None = Field(
        None,
        examples=["https://www.example.org/logo.png"],
        description="A JPEG, PNG or GIF in place of the name in letters, with a background of its own.",
    )
    logo_width: int = Field(160, ge=16, le=544, description="How wide the logo is shown, in pixels.")
    footer: Line = Field("", description="A line of the newsroom's own at the end of every mail.")
    images: Literal["link", "host"] = Field(
        "link",
        description='"host": pictures of stories are fetched, made small and served from our own /media; '
        '"link": left where they are.',
    )


class Schedule(Section):
    """When the week's issue is drafted and sent."""

    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = Field(
        "thursday", description="The day of sending."
    )
    time: ClockTime = Field(time(9, 0), description="The time of sending, T, on the clock of newsletter.timezone.")
    draft_before: Duration = Field(
        timedelta(hours=24),
        ge=timedelta(minutes=5),
        le=timedelta(days=6),
        description="How long before T the draft is made; until T it is chosen anew every hour.",
    )
    max_late: Duration = Field(
        timedelta(hours=24),
        ge=timedelta(minutes=1),
        le=timedelta(days=6),
        description="After T + this, an issue that is not out is skipped.",
    )
    min_window: Duration = Field(
        timedelta(hours=2),
        ge=timedelta(0),
        le=timedelta(hours=24),
        description="What editors get at least, when the service was down at draft time.",
    )
    approval: Literal["none", "required"] = Field(
        "none", description='"required": an issue that no editor approves is held, not sent.'
    )
    holidays: tuple[Day, ...] = Field(
        (), description="Days without sending, as 2027-03-21; the issue goes out on the next other day of its week."
    )


class Feed(Section):
    """A site to collect articles from. Several: each is asked by itself, and one that fails spoils no other."""

    url: HttpQuery | None = Field(
        None,
        examples=["https://www.example.org/rss"],
        description="The feed's address; with kind = \"wordpress\", the site's.",
    )
    kind: Literal["feed", "wordpress"] = Field(
        "feed", description="RSS, Atom or JSON Feed; or the REST interface of a WordPress site."
    )
    source: Line = Field("", examples=["کتاب هفته"], description="The outlet's name; by default the site's host.")
    category: Line = Field("", examples=["سیاسی"], description="For articles that name none.")
    front_page: bool = Field(
        False, description="The feed lists the front page, the first story first; its places count in the choice."
    )

    @model_validator(mode="after")
    def _somewhere(self) -> "Feed":
        if self.url is None:
            raise ValueError("a feed needs a url")
        return self

    @property
    def address(self) -> str:
        """What is asked. A feed's own last slash stays: without it many sites send one on to another address."""
        return (self.url or "").rstrip("/") if self.kind == "wordpress" else self.url or ""


class ArticleDatabase(Section):
    """The newsroom's own database, read and never written. Give its user the right to SELECT and no other."""

    url: SecretStr | None = Field(
        None,
        examples=["mysql+pymysql://reader:…@127.0.0.1/news"],
        description="Any SQLAlchemy URL; without one there is no such database.",
    )
    preset: Literal["none", "wordpress"] = Field(
        "none", description='"wordpress": its tables and view counters are known; columns are not needed.'
    )
    prefix: Line = Field("wp_", description="How the names of WordPress's tables begin.")
    site: HttpUrl | None = Field(
        None, examples=["https://www.example.org"], description="What links that begin with / or ? are made whole with."
    )
    table: Line = Field("newsletter_articles", description="The table or view that holds the articles.")
    columns: dict[str, Line] = Field(
        default_factory=dict,
        examples=[{"title": "news_title", "url": "link", "published": "publish_date"}],
        description="Our word = their column, where they differ: id, title, lead, body, url, image_url, image_alt, "
        "category, tags, author, published, views, comments, shares, front_page, news_value, closed, source.",
    )
    where: Line = Field("", examples=["status = 'published'"], description="A condition in SQL: what may be told.")
    source: Line = Field("", description="The outlet's name, for articles that name none.")


class Articles(Section):
    """Where articles come from, besides `mailer articles import`."""

    every: Duration = Field(
        timedelta(hours=1),
        ge=timedelta(minutes=5),
        le=timedelta(days=1),
        description="How often a source is asked. Feeds hold the newest few: a weekly look would miss most of a week.",
    )
    spelling: bool = Field(
        True, description="Mend broken half-spaces and Arabic letters in titles and leads; the original is kept."
    )
    spelling_exceptions: tuple[Line, ...] = Field((), description="Words that are left as they are written.")
    check_links: bool = Field(True, description="Before T, leave out stories whose pages are gone (404, 410).")
    feeds: tuple[Feed, ...] = Field((), description="Sites to collect from.")
    database: ArticleDatabase = Field({}, validate_default=True)


class Digest(Section):
    """How the week's top stories are chosen."""

    stories: int = Field(12, ge=1, le=16, description="Stories in an issue, at most.")
    min_stories: int = Field(5, ge=1, le=16, description="With fewer, the issue is held and nobody is mailed.")
    max_section: Share = Field(0.34, description="The share of an issue that one section may have.")
    max_source: Share = Field(
        0.5, description="The share of an issue that one source may have, when there are several."
    )
    max_day: Share = Field(0.4, description="The share of an issue that one day of the week may have.")
    banned_words: tuple[Line, ...] = Field(
        ("رپرتاژ", "رپورتاژ", "رپرتاژآگهی", "رپورتاژآگهی", "تبلیغاتی"),
        description="An article with one of these in its title, category or tags is never chosen: paid content.",
    )

    most_read: int = Field(0, ge=0, le=10, description="Titles in the list of the most read; 0: no list.")

    @model_validator(mode="after")
    def _fits(self) -> "Digest":
        if self.min_stories > self.stories:
            raise ValueError("min_stories is larger than stories")
        return self


class Editors(Section):
    """The people who may look at a draft before it goes out."""

    notify: tuple[Mailbox, ...] = Field(
        (),
        description="Who is told by mail that a draft is there or is held, with a link that approves or holds it.",
    )


class Delivery(Section):
    """How mails go out."""

    connections: int = Field(10, ge=1, le=100, description="Connections to the relays in each sending process.")
    rate: RateText | None = Field(
        None,
        examples=["10000/hour"],
        description="The most mails in any second, minute, hour or day, over all relays and processes.",
    )
    lanes: Annotated[dict[str, RateText], AfterValidator(_lanes)] = Field(
        default_factory=dict,
        examples=[{"gmail": "2000/hour", "example.org": "10/m"}],
        description="Lane = the most mails to it. A lane is a large provider with all its domains "
        f"({', '.join(DOMAINS)}), one domain, or «default»: all others.",
    )
    warm_up: tuple[Share, ...] = Field(
        (),
        examples=[[0.1, 0.25, 0.5]],
        description="For a sender that nobody knows yet: the share of every rate that the first, second, … issue may "
        "use. Counted by issues, not by days.",
    )
    on_unknown: Literal["resend", "hold"] = Field(
        "resend",
        description="A mail whose fate is not known after a crash or a lost line: sent once more, or never again.",
    )
    give_up_after: Duration = Field(
        timedelta(hours=48),
        ge=timedelta(hours=1),
        le=timedelta(days=7),
        description="A mail that is put off is given up this long after its first reply.",
    )
    redirect_all_to: Mailbox | None = Field(
        None,
        examples=["staging@example.org"],
        description="For a staging deployment: every mail goes to this address instead of its reader's, who is named "
        "in To. The links to leave and to confirm lead nowhere, so that nobody leaves or joins by a try, and what that "
        "address answers costs no reader anything.",
    )
    dkim: Literal["relay", "self"] = Field(
        "relay",
        description='Who signs the mails: the relay, or we ourselves ("self") with the keys of [dkim].',
    )

    @field_validator("redirect_all_to")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        if value is not None and not value.rpartition("@")[0].rpartition("<")[2].isascii():
            raise ValueError("should be an address whose part before the @ is in ASCII")
        return value


class Dkim(Section):
    """Keys that prove who sent a mail (RFC 6376). `mailer dkim keygen` makes them and their records."""

    domain: Annotated[str, AfterValidator(_domain)] | None = Field(
        None,
        examples=["example.org"],
        description="The domain that signs; by default the sender's. Receivers want it to be that one, or its parent.",
    )
    selector: Selector = Field(
        "mailer", description="The key's name: its record stands at <selector>._domainkey.<domain>."
    )
    key_file: Path = Field(Path("dkim.key"), description="The RSA key.")
    second_selector: Selector = Field("mailer-second", description="The name of the second key.")
    second_key_file: Path | None = Field(
        None,
        examples=["dkim-ed25519.key"],
        description="An Ed25519 key (RFC 8463) for a second signature beside the first, for those who know it.",
    )

    @model_validator(mode="after")
    def _apart(self) -> "Dkim":
        if self.second_key_file is not None and self.second_selector == self.selector:
            raise ValueError("selector and second_selector are the same, but each key has a record of its own")
        return self


class Smtp(Section):
    """A relay that takes our mails. Several: the next one is used when one is down."""

    host: Line = Field("127.0.0.1", min_length=1, description="Name or address of the relay.")
    port: Port = Field(25, description="Its port: 25, 587 (starttls) or 465 (implicit).")
    tls: Literal["none", "starttls", "implicit"] = Field(
        "none", description='How the line is made secret; "none" is refused off loopback unless allow_plain is set.'
    )
    allow_plain: bool = Field(False, description="Permit mails, and a password, in clear to a relay off loopback.")
    ca_file: Path | None = Field(
        None, examples=["relay-ca.pem"], description="Certificates to trust instead of the system's."
    )
    username: Line | None = Field(None, examples=["newsletter"], description="Name to log in with.")
    password: SecretStr | None = Field(
        None,
        examples=["…"],
        description="Password; better in password_file, or smtp_password in $CREDENTIALS_DIRECTORY (systemd).",
    )
    password_file: Path | None = Field(
        None, examples=["smtp-password"], description="A file that holds the password and nothing else."
    )
    timeout: Duration = Field(
        timedelta(seconds=60),
        ge=timedelta(seconds=1),
        le=timedelta(minutes=10),
        description="How long to wait for a connection; answers to mails get the times of RFC 5321 in proportion.",
    )
    weight: int = Field(
        1, ge=0, le=100, description="Its share of the connections; 0: used only when no other relay takes mail."
    )
    rate: RateText | None = Field(
        None, examples=["500/hour"], description="The most mails it may be given in any such time."
    )
    max_messages: int = Field(500, ge=1, le=100_000, description="Mails over one connection; then a new one is made.")
    overlap: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Announce the next mail together with the end of the last one, which saves a round trip; "
        '"auto": where the relay\'s greeting says that it is Postfix or Exim.',
    )

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"

    @model_validator(mode="after")
    def _safe(self) -> "Smtp":
        loopback = self.host in ("localhost", "::1") or self.host.startswith("127.")
        if self.tls == "none" and not loopback and not self.allow_plain:
            raise ValueError(
                f'tls = "none" would send every mail in clear to {self.host}; '
                'set tls = "starttls" or "implicit" (or allow_plain = true, knowing what it means)'
            )
        if (self.password or self.password_file) and not self.username:
            raise ValueError("a password is given but no username")
        return self


class Web(Section):
    """The pages for readers."""

    host: Line = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: Port = Field(8080, description="Port to listen on.")
    trusted_proxies: tuple[Line, ...] = Field(
        ("127.0.0.1", "::1"), description="Proxies whose X-Forwarded-For is believed. Never «*»."
    )
    metrics_host: Line = Field("127.0.0.1", min_length=1, description="Address of /metrics; never a public one.")
    metrics_port: Port | None = Field(
        None,
        examples=[9464],
        description="Port of /metrics for Prometheus, one for each process; without one it is off.",
    )

    @model_validator(mode="after")
    def _no_star(self) -> "Web":
        if "*" in self.trusted_proxies:
            raise ValueError("trusted_proxies must not hold «*»: anybody could then forge a reader's address")
        return self

    @model_validator(mode="after")
    def _metrics_apart(self) -> "Web":
        if self.metrics_port == self.port:
            raise ValueError("metrics_port and port are the same; the pages are for everybody, the metrics are not")
        return self


class Readers(Section):
    """How readers join, and what is kept of how they came and left."""

    confirm_within: Duration = Field(
        timedelta(days=7),
        ge=timedelta(hours=1),
        le=timedelta(days=30),
        description="How long the link in a confirmation mail works.",
    )
    per_network: int = Field(
        5, ge=1, le=10_000, description="Sign-ups an hour from one network (/24, or /48 of IPv6), at most."
    )
    per_minute: int = Field(
        60, ge=1, le=100_000, description="Sign-ups a minute in all, at most; a flood of them is an attack on others."
    )
    ask_dns: bool = Field(
        True, description="Refuse sign-ups whose domain says that it takes no mail. No answer counts as yes."
    )
    keep_network: Duration = Field(
        timedelta(days=30),
        ge=timedelta(hours=1),
        le=timedelta(days=366),
        description="How long the truncated network address of who joined or left is kept.",
    )
    archive_index: bool = Field(True, description="Let search engines list the pages of past issues.")


class Database(Section):
    """Where everything is kept."""

    url: Annotated[str, AfterValidator(_database_url)] = Field(
        "sqlite:///subscribers.db",
        repr=False,  # it may hold a password
        description="sqlite:///FILE (counted from this file's folder) or postgresql://USER:PASSWORD@HOST/NAME.",
    )


class Keys(Section):
    """The secrets that sign the links in mails."""

    file: Path = Field(
        Path("secret.key"), description="The key file made by `mailer init`. Losing it breaks every link."
    )


class Log(Section):
    """What the service writes to stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is worth a line.")
    format: Literal["text", "json"] = Field("text", description="Lines for people or for machines.")


class Settings(Section):
    """The whole file."""

    newsletter: Newsletter = Field({}, validate_default=True)
    theme: Theme = Field({}, validate_default=True)
    schedule: Schedule = Field({}, validate_default=True)
    articles: Articles = Field({}, validate_default=True)
    digest: Digest = Field({}, validate_default=True)
    editors: Editors = Field({}, validate_default=True)
    delivery: Delivery = Field({}, validate_default=True)
    dkim: Dkim = Field({}, validate_default=True)
    smtp: tuple[Smtp, ...] = Field(({},), validate_default=True, min_length=1)
    web: Web = Field({}, validate_default=True)
    readers: Readers = Field({}, validate_default=True)
    database: Database = Field({}, validate_default=True)
    keys: Keys = Field({}, validate_default=True)
    log: Log = Field({}, validate_default=True)
    templates: Path | None = Field(
        None,
        examples=["templates"],
        description="A folder with templates of your own; by default the built-in ones are used.",
    )
    folder: Path = Field(
        Path(), exclude=True, description="The folder of the file itself; relative paths count from it."
    )

    def path(self, value: Path) -> Path:
        """A path of the file, made absolute."""
        return self.folder / value
