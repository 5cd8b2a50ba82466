"""Defines the type, the default, the limits and the meaning of every setting, all in one place.

The example config.toml, the file that `mailer init` writes and docs/settings.md are generated from these classes, and a
test compares them. `config` fills the classes from the file and from `MAILER_*` variables.
"""

import re
from collections import Counter
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
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

from mailer import database_urls
from mailer.lanes import DOMAINS, LANES
from mailer.model import Rate
from mailer.text import calendar, links

_DOMAIN = r"[a-z0-9-]+(\.[a-z0-9-]+)+"
_NAMES = r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
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
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", str(value).strip())
    if type(value) not in (str, date) or not found:
        raise ValueError("should be a date such as 2027-03-21")
    year, month, day = map(int, found.groups())
    if year in calendar.JALALI_YEARS:
        try:
            meant = calendar.from_jalali(year, month, day)
        except ValueError:
            raise ValueError("should be a date such as 2027-03-21") from None
        raise ValueError(f"should be a Gregorian date; this Jalali day is {meant}")
    return f"{year:04}-{month:02}-{day:02}"


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone is called {value!r}; names look like Asia/Tehran") from None
    return value


def _like(pattern: str, what: str, longest: int = 2000) -> AfterValidator:
    """Returns a check that accepts only text matching `pattern`. The check's error is "should be" and then `what`."""

    def check(value: str) -> str:
        if len(value) > longest:
            raise ValueError(f"should have at most {longest} characters, but has {len(value)}")
        if not re.fullmatch(pattern, value):
            raise ValueError(f"should be {what}")
        return value

    return AfterValidator(check)


# The fields of an article that a column of the newsroom's database may hold.
ARTICLE_FIELDS = (
    *("id", "title", "lead", "body", "url", "image_url", "image_alt", "category", "tags", "author", "published"),
    *("views", "comments", "shares", "front_page", "news_value", "closed", "source"),
)


def rate_of(text: str) -> Rate:
    """Returns a text such as "500/hour", "10/s" or "2000 / 10m" as a `Rate`. Raises ValueError for any other form."""
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
        if lane not in LANES and not re.fullmatch(_DOMAIN, lane):
            raise ValueError(f"{lane!r} is neither a lane ({', '.join(LANES)}) nor a domain in lower-case ASCII")
    return value


