"""No command, argument, option or setting is lost or changed by accident.

surface.json is what an earlier version had. `python tests/surface.py > tests/cli/surface.json` records the present one;
do that only for a change that users are meant to see and that CHANGELOG mentions.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from surface import surface

RECORDED = json.loads((Path(__file__).parent / "surface.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def present() -> dict[str, Any]:
    """The surface of this version, after a trip through JSON."""
    found: dict[str, Any] = json.loads(json.dumps(surface(), default=str))
    return found


@pytest.mark.parametrize("part", ["commands", "settings"])
def test_names_are_the_recorded_ones_in_their_order(present: dict[str, Any], part: str) -> None:
    assert list(present[part]) == list(RECORDED[part])


@pytest.mark.parametrize("name", RECORDED["commands"])
def test_command_takes_the_recorded_arguments_and_options(present: dict[str, Any], name: str) -> None:
    assert present["commands"][name] == RECORDED["commands"][name]


@pytest.mark.parametrize("name", RECORDED["settings"])
def test_setting_has_the_recorded_type_default_and_limits(present: dict[str, Any], name: str) -> None:
    assert present["settings"][name] == RECORDED["settings"][name]
