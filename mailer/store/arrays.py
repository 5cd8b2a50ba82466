"""Many rows for one statement, as one JSON array: one bind, no limit on their number, the same on both databases.

A statement for each row, or a bind for each cell, costs more than the database's own work. Holds no table.
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


def source(dialect: str, columns: Columns) -> str:
    """What stands behind FROM: a table `m` of these columns, made of the bind `:rows`."""
    cells = (_CELL[dialect].format(n=n, name=name, kind=kind) for n, (name, kind) in enumerate(columns))
    return _SOURCE[dialect].format(", ".join(cells))


def packed(rows: Iterable[Sequence[Any]]) -> str:
    """The value of `:rows`."""
    return json.dumps(rows if isinstance(rows, list) else list(rows), ensure_ascii=False)


def dialect(tx: Connection) -> str:
    return "sqlite" if tx.dialect.name == "sqlite" else "postgresql"
