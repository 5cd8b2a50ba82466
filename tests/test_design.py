"""docs/design.md describes the code as it is: its table names the modules that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("issues", "sending", "readers", "articles", "operations", "store", "choice", "text")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_module_is_in_the_table_once(folder: str) -> None:
    text = (ROOT / "docs" / "design.md").read_text("utf-8")
    rows = re.findall(rf"^\| [\w ]+ \| `{folder}/` (.*?) \|", text, re.MULTILINE)
    modules = [file.stem for file in (ROOT / "mailer" / folder).glob("*.py") if file.stem != "__init__"]
    assert sorted(" ".join(rows).split()) == sorted(modules)


def test_every_module_that_the_text_names_exists() -> None:
    text = (ROOT / "docs" / "design.md").read_text("utf-8")
    named = re.findall(r"`(\w+)[./](\w+)(?:\.\w+)?`", text)
    modules = {(file.parent.name, file.stem) for file in (ROOT / "mailer").rglob("*.py")}
    folders = {folder for folder, _ in modules}
    assert [each for each in named if each[0] in folders and each not in modules] == []


def test_lines_of_the_design_are_short() -> None:
    lines = (ROOT / "docs" / "design.md").read_text("utf-8").splitlines()
    assert [line for line in lines if len(line) > 99] == []
