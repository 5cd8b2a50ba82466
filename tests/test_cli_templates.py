"""`mailer templates`: eject copies what is missing, check reports what is wrong."""

import json
from pathlib import Path

import make
import pytest

from mailer import cli


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text('templates = "own"\n', "utf-8")
    (tmp_path / "own").mkdir()  # a folder that is named must be there
    return path


def run(config: Path, *words: str) -> int:
    return cli.run(["--config", str(config), "templates", *words])


def test_eject_copies_everything_and_overwrites_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = config.parent / "own" / "mail" / "issue.txt"
    own.parent.mkdir(parents=True)
    own.write_text("ours", "utf-8")
    assert run(config, "eject", "--json") == 0
    made = json.loads(capsys.readouterr().out)["made"]
    shipped = {str(file.relative_to(make.TEMPLATES)) for file in make.TEMPLATES.rglob("*") if file.is_file()}
    assert set(made) == shipped - {"mail/issue.txt"}
    assert own.read_text("utf-8") == "ours"
    assert run(config, "eject", "--json") == 0
    assert json.loads(capsys.readouterr().out)["made"] == []


def test_eject_makes_the_folder_that_the_settings_name(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "own").rmdir()
    assert run(config, "check") == 2
    assert "`mailer templates eject` makes and fills it" in capsys.readouterr().err
    assert run(config, "eject") == 0
    assert (config.parent / "own" / "mail" / "layout.html").is_file()
    assert run(config, "check") == 0


def test_eject_says_which_setting_to_add(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.toml").write_text("", "utf-8")
    assert run(tmp_path / "config.toml", "eject") == 0
    assert 'templates = "templates"' in capsys.readouterr().out
    assert (tmp_path / "templates" / "mail" / "layout.html").is_file()


def test_check_finds_no_problem_in_the_built_in_templates(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(config, "eject")
    capsys.readouterr()
    assert run(config, "check") == 0
    assert capsys.readouterr().out == "No problem found.\n"


def test_check_reports_case_rule_and_reason(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(config, "eject")
    parts = config.parent / "own" / "mail" / "_parts.html"
    parts.write_text(parts.read_text("utf-8").replace('role="presentation" ', ""), "utf-8")
    capsys.readouterr()
    assert run(config, "check", "--json") == 2
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert {"case": "week", "rule": "table", "what": "a layout table is not role=presentation"} in told["findings"]


def test_check_reports_file_and_line_of_a_broken_template(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "own" / "page").mkdir(parents=True)
    (config.parent / "own" / "page" / "home.html").write_text("\n\n{% for %}", "utf-8")
    assert run(config, "check") == 2
    assert "home.html:3" in capsys.readouterr().out
