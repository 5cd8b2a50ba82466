"""Looks for the worst habits of prose in what people read: docstrings, comments, messages, documents, templates.

`make lint` runs it. It prints file:line, the words and the plain alternative, and lists files of more than 700 lines;
only the prose makes it fail. With `--report` it prints counts and never fails.
"""

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LONG = 700

# A pattern, and what to write instead.
HABITS = (
    (r"\banew\b", "again"),
    (r"\bbut for\b", "except, apart from"),
    (r"\bof ours\b", "our …, or name the thing"),
    (r"\b(?:nobody|somebody|whoever)\b(?!@)", "name the reader, user, editor or process"),
    (r"\b(?:told|tells|tell)\b", "say, report, show, include"),
    (r"\b(?:am|is|are|was|were|be)(?: so)? no more\b(?! than)", "no longer"),
    (r"\bat hand\b", "in memory, ready, available"),
    (r"\bdear(?:er|est)?\b", "expensive"),
    (r"\bmend(?:s|ed|ing)?\b", "fix, repair"),
    (
        r"(?<!Latin )(?<!Persian )(?<!Arabic )(?<!small )(?<!lower-case )(?<!capital )(?<!or )\bletters\b"
        r"(?!,? (?:and )?digits|,? beyond| of (?:two|several|another))",
        "characters",
    ),
    (r"\bstands?\b(?! for | in for | still| out)", "is, or the plain verb"),
)
# A docstring that begins so has no verb: write "Returns None if …", or a sentence about what is done.
DOCSTRING = (r"(?:Who|What|Whether|Whoever)\b|(?:None|False|True):", "begin with a verb or a noun: Returns …, The …")
# Right uses that a pattern cannot see: file, and a part of the text.
ALLOWED: tuple[tuple[str, str], ...] = (
    ("tests/house/prose.py", ""),
    ("mailer/address.py", "lets a host tell `Ali` from `ali`"),
)


class Text(NamedTuple):
    """A piece of prose, and the line on which it begins."""

    path: Path
    line: int
    words: str
    docstring: bool = False


class Finding(NamedTuple):
    place: str
    words: str
    instead: str

    def __str__(self) -> str:
        return f"{self.place}: «{self.words}»: write {self.instead}"


def texts() -> Iterator[Text]:
    """All prose of the repository, without change logs and licences."""
    for folder in ("mailer", "tests", "bench", "docs"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield from python(path)
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))):
        yield from (Text(path, number, line) for number, line in enumerate(lines(path), start=1))
    for name in ("config.toml", "pyproject.toml", "Makefile", "Dockerfile", ".ci/run", "deploy/mailer.service"):
        yield from after_hash(ROOT / name)
    for path in (*sorted((ROOT / "docs").glob("*.sh")), *sorted((ROOT / "bench").glob("*.sh"))):
        yield from after_hash(path)
    for path in sorted((ROOT / "templates").rglob("*.*")):
        yield from after_hash(path) if path.suffix == ".po" else template_comments(path)


def python(path: Path) -> Iterator[Text]:
    """Docstrings, comments and the strings of more than one word, which are messages and help texts."""
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            said = ast.get_docstring(node, clean=False)
            if said is not None:
                docstrings.add(id(node.body[0].value))  # type: ignore[attr-defined]
                yield Text(path, node.body[0].lineno, said, docstring=True)
    for node in ast.walk(tree):
        message = isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
        if message and id(node) not in docstrings and path.is_relative_to(ROOT / "mailer"):
            yield Text(path, node.lineno, node.value)  # type: ignore[attr-defined]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(path, token.start[0], token.string)


def after_hash(path: Path) -> Iterator[Text]:
    for number, line in enumerate(lines(path), start=1):
        if found := re.search(r"(?:^|\s)#.*", line):
            yield Text(path, number, found[0])


def template_comments(path: Path) -> Iterator[Text]:
    source = path.read_text("utf-8")
    for found in re.finditer(r"\{#.*?#\}|/\*.*?\*/", source, re.DOTALL):
        yield Text(path, source.count("\n", 0, found.start()) + 1, found[0])


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def findings(pieces: Iterable[Text]) -> Iterator[Finding]:
    for piece in pieces:
        name = str(piece.path.relative_to(ROOT))
        if any(name == file and part in piece.words for file, part in ALLOWED):
            continue
        if piece.docstring and (found := re.match(DOCSTRING[0], piece.words.lstrip())):
            yield Finding(f"{name}:{piece.line}", found[0], DOCSTRING[1])
        for pattern, instead in HABITS:
            for found in re.finditer(pattern, piece.words, re.IGNORECASE):
                line = piece.line + piece.words.count("\n", 0, found.start())
                yield Finding(f"{name}:{line}", around(piece.words, found), instead)


def around(words: str, found: re.Match[str]) -> str:
    """The match with some of the words beside it, on one line."""
    return " ".join(words[max(found.start() - 20, 0) : found.end() + 20].split())


def long_files() -> Iterator[str]:
    for folder in ("mailer", "tests", "bench"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if len(lines(path)) > LONG:
                yield f"{path.relative_to(ROOT)} has {len(lines(path))} lines; more than {LONG} are hard to read"


def main(arguments: list[str]) -> int:
    found = list(findings(texts()))
    for each in long_files():
        print(each)  # noqa: T201 - a program for the terminal
    if "--report" in arguments:
        folders = Counter("/".join(each.place.split(":")[0].split("/")[:2]) for each in found)
        print(f"prose: {len(found)} findings", dict(folders.most_common()))  # noqa: T201 - as above
        return 0
    for one in found:
        print(one)  # noqa: T201 - as above
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
