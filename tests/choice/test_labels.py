"""The labelled pairs of bench/labels are complete, and the page that describes them states the right counts."""

import os
from collections import Counter
from pathlib import Path

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


@pytest.fixture(scope="module")
def known() -> frozenset[str]:
    folder = os.environ.get("KHABARNAMEH_DATA")
    if not folder:
        pytest.skip("KHABARNAMEH_DATA is not set: the labelled articles are not here")
    return frozenset(labels.articles(Path(folder)))


def test_the_articles_of_all_pairs_exist(known: frozenset[str]) -> None:
    assert not {name for pair in labels.pairs() for name in (pair.one, pair.other)} - known
