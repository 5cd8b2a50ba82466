"""A staging deployment: every mail goes to one address, its links are inert, and the rest is as in production."""

import email
import email.policy
import re
from dataclasses import replace
from email.header import decode_header, make_header
from email.utils import parseaddr
from pathlib import Path

import ledger
import make
import pytest
from make import Clock
from pydantic import ValidationError
from relays import relay_at
from scripted_relay import scripted_relay
from sqlalchemy import Connection, select

from mailer.context import App
from mailer.issues import delivery as delivering
from mailer.mail import placeholders
from mailer.model import Batch, Delivery, DeliveryKind, DeliveryState, IssueState, SubscriberStatus, Variant
from mailer.readers import joining
from mailer.sending import lane_pauses, message
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Delivery as Rules
from mailer.store import deliveries, issues
from mailer.store.database import Store
from mailer.store.schema import subscribers as readers

STAGING = "آزمون <staging@iran.example>"
BASE = "https://news.iran.example"


async def test_every_mail_goes_to_the_staging_address_and_the_ledger_is_as_usual(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    make.subscribers_of(store, ["narges@example.org", "کاربر@example.org", "c@gmail.com"])
    make.under_way(store)
    store.write(lambda tx: deliveries.owe(tx, DeliveryKind.TEST, "test.1", "editor@example.org", 1, None, clock()))
    async with scripted_relay({}) as scripted:
        rules = Rules(connections=2, redirect_all_to=STAGING)
        app = make.app(store, tmp_path, clock, relays=[relay_at(scripted.port)], delivery=rules)
        await Sender(app, Circuits()).run()
    asked = [line for line in scripted.lines if line.startswith(b"RCPT")]
    assert asked == [b"RCPT TO:<staging@iran.example>"] * 4
    assert len(scripted.contents) == 4
    assert {row["state"] for row in ledger.rows(store)} == {DeliveryState.ACCEPTED}
    assert [done.state for done in delivering.finish(app)] == [IssueState.SENT]


@pytest.mark.parametrize("reply", ["5.1.1 no such user", "5.2.2 mailbox full", "5.7.26 not authenticated"])
@make.only_sqlite
async def test_refusals_of_the_staging_mailbox_penalise_no_reader(
    store: Store, tmp_path: Path, clock: Clock, reply: str
) -> None:
    make.subscribers_of(store, [f"reader{n}@gmail.com" for n in range(12)])
    issue = make.under_way(store)
    async with scripted_relay({"RCPT": [f"550 {reply}"] * 12}) as scripted:
        rules = Rules(connections=2, redirect_all_to=STAGING)
        app = make.app(store, tmp_path, clock, relays=[relay_at(scripted.port)], delivery=rules)
        await Sender(app, Circuits()).run()
    assert {(row["state"], row["reason"]) for row in ledger.rows(store)} == {(DeliveryState.REJECTED, "other")}
    people = store.read(lambda tx: tx.execute(select(readers.c.status, readers.c.soft_bounces)).all())
    assert {tuple(row) for row in people} == {("active", 0)}
    assert lane_pauses.paused(app, issue) == []
    assert [done.state for done in delivering.finish(app)] == [IssueState.PARTIAL], "it was not paused either"


@make.only_sqlite
def test_the_confirmation_link_of_a_staging_mail_confirms_no_reader(store: Store, tmp_path: Path, clock: Clock) -> None:
    pending = make.subscriber(store, "pending@example.org", status=SubscriberStatus.PENDING)
    app = make.app(store, tmp_path, clock, delivery=Rules(redirect_all_to=STAGING))
    store.write(lambda tx: joining.owe(app, tx, [pending], clock()))

    def owed(tx: Connection) -> tuple[Variant, Delivery]:
        batch = deliveries.claim(tx, "one", clock(), app.lease)
        assert batch is not None
        (job,) = deliveries.queued(tx, batch)
        return issues.variant(tx, job.variant_id), job

    variant, job = store.write(owed)
    staging = message.compile(app, variant, DeliveryKind.CONFIRMATION).message(job, clock())
    real = replace(app, settings=make.settings(tmp_path))
    live = message.compile(real, variant, DeliveryKind.CONFIRMATION).message(job, clock())
    for raw_mail, links in ((staging, {f"{BASE}/confirm/test"}), (live, {joining.url_of(real, job.key)})):
        parsed = email.message_from_bytes(raw_mail, policy=email.policy.default)
        bodies = "".join(part.get_content() for part in parsed.walk() if not part.is_multipart())
        assert set(re.findall(rf"{BASE}/confirm/[\w.~-]+", bodies)) == links


def raw(app: App, address: str) -> bytes:
    links = "".join(f"{placeholders.named(name)}\n" for name in ("unsubscribe_url", "preferences_url"))
    variant = Variant(1, "خبرها", f"<pre>\n{links}</pre>\n", links, "0" * 64)
    compiled = message.compile(app, variant, DeliveryKind.ISSUE)
    job = Delivery(
        id=1,
        key="issue.1405-W36.7",
        kind=DeliveryKind.ISSUE,
        batch=Batch(1, 1),
        address=address,
        name="نرگس",
        subscriber_id=7,
        issue_id=3,
        variant_id=1,
        attempts=0,
        losses=0,
        first_reply_at=None,
    )
    return compiled.message(job, app.now())


def mail(app: App, address: str) -> email.message.EmailMessage:
    found = email.message_from_bytes(raw(app, address), policy=email.policy.default)
    assert isinstance(found, email.message.EmailMessage)
    return found


@pytest.mark.parametrize(
    "address", ["narges@example.org", "o'hara+week@example.org", "کاربر@example.org", f"{'x' * 60}@example.org"]
)
@make.only_sqlite
def test_the_reader_is_named_in_to_but_is_not_the_recipient(
    store: Store, tmp_path: Path, clock: Clock, address: str
) -> None:
    app = make.app(store, tmp_path, clock, delivery=Rules(redirect_all_to=STAGING))
    # Read by the older parser: the newer one puts a blank between encoded words.
    name, written = parseaddr(str(email.message_from_bytes(raw(app, address))["To"]).replace("\r\n", ""))
    assert (str(make_header(decode_header(name))), written) == (address, "staging@iran.example")


@make.only_sqlite
def test_the_unsubscribe_link_of_a_staging_mail_unsubscribes_no_reader(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    staging = mail(make.app(store, tmp_path, clock, delivery=Rules(redirect_all_to=STAGING)), "narges@example.org")
    real = mail(make.app(store, tmp_path, clock), "narges@example.org")
    assert staging["List-Unsubscribe"] == "<https://news.iran.example/unsubscribe/test>"
    assert real["List-Unsubscribe"] != staging["List-Unsubscribe"]
    assert {name: staging[name] for name in staging if name not in ("To", "List-Unsubscribe")} == {
        name: real[name] for name in real if name not in ("To", "List-Unsubscribe")
    }, "nothing else differs, the Message-ID neither"
    for part in staging.walk():
        if not part.is_multipart():
            links = [line.rstrip() for line in part.get_content().splitlines() if line.startswith("https://")]
            assert links == [BASE + "/unsubscribe/test", BASE + "/preferences/test"]


def test_a_redirect_address_that_is_invalid_in_to_is_refused() -> None:
    with pytest.raises(ValidationError, match="in ASCII"):
        Rules(redirect_all_to="آزمون@iran.example")
