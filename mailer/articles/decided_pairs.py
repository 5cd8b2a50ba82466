"""Editors decide whether two articles report the same story. Every later choice of stories follows the decision."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from mailer.choice.decided_pairs import resolve
from mailer.context import App
from mailer.errors import NoSuchArticle, NoSuchPair, UsageError
from mailer.model import Article, DecidedPair
from mailer.store import articles, decided_pairs


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision with its two articles. `counts` is False if newer decisions contradict it."""

    pair: DecidedPair
    one: Article
    other: Article
    counts: bool


def decide(app: App, one: int, other: int, *, same: bool) -> tuple[Decision, list[Decision]]:
    """Stores that two articles report the same story, or different stories.

    Returns the decision, and the earlier decisions that it contradicts and that therefore no longer count. Raises
    NoSuchArticle if one of the articles does not exist, and UsageError if both are the same article.
    """
    if one == other:
        raise UsageError(f"Article {one} is given twice.", "Give the numbers of two different articles.")

    def store(tx: Connection) -> tuple[Decision, list[Decision]]:
        found = {article.id: article for article in articles.by_ids(tx, {one, other})}
        for number in (one, other):
            if number not in found:
                raise NoSuchArticle(f"There is no article {number}.", "`mailer articles list` shows the numbers.")
        before = {(each.one, each.other) for each in resolve(decided_pairs.every(tx)).overruled}
        pair = decided_pairs.decide(tx, one, other, same=same, now=app.now())
        after = resolve(decided_pairs.every(tx)).overruled
        contradicted = [each for each in after if (each.one, each.other) not in before]
        return _shown(tx, [pair], after)[0], _shown(tx, contradicted, after)

    return app.store.write(store)


def forget(app: App, one: int, other: int) -> None:
    """Withdraws the decision about two articles. Raises NoSuchPair if there is none."""
    if not app.store.write(lambda tx: decided_pairs.forget(tx, one, other)):
        raise NoSuchPair(
            f"There is no decision about the articles {one} and {other}.", "`mailer articles pairs` lists all."
        )


def every(app: App) -> list[Decision]:
    """Returns all decisions, the newest first."""

    def read(tx: Connection) -> list[Decision]:
        found = decided_pairs.every(tx)
        return _shown(tx, found, resolve(found).overruled)

    return app.store.read(read)


def _shown(tx: Connection, pairs: Sequence[DecidedPair], overruled: Sequence[DecidedPair]) -> list[Decision]:
    ids = {number for pair in pairs for number in (pair.one, pair.other)}
    found = {article.id: article for article in articles.by_ids(tx, ids)}
    return [Decision(pair, found[pair.one], found[pair.other], pair not in overruled) for pair in pairs]
