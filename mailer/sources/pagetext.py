"""The text of a news page, as somebody copies it from a browser → exactly one article.

Around the article stand a menu, the breadcrumb, captions of pictures, headlines of other articles and boxes. What is
what is told by a few signs that all such pages share: the breadcrumb begins with the front page's name and ends with
the title; paragraphs end like sentences, captions and headlines do not; other articles begin under a heading such as
«خبرهای دیگر». It does *not* read HTML, and it does not look for the address or, beyond a line that says so, the date.
"""

import re
from collections.abc import Sequence
from itertools import takewhile
from zoneinfo import ZoneInfo

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.text import dates, search_key
from mailer.text.clean import clean


def _keys(*texts: str) -> tuple[str, ...]:
    return tuple(search_key.key(text) for text in texts)


_HOME = _keys("صفحه اصلی", "صفحه نخست", "صفحهٔ اول", "خانه", "سرآغاز", "Home")
_BREADCRUMB_PARTS = re.compile(r"\s*[/›>»|\\←❯]\s*|\s+[-–«]\s+")
# Headings under which the article is over.
_OTHERS = _keys(
    *("خبرهای دیگر", "اخبار دیگر", "دیگر خبرها", "سایر اخبار", "خبرهای مرتبط", "اخبار مرتبط", "مطالب مرتبط", "مرتبط‌ها"),
    *("پربازدیدترین", "پربیننده‌ترین", "پربحث‌ترین", "آخرین اخبار", "تازه‌ترین خبرها", "آخرین خبرها", "تازه‌ترین اخبار"),
    *("نظرات", "دیدگاه‌ها", "نظر شما", "ارسال نظر", "ارسال دیدگاه", "دیدگاهتان را بنویسید", "برچسب‌ها", "کلیدواژه‌ها"),
    *(
        "انتهای پیام",
        "لینک کوتاه",
        "کپی لینک",
        "اشتراک گذاری",
        "به اشتراک بگذارید",
        "خبرنامه هفتگی",
        "عضویت در خبرنامه",
    ),
    *("عضو خبرنامه", "تمامی حقوق", "تمام حقوق", "کلیه حقوق", "Related", "Comments", "Share"),
)
# A heading inside the article, with headlines of others under it; then the article goes on.
_ASIDES = _keys("بیشتر بخوانید", "بیشتر بدانید", "همچنین بخوانید", "در همین زمینه", "در همین رابطه", "Read more")
# Lines about the article that are not of it: «تاریخ انتشار: …», «کد خبر: ۱۲۳۴۵».
_ABOUT = _keys(
    *(
        "تاریخ انتشار",
        "تاریخ",
        "زمان انتشار",
        "انتشار",
        "به‌روزرسانی",
        "آخرین به‌روزرسانی",
        "کد خبر",
        "کد مطلب",
        "شناسه خبر",
    ),
    *(
        "زمان مطالعه",
        "بازدید",
        "تعداد بازدید",
        "نویسنده",
        "خبرنگار",
        "عکاس",
        "عکس",
        "منبع",
        "سرویس",
        "گروه",
        "دسته‌بندی",
    ),
    *("چاپ", "ارسال", "پرینت", "اندازه متن"),
)
_DATE_LABELS = _keys("تاریخ انتشار", "تاریخ", "زمان انتشار", "انتشار")
_SENTENCE_END = re.compile(r"[.!?؟…:؛][\s\"'”»)\]]*$")
_FULL_STOP = re.compile(r"[.…][\s\"'”»)\]]*$")
_LONG = 25  # words; a caption or a headline has fewer
_TOP = 80  # lines in which the breadcrumb and the title must stand: a menu may come first
_MOST_PARTS = 20  # of a breadcrumb
_MOST_LINES = 5000  # of a page
_ABOUT_WORDS = 14  # a longer line is a sentence that begins with such a word

_FIX = "The text must hold the title on a line of its own and at least one paragraph below it."


def read(name: str, text: str, *, zone: ZoneInfo, title: str = "") -> FoundArticle:
    """The one article of a page's text; address and source are for the caller to add. `zone` is the newsroom's.
    `title`: the article's, where it is known.

    Raises UnreadableInput when there is no title with a paragraph below it.
    """
    lines = [line for each in text.split("\n", _MOST_LINES)[:_MOST_LINES] if (line := clean(each))]
    parts, after = _breadcrumb(lines)
    start = _known_title(lines, title) if title else _title(lines, parts, after)
    if start is None:
        raise UnreadableInput(f"{name}: no article is recognised in this text.", _FIX)
    rest = _own_lines(lines[start + 1 :])
    published = next((date for line in rest if (date := _labelled_date(line))), "")
    lead, body = _words([line for line in rest if not _is_about(line)])
    if not lead:
        raise UnreadableInput(f"{name}: a title stands in this text, but no paragraph below it.", _FIX)
    return FoundArticle(
        title=lines[start],
        source="",
        lead=lead,
        body="\n".join(body),
        category=parts[1] if len(parts) > 1 and parts[1] != lines[start] else "",
        published=dates.parse(published, zone=zone),
        published_raw=published,
    )


