"""Makes invented issues to try templates with.

Apart from a normal week, each issue is a case that often goes wrong: few stories, long stories, no pictures, Latin in
Persian, hostile texts. The texts are in sample_issues.toml, beside this file.
"""

import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from mailer.model import Block, BlockKind, BlockPlace, ChosenStory, DeliveryKind, Issue, IssueState
from mailer.reasons import Reason, ReasonCode
from mailer.settings import Newsletter, Theme
from mailer.text import calendar

SITE = "https://www.irannemoone.example"
ARCHIVE_URL = "https://nl.irannemoone.example/archive/1405-W36"
UNSUBSCRIBE_URL = "https://nl.irannemoone.example/unsubscribe/AbC-_123"
PREFERENCES_URL = "https://nl.irannemoone.example/preferences/AbC-_123"
CONFIRM_URL = "https://nl.irannemoone.example/confirm/AbC-_123"
EDITOR_URL = "https://nl.irannemoone.example/editor/AbC-_123"
READER_NAME = "نرگس"
READER = {"unsubscribe_url": UNSUBSCRIBE_URL, "preferences_url": PREFERENCES_URL, "confirm_url": CONFIRM_URL}

NEWSLETTER = Newsletter(
    name="ایران نمونه",
    title="خبرنامهٔ هفتگی",
    from_="ایران نمونه <news@irannemoone.example>",
    base_url="https://nl.irannemoone.example",
    site_url=SITE,
    postal_address="شیراز، خیابان زند، پلاک ۱۲، کد پستی ۷۱۳۴۵-۶۷۸۹۰",
    sections={"a": "سیاست", "b": "اقتصاد", "c": "جامعه", "d": "فرهنگ و هنر", "e": "فناوری", "f": "ورزش"},
)
THEME = Theme(footer="خبرنامهٔ «ایران نمونه» را به دوستانتان هم معرفی کنید.")

_TEXTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
_WEEK: list[dict[str, str]] = _TEXTS["week"]
_LATIN: list[str] = _TEXTS["latin"]
_HOSTILE: list[str] = [*_TEXTS["hostile"][:4], "خبر " * 1250, "خ" * 5000, *_TEXTS["hostile"][4:]]
# The sample values of each page, in addition to the values of `view.page_view`.
PAGES: dict[str, dict[str, object]] = _TEXTS["pages"]

CASES = ("week", "short", "long", "bare", "latin", "hostile", "blocks")
# The sample mails that are not issues, with their kind: a test mail, the notice of a draft, the notice of a held issue,
# the confirmation of a sign-up, its reminder, a welcome with stories, and a welcome without stories.
SERVICE_MAILS = {
    "test": DeliveryKind.TEST,
    "notice": DeliveryKind.NOTICE,
    "held": DeliveryKind.NOTICE,
    "confirmation": DeliveryKind.CONFIRMATION,
    "reminder": DeliveryKind.REMINDER,
    "welcome": DeliveryKind.WELCOME,
    "greeting": DeliveryKind.WELCOME,
}
# For each kind of mail, the link that both the HTML part and the text part must contain.
PURPOSE = {
    DeliveryKind.ISSUE: UNSUBSCRIBE_URL,
    DeliveryKind.TEST: UNSUBSCRIBE_URL,
    DeliveryKind.NOTICE: EDITOR_URL,
    DeliveryKind.CONFIRMATION: CONFIRM_URL,
    DeliveryKind.REMINDER: CONFIRM_URL,
    DeliveryKind.WELCOME: UNSUBSCRIBE_URL,
}


def newsletter(language: str) -> Newsletter:
    """Returns the sample newsletter in a language, with the calendar that `mailer init` would choose for it."""
    return NEWSLETTER.model_copy(update={"locale": language, "calendar": calendar.usual(language)})


