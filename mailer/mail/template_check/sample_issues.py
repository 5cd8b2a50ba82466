"""Invented issues to try templates on: `templates check`, the gates, the golden mails and the screenshots use them.

Each is a case that has gone wrong somewhere: a short week, long stories, no pictures, Latin in Persian, hostile words.
Everything in them is made up.
"""

from dataclasses import replace
from datetime import UTC, date, datetime

from mailer.model import ChosenStory, DeliveryKind, Issue, IssueState
from mailer.settings import Newsletter, Theme

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

_WEEK = (
    ("سیاست", "شورای شهر شیراز با ساخت سه بوستان تازه در حاشیهٔ رودخانه موافقت کرد",
     "اعضای شورا پس از دو نشست پیاپی به طرحی رأی دادند که چهل هکتار زمین خشک را تا پایان سال آینده سبز می‌کند. "
     "آبیاری بوستان‌ها با پساب تصفیه‌شده خواهد بود."),
    ("اقتصاد", "صادرات زعفران در هفت‌ماههٔ امسال ۱۸٫۵ درصد بیشتر شد",
     "تولیدکنندگان خراسانی می‌گویند بسته‌بندی‌های کوچک‌تر راه بازارهای تازه را گشوده است."),
    ("فناوری", "شرکت Pars Robot نسل تازهٔ ربات‌های امدادگر را آزمایش کرد",
     "این ربات‌ها می‌توانند شش ساعت زیر آوار کار کنند و با نرم‌افزاری که به زبان C++ نوشته شده راه خود را می‌یابند."),
    ("ورزش", "پیروزی تیم ملی والیبال در دقیقه‌های پایانی؛ شادی در خیابان‌ها",
     "ملی‌پوشان دو ست باخته را جبران کردند و به نیمه‌نهایی رسیدند."),
    ("جامعه", "کتابخانهٔ سیار به روستاهای مرزی کرمان رسید",
     "دو مینی‌بوس با سه‌هزار جلد کتاب هر هفته به هجده روستا سر می‌زنند و برای کودکان قصه می‌خوانند."),
    ("فرهنگ و هنر", "موزهٔ سفال نیشابور پس از بیست سال بازسازی گشوده شد",
     "بیش از هزار قطعهٔ سفالین که در انبارها مانده بود برای نخستین بار به نمایش درآمده است."),
    ("اقتصاد", "بازار کتاب‌های دست‌دوم رونق گرفت", "فروشندگان از مشتریان جوان‌تری می‌گویند که دنبال چاپ‌های قدیمی‌اند."),
    ("سیاست", "آیین‌نامهٔ تازهٔ انتخابات شوراها منتشر شد", "ثبت‌نام نامزدها از این پس تنها به‌صورت برخط انجام می‌شود."),
    ("جامعه", "خط تازهٔ متروی تبریز آزمایشی به راه افتاد", "ده ایستگاه در نخستین روز میزبان چهل‌هزار مسافر بود."),
    ("دیگر خبرها", "رصدخانه‌ای در کویر به روی گردشگران باز می‌شود",
     "آسمان این منطقه از تاریک‌ترین آسمان‌های کشور است و شب‌های رصد از هفتهٔ آینده آغاز خواهد شد."),
    ("فناوری", "نخستین نیروگاه خورشیدی شناور به شبکه پیوست", "این نیروگاه برق سه‌هزار خانه را فراهم می‌کند."),
    ("ورزش", "دوندهٔ نوجوان رکورد بیست‌سالهٔ کشور را شکست", "او صد متر را در ده و سه‌دهم ثانیه دوید."),
    ("فرهنگ و هنر", "ارکستر سازهای محلی تور تابستانی خود را آغاز کرد", "نخستین اجرا در تالاب انزلی خواهد بود."),
    ("جامعه", "بیمارستان کودکان اهواز بخش تازه‌ای گشود", "این بخش شصت تخت دارد و ساخت آن سه سال طول کشید."),
    ("اقتصاد", "بورس کالای کشاورزی ساعت کار خود را تغییر داد", "دادوستد از این پس یک ساعت زودتر آغاز می‌شود."),
    ("دیگر خبرها", "تیم دانش‌آموزی در المپیاد نجوم پنج نشان گرفت", "مسابقه‌ها امسال به میزبانی سه کشور برگزار شد."),
)  # fmt: skip
_LATIN = (
    "گوگل Gemini 3 را معرفی کرد؛ پشتیبانی رسمی از زبان فارسی",
    "زبان C++ هنوز پرکاربردترین ابزار بازی‌سازان است",
    "گل دقیقهٔ ۹۰+۴ دربی را به تساوی ۲ – ۲ کشاند",
    "شبکهٔ 5G در ده شهر؛ سرعت تا ۱٫۲ گیگابیت",
    "دمای هوا در اردبیل به -۱۲ درجه رسید",
    "مهلت ثبت‌نام از ۱۴۰۵-۰۹-۰۲ آغاز می‌شود؛ تلفن ۰۲۱-۸۸۸۸۱۲۳۴",
    "iPhone 17 Pro گران‌تر شد",
)
_HOSTILE = (
    "<script>alert(1)</script> خبر",
    "تیتر \u202eوارونه\u2066 و \u200bپنهان",
    "{{ brand }} {% raw %} {{ 7 * 7 }}",
    "=?utf-8?b?YQ0KQmNjOiB4QHkueg==?=",
    "خبر " * 1250,
    "خ" * 5000,
    '" onmouseover="alert(1)',
    "</title></style><!--reader--><!--[if mso]>",
    "\x02unsubscribe_url\x03 و \x00\x85\ufffe",
    "a\r\nBcc: thief@evil.example\r\n\r\n<h1>x</h1>",
    "--> &lt;b&gt; &amp; <b dir=ltr>",
    "javascript:alert(1)",
)

