"""Any bytes as a feed, page, record or list give a value or one clear error, and no item vanishes uncounted."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from list_files import opened

from mailer.errors import MailerError, UnreadableInput
from mailer.sources import access_log, posts, read, view_exports
from mailer.sources.found import Found

TEHRAN = ZoneInfo("Asia/Tehran")
PIECES = (
    *(
        b"<rss>",
        b"<channel>",
        b"<item>",
        b"</item>",
        b"<title>",
        b"</title>",
        b"<link>",
        b"</rss>",
        b"<feed>",
        b"<entry>",
    ),
    *(b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?xml", b"?>", b"&amp;", b"&#x", b"<!DOCTYPE html>", b"<html>", b"<p>"),
    *(
        b'{"items":[',
        b'{"title":"a"}',
        b"[{",
        b"}]",
        b'"',
        b",",
        b"\n",
        b"\r",
        b"title,url\n",
        b"a,https://a.example/1\n",
    ),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\x1f\x8b",
        b"\x00",
        b"\xd8\xa7",
        b"\xd8",
        b"PK\x03\x04",
        b"email,name\n",
        b"a@example.org",
    ),
    *(b"<a href='", b"='", b'"', b"<script type='application/ld+json'>", b"</script>", b"published", b"1405/09/01"),
)
ANY = st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))
NAMES = st.sampled_from(["a.xml", "a.json", "a.jsonl", "a.csv", "a.html", "a.txt", "a.gz", "feed"])


def one_clear_error(error: MailerError) -> None:
    assert str(error)
    assert "Traceback" not in str(error)
    assert len(str(error)) < 2000


@given(ANY, NAMES, st.booleans(), st.sampled_from([None, False, True]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_as_a_document(content: bytes, name: str, page: bool, cut_off: bool | None) -> None:
    try:
        found = read.read(name, content, zone=TEHRAN, page_at="" if page else None, cut_off=cut_off)
    except UnreadableInput as error:
        one_clear_error(error)
    else:
        assert all(article.title for article in found.articles)


@given(
    st.one_of(
        ANY,
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(
                    st.sampled_from(["id", "title", "rendered", "link", "_embedded", "wp:term", "name", "meta"]),
                    inner,
                    max_size=4,
                ),
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps([value]).encode()),
    )
)
@settings(max_examples=200, deadline=None)
def test_any_bytes_as_posts(content: bytes) -> None:
    try:
        posts.read(content, address="https://wp.example", source="")
    except UnreadableInput as error:
        one_clear_error(error)


@given(ANY, st.sampled_from(["a.csv", "a.jsonl", "a.xlsx", "a.zip", "a.txt"]))
@settings(max_examples=150, deadline=None)
def test_any_bytes_as_a_list(tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str) -> None:
    folder: Path = tmp_path_factory.getbasetemp()
    try:
        list(opened(folder, content, name))
    except MailerError as error:
        one_clear_error(error)


# --- nothing vanishes ------------------------------------------------------------------------------------------------
TITLES = st.lists(st.sampled_from(["", "خبر", "news & <b>", " ", "\u200c", "a"]), min_size=1, max_size=60)


def accounted(found: Found, titles: list[str]) -> None:
    """Every item is an article, or a note says that it was left out."""
    named = sum("left out" in note and "more items" not in note for note in found.notes)
    more = [note for note in found.notes if "more items were left out" in note]
    counted = sum(int(note.split(": ")[1].split()[0].replace(",", "")) for note in more)
    assert len(found.articles) + named + counted == len(titles)


@given(TITLES)
@settings(max_examples=100, deadline=None)
def test_every_item_of_a_feed_is_counted(titles: list[str]) -> None:
    items = "".join(
        f"<item><title><![CDATA[{title}]]></title><guid>n{number}</guid></item>" for number, title in enumerate(titles)
    )
    accounted(read.read("a.xml", f"<rss><channel>{items}</channel></rss>".encode(), zone=TEHRAN), titles)


@given(TITLES)
@settings(max_examples=100, deadline=None)
def test_every_item_of_a_json_feed_is_counted(titles: list[str]) -> None:
    document = {
        "version": "https://jsonfeed.org/version/1",
        "items": [{"id": f"n{number}", "title": title} for number, title in enumerate(titles)],
    }
    accounted(read.read("a.json", json.dumps(document).encode(), zone=TEHRAN), titles)


@given(TITLES.filter(lambda titles: any(title.strip(" \u200c") for title in titles)), st.booleans())
@settings(max_examples=100, deadline=None)
def test_every_record_is_counted(titles: list[str], lines: bool) -> None:
    rows = [
        {"id": f"n{number}", "title": title, "url": f"https://a.example/{number}"}
        for number, title in enumerate(titles)
    ]
    if lines:
        text = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        out = io.StringIO()
        writer = csv.DictWriter(out, ["title", "id", "url"])
        writer.writeheader()
        writer.writerows(rows)
        text = out.getvalue()
    accounted(read.read("a.jsonl" if lines else "a.csv", text.encode(), zone=TEHRAN), titles)


CELLS = st.sampled_from(
    ["a@example.org", "b@example.org", "", "x", 'a "b" c', "نام", "a,b", "line\nbreak", "=1", "\u200c"]
)


@given(st.lists(st.tuples(CELLS, CELLS).filter(lambda row: any(cell.strip() for cell in row)), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_every_row_of_a_list_is_counted(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("email", "name"), ("c@example.org", "نام"), *rows])
    found = list(opened(tmp_path_factory.getbasetemp(), out.getvalue(), "people.csv"))
    assert len(found) == len(rows) + 1


EXPORT = (
    b"url,views\n",
    b"/news/1",
    b",",
    b"12",
    b"1,234",
    b"\n",
    b'"',
    b"#",
    b"[",
    b"{",
    b'"url":',
    b"}",
    b"]",
    b"\t",
)
VIEWS = st.lists(st.sampled_from(EXPORT), max_size=40).map(b"".join)


@given(st.one_of(ANY, VIEWS))
@settings(max_examples=200, deadline=None)
def test_any_bytes_as_an_export_of_views(content: bytes) -> None:
    try:
        found = view_exports.read_export("a.csv", content, zone=TEHRAN, now=datetime(2026, 11, 24, tzinfo=UTC))
    except UnreadableInput as error:
        one_clear_error(error)
    else:
        used = found.rows - sum(found.passed_over.values())
        assert used >= len(found.pages)
        assert (used > 0) == bool(found.pages)


LOG_PARTS = (
    *(b"1.2.3.4 - - [", b"24/Nov/2026:08:00:00 +0330", b'] "GET ', b"/news/1", b' HTTP/1.1"', b" 200 5", b' "-" "x"'),
    *(b"\n", b'"', b"[", b"]", b" ", b"\\", b"\x00", b"\xd8"),
)
LINES = st.lists(st.sampled_from(LOG_PARTS), max_size=60).map(b"".join)


@given(LINES)
@settings(max_examples=200, deadline=None)
def test_any_bytes_as_an_access_log_count_each_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "access.log"
    file.write_bytes(content)
    found = access_log.count(file, len, [])
    known = found.views.total() + found.unknown + found.bots + found.before + sum(found.passed_over.values())
    assert found.lines == known
