"""Blocks, the newsroom's own boxes: where they come from, where they show, and what is refused."""

import logging
import random
from dataclasses import replace
from datetime import date
from email import message_from_bytes, policy
from io import BytesIO
from pathlib import Path

import mail_samples
import make
import pytest
from make import Clock, only_sqlite
from PIL import Image

from mailer.context import App, get_issue
from mailer.demo.inbox import Inbox
from mailer.errors import NoSuchBlock, UnreadableInput, UsageError, WrongState
from mailer.issues import archive, blocks, control, delivery, draft, editing, preview, variants
from mailer.mail import render
from mailer.model import Block, BlockKind, BlockPlace, Issue
from mailer.reasons import Reason, ReasonCode
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Block as BlockSettings
from mailer.settings import Digest
from mailer.store.database import Store

CORRECTION = Block(kind=BlockKind.CORRECTION, place=BlockPlace.TOP, title="دربارهٔ شمار بوستان‌ها", text="درست سه است.")


def drafted(app: App) -> Issue:
    make.week_of_articles(app.store)
    return draft.draft(app)


def with_blocks(app: App, *wanted: BlockSettings) -> App:
    return replace(app, settings=app.settings.model_copy(update={"digest": Digest(blocks=wanted)}))


def noise(path: Path, width: int, height: int) -> Path:
    picture = Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3))
    picture.save(path, "PNG")
    return path


def titles(issue: Issue) -> list[str]:
    return [each.title for each in issue.blocks]


def test_a_block_of_an_issue_survives_the_hourly_choice_and_is_in_both_parts(app: App) -> None:
    issue = drafted(app)
    editing.add_block(app, None, CORRECTION)
    again = draft.choose(app, get_issue(app, issue.id))
    assert again.blocks == (CORRECTION,)
    assert again.stories == issue.stories, "a block is not a story"
    shown = preview.preview(app, again)
    for part in (shown.html, shown.text):
        assert part.index("اصلاحیه") < part.index("دربارهٔ شمار بوستان‌ها") < part.rindex(again.stories[0].title)
        assert "درست سه است." in part


@pytest.mark.parametrize(
    ("name", "part"), [("issue.html", "{{ part.blocks(blocks.top) }}"), ("issue.txt", "{{ boxes(blocks.top) }}")]
)
@only_sqlite
def test_a_note_names_each_block_that_own_templates_do_not_show(
    app: App, tmp_path_factory: pytest.TempPathFactory, name: str, part: str
) -> None:
    own = tmp_path_factory.mktemp("templates")
    (own / "mail").mkdir()
    words = (make.TEMPLATES / "mail" / name).read_text("utf-8")
    assert part in words
    (own / "mail" / name).write_text(words.replace(part, ""), "utf-8")
    app = replace(app, make_renderer=lambda: render.Renderer(own, make.TEMPLATES))
    drafted(app)
    editing.add_block(app, None, replace(CORRECTION, title="پایان", place=BlockPlace.END))
    edited = editing.add_block(app, None, CORRECTION)
    lost = Reason(ReasonCode.BLOCK_NOT_SHOWN, {"title": CORRECTION.title})
    assert [note for note in edited.notes if note.code is lost.code] == [lost]
    approved = control.approve(app, None)
    other = replace(CORRECTION, title="دیگر")
    edited = editing.add_block(app, None, other)
    assert edited.approved
    assert [note.args["title"] for note in edited.notes if note.code is lost.code] == [CORRECTION.title, other.title]
    editing.remove_block(app, None, 3)
    assert editing.remove_block(app, None, 2).notes == tuple(note for note in approved.notes if note != lost)


@only_sqlite
def test_a_removed_block_is_gone(app: App) -> None:
    drafted(app)
    other = replace(CORRECTION, title="دیگر")
    editing.add_block(app, None, CORRECTION)
    editing.add_block(app, None, other)
    assert titles(editing.remove_block(app, None, 1)) == ["دیگر"]
    with pytest.raises(NoSuchBlock, match="no block 2: it has 1"):
        editing.remove_block(app, None, 2)


@only_sqlite
def test_an_issue_has_room_for_six_blocks_of_its_own(app: App) -> None:
    drafted(app)
    for _ in range(6):
        editing.add_block(app, None, CORRECTION)
    with pytest.raises(UsageError, match="6 blocks"):
        editing.add_block(app, None, CORRECTION)


