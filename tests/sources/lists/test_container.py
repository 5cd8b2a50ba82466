"""Files that hold a list, and files of other kinds, which are refused by their name."""

import itertools
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from list_files import opened, read
from workbooks import archive, parts, sheet, workbook

from mailer.errors import MailerError, UndecidedList, UnreadableInput

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
CSV = "email,name\na@example.org,مینا\n"
PEOPLE: tuple[str, list[list[object]]] = ("People", [["email", "name"], ["a@example.org", "مینا"]])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (OLE + "Workbook".encode("utf-16-le"), "an Excel 97 file"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        (OLE + bytes(3_000_000) + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        (OLE + "WordDocument".encode("utf-16-le"), "a Word file"),
        (b"%PDF-1.7 x", "a PDF"),
        (b"\x1f\x8b\x08x", "gzip"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\n <!DOCTYPE html><html>", "an HTML page"),
        (b"<table><tr><td>email</td></tr></table>", "an HTML page"),
        (b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>', "an Excel XML file"),
        (b"<?xml version='1.0'?><list/>", "an XML document"),
        (b"BEGIN:VCARD\r\nVERSION:3.0", "vCards"),
        (b"dn: cn=x,dc=example\nmail: a@example.org", "LDIF"),
        (b"-- dump\nCREATE TABLE people (email text);", "SQL dump"),
        (b'[\n {"email": "a@example.org"}\n]', "a JSON array"),
        (b'{\n "email": "a@example.org"\n}', "a JSON document over several lines"),
        (archive({"word/document.xml": "x"}), "a Word file"),
        (archive({"mimetype": "x", "content.xml": "x"}), "an OpenDocument file"),
        (archive({"xl/workbook.bin": "x", "xl/workbook.xml": "x"}), "binary workbook"),
        (archive({"Index/Document.iwa": "x"}), "Numbers"),
        (archive({}), "no list"),
        (archive({"a.pdf": "%PDF", "b.docx": "x"}), "a.pdf"),
        (archive({"a.csv": CSV, "b.csv": CSV}), "2 lists"),
        (archive({"list.csv": archive({"list.csv": CSV})}), "another archive"),
        (archive({"list.csv": "%PDF-1.7"}), "a PDF"),
        (archive({"list.csv": CSV})[:40], "damaged"),
        (b"", "empty"),
    ],
    ids=itertools.count(),
)
def test_other_files_are_refused_by_name(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(UnreadableInput, match=said) as refused:
        opened(tmp_path, content)
    assert refused.value.fix


@pytest.mark.parametrize("name", ["list.csv", "../../list.csv", "/etc/list.csv", "فهرست/اعضا.csv", "a/b/LIST.TXT"])
def test_one_list_in_an_archive(tmp_path: Path, name: str) -> None:
    content = archive({"__MACOSX/._x.csv": "x", "readme.pdf": "x", ".hidden.csv": CSV, name: CSV})
    (row,) = read(tmp_path, content, "people.zip")
    assert (row.email, row.name) == ("a@example.org", "مینا")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["people.zip"]


def test_a_workbook_in_an_archive(tmp_path: Path) -> None:
    (row,) = read(tmp_path, archive({"people.xlsx": workbook(PEOPLE)}), "people.zip")
    assert row.name == "مینا"


def test_an_archive_with_a_password(tmp_path: Path) -> None:
    content = bytearray(archive({"list.csv": CSV}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    with pytest.raises(UnreadableInput, match="password"):
        opened(tmp_path, bytes(content))


# --- workbooks -------------------------------------------------------------------------------------------------------
def test_values_of_a_workbook(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["email", "نام", "active", "تاریخ عضویت", "phone"],
        ["a@example.org", "مینا & راد", True, (45293.5,), 9.89e11],
        [],
        ["b@example.org", "", False, "۱۴۰۲/۱۱/۰۷", 7],
    ]
    found = opened(tmp_path, workbook(("List", rows)), "people.xlsx")
    first, second = list(found)
    assert (first.line, first.name, str(first.status)) == (2, "مینا & راد", "active")
    assert f"{first.consent_at:%Y-%m-%d %H:%M}" == "2024-01-02 12:00"
    assert (second.line, str(second.status)) == (4, "unsubscribed")
    assert found.encoding == "Excel"
    later = read(tmp_path, workbook(("List", rows), base_1904=True), "people.xlsx")
    assert f"{later[0].consent_at:%Y-%m-%d}" == "2028-01-03"


def test_shared_and_rich_strings(tmp_path: Path) -> None:
    made = parts({"List": sheet([])})
    made["xl/sharedStrings.xml"] = (
        "<sst><si><t>email</t></si><si><r><t>a@exam</t></r><r><t>ple.org</t></r></si>"
        "<si><t>name</t></si><si><t>Mina</t><rPh><t>read so</t></rPh></si></sst>"
    )
    made["xl/worksheets/sheet1.xml"] = (
        '<x:worksheet xmlns:x="m"><x:sheetData><x:row><x:c t="s"><x:v>0</x:v></x:c><x:c t="s"><x:v>2</x:v></x:c>'
        "</x:row>"
        '<x:row><x:c t="s"><x:v>1</x:v></x:c><x:c t="s"><x:v>3</x:v></x:c><x:c t="s"><x:v>99</x:v></x:c></x:row>'
        "</x:sheetData></x:worksheet>"
    )
    (row,) = read(tmp_path, archive(made), "people.xlsx")
    assert (row.email, row.name) == ("a@example.org", "Mina")


def test_the_sheet_with_addresses_is_read(tmp_path: Path) -> None:
    notes = ("Notes", [["hello"], ["world"]])
    found = opened(tmp_path, workbook(notes, PEOPLE, ("Old", PEOPLE[1]), hidden=["Old"]), "people.xlsx")
    assert [row.email for row in found] == ["a@example.org"]
    assert "'Notes'" in found.notes[0]
    assert "'Old'" in found.notes[0]


def test_several_sheets_with_addresses(tmp_path: Path) -> None:
    content = workbook(PEOPLE, ("Sport", [["email"], ["s@example.org"]]))
    with pytest.raises(UndecidedList, match="'Sport'"):
        opened(tmp_path, content, "people.xlsx")
    assert [row.email for row in read(tmp_path, content, "people.xlsx", lists=["sport"])] == ["s@example.org"]


# --- hostile archives ------------------------------------------------------------------------------------------------
ROW = '<row><c t="inlineStr"><is><t>a@example.org</t></is></c></row>'


def with_sheet(xml: str) -> bytes:
    return archive(parts({"List": xml}))


def data(inner: str) -> str:
    return f"<worksheet><sheetData>{inner}</sheetData></worksheet>"


HOSTILE = {
    "bomb in an archive": archive({"list.csv": "0" * 60_000_000}),
    "bomb in a sheet": with_sheet(data(" " * 60_000_000)),
    "bomb in the strings": archive(
        parts({"List": data(ROW)}) | {"xl/sharedStrings.xml": "<sst>" + "<si/>" * 12_000_000}
    ),
    "entities": with_sheet('<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><worksheet>&b;</worksheet>'),
    "external entity": with_sheet('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><worksheet>&a;</worksheet>'),
    "deep": with_sheet("<a>" * 200_000),
    "a long tag": with_sheet("<worksheet " + " ".join(f'a{n}="x"' for n in range(300_000)) + "/>"),
    "a far column": with_sheet(data('<row><c r="XFD1" t="inlineStr"><is><t>x</t></is></c></row>')),
    "no column": with_sheet(data('<row><c r="ZZZZZZ1" t="inlineStr"><is><t>x</t></is></c></row>')),
    "a million columns": with_sheet(data("<row>" + "<c><v>1</v></c>" * 1_000_000 + "</row>")),
    "not XML": with_sheet("email,name\na@example.org,x\n"),
    "cut off": with_sheet(data(ROW)[:-30]),
    "no sheet": archive({"xl/workbook.xml": "<workbook/>", "xl/_rels/workbook.xml.rels": "<Relationships/>"}),
    "no relations": archive({"xl/workbook.xml": "<workbook/>"}),
    "many members": archive({f"{n}.csv": "" for n in range(3000)}),
    "many sheets": archive(parts({f"S{n}": data("") for n in range(400)})),
    "a sheet outside": archive(
        parts({"List": data(ROW)}) | {"xl/_rels/workbook.xml.rels": '<R><Relationship Id="rId1" Target="../../x"/></R>'}
    ),
    "nested": archive({"a.csv": archive({"b.csv": archive({"c.csv": CSV})})}),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_are_refused(tmp_path: Path, kind: str) -> None:
    assert len(HOSTILE[kind]) < 1_000_000
    with pytest.raises(UnreadableInput) as refused:
        list(opened(tmp_path, HOSTILE[kind], "people.xlsx"))
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "inner",
    [
        f'<row r="999999999999">{ROW[5:]}',
        f'<row r="-1">{ROW[5:]}',
        ROW + '<row><c t="s"><v>99999999999999999999</v></c></row>',
        ROW + "<row><c><v>nan</v></c><c><v>1e999</v></c><c s='99999'><v>x</v></c></row>",
        ROW + "<row><c s='1'><v>-5</v></c><c s='1'><v>9e9</v></c></row>",
        ROW + "<row/>" * 1000,
    ],
    ids=itertools.count(),
)
def test_odd_values_do_no_harm(tmp_path: Path, inner: str) -> None:
    assert read(tmp_path, with_sheet(data(inner)), "people.xlsx")[0].email == "a@example.org"


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
@example([(872, 0)])  # a member without a name
def test_damaged_archives_give_rows_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(workbook(PEOPLE))
    for place, value in changes:
        content[place % len(content)] = value
    try:
        list(opened(tmp_path_factory.getbasetemp(), bytes(content), "people.xlsx"))
    except MailerError as error:
        assert "Traceback" not in str(error)  # noqa: PT017 - rows are as good as an error


def test_an_archive_that_lies_about_its_size(tmp_path: Path) -> None:
    content = archive({"list.csv": CSV * 1000})
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as made:
        made.writestr("list.csv", CSV)
    size = (len(CSV.encode()) * 1000).to_bytes(4, "little")
    lied = content.replace(size, (10).to_bytes(4, "little"))
    with pytest.raises(MailerError):
        list(opened(tmp_path, lied, "people.zip"))
