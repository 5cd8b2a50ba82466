"""Defines the codes of reasons and of notes for editors, with the sentences of each code.

A reason says, for example, why an issue is held or why a story was not chosen. The database stores a code with
arguments, and the program compares codes; only this file contains the sentences. Commands and JSON show the English
sentence, while mails and pages show the sentence in the newsletter's language. The Persian sentences are the msgids of
`templates/locale/*.po`, like every other text of mails and pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from mailer.text.clean import clean
from mailer.text.locales import Locale


class ReasonCode(StrEnum):
    """The code of each reason or note, with its English and its Persian sentence. Each `{name}` in a sentence is
    replaced by the argument of that name."""

    english: str
    persian: str

    # Without the defaults, a type checker would reject `ReasonCode("banned")`.
    def __new__(cls, code: str, english: str = "", persian: str = "") -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.english, member.persian = english, persian
        return member

    # Words that a person typed, or a sentence of an older version that matches no code.
    TEXT = "text", "{words}", "{words}"
    # Reasons why an issue is held, paused, skipped or cancelled.
    TOO_FEW_STORIES = (
        "too_few_stories",
        "too few stories: {found} of at least {least}",
        "خبرها کم است: {found} خبر، و دست‌کم {least} خبر لازم است",
    )
    TOO_FEW_DATED = (
        "too_few_dated",
        "too few stories with a date: {found} of at least {least}; {undated} more have no date and may be old",
        "خبر تاریخ‌دار کم است: {found} خبر، و دست‌کم {least} خبر لازم است؛ {undated} خبر دیگر بی‌تاریخ و شاید کهنه است",
    )
    APPROVAL_REQUIRED = "approval_required", "approval is required", "تأیید سردبیر لازم است"
    HELD_BY_EDITOR = "held_by_editor", "held by an editor", "به خواست سردبیر"
    CANNOT_BE_MADE = "cannot_be_made", "cannot be made: {error}", "ساخته نمی‌شود: {error}"
    MAILS_CANNOT_BE_MADE = "mails_cannot_be_made", "its mails cannot be made: {error}", "نامه‌هایش ساخته نمی‌شود: {error}"
    SAMPLE_SETTINGS = (
        "sample_settings",
        "real readers would get it, but these settings still have sample values: {settings}",
        "اعضای واقعی آن را می‌گرفتند، ولی این تنظیم‌ها هنوز مقدار نمونه دارند: {settings}",
    )
    NOT_AUTHENTICATED = (
        "not_authenticated",
        "its mails are not authenticated: {reply}",
        "نامه‌هایش احراز هویت نمی‌شود: {reply}",
    )
    TOO_LATE = (
        "too_late",
        "too late: more than max_late after its time",
        "دیر شد: زمان فرستادنش بیش از اندازه گذشته است",
    )
    NO_STORY = "no_story", "there is nothing to send: no story in its time span", "در این بازه خبری برای فرستادن نیست"
    CANCELLED_BY_ADMIN = "cancelled_by_admin", "cancelled by an admin", "به خواست مدیر لغو شد"
    SUPERSEDED = (
        "superseded",
        "superseded: the issue {slot} began before it",
        "شمارهٔ {slot} پیش از آن فرستاده شد و جای آن را گرفت",
    )
    # Notes on how the stories of an issue were chosen.
    NO_VIEW_COUNTS = (
        "no_view_counts",
        "no article has view counts: chosen by place, coverage and quality",
        "آمار بازدید هیچ خبری در دست نیست؛ خبرها بر پایهٔ جایگاه، میزان پوشش و کیفیت انتخاب شده‌اند",
    )
    FEW_VIEW_COUNTS = (
        "few_view_counts",
        "only {known} of {all} articles have view counts: chosen by place, coverage and quality",
        "آمار بازدید تنها {known} خبر از {all} خبر در دست است؛ خبرها بر پایهٔ جایگاه، میزان پوشش و کیفیت انتخاب شده‌اند",
    )
    EQUAL_VIEW_COUNTS = (
        "equal_view_counts",
        "all view counts are the same: chosen by place, coverage and quality",
        "آمار بازدید همهٔ خبرها یکسان است؛ خبرها بر پایهٔ جایگاه، میزان پوشش و کیفیت انتخاب شده‌اند",
    )
    SOME_VIEW_COUNTS_MISSING = (
        "some_view_counts_missing",
        "it is unknown how much {missing} of {all} articles were read: they are judged by place, coverage and "
        "quality, and by the average of their sections",
        "آمار بازدید {missing} خبر از {all} خبر در دست نیست؛ این خبرها بر پایهٔ جایگاه، میزان پوشش، کیفیت و میانگین "
        "بخششان سنجیده شده‌اند",
    )
    MOST_READ_LIST = (
        "most_read_list",
        "the list of the most read shows how much {articles} articles were read; {listed} of them were on it",
        "میزان خوانده شدن {articles} خبر از روی فهرست پربازدیدها برآورد شده است؛ {listed} خبر در آن فهرست بوده‌اند",
    )
    UNUSED_VIEW_COUNTS = (
        "unused_view_counts",
        "the view counts of {count} articles are not used: too few articles of their sources have a count, or all "
        "counts are the same",
        "آمار بازدید {count} خبر به کار نرفت: شمار خبرهای آماردار منبعشان کم است، یا آمارها همه یکسان است",
    )
    UNDATED_ARTICLES = (
        "undated_articles",
        "{undated} of {all} articles of {source} have no date and may be old: stories without one do not count "
        "towards the least number of stories",
        "{undated} خبر از {all} خبر {source} تاریخ ندارد و شاید کهنه باشد: خبر بی‌تاریخ در شمار کمینهٔ خبرها نیست",
    )
    NO_SECTIONS = (
        "no_sections",
        "no sections are configured, so stories are not balanced between sections",
        "هیچ بخشی تعریف نشده است",
    )
    SECTION_LIMIT_DROPPED = (
        "section_limit_dropped",
        "more stories of one section than its limit of {limit}: other sections had too few",
        "از بخش‌های دیگر خبر کم بود: سقف {limit} خبر از یک بخش برداشته شد",
    )
    SOURCE_LIMIT_DROPPED = (
        "source_limit_dropped",
        "more stories of one source than its limit of {limit}: other sources had too few",
        "از منبع‌های دیگر خبر کم بود: سقف {limit} خبر از یک منبع برداشته شد",
    )
    DAY_LIMIT_DROPPED = (
        "day_limit_dropped",
        "more stories of one day than its limit of {limit}: other days had too few",
        "از روزهای دیگر خبر کم بود: سقف {limit} خبر از یک روز برداشته شد",
    )
    TOPIC_LIMIT_DROPPED = (
        "topic_limit_dropped",
        "more stories of one topic than its limit of {limit}: other topics had too few",
        "از موضوع‌های دیگر خبر کم بود: سقف {limit} خبر از یک موضوع برداشته شد",
    )
    LARGEST_TOPIC = (
        "largest_topic",
        "the largest topic has {articles} articles from {sources} sources in {hours} hours, "
        "and {stories} stories of the issue: «{title}»",
        "بزرگ‌ترین موضوع: {articles} خبر از {sources} منبع در {hours} ساعت؛ {stories} خبر در این شماره: «{title}»",
    )
    LARGEST_TOPIC_MISSING = (
        "largest_topic_missing",
        "the largest topic is not in the issue, though {articles} articles from {sources} sources in {hours} hours "
        "are about it: «{title}» ({why})",
        "بزرگ‌ترین موضوع در این شماره نیست: {articles} خبر از {sources} منبع در {hours} ساعت: «{title}» ({why})",
    )
    TOO_MANY_PINS = (
        "too_many_pins",
        "{pins} stories are pinned, more than the {stories} of an issue",
        "{pins} خبر سنجاق شده است، بیش از {stories} خبر یک شماره",
    )
    STORY_LEFT_OUT = (
        "story_left_out",
        "left out because its page is gone: «{title}»",
        "صفحهٔ این خبر دیگر نیست، و کنار گذاشته شد: «{title}»",
    )
    LONG_SUBJECT = (
        "long_subject",
        "the editor's subject has {length} characters; mail programs show only the first 40 to 100",
        "موضوعی که تحریریه نوشته است {length} نویسه دارد؛ برنامه‌های ایمیل پس از ۴۰ تا ۱۰۰ نویسه آن را می‌بُرند",
    )
    BLOCK_NOT_SHOWN = (
        "block_not_shown",
        "the block «{title}» is missing in the HTML or the text of the mail: your own templates have no place for it, "
        "see `mailer templates check`",
        "کادر «{title}» در بخش HTML یا بخش متنی نامه نمی‌آید، چون قالب‌های خودتان جایی برای آن ندارند",
    )
    # Reasons why a story was not chosen.
    BANNED = "banned", "banned", "ممنوع شده است"
    BANNED_WORD = "banned_word", "contains the banned word «{word}»", "واژهٔ ممنوع «{word}» در آن است"
    ALREADY_USED = "already_used", "already in an earlier issue", "در شماره‌ای پیشین آمده است"
    NO_ADDRESS = "no_address", "no address", "نشانی ندارد"
    NOT_A_WEB_PAGE = "not_a_web_page", "its address is not a web page", "نشانی‌اش صفحهٔ وب نیست"
    NOT_LINKABLE = "not_linkable", "its address cannot be linked in a mail", "نشانی‌اش را نمی‌توان در نامه پیوند داد"
    NOT_FREE = "not_free", "not free to read", "خواندنش برای همه آزاد نیست"
    SHORT_TITLE = "short_title", "its title is too short", "عنوانش کوتاه است"
    PAGE_GONE = "page_gone", "its page is gone", "صفحه‌اش دیگر نیست"
    DROPPED_BY_EDITOR = "dropped_by_editor", "dropped by an editor", "سردبیر کنار گذاشت"
    SAME_TITLE = "same_title", "same title as «{title}»", "هم‌عنوان با «{title}»"
    SECTION_FULL = (
        "section_full",
        "section «{name}» is full ({count} of {stories})",
        "بخش «{name}» پر است ({count} از {stories})",
    )
    SOURCE_FULL = (
        "source_full",
        "source {name} is full ({count} of {stories})",
        "منبع {name} پر است ({count} از {stories})",
    )
    DAY_FULL = "day_full", "day {name} is full ({count} of {stories})", "روز {name} پر است ({count} از {stories})"
    TOPIC_FULL = (
        "topic_full",
        "the issue has {count} stories about this topic already, such as «{name}»",
        "دربارهٔ این موضوع {count} خبر در شماره هست، مانند «{name}»",
    )
    NOT_AMONG_BEST = "not_among_best", "not among the {count} best", "میان {count} خبر برتر نیست"
    # What the parts of a story's score mean, how large its topic is, and whether it is pinned or an update.
    WHY_READ = (
        "why_read",
        "popularity: more read than {percent} % of the articles; {views} views so far",
        "بازدید: پرخواننده‌تر از {percent} درصد خبرها؛ {views} بازدید تاکنون",
    )
    WHY_READ_LITTLE = (
        "why_read_little",
        "popularity: at least half of the articles are read as much or more; {views} views so far",
        "بازدید: دست‌کم نیمی از خبرها همین اندازه خوانده شده‌اند؛ {views} بازدید تاکنون",
    )
    WHY_LISTED = (
        "why_listed",
        "popularity: its time on the list of the most read counts as {hours} hours in the first place",
        "بازدید: حضور در فهرست پربازدیدها، برابر با {hours} ساعت در جایگاه نخست",
    )
    WHY_NOT_LISTED = (
        "why_not_listed",
        "guess: not on the list of the most read",
        "بازدید: در فهرست پربازدیدها نبوده است",
    )
    WHY_GUESSED = (
        "why_guessed",
        "guess: its readers are unknown, so they are guessed from its section, place and coverage",
        "بازدید: در دست نیست؛ بر پایهٔ بخش، جایگاه و میزان پوشش برآورد شده است",
    )
    WHY_PROMINENT = (
        "why_prominent",
        "prominence: up to {hours} hours among the first places of the front page",
        "صفحهٔ نخست: تا {hours} ساعت در جایگاه‌های بالا",
    )
    WHY_FRONT_PAGE = (
        "why_front_page",
        "prominence: marked for the front page",
        "صفحهٔ نخست: برای صفحهٔ نخست نشان شده است",
    )
    WHY_NOT_PROMINENT = (
        "why_not_prominent",
        "prominence: never among the first places of the front page",
        "صفحهٔ نخست: در جایگاه‌های بالا نبوده است",
    )
    WHY_COVERED = (
        "why_covered",
        "coverage: {articles} articles from {sources} sources about it in {hours} hours",
        "پوشش: {articles} خبر از {sources} منبع دربارهٔ آن در {hours} ساعت",
    )
    WHY_ALONE = "why_alone", "coverage: no other article about it", "پوشش: خبر دیگری دربارهٔ آن نیست"
    WHY_GOOD_QUALITY = (
        "why_good_quality",
        "quality: a picture, enough text and a long title",
        "کیفیت: عکس، متن کافی و عنوان گویا",
    )
    WHY_NO_PICTURE = "why_no_picture", "quality: no picture", "کیفیت: عکس ندارد"
    WHY_LITTLE_TEXT = "why_little_text", "quality: little text", "کیفیت: متنش کوتاه است"
    WHY_SHORT_TITLE = "why_short_title", "quality: a short title", "کیفیت: عنوانش کوتاه است"
    WHY_RATED = "why_rated", "news value: {value}, as an editor rated it", "ارزش خبری: {value}، از دید سردبیر"
    WHY_SERIES = (
        "why_series",
        "series: one of a daily series, which rarely has news",
        "رشته: از خبرهای هرروزه است، که کمتر خبر تازه‌ای دارند",
    )
    WHY_RUBRIC = "why_rubric", "rubric: the title has only one word", "عنوان: تنها یک واژه است"
    WHY_LIGHT_SECTION = (
        "why_light_section",
        "light section: «{name}» counts less",
        "بخش: «{name}» وزن کمتری دارد",
    )
    WHY_BURST = (
        "why_burst",
        "burst: its topic was hardly in the news of the weeks before",
        "ناگهانی: در هفته‌های پیش کمتر از این موضوع خبری بود",
    )
    WHY_SECTION_CLICKS = (
        "why_section_clicks",
        "clicks: in the last issues, readers opened stories of «{name}»",
        "کلیک‌ها: خوانندگان در شماره‌های اخیر خبرهای «{name}» را باز کرده‌اند",
    )
    WHY_LATE = (
        "why_late",
        "late: published before the time span of the issue, but first seen in it",
        "دیرکرد: پیش از این بازه منتشر و در این بازه دیده شده است",
    )
    WHY_TOPIC = (
        "why_topic",
        "topic: «{title}», {articles} articles from {sources} sources in {hours} hours; {stories} of its stories are "
        "in the issue",
        "موضوع: «{title}»، {articles} خبر از {sources} منبع در {hours} ساعت؛ {stories} خبر در این شماره",
    )
    WHY_PINNED = "why_pinned", "pinned by an editor", "سردبیر آن را سنجاق کرده است"
    WHY_UPDATE = (
        "why_update",
        "an earlier issue had this event, which has moved on",
        "در شماره‌ای پیشین بود و پیش رفته است",
    )


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason or a note: a code and its arguments. An argument can be another reason."""

    code: ReasonCode
    args: "Mapping[str, str | int | Reason]" = field(default_factory=dict)


