"""The page of figures: one section for each part of the bench, replaced when that part was run and kept when not."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench import machine

_HEAD = """\
# Performance

Made by `make bench`; each section says when, and with which words. Ratios within one section travel from machine to
machine, absolute rates do not.
"""


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    count: int  # recipients for each row of delivery
    large: int  # subscribers where the size of the list is what is measured
    tools: machine.Tools


@dataclass(frozen=True)
class Part:
    """One thing that is measured. `run` returns the section's text; it may raise Skipped."""

    name: str  # in --only, and in the page
    title: str
    run: Callable[[Options], str]


class Skipped(Exception):
    """It cannot be measured here; says why."""


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def with_section(page: str, part: Part, text: str) -> str:
    """The page with the part's section as it is now; a new one goes to the end."""
    section = f"<!-- {part.name} -->\n## {part.title}\n\n{text.strip()}\n<!-- /{part.name} -->\n"
    old = re.compile(rf"<!-- {part.name} -->\n.*?<!-- /{part.name} -->\n", re.DOTALL)
    page = page if page.startswith(_HEAD) else _HEAD
    return old.sub(lambda _: section, page) if old.search(page) else f"{page}\n{section}"
