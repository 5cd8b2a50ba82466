"""The notice of a draft and the editor's page: sent once, harmless to open, and changed only by a POST."""

import re
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import make
import pytest
from make import Clock, only_sqlite
from relays import Fake, FakeSession
from sqlalchemy import select
from starlette.testclient import TestClient

from mailer import web, wiring
from mailer.context import App, get_issue, newest_issue
from mailer.errors import BadToken
from mailer.issues import clock as ticking
from mailer.issues import control, draft, editing, editor_page, notice
from mailer.mail.template_check import rules
from mailer.model import IssueState, Outcome
from mailer.reasons import Reason, ReasonCode, translated
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Editors, Schedule
from mailer.store.database import Store
from mailer.store.schema import deliveries, variants
from mailer.text.locales import FA
from mailer.tokens import Purpose
from mailer.tokens import make as make_token

pytestmark = only_sqlite


@pytest.fixture
def app(app: App) -> App:
    editors = Editors(notify=("سردبیر <sardabir@iran.example>", "dabir@iran.example"))
    return replace(app, settings=app.settings.model_copy(update={"editors": editors}))


def owed(app: App) -> list[str]:
    query = select(deliveries.c.key).where(deliveries.c.kind == "notice").order_by(deliveries.c.id)
    return list(app.store.read(lambda tx: tx.execute(query).scalars().all()))


def notices(app: App) -> list[tuple[str, str, str]]:
    """Slot, state and address of every notice."""
    query = select(deliveries.c.key, deliveries.c.recipient).where(deliveries.c.kind == "notice")
    rows = app.store.read(lambda tx: tx.execute(query.order_by(deliveries.c.id)).all())
    return [(row.key.split(".")[1], row.key.split(".")[2], row.recipient) for row in rows]


def test_editors_get_one_notice(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store)
    clock.set(make.slot().at - Schedule().draft_before)
    ticking.tick(app)
    slot = newest_issue(app).slot
    assert notices(app) == [(slot, "draft", "sardabir@iran.example"), (slot, "draft", "dabir@iran.example")]
    clock.turn(hours=2)
    ticking.tick(app)
    assert len(owed(app)) == 2


def test_an_editor_added_in_front_gets_a_notice_and_the_others_get_no_second_one(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store)
    clock.set(make.slot().at - Schedule().draft_before)
    ticking.tick(app)
    names = ("now@iran.example", *app.settings.editors.notify)
    more = app.settings.model_copy(update={"editors": Editors(notify=names)})
    ticking.tick(replace(app, settings=more))
    assert [to for _, _, to in notices(app)] == ["sardabir@iran.example", "dabir@iran.example", "now@iran.example"]


