"""A sample mail as a relay gets it: headers and both parts, 7-bit."""

from datetime import UTC, datetime

from mailer.address import mailbox
from mailer.mail import headers, merge
from mailer.mail.template_check import sample_issues
from mailer.mail.template_check.trial import Trial


def message(tried: Trial) -> bytes:
    boundary = headers.boundary("gates")
    own = headers.reader_fields(
        to="narges@example.org",
        date=datetime(2026, 11, 26, 5, 30, tzinfo=UTC),
        message_id="<gates.1405-W36@irannemoone.example>",
        unsubscribe_url=sample_issues.UNSUBSCRIBE_URL,
        feedback_id="1405-W36:weekly:issue:khabarnameh",
    )
    lists = headers.list_headers(
        own,
        list_id="weekly.irannemoone.example",
        list_name=sample_issues.NEWSLETTER.title,
        archive_url="https://nl.irannemoone.example/archive",
        help_url="https://nl.irannemoone.example/",
    )
    fields = headers.message_headers(
        own,
        sender=mailbox(sample_issues.NEWSLETTER.from_),
        subject=tried.subject,
        reply_to=None,
        kind_headers=lists,
        language="fa",
        boundary=boundary,
    )
    return merge.compile(fields, (), tried.text, tried.html, boundary).merge({}, {})
