"""Labels for measuring the choice: pairs of articles, and the events of a week. See README.md in this folder.

The files here contain ids and labels, and no text of the articles. `KHABARNAMEH_DATA` names the folder of the articles.
"""

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
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


@dataclass(frozen=True, slots=True)
class Event:
    """One of the ten most important events of a week. Rank 1 is the most important. `name` is for people."""

    week: str
    rank: int
    name: str
    articles: Sequence[str]  # ids of the articles that report the event, as far as they were found


@dataclass(frozen=True, slots=True)
class Week:
    """A labelled week.

    `file` is the name of the file of articles. It is None for the BBC, for which an article's date is when it was first
    seen in `popularity/bbc-observations.csv.gz` (UTC).
    `start` and `end` are dates or moments in ISO format. They are empty if the articles have no dates.
    """

    name: str
    file: str | None
    start: str
    end: str

    @property
    def half(self) -> Half:
        """Returns the half that the week belongs to, like `Pair.half`."""
        return half(self.name)

    def holds(self, published: str) -> bool:
        """Returns True if an article of `file` that was published at this moment (ISO format) belongs to the week."""
        return not self.end or self.start <= published[: len(self.start)] < self.end


def half(name: str) -> Half:
    """Returns a half that depends on nothing but `name`, so that it stays the same when labels are added."""
    return "test" if hashlib.sha256(name.encode()).digest()[-1] % 2 else "tune"


def pairs() -> Sequence[Pair]:
    """Returns the labelled pairs, ordered by their ids."""
    return [Pair(**row) for row in _rows(HERE / "pairs.jsonl")]


def events() -> Mapping[str, Sequence[Event]]:
    """Returns the ten events of each week, most important first, by the name of the week."""
    found: dict[str, list[Event]] = {}
    for row in _rows(HERE / "events.jsonl"):
        found.setdefault(row["week"], []).append(Event(**row))
    return found


def weeks() -> Sequence[Week]:
    """Returns the labelled weeks. Those of the BBC end on a Friday at 14:00 UTC, like those of tests/choice_data.py."""
    persian = (
        Week("hamshahri-2020", "hamshahri-rss-2020", "", ""),
        Week("isna-2019-06-23", "isna-2019-two-weeks", "2019-06-23", "2019-06-30"),
        Week("isna-2019-06-30", "isna-2019-two-weeks", "2019-06-30", "2019-07-08"),
        Week("asriran-2015-09-28", "asriran-2006-2015", "2015-09-28", "2015-10-01"),
    )
    ends = [date.fromisoformat(name.removeprefix("bbc-")) for name in events() if name.startswith("bbc-")]
    bbc = [Week(f"bbc-{end}", None, f"{end - timedelta(days=7)}T14:00:00", f"{end}T14:00:00") for end in ends]
    return [*persian, *bbc]


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
