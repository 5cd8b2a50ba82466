"""`make bench`: measure sending, choosing and other work on this machine, and write the figures to docs/performance.md.

`--only sqlite,merge` runs these parts and keeps the other sections of the page. `--count` is the number of recipients
in each row of a delivery table; `--count 10000` gives a quick impression.
"""

import argparse
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import choice, delivery, headlines, machine, merge, peers, readers, scale, start
from bench.page import Options, Part, Skipped, with_section

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"

PARTS = (
    Part("sqlite", "Delivery, SQLite ledger", delivery.sqlite),
    Part("postgresql", "Delivery, PostgreSQL ledger", delivery.postgresql),
    Part("dkim", "Delivery, signed with RSA-2048", delivery.dkim),
    Part("late", "A relay that answers after 20 ms", delivery.late),
    Part("senders", "Several senders on one PostgreSQL", delivery.senders),
    Part("peers", "What others need", peers.run),
    Part("merge", "Making one mail", merge.section),
    Part("memory", "Memory of a sender", scale.memory),
    Part("large", "A long list", scale.large),
    Part("readers", "Readers: lists in and out, freezing, leaving", readers.section),
    Part("start", "Starting a command", start.run),
    Part("choice", "Choosing the stories", choice.section),
    Part("headlines", "Subjects of real headlines", headlines.section),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50_000, help="recipients for each row of delivery (%(default)s)")
    parser.add_argument("--large", type=int, help="subscribers of the parts memory and large (20 times --count)")
    names = [part.name for part in PARTS]
    parser.add_argument("--only", default=",".join(names), help="parts to run, separated by commas (all: %(default)s)")
    asked = parser.parse_args()
    only = asked.only.split(",")
    if unknown := set(only) - set(names):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    tools = machine.tools()
    if tools is None:
        print('smtp-sink and smtp-source are missing: eval "$(bench/postfix-tools.sh DIR)"', file=sys.stderr)
        return 4
    options = Options(asked.count, asked.large or 20 * asked.count, tools)
    for part in PARTS:
        if part.name not in only:
            continue
        begun, load = time.monotonic(), os.getloadavg()[0]
        try:
            text = part.run(options)
        except Skipped as reason:
            print(f"{part.name}: {reason}", file=sys.stderr)
            continue
        arguments = f"--count {options.count} --large {options.large} --only {part.name}"
        stamp = f'{datetime.now(UTC):%Y-%m-%d}, `make bench BENCH="{arguments}"`, {machine.described()}.\n'
        # The load is shown because all shares are too low if the machine has other work to do.
        stamp += f"Load of the machine before: {load:.1f}.\n\n"
        print(f"{part.title} ({time.monotonic() - begun:.0f} s)\n\n{text}", flush=True)
        # The page is written after each part, so that a failure of the next part loses nothing.
        page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        PAGE.write_text(with_section(page, part, stamp + text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
