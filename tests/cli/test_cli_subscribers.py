"""`mailer subscribers …` and `mailer unsubscribes`."""

import os
from pathlib import Path

import pytest
from admin import Deployment, deployment


@pytest.fixture
def here(tmp_path: Path) -> Deployment:
    return deployment(tmp_path)


def write(here: Deployment, content: str | bytes, name: str = "people.csv") -> str:
    path = here.folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def counts(report: dict[str, int]) -> tuple[int, ...]:
    return tuple(report[name] for name in ("added", "updated", "unchanged", "refused", "suppressed"))


def test_add_list_show(here: Deployment) -> None:
    added = here.json("subscribers", "add", "Narges@Example.ORG", "--name", "نرگس", "--section", "سیاست")
    assert added["added"] is True
    assert (added["status"], added["name"], added["sections"]) == ("active", "نرگس", ["سیاست"])
    assert here.json("subscribers", "add", "narges@example.org")["added"] is False
    (only,) = here.json("subscribers", "list")
    shown = here.json("subscribers", "show", "narges@example.org")
    assert only["email"] == shown["email"] == added["email"]
    assert {"email", "status", "created_at", "sections", "events"} <= set(shown)
    (event,) = shown["events"]
    assert set(event) == {"at", "kind", "method", "slot", "reason"}
    assert (event["kind"], event["method"]) == ("added", "admin")
    assert event["at"].endswith("Z")


@pytest.mark.parametrize(
    "address", ["narges", "a@b", "a b@example.org", "@example.org", "a@example.org\r\nBcc: b@c.de"]
)
def test_no_address(here: Deployment, address: str) -> None:
    answer = here.call("subscribers", "add", address)
    assert answer.code == 3
    assert answer.err.startswith("mailer: ")
    assert answer.err.count("\n") == 1
    assert here.call("subscribers", "add", address, "--json").error["code"] == "bad_address"
    assert here.json("subscribers", "list") == []


def test_a_name_is_one_line_without_hidden_signs(here: Deployment) -> None:
    added = here.json("subscribers", "add", "a@example.org", "--name", "\x1b[31mنر\u200cگس\r\nBcc: x\u202e" + "ا" * 300)
    assert added["name"].startswith("[31mنر\u200cگس Bcc: xا")
    assert len(added["name"]) == 200
    assert "\x1b" not in here.call("subscribers", "list").out


def test_a_person_who_left_is_not_added_again(here: Deployment) -> None:
    here.json("subscribers", "add", "a@example.org")
    assert here.json("subscribers", "unsubscribe", "a@example.org") == {"email": "a@example.org", "unsubscribed": True}
    assert here.json("subscribers", "unsubscribe", "a@example.org")["unsubscribed"] is False
    again = here.call("subscribers", "add", "A@example.org")
    assert again.code == 3
    assert "left on 20" in again.err
    assert "confirming" in again.err
    imported = here.call("subscribers", "import", write(here, "email\na@example.org\n"), "--json")
    assert counts(imported.json) == (0, 0, 0, 0, 1)
    assert here.json("subscribers", "show", "a@example.org")["status"] == "unsubscribed"
    (left,) = here.json("unsubscribes")
    assert set(left) == {"at", "email", "slot", "method", "reason"}
    assert (left["email"], left["method"], left["slot"]) == ("a@example.org", "admin", None)
    assert here.json("unsubscribes", "--since", "2050-01-01") == []
    assert "1 left." in here.call("unsubscribes").out


def test_an_unknown_subscriber(here: Deployment) -> None:
    for verb in ("show", "unsubscribe"):
        answer = here.call("subscribers", verb, "nobody@example.org", "--json")
        assert (answer.code, answer.error["code"]) == (3, "no_such_subscriber")
    assert here.call("unsubscribes", "--since", "gestern").code == 2
    assert here.call("unsubscribes", "--issue", "1405-W10").code == 3


