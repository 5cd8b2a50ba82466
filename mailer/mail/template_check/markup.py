"""Parses the HTML of a mail into a tree, and reports everything that a forgiving parser would have to repair.

Mail programs repair markup differently, so a mail must leave them nothing to repair. It knows only the subset of HTML
that mails use, and judges only the nesting.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "img", "br", "hr", "link", "input", "base"}
_BLOCKS = {"p", "div", "table", "h1", "h2", "h3", "h4", "ul", "ol", "li", "form"}
_PARENTS = {"td": {"tr"}, "th": {"tr"}, "tr": {"table", "tbody", "thead"}, "tbody": {"table"}, "li": {"ul", "ol"}}
_ONLY_ROWS = {"table", "tbody", "thead", "tr"}

_MSO = re.compile(r"<!--\[if mso\]>(.*?)<!\[endif\]-->", re.DOTALL)
_NOT_MSO = re.compile(r"<!--\[if !mso\]><!-->.*?<!--<!\[endif\]-->", re.DOTALL)


@dataclass(eq=False)
class Element:
    """One element; `pieces` are its texts and elements in order."""

    tag: str
    attributes: dict[str, str]
    pieces: list["Element | str"] = field(default_factory=list)

    def get(self, name: str) -> str:
        return self.attributes.get(name, "")

    def all(self, *tags: str) -> Iterator["Element"]:
        """Yields the elements below this one, in document order; only those with one of the tags, if any are given."""
        for piece in self.pieces:
            if isinstance(piece, Element):
                if not tags or piece.tag in tags:
                    yield piece
                yield from piece.all(*tags)

    def first(self, tag: str) -> "Element | None":
        return next(self.all(tag), None)

    def children(self) -> list["Element"]:
        return [piece for piece in self.pieces if isinstance(piece, Element)]

    def text(self) -> str:
        """Returns the text that a reader sees, without styles and scripts."""
        if self.tag in ("style", "script"):
            return ""
        return "".join(piece if isinstance(piece, str) else piece.text() for piece in self.pieces)


def read(html: str) -> tuple[Element, list[str]]:
    """Returns the tree, whose root has the tag "", and the problems of its nesting."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.problems += [f"<{element.tag}> is never closed" for element in reader.open[1:]]
    return reader.open[0], reader.problems


def as_word_sees_it(html: str) -> str:
    """Returns the HTML that Outlook's conditional comments leave for Word, which is what Outlook renders with."""
    return _MSO.sub(r"\1", _NOT_MSO.sub("", html))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]
        self.problems: list[str] = []
        self._ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        above = self.open[-1]
        element = Element(tag, {name: value or "" for name, value in attrs})
        if len(element.attributes) < len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")
        if element.get("id") in self._ids:
            self.problems.append(f"two elements have the id {element.get('id')}")
        self._ids |= {element.get("id")} - {""}
        wrong_parent = tag in _PARENTS and above.tag not in _PARENTS[tag]
        between_rows = above.tag in _ONLY_ROWS and tag not in _PARENTS
        block_in_line = tag in _BLOCKS and above.tag in ("p", "h1", "h2", "h3", "span", "a")
        if wrong_parent or between_rows or block_in_line:
            self.problems.append(f"<{tag}> must not be in <{above.tag}>")
        if tag == "a" and any(outer.tag == "a" for outer in self.open):
            self.problems.append("a link is inside a link")
        above.pieces.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.problems.append(f"<{tag}/> closes nothing")
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1].tag == tag and tag:
            self.open.pop()
            return
        self.problems.append(f"</{tag}> closes <{self.open[-1].tag}>")
        if any(element.tag == tag for element in self.open[1:]):
            while self.open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self.open[-1].tag in _ONLY_ROWS and data.strip():
            self.problems.append(f"«{data.strip()[:40]}» must not be directly in <{self.open[-1].tag}>")
        self.open[-1].pieces.append(data)
