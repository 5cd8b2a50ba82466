"""`mailer backtest`: its shape, its table, and what it refuses."""

import pytest
from admin import Deployment, articles_file, deployment

CHOICE = {"titles", "sections", "captured", "repeats"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    folder = tmp_path_factory.mktemp("backtest")
    made = deployment(folder)
    assert made.call("articles", "import", str(articles_file(folder, 200))).code == 0
    return made


def test_two_ways_beside_each_other(here: Deployment) -> None:
    weeks = here.json("backtest", "--weeks", "2", "--stories", "5")
    assert [set(week) for week in weeks] == [{"slot", "now", "other", "overlap", "sent"}] * 2
    assert all(set(week[way]) == CHOICE for week in weeks for way in ("now", "other"))
    assert [len(week["other"]["titles"]) <= 5 for week in weeks] == [True, True]
    assert any(week["now"]["titles"] for week in weeks)
    said = here.call("backtest", "--weeks", "2", "--stories", "5").out.splitlines()
    assert said[0].split()[:4] == ["slot", "now", "other", "overlap"]
    assert [line.split()[0] for line in said[1:]] == [week["slot"] for week in weeks]
    assert here.json("issue", "list") == [], "nothing was planned"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--weeks", "0"), "0 is not in the range 1<=x<=60"),
        (("--max-section", "2"), "--max-section: "),
        (("--stories", "99"), "--stories: "),
        (("--stories", "2"), "min_stories is larger than stories"),
    ],
)
def test_settings_that_make_no_sense(here: Deployment, words: tuple[str, ...], said: str) -> None:
    answer = here.call("backtest", *words, "--json")
    assert (answer.code, answer.error["code"]) == (2, "usage_error")
    assert said in answer.error["message"]
