"""Several lists in one file: one below the other, under titles, or on the sheets of a workbook."""

from pathlib import Path

import pytest
from list_files import opened, read
from workbooks import workbook

from mailer.errors import UndecidedList

ACTIVE, LEFT = "active", "unsubscribed"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("email,joined\na@example.org,2020-01-02\nemail,unsub_time\nb@example.org,2022-02-02\n", "line 3"),
        ("ایمیل;نام\na@example.org;مینا\nایمیل;نام;تاریخ لغو\nb@example.org;رضا;1403/02/02\n", "line 3"),
        ("a@example.org\nb@example.org\nemail,status\nc@example.org,unsubscribed\n", "line 3"),
        ("a@example.org\nUnsubscribed:\nb@example.org\n", "'Unsubscribed:'"),
        ("a@example.org\n\nانصرافی‌ها (انصراف)\nb@example.org\n", "line 3"),
        ("Actifs\na@example.org\nDésabonnés\nb@example.org\n", "'Désabonnés'"),
        ("email,name\na@example.org,Mina\n--- bounced ---,\nb@example.org,Reza\n", "line 3"),
    ],
)
def test_a_second_list_in_the_file_stops_the_import(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(UndecidedList, match="--suppress") as stopped:
        opened(tmp_path, text)
    assert line in str(stopped.value)
    assert read(tmp_path, text, suppress=True)


def test_other_rows_without_an_address_are_only_refused(tmp_path: Path) -> None:
    text = "email,name\na@example.org,Mina\nReaders of the sports page,\n,Reza\nemail,name\nb@example.org,x\n"
    assert [row.email for row in read(tmp_path, text)] == [
        "a@example.org",
        "Readers of the sports page",
        "",
        "b@example.org",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Unsubscribed readers\na@example.org\nb@example.org\n",
        "لغو عضویت شده‌ها\nemail,name\na@example.org,x\n",
        "Bounced addresses,name\na@example.org,x\n",
    ],
)
def test_a_title_that_says_that_all_left_stops_the_import(tmp_path: Path, text: str) -> None:
    with pytest.raises(UndecidedList, match="--suppress"):
        opened(tmp_path, text)
    assert read(tmp_path, text, suppress=True)


MEMBERS = ("Members", [["email", "name"], ["a@example.org", "Mina"], ["b@example.org", "Reza"]])
GONE = ("لغو شده‌ها", [["email"], ["b@example.org"], ["c@example.org"]])


@pytest.mark.parametrize("hidden", [[], ["لغو شده‌ها"]])
def test_a_sheet_of_people_who_left_is_never_passed_over(tmp_path: Path, hidden: list[str]) -> None:
    content = workbook(MEMBERS, GONE, ("Report", [["total"], [3]]), hidden=hidden)
    with pytest.raises(UndecidedList) as stopped:
        opened(tmp_path, content, "people.xlsx")
    assert "'Members'" in str(stopped.value)
    assert "'لغو شده‌ها'" in str(stopped.value)  # as it is written in the workbook, to be copied
    found = opened(tmp_path, content, "people.xlsx", lists=["Members"])
    assert [(row.email, str(row.status)) for row in found] == [
        ("a@example.org", ACTIVE),
        ("b@example.org", ACTIVE),
        ("b@example.org", LEFT),
        ("c@example.org", LEFT),
    ]
    assert found.may_hold_leavers
    assert found.count == 4
    assert "'لغو شده‌ها'" in found.notes[0]
    assert "'Report'" in found.notes[1]


def test_the_sheet_of_people_who_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UndecidedList, match="--suppress"):
        opened(tmp_path, workbook(MEMBERS, GONE), "people.xlsx", lists=["لغو شده ها"])
    rows = read(tmp_path, workbook(MEMBERS, GONE), "people.xlsx", lists=["لغو شده‌ها"], suppress=True)
    assert [row.email for row in rows] == ["b@example.org", "c@example.org"]
