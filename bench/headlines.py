"""Measures how real headlines become subjects. `KHABARNAMEH_DATA` names the folder of the headlines.

`section` returns the section of docs/performance.md; `python -m bench.headlines` prints it, and then each
headline that lost a negated verb or was cut inside «».
"""

import os
import sys
from pathlib import Path

from bench.page import Options, Skipped, table

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import headline_data as data


def section(_: Options | None = None) -> str:
    found = _measured()
    rows = [
        (f"shortened, of {found.titles:,}", f"{found.shortened} ({found.shortened / found.titles:.1%})", "≤ 12 %"),
        ("end in «…»", f"{found.with_ellipsis} ({found.with_ellipsis / found.titles:.1%})", "≤ 5 %"),
        ("longer than 80 characters, because of one long clause", found.over_80, ""),
        ("cut in front of a negated verb (60 verbs, all forms)", len(found.verb_lost), "0"),
        ("a whole clause with a negated verb left out", len(found.clause_left_out), ""),
        ("cut inside «»", len(found.open_quotes), "0"),
    ]
    return table(("real headlines as subjects", "found", "must"), rows)


def _measured() -> data.Shortened:
    folder = os.environ.get("KHABARNAMEH_DATA")
    if not folder:
        raise Skipped("KHABARNAMEH_DATA is not set")
    return data.shortened(data.titles(Path(folder)))


if __name__ == "__main__":
    print(section())
    for title, subject in (*_measured().verb_lost, *_measured().open_quotes):
        print(f"{title} → {subject}")
