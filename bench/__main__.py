"""`make bench`: how fast mails go out on this machine, beside the C client and two libraries; into docs/performance.md.

Ratios travel, absolute rates do not. `--count` recipients for each row.
"""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench import delivery, machine
from bench.delivery import Row

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_HEAD = """\
# Performance

Made by `make bench BENCH="--count {count}"` on {day}: {machine}.
Share: our rate through that of `smtp-source -d` in the same run, with the same connections and bytes, into Debian's
`smtp-sink` on the same machine. CPU is that of our whole process, its start included.

| what | connections | mails a second | share of smtp-source | CPU ms a mail |
| --- | --- | --- | --- | --- |
"""


def rows(tool: machine.Tools, count: int) -> Iterator[Row]:
    yield delivery.measure(tool, "mailer, SQLite ledger (FULL)", count=count, connections=10)
    yield delivery.measure(tool, "mailer, SQLite ledger (FULL)", count=count, connections=20)
    yield delivery.aiosmtplib_loop(tool, count=min(count, 5000), connections=10)
    if pool := delivery.nodemailer_pool(tool, count=min(count, 5000), connections=10):
        yield pool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50_000, help="recipients for each row")
    count = parser.parse_args().count
    tool = machine.tools()
    if tool is None:
        print('smtp-sink and smtp-source are missing: eval "$(bench/postfix-tools.sh DIR)"', file=sys.stderr)
        return 4
    page = _HEAD.format(count=count, day=f"{datetime.now(UTC):%Y-%m-%d}", machine=machine.described())
    for row in rows(tool, count):
        line = f"| {row.name} | {row.connections} | {row.rate:,.0f} | {row.share:.2f} | {row.cpu_ms:.2f} |"
        print(line, flush=True)
        page += line + "\n"
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
