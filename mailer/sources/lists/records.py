"""Rows as they are read from a file, before their meaning is known, and limits that apply to all kinds of files."""

import re
from typing import NamedTuple

from mailer.address import looks_like_one
from mailer.text.characters import EDGES, is_printable

MOST_COLUMNS = 1000
LONGEST_MAILBOX = 640  # maximum number of characters of a cell that holds an address
LONGEST_CELL = 32_767  # characters; the maximum in Excel


class Record(NamedTuple):
    """One row of a file. `line` is the number of the first line of the row, or the number of the row in a sheet."""

    line: int
    cells: list[str]
    problem: str = ""  # why the row cannot be read


def quoted(text: str) -> str:
    """Return a text of a file in quotation marks, for messages. Half-spaces stay, so that the text can be copied."""
    return "'" + "".join(char if is_printable(char) else repr(char)[1:-1] for char in text) + "'"


_MAILBOX = re.compile(r"([^<>]{0,300})<\s*(?:mailto:)?([^<>\s]{1,320})\s*>")


def is_address(cell: str) -> bool:
    """Return True if the cell has the form of an address or of a mailbox, such as `Reza <reza@example.org>`."""
    return "@" in cell and len(cell) <= LONGEST_MAILBOX and looks_like_one(mailbox(cell)[1])


def mailbox(cell: str) -> tuple[str, str]:
    """Return the name ("" if there is none) and the address in a cell, without quotation marks and `mailto:`.

    Google writes several addresses into one cell, separated by `:::`; only the first one is returned.
    """
    if ":::" in cell:
        cell = cell.partition(":::")[0].strip(EDGES)
    if cell.endswith(">") and len(cell) <= LONGEST_MAILBOX and (found := _MAILBOX.fullmatch(cell)):
        return found[1].strip("\"' "), found[2]
    if cell[:7].lower() == "mailto:":
        return "", cell[7:]
    return "", cell.strip("'") if cell.startswith("'") and cell.endswith("'") else cell
