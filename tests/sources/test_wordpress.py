"""Posts of a WordPress site, through the interfaces that sites really offer."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import make
import pytest
from web_server import WebServer, web_server

from mailer.errors import FetchFailed, UnreadableInput
from mailer.settings import Feed
from mailer.sources import posts
from mailer.sources.fetch import Fetcher
from mailer.sources.wordpress import WordPressSource

PRETTY, PLAIN = "/wp-json/wp/v2/posts", "/"


def post(number: int, **more: object) -> dict[str, Any]:
    return {
        "id": number,
        "date_gmt": "2026-11-23T08:00:00",
        "link": f"https://wp.example/{number}/",
        "title": {"rendered": f"نوشتهٔ {number}"},
        "excerpt": {"rendered": "<p>چکیده</p>", "protected": False},
        **more,
    }


class Site:
    """A WordPress site with some posts, which answers as its settings say."""

    def __init__(
        self, server: WebServer, posts: int, *, most: int = 100, route: str = PRETTY, total: bool = True
    ) -> None:
        self.server, self.posts, self.most, self.route, self.total = server, posts, most, route, total
        self.failing: dict[int, tuple[int, dict[str, str], bytes]] = {}  # page → answer
        self.asked: list[tuple[int, int]] = []  # posts on a page, page
        self.other: tuple[int, dict[str, str], bytes] = (
            404,
            {},
            b"<html>not here</html>",
        )  # what the site answers under the other address

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path != self.route or (self.route == PLAIN and query.get("rest_route") != "/wp/v2/posts"):
            return self.other
        size, page = int(query["per_page"]), int(query["page"])
        self.asked.append((size, page))
        if size > self.most:
            return 400, {}, b'{"code":"rest_invalid_param"}'
        if page in self.failing:
            return self.failing[page]
        pages = -(-self.posts // size)
        if page > pages:
            return 400, {}, b'{"code":"rest_post_invalid_page_number"}'
        found = [post(number) for number in range((page - 1) * size + 1, min(page * size, self.posts) + 1)]
        headers = {"etag": '"1"'} | ({"x-wp-totalpages": str(pages)} if self.total else {})
        return 200, headers, json.dumps(found).encode()


class Pages(dict[str, Any]):
    """The pages of a server whose site answers every path."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site

    def get(self, path: str, default: Any = None) -> Any:
        return self.site.answer(path)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


def source(site: Site) -> WordPressSource:
    site.server.pages = Pages(site)
    return WordPressSource(Feed(url=site.server.url(""), kind="wordpress"), Fetcher(), make.documents())


def test_the_newest_three_hundred_posts(server: WebServer) -> None:
    site = Site(server, 950)
    found = source(site).gather("", "")
    assert [each.guid for each in found.articles] == [f"wp:{number}" for number in range(1, 301)]
    assert (found.notes, found.etag) == ((), '"1"')
    assert site.asked == [(100, 1), (100, 2), (100, 3)]


@pytest.mark.parametrize("other", [(404, {}, b""), (403, {}, b"no"), (200, {}, b"<html>"), (200, {}, b'{"code":"x"}')])
def test_a_site_that_answers_only_under_its_plain_address(server: WebServer, other: Any) -> None:
    site = Site(server, 3, route=PLAIN)
    site.other = other
    wp = source(site)
    assert len(wp.gather("", "").articles) == 3
    asked = len(server.asked)
    assert len(wp.gather("", "").articles) == 3
    assert len(server.asked) == asked + 1, "the second time it asks there first"


@pytest.mark.parametrize("most", [50, 20, 10])
def test_a_site_that_allows_fewer_posts_on_a_page(server: WebServer, most: int) -> None:
    site = Site(server, 60, most=most)
    assert len(source(site).gather("", "").articles) == 60


def test_a_site_that_does_not_say_how_many_pages_it_has(server: WebServer) -> None:
    assert len(source(Site(server, 200, total=False)).gather("", "").articles) == 200
    site = Site(server, 150, total=False)
    found = source(site).gather("", "")
    assert (len(found.articles), found.notes, len(site.asked)) == (150, (), 2)


@pytest.mark.parametrize("failure", [(500, {}, b""), (503, {}, b""), (200, {}, b"<b>Fatal error</b>"), (404, {}, b"")])
def test_a_failing_page_keeps_the_pages_before_it(server: WebServer, failure: Any) -> None:
    site = Site(server, 250)
    site.failing[2] = failure
    found = source(site).gather("", "")
    assert len(found.articles) == 100
    assert "page 2 of the posts could not be read, only the pages before it" in found.notes[0]
    assert found.etag == "", "so that the next request gets all pages"


@pytest.mark.parametrize(
    ("failure", "error"),
    [((503, {}, b""), FetchFailed), ((404, {}, b""), FetchFailed), ((200, {}, b"[1]"), UnreadableInput)],
)
def test_a_site_that_cannot_be_read(server: WebServer, failure: Any, error: type[Exception]) -> None:
    site = Site(server, 5)
    site.failing[1] = failure
    with pytest.raises(error):
        source(site).gather("", "")


@pytest.mark.parametrize(
    ("more", "closed"),
    [
        ({}, None),
        ({"excerpt": {"rendered": "", "protected": True}}, True),
        ({"content": {"protected": True}}, True),
        ({"status": "private"}, True),
        ({"status": "publish"}, None),
        ({"title": {"rendered": "محافظت‌شده: نوشته"}}, True),
        ({"excerpt": {"rendered": "<p>There is no excerpt because this is a protected post.</p>"}}, True),
        ({"meta": {"_jetpack_newsletter_access": "paid_subscribers"}}, True),
        ({"meta": {"_jetpack_newsletter_access": "everybody"}}, None),
        ({"meta": []}, None),
    ],
)
def test_posts_that_are_not_for_everybody_are_closed(more: dict[str, object], closed: bool | None) -> None:
    (article,) = posts.read(json.dumps([post(1, **more)]).encode(), address="https://wp.example", source="").articles
    assert article.closed is closed


def test_answers_with_something_before_them_or_without_titles() -> None:
    answer = json.dumps([post(1), post(2, title={"rendered": ""})]).encode()
    for before in (b"", b"\xef\xbb\xbf", b"<br />\n<b>Notice</b>: x [y] in <b>z</b><br />\n"):
        found = posts.read(before + answer, address="https://wp.example", source="")
        assert [each.guid for each in found.articles] == ["wp:1"]
        assert "item 2 (https://wp.example/2/) has no title" in found.notes[0]
