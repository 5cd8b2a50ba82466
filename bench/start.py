"""How long a command takes to start: `mailer --help`, and commands that open the database."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import deployment
from bench.page import Options, table

ROUNDS = 7


def run(_: Options) -> str:
    with tempfile.TemporaryDirectory() as folder:
        place = deployment.make(Path(folder), smtp_port=25, connections=1)
        rows = [
            (f"`mailer {' '.join(words)}`", *_milliseconds(place, words))
            for words in (("--help",), ("subscribers", "list"), ("issue", "list"))
        ]
    return f"{ROUNDS} runs each.\n\n" + table(("command", "fastest, ms", "median, ms"), rows)


def _milliseconds(place: deployment.Deployment, words: tuple[str, ...]) -> tuple[str, str]:
    took = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        command = [sys.executable, "-m", "mailer", "--config", str(place.config), *words]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        took.append((time.perf_counter() - begun) * 1e3)
    return f"{min(took):.0f}", f"{statistics.median(took):.0f}"
