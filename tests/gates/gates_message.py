"""A sample mail as a relay gets it: headers and both parts, 7-bit."""

from datetime import UTC, datetime

from mailer.mail import merge, mime
from mailer.mail.template_check import sample_issues
from mailer.mail.template_check.trial import Trial


def message(tried: Trial) -> bytes:
    mark = mime.boundary("gates")
    fields = mime.message_headers(
        sender=sample_issues.NEWSLETTER.from_,
        to="narges@example.org",
        subject=tried.subject,
        date=datetime(2026, 11, 26, 5, 30, tzinfo=UTC),
        message_id="<gates.1405-W36@irannemoone.example>",
        reply_to=None,
        list_id="weekly.irannemoone.example",
        list_name=sample_issues.NEWSLETTER.title,
        unsubscribe_url=sample_issues.UNSUBSCRIBE_URL,
        archive_url="https://nl.irannemoone.example/archive",
        help_url="",
        feedback_id="1405-W36:weekly:issue:khabarnameh",
        language="fa",
        boundary=mark,
    )
    return merge.compile(fields, (), tried.text, tried.html, mark).merge({}, {})
