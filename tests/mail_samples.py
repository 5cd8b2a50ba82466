"""An invented issue and its mail, for the tests of `mailer.mail`."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from mailer.mail import headers, merge, placeholders, view
from mailer.mail.render import Renderer
from mailer.model import ChosenStory, DeliveryKind, Issue, IssueState, Rendered
from mailer.settings import Newsletter

TEMPLATES = Path(__file__).parents[1] / "templates"
ARCHIVE = "https://news.example.org/archive/1405-W36"
UNSUBSCRIBE = "https://news.example.org/unsubscribe/AbC-_123"
NEWSLETTER = Newsletter(
    base_url="https://news.example.org",
    sections={"siasi": "سیاست", "eghtesad": "اقتصاد", "fan": "فناوری"},
    postal_address="شیراز، خیابان زند، پلاک ۱۲، کد پستی ۷۱۳۴۵-۶۷۸۹۰",
    site_url="https://iran.example",
)
TITLES = (
    ("فناوری", "شرکت Pars Robot نسل تازهٔ ربات‌های امدادگر را آزمایش کرد"),
    ("سیاست", "شورای شهر شیراز با ساخت سه بوستان تازه موافقت کرد"),
    ("اقتصاد", "صادرات زعفران در هفت‌ماههٔ امسال ۱۸٫۵ درصد بیشتر شد"),
    ("دیگر خبرها", "رصدخانه‌ای در کویر به روی گردشگران باز می‌شود"),
    ("ورزش", "پیروزی تیم ملی در دقیقهٔ ۹۰+۴؛ شادی در خیابان‌ها"),
    ("اقتصاد", "بازار کتاب‌های دست‌دوم رونق گرفت"),
    ("سیاست", "آیین‌نامهٔ تازهٔ انتخابات شوراها منتشر شد"),
)
LEAD = "گزارش‌ها نشان می‌دهد این کار از آغاز هفتهٔ آینده در چند استان شروع می‌شود و تا پایان سال ادامه دارد."


def story(position: int = 1, **changes: object) -> ChosenStory:
    section, title = TITLES[(position - 1) % len(TITLES)]
    whole = ChosenStory(
        position=position,
        article_id=position,
        url=f"https://iran.example/fa/news/{818300 + position}/خبر",
        title=title,
        lead=LEAD,
        section=section,
        source="iran.example",
        image_url=f"https://cdn.iran.example/{position}.jpg",
        image_alt="",
        dated=datetime(2026, 11, 20, 8, tzinfo=UTC),
        also=(),
        score=1.0,
        parts={},
        pinned=False,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def issue(stories: tuple[ChosenStory, ...] | None = None, **changes: object) -> Issue:
    whole = Issue(
        id=1,
        slot="1405-W36",
        day=date(2026, 11, 23),
        state=IssueState.DRAFT,
        number=47,
        send_at=datetime(2026, 11, 23, 5, 30, tzinfo=UTC),
        span=None,
        subject="",
        preheader="",
        intro="",
        stories=tuple(story(n) for n in range(1, 13)) if stories is None else stories,
        rejected=(),
        notes=(),
        reason=None,
        approved=False,
        released=False,
        drafted_at=None,
        frozen_at=None,
        started_at=None,
        finished_at=None,
        recipients=0,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def renderer(folder: Path | None = None) -> Renderer:
    return Renderer(folder, TEMPLATES)


def rendered(sample: Issue | None = None, newsletter: Newsletter = NEWSLETTER) -> Rendered:
    """The issue mail with its placeholders."""
    return renderer().mail(DeliveryKind.ISSUE, values(sample, newsletter))


def values(sample: Issue | None = None, newsletter: Newsletter = NEWSLETTER) -> dict[str, object]:
    return view.issue_view(sample or issue(), newsletter, archive_url=ARCHIVE)


def merged(mail: Rendered, name: str = "نرگس") -> tuple[str, str]:
    """HTML and text as one reader gets them."""
    own = own_values(name)
    return placeholders.fill(mail.html, own, "html"), placeholders.fill(mail.text, own, "text")


# --- compiled mails --------------------------------------------------------------------------------------------------
BOUNDARY = headers.boundary("1405-W36")


def issue_headers(**changes: object) -> list[tuple[str, bytes]]:
    """Returns the fields of an issue mail; `changes` are arguments of the functions in `headers`."""
    given: dict[str, object] = {
        "sender": ("ایران من", "news@example.org"),
        "to": "narges@reader.example",
        "subject": "شورای شهر با ساخت سه بوستان موافقت کرد",
        "date": datetime(2026, 11, 23, 5, 30, tzinfo=UTC),
        "message_id": "<issue.1405-W36.17.a1b2@example.org>",
        "reply_to": None,
        "list_id": "weekly.example.org",
        "list_name": "ایران من",
        "unsubscribe_url": UNSUBSCRIBE,
        "archive_url": "https://news.example.org/archive",
        "help_url": "https://news.example.org/",
        "feedback_id": "1405-W36:weekly:issue:example",
        "language": "fa",
        "boundary": BOUNDARY,
        **changes,
    }

    def some(*names: str) -> Any:
        return {name: given[name] for name in names}

    own = headers.reader_fields(**some("to", "date", "message_id", "unsubscribe_url", "feedback_id"))
    lists = headers.list_headers(own, **some("list_id", "list_name", "archive_url", "help_url"))
    return headers.message_headers(
        own, kind_headers=lists, **some("sender", "subject", "reply_to", "language", "boundary")
    )


def compiled(text: str, html: str) -> merge.Template:
    return merge.compile(issue_headers(), headers.READER_FIELDS, text, html, BOUNDARY)


def own_fields(**changes: object) -> dict[str, bytes]:
    """Returns the fields that differ for each reader."""
    return {name: value for name, value in issue_headers(**changes) if name in headers.READER_FIELDS}


def own_values(name: str, link: str = UNSUBSCRIBE) -> dict[str, str]:
    """Returns the values of the placeholders for one reader."""
    return {"greeting": view.greeting(name), "unsubscribe_url": link}
