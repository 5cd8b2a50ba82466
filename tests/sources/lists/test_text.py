"""CSV as people and programs make it: a broken row costs only itself, and no row vanishes."""

import contextlib
import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from list_files import bad, good, opened, read

from mailer.errors import MailerError, UnreadableInput
from mailer.text.characters import EDGES

MANY = "".join(f"r{n}@example.org,نام {n}\n" for n in range(300))


@pytest.mark.parametrize(
    ("broken", "refused"),
    [
        ('a@example.org,"رضا\n', 1),
        ('"a@example.org,رضا\n', 1),
        ('a@example.org,"رضا\nb@example.org,"سارا"\n', 1),
        ('a@example.org,"رضا\nb@example.org,سارا"\n', 1),
        ('a@example.org,"one""\nb@example.org,two\n', 1),
        ('"a@example.org","رضا\n"b@example.org","سارا"\n', 1),
        ('a@example.org,"\n', 1),
        ('"\n', 1),
    ],
)
def test_an_open_quotation_mark_costs_only_its_own_row(tmp_path: Path, broken: str, refused: int) -> None:
    rows = read(tmp_path, f"email,name\nfirst@example.org,x\n{broken}{MANY}")
    assert len(bad(rows)) == refused
    assert bad(rows)[0] == 3
    assert set(good(rows)) >= {"first@example.org", *(f"r{n}@example.org" for n in range(300))}
    assert len(rows) == 1 + broken.count("\n") + 300


def test_an_open_quotation_mark_in_the_last_line(tmp_path: Path) -> None:
    assert bad(read(tmp_path, 'email,name\na@example.org,x\nb@example.org,"رضا')) == [3]


@pytest.mark.parametrize(
    "row",
    [
        'a@example.org,"one\ntwo",x',
        'a@example.org,"12 Main St\r\nFloor 2\r\nShiraz","x\ny"',
        '"a@example.org","he said ""no""\nand left",x',
        'a@example.org,5" pipe,x',
        'a@example.org,a "b" c,x',
        '"a@example.org" , "padded" , "x"',
        '"a@example.org","b \\"c\\"",x',
        '"a@example.org","b\\"",x',
        "a@example.org,see mail to b@example.net soon,x",
    ],
)
def test_rows_that_only_look_broken(tmp_path: Path, row: str) -> None:
    rows = read(tmp_path, f"email,name,note\n{row}\nb@example.org,,\n")
    assert good(rows) == ["a@example.org", "b@example.org"]
    assert bad(rows) == []


def test_cells_over_several_lines_before_the_address(tmp_path: Path) -> None:
    rows = read(tmp_path, 'note,email\n"one\ntwo",a@example.org\n"x\ny\nz",b@example.org\n')
    assert [(row.line, row.email) for row in rows] == [(2, "a@example.org"), (4, "b@example.org")]


@pytest.mark.parametrize("by", [",", ";", "\t", "|", "،", "؛"])
@pytest.mark.parametrize("stated", [True, False])
def test_separators_and_what_states_them(tmp_path: Path, by: str, stated: bool) -> None:
    text = (f"sep={by}\n" if stated else "") + f"email{by}name\na@example.org{by}الف\n"
    (row,) = read(tmp_path, "\ufeff" + text)
    assert (row.email, row.name) == ("a@example.org", "الف")


@pytest.mark.parametrize(
    "text",
    [
        "email,name\r\ra@example.org,x\r",
        "\n\n email , name \n\n a@example.org , x \n\n",
        "email,name\n\0a@example.org\0,x\n",
        "email,name\na@example.org,x\n\ufeffemail,name\n\ufeffb@example.org,y\n",
        "\u200femail,name\n\u200ea@example.org\u200f,x\n",
        "Export of 1 January\nemail,name\na@example.org,x\n",
        "email,name,,,\na@example.org,x,,,\n",
        "email,name\nmailto:a@example.org,x\n<b@example.org>,y\n",
    ],
)
def test_noise_around_rows_and_cells(tmp_path: Path, text: str) -> None:
    rows = read(tmp_path, text)
    assert good(rows)[0] == "a@example.org"
    assert rows[0].name == "x"
    assert bad(rows) == []
    assert {"email", "name"}.isdisjoint(row.email for row in rows)


def test_ragged_rows_are_refused_if_they_may_hide_who_left(tmp_path: Path) -> None:
    text = "email,name,status\na@example.org,Rad, Mina,unsubscribed\nb@example.org,x\nc@example.org,y,active\n"
    rows = read(tmp_path, text)
    assert good(rows) == ["c@example.org"]
    assert bad(rows) == [2, 3]
    plain = read(tmp_path, "email,name,city\na@example.org,Rad, Mina,Shiraz\nb@example.org\n")
    assert good(plain) == ["a@example.org", "b@example.org"]
    assert "more cells" in plain[0].note


def test_repeated_headings_and_lines_above_are_noted(tmp_path: Path) -> None:
    found = opened(tmp_path, "Members\nemail,name\na@example.org,x\nemail,name\nb@example.org,y\n")
    assert good(list(found)) == ["a@example.org", "b@example.org"]
    assert len(found.notes) == 2


