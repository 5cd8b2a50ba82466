"""Past weeks chosen again with two settings; nothing is written."""

from dataclasses import replace
from datetime import timedelta

import make
import pytest
from admin import call
from make import Clock, only_sqlite

from mailer.articles import backtest
from mailer.context import App, list_issues
from mailer.settings import Digest


@only_sqlite
def test_two_ways_of_choosing_are_compared(app: App, clock: Clock) -> None:
    for week in range(3):
        now = make.slot().at - timedelta(days=7 * week)
        make.week_of_articles(app.store, now, first=14 * week)
    clock.set(make.slot().at + timedelta(hours=1))
    found = backtest.run(app, 3, Digest(stories=5, min_stories=5))
    assert [each.slot for each in found] == ["1405-W34", "1405-W35", "1405-W36"]
    for each in found:
        assert len(each.now.titles) == 12
        assert len(each.other.titles) == 5
        assert 3 <= each.overlap <= 5
        assert each.sent is None
        assert each.now.captured == pytest.approx(1.0, abs=0.05)
        assert sum(each.other.sections.values()) == 5
    assert list_issues(app) == [], "nothing was planned"


@only_sqlite
def test_the_same_settings_choose_the_same(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store, make.slot().at)
    clock.set(make.slot().at + timedelta(hours=1))
    only = backtest.run(app, 1, app.settings.digest)[0]
    assert only.now == only.other
    assert only.overlap == len(only.now.titles)


@only_sqlite
def test_a_story_of_an_earlier_week_counts_as_a_repetition(app: App, clock: Clock) -> None:
    before, now = make.slot("1405-W34").at, make.slot().at
    make.week_of_articles(app.store, before)
    words = "سیل در خوزستان پنج روستا را زیر آب برد"
    told = make.article(50, title=words, published=before - timedelta(hours=60), views=10**6)
    make.keep(app.store, told, now=before)
    make.week_of_articles(app.store, now, first=14)
    again = replace(told, guid="again", url="https://tabesh.example/again", published=now - timedelta(hours=100))
    make.keep(app.store, again, now=now)
    clock.set(now + timedelta(hours=1))
    first, _, third = backtest.run(app, 3, app.settings.digest)
    assert words in first.now.titles
    assert words not in third.now.titles


def test_the_command_explains_itself() -> None:
    assert "captured" in call("backtest", "--help").out
