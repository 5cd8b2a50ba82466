"""Each export of another system in tests/list_exports.py is understood, and docs/lists.md has a row for each."""

import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from list_exports import EXPORTS, Person

from mailer.model import ListRow
from mailer.sources import people
from mailer.sources.people import Choices

DOCS = Path(__file__).parents[2] / "docs" / "lists.md"
SECTIONS = ("سیاست", "اقتصاد")


def day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at else ""


def person(row: ListRow) -> Person:
    return Person(str(row.status), row.name, day(row.consent_at), day(row.left_at), row.sections)


@pytest.mark.parametrize("system", EXPORTS)
def test_an_export_is_understood(system: str, tmp_path: Path) -> None:
    export = EXPORTS[system]
    file = tmp_path / export.file
    file.write_text(export.text, "utf-8", newline="")
    found = people.read(file, Choices(lists=export.lists, sections=SECTIONS))
    rows = list(found)
    assert [row.problem for row in rows] == [""] * len(rows)
    assert {row.email: person(row) for row in rows} == export.people
    assert [heading for heading, meaning in found.columns.items() if meaning == "email"] == [export.address]


def test_the_table_in_the_docs_has_a_row_for_each_export() -> None:
    table = DOCS.read_text("utf-8").split("\n## ")[1]
    named = re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)
    assert named[2:] == list(EXPORTS)
    assert len(EXPORTS) >= 16


# The exports that a spreadsheet program opens as comma-separated values. MailPoet's has `\"` in a cell, which no
# spreadsheet program understands.
COMMAS = [name for name, each in EXPORTS.items() if each.file.endswith(".csv") and "," in each.text.split("\n")[0]]
COMMAS.remove("MailPoet")


@pytest.mark.slow
def test_exports_saved_again_by_a_spreadsheet_program_mean_the_same(tmp_path: Path) -> None:
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        pytest.skip("LibreOffice is not installed (apt install libreoffice-calc)")
    files = {}
    for number, system in enumerate(COMMAS):
        files[system] = tmp_path / f"{Path(EXPORTS[system].file).stem} {number}.csv"
        files[system].write_text(EXPORTS[system].text, "utf-8", newline="")
    # The spreadsheet program turns texts into cells with dates, numbers and booleans.
    words = [office, f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless"]
    words += ["--infilter=CSV:44,34,76", "--convert-to", "xlsx", "--outdir", str(tmp_path)]  # commas, quotes, UTF-8
    subprocess.run([*words, *map(str, files.values())], check=True, capture_output=True, timeout=120)
    for system, file in files.items():
        export = EXPORTS[system]
        rows = list(people.read(file.with_suffix(".xlsx"), Choices(lists=export.lists, sections=SECTIONS)))
        assert {row.email: (row.problem, person(row)) for row in rows} == {
            address: ("", each) for address, each in export.people.items()
        }, system