def issue(case: str = "week") -> Issue:
    """Returns the issue of one of the CASES, or the issue that one of the SERVICE_MAILS is about."""
    week = _stories()
    match case:
        case "short":
            return _issue(week[:4])
        case "long":
            return _issue(tuple(_long(story) for story in _stories(16)))
        case "bare":
            return _issue(tuple(replace(story, image_url="", image_alt="") for story in week))
        case "blocks":
            return replace(_issue(week[:7]), blocks=_blocks())
        case "latin":
            return _issue(tuple(replace(story, title=title) for story, title in zip(week, _LATIN, strict=False)))
        case "greeting":
            return _issue(())
        case "notice":
            note = Reason(ReasonCode.SOME_VIEW_COUNTS_MISSING, {"missing": 3, "all": 140})
            return replace(_issue(week), subject="شورای شهر شیراز با ساخت سه بوستان موافقت کرد", notes=(note,))
        case "held":
            reason = Reason(ReasonCode.TOO_FEW_STORIES, {"found": 4, "least": 5})
            few = replace(_issue(week[:4]), reason=reason, state=IssueState.HELD)
            return replace(few, subject="شورای شهر شیراز با ساخت سه بوستان موافقت کرد")
        case "hostile":
            return _issue(tuple(_hostile(story, title) for story, title in zip(week, _HOSTILE, strict=True)))
        case _:
            return _issue(week)


def _stories(count: int = 12) -> tuple[ChosenStory, ...]:
    return tuple(
        ChosenStory(
            position=position,
            article_id=position,
            url=f"{SITE}/news/{818300 + position}/خبر-{position}",
            title=texts["title"],
            lead=texts["lead"],
            section=texts["section"],
            source="irannemoone.example",
            image_url=f"https://cdn.irannemoone.example/{position}.jpg" if position in (1, 2, 3, 5, 6, 8) else "",
            image_alt="",
            dated=datetime(2026, 11, 20, 8, tzinfo=UTC),
            also=((90 + position, f"{SITE}/news/{818400 + position}", texts["also"]),) if "also" in texts else (),
            score=1.0 - position / 20,
            parts={},
            pinned=False,
        )
        for position, texts in enumerate(_WEEK[:count], start=1)
    )


def _blocks() -> tuple[Block, ...]:
    """Returns a block of each kind, at each place."""
    return tuple(
        Block(
            kind=BlockKind(texts["kind"]),
            place=BlockPlace(texts["place"]),
            title=texts["title"],
            text=texts["text"],
            url=texts.get("url", ""),
            link_text=texts.get("link_text", ""),
            picture=texts.get("picture", ""),
        )
        for texts in _TEXTS["blocks"]
    )


def _long(story: ChosenStory) -> ChosenStory:
    address = f"{SITE}/fa/news/{818300 + story.position}/" + "گزارش-کامل-این-خبر-" * 7
    others = tuple((500 + n, f"{address}{n}", f"{story.title} و گفت‌وگو با کارشناسان") for n in (1, 2))
    return replace(
        story,
        url=address,
        title=f"{story.title}؛ {story.lead}"[:178],
        lead=f"{story.lead} " * 8,
        also=others,
        image_url=f"https://cdn.irannemoone.example/{story.position}.jpg",
    )


def _hostile(story: ChosenStory, title: str) -> ChosenStory:
    return replace(
        story,
        title=title,
        lead=title,
        section=title,
        url=title if title.startswith("javascript:") else story.url,
        image_url="https://cdn.irannemoone.example/a.jpg?<>\"'" if story.image_url else "data:image/png;base64,AA",
        image_alt=title,
        also=((1, "https://www.irannemoone.example/a", title), (2, "javascript:alert(1)", title)),
    )


def _issue(stories: tuple[ChosenStory, ...]) -> Issue:
    return Issue(
        id=1,
        slot="1405-W36",
        day=date(2026, 11, 26),
        state=IssueState.DRAFT,
        number=47,
        send_at=datetime(2026, 11, 26, 5, 30, tzinfo=UTC),
        span=None,
        subject="",
        preheader="",
        intro="",
        stories=stories,
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


def most_read(case: str) -> tuple[tuple[str, str], ...]:
    """Returns the address and title of each of the five most read stories, or () if `case` is not the normal week."""
    if case != "week":
        return ()
    return tuple((f"{SITE}/news/{818500 + n}", texts["title"]) for n, texts in enumerate(_WEEK[6:11]))
