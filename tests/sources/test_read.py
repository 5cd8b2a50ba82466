"""Any bytes are recognised by their content, or refused with one sentence."""

import gzip
import json
import zlib
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailer.errors import UnreadableInput, UsageError
from mailer.sources.read import LARGEST, read

TEHRAN = ZoneInfo("Asia/Tehran")
RSS = "<rss version='2.0'><channel><link>https://a.example</link><item><title>باران</title></item></channel></rss>".encode()
JSONL = '{"title": "باران"}\n'.encode()
TWO = '{"title": "باران"}\n{"title": "برف"}\n'.encode()
PAGE = "باران در راه شمال است\n\nباران از بامداد امروز در استان‌های شمالی آغاز شد و تا شب ادامه دارد.\n".encode()


@pytest.mark.parametrize("content", [RSS, JSONL, PAGE, b'{"items": [{"title": "x"}]}', b"title,url\nx,\n"])
@pytest.mark.parametrize("name", ["x", "x.gz", "/dev/stdin"])
def test_the_content_shows_what_it_is_and_may_be_gzipped(content: bytes, name: str) -> None:
    plain = read(name, content, zone=TEHRAN)
    assert len(plain.articles) == 1
    assert read(name, gzip.compress(content), zone=TEHRAN) == plain
    assert read(name, b"\xef\xbb\xbf" + content, zone=TEHRAN) == plain
    assert read(name, content.replace(b"\n", b"\r\n"), zone=TEHRAN) == plain


def test_a_page_or_a_feed_may_begin_with_the_warning_of_a_script() -> None:
    warning = b"<br />\n<b>Warning</b>: mysql_connect() in <b>/www/index.php</b> on line <b>3</b><br />\n"
    title, _, lead = PAGE.decode().strip().split("\n")
    page = f"<html><title>{title}</title><h1>{title}</h1><p>{lead}</p></html>".encode()
    assert [each.lead for each in read("x", warning + page, zone=TEHRAN, page_at="").articles] == [lead]
    assert [each.title for each in read("x", warning + RSS, zone=TEHRAN, page_at="").articles] == ["باران"]


def test_gzip_members_one_after_the_other() -> None:
    assert len(read("x", gzip.compress(JSONL) + gzip.compress(JSONL), zone=TEHRAN).articles) == 2


def test_endlessly_many_gzip_members_are_refused() -> None:
    with pytest.raises(UnreadableInput, match="more than 1000 gzip members"):
        read("x", gzip.compress(b"x", mtime=0) * 1001, zone=TEHRAN)


