"""Passes any number of rows to one statement as a single parameter, a JSON array, on SQLite and on PostgreSQL.

A statement for each row, or a parameter for each value, would take longer than the database's own work. This module
does not depend on any table.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

_SOURCE = {
    "sqlite": "(SELECT {} FROM json_each(:rows)) AS m",
    "postgresql": "(SELECT {} FROM jsonb_array_elements(CAST(:rows AS jsonb)) AS each(value)) AS m",
}
_CELL = {"sqlite": "json_extract(value, '$[{n}]') AS {name}", "postgresql": "CAST(value ->> {n} AS {kind}) AS {name}"}
Columns = Sequence[tuple[str, str]]  # pairs of a name and a PostgreSQL type; SQLite needs no types


def source(tx: Connection, columns: Columns) -> str:
    """Returns SQL text for a FROM clause: a table `m` with these columns. Its rows come from the parameter `:rows`."""
    cell = _CELL[tx.dialect.name]
    cells = (cell.format(n=n, name=name, kind=kind) for n, (name, kind) in enumerate(columns))
    return _SOURCE[tx.dialect.name].format(", ".join(cells))


def packed(rows: Iterable[Sequence[Any]]) -> str:
    """Returns the JSON text of these rows, for the parameter `:rows`."""
    return json.dumps(list(rows), ensure_ascii=False)


def instant(at: datetime | None) -> str | None:
    """Returns an instant as the text that the column type `Instant` stores on SQLite. `utc` adds the time zone that
    PostgreSQL needs."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds") if at else None


def utc(tx: Connection, name: str) -> str:
    """Returns SQL text for a column of `source` that holds texts made by `instant`."""
    return f"m.{name}" if tx.dialect.name == "sqlite" else f"m.{name} AT TIME ZONE 'UTC'"
