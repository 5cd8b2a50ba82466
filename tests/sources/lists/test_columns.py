"""The meanings of columns, by heading and content, and the question that is asked if one may say who left."""

from pathlib import Path
from typing import Any

import pytest
from list_files import opened, read

from mailer.errors import UndecidedList, UnreadableInput, UsageError


@pytest.mark.parametrize(
    "heading",
    [
        *("email", "E-Mail", "EMAIL ADDRESS", "Email_Address", "e-mail 1 - value", "Your email?", "user.email", "mail"),
        *(
            "ایمیل",
            "آدرس ایمیل",
            "پست الکترونیک",
            "پست الكترونيكي",
            "ایمیل کاربر",
            "نشانی",
            "رایانامه",
            "البريد الإلكتروني",
        ),
        *("Contact", "unknown", ""),
    ],
)
def test_the_column_of_addresses_is_found_by_its_content(tmp_path: Path, heading: str) -> None:
    (row,) = read(tmp_path, f"Address,{heading},name\nTehran,a@example.org,مینا\n")
    assert (row.email, row.name) == ("a@example.org", "مینا")


def test_the_heading_breaks_ties(tmp_path: Path) -> None:
    text = "owner,Second email,email,name\nboss@example.net,b@example.org,a@example.org,x\n"
    text += "boss@example.net,,c@example.org,y\n"
    assert [row.email for row in read(tmp_path, text)] == ["a@example.org", "c@example.org"]


def test_broken_addresses_under_a_plain_heading(tmp_path: Path) -> None:
    assert [row.email for row in read(tmp_path, "name,email\nx,not an address\n")] == ["not an address"]


@pytest.mark.parametrize(
    ("headings", "cells", "name"),
    [
        ("نام,نام خانوادگی", "مینا,راد", "مینا راد"),
        ("First Name,Last Name", "Mina,Rad", "Mina Rad"),
        ("Name,First Name,Last Name", "Mina R.,Mina,Rad", "Mina R."),
        ("name,surname", "Mina,", "Mina"),
        ("نام و نام خانوادگی,شهر", "مینا راد,شیراز", "مینا راد"),
    ],
)
def test_names(tmp_path: Path, headings: str, cells: str, name: str) -> None:
    (row,) = read(tmp_path, f"email,{headings}\na@example.org,{cells}\n")
    assert row.name == name


@pytest.mark.parametrize(
    ("heading", "cell", "status"),
    [
        *[("Status", word, "active") for word in ("Subscribed", "ACTIVE", "فعال", "1", "yes", "opted-in", "confirmed")],
        *[
            ("Status", word, "unsubscribed")
            for word in ("UNSUB", "opt out", "لغو شده", "غير فعال", "-1", "0", "archived")
        ],
        *[("وضعیت", word, "bounced") for word in ("cleaned", "Hard Bounce", "برگشتی", "invalid")],
        *[("Status", word, "complained") for word in ("spam", "Abuse complaint", "هرزنامه")],
        *[
            ("Status", word, "pending")
            for word in ("unconfirmed", "non-subscribed", "تأیید نشده", "در انتظار", "transactional")
        ],
        *[
            ("unsubscribed", cell, "unsubscribed")
            for cell in ("1", "true", "Yes", "2024-01-02", "بله", "03/04/2024", "x")
        ],
        *[("unsubscribed", cell, "active") for cell in ("0", "false", "", "NULL", "0000-00-00 00:00:00", "خیر", "-")],
        *[("opted_out", "TRUE", "unsubscribed"), ("Opt-Out", "Y", "unsubscribed"), ("DNC", "1", "unsubscribed")],
        *[
            ("disabled", "1", "unsubscribed"),
            ("is_deleted", "true", "unsubscribed"),
            ("deleted_at", "1704164645", "unsubscribed"),
        ],
        *[
            ("Do not email", "yes", "unsubscribed"),
            ("blacklist", "1", "unsubscribed"),
            ("لغو اشتراک", "بله", "unsubscribed"),
        ],
        *[("bounced", "1", "bounced"), ("Bounce date", "2024-01-02", "bounced"), ("complaint", "yes", "complained")],
        *[
            ("subscribed", "no", "unsubscribed"),
            ("active", "0", "unsubscribed"),
            ("newsletter", "false", "unsubscribed"),
        ],
        *[("confirmed", "0", "pending"), ("email_verified", "false", "pending"), ("تأیید شده", "خیر", "pending")],
        *[("Status", "Unsubscribed via link", "unsubscribed"), ("Status", "Bounced (550)", "bounced")],
        *[
            ("is_valid", "false", "unsubscribed"),
            ("Do not call", "1", "active"),
            ("StatusChangeDate", "2024-01-02", "active"),
        ],
        *[("فعال", "خیر", "unsubscribed"), ("عضو خبرنامه", "بله", "active")],
    ],
)
def test_everything_that_means_do_not_mail(tmp_path: Path, heading: str, cell: str, status: str) -> None:
    (row, _) = read(tmp_path, f"email,{heading},city\na@example.org,{cell},Shiraz\nb@example.org,{cell},Shiraz\n")
    assert row.problem == ""
    assert str(row.status) == status


