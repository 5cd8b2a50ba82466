"""Snapshots → curve → choice, through the verbs: how fast a newsroom is read is learnt from what its source counts."""

from dataclasses import replace
from datetime import datetime, timedelta

import make
import pytest
from make import Clock, only_sqlite

from mailer.articles import collect
from mailer.choice import growth
from mailer.context import App
from mailer.issues import draft
from mailer.model import FoundArticle
from mailer.settings import Digest
from mailer.sources import identity
from mailer.sources.found import Gathered
from mailer.store import articles

_SLOW = 60.0  # hours until half of the readers came: readers who come by searching, for days
_SPAN = 168 / (168 + _SLOW)


def share(hours: float) -> float:
    return min(1.0, hours / (hours + _SLOW) / _SPAN)


class Counted:
    """A newsroom's database: lifetime totals that grow."""

    name, front_page, slow = "counted", False, False

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.made: list[tuple[FoundArticle, datetime, int]] = []

    def publish(self, number: int, at: datetime, final: int) -> None:
        article = make.article(number, published=at)
        self.made.append((article, at, final))

    def gather(self, etag: str, modified: str) -> Gathered:
        now, found = self.clock(), []
        for article, at, final in self.made:
            hours = (now - at).total_seconds() / 3600
            if 0 <= hours <= 240:
                found.append(replace(article, views=round(final * share(hours))))
        return Gathered(tuple(found))


@pytest.mark.slow
@only_sqlite
def test_a_curve_is_learnt_and_used(app: App, clock: Clock) -> None:
    source = Counted(clock)
    rules = Digest(stories=8, min_stories=5, max_day=1.0, max_section=1.0, max_source=1.0)
    app = replace(app, make_sources=lambda: (source,), settings=app.settings.model_copy(update={"digest": rules}))
    end = clock() + timedelta(days=14)
    for number in range(40):
        source.publish(number, clock() + timedelta(hours=4 * number), 1000)
    # This week: five that are old and read to their end, and one that is young and will be read more than they.
    for number in range(50, 60):
        source.publish(number, end - timedelta(hours=150 - number % 10), 950 + number)
    source.publish(70, end - timedelta(hours=12), 2500)
    while clock.turn(hours=6) < end:  # asked every hour it is the same, and six times the work
        collect.collect(app)
    curve = growth.learn(app.store.read(lambda tx: articles.histories(tx, end - timedelta(days=42))))
    assert curve != growth.CAUTIOUS
    for hours in (6.0, 24.0, 72.0):
        assert curve.at(hours) == pytest.approx(share(hours), abs=0.06)
    found = {article.identity: article.views or 0 for article in collect.newest(app, limit=100)}
    young, old = (identity.identify(made).identity for made, _, _ in source.made[-1:-3:-1])
    assert found[young] < found[old], "counts alone put it behind"
    assert collect.show(app, draft.draft(app).stories[0].article_id).identity == young, "but it is young"
