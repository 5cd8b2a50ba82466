"""Runs other programs that judge a mail. If one is missing, its gate is skipped."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE = Path(os.environ.get("KHABARNAMEH_NODE", HERE.parents[1] / "build" / "node"))  # .ci/run installs caniemail there


def caniemail(html: str) -> list[str]:
    """Returns the features that some mail program does not support."""
    node = shutil.which("node")
    if not node or not (NODE / "node_modules" / "caniemail").is_dir():
        pytest.skip("no caniemail here: npm install --prefix build/node caniemail@2.0.2")
    said = subprocess.run(
        [node, str(HERE / "caniemail.mjs"), str(NODE)],
        input=html,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[str] = json.loads(said.stdout)
    return found


def spam_points(message: bytes) -> tuple[float, str]:
    """Returns SpamAssassin's points without the network, and the rules that gave them."""
    program = shutil.which("spamassassin")
    if not program:
        pytest.skip("no SpamAssassin here: apt install spamassassin")
    said = subprocess.run([program, "-L", "-t"], input=message, capture_output=True, check=True, timeout=120)
    text = said.stdout.decode("utf-8", "replace")
    found = re.search(r"Content analysis details:\s*\((-?[\d.]+) points", text)
    assert found, text[-2000:]
    rules = re.findall(r"^\s*(-?[\d.]+) ([A-Z_0-9]{4,})", text[found.start() :], re.MULTILINE)
    return float(found[1]), ", ".join(f"{name} {points}" for points, name in rules)