def test_yes_or_nothing(tmp_path: Path) -> None:
    """PHP writes false as an empty text."""
    found = opened(tmp_path, "email,active\na@example.org,1\nb@example.org,\n")
    assert [str(row.status) for row in found] == ["active", "pending"]
    assert "1 rows" in found.notes[0]


def test_a_column_of_yes_and_no_with_gaps(tmp_path: Path) -> None:
    found = opened(tmp_path, "email,newsletter\na@example.org,yes\nb@example.org,\nc@example.org,no\n")
    assert [str(row.status) for row in found] == ["active", "pending", "unsubscribed"]
    only_no = read(tmp_path, "email,newsletter\na@example.org,no\nb@example.org,\n")
    assert [str(row.status) for row in only_no] == ["unsubscribed", "active"]


@pytest.mark.parametrize(
    "heading", ["isUnsubscribed", "hasOptedOut", "doNotEmail", "UnsubscribedAt", "unsubscribed-at"]
)
def test_headings_of_programmers(tmp_path: Path, heading: str) -> None:
    rows = read(tmp_path, f"EmailAddress,firstName,{heading}\na@example.org,Mina,true\nb@example.org,x,\n")
    assert [(row.name, str(row.status)) for row in rows] == [("Mina", "unsubscribed"), ("x", "active")]


def test_an_empty_status_is_noted(tmp_path: Path) -> None:
    found = opened(tmp_path, "email,status\na@example.org,unsubscribed\nb@example.org,\n")
    assert [str(row.status) for row in found] == ["unsubscribed", "active"]
    assert "taken as active" in found.notes[0]


def test_columns_that_disagree(tmp_path: Path) -> None:
    text = (
        "email,status,unsubscribed_at,bounced_at,subscribed_at\n"
        "left@example.org,active,2024-05-06,,2024-01-02\n"
        "back@example.org,active,2024-05-06,,2025-01-02\n"
        "both@example.org,active,2024-05-06,2024-03-02,2024-01-02\n"
        "dead@example.org,active,,2024-03-02,2024-01-02\n"
    )
    statuses = [str(row.status) for row in read(tmp_path, text)]
    assert statuses == ["unsubscribed", "active", "unsubscribed", "bounced"]


@pytest.mark.parametrize(
    "text",
    [
        "email,status\na@example.org,X1\nb@example.org,X2\n",
        "email,status\na@example.org,X\nb@example.org,Y2\n",
        "email,وضعیت\na@example.org,الف\n",
        "email,Opt-out\na@example.org,maybe later\n",
        "email,unsub_group\na@example.org,summer\n",
        "email,bounce type\na@example.org,transient\n",
        "email,extra\na@example.org,unsubscribed\nb@example.org,\n",
        "a@example.org,unsubscribed\nb@example.org,active\n",
        "email,order status,حذف\na@example.org,paid,چند روز پیش\n",
    ],
)
def test_an_opt_out_that_is_not_understood_stops_the_import(tmp_path: Path, text: str) -> None:
    with pytest.raises(UndecidedList) as stopped:
        opened(tmp_path, text)
    for option in ("--map", "--ignore-column", "--suppress"):
        assert option in str(stopped.value)
    assert "(1)" in str(stopped.value)  # the values with their counts


