"""Mails built ahead: the same bytes, each delivery once, and nothing kept of a batch that was dropped."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import make
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from make import Clock
from relays import Fake, relay_at
from scripted_relay import scripted_relay

from mailer.context import App
from mailer.mail.dkim import Key, Signer
from mailer.model import Delivery
from mailer.sending.message import AHEAD, CHUNK, Mails
from mailer.sending.queue import Queue
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.store.database import Store


@pytest.fixture
def signing(store: Store, tmp_path: Path, clock: Clock) -> App:
    app = make.app(store, tmp_path, clock)
    return replace(app, signer=Signer("example.org", [Key("mailer", ed25519.Ed25519PrivateKey.generate())]))


async def claimed(app: App, count: int) -> tuple[Queue, Mails, Delivery]:
    """A claimed issue to that many readers, its variant compiled; the first delivery is taken."""
    make.readers(app.store, count)
    issue = make.under_way(app.store)
    queue = Queue(app, issue.id)
    first = await queue.next()
    assert first is not None
    mails = Mails(app, queue)
    await mails.compile(first)
    return queue, mails, first


async def all_built(mails: Mails) -> None:
    while mails.building:
        await mails.some_built()
        await asyncio.sleep(0)


@make.only_sqlite
async def test_a_mail_built_ahead_equals_one_built_when_needed(signing: App) -> None:
    queue, mails, first = await claimed(signing, AHEAD)
    mails.build_ahead()
    assert mails.building
    await all_built(mails)
    order = []
    while job := queue.take():
        order.append(job.id)
        ahead = mails.build(job)
        assert ahead is not None
        assert ahead == mails.build(job), "the second one is built when needed"
    assert sorted(order) == list(range(first.id + 1, first.id + AHEAD)), "each is in the queue once"
    await mails.close()
    await queue.give_back()


@make.only_sqlite
async def test_only_a_limited_number_is_built_ahead(signing: App) -> None:
    queue, mails, _ = await claimed(signing, 6 * CHUNK)
    for _ in range(10):
        mails.build_ahead()
        await all_built(mails)
    made = len(mails._built)
    assert AHEAD <= made < AHEAD + 2 * CHUNK
    await mails.close()
    await queue.give_back()


@make.only_sqlite
async def test_nothing_is_kept_of_a_dropped_batch(signing: App) -> None:
    queue, mails, first = await claimed(signing, 2 * AHEAD)
    mails.build_ahead()
    queue.drop(first.batch)
    await all_built(mails)
    assert (queue.take(), len(mails._built)) == (None, 0)
    await mails.close()
    await queue.give_back()


class Counting(Signer):
    """Counts the mails that are signed."""

    made = 0

    def sign(self, head: bytes, body: Sequence[bytes], at: datetime) -> bytes:
        self.made += 1
        return super().sign(head, body, at)


@make.only_sqlite
async def test_a_mail_built_behind_a_refused_one_is_not_built_again(signing: App) -> None:
    make.readers(signing.store, 20)
    issue = make.under_way(signing.store)
    signer = Counting("example.org", [Key("mailer", ed25519.Ed25519PrivateKey.generate())])
    async with scripted_relay({"RCPT": ["450 4.2.0 greylisted"] * 20}) as scripted:
        one = signing.settings.delivery.model_copy(update={"connections": 1})
        settings = signing.settings.model_copy(update={"delivery": one})
        app = replace(signing, make_relays=lambda: (relay_at(scripted.port),), signer=signer, settings=settings)
        await Sender(app, Circuits(), issue.id).run()
        assert scripted.verbs.count("RCPT") == 20
    assert signer.made == 20


@make.only_sqlite
async def test_signed_issues_reach_everybody_once(signing: App) -> None:
    make.readers(signing.store, 100)
    issue = make.under_way(signing.store)
    relay = Fake()
    await Sender(replace(signing, make_relays=lambda: (relay,)), Circuits(), issue.id).run()
    assert Counter(relay.tried) == {f"reader{number:04}@example.org": 1 for number in range(1, 101)}
