"""The commands about readers: their words, their JSON and their exit codes."""

import io
import itertools
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from mailer import cli

EMAIL = "narges@example.org"


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    for name in ("MAILER_CONFIG", "MAILER_DATABASE__URL"):
        monkeypatch.delenv(name, raising=False)
    assert cli.run(["init", str(tmp_path)]) == 0
    capsys.readouterr()
    return tmp_path


class Program:
    """Runs commands in a deployment and keeps what they said."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        found = cli.run(["--config", str(self.folder / "config.toml"), *words])
        said = self.capsys.readouterr()
        self.err = said.err
        assert found == code, said.out + said.err
        return said.out

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self(*words, "--json", code=code))


@pytest.fixture
def mailer(deployment: Path, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(deployment, capsys)


def test_import_reports_the_outcome_of_the_rows(mailer: Program, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("ایمیل;نام\nnarges@example.org;نرگس\nbad;\nreader@example.org;\n", "utf-8-sig")
    counts = {"added": 2, "updated": 0, "unchanged": 0, "refused": 1, "suppressed": 0}
    assert counts.items() <= mailer.json("subscribers", "import", str(file), "--dry-run", code=5).items()
    table = mailer("subscribers", "import", str(file), "--dry-run", code=5)
    assert re.search(r"3 +bad +'bad' is not an address", table)
    assert "Would be: 2 added" in table
    assert mailer.json("subscribers", "list") == []
    assert counts.items() <= mailer.json("subscribers", "import", str(file), code=5).items()
    assert "list.csv:3: 'bad'" in mailer.err
    assert mailer.json("subscribers", "import", str(file), code=5)["unchanged"] == 2
    mailer("subscribers", "import", str(file), "--invite", "--suppress", code=2)
    assert mailer.json("subscribers", "import", str(file), "--suppress", code=5)["suppressed"] == 2
    assert mailer.json("subscribers", "show", EMAIL)["status"] == "unsubscribed"


def test_export_to_a_file_and_to_stdout(mailer: Program, tmp_path: Path) -> None:
    mailer("subscribers", "add", EMAIL, "--name", "=1+1")
    out = tmp_path / "out.csv"
    assert mailer.json("subscribers", "export", str(out)) == {"exported": 1, "file": str(out)}
    assert out.read_bytes().startswith(b"\xef\xbb\xbfemail,name,")
    assert f"{EMAIL},'=1+1,,active,,admin" in mailer("subscribers", "export")
    (row,) = mailer.json("subscribers", "export")
    assert row == {
        "email": EMAIL,
        "name": "=1+1",
        "sections": [],
        "status": "active",
        "consent_at": None,
        "source": "admin",
    }
    assert mailer("subscribers", "export", "--status", "bounced").count("\n") == 1


def test_suppress_unsuppress_forget(mailer: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    mailer("subscribers", "add", EMAIL)
    assert mailer.json("subscribers", "suppress", EMAIL) == {"email": EMAIL, "suppressed": True}
    assert mailer.json("subscribers", "suppress", EMAIL)["suppressed"] is False
    mailer("subscribers", "add", EMAIL, code=3)
    assert mailer.json("subscribers", "unsuppress", EMAIL) == {"email": EMAIL, "status": "active"}
    assert mailer.json("subscribers", "unsuppress", EMAIL, code=3)["error"]["code"] == "no_such_subscriber"
    mailer("subscribers", "unsubscribe", EMAIL)
    assert mailer.json("subscribers", "unsuppress", EMAIL, code=3)["error"]["code"] == "left_before"
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert "is forgotten" in mailer("subscribers", "forget", EMAIL)
    mailer("subscribers", "show", EMAIL, code=3)
    mailer("subscribers", "add", EMAIL, code=3)
    assert mailer.json("subscribers", "forget", EMAIL) == {"email": EMAIL, "forgotten": False}
    assert [row["email"] for row in mailer.json("unsubscribes")] == [""]


def test_invited_by_hand(mailer: Program) -> None:
    assert "is invited by a mail" in mailer("subscribers", "add", EMAIL, "--invite")
    assert mailer.json("subscribers", "show", EMAIL)["status"] == "pending"


def test_report_and_redact_of_nothing_yet(mailer: Program) -> None:
    assert mailer.json("issue", "report", code=3)["error"]["code"] == "no_such_issue"
    mailer("issue", "redact", "1", code=3)
    slot = mailer.json("issue", "draft")["slot"]
    assert mailer.json("issue", "redact", "1", code=3)["error"]["code"] == "wrong_state"
    report = mailer.json("issue", "report")
    assert report == mailer.json("issue", "report", slot)
    assert (report["sent"], report["left"], report["rate"], report["outcomes"]) == (0, 0, 0.0, {})
    assert [bar["until"] for bar in report["histogram"]][-1] == "later"
    assert "recipients" in mailer("issue", "report", slot)


def test_a_long_import_reports_its_progress(mailer: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "list.csv"
    file.write_text("email\n" + "".join(f"reader{n}@example.org\n" for n in range(5000)), "utf-8")
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))  # every look at the clock is a second later
    mailer("subscribers", "import", str(file))
    said = [json.loads(line) for line in mailer.err.splitlines()]
    assert [line["rows"] for line in said] == [2000, 4000, 5000]
    assert said[0]["file"] == "list.csv"
    assert said[0]["of"] == 5000
    monkeypatch.undo()
    mailer("subscribers", "import", str(file))
    assert len(mailer.err.splitlines()) <= 3  # and nothing when it is over at once
