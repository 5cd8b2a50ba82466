"""One message: the same variant for many readers, each with a link and a Message-ID of their own."""

import email
from datetime import UTC, datetime
from email.message import Message
from email.policy import compat32
from email.utils import parsedate_to_datetime
from pathlib import Path

import make
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make import Clock

from mailer import tokens
from mailer.context import App
from mailer.mail import placeholders
from mailer.model import Batch, Delivery, DeliveryKind, Variant
from mailer.sending import message
from mailer.settings import Newsletter
from mailer.store.database import Store
from mailer.tokens import Purpose

HTML = f'<p>{placeholders.named("greeting")}</p><a href="{placeholders.named("unsubscribe_url")}">لغو</a>'
TEXT = f"{placeholders.named('greeting')}\n{placeholders.named('unsubscribe_url')}\n"
VARIANT = Variant(1, "خبرهای هفته", HTML, TEXT, "0" * 64)
WHEN = datetime(2026, 11, 26, 5, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    folder: Path = tmp_path_factory.mktemp("message")
    return make.app(Store(f"sqlite:///{folder / 'none.db'}"), folder, Clock())


def build(app: App, job: Delivery, variant: Variant, now: datetime) -> bytes:
    return message.compile(app, variant, job.kind).message(job, now)


def delivery(number: int = 7, **changes: object) -> Delivery:
    values: dict[str, object] = {
        "id": number,
        "key": f"issue.1405-W36.{number}",
        "kind": DeliveryKind.ISSUE,
        "batch": Batch(1, 1),
        "address": f"reader{number}@example.org",
        "name": "نرگس",
        "subscriber_id": number,
        "issue_id": 3,
        "variant_id": 1,
        "attempts": 0,
        "losses": 0,
        "first_reply_at": None,
        **changes,
    }
    return Delivery(**values)  # type: ignore[arg-type]


def parsed(raw: bytes) -> Message:
    return email.message_from_bytes(raw, policy=compat32)


def link(mail: Message) -> str:
    return str(mail["List-Unsubscribe"]).strip("<>")


def test_the_headers_are_complete(app: App) -> None:
    raw = build(app, delivery(), VARIANT, WHEN)
    mail = parsed(raw)
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert mail.keys() == [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "List-Id",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "List-Help",
        "List-Archive",
        "Feedback-ID",
        "Content-Language",
        "MIME-Version",
        "Content-Type",
    ]
    assert mail["To"] == "reader7@example.org"
    assert str(mail["From"]).endswith("<news@iran.example>")
    assert parsedate_to_datetime(mail["Date"]) == WHEN
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Feedback-ID"] == "1405-W36:weekly:issue:khabarnameh"
    assert "<weekly.iran.example>" in mail["List-Id"]
    assert mail["Content-Language"] == "fa"


def test_reply_to_only_when_it_is_set(app: App, tmp_path: Path) -> None:
    newsletter = Newsletter(from_="news@iran.example", reply_to="editors@iran.example")
    other = make.app(app.store, tmp_path, Clock(), newsletter=newsletter)
    assert parsed(build(other, delivery(), VARIANT, WHEN))["Reply-To"] == "editors@iran.example"


def test_both_parts_hold_the_readers_own_link(app: App) -> None:
    mail = parsed(build(app, delivery(), VARIANT, WHEN))
    assert mail.get_content_type() == "multipart/alternative"
    parts = [part for part in mail.walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    for part in parts:
        decoded = part.get_payload(decode=True)
        assert isinstance(decoded, bytes)
        content = decoded.decode()
        assert link(mail) in content
        assert "نرگس" in content
        assert "\x02" not in content


def test_the_link_names_the_reader_and_the_issue(app: App) -> None:
    url = link(parsed(build(app, delivery(), VARIANT, WHEN)))
    assert url.startswith("https://news.iran.example/unsubscribe/")
    claim = tokens.read(app.keys, Purpose.UNSUBSCRIBE, url.rpartition("/")[2])
    assert (claim.subscriber_id, claim.issue_id) == (7, 3)


def test_a_test_mail_has_inert_links(app: App) -> None:
    test = delivery(key="test.1405-W36.1.1", kind=DeliveryKind.TEST, subscriber_id=None)
    mail = parsed(build(app, test, VARIANT, WHEN))
    assert link(mail) == "https://news.iran.example/unsubscribe/test"
    assert mail["Feedback-ID"] == "test:weekly:test:khabarnameh"


def test_a_mail_that_is_sent_again_keeps_its_message_id_and_link(app: App) -> None:
    first = parsed(build(app, delivery(), VARIANT, WHEN))
    later = parsed(build(app, delivery(attempts=3, unknowns=1, batch=Batch(9, 4)), VARIANT, WHEN.replace(day=28)))
    assert first["Message-ID"] == later["Message-ID"]
    assert link(first) == link(later)


@settings(max_examples=50, deadline=None)
@given(numbers=st.lists(st.integers(1, 10**9), min_size=2, max_size=20, unique=True))
def test_two_deliveries_never_share_a_message_id(app: App, numbers: list[int]) -> None:
    ids = {parsed(build(app, delivery(number), VARIANT, WHEN))["Message-ID"] for number in numbers}
    assert len(ids) == len(numbers)


@settings(max_examples=60, deadline=None)
@given(name=st.text(max_size=60), subject=st.text(max_size=120).map("خبر {}".format))
def test_no_name_and_no_subject_adds_a_header_or_a_part(app: App, name: str, subject: str) -> None:
    subject = subject.replace("\x02", "").replace("\x03", "")
    variant = Variant(1, subject, HTML, TEXT, "0" * 64)
    plain = parsed(build(app, delivery(), VARIANT, WHEN))
    mail = parsed(build(app, delivery(name=name), variant, WHEN))
    assert mail.keys() == plain.keys()
    assert mail["To"] == plain["To"]
    assert len(mail.get_payload()) == 2
    assert mail.defects == []


def test_compiling_finds_faults_that_would_affect_every_reader(app: App) -> None:
    for broken in (placeholders.named("nobody_knows"), "\x02"):
        with pytest.raises(ValueError, match="placeholder"):
            message.compile(app, Variant(1, "خبرها", broken, "", "0" * 64), DeliveryKind.ISSUE)
