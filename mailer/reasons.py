"""The sentences of reasons and notes: English for commands and JSON, the newsletter's language for mails and pages.

The database holds codes with arguments and the program compares codes; the words are only here. The Persian sentences
are the msgids of `templates/locale/*.po`, like all words of mails and pages.
"""

from collections.abc import Mapping
from typing import NamedTuple

from mailer.model import Reason, ReasonCode
from mailer.text.clean import clean
from mailer.text.locales import Locale


class Sentence(NamedTuple):
    """One sentence in both languages, with `{name}` for each argument."""

    english: str
    persian: str


_C = ReasonCode
SENTENCES: Mapping[ReasonCode, Sentence] = {
    _C.TEXT: Sentence("{words}", "{words}"),
    _C.TOO_FEW_STORIES: Sentence(
        "too few stories: {found} of at least {least}",
        "خبرها کم است: {found} خبر، و دست‌کم {least} خبر لازم است",
    ),
    _C.APPROVAL_REQUIRED: Sentence("approval is required", "تأیید ویراستار لازم است"),
    _C.HELD_BY_EDITOR: Sentence("held by an editor", "به خواست ویراستار"),
    _C.CANNOT_BE_MADE: Sentence("cannot be made: {error}", "ساخته نمی‌شود: {error}"),
    _C.MAILS_CANNOT_BE_MADE: Sentence("its mails cannot be made: {error}", "نامه‌هایش ساخته نمی‌شود: {error}"),
    _C.NOT_AUTHENTICATED: Sentence("its mails are not authenticated: {reply}", "نامه‌هایش احراز هویت نمی‌شود: {reply}"),
    _C.TOO_LATE: Sentence(
        "too late: more than max_late after its time", "دیر شد: زمان فرستادنش بیش از اندازه گذشته است"
    ),
    _C.NO_STORY: Sentence("there is nothing to send: no story in its time span", "در این بازه خبری برای فرستادن نیست"),
    _C.CANCELLED_BY_ADMIN: Sentence("cancelled by an admin", "به خواست مدیر لغو شد"),
    _C.SUPERSEDED: Sentence(
        "superseded: the issue {slot} began before it", "شمارهٔ {slot} پیش از آن فرستاده شد و جای آن را گرفت"
    ),
    _C.NO_VIEW_COUNTS: Sentence(
        "no article has view counts: chosen by place, coverage and quality",
        "شمار بازدید هیچ خبری دانسته نیست: خبرها از روی جا، پوشش و کیفیت برگزیده شده‌اند",
    ),
    _C.FEW_VIEW_COUNTS: Sentence(
        "only {known} of {all} articles have view counts: chosen by place, coverage and quality",
        "شمار بازدید فقط {known} خبر از {all} خبر دانسته است: خبرها از روی جا، پوشش و کیفیت برگزیده شده‌اند",
    ),
    _C.EQUAL_VIEW_COUNTS: Sentence(
        "all view counts are the same: chosen by place, coverage and quality",
        "شمار بازدید همهٔ خبرها یکی است: خبرها از روی جا، پوشش و کیفیت برگزیده شده‌اند",
    ),
    _C.SOME_VIEW_COUNTS_MISSING: Sentence(
        "{missing} of {all} articles have no view count: taken as average",
        "{missing} خبر از {all} خبر شمار بازدید ندارند و میانگین گرفته شده‌اند",
    ),
    _C.NO_SECTIONS: Sentence(
        "no sections are configured, so stories are not balanced between sections", "هیچ بخشی تعریف نشده است"
    ),
    _C.SECTION_LIMIT_DROPPED: Sentence(
        "more stories of one section than its limit of {limit}: other sections had too few",
        "از بخش‌های دیگر خبر کم بود: سقف {limit} خبر از یک بخش برداشته شد",
    ),
    _C.SOURCE_LIMIT_DROPPED: Sentence(
        "more stories of one source than its limit of {limit}: other sources had too few",
        "از منبع‌های دیگر خبر کم بود: سقف {limit} خبر از یک منبع برداشته شد",
    ),
    _C.DAY_LIMIT_DROPPED: Sentence(
        "more stories of one day than its limit of {limit}: other days had too few",
        "از روزهای دیگر خبر کم بود: سقف {limit} خبر از یک روز برداشته شد",
    ),
    _C.TOO_MANY_PINS: Sentence(
        "{pins} stories are pinned, more than the {stories} of an issue",
        "{pins} خبر سنجاق شده است، بیش از {stories} خبر یک شماره",
    ),
    _C.STORY_LEFT_OUT: Sentence(
        "left out because its page is gone: «{title}»", "صفحهٔ این خبر دیگر نیست، و کنار گذاشته شد: «{title}»"
    ),
    _C.BANNED: Sentence("banned", "ممنوع شده است"),
    _C.BANNED_WORD: Sentence("contains the banned word «{word}»", "واژهٔ ممنوع «{word}» در آن است"),
    _C.ALREADY_TOLD: Sentence("already in an earlier issue", "در شماره‌ای پیشین آمده است"),
    _C.NO_ADDRESS: Sentence("no address", "نشانی ندارد"),
    _C.NOT_A_WEB_PAGE: Sentence("its address is not a web page", "نشانی‌اش صفحهٔ وب نیست"),
    _C.NOT_LINKABLE: Sentence("its address cannot be linked in a mail", "نشانی‌اش را نمی‌توان در نامه پیوند داد"),
    _C.NOT_FREE: Sentence("not free to read", "خواندنش برای همه آزاد نیست"),
    _C.SHORT_TITLE: Sentence("its title is too short", "عنوانش کوتاه است"),
    _C.PAGE_GONE: Sentence("its page is gone", "صفحه‌اش دیگر نیست"),
    _C.DROPPED_BY_EDITOR: Sentence("dropped by an editor", "ویراستار کنار گذاشت"),
    _C.SAME_TITLE: Sentence("same title as «{title}»", "هم‌عنوان با «{title}»"),
    _C.SECTION_FULL: Sentence(
        "section «{name}» is full ({count} of {stories})", "بخش «{name}» پر است ({count} از {stories})"
    ),
    _C.SOURCE_FULL: Sentence(
        "source {name} is full ({count} of {stories})", "منبع {name} پر است ({count} از {stories})"
    ),
    _C.DAY_FULL: Sentence("day {name} is full ({count} of {stories})", "روز {name} پر است ({count} از {stories})"),
    _C.NOT_AMONG_BEST: Sentence("not among the {count} best", "میان {count} خبر برتر نیست"),
}


def english(reason: Reason | None) -> str:
    """The English sentence; empty if there is no reason."""
    return SENTENCES[reason.code].english.format_map(reason.args) if reason else ""


def translated(reason: Reason | None, locale: Locale) -> str:
    """The sentence in the language of `locale`, with its digits; empty if there is no reason."""
    if reason is None:
        return ""
    shown = {
        name: locale.number(value) if isinstance(value, int) else clean(value) for name, value in reason.args.items()
    }
    return locale.say(SENTENCES[reason.code].persian, **shown)
