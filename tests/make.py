"""The parts of most tests: a clock that can be set, an App wired by hand, and builders for rows of the store.

All values are invented. Builders write through the modules of the store, so that the rows are possible ones.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text, update

from mailer import week
from mailer.address import parse
from mailer.context import App
from mailer.lifecycle import IssueEvent
from mailer.mail.render import Renderer
from mailer.model import (
    DeliveryKind,
    FoundArticle,
    Issue,
    IssueState,
    Merged,
    NamedArticle,
    Rendered,
    Slot,
    SubscriberStatus,
)
from mailer.readers import admin
from mailer.settings import Delivery, Newsletter, Schedule, Settings, Smtp
from mailer.smtp.relay import Relay
from mailer.sources.documents import Documents
from mailer.store import articles, deliveries, issues, subscribers
from mailer.store import schema as tables
from mailer.store.database import Store
from mailer.store.schema import TABLES
from mailer.store.subscribers import New
from mailer.tokens import Keyring, address_hash

ROOT = Path(__file__).parents[1]
TEMPLATES = ROOT / "templates"
KEYS = Keyring(signing=b"s" * 32, verifying=(), suppression=b"u" * 32)
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)  # a Tuesday, two days before the slot below goes out
SLOT = "1405-W36"

# A test that uses `store` or `app` runs on both databases; with one of these marks, on one.
only_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)


@dataclass
class Clock:
    """`clock()` returns the time, which only `turn` and `set` change."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **span: float) -> datetime:
        """Moves the clock forward (or back) by `timedelta(**span)`."""
        self.now += timedelta(**span)
        return self.now

    def set(self, to: datetime) -> datetime:
        self.now = to
        return to


# --- the app ---------------------------------------------------------------------------------------------------------
def settings(folder: Path = Path(), **sections: Any) -> Settings:
    """Returns the settings of an invented newsroom; `sections` replace whole sections."""
    values: dict[str, Any] = {
        "newsletter": Newsletter(
            from_="ایران نمونه <news@iran.example>",
            base_url="https://news.iran.example",
            sections={"siasi": "سیاست", "eghtesad": "اقتصاد", "fan": "فناوری"},
        ),
        "folder": folder,
        **sections,
    }
    return Settings(**values)


def app(
    store: Store,
    folder: Path,
    clock: Clock,
    *,
    relays: Sequence[Relay] = (),
    worker: str = "tests:1",
    lease: timedelta = timedelta(seconds=60),
    takes_mail: Callable[[str], bool | None] = lambda _domain: None,
    keys: Keyring = KEYS,
    **sections: Any,
) -> App:
    """Returns an App with an open store; it uses only the given relays."""
    sections.setdefault("delivery", Delivery(connections=3))
    return App(
        settings=settings(folder, **sections),
        store=store,
        keys=keys,
        make_renderer=lambda: Renderer(None, TEMPLATES),
        make_relays=lambda: tuple(relays),
        now=clock,
        worker=worker,
        lease=lease,
        takes_mail=takes_mail,
        make_documents=Documents,
    )


@cache
def documents() -> Documents:
    """Returns a process that reads documents, the same one for all tests of this process."""
    return Documents()


def relay(port: int, host: str = "127.0.0.1") -> Relay:
    """Returns a relay on loopback, without TLS."""
    return Relay(Smtp(host=host, port=port), password="", ca_file=None, local_hostname="localhost")


# --- subscribers -----------------------------------------------------------------------------------------------------
def subscriber(
    store: Store,
    address: str = "narges@example.org",
    *,
    name: str = "نرگس",
    sections: Sequence[str] = (),
    status: SubscriberStatus = SubscriberStatus.ACTIVE,
    now: datetime = NOW,
) -> int:
    """Adds a subscriber; returns the id."""
    return subscribers_of(store, [address], name=name, sections=sections, status=status, now=now)[0]


def subscribers_of(
    store: Store,
    addresses: Iterable[str],
    *,
    name: str = "",
    sections: Sequence[str] = (),
    status: SubscriberStatus = SubscriberStatus.ACTIVE,
    now: datetime = NOW,
) -> list[int]:
    """Adds subscribers in one transaction; returns the ids in the same order."""
    new = [new_subscriber(each, name=name, sections=sections, status=status) for each in addresses]
    return store.write(lambda tx: subscribers.add(tx, new, now))


def new_subscriber(
    address: str,
    *,
    name: str = "",
    sections: Sequence[str] = (),
    status: SubscriberStatus = SubscriberStatus.ACTIVE,
    source: str = "test",
) -> New:
    """Returns a subscriber to be added."""
    parsed = parse(address)
    return New(parsed.written, parsed.key, hash_of(parsed.key), parsed.domain, name, tuple(sections), source, status)


def status(app: App, address: str = "narges@example.org") -> SubscriberStatus:
    """Returns what `subscribers show` says of an address."""
    return admin.show(app, address)[0].status


def readers(store: Store, count: int, now: datetime = NOW) -> list[int]:
    """Adds `count` active subscribers: reader0001@example.org and so on."""
    return subscribers_of(store, [f"reader{number:04}@example.org" for number in range(1, count + 1)], now=now)


def hash_of(address: str) -> str:
    """Returns the keyed hash by which suppressions are found."""
    return address_hash(KEYS, parse(address).key)


