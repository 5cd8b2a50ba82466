"""The check of the prose finds each habit that it knows, and leaves plain sentences alone."""

from collections.abc import Sequence

import prose
import pytest

PATH = prose.ROOT / "mailer" / "model.py"


def found(words: str, *, docstring: bool = False) -> Sequence[str]:
    return [each.words for each in prose.findings([prose.Text(PATH, 7, words, docstring)])]


@pytest.mark.parametrize(
    "words",
    [
        *("chosen anew", "all but for one", "a bug of ours", "nobody reads it", "whoever leaves", "it was told so"),
        *("it is no more", "what is at hand", "keys are dear", "mend it", "more than 45 letters", "it stands there"),
    ],
)
def test_each_habit_is_found(words: str) -> None:
    assert len(found(words)) == 1


@pytest.mark.parametrize("words", ["Who left by this issue.", "None: there is no such row.", "Whether it is due."])
def test_a_docstring_begins_with_a_verb_or_a_noun(words: str) -> None:
    assert found(words, docstring=True)
    assert not found(words)


def test_plain_sentences_pass() -> None:
    assert not found("Returns None if there is no more than one; Latin letters are isolated. The T stands for time.")


def test_a_finding_names_file_and_line() -> None:
    (one,) = prose.findings([prose.Text(PATH, 7, "First line.\nChosen anew.")])
    assert one.place == "mailer/model.py:8"
