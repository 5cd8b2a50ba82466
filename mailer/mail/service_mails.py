"""What a reader sees of the mails that are no issue, as plain values for the templates.

The notice to editors, the question whether somebody joins, the mark of a test mail. Every word that comes from outside
is cleaned here; whether and to whom such a mail goes is decided in `app`.
"""

import re
from datetime import tzinfo

from mailer.mail import bidi, placeholders, view
from mailer.model import OTHER_NEWS, Issue, IssueState
from mailer.settings import Newsletter
from mailer.text.calendar import long_date
from mailer.text.characters import RLM
from mailer.text.clean import clean
from mailer.text.links import web_address
from mailer.text.locales import FA, Locale

# What commands print in English, and how editors read it; translated like every word of the templates.
TOLD = {
    r"too few stories: (?P<found>\d+) of at least (?P<least>\d+)": (
        "خبرها کم است: {found} خبر، و دست‌کم {least} خبر لازم است"
    ),
    r"approval is required": "تأیید ویراستار لازم است",
    r"held by an editor": "به خواست ویراستار",
    r"no sections are configured: nothing balances them": "هیچ بخشی تعریف نشده است",
    r"(?P<missing>\d+) of (?P<all>\d+) articles have no view count: taken as average": (
        "{missing} خبر از {all} خبر شمار بازدید ندارند و میانگین گرفته شده‌اند"
    ),
    r"left out, for its page is gone: «(?P<title>.+)»": "صفحهٔ این خبر دیگر نیست، و کنار گذاشته شد: «{title}»",
    r"no article has view counts: chosen by place, coverage and quality": (
        "شمار بازدید هیچ خبری دانسته نیست: خبرها از روی جا، پوشش و کیفیت برگزیده شده‌اند"
    ),
    r"only (?P<known>\d+) of (?P<all>\d+) articles have view counts: chosen by place, coverage and quality": (
        "شمار بازدید فقط {known} خبر از {all} خبر دانسته است: خبرها از روی جا، پوشش و کیفیت برگزیده شده‌اند"
    ),
    r"all view counts are the same: chosen by place, coverage and quality": (
        "شمار بازدید همهٔ خبرها یکی است: خبرها از روی جا، پوشش و کیفیت برگزیده شده‌اند"
    ),
    r"too few stories elsewhere: the limit of (?P<limit>\d+) of one section was dropped": (
        "از بخش‌های دیگر خبر کم بود: سقف {limit} خبر از یک بخش برداشته شد"
    ),
    r"too few stories elsewhere: the limit of (?P<limit>\d+) of one source was dropped": (
        "از منبع‌های دیگر خبر کم بود: سقف {limit} خبر از یک منبع برداشته شد"
    ),
    r"too few stories elsewhere: the limit of (?P<limit>\d+) of one day was dropped": (
        "از روزهای دیگر خبر کم بود: سقف {limit} خبر از یک روز برداشته شد"
    ),
    r"(?P<pins>\d+) stories are pinned, more than the (?P<stories>\d+) of an issue": (
        "{pins} خبر سنجاق شده است، بیش از {stories} خبر یک شماره"
    ),
}


def notice(
    issue: Issue, newsletter: Newsletter, *, editor_url: str, zone: tzinfo, locale: Locale = FA
) -> dict[str, object]:
    """The values of `mail/notice.*`, also of the page behind `editor_url`, which is one of our own: of `page_view`, and
    slot, date, state, reason (may be empty), approved, send_at, subject, preheader, stories (rank, title, section, url;
    the latter two may be empty), notes, editor_url."""
    local = issue.send_at.astimezone(zone)
    day = long_date(local.date(), newsletter.calendar, locale)
    return {
        **view.page_view(newsletter),
        "slot": issue.slot,
        "date": long_date(issue.day, newsletter.calendar, locale),
        "state": _standing(issue.state, locale),
        "reason": in_words(issue.reason, locale),
        "approved": issue.approved,
        "send_at": f"{day}{locale.comma} {locale.number(f'{local:%H:%M}')}",
        "subject": clean(issue.subject),
        "preheader": view.preheader(issue, newsletter, locale),
        "stories": [
            {
                "rank": locale.number(story.position),
                "title": clean(story.title),
                "section": locale.say(OTHER_NEWS) if story.section == OTHER_NEWS else clean(story.section),
                "url": web_address(story.url),
            }
            for story in issue.stories
        ],
        "notes": [in_words(note, locale) for note in issue.notes],
        "editor_url": editor_url,
    }


def confirmation(newsletter: Newsletter, days: int, locale: Locale = FA) -> dict[str, object]:
    """The values of `mail/confirmation.*`: of `page_view`, and subject, preheader, days and the slot `confirm_url`.
    `days`: how long the link works. Nothing that a stranger could have typed is among them."""
    return {
        **view.page_view(newsletter),
        "subject": locale.say("تأیید عضویت در خبرنامهٔ «{name}»", name=clean(newsletter.name)),
        "preheader": locale.say("تا تأیید نکنید عضو نمی‌شوید و هیچ خبرنامه‌ای برایتان فرستاده نمی‌شود."),
        "days": locale.number(days),
        "confirm_url": placeholders.named("confirm_url"),
    }


def trial_subject(subject: str, locale: Locale = FA) -> str:
    """The subject of a test mail: «آزمایشی: …», so that nobody takes it for the issue."""
    return bidi.subject(locale.say("آزمایشی: {subject}", subject=subject.removeprefix(RLM)), locale)


def _standing(state: IssueState, locale: Locale) -> str:
    """How an issue stands, in words for its editors."""
    words = {
        IssueState.PLANNED: locale.say("در برنامه است"),
        IssueState.DRAFT: locale.say("پیش‌نویس آماده است"),
        IssueState.HELD: locale.say("نگه داشته شده است"),
        IssueState.FROZEN: locale.say("نهایی شده است"),
        IssueState.SENDING: locale.say("در حال فرستادن است"),
        IssueState.PAUSED: locale.say("فرستادن متوقف است"),
        IssueState.SENT: locale.say("فرستاده شد"),
        IssueState.PARTIAL: locale.say("به بعضی نرسید"),
        IssueState.SKIPPED: locale.say("فرستاده نشد"),
        IssueState.CANCELLED: locale.say("لغو شد"),
    }
    return words[state]


def in_words(told: str, locale: Locale) -> str:
    """A reason or a note of ours, which commands print in English, as editors read it; another's stays as it is."""
    told = clean(told)
    for pattern, words in TOLD.items():
        if found := re.fullmatch(pattern, told):
            return locale.say(words, **{name: _value(value, locale) for name, value in found.groupdict().items()})
    return told


def _value(value: str, locale: Locale) -> str:
    return locale.number(value) if value.isdecimal() else value
