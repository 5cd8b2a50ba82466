"""The encoding of a list is decided by the whole file, and what could not be read is reported."""

from pathlib import Path

import pytest
from list_files import opened, read

from mailer.errors import UsageError

NAMES = ("رضا کریمی", "سلیم محمدی", "مینا راد", "پریسا گلچین", "ژاله چگینی", "علی", "نگار", "هوشنگ")
ARABIC = ("محمد سليم", "فاطمة الزهراء", "يوسف", "عبد الله", "نور الهدى", "هشام", "مريم")
LATIN = ("José Müller", "Ñandú Þórir", "Renée", "Søren Ångström", "François", "Zoë", "Jürgen Groß")


def table(names: tuple[str, ...]) -> str:
    return "email,name\n" + "".join(f"r{n}@example.org,{name}\n" for n, name in enumerate(names))


def persian_in_windows() -> bytes:
    return table(NAMES).replace("ی", "ي").encode("cp1256")


@pytest.mark.parametrize(
    ("content", "shown", "first"),
    [
        (table(NAMES).encode(), "UTF-8", NAMES[0]),
        (table(NAMES).encode("utf-8-sig"), "UTF-8", NAMES[0]),
        (table(NAMES).encode("utf-16"), "UTF-16", NAMES[0]),
        (table(NAMES).encode("utf-16-be"), "UTF-16", NAMES[0]),
        (table(NAMES).encode("utf-32"), "UTF-32", NAMES[0]),
        (persian_in_windows(), "Windows-1256", "رضا کريمي"),
        (table(ARABIC).encode("cp1256"), "Windows-1256", ARABIC[0]),
        (table(ARABIC).encode("iso8859-6"), "ISO-8859-6", ARABIC[0]),
        (table(LATIN).encode("cp1252"), "Windows-1252", LATIN[0]),
        (table(("Mina", "Reza")).encode(), "UTF-8", "Mina"),
    ],
)
def test_the_encoding_is_found_and_shown(tmp_path: Path, content: bytes, shown: str, first: str) -> None:
    found = opened(tmp_path, content)
    assert found.encoding == shown
    assert next(iter(found)).name == first


@pytest.mark.parametrize("far", [0, 5000, 200_000])
def test_one_name_far_down_decides(tmp_path: Path, far: int) -> None:
    rows = "".join(f"r{n}@example.org,Reader\n" for n in range(far // 25))
    content = f"email,name\n{rows}".encode() + "last@example.org,رضا محمدي\n".encode("cp1256")
    found = opened(tmp_path, content)
    assert found.encoding == "Windows-1256"
    assert list(found)[-1].name == "رضا محمدي"


def test_a_bad_byte_costs_one_name(tmp_path: Path) -> None:
    lines = table(NAMES).encode().split(b"\n")
    lines[3] = b"r2@example.org,\xd8\xb1\xd8"
    lines[5] = b"r4\xff@example.org,x"
    found = opened(tmp_path, b"\n".join(lines))
    rows = list(found)
    assert found.encoding == "UTF-8"
    assert (rows[2].email, rows[2].name) == ("r2@example.org", "")
    assert "left out" in rows[2].note
    assert "bytes" in rows[4].problem
    assert [row.name for row in rows if row.name] == [name for n, name in enumerate(NAMES) if n not in (2, 4)]


def test_an_admin_may_name_the_encoding(tmp_path: Path) -> None:
    content = table(LATIN).encode("cp1252")
    assert read(tmp_path, content, encoding="windows-1252")[0].name == LATIN[0]
    assert opened(tmp_path, content, encoding="latin-1").encoding == "latin-1"
    for name in ("no such", "base64", "", "\0"):
        if name:
            with pytest.raises(UsageError):
                opened(tmp_path, content, encoding=name)


def test_names_that_were_encoded_twice_are_corrected(tmp_path: Path) -> None:
    twice = "رضا کریمی".encode().decode("cp1252", "ignore")
    for name in ("رضا", "José", "مینا"):
        (row,) = read(tmp_path, f"email,name\na@example.org,{name.encode().decode('latin-1')}\n")
        assert (row.name, "twice" in row.note) == (name, True)
    (row,) = read(tmp_path, f"email,name\na@example.org,{twice}\n")
    assert row.name  # bytes are missing: what is left stays as it is
    (row,) = read(tmp_path, "email,name\na@example.org,Ångström Ø\n")
    assert (row.name, row.note) == ("Ångström Ø", "")


def test_names_that_an_old_database_lost_are_left_out(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "email,name\na@example.org,???? ??\n")
    assert row.name == ""
    assert "question marks" in row.note


RUSSIAN = ("Иван Петров", "Пётр", "Ольга Смирнова", "Наталья", "Сергей")
TURKISH = ("Ayşe Gül", "İsmail Şahin", "Çağrı Işık", "Ömer", "Gülşen Yıldız")
ICELANDIC = ("Guðmundur Þórisson", "Sigríður", "Jón", "Þórdís Ægisdóttir", "Björk")


@pytest.mark.parametrize(
    ("names", "codec", "shown"),
    [
        (RUSSIAN, "cp1251", "Windows-1251"),
        (TURKISH, "cp1254", "Windows-1254"),
        (ICELANDIC, "cp1252", "Windows-1252"),
        (("Müller", "José", "Renée"), "cp1252", "Windows-1252"),
    ],
)
def test_encodings_of_other_languages(tmp_path: Path, names: tuple[str, ...], codec: str, shown: str) -> None:
    found = opened(tmp_path, table(names).encode(codec))
    assert (found.encoding, found.notes) == (shown, ())
    assert [row.name for row in found] == list(names)


def test_an_encoding_without_evidence_is_called_doubtful(tmp_path: Path) -> None:
    found = opened(tmp_path, table(("René Lefèvre", "Zoé Bérénice")).encode("mac-roman"))
    assert "doubtful" in found.notes[0]
    assert "--encoding" in found.notes[0]
    content = table(("René Lefèvre",)).encode("mac-roman")
    assert read(tmp_path, content, encoding="mac-roman")[0].name == "René Lefèvre"
