"""The mails that are no issue: what they say, in every language."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import mail_samples as samples
import pytest

from mailer.mail import service_mails
from mailer.mail.render import Renderer
from mailer.mail.template_check import sample_issues, trial
from mailer.model import DeliveryKind, IssueState
from mailer.reasons import Reason, ReasonCode
from mailer.text.characters import RLM
from mailer.text.locales import FA, Locale, locale

TEHRAN = ZoneInfo("Asia/Tehran")
EN = locale("en", (samples.TEMPLATES / "locale" / "en.po").read_text("utf-8"))
AR = locale("ar", (samples.TEMPLATES / "locale" / "ar.po").read_text("utf-8"))


@pytest.mark.parametrize(
    ("language", "subject", "marked"),
    [
        (FA, "خبرها", "آزمایشی: خبرها"),
        (FA, f"{RLM}Gemini 3 آمد", "آزمایشی: Gemini 3 آمد"),  # the mark leads now, and it is Persian
        (AR, "خبرها", "تجربة: خبرها"),
        (EN, "خبرها", "Test: خبرها"),
        (EN, "{subject} {brand}", "Test: {subject} {brand}"),
    ],
)
def test_a_test_mail_is_marked_in_the_newsletters_language(language: Locale, subject: str, marked: str) -> None:
    assert service_mails.trial_subject(subject, language) == marked


def test_a_notice_says_when_by_the_clock_of_the_newsroom() -> None:
    held = replace(
        samples.issue(), state=IssueState.HELD, reason=Reason(ReasonCode.TOO_FEW_STORIES, {"found": 4, "least": 5})
    )
    said = service_mails.notice(held, sample_issues.NEWSLETTER, editor_url=sample_issues.EDITOR_URL, zone=TEHRAN)
    assert said["send_at"] == "دوشنبه ۲ آذر ۱۴۰۵، ۰۹:۰۰"
    assert said["state"] == "نگه داشته شده است"
    english = service_mails.notice(
        held, sample_issues.NEWSLETTER, editor_url=sample_issues.EDITOR_URL, zone=TEHRAN, locale=EN
    )
    assert english["send_at"] == "Monday, 2 Azar 1405, 09:00"
    assert english["reason"] == "Too few stories: 4, and at least 5 are needed"
    assert "More news" in {story["section"] for story in english["stories"]}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("state", "reason", "headline", "button"),
    [
        (
            IssueState.HELD,
            Reason(ReasonCode.APPROVAL_REQUIRED),
            "«خبرنامهٔ هفتگی ایران نمونه» منتظر تأیید شماست، تا دوشنبه ۲ آذر ۱۴۰۵، ۰۹:۰۰",
            "بررسی و تأیید",
        ),
        (
            IssueState.HELD,
            Reason(ReasonCode.TOO_FEW_STORIES, {"found": 4, "least": 5}),
            "«خبرنامهٔ هفتگی ایران نمونه» نگه داشته شده و منتظر شماست",
            "بررسی و تأیید",
        ),
        (
            IssueState.DRAFT,
            None,
            "پیش‌نویس «خبرنامهٔ هفتگی ایران نمونه» آماده است؛ دوشنبه ۲ آذر ۱۴۰۵، ۰۹:۰۰ فرستاده می‌شود",
            "تأیید یا نگه داشتن",
        ),
    ],
)
def test_the_subject_of_a_notice_says_what_waits_for_the_editors_and_until_when(
    state: IssueState, reason: Reason | None, headline: str, button: str
) -> None:
    issue = replace(samples.issue(), state=state, reason=reason)
    values = service_mails.notice(issue, sample_issues.NEWSLETTER, editor_url=sample_issues.EDITOR_URL, zone=TEHRAN)
    mail = samples.renderer().mail(DeliveryKind.NOTICE, values)
    assert mail.subject.strip(RLM) == headline
    for part in (mail.html, mail.text):
        assert button in part
        assert ("تا تأیید نکنید فرستاده نمی‌شود." in part) == values["waiting"]


@pytest.mark.parametrize("case", ["confirmation", "reminder"])
def test_the_address_under_the_button_can_be_copied(case: str) -> None:
    html = trial.mail(samples.renderer(), case).html
    assert html.count(f">{sample_issues.PURPOSE[DeliveryKind.CONFIRMATION]}<") == 1


def test_the_newsrooms_footer_is_in_issues_only() -> None:
    footer = sample_issues.THEME.footer
    assert footer
    renderer = Renderer(None, samples.TEMPLATES, "fa", sample_issues.THEME)
    for case in ("week", *sample_issues.SERVICE_MAILS):
        mail = trial.mail(renderer, case)
        assert (footer in mail.text, footer in mail.html) == ((case in ("week", "test"),) * 2), case
