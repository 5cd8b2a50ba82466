"""How well and how fast the week's stories are chosen: a report on real data.

    KHABARNAMEH_DATA=/folder python bench/choice.py

Quality: weeks of a news site's list of the most read, labelled pairs, copies in other spellings. Speed: a week of 5,000
articles in a store of a million (`--store N` for another size, 0 for none). Nothing here is asserted; tests do that.
"""

import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import choice_data as data  # noqa: E402
from sqlalchemy import text  # noqa: E402

from bench.page import Options  # noqa: E402
from mailer.digest import build, window  # noqa: E402
from mailer.settings import Digest  # noqa: E402
from mailer.store import articles, upgrade  # noqa: E402
from mailer.store.database import Store  # noqa: E402

END = datetime(2026, 11, 26, 5, 30, tzinfo=UTC)
_FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO articles (identity, link_key, source, guid, url, title, lead, category, dated, dating, first_seen_at,
                      updated_at, views)
SELECT 'guid:' || i, 'news.example/' || i, 'outlet' || (i % 7), '' || i, 'https://news.example/' || i,
       'واژه' || (i % 977) || ' رویداد' || (i % 1009) || ' شهر' || (i % 83) || ' گزارش' || i,
       'شرح' || (i % 1013) || ' ' || (i % 991) || ' در استان' || (i % 31), 'دسته' || (i % 12),
       strftime('%Y-%m-%d %H:%M:%f', :end, '-' || (i * :minutes) || ' seconds') || '000', 'given',
       strftime('%Y-%m-%d %H:%M:%f', :end, '-' || (i * :minutes) || ' seconds') || '000',
       :end, (i * 7919) % 5000
  FROM n
"""


def quality(folder: Path) -> None:
    site = data.site(folder)
    with_views, without = (list(data.weeks(site, with_views=each)) for each in (True, False))
    print(f"{'ranker':34} nDCG@10   P@10   ({len(with_views)} weeks)")
    for name, weeks, ranker in (
        ("choice, with views", with_views, data.chosen),
        ("choice, no popularity at all", without, data.chosen),
        ("raw views", with_views, data.by_views),
        ("newest first", with_views, data.by_date),
        ("chance", with_views, data.by_chance),
    ):
        found = data.measure(weeks, ranker)
        print(f"{name:34} {found.ndcg:.3f}     {found.precision:.3f}")
    kinds = {"2": "same item", "1": "same event", "s": "series", "m": "mega-event", "0": "different (wrong)"}
    for label, (together, every) in sorted(data.pairs(folder).items()):
        print(f"pairs put together, {kinds[label]:18} {together}/{every}")
    for name, spelling in data.SPELLINGS.items():
        print(f"copies recognised, {name:34} {data.recognised(folder, spelling):.1%}")


def speed(count: int) -> None:
    """On SQLite. One article every `minutes` seconds gives 5,000 a week whatever the size of the store."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/articles.db")
        upgrade.ensure(store)
        begun = time.perf_counter()
        store.write(
            lambda tx: tx.execute(text(_FILL), {"count": count, "end": END.isoformat(" ")[:19], "minutes": 121})
        )
        store.write(lambda tx: tx.execute(text("ANALYZE")))
        print(f"{count:,} articles stored in {time.perf_counter() - begun:.1f} s")
        span = window.window(end=END, previous_end=END - timedelta(days=7))
        for _ in range(3):
            begun = time.perf_counter()
            pool = store.read(lambda tx: articles.in_window(tx, span, window.earliest(span)))
            read = time.perf_counter() - begun
            digest = build.build(pool, span, Digest(), {}, used=frozenset())
            whole = time.perf_counter() - begun
            print(f"a week of {len(pool):,}: read {read:.2f} s, chosen {whole:.2f} s, {len(digest.stories)} stories")
        store.close()


def section(_: Options) -> str:
    """A section of the page: what `main` prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        report(1_000_000)
    return f"```\n{printed.getvalue()}```\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=int, default=1_000_000, help="articles in the store; 0: no speed")
    report(parser.parse_args().store)


def report(store: int) -> None:
    folder = os.environ.get("KHABARNAMEH_DATA")
    if folder:
        quality(Path(folder))
    else:
        print("KHABARNAMEH_DATA is not set: quality is not measured")
    if store:
        speed(store)


if __name__ == "__main__":
    main()
