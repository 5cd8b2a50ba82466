"""Makes the values for the templates of service mails: the notice to editors, the confirmation, the reminder, the
welcome mail and the test mail.

Text from outside is cleaned here. `issues` and `readers` decide whether such a mail is sent, and to whom.
"""

from datetime import date, tzinfo

from mailer import reasons
from mailer.mail import bidi, placeholders, view
from mailer.model import OTHER_NEWS, Issue, IssueState
from mailer.reasons import ReasonCode
from mailer.settings import Newsletter
from mailer.text.calendar import long_date
from mailer.text.characters import RLM
from mailer.text.clean import clean, shorten
from mailer.text.links import web_address
from mailer.text.locales import FA, Locale


def notice(
    issue: Issue, newsletter: Newsletter, *, editor_url: str, zone: tzinfo, locale: Locale = FA
) -> dict[str, object]:
    """Returns the values for `mail/notice.*` and for the editor's page, whose address is `editor_url`.

    The values are those of `view.page_view`, and: slot, date, state, reason (may be empty), approved, send_at, subject,
    preheader, notes, editor_url, headline (the subject of the notice itself), held, waiting (held until an editor
    approves it), and stories. Each story has rank, title, section (may be empty), url (may be empty) and why (the
    sentences that explain its score).
    """
    local = issue.send_at.astimezone(zone)
    day = long_date(local.date(), newsletter.calendar, locale)
    send_at = f"{day}{locale.comma} {locale.number(f'{local:%H:%M}')}"
    held = issue.state is IssueState.HELD
    waiting = held and issue.reason is not None and issue.reason.code is ReasonCode.APPROVAL_REQUIRED
    name = f"{clean(newsletter.title)} {clean(newsletter.name)}"
    if waiting:
        headline = locale.say("«{name}» منتظر تأیید شماست، تا {time}", name=name, time=send_at)
    elif held:
        headline = locale.say("«{name}» نگه داشته شده و منتظر شماست", name=name)
    else:
        headline = locale.say("پیش‌نویس «{name}» آماده است؛ {time} فرستاده می‌شود", name=name, time=send_at)
    return {
        **view.page_view(newsletter),
        "headline": headline,
        "held": held,
        "waiting": waiting,
        "slot": issue.slot,
        "date": long_date(issue.day, newsletter.calendar, locale),
        "state": locale.say("منتظر تأیید شماست") if waiting else _state_name(issue.state, locale),
        "reason": "" if waiting else reasons.translated(issue.reason, locale),
        "approved": issue.approved,
        "send_at": send_at,
        "subject": clean(issue.subject),
        "preheader": view.preheader(issue, newsletter, locale),
        "stories": [
            {
                "rank": locale.number(story.position),
                "title": clean(story.title),
                "section": locale.say(OTHER_NEWS) if story.section == OTHER_NEWS else clean(story.section),
                "url": web_address(story.url),
                "why": [reasons.translated(each, locale) for each in story.why],
            }
            for story in issue.stories
        ],
        "notes": [reasons.translated(note, locale) for note in issue.notes],
        "editor_url": editor_url,
    }


def confirmation(newsletter: Newsletter, days: int, locale: Locale = FA) -> dict[str, object]:
    """Returns the values for `mail/confirmation.*`.

    The values are those of `view.page_view`, and: subject, preheader, days (the number of days for which the link
    works) and the placeholder `confirm_url`. No value is a text that a stranger could have typed into the sign-up form.
    """
    return {
        **view.page_view(newsletter),
        "subject": locale.say("تأیید عضویت در خبرنامهٔ «{name}»", name=clean(newsletter.name)),
        "preheader": locale.say("برای کامل شدن عضویت، تنها یک کلیک مانده است."),
        "days": days,
        "confirm_url": placeholders.named("confirm_url"),
    }


def reminder(newsletter: Newsletter, until: date, locale: Locale = FA) -> dict[str, object]:
    """Returns the values for `mail/reminder.*`.

    The values are those of `view.page_view`, and: subject, preheader, until (the day on which the link expires) and the
    placeholder `confirm_url`. As in `confirmation`, no value is a text that a stranger could have typed.
    """
    return {
        **view.page_view(newsletter),
        "subject": locale.say("یادآوری: عضویت در خبرنامهٔ «{name}»", name=clean(newsletter.name)),
        "preheader": locale.say("عضویتتان هنوز تأیید نشده است. اگر هنوز می‌خواهید، یک کلیک مانده است."),
        "until": long_date(until, newsletter.calendar, locale),
        "confirm_url": placeholders.named("confirm_url"),
    }


def welcome(
    issue: Issue, newsletter: Newsletter, *, archive_url: str, next_day: date, locale: Locale = FA
) -> dict[str, object]:
    """Returns the values for `mail/welcome.*`.

    The values are those of `view.issue_view`, and: words (the sentences of the greeting) and news (the sentence that
    introduces the stories, or "" if the issue has no stories). `next_day` is the day of the next issue.
    """
    name, day = clean(newsletter.name), long_date(next_day, newsletter.calendar, locale)
    coming = locale.say("شمارهٔ بعدی {day} به دستتان می‌رسد.", day=day)
    shown = locale.say("تا آن روز، این‌ها مهم‌ترین خبرهای تازه‌ترین شماره است.")
    every = locale.say("از این پس هفته‌ای یک بار، مهم‌ترین خبرهای «{name}» را در یک نامهٔ کوتاه می‌گیرید.", name=name)
    return {
        **view.issue_view(issue, newsletter, archive_url=archive_url, locale=locale, preferences=True),
        "subject": locale.say("به خبرنامهٔ «{name}» خوش آمدید", name=name),
        "headline": locale.say("به خبرنامهٔ «{name}» خوش آمدید", name=name),
        "preheader": shorten(f"{coming} {shown if issue.stories else every}", view.PREHEADER_MOST),
        "words": [every, coming],
        "news": shown if issue.stories else "",
    }


def trial_subject(subject: str, locale: Locale = FA) -> str:
    """Returns the subject with «آزمایشی:» (test) in front, so that a test mail is not mistaken for the issue."""
    return bidi.subject(locale.say("آزمایشی: {subject}", subject=subject.strip(RLM)), locale)


def _state_name(state: IssueState, locale: Locale) -> str:
    return {
        IssueState.PLANNED: locale.say("زمان‌بندی شده است"),
        IssueState.DRAFT: locale.say("پیش‌نویس آماده است"),
        IssueState.HELD: locale.say("نگه داشته شده است"),
        IssueState.FROZEN: locale.say("نهایی شده است"),
        IssueState.SENDING: locale.say("در حال فرستادن است"),
        IssueState.PAUSED: locale.say("فرستادن متوقف است"),
        IssueState.SENT: locale.say("فرستاده شد"),
        IssueState.PARTIAL: locale.say("به برخی نرسید"),
        IssueState.SKIPPED: locale.say("فرستاده نشد"),
        IssueState.CANCELLED: locale.say("لغو شد"),
    }[state]
