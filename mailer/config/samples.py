"""Finds settings that still have the sample values of the template, such as a sender at example.org.

A few of them keep an issue from going out, because readers could neither reply nor unsubscribe.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from mailer import address
from mailer.settings import Settings
from mailer.text import links


@dataclass(frozen=True, slots=True)
class Sample:
    """A setting with a sample value. If `stops` is True, this value keeps issues from going to real addresses."""

    setting: str
    value: str
    fix: str
    stops: bool


def left(settings: Settings) -> tuple[Sample, ...]:
    """Returns the settings that still have sample values. Those that keep an issue from going out come first."""
    newsletter = settings.newsletter
    found = []
    if address.is_sample(address.in_mailbox(newsletter.from_).domain):
        found.append(Sample("newsletter.from", newsletter.from_, "Set it to the newsletter's own address.", True))
    host = urlsplit(newsletter.base_url).hostname or ""
    if address.is_sample(host) or links.loopback(host):
        fix = "Set it to the public address of this service's pages; without it no reader can leave."
        found.append(Sample("newsletter.base_url", newsletter.base_url, fix, True))
    if newsletter.reply_to and address.is_sample(address.in_mailbox(newsletter.reply_to).domain):
        found.append(Sample("newsletter.reply_to", newsletter.reply_to, "Set it to an address that is read.", False))
    if newsletter.site_url and address.is_sample(urlsplit(newsletter.site_url).hostname or ""):
        found.append(Sample("newsletter.site_url", newsletter.site_url, "Set it to the news site.", False))
    if not newsletter.postal_address:
        fix = "Give the newsroom's postal address; many countries require it in every mail."
        found.append(Sample("newsletter.postal_address", "", fix, False))
    for number, smtp in enumerate(settings.smtp):
        if address.is_sample(smtp.host):
            found.append(Sample(f"smtp.{number}.host", smtp.host, "Set it to the relay that takes the mails.", False))
    return tuple(found)