def stored(code: str, args: Mapping[str, Any]) -> Reason:
    """Returns the reason for a stored code and its arguments, as `plain` wrote them.

    The text of the reason is the code if this version does not know the code, or if it needs arguments that an older
    version did not store.
    """
    found = {name: stored(**value) if isinstance(value, Mapping) else value for name, value in args.items()}
    try:
        reason = Reason(ReasonCode(code), found)
        english(reason)
    except (ValueError, KeyError):
        return Reason(ReasonCode.TEXT, {"words": code})
    return reason


def plain(reason: Reason) -> dict[str, Any]:
    """Returns a reason in a form that JSON can hold: {"code": …, "args": …}."""
    args = {name: plain(value) if isinstance(value, Reason) else value for name, value in reason.args.items()}
    return {"code": str(reason.code), "args": args}


def english(reason: Reason | None) -> str:
    """Returns the English sentence of a reason, or "" if there is no reason."""
    if reason is None:
        return ""
    shown = {name: english(value) if isinstance(value, Reason) else value for name, value in reason.args.items()}
    return reason.code.english.format_map(shown)


def translated(reason: Reason | None, locale: Locale) -> str:
    """Returns the sentence of a reason in the language and the digits of `locale`, or "" if there is no reason."""
    if reason is None:
        return ""
    shown = {name: _translated(value, locale) for name, value in reason.args.items()}
    return locale.say(reason.code.persian, **shown)


def _translated(value: str | int | Reason, locale: Locale) -> str | int:
    if isinstance(value, Reason):
        return translated(value, locale)
    return value if isinstance(value, int) else clean(value)