_ALSO = {1: "شهرهای سبز ایران؛ آنچه از آمار سرانهٔ بوستان‌ها می‌دانیم", 4: "راه ملی‌پوشان تا نیمه‌نهایی"}

CASES = ("week", "short", "long", "bare", "latin", "hostile")
# The mails that are no issue, and their kind: a test mail, the notice of a draft and of an issue that is held, and the
# question whether somebody joins.
SERVICE_MAILS = {
    "test": DeliveryKind.TEST,
    "notice": DeliveryKind.NOTICE,
    "held": DeliveryKind.NOTICE,
    "confirmation": DeliveryKind.CONFIRMATION,
}


# The values that each page is tried with, besides those of every page.
PAGES: dict[str, dict[str, object]] = {
    "archive": {
        "issues": [{"url": "/archive/1405-W36", "subject": "خبر نخست", "number": "۴۷", "date": "پنجشنبه ۵ آذر ۱۴۰۵"}],
        "feed": "/archive/feed.xml",
        "index": False,
    },
    "asked": {},
    "confirm": {"action": "/confirm/AbC", "masked": "n***@example.org"},
    "editor": {
        "open": True,
        "shown": "",
        "changed": True,
        "may_approve": True,
        "may_hold": True,
        "may_release": True,
        "preview_url": "/editor/AbC/preview",
    },
    "error": {},
    "home": {},
    "not-found": {},
    "preferences": {
        "action": "/preferences/AbC",
        "saved": True,
        "sections": [{"name": "سیاست", "label": "سیاست", "chosen": True}],
        "paused_until": "پنجشنبه ۵ آذر ۱۴۰۵",
        "pauses": [{"weeks": 2, "label": "۲ هفته"}],
        "unsubscribe": "/unsubscribe/AbC",
    },
    "returned": {},
    "subscribe": {
        "words": "عضو شوید",
        "form_token": "AbC",
        "trap": "website",
        "email": "n@example.org",
        "problem": "",
        "meant": "",
    },
    "thanks": {},
    "unsubscribe": {"action": "/unsubscribe/AbC", "masked": "n***@example.org", "preferences": "/preferences/AbC"},
    "unsubscribed": {"undo_action": "/unsubscribe/AbC/undo", "why_action": "", "whys": []},
    "welcome": {"latest": "/archive/1405-W36", "preferences": "/preferences/AbC"},
}
# The link that a mail of each kind must have in both parts.
PURPOSE = {
    DeliveryKind.ISSUE: UNSUBSCRIBE_URL,
    DeliveryKind.TEST: UNSUBSCRIBE_URL,
    DeliveryKind.NOTICE: EDITOR_URL,
    DeliveryKind.CONFIRMATION: CONFIRM_URL,
}


def issue(case: str = "week") -> Issue:
    """The issue of one of the CASES: a normal week, four stories, sixteen long ones, none with a picture, Latin in
    Persian, hostile words everywhere. Also the one that each of the LETTERS is about."""
    week = _stories()
    match case:
        case "short":
            return _issue(week[:4])
        case "long":
            return _issue(tuple(_long(story) for story in _stories(16)))
        case "bare":
            return _issue(tuple(replace(story, image_url="", image_alt="") for story in week))
        case "latin":
            return _issue(
                tuple(replace(story, title=title) for story, title in zip(week, _LATIN, strict=False)),
            )
        case "notice":
            note = "3 of 140 articles have no view count: taken as average"
            return replace(_issue(week), subject="شورای شهر شیراز با ساخت سه بوستان موافقت کرد", notes=(note,))
        case "held":
            few = replace(_issue(week[:4]), reason="too few stories: 4 of at least 5", state=IssueState.HELD)
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
            title=title,
            lead=lead,
            section=section,
            source="irannemoone.example",
            image_url=f"https://cdn.irannemoone.example/{position}.jpg" if position in (1, 2, 3, 5, 6, 8) else "",
            image_alt="",
            dated=datetime(2026, 11, 20, 8, tzinfo=UTC),
            also=((90 + position, f"{SITE}/news/{818400 + position}", _ALSO[position]),) if position in _ALSO else (),
            score=1.0 - position / 20,
            parts={},
            pinned=False,
        )
        for position, (section, title, lead) in enumerate(_WEEK[:count], start=1)
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
        reason="",
        approved=False,
        released=False,
        drafted_at=None,
        frozen_at=None,
        started_at=None,
        finished_at=None,
        recipients=0,
    )


def most_read(case: str) -> tuple[tuple[str, str], ...]:
    """Five addresses and titles for the list of the most read, only in a normal week."""
    return tuple((f"{SITE}/news/{818500 + n}", title) for n, (_, title, _) in enumerate(_WEEK[6:11])) * (case == "week")
