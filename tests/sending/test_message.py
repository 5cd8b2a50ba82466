"""A compiled variant: nothing of one reader is in the mail of the next, and the mail arrives as it was built."""

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage

import dkim as oracle
import make
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa

from mailer.context import App
from mailer.demo.inbox import Inbox
from mailer.mail import dkim, placeholders
from mailer.model import Batch, Delivery, DeliveryKind, Variant
from mailer.sending import message
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.store import issues, subscribers
from mailer.tokens import Purpose, read

pytestmark = make.only_sqlite

NOW = datetime(2026, 11, 26, 5, 30, tzinfo=UTC)
HTML = f'<p>{placeholders.named("greeting")}</p><a href="{placeholders.named("unsubscribe_url")}">لغو</a>\n'
TEXT = f"{placeholders.named('greeting')}\n{placeholders.named('unsubscribe_url')}\n"
VARIANT = Variant(1, "شورای شهر موافقت کرد", HTML, TEXT, "ab" * 32)
READER = Delivery(
    id=17,
    key="issue.1405-W36.17",
    kind=DeliveryKind.ISSUE,
    batch=Batch(1, 1),
    address="narges@reader.example",
    name="نرگس",
    subscriber_id=17,
    issue_id=3,
    variant_id=1,
    attempts=0,
    losses=0,
    first_reply_at=None,
)


def parse(mail: bytes) -> EmailMessage:
    parsed = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def html_of(mail: bytes) -> str:
    part = parse(mail).get_body(("html",))
    assert part is not None
    content = part.get_content()
    assert isinstance(content, str)
    return content


def test_a_reader_gets_a_mail_of_their_own(app: App) -> None:
    mail = message.compile(app, VARIANT, DeliveryKind.ISSUE).message(READER, NOW)
    parsed = parse(mail)
    assert (parsed["To"], parsed["Subject"]) == ("narges@reader.example", VARIANT.subject)
    assert parsed["Date"].datetime == NOW
    assert parsed["Feedback-ID"] == "1405-W36:weekly:issue:khabarnameh"
    link = parsed["List-Unsubscribe"].removeprefix("<").removesuffix(">")
    assert parsed["List-Help"] == f"<{app.url('/')}>"
    claim = read(app.keys, Purpose.UNSUBSCRIBE, link.rpartition("/")[2])
    assert (claim.subscriber_id, claim.issue_id) == (17, 3)
    assert "سلام نرگس عزیز" in html_of(mail)
    assert f'href="{link}"' in html_of(mail)


def test_two_readers_share_nothing_but_the_issue(app: App) -> None:
    compiled = message.compile(app, VARIANT, DeliveryKind.ISSUE)
    other = READER._replace(id=18, key="issue.1405-W36.18", address="ali@reader.example", name="", subscriber_id=18)
    first, second = compiled.message(READER, NOW), compiled.message(other, NOW)
    assert parse(first)["Message-ID"] != parse(second)["Message-ID"]
    assert "narges" not in second.decode("ascii")
    assert "نرگس" not in html_of(second)
    assert compiled.message(READER, NOW) == first  # nothing of the other reader stayed behind


def test_a_subject_may_greet_its_reader(app: App) -> None:
    variant = replace(VARIANT, subject=f"{placeholders.named('greeting')}، خبرهای هفته")
    compiled = message.compile(app, variant, DeliveryKind.ISSUE)
    hostile = READER._replace(name="x\r\nBcc: a@b.example =?utf-8?b?DQpCY2M6?=")
    parsed = parse(compiled.message(hostile, NOW))
    assert parsed["Subject"] == "سلام x Bcc: a@b.example =?utf-8?b?DQpCY2M6?= عزیز، خبرهای هفته"
    assert parsed["Bcc"] is None


@pytest.mark.parametrize(
    "address",
    ["a@b.example\r\nBcc: x@y.z", "a b@c.example", "a@b.example, x@y.z", "<a@b.example>", "", "no-at-sign"],
)
def test_an_address_that_is_invalid_in_to_is_refused(app: App, address: str) -> None:
    with pytest.raises(ValueError, match="To"):
        message.compile(app, VARIANT, DeliveryKind.ISSUE).message(READER._replace(address=address), NOW)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"html": placeholders.named("password")}, "'password'"),
        ({"text": "\x02half"}, "broken"),
        ({"subject": placeholders.named("name")}, "'name'"),
    ],
)
def test_a_variant_with_unknown_placeholders_is_refused_at_once(app: App, changes: dict[str, str], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        message.compile(app, replace(VARIANT, **changes), DeliveryKind.ISSUE)  # type: ignore[arg-type]


async def test_a_mail_arrives_as_it_was_built_and_signed(sending_app: App, inbox: Inbox) -> None:
    key = dkim.Key("mailer", rsa.generate_private_key(65537, 2048))
    app = replace(sending_app, signer=dkim.Signer(sending_app.domain, [key]))
    numbers = make.readers(app.store, 6)
    issue = make.under_way(app.store)
    await Sender(app, Circuits(), issue.id).run()
    arrived = {mail.recipient: mail.raw for mail in inbox.mails}
    assert len(arrived) == len(inbox.mails) == 6
    variant = app.store.read(lambda tx: issues.variant(tx, 1))
    compiled = message.compile(app, variant, DeliveryKind.ISSUE)
    for number in numbers:
        subscriber = app.store.read(lambda tx, number=number: subscribers.get(tx, number))  # type: ignore[misc]
        assert subscriber is not None
        reader = READER._replace(
            key=f"issue.{issue.slot}.{number}",
            address=subscriber.address,
            name=subscriber.name,
            subscriber_id=number,
            issue_id=issue.id,
        )
        mail = arrived[subscriber.address]
        assert mail == compiled.message(reader, app.now())
        with time_machine.travel(app.now()):  # the verifier refuses signatures from the future
            assert oracle.DKIM(mail).verify(dnsfunc=lambda name, timeout=5: dkim.record(key).encode())
        assert mail.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=iran.example;\r\n s=mailer;")
