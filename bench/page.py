"""The page of figures. It has one section for each part of the bench, which is replaced only when that part runs."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench import machine

_HEAD = """\
# Performance

Written by `make bench`; each section says when, and with which arguments. Ratios within one section hold on
other machines, absolute rates do not.
"""


@dataclass(frozen=True)
class Options:
    """The command line of the bench."""

    count: int  # number of recipients in each row of a delivery table
    large: int  # number of subscribers in the parts that measure a long list
    tools: machine.Tools


@dataclass(frozen=True)
class Part:
    """One measurement. `run` returns the section's text, or raises Skipped."""

    name: str  # name of the part in --only and in the comments of the page
    title: str
    run: Callable[[Options], str]


class Skipped(Exception):
    """Raised if a part cannot be measured on this machine; the message says why."""


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def with_section(page: str, part: Part, text: str) -> str:
    """Returns the page with `text` as the section of `part`. A new section is added at the end."""
    section = f"<!-- {part.name} -->\n## {part.title}\n\n{text.strip()}\n<!-- /{part.name} -->\n"
    old = re.compile(rf"<!-- {part.name} -->\n.*?<!-- /{part.name} -->\n", re.DOTALL)
    page = page if page.startswith(_HEAD) else _HEAD
    return old.sub(lambda _: section, page) if old.search(page) else f"{page}\n{section}"