def _database_url(value: str) -> str:
    database_urls.check(value, database_urls.OWN, "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
    return value


def _newsroom_url(value: SecretStr) -> SecretStr:
    forms = f"{database_urls.MYSQL}://USER:PASSWORD@HOST/NAME, {database_urls.POSTGRESQL}://… or sqlite:///FILE"
    database_urls.check(value.get_secret_value(), database_urls.NEWSROOM, forms, others=True)
    return value


def _columns(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if name not in ARTICLE_FIELDS:
            raise ValueError(f"{name!r} is not a field of articles; they are {', '.join(ARTICLE_FIELDS)}")
    return value


def _plain_text(value: str) -> str:
    if found := re.search(r"<[A-Za-z/!?][^\s<>]*>?", value):
        raise ValueError(f"should be plain text, without HTML such as {found[0][:20]}")
    return value


def _link(value: str) -> str:
    if not re.match(r"https?://", value):
        raise ValueError("should begin with https:// or http://, such as https://www.example.org/page")
    if not links.web_address(value):
        raise ValueError("should be the address of a web page, such as https://www.example.org/page")
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
ClockTime = Annotated[time, BeforeValidator(_clock)]
Day = Annotated[date, BeforeValidator(_day)]
Zone = Annotated[str, AfterValidator(_zone)]
HttpUrl = Annotated[
    str,
    _like(r"https?://[^\s/?#@]+(/[^\s?#]*)?", "an address such as https://news.example.org, without ? or #"),
    AfterValidator(lambda url: url.rstrip("/")),
]
HttpQuery = Annotated[str, _like(r"https?://[^\s/?#]+[^\s#]*", "an address such as https://news.example.org/rss")]
Mailbox = Annotated[
    str,
    _like(  # (?(1)>) requires a > if there was a <
        r"([^<>\x00-\x1f\x7f@]*<)?[^\s<>@,;:\"\\]+@[^\s<>@]+\.[^\s<>@.]+(?(1)>)",
        'an address such as "news@example.org" or "ایران من <news@example.org>"',
    ),
]
Selector = Annotated[
    str, _like(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", "a name of lower-case letters, digits and hyphens", 63)
]
RateText = Annotated[str, AfterValidator(_rate)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
PlainLine = Annotated[Line, AfterValidator(_plain_text)]
PlainText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000), AfterValidator(_plain_text)]
Link = Annotated[str, AfterValidator(_link)]
Share = Annotated[float, Field(gt=0, le=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


class Section(BaseModel):
    """The base class of all sections. Unknown names are errors, and values cannot change after loading."""

    # defer_build saves time: the validator of the whole file checks the sections, so no section needs a separate one.
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True, defer_build=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _plain_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuses values such as `true` for 1 and "25" for 25. pydantic would convert them, but most are mistakes."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if kind is bool and type(value) is not bool:
            raise ValueError("should be true or false")
        if kind is int and type(value) is not int:
            raise ValueError("should be a whole number")
        if kind is float and type(value) not in (int, float):
            raise ValueError("should be a number")
        return value


class Newsletter(Section):
    """The sender of the newsletter, its language and its calendar."""

    name: Line = Field("ایران من", min_length=1, description="The newsroom's name, as readers know it.")
    title: Line = Field("خبرنامهٔ هفتگی", min_length=1, description="The newsletter's title, shown with that name.")
    from_: Mailbox = Field(
        "news@example.org",
        alias="from",
        description="The sender: an address, or a name and an address. The default name is the newsroom's.",
    )
    reply_to: Mailbox | None = Field(
        None, examples=["editors@example.org"], description="Where replies go, if not to the sender."
    )
    base_url: HttpUrl = Field(
        "http://127.0.0.1:8080",
        description="The public address of this service's pages: a host of its own, without a path. Every link to "
        "these pages in a mail begins with it.",
    )
    site_url: HttpUrl | None = Field(
        None,
        examples=["https://www.example.org"],
        description="The address of the news site, linked in the footer of the mail.",
    )
    list_id: Annotated[str, _like(_NAMES, "a name such as weekly.news.example.org", 200)] | None = Field(
        None,
        examples=["weekly.news.example.org"],
        description="The list's name for mail programs (RFC 2919); by default weekly.<sender's domain>.",
    )
    locale: Literal["fa", "ar", "en", "he", "ur", "ckb"] = Field(
        "fa", description="Language of mails and pages. No native speaker has read the words of he, ur and ckb yet."
    )
    calendar: Literal["jalali", "gregorian"] = Field(
        "jalali",
        description="Calendar of dates and weeks: Jalali weeks begin on Saturday, the others are ISO weeks. "
        "Only the locales fa and en have names for the Jalali months.",
    )
    timezone: Zone = Field("Asia/Tehran", description="The time zone of days, weeks and the sending time.")
    postal_address: Line = Field(
        "", description="The newsroom's postal address, printed in the footer; many countries require it."
    )
    sections: dict[str, Line] = Field(
        default_factory=dict,
        examples=[{"سیاسی": "سیاست", "سیاست خارجی": "سیاست", "اقتصادی": "اقتصاد"}],
        description="Raw category = section, in the order of the mail. A category that is not listed goes to «دیگر "
        "خبرها».",
    )

    @model_validator(mode="after")
    def _months_have_names(self) -> "Newsletter":
        if self.calendar == "jalali" and self.locale not in calendar.JALALI_LOCALES:
            raise ValueError(f'"{self.locale}" has no names for Jalali months; set calendar = "gregorian"')
        return self


class Theme(Section):
    """How mails and pages look."""

    accent: Annotated[str, _like("#[0-9A-Fa-f]{6}", 'a colour such as "#0f5f4b"'), AfterValidator(str.lower)] = Field(
        "#0f5f4b", description="The newsroom's colour; where text would be hard to read, it is made darker or lighter."
    )
    logo: HttpUrl | None = Field(
        None,
        examples=["https://www.example.org/logo.png"],
        description="A JPEG, PNG or GIF shown in place of the written name, with its own background.",
    )
    logo_width: int = Field(160, ge=16, le=544, description="How wide the logo is shown, in pixels.")
    footer: Line = Field("", description="A line of your own at the end of every issue.")
    images: Literal["link", "host"] = Field(
        "link",
        description='"host": pictures of stories are fetched, made smaller and served from /media; '
        '"link": mails link to the originals.',
    )


class Schedule(Section):
    """When the week's issue is drafted and sent."""

    day: Weekday = Field("thursday", description="The day of sending.")
    time: ClockTime = Field(time(9, 0), description="The time of sending, T, in newsletter.timezone.")
    draft_before: Duration = Field(
        timedelta(hours=24),
        ge=timedelta(minutes=5),
        le=timedelta(days=6),
        description="How long before T the draft is made. Its stories are chosen again every hour until T.",
    )
    max_late: Duration = Field(
        timedelta(hours=24),
        ge=timedelta(minutes=1),
        le=timedelta(days=6),
        description="An issue that has not gone out by T + this is skipped.",
    )
    min_window: Duration = Field(
        timedelta(hours=2),
        ge=timedelta(0),
        le=timedelta(hours=24),
        description="The least time that editors get, if the service was down at draft time.",
    )
    approval: Literal["none", "required"] = Field(
        "none", description='"required": an issue that no editor has approved is held, not sent.'
    )
    holidays: tuple[Day, ...] = Field(
        (),
        description="Days without sending, as Gregorian dates such as 2027-03-21. The issue goes out on the next day "
        "of its week that is not listed.",
    )


class Feed(Section):
    """A site to collect articles from. There may be several; if one fails, the others are still collected."""

    url: HttpQuery | None = Field(
        None,
        examples=["https://www.example.org/rss"],
        description='The address of the feed; with kind = "wordpress", of the site; with "sitemap", of a sitemap or '
        'of the site; with "front", of the front page; with "most_read", of a page or feed that has the list.',
    )
    kind: Literal["feed", "wordpress", "sitemap", "front", "most_read"] = Field(
        "feed",
        description='"feed": RSS, Atom or JSON Feed. "wordpress": the REST interface of a WordPress site. "sitemap": '
        'the pages that the sitemaps list, for sites without a feed. "front": the order of the links on the front '
        'page, which counts for the articles of the other sources. "most_read": the site\'s own list of its most read '
        "articles; the hours for which an article was on this list count like views.",
    )
    source: Line = Field("", examples=["کتاب هفته"], description="The outlet's name; by default the site's host.")
    category: Line = Field("", examples=["سیاسی"], description="The category of articles that name none.")
    front_page: bool = Field(
        False,
        description="The feed lists the front page, with the first story first; the position counts in the choice of "
        "stories.",
    )

    pages_an_hour: int = Field(
        120,
        ge=1,
        le=1000,
        description='With kind = "sitemap": how many pages are fetched in an hour, at most one a second.',
    )

    @model_validator(mode="after")
    def _somewhere(self) -> "Feed":
        if self.url is None:
            raise ValueError("a feed needs a url")
        return self

    @property
    def address(self) -> str:
        """Returns the address to fetch. A feed's final slash is kept: without the slash, many sites redirect."""
        return (self.url or "").rstrip("/") if self.kind == "wordpress" else self.url or ""


class ArticleDatabase(Section):
    """The newsroom's own database. It is only read: give its user the right to SELECT and no other."""

    url: Annotated[SecretStr, AfterValidator(_newsroom_url)] | None = Field(
        None,
        examples=["mysql+pymysql://reader:…@127.0.0.1/news"],
        description="An SQLAlchemy URL; without one, no database is read.",
    )
    preset: Literal["none", "wordpress"] = Field(
        "none", description='"wordpress": WordPress tables and view counters are recognised; columns need not be given.'
    )
    prefix: Line = Field("wp_", description="The prefix of the names of the WordPress tables.")
    site: HttpUrl | None = Field(
        None,
        examples=["https://www.example.org"],
        description="The site's address, put before links that begin with / or ?.",
    )
    table: Line = Field("newsletter_articles", description="The table or view that holds the articles.")
    columns: Annotated[dict[str, Line], AfterValidator(_columns)] = Field(
        default_factory=dict,
        examples=[{"title": "news_title", "url": "link", "published": "publish_date"}],
        description=f"Name here = column there, where they differ: {', '.join(ARTICLE_FIELDS)}.",
    )
    where: Line = Field(
        "", examples=["status = 'published'"], description="An SQL condition that selects the articles that may appear."
    )
    source: Line = Field("", description="The outlet's name for articles that name none.")


class Articles(Section):
    """Where articles come from, in addition to `mailer articles import`."""

    every: Duration = Field(
        timedelta(hours=1),
        ge=timedelta(minutes=5),
        le=timedelta(days=1),
        description="How often each source is asked. A feed holds only the newest "
        "articles, so asking seldom misses some.",
    )
    spelling: bool = Field(
        True, description="Correct broken half-spaces and Arabic letters in titles and leads; the original is kept."
    )
    spelling_exceptions: tuple[Line, ...] = Field((), description="Words that are left as they are.")
    check_links: bool = Field(True, description="Before T, leave out stories whose pages no longer exist (404, 410).")
    feeds: tuple[Feed, ...] = Field((), description="Sites to collect from.")
    database: ArticleDatabase = Field({}, validate_default=True)

    @model_validator(mode="after")
    def _apart(self) -> "Articles":
        # The state of a source is stored under its kind and address. Of two feeds with the same kind and address, the
        # second would collect nothing.
        for (kind, address), count in Counter((each.kind, each.address) for each in self.feeds).items():
            if count > 1:
                url = links.shown(address)
                raise ValueError(f'{count} feeds have kind = "{kind}" and the url {url}; keep one of them')
        return self


MOST_BLOCKS = 6  # in the settings; editors may add as many to one issue


class Block(Section):
    """A box of your own in every issue; at most six of them. `mailer issue block add` puts a box into one issue."""

    kind: Literal["announcement", "correction", "sponsor"] = Field(
        "announcement", description='A "correction" is marked as «اصلاحیه», and a "sponsor" as «تبلیغ».'
    )
    place: Literal["top", "first", "middle", "end"] = Field(
        "end",
        description='"top": before the first story; "first": after the first story; "middle": after half of the '
        'sections; "end": after the last story.',
    )
    title: PlainLine | None = Field(None, examples=["کتابخانهٔ ما جابه‌جا شد"], description="The title of the box.")
    text: PlainText = Field("", description="The text, without HTML; each line is a paragraph.")
    url: Link | None = Field(
        None, examples=["https://www.example.org/page"], description="The page to which the title links."
    )
    link_text: PlainLine = Field("", description="The words of a second link to that page, below the text.")
    picture: Line | None = Field(
        None,
        examples=["https://www.example.org/library.jpg"],
        description="A picture: a file, or an address that begins with https://. Mails show a small copy that this "
        "server offers under /media, so no other server learns who reads the mail.",
    )
    from_: Day | None = Field(
        None, alias="from", examples=["2027-03-01"], description="The block is in the issues from this day on."
    )
    until: Day | None = Field(None, examples=["2027-03-31"], description="The last day whose issue has the block.")

    @model_validator(mode="after")
    def _whole(self) -> "Block":
        if not self.title:
            raise ValueError("a block needs a title")
        if self.link_text and self.url is None:
            raise ValueError("link_text needs a url")
        if self.from_ and self.until and self.until < self.from_:
            raise ValueError("until is before from")
        return self


class Digest(Section):
    """How the week's top stories are chosen."""

    stories: int = Field(12, ge=1, le=16, description="The most stories in an issue.")
    min_stories: int = Field(5, ge=1, le=16, description="With fewer stories, the issue is held and not sent.")
    max_section: Share = Field(0.34, description="The largest share of an issue that one section may have.")
    max_source: Share = Field(
        0.5, description="The largest share of an issue that one source may have, if there are several."
    )
    max_day: Share | None = Field(
        None,
        examples=[0.4],
        description="The largest share of an issue that one day of the week may have. Without a value, the limit is "
        "0.4 if it is unknown what was read, and otherwise there is no limit.",
    )
    max_topic: Share = Field(
        0.25,
        description="The largest share of an issue that one topic may have, such as a war or an election, but at least "
        "two stories. A topic with a larger share of the week's articles may have that share.",
    )
    aside_words: tuple[Line, ...] = Field(
        ("تسلیت", "تبریک", "پیام", "واکنش", "عکس", "تصاویر", "فیلم", "ویدیو", "نرخ", "قیمت"),
        description="Without view counts, an article with one of these in the title leads a story only if nothing else "
        "reports the event.",
    )
    light_sections: tuple[Line, ...] = Field(
        ("یادداشت", "دیدگاه", "سرمقاله", "فال", "نرخ", "قیمت", "opinion", "horoscope"),
        description="Words in the names of sections that rarely have the week's news, such as opinion or prices.",
    )
    light_section: float = Field(
        -0.15, ge=-1, le=0, description="The points that an article of such a section loses; 0 for none."
    )
    section_clicks: float = Field(
        0.0,
        ge=0,
        le=1,
        description="The points for each article of the section whose stories were opened most in the last issues; 0 "
        "for none. Articles of the other sections gain fewer points. Clicks must be counted ([web] count_clicks).",
    )
    banned_words: tuple[Line, ...] = Field(
        ("رپرتاژ", "رپورتاژ", "رپرتاژآگهی", "رپورتاژآگهی", "تبلیغاتی"),
        description="Articles with one of these in title, category or tags are never chosen, because they are paid "
        "content.",
    )

    most_read: int = Field(
        0, ge=0, le=10, description="How many titles the list of the most read articles has; 0 for no list."
    )

    blocks: tuple[Block, ...] = Field((), max_length=MOST_BLOCKS, description="Boxes of your own in every issue.")

    @model_validator(mode="after")
    def _fits(self) -> "Digest":
        if self.min_stories > self.stories:
            raise ValueError("min_stories is larger than stories")
        return self


class Editors(Section):
    """The people who may review a draft before it goes out."""

    notify: tuple[Mailbox, ...] = Field(
        (),
        description="Addresses that get a mail when a draft is ready or held, with a link to approve or hold it.",
    )


class Delivery(Section):
    """How mails are sent."""

    connections: int = Field(10, ge=1, le=100, description="How many connections to relays each sending process opens.")
    rate: RateText | None = Field(
        None,
        examples=["10000/hour"],
        description="The most mails in any second, minute, hour or day, over all relays and processes.",
    )
    lanes: Annotated[dict[str, RateText], AfterValidator(_lanes)] = Field(
        default_factory=dict,
        examples=[{"gmail": "2000/hour", "example.org": "10/m"}],
        description="Lane = the most mails to it. A lane is a large provider with all its domains "
        f'({", ".join(DOMAINS)}), one domain, or "default" for all others.',
    )
    warm_up: tuple[Share, ...] = Field(
        (),
        examples=[[0.1, 0.25, 0.5]],
        description="For a sender that providers do not know yet: the share of every rate that the first, second, … "
        "issue may use. It counts issues, not days.",
    )
    on_unknown: Literal["resend", "hold"] = Field(
        "resend",
        description="Whether to resend a mail whose outcome is unknown after a crash or a lost connection.",
    )
    give_up_after: Duration = Field(
        timedelta(hours=48),
        ge=timedelta(hours=1),
        le=timedelta(days=7),
        description="A deferred mail is given up this long after its first reply.",
    )
    redirect_all_to: (
        Annotated[Mailbox, _like(r"(.*<)?[\x00-\x7f]+@.*", "an address whose part before the @ is in ASCII")] | None
    ) = Field(
        None,
        examples=["staging@example.org"],
        description="For a staging deployment: every mail goes to this address instead of its reader's, whose address "
        "stays in To. Unsubscribe and confirmation links do nothing, so that a test changes no subscription, and a "
        "refusal by this address does not count against any reader.",
    )
    dkim: Literal["relay", "self"] = Field(
        "relay",
        description='Who signs the mails: the relay, or this program ("self") with the keys of [dkim].',
    )


class Dkim(Section):
    """Keys that prove who sent a mail (RFC 6376). `mailer dkim keygen` makes the keys and prints their records."""

    domain: (
        Annotated[str, _like(_DOMAIN, "a domain such as example.org, in lower case and ASCII (xn--…)", 200)] | None
    ) = Field(
        None,
        examples=["example.org"],
        description="The signing domain; by default the sender's. Receivers expect that domain or its parent.",
    )
    selector: Selector = Field("mailer", description="The key's name: its record is at <selector>._domainkey.<domain>.")
    key_file: Path = Field(Path("dkim.key"), description="The RSA key.")
    second_selector: Selector = Field("mailer-second", description="The name of the second key.")
    second_key_file: Path | None = Field(
        None,
        examples=["dkim-ed25519.key"],
        description="An Ed25519 key (RFC 8463) for a second signature, for receivers that support it.",
    )

    @model_validator(mode="after")
    def _apart(self) -> "Dkim":
        if self.second_key_file is not None and self.second_selector == self.selector:
            raise ValueError("selector and second_selector are the same, but each key has a record of its own")
        return self


class Smtp(Section):
    """A relay that takes the mails. There may be several; when one is down, the others take over."""

    host: Line = Field("127.0.0.1", min_length=1, description="The relay's name or address.")
    port: Port = Field(25, description="Its port: 25, 587 (starttls) or 465 (implicit).")
    tls: Literal["none", "starttls", "implicit"] = Field(
        "none", description='How the connection is encrypted; "none" needs allow_plain unless the relay is on loopback.'
    )
    allow_plain: bool = Field(
        False, description="Allow mails, and a password, to be sent unencrypted to a relay that is not on loopback."
    )
    ca_file: Path | None = Field(
        None, examples=["relay-ca.pem"], description="Certificates to trust instead of the system's."
    )
    username: Line | None = Field(None, examples=["newsletter"], description="The user name for logging in.")
    password: SecretStr | None = Field(
        None,
        examples=["…"],
        description="The password; password_file, or smtp_password in $CREDENTIALS_DIRECTORY (systemd), is safer.",
    )
    password_file: Path | None = Field(
        None, examples=["smtp-password"], description="A file that contains the password and nothing else."
    )
    timeout: Duration = Field(
        timedelta(seconds=60),
        ge=timedelta(seconds=1),
        le=timedelta(minutes=10),
        description="How long to wait for a connection; replies to mails get the times of RFC 5321, in proportion.",
    )
    weight: int = Field(
        1,
        ge=0,
        le=100,
        description="The relay's share of the connections; with 0 it is used only if no other relay takes mail.",
    )
    rate: RateText | None = Field(
        None, examples=["500/hour"], description="The most mails that this relay gets in any such time."
    )
    max_messages: int = Field(
        500, ge=1, le=100_000, description="How many mails go over one connection before a new one is opened."
    )
    overlap: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Announce the next mail together with the end of the last one, which saves a round trip; "
        '"auto": if the relay\'s greeting says that it is Postfix or Exim.',
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
    """The pages for readers, and the metrics."""

    host: Line = Field("127.0.0.1", min_length=1, description="The address to listen on.")
    port: Port = Field(8080, description="The port to listen on.")
    trusted_proxies: tuple[Line, ...] = Field(
        ("127.0.0.1", "::1"), description='Proxies whose X-Forwarded-For is trusted; "*" is refused.'
    )
    count_clicks: Literal["none", "totals"] = Field(
        "none",
        description='"totals": links to stories lead to /to on this server, which redirects to the story and counts '
        "how often it is opened. Nothing that identifies a reader is stored. `mailer issue report` shows the totals.",
    )
    metrics_host: Line = Field(
        "127.0.0.1", min_length=1, description="The address of /metrics; do not use a public one."
    )
    metrics_port: Port | None = Field(
        None,
        examples=[9464],
        description="The port of /metrics for Prometheus, one for each process; without one, /metrics is off.",
    )

    @model_validator(mode="after")
    def _no_star(self) -> "Web":
        if "*" in self.trusted_proxies:
            raise ValueError('trusted_proxies must not contain "*": anyone could then forge a reader\'s address')
        return self

    @model_validator(mode="after")
    def _metrics_apart(self) -> "Web":
        if self.metrics_port == self.port:
            raise ValueError("metrics_port and port are the same; the pages are public, the metrics are not")
        return self


class Readers(Section):
    """How readers join, and how long data about joining and leaving is kept."""

    confirm_within: Duration = Field(
        timedelta(days=7),
        ge=timedelta(hours=1),
        le=timedelta(days=30),
        description="How long the link in a confirmation mail is valid.",
    )
    welcome: bool = Field(
        True,
        description="Send a welcome mail with the stories of the latest issue to readers who confirm their sign-up, "
        "unless the next issue is due within 12 hours.",
    )
    remind: bool = Field(
        False, description="Remind people once, after two days, of a sign-up that they did not confirm."
    )
    per_network: int = Field(
        5, ge=1, le=10_000, description="The most sign-ups an hour from one network (/24, or /48 for IPv6)."
    )
    per_minute: int = Field(
        60,
        ge=1,
        le=100_000,
        description="The most sign-ups a minute in all; more are an attack that floods other people's mailboxes.",
    )
    ask_dns: bool = Field(
        True,
        description="Refuse sign-ups whose domain declares that it takes no mail. No "
        "answer from the DNS counts as yes.",
    )
    keep_network: Duration = Field(
        timedelta(days=30),
        ge=timedelta(hours=1),
        le=timedelta(days=366),
        description="How long the truncated network address of a person who joined or left is kept.",
    )
    archive_index: bool = Field(True, description="Let search engines index the pages of past issues.")


class Database(Section):
    """Where everything is stored."""

    url: Annotated[str, AfterValidator(_database_url)] = Field(
        "sqlite:///subscribers.db",
        repr=False,  # the URL may contain a password
        description="sqlite:///FILE (counted from this file's folder) or postgresql://USER:PASSWORD@HOST/NAME.",
    )


class Keys(Section):
    """The secrets that sign the links in mails."""

    file: Path = Field(
        Path("secret.key"), description="The key file made by `mailer init`. Without it, no link in past mails works."
    )


class Log(Section):
    """The messages that the service writes to stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The lowest level that is logged.")
    format: Literal["text", "json"] = Field("text", description="Log lines for people or for machines.")


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
        description="A folder with your own templates; by default the built-in ones are used.",
    )
    # The folder of the settings file, at which relative paths start. The loader sets this field after reading the file.
    folder: Path = Field(Path(), exclude=True, alias="(folder)")

    def path(self, value: Path) -> Path:
        """Returns a path from the settings. A relative path starts at the folder of the settings file."""
        return self.folder / value
