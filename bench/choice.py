"""Measures how well and how fast the week's stories are chosen.

The quality is measured with real data: the most read articles of a news site by week, labelled pairs of articles, and
copies of articles in other spellings. `KHABARNAMEH_DATA` names the folder of these data; without the variable, the
quality is not measured. The speed is measured for a week of 5,000 articles in a store of a million, on both databases.
`section` returns the section of docs/performance.md; `python -m bench.choice` prints it.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text

from bench import weeks
from bench.page import Options, table
from mailer.choice import build, time_span
from mailer.settings import Digest
from mailer.store import articles, upgrade
from mailer.store.database import Store

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import choice_data as data
import pg
import spelling_data

ARTICLES = 1_000_000
_END = datetime(2026, 11, 26, 5, 30, tzinfo=UTC)
_APART = 121  # seconds between two articles, which gives 5,000 articles a week
_RUNS = 3
_INTO = """
INSERT INTO articles (identity, link_key, source, guid, url, title, lead, category, dated, dating, first_seen_at,
                      updated_at, views)
SELECT 'guid:' || i, 'news.example/' || i, 'outlet' || (i % 7), '' || i, 'https://news.example/' || i,
       'واژه' || (i % 977) || ' رویداد' || (i % 1009) || ' شهر' || (i % 83) || ' گزارش' || i,
       'شرح' || (i % 1013) || ' ' || (i % 991) || ' در استان' || (i % 31), 'دسته' || (i % 12), {at}, 'given', {at},
       :now, (i * 7919) % 5000
  FROM n"""
_SQLITE = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)" + _INTO.format(
    at="strftime('%Y-%m-%d %H:%M:%f', :now, '-' || (i * :apart) || ' seconds') || '000'"
)
_POSTGRESQL = "WITH n(i) AS (SELECT generate_series(CAST(1 AS bigint), :count))" + _INTO.format(
    at="CAST(:now AS timestamptz) - i * :apart * interval '1 second'"
).replace(":now, (i", "CAST(:now AS timestamptz), (i")


_CAVEAT = """\
The 31 weeks are those of the BBC, judged by its list of the most read. This list cannot show
whether the choice is better than a plain sort by views: one has the better nDCG, the other the
better P@10, and both differences are far smaller than the one between two halves of the weeks.
Nor does the list show what the choice adds, such as no repetitions and several sections. The
counts of Tabnak and Asr Iran were read only once: the choice is judged by the same counts that
it has read, so they cannot show which of the two is better either. These weeks have so few
articles that P@10 without the counter says little. `docs/design.md` says why
the pairs, the topics and the ten events of some weeks do not reach their aims."""


class Row(NamedTuple):
    """One row of the report. `asked` is the required value, with the aim in brackets."""

    what: str
    found: str
    asked: str = ""


def rows(count: int = ARTICLES) -> Iterator[Row]:
    """Yields all measurements of the choice, with `count` articles in the store."""
    folder = os.environ.get("KHABARNAMEH_DATA")
    if folder:
        yield from _weeks(Path(folder))
        yield from _counters(Path(folder))
        yield from _pairs(Path(folder))
        yield from _without_views(Path(folder))
        for name, spelling in data.SPELLINGS.items():
            yield Row(f"copies recognised: {name}", f"{data.recognised(Path(folder), spelling):.1%}", "≥ 98 %")
        yield from _spelling(Path(folder))
    else:
        yield Row("weeks, pairs and copies of real data", "not measured: KHABARNAMEH_DATA is not set")
    with tempfile.TemporaryDirectory() as place:
        yield _speed("SQLite", f"sqlite:///{place}/articles.db", count)
    try:
        with pg.cluster() as cluster:
            yield _speed("PostgreSQL", cluster.create("choice"), count)
    except pg.NoPostgres as reason:
        yield Row("a week chosen, PostgreSQL", f"not measured: {reason}")


def section(_: Options) -> str:
    """Returns the section of the page."""
    return f"{table(('what', 'found', 'must (aim)'), rows())}\n\n{_CAVEAT}"


def _weeks(folder: Path) -> Iterator[Row]:
    site = data.site(folder)
    with_views, without = (list(data.weeks(site, with_views=each)) for each in (True, False))
    chance = data.chance(without)
    for name, some, ranker, asked in (
        ("with views", with_views, data.chosen, "≥ 0.983 / 0.92"),
        ("with the hours on a list of the most read", [data.listed(it) for it in with_views], data.chosen, ""),
        ("half of the articles without a count", [data.mixed(it, 0.5) for it in with_views], data.chosen, ""),
        ("nine tenths without a count", [data.mixed(it, 0.9) for it in with_views], data.chosen, ""),
        ("without any popularity", without, data.chosen, f"P@10 ≥ {5 * chance.precision:.3f}, five times chance"),
        ("raw views", with_views, data.by_views, ""),
        ("newest first", with_views, data.by_date, ""),
    ):
        found = data.measure(some, ranker)
        yield Row(f"{found.weeks} weeks, {name}: nDCG@10 / P@10", f"{found.ndcg:.3f} / {found.precision:.3f}", asked)
    yield Row(
        f"{chance.weeks} weeks, chance (mean of 100 draws): nDCG@10 / P@10",
        f"{chance.ndcg:.3f} / {chance.precision:.3f}",
    )


# Weeks with a counter on the pages: name, file, counter, first day and the day after the last.
_COUNTERS = (
    ("Tabnak, a week, views", "tabnak-2023-views", "views", "2023-09-20", "2023-09-27"),
    ("Asr Iran, three days, comments", "asriran-2006-2015", "comments", "2015-09-28", "2015-10-01"),
)


def _counters(folder: Path) -> Iterator[Row]:
    """Yields the rows for weeks whose counts were read only once, long after the articles were published.

    The choice is judged by the same counts that it has read. So a plain sort by them would always be perfect, and has
    no row. The rows show what the choice gives up for variety, and how good it is without the counter.
    """
    for name, *where in _COUNTERS:
        week = data.counted(folder, *where)
        blind = data.unread(week)
        chance = data.chance([blind])
        found = [data.measure([each], data.chosen) for each in (week, blind)]
        scores = [f"{it.ndcg:.3f} / {it.precision:.2f}" for it in (*found, chance)]
        yield Row(
            f"{name}, {len(week.articles)} articles: nDCG@10 / P@10",
            f"{scores[0]}; without the counter {scores[1]}; chance {scores[2]}",
        )


def _pairs(folder: Path) -> Iterator[Row]:
    every, newer = data.pairs(folder), data.newer_pairs(folder)
    for half, those, asked in (
        ("half that constants were tuned on", [pair for pair in every if pair.tuned], ""),
        ("other half", [pair for pair in every if not pair.tuned], ""),
        ("both halves", every, "≥ 0.65 / 0.94"),
        ("hard pairs of bench/labels, test half", [pair for pair in newer if not pair.tuned], "≥ 0.70 / 0.94"),
    ):
        found = data.put_together(folder, those)
        counts = ", ".join(f"{label} {found.together[label]}/{found.every.get(label, 0)}" for label in "21sm0")
        yield Row(
            f"labelled pairs in pools of {data.POOL:,}, {half}: recall / precision",
            f"{found.recall:.2f} / {found.precision:.2f} (put together: {counts})",
            asked,
        )
        yield Row(
            f"{half}: pairs of 1 and m in one topic",
            f"{found.topic_recall:.2f}, and {found.in_topic['0']}/{found.every['0']} of the pairs of 0",
            "≥ 0.70, ≤ 6 %",
        )


def _without_views(folder: Path) -> Iterator[Row]:
    for found in weeks.labelled(folder):
        place = f"story {found.first}" if found.first else "missing"
        yield Row(
            f"{found.week.name}, {found.articles:,} articles, half {found.week.half}: of an editor's ten events",
            f"{found.events} are in the issue; the most important one is {place}",
            "≥ 7, place ≤ 3",
        )
    for week in weeks.WEEKS:
        for event in weeks.EVENTS:
            if weeks.EVENTS[event][0] == week:
                continue
            for sources in (1, 4):
                places = [
                    f"{it.size}: {', '.join(map(str, it.places)) or '–'}"
                    + (f" ({it.foreign} foreign)" if it.foreign else "")
                    for it in weeks.injected(folder, week, event, sources)
                ]
                yield Row(
                    f"{event} injected into {week}, {sources} sources: articles: places of its stories",
                    " · ".join(places),
                    "from 20 on: one or two, in the first 3",
                )


def _spelling(folder: Path) -> Iterator[Row]:
    sentences = spelling_data.sentences(folder)
    harmed, found = spelling_data.harmed(sentences), spelling_data.stripped(sentences)
    yield Row(f"half-spaces: words harmed in {len(sentences):,} well written sentences", str(len(harmed)), "0")
    yield Row("half-spaces taken out: given back", f"{found.repaired / found.words:.1%} of {found.words:,}")
    yield Row("half-spaces taken out: put where none was", f"{found.wrongly / found.words:.3%}", "≤ 0.1 %")


def _speed(name: str, url: str, count: int) -> Row:
    """Measures the time from the query to the digest. Takes the best of a few runs, because other work on the machine
    makes a run slower, never faster."""
    store = Store(url)
    try:
        upgrade.ensure(store)
        fill = text(_SQLITE if store.sqlite else _POSTGRESQL)
        now = f"{_END:%Y-%m-%d %H:%M:%S}" + ("" if store.sqlite else "+00")
        store.write(lambda tx: tx.execute(fill, {"count": count, "now": now, "apart": _APART}))
        store.write(lambda tx: tx.execute(text("ANALYZE")))
        span = time_span.for_issue(end=_END, previous_end=_END - timedelta(days=7))
        read, whole, busy, size = [], [], [], 0
        for _ in range(_RUNS):
            begun, used = time.perf_counter(), time.process_time()
            pool = store.read(lambda tx: articles.in_span(tx, span, time_span.earliest(span)))
            earlier = store.read(lambda tx: articles.titles_before(tx, span.start))
            read.append(time.perf_counter() - begun)
            build.build(pool, span, Digest(), {}, used=frozenset(), earlier=earlier)
            whole.append(time.perf_counter() - begun)
            busy.append(time.process_time() - used)
            size = len(pool)
    finally:
        store.close()
    return Row(
        f"a week of {size:,} chosen from {count:,} articles, {name}",
        f"{min(whole):.2f} s, of that {min(read):.2f} s reading; {min(busy):.2f} s of one core",
        "≤ 1.5 s (0.4 s)",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=ARTICLES, help="articles in the store")
    for row in rows(parser.parse_args().articles):
        print(" · ".join(filter(None, row)), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
