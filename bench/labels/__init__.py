"""Labels for measuring the choice: pairs of articles, and the events of a week. See README.md in this folder.

The files here contain ids and labels, and no text of the articles. `KHABARNAMEH_DATA` names the folder of the articles.
"""

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).parent
Half = Literal["tune", "test"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two articles. The label is "2" same text, "1" same event, "s" same series, "m" same large topic, "0" different.

    `sample` says why the pair was chosen for labelling, and `passes` holds the labels of the two passes.
    """

    one: str
    other: str
    label: str
    sample: str
    passes: str

    @property
    def half(self) -> Half:
        """Returns the half that the pair belongs to. Tune constants with "tune" only, and report "test"."""
        return half(f"{self.one} {self.other}")


def half(name: str) -> Half:
    """Returns a half that depends on nothing but `name`, so that it stays the same when labels are added."""
    return "test" if hashlib.sha256(name.encode()).digest()[-1] % 2 else "tune"


def pairs() -> Sequence[Pair]:
    """Returns the labelled pairs, ordered by their ids."""
    return [Pair(**row) for row in _rows(HERE / "pairs.jsonl")]


def articles(data: Path) -> dict[str, dict[str, Any]]:
    """Returns the articles of the data set as id → record. If two records have the same id, the first one counts."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((data / "articles").glob("*.jsonl.gz")):
        if path.name != "asriran-comments.jsonl.gz":
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                for line in lines:
                    row = json.loads(line)
                    found.setdefault(row["id"], row)
    return found


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
