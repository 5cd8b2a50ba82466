"""Writes a list of people to a file and reads it, as most tests of lists do."""

from pathlib import Path

from mailer.model import ListRow
from mailer.sources import people
from mailer.sources.people import Choices


def read(folder: Path, content: str | bytes, name: str = "people.csv", **choices: object) -> list[ListRow]:
    return list(opened(folder, content, name, **choices))


def opened(folder: Path, content: str | bytes, name: str = "people.csv", **choices: object) -> people.PeopleList:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return people.read(file, Choices(**choices))  # type: ignore[arg-type]


def good(rows: list[ListRow]) -> list[str]:
    return [row.email for row in rows if not row.problem]


def bad(rows: list[ListRow]) -> list[int]:
    return [row.line for row in rows if row.problem]
