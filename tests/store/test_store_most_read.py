from datetime import timedelta

import make

from mailer.model import TimeSpan
from mailer.store import articles, feeds
from mailer.store.database import Store

WEEK = TimeSpan(make.NOW - timedelta(days=7), make.NOW)


def test_the_most_read_of_the_time_span_without_the_stories_of_the_issue(store: Store) -> None:
    early = make.article(9, published=make.NOW - timedelta(days=9), views=10**6)
    uncounted = make.article(8, views=None)
    unlinked = make.article(7, views=10**6, url="", guid="x")
    make.keep(store, *(make.article(n, views=100 + n) for n in range(1, 6)), early, uncounted, unlinked)
    told = store.read(lambda tx: [each.id for each in articles.newest(tx) if each.title == make.article(4).title])
    found = store.read(lambda tx: articles.most_read(tx, WEEK, told, 3))
    assert [(each.url, each.title) for each in found] == [
        (make.article(n).url, make.article(n).title) for n in (5, 3, 2)
    ]
    assert store.read(lambda tx: articles.most_read(tx, WEEK, [], 0)) == []


def test_without_views_the_hours_on_a_list_count(store: Store) -> None:
    make.keep(store, *(make.article(n, views=10 if n == 4 else None) for n in range(1, 5)))
    hours = {make.named(make.article(n)).identity: float(n) for n in (1, 3)}
    store.write(lambda tx: feeds.add_list_hours(tx, hours))
    found = store.read(lambda tx: articles.most_read(tx, WEEK, [], 9))
    assert [each.url for each in found] == [make.article(n).url for n in (4, 3, 1)]