def test_json_lines(tmp_path: Path) -> None:
    text = (
        '{"email": "a@example.org", "name": "x", "tags": ["سیاست", {"name": "vip"}], "unsubscribed": false}\n'
        '{"name": "y", "email": "b@example.org", "unsubscribed": true, "new": null}\n'
        '{"email": "c@example.org", "unsubscribed_at": "2024-05-06T07:08:09Z"}\nnonsense\n'
    )
    rows = read(tmp_path, text, sections=("سیاست",))
    assert [str(row.status) for row in rows[:3]] == ["active", "unsubscribed", "unsubscribed"]
    assert rows[0].sections == ("سیاست",)
    assert bad(rows) == [4]


def test_members_in_another_case_are_one_column(tmp_path: Path) -> None:
    text = '{"email":"a@example.org","Status":"unsubscribed"}\n{"Email":"b@example.org","STATUS":"active"}\n'
    assert [(row.email, str(row.status)) for row in read(tmp_path, text)] == [
        ("a@example.org", "unsubscribed"),
        ("b@example.org", "active"),
    ]


def test_inner_objects_that_say_who_left(tmp_path: Path) -> None:
    inner = [{"name": "News", "subscription_status": "unsubscribed"}]
    lines = [
        {"email": "a@example.org", "subscriptions": inner},
        {"email": "b@example.org", "state": {"deleted": False}},
    ]
    rows = read(tmp_path, "\n".join(map(json.dumps, lines)) + "\n")
    assert [str(row.status) for row in rows] == ["unsubscribed", "active"]


def test_an_address_is_no_heading(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput):
        opened(tmp_path, "email a@example.org\nreception nomail\n\nemail b@example.org\n")


def test_several_people_in_one_line_are_not_lost(tmp_path: Path) -> None:
    for text in ("a@example.org, b@example.org\n", "Mina <a@example.org>; Reza <b@example.org>\n"):
        with pytest.raises(UnreadableInput, match="one address on each line"):
            opened(tmp_path, text)
    (row,) = read(tmp_path, "email,name\na@example.org ::: b@example.org,Reza &amp; Mina\n")
    assert (row.email, row.name) == ("a@example.org", "Reza & Mina")
    assert "several addresses" in row.note


# --- any bytes -------------------------------------------------------------------------------------------------------
WORDS = ("رضا", "unsubscribed", "email", "status", "name", "a@example.org", "sep=", "0")
MARKS = (
    b'"',
    b",",
    b";",
    b"\n",
    b"\r",
    b"\t",
    b"@",
    b"\xff",
    b"\0",
    b"{",
    b"[",
    b"\\",
    b"'",
    b"PK\x03\x04",
    b"\xef\xbb\xbf",
)
PIECES = st.sampled_from([*MARKS, *(word.encode() for word in WORDS), "رضا".encode("cp1256")])


@given(st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=60).map(b"".join)))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_a_list_or_one_clear_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        found = opened(folder, content)
    except MailerError:
        return
    rows = list(found)
    assert len(rows) == found.count
    assert found.columns


@given(st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=4), max_size=12))
@settings(max_examples=200, deadline=None)
def test_no_line_vanishes(tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]]) -> None:
    lines = [",".join(row).replace("\r", "").replace("\n", "") for row in cells]
    text = "email,name\n" + "\n".join(lines) + "\nlast@example.org,x\n"
    try:
        found = opened(tmp_path_factory.getbasetemp(), text.encode("utf-8", "replace"), encoding="utf-8")
    except MailerError:
        return
    rows = list(found)
    filled = [line for line in lines if line.replace(",", "").strip(EDGES)]
    assert len(rows) >= len(filled) - text.count('"') - 2
    assert rows[-1].email == "last@example.org" or rows[-1].problem


HOSTILE = {
    "open quotes": 'a,"b\n' * 60_000,
    "open quotes, far apart": ('a,"b\n' + "x,y\n" * 150) * 500,
    "quotes": '"' * 300_000,
    "quotes and lines": '"\n' * 100_000,
    "one line": "x" * 300_000,
    "commas": "," * 300_000,
    "at signs": "@" * 300_000,
    "dots": "a@" + "." * 300_000 + " ",
    "dots in rows": ("a@" + "." * 60_000 + " ,x\n") * 6,
    "blanks": " " * 300_000,
    "line feeds": "\n" * 300_000,
    "angles": ("<" * 60_000 + "\n") * 6,
    "mailboxes": ("a <" * 300 + "@\n") * 1_000,
    "wide": "\n".join(",".join(["a@example.org"] * 900) for _ in range(30)),
    "braces": "{" * 300_000,
    "objects": '{"a":' * 60_000,
    "members": "\n".join(f'{{"email":"a@example.org","m{n}":1}}' for n in range(8_000)),
    "digits": ("1" * 60_000 + ",a@example.org\n") * 6,
    "dashes": "-- \n" * 75_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_takes_little_time(tmp_path: Path, kind: str) -> None:
    begun = time.process_time()
    for heading in ("", "email,status\n"):
        with contextlib.suppress(MailerError):
            list(opened(tmp_path, heading + HOSTILE[kind]))
    assert time.process_time() - begun < 60, "about a second is usual; a quadratic reader takes minutes"
