"""The decided pairs: one decision for each pair, and the newest is always the last one that was made."""

import pytest
from make import NOW, article, keep
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from mailer.model import DecidedPair
from mailer.store import articles, decided_pairs
from mailer.store.database import Store
from mailer.store.schema import decided_pairs as table


def test_a_pair_has_one_decision_in_whichever_order_it_is_named(store: Store) -> None:
    keep(store, *(article(n) for n in (1, 2, 3)))
    first, second, third = sorted(it.id for it in store.read(lambda tx: articles.newest(tx)))
    made = store.write(lambda tx: decided_pairs.decide(tx, second, first, same=True, now=NOW))
    assert made == DecidedPair(first, second, True, NOW)
    store.write(lambda tx: decided_pairs.decide(tx, third, first, same=False, now=NOW))
    changed = store.write(lambda tx: decided_pairs.decide(tx, first, second, same=False, now=NOW))
    assert changed.at > NOW, "the clock did not move, and still this decision is the newest"
    assert [(it.one, it.other, it.same) for it in store.read(decided_pairs.every)] == [
        (first, second, False),
        (first, third, False),
    ]
    assert store.read(decided_pairs.every)[0] == changed

    assert store.write(lambda tx: decided_pairs.forget(tx, second, first))
    assert not store.write(lambda tx: decided_pairs.forget(tx, second, first))
    assert [(it.one, it.other) for it in store.read(decided_pairs.every)] == [(first, third)]


@pytest.mark.parametrize("wrong", ["order", "same article", "no article"])
def test_the_tables_refuse_a_wrong_pair(store: Store, wrong: str) -> None:
    keep(store, article(1), article(2))
    first, second = sorted(it.id for it in store.read(lambda tx: articles.newest(tx)))
    one, other = {
        "order": (second, first),
        "same article": (first, first),
        "no article": (first, second + 100),
    }[wrong]
    with pytest.raises(IntegrityError):
        store.write(lambda tx: tx.execute(insert(table).values(one=one, other=other, same=True, at=NOW)))
