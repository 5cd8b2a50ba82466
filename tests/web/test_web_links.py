"""Promise 10: a mail links only to the stories, the newsroom's pictures and our own pages, and opening any of these
links changes nothing (promise 4)."""

import asyncio
import email
import email.policy
import io
import re
from dataclasses import replace
from email.message import EmailMessage
from html import unescape
from pathlib import Path

import listunsub
import make
import pytest
from make import Clock
from PIL import Image
from sqlalchemy import select
from starlette.testclient import TestClient

from mailer import web
from mailer.address import parse
from mailer.context import App
from mailer.demo.inbox import Inbox
from mailer.issues import delivery, draft, notice, preview
from mailer.readers import joining
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Digest, Editors, Newsletter, Theme
from mailer.store import articles
from mailer.store.database import Store
from mailer.store.schema import TABLES
from mailer.text.links import web_address

pytestmark = make.only_sqlite

BASE = "https://news.iran.example"
SITE = "https://www.iran.example"
READER, EDITOR, JOINING = "narges@example.org", "dabir@iran.example", "arash@example.org"


def picture(url: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 360), (15, 95, 75)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def here(store: Store, tmp_path: Path, clock: Clock, inbox: Inbox) -> App:
    """A newsroom with a week of articles, one reader, one editor, and pictures served by this program."""
    made = make.app(
        store,
        tmp_path,
        clock,
        relays=[make.relay(inbox.port)],
        newsletter=Newsletter(from_="ایران نمونه <news@iran.example>", base_url=BASE, site_url=SITE),
        theme=Theme(images="host"),
        digest=Digest(most_read=3),
        editors=Editors(notify=(EDITOR,)),
    )
    found = [make.named(replace(make.article(n), image_url=f"https://cdn.iran.example/{n}.jpg")) for n in range(16)]
    store.write(lambda tx: articles.merge(tx, found, make.NOW))
    make.subscriber(store, READER)
    return replace(made, fetch_picture=picture)


def send_everything(app: App) -> None:
    """One mail of each kind: the notice, a confirmation, a test mail, the issue."""
    drafted = draft.draft(app)
    notice.queue(app, drafted)
    joining.sign_up(app, parse(JOINING))
    joining.decide_signups(app)

    async def send() -> None:
        await Sender(app, Circuits()).run()
        await preview.send_test(app, drafted, [EDITOR])
        issue = delivery.ready(app, draft.freeze(app, drafted))
        await delivery.deliver(app, issue, wait=False, stop=asyncio.Event())

    asyncio.run(send())


def named(mail: EmailMessage) -> set[str]:
    """Every URL anywhere in a mail."""
    html, text = (mail.get_body((kind,)) for kind in ("html", "plain"))
    assert html is not None
    assert text is not None
    whole = "\n".join([unescape(html.get_content()), text.get_content(), *map(str, mail.values())])
    return set(re.findall(r"https?://[^\s\"'<>]+", whole))


def read(raw: bytes) -> EmailMessage:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def everything(store: Store) -> dict[str, list[tuple[object, ...]]]:
    return store.read(lambda tx: {table.name: [tuple(row) for row in tx.execute(select(table))] for table in TABLES})


def test_every_link_is_known_and_ours_answer_without_changing_anything(here: App, inbox: Inbox) -> None:
    send_everything(here)
    stories = {web_address(make.article(n).url) for n in range(16)}
    mails = [read(each.raw) for each in inbox.mails]
    by_word = {"آماده است": EDITOR, "تأیید عضویت": JOINING, "آزمایشی": EDITOR}
    (told,), (asked,), (tried,) = (
        [mail for mail in mails if word in mail["Subject"] and mail["To"] == to] for word, to in by_word.items()
    )
    (issue,) = (mail for mail in mails if mail["To"] == READER)
    # Readers can only unsubscribe from the weekly issue.
    assert ["List-Unsubscribe" in mail for mail in (told, asked, tried, issue)] == [False, False, True, True]
    ours: set[str] = set()
    assert named(asked) == {SITE, *(link for link in named(asked) if link.startswith(f"{BASE}/confirm/"))}
    for mail in (told, asked, tried, issue):
        links = named(mail)
        assert links & stories or mail is asked
        assert links - stories - {SITE} == {link for link in links if link.startswith(BASE + "/")}
        ours |= links - stories - {SITE}
    # The links of a test mail are inert and belong to no subscriber.
    inert = {link for link in ours if link.endswith("/test")}
    assert inert == {link for link in named(tried) & ours if link.endswith("/test")}
    before = everything(here.store)
    kinds = set()
    with TestClient(web.create(here), base_url=BASE, follow_redirects=False) as client:
        for link in ours:
            for method in ("GET", "HEAD"):
                answer = client.request(method, link, headers={"purpose": "prefetch"})
                assert answer.status_code == (404 if link in inert else 200), link
                assert "set-cookie" not in answer.headers
            kinds.add(link.removeprefix(BASE).split("/")[1])
    assert kinds == {"", "archive", "confirm", "editor", "media", "preferences", "subscribe", "unsubscribe"}
    assert everything(here.store) == before


def test_the_issue_offers_one_click_as_mail_programs_ask_for_it(here: App, inbox: Inbox) -> None:
    send_everything(here)
    mail = email.message_from_bytes(inbox.mails[-1].raw)
    fields = mail.get_all("List-Unsubscribe"), mail.get_all("List-Unsubscribe-Post")
    assert listunsub.audit(*fields) == []
    assert listunsub.audit(fields[0], None) != []