class Kept(Fake):
    """A relay that keeps the mails themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[EmailMessage] = []

    async def connect(self) -> "KeptSession":
        await super().connect()
        return KeptSession(self)


class KeptSession(FakeSession):
    async def send(self, sender: str, recipient: str, message: bytes) -> Outcome:
        assert isinstance(self.relay, Kept)
        self.relay.mails.append(message_from_bytes(message, policy=policy.default))
        return await super().send(sender, recipient, message)


@pytest.mark.parametrize(("code", "word"), [("fa", "نگه داشتن"), ("en", "Approve or hold"), ("ar", "الإيقاف")])
async def test_the_notice_goes_out_in_the_newsletters_language(
    store: Store, tmp_path: Path, clock: Clock, code: str, word: str
) -> None:
    relay = Kept()
    app = make.app(store, tmp_path, clock, relays=[relay])
    newsletter = app.settings.newsletter.model_copy(update={"locale": code, "calendar": "gregorian"})
    update = {"editors": Editors(notify=("dabir@iran.example",)), "newsletter": newsletter}
    settings = app.settings.model_copy(update=update)
    app = replace(app, settings=settings, make_renderer=lambda: wiring.renderer(settings))
    make.week_of_articles(store, clock())
    make.keep(store, make.article(90, title="\x02greeting\x03 <b>خبر</b> {brand}", views=10**6))
    issue = draft.draft(app)
    notice.queue(app, issue)
    await Sender(app, Circuits()).run()
    assert [to for to, _ in relay.taken] == ["dabir@iran.example"]
    text, html = (part.get_content() for part in relay.mails[0].walk() if not part.is_multipart())
    assert word in text
    assert word in html
    assert f'<html lang="{code}"' in html
    assert notice.link(app, issue) in text
    assert "<b>" not in html
    lines = text.replace("\r\n", "\n")
    assert rules.mail(html, lines, raw=html, locale=app.renderer.locale, own_words=False) == []


def test_the_notice_shows_the_draft(app: App) -> None:
    make.week_of_articles(app.store)
    issue = draft.draft(app)
    values = notice.values(app, issue)
    assert values["editor_url"] == notice.link(app, issue)
    assert len(values["stories"]) == len(issue.stories)  # type: ignore[arg-type]


def press(client: TestClient, path: str, action: str) -> str:
    """Presses a button of the page as it is now; the page that follows."""
    shown = re.search(r'name="shown" value="(\w+)"', client.get(path).text)
    assert shown
    return client.post(path, data={"action": action, "shown": shown[1]}).text


def test_a_yes_is_to_what_was_seen(app: App) -> None:
    make.week_of_articles(app.store)
    issue = draft.draft(app)
    path = notice.link(app, issue).removeprefix(app.settings.newsletter.base_url)
    with TestClient(web.create(app)) as client:
        shown = re.search(r'name="shown" value="(\w+)"', client.get(path).text)
        assert shown
        editing.drop(app, issue.slot, 1)
        page = client.post(path, data={"action": "approve", "shown": shown[1]}).text
        assert "خبرها عوض شده" in page
        assert not get_issue(app, issue.id).approved
        assert "خبرها عوض شده" not in press(client, path, "approve")
        assert get_issue(app, issue.id).approved


def test_looking_changes_nothing_and_a_post_acts(app: App) -> None:
    make.week_of_articles(app.store)
    issue = draft.draft(app)
    path = notice.link(app, issue).removeprefix(app.settings.newsletter.base_url)
    with TestClient(web.create(app)) as client:
        page = client.get(path)
        assert page.status_code == 200
        assert "script" not in page.text
        words = re.sub(r"<[^>]+>", "", page.text)
        assert issue.stories[0].title in words
        assert all(translated(each, FA) in words for story in issue.stories for each in story.why)
        client.head(path)
        preview = client.get(path + "/preview")
        assert f"{path}/preview" in page.text
        assert issue.stories[0].url in preview.text
        assert "unsubscribe" not in preview.text, "nothing of any reader"
        assert "sandbox" in preview.headers["content-security-policy"]
        assert "no-store" in preview.headers["cache-control"]
        assert client.get("/editor/none/preview").status_code == 404
        assert client.post(path, data={"action": "everything"}).status_code == 200
        assert get_issue(app, issue.id).state is IssueState.DRAFT
        client.post(path, data={"action": "hold"})
        assert get_issue(app, issue.id).state is IssueState.HELD
        press(client, path, "release")
        assert get_issue(app, issue.id).state is IssueState.DRAFT
        press(client, path, "approve")
        assert get_issue(app, issue.id).approved
        assert client.get("/editor/" + make_token(app.keys, Purpose.UNSUBSCRIBE, 0, issue.id)).status_code == 404


def test_no_other_token_opens_the_page(app: App) -> None:
    with pytest.raises(BadToken):
        editor_page.look(app, make_token(app.keys, Purpose.PREFERENCES, 0, 1))


def test_stories_whose_pages_are_gone_are_left_out_before_t(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store)
    issue = draft.draft(app)
    dead = issue.stories[2].url
    app = replace(app, gone=lambda url: url == dead)
    clock.set(issue.send_at)
    clock.turn(minutes=-10)
    ticking.tick(app)
    after = get_issue(app, issue.id)
    assert dead not in {story.url for story in after.stories}
    assert ReasonCode.PAGE_GONE in {each.reason.code for each in after.rejected}
    assert len(after.stories) == len(issue.stories)
    note = Reason(ReasonCode.STORY_LEFT_OUT, {"title": issue.stories[2].title})
    assert note in after.notes
    words = f"صفحهٔ این خبر دیگر نیست، و کنار گذاشته شد: «{issue.stories[2].title}»"
    assert words in notice.values(app, after)["notes"]  # type: ignore[operator]
    editing.drop(app, None, 1)
    assert note in get_issue(app, issue.id).notes, "it survives every other choice"


def test_the_page_of_a_replacement_is_checked_too(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, count=16)
    issue = draft.draft(app)
    told = [story.url for story in issue.stories]
    reserve = next(each.url for each in issue.rejected if each.url not in told)
    app = replace(app, gone=lambda url: url in (told[0], reserve))
    after = editing.check_links(app, issue, last=True)
    assert {told[0], reserve}.isdisjoint(story.url for story in after.stories)
    assert len(after.notes) >= 2


def test_an_approved_issue_loses_what_is_gone_with_a_note(app: App) -> None:
    make.week_of_articles(app.store)
    control.approve(app, draft.draft(app).slot)
    issue = newest_issue(app)
    after = editing.check_links(replace(app, gone=lambda url: url == issue.stories[0].url), issue, last=True)
    assert [story.url for story in after.stories] == [story.url for story in issue.stories[1:]]
    assert after.approved
    assert after.notes[-1] == Reason(ReasonCode.STORY_LEFT_OUT, {"title": issue.stories[0].title})


def test_the_notice_lists_no_story_whose_page_is_gone(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store)
    dead = draft.draft(app).stories[0]
    make.wipe(app.store)
    make.week_of_articles(app.store)
    clock.set(make.slot().at - Schedule().draft_before)
    ticking.tick(replace(app, gone=lambda url: url == dead.url))
    issue = newest_issue(app)
    assert dead.title not in {story.title for story in issue.stories}
    query = select(variants.c.text).where(variants.c.kind == "notice")
    told = app.store.read(lambda tx: tx.execute(query).scalars().one())
    assert "صفحهٔ این خبر دیگر نیست" in told


def test_a_draft_by_hand_sends_no_notice_before_the_draft_is_due(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store)
    issue = draft.draft(app)
    for hours in (0, 2, 2):
        clock.turn(hours=hours)
        ticking.tick(app)
    assert owed(app) == []
    clock.set(issue.send_at - Schedule().draft_before)
    ticking.tick(app)
    assert [state for _, state, _ in notices(app)] == ["draft", "draft"]
    control.hold(app, None)
    clock.turn(minutes=1)
    ticking.tick(app)
    assert [state for _, state, _ in notices(app)[2:]] == ["held", "held"], "the other editor knows"
