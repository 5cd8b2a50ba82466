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
NOW = datetime(2026, 1, 28, tzinfo=UTC)
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
        ({"title": ["x"]}, "it has no title"),
        ({"title": False}, "it has no title"),
        ({"title": " <b></b> "}, "it has no title"),
        ({"url": "https://tabesh.example/1"}, "it has no title"),
        ("{broken", "this is not JSON"),
        ("[1, 2]", "a list, not an object"),
        ("[" * 100_000, "this is not JSON"),
    ],
)
def test_a_wrong_record_is_left_out_with_its_line(wrong: object, says: str) -> None:
    found = of({"title": "پیش"}, "", wrong, {"title": "پس"})
    assert [article.title for article in found.articles] == ["پیش", "پس"]
    note, *others = found.notes
    assert note.startswith("a.jsonl, line 3: ")
    assert says in note
    assert len(others) <= 1


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        ({"views": "many"}, "'many'"),
        ({"views": -1}, "-1"),
        ({"views": 2**40}, "1099511627776"),
        ({"views": True}, "true or false"),
        ({"comments": 1.5}, "1.5"),
        ({"shares": {"total": 7}}, "an object"),
        ({"tags": [1, None]}, "a list"),
        ({"tags": 'a:1:{i:0;s:1:"x";}'}, "'a:1:{i:0;s:1:\"x\";}'"),
        ({"lead": ["y"]}, "a list"),
        ({"category": {"id": 7}}, "an object"),
        ({"image_url": [7.5]}, "a list"),
        ({"image_url": "bild.jpg"}, "'bild.jpg'"),
        ({"url": "N.N."}, "'N.N.'"),
    ],
    ids=str,
)
def test_an_odd_value_is_unknown_and_its_article_stays(wrong: dict[str, object], shown: str) -> None:
    found = of({"title": "پیش"}, {"title": "باران", **wrong}, {"title": "باران", **wrong})
    assert len(found.articles) == 3
    (field,) = wrong
    assert not getattr(found.articles[1], field) or field == "tags"
    says = f"a.jsonl: 2 values of {field} are not understood, such as {shown} (line 2); they count as unknown."
    assert found.notes == (says,)


def test_records_as_systems_write_them() -> None:
    rows = (
        {"title": "یک", "published": 1769504400, "views": "1,234", "tags": "هوا، شمال"},
        {"title": "دو", "published": 1769504400000, "views": "۱۲ هزار", "tags": ["هوا", {"name": "شمال"}]},
        {"title": "سه", "published": {"$date": "2026-01-27T09:00:00Z"}, "views": 1234.0, "tags": '["هوا", "شمال"]'},
        {
            "title": "چهار",
            "published": {"$date": {"$numberLong": "1769504400000"}},
            "views": "1.2k",
            "tags": "هوا|شمال",
        },
        {"title": "پنج", "published": {"date": "2026-01-27 09:00:00.000000", "timezone": "UTC"}, "tags": "هوا; شمال"},
        {"title": "شش", "published": "1404/11/07 12:30", "category": ["هوا", "شمال"], "image_url": False},
    )
    found = read("a.jsonl", "\n".join(map(json.dumps, rows)).encode(), zone=TEHRAN, now=NOW)
    assert [each.title for each in found.articles] == ["یک", "دو", "سه", "چهار", "پنج", "شش"]
    assert [each.views for each in found.articles] == [1234, 12000, 1234, 1200, None, None]
    assert {each.tags or (each.category, *each.tags) for each in found.articles} == {("هوا", "شمال"), ("شمال",)}
    times = [each.published for each in found.articles]
    assert times == [datetime(2026, 1, 27, 9, second=0, tzinfo=UTC)] * 6
    assert found.notes == ()


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
    assert [(article.title, article.views) for article in found.articles] == [("باران", 12), ("برف", None)]
    assert [note.split(":")[0] for note in found.notes] == ["a.csv, line 4", "a.csv, line 5", "a.csv"]
    assert "'خیلی' (line 3)" in found.notes[-1]


def test_empty_cells_at_the_end_of_a_row_are_ignored() -> None:
    found = read("a.csv", "title,views\nباران,12,,\n".encode(), zone=TEHRAN)
    assert [(article.title, article.views, found.notes) for article in found.articles] == [("باران", 12, ())]


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