def _bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(bytes(1_000_000)) for _ in range(60)), packer.flush()])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b" \r\n\xef\xbb\xbf", "the file is empty"),
        (b"\xfe\xff", "the file is empty"),
        (bytes(100), "this is not text"),
        (gzip.compress(b"", mtime=0), "the file is empty"),
        (gzip.compress(TWO, mtime=0)[:-12], "the gzip file is cut off"),
        (b"\x1f\x8b" + b"x" * 100, "the gzip file is damaged"),
        (_bomb(), "holds more than 50 MB"),
        (b"x" * (LARGEST + 1), "holds more than 50 MB"),
        (b"PK\x03\x04" + b"x" * 100, "a ZIP archive or an office document"),
        (b"%PDF-1.7 x", "a PDF document"),
        (bytes(range(256)) * 4, "this is not text"),
        (gzip.compress(gzip.compress(TWO, mtime=0), mtime=0), "this is not text"),
        (b"<!doctype html><p>x", "this is an HTML page, not a feed"),
        (b'[{"title": "x"}]', "a list, not an object"),
        (b"hello", "no article is recognised"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_name_and_a_fix(content: bytes, says: str) -> None:
    with pytest.raises(UnreadableInput, match=says) as refused:
        read("اخبار", content, zone=TEHRAN)
    assert refused.value.message.startswith("اخبار")
    assert refused.value.fix
    assert "\n" not in str(refused.value)


def test_one_bad_byte_does_not_spoil_the_others() -> None:
    (article,) = read("x", JSONL.replace(b'"}', b'\xff"}'), zone=TEHRAN).articles
    assert article.title == "باران\ufffd"


def test_old_persian_code_page() -> None:
    (article,) = read("x", '{"title": "ايران"}'.encode("cp1256"), zone=TEHRAN).articles
    assert article.title == "ايران"


def test_url_date_and_source_of_a_page() -> None:
    (article,) = read(
        "x", PAGE, zone=TEHRAN, url=" https://www.tabesh.example/a/12345 ", published="۷ بهمن ۱۴۰۴ ۱۲:۳۰"
    ).articles
    assert (article.url, article.source) == ("https://www.tabesh.example/a/12345", "tabesh.example")
    assert article.published == datetime(2026, 1, 27, 9, 0, tzinfo=UTC)
    (article,) = read("x", PAGE, zone=TEHRAN, source="تابش").articles
    assert (article.url, article.source, article.published) == ("", "تابش", None)


def test_the_source_that_is_given_counts_for_every_item() -> None:
    found = read("x", TWO, zone=TEHRAN, source="تابش")
    assert [article.source for article in found.articles] == ["تابش", "تابش"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"url": "tabesh.example/a"}, "is not a web address"),
        ({"url": "javascript:x"}, "is not a web address"),
        ({"published": "دیروز"}, "is not a date"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        read("x", PAGE, zone=TEHRAN, **options)
    assert refused.value.fix


@pytest.mark.parametrize("options", [{"url": "https://tabesh.example/a"}, {"published": "1404/11/07"}])
def test_one_url_or_date_cannot_be_given_for_several_items(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="it holds 2 items"):
        read("x", TWO, zone=TEHRAN, **options)


_cut = st.tuples(
    st.sampled_from([RSS, TWO, PAGE, gzip.compress(TWO, mtime=0)]), st.integers(0, 200), st.binary(max_size=8)
)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=100).map(str.encode),
        _cut.map(lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]),
        st.sampled_from(["<", "{", "title,url\n"]).flatmap(
            lambda start: st.binary(max_size=60).map(start.encode().__add__)
        ),
    ),
    st.sampled_from(["x", "x.xml", "x.jsonl", "x.csv.gz"]),
)
@example(b"\x0c", "x.jsonl")
@example(b" \xef\xbb\xbf \x0c\n", "x.jsonl")
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_articles_or_one_clear_refusal(content: bytes, name: str) -> None:
    try:
        found = read(name, content, zone=TEHRAN)
    except UnreadableInput as refused:  # any other exception fails
        refusal = str(refused)
        titles = []
    else:
        refusal = ""
        titles = [article.title for article in found.articles]
    assert not refusal or refusal.startswith(f"{name}: ") or refusal.startswith(f"{name}, line ")
    assert all(titles)
    "".join(titles).encode()


def test_endless_titles_and_leads_are_cut() -> None:
    content = json.dumps({"title": "باران " * 10_000, "lead": "برف " * 10_000}).encode()
    (article,) = read("x", content, zone=TEHRAN).articles
    assert len(article.title) <= 500
    assert len(article.lead) <= 5000
    assert article.title.endswith("باران…")
    assert article.lead.endswith("برف…")
    (article,) = read("x", json.dumps({"title": "x" * 501}).encode(), zone=TEHRAN).articles
    assert article.title == "x" * 499 + "…"
    (article,) = read("x", json.dumps({"title": "x" * 500}).encode(), zone=TEHRAN).articles
    assert article.title == "x" * 500


UNLINKABLE = [
    "https://user:pw@tabesh.example/1",
    "https://user@tabesh.example/1",
    "https://tabesh..example/1",
    "https://tabesh.example/" + "x" * 1500,
    "https://tabesh.example/" + "خ" * 300,
]


@pytest.mark.parametrize("url", UNLINKABLE)
def test_a_link_that_no_mail_can_have_is_left_out_and_noted(url: str) -> None:
    lines = [{"title": "باران", "url": url}, {"title": "برف", "url": "https://tabesh.example/2"}]
    found = read("x", "\n".join(json.dumps(line) for line in lines).encode(), zone=TEHRAN)
    assert [article.url for article in found.articles] == ["", "https://tabesh.example/2"]
    (note,) = found.notes
    assert note.startswith("x: 1 links cannot be used in a mail, such as 'https://")
    with pytest.raises(UsageError, match="is not a web address"):
        read("x", PAGE, zone=TEHRAN, url=url)
