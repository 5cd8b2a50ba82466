"""Reads the one article in the text of a news page, as a person copies it from a browser.

Around the article are a menu, the breadcrumb, captions, headlines of other articles and boxes. A few signs, which all
news pages share, distinguish them from the article. The breadcrumb begins with the name of the front page and ends with
the title. Paragraphs end like sentences; captions and headlines do not. Other articles begin under a heading such as
«خبرهای دیگر». This module does not read HTML and does not look for the page's address. It reads the date only from a
line with a label such as «تاریخ انتشار».
"""

import re
from collections.abc import Sequence
from itertools import takewhile
from zoneinfo import ZoneInfo

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.text import dates
from mailer.text.clean import clean
from mailer.text.search_key import key


def _keys(texts: str) -> tuple[str, ...]:
    return tuple(map(key, texts.split("|")))


_HOME = _keys("صفحه اصلی|صفحه نخست|صفحهٔ اول|خانه|سرآغاز|Home")
_BREADCRUMB_PARTS = re.compile(r"\s*[/›>»|\\←❯]\s*|\s+[-–«]\s+")
# Headings that end the article.
_OTHERS = _keys(
    "خبرهای دیگر|اخبار دیگر|دیگر خبرها|سایر اخبار|خبرهای مرتبط|اخبار مرتبط|مطالب مرتبط|مرتبط‌ها|"
    "پربازدیدترین|پربیننده‌ترین|پربحث‌ترین|آخرین اخبار|تازه‌ترین خبرها|آخرین خبرها|تازه‌ترین اخبار|"
    "نظرات|دیدگاه‌ها|نظر شما|ارسال نظر|ارسال دیدگاه|دیدگاهتان را بنویسید|برچسب‌ها|کلیدواژه‌ها|"
    "انتهای پیام|لینک کوتاه|کپی لینک|اشتراک گذاری|به اشتراک بگذارید|خبرنامه هفتگی|عضویت در خبرنامه|"
    "عضو خبرنامه|تمامی حقوق|تمام حقوق|کلیه حقوق|Related|Comments|Share"
)
# Headings inside the article, above headlines of other articles. After these headlines the article goes on.
_ASIDES = _keys("بیشتر بخوانید|بیشتر بدانید|همچنین بخوانید|در همین زمینه|در همین رابطه|Read more")
# Labels of lines that are about the article but not part of it: «تاریخ انتشار: …», «کد خبر: ۱۲۳۴۵».
_DATE_LABELS = _keys("تاریخ انتشار|تاریخ|زمان انتشار|انتشار")
_LABELS = _DATE_LABELS + _keys(
    "به‌روزرسانی|آخرین به‌روزرسانی|کد خبر|کد مطلب|شناسه خبر|زمان مطالعه|بازدید|تعداد بازدید|نویسنده|خبرنگار|"
    "عکاس|عکس|منبع|سرویس|گروه|دسته‌بندی|چاپ|ارسال|پرینت|اندازه متن"
)
_SENTENCE_END = re.compile(r"[.!?؟…:؛][\s\"'”»)\]]*$")
_FULL_STOP = re.compile(r"[.…][\s\"'”»)\]]*$")
_LONG = 25  # words of a paragraph; a caption or a headline has fewer
_TOP = 80  # lines that are searched for the breadcrumb, and below it for the title; a menu may come first
_MOST_PARTS = 20  # parts of a breadcrumb
_MOST_LINES = 5000  # lines of a page that are read
_LABELLED_WORDS = 14  # words; a longer line is a sentence that only begins like a label

_FIX = "The text must have the title on a line of its own and at least one paragraph below it."


def read(name: str, text: str, *, zone: ZoneInfo, title: str = "") -> FoundArticle:
    """Return the one article of a page's text. The caller adds its address and source.

    `zone` is the newsroom's time zone, and `title` is the article's title if it is known. Raises UnreadableInput if
    there is no title with a paragraph below it.
    """
    lines = [line for each in text.split("\n", _MOST_LINES)[:_MOST_LINES] if (line := clean(each))]
    parts, after = _breadcrumb(lines)
    start = _known_title(lines, title) if title else _title(lines, parts, after)
    if start is None:
        raise UnreadableInput(f"{name}: no article is recognised in this text.", _FIX)
    rest = _own_lines(lines[start + 1 :])
    published = next((date for line in rest if (date := _labelled_date(line))), "")
    lead, body = _lead_and_body([line for line in rest if not _is_labelled(line)])
    if not lead:
        raise UnreadableInput(f"{name}: there is a title in this text, but no paragraph below it.", _FIX)
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
    """Return the parts of the breadcrumb, beginning with the front page, and the number of the line after it.

    Returns ([], 0) if there is no breadcrumb.
    """
    for number, line in enumerate(lines[:_TOP]):
        parts = [part for part in _BREADCRUMB_PARTS.split(line) if part]
        if not 1 <= len(parts) <= _MOST_PARTS or key(parts[0]) not in _HOME:
            continue
        if len(parts) > 1:
            return parts, number + 1
        # Some browsers copy the breadcrumb as a list with one part on each line. If more than two short lines follow
        # the first part, the lines are a menu.
        below = list(takewhile(lambda each: len(each.split()) <= 3, lines[number + 1 : number + 7]))
        sections = [each for each in below if key(each)]
        if 1 <= len(sections) <= 2:
            return [parts[0], *sections], number + 1 + len(below)
    return [], 0


