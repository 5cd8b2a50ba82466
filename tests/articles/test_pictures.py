"""Hosted pictures: fetched once while drafting, and never waited for."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import make
from make import Clock, only_sqlite
from PIL import Image

from mailer.context import App
from mailer.errors import FetchFailed
from mailer.issues import draft, editing, variants
from mailer.model import Issue
from mailer.reasons import ReasonCode
from mailer.settings import Digest, Theme
from mailer.store import articles
from mailer.store.database import Store


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 360), (15, 95, 75)).save(out, "PNG")
    return out.getvalue()


def app_with(store: Store, folder: Path, clock: Clock, fetch: Callable[[str], bytes], **theme: str) -> App:
    made = make.app(store, folder, clock, theme=Theme(**theme), digest=Digest(most_read=3))
    found = [make.named(replace(make.article(n), image_url=f"https://cdn.example/{n}.webp")) for n in range(14)]
    store.write(lambda tx: articles.merge(tx, found, make.NOW))
    return replace(made, fetch_picture=fetch)


@only_sqlite
def test_pictures_are_fetched_once_and_served_from_here(store: Store, tmp_path: Path, clock: Clock) -> None:
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return picture()

    app = app_with(store, tmp_path, clock, fetch, images="host")
    issue = draft.draft(app)
    draft.choose(app, issue)
    assert sorted(asked) == sorted({story.image_url for story in issue.stories})
    html = draft.content(app, issue).html
    shown = re.findall(r'<img [^>]*src="([^"]*)"', html)
    assert shown
    assert "cdn.example" not in html
    for number, address in enumerate(shown):
        name = address.removeprefix("https://news.iran.example/media/pictures/")
        file = tmp_path / "media" / "pictures" / name
        assert Image.open(io.BytesIO(file.read_bytes())).format == "JPEG"
        assert name.endswith("-hero.jpg" if number == 0 else "-thumb.jpg")


@only_sqlite
def test_a_story_without_its_picture_becomes_a_card_of_text(store: Store, tmp_path: Path, clock: Clock) -> None:
    def fetch(url: str) -> bytes:
        if url.endswith("1.webp"):
            raise FetchFailed("gone")
        return b"<html>"

    app = app_with(store, tmp_path, clock, fetch, images="host")
    issue = draft.draft(app)
    html = draft.content(app, issue).html
    assert "<img" not in html
    assert all(story.title in html for story in issue.stories[:3])


@only_sqlite
def test_linked_pictures_are_left_where_they_are(store: Store, tmp_path: Path, clock: Clock) -> None:
    def fetch(url: str) -> bytes:
        raise AssertionError(url)

    app = app_with(store, tmp_path, clock, fetch)
    draft.content(app, draft.draft(app))
    assert not (tmp_path / "media").exists()


@only_sqlite
def test_the_most_read_are_articles_that_are_not_in_the_issue(store: Store, tmp_path: Path, clock: Clock) -> None:
    app = app_with(store, tmp_path, clock, lambda url: picture())
    issue = draft.draft(app)
    text = draft.content(app, issue).text
    listed = re.findall(r"([۱-۹])\. (.*?)\u202c?\n", text.split("پربازدیدترین‌های هفته")[1])
    told = {story.title for story in issue.stories}
    assert [rank for rank, _ in listed] == ["۱", "۲"]  # fourteen articles, twelve stories
    assert not told & {title for _, title in listed}


@only_sqlite
def test_the_most_read_hold_nothing_that_an_editor_took_out_or_that_is_paid_for(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    app = app_with(store, tmp_path, clock, lambda url: picture())
    make.keep(store, make.article(50, views=10**7, category="رپرتاژ"), make.article(51, views=10**7, closed=True))
    issue = editing.drop(app, draft.draft(app).slot, 1)
    text = draft.content(app, issue).text
    assert "پربازدیدترین‌های هفته" in text
    dropped = [each.title for each in issue.rejected if each.reason.code is ReasonCode.DROPPED_BY_EDITOR]
    assert dropped
    for title in (*dropped, "رپرتاژ"):
        assert title not in text
    assert not any(make.article(number).title in text for number in (50, 51))


@only_sqlite
def test_what_was_cut_or_dropped_does_not_come_back_among_the_most_read(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    app = app_with(store, tmp_path, clock, lambda url: picture())
    whole = draft.draft(app)
    issue = editing.drop(app, whole.slot, 1)
    dropped, cut = whole.stories[0].title, issue.stories[0].title
    kept = variants.only(issue, issue.stories[1:], app.renderer.locale)

    def listed(full: Issue | None) -> set[str]:
        text = app.store.read(lambda tx: draft.render(app, tx, kept, full=full)).text
        return {title for _, title in re.findall(r"([۱-۹])\. (.*?)\u202c?\n", text.split("پربازدیدترین‌های هفته")[1])}

    alone, beside_full = listed(None), listed(issue)
    assert cut in alone, "with only its own stories to go by, the list would tell the cut one"
    assert beside_full == alone - {cut}
    assert beside_full
    assert dropped not in alone | beside_full