def test_import_reports_each_bad_row_and_takes_the_rest(here: Deployment) -> None:
    rows = "ایمیل,نام\nnarges@example.org,نرگس\nnarges,نرگس\n,\narash@example.org,=?utf-8?b?eA==?=\na@b,x\n"
    answer = here.call("subscribers", "import", write(here, rows), "--json")
    assert answer.code == 5
    assert counts(answer.json) == (2, 0, 0, 2, 0)
    assert [line.split(":")[1] for line in answer.err.splitlines()] == ["3", "6"]
    assert len(here.json("subscribers", "list")) == 2


def test_import_twice_changes_nothing(here: Deployment) -> None:
    file = write(here, "email\tname\na@example.org\tالف\nb@example.org\tب\n", "people.tsv")
    assert here.json("subscribers", "import", file)["added"] == 2
    before = here.json("subscribers", "list")
    assert counts(here.json("subscribers", "import", file)) == (0, 0, 2, 0, 0)
    assert here.json("subscribers", "list") == before


@pytest.mark.parametrize(
    "content",
    [
        "email,name\na@example.org,نرگس\n".encode("utf-8-sig"),
        "email;name\r\na@example.org;نرگس\r\n".encode("utf-16"),
        "email,name\na@example.org,نرگس\n".encode("cp1256"),
        '{"email": "a@example.org", "name": "نرگس", "sections": ["سیاست"]}\n'.encode(),
        'name,email\n"نرگس",a@example.org'.encode(),
    ],
    ids=["mark", "utf-16", "windows-1256", "json lines", "no last newline"],
)
def test_files_as_newsrooms_have_them(here: Deployment, content: bytes) -> None:
    assert here.json("subscribers", "import", write(here, content))["added"] == 1
    assert here.json("subscribers", "list")[0]["name"] == "نرگس"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b" \r\n\n", "the file is empty"),
        (b"name,phone\na,b\n", 'has no column "email"'),
        (b"<html><body>email</body></html>", "this is an HTML page"),
        (b"\x00\x01\x02\xff\xfe", 'has no column "email"'),
        (b"[1, 2]\n", "this is a JSON array"),
    ],
)
def test_files_that_are_no_list(here: Deployment, content: bytes, said: str) -> None:
    answer = here.call("subscribers", "import", write(here, content))
    assert answer.code == 3
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert here.json("subscribers", "list") == []


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b'email,name\na@example.org,"' + b"x" * 140_000, []),
        (b'{"email": "a@example.org"\n', []),
        (b'{"email": 1}\n{"email"\n{"email": "b@example.org"}\n', ["b@example.org"]),
    ],
    ids=["open quotation mark", "broken JSON", "two bad rows and a good one"],
)
def test_a_row_that_cannot_be_read_is_refused_and_stops_nothing(
    here: Deployment, content: bytes, kept: list[str]
) -> None:
    answer = here.call("subscribers", "import", write(here, content))
    assert answer.code == 5
    assert "people.csv:" in answer.err
    assert [who["email"] for who in here.json("subscribers", "list")] == kept


def test_a_missing_file_and_a_folder(here: Deployment) -> None:
    for path in (here.folder / "nothing.csv", here.folder):
        answer = here.call("subscribers", "import", str(path), "--json")
        assert (answer.code, answer.error["code"]) == (3, "unreadable_input")


def test_the_list_is_searched_and_cut(here: Deployment) -> None:
    for number in range(5):
        here.json("subscribers", "add", f"reader{number}@example.org", "--name", f"نام{number}")
    for words in ((), ("--json",)):
        cut = here.call("subscribers", "list", "--limit", "2", "--search", "reader", *words)
        assert cut.err == "2 of 5 shown; --limit N shows more\n"
    assert len(cut.json) == 2
    assert here.call("subscribers", "list", "--limit", "5").err == ""
    assert [each["email"] for each in here.json("subscribers", "list", "--search", "READER3")] == [
        "reader3@example.org"
    ]
    assert [each["name"] for each in here.json("subscribers", "list", "--search", "نام4")] == ["نام4"]
    assert here.json("subscribers", "list", "--search", "%") == []
    assert here.json("subscribers", "list", "--status", "pending") == []
    assert here.call("subscribers", "list").out.rstrip().endswith("5 active")
    assert "no subscribers yet" not in here.call("subscribers", "list", "--status", "bounced").out


