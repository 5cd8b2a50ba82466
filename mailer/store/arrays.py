"""Passes many rows to one statement as one JSON array: one parameter, any number of rows, the same on both databases.

A statement for each row, or a parameter for each cell, would cost more than the database's own work. Knows no table.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

_SOURCE = {
    "sqlite": "(SELECT {} FROM json_each(:rows)) AS m",
    "postgresql": "(SELECT {} FROM jsonb_array_elements(CAST(:rows AS jsonb)) AS each(value)) AS m",
}
_CELL = {"sqlite": "json_extract(value, '$[{n}]') AS {name}", "postgresql": "CAST(value ->> {n} AS {kind}) AS {name}"}
Columns = Sequence[tuple[str, str]]  # name and PostgreSQL type; SQLite takes each cell as it is


def source(tx: Connection, columns: Columns) -> str:
    """Returns what follows FROM: a table `m` of these columns, made of the parameter `:rows`."""
    cell = _CELL[tx.dialect.name]
    cells = (cell.format(n=n, name=name, kind=kind) for n, (name, kind) in enumerate(columns))
    return _SOURCE[tx.dialect.name].format(", ".join(cells))


def packed(rows: Iterable[Sequence[Any]]) -> str:
    """The value of `:rows`."""
    return json.dumps(list(rows), ensure_ascii=False)
