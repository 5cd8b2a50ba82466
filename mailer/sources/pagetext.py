"""Reads the article in the plain text of a news page, such as a text that a person copied from a browser.

The text also contains a menu, a breadcrumb, captions, headlines of other articles and boxes. They are distinguished
from the article by features that all news pages share. The breadcrumb begins with the name of the front page and ends
with the title. Paragraphs end like sentences; captions and headlines do not. Other articles begin below a heading such
as «خبرهای دیگر». The date is read only from a line with a label such as «تاریخ انتشار». This module does not read HTML
and does not look for the page's address.
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
_BREADCRUMB_PARTS = re.compile(r" ?[/›>»|\\←❯] ?| [-–«] ")  # expects single blanks, as in a line from `clean`
# Headings that mark the end of the article.
_OTHERS = _keys(
    "خبرهای دیگر|اخبار دیگر|دیگر خبرها|سایر اخبار|خبرهای مرتبط|اخبار مرتبط|مطالب مرتبط|مرتبط‌ها|"
    "پربازدیدترین|پربیننده‌ترین|پربحث‌ترین|آخرین اخبار|تازه‌ترین خبرها|آخرین خبرها|تازه‌ترین اخبار|"
    "نظرات|دیدگاه‌ها|نظر شما|ارسال نظر|ارسال دیدگاه|دیدگاهتان را بنویسید|برچسب‌ها|کلیدواژه‌ها|"
    "انتهای پیام|لینک کوتاه|کپی لینک|اشتراک گذاری|به اشتراک بگذارید|خبرنامه هفتگی|عضویت در خبرنامه|"
    "عضو خبرنامه|تمامی حقوق|تمام حقوق|کلیه حقوق|Related|Comments|Share"
)
# Headings in _OTHERS that are also labels of buttons between the title and the text.
_BUTTONS = _keys(
    "نظرات|دیدگاه‌ها|نظر شما|ارسال نظر|ارسال دیدگاه|لینک کوتاه|کپی لینک|اشتراک گذاری|به اشتراک بگذارید|Comments|Share"
)
# Headings inside the article, above headlines of other articles. The article continues after these headlines.
_ASIDES = _keys("بیشتر بخوانید|بیشتر بدانید|همچنین بخوانید|در همین زمینه|در همین رابطه|Read more")
# Labels of lines that describe the article but are not part of its text: «تاریخ انتشار: …», «کد خبر: ۱۲۳۴۵».
_PUBLISHED_LABELS = _keys("تاریخ انتشار|زمان انتشار|انتشار")
_DATE_LABELS = (*_PUBLISHED_LABELS, *_keys("تاریخ"))  # not above the title, where «تاریخ» may label today's date
_LABELS = _DATE_LABELS + _keys(
    "به‌روزرسانی|آخرین به‌روزرسانی|کد خبر|کد مطلب|شناسه خبر|زمان مطالعه|بازدید|تعداد بازدید|نویسنده|خبرنگار|"
    "عکاس|عکس|منبع|سرویس|گروه|دسته‌بندی|چاپ|ارسال|پرینت|اندازه متن"
)
# Words of the notices about cookies that many pages show above the article.
_COOKIES = re.compile(r"کوکی|cookies?\b|ملفات (?:تعريف )?(?:ال)?(?:ارتباط|كوكيز)|الكوكيز", re.IGNORECASE)
_CONSENT = re.compile(
    r"(?:این|ما|سایت ما|پایگاه ما)[^.]{0,60}از کوکی|با ادامه[ٔ‌ی ]{1,3}(?:استفاده|بازدید|مرور)|شما با استفاده"
    r"|کوکی[\w\u200c]{0,6} را (?:می‌?پذیر|بپذیر|قبول)|استفاده از کوکی[\w\u200c]{0,6} (?:موافق|رضایت)"
    r"|\bwe (?:and our \w+ )?use\b|this (?:web)?site uses|by (?:continuing|using|clicking)|accept (?:all )?cookies"
    r"|(?:يستخدم|تستخدم) (?:هذا |موقعنا|الموقع)|نستخدم|باستمرارك|(?:توافق|موافق|موافقتك) على",
    re.IGNORECASE,
)
_LONGEST_NOTICE = 600  # characters
_LATIN_DATE = re.compile(r"[\s|،-]{0,10}(?:[0-9]{1,2} [A-Za-z]{3,9},? [0-9]{4}|[0-9]{4} [A-Za-z]{3,9} [0-9]{1,2})$")
_SENTENCE_END = re.compile(r"[.!?؟…:؛][\s\"'”»)\]]*$")
_FULL_STOP = re.compile(r"[.…][\s\"'”»)\]]*$")
_LONG = 25  # words; a line of this length is a paragraph, because captions and headlines are shorter
_TOP = 80  # lines in which to search for the breadcrumb, and then for the title below it; a menu may come first
_MOST_PARTS = 20  # maximum number of parts of a breadcrumb
MOST_LINES = 5000  # maximum number of lines of a page that are read
_LONGEST_HEADING = 300  # characters that are compared with headings and labels, which are much shorter
_LABELLED_WORDS = 14  # words; a longer line is a sentence that only begins with the same words as a label

_FIX = "The text must have the title on a line of its own and at least one paragraph below it."


def read(name: str, text: str, *, zone: ZoneInfo, title: str = "") -> FoundArticle:
    """Return the article in a page's text. The caller adds the article's address and source.

    `zone` is the newsroom's time zone, and `title` is the article's title if it is known. Raises UnreadableInput if
    there is no title with a paragraph below it.
    """
    lines = [clean(each) for each in text.split("\n", MOST_LINES)[:MOST_LINES]]
    lines = [line for line in lines if line and not is_cookie_notice(line)]
    parts, after = _breadcrumb(lines)
    start = _known_title(lines, title) if title else _title(lines, parts, after)
    if start is None:
        raise UnreadableInput(f"{name}: no article is recognised in this text.", _FIX)
    rest = _own_lines(lines[start + 1 :])
    below = (date for line in rest if (date := _labelled_date(line, _DATE_LABELS)))
    above = (date for line in reversed(lines[:start]) if (date := _labelled_date(line, _PUBLISHED_LABELS)))
    published = next(below, "") or next(above, "")
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


def is_cookie_notice(line: str) -> bool:
    """Return True if a paragraph asks the visitor to accept cookies. An article about cookies does not ask."""
    return len(line) <= _LONGEST_NOTICE and bool(_COOKIES.search(line) and _CONSENT.search(line))


def _breadcrumb(lines: Sequence[str]) -> tuple[list[str], int]:
    """Return the parts of the breadcrumb, beginning with the front page, and the index of the line below.

    Returns ([], 0) if there is no breadcrumb.
    """
    for number, line in enumerate(lines[:_TOP]):
        parts = [part for part in _BREADCRUMB_PARTS.split(line) if part]
        if not 1 <= len(parts) <= _MOST_PARTS or key(parts[0]) not in _HOME:
            continue
        if len(parts) > 1:
            return parts, number + 1
        # Some browsers copy the breadcrumb as a list with one part on each line. If more than two short lines follow
        # the first part, these lines are a menu.
        below = list(takewhile(lambda each: len(each.split()) <= 3, lines[number + 1 : number + 7]))
        sections = [each for each in below if key(each)]
        if 1 <= len(sections) <= 2:
            return [parts[0], *sections], number + 1 + len(below)
    return [], 0


def _known_title(lines: Sequence[str], title: str) -> int | None:
    """Return the index of the first line that equals the title and has a paragraph below it; None if there is none."""
    wanted = key(title)
    last = max((number for number, line in enumerate(lines) if _is_paragraph(line)), default=0)
    return next((number for number, line in enumerate(lines[:last]) if key(line) == wanted), None)


def _title(lines: Sequence[str], parts: Sequence[str], after: int) -> int | None:
    """Return the index of the title's line, or None if no line can be the title.

    `after` is the index of the line below the breadcrumb.
    """
    top = range(after, min(len(lines), after + _TOP))
    # The breadcrumb ends with the title. The title may contain a separator or be cut short, so try every ending of the
    # breadcrumb, the longest first.
    for first in range(2, len(parts)):
        wanted = key(" ".join(parts[first:]))
        cut_short = parts[-1].endswith(("…", "..."))
        for number in top:
            found = key(lines[number])
            if " " in wanted and (found == wanted or (cut_short and found.startswith(wanted))):
                return number
    # If the breadcrumb does not give the title, search above the first paragraph. A page has its title twice, as the
    # title of the page and as a heading, so take the first line that repeats an earlier line. If no line is repeated,
    # take the first line that is long enough for a headline.
    above = takewhile(lambda number: not _is_paragraph(lines[number], _FULL_STOP), top)
    headlines = [number for number in above if len(lines[number].split()) >= 3 and not _is_labelled(lines[number])]
    keys = [key(lines[number]) for number in headlines]
    twice = [number for place, number in enumerate(headlines) if keys[place] in keys[:place]]
    return next(iter(twice or headlines), None)


def _own_lines(lines: Sequence[str]) -> list[str]:
    """Return the lines that belong to the article. `lines` begins below the title.

    The article ends above the heading of another part of the page. Asides inside the article are dropped.
    """
    own: list[str] = []
    aside = has_text = False
    for line in lines:
        found = key(line[:_LONGEST_HEADING])
        if any(_is_headed(found, heading) for heading in _OTHERS):
            if has_text or not any(_is_headed(found, heading) for heading in _BUTTONS):
                break
            continue
        if any(_is_headed(found, heading) for heading in _ASIDES):
            aside = found in _ASIDES  # if more words follow the heading on the same line, only this line is an aside
            continue
        aside = aside and not _is_paragraph(line, _FULL_STOP)
        if not aside:
            own.append(line)
            has_text = has_text or _is_paragraph(line)
    return own


def _is_headed(line_key: str, heading: str) -> bool:
    """Return True if a line is the heading, perhaps with more words: «آخرین اخبار ایران و جهان», «برچسب‌ها: …»."""
    more = len(line_key.split()) - len(heading.split())
    return line_key == heading or (line_key.startswith(heading + " ") and more <= 5)


def _lead_and_body(lines: Sequence[str]) -> tuple[str, list[str]]:
    """Return the lead, which is the first paragraph, and the body, which begins with the second paragraph.

    Lines that are not paragraphs are kept only between the paragraphs of the body, where they are sub-headings. Between
    the first two paragraphs they are captions, and after the last paragraph they do not belong to the article.
    """
    paragraphs = [number for number, line in enumerate(lines) if _is_paragraph(line)]
    if not paragraphs:
        return "", []
    first, *others = paragraphs
    return lines[first], list(lines[others[0] : others[-1] + 1]) if others else []


def _is_paragraph(line: str, end: re.Pattern[str] = _SENTENCE_END) -> bool:
    """Return True if the line is long or ends like a sentence.

    Pass `_FULL_STOP` as `end` to exclude headlines, which may end with a sign such as «؟» but not with a full stop.
    """
    words = len(line.split())
    return words >= _LONG or (words >= 6 and bool(end.search(line)))


def _label(line: str) -> str:
    return key(re.split(r"[:：]", line[:_LONGEST_HEADING], maxsplit=1)[0])


def _is_labelled(line: str) -> bool:
    return _label(line) in _LABELS and len(line.split()) <= _LABELLED_WORDS


def _labelled_date(line: str, labels: Sequence[str]) -> str:
    """Return the text of the date in a line that begins with one of the labels, else "".

    «تاریخ انتشار: ۷ بهمن ۱۴۰۴ - ۱۲:۳۰» gives «۷ بهمن ۱۴۰۴ - ۱۲:۳۰».
    """
    if _label(line) not in labels or not _is_labelled(line):
        return ""
    # Some systems write the date in both calendars: «۷ بهمن ۱۴۰۴ - ۱۲:۳۰ 27 Jan 2026».
    return _LATIN_DATE.sub("", re.split(r"[:：]", line, maxsplit=1)[-1].strip())