# --- articles --------------------------------------------------------------------------------------------------------
_SUBJECTS = (
    "موزهٔ سفال نیشابور",
    "خط تازهٔ متروی تبریز",
    "جشنوارهٔ انار ساوه",
    "رصدخانهٔ دماوند",
    "لیگ دسته‌یک والیبال",
    "بورس کالای کشاورزی",
    "کتابخانهٔ سیار کرمان",
    "نیروگاه خورشیدی یزد",
    "پرواز مستقیم قشم",
    "ارکستر سازهای محلی",
    "تالاب انزلی",
    "بیمارستان کودکان اهواز",
    "المپیاد نجوم دانش‌آموزان",
    "بازار فرش کاشان",
)
_EVENTS = (
    "پس از بیست سال بازسازی دوباره گشوده شد",
    "با استقبال هزاران نفر روبه‌رو گردید",
    "به ظرفیت پیش‌بینی‌شده نزدیک می‌شود",
    "برندهٔ جایزهٔ ملی شناخته شد",
)
_CATEGORIES = ("siasi", "eghtesad", "fan", "farhang")


def article(number: int = 1, *, published: datetime | None = NOW - timedelta(days=1), **changes: Any) -> FoundArticle:
    """Returns an invented article; each `number` is another event."""
    subject, event = _SUBJECTS[number % len(_SUBJECTS)], _EVENTS[number // len(_SUBJECTS) % len(_EVENTS)]
    values: dict[str, Any] = {
        "title": f"{subject} {event}",
        "source": f"outlet{number % 3}.example",
        "url": f"https://iran.example/news/{number}",
        "lead": f"گزارش شمارهٔ {number} از {subject} که {event}.",
        "category": _CATEGORIES[number % len(_CATEGORIES)],
        "published": published,
        "views": 1000 - number,
        **changes,
    }
    return FoundArticle(**values)


def keep(store: Store, *found: FoundArticle, now: datetime = NOW) -> Merged:
    """Stores articles, identified by their guid, or by their link if they have none."""
    return store.write(lambda tx: articles.merge(tx, [named(each) for each in found], now))


def named(found: FoundArticle) -> NamedArticle:
    identity = f"guid:{found.source}:{found.guid}" if found.guid else f"link:{found.url}"
    return NamedArticle(found, identity, found.url)


def week_of_articles(store: Store, now: datetime = NOW, *, count: int = 14, first: int = 0) -> Merged:
    """Stores `count` articles of the three days before `now`, each its own event; `first` is the first number."""
    found = [
        article(first + number, published=now - timedelta(hours=1 + 70 * number / max(count, 1)))
        for number in range(count)
    ]
    return keep(store, *found, now=now)


# --- issues ----------------------------------------------------------------------------------------------------------
def slot(key: str = SLOT) -> Slot:
    return week.slot(key, Newsletter(), Schedule())


def issue(store: Store, key: str = SLOT, *, state: IssueState = IssueState.PLANNED, now: datetime = NOW) -> Issue:
    """Adds the issue of a slot in a state, without stories, bytes or recipients."""
    when = slot(key)

    def work(tx: Connection) -> Issue:
        issues.plan(tx, when, when.at, now)
        made = issues.find(tx, key)
        assert made is not None
        put(tx, made.id, state)
        return issues.get(tx, made.id) or made

    return store.write(work)


def put(tx: Connection, issue_id: int, state: IssueState, **values: Any) -> None:
    """Writes a state, and other columns, whatever the state was."""
    tx.execute(update(tables.issues).where(tables.issues.c.id == issue_id).values(state=state, **values))


def under_way(store: Store, key: str = SLOT, *, now: datetime = NOW) -> Issue:
    """Adds an issue in `sending`, with all readers who are eligible now as its frozen recipients."""
    frozen = issue(store, key, state=IssueState.FROZEN, now=now)

    def work(tx: Connection) -> Issue:
        mail = Rendered("خبرها", "<p>خبرها</p>", "خبرها")
        variant = issues.add_variant(tx, DeliveryKind.ISSUE, frozen.id, mail, now)
        issues.step(tx, frozen.id, IssueEvent.START, at=now)
        count = deliveries.freeze_recipients(tx, frozen.id, frozen.slot, frozen.day, variant, now)
        issues.set_recipients(tx, frozen.id, count)
        return issues.get(tx, frozen.id) or frozen

    return store.write(work, snapshot=True)


def recipients(tx: Connection, key: str | None = None) -> int:
    """Returns the number of recipients of the newest issue, or of a slot's issue."""
    found = issues.find(tx, key) if key else issues.newest(tx)
    return found.recipients if found else 0


# --- mails -----------------------------------------------------------------------------------------------------------
def parsed(raw: bytes) -> EmailMessage:
    """Reads the bytes of a mail as a mail program does."""
    mail = message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


# --- the database ----------------------------------------------------------------------------------------------------
def wipe(store: Store) -> None:
    """Empties every table; ids start again at 1."""
    numbered = [table.name for table in TABLES if "id" in table.columns]
    statements = [f"DELETE FROM {table.name}" for table in reversed(TABLES)]
    if store.sqlite:
        statements.append("DELETE FROM sqlite_sequence")
    else:
        # Six times faster than TRUNCATE, which creates new files for every table and index.
        statements += [f"ALTER SEQUENCE {name}_id_seq RESTART" for name in numbered]

    def work(tx: Connection) -> None:
        for statement in statements:
            tx.execute(text(statement))

    store.write(work)