@only_sqlite
def test_an_approved_issue_takes_a_block_and_stays_approved(app: App) -> None:
    standing = BlockSettings(title="همیشگی")
    app = with_blocks(app, standing)
    issue = drafted(app)
    control.approve(app, None)
    edited = editing.add_block(app, None, CORRECTION)
    assert edited.approved
    assert titles(edited) == ["همیشگی", CORRECTION.title]
    assert edited.stories == issue.stories


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [
        (None, None, True),
        (date(2026, 11, 26), date(2026, 11, 26), True),
        (date(2026, 11, 27), None, False),
        (None, date(2026, 11, 25), False),
    ],
)
@only_sqlite
def test_a_block_of_the_settings_is_in_the_issues_of_its_days(
    app: App, first: date | None, last: date | None, shown: bool
) -> None:
    app = with_blocks(app, BlockSettings(title="جابه‌جایی", from_=first, until=last))
    issue = drafted(app)
    assert issue.day == date(2026, 11, 26)
    assert titles(issue) == (["جابه‌جایی"] if shown else [])
    assert all(each.standing for each in issue.blocks)


@only_sqlite
def test_only_the_settings_remove_a_block_of_the_settings(app: App) -> None:
    app = with_blocks(app, BlockSettings(title="جابه‌جایی"))
    drafted(app)
    with pytest.raises(WrongState, match=r"from the settings, which put it into every issue.*until"):
        editing.remove_block(app, None, 1)


async def test_blocks_are_frozen_with_the_issue_and_in_the_archive(sending_app: App, inbox: Inbox) -> None:
    """The settings change after the freeze; the mail, the archive and a later redaction keep the block."""
    make.subscriber(sending_app.store)
    app = with_blocks(sending_app, BlockSettings(kind="sponsor", title="نمایشگاه", url="https://fair.example/?a=1#b"))
    issue = drafted(app)
    delivery.start(app, draft.freeze(app, issue))
    app = with_blocks(sending_app)
    await Sender(app, Circuits(), issue.id).run()
    delivery.finish(app)
    [mail] = inbox.mails
    found = message_from_bytes(mail.raw, policy=policy.default)
    for kind in ("plain", "html"):
        body = found.get_body((kind,))
        assert body is not None
        assert "نمایشگاه" in body.get_content()
        assert "تبلیغ" in body.get_content()
        assert "https://fair.example/?a=1#b" in body.get_content()
    assert "نمایشگاه" in archive.page(app, issue.slot).html
    archive.redact(app, issue.slot, 2)
    assert "نمایشگاه" in archive.page(app, issue.slot).html


@only_sqlite
def test_every_variant_has_the_blocks(app: App) -> None:
    app = with_blocks(app, BlockSettings(title="جابه‌جایی"))
    issue = drafted(app)
    section = max((each.section for each in issue.stories), key=[each.section for each in issue.stories].count)
    kept = variants.of_sections(issue, [section])
    assert kept is not None
    assert kept.blocks == issue.blocks


@pytest.mark.parametrize("place", list(BlockPlace))
def test_a_block_stands_where_it_was_put(place: BlockPlace) -> None:
    sample = mail_samples.issue(blocks=(replace(CORRECTION, place=place),))
    html = mail_samples.rendered(sample).html
    at = html.index(CORRECTION.title)
    headings = [html.index(f">{name}<") for name in ("سیاست", "اقتصاد", "فناوری", "ورزش", "دیگر خبرها")]
    assert headings == sorted(headings)
    hero = html.index(sample.stories[0].title, html.index("h-hero"))
    low, high = {
        BlockPlace.TOP: (0, hero),
        BlockPlace.FIRST: (hero, headings[0]),
        BlockPlace.MIDDLE: (headings[2], headings[3]),
        BlockPlace.END: (headings[-1], len(html)),
    }[place]
    assert low < at < high


@pytest.mark.parametrize("place", list(BlockPlace))
def test_a_block_is_shown_once_when_there_is_one_story(place: BlockPlace) -> None:
    sample = mail_samples.issue((mail_samples.story(1),), blocks=(replace(CORRECTION, place=place),))
    mail = mail_samples.rendered(sample)
    assert (mail.html.count(CORRECTION.title), mail.text.count(CORRECTION.title)) == (1, 1)


