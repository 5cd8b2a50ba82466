"""Measures how long it takes to read a long feed, and to store it at the first and at an unchanged collection.

    python -m bench.feeds [--items 20000]

The feed is sound in the first rows. In the others, it is damaged: each link has a "&" that begins no entity, and every
seventh title has no end tag.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from mailer import config
from mailer.articles import collect
from mailer.cli.setup import make_deployment
from mailer.config import reference
from mailer.wiring import wire

_TEXT = "مجلس دولت بودجه نفت قیمت بازار تهران اصفهان وزیر گفت ورزش تیم ملی باران هشدار استان‌های شمالی می‌شود"
_WORDS = _TEXT.split()


def feed(items: int, *, damaged: bool) -> bytes:
    """Returns a feed of about 320 bytes an item."""
    chance = random.Random(1)

    def words(count: int) -> str:
        return " ".join(chance.choices(_WORDS, k=count))

    ampersand = "&" if damaged else "&amp;"
    parts = ["<?xml version='1.0' encoding='UTF-8'?><rss version='2.0'><channel><title>خبر روز</title>"]
    for number in range(items):
        link = f"https://www.khabar.example/news/{100_000 + number}/khabar?a=1{ampersand}b=2"
        end = "" if damaged and number % 7 == 0 else "</title>"
        clock = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
        parts.append(
            f"<item><title>{words(5)}{end}<link>{link}</link><description><![CDATA[<p>{words(3)}</p>]]></description>"
            f"<category>سیاسی</category><pubDate>Thu, 26 Nov 2026 {clock} +0330</pubDate>"
            f"<guid>{100_000 + number}</guid></item>"
        )
    return "\n".join((*parts, "</channel></rss>")).encode()


def measure(content: bytes) -> list[tuple[str, float]]:
    """Returns the seconds of each step."""
    with tempfile.TemporaryDirectory() as folder:
        make_deployment(Path(folder), reference.config_toml())
        app = wire(config.load(Path(folder) / "config.toml", {}), {})
        steps = []
        for name in ("first", "unchanged"):
            begun = time.monotonic()
            found = app.documents.read("feed.xml", content, zone=app.zone, now=app.now())
            read = time.monotonic()
            collect.keep(app, found.articles)
            steps += [(f"{name}: reading", read - begun), (f"{name}: storing", time.monotonic() - read)]
        app.documents.close()
        app.store.close()
    return steps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20_000, help="(%(default)s)")
    items = parser.parse_args().items
    for damaged in (False, True):
        content = feed(items, damaged=damaged)
        print(f"{'damaged' if damaged else 'sound'}, {items:,} items, {len(content) / 1e6:.1f} MB")
        for name, seconds in measure(content):
            print(f"  {name:20} {seconds:5.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
