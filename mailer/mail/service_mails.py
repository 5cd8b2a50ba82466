"""The values that the templates of service mails show: the notice to editors, the confirmation, the test mail.

Text that comes from outside is cleaned here. Whether a mail is sent, and to whom, is decided in `issues` and `readers`.
"""

from datetime import tzinfo

from mailer import reasons
from mailer.mail import bidi, placeholders, view
from mailer.model import OTHER_NEWS, Issue, IssueState
from mailer.settings import Newsletter
from mailer.text.calendar import long_date
from mailer.text.characters import RLM
from mailer.text.clean import clean
from mailer.text.links import web_address
from mailer.text.locales import FA, Locale


def notice(
    issue: Issue, newsletter: Newsletter, *, editor_url: str, zone: tzinfo, locale: Locale = FA
) -> dict[str, object]:
    """The values of `mail/notice.*` and of the editor's page, which is at `editor_url`.

    They are those of `page_view`, and slot, date, state, reason (may be empty), approved, send_at, subject, preheader,
    stories (rank, title, section, url; the latter two may be empty), notes, editor_url.
    """
    local = issue.send_at.astimezone(zone)
    day = long_date(local.date(), newsletter.calendar, locale)
    return {
        **view.page_view(newsletter),
        "slot": issue.slot,
        "date": long_date(issue.day, newsletter.calendar, locale),
        "state": _state_name(issue.state, locale),
        "reason": reasons.translated(issue.reason, locale),
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
        "notes": [reasons.translated(note, locale) for note in issue.notes],
        "editor_url": editor_url,
    }


def confirmation(newsletter: Newsletter, days: int, locale: Locale = FA) -> dict[str, object]:
    """The values of `mail/confirmation.*`: those of `page_view`, subject, preheader, days and the slot `confirm_url`.

    `days` is how long the link works. Nothing that a stranger could have typed is shown.
    """
    return {
        **view.page_view(newsletter),
        "subject": locale.say("تأیید عضویت در خبرنامهٔ «{name}»", name=clean(newsletter.name)),
        "preheader": locale.say("تا تأیید نکنید عضو نمی‌شوید و هیچ خبرنامه‌ای برایتان فرستاده نمی‌شود."),
        "days": locale.number(days),
        "confirm_url": placeholders.named("confirm_url"),
    }


def trial_subject(subject: str, locale: Locale = FA) -> str:
    """The subject of a test mail, «آزمایشی: …», so that it is not mistaken for the issue."""
    return bidi.subject(locale.say("آزمایشی: {subject}", subject=subject.removeprefix(RLM)), locale)


def _state_name(state: IssueState, locale: Locale) -> str:
    return {
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
    }[state]