def test_an_admin_decides(tmp_path: Path) -> None:
    text = "email,Opt-out\na@example.org,summer\nb@example.org,\n"
    assert [str(row.status) for row in read(tmp_path, text, meanings={"opt out": "unsubscribed"})] == [
        "unsubscribed",
        "active",
    ]
    assert [str(row.status) for row in read(tmp_path, text, ignored=["Opt-out"])] == ["active", "active"]
    assert read(tmp_path, text, suppress=True)
    assert [row.name for row in read(tmp_path, text, meanings={"2": "name"})] == ["summer", ""]
    unknown = read(tmp_path, text, meanings={"Opt-out": "status"})
    assert [bool(row.problem) for row in unknown] == [True, False]
    headless = read(tmp_path, "a@example.org,مینا,left\nb@example.org,,\n", meanings={"2": "name"}, ignored=["3"])
    assert headless[0].name == "مینا"


@pytest.mark.parametrize(
    "choices",
    [{"meanings": {"no such": "name"}}, {"meanings": {"email": "no such"}}, {"ignored": ["9"]}, {"lists": ["no such"]}],
)
def test_choices_that_do_not_fit(tmp_path: Path, choices: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        opened(tmp_path, "email,name\na@example.org,x\n", **choices)


def test_tags_that_are_no_sections_are_noted(tmp_path: Path) -> None:
    text = "email,tags\na@example.org,سیاست|vip\nb@example.org,vip\n"
    found = opened(tmp_path, text, sections=("سیاست",))
    assert [row.sections for row in found] == [("سیاست",), ()]
    assert found.notes == ("Tags that are not names of sections were passed over: 'vip' (2).",)


def test_harmless_columns_do_not_stop_the_import(tmp_path: Path) -> None:
    text = (
        "email,Marital status,unsubscribe_url,bounce_count,Order Status,SMS status,Unsubscribe token,State,block\n"
        "a@example.org,married,https://example.org/u,7,paid,gone away,abc,Fars,12\n"
    )
    found = opened(tmp_path, text)
    assert str(next(iter(found)).status) == "active"
    assert set(found.passed_over) == set(text.split("\n")[0].split(",")) - {"email"}
    assert set(found.passed_over.values()) == {1}


@pytest.mark.parametrize(
    "name", ["unsubscribed.csv", "bounces-2024.csv", "لغو شده‌ها.csv", "blacklist.txt", "nonsubscribed.csv"]
)
def test_the_name_of_a_file_may_say_that_all_left(tmp_path: Path, name: str) -> None:
    with pytest.raises(UndecidedList, match="--suppress"):
        opened(tmp_path, "email,name\na@example.org,x\n", name)
    assert read(tmp_path, "email,name\na@example.org,x\n", name, suppress=True)
    assert read(tmp_path, "email,status\na@example.org,active\n", name)


def test_several_lists_have_to_be_chosen(tmp_path: Path) -> None:
    text = (
        "email,list,status\na@example.org,News,active\nb@example.org,Sport,active\nc@example.org,News|Sport,active\n"
        "d@example.org,Sport,unsubscribed\ne@example.org,Sport,bounced\n"
    )
    with pytest.raises(UndecidedList) as stopped:
        opened(tmp_path, text)
    assert "'Sport' (4)" in str(stopped.value)
    assert "'News' (2)" in str(stopped.value)
    statuses = [str(row.status) for row in read(tmp_path, text, lists=["news"])]
    assert statuses == ["active", "None", "active", "None", "bounced"]
    assert "None" not in {str(row.status) for row in read(tmp_path, text, lists=["*"])}


def test_a_list_without_people_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="phone"):
        opened(tmp_path, "name,phone\nMina,0912\n")


def test_the_statuses_of_several_lists_in_json(tmp_path: Path) -> None:
    lists = '"lists": [{"subscription_status": "confirmed"}, {"subscription_status": "%s"}]'
    rows = "".join(
        f'{{"email": "{name}@example.org", {lists % status}}}\n'
        for name, status in (("a", "confirmed"), ("b", "unsubscribed"), ("c", "unconfirmed"))
    )
    found = read(tmp_path, rows, "people.jsonl", lists=["*"])
    assert [str(row.status) for row in found] == ["active", "unsubscribed", "pending"]
