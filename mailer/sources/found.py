"""What reading gives: the articles, and a note on every item that had to be left out.

It does *not* read anything itself; it is the one word that all the readers here share.
"""

from dataclasses import dataclass

from mailer.model import FoundArticle


@dataclass(frozen=True, slots=True)
class Found:
    """Articles in the order of the source; each note is one line that says which item is missing and why."""

    articles: tuple[FoundArticle, ...]
    notes: tuple[str, ...] = ()
