"""Imports and exports: any file a newsroom has, no row that stops the others, no formula for a spreadsheet."""

import csv
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import make
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer import address
from mailer.context import App
from mailer.errors import BadAddress
from mailer.model import ListRow, Method, SubscriberStatus
from mailer.readers import admin, importing, joining, leaving
from mailer.readers.importing import How, Imported
from mailer.sources import people
from mailer.sources.lists import rows
from mailer.store import reports, subscribers


def take(app: App, file: Path, how: How | None = None) -> Imported:
    found = people.read(file)
    return importing.import_rows(app, found, how, may_hold_leavers=found.may_hold_leavers)


def counts(report: Imported) -> tuple[int, int, int, int, int]:
    return report.added, report.updated, report.unchanged, report.refused, report.suppressed


LIST = "ایمیل{d}نام{d}بخش‌ها\nnarges@example.org{d}نرگس{d}سیاست|فناوری\nARASH@Example.org{d}آرش ک{d}\n"


@make.only_sqlite
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1256"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "،", "؛"])
def test_any_encoding_and_delimiter(app: App, tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = LIST.format(d=delimiter)
    if encoding == "cp1256":
        text = text.replace("ی", "ي").replace("ک", "ك")  # what this encoding has
    file = tmp_path / "list.csv"
    file.write_bytes(text.encode(encoding))
    assert counts(take(app, file)) == (2, 0, 0, 0, 0)
    who = admin.show(app, "narges@example.org")[0]
    assert who.name == "نرگس"
    assert len(who.sections) == 2
    assert admin.show(app, "arash@example.org")[0].address == "ARASH@example.org"


BAD = (
    "email,name,status\n"
    "good@example.org,خوب,\n"
    "no-address,بد,\n"
    ",empty,\n"
    '"a@b.org\r\nBcc: x@y.org",inject,\n'
    "GOOD@example.org,again,\n"
    "good@EXAMPLE.org,,\n"
    "abuse@example.org,office,\n"
    "left@example.org,رفته,unsubscribed\n"
    "odd@example.org,odd,maybe\n"
    "last@example.org,آخر,active\n"
)


def test_a_bad_row_never_stops_the_rest(app: App, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(BAD, "utf-8")
    dry = take(app, file, How(dry_run=True))
    assert app.store.read(subscribers.counts) == {}  # a dry run changes nothing
    report = take(app, file)
    assert counts(report) == counts(dry) == (2, 0, 2, 6, 1)
    assert [line for line, _, _ in report.remarks] == [3, 4, 5, 6, 9, 11]
    assert admin.show(app, "good@example.org")[0].name == "again"  # the later row counts
    assert admin.show(app, "last@example.org")[0].status is SubscriberStatus.ACTIVE
    assert counts(take(app, file)) == (0, 0, 4, 6, 1)


def test_rows_that_cannot_be_read_are_refused_one_by_one(app: App, tmp_path: Path) -> None:
    file = tmp_path / "list.jsonl"
    file.write_text('{"email": "a@example.org"}\nnonsense\n[1]\n' + "[" * 100_000 + '\n{"email":"b@example.org"}\n')
    assert counts(take(app, file)) == (2, 0, 0, 3, 0)
    endless = tmp_path / "endless.csv"
    endless.write_text("email\na@example.org\n" + "x" * 3_000_000 + "\nc@example.org\n")
    assert counts(take(app, endless)) == (1, 0, 1, 1, 0)


@make.only_sqlite
def test_a_bare_list_of_addresses_needs_no_heading(app: App, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("a@example.org\nb@example.org\n", "utf-8-sig")
    assert counts(take(app, file)) == (2, 0, 0, 0, 0)


def test_a_dry_run_finds_duplicates_across_chunks(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "CHUNK", 3)
    given = [ListRow(n, f"reader{n % 4}@example.org") for n in range(20)]
    dry = importing.import_rows(app, given, How(dry_run=True))
    assert counts(dry) == counts(importing.import_rows(app, given)) == (4, 0, 16, 0, 0)


def test_invited_are_asked_first(app: App) -> None:
    admin.add(app, "old@example.org")
    rows = [ListRow(n, f"{name}@example.org") for n, name in enumerate(["old", "new1", "new2"])]
    assert counts(importing.import_rows(app, rows, How(invite=True))) == (2, 0, 1, 0, 0)
    for name in ("new1", "new2"):
        who, _, mails = admin.show(app, f"{name}@example.org")
        assert who.status is SubscriberStatus.PENDING
        assert [mail["kind"] for mail in mails] == ["confirmation"]


# --- out and in again (property 39) ----------------------------------------------------------------------------------
FORMULAS = ("=1+1", "+1", "-2+3", "@SUM(A1)", '=HYPERLINK("http://x")', "'=quoted", "'", "'name", "O'Brien")


def test_an_export_is_read_back_and_runs_nothing(app: App, tmp_path: Path) -> None:
    for number, name in enumerate(FORMULAS):
        admin.add(app, f"reader{number}@example.org", name=name, sections=["سیاست"] if number % 2 else [])
    admin.add(app, "+plus@example.org")
    admin.add(app, "=eq@example.org")
    make.subscriber(app.store, "left@example.org", status=SubscriberStatus.UNSUBSCRIBED)
    before = {s.address: (s.name, s.sections, s.source) for s in admin.matching(app)}
    file = tmp_path / "out.csv"
    with file.open("w", encoding="utf-8-sig", newline="") as to:
        assert people.write(importing.export_rows(app), to) == len(before)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        for cells in csv.reader(lines):
            assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]

    make.wipe(app.store)
    assert counts(take(app, file)) == (len(before) - 1, 0, 0, 0, 1)
    after = {s.address: (s.name, s.sections, s.source) for s in admin.matching(app)}
    assert after == before
    assert admin.show(app, "left@example.org")[0].status is SubscriberStatus.UNSUBSCRIBED


@pytest.mark.slow
@make.only_sqlite
def test_a_spreadsheet_program_finds_no_formula(app: App, tmp_path: Path) -> None:
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        pytest.skip("LibreOffice is not installed (apt install libreoffice-calc)")
    for number, name in enumerate(FORMULAS):
        admin.add(app, f"reader{number}@example.org", name=name)
    admin.add(app, "=cmd@example.org")
    file = tmp_path / "out.csv"
    with file.open("w", encoding="utf-8-sig", newline="") as to:
        people.write(importing.export_rows(app), to)
    words = [office, f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless", "--convert-to", "fods"]
    subprocess.run([*words, "--outdir", str(tmp_path), str(file)], check=True, capture_output=True, timeout=120)
    opened = (tmp_path / "out.fods").read_text("utf-8")
    assert "reader1@example.org" in opened
    assert "table:formula" not in opened


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20))
@settings(max_examples=200, deadline=None)
def test_any_cell_comes_back_as_it_was(text: str) -> None:
    assert rows.unescaped(people.escaped(text)) == text


# --- the fast path for addresses agrees with the full check ----------------------------------------------------------
LETTERS = st.sampled_from("aZ09._+-@'\"= ")


@given(
    st.text(LETTERS, min_size=1, max_size=12), st.sampled_from(["example.org", "X.Example", "a..b", "localhost", "1.2"])
)
@settings(max_examples=200, deadline=None)
def test_the_fast_path_for_addresses_agrees_with_the_full_check(local: str, domain: str) -> None:
    def outcome(typed: str) -> object:
        try:
            return address.parse(typed)
        except BadAddress:
            return None

    # The fast path does not match an address with a leading blank; the full check removes the blank.
    assert outcome(f"{local}@{domain}") == outcome(f" {local}@{domain}")


@make.only_sqlite
@pytest.mark.parametrize(
    "heading",
    ["email,address,name", "address,name,email", "نشانی,نام,ایمیل", "E-Mail,Address,Name", "Address,Mail,Name"],
)
def test_a_postal_address_column_is_not_taken_for_the_email_column(app: App, tmp_path: Path, heading: str) -> None:
    names = heading.casefold().split(",")
    mailbox = next(name for name in names if name in ("email", "ایمیل", "e-mail", "mail"))
    row = ["narges@example.org" if name == mailbox else "تهران" for name in names]
    file = tmp_path / "list.csv"
    file.write_text(f"{heading}\n{','.join(row)}\n", "utf-8")
    assert counts(take(app, file)) == (1, 0, 0, 0, 0)
    assert admin.show(app, "narges@example.org")[0].name == "تهران"


def test_no_cell_breaks_the_rest(app: App, tmp_path: Path) -> None:
    nasty = ["\x00", "\ud800", "\u202e", "=1+1", "'", '"', "\\", "x" * 300, "\n", "$[0]", "\U0001f1ee\U0001f1f7"]
    rows = [
        {"email": f"reader{n}@example.org", "name": bad, "sections": [bad, "سیاست"], "source": bad, "status": ""}
        for n, bad in enumerate(nasty)
    ]
    rows += [{"email": f"a{bad}@example.org"} for bad in nasty]
    file = tmp_path / "list.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows) + "\n", "utf-8")
    report = take(app, file)
    assert report.added >= len(nasty)
    assert report.rows == len(rows)
    assert admin.show(app, "reader2@example.org")[0].sections == ("سیاست",)
    for row in app.store.read(lambda tx: subscribers.matching(tx)):
        assert not set("\x00\ud800\u202e\n") & set(row.name + row.source + "".join(row.sections))


def test_a_forgotten_reader_is_not_counted(app: App) -> None:
    make.subscribers_of(app.store, ["narges@example.org", "stays@example.org"])
    leaving.forget(app, "narges@example.org")
    assert admin.counts(app) == {"active": 1}


# --- people who must not be mailed -----------------------------------------------------------------------------------
LEFT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
OUT, DEAD, SPAM = SubscriberStatus.UNSUBSCRIBED, SubscriberStatus.BOUNCED, SubscriberStatus.COMPLAINED
EMAIL = "narges@example.org"


def row(line: int, status: SubscriberStatus | None, **values: Any) -> ListRow:
    return ListRow(line, values.pop("email", EMAIL), status=status, **values)


@pytest.mark.parametrize("status", [OUT, DEAD, SPAM])
@pytest.mark.parametrize("known", [True, False])
def test_who_left_elsewhere_has_that_status_date_and_reason(app: App, status: SubscriberStatus, known: bool) -> None:
    if known:
        make.subscriber(app.store, EMAIL)
    report = importing.import_rows(app, [row(2, status, name="نرگس", left_at=LEFT, reason="status: cleaned")])
    assert counts(report) == (0, 0, 0, 0, 1)
    who, events, mails = admin.show(app, EMAIL)
    assert (who.status, mails) == (status, [])
    assert [(event.at, str(event.kind), event.method, event.reason) for event in events] == [
        (LEFT, str(status), Method.IMPORT, "status: cleaned")
    ]
    again = importing.import_rows(app, [row(2, SubscriberStatus.ACTIVE)])
    assert counts(again) == (0, 0, 0, 0, 1)
    assert admin.show(app, EMAIL)[0].status is status
    make.under_way(app.store)
    assert app.store.read(make.recipients) == 0


@pytest.mark.parametrize(("status", "back"), [(OUT, True), (DEAD, True), (SPAM, False)])
def test_the_persons_own_sign_up_lifts_all_but_a_complaint(
    app: App, clock: make.Clock, status: SubscriberStatus, back: bool
) -> None:
    importing.import_rows(app, [row(2, status, left_at=LEFT)])
    joining.sign_up(app, address.parse(EMAIL))
    assert joining.decide_signups(app) == back
    if back:
        who = admin.show(app, EMAIL)[0]
        joining.confirm(app, joining.url(app, who.id, int(clock().timestamp())).rpartition("/")[2])
        assert admin.show(app, EMAIL)[0].status is SubscriberStatus.ACTIVE


@pytest.mark.parametrize(
    ("consent", "left", "stays"),
    [
        (LEFT + timedelta(days=1), LEFT, True),
        (LEFT - timedelta(days=1), LEFT, False),
        (None, LEFT, False),
        (LEFT, None, False),
    ],
)
def test_a_consent_here_that_is_later_than_the_leaving_counts(
    app: App, consent: datetime | None, left: datetime | None, stays: bool
) -> None:
    importing.import_rows(app, [row(2, SubscriberStatus.ACTIVE, consent_at=consent)])
    report = importing.import_rows(app, [row(2, OUT, left_at=left)])
    assert counts(report) == ((0, 0, 1, 0, 0) if stays else (0, 0, 0, 0, 1))
    assert (admin.show(app, EMAIL)[0].status is SubscriberStatus.ACTIVE) == stays
    assert [line for line, _, words in report.remarks if "later" in words] == ([2] if stays else [])


@pytest.mark.parametrize("gap", [1, 5000])
@pytest.mark.parametrize("first", [OUT, SubscriberStatus.ACTIVE, SubscriberStatus.PENDING])
@pytest.mark.parametrize("dry_run", [True, False])
def test_if_rows_disagree_not_mailing_wins(app: App, gap: int, first: SubscriberStatus, dry_run: bool) -> None:
    second = SubscriberStatus.ACTIVE if first is not SubscriberStatus.ACTIVE else OUT
    between = [row(n, SubscriberStatus.ACTIVE, email=f"r{n % 7}@example.org") for n in range(3, 3 + gap)]
    rows = [row(2, first, consent_at=LEFT), *between, row(9999, second, consent_at=LEFT)]
    report = importing.import_rows(app, rows, How(dry_run=dry_run))
    pending = first is SubscriberStatus.PENDING
    assert (report.suppressed, report.pending) == ((1, 1) if pending else (2, 0))
    assert [email for _, email, words in report.remarks if "another row" in words] == [EMAIL]
    assert report.rows == len(rows)
    if not dry_run:
        assert admin.show(app, EMAIL)[0].status is (first if pending else OUT)


def test_who_never_confirmed_is_pending_and_not_reminded(app: App) -> None:
    rows = [row(2, SubscriberStatus.PENDING), row(3, SubscriberStatus.ACTIVE, email="new@example.org")]
    report = importing.import_rows(app, rows, How(invite=True))
    assert (report.pending, report.added) == (1, 1)
    assert admin.show(app, EMAIL)[2] == []
    assert [mail["kind"] for mail in admin.show(app, "new@example.org")[2]] == ["confirmation"]
    assert importing.import_rows(app, rows).pending == 1  # twice is the same


def test_a_forgotten_reader_is_not_stored_again(app: App) -> None:
    admin.add(app, EMAIL)
    leaving.forget(app, EMAIL)
    for status in (OUT, SubscriberStatus.PENDING, SubscriberStatus.ACTIVE):
        assert importing.import_rows(app, [row(2, status)]).suppressed == 1
    assert admin.counts(app) == {}


def test_rows_of_other_lists_and_suspicious_addresses(app: App) -> None:
    rows = [
        row(2, None),
        row(3, SubscriberStatus.ACTIVE, email="reader۹۹@example.org"),
        row(4, SubscriberStatus.ACTIVE, email="reader@gmial.com", note="the date '1/2/3' cannot be read"),
    ]
    report = importing.import_rows(app, rows)
    assert (report.passed_over, report.added, report.refused) == (1, 2, 0)
    remarks = {line: words for line, _, words in report.remarks if "meant" in words}
    assert "reader99@example.org" in remarks[3]
    assert "reader@gmail.com" in remarks[4]
    assert next(words for line, _, words in report.remarks if line == 4) == "the date '1/2/3' cannot be read"


def test_imported_leavings_count_in_no_issue(app: App) -> None:
    issue = make.under_way(app.store)
    importing.import_rows(app, [row(2, OUT), row(3, DEAD, email="dead@example.org")])
    assert app.store.read(lambda tx: reports.leavings(tx, issue.id)) == []
    assert all(left == 0 for _, _, left in app.store.read(lambda tx: reports.leaving_rates(tx, 5)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*SubscriberStatus, None]),
            st.integers(0, 4),
            st.sampled_from([None, LEFT, LEFT + timedelta(days=9)]),
        ),
        max_size=12,
    ),
    st.booleans(),
)
@make.only_sqlite
def test_no_row_vanishes_and_not_mailing_wins(
    app: App, given_rows: list[tuple[SubscriberStatus | None, int, datetime | None]], invite: bool
) -> None:
    make.wipe(app.store)
    rows = [
        row(n, OUT if status is SubscriberStatus.SUPPRESSED else status, email=f"r{who}@example.org", consent_at=at)
        for n, (status, who, at) in enumerate(given_rows)
    ]
    dry = importing.import_rows(app, rows, How(dry_run=True, invite=invite))
    report = importing.import_rows(app, rows, How(invite=invite))
    assert report.rows == dry.rows == len(rows)
    kept_off = {each.email for each in rows if each.status not in (SubscriberStatus.ACTIVE, None)}
    active = {each.address for each in admin.matching(app, status=SubscriberStatus.ACTIVE)}
    assert not kept_off & active
    assert (report.added, report.suppressed, report.pending) == (dry.added, dry.suppressed, dry.pending)