def test_long_stories_make_room_for_blocks() -> None:
    stories = tuple(
        mail_samples.story(n, lead="گزارش " * 60, url=f"https://iran.example/{n}/" + "خبر-" * 150) for n in range(1, 17)
    )
    block = replace(CORRECTION, text="توضیح " * 160, place=BlockPlace.END)
    sample = mail_samples.issue(stories, blocks=(block,) * 6)
    made = render.fitted(stories, lambda left: mail_samples.rendered(replace(sample, stories=left)))
    assert render.fits(made)
    assert made.html.count(CORRECTION.title) == 6


# --- pictures --------------------------------------------------------------------------------------------------------
@only_sqlite
def test_a_large_picture_is_shown_as_a_small_copy_of_our_own(app: App, tmp_path: Path) -> None:
    """Also if the pictures of stories are linked: a sponsor's server must not learn who reads the mail."""
    drafted(app)
    file = noise(tmp_path / "large.png", 1500, 1200)
    assert file.stat().st_size > 5_000_000
    made = blocks.given(app, title="نمایشگاه", picture=str(file))
    issue = editing.add_block(app, None, made)
    copy = tmp_path / "media" / "pictures" / made.picture
    assert copy.stat().st_size <= 120_000
    size = Image.open(BytesIO(copy.read_bytes())).size
    assert size[0] <= 1016
    assert size[0] / size[1] == pytest.approx(1500 / 1200, abs=0.01), "it is not cropped"
    address = f"https://news.iran.example/media/pictures/{made.picture}"
    assert f'src="{address}"' in draft.content(app, issue).html


@only_sqlite
def test_a_changed_file_is_copied_again(app: App, tmp_path: Path) -> None:
    file = noise(tmp_path / "a.png", 300, 200)
    one = blocks.given(app, title="نمایشگاه", picture=str(file)).picture
    noise(file, 300, 201)
    assert blocks.given(app, title="نمایشگاه", picture=str(file)).picture != one


@only_sqlite
def test_a_block_of_the_settings_without_its_picture_is_shown_and_reported(
    app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    app = with_blocks(app, BlockSettings(title="جابه‌جایی", picture="broken.png"))
    with caplog.at_level(logging.WARNING):
        issue = drafted(app)
    assert [(each.title, each.picture) for each in issue.blocks] == [("جابه‌جایی", "")]
    assert "«جابه‌جایی» has no picture: broken.png: It is not a picture" in caplog.text


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.png", "cannot be read: No such file or directory"),
        ("http://fair.example/a.png", "must begin with https://"),
        ("https://fair.example/a.png", "cannot be fetched here. Download it"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused(store: Store, tmp_path: Path, source: str, words: str) -> None:
    with pytest.raises(UnreadableInput, match=words):
        blocks.given(make.app(store, tmp_path, Clock()), title="نمایشگاه", picture=source)


# --- bad input -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"title": "a<script>alert(1)</script>"}, "--title should be plain text, without HTML such as <script>."),
        ({"text": "خبر <b>مهم</b>"}, "--text should be plain text, without HTML such as <b>."),
        ({"text": "خ" * 1001}, "--text should have at most 1000 characters"),
        ({"url": "fair.example/a"}, "--url should begin with https:// or http://, such as"),
        ({"url": "javascript:alert(1)"}, "--url should begin with https:// or http://, such as"),
        ({"url": "https://user@fair.example/"}, "--url should be the address of a web page"),
        ({"title": ""}, "A block needs a title."),
        ({"link_text": "برنامه"}, "Link_text needs a url."),
    ],
)
@only_sqlite
def test_a_block_that_cannot_be_shown_is_refused(app: App, values: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        blocks.given(app, **{"title": "نمایشگاه", **values})
    assert str(refused.value).startswith(words)


def test_a_sign_that_is_no_markup_is_shown_as_it_is() -> None:
    mail = mail_samples.rendered(mail_samples.issue(blocks=(replace(CORRECTION, text="۳ < ۵ & «الف»"),)))
    assert "۳ &lt; ۵ &amp; «الف»" in mail.html
    assert "۳ < ۵ & «الف»" in mail.text
