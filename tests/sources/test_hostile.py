"""Documents that are made to stop the program give articles or one clear error."""

from zoneinfo import ZoneInfo

import hostile
import make
import pytest

from mailer.errors import UnreadableInput
from mailer.sources.fetch import LARGEST
from mailer.sources.found import Found

TEHRAN = ZoneInfo("Asia/Tehran")


def read(name: str, content: bytes) -> Found:
    page_at = "https://news.example/1" if "a page" in name else None
    return make.documents().read(name, content, zone=TEHRAN, largest=LARGEST, cut_off=False, page_at=page_at)


@pytest.mark.parametrize("name", hostile.DOCUMENTS)
def test_a_hostile_document_gives_articles_or_one_clear_error(name: str) -> None:
    content = hostile.packed(name)
    assert len(content) <= hostile.PACKED
    try:
        found = read(name, content)
    except UnreadableInput as error:
        assert str(error).startswith(name) and len(str(error)) < 500  # noqa: PT017, PT018 - as good as articles
    else:
        assert sum(map(len, found.notes)) < 20_000
        assert all(
            len(article.author) + len(article.image_alt) + len(article.title) < 2000 for article in found.articles
        )


@pytest.mark.parametrize("name", ["elements", "a huge author", "blanks in a title", "unfinished comments", "entities"])
def test_the_good_items_beside_a_bad_one_are_read(name: str) -> None:
    assert [article.title for article in read(name, hostile.packed(name)).articles][:3] == ["خبر 0", "خبر 1", "خبر 2"]
