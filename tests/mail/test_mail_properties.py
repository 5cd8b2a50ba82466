"""docs/mail.md names a test for each of the thirty properties of a mail, and each of these tests exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+) \| .+ \| `([\w/.]+)::(\w+)` \|$", re.MULTILINE)


def test_every_property_has_its_test() -> None:
    rows = ROW.findall((ROOT / "docs" / "mail.md").read_text("utf-8"))
    assert [int(number) for number, _, _ in rows] == list(range(1, 31))
    for _, file, name in rows:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text("utf-8"), f"{file}::{name}"


def test_every_linked_picture_exists_and_every_picture_of_a_mail_is_linked() -> None:
    """A picture without a link would never be looked at."""
    named = set(re.findall(r"screens/([\w-]+\.png)", (ROOT / "docs" / "mail.md").read_text("utf-8")))
    kept = {file.name for file in (ROOT / "docs" / "screens").glob("*.png")}
    assert named <= kept
    assert {name for name in kept if re.match("mail-|notice-|confirmation-", name)} <= named
