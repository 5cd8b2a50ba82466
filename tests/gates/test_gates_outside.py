"""The judgement of other programs (caniemail, SpamAssassin), and the sizes and links of a mail."""

import email
import json
import re
from collections.abc import Callable
from pathlib import Path

import gates_outside
import listunsub
import pytest
from gates_message import message

from mailer.mail.render import HTML_BYTES, MAIL_BYTES, encoded
from mailer.mail.template_check import sample_issues
from mailer.mail.template_check.trial import Trial

Try = Callable[..., Trial]
Report = Callable[[str], None]
HOSTS = {"www.irannemoone.example", "nl.irannemoone.example", "cdn.irannemoone.example"}
SPONSOR = "book-fair.example"  # a block may lead anywhere
ALL = (*sample_issues.CASES, *sample_issues.SERVICE_MAILS)
FROZEN = Path(__file__).with_name("caniemail.json")


@pytest.mark.parametrize("case", ["week", *sample_issues.SERVICE_MAILS])
def test_no_feature_is_new_to_a_mail_program(tried: Try, report: Report, case: str) -> None:
    """Every feature that some program lacks is in the fixed list of harmless ones."""
    found = gates_outside.caniemail(tried(case).html)
    harmless = json.loads(FROZEN.read_text("utf-8"))
    report(f"caniemail, {case}: {len(found)} features unknown to some program, {len(harmless)} in the frozen list")
    assert set(found) <= set(harmless), sorted(set(found) - set(harmless))


def test_caniemail_notices_what_is_new(tried: Try) -> None:
    html = tried().html.replace("text-align:right", "display:grid;text-align:right", 1)
    harmless = json.loads(FROZEN.read_text("utf-8"))
    assert set(gates_outside.caniemail(html)) - set(harmless)


@pytest.mark.parametrize("case", ["week", "latin", "long", "notice", "confirmation"])
def test_no_spam_filter_objects(tried: Try, report: Report, case: str) -> None:
    points, rules = gates_outside.spam_points(message(tried(case)))
    report(f"SpamAssassin -L, {case}: {points} points ({rules})")
    assert points <= 0.5, rules


def test_spamassassin_notices_a_bad_mail(tried: Try) -> None:
    bare = re.sub(rb"(?:Date|Message-ID): [^\r]*\r\n", b"", message(tried("short")))
    assert gates_outside.spam_points(bare)[0] > 0.5


@pytest.mark.parametrize("case", ALL)
def test_sizes(tried: Try, report: Report, case: str) -> None:
    mail = tried(case)
    style = sum(len(each.encode()) for each in re.findall(r"<style[^>]*>(.*?)</style>", mail.html, re.DOTALL))
    whole = len(message(mail))
    report(f"size, {case:8}: html {encoded(mail.html)}, text {encoded(mail.text)}, mail {whole}, style {style} bytes")
    assert encoded(mail.html) <= HTML_BYTES
    assert whole <= MAIL_BYTES
    assert style <= 8192


@pytest.mark.parametrize("case", ALL)
def test_links_lead_only_to_the_newsroom_and_this_service(tried: Try, report: Report, case: str) -> None:
    mail = tried(case)
    links = set(re.findall(r'(?:href|src)="([^"]*)"', mail.html)) | set(re.findall(r"^https?://\S+$", mail.text, re.M))
    report(f"links, {case}: {len(links)}")
    for link in links:
        found = re.fullmatch(r"https://([a-z.-]+)/[!-~]+|https://www\.irannemoone\.example", link)
        assert found, link
        assert found[1] in {*HOSTS, None} or (case, found[1]) == ("blocks", SPONSOR), link


@pytest.mark.parametrize("case", sample_issues.CASES)
def test_mail_programs_find_the_unsubscribe_link(tried: Try, case: str) -> None:
    whole = email.message_from_bytes(message(tried(case)))
    fields = whole.get_all("List-Unsubscribe"), whole.get_all("List-Unsubscribe-Post")
    assert listunsub.audit(*fields) == []
    assert listunsub.audit(fields[0], None) != []
