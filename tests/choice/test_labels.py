"""The labels of bench/labels are complete, and the page that describes them states the right counts."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import choice_data
import pytest

from bench import labels

PAGE = (labels.HERE / "README.md").read_text("utf-8")


def test_each_pair_is_labelled_once() -> None:
    pairs = labels.pairs()
    assert len(pairs) >= 300
    assert len({frozenset((pair.one, pair.other)) for pair in pairs}) == len(pairs)
    assert all(pair.one < pair.other and len(pair.passes) == 2 for pair in pairs)


def test_the_page_states_how_many_pairs_have_each_label_and_sample() -> None:
    pairs = labels.pairs()
    assert f"\n{len(pairs)} pairs of articles" in PAGE
    for counts in (Counter(pair.label for pair in pairs), Counter(pair.sample for pair in pairs)):
        for name, count in counts.items():
            (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
            assert row.endswith(f"| {count} |")
    halves = Counter(pair.half for pair in pairs)
    of = {(pair.half, label): 0 for pair in pairs for label in "01"} | Counter((it.half, it.label) for it in pairs)
    tune, test = (f"{halves[name]}" for name in ("tune", "test"))
    assert f"{tune} pairs for tuning ({of['tune', '1']} of them `1`, {of['tune', '0']} `0`)" in PAGE
    assert f"{test} for testing\n({of['test', '1']} and {of['test', '0']})" in PAGE


def test_the_page_states_the_agreement_of_the_two_passes() -> None:
    pairs = labels.pairs()
    for same, agreement, kappa in (
        (lambda label: label, "98.1 %", ".97"),
        (lambda label: label in "12", "98.8 %", ".97"),
    ):
        seen = [(same(pair.passes[0]), same(pair.passes[1])) for pair in pairs]
        agreed = sum(one == other for one, other in seen) / len(seen)
        first, second = (Counter(side) for side in zip(*seen, strict=True))
        chance = sum(first[label] * second[label] for label in first) / len(seen) ** 2
        assert f"{agreed:.1%}".replace("%", " %") == agreement
        assert f"{(agreed - chance) / (1 - chance):.2f}".removeprefix("0") == kappa
        assert agreement in PAGE
        assert kappa in PAGE


def test_each_week_has_ten_events_in_order() -> None:
    events = labels.events()
    assert [week.name for week in labels.weeks()] == list(events)
    for week in events.values():
        assert [event.rank for event in week] == list(range(1, 11))
        assert all(event.name and event.articles for event in week)
        assert all(len(set(event.articles)) == len(event.articles) for event in week)


def test_the_page_states_how_many_articles_report_the_events_of_each_week() -> None:
    for name, week in labels.events().items():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
        assert row.endswith(f"| {sum(len(event.articles) for event in week)} | {labels.half(name)} |")


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("KHABARNAMEH_DATA")
    if not folder:
        pytest.skip("KHABARNAMEH_DATA is not set: the labelled articles are not here")
    return Path(folder)


@pytest.fixture(scope="module")
def known(data: Path) -> Mapping[str, Mapping[str, Any]]:
    return labels.articles(data)


def test_the_articles_of_all_pairs_exist(known: Mapping[str, Mapping[str, Any]]) -> None:
    assert not {name for pair in labels.pairs() for name in (pair.one, pair.other)} - known.keys()


def test_the_articles_of_all_events_belong_to_their_week(data: Path, known: Mapping[str, Mapping[str, Any]]) -> None:
    first = choice_data.site(data).first
    for week in labels.weeks():
        named = [name for event in labels.events()[week.name] for name in event.articles]
        for name in named:
            assert week.holds(known[name].get("published", "") if week.file else first[name].isoformat()), name
