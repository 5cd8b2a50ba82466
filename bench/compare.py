"""Compare an older checkout with this one: `make compare OLD=DIR`, or `python -m bench.compare DIR`.

Runs the same parts of the bench in both checkouts in turn, old, new, old, new …, so that a change in the machine's
speed affects both checkouts alike. Each checkout uses its own `.venv`. For every figure that both checkouts measure,
prints the median and the spread of the old and of the new rounds, and the ratio of the medians.
"""

import argparse
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bench.page import table

HERE = Path(__file__).parent.parent
MORE_IS_BETTER = ("mails a second", "share")
ALLOWED = 0.03  # largest share of the old median by which the new median may be worse

Figure = tuple[str, str, str]  # part, row, column


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="the older checkout, set up by `make setup`")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="sqlite,merge,start,readers", help="parts, separated by commas")
    parser.add_argument("--count", default="20000", help="recipients for each row of delivery")
    parser.add_argument("--large", default="200000", help="subscribers of the part readers")
    asked = parser.parse_args()
    figures: dict[str, dict[Figure, list[float]]] = {"old": defaultdict(list), "new": defaultdict(list)}
    for part in asked.only.split(","):
        for number in range(1, asked.rounds + 1):
            for name, checkout in (("old", asked.old.resolve()), ("new", HERE)):
                print(f"{part}: round {number}, {name}", file=sys.stderr, flush=True)
                words = ("--only", part, "--count", asked.count, "--large", asked.large)
                for figure, value in _measured(checkout, part, words):
                    figures[name][figure].append(value)
        print(table(("part", "row", "figure", "old", "new", "new/old", ""), _rows(part, figures)), flush=True)
    return 0


def _measured(checkout: Path, part: str, words: tuple[str, ...]) -> Iterator[tuple[Figure, float]]:
    """Runs a part of the bench once and yields the numbers in the printed tables."""
    command = [str(checkout / ".venv" / "bin" / "python"), "-m", "bench", *words]
    printed = subprocess.run(command, cwd=checkout, stdout=subprocess.PIPE, text=True, check=True).stdout
    columns: list[str] = []
    for line in printed.splitlines():
        if not line.startswith("| "):
            columns = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not columns:
            columns = cells
            continue
        # A row is named by its first cell, and by the number of connections if there is such a column.
        row = " ".join(cell for name, cell in zip(columns, cells, strict=False) if name in (columns[0], "connections"))
        for name, cell in zip(columns[1:], cells[1:], strict=False):
            number = re.match(r"[\d,]+(\.\d+)?", cell)
            if number and name not in ("connections", "must", "aim"):
                yield (part, row, name), float(number[0].replace(",", ""))


def _rows(part: str, figures: dict[str, dict[Figure, list[float]]]) -> Iterator[tuple[str, ...]]:
    for figure, old in figures["old"].items():
        new = figures["new"].get(figure)
        if figure[0] != part or not new:
            continue
        before, now = statistics.median(old), statistics.median(new)
        ratio = now / before if before else 1.0
        better = any(word in figure[2] for word in MORE_IS_BETTER)
        worse = ratio < 1 - ALLOWED if better else ratio > 1 + ALLOWED
        verdict = "worse" if worse else ""
        spreads = (f"{statistics.median(each):g} ({min(each):g}–{max(each):g})" for each in (old, new))
        yield (*figure, *spreads, f"{ratio:.2f}", verdict)


if __name__ == "__main__":
    sys.exit(main())
