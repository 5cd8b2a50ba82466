"""How well the choice does on real weeks and labelled pairs. The data is no part of the project: KHABARNAMEH_DATA names
its folder. `bench/choice.py` prints the same figures."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import choice_data
import pytest
from choice_data import SPELLINGS, Week

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("KHABARNAMEH_DATA")
    if not folder:
        pytest.skip("KHABARNAMEH_DATA is not set: the real weeks are not here")
    return Path(folder)


@pytest.fixture(scope="module")
def weeks(data: Path) -> Sequence[Week]:
    """With views; made once, because making them costs more than choosing from them."""
    return list(choice_data.weeks(choice_data.site(data), with_views=True))


def test_with_views_the_weeks_best_stories_are_chosen(weeks: Sequence[Week]) -> None:
    found = choice_data.measure(weeks, choice_data.chosen)
    assert found.weeks >= 30
    assert found.ndcg >= 0.983
    assert found.precision >= 0.92


def test_the_hours_on_a_list_are_as_good_as_views(weeks: Sequence[Week]) -> None:
    """The truth is made from the same list, so this shows only that the choice makes good use of it."""
    found = choice_data.measure([choice_data.listed(week) for week in weeks], choice_data.chosen)
    assert (found.ndcg >= 0.97, found.precision >= 0.9) == (True, True)


def test_counts_of_a_tenth_of_the_articles_help(weeks: Sequence[Week]) -> None:
    """Before, counts of less than a fifth of the articles were not used at all."""
    blind = [replace(week, articles=[replace(it, views=None) for it in week.articles]) for week in weeks]
    found, without = (
        choice_data.measure(each, choice_data.chosen)
        for each in ([choice_data.mixed(week, 0.9) for week in weeks], blind)
    )
    assert found.ndcg >= without.ndcg + 0.05


def test_without_any_popularity_the_choice_is_five_times_better_than_chance(weeks: Sequence[Week]) -> None:
    blind = [replace(week, articles=[replace(it, views=None) for it in week.articles]) for week in weeks]
    found = choice_data.measure(blind, choice_data.chosen)
    assert found.precision >= 5 * choice_data.chance(blind).precision


def test_labelled_pairs_are_put_together_and_kept_apart_in_a_week_of_a_thousand(data: Path) -> None:
    found = choice_data.put_together(data, choice_data.pairs(data))
    assert found.recall >= 0.65
    assert found.precision >= 0.94
    assert found.together["2"] == found.every["2"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_copy_from_another_newsroom_is_recognised(data: Path, spelling: str) -> None:
    assert choice_data.recognised(data, SPELLINGS[spelling]) >= 0.98