def _breadcrumb(lines: Sequence[str]) -> tuple[list[str], int]:
    """The parts of the breadcrumb, the front page first, and the number of the line after it; ([], 0) without one."""
    for number, line in enumerate(lines[:_TOP]):
        parts = [part for part in _BREADCRUMB_PARTS.split(line) if part]
        if not 1 <= len(parts) <= _MOST_PARTS or search_key.key(parts[0]) not in _HOME:
            continue
        if len(parts) > 1:
            return parts, number + 1
        # One part a line, as some browsers copy a list. More than two sections in a row are a menu.
        below = list(takewhile(lambda each: len(each.split()) <= 3, lines[number + 1 : number + 7]))
        sections = [each for each in below if search_key.key(each)]
        if 1 <= len(sections) <= 2:
            return [parts[0], *sections], number + 1 + len(below)
    return [], 0


def _known_title(lines: Sequence[str], title: str) -> int | None:
    """The number of the first line that is the title and has a paragraph below it."""
    wanted = search_key.key(title)
    places = [number for number, line in enumerate(lines) if search_key.key(line) == wanted]
    last = max((number for number, line in enumerate(lines) if _is_paragraph(line)), default=-1)
    return next((number for number in places if number < last), None)


def _title(lines: Sequence[str], parts: Sequence[str], after: int) -> int | None:
    """The number of the title's line."""
    top = range(after, min(len(lines), after + _TOP))
    # The breadcrumb ends with the title. It may hold one of the signs that part the breadcrumb, or be cut short, so
    # every ending of it is tried, the longest first.
    for first in range(2, len(parts)):
        wanted = search_key.key(" ".join(parts[first:]))
        cut_short = parts[-1].endswith(("…", "..."))
        for number in top:
            key = search_key.key(lines[number])
            if " " in wanted and (key == wanted or (cut_short and key.startswith(wanted))):
                return number
    # Without a breadcrumb: of the lines above the first paragraph one that stands twice (the window's title and the
    # heading), else the first that is long enough for a headline.
    text_begins = next((number for number in top if _is_surely_paragraph(lines[number])), len(lines))
    headlines = [number for number in top if number < text_begins and _may_be_title(lines[number])]
    keys = [search_key.key(lines[number]) for number in headlines]
    twice = [number for place, number in enumerate(headlines) if keys[place] in keys[:place]]
    return next(iter(twice or headlines), None)


def _may_be_title(line: str) -> bool:
    return len(line.split()) >= 3 and not _is_about(line)


def _own_lines(lines: Sequence[str]) -> list[str]:
    """The lines below the title up to the first heading of something else, without asides."""
    own: list[str] = []
    aside = False
    for line in lines:
        key = search_key.key(line)
        if any(_is_headed(key, heading) for heading in _OTHERS):
            break
        if any(_is_headed(key, heading) for heading in _ASIDES):
            aside = key in _ASIDES  # with words after it, it is one line only
            continue
        aside = aside and not _is_surely_paragraph(line)
        if not aside:
            own.append(line)
    return own


def _is_headed(key: str, heading: str) -> bool:
    """Whether a line is that heading, perhaps with a few words more: «آخرین اخبار ایران و جهان», «برچسب‌ها: …»."""
    return key == heading or (key.startswith(heading + " ") and len(key.split()) <= len(heading.split()) + 5)


def _words(lines: Sequence[str]) -> tuple[str, list[str]]:
    """Lead and body: the first paragraph, and from the second one on.

    What stands between the two and does not end like a sentence is a caption. Below that, such a line is a sub-heading,
    and one at the very end belongs to nothing.
    """
    paragraphs = [number for number, line in enumerate(lines) if _is_paragraph(line)]
    if not paragraphs:
        return "", []
    first, *others = paragraphs
    return lines[first], list(lines[others[0] : others[-1] + 1]) if others else []


def _is_paragraph(line: str) -> bool:
    words = len(line.split())
    return words >= _LONG or (words >= 6 and bool(_SENTENCE_END.search(line)))


def _is_surely_paragraph(line: str) -> bool:
    """Long, or ending with a full stop: headlines too may end with «؟» or with a quotation."""
    words = len(line.split())
    return words >= _LONG or (words >= 6 and bool(_FULL_STOP.search(line)))


def _label(line: str) -> str:
    return search_key.key(re.split(r"[:：]", line, maxsplit=1)[0])


def _is_about(line: str) -> bool:
    return _label(line) in _ABOUT and len(line.split()) <= _ABOUT_WORDS


def _labelled_date(line: str) -> str:
    """«تاریخ انتشار: ۷ بهمن ۱۴۰۴ - ۱۲:۳۰» → «۷ بهمن ۱۴۰۴ - ۱۲:۳۰»."""
    if _label(line) not in _DATE_LABELS or not _is_about(line):
        return ""
    return re.split(r"[:：]", line, maxsplit=1)[-1].strip()