def _known_title(lines: Sequence[str], title: str) -> int | None:
    """Return the number of the first line that is the title and has a paragraph below it; None if there is none."""
    wanted = key(title)
    last = max((number for number, line in enumerate(lines) if _is_paragraph(line)), default=0)
    return next((number for number, line in enumerate(lines[:last]) if key(line) == wanted), None)


def _title(lines: Sequence[str], parts: Sequence[str], after: int) -> int | None:
    """Return the number of the title's line, or None if no line may be a title."""
    top = range(after, min(len(lines), after + _TOP))
    # The breadcrumb ends with the title, which may contain one of the separators or be cut short. So every ending of
    # the breadcrumb is tried, the longest first.
    for first in range(2, len(parts)):
        wanted = key(" ".join(parts[first:]))
        cut_short = parts[-1].endswith(("…", "..."))
        for number in top:
            found = key(lines[number])
            if " " in wanted and (found == wanted or (cut_short and found.startswith(wanted))):
                return number
    # Without a breadcrumb, search above the first paragraph. Take the first line that repeats an earlier one, because a
    # page has its title twice: as the title of the page and as a heading. If no line repeats, take the first one long
    # enough for a headline.
    above = takewhile(lambda number: not _is_paragraph(lines[number], _FULL_STOP), top)
    headlines = [number for number in above if len(lines[number].split()) >= 3 and not _is_labelled(lines[number])]
    keys = [key(lines[number]) for number in headlines]
    twice = [number for place, number in enumerate(headlines) if keys[place] in keys[:place]]
    return next(iter(twice or headlines), None)


def _own_lines(lines: Sequence[str]) -> list[str]:
    """Return the article's own lines below its title: up to the heading of another part of the page, without asides."""
    own: list[str] = []
    aside = False
    for line in lines:
        found = key(line)
        if any(_is_headed(found, heading) for heading in _OTHERS):
            break
        if any(_is_headed(found, heading) for heading in _ASIDES):
            aside = found in _ASIDES  # if words follow the heading on its line, only this line is an aside
            continue
        aside = aside and not _is_paragraph(line, _FULL_STOP)
        if not aside:
            own.append(line)
    return own


def _is_headed(line_key: str, heading: str) -> bool:
    """Return True if a line is that heading, perhaps with more words: «آخرین اخبار ایران و جهان», «برچسب‌ها: …»."""
    more = len(line_key.split()) - len(heading.split())
    return line_key == heading or (line_key.startswith(heading + " ") and more <= 5)


def _lead_and_body(lines: Sequence[str]) -> tuple[str, list[str]]:
    """Return the lead, which is the first paragraph, and the body, from the second paragraph on.

    The other lines do not end like a sentence. Between the first two paragraphs they are captions, and after the last
    paragraph they are not part of the article; both are dropped. Between later paragraphs they are sub-headings and
    stay.
    """
    paragraphs = [number for number, line in enumerate(lines) if _is_paragraph(line)]
    if not paragraphs:
        return "", []
    first, *others = paragraphs
    return lines[first], list(lines[others[0] : others[-1] + 1]) if others else []


def _is_paragraph(line: str, end: re.Pattern[str] = _SENTENCE_END) -> bool:
    """Return True if the line is long or ends like a sentence.

    Pass `_FULL_STOP` as the end to rule out headlines, which may end with «؟» or with a quotation.
    """
    words = len(line.split())
    return words >= _LONG or (words >= 6 and bool(end.search(line)))


def _label(line: str) -> str:
    return key(re.split(r"[:：]", line, maxsplit=1)[0])


def _is_labelled(line: str) -> bool:
    return _label(line) in _LABELS and len(line.split()) <= _LABELLED_WORDS


def _labelled_date(line: str) -> str:
    """Return the date without its label, or "" if the line has no such label.

    «تاریخ انتشار: ۷ بهمن ۱۴۰۴ - ۱۲:۳۰» gives «۷ بهمن ۱۴۰۴ - ۱۲:۳۰».
    """
    if _label(line) not in _DATE_LABELS or not _is_labelled(line):
        return ""
    return re.split(r"[:：]", line, maxsplit=1)[-1].strip()
