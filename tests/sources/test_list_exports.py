"""Each export of another system in tests/list_exports.py is understood, and docs/lists.md has a row for each."""

import re
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
