"""The page of figures: one section for each part of the bench, replaced when that part runs and kept otherwise."""

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

    count: int  # recipients for each row of delivery
    large: int  # subscribers for the parts that measure a long list
    tools: machine.Tools


@dataclass(frozen=True)
class Part:
    """One measurement. `run` returns the section's text, or raises Skipped."""

    name: str  # in --only, and in the page
    title: str
    run: Callable[[Options], str]


class Skipped(Exception):
    """It cannot be measured here; the message says why."""


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def with_section(page: str, part: Part, text: str) -> str:
    """The page with this text as the part's section; a new section is added at the end."""
    section = f"<!-- {part.name} -->\n## {part.title}\n\n{text.strip()}\n<!-- /{part.name} -->\n"
    old = re.compile(rf"<!-- {part.name} -->\n.*?<!-- /{part.name} -->\n", re.DOTALL)
    page = page if page.startswith(_HEAD) else _HEAD
    return old.sub(lambda _: section, page) if old.search(page) else f"{page}\n{section}"
