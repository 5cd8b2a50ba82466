"""docs/design.md says what is true now: the rooms of a floor are those that are there."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent


@pytest.mark.parametrize("floor", ["issues", "sending", "readers", "articles", "operations", "store", "choice", "text"])
def test_every_room_is_on_the_plan_once(floor: str) -> None:
    rows = re.findall(
        rf"^\| [\w ]+ \| `{floor}/` (.*?) \|", (HERE / "docs" / "design.md").read_text("utf-8"), re.MULTILINE
    )
    assert len(rows) == 1
    named = re.findall(r"[a-z_]+", re.sub(r"·[^·]*:|\([^)]*\)", " ", rows[0]))
    rooms = [file.stem for file in (HERE / "mailer" / floor).glob("*.py") if file.stem != "__init__"]
    assert sorted(named) == sorted(rooms)
