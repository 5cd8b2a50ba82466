"""Measures the run time of short commands: `--help`, and commands that read the database.

The floor is the run time of a process that only imports the three libraries that commands on the database need.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import deployment
from bench.page import Options, table

ROUNDS = 7
FLOOR = "import sqlalchemy, click, pydantic"
COMMANDS = (
    ("--help",),
    ("subscribers", "list"),
    ("issue", "list"),
    ("issue", "show"),
    ("health", "--store"),
)


def run(_: Options) -> str:
    with tempfile.TemporaryDirectory() as folder:
        place = deployment.make(Path(folder), smtp_port=25, connections=1)
        _run(_mailer(place, ("issue", "draft")))  # makes the issue that `issue show` needs
        programs = {f"`python -c '{FLOOR}'`": [sys.executable, "-c", FLOOR]}
        programs |= {f"`mailer {' '.join(words)}`": _mailer(place, words) for words in COMMANDS}
        took: dict[str, list[float]] = {name: [] for name in programs}
        for _round in range(ROUNDS):  # in turn, so that a busy moment of the machine affects all programs
            for name, program in programs.items():
                took[name].append(_run(program))
    floor = min(next(iter(took.values())))
    rows = [
        (name, f"{min(times):.0f}", f"{statistics.median(times):.0f}", f"{min(times) / floor:.2f}")
        for name, times in took.items()
    ]
    return f"{ROUNDS} runs each, in turn.\n\n" + table(("command", "fastest, ms", "median, ms", "of the floor"), rows)


def _mailer(place: deployment.Deployment, words: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "mailer", "--config", str(place.config), *words]


def _run(program: list[str]) -> float:
    """Runs the program and returns the milliseconds until its end."""
    begun = time.perf_counter()
    subprocess.run(program, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begun) * 1e3
