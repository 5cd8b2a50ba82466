"""JSON Lines and CSV: correct records are read, wrong ones are reported with their line."""

import csv
import io
import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.errors import UnreadableInput
from mailer.sources.found import Found
from mailer.sources.read import read

TEHRAN = ZoneInfo("Asia/Tehran")
FULL = {
    "id": "t-1",
    "source": "تابش",
    "url": "https://tabesh.example/a/12345",
    "title": "باران",
    "lead": "باران بارید.",
    "body": "یک\nدو",
    "category": "جامعه",
    "tags": ["هوا", "شمال"],
    "published": "2026-01-27T12:30:00",
    "published_raw": "۷ بهمن ۱۴۰۴",
    "views": 1200,
    "comments": 0,
    "unknown": {"x": 1},
}


def of(*lines: object, name: str = "a.jsonl") -> Found:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    return read(name, text.encode("utf-8", "surrogatepass"), zone=TEHRAN)


def test_every_field() -> None:
    (article,) = of(FULL).articles
    assert (article.guid, article.source, article.url) == ("t-1", "تابش", "https://tabesh.example/a/12345")
    assert (article.title, article.lead, article.body) == ("باران", "باران بارید.", "یک\nدو")
    assert (article.category, article.tags) == ("جامعه", ("هوا", "شمال"))
    assert article.published == datetime(2026, 1, 27, 9, 0, tzinfo=UTC)
    assert article.published_raw == "۷ بهمن ۱۴۰۴"
    assert (article.views, article.comments, article.shares) == (1200, 0, None)


def test_a_date_only_in_raw_form_is_read() -> None:
    (article,) = of({"title": "باران", "published_raw": "۷ بهمن ۱۴۰۴ ۱۲:۳۰"}).articles
    assert article.published == datetime(2026, 1, 27, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"title": 5}, "title is a number, not text"),
        ({"title": " <b></b> "}, "it has no title"),
        ({"url": "https://tabesh.example/1"}, "it has no title"),
        ({"title": "x", "views": "many"}, "views is a text, not a whole number"),
        ({"title": "x", "views": -1}, "views is a number"),
        ({"title": "x", "views": 2**40}, "views is a number"),
        ({"title": "x", "views": True}, "views is true or false"),
        ({"title": "x", "comments": 1.5}, "comments is a number"),
        ({"title": "x", "tags": "a, b"}, "tags is a text, not a list"),
        ({"title": "x", "tags": [1]}, "tags is a list, not a list of texts"),
        ({"title": "x", "lead": ["y"]}, "lead is a list, not text"),
        ("{broken", "this is not JSON"),
        ("[1, 2]", "a list, not an object"),
        ("[" * 100_000, "this is not JSON"),
    ],
)
def test_a_wrong_record_is_left_out_with_its_line(wrong: object, says: str) -> None:
    found = of({"title": "پیش"}, "", wrong, {"title": "پس"})
    assert [article.title for article in found.articles] == ["پیش", "پس"]
    (note,) = found.notes
    assert note.startswith("a.jsonl, line 3: ")
    assert says in note


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (['[{"title": "x"}]'], "line 1: this is JSON, but a list, not an object"),
        (["", "باران"], "line 2: this is not JSON"),
        (["{", '"title": "x"', "}"], "no line of it is an article; line 1: this is not JSON"),
        ([{"url": "https://tabesh.example/1"}], "no line of it is an article; line 1: it has no title"),
    ],
)
def test_a_text_that_is_not_jsonl_is_refused_with_the_line(lines: list[object], says: str) -> None:
    with pytest.raises(UnreadableInput) as refused:
        of(*lines)
    assert says in refused.value.message
    assert "one JSON object" in refused.value.fix


def test_line_separators_inside_a_text_do_not_split_records() -> None:
    found = of('{"title": "باران\u2028برف\x85مه"}')
    assert [article.title for article in found.articles] == ["باران برف مه"]


def test_half_a_surrogate_pair_cannot_reach_the_store() -> None:
    (article,) = of('{"title": "باران \\ud83d", "id": "a\\ud800", "url": "https://t.example/\\udc00"}').articles
    assert (article.title, article.guid, article.url) == ("باران", "a", "https://t.example/")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1256"])
def test_csv(delimiter: str, encoding: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["ID", " Title ", "url", "views", "tags", "published", "lead"])
    writer.writerow(["1", f"باران{delimiter} «برف»", "https://t.example/1", "", "هوا، ابر", "1404/11/07", "باد\nدود"])
    writer.writerow([])
    writer.writerow(["2", "مه", "", "1,234", "", "", ""])
    found = read("a.csv", out.getvalue().encode(encoding), zone=TEHRAN)
    first, second = found.articles
    assert (first.guid, first.title, first.views) == ("1", "باران" + delimiter.strip() + " «برف»", None)
    assert (first.tags, first.lead) == (("هوا", "ابر"), "باد دود")
    assert first.published == datetime(2026, 1, 26, 20, 30, tzinfo=UTC)
    assert (second.title, second.url, second.views) == ("مه", "", 1234)


def test_wrong_rows_of_a_csv_are_named() -> None:
    found = read("a.csv", "title,views\nباران,۱۲\nبرف,خیلی\n,3\nمه,1,2\n".encode(), zone=TEHRAN)
    assert [(article.title, article.views) for article in found.articles] == [("باران", 12)]
    assert [note.split(":")[0] for note in found.notes] == ["a.csv, line 3", "a.csv, line 4", "a.csv, line 5"]


@pytest.mark.parametrize("text", ["title,url\n", "title,url\n,https://t.example/1\n"])
def test_a_csv_without_an_article_is_refused(text: str) -> None:
    with pytest.raises(UnreadableInput, match="no row of it is an article"):
        read("a.csv", text.encode(), zone=TEHRAN)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(FULL)), inner, max_size=4),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(FULL)), _json, max_size=8))
@settings(max_examples=150, deadline=None)
def test_no_record_is_lost_without_a_note(record: dict[str, object]) -> None:
    found = of({"title": "پیش"}, record)
    assert len(found.articles) + sum(", line 2:" in note for note in found.notes) == 2
    for article in found.articles:
        assert article.title
        repr(article).encode("utf-8")


def test_an_unclosed_quotation_mark_loses_no_row_silently() -> None:
    rows = 'title,url\nباران,https://tabesh.example/1\n"برف,https://tabesh.example/2\nباد,https://tabesh.example/3\n'
    with pytest.raises(UnreadableInput, match="this is not CSV"):
        read("news.csv", rows.encode(), zone=TEHRAN)