# --- leaving rows with a broken address ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "broken",
    [
        "mina\u200c@example.org",
        "\u202amina@example.org\u202c",
        "mina\u00ad@example.org",
        "mina＠example.org",
        "mina@example.org.",
        "mina@example.org;",
        '"reza@example.net, mina@example.org"',
        "reza@example.net / Mina@Example.org",
        '"Mina (mina@example.org)"',
    ],
)
@make.only_sqlite
def test_a_broken_address_of_a_person_who_left_protects_the_right_one(app: App, tmp_path: Path, broken: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(
        f"email,status\nmina@example.org,active\n{broken},unsubscribed\nother@example.org,active\n", "utf-8"
    )
    report = take(app, file)
    assert [s.address for s in admin.matching(app) if s.status is SubscriberStatus.ACTIVE] == ["other@example.org"]
    assert report.added == 1
    assert (2, "mina@example.org") in [(line, email) for line, email, _ in report.remarks]


@make.only_sqlite
def test_persian_digits_in_the_address_of_a_person_who_left(app: App, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("email,status\nreader9@example.org,active\nreader۹@example.org,unsubscribed\n", "utf-8")
    assert take(app, file).added == 0


@pytest.mark.parametrize("status", ["#N/A", "perhaps", "unsubscribed,too,many,cells"])
@make.only_sqlite
def test_a_refused_row_that_may_say_that_a_person_left(app: App, tmp_path: Path, status: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(
        f"email,status\nmina@example.org,active\nmina@example.org,{status}\nb@example.org,active\nc@example.org,active\n",
        "utf-8",
    )
    assert counts(take(app, file)) == (2, 0, 0, 1, 1)


@pytest.mark.parametrize(
    ("cell", "day", "remark"),
    [
        ("45000", "2023-03-15", ""),
        ("1716681600", "2024-05-26", ""),
        ("03/04/2024", "", "cannot be read"),
        ("1403/13/45", "", "cannot be read"),
        ("2099-01-01", "", ""),
    ],
)
@make.only_sqlite
def test_dates_of_leaving(app: App, tmp_path: Path, cell: str, day: str, remark: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"email,unsubscribed_at\nmina@example.org,{cell}\n", "utf-8")
    report = take(app, file)
    (event,) = [each for each in admin.show(app, "mina@example.org")[1] if each.kind == "unsubscribed"]
    assert f"{event.at:%Y-%m-%d}" == (day or f"{app.now():%Y-%m-%d}")
    assert [remark in words for _, _, words in report.remarks] == ([True] if remark else [])