def test_a_new_name_for_a_subscriber_is_reported(here: Deployment) -> None:
    assert here.call("subscribers", "add", "a@example.org").out == "a@example.org is now on the list.\n"
    assert here.call("subscribers", "add", "a@example.org").out == "a@example.org was on the list already.\n"
    assert "updated" in here.call("subscribers", "add", "a@example.org", "--name", "نرگس").out
    again = here.json("subscribers", "add", "a@example.org", "--name", "مینا")
    assert (again["name"], again["added"], again["updated"]) == ("مینا", False, True)
    assert here.json("subscribers", "add", "a@example.org", "--name", "مینا")["updated"] is False


NO_TEXT = os.fsdecode(b"\xff")
NO_NUMBER = "99999999999999999999"


@pytest.mark.parametrize(
    "words",
    [
        ("subscribers", "list", "--search", NO_TEXT),
        ("subscribers", "add", "a@example.org", "--name", NO_TEXT),
        ("subscribers", "add", "a@example.org", "--section", NO_TEXT),
        ("subscribers", "list", "--limit", NO_NUMBER),
        ("unsubscribes", "--since", NO_TEXT),
        ("unsubscribes", "--issue", NO_TEXT),
        ("unsubscribes", "--issue", ""),
        ("articles", "list", "--search", NO_TEXT),
        ("articles", "list", "--limit", NO_NUMBER),
        ("articles", "show", NO_NUMBER),
        ("issue", "list", "--limit", NO_NUMBER),
        ("issue", "show", NO_TEXT),
    ],
)
def test_words_that_are_no_text_and_numbers_that_fit_nowhere(here: Deployment, words: tuple[str, ...]) -> None:
    answer = here.call(*words)
    assert answer.code == 2, answer
    assert "Traceback" not in answer.err
    assert here.call(*words, "--json").error["code"] == "usage_error"
    assert here.json("subscribers", "list") == []


def test_edit_changes_the_name_and_the_sections(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    here.json("subscribers", "add", "narges@iran.example", "--name", "نرگس")
    edited = here.json("subscribers", "edit", "Narges@iran.example", "--section", "ورزش", "--section", "سیاست")
    assert (edited["name"], edited["sections"]) == ("نرگس", ["سیاست", "ورزش"])
    assert (
        here.json("subscribers", "edit", "narges@iran.example", "--name", " نرگس\u202e رضایی ")["name"] == "نرگس رضایی"
    )
    again = here.call("subscribers", "edit", "narges@iran.example", "--name", "نرگس رضایی")
    assert (again.code, again.out) == (0, "narges@iran.example: نرگس رضایی; سیاست، ورزش.\n")
    shown = here.json("subscribers", "show", "narges@iran.example")
    assert [(event["kind"], event["method"]) for event in shown["events"]][1:] == [("changed", "admin")] * 2
    assert here.json("subscribers", "edit", "narges@iran.example", "--all-sections", "--name", "")["sections"] == []
    assert here.json("subscribers", "show", "narges@iran.example")["name"] == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("a@iran.example", "--section", "ورزشی"), 2, "There is no section 'ورزشی'. The sections are "),
        (("a@iran.example",), 2, "There is nothing to change. Give --name"),
        (("a@iran.example", "--section", "ورزش", "--all-sections"), 2, "cannot be combined"),
        (("nobody@iran.example", "--name", "x"), 3, "is not on the list"),
    ],
)
def test_edits_that_are_refused(tmp_path: Path, words: tuple[str, ...], code: int, said: str) -> None:
    here = deployment(tmp_path)
    here.json("subscribers", "add", "a@iran.example", "--name", "آ")
    answer = here.call("subscribers", "edit", *words)
    assert (answer.code, said in answer.err) == (code, True)
    assert here.json("subscribers", "list")[0]["name"] == "آ"
